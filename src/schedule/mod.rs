//! When sources are read: hourly, daily, or by cron in a zone.
//!
//! A tick only makes the runner look; what is due follows from coverage, so a tick that was missed costs nothing but freshness.

mod daemon;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use headwater_contract::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use daemon::{Tick, next_wake, tick};

use crate::project::ProjectError;

/// Five minutes past the hour: the hour that has just ended has settled for most sources.
const HOURLY: &str = "5 * * * *";

/// Half an hour past midnight, UTC.
const DAILY: &str = "30 0 * * *";

/// When a source is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// At five minutes past every hour.
    Hourly,
    /// At half past midnight UTC every day.
    Daily,
    /// By a cron pattern.
    Cron(CronSchedule),
}

/// A cron pattern and the zone that it is meant in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CronSchedule {
    /// Five fields, e.g. `15 6 * * mon-fri`.
    pub at: String,
    /// IANA zone, e.g. `Europe/Zurich`.
    #[serde(default = "utc")]
    pub zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Schedule {
    /// Refuses patterns and zones that do not exist; `at` names the place in the project file.
    ///
    /// # Errors
    ///
    /// [`ProjectError::Contradiction`] with the parser's words.
    pub fn check(&self, at: &str) -> Result<(), ProjectError> {
        let contradiction = |problem: String| Err(ProjectError::Contradiction { at: at.to_owned(), problem });
        let Self::Cron(cron) = self else { return Ok(()) };
        if let Err(error) = cron.at.parse::<Cron>() {
            return contradiction(format!("`{}` is not a cron pattern: {error}", cron.at));
        }
        if cron.zone.parse::<Tz>().is_err() {
            return contradiction(format!("`{}` is not a zone: write an IANA name such as `Europe/Zurich`", cron.zone));
        }
        Ok(())
    }

    /// The first tick after `now`; `None` for a pattern that never comes again.
    pub fn next_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (pattern, zone) = match self {
            Self::Hourly => (HOURLY, Tz::UTC),
            Self::Daily => (DAILY, Tz::UTC),
            Self::Cron(cron) => (cron.at.as_str(), cron.zone.parse().ok()?),
        };
        let cron: Cron = pattern.parse().ok()?;
        cron.find_next_occurrence(&now.with_timezone(&zone), false).ok().map(|at| at.with_timezone(&Utc))
    }

    /// How fresh the schedule keeps a source: the shortest time between ticks, cut to a step that divides the day.
    pub fn period(&self, now: DateTime<Utc>) -> Span {
        const MINUTE: u32 = 60;
        const STEPS: [Span; 6] = [
            Span::hours(12),
            Span::hours(6),
            Span::hours(1),
            Span::seconds(30 * MINUTE),
            Span::seconds(15 * MINUTE),
            Span::seconds(5 * MINUTE),
        ];
        match self {
            Self::Hourly => return Span::hours(1),
            Self::Daily => return Span::days(1),
            Self::Cron(_) => {}
        }
        let mut ticks = vec![];
        let mut from = now;
        while let Some(tick) = self.next_after(from).filter(|_| ticks.len() < 16) {
            ticks.push(tick);
            from = tick;
        }
        let shortest = ticks.iter().zip(ticks.iter().skip(1)).map(|(one, next)| *next - *one).min();
        let shortest = shortest.unwrap_or(TimeDelta::days(1));
        // A day has 23 hours where the clock goes forward, and is a day all the same.
        if shortest >= TimeDelta::hours(20) {
            return Span::days(1);
        }
        STEPS.into_iter().find(|step| step.delta() <= shortest).unwrap_or(Span::seconds(MINUTE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(at: &str, zone: &str) -> Schedule {
        Schedule::Cron(CronSchedule { at: at.into(), zone: zone.into() })
    }

    fn utc_at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn rejects_what_is_no_pattern_and_no_zone() {
        for schedule in [cron("", "UTC"), cron("61 * * * *", "UTC"), cron("often", "UTC"), cron("5 * * * *", "Zurich")]
        {
            assert!(schedule.check("schedule").is_err(), "{schedule:?}");
        }
        assert!(headwater_contract::yaml::from_str::<Schedule>("weekly").is_err());
        assert!(headwater_contract::yaml::from_str::<Schedule>("cron: {at: '5 * * * *', tz: UTC}").is_err());
    }

    #[test]
    fn the_next_tick_is_never_the_present_one() {
        for (schedule, now, next) in [
            (Schedule::Hourly, "2026-03-01T10:04:59Z", "2026-03-01T10:05:00Z"),
            (Schedule::Hourly, "2026-03-01T10:05:00Z", "2026-03-01T11:05:00Z"),
            (Schedule::Daily, "2026-02-28T23:59:59Z", "2026-03-01T00:30:00Z"),
            (cron("15 6 * * *", "Europe/Zurich"), "2026-01-15T06:00:00Z", "2026-01-16T05:15:00Z"),
            (cron("15 6 * * *", "Europe/Zurich"), "2026-07-15T00:00:00Z", "2026-07-15T04:15:00Z"),
        ] {
            assert_eq!(schedule.next_after(utc_at(now)), Some(utc_at(next)), "{schedule:?} after {now}");
        }
    }

    #[test]
    fn a_local_time_that_the_spring_skips_still_has_its_tick_that_day() {
        let schedule = cron("30 2 * * *", "Europe/Zurich");
        let next = schedule.next_after(utc_at("2026-03-28T12:00:00Z")).unwrap();
        assert!(next >= utc_at("2026-03-29T00:30:00Z") && next <= utc_at("2026-03-29T02:00:00Z"), "{next}");
    }

    #[test]
    fn a_period_is_a_step_that_divides_the_day() {
        for (schedule, period) in [
            (Schedule::Hourly, "1 hour"),
            (Schedule::Daily, "1 day"),
            (cron("15 6 * * *", "Europe/Zurich"), "1 day"),
            (cron("0 */6 * * *", "UTC"), "6 hours"),
            (cron("0 8-18 * * *", "UTC"), "1 hour"),
            (cron("*/20 * * * *", "UTC"), "15 minutes"),
            (cron("* * * * *", "UTC"), "1 minute"),
            (cron("0 6 * * mon", "UTC"), "1 day"),
        ] {
            assert_eq!(schedule.period(utc_at("2026-03-28T12:00:00Z")).to_string(), period, "{schedule:?}");
        }
    }
}
