//! Raw files go only when no receipt names them and none ever can.

use std::sync::Arc;

use headwater_contract::StreamKind;
use ulid::Ulid;

use crate::cleanse::tests::{Lines, World, day, order, orders, plain};
use crate::maintenance::{Swept, clean_parts, void_abandoned};
use crate::quarantine;
use crate::raw::{Receipts, Verdict, data_generation};
use crate::zones::layout;

/// The parts of a window in raw, without their folders.
async fn parts(world: &World, attempt: Ulid) -> usize {
    let listed = world.lake.zones.raw.list("shop/orders").await.unwrap();
    listed.iter().filter(|entry| entry.path.contains(&attempt.to_string())).count()
}

/// Writes a part of an attempt that never landed.
async fn stray(world: &World, day_number: i64, generation: u64) -> Ulid {
    let (stream, attempt) = ("shop.orders".parse().unwrap(), Ulid::new());
    let path = layout::part_path(&stream, &day(day_number), generation, attempt, 0);
    world.lake.zones.raw.put(&path, bytes::Bytes::from_static(b"half a part")).await.unwrap();
    attempt
}

#[tokio::test]
async fn an_attempt_whose_generation_has_no_receipt_is_kept_however_old_it_is() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    world.read_and_commit(&contract, &day(0), &plain(0..3, 1)).await;
    let (second, other) = (stray(&world, 0, 2).await, stray(&world, 5, 1).await);
    world.clock.advance(chrono::TimeDelta::days(4_000));
    assert_eq!(clean_parts(&world.lake, &contract.name, false).await.unwrap(), Swept::default());
    assert_eq!((parts(&world, second).await, parts(&world, other).await), (1, 1));
}

#[tokio::test]
async fn parts_that_a_receipt_names_are_kept_whatever_came_after_them() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    let first = world.read(&contract, &day(0), &plain(0..9, 1)).await.receipt;
    // The second reading lost much and is held; a person accepts it, so the third names the second's parts.
    let held = world.read(&contract, &day(0), &plain(0..2, 1)).await.receipt;
    assert!(held.verdict.is_held());
    let accepted = quarantine::accept(&world.lake, &contract, &day(0)).await.unwrap().receipt;
    assert_eq!(accepted.parts_of, Some(held.attempt));
    let again = quarantine::replay(&world.lake, &contract, &day(0), &Lines).await.unwrap().receipt;
    assert_eq!(clean_parts(&world.lake, &contract.name, false).await.unwrap(), Swept::default());
    assert_eq!((parts(&world, first.attempt).await, parts(&world, held.attempt).await), (1, 1), "{again:?}");
}

#[tokio::test]
async fn what_another_attempt_left_of_a_generation_with_a_receipt_goes() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    let winner = world.read(&contract, &day(0), &plain(0..3, 1)).await.receipt;
    world.commit(&contract, &[day(0)]).await;
    let loser = stray(&world, 0, 1).await;
    let path = layout::quarantine_path(&contract.name, &day(0), 1, loser);
    world.lake.zones.raw.put(&path, bytes::Bytes::from_static(b"a list")).await.unwrap();
    let told = clean_parts(&world.lake, &contract.name, true).await.unwrap();
    assert_eq!((told, parts(&world, loser).await), (Swept { files: 2, bytes: 17 }, 2), "a dry run deletes nothing");
    assert_eq!(clean_parts(&world.lake, &contract.name, false).await.unwrap(), told);
    assert_eq!((parts(&world, loser).await, parts(&world, winner.attempt).await), (0, 1));
    assert_eq!(clean_parts(&world.lake, &contract.name, false).await.unwrap(), Swept::default());
}

#[tokio::test]
async fn what_a_reading_that_showed_nothing_new_left_behind_goes() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    let first = world.read(&contract, &day(0), &plain(0..3, 1)).await.receipt;
    let same = world.read(&contract, &day(0), &plain(0..3, 1)).await.receipt;
    assert_eq!(same.same_as, Some(1));
    // Its runner was killed between the receipt and the deletion.
    let path = layout::part_path(&contract.name, &day(0), 2, same.attempt, 0);
    world.lake.zones.raw.put(&path, bytes::Bytes::from_static(b"the same")).await.unwrap();
    assert_eq!(clean_parts(&world.lake, &contract.name, false).await.unwrap().files, 1);
    assert_eq!((parts(&world, same.attempt).await, parts(&world, first.attempt).await), (0, 1));
}

#[tokio::test]
async fn an_abandoned_stream_gets_void_receipts_first_and_loses_no_reading() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    let first = world.read(&contract, &day(0), &[order(1, 1, "a", &[])]).await.receipt;
    world.commit(&contract, &[day(0)]).await;
    let (later, never) = (stray(&world, 0, 2).await, stray(&world, 3, 1).await);
    assert_eq!(void_abandoned(&world.lake, &contract.name, true).await.unwrap(), 2);
    assert_eq!(clean_parts(&world.lake, &contract.name, false).await.unwrap(), Swept::default(), "nothing is void yet");
    // A zombie that still reads loses its generation to the void receipt, and adopts it.
    let zombie = world.begin(&contract, &day(3), &plain(5..6, 73), None).await;
    assert_eq!(void_abandoned(&world.lake, &contract.name, false).await.unwrap(), 2);
    let landed = world.finish(zombie, &plain(5..6, 73), None).await;
    assert!(!landed.created_by_us && landed.receipt.verdict == Verdict::Void);
    assert_eq!(clean_parts(&world.lake, &contract.name, false).await.unwrap().files, 2);
    assert_eq!((parts(&world, later).await, parts(&world, never).await, parts(&world, first.attempt).await), (0, 0, 1));
    let receipts = Receipts::new(&world.lake.zones.raw).of_window(&contract.name, &day(0)).await.unwrap();
    assert_eq!(data_generation(&receipts).map(|receipt| receipt.generation), Some(1));
    assert_eq!(world.rows(&contract, "orders", &["id"]).await, ["1"]);
    assert_eq!(void_abandoned(&world.lake, &contract.name, false).await.unwrap(), 0);
    // Read again, the window goes on above the void.
    let next = world.read(&contract, &day(3), &plain(5..6, 73)).await.receipt;
    assert_eq!((next.generation, next.verdict.is_passed()), (2, true));
}
