//! The ledger: states of windows, leases, runs.
//!
//! A cache. What it says can be made again from receipts and Delta logs ([`Ledger::rebuild`]), and nothing that must not be wrong
//! rests on it: it saves readings and tells people what is missing and why. One file serves all runners of one machine; `SQLite`
//! takes one writer at a time, and every write of a runner names the token of its lease.

mod blot;
mod catch_up;
mod compared;
mod coverage;
mod error;
mod finished;
mod lease;
mod owner;
mod rebuild;
mod record;
mod run;
mod schema;
mod window;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use fs_err as fs;
use headwater_contract::Clock;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};
use ulid::Ulid;

pub use catch_up::CatchUp;
pub use compared::{Agreed, TableVersion};
pub use coverage::{Planned, chain_head, newest_snapshot};
pub use error::LedgerError;
pub use finished::Finished;
pub(crate) use finished::Folded;
pub use lease::{Lease, Stage, Unit};
pub use owner::{Claim, LakeId};
pub use rebuild::{RebuildReport, Transactions};
pub use run::RunRow;
pub use window::{
    Blocked, FAILURES_STOP, Facts, Failure, FailureRecord, HELD_AGAIN, Parked, Standing, TableRows, WindowRow,
    WindowState,
};

/// How long a writer waits for another one.
const BUSY_SECONDS_MAX: u64 = 30;
/// Connections of one process; `SQLite` reads in parallel and writes one at a time.
const CONNECTIONS_MAX: u32 = 4;

#[derive(Debug)]
struct Inner {
    pool: SqlitePool,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    id: Ulid,
    runner: Ulid,
}

/// States of windows, leases and runs of one lake.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("path", &self.inner.path).field("id", &self.inner.id).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger in the file `path`, and makes it when there is none.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Newer`] for a file of a newer program, [`LedgerError::Database`] when `SQLite` cannot use it.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, LedgerError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .map_err(|source| LedgerError::Folder { path: path.display().to_string(), source })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A loss of power may take the last writes: they are in the lake.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(BUSY_SECONDS_MAX));
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX);
        Self::over(pool.connect_with(options).await, path, clock).await
    }

    /// A ledger that is gone when it is dropped, for a dry run or a test.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`] when `SQLite` has no memory.
    pub async fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, LedgerError> {
        let path = Path::new(":memory:");
        let options = SqliteConnectOptions::from_str("sqlite::memory:").map_err(|source| LedgerError::Database {
            action: "open",
            path: path.display().to_string(),
            source,
        })?;
        // Each connection would have a memory of its own, and an idle one that is closed would forget.
        let pool = SqlitePoolOptions::new().max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
        Self::over(pool.connect_with(options).await, path, clock).await
    }

    async fn over(
        pool: Result<SqlitePool, sqlx::Error>,
        path: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Database { action: "open", path: path.display().to_string(), source };
        let pool = pool.map_err(failed)?;
        let mut change = pool.begin_with("begin immediate").await.map_err(failed)?;
        let known = i64::try_from(schema::STEPS.len()).unwrap_or(i64::MAX);
        let version: i64 = sqlx::query_scalar("pragma user_version").fetch_one(&mut *change).await.map_err(failed)?;
        if version > known {
            return Err(LedgerError::Newer { path: path.display().to_string(), version, known });
        }
        for step in schema::STEPS.iter().skip(usize::try_from(version).unwrap_or_default()) {
            sqlx::raw_sql(*step).execute(&mut *change).await.map_err(failed)?;
        }
        // A pragma takes no parameters; the number is ours.
        let pragma = format!("pragma user_version = {known}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(pragma)).execute(&mut *change).await.map_err(failed)?;
        let fresh = Ulid::from_datetime(clock.now().into()).to_string();
        sqlx::query("insert or ignore into meta (name, value) values ('ledger', ?)")
            .bind(&fresh)
            .execute(&mut *change)
            .await
            .map_err(failed)?;
        let id: String = sqlx::query_scalar("select value from meta where name = 'ledger'")
            .fetch_one(&mut *change)
            .await
            .map_err(failed)?;
        change.commit().await.map_err(failed)?;
        let id = Ulid::from_string(&id).map_err(|_| LedgerError::Corrupt {
            path: path.display().to_string(),
            finding: format!("its id is `{id}`"),
        })?;
        let runner = Ulid::from_datetime(clock.now().into());
        Ok(Self { inner: Arc::new(Inner { pool, path: path.to_owned(), clock, id, runner }) })
    }

    /// The id of this ledger, made with the file.
    pub fn id(&self) -> Ulid {
        self.inner.id
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    fn pool(&self) -> &SqlitePool {
        &self.inner.pool
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    fn failed(&self, action: &'static str) -> impl Fn(sqlx::Error) -> LedgerError + '_ {
        move |source| LedgerError::Database { action, path: self.inner.path.display().to_string(), source }
    }

    fn corrupt(&self, finding: impl Into<String>) -> LedgerError {
        LedgerError::Corrupt { path: self.inner.path.display().to_string(), finding: finding.into() }
    }

    /// Begins a change that no other writer can come between.
    async fn change(&self, action: &'static str) -> Result<Transaction<'static, Sqlite>, LedgerError> {
        self.pool().begin_with("begin immediate").await.map_err(self.failed(action))
    }
}

#[cfg(test)]
mod tests;
