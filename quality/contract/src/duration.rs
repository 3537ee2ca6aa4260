//! A length of time written with its unit, such as `1 day`.
//!
//! A day is 24 hours here: windows are instants in UTC, never calendar days of a zone.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A non-negative length of time with a unit in its text form: `90 seconds`, `1 day`, `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{text}` is not a length of time: write a whole number and a unit, such as `90 seconds`, `15 minutes`, `1 day`, or `0`"
)]
pub struct DurationError {
    /// What was written.
    pub text: String,
}

const UNITS: [(&str, i64); 6] = [
    ("week", 7 * 86_400_000),
    ("day", 86_400_000),
    ("hour", 3_600_000),
    ("minute", 60_000),
    ("second", 1_000),
    ("millisecond", 1),
];

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds as i64 * 1_000)
    }

    /// A span of whole hours.
    pub const fn hours(hours: u32) -> Self {
        Self(hours as i64 * 3_600_000)
    }

    /// A span of whole days of 24 hours.
    pub const fn days(days: u32) -> Self {
        Self(days as i64 * 86_400_000)
    }

    /// Its length in milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The same length for arithmetic with instants.
    pub fn delta(self) -> TimeDelta {
        TimeDelta::milliseconds(self.0)
    }

    /// Whether it has no length.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Span {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || DurationError { text: text.to_owned() };
        let trimmed = text.trim();
        if trimmed == "0" {
            return Ok(Self::ZERO);
        }
        let split = trimmed.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let (number, unit) = trimmed.split_at(split);
        let number: i64 = number.parse().map_err(|_| error())?;
        let unit = unit.trim();
        let unit = unit.strip_suffix('s').unwrap_or(unit);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        number.checked_mul(*millis).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let (name, millis) =
            UNITS.iter().skip(1).find(|(_, millis)| self.0 % millis == 0).copied().unwrap_or(("millisecond", 1));
        let count = self.0 / millis;
        write!(f, "{count} {name}{}", if count == 1 { "" } else { "s" })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time with its unit, such as `1 day`, or `0`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Span, E> {
                if number == 0 { Ok(Span::ZERO) } else { number.to_string().parse().map_err(E::custom) }
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Span, E> {
                if number == 0 { Ok(Span::ZERO) } else { number.to_string().parse().map_err(E::custom) }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A length of time with its unit, such as `1 day`, or 0",
            "type": ["string", "integer"],
            "pattern": "^(0|[0-9]+ ?(week|day|hour|minute|second|millisecond)s?)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_number_without_a_unit_and_an_unknown_unit() {
        for text in ["5", "", "day", "1 fortnight", "-1 day", "1.5 days", "99999999999999999999 days"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn reads_back_what_it_prints() {
        for (text, printed) in [
            ("0", "0"),
            ("1 day", "1 day"),
            ("36 hours", "36 hours"),
            ("90 seconds", "90 seconds"),
            ("60 minutes", "1 hour"),
            ("2 weeks", "14 days"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string(), printed);
            assert_eq!(printed.parse::<Span>().unwrap(), span);
        }
    }
}
