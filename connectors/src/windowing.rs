//! Windows on the wire: how an instant is written for an API, read from a record, and how half-open bounds become a request's.
//!
//! Ours are half-open everywhere. An API whose end is inclusive, or whose start is exclusive, gets one granularity less, and rows that
//! come along all the same are cut by whoever lands them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use headwater_contract::{Span, TimeRange, TimestampFormat};
use serde_json::Value;

use crate::manifest::WindowRequest;

/// Writes `at` as the API writes it; `None` when the zone does not exist.
pub fn write_instant(at: DateTime<Utc>, format: &TimestampFormat) -> Option<Value> {
    Some(match format {
        TimestampFormat::Rfc3339 => Value::String(at.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()),
        TimestampFormat::UnixSeconds => Value::from(at.timestamp()),
        TimestampFormat::UnixMillis => Value::from(at.timestamp_millis()),
        TimestampFormat::Pattern { pattern, zone } => {
            let zone: Tz = zone.parse().ok()?;
            Value::String(at.with_timezone(&zone).format(pattern).to_string())
        }
    })
}

/// Reads an instant as the API writes it. A local time that a clock change skips or repeats is taken as the earlier.
pub fn read_instant(value: &Value, format: &TimestampFormat) -> Option<DateTime<Utc>> {
    let whole = || value.as_i64().or_else(|| value.as_str()?.parse().ok());
    match format {
        TimestampFormat::Rfc3339 => {
            DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|instant| instant.with_timezone(&Utc))
        }
        TimestampFormat::UnixSeconds => DateTime::from_timestamp(whole()?, 0),
        TimestampFormat::UnixMillis => DateTime::from_timestamp_millis(whole()?),
        TimestampFormat::Pattern { pattern, zone } => {
            let (text, zone) = (value.as_str()?, zone.parse::<Tz>().ok()?);
            let day = || NaiveDate::parse_from_str(text, pattern).ok().map(|day| day.and_time(NaiveTime::MIN));
            let local = NaiveDateTime::parse_from_str(text, pattern).ok().or_else(day)?;
            zone.from_local_datetime(&local).earliest().map(|instant| instant.with_timezone(&Utc))
        }
    }
}

/// The two instants that a request for `range` sends.
pub fn sent_bounds(range: TimeRange, request: &WindowRequest, granularity: Span) -> (DateTime<Utc>, DateTime<Utc>) {
    let step = granularity.delta();
    let from = if request.from_is_exclusive { range.from() - step } else { range.from() };
    let until = if request.until_is_inclusive { range.until() - step } else { range.until() };
    (from, until)
}

/// Both halves of a range that is too large for one query, cut on a whole granularity; `None` when it cannot be cut further.
pub fn halves(range: TimeRange, granularity: Span) -> Option<(TimeRange, TimeRange)> {
    let step = granularity.as_millis().max(1);
    let length = (range.until() - range.from()).num_milliseconds();
    let middle = range.from() + chrono::TimeDelta::milliseconds(length / 2 / step * step);
    Some((TimeRange::new(range.from(), middle).ok()?, TimeRange::new(middle, range.until()).ok()?))
}

#[cfg(test)]
mod tests {
    use headwater_contract::TimestampFormat::{Pattern, Rfc3339, UnixMillis, UnixSeconds};

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn pattern(pattern: &str, zone: &str) -> TimestampFormat {
        Pattern { pattern: pattern.into(), zone: zone.into() }
    }

    #[test]
    fn rejects_what_is_no_instant_in_its_format() {
        for (value, format) in [
            (Value::from("2024-03-01"), Rfc3339),
            (Value::from(1.5), UnixSeconds),
            (Value::from("soon"), UnixMillis),
            (Value::from("2024-03-01 00:00:00"), pattern("%Y-%m-%d %H:%M:%S", "Mars/Base")),
            (Value::Null, Rfc3339),
        ] {
            assert_eq!(read_instant(&value, &format), None, "{value} as {format:?}");
        }
    }

    #[test]
    fn an_instant_reads_back_as_it_was_written() {
        let formats = [
            Rfc3339,
            UnixSeconds,
            UnixMillis,
            pattern("%Y-%m-%d %H:%M:%S", "UTC"),
            pattern("%Y-%m-%d %H:%M:%S", "America/New_York"),
        ];
        for format in formats {
            let written = write_instant(at("2024-03-01T12:30:15Z"), &format).unwrap();
            assert_eq!(read_instant(&written, &format), Some(at("2024-03-01T12:30:15Z")), "{format:?}");
        }
        let day = pattern("%Y-%m-%d", "UTC");
        assert_eq!(read_instant(&Value::from("2024-03-01"), &day), Some(at("2024-03-01T00:00:00Z")));
        assert_eq!(
            write_instant(at("2024-03-01T12:30:15.250Z"), &Rfc3339),
            Some(Value::from("2024-03-01T12:30:15.250Z"))
        );
    }

    #[test]
    fn inclusive_ends_and_exclusive_starts_send_one_granularity_less() {
        let range = TimeRange::new(at("2024-03-01T00:00:00Z"), at("2024-03-02T00:00:00Z")).unwrap();
        let request = |until_is_inclusive, from_is_exclusive| WindowRequest {
            from: crate::expression::Template::parse("since").unwrap(),
            until: None,
            until_is_inclusive,
            from_is_exclusive,
        };
        let sent = |until, from| sent_bounds(range, &request(until, from), Span::seconds(1));
        assert_eq!(sent(false, false), (range.from(), range.until()));
        assert_eq!(sent(true, true), (at("2024-02-29T23:59:59Z"), at("2024-03-01T23:59:59Z")));
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
