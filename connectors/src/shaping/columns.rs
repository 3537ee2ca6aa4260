//! What a column asks for before its value is typed: which values mean null, in which of several ways a time is written, which words are
//! true and false.
//!
//! The lake reads one format a column; a value in another is written anew here, and one that fits none stays as it is, so that typing
//! rescues and counts it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use headwater_contract::TimestampFormat;
use schemars::JsonSchema;
use serde::Deserialize;

use super::node::Node;
use crate::decoding::Pointer;
use crate::expression::Scalar;

/// One way in which a source writes a time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WrittenFormat {
    /// RFC 3339 text, with `Z` or an offset.
    Rfc3339,
    /// Whole seconds since 1970 in UTC.
    UnixSeconds,
    /// Milliseconds since 1970 in UTC.
    UnixMillis,
    /// Microseconds since 1970 in UTC.
    UnixMicros,
    /// A date or local time as ISO 8601 writes it, without an offset, in UTC: `2024-03-01`, `2024-03-01T10:00:00.5`.
    Iso8601,
    /// `/Date(1518685950940+0000)/`, as old .NET services write it: milliseconds since 1970.
    DotNet,
    /// Text in a `strftime` pattern, in the zone named beside it unless the pattern has an offset.
    Pattern {
        /// The pattern, e.g. `%d/%m/%Y %H:%M`.
        pattern: String,
        /// The IANA zone that the text is in, e.g. `UTC`.
        zone: String,
    },
}

/// What a column asks for before its value is typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normal {
    /// Values that mean null.
    pub null_if: Vec<Scalar>,
    /// Whether a blank text means null.
    pub empty_is_null: bool,
    /// Ways in which a time is written, in the order in which they are tried.
    pub formats: Vec<WrittenFormat>,
    /// Whether the column is a date, so that a time is cut to its day in UTC.
    pub is_date: bool,
    /// Values that mean true, and values that mean false.
    pub words: (Vec<Scalar>, Vec<Scalar>),
}

impl Normal {
    /// Whether it asks for nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self { is_date: self.is_date, ..Self::default() }
    }

    /// The first zone that does not exist.
    pub fn unknown_zone(&self) -> Option<&str> {
        self.formats.iter().find_map(|format| match format {
            WrittenFormat::Pattern { zone, .. } if zone.parse::<Tz>().is_err() => Some(zone.as_str()),
            _ => None,
        })
    }

    fn apply(&self, node: &mut Node<'_>) {
        let Some(plain) = node.plain() else { return };
        let means = |scalars: &[Scalar]| scalars.iter().any(|scalar| scalar.to_string() == plain);
        if means(&self.null_if) || (self.empty_is_null && plain.trim().is_empty()) {
            *node = Node::null();
        } else if means(&self.words.0) {
            *node = Node::json("true".to_owned());
        } else if means(&self.words.1) {
            *node = Node::json("false".to_owned());
        } else if let Some(instant) = self.formats.iter().find_map(|format| format.read(plain.trim())) {
            *node = Node::string(&if self.is_date {
                instant.format("%Y-%m-%d").to_string()
            } else {
                instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
            });
        }
    }
}

impl WrittenFormat {
    /// The format by which a window's field is read, where a window can read it.
    pub fn as_timestamp(&self) -> Option<TimestampFormat> {
        match self {
            Self::Rfc3339 => Some(TimestampFormat::Rfc3339),
            Self::UnixSeconds => Some(TimestampFormat::UnixSeconds),
            Self::UnixMillis => Some(TimestampFormat::UnixMillis),
            Self::Pattern { pattern, zone } => {
                Some(TimestampFormat::Pattern { pattern: pattern.clone(), zone: zone.clone() })
            }
            Self::UnixMicros | Self::Iso8601 | Self::DotNet => None,
        }
    }

    fn read(&self, text: &str) -> Option<DateTime<Utc>> {
        match self {
            Self::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc()),
            Self::UnixSeconds => {
                let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
                let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
                DateTime::from_timestamp(seconds.parse().ok()?, nanos)
            }
            Self::UnixMillis => DateTime::from_timestamp_millis(text.parse().ok()?),
            Self::UnixMicros => DateTime::from_timestamp_micros(text.parse().ok()?),
            Self::Iso8601 => {
                let patterns = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
                let local = patterns.iter().find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok());
                let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
                local.or_else(day).map(|local| local.and_utc())
            }
            Self::DotNet => {
                let inside = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
                let end = inside
                    .char_indices()
                    .skip(1)
                    .find(|(_, sign)| matches!(sign, '+' | '-'))
                    .map_or(inside.len(), |(at, _)| at);
                DateTime::from_timestamp_millis(inside.get(..end)?.parse().ok()?)
            }
            Self::Pattern { pattern, zone } => {
                let with_offset = DateTime::parse_from_str(text, pattern).ok().map(|instant| instant.to_utc());
                let zoned = || {
                    let day = || NaiveDate::parse_from_str(text, pattern).ok().map(|day| day.and_time(NaiveTime::MIN));
                    let local = NaiveDateTime::parse_from_str(text, pattern).ok().or_else(day)?;
                    zone.parse::<Tz>().ok()?.from_local_datetime(&local).earliest().map(|instant| instant.to_utc())
                };
                with_offset.or_else(zoned)
            }
        }
    }
}

/// Writes the values of the columns that ask for it as the lake reads them.
pub(super) fn normalise(columns: &[(Pointer, Normal)], record: &mut Node<'_>) {
    for (pointer, normal) in columns {
        if let Some(node) = record.get(pointer.segments()) {
            normal.apply(node);
        }
    }
}
