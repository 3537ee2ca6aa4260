//! How an API writes an instant, in what we send and in what we read.
//!
//! Instants are compared as instants and never as texts: `2024-03-01T02:00:00+02:00` and `2024-03-01T00:00:00.000Z` are one.

use chrono::format::{Fixed, Item, Numeric, StrftimeItems};
use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use headwater_contract::{Span, TimestampFormat};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::expression::{ExpressionError, Scope, Template};

/// How much longer ago than it is we ask for, because the source's clock goes on while its pages are read.
const AGO_MARGIN: TimeDelta = TimeDelta::hours(1);

/// How an API writes an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TimeFormat {
    /// RFC 3339 text in UTC; any fraction and offset is read.
    #[default]
    Rfc3339,
    /// A date or local time as ISO 8601 writes it, without an offset, in UTC: `2024-03-01`, `2024-03-01T10:00:00.5`.
    Iso8601,
    /// Seconds since 1970 in UTC; a fraction is read.
    UnixSeconds,
    /// Milliseconds since 1970 in UTC.
    UnixMillis,
    /// Microseconds since 1970 in UTC.
    UnixMicros,
    /// Nanoseconds since 1970 in UTC.
    UnixNanos,
    /// `/Date(1709251200000)/`, milliseconds since 1970 in UTC, with or without an offset behind them.
    DotNet,
    /// Text in a `strftime` pattern.
    Pattern {
        /// The pattern, e.g. `%Y-%m-%d %H:%M:%S`.
        pattern: String,
        /// The IANA zone that a text without an offset is in, or a setting that holds one: `"{time_zone}"`; UTC when absent.
        #[serde(default)]
        zone: Option<Template>,
    },
    /// For requests alone: how long ago it is, in whole units such as `1 day`; the start is rounded up, the end down.
    Ago(Span),
}

/// A format whose zone is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clockface {
    format: TimeFormat,
    zone: Tz,
}

/// Which end of a range is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The start.
    From,
    /// The end.
    Until,
}

impl TimeFormat {
    /// The format with its zone.
    ///
    /// # Errors
    ///
    /// [`ExpressionError`] when a placeholder is unknown or the zone does not exist.
    pub fn with_zone(&self, scope: &Scope) -> Result<Clockface, ExpressionError> {
        let zone = match self {
            Self::Pattern { zone: Some(zone), .. } => zone_of(zone, scope)?,
            _ => Tz::UTC,
        };
        Ok(Clockface { format: self.clone(), zone })
    }

    /// The same format as columns have it, where columns have it and its zone is written out.
    pub fn to_contract(&self) -> Option<TimestampFormat> {
        Some(match self {
            Self::Rfc3339 => TimestampFormat::Rfc3339,
            Self::UnixSeconds => TimestampFormat::UnixSeconds,
            Self::UnixMillis => TimestampFormat::UnixMillis,
            Self::Pattern { pattern, zone } => TimestampFormat::Pattern {
                pattern: pattern.clone(),
                zone: zone.as_ref().map_or("UTC", Template::as_str).to_owned(),
            },
            Self::Iso8601 | Self::UnixMicros | Self::UnixNanos | Self::DotNet | Self::Ago(_) => return None,
        })
    }

    /// What is wrong with it, as far as the manifest alone can tell.
    pub fn fault(&self) -> Option<String> {
        let Self::Pattern { pattern, zone } = self else { return None };
        if StrftimeItems::new(pattern).parse().is_err() {
            return Some(format!("`{pattern}` is no pattern"));
        }
        zone.as_ref().and_then(zone_fault)
    }
}

/// Reads an instant as a column says; in a zone that a setting gives nothing is read.
pub fn read_instant(value: &Value, format: &TimestampFormat) -> Option<DateTime<Utc>> {
    TimeFormat::from(format).with_zone(&Scope::new()).ok()?.read(value)
}

/// Writes an instant as a column has it; `None` when its zone does not exist.
pub fn write_instant(at: DateTime<Utc>, format: &TimestampFormat) -> Option<Value> {
    Some(TimeFormat::from(format).with_zone(&Scope::new()).ok()?.write(at, End::From, at))
}

/// Reads an instant in the first of the formats that fits.
pub(crate) fn read_time(value: &Value, formats: &[TimeFormat], scope: &Scope) -> Option<DateTime<Utc>> {
    formats.iter().find_map(|format| format.with_zone(scope).ok()?.read(value))
}

/// Why a zone that is written out does not exist.
pub fn zone_fault(zone: &Template) -> Option<String> {
    let is_written_out = zone.names().next().is_none();
    (is_written_out && zone.as_str().parse::<Tz>().is_err()).then(|| format!("`{}` is no zone", zone.as_str()))
}

/// The zone that a template names.
///
/// # Errors
///
/// [`ExpressionError`] when a placeholder is unknown or the zone does not exist.
pub fn zone_of(zone: &Template, scope: &Scope) -> Result<Tz, ExpressionError> {
    let name = zone.fill(scope)?;
    let reason = format!("`{name}` is no time zone, such as `Europe/Berlin`");
    name.parse().map_err(|_| ExpressionError::Failed { text: zone.as_str().to_owned(), reason })
}

impl From<&TimestampFormat> for TimeFormat {
    fn from(format: &TimestampFormat) -> Self {
        match format {
            TimestampFormat::Rfc3339 => Self::Rfc3339,
            TimestampFormat::UnixSeconds => Self::UnixSeconds,
            TimestampFormat::UnixMillis => Self::UnixMillis,
            TimestampFormat::Pattern { pattern, zone } => {
                Self::Pattern { pattern: pattern.clone(), zone: Template::parse(zone).ok() }
            }
        }
    }
}

impl Clockface {
    /// The zone, UTC where the format has none.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// Writes `at` as the API writes it.
    pub fn write(&self, at: DateTime<Utc>, end: End, now: DateTime<Utc>) -> Value {
        match &self.format {
            TimeFormat::Rfc3339 => Value::String(at.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()),
            TimeFormat::Iso8601 => Value::String(at.format("%Y-%m-%dT%H:%M:%S%.f").to_string()),
            TimeFormat::UnixSeconds => Value::from(at.timestamp()),
            TimeFormat::UnixMillis => Value::from(at.timestamp_millis()),
            TimeFormat::UnixMicros => Value::from(at.timestamp_micros()),
            TimeFormat::UnixNanos => Value::from(at.timestamp_nanos_opt().unwrap_or(i64::MAX)),
            TimeFormat::DotNet => Value::String(format!("/Date({})/", at.timestamp_millis())),
            TimeFormat::Pattern { pattern, .. } => {
                Value::String(at.with_timezone(&self.zone).format(pattern).to_string())
            }
            TimeFormat::Ago(unit) => {
                let unit = unit.as_millis().max(1);
                let units = match end {
                    End::From => ((now - at + AGO_MARGIN).num_milliseconds() + unit - 1) / unit,
                    End::Until => (now - at).num_milliseconds() / unit,
                };
                Value::from(units.max(0))
            }
        }
    }

    /// The bound to write for `at`: where its text would mean two instants, because clocks that are set back show an hour twice, one before
    /// that hour or behind it. Whichever of the two the API takes a text for, no local time of a range is left out.
    pub fn bound(&self, at: DateTime<Utc>, end: End) -> DateTime<Utc> {
        if !self.is_clock_without_offset() {
            return at;
        }
        let MappedLocalTime::Ambiguous(first, second) =
            self.zone.from_local_datetime(&at.with_timezone(&self.zone).naive_local())
        else {
            return at;
        };
        let repeated = (second - first).abs();
        let (first, second) = (first.with_timezone(&Utc), second.with_timezone(&Utc));
        match end {
            End::From => first.min(second) - repeated,
            End::Until => first.max(second) + repeated,
        }
    }

    /// How long a range is on the clock that its bounds are written by, and in truth: the longer of both.
    pub(super) fn length(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> TimeDelta {
        let local = |at: DateTime<Utc>| at.with_timezone(&self.zone).naive_local();
        let shown = if self.is_clock_without_offset() { local(until) - local(from) } else { TimeDelta::zero() };
        shown.max(until - from)
    }

    /// Whether it writes the time of day by the zone's clock, without saying how far that is from UTC.
    fn is_clock_without_offset(&self) -> bool {
        let TimeFormat::Pattern { pattern, .. } = &self.format else { return false };
        let says_offset = |item: Item<'_>| {
            use Fixed::{
                RFC2822, RFC3339, TimezoneOffset, TimezoneOffsetColon, TimezoneOffsetColonZ, TimezoneOffsetDoubleColon,
                TimezoneOffsetTripleColon, TimezoneOffsetZ,
            };
            matches!(item, Item::Numeric(Numeric::Timestamp, _))
                || matches!(
                    item,
                    Item::Fixed(
                        RFC2822
                            | RFC3339
                            | TimezoneOffset
                            | TimezoneOffsetColon
                            | TimezoneOffsetColonZ
                            | TimezoneOffsetDoubleColon
                            | TimezoneOffsetTripleColon
                            | TimezoneOffsetZ
                    )
                )
        };
        // A day is the same text at each of its hours.
        let text = |hour| Some(NaiveDate::MIN.and_hms_opt(hour, 0, 0)?.and_utc().format(pattern).to_string());
        !StrftimeItems::new(pattern).any(says_offset) && text(0) != text(23)
    }

    /// Reads an instant as the API writes it. A local time that a clock change skips or repeats is taken as the earlier.
    pub fn read(&self, value: &Value) -> Option<DateTime<Utc>> {
        match &self.format {
            TimeFormat::Rfc3339 => rfc3339(value.as_str()?),
            TimeFormat::Iso8601 => iso8601(value.as_str()?),
            TimeFormat::UnixSeconds => epoch(value, 9),
            TimeFormat::UnixMillis => epoch(value, 6),
            TimeFormat::UnixMicros => epoch(value, 3),
            TimeFormat::UnixNanos => epoch(value, 0),
            TimeFormat::DotNet => dot_net(value.as_str()?),
            TimeFormat::Pattern { pattern, .. } => self.pattern(value, pattern),
            TimeFormat::Ago(_) => None,
        }
    }

    fn pattern(&self, value: &Value, pattern: &str) -> Option<DateTime<Utc>> {
        let number;
        let text = match value {
            Value::String(text) => text,
            // `20240301` may come without quotes.
            Value::Number(given) => {
                number = given.to_string();
                &number
            }
            _ => return None,
        };
        if let Ok(instant) = DateTime::parse_from_str(text, pattern) {
            return Some(instant.with_timezone(&Utc));
        }
        let day = || NaiveDate::parse_from_str(text, pattern).ok();
        // A month is its first day.
        let month = || NaiveDate::parse_from_str(&format!("{text} 01"), &format!("{pattern} %d")).ok();
        let midnight = || day().or_else(month).map(|day| day.and_time(NaiveTime::MIN));
        let local = NaiveDateTime::parse_from_str(text, pattern).ok().or_else(midnight)?;
        self.zone.from_local_datetime(&local).earliest().map(|instant| instant.with_timezone(&Utc))
    }
}

/// RFC 3339 as servers write it: any fraction, a space for `T`, an offset without its colon.
fn rfc3339(text: &str) -> Option<DateTime<Utc>> {
    let strict = DateTime::parse_from_rfc3339(text);
    let instant = strict.or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z"));
    let instant = instant.or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"));
    instant.ok().map(|instant| instant.with_timezone(&Utc))
}

/// A date or local time without an offset, with a space for `T` and without seconds too.
fn iso8601(text: &str) -> Option<DateTime<Utc>> {
    let patterns = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let local = patterns.iter().find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    local.or_else(day).map(|local| local.and_utc())
}

/// A number of units since 1970, as number or text, whole or with a fraction; `digits` of the nanosecond make a unit.
fn epoch(value: &Value, digits: u32) -> Option<DateTime<Utc>> {
    let written = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    if written.contains(['e', 'E']) {
        return None;
    }
    let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
    let unit = 10_i128.pow(digits);
    let mut nanos = whole.parse::<i128>().ok()?.checked_mul(unit)?;
    if !fraction.is_empty() {
        let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(digits as usize).collect();
        let part: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
        nanos += if written.starts_with('-') { -part } else { part };
    }
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(seconds, u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?)
}

/// `/Date(1709251200000+0100)/`: the milliseconds are UTC, the offset says only where it was written.
fn dot_net(text: &str) -> Option<DateTime<Utc>> {
    let inside = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let end = inside.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map_or(inside.len(), |(at, _)| at);
    DateTime::from_timestamp_millis(inside.get(..end)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::expression::Scalar;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn face(yaml: &str) -> Clockface {
        let scope = Scope::from([("time_zone".to_owned(), Scalar::Text("Asia/Tokyo".to_owned()))]);
        crate::manifest::yaml::from_str::<TimeFormat>(yaml).unwrap().with_zone(&scope).unwrap()
    }

    #[test]
    fn rejects_what_is_no_instant_in_its_format() {
        for (value, format) in [
            (json!("2024-03-01"), "rfc3339"),
            (json!("2024-03-01T00:00:00"), "rfc3339"),
            (json!("soon"), "unix_millis"),
            (json!(1e30), "unix_seconds"),
            (json!("1.x"), "unix_seconds"),
            (json!(""), "unix_seconds"),
            (json!("/Date()/"), "dot_net"),
            (json!("Date(1)"), "dot_net"),
            (json!("01.03.2024"), "pattern: { pattern: '%Y-%m-%d' }"),
            (json!(true), "pattern: { pattern: '%Y' }"),
            (json!("2024-03-01T00:00:00Z"), "iso8601"),
            (json!("2024-03"), "iso8601"),
            (json!(3), "ago: 1 day"),
            (json!(null), "rfc3339"),
        ] {
            assert_eq!(face(format).read(&value), None, "{value} as {format}");
        }
    }

    #[test]
    fn rejects_patterns_and_zones_that_do_not_exist() {
        let fault = |yaml: &str| crate::manifest::yaml::from_str::<TimeFormat>(yaml).unwrap().fault();
        assert!(fault("pattern: { pattern: '%Q%' }").is_some());
        assert!(fault("pattern: { pattern: '%Y', zone: Mars/Base }").is_some());
        assert_eq!(fault("pattern: { pattern: '%Y', zone: '{time_zone}' }"), None);
        let format: TimeFormat =
            crate::manifest::yaml::from_str("pattern: { pattern: '%Y', zone: '{time_zone}' }").unwrap();
        let scope = Scope::from([("time_zone".to_owned(), Scalar::Text("Mars/Base".to_owned()))]);
        assert!(format.with_zone(&scope).is_err() && format.with_zone(&Scope::new()).is_err());
    }

    #[test]
    fn reads_the_many_ways_to_write_one_instant() {
        for (value, format) in [
            (json!("2024-03-01T12:30:15.25Z"), "rfc3339"),
            (json!("2024-03-01T12:30:15.250000000Z"), "rfc3339"),
            (json!("2024-03-01T13:30:15.250+01:00"), "rfc3339"),
            (json!("2024-03-01T13:30:15.250+0100"), "rfc3339"),
            (json!("2024-03-01 13:30:15.250+01:00"), "rfc3339"),
            (json!("2024-03-01T12:30:15.25"), "iso8601"),
            (json!("2024-03-01 12:30:15.250"), "iso8601"),
            (json!(1_709_296_215.25), "unix_seconds"),
            (json!("1709296215.250"), "unix_seconds"),
            (json!(1_709_296_215_250_i64), "unix_millis"),
            (json!("1709296215250"), "unix_millis"),
            (json!(1_709_296_215_250_000_i64), "unix_micros"),
            (json!(1_709_296_215_250_000_000_i64), "unix_nanos"),
            (json!("/Date(1709296215250)/"), "dot_net"),
            (json!("/Date(1709296215250+0100)/"), "dot_net"),
            (json!("2024-03-01 21:30:15.250"), "pattern: { pattern: '%Y-%m-%d %H:%M:%S%.f', zone: '{time_zone}' }"),
            (
                json!("01/03/2024 13:30:15.250 +0100"),
                "pattern: { pattern: '%d/%m/%Y %H:%M:%S%.f %z', zone: Asia/Tokyo }",
            ),
        ] {
            assert_eq!(face(format).read(&value), Some(at("2024-03-01T12:30:15.250Z")), "{value} as {format}");
        }
        assert_eq!(face("unix_seconds").read(&json!(-0.5)), Some(at("1969-12-31T23:59:59.500Z")));
    }

    #[test]
    fn a_day_or_month_is_its_first_moment_in_the_zone() {
        let tokyo = |pattern: &str| face(&format!("pattern: {{ pattern: '{pattern}', zone: '{{time_zone}}' }}"));
        assert_eq!(tokyo("%Y-%m-%d").read(&json!("2024-03-01")), Some(at("2024-02-29T15:00:00Z")));
        assert_eq!(tokyo("%Y%m%d").read(&json!(20_240_301)), Some(at("2024-02-29T15:00:00Z")));
        assert_eq!(tokyo("%Y-%m").read(&json!("2024-03")), Some(at("2024-02-29T15:00:00Z")));
        let now = at("2024-03-02T00:00:00Z");
        assert_eq!(tokyo("%Y-%m-%d").write(at("2024-02-29T15:00:00Z"), End::From, now), json!("2024-03-01"));
        assert_eq!(tokyo("%Y-%m-%d").write(at("2024-02-29T14:59:59Z"), End::From, now), json!("2024-02-29"));
    }

    #[test]
    fn how_long_ago_covers_the_range_on_both_sides() {
        let now = at("2024-03-10T12:00:00Z");
        let days = face("ago: 1 day");
        for (from, expected) in [("2024-03-08T00:00:00Z", 3), ("2024-03-09T12:00:00Z", 2), ("2024-03-10T12:00:00Z", 1)]
        {
            assert_eq!(days.write(at(from), End::From, now), json!(expected), "{from}");
        }
        for (until, expected) in [("2024-03-08T00:00:00Z", 2), ("2024-03-09T12:00:00Z", 1), ("2024-03-10T12:00:00Z", 0)]
        {
            assert_eq!(days.write(at(until), End::Until, now), json!(expected), "{until}");
        }
    }

    /// In Zurich the hour from 2 comes twice on 25 October 2026, in UTC from 0 to 1 and from 1 to 2.
    #[test]
    fn a_bound_in_the_hour_that_clocks_show_twice_is_written_outside_of_it() {
        let now = at("2026-11-21T00:00:00Z");
        let write = |pattern: &str, zone: &str, end, instant: &str| {
            let face = face(&format!("pattern: {{ pattern: '{pattern}', zone: {zone} }}"));
            face.write(face.bound(at(instant), end), end, now).as_str().unwrap().to_owned()
        };
        let zurich = |end, instant: &str| write("%d %H:%M:%S", "Europe/Zurich", end, instant);
        for (from, until, expected) in [
            ("2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z", ("25 01:00:00", "25 03:00:00")),
            ("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", ("25 01:00:00", "25 03:00:00")),
            ("2026-10-25T00:30:00Z", "2026-10-25T00:40:00Z", ("25 01:30:00", "25 03:40:00")),
            ("2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z", ("25 01:00:00", "25 03:00:00")),
            ("2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z", ("25 03:00:00", "25 04:00:00")),
            // In spring an hour is skipped, and every text means one instant.
            ("2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", ("29 01:30:00", "29 03:00:00")),
        ] {
            assert_eq!(
                (zurich(End::From, from).as_str(), zurich(End::Until, until).as_str()),
                expected,
                "{from} {until}"
            );
        }
        for offset in ["%z", "%:z", "%::z", "%+", "%s"] {
            let pattern = format!("%d %H:%M {offset}");
            let exact = at("2026-10-25T00:30:00Z").with_timezone(&Tz::Europe__Zurich).format(&pattern).to_string();
            assert_eq!(write(&pattern, "Europe/Zurich", End::From, "2026-10-25T00:30:00Z"), exact);
        }
        // In Havana midnight comes twice on 1 November 2026; the day does not.
        let havana = |end, instant: &str| write("%Y-%m-%d", "America/Havana", end, instant);
        assert_eq!(havana(End::From, "2026-11-01T04:00:00Z"), "2026-11-01");
        assert_eq!(havana(End::Until, "2026-11-01T05:00:00Z"), "2026-11-01");
        assert_eq!(write("%d %H:%M", "America/Havana", End::From, "2026-11-01T04:00:00Z"), "31 23:00");
    }

    proptest! {
        /// An API may compare texts with texts, or take a text that means two instants for either of them.
        #[test]
        fn bounds_on_a_clock_cover_the_range_however_they_are_read(start in 0_i64..21_000, minutes in 1_i64..4_000, row in 0_i64..4_000) {
            for (zone, autumn) in [
                ("Europe/Zurich", "2026-10-24T00:00:00Z"), ("America/New_York", "2026-10-31T00:00:00Z"),
                ("Australia/Lord_Howe", "2026-04-03T00:00:00Z"), ("America/Havana", "2026-10-31T00:00:00Z"),
                ("Europe/Zurich", "2026-03-28T00:00:00Z"), ("Asia/Tokyo", "2026-03-28T00:00:00Z"),
            ] {
                let face = face(&format!("pattern: {{ pattern: '%Y-%m-%d %H:%M:%S', zone: {zone} }}"));
                let from = at(autumn) + TimeDelta::seconds(start * 8);
                let until = from + TimeDelta::minutes(minutes);
                let text = |at: DateTime<Utc>| at.with_timezone(&face.zone).naive_local();
                let sent = (text(face.bound(from, End::From)), text(face.bound(until, End::Until)));
                let row = from + TimeDelta::minutes(row % minutes);
                prop_assert!(sent.0 <= text(row) && text(row) < sent.1, "{} {} in {:?}", zone, row, sent);
                let read = |local| face.zone.from_local_datetime(&local);
                prop_assert!(read(sent.0).latest().unwrap() <= from && read(sent.1).earliest().unwrap() >= until);
            }
        }

        #[test]
        fn what_is_written_reads_back(millis in -2_000_000_000_000_i64..4_000_000_000_000) {
            let instant = DateTime::from_timestamp_millis(millis).unwrap();
            for format in ["rfc3339", "iso8601", "unix_millis", "unix_micros", "unix_nanos", "dot_net",
                "pattern: { pattern: '%Y-%m-%d %H:%M:%S%.3f' }", "pattern: { pattern: '%Y-%m-%dT%H:%M:%S%.6f%z', zone: Europe/Berlin }"] {
                let face = face(format);
                prop_assert_eq!(face.read(&face.write(instant, End::From, instant)), Some(instant), "{}", format);
            }
        }
    }
}
