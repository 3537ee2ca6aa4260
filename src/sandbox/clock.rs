//! The shop's own clock, which is never ahead of ours.
//!
//! It stands still unless it is given a pace, so that what a reader sees does not depend on how fast it reads. It shows whole
//! seconds, as the `Date` header does.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use headwater_contract::Clock;

/// The time of day in the shop.
#[derive(Debug)]
pub(super) struct ShopClock {
    ours: Arc<dyn Clock>,
    hand: Mutex<Hand>,
}

#[derive(Clone, Copy, Debug)]
struct Hand {
    /// What the clock showed when it was last set.
    set_to: DateTime<Utc>,
    /// Our time at that moment.
    set_at: DateTime<Utc>,
    /// Seconds of the shop to one second of ours; 0 stands still.
    pace: u32,
}

impl ShopClock {
    /// A clock that shows `set_to` now, or our time if that is earlier.
    pub(super) fn new(ours: Arc<dyn Clock>, set_to: DateTime<Utc>, pace: u32) -> Self {
        let set_at = ours.now();
        Self { ours, hand: Mutex::new(Hand { set_to, set_at, pace }) }
    }

    /// The shop's time, in whole seconds.
    pub(super) fn now(&self) -> DateTime<Utc> {
        let hand = *self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = self.ours.now();
        let passed = i32::try_from(hand.pace).ok().and_then(|pace| (ours - hand.set_at).checked_mul(pace));
        let shown = hand.set_to.checked_add_signed(passed.unwrap_or_default()).unwrap_or(ours);
        let shown = shown.min(ours);
        shown.with_nanosecond(0).unwrap_or(shown)
    }

    /// Sets the clock; it shows our time where `to` is later than that. The pace stays.
    pub(super) fn set(&self, to: DateTime<Utc>) {
        let ours = self.ours.now();
        let mut hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        hand.set_to = to.min(ours);
        hand.set_at = ours;
    }

    /// Moves the clock by `step`.
    pub(super) fn advance(&self, step: TimeDelta) {
        self.set(self.now().checked_add_signed(step).unwrap_or_else(|| self.ours.now()));
    }

    /// Changes how many of the shop's seconds pass in one of ours.
    pub(super) fn set_pace(&self, pace: u32) {
        self.set(self.now());
        self.hand.lock().unwrap_or_else(PoisonError::into_inner).pace = pace;
    }
}

#[cfg(test)]
mod tests {
    use headwater_contract::FixedClock;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn is_never_ahead_of_ours() {
        let ours = Arc::new(FixedClock::at(at(100)));
        let clock = ShopClock::new(Arc::<FixedClock>::clone(&ours), at(200), 0);
        assert_eq!(clock.now(), at(100));
        clock.set(at(40));
        clock.advance(TimeDelta::seconds(1_000));
        assert_eq!(clock.now(), at(100));
        clock.set(at(0));
        clock.set_pace(50);
        ours.advance(TimeDelta::seconds(10));
        assert_eq!(clock.now(), at(110), "fifty times as fast, but not past ours");
    }

    #[test]
    fn stands_still_without_a_pace() {
        let ours = Arc::new(FixedClock::at(at(100)));
        let clock = ShopClock::new(Arc::<FixedClock>::clone(&ours), at(0), 0);
        ours.advance(TimeDelta::seconds(50));
        assert_eq!(clock.now(), at(0));
        clock.advance(TimeDelta::seconds(7));
        assert_eq!(clock.now(), at(7));
        clock.set_pace(2);
        ours.advance(TimeDelta::seconds(5));
        assert_eq!(clock.now(), at(17));
    }
}
