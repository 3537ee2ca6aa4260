//! When a source wants to be asked again: `Retry-After` (RFC 9110 § 10.2.3, <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>).

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Reads `Retry-After`: seconds, or a date. A date in the past is no wait at all.
pub fn parse_retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc);
    Some((at - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_dates_and_nothing_else() {
        let now = "2026-11-21T09:00:00Z".parse().unwrap();
        assert_eq!(parse_retry_after("120", now), Some(Duration::from_mins(2)));
        assert_eq!(parse_retry_after("0.5", now), Some(Duration::from_millis(500)));
        assert_eq!(parse_retry_after("Sat, 21 Nov 2026 09:01:00 GMT", now), Some(Duration::from_mins(1)));
        assert_eq!(parse_retry_after("Sat, 21 Nov 2026 08:00:00 GMT", now), Some(Duration::ZERO));
        for text in ["", "soon", "-1", "inf", "NaN", "1e300"] {
            assert_eq!(parse_retry_after(text, now), None, "{text}");
        }
    }
}
