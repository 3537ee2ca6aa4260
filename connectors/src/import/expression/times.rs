//! Times as Python and ISO 8601 write them.

/// `strftime` of Python in that of chrono.
pub(in crate::import) fn pattern(python: &str) -> String {
    let named = [("%s_as_float", "%s%.6f"), ("%epoch_microseconds", "%s%6f"), ("%_ms", "%3f"), ("%ms", "%s%3f")];
    let mut text = python.to_owned();
    for (theirs, ours) in named {
        text = text.replace(theirs, ours);
    }
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '%' {
            match chars.next() {
                // Their fraction has six digits, ours nine.
                Some('f') => out.push_str("6f"),
                Some(other) => out.push(other),
                None => {}
            }
        }
    }
    out
}

/// An ISO 8601 duration in months and seconds.
pub(in crate::import) fn duration(text: &str) -> Option<(i64, i64)> {
    let mut rest = text.trim().strip_prefix('P')?;
    let (mut months, mut seconds, mut is_time) = (0, 0.0_f64, false);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            is_time = true;
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
        let number: f64 = rest.get(..end)?.replace(',', ".").parse().ok()?;
        let unit = rest.get(end..)?.chars().next()?;
        match (is_time, unit) {
            (false, 'Y') => months += whole(number)? * 12,
            (false, 'M') => months += whole(number)?,
            (false, 'W') => seconds += number * 604_800.0,
            (false, 'D') => seconds += number * 86_400.0,
            (true, 'H') => seconds += number * 3_600.0,
            (true, 'M') => seconds += number * 60.0,
            (true, 'S') => seconds += number,
            _ => return None,
        }
        rest = rest.get(end + unit.len_utf8()..)?;
    }
    Some((months, whole(seconds.floor())?))
}

/// A whole number that a float holds.
fn whole(number: f64) -> Option<i64> {
    format!("{number:.0}").parse().ok()
}
