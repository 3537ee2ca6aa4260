//! Deletes files of a Delta table that nobody can read any more.
//!
//! The order is the rule. First a commit says up to which writer will be deleted; from then on no commit shows a file that old,
//! because each is computed from a snapshot that has this commit, or loses to it. Then the folder is listed, and what the versions
//! of the last days name is left. So a committer that slept for a month wakes up to a conflict, not to a table without its files.

use chrono::TimeDelta;
use serde::Serialize;

use crate::Lake;
use crate::commit::{Change, DeltaLog, TableSnapshot, VACUUM};
use crate::maintenance::sweep::sweep;
use crate::maintenance::{MaintenanceError, Swept};
use crate::steps::Step;
use crate::store::{Entry, Store};
use crate::zones::layout::parse_writer;

/// What any version of so many days shows stays readable: longer than any query, and than any link to a file lives.
pub const KEPT_DAYS: i64 = 7;
/// The horizon's commit is tried so often before the runner gives way.
const TRIES_MAX: u32 = 8;

/// What a vacuum of one table did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Vacuumed {
    /// The files that were deleted, or would be.
    pub swept: Swept,
    /// The version of the commit that said so before; `None` when there was nothing to delete.
    pub version: Option<i64>,
}

/// Deletes the files of a table that no version of the last days names and whose writers are older than that.
///
/// # Errors
///
/// [`MaintenanceError`] when the log cannot be read or written, or a file not deleted; running again is safe.
pub async fn vacuum(lake: &Lake, store: &Store, log: &DeltaLog, is_dry: bool) -> Result<Vacuumed, MaintenanceError> {
    let mut vacuumed = Vacuumed::default();
    let kept_from = lake.clock.now() - TimeDelta::days(KEPT_DAYS);
    let Ok(horizon) = u64::try_from(kept_from.timestamp_millis()) else { return Ok(vacuumed) };
    let mut tries = 0;
    let snapshot = loop {
        let snapshot = log.snapshot().await?;
        // A table that has nothing to delete gets no commit: readers that follow its log would see a version for nothing.
        let needless = needless(lake, store, log, &snapshot, horizon).await?;
        vacuumed.swept = Swept::of(&needless);
        if is_dry || needless.is_empty() {
            return Ok(vacuumed);
        }
        let version = i64::try_from(horizon).unwrap_or(i64::MAX);
        let change = Change { txns: vec![(VACUUM.to_owned(), version)], ..Change::default() };
        lake.ledger.check_owner(&lake.zones.raw).await?;
        match log.commit(&snapshot, change, lake.clock.now()).await {
            Ok(version) => {
                vacuumed.version = Some(version);
                break log.snapshot().await?;
            }
            Err(error) if error.asks_again() => tries += 1,
            Err(error) => return Err(error.into()),
        }
        if tries > TRIES_MAX {
            return Err(MaintenanceError::Busy { table: log.table().to_owned(), tries: TRIES_MAX });
        }
    };
    lake.steps.reached(Step::HorizonCommitted).await;
    let needless = needless(lake, store, log, &snapshot, horizon).await?;
    vacuumed.swept = sweep(lake, store, &needless, Step::FileDeleted).await?;
    Ok(vacuumed)
}

/// The files of writers up to `horizon` that no version since then names.
async fn needless(
    lake: &Lake,
    store: &Store,
    log: &DeltaLog,
    snapshot: &TableSnapshot,
    horizon: u64,
) -> Result<Vec<Entry>, MaintenanceError> {
    let prefix = format!("{}/", log.table());
    let mut found = store.list(log.table()).await?;
    found.retain(|entry| {
        let path = entry.path.strip_prefix(&prefix).unwrap_or_default();
        !path.starts_with("_delta_log/")
            && parse_writer(path).is_some_and(|writer| writer.timestamp_ms() <= horizon)
            && snapshot.files.binary_search_by(|file| file.path.as_str().cmp(path)).is_err()
    });
    if found.is_empty() {
        return Ok(found);
    }
    let kept_from = lake.clock.now() - TimeDelta::days(KEPT_DAYS);
    let Some(named) = log.named_since(snapshot, kept_from).await? else {
        tracing::warn!(table = log.table(), "the log does not reach back {KEPT_DAYS} days, so no file is deleted");
        return Ok(Vec::new());
    };
    found.retain(|entry| entry.path.strip_prefix(&prefix).is_some_and(|path| !named.contains(path)));
    Ok(found)
}
