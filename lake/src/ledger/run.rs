//! Runs: when, by which command, how they ended, and what each window came to.

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use ulid::Ulid;

use crate::ledger::{Ledger, LedgerError};

/// A run, as `runs list` and `runs show` print it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Its id.
    pub run: Ulid,
    /// The command line, without secrets.
    pub command: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; absent while it runs, or when it was killed.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended, in a word.
    pub outcome: Option<String>,
    /// What it did, window by window.
    pub report: Option<serde_json::Value>,
}

struct StoredRun {
    run: String,
    command: String,
    started_ms: i64,
    finished_ms: Option<i64>,
    outcome: Option<String>,
    report: Option<String>,
}

impl FromRow<'_, SqliteRow> for StoredRun {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            run: row.try_get("run")?,
            command: row.try_get("command")?,
            started_ms: row.try_get("started_ms")?,
            finished_ms: row.try_get("finished_ms")?,
            outcome: row.try_get("outcome")?,
            report: row.try_get("report")?,
        })
    }
}

impl Ledger {
    /// Notes that a run begins, and gives it an id.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn begin_run(&self, command: &str) -> Result<Ulid, LedgerError> {
        let now = self.now();
        let run = Ulid::from_datetime(now.into());
        sqlx::query("insert into runs (run, command, started_ms) values (?1, ?2, ?3)")
            .bind(run.to_string())
            .bind(command)
            .bind(now.timestamp_millis())
            .execute(self.pool())
            .await
            .map_err(self.failed("note a run"))?;
        Ok(run)
    }

    /// Notes how a run ended. A run ends once.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn finish_run(&self, run: Ulid, outcome: &str, report: &serde_json::Value) -> Result<(), LedgerError> {
        sqlx::query(
            "update runs set finished_ms = ?2, outcome = ?3, report = ?4 where run = ?1 and finished_ms is null",
        )
        .bind(run.to_string())
        .bind(self.now().timestamp_millis())
        .bind(outcome)
        .bind(report.to_string())
        .execute(self.pool())
        .await
        .map(drop)
        .map_err(self.failed("note the end of a run"))
    }

    /// The last `count` runs, newest first.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn runs(&self, count: u32) -> Result<Vec<RunRow>, LedgerError> {
        let stored: Vec<StoredRun> = sqlx::query_as(
            "select run, command, started_ms, finished_ms, outcome, report from runs order by run desc limit ?1",
        )
        .bind(count)
        .fetch_all(self.pool())
        .await
        .map_err(self.failed("read runs"))?;
        stored.into_iter().map(|row| self.run_row(row)).collect()
    }

    /// When the last run of a command began that came to its end.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn last_begun(&self, command: &str) -> Result<Option<DateTime<Utc>>, LedgerError> {
        let begun: Option<i64> =
            sqlx::query_scalar("select max(started_ms) from runs where command = ?1 and finished_ms is not null")
                .bind(command)
                .fetch_one(self.pool())
                .await
                .map_err(self.failed("read runs"))?;
        Ok(begun.and_then(DateTime::from_timestamp_millis))
    }

    /// One run.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn run(&self, run: Ulid) -> Result<Option<RunRow>, LedgerError> {
        let stored: Option<StoredRun> =
            sqlx::query_as("select run, command, started_ms, finished_ms, outcome, report from runs where run = ?1")
                .bind(run.to_string())
                .fetch_optional(self.pool())
                .await
                .map_err(self.failed("read a run"))?;
        stored.map(|row| self.run_row(row)).transpose()
    }

    fn run_row(&self, stored: StoredRun) -> Result<RunRow, LedgerError> {
        let run = Ulid::from_string(&stored.run).map_err(|_| self.corrupt(format!("`{}` is no run", stored.run)))?;
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::UNIX_EPOCH);
        let report = stored.report.map(|text| serde_json::from_str(&text)).transpose();
        Ok(RunRow {
            run,
            command: stored.command,
            started_at: at(stored.started_ms),
            finished_at: stored.finished_ms.map(at),
            outcome: stored.outcome,
            report: report.map_err(|error| self.corrupt(format!("report of run {run}: {error}")))?,
        })
    }
}
