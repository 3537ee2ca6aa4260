//! What the ledger knows of a window, and what follows from it.
//!
//! Everything here is a pure function of receipts, failures and the time, so that a ledger that followed along and one that was
//! rebuilt from the lake say the same.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Digest16, StreamName, TimeRange, Window};
use serde::{Deserialize, Serialize};

use crate::commit::{is_reading, rows_generation};
use crate::raw::{Counts, Reason, Receipt, Verdict, data_generation};

/// After which time a window whose last readings were held is read again; after the last step it waits for a person.
pub const HELD_AGAIN: [TimeDelta; 3] = [TimeDelta::hours(1), TimeDelta::days(1), TimeDelta::days(7)];
/// So many equal permanent failures stop a window.
pub const FAILURES_STOP: u32 = 3;

/// Where a window stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowState {
    /// Known, not begun.
    Planned,
    /// A runner holds it.
    Leased,
    /// A runner reads it.
    Extracting,
    /// A reading has its receipt, the table does not show it yet.
    Landed,
    /// The table shows its latest reading.
    Committed,
    /// Counts of receipt and table agree.
    Reconciled,
    /// The gate held its latest reading.
    Held,
    /// The last attempt failed; it is tried again.
    Failed,
    /// The same permanent failure came three times; it waits for a change of manifest, setting or credential.
    Stopped,
    /// The source asked to wait.
    Parked,
    /// Its range is read by smaller windows.
    Split,
    /// The source does not keep its range any more.
    ExpiredAtSource,
    /// Another window that overlaps it was committed first.
    Beaten,
    /// Other bounds took its place before it had a receipt.
    Superseded,
}

impl WindowState {
    /// Every state.
    pub const ALL: [Self; 14] = [
        Self::Planned,
        Self::Leased,
        Self::Extracting,
        Self::Landed,
        Self::Committed,
        Self::Reconciled,
        Self::Held,
        Self::Failed,
        Self::Stopped,
        Self::Parked,
        Self::Split,
        Self::ExpiredAtSource,
        Self::Beaten,
        Self::Superseded,
    ];

    /// Its name in the ledger and in `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Leased => "leased",
            Self::Extracting => "extracting",
            Self::Landed => "landed",
            Self::Committed => "committed",
            Self::Reconciled => "reconciled",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Parked => "parked",
            Self::Split => "split",
            Self::ExpiredAtSource => "expired-at-source",
            Self::Beaten => "beaten",
            Self::Superseded => "superseded",
        }
    }

    /// Reads a name back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the window no longer stands for its range: another one does.
    pub fn is_replaced(self) -> bool {
        matches!(self, Self::Split | Self::Beaten | Self::Superseded)
    }
}

impl fmt::Display for WindowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many rows of a window a table of its stream may show, as the receipts say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    /// Of the generation that is to be shown.
    pub shown: u64,
    /// Of the first reading that passed.
    pub first: u64,
    /// Of all readings that passed.
    pub all: u64,
}

/// What the receipts of a window say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The latest generation.
    pub generation: u64,
    /// The attempt that made it.
    pub attempt: String,
    /// Why it was read.
    pub reason: Reason,
    /// What the gate decided of it.
    pub verdict: Verdict,
    /// How many readings in a row were held, up to the latest.
    pub held_times: u32,
    /// When the latest reading began, if it was held.
    pub held_at: Option<DateTime<Utc>>,
    /// The generation whose rows are to be shown.
    pub data_generation: Option<u64>,
    /// When the latest reading began.
    pub read_at: DateTime<Utc>,
    /// When the last reading that passed began.
    pub passed_read_at: Option<DateTime<Utc>>,
    /// The latest generation that passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_generation: Option<u64>,
    /// How many records of the latest reading went where.
    pub counts: Counts,
    /// The token that the next link of a chain starts from, of the generation that is shown.
    pub token_out: Option<String>,
    /// Rows of the typed files, by table; a table that has none is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, TableRows>,
    /// The generation that the shown rows bear: an accepted reading keeps those of the held one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_generation: Option<u64>,
    /// The contract that the generation that is shown was typed by.
    #[serde(default)]
    pub contract: Digest16,
}

impl Standing {
    /// What `receipts`, those of one window by generation, say. `None` without any.
    pub fn of(receipts: &[Receipt]) -> Option<Self> {
        let latest = receipts.iter().max_by_key(|receipt| receipt.generation)?;
        let shown = data_generation(receipts);
        let mut newest_first: Vec<_> = receipts.iter().collect();
        newest_first.sort_by_key(|receipt| std::cmp::Reverse(receipt.generation));
        let held = newest_first.iter().take_while(|receipt| receipt.verdict.is_held()).count();
        // The latest of the readings that passed, whatever their order: a replay bears the time of the reading whose parts it takes.
        let passed = receipts.iter().filter(|receipt| receipt.verdict.is_passed()).map(|receipt| receipt.read_at).max();
        Some(Self {
            generation: latest.generation,
            attempt: latest.attempt.to_string(),
            reason: latest.reason,
            verdict: latest.verdict.clone(),
            held_times: u32::try_from(held).unwrap_or(u32::MAX),
            held_at: latest.verdict.is_held().then_some(latest.read_at),
            data_generation: shown.map(|receipt| receipt.generation),
            read_at: latest.read_at,
            passed_read_at: passed,
            passed_generation: newest_first
                .iter()
                .find(|receipt| receipt.verdict.is_passed())
                .map(|receipt| receipt.generation),
            counts: latest.counts,
            token_out: shown.and_then(|receipt| receipt.token_out.clone()),
            rows: rows_of(receipts, shown),
            rows_generation: shown.map(rows_generation),
            contract: shown.map(|receipt| receipt.contract).unwrap_or_default(),
        })
    }
}

/// Rows of the typed files of a window's readings, by table; `shown` is the reading that is to be shown.
fn rows_of(receipts: &[Receipt], shown: Option<&Receipt>) -> BTreeMap<String, TableRows> {
    let mut passed: Vec<&Receipt> = receipts.iter().filter(|receipt| is_reading(receipt)).collect();
    passed.sort_by_key(|receipt| receipt.generation);
    let mut rows: BTreeMap<String, TableRows> = BTreeMap::new();
    for (place, receipt) in passed.into_iter().enumerate() {
        for file in &receipt.typed {
            let of_table = rows.entry(file.table.clone()).or_default();
            of_table.all += file.rows;
            if place == 0 {
                of_table.first += file.rows;
            }
            if shown.is_some_and(|shown| shown.generation == receipt.generation) {
                of_table.shown += file.rows;
            }
        }
    }
    rows
}

/// A failure of an attempt, as it is told to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error's stable word.
    pub code: String,
    /// What went wrong, in one line, without secrets.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// Equal for equal failures.
    pub fingerprint: String,
    /// Trying again will not help until something changes.
    pub permanent: bool,
    /// Not before this time.
    pub retry_at: Option<DateTime<Utc>>,
}

/// A failure as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// The error's stable word.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// Equal for equal failures.
    pub fingerprint: String,
    /// Whether trying again helps.
    pub permanent: bool,
    /// How often in a row it came, under the same setup.
    pub times: u32,
    /// When it came first.
    pub first_at: DateTime<Utc>,
    /// When it came last.
    pub last_at: DateTime<Utc>,
    /// Not before this time.
    pub retry_at: Option<DateTime<Utc>>,
    /// Digest of manifest, contract, settings and credential that it failed with.
    pub setup: Digest16,
}

impl FailureRecord {
    /// The record after `failure`, given the one before.
    pub fn after(before: Option<&Self>, failure: &Failure, setup: Digest16, now: DateTime<Utc>) -> Self {
        let same = before.filter(|record| {
            record.fingerprint == failure.fingerprint && record.permanent == failure.permanent && record.setup == setup
        });
        Self {
            code: failure.code.clone(),
            message: failure.message.clone(),
            fix: failure.fix.clone(),
            fingerprint: failure.fingerprint.clone(),
            permanent: failure.permanent,
            times: same.map_or(1, |record| record.times.saturating_add(1)),
            first_at: same.map_or(now, |record| record.first_at),
            last_at: now,
            retry_at: failure.retry_at,
            setup,
        }
    }

    /// Whether it stops the window.
    pub fn stops(&self) -> bool {
        self.permanent && self.times >= FAILURES_STOP
    }
}

/// The source asked to wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Not before this time.
    pub until: DateTime<Utc>,
    /// What the source said, in one line.
    pub because: String,
}

/// Why a window that is due is not read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Until manifest, contract, setting or credential changes.
    Stopped,
    /// A failed attempt is not to be repeated before.
    RetryAt(DateTime<Utc>),
    /// The source asked to wait.
    ParkedUntil(DateTime<Utc>),
    /// A held reading is read again then.
    HeldUntil(DateTime<Utc>),
    /// Held readings came often enough: a person decides.
    HeldForPerson,
    /// The source does not keep the range.
    ExpiredAtSource,
    /// Another window stands for the range.
    Replaced,
}

/// What was told to the ledger about a window, from which its state follows.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// What its receipts say; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// The generation that the table shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<u64>,
    /// The committed generation whose counts were compared with the table's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciled: Option<u64>,
    /// Rows that tables showed of it then, where receipts alone do not say how many they should: those of versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shown_rows: BTreeMap<String, u64>,
    /// The last failure, until an attempt succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureRecord>,
    /// The source asked to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// When a person asked last to read it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resync_asked_at: Option<DateTime<Utc>>,
    /// The latest generation at that moment: clocks of sources show whole seconds, so time alone cannot tell a reading that was
    /// asked for from the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resync_above: Option<u64>,
    /// It was cut from a window that was too large, and keeps its bounds until it is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_piece: bool,
    /// Why another window, or none, stands for its range: split, expired at the source, beaten or superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<WindowState>,
}

impl Facts {
    /// The state that follows when no runner holds the window.
    pub fn state(&self) -> WindowState {
        if let Some(closed) = self.closed {
            return closed;
        }
        if let Some(failure) = &self.failure {
            return if failure.stops() { WindowState::Stopped } else { WindowState::Failed };
        }
        if self.parked.is_some() {
            return WindowState::Parked;
        }
        let Some(standing) = &self.standing else { return WindowState::Planned };
        if standing.verdict.is_held() {
            WindowState::Held
        } else if standing.data_generation > self.committed {
            WindowState::Landed
        } else if self.reconciled.is_some() && self.reconciled == self.committed {
            WindowState::Reconciled
        } else {
            WindowState::Committed
        }
    }
}

/// What the ledger knows of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowRow {
    /// Source and stream.
    pub stream: StreamName,
    /// The window.
    pub window: Window,
    /// Where it stands now, `leased` and `extracting` included.
    pub state: WindowState,
    /// From which the rest follows.
    pub facts: Facts,
    /// When the row changed last.
    pub updated_at: DateTime<Utc>,
}

impl WindowRow {
    /// The range of a ranged window.
    pub fn range(&self) -> Option<TimeRange> {
        self.window.time_range()
    }

    /// Whether another window stands for its range.
    pub fn is_replaced(&self) -> bool {
        self.facts.closed.is_some_and(WindowState::is_replaced)
    }

    /// When the last reading that passed began.
    pub fn passed_read_at(&self) -> Option<DateTime<Utc>> {
        self.facts.standing.as_ref()?.passed_read_at
    }

    /// Whether a receipt fixes the window's bounds.
    pub fn has_receipt(&self) -> bool {
        self.facts.standing.is_some()
    }

    /// Whether the table shows less than the latest receipt says: a commit is owed, without a request to the source.
    pub fn owes_commit(&self) -> bool {
        let data = self.facts.standing.as_ref().and_then(|standing| standing.data_generation);
        !self.is_replaced() && data.is_some_and(|data| self.facts.committed.is_none_or(|committed| committed < data))
    }

    /// Whether a person asked for the window after its last reading that passed.
    pub fn owes_resync(&self) -> bool {
        let Some(asked) = self.facts.resync_asked_at else { return false };
        let Some(standing) = &self.facts.standing else { return true };
        let is_later = standing.passed_generation > self.facts.resync_above;
        !is_later || standing.passed_read_at.is_none_or(|passed| passed < asked)
    }

    /// Whether its last passed reading began before `due`, or a person asked for it: it is missing.
    pub fn is_missing(&self, due: DateTime<Utc>) -> bool {
        !self.is_replaced() && (self.owes_resync() || self.passed_read_at().is_none_or(|passed| passed < due))
    }

    /// Why the window is not to be read at `now` though it is missing; `setup` digests manifest, contract, settings and
    /// credential as they are now.
    pub fn blocked(&self, now: DateTime<Utc>, setup: Digest16) -> Option<Blocked> {
        if self.is_replaced() {
            return Some(Blocked::Replaced);
        }
        if self.facts.closed == Some(WindowState::ExpiredAtSource) {
            return Some(Blocked::ExpiredAtSource);
        }
        if let Some(until) = self.facts.parked.as_ref().map(|parked| parked.until).filter(|until| *until > now) {
            return Some(Blocked::ParkedUntil(until));
        }
        if let Some(failure) = self.facts.failure.as_ref().filter(|failure| failure.setup == setup) {
            if failure.stops() {
                return Some(Blocked::Stopped);
            }
            if let Some(at) = failure.retry_at.filter(|at| *at > now) {
                return Some(Blocked::RetryAt(at));
            }
        }
        self.held(now)
    }

    /// The held schedule; a person who asks again does not wait for it.
    fn held(&self, now: DateTime<Utc>) -> Option<Blocked> {
        let standing = self.facts.standing.as_ref()?;
        let held_at = standing.held_at?;
        if self.facts.resync_asked_at.is_some_and(|asked| asked > held_at) {
            return None;
        }
        let again = usize::try_from(standing.held_times).ok().and_then(|times| HELD_AGAIN.get(times.checked_sub(1)?));
        match again {
            None => Some(Blocked::HeldForPerson),
            Some(again) => Some(held_at + *again).filter(|until| *until > now).map(Blocked::HeldUntil),
        }
    }
}
