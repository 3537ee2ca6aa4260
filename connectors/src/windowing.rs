//! Windows on the wire: how an instant is written for an API, read from a record, and how half-open bounds become a request's.
//!
//! Ours are half-open everywhere. An API whose end is inclusive, or whose start is exclusive, gets one granularity less; one that is asked
//! by days or months gets whole ones; one that cannot filter is read until the window is behind us. Rows that come along all the same are
//! cut by whoever lands them.

mod calendar;
mod feed;
mod format;
mod wire;
mod zones;

pub use calendar::{Calendar, Unit};
pub use feed::Feed;
pub(crate) use feed::Watch;
pub(crate) use format::read_time;
pub use format::{Clockface, End, TimeFormat, read_instant, write_instant, zone_fault, zone_of};
pub(crate) use wire::Wire;
pub use zones::fill_zones;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Span, TimeRange};

use crate::manifest::WindowRequest;

/// The two instants that a request for `range` sends.
pub fn sent_bounds(range: TimeRange, request: &WindowRequest, granularity: Span) -> (DateTime<Utc>, DateTime<Utc>) {
    let step = granularity.delta();
    // Where the field is finer than a millisecond, the whole bound is asked for and what is too much is cut.
    let least = step.max(TimeDelta::milliseconds(1));
    let from = if request.from_is_exclusive { range.from() - least } else { range.from() };
    let until_step = request.until_step_micros.map_or(step, |micros| TimeDelta::microseconds(i64::from(micros)));
    let until = if request.until_is_inclusive { range.until() - until_step } else { range.until() };
    (from, until)
}

/// Both halves of a range that is too large for one query, cut on a whole granularity; `None` when it cannot be cut further.
pub fn halves(range: TimeRange, granularity: Span) -> Option<(TimeRange, TimeRange)> {
    let step = granularity.as_millis().max(1);
    let length = (range.until() - range.from()).num_milliseconds();
    let middle = range.from() + TimeDelta::milliseconds(length / 2 / step * step);
    Some((TimeRange::new(range.from(), middle).ok()?, TimeRange::new(middle, range.until()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn inclusive_ends_and_exclusive_starts_send_one_granularity_less() {
        let range = TimeRange::new(at("2024-03-01T00:00:00Z"), at("2024-03-02T00:00:00Z")).unwrap();
        let request = |until_is_inclusive, from_is_exclusive| WindowRequest {
            from: "since".into(),
            until: None,
            until_is_inclusive,
            until_step_micros: None,
            from_is_exclusive,
            length: None,
            calendar: None,
            max_span: None,
        };
        let sent = |until, from| sent_bounds(range, &request(until, from), Span::seconds(1));
        assert_eq!(sent(false, false), (range.from(), range.until()));
        assert_eq!(sent(true, true), (at("2024-02-29T23:59:59Z"), at("2024-03-01T23:59:59Z")));
        let finest = sent_bounds(range, &request(true, true), Span::ZERO);
        assert_eq!(finest, (at("2024-02-29T23:59:59.999Z"), range.until()));
        let request = WindowRequest { until_step_micros: Some(1), ..request(true, false) };
        let finer = sent_bounds(range, &request, Span::seconds(1));
        assert_eq!(finer, (range.from(), at("2024-03-01T23:59:59.999999Z")));
    }

    #[test]
    fn halves_share_nothing_leave_nothing_and_end_at_the_granularity() {
        let range = |from: &str, until: &str| TimeRange::new(at(from), at(until)).unwrap();
        let (left, right) = halves(range("2024-03-01T00:00:00Z", "2024-03-01T00:00:03Z"), Span::seconds(1)).unwrap();
        assert_eq!(left, range("2024-03-01T00:00:00Z", "2024-03-01T00:00:01Z"));
        assert_eq!(right, range("2024-03-01T00:00:01Z", "2024-03-01T00:00:03Z"));
        assert_eq!(halves(left, Span::seconds(1)), None);
    }
}
