//! Remembers in raw which log each table was begun with, so that a log that somebody deletes is missed.
//!
//! A log that starts again at its URL would take the commits of a runner that still knows the old one, and it would show a
//! stream's newest windows as if they were all. So a table without its log is refused, and only a rebuild begins another.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use headwater_contract::{StreamContract, StreamName};
use serde::{Deserialize, Serialize};

use super::CommitError;
use super::log::{DeltaLog, TableSnapshot};
use crate::Lake;
use crate::attempt::Target;
use crate::ledger::LedgerError;
use crate::store::{Store, StoreError};
use crate::zones::layout;

/// The version of the object below.
const VERSION: u32 = 1;

/// Which log a table was begun with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The version of this format.
    version: u32,
    /// The id that the log gives its table.
    table_id: String,
    /// When the mark was made.
    marked_at: DateTime<Utc>,
}

/// A table's log that is the one that the table was begun with.
#[derive(Clone, Debug)]
pub(crate) struct KnownLog {
    log: DeltaLog,
    table_id: String,
    stream: StreamName,
}

impl KnownLog {
    /// The log.
    pub(crate) fn log(&self) -> &DeltaLog {
        &self.log
    }

    /// Takes a snapshot of the newest version.
    ///
    /// # Errors
    ///
    /// [`CommitError::LogGone`] when another log lies there by now.
    pub(crate) async fn snapshot(&self) -> Result<TableSnapshot, CommitError> {
        let snapshot = self.log.snapshot().await?;
        if snapshot.table_id == self.table_id { Ok(snapshot) } else { Err(gone(&self.stream, self.log.table())) }
    }
}

/// Opens a table's log, or begins it when the table never had one.
///
/// # Errors
///
/// [`CommitError::LogGone`] when the table had another log.
pub(crate) async fn open(lake: &Lake, contract: &StreamContract, target: &Target) -> Result<KnownLog, CommitError> {
    begin(lake, contract, target, false).await
}

/// As [`open`], for a rebuild: where the log is gone, another is begun. The caller has seen to it that nobody else can write.
///
/// # Errors
///
/// [`CommitError`] when the store fails, or another writer begins another log at the same time.
pub(crate) async fn reopen(lake: &Lake, contract: &StreamContract, target: &Target) -> Result<KnownLog, CommitError> {
    begin(lake, contract, target, true).await
}

/// Opens the log of a table that may have none yet.
///
/// # Errors
///
/// [`CommitError::LogGone`] when the table had a log.
pub(crate) async fn find(
    lake: &Lake,
    contract: &StreamContract,
    target: &Target,
) -> Result<Option<KnownLog>, CommitError> {
    let mark = newest(lake, contract, target).await?.map(|(_, mark)| mark.table_id);
    match (DeltaLog::open(&target.store, &target.folder).await?, mark) {
        (None, Some(_)) => Err(gone(&contract.name, &target.folder)),
        (None, None) => Ok(None),
        (Some(log), mark) => {
            let table_id = match mark {
                Some(table_id) => table_id,
                None => log.snapshot().await?.table_id,
            };
            Ok(Some(KnownLog { log, table_id, stream: contract.name.clone() }))
        }
    }
}

async fn begin(
    lake: &Lake,
    contract: &StreamContract,
    target: &Target,
    may_restart: bool,
) -> Result<KnownLog, CommitError> {
    let stream = contract.name.clone();
    let known = newest(lake, contract, target).await?;
    let log = match DeltaLog::open(&target.store, &target.folder).await? {
        Some(log) => log,
        None if known.is_some() && !may_restart => return Err(gone(&stream, &target.folder)),
        None => DeltaLog::open_or_create(&target.store, &target.folder, &target.schema, &[], lake.clock.now()).await?,
    };
    let number = match known {
        // Whether the log is still this one is seen in the first snapshot.
        Some((_, mark)) if !may_restart => return Ok(KnownLog { log, table_id: mark.table_id, stream }),
        Some((number, mark)) => {
            if log.snapshot().await?.table_id == mark.table_id {
                return Ok(KnownLog { log, table_id: mark.table_id, stream });
            }
            number.saturating_add(1)
        }
        None => 1,
    };
    // The log first, then its mark, then rows: a mark says that there was a log, and rows say that there is a mark.
    let table_id = log.snapshot().await?.table_id;
    let kept = create(lake, contract, target, number, table_id).await?;
    Ok(KnownLog { log, table_id: kept.table_id, stream })
}

/// Creates the mark, or reads the one that another runner created.
async fn create(
    lake: &Lake,
    contract: &StreamContract,
    target: &Target,
    number: u64,
    table_id: String,
) -> Result<Mark, CommitError> {
    let raw = &lake.zones.raw;
    let path = layout::table_mark_path(&contract.name, &target.table, number);
    let mark = Mark { version: VERSION, table_id, marked_at: lake.clock.now() };
    let text = serde_json::to_vec_pretty(&mark).map_err(|error| unreadable(&path, &error))?;
    let put = raw.put_new(&path, Bytes::from(text)).await;
    match (read(raw, &path).await, put) {
        (Err(LedgerError::Store(StoreError::NotFound { .. })), Err(refused)) => Err(LedgerError::from(refused).into()),
        (kept, _) => Ok(kept?),
    }
}

/// The mark of the log that the table was begun with last, and its number.
async fn newest(lake: &Lake, contract: &StreamContract, target: &Target) -> Result<Option<(u64, Mark)>, CommitError> {
    let raw = &lake.zones.raw;
    let entries = raw.list(&layout::table_marks_prefix(&contract.name, &target.table)).await;
    let entries = entries.map_err(LedgerError::from)?;
    let number = |path: &str| layout::parse_table_mark_path(&contract.name, &target.table, path);
    let Some(number) = entries.iter().filter_map(|entry| number(&entry.path)).max() else { return Ok(None) };
    let mark = read(raw, &layout::table_mark_path(&contract.name, &target.table, number)).await?;
    Ok(Some((number, mark)))
}

async fn read(raw: &Store, path: &str) -> Result<Mark, LedgerError> {
    let text = raw.get(path).await?;
    serde_json::from_slice(&text).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &str, error: &serde_json::Error) -> LedgerError {
    LedgerError::Unreadable { path: path.to_owned(), finding: error.to_string() }
}

fn gone(stream: &StreamName, table: &str) -> CommitError {
    CommitError::LogGone { table: table.to_owned(), stream: stream.clone() }
}
