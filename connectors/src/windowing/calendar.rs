//! Windows of a calendar: APIs that are asked by whole days, weeks or months of the account's zone.
//!
//! Our windows are UTC ranges and need not begin where such a unit does. So what is asked for is widened to whole units, or asked for unit
//! by unit, and what comes from outside the window is cut by whoever lands it.

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;
use headwater_contract::{Span, TimeRange};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expression::Template;

/// Most units of one window: a hundred years of days.
const UNITS_MAX: usize = 36_600;

/// Whole units of a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// The unit that requests name.
    pub unit: Unit,
    /// The zone that it is a unit of, or a setting that holds one: `"{time_zone}"`; the zone of `format` when absent.
    #[serde(default)]
    pub zone: Option<Template>,
    /// A request names one unit: a window is read unit by unit.
    #[serde(default)]
    pub each: bool,
}

/// A unit of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// An hour of the clock.
    Hour,
    /// A day.
    Day,
    /// A week, which begins on Monday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Unit {
    /// As long as the longest of them.
    pub(crate) fn span(self) -> Span {
        match self {
            Self::Hour => Span::hours(1),
            Self::Day => Span::days(1),
            Self::Week => Span::days(7),
            Self::Month => Span::days(31),
            Self::Year => Span::days(366),
        }
    }

    /// The units of `zone` that cover `range`, in order; nothing when there are too many, or a date beyond all calendars.
    pub fn cover(self, range: TimeRange, zone: Tz) -> Option<Vec<TimeRange>> {
        let mut units = Vec::new();
        let mut local = self.floor(range.from().with_timezone(&zone).naive_local())?;
        let mut from = instant(local, zone)?;
        while from < range.until() {
            local = self.next(local)?;
            let until = instant(local, zone)?;
            // An hour that a clock change skips has no length.
            units.extend(TimeRange::new(from, until));
            from = until.max(from);
            if units.len() > UNITS_MAX {
                return None;
            }
        }
        Some(units)
    }

    fn floor(self, at: NaiveDateTime) -> Option<NaiveDateTime> {
        let day = at.date();
        let first = match self {
            Self::Hour => return Some(day.and_time(NaiveTime::from_hms_opt(at.hour(), 0, 0)?)),
            Self::Day => day,
            Self::Week => day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into()))?,
            Self::Month => day.with_day(1)?,
            Self::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1)?,
        };
        Some(first.and_time(NaiveTime::MIN))
    }

    fn next(self, at: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Self::Hour => at.checked_add_signed(TimeDelta::hours(1)),
            Self::Day => at.checked_add_days(Days::new(1)),
            Self::Week => at.checked_add_days(Days::new(7)),
            Self::Month => at.checked_add_months(Months::new(1)),
            Self::Year => at.checked_add_months(Months::new(12)),
        }
    }
}

/// The instant of a local time; where a clock change skips it, the first after the gap; where it repeats it, the earlier.
fn instant(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let at = |local: NaiveDateTime| zone.from_local_datetime(&local).earliest();
    let mut quarters = (0..=16).map(|quarter| TimeDelta::minutes(15 * quarter));
    quarters.find_map(|later| at(local.checked_add_signed(later)?)).map(|instant| instant.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(from: &str, until: &str) -> TimeRange {
        TimeRange::new(from.parse().unwrap(), until.parse().unwrap()).unwrap()
    }

    fn cover(unit: Unit, zone: Tz, from: &str, until: &str) -> Vec<String> {
        unit.cover(range(from, until), zone).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn units_are_those_of_the_zone_and_cover_the_range() {
        let berlin = Tz::Europe__Berlin;
        assert_eq!(
            cover(Unit::Day, berlin, "2024-03-30T23:30:00Z", "2024-03-31T23:00:00Z"),
            // The day of the clock change has 23 hours.
            ["[2024-03-30T23:00:00Z, 2024-03-31T22:00:00Z)", "[2024-03-31T22:00:00Z, 2024-04-01T22:00:00Z)"]
        );
        assert_eq!(
            cover(Unit::Month, Tz::UTC, "2024-02-29T23:59:59Z", "2024-03-01T00:00:01Z"),
            ["[2024-02-01T00:00:00Z, 2024-03-01T00:00:00Z)", "[2024-03-01T00:00:00Z, 2024-04-01T00:00:00Z)"]
        );
        assert_eq!(
            cover(Unit::Week, Tz::UTC, "2024-03-03T00:00:00Z", "2024-03-04T00:00:00Z"),
            ["[2024-02-26T00:00:00Z, 2024-03-04T00:00:00Z)"]
        );
        assert_eq!(cover(Unit::Year, Tz::UTC, "2023-12-31T23:00:00Z", "2024-01-01T01:00:00Z").len(), 2);
        assert_eq!(cover(Unit::Hour, berlin, "2024-03-31T00:30:00Z", "2024-03-31T01:30:00Z").len(), 2);
    }

    #[test]
    fn a_midnight_that_a_clock_change_skips_is_the_first_moment_after_it() {
        // In Beirut clocks went from 00:00 to 01:00 on 2024-03-31.
        let days = cover(Unit::Day, Tz::Asia__Beirut, "2024-03-30T22:00:00Z", "2024-03-30T23:00:00Z");
        assert_eq!(days, ["[2024-03-30T22:00:00Z, 2024-03-31T21:00:00Z)"]);
    }

    #[test]
    fn refuses_more_units_than_a_window_can_mean() {
        assert!(Unit::Hour.cover(range("1900-01-01T00:00:00Z", "2024-01-01T00:00:00Z"), Tz::UTC).is_none());
    }

    proptest! {
        #[test]
        fn units_leave_no_gap_and_share_nothing(start in 0_i64..1_900_000_000, length in 1_i64..10_000_000) {
            let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
            let range = TimeRange::new(at(start), at(start + length)).unwrap();
            for zone in [Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Asia__Kolkata, Tz::Australia__Lord_Howe] {
                for unit in [Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Year] {
                    let units = unit.cover(range, zone).unwrap();
                    prop_assert!(units.first().unwrap().from() <= range.from());
                    prop_assert!(units.last().unwrap().until() >= range.until());
                    prop_assert!(units.windows(2).all(|two| two[0].until() == two[1].from()), "{:?} {}", unit, zone);
                }
            }
        }
    }
}
