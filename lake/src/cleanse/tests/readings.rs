//! What a reading comes to: held, unchanged, cut, in quarantine, released, run again.

use super::*;
use crate::commit::Outcome;
use crate::quarantine;
use crate::raw::{Receipts, Verdict};

#[tokio::test]
async fn an_empty_reading_is_held_when_its_counterparts_had_records() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    assert_eq!(world.read(&contract, &day(0), &[]).await.receipt.verdict, Verdict::Passed);
    for number in 1..4 {
        world.read_and_commit(&contract, &day(number), &plain(number * 10..number * 10 + 3, number * 24)).await;
    }
    // A first day without counterparts is nothing to wonder at; the fifth one is, although one counterpart was empty.
    let held = world.read(&contract, &day(11), &[]).await.receipt.verdict;
    assert_eq!(held, Verdict::Passed);
    let held = world.read(&contract, &day(8), &[]).await.receipt;
    assert!(held.verdict.is_held(), "{:?}", held.verdict);
    let report = world.commit(&contract, &[day(8)]).await;
    assert_eq!(report.outcomes[&day(8)], Outcome::Nothing);
}

#[tokio::test]
async fn a_reread_that_loses_much_is_held_and_one_that_loses_little_is_not() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    world.read_and_commit(&contract, &day(0), &plain(0..10, 1)).await;
    for (lines, is_held) in [
        (Vec::new(), true),
        (plain(0..5, 1), true),
        // As many rows as before and a third of the keys: counts alone would let it pass.
        (plain(7..17, 1), true),
        (plain(1..10, 1), false),
    ] {
        let receipt = world.read(&contract, &day(0), &lines).await.receipt;
        assert_eq!(receipt.verdict.is_held(), is_held, "{:?}", receipt.verdict);
        world.commit(&contract, &[day(0)]).await;
        let shown = world.rows(&contract, "orders", &["id"]).await.len();
        assert_eq!(shown, if is_held { 10 } else { 9 });
    }
}

#[tokio::test]
async fn an_unchanged_reread_says_so_and_keeps_no_parts() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    world.read_and_commit(&contract, &day(0), &plain(0..5, 1)).await;
    let receipt = world.read(&contract, &day(0), &plain(0..5, 1)).await.receipt;
    assert_eq!((receipt.same_as, receipt.parts.len(), receipt.typed.len()), (Some(1), 0, 0));
    let raw = world.lake.zones.raw.list("shop/orders/date=2024-03-01").await.unwrap();
    assert!(raw.iter().all(|entry| entry.path.contains(".g1/")), "{raw:?}");
    let report = world.commit(&contract, &[day(0)]).await;
    assert_eq!(report.outcomes[&day(0)], Outcome::Already { generation: 1 });
    // Compared with what was read last, not with the table: g3 differs, g4 equals g3 and not g1.
    world.read(&contract, &day(0), &[plain(0..5, 1), vec![order(9, 1, "y", &[])]].concat()).await;
    let fourth = world.read(&contract, &day(0), &[plain(0..5, 1), vec![order(9, 1, "y", &[])]].concat()).await.receipt;
    assert_eq!(fourth.same_as, Some(3));
    world.commit(&contract, &[day(0)]).await;
    assert_eq!(world.rows(&contract, "orders", &["id"]).await.len(), 6);
}

#[tokio::test]
async fn records_outside_the_bounds_and_repeated_ones_are_cut_and_counted() {
    let mut contract = orders(StreamKind::Events);
    contract.children[0].parent_columns.push(("order_v".to_owned(), "v".to_owned()));
    let (world, contract) = (World::new().await, Arc::new(contract));
    let lines = [
        order(1, 1, "first", &[("a", 1)]),
        order(2, 24, "next day", &[("b", 1)]),
        order(3, 0, "at the start", &[("c", 1)]),
        order(1, 1, "first", &[("a", 1)]),
        order(4, 2, "x", &[("d", 1)]),
        order(1, 1, "last", &[("e", 1), ("f", 1)]),
        order(5, -1, "day before", &[]),
    ];
    let receipt = world.read(&contract, &day(0), &lines).await.receipt;
    let counts = receipt.counts;
    assert_eq!((counts.received, counts.outside, counts.duplicate, counts.loaded), (7, 2, 2, 3));
    assert!(counts.is_conserved() && receipt.digest.count == 3);
    world.commit(&contract, &[day(0)]).await;
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|last", "3|at the start", "4|x"]);
    assert_eq!(
        world.rows(&contract, "order_lines", &["order_id", "order_v", "sku"]).await,
        ["1|last|e", "1|last|f", "3|at the start|c", "4|x|d"]
    );
}

#[tokio::test]
async fn records_that_fail_are_in_quarantine_with_bytes_and_reason_and_come_back_by_replay() {
    let mut strict = orders(StreamKind::Restating);
    strict.columns[2].checks.push(headwater_contract::Check::OneOf(vec!["good".to_owned()]));
    let (world, strict) = (World::new().await, Arc::new(strict));
    let bad = [
        order(2, 1, "bad", &[("q", 1)]),
        r#"{"id":null,"at":"2024-03-01T01:00:00Z"}"#.to_owned(),
        "{\"id\":7".to_owned(),
        r#"{"id":8,"at":"2024-03-01T01:00:00Z","v":"good","lines":[{"sku":"a","n":"many"}]}"#.to_owned(),
    ];
    let lines = [plain_good(10..16), bad.to_vec()].concat();
    world.read_and_commit(&strict, &day(0), &lines).await;
    let rows = quarantine::records(&world.lake, &strict.name, &day(0), 100).await.unwrap();
    let mut records: Vec<_> = rows.iter().map(|row| row.record.clone()).collect();
    records.sort();
    let mut expected = bad.to_vec();
    expected.sort();
    assert_eq!(records, expected);
    assert!(rows.iter().all(|row| !row.reason.is_empty() && row.part == 0 && row.row == 0));
    let entries = quarantine::list(&world.lake, &strict.name).await.unwrap();
    assert_eq!((entries.len(), entries[0].held.clone(), entries[0].counts.quarantined), (1, None, 4));
    assert_eq!(world.rows(&strict, "orders", &["id"]).await.len(), 6);
    // The contract is mended; no request is sent.
    let mended = Arc::new(orders(StreamKind::Restating));
    let landed = quarantine::replay(&world.lake, &mended, &day(0), &Lines).await.unwrap();
    let receipt = landed.receipt;
    assert_eq!((receipt.generation, receipt.counts.quarantined, receipt.counts.loaded), (2, 3, 7));
    let first = Receipts::new(&world.lake.zones.raw).of_window(&mended.name, &day(0)).await.unwrap()[0].clone();
    assert_eq!((receipt.parts_of, &receipt.parts, receipt.read_at), (Some(first.attempt), &first.parts, first.read_at));
    world.commit(&mended, &[day(0)]).await;
    let shown = world.rows(&mended, "orders", &["id", "v"]).await;
    assert!(shown.contains(&"2|bad".to_owned()) && shown.len() == 7, "{shown:?}");
}

fn plain_good(ids: Range<i64>) -> Vec<String> {
    ids.map(|id| order(id, 1, "good", &[])).collect()
}

#[tokio::test]
async fn a_held_window_keeps_everything_and_is_released_as_the_next_generation() {
    let mut strict = StreamContract { max_quarantined: 0.1, ..orders(StreamKind::Mutable) };
    strict.columns[2].checks.push(headwater_contract::Check::OneOf(vec!["good".to_owned()]));
    let (world, contract) = (World::new().await, Arc::new(strict));
    let lines = [order(1, 1, "good", &[("p", 1)]), order(2, 1, "bad", &[])];
    let held = world.read(&contract, &day(0), &lines).await.receipt;
    assert!(held.verdict.is_held() && !held.parts.is_empty());
    world.commit(&contract, &[day(0)]).await;
    assert!(world.rows(&contract, "orders", &["id"]).await.is_empty());
    let accepted = quarantine::accept(&world.lake, &contract, &day(0)).await.unwrap().receipt;
    assert_eq!((accepted.generation, accepted.parts_of, accepted.read_at), (2, Some(held.attempt), held.read_at));
    world.commit(&contract, &[day(0)]).await;
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|good"]);
    assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["1|p"]);
    let error = quarantine::accept(&world.lake, &contract, &day(0)).await.unwrap_err();
    assert_eq!(headwater_contract::Explain::code(&error), "nothing-held");
}

#[tokio::test]
async fn more_records_than_a_receipt_lists_go_to_a_file_that_it_names() {
    let mut contract = StreamContract { max_quarantined: 1.0, ..orders(StreamKind::Events) };
    contract.columns[2].checks.push(headwater_contract::Check::OneOf(vec!["good".to_owned()]));
    let (mut world, contract) = (World::new().await, Arc::new(contract));
    world.lake.limits.batch_rows = 8_192;
    let lines: Vec<String> = (0..10_500).map(|id| order(id, 1, "bad", &[])).collect();
    let receipt = world.read(&contract, &day(0), &lines).await.receipt;
    assert!(receipt.quarantine.rows.is_empty() && receipt.quarantine.file.is_some());
    let rows = quarantine::records(&world.lake, &contract.name, &day(0), usize::MAX).await.unwrap();
    assert_eq!(rows.into_iter().map(|row| row.record).collect::<Vec<_>>(), lines);
}

#[tokio::test]
async fn an_incomplete_reading_has_no_receipt() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    let lines = plain(0..3, 1);
    let attempt = world.begin(&contract, &day(0), &lines, None).await;
    let error = attempt.finish().await.unwrap_err();
    assert_eq!(headwater_contract::Explain::code(&error), "reading-incomplete");
    let mut attempt = world.begin(&contract, &day(0), &lines, None).await;
    attempt.event(ReadEvent::Done(ReadSummary { records: 4, ..ReadSummary::default() })).await.unwrap();
    let error = attempt.finish().await.unwrap_err();
    assert_eq!(headwater_contract::Explain::code(&error), "reading-unbalanced");
    assert!(Receipts::new(&world.lake.zones.raw).of_stream(&contract.name).await.unwrap().is_empty());
}
