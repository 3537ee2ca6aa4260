//! Files become fewer, rows stay: every one of them, in every table, and readable by window.

use std::sync::Arc;

use chrono::TimeDelta;
use headwater_contract::{Clock, Deletes, StreamContract, StreamKind, Window};

use super::vacuuming::{files, log};
use crate::cleanse::rebuild_cleansed;
use crate::cleanse::tests::{Lines, World, day, order, orders, plain};
use crate::commit::Outcome;
use crate::maintenance::{Compaction, compact, vacuum};
use crate::quarantine;
use crate::raw::Reason;
use crate::typing::TRACKING;

const COLUMNS: [&str; 3] = ["id", "at", "v"];

fn everything(columns: &[&'static str]) -> Vec<&'static str> {
    columns.iter().copied().chain(TRACKING).collect()
}

/// All rows of all tables of `contract`, tracking columns with them.
async fn all(world: &World, contract: &StreamContract) -> Vec<Vec<String>> {
    let mut tables = vec![world.rows(contract, "orders", &everything(&COLUMNS)).await];
    tables.push(world.rows(contract, "order_lines", &everything(&["order_id", "sku", "n", "_line"])).await);
    if contract.kind.is_versioned() {
        tables.push(world.rows(contract, "orders__versions", &everything(&COLUMNS)).await);
        tables
            .push(world.rows(contract, "order_lines__versions", &everything(&["order_id", "sku", "n", "_line"])).await);
    }
    tables
}

/// Six days of two orders each, of which the first has lines; of a mutable stream some change on later days.
async fn filled(world: &World, contract: &Arc<StreamContract>) -> Vec<Window> {
    let days: Vec<Window> = (0..6).map(day).collect();
    for (number, window) in (0..6_i64).zip(&days) {
        let at = number * 24 + 1;
        let mut lines = vec![
            order(number * 10, at, "a", &[("p", number), ("q", 2)]),
            order(number * 10 + 1, at, "b", &[]),
            order(number * 10 + 2, at, "c", &[("r", number)]),
        ];
        if contract.kind == StreamKind::Mutable && number > 0 {
            lines.push(order((number - 1) * 10, at, "changed", &[("z", number)]));
        }
        world.read_and_commit(contract, window, &lines).await;
    }
    days
}

async fn compacted(world: &World, contract: &Arc<StreamContract>) -> Vec<Compaction> {
    compact(&world.lake, contract, &Lines, false).await.unwrap()
}

async fn live(world: &World, contract: &StreamContract, table: &str) -> Vec<String> {
    log(world, contract, table).snapshot().await.unwrap().files.into_iter().map(|file| file.path).collect()
}

#[tokio::test]
async fn windows_within_their_lookback_few_files_and_lists_are_left_alone() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    // The clock shows day 100, the lookback is 7 days: the last reading of day 93 may just have come.
    for number in (0..3).chain(92..99) {
        world.read_and_commit(&contract, &day(number), &[order(number, number * 24, "x", &[])]).await;
    }
    assert_eq!(compacted(&world, &contract).await, []);
    let list = Arc::new(StreamContract { children: Vec::new(), ..orders(StreamKind::Snapshot) });
    for _ in 0..6 {
        let window = Window::snapshot(headwater_contract::Slice::whole(), world.clock.now());
        world.read_and_commit(&list, &window, &plain(0..3, 1)).await;
    }
    world.clock.advance(TimeDelta::days(400));
    assert_eq!(compacted(&world, &list).await, []);
}

#[tokio::test]
async fn a_dry_run_tells_and_writes_nothing() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Mutable)));
    filled(&world, &contract).await;
    let before = world.lake.zones.cleansed.list("").await.unwrap();
    let told = compact(&world.lake, &contract, &Lines, true).await.unwrap();
    assert_eq!(world.lake.zones.cleansed.list("").await.unwrap(), before);
    assert!(told.iter().any(|table| table.table == "shop/orders__versions" && table.files == 6), "{told:?}");
    assert!(told.iter().all(|table| table.version.is_none() && table.into_files == 0));
}

#[tokio::test]
async fn every_table_shows_the_same_rows_in_fewer_files_and_nothing_is_owed() {
    for kind in [StreamKind::Events, StreamKind::Restating, StreamKind::Mutable] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        let days = filled(&world, &contract).await;
        let before = all(&world, &contract).await;
        let done = compacted(&world, &contract).await;
        let table = contract.window_table();
        assert!(
            done.iter().any(|one| one.table.ends_with(&table) && one.files == 6 && one.into_files == 1),
            "{done:?}"
        );
        assert_eq!(all(&world, &contract).await, before, "{kind}");
        let names = live(&world, &contract, &table).await;
        assert_eq!(names.len(), 1, "{kind}: {names:?}");
        assert!(names[0].contains(".to."), "{names:?}");
        assert_eq!(world.show(&contract, &days).await.differences, [], "{kind}");
        assert!(!world.commit(&contract, &days).await.has_written(), "{kind}: the tables hold what they held");
        assert!(!world.commit(&contract, &[]).await.has_written());
        assert_eq!(compacted(&world, &contract).await, [], "{kind}: once is enough");
    }
}

#[tokio::test]
async fn a_window_that_is_read_again_takes_its_rows_out_of_the_compacted_file() {
    for kind in [StreamKind::Events, StreamKind::Restating] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        let days = filled(&world, &contract).await;
        compacted(&world, &contract).await;
        let again = [
            order(20, 49, "again", &[("p", 99)]),
            order(21, 49, "b", &[]),
            order(22, 49, "c", &[("r", 2)]),
            order(23, 50, "late", &[]),
        ];
        // Two windows of one file in one commit.
        world.read(&contract, &day(2), &again).await;
        let third = [order(30, 73, "x", &[]), order(31, 73, "y", &[]), order(32, 73, "z", &[("s", 1)])];
        world.read(&contract, &day(3), &third).await;
        let report = world.commit(&contract, &[day(2), day(3)]).await;
        assert_eq!(report.outcomes[&day(2)], Outcome::Committed { generation: 2, rows: 4 });
        let rows = world.rows(&contract, "orders", &["id", "v", "_generation"]).await;
        let expected = [
            "0|a|1",
            "10|a|1",
            "11|b|1",
            "12|c|1",
            "1|b|1",
            "20|again|2",
            "21|b|2",
            "22|c|2",
            "23|late|2",
            "2|c|1",
            "30|x|2",
            "31|y|2",
            "32|z|2",
            "40|a|1",
            "41|b|1",
            "42|c|1",
            "50|a|1",
            "51|b|1",
            "52|c|1",
        ];
        assert_eq!(rows, expected, "{kind}");
        let lines = world.rows(&contract, "order_lines", &["order_id", "sku", "n"]).await;
        assert_eq!(lines.iter().filter(|line| line.starts_with("20|")).collect::<Vec<_>>(), ["20|p|99"]);
        assert!(!lines.iter().any(|line| line.starts_with("30|")) && lines.contains(&"32|s|1".to_owned()), "{lines:?}");
        assert_eq!(world.show(&contract, &days).await.differences, [], "{kind}");
    }
}

#[tokio::test]
async fn a_compacted_file_whose_every_window_is_read_again_goes() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    let days = filled(&world, &contract).await;
    compacted(&world, &contract).await;
    for (number, window) in (0..6_i64).zip(&days) {
        let at = number * 24 + 1;
        let lines: Vec<String> = (0..3).map(|id| order(number * 10 + id, at, "new", &[])).collect();
        world.read(&contract, window, &lines).await;
    }
    world.commit(&contract, &days).await;
    assert!(live(&world, &contract, "orders").await.iter().all(|path| !path.contains(".to.")));
    assert_eq!(world.rows(&contract, "orders", &["v"]).await, vec!["new"; 18]);
    assert_eq!(world.rows(&contract, "order_lines", &["sku"]).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_overlapping_window_is_beaten_by_one_inside_a_compacted_file() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    filled(&world, &contract).await;
    compacted(&world, &contract).await;
    let wider = crate::cleanse::tests::hours(36, 60);
    world.read(&contract, &wider, &plain(90..93, 40)).await;
    let report = world.commit(&contract, std::slice::from_ref(&wider)).await;
    assert!(matches!(report.outcomes[&wider], Outcome::Beaten { .. }), "{report:?}");
    // A gap within the file's first and last window is nobody's.
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    for number in [0, 1, 3, 4] {
        world.read_and_commit(&contract, &day(number), &[order(number, number * 24, "x", &[])]).await;
    }
    assert_eq!(compacted(&world, &contract).await[0].files, 4);
    let report = world.read_and_commit(&contract, &day(2), &plain(90..93, 50)).await;
    assert_eq!(report.outcomes[&day(2)], Outcome::Committed { generation: 1, rows: 3 });
    assert_eq!(world.rows(&contract, "orders", &["id"]).await.len(), 7);
}

#[tokio::test]
async fn versions_that_come_after_a_compaction_find_what_they_repeat_and_replace() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Mutable)));
    let days = filled(&world, &contract).await;
    compacted(&world, &contract).await;
    // The same reading again says nothing new; one row of it does.
    let again = [
        order(20, 49, "a", &[("p", 2), ("q", 2)]),
        order(21, 49, "b", &[]),
        order(22, 49, "c", &[("r", 7)]),
        order(10, 49, "changed", &[("z", 2)]),
    ];
    let before = world.rows(&contract, "orders__versions", &["id"]).await.len();
    world.read_and_commit(&contract, &day(2), &again).await;
    assert_eq!(world.rows(&contract, "orders__versions", &["id"]).await.len(), before + 1);
    // An order whose lines lie in the compacted file changes much later.
    world.read_and_commit(&contract, &day(20), &[order(0, 481, "last", &[("only", 1)])]).await;
    let lines = world.rows(&contract, "order_lines", &["order_id", "sku", "n"]).await;
    let expected = [
        "0|only|1", "10|z|2", "12|r|1", "20|z|3", "22|r|7", "2|r|0", "30|z|4", "32|r|3", "40|z|5", "42|r|4", "50|p|5",
        "50|q|2", "52|r|5",
    ];
    assert_eq!(lines, expected);
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await[0], "0|last");
    let shown = all(&world, &contract).await;
    rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
    assert_eq!(all(&world, &contract).await, shown, "as from the receipts");
    assert!(!world.commit(&contract, &days).await.has_written());
}

#[tokio::test]
async fn a_runner_killed_after_the_compaction_leaves_tables_that_come_to_the_same() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Mutable)));
    let days = filled(&world, &contract).await;
    let before = all(&world, &contract).await;
    // Without a key there is no keyed table to tell: what a runner leaves that is killed before it does.
    let keyless = Arc::new(StreamContract { children: Vec::new(), key: Vec::new(), ..(*contract).clone() });
    assert_eq!(compacted(&world, &keyless).await.len(), 1);
    world.commit(&contract, &days).await;
    assert_eq!(all(&world, &contract).await, before);
    // And one that was killed between the parent's commit and its children's, before the parent was compacted.
    let childless = Arc::new(StreamContract { children: Vec::new(), ..(*contract).clone() });
    let late = [order(90, 170, "n", &[("p", 1)]), order(91, 170, "n", &[("p", 2)])];
    for number in 7..11 {
        world.read(&contract, &day(number), if number == 7 { &late } else { &[] }).await;
    }
    world.commit(&childless, &[day(7)]).await;
    world.commit(&contract, &[]).await;
    let lines = world.rows(&contract, "order_lines", &["order_id", "sku", "n"]).await;
    assert!(lines.contains(&"90|p|1".to_owned()) && lines.contains(&"91|p|2".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_child_that_lags_behind_a_compacted_parent_catches_up() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Mutable)));
    let childless = Arc::new(StreamContract { children: Vec::new(), ..(*contract).clone() });
    for number in 0..6_i64 {
        let rows =
            [order(number, number * 24, "a", &[("p", number)]), order(50, number * 24, "moves", &[("q", number)])];
        world.read(&contract, &day(number), &rows).await;
        world.commit(&childless, &[day(number)]).await;
    }
    assert_eq!(compacted(&world, &childless).await[0].files, 6);
    world.commit(&contract, &[]).await;
    let lines = world.rows(&contract, "order_lines", &["order_id", "sku", "n"]).await;
    assert_eq!(lines, ["0|p|0", "1|p|1", "2|p|2", "3|p|3", "4|p|4", "50|q|5", "5|p|5"]);
    assert_eq!(world.rows(&contract, "order_lines__versions", &["sku"]).await.len(), 12);
}

#[tokio::test]
async fn after_a_vacuum_a_compacted_table_has_every_row_and_can_be_rebuilt() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    filled(&world, &contract).await;
    let before = all(&world, &contract).await;
    compacted(&world, &contract).await;
    world.clock.advance(TimeDelta::days(9));
    for table in ["orders", "order_lines"] {
        let table = log(&world, &contract, table);
        let done = vacuum(&world.lake, &world.lake.zones.cleansed, &table, false).await.unwrap();
        assert_eq!(done.swept.files, 6);
    }
    assert_eq!((files(&world, "orders").await.len(), all(&world, &contract).await), (1, before.clone()));
    // Every typed file that a receipt names is gone; the parts are there.
    let again: Vec<String> = (0..3).map(|id| order(10 + id, 25, "new", &[])).collect();
    world.read_and_commit(&contract, &day(1), &again).await;
    assert_eq!(world.rows(&contract, "orders", &["id"]).await.len(), 18);
    let shown = all(&world, &contract).await;
    rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
    assert_eq!(all(&world, &contract).await, shown);
}

#[tokio::test]
async fn a_compaction_whose_answer_is_lost_doubles_nothing() {
    for kind in [StreamKind::Events, StreamKind::Mutable] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        let days = filled(&world, &contract).await;
        let before = all(&world, &contract).await;
        world.cleansed.lose_answers.store(2, std::sync::atomic::Ordering::SeqCst);
        compacted(&world, &contract).await;
        world.cleansed.refuse.store(2, std::sync::atomic::Ordering::SeqCst);
        compacted(&world, &contract).await;
        world.commit(&contract, &days).await;
        assert_eq!(all(&world, &contract).await, before, "{kind}");
    }
}

#[tokio::test]
async fn a_held_window_that_is_accepted_after_its_rows_were_compacted_replaces_them() {
    let contract = StreamContract { deletes: Deletes::None, ..orders(StreamKind::Restating) };
    let (world, contract) = (World::new().await, Arc::new(contract));
    filled(&world, &contract).await;
    compacted(&world, &contract).await;
    let held = world.read(&contract, &day(4), &plain(40..41, 97)).await.receipt;
    assert!(held.verdict.is_held());
    assert!(!world.commit(&contract, &[day(4)]).await.has_written());
    world.clock.advance(TimeDelta::days(10));
    let accepted = quarantine::accept(&world.lake, &contract, &day(4)).await.unwrap().receipt;
    assert_eq!(accepted.reason, Reason::Accept);
    world.commit(&contract, &[day(4)]).await;
    let rows = world.rows(&contract, "orders", &["id", "_window", "_generation"]).await;
    let of_day: Vec<_> = rows.iter().filter(|row| row.contains(&day(4).name())).collect();
    assert_eq!(of_day, [&format!("40|{}|2", day(4).name())]);
    assert_eq!(rows.len(), 16);
}
