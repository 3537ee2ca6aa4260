//! The decisions of the daemon: which sources a tick is for, and when to look again.
//!
//! Pure, so that a week of ticks is a table of values; the loop that sleeps is `cli/schedule.rs`.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::SourceName;

use crate::schedule::Schedule;

/// A source whose run ended badly is looked at again after this long, doubled each time, at most [`RETRY_MAX`].
const RETRY_FIRST: TimeDelta = TimeDelta::minutes(5);

/// The longest wait before a failed source is looked at again.
const RETRY_MAX: TimeDelta = TimeDelta::hours(1);

/// What the daemon remembers of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// When it was looked at last.
    pub last: Option<DateTime<Utc>>,
    /// Runs in a row that left something undone.
    pub failures: u32,
}

/// When a source is to be looked at: at its schedule's next tick, or sooner while something is undone. At the start: now.
pub fn next_wake(schedule: &Schedule, state: &Tick, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let Some(last) = state.last else { return Some(now) };
    let scheduled = schedule.next_after(last);
    if state.failures == 0 {
        return scheduled;
    }
    let doubled = RETRY_FIRST * 2_i32.saturating_pow(state.failures.min(10) - 1);
    let retry = last + doubled.min(RETRY_MAX);
    Some(scheduled.map_or(retry, |scheduled| scheduled.min(retry)))
}

/// The sources whose time has come.
pub fn tick(
    sources: &BTreeMap<SourceName, Schedule>,
    states: &BTreeMap<SourceName, Tick>,
    now: DateTime<Utc>,
) -> Vec<SourceName> {
    let fresh = Tick::default();
    let is_due = |(name, schedule): &(&SourceName, &Schedule)| {
        next_wake(schedule, states.get(*name).unwrap_or(&fresh), now).is_some_and(|at| at <= now)
    };
    sources.iter().filter(is_due).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-03-01T{text}Z").parse().unwrap()
    }

    #[test]
    fn a_source_is_looked_at_at_the_start_and_then_by_its_schedule() {
        let state = |last: Option<&str>, failures| Tick { last: last.map(at), failures };
        for (state, wake) in [
            (state(None, 0), "10:30:00"),
            (state(Some("10:06:00"), 0), "11:05:00"),
            (state(Some("10:06:00"), 1), "10:11:00"),
            (state(Some("10:06:00"), 3), "10:26:00"),
            (state(Some("10:06:00"), 99), "11:05:00"),
        ] {
            assert_eq!(next_wake(&Schedule::Hourly, &state, at("10:30:00")), Some(at(wake)), "{state:?}");
        }
    }

    #[test]
    fn a_tick_names_only_the_sources_whose_time_has_come() {
        let name = |text: &str| SourceName::new(text).unwrap();
        let sources =
            BTreeMap::from([(name("a"), Schedule::Hourly), (name("b"), Schedule::Daily), (name("c"), Schedule::Daily)]);
        let looked = Tick { last: Some(at("10:06:00")), failures: 0 };
        let states = BTreeMap::from([(name("a"), looked.clone()), (name("b"), looked)]);
        assert_eq!(tick(&sources, &states, at("11:04:59")), [name("c")]);
        assert_eq!(tick(&sources, &states, at("11:05:00")), [name("a"), name("c")]);
    }
}
