//! Keeps the log of a table short: a checkpoint where many commits came since the last one, and no commit older than a month.
//!
//! A commit writes a checkpoint by itself at every so many versions; a table that rests between two of these would be opened by
//! all its commits for ever. Transactions stay in every checkpoint: they are what a table holds, and they never expire.

use chrono::TimeDelta;
use serde::Serialize;

use crate::Lake;
use crate::commit::DeltaLog;
use crate::maintenance::MaintenanceError;
use crate::steps::Step;

/// A checkpoint is written when this many commits came since the last one.
const COMMITS_MIN: i64 = 10;
/// Every version of so many days stays readable: longer than what a vacuum looks back at, or it would not delete a file.
pub const LOG_KEPT_DAYS: i64 = 30;

/// What was done with the log of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogTidied {
    /// The version that a checkpoint was written of, or would be.
    pub checkpoint: Option<i64>,
    /// Objects of old versions that were deleted.
    pub forgotten: u64,
}

/// Writes a checkpoint where one is due, then deletes what lies before the newest checkpoint of a month ago.
///
/// # Errors
///
/// [`MaintenanceError::Log`]; the table shows what it showed, and running again is safe.
pub async fn tidy_log(lake: &Lake, log: &DeltaLog, is_dry: bool) -> Result<LogTidied, MaintenanceError> {
    let mut tidied = LogTidied::default();
    let snapshot = log.snapshot().await?;
    let last = log.last_checkpoint().await?;
    if snapshot.version - last.unwrap_or(-1) >= COMMITS_MIN {
        tidied.checkpoint = Some(snapshot.version);
    }
    if is_dry {
        return Ok(tidied);
    }
    if tidied.checkpoint.is_some() {
        lake.ledger.check_owner(&lake.zones.raw).await?;
        log.write_checkpoint(&snapshot).await?;
        lake.steps.reached(Step::CheckpointWritten).await;
    }
    if tidied.checkpoint.is_some() || last.is_some() {
        let before = lake.clock.now() - TimeDelta::days(LOG_KEPT_DAYS);
        tidied.forgotten = log.forget_versions(&snapshot, before).await? as u64;
    }
    Ok(tidied)
}
