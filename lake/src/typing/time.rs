//! Dates and instants from the text or number that a source writes.
//!
//! Sub-microsecond digits are dropped. Years outside 1 to 9999 are misfits: they are nearly always milliseconds read as seconds.

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{Datelike, LocalResult, NaiveDate, NaiveTime, TimeZone};
use chrono_tz::Tz;
use headwater_contract::TimestampFormat;

use super::error::TypingError;
use super::number;

/// 0001-01-01 and 10000-01-01 in microseconds since 1970.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_800_000_000;

/// Reads instants of one format.
#[derive(Clone, Debug)]
pub(super) enum TimeReader {
    Rfc3339,
    Unix { scale: u8 },
    Pattern { items: Vec<Item<'static>>, zone: Tz },
}

impl TimeReader {
    pub(super) fn new(column: &str, format: &TimestampFormat) -> Result<Self, TypingError> {
        Ok(match format {
            TimestampFormat::Rfc3339 => Self::Rfc3339,
            TimestampFormat::UnixSeconds => Self::Unix { scale: 6 },
            TimestampFormat::UnixMillis => Self::Unix { scale: 3 },
            TimestampFormat::Pattern { pattern, zone } => {
                let wrong = || TypingError::Pattern { column: column.to_owned(), pattern: pattern.clone() };
                let items = StrftimeItems::new(pattern).parse_to_owned().map_err(|_| wrong())?;
                let zone =
                    zone.parse().map_err(|_| TypingError::Zone { column: column.to_owned(), zone: zone.clone() })?;
                Self::Pattern { items, zone }
            }
        })
    }

    /// Whether numbers are read as well as texts.
    pub(super) fn reads_numbers(&self) -> bool {
        matches!(self, Self::Unix { .. })
    }

    /// Microseconds since 1970 in UTC.
    pub(super) fn read(&self, text: &[u8]) -> Option<i64> {
        let micros = match self {
            Self::Rfc3339 => rfc3339(text),
            Self::Unix { scale } => number::truncated(text, *scale),
            Self::Pattern { items, zone } => pattern(text, items, *zone),
        };
        micros.filter(|micros| (FIRST..LAST).contains(micros))
    }
}

/// Days since 1970 of `YYYY-MM-DD`.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 {
        return None;
    }
    i32::try_from(days(text)?).ok()
}

fn digits(text: &[u8], from: usize, count: usize) -> Option<u32> {
    text.get(from..from + count)?
        .iter()
        .try_fold(0, |total, byte| byte.is_ascii_digit().then(|| total * 10 + u32::from(byte - b'0')))
}

fn days(text: &[u8]) -> Option<i64> {
    let (year, month, day) = (digits(text, 0, 4)?, digits(text, 5, 2)?, digits(text, 8, 2)?);
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') || year == 0 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(i64::from(date.num_days_from_ce()) - 719_163)
}

fn rfc3339(text: &[u8]) -> Option<i64> {
    let days = days(text)?;
    let (hour, minute, second) = (digits(text, 11, 2)?, digits(text, 14, 2)?, digits(text, 17, 2)?);
    let marks_stand =
        matches!(text.get(10), Some(b'T' | b't' | b' ')) && text.get(13) == Some(&b':') && text.get(16) == Some(&b':');
    // A leap second counts as the first of the next minute.
    if !marks_stand || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut micros = 0_i64;
    if text.get(at) == Some(&b'.') {
        at += 1;
        let start = at;
        while let Some(digit) = text.get(at).filter(|byte| byte.is_ascii_digit()) {
            if at - start < 6 {
                micros = micros * 10 + i64::from(digit - b'0');
            }
            at += 1;
        }
        let places = at - start;
        if places == 0 {
            return None;
        }
        for _ in places..6 {
            micros *= 10;
        }
    }
    let offset = offset(text.get(at..)?)?;
    let seconds = days * 86_400 + i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second) - offset;
    Some(seconds * 1_000_000 + micros)
}

/// Seconds east of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let sign = match text {
        b"Z" | b"z" => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let minutes_at = match text.len() {
        6 if text.get(3) == Some(&b':') => 4,
        5 => 3,
        _ => return None,
    };
    let (hours, minutes) = (digits(text, 1, 2)?, digits(text, minutes_at, 2)?);
    (hours < 24 && minutes < 60).then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

fn pattern(text: &[u8], items: &[Item<'_>], zone: Tz) -> Option<i64> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, std::str::from_utf8(text).ok()?, items.iter()).ok()?;
    if parsed.offset().is_some() || parsed.timestamp().is_some() {
        return parsed.to_datetime().ok().map(|at| at.timestamp_micros());
    }
    // A pattern without a time of day means its first moment.
    let time = parsed.to_naive_time().ok().or_else(|| parsed.hour_mod_12().is_none().then_some(NaiveTime::MIN))?;
    let local = parsed.to_naive_date().ok()?.and_time(time);
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => Some(at.timestamp_micros()),
        // The hour that clocks show twice: the source does not say which, the first keeps order within a day.
        LocalResult::Ambiguous(first, _) => Some(first.timestamp_micros()),
        LocalResult::None => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn read(format: &TimestampFormat, text: &str) -> Option<String> {
        let micros = TimeReader::new("at", format).unwrap().read(text.as_bytes())?;
        Some(DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn rejects_what_is_no_instant() {
        for text in [
            "",
            "2024",
            "2024-03-01",
            "2024-03-01T10:00:00",
            "2024-03-01T10:00Z",
            "2024-13-01T00:00:00Z",
            "2024-02-30T00:00:00Z",
            "2024-03-01T24:00:00Z",
            "2024-03-01T10:61:00Z",
            "2024-03-01T10:00:00.Z",
            "2024-03-01T10:00:00+2:00",
            "2024-03-01T10:00:00ZZ",
            "0000-01-01T00:00:00Z",
            "yesterday",
            "2024-03-01T10:00:00+24:00",
        ] {
            assert_eq!(read(&TimestampFormat::Rfc3339, text), None, "{text}");
        }
        for text in ["", "now", "1709251200000", "1e40"] {
            assert_eq!(read(&TimestampFormat::UnixSeconds, text), None, "{text}");
        }
        for text in ["2024-02-30", "24-03-01", "2024-3-1", "2024-03-01T00:00:00Z", ""] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn instants_are_the_same_in_every_format() {
        let leap = "2024-02-29T23:59:59.123456Z";
        for text in [
            "2024-02-29T23:59:59.123456Z",
            "2024-02-29T23:59:59.1234569Z",
            "2024-03-01T01:59:59.123456+02:00",
            "2024-02-29 18:29:59.123456-0530",
        ] {
            assert_eq!(read(&TimestampFormat::Rfc3339, text).as_deref(), Some(leap), "{text}");
        }
        for (format, text) in
            [(TimestampFormat::UnixSeconds, "1709251199.123456789"), (TimestampFormat::UnixMillis, "1709251199123.456")]
        {
            assert_eq!(read(&format, text).as_deref(), Some(leap));
        }
        assert_eq!(read(&TimestampFormat::UnixSeconds, "-1").as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(date(b"1970-01-02"), Some(1));
    }

    #[test]
    fn patterns_are_read_in_their_zone() {
        let berlin = |pattern: &str| TimestampFormat::Pattern { pattern: pattern.into(), zone: "Europe/Berlin".into() };
        let full = berlin("%Y-%m-%d %H:%M:%S");
        for (text, utc) in [
            ("2024-01-15 12:00:00", Some("2024-01-15T11:00:00Z")),
            ("2024-07-15 12:00:00", Some("2024-07-15T10:00:00Z")),
            ("2024-10-27 02:30:00", Some("2024-10-27T00:30:00Z")),
            ("2024-03-31 02:30:00", None),
            ("2024-07-15", None),
        ] {
            assert_eq!(read(&full, text).as_deref(), utc, "{text}");
        }
        assert_eq!(read(&berlin("%d.%m.%Y"), "15.01.2024").as_deref(), Some("2024-01-14T23:00:00Z"));
        assert_eq!(
            read(&berlin("%Y-%m-%dT%H:%M:%S%z"), "2024-01-15T12:00:00+0000").as_deref(),
            Some("2024-01-15T12:00:00Z")
        );
        let nowhere = TimestampFormat::Pattern { pattern: "%Y".into(), zone: "Mars/Olympus".into() };
        assert!(matches!(TimeReader::new("at", &nowhere), Err(TypingError::Zone { .. })));
    }
}
