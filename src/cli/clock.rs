//! A clock that was moved, for tests of what is due later.

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Clock, SystemClock};

/// The machine's clock, shifted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShiftedClock {
    shift: TimeDelta,
}

impl ShiftedClock {
    /// A clock that shows `start` now and goes on from there.
    pub(crate) fn starting_at(start: DateTime<Utc>) -> Self {
        Self { shift: start - SystemClock.now() }
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.shift
    }
}
