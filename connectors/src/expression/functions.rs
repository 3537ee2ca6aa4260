//! The filters that expressions have beside minijinja's own: a closed list, and each is bounded by its input.

use std::cell::RefCell;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use minijinja::{Environment, Error, ErrorKind};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex::{Regex, RegexBuilder};

use super::{md5, python};

/// Largest automaton of a regular expression.
const REGEX_BYTES_MAX: usize = 1024 * 1024;
/// Compiled regular expressions that a thread keeps.
const REGEXES_KEPT: usize = 64;

thread_local! {
    static REGEXES: RefCell<HashMap<String, Regex>> = RefCell::new(HashMap::new());
}

fn failed(reason: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

/// Adds the filters.
pub(super) fn add(environment: &mut Environment<'static>) {
    // Lists come from records; one that grows from nothing would only cost.
    environment.remove_global("range");
    add_times(environment);
    // Values from outside go into query languages only as literals: SOQL and GAQL escape with a backslash, OData and SQL double the quote.
    environment.add_filter("quote_backslash", |text: String| -> String {
        format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
    });
    environment.add_filter("quote_doubled", |text: String| -> String { format!("'{}'", text.replace('\'', "''")) });
    environment
        .add_filter("regex_match", |text: String, pattern: String| with_regex(&pattern, |regex| regex.is_match(&text)));
    environment.add_filter("regex_search", |text: String, pattern: String| {
        with_regex(&pattern, |regex| {
            let found = regex.captures(&text);
            let group = found.as_ref().and_then(|found| found.get(1).or_else(|| found.get(0)));
            group.map_or_else(String::new, |group| group.as_str().to_owned())
        })
    });
    environment.add_filter("regex_replace", |text: String, pattern: String, with: String| {
        with_regex(&pattern, |regex| regex.replace_all(&text, with.as_str()).into_owned())
    });
    environment.add_filter("text", |value: minijinja::Value| python::text(&value));
    environment.add_filter("literal", |value: minijinja::Value| python::literal(&value));
    environment.add_filter("meant", |value: minijinja::Value| python::is_meant(&value));
    environment.add_filter("md5", |text: String| hex(&md5::digest(text.as_bytes())));
    environment.add_filter("instant", |value: minijinja::Value| instant_in(&value));
    environment.add_filter("add_months", |instant: String, months: i32| -> Result<String, Error> {
        let (at, span) = (instant_of(&instant)?, chrono::Months::new(months.unsigned_abs()));
        let moved = if months < 0 { at.checked_sub_months(span) } else { at.checked_add_months(span) };
        Ok(rfc3339(moved.ok_or_else(|| failed("an instant out of range".to_owned()))?))
    });
    environment.add_filter("hmac_sha256", |text: String, key: String| -> String {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
        hex(ring::hmac::sign(&key, text.as_bytes()).as_ref())
    });
    environment.add_filter("snake", |text: String| snake(&text));
    environment.add_filter("url_encode", |text: String, kept: Option<String>| -> String {
        let kept = kept.unwrap_or_default();
        let encoded = text.chars().map(|c| {
            let one = c.to_string();
            if kept.contains(c) { one } else { utf8_percent_encode(&one, NON_ALPHANUMERIC).to_string() }
        });
        encoded.collect()
    });
    environment.add_filter("base64_encode", |text: String| STANDARD.encode(text));
    environment.add_filter("base64_decode", |text: String| -> Result<String, Error> {
        let bytes = STANDARD.decode(&text).map_err(|_| failed(format!("`{text}` is not base64")))?;
        String::from_utf8(bytes).map_err(|_| failed("what base64 holds is no text".to_owned()))
    });
    environment.add_filter("sha256", |text: String| -> String {
        hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
    });
    environment.add_filter("to_json", |value: minijinja::Value| {
        serde_json::to_string(&value).map_err(|error| failed(error.to_string()))
    });
    environment.add_filter("from_json", |text: String| {
        serde_json::from_str::<minijinja::Value>(&text).map_err(|error| failed(format!("not JSON: {error}")))
    });
}

/// Adds those about times and numbers.
fn add_times(environment: &mut Environment<'static>) {
    environment.add_filter("strftime", |instant: String, pattern: String| -> Result<String, Error> {
        let mut text = String::new();
        std::fmt::Write::write_fmt(&mut text, format_args!("{}", instant_of(&instant)?.format(&pattern)))
            .map_err(|_| failed(format!("`{pattern}` is no pattern")))?;
        Ok(text)
    });
    environment.add_filter("unix_seconds", |instant: String| Ok::<_, Error>(instant_of(&instant)?.timestamp()));
    environment.add_filter("unix_millis", |instant: String| Ok::<_, Error>(instant_of(&instant)?.timestamp_millis()));
    environment.add_filter("int_or", |value: minijinja::Value, other: Option<minijinja::Value>| {
        let whole = number_in(&value).and_then(|number| format!("{:.0}", number.trunc()).parse::<i64>().ok());
        whole.map(minijinja::Value::from).or(other).unwrap_or_else(|| 0.into())
    });
    environment.add_filter("float_or", |value: minijinja::Value, other: Option<minijinja::Value>| {
        number_in(&value).map(minijinja::Value::from).or(other).unwrap_or_else(|| 0.0.into())
    });
    environment.add_filter("unix_time", |value: minijinja::Value| unix_time(&value));
    environment.add_filter("isoformat", |instant: String, between: Option<String>| -> Result<String, Error> {
        let at = instant_of(&instant)?;
        let fraction = if at.timestamp_subsec_micros() == 0 { "" } else { "%.6f" };
        let between = between.unwrap_or_else(|| "T".to_owned());
        Ok(at.format(&format!("%Y-%m-%d{between}%H:%M:%S{fraction}+00:00")).to_string())
    });
    environment.add_filter("in_zone", |instant: String, zone: String| -> Result<String, Error> {
        let zone: chrono_tz::Tz = zone.parse().map_err(|_| failed(format!("`{zone}` is no time zone")))?;
        Ok(rfc3339(instant_of(&instant)?.with_timezone(&zone).naive_local().and_utc()))
    });
    environment.add_filter("parse_time", |text: String, pattern: String| parse_time(&text, &pattern));
    environment.add_filter("add_seconds", |instant: String, seconds: i64| -> Result<String, Error> {
        let span = chrono::TimeDelta::try_seconds(seconds).ok_or_else(|| failed("too many seconds".to_owned()))?;
        let moved = instant_of(&instant)?.checked_add_signed(span);
        Ok(rfc3339(moved.ok_or_else(|| failed("an instant out of range".to_owned()))?))
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The number that a value is or spells.
fn number_in(value: &minijinja::Value) -> Option<f64> {
    if let Some(text) = value.as_str() {
        return text.trim().replace('_', "").parse().ok().filter(|number: &f64| number.is_finite());
    }
    f64::try_from(value.clone())
        .ok()
        .or_else(|| bool::try_from(value.clone()).ok().map(|flag| f64::from(u8::from(flag))))
}

/// Seconds since 1970: whole ones of a number, with their fraction of an instant.
fn unix_time(value: &minijinja::Value) -> Result<minijinja::Value, Error> {
    if let Ok(seconds) = f64::try_from(value.clone()) {
        let whole = format!("{:.0}", seconds.trunc()).parse::<i64>();
        return whole.map(minijinja::Value::from).map_err(|_| failed(format!("`{value}` is no instant")));
    }
    let at = instant_of(&instant_in(value)?)?;
    let written = format!("{}.{:06}", at.timestamp(), at.timestamp_subsec_micros());
    written.parse::<f64>().map(minijinja::Value::from).map_err(|_| failed(format!("`{value}` is no instant")))
}

/// An instant from a text as ISO 8601 writes it, in UTC without an offset, or from seconds since 1970.
fn instant_in(value: &minijinja::Value) -> Result<String, Error> {
    if let Ok(seconds) = f64::try_from(value.clone()) {
        // A number beyond all instants has no such text.
        let micros = format!("{:.0}", seconds * 1e6).parse().ok();
        let at = micros.and_then(DateTime::from_timestamp_micros);
        return at.map(rfc3339).ok_or_else(|| failed(format!("`{value}` is no instant")));
    }
    let text = value.as_str().unwrap_or_default().trim();
    let known = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z"))
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .map(|instant| instant.with_timezone(&Utc));
    let local = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok())
            .map(|local| local.and_utc())
    };
    let day = || {
        ["%Y-%m-%d", "%Y%m%d"]
            .iter()
            .find_map(|pattern| NaiveDate::parse_from_str(text, pattern).ok())
            .map(|day| day.and_time(NaiveTime::MIN).and_utc())
    };
    let instant = known.ok().or_else(local).or_else(day);
    instant.map(rfc3339).ok_or_else(|| failed(format!("`{text}` is no instant")))
}

fn instant_of(text: &str) -> Result<DateTime<Utc>, Error> {
    let instant = DateTime::parse_from_rfc3339(text).map(|instant| instant.with_timezone(&Utc));
    instant.map_err(|_| failed(format!("`{text}` is not an RFC 3339 instant")))
}

fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
}

/// An instant from a text in a pattern, with an offset in it or in UTC.
fn parse_time(text: &str, pattern: &str) -> Result<String, Error> {
    let with_offset = || DateTime::parse_from_str(text, pattern).ok().map(|instant| instant.with_timezone(&Utc));
    let local = || NaiveDateTime::parse_from_str(text, pattern).ok().map(|local| local.and_utc());
    let day = || NaiveDate::parse_from_str(text, pattern).ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let instant = with_offset().or_else(local).or_else(day);
    instant.map(rfc3339).ok_or_else(|| failed(format!("`{text}` is not written as `{pattern}`")))
}

/// A regular expression whose matching takes linear time and whose size is bounded.
pub(crate) fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().map_err(|error| error.to_string())
}

fn with_regex<T>(pattern: &str, work: impl FnOnce(&Regex) -> T) -> Result<T, Error> {
    REGEXES.with_borrow_mut(|kept| {
        if let Some(known) = kept.get(pattern) {
            return Ok(work(known));
        }
        let fresh = regex(pattern).map_err(failed)?;
        let result = work(&fresh);
        if kept.len() < REGEXES_KEPT {
            kept.insert(pattern.to_owned(), fresh);
        }
        Ok(result)
    })
}

/// `someHTTPName 2` as `some_http_name_2`.
pub(crate) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, letter) in letters.iter().enumerate() {
        if !letter.is_alphanumeric() {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            continue;
        }
        let before = at.checked_sub(1).and_then(|before| letters.get(before));
        let after_small = before.is_some_and(|before| before.is_lowercase() || before.is_ascii_digit());
        let begins_word = before.is_some_and(|before| before.is_uppercase())
            && letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_small || begins_word) && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case_by_one_rule() {
        for (name, expected) in [
            ("camelCase", "camel_case"),
            ("HTTPServerID", "http_server_id"),
            ("Kebab-Case name", "kebab_case_name"),
            ("already_snake", "already_snake"),
            ("__x__", "x"),
            ("a1B2", "a1_b2"),
            ("Größe", "größe"),
        ] {
            assert_eq!(snake(name), expected, "{name}");
        }
    }
}
