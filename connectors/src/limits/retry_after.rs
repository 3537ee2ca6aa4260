//! When a source wants to be asked again: `Retry-After` (RFC 9110 § 10.2.3, <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>).

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Longest wait that is believed by the source's clock: one that stands still says longer ones, and then ours counts.
const BELIEVED_MAX: Duration = Duration::from_hours(366 * 24);

/// Reads `Retry-After`: seconds, or a date. A date is as far ahead as it is from the answer's own `date`, because the source's clock need
/// not be ours; one in the past is no wait at all.
pub fn parse_retry_after(text: &str, date: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = http_date(text)?;
    let from = |now: DateTime<Utc>| (at - now).to_std().unwrap_or(Duration::ZERO);
    Some(date.map(from).filter(|wait| *wait <= BELIEVED_MAX).unwrap_or_else(|| from(now)))
}

/// Reads a date as headers write it.
pub(crate) fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_dates_and_nothing_else() {
        let now: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().unwrap();
        assert_eq!(parse_retry_after("120", None, now), Some(Duration::from_mins(2)));
        assert_eq!(parse_retry_after("0.5", None, now), Some(Duration::from_millis(500)));
        assert_eq!(parse_retry_after("Sat, 21 Nov 2026 09:01:00 GMT", None, now), Some(Duration::from_mins(1)));
        assert_eq!(parse_retry_after("Sat, 21 Nov 2026 08:00:00 GMT", None, now), Some(Duration::ZERO));
        for text in ["", "soon", "-1", "inf", "NaN", "1e300"] {
            assert_eq!(parse_retry_after(text, None, now), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_as_far_ahead_as_it_is_from_the_answers_own() {
        let now: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().unwrap();
        let after = |text, date: &str| parse_retry_after(text, date.parse().ok(), now);
        let (second, minute) = (Duration::from_secs(3), Some(Duration::from_mins(1)));
        // The source's clock is a day ahead, a day behind, and stands still since 1970.
        assert_eq!(after("Sun, 22 Nov 2026 09:00:03 GMT", "2026-11-22T09:00:00Z"), Some(second));
        assert_eq!(after("Fri, 20 Nov 2026 09:00:03 GMT", "2026-11-20T09:00:00Z"), Some(second));
        assert_eq!(after("Sat, 21 Nov 2026 09:01:00 GMT", "1970-01-01T00:00:00Z"), minute);
        assert_eq!(after("60", "2026-11-22T09:00:00Z"), minute);
    }
}
