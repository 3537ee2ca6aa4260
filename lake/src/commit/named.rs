//! Which files the versions of the last days name: what a vacuum must leave where it is.
//!
//! A file that some version since a moment shows is shown now, or was hidden after that moment; the commits say when. They are
//! read from the newest backwards, and no further than a day before the moment, because writers' clocks may differ.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::error::LogError;
use super::log::{DeltaLog, TableSnapshot};
use super::txns::{LogObject, classify};

/// Commits that are fetched at once.
const GETS_AT_ONCE: usize = 16;
/// Writers' clocks may differ by as much.
const SKEW: TimeDelta = TimeDelta::days(1);

#[derive(Default, Deserialize)]
struct Line {
    add: Option<Added>,
    remove: Option<Removed>,
    txn: Option<Txn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Added {
    modification_time: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Removed {
    path: String,
    deletion_timestamp: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    last_updated: Option<i64>,
}

impl DeltaLog {
    /// The files that any version since `since` names, by path; `None` when the log does not reach that far back.
    ///
    /// # Errors
    ///
    /// [`LogError`] when the log cannot be read.
    pub(crate) async fn named_since(
        &self,
        snapshot: &TableSnapshot,
        since: DateTime<Utc>,
    ) -> Result<Option<BTreeSet<String>>, LogError> {
        let store_error = |source| LogError::Store { table: self.table().to_owned(), source };
        let objects = self.objects();
        let found: Vec<_> = objects.list(Some(&Path::from("_delta_log"))).try_collect().await.map_err(store_error)?;
        let mut commits: Vec<(u64, Path)> = found
            .into_iter()
            .filter_map(|meta| match meta.location.filename().and_then(classify) {
                Some(LogObject::Commit(at)) if i64::try_from(at).is_ok_and(|at| at <= snapshot.version) => {
                    Some((at, meta.location))
                }
                _ => None,
            })
            .collect();
        commits.sort_unstable_by(|a, b| b.cmp(a));
        let mut named: BTreeSet<String> = snapshot.files.iter().map(|file| file.path.clone()).collect();
        let mut expected = u64::try_from(snapshot.version).unwrap_or(0);
        let reads = commits.into_iter().map(|(at, path)| async move {
            let bytes = objects.get(&path).await?.bytes().await?;
            Ok::<_, object_store::Error>((at, bytes))
        });
        let mut reads = futures::stream::iter(reads).buffered(GETS_AT_ONCE);
        while let Some((at, bytes)) = reads.try_next().await.map_err(store_error)? {
            if at != expected {
                return Ok(None);
            }
            let damaged = |reason: serde_json::Error| LogError::Damaged {
                table: self.table().to_owned(),
                object: format!("_delta_log/{at:020}.json"),
                reason: reason.to_string(),
            };
            let committed_at = read_commit(&bytes, since, &mut named).map_err(damaged)?;
            let is_before = committed_at.is_some_and(|at| at < (since - SKEW).timestamp_millis());
            let Some(next) = at.checked_sub(1).filter(|_| !is_before) else { return Ok(Some(named)) };
            expected = next;
        }
        Ok(None)
    }
}

/// Adds what a commit hid since `since` to `named`; returns when it was written, by its writer's clock.
fn read_commit(
    bytes: &Bytes,
    since: DateTime<Utc>,
    named: &mut BTreeSet<String>,
) -> Result<Option<i64>, serde_json::Error> {
    let mut committed_at = None;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Line { add, remove, txn } = serde_json::from_slice(line)?;
        let times = [
            add.and_then(|add| add.modification_time),
            remove.as_ref().and_then(|remove| remove.deletion_timestamp),
            txn.and_then(|txn| txn.last_updated),
        ];
        committed_at = times.into_iter().flatten().chain(committed_at).max();
        // Who does not say when it hid a file may have done it a moment ago.
        let is_recent = |remove: &Removed| remove.deletion_timestamp.is_none_or(|at| at >= since.timestamp_millis());
        if let Some(remove) = remove.filter(is_recent) {
            named.insert(percent_decode_str(&remove.path).decode_utf8_lossy().into_owned());
        }
    }
    Ok(committed_at)
}
