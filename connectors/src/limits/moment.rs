//! Moments as sources write them in headers and bodies: when to ask again, when a quota is full again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Deserialize;

use super::parse_retry_after;

/// How a source writes a moment, as an instant or as a distance from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MomentFormat {
    /// As `Retry-After`: seconds from now, or an HTTP date.
    #[default]
    RetryAfter,
    /// Seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMillis,
    /// Seconds from now.
    SecondsFromNow,
    /// Milliseconds from now.
    MillisFromNow,
    /// An instant such as `2026-11-21T09:00:00Z`.
    Rfc3339,
    /// A length of time from now, such as `1m30s`, `120ms` or `PT1M30S`.
    LengthFromNow,
    /// A rate: so many requests a second are allowed, so the next may come after one divided by it.
    RequestsPerSecond,
}

impl MomentFormat {
    /// The moment that `text` means; `None` when it is written otherwise. One that has passed is `now`. `date` is the answer's own, by the
    /// source's clock.
    pub fn read(self, text: &str, date: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let text = text.trim();
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        let instant = |seconds: f64| {
            let since = Duration::try_from_secs_f64(seconds).ok()?;
            DateTime::UNIX_EPOCH.checked_add_signed(TimeDelta::from_std(since).ok()?)
        };
        let later = |pause: Duration| now.checked_add_signed(TimeDelta::from_std(pause).ok()?);
        let moment = match self {
            Self::RetryAfter => later(parse_retry_after(text, date, now)?),
            Self::UnixSeconds => instant(number()?),
            Self::UnixMillis => instant(number()? / 1_000.0),
            Self::SecondsFromNow => later(Duration::try_from_secs_f64(number()?).ok()?),
            Self::MillisFromNow => later(Duration::try_from_secs_f64(number()? / 1_000.0).ok()?),
            Self::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc)),
            Self::LengthFromNow => later(length(text)?),
            Self::RequestsPerSecond => {
                later(Duration::try_from_secs_f64(1.0 / number().filter(|rate| *rate > 0.0)?).ok()?)
            }
        }?;
        Some(moment.max(now))
    }
}

/// Reads `1h2m3.5s`, `120ms` and `PT1H2M3.5S`.
fn length(text: &str) -> Option<Duration> {
    let lower = text.to_ascii_lowercase();
    let (mut rest, is_iso) = match lower.strip_prefix('p') {
        Some(rest) => (rest, true),
        None => (lower.as_str(), false),
    };
    let (mut seconds, mut is_time, mut parts) = (0.0_f64, !is_iso, 0);
    while !rest.is_empty() {
        if let (true, Some(after)) = (is_iso && !is_time, rest.strip_prefix('t')) {
            (rest, is_time) = (after, true);
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == 't').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let unit_seconds = match (unit, is_time) {
            ("w", _) => 604_800.0,
            ("d", _) => 86_400.0,
            ("h", true) => 3_600.0,
            ("m", true) => 60.0,
            ("s", true) => 1.0,
            ("ms", true) => 0.001,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit_seconds;
        (rest, parts) = (after, parts + 1);
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| parts > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-21T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn refuses_what_is_written_otherwise() {
        for (format, text) in [
            (MomentFormat::RetryAfter, "soon"),
            (MomentFormat::UnixSeconds, "-1"),
            (MomentFormat::UnixSeconds, "1e300"),
            (MomentFormat::UnixMillis, "NaN"),
            (MomentFormat::SecondsFromNow, "1 second"),
            (MomentFormat::Rfc3339, "2026-11-21"),
            (MomentFormat::LengthFromNow, ""),
            (MomentFormat::LengthFromNow, "P"),
            (MomentFormat::LengthFromNow, "P1M"),
            (MomentFormat::LengthFromNow, "5"),
            (MomentFormat::RequestsPerSecond, "0"),
        ] {
            assert_eq!(format.read(text, None, now()), None, "{format:?} {text}");
        }
    }

    #[test]
    fn reads_instants_and_distances() {
        for (format, text, seconds) in [
            (MomentFormat::RetryAfter, "37", 37),
            (MomentFormat::RetryAfter, "Sat, 21 Nov 2026 09:01:00 GMT", 60),
            (MomentFormat::UnixSeconds, "1795251660", 60),
            (MomentFormat::UnixMillis, "1795251660000", 60),
            (MomentFormat::UnixSeconds, "1", 0),
            (MomentFormat::SecondsFromNow, "7", 7),
            (MomentFormat::MillisFromNow, "7000", 7),
            (MomentFormat::Rfc3339, "2026-11-21T10:00:00+01:00", 0),
            (MomentFormat::Rfc3339, "2026-11-21T09:00:09Z", 9),
            (MomentFormat::LengthFromNow, "1h2m3s", 3723),
            (MomentFormat::LengthFromNow, "6000ms", 6),
            (MomentFormat::LengthFromNow, "PT1M30S", 90),
            (MomentFormat::LengthFromNow, "P1DT1S", 86_401),
            (MomentFormat::RequestsPerSecond, "0.0166666666", 60),
        ] {
            let moment = format.read(text, None, now()).unwrap_or_else(|| panic!("{format:?} {text}"));
            let nearest = (moment - now() + TimeDelta::milliseconds(500)).num_seconds();
            assert_eq!(nearest, seconds, "{format:?} {text}");
        }
    }
}
