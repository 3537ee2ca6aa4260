//! Leases: who works on what, until when.
//!
//! A lease saves work and protects nothing: a runner that was asleep while its lease ran out can still land and commit, and the
//! receipt and the Delta log decide. What a lease does decide is who may write to the ledger: the token is a ULID that is never
//! used again, so what a runner says about work that another has taken over is refused. Time is the database's own clock.

use std::fmt;
use std::time::Duration;

use headwater_contract::{Bounds, Slice, StreamName, Window, encode_segment};
use sqlx::{Sqlite, Transaction};
use ulid::Ulid;

use crate::ledger::{Ledger, LedgerError};

/// What one runner works on at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(String);

impl Unit {
    /// A window of a ranged stream; of a snapshot or chain stream its whole slice, which has one reading at a time.
    pub fn window(stream: &StreamName, window: &Window) -> Self {
        let slice = encode_segment(window.slice.as_str());
        match window.bounds {
            Bounds::Range(_) => Self(format!("{stream}/{slice}/{}", window.name())),
            Bounds::Snapshot { .. } => Self(format!("{stream}/{slice}/snapshot")),
            Bounds::Link { .. } => Self(format!("{stream}/{slice}/chain")),
        }
    }

    /// All windows of a slice.
    pub fn slice(stream: &StreamName, slice: &Slice) -> Self {
        Self(format!("{stream}/{}", encode_segment(slice.as_str())))
    }

    /// All windows of a stream, e.g. for its commits.
    pub fn stream(stream: &StreamName) -> Self {
        Self(stream.to_string())
    }

    /// A star's build.
    pub fn star(name: &str) -> Self {
        Self(format!("star:{name}"))
    }

    /// A job that one runner does at a time, e.g. `planner`.
    pub fn job(name: &str) -> Self {
        Self(format!("job:{name}"))
    }

    /// A unit as the ledger keeps it.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// Its text in the ledger.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether who holds `self` may speak about `other`.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the holder of a lease is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing yet.
    Leased,
    /// It reads the source.
    Extracting,
}

impl Stage {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::Extracting => "extracting",
        }
    }
}

/// The right to speak about a unit until another takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(crate) unit: Unit,
    pub(crate) token: Ulid,
}

impl Lease {
    /// What is leased.
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// The token that every write carries.
    pub fn token(&self) -> Ulid {
        self.token
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 2)
}

impl Ledger {
    /// Takes `unit` for `length`, if nobody holds it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn lease(&self, unit: &Unit, length: Duration) -> Result<Option<Lease>, LedgerError> {
        let token = Ulid::new();
        let inserted = sqlx::query(
            "insert into leases (unit, token, runner, stage, expires_ms)
             values (?1, ?2, ?3, 'leased', cast(unixepoch('subsec') * 1000 as integer) + ?4)
             on conflict (unit) do update
             set token = excluded.token, runner = excluded.runner, stage = 'leased', expires_ms = excluded.expires_ms
             where leases.expires_ms <= cast(unixepoch('subsec') * 1000 as integer)",
        )
        .bind(unit.as_str())
        .bind(token.to_string())
        .bind(self.inner.runner.to_string())
        .bind(millis(length))
        .execute(self.pool())
        .await
        .map_err(self.failed("lease"))?;
        Ok((inserted.rows_affected() == 1).then(|| Lease { unit: unit.clone(), token }))
    }

    /// Keeps a lease for another `length` from now.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LeaseLost`] when another runner took it.
    pub async fn renew(&self, lease: &Lease, length: Duration) -> Result<(), LedgerError> {
        let renewed = sqlx::query(
            "update leases set expires_ms = cast(unixepoch('subsec') * 1000 as integer) + ?3 where unit = ?1 and token = ?2",
        )
        .bind(lease.unit.as_str())
        .bind(lease.token.to_string())
        .bind(millis(length))
        .execute(self.pool())
        .await
        .map_err(self.failed("renew a lease"))?;
        only_one(lease, renewed.rows_affected())
    }

    /// Says what the holder of the lease is doing, for `status`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LeaseLost`] when another runner took it.
    pub async fn stage(&self, lease: &Lease, stage: Stage) -> Result<(), LedgerError> {
        let changed = sqlx::query("update leases set stage = ?3 where unit = ?1 and token = ?2")
            .bind(lease.unit.as_str())
            .bind(lease.token.to_string())
            .bind(stage.as_str())
            .execute(self.pool())
            .await
            .map_err(self.failed("note a stage"))?;
        only_one(lease, changed.rows_affected())
    }

    /// Gives a lease back. One that was lost is gone already, which is no error.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn release(&self, lease: Lease) -> Result<(), LedgerError> {
        sqlx::query("delete from leases where unit = ?1 and token = ?2")
            .bind(lease.unit.as_str())
            .bind(lease.token.to_string())
            .execute(self.pool())
            .await
            .map(drop)
            .map_err(self.failed("release a lease"))
    }

    /// The units that somebody holds, with what they are doing.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn leased(&self) -> Result<Vec<(Unit, Stage)>, LedgerError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "select unit, stage from leases where expires_ms > cast(unixepoch('subsec') * 1000 as integer) order by unit",
        )
        .fetch_all(self.pool())
        .await
        .map_err(self.failed("read leases"))?;
        let stage = |text: &str| if text == "extracting" { Stage::Extracting } else { Stage::Leased };
        Ok(rows.into_iter().map(|(unit, text)| (Unit(unit), stage(&text))).collect())
    }

    /// This process among the ledger's runners.
    pub fn runner(&self) -> Ulid {
        self.inner.runner
    }

    /// The other runners that hold leases.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn runners(&self) -> Result<Vec<Ulid>, LedgerError> {
        let rows: Vec<String> =
            sqlx::query_scalar("select distinct runner from leases where runner <> ?1 order by runner")
                .bind(self.inner.runner.to_string())
                .fetch_all(self.pool())
                .await
                .map_err(self.failed("read leases"))?;
        Ok(rows.iter().filter_map(|runner| Ulid::from_string(runner).ok()).collect())
    }

    /// Takes back what a runner held that is known to be gone.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn forget_runner(&self, runner: Ulid) -> Result<(), LedgerError> {
        sqlx::query("delete from leases where runner = ?1")
            .bind(runner.to_string())
            .execute(self.pool())
            .await
            .map(drop)
            .map_err(self.failed("forget a runner"))
    }

    /// How long the longest lease still runs: what must be waited out before a table's log may restart at its URL.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn longest_lease(&self) -> Result<Duration, LedgerError> {
        let left: Option<i64> =
            sqlx::query_scalar("select max(expires_ms) - cast(unixepoch('subsec') * 1000 as integer) from leases")
                .fetch_one(self.pool())
                .await
                .map_err(self.failed("read leases"))?;
        Ok(Duration::from_millis(left.and_then(|left| u64::try_from(left).ok()).unwrap_or_default()))
    }

    /// Fails unless `lease` is still its holder's, within the change that is to be written.
    pub(crate) async fn fence(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        lease: &Lease,
    ) -> Result<(), LedgerError> {
        let held: i64 = sqlx::query_scalar("select count(*) from leases where unit = ?1 and token = ?2")
            .bind(lease.unit.as_str())
            .bind(lease.token.to_string())
            .fetch_one(&mut **change)
            .await
            .map_err(self.failed("check a lease"))?;
        only_one(lease, u64::try_from(held).unwrap_or_default())
    }
}

/// What changed exactly the row of its lease was its holder's to change.
fn only_one(lease: &Lease, rows: u64) -> Result<(), LedgerError> {
    if rows == 1 { Ok(()) } else { Err(LedgerError::LeaseLost { unit: lease.unit.to_string() }) }
}
