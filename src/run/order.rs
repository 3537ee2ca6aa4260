//! The order in which due units are read: what the source will soon forget, then the newest, with a share for the oldest.
//!
//! Freshness alone would starve history and history alone would leave the dashboard stale, so every fifth reading is the oldest
//! one. Links of a chain are few and never reordered: a slice has one due link at a time.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use crate::run::plan::{Unit, Why, Work};

/// One reading in this many is the oldest that is due, so that history keeps a fifth of the budget.
const OLDEST_EVERY: usize = 5;

/// A window whose source begins to forget it within this time goes first.
const DEADLINE_NEAR: TimeDelta = TimeDelta::days(2);

/// Puts units in the order in which they are read.
pub fn order(units: Vec<Unit>, now: DateTime<Utc>) -> Vec<Unit> {
    let (mut first, rest): (Vec<Unit>, Vec<Unit>) = units.into_iter().partition(|unit| unit.why == Why::Uncommitted);
    let is_near = |unit: &Unit| unit.deadline.is_some_and(|deadline| deadline - now < DEADLINE_NEAR);
    let (mut near, mut rest): (Vec<Unit>, Vec<Unit>) = rest.into_iter().partition(is_near);
    near.sort_by_key(|unit| unit.deadline);
    rest.sort_by_key(|unit| std::cmp::Reverse(newest(unit)));
    let mut rest = VecDeque::from(rest);
    first.append(&mut near);
    let mut nth = 0_usize;
    while let Some(unit) = if nth % OLDEST_EVERY == OLDEST_EVERY - 1 { rest.pop_back() } else { rest.pop_front() } {
        first.push(unit);
        nth += 1;
    }
    first
}

/// The end of what a unit reads; lists and links show the present.
fn newest(unit: &Unit) -> DateTime<Utc> {
    match &unit.work {
        Work::Window(window) => window.time_range().map_or(DateTime::<Utc>::MAX_UTC, |range| range.until()),
        Work::Snapshot | Work::Link { .. } => DateTime::<Utc>::MAX_UTC,
    }
}

#[cfg(test)]
mod tests {
    use headwater_contract::{Slice, TimeRange, Window};

    use super::*;

    fn unit(day: i64, deadline: Option<i64>, why: Why) -> Unit {
        let at = |day: i64| DateTime::from_timestamp(day * 86_400, 0).unwrap();
        let range = TimeRange::new(at(day), at(day + 1)).unwrap();
        Unit {
            slice: Slice::whole(),
            work: Work::Window(Window::range(Slice::whole(), range)),
            why,
            due_at: at(day + 1),
            deadline: deadline.map(at),
        }
    }

    fn days(units: &[Unit]) -> Vec<i64> {
        units.iter().map(|unit| newest(unit).timestamp() / 86_400 - 1).collect()
    }

    #[test]
    fn every_fifth_reading_is_the_oldest_and_none_is_lost() {
        let units = (0..12).map(|day| unit(day, None, Why::First)).collect();
        assert_eq!(days(&order(units, DateTime::UNIX_EPOCH)), [11, 10, 9, 8, 0, 7, 6, 5, 4, 1, 3, 2]);
    }

    #[test]
    fn what_only_lacks_a_commit_goes_first_then_what_is_soon_forgotten() {
        let now = DateTime::from_timestamp(20 * 86_400, 0).unwrap();
        let units = vec![
            unit(9, Some(99), Why::First),
            unit(3, Some(21), Why::First),
            unit(2, Some(20), Why::First),
            unit(8, None, Why::Uncommitted),
        ];
        assert_eq!(days(&order(units, now)), [8, 2, 3, 9]);
    }
}
