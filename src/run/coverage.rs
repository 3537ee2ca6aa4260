//! What is known of a stream's windows when a plan is made.
//!
//! A plain value, so that the planner is a pure function: the same facts always give the same plan. Where they come from (the
//! ledger) and what the plan leads to (readings) are other files' business.

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Slice, TimeRange, Window};

/// One window as the ledger knows it.
#[expect(clippy::struct_excessive_bools, reason = "four facts that do not exclude one another")]
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The window; its bounds are those of its receipt where it has one.
    pub window: Window,
    /// Whether a receipt exists. Only then the bounds are kept.
    pub has_receipt: bool,
    /// When the last passed reading began, by the source's clock.
    pub read_at: Option<DateTime<Utc>>,
    /// Readings that were held since the last one that passed.
    pub held: Option<Held>,
    /// Whether the table shows what the latest receipt says.
    pub is_visible: bool,
    /// It was cut from a window that was too large for one reading.
    pub is_piece: bool,
    /// Another window with other bounds was committed first; this one never counts.
    pub is_beaten: bool,
    /// What went wrong last, if nothing went well since.
    pub failure: Option<Failure>,
    /// The token that the next link of a chain starts from.
    pub token_out: Option<String>,
}

/// Readings of a window that the gate held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// When the last of them began.
    pub read_at: DateTime<Utc>,
    /// How many there are since the last passed one.
    pub times: u32,
    /// The gate's words.
    pub reason: String,
}

/// A window's last failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error's code, e.g. `unauthorized`.
    pub code: String,
    /// The error's first line.
    pub message: String,
    /// Trying again without a change cannot help.
    pub is_permanent: bool,
    /// How often in a row the same thing went wrong under the present manifest, settings and credentials.
    pub times: u32,
    /// Not before this instant, by our clock.
    pub retry_at: Option<DateTime<Utc>>,
}

/// A permanent failure stops its window after this many times.
pub const PERMANENT_FAILURES_MAX: u32 = 3;

/// After the n-th held reading a window is read again this much later; then it waits for a person.
pub const HELD_RETRIES: [TimeDelta; 3] = [TimeDelta::hours(1), TimeDelta::days(1), TimeDelta::days(7)];

impl Failure {
    /// Whether the window waits for a change of manifest, setting or credential.
    pub fn is_stopped(&self) -> bool {
        self.is_permanent && self.times >= PERMANENT_FAILURES_MAX
    }
}

impl Held {
    /// When the window is read again by itself; `None` when it waits for a person.
    pub fn retry_at(&self) -> Option<DateTime<Utc>> {
        let nth = usize::try_from(self.times).ok()?.checked_sub(1)?;
        HELD_RETRIES.get(nth).map(|wait| self.read_at + *wait)
    }
}

/// A demand to read a range again, whatever was read before it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resync {
    /// The range; every window that shares an instant with it is due. `None` asks for everything.
    pub range: Option<TimeRange>,
    /// When it was asked for, by the source's clock.
    pub asked_at: DateTime<Utc>,
}

/// What is known of one slice of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// The slice.
    pub slice: Slice,
    /// Its windows, in any order.
    pub windows: Vec<Known>,
    /// Ranges that are past their lookback, read and visible, and whose windows are no longer kept apart.
    pub finished: Vec<TimeRange>,
    /// Demands to read again.
    pub resyncs: Vec<Resync>,
    /// Rows were committed whose reading began before the newest committed list of their keys (key lists only).
    pub are_keys_stale: bool,
}
