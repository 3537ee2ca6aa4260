//! Deletes at once what a table does not show any more: files, and versions of its log.
//!
//! A vacuum waits a week for readers of old versions, and a log keeps a month. Neither may here: old files hold the person's rows and
//! old actions their least and greatest values. So time travel before an erasure ends, and a reader that was in the middle of an old
//! version fails. What decides is the same as in a vacuum: a commit first says up to which writer files are deleted.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};

use super::error::ErasureError;
use crate::Lake;
use crate::commit::{Change, DeltaLog, TableSnapshot, VACUUM, log_version};
use crate::maintenance::Swept;
use crate::steps::Step;
use crate::store::{Entry, Store};
use crate::zones::layout::parse_writer;

/// The horizon's commit is tried so often before the runner gives way.
const TRIES_MAX: u32 = 8;
/// Deletions that are on their way at once.
const DELETES_AT_ONCE: usize = 8;

/// Deletes the files of a table that its newest version does not show, and its log before that version.
///
/// # Errors
///
/// [`ErasureError`] when the log cannot be read or written, or an object not deleted; running again is safe.
pub async fn purge(lake: &Lake, store: &Store, folder: &str) -> Result<Swept, ErasureError> {
    let Some(log) = DeltaLog::open(store, folder).await? else { return Ok(Swept::default()) };
    let mut swept = Swept::default();
    let mut snapshot = log.snapshot().await?;
    let (files, old) = (needless(store, &log, &snapshot, u64::MAX).await?, old_versions(store, &log, &snapshot).await?);
    let is_checkpointed = log.last_checkpoint().await? == Some(snapshot.version);
    if files.is_empty() && old.is_empty() && is_checkpointed {
        return Ok(swept);
    }
    let mut tries = 0;
    let horizon = loop {
        let now = u64::try_from(lake.clock.now().timestamp_millis()).unwrap_or_default();
        let horizon = now.max(snapshot.horizon().unwrap_or(0));
        let version = i64::try_from(horizon).unwrap_or(i64::MAX);
        let change = Change { txns: vec![(VACUUM.to_owned(), version)], ..Change::default() };
        lake.ledger.check_owner(&lake.zones.raw).await?;
        match log.commit(&snapshot, change, lake.clock.now()).await {
            Ok(_) => break horizon,
            Err(error) if error.asks_again() => tries += 1,
            Err(error) => return Err(error.into()),
        }
        if tries > TRIES_MAX {
            return Err(ErasureError::Busy { table: log.table().to_owned(), tries: TRIES_MAX });
        }
        snapshot = log.snapshot().await?;
    };
    snapshot = log.snapshot().await?;
    lake.steps.reached(Step::HorizonCommitted).await;
    for entry in needless(store, &log, &snapshot, horizon).await? {
        store.delete(&entry.path).await?;
        swept.add(Swept { files: 1, bytes: entry.size });
        lake.steps.reached(Step::FileDeleted).await;
    }
    log.write_checkpoint(&snapshot).await?;
    lake.steps.reached(Step::CheckpointWritten).await;
    swept.add(forget(store, &log, &snapshot).await?);
    Ok(swept)
}

/// Deletes the objects of the log before the version of `snapshot`, of which there is a checkpoint.
async fn forget(store: &Store, log: &DeltaLog, snapshot: &TableSnapshot) -> Result<Swept, ErasureError> {
    let old = old_versions(store, log, snapshot).await?;
    let mut swept = Swept::default();
    for entry in &old {
        swept.add(Swept { files: 1, bytes: entry.size });
    }
    let deletes = old.iter().map(|entry| store.delete(&entry.path));
    futures::stream::iter(deletes).buffer_unordered(DELETES_AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(swept)
}

async fn old_versions(store: &Store, log: &DeltaLog, snapshot: &TableSnapshot) -> Result<Vec<Entry>, ErasureError> {
    let mut found = store.list(&format!("{}/_delta_log", log.table())).await?;
    found.retain(|entry| {
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        log_version(name).is_some_and(|version| version < snapshot.version)
    });
    Ok(found)
}

/// The files of writers up to `horizon` that `snapshot` does not show.
async fn needless(
    store: &Store,
    log: &DeltaLog,
    snapshot: &TableSnapshot,
    horizon: u64,
) -> Result<Vec<Entry>, ErasureError> {
    let prefix = format!("{}/", log.table());
    let shown: BTreeSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
    let mut found = store.list(log.table()).await?;
    found.retain(|entry| {
        let path = entry.path.strip_prefix(&prefix).unwrap_or_default();
        let is_old = parse_writer(path).is_some_and(|writer| writer.timestamp_ms() <= horizon);
        !path.starts_with("_delta_log/") && is_old && !shown.contains(path)
    });
    Ok(found)
}
