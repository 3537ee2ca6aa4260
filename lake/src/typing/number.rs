//! Exact numbers from their decimal text.
//!
//! A number in JSON is decimal text; through a float `0.07` would become `0.070000000000000007`. So digits are counted, not
//! computed with.

/// Digits of a number beyond this are no amount of anything.
const DIGITS_MAX: usize = 60;

/// A decimal text taken apart: `digits × 10^exponent`.
struct Parts {
    is_negative: bool,
    digits: [u8; DIGITS_MAX],
    count: usize,
    exponent: i64,
}

fn parts(text: &[u8]) -> Option<Parts> {
    let (is_negative, rest) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (rest.get(..at)?, std::str::from_utf8(rest.get(at + 1..)?).ok()?.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let mut parts = Parts { is_negative, digits: [0; DIGITS_MAX], count: 0, exponent: i64::from(exponent) };
    let (mut after_point, mut seen) = (false, 0_usize);
    for byte in mantissa {
        match byte {
            b'.' if !after_point => after_point = true,
            b'0'..=b'9' => {
                seen += 1;
                parts.exponent -= i64::from(after_point);
                if parts.count == 0 && *byte == b'0' {
                    continue;
                }
                *parts.digits.get_mut(parts.count)? = byte - b'0';
                parts.count += 1;
            }
            _ => return None,
        }
    }
    if seen == 0 { None } else { Some(parts) }
}

/// The number times `10^scale` as an integer of at most 38 digits. Digits below the scale must be zero unless `truncates`.
fn scaled(text: &[u8], scale: i64, truncates: bool) -> Option<i128> {
    let mut parts = parts(text)?;
    if parts.count == 0 {
        return Some(0);
    }
    let shift = parts.exponent + scale;
    if shift < 0 {
        let surplus = usize::try_from(-shift).ok()?;
        let kept = parts.count.saturating_sub(surplus);
        if !truncates && parts.digits.get(kept..parts.count)?.iter().any(|digit| *digit != 0) {
            return None;
        }
        parts.count = kept;
    }
    let zeros = usize::try_from(shift.max(0)).ok()?;
    if parts.count > 0 && parts.count + zeros > 38 {
        return None;
    }
    let mut total = 0_i128;
    for digit in parts.digits.get(..parts.count)? {
        total = total * 10 + i128::from(*digit);
    }
    for _ in 0..zeros.min(38) {
        total *= 10;
    }
    Some(if parts.is_negative { -total } else { total })
}

/// A decimal of `precision` digits, `scale` of them after the point; `None` unless the text is exactly that.
pub(super) fn decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let value = scaled(text, i64::from(scale), false)?;
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (value > -limit && value < limit).then_some(value)
}

/// A whole number; `1.0` and `1e3` are whole, `1.5` is not.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    // Up to 18 digits cannot overflow; nearly every number ends here.
    let (is_negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
    if !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit) {
        let value = digits.iter().fold(0_i64, |total, digit| total * 10 + i64::from(digit - b'0'));
        return Some(if is_negative { -value } else { value });
    }
    i64::try_from(scaled(text, 0, false)?).ok()
}

/// A finite float.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    // `parse` would take `inf` and `nan` too.
    if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The number times `10^scale`, with what is below dropped: sub-microsecond digits of a time.
pub(super) fn truncated(text: &[u8], scale: u8) -> Option<i64> {
    i64::try_from(scaled(text, i64::from(scale), true)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_decimals_that_are_not_exact() {
        for text in [
            "",
            "-",
            ".",
            "1.005",
            "10000000000",
            "1e11",
            "1e400",
            "-1e-9",
            "abc",
            "1,5",
            "1 ",
            "0x1",
            "1e",
            "--1",
            "1.2.3",
        ] {
            assert_eq!(decimal(text.as_bytes(), 12, 2), None, "{text}");
        }
        assert_eq!(decimal(b"1e2147483647", 12, 2), None);
        assert_eq!(decimal("9".repeat(61).as_bytes(), 38, 0), None);
    }

    #[test]
    fn decimals_keep_every_digit() {
        for (text, value) in [
            ("0", 0),
            ("-0.00", 0),
            ("1", 100),
            ("0.07", 7),
            ("-3.5", -350),
            ("1.500", 150),
            ("1e2", 10_000),
            ("12345E-2", 12_345),
            ("9999999999.99", 999_999_999_999),
            ("+2", 200),
            (".5", 50),
            ("5.", 500),
            ("0e99", 0),
            ("1.39", 139),
        ] {
            assert_eq!(decimal(text.as_bytes(), 12, 2), Some(value), "{text}");
        }
        let widest = "9".repeat(38);
        assert_eq!(decimal(widest.as_bytes(), 38, 0), Some(10_i128.pow(38) - 1));
    }

    #[test]
    fn integers_are_whole_and_fit() {
        for (text, value) in [
            ("12", Some(12)),
            ("-7", Some(-7)),
            ("1.0", Some(1)),
            ("1e3", Some(1000)),
            ("1.5", None),
            ("", None),
            ("-", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("a", None),
        ] {
            assert_eq!(integer(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn floats_are_finite() {
        for text in ["inf", "nan", "1e999", "", "e", "0x10"] {
            assert_eq!(float(text.as_bytes()), None, "{text}");
        }
        assert_eq!(float(b"-1.5e2"), Some(-150.0));
    }
}
