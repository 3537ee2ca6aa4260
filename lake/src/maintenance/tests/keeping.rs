//! Logs and the local disk: what is kept, then what is not.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Clock, StreamKind};

use super::vacuuming::log;
use crate::cleanse::tests::{World, day, orders, plain};
use crate::maintenance::{LogTidied, Swept, clean_scratch, clean_unfinished, tidy_log};

#[tokio::test]
async fn a_log_gets_a_checkpoint_when_many_commits_came_and_keeps_every_version_of_a_month() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    for rows in 3..9 {
        world.read_and_commit(&contract, &day(0), &plain(0..rows, 1)).await;
    }
    let table = log(&world, &contract, "orders");
    assert_eq!(tidy_log(&world.lake, &table, false).await.unwrap(), LogTidied::default(), "too few commits");
    for rows in 9..15 {
        world.read_and_commit(&contract, &day(0), &plain(0..rows, 1)).await;
    }
    let before = table.snapshot().await.unwrap();
    let told = tidy_log(&world.lake, &table, true).await.unwrap();
    assert_eq!((told.checkpoint, table.last_checkpoint().await.unwrap()), (Some(before.version), None));
    assert_eq!(tidy_log(&world.lake, &table, false).await.unwrap(), told);
    assert_eq!(table.last_checkpoint().await.unwrap(), Some(before.version));
    let after = table.snapshot().await.unwrap();
    assert_eq!((after.version, &after.files, &after.txns), (before.version, &before.files, &before.txns));
    assert_eq!(tidy_log(&world.lake, &table, false).await.unwrap(), LogTidied::default());
    assert!(table.snapshot_at(Some(1)).await.is_ok());
    // The store dates objects by its own clock: ours is put far behind it.
    world.clock.advance(TimeDelta::days(40_000));
    let done = tidy_log(&world.lake, &table, false).await.unwrap();
    assert_eq!((done.checkpoint, done.forgotten), (None, u64::try_from(before.version).unwrap()));
    let kept = table.snapshot().await.unwrap();
    assert_eq!((kept.version, &kept.files, &kept.txns), (before.version, &before.files, &before.txns));
    assert!(!world.commit(&contract, &[day(0)]).await.has_written(), "what the table holds never expires");
}

fn put(file: &Path, modified: DateTime<Utc>) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, b"1234").unwrap();
    std::fs::File::options().write(true).open(file).unwrap().set_modified(SystemTime::from(modified)).unwrap();
}

#[tokio::test]
async fn scratch_keeps_what_is_young_and_what_others_may_use() {
    let world = World::new().await;
    let old = world.clock.now() - TimeDelta::days(8);
    let young = world.clock.now() - TimeDelta::days(6);
    let file = |name: &str| world.lake.scratch.join(name);
    for (name, modified) in
        [("copies/a/1.parquet", old), ("copies/a/2.parquet", young), ("stars/shop/x", old), ("keys", old)]
    {
        put(&file(name), modified);
    }
    let told = clean_scratch(&world.lake, false, true).unwrap();
    assert_eq!((told, file("keys").exists()), (Swept { files: 3, bytes: 12 }, true));
    assert_eq!(clean_scratch(&world.lake, true, false).unwrap(), Swept { files: 1, bytes: 4 });
    assert!(file("keys").exists() && file("stars/shop/x").exists() && !file("copies/a/1.parquet").exists());
    assert_eq!(clean_scratch(&world.lake, false, false).unwrap(), Swept { files: 2, bytes: 8 });
    assert!(file("copies/a/2.parquet").exists() && !file("keys").exists());
}

#[tokio::test]
async fn a_file_that_its_writer_never_finished_goes_after_a_week() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_disk(folder.path()).await;
    world.lake.zones.raw.put("shop/orders/whole.parquet", Bytes::from_static(b"1")).await.unwrap();
    let [old, young] = [9, 1].map(|days| world.clock.now() - TimeDelta::days(days));
    let file = |name: &str| folder.path().join("raw/shop/orders").join(name);
    for (name, modified) in [("a.parquet#12", old), ("b.parquet#13", young), ("c#d.parquet", old), ("e.parquet", old)] {
        put(&file(name), modified);
    }
    assert_eq!(clean_unfinished(&world.lake, true).unwrap().files, 1);
    assert_eq!(clean_unfinished(&world.lake, false).unwrap(), Swept { files: 1, bytes: 4 });
    for (name, is_there) in
        [("a.parquet#12", false), ("b.parquet#13", true), ("c#d.parquet", true), ("e.parquet", true)]
    {
        assert_eq!(file(name).exists(), is_there, "{name}");
    }
    assert!(file("whole.parquet").exists());
}
