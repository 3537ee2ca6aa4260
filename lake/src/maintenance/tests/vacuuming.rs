//! A vacuum deletes what no version of the last days names, and a committer that comes late types its rows again.

use std::sync::Arc;

use chrono::TimeDelta;
use headwater_contract::{StreamContract, StreamKind};

use crate::attempt::table_folder;
use crate::cleanse::tests::{World, day, hour, order, orders, plain};
use crate::commit::{Change, DeltaLog, LogError, NewFile, Outcome};
use crate::maintenance::{Vacuumed, vacuum};

pub(super) fn log(world: &World, contract: &StreamContract, table: &str) -> DeltaLog {
    DeltaLog::at(&world.lake.zones.cleansed, &table_folder(contract, table)).unwrap()
}

async fn vacuumed(world: &World, contract: &StreamContract, table: &str, is_dry: bool) -> Vacuumed {
    let log = log(world, contract, table);
    vacuum(&world.lake, &world.lake.zones.cleansed, &log, is_dry).await.unwrap()
}

/// Data files of a table's folder.
pub(super) async fn files(world: &World, table: &str) -> Vec<String> {
    let listed = world.lake.zones.cleansed.list(&format!("shop/{table}")).await.unwrap();
    listed.into_iter().map(|entry| entry.path).filter(|path| !path.contains("/_delta_log/")).collect()
}

#[tokio::test]
async fn what_a_version_of_the_last_days_shows_stays_and_goes_later() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    world.read_and_commit(&contract, &day(0), &plain(0..5, 1)).await;
    world.clock.advance(TimeDelta::days(30));
    world.read_and_commit(&contract, &day(0), &plain(0..6, 1)).await;
    // The first file is a month old, and was shown until a moment ago.
    let before = log(&world, &contract, "orders").snapshot().await.unwrap().version;
    for days in [0, 3, 3] {
        world.clock.advance(TimeDelta::days(days));
        assert_eq!(vacuumed(&world, &contract, "orders", false).await, Vacuumed::default());
    }
    assert_eq!(log(&world, &contract, "orders").snapshot().await.unwrap().version, before, "no commit for nothing");
    assert_eq!(files(&world, "orders").await.len(), 2);
    world.clock.advance(TimeDelta::days(2));
    let told = vacuumed(&world, &contract, "orders", true).await;
    assert_eq!((told.swept.files, told.version, files(&world, "orders").await.len()), (1, None, 2));
    let done = vacuumed(&world, &contract, "orders", false).await;
    assert_eq!((done.swept, done.version, files(&world, "orders").await.len()), (told.swept, Some(before + 1), 1));
    assert_eq!(world.rows(&contract, "orders", &["id"]).await.len(), 6);
    assert_eq!(vacuumed(&world, &contract, "orders", false).await, Vacuumed::default());
}

#[tokio::test]
async fn young_files_foreign_files_and_the_log_stay() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    world.read_and_commit(&contract, &day(0), &plain(0..3, 1)).await;
    let foreign = ["_/part-00000-0b7c6b5a-9c1e-4f5e-8f64-3f0c7d2a9f11.c000.snappy.parquet", "notes.txt"];
    for name in foreign {
        world.lake.zones.cleansed.put(&format!("shop/orders/{name}"), "x".into()).await.unwrap();
    }
    world.clock.advance(TimeDelta::days(60));
    // A reading that is landed and not shown, three days old.
    world.read(&contract, &day(1), &plain(3..6, 25)).await;
    world.clock.advance(TimeDelta::days(3));
    let there = files(&world, "orders").await;
    assert_eq!((there.len(), vacuumed(&world, &contract, "orders", false).await), (4, Vacuumed::default()));
    assert_eq!(files(&world, "orders").await, there);
}

#[tokio::test]
async fn a_committer_that_comes_after_the_vacuum_shows_its_rows_from_the_parts() {
    for kind in [StreamKind::Events, StreamKind::Mutable] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        let table = contract.window_table();
        world.read_and_commit(&contract, &day(0), &plain(0..3, 1)).await;
        let late = world.read(&contract, &day(1), &[order(7, 25, "late", &[("p", 1)])]).await.receipt;
        world.clock.advance(TimeDelta::days(8));
        for (table, deleted) in [(table.as_str(), 1), (late.typed[1].table.as_str(), 1)] {
            assert_eq!(vacuumed(&world, &contract, table, false).await.swept.files, deleted, "{kind} {table}");
        }
        let report = world.commit(&contract, &[day(1)]).await;
        assert!(matches!(report.outcomes[&day(1)], Outcome::Committed { generation: 1, rows: 1 }), "{report:?}");
        assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["0|x", "1|x", "2|x", "7|late"]);
        assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["7|p"]);
        let shown = log(&world, &contract, &table).snapshot().await.unwrap();
        assert!(
            shown.files.iter().all(|file| file.path != late.typed[0].path),
            "the old name may be deleted at any time"
        );
        assert_eq!(world.show(&contract, &[day(0), day(1)]).await.differences, [], "{kind}");
        assert_eq!(vacuumed(&world, &contract, &table, false).await, Vacuumed::default());
    }
}

#[tokio::test]
async fn a_file_as_old_as_the_horizon_is_never_shown_again() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    world.read_and_commit(&contract, &day(0), &plain(0..5, 1)).await;
    let table = log(&world, &contract, "orders");
    let before = table.snapshot().await.unwrap();
    world.read_and_commit(&contract, &day(0), &plain(0..6, 1)).await;
    world.clock.advance(TimeDelta::days(8));
    assert_eq!(vacuumed(&world, &contract, "orders", false).await.swept.files, 1);
    let old = &before.files[0];
    let stats = serde_json::from_str(old.stats.as_deref().unwrap()).unwrap();
    let add = NewFile { path: old.path.clone(), size: old.size, stats, partition: old.partition.clone() };
    for snapshot in [before, table.snapshot().await.unwrap()] {
        let change = Change { adds: vec![add.clone()], ..Change::default() };
        let error = table.commit(&snapshot, change, hour(0)).await.unwrap_err();
        assert!(matches!(error, LogError::Conflict { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_log_that_does_not_reach_back_keeps_every_file() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    for rows in 3..30 {
        world.read_and_commit(&contract, &day(0), &plain(0..rows, 1)).await;
    }
    let table = log(&world, &contract, "orders");
    // Somebody cleaned the log up to its checkpoint, much too early.
    for version in 0..19 {
        world.lake.zones.cleansed.delete(&format!("shop/orders/_delta_log/{version:020}.json")).await.unwrap();
    }
    assert!(table.snapshot().await.unwrap().version > 20);
    let there = files(&world, "orders").await.len();
    world.clock.advance(TimeDelta::days(7));
    assert_eq!(vacuumed(&world, &contract, "orders", false).await, Vacuumed::default());
    assert_eq!(files(&world, "orders").await.len(), there);
    // A week later what is left of it reaches back far enough.
    world.clock.advance(TimeDelta::days(8));
    world.read_and_commit(&contract, &day(0), &plain(0..31, 1)).await;
    assert!(vacuumed(&world, &contract, "orders", false).await.swept.files > 20);
    assert_eq!(world.rows(&contract, "orders", &["id"]).await.len(), 31);
}
