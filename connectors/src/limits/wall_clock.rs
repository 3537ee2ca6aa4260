//! A time of day in a zone, such as the midnight at which a vendor's daily quota is full again.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Days, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A time of day in the vendor's zone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WallClock {
    /// The time, e.g. `00:00`.
    pub time: TimeOfDay,
    /// The zone by its IANA name, e.g. `America/Los_Angeles`.
    pub zone: ZoneName,
}

/// A time of day, `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(NaiveTime);

/// A zone by its IANA name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneName(Tz);

impl WallClock {
    /// Days that are looked at for one that has the time: a clock change removes it from one day, a date line from two.
    const DAYS: u64 = 4;

    /// The first such moment after `now`. A time that a clock change skips comes the next day, one that it repeats comes at its first.
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = now.with_timezone(&self.zone.0).date_naive();
        (0..Self::DAYS).find_map(|days| self.on(today.checked_add_days(Days::new(days))?).filter(|at| *at > now))
    }

    /// The last such moment at or before `now`.
    pub fn last(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = now.with_timezone(&self.zone.0).date_naive();
        (0..Self::DAYS).find_map(|days| self.on(today.checked_sub_days(Days::new(days))?).filter(|at| *at <= now))
    }

    fn on(&self, day: chrono::NaiveDate) -> Option<DateTime<Utc>> {
        let local = self.zone.0.from_local_datetime(&day.and_time(self.time.0)).earliest()?;
        Some(local.with_timezone(&Utc))
    }
}

impl fmt::Display for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time.0.format("%H:%M"), self.zone.0.name())
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = NaiveTime::parse_from_str(&text, "%H:%M").map(Self);
        time.map_err(|_| D::Error::custom(format!("`{text}` is no time of day: write it as `\"00:00\"`")))
    }
}

impl JsonSchema for TimeOfDay {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$", "description": "A time of day, HH:MM" })
    }
}

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom(format!("`{text}` is no zone: write e.g. `Europe/Berlin`")))
    }
}

impl JsonSchema for ZoneName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ZoneName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A zone by its IANA name, e.g. America/Los_Angeles" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(time: &str, zone: &str) -> WallClock {
        crate::manifest::yaml::from_str(&format!("{{ time: \"{time}\", zone: {zone} }}")).unwrap()
    }

    #[test]
    fn refuses_times_and_zones_that_are_none() {
        for text in ["{ time: \"25:00\", zone: UTC }", "{ time: \"00:00\", zone: Europe/Zurch }", "{ time: \"00:00\" }"]
        {
            assert!(crate::manifest::yaml::from_str::<WallClock>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn finds_the_moment_before_and_after_whatever_the_clocks_do() {
        for (time, zone, now, last, next) in [
            ("00:00", "UTC", "2026-11-21T09:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
            ("00:00", "America/Los_Angeles", "2026-11-21T07:59:59Z", "2026-11-20T08:00:00Z", "2026-11-21T08:00:00Z"),
            ("00:00", "America/Los_Angeles", "2026-11-21T08:00:00Z", "2026-11-21T08:00:00Z", "2026-11-22T08:00:00Z"),
            // Skipped on the night of 29 March 2026, repeated on that of 25 October.
            ("02:30", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"),
            ("02:30", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"),
        ] {
            let (clock, now) = (clock(time, zone), now.parse().unwrap());
            assert_eq!(clock.next(now), Some(next.parse().unwrap()), "{time} {zone} after {now}");
            assert_eq!(clock.last(now), Some(last.parse().unwrap()), "{time} {zone} before {now}");
        }
    }
}
