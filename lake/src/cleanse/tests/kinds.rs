//! What a commit does to the tables, kind by kind.

use headwater_contract::{Bounds, StreamName};

use std::collections::BTreeSet;

use super::*;
use crate::cleanse::{SharedKeys, shared_keys};
use crate::commit::Outcome;

fn ids(rows: &[String]) -> String {
    rows.join(" ")
}

#[tokio::test]
async fn a_reread_replaces_every_live_row_of_its_window_and_nothing_else() {
    for kind in [StreamKind::Events, StreamKind::Restating] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        world
            .read_and_commit(
                &contract,
                &day(0),
                &[order(1, 1, "a", &[("p", 1), ("q", 2)]), order(2, 2, "a", &[("p", 1)])],
            )
            .await;
        world.read_and_commit(&contract, &day(1), &[order(3, 30, "a", &[("r", 1)])]).await;
        world.read(&contract, &day(0), &[order(1, 1, "b", &[("q", 2)]), order(2, 2, "a", &[("p", 1)])]).await;
        world
            .read(
                &contract,
                &day(0),
                &[order(1, 1, "c", &[("q", 9)]), order(2, 2, "a", &[("p", 1)]), order(4, 3, "new", &[])],
            )
            .await;
        let report = world.commit(&contract, &[day(0)]).await;
        assert_eq!(report.outcomes[&day(0)], Outcome::Committed { generation: 3, rows: 3 });
        assert_eq!(
            world.rows(&contract, "orders", &["id", "v", "_generation"]).await,
            ["1|c|3", "2|a|3", "3|a|1", "4|new|3"]
        );
        assert_eq!(
            world.rows(&contract, "order_lines", &["order_id", "sku", "n", "_line"]).await,
            ["1|q|9|0", "2|p|1|0", "3|r|1|0"]
        );
        let again = world.commit(&contract, &[day(0), day(1)]).await;
        assert!(!again.has_written() && again.outcomes[&day(0)] == Outcome::Already { generation: 3 });
    }
}

#[tokio::test]
async fn a_committed_window_beats_another_with_other_bounds_even_when_it_is_empty() {
    let (world, contract) =
        (World::new().await, Arc::new(StreamContract { may_be_empty: true, ..orders(StreamKind::Events) }));
    for (first, rows) in [(hours(0, 24), vec![order(1, 1, "a", &[])]), (hours(100, 124), Vec::new())] {
        let range = first.time_range().unwrap();
        let (from, until) = ((range.from() - hour(0)).num_hours(), (range.until() - hour(0)).num_hours());
        world.read_and_commit(&contract, &first, &rows).await;
        let second = hours(from + 12, until + 12);
        let report = world.read_and_commit(&contract, &second, &[order(9, from + 13, "late", &[])]).await;
        assert_eq!(report.outcomes[&second], Outcome::Beaten { by: first.to_string() });
        assert!(!report.has_written());
        let beside = hours(until, until + 12);
        let report = world.read_and_commit(&contract, &beside, &[order(from + 50, until, "next", &[])]).await;
        assert!(matches!(report.outcomes[&beside], Outcome::Committed { .. }));
    }
    // Two that nobody has committed yet: the first in order wins, in one commit.
    for window in [hours(200, 210), hours(205, 215)] {
        world.read(&contract, &window, &[order(300, 206, "a", &[])]).await;
    }
    let report = world.commit(&contract, &[hours(205, 215), hours(200, 210)]).await;
    assert!(matches!(report.outcomes[&hours(205, 215)], Outcome::Beaten { .. }));
}

#[tokio::test]
async fn a_mutable_row_that_moved_stays_moved_when_its_old_window_is_read_again() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Mutable)));
    world
        .read_and_commit(
            &contract,
            &day(0),
            &[order(1, 1, "old", &[("p", 1), ("q", 1)]), order(2, 2, "stays", &[("s", 1)])],
        )
        .await;
    world.read_and_commit(&contract, &day(1), &[order(1, 30, "new", &[("p", 1)])]).await;
    // Day 0 shows order 1 no more: it moved. Nothing is removed by that, and the newest version stays.
    world.read_and_commit(&contract, &day(0), &[order(2, 2, "stays", &[("s", 1)])]).await;
    assert_eq!(world.rows(&contract, "orders", &["id", "v", "_deleted_at"]).await, ["1|new|-", "2|stays|-"]);
    assert_eq!(world.rows(&contract, "orders__versions", &["id", "v"]).await, ["1|new", "1|old", "2|stays"]);
    // The order lost a line with its new version: it loses it here too.
    assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["1|p", "2|s"]);
    assert_eq!(
        world.rows(&contract, "order_lines__versions", &["order_id", "sku"]).await,
        ["1|p", "1|p", "1|q", "2|s"]
    );
}

#[tokio::test]
async fn every_generation_of_a_mutable_window_adds_what_is_new_in_it() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Mutable)));
    // Three readings land before anything is committed; content goes and comes back under one version.
    for content in ["a", "b", "a"] {
        world
            .read(&contract, &day(0), &[order(1, 1, content, &[(content, 1)]), order(2, 2, "same", &[("s", 1)])])
            .await;
    }
    let report = world.commit(&contract, &[day(0)]).await;
    assert_eq!(report.outcomes[&day(0)], Outcome::Committed { generation: 3, rows: 2 });
    assert_eq!(
        world.rows(&contract, "orders__versions", &["id", "v", "_generation"]).await,
        ["1|a|1", "1|a|3", "1|b|2", "2|same|1"]
    );
    assert_eq!(world.rows(&contract, "orders", &["id", "v", "_generation"]).await, ["1|a|3", "2|same|1"]);
    assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku", "_generation"]).await, ["1|a|3", "2|s|1"]);
}

#[tokio::test]
async fn a_late_committer_of_an_older_version_does_not_take_the_keyed_row_back() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Mutable)));
    world.read(&contract, &day(0), &[order(1, 1, "old", &[])]).await;
    world.read_and_commit(&contract, &day(1), &[order(1, 30, "new", &[])]).await;
    world.commit(&contract, &[day(0)]).await;
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|new"]);
}

#[tokio::test]
async fn links_of_a_chain_commit_in_order_whatever_order_they_come_in() {
    let mut contract = StreamContract { may_be_empty: true, ..orders(StreamKind::Chain) };
    contract.columns.push(Column::new("gone", ColumnType::Boolean).nullable());
    contract.deletes = Deletes::Flag { column: "gone".to_owned(), values: Vec::new() };
    let (world, contract) = (World::new().await, Arc::new(contract));
    let tokens = ["", "t1", "t2", "t3"];
    let bodies = [
        vec![order(1, 1, "a", &[]), order(2, 1, "a", &[])],
        // Within a link the later operation counts; times go back, links do not.
        vec![order(1, 0, "b", &[])],
        vec![r#"{"id":2,"at":"2024-03-01T05:00:00Z","gone":true}"#.to_owned()],
    ];
    let mut links = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        let window = Window::link(Slice::whole(), number as u64, tokens[number]);
        let attempt = world.begin(&contract, &window, body, Some(tokens[number])).await;
        world.finish(attempt, body, Some(tokens[number + 1])).await;
        links.push(window);
    }
    let report = world.commit(&contract, &links[1..]).await;
    assert_eq!((&report.outcomes[&links[1]], &report.outcomes[&links[2]]), (&Outcome::Waits, &Outcome::Waits));
    assert!(world.rows(&contract, "orders__versions", &["id"]).await.is_empty());
    world.commit(&contract, &links[..1]).await;
    let report = world.commit(&contract, &[links[2].clone(), links[1].clone()]).await;
    assert!(links[1..].iter().all(|link| matches!(report.outcomes[link], Outcome::Committed { .. })));
    assert_eq!(
        world.rows(&contract, "orders", &["id", "v", "_deleted_at"]).await,
        ["1|b|-", "2|-|2024-06-09T00:00:02Z"]
    );
    // A link that starts from a token which no committed link ended at never shows.
    let stray = Window::link(Slice::whole(), 3, "elsewhere");
    let attempt = world.begin(&contract, &stray, &[], Some("elsewhere")).await;
    world.finish(attempt, &[], Some("t9")).await;
    assert_eq!(world.commit(&contract, std::slice::from_ref(&stray)).await.outcomes[&stray], Outcome::Waits);
}

#[tokio::test]
async fn an_older_snapshot_never_replaces_a_newer_one() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Snapshot)));
    let snapshot = |hours: i64| Window::snapshot(Slice::whole(), hour(24 * 100 + hours));
    let (old, new) = (snapshot(0), snapshot(1));
    world.read(&contract, &old, &[order(1, 1, "old", &[("p", 1)])]).await;
    world.read(&contract, &new, &[order(1, 1, "new", &[("q", 1)]), order(2, 1, "new", &[])]).await;
    world.commit(&contract, std::slice::from_ref(&new)).await;
    let report = world.commit(&contract, std::slice::from_ref(&old)).await;
    assert_eq!(report.outcomes[&old], Outcome::Superseded);
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|new", "2|new"]);
    assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["1|q"]);
    let next = snapshot(2);
    world.read(&contract, &next, &[order(1, 1, "next", &[]), order(2, 1, "x", &[])]).await;
    let report = world.commit(&contract, &[old.clone(), next.clone(), new.clone()]).await;
    assert!(
        matches!(report.outcomes[&next], Outcome::Committed { .. }) && report.outcomes[&new] == Outcome::Superseded
    );
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|next", "2|x"]);
}

/// A stream of customers whose deletes show in a list of keys, and that list.
fn customers() -> (Arc<StreamContract>, Arc<StreamContract>) {
    let mut rows = StreamContract { may_be_empty: true, ..orders(StreamKind::Mutable) };
    rows.name = "shop.customers".parse::<StreamName>().unwrap();
    rows.deletes = Deletes::KeyList { stream: "customers__keys".to_owned() };
    rows.children.clear();
    let mut list = orders(StreamKind::Snapshot);
    list.name = "shop.customers__keys".parse::<StreamName>().unwrap();
    list.key_list_of = Some("customers".to_owned());
    list.columns.truncate(1);
    list.children.clear();
    (Arc::new(rows), Arc::new(StreamContract { may_be_empty: true, max_removed: 1.0, ..list }))
}

async fn list(world: &World, contract: &Arc<StreamContract>, ids: &[i64]) -> Window {
    let window = Window::snapshot(Slice::whole(), world.clock.now());
    let lines: Vec<String> = ids.iter().map(|id| format!("{{\"id\":{id}}}")).collect();
    world.read(contract, &window, &lines).await;
    window
}

#[tokio::test]
async fn a_key_that_the_newest_list_lacks_is_deleted_and_comes_back_when_it_is_seen_again() {
    let (world, (rows, keys)) = (World::new().await, customers());
    let people = [order(1, 1, "Ann", &[]), order(2, 2, "Bob", &[])];
    world.read_and_commit(&rows, &day(0), &people).await;
    let first = list(&world, &keys, &[1]).await;
    world.commit(&keys, std::slice::from_ref(&first)).await;
    world.commit(&rows, &[]).await;
    let Bounds::Snapshot { read_at } = first.bounds else { unreachable!() };
    let gone = read_at.format("2|%Y-%m-%dT%H:%M:%SZ").to_string();
    assert_eq!(world.rows(&rows, "customers", &["id", "_deleted_at"]).await, ["1|-".to_owned(), gone.clone()]);
    // A later list that lacks it too does not date the delete anew.
    let second = list(&world, &keys, &[1]).await;
    world.commit(&keys, &[second]).await;
    world.commit(&rows, &[]).await;
    assert_eq!(world.rows(&rows, "customers", &["id", "_deleted_at"]).await, ["1|-".to_owned(), gone]);
    // It is seen again with the same version and bytes: the reading is recorded all the same and lifts the flag.
    world.read_and_commit(&rows, &day(0), &people).await;
    assert_eq!(world.rows(&rows, "customers", &["id", "_deleted_at"]).await, ["1|-", "2|-"]);
    let third = list(&world, &keys, &[2]).await;
    world.commit(&keys, &[third]).await;
    world.commit(&rows, &[]).await;
    let now = ids(&world.rows(&rows, "customers", &["id", "_deleted_at"]).await);
    assert!(now.starts_with("1|2024") && now.ends_with("2|-"), "{now}");
    let fourth = list(&world, &keys, &[1, 2]).await;
    world.commit(&keys, &[fourth]).await;
    world.commit(&rows, &[]).await;
    assert_eq!(world.rows(&rows, "customers", &["id", "_deleted_at"]).await, ["1|-", "2|-"]);
}

#[tokio::test]
async fn a_row_that_commits_after_the_list_is_asked_against_it() {
    let (world, (rows, keys)) = (World::new().await, customers());
    // The reading of the rows began first and its runner is slow: the list, which lacks 2, is committed before it.
    let lines = [order(1, 1, "Ann", &[]), order(2, 2, "Bob", &[])];
    world.read(&rows, &day(0), &lines).await;
    let listed = list(&world, &keys, &[1]).await;
    world.commit(&keys, &[listed]).await;
    let report = world.commit(&rows, &[day(0)]).await;
    assert!(report.lists_due.contains(&Slice::whole()));
    let shown = ids(&world.rows(&rows, "customers", &["id", "_deleted_at"]).await);
    assert!(shown.starts_with("1|- 2|2024"), "{shown}");
    // A row that is newer than the list is not judged by it.
    world.read_and_commit(&rows, &day(1), &[order(3, 30, "Cid", &[])]).await;
    let shown = ids(&world.rows(&rows, "customers", &["id", "_deleted_at"]).await);
    assert!(shown.ends_with("3|-"), "{shown}");
}

#[tokio::test]
async fn keys_of_two_slices_are_two_rows_unless_the_stream_says_otherwise() {
    for (is_wide, expected) in [(false, vec!["a|1|x", "b|1|y"]), (true, vec!["b|1|y"])] {
        let contract = Arc::new(StreamContract { key_is_stream_wide: is_wide, ..orders(StreamKind::Mutable) });
        let world = World::new().await;
        for (slice, at, v) in [("a", 1, "x"), ("b", 2, "y")] {
            let window = Window { slice: Slice::named(slice), ..day(0) };
            world.read_and_commit(&contract, &window, &[order(1, at, v, &[])]).await;
        }
        assert_eq!(world.rows(&contract, "orders", &["_slice", "id", "v"]).await, expected);
    }
}

#[tokio::test]
async fn a_key_that_two_windows_show_is_counted_because_the_kind_is_wrong() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    let shared = async |windows: &[Window]| {
        shared_keys(&world.lake, &contract, &windows.iter().cloned().collect()).await.unwrap()
    };
    world.read_and_commit(&contract, &day(0), &[order(1, 1, "a", &[]), order(2, 1, "a", &[])]).await;
    assert_eq!(shared(&[day(0)]).await, SharedKeys::default());
    world.read_and_commit(&contract, &day(1), &[order(1, 25, "moved", &[]), order(3, 25, "a", &[])]).await;
    world.read_and_commit(&contract, &day(2), &[order(9, 50, "b", &[])]).await;
    let found = SharedKeys { keys: 1, windows: BTreeSet::from([day(0), day(1)]) };
    // New against old, new against new; and a window that shares nothing says nothing of others.
    assert_eq!(shared(&[day(1)]).await, found);
    assert_eq!(shared(&[day(0), day(1), day(2)]).await, found);
    assert_eq!(shared(&[day(2)]).await, SharedKeys::default());
    assert_eq!(shared(&[]).await, SharedKeys::default());
    // The same key in another slice is another key, unless keys are unique in the whole stream.
    let elsewhere = Window { slice: Slice::named("eu"), ..day(4) };
    world.read_and_commit(&contract, &elsewhere, &[order(9, 98, "b", &[])]).await;
    assert_eq!(shared(std::slice::from_ref(&elsewhere)).await.keys, 0);
    let wide = StreamContract { key_is_stream_wide: true, ..(*contract).clone() };
    let windows = BTreeSet::from([elsewhere.clone()]);
    let found = SharedKeys { keys: 1, windows: BTreeSet::from([elsewhere, day(2)]) };
    assert_eq!(shared_keys(&world.lake, &wide, &windows).await.unwrap(), found);
}
