//! Lost answers, races, kills, files that are gone, strangers.

use headwater_contract::Explain;

use super::*;
use crate::cleanse::rebuild_cleansed;
use crate::commit::{Change, check_logs, commit_windows};
use crate::raw::Receipts;

fn log(world: &World, contract: &StreamContract, table: &str) -> DeltaLog {
    DeltaLog::at(&world.lake.zones.cleansed, &table_folder(contract, table)).unwrap()
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_sent_again() {
    for kind in [StreamKind::Events, StreamKind::Mutable] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        world.read_and_commit(&contract, &day(0), &[order(1, 1, "a", &[("p", 1)])]).await;
        world.read(&contract, &day(1), &[order(2, 25, "b", &[("q", 1)])]).await;
        let before = log(&world, &contract, &contract.window_table()).snapshot().await.unwrap().version;
        world.cleansed.lose_answers.store(3, Ordering::SeqCst);
        world.commit(&contract, &[day(1)]).await;
        world.cleansed.refuse.store(2, Ordering::SeqCst);
        world.read_and_commit(&contract, &day(2), &[order(3, 49, "c", &[("r", 1)])]).await;
        let after = log(&world, &contract, &contract.window_table()).snapshot().await.unwrap().version;
        assert_eq!(after, before + 2);
        assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|a", "2|b", "3|c"]);
        assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["1|p", "2|q", "3|r"]);
    }
}

#[tokio::test]
async fn a_receipt_whose_answer_is_lost_is_ours_all_the_same() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    world.raw.lose_receipts.store(1, Ordering::SeqCst);
    let landed = world.read(&contract, &day(0), &plain(0..3, 1)).await;
    assert!(landed.created_by_us);
    assert_eq!(Receipts::new(&world.lake.zones.raw).of_window(&contract.name, &day(0)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_attempts_at_a_generation_the_first_receipt_counts_with_its_time() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    let (ours, theirs) = (plain(0..3, 1), plain(0..4, 1));
    let slow = world.begin(&contract, &day(0), &ours, None).await;
    world.clock.advance(TimeDelta::hours(1));
    let winner = world.read(&contract, &day(0), &theirs).await.receipt;
    let landed = world.finish(slow, &ours, None).await;
    assert!(!landed.created_by_us && landed.receipt == winner);
    world.commit(&contract, &[day(0)]).await;
    assert_eq!(world.rows(&contract, "orders", &["id"]).await.len(), 4);
    // What the loser wrote is gone: nothing would ever name it.
    let parts = world.lake.zones.raw.list("shop/orders/date=2024-03-01").await.unwrap();
    assert!(parts.iter().all(|entry| entry.path.contains(&winner.attempt.to_string())), "{parts:?}");
}

#[tokio::test]
async fn committers_that_race_show_every_row_once() {
    for kind in [StreamKind::Restating, StreamKind::Mutable] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        for number in 0..4 {
            world.read(&contract, &day(number), &[order(number, number * 24, "x", &[("p", number)])]).await;
        }
        let sets = [vec![day(0), day(1)], vec![day(1), day(2)], vec![day(2), day(3), day(0)]];
        let racers = sets.iter().map(|windows| commit_windows(&world.lake, &contract, windows));
        for report in futures::future::join_all(racers).await {
            report.unwrap();
        }
        assert_eq!(world.rows(&contract, "orders", &["id"]).await, ["0", "1", "2", "3"], "{kind}");
        assert_eq!(
            world.rows(&contract, "order_lines", &["order_id", "n"]).await,
            ["0|0", "1|1", "2|2", "3|3"],
            "{kind}"
        );
        let versions = world.rows(&contract, &contract.window_table(), &["id"]).await;
        assert_eq!(versions.len(), 4, "{kind}");
    }
}

#[tokio::test]
async fn a_runner_killed_between_two_tables_leaves_work_that_anybody_finishes() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Mutable)));
    world.read_and_commit(&contract, &day(0), &[order(1, 1, "a", &[("p", 1)])]).await;
    world.read(&contract, &day(1), &[order(1, 25, "b", &[("q", 1)])]).await;
    // The stream's table is committed; the children's and keyed ones are refused until the runner gives up.
    let childless = Arc::new(StreamContract { children: Vec::new(), key: Vec::new(), ..(*contract).clone() });
    commit_windows(&world.lake, &childless, &[day(1)]).await.unwrap();
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|a"]);
    let report = world.commit(&contract, &[]).await;
    assert!(report.has_written());
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|b"]);
    assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["1|q"]);
    assert!(!world.commit(&contract, &[]).await.has_written());
}

#[tokio::test]
async fn a_typed_file_that_is_gone_or_doomed_is_typed_again_from_raw() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    let receipt = world.read(&contract, &day(0), &[order(1, 1, "a", &[("p", 1)]), order(2, 1, "b", &[])]).await.receipt;
    world.lake.zones.cleansed.delete(&format!("shop/orders/{}", receipt.typed[0].path)).await.unwrap();
    let error = commit_windows(&world.lake, &contract, &[day(0)]).await.unwrap_err();
    assert_eq!(error.code(), "typed-file-gone");
    world.commit(&contract, &[day(0)]).await;
    assert_eq!(
        world.rows(&contract, "orders", &["id", "v", "_generation", "_attempt"]).await,
        [format!("1|a|1|{}", receipt.attempt), format!("2|b|1|{}", receipt.attempt)]
    );
    assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["1|p"]);
    // A vacuum has decided to delete every attempt up to now; a late committer does not name what it may delete.
    let late = world.read(&contract, &day(1), &[order(3, 25, "c", &[])]).await.receipt;
    let table = log(&world, &contract, "orders");
    let horizon = world.clock.now().timestamp_millis();
    world.clock.advance(TimeDelta::seconds(5));
    let snapshot = table.snapshot().await.unwrap();
    table
        .commit(&snapshot, Change { txns: vec![("vacuum".to_owned(), horizon)], ..Change::default() }, hour(0))
        .await
        .unwrap();
    world.commit(&contract, &[day(1)]).await;
    let shown = table.snapshot().await.unwrap();
    assert!(shown.files.iter().all(|file| file.path != late.typed[0].path));
    assert_eq!(world.rows(&contract, "orders", &["id"]).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_lake_of_another_ledger_is_left_alone() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    world.read(&contract, &day(0), &plain(0..3, 1)).await;
    let other = Ledger::in_memory(world.clock.clone()).await.unwrap();
    let stranger = Lake { ledger: other, ..world.lake.clone() };
    let error = commit_windows(&stranger, &contract, &[day(0)]).await.unwrap_err();
    assert_eq!(error.kind(), headwater_contract::ErrorKind::Parked);
    assert!(world.rows(&contract, "orders", &["id"]).await.is_empty());
}

#[tokio::test]
async fn a_log_that_was_deleted_is_refused_until_a_rebuild_begins_another() {
    for (kind, table) in [
        (StreamKind::Events, "orders"),
        (StreamKind::Events, "order_lines"),
        (StreamKind::Mutable, "orders__versions"),
        (StreamKind::Mutable, "orders"),
        (StreamKind::Mutable, "order_lines"),
    ] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        world.read_and_commit(&contract, &day(0), &[order(1, 1, "a", &[("p", 1)])]).await;
        check_logs(&world.lake, &contract).await.unwrap();
        let cleansed = &world.lake.zones.cleansed;
        for entry in cleansed.list(&format!("shop/{table}/_delta_log")).await.unwrap() {
            cleansed.delete(&entry.path).await.unwrap();
        }
        world.read(&contract, &day(1), &[order(2, 25, "b", &[("q", 1)])]).await;
        let refused = commit_windows(&world.lake, &contract, &[day(1)]).await.unwrap_err();
        assert_eq!((refused.code(), refused.place()), ("log-gone", format!("table shop/{table}")), "{kind}");
        assert!(refused.fix().contains("headwater rebuild cleansed shop.orders"), "{}", refused.fix());
        assert_eq!(check_logs(&world.lake, &contract).await.unwrap_err().code(), "log-gone");
        assert!(cleansed.list(&format!("shop/{table}/_delta_log")).await.unwrap().is_empty(), "nothing began it again");
        rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
        assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|a", "2|b"], "{kind} {table}");
        assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["1|p", "2|q"]);
        check_logs(&world.lake, &contract).await.unwrap();
        world.read_and_commit(&contract, &day(2), &[order(3, 50, "c", &[])]).await;
        assert_eq!(world.rows(&contract, "orders", &["id"]).await.len(), 3);
    }
}

#[tokio::test]
async fn a_log_that_another_took_the_place_of_is_refused_too() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    world.read_and_commit(&contract, &day(0), &[order(1, 1, "a", &[])]).await;
    let cleansed = &world.lake.zones.cleansed;
    for entry in cleansed.list("shop/orders/_delta_log").await.unwrap() {
        cleansed.delete(&entry.path).await.unwrap();
    }
    let schema = crate::typing::stream_schema(&contract);
    DeltaLog::open_or_create(cleansed, "shop/orders", &schema, &[], hour(0)).await.unwrap();
    world.read(&contract, &day(1), &[order(2, 25, "b", &[])]).await;
    assert_eq!(commit_windows(&world.lake, &contract, &[day(1)]).await.unwrap_err().code(), "log-gone");
    rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
    assert_eq!(world.rows(&contract, "orders", &["id"]).await, ["1", "2"]);
    assert!(!world.commit(&contract, &[day(0), day(1)]).await.has_written());
}

#[tokio::test]
async fn a_window_that_commits_in_the_middle_of_a_rebuild_keeps_its_child_rows() {
    for kind in [StreamKind::Restating, StreamKind::Mutable] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        world.read_and_commit(&contract, &day(0), &[order(1, 1, "a", &[("p", 1)])]).await;
        let lines = if kind == StreamKind::Mutable { "order_lines__versions" } else { "order_lines" };
        let (waits, go) = world.cleansed.stop_at(lines);
        let rebuild = async {
            rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
        };
        let other = async {
            waits.await.unwrap();
            // The rebuild has chosen the child's windows; another runner shows one more.
            world.read_and_commit(&contract, &day(1), &[order(2, 25, "b", &[("q", 1)])]).await;
            go.send(()).unwrap();
        };
        futures::join!(rebuild, other);
        world.commit(&contract, &[]).await;
        assert_eq!(world.rows(&contract, "orders", &["id"]).await, ["1", "2"], "{kind}");
        assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["1|p", "2|q"], "{kind}");
    }
}
