//! Rows as text, so that a software's own database and the lake can be held against each other.
//!
//! A value has one text: 12.50 and 12.5 are the same, as are two ways to write an instant; nothing else is.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use headwater_contract::Digest16;
use serde_json::Value;

/// Rows that a difference names at most.
const SHOWN: usize = 5;

/// The rows of a stream, in one order whoever tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    rows: Vec<String>,
    /// Rows that the lake knows to be deleted at the source.
    pub(crate) deleted: u64,
}

impl Table {
    pub(crate) fn new(cells: &[Vec<Value>], deleted: u64) -> Self {
        let mut rows: Vec<String> =
            cells.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("\u{1f}")).collect();
        rows.sort_unstable();
        Self { rows, deleted }
    }

    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// The same whatever the order in which rows were told.
    pub(crate) fn checksum(&self) -> Digest16 {
        Digest16::of_parts(self.rows.iter().map(String::as_bytes))
    }

    /// How this differs from what the software tells; `None` when it does not.
    pub(crate) fn difference(&self, theirs: &Self) -> Option<String> {
        if self.rows == theirs.rows {
            return None;
        }
        let only = |these: &Self, those: &Self| {
            let mut left: BTreeMap<&str, i64> = BTreeMap::new();
            for row in &these.rows {
                *left.entry(row).or_default() += 1;
            }
            for row in &those.rows {
                *left.entry(row).or_default() -= 1;
            }
            let extra: Vec<_> =
                left.into_iter().filter(|(_, count)| *count > 0).map(|(row, _)| row.to_owned()).collect();
            format!("{}: {:#?}", extra.len(), extra.iter().take(SHOWN).collect::<Vec<_>>())
        };
        Some(format!(
            "the software has {} rows, the lake {}; only the software {}; only the lake {}",
            theirs.count(),
            self.count(),
            only(theirs, self),
            only(self, theirs)
        ))
    }
}

/// The one text of a value.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => instant(text).unwrap_or_else(|| number(text)),
        Value::Array(_) | Value::Object(_) => value.to_string(),
        Value::Bool(_) | Value::Number(_) => number(&value.to_string()),
    }
}

fn instant(text: &str) -> Option<String> {
    let at = text.parse::<DateTime<Utc>>().ok()?;
    Some(at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// A decimal number without the zeros that say nothing; any other text as it is.
fn number(text: &str) -> String {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_decimal = digits.split_once('.').is_some_and(|(whole, fraction)| {
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        are_digits(whole) && are_digits(fraction)
    });
    if is_decimal { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(rows: &[Value]) -> Table {
        Table::new(&rows.iter().map(|row| row.as_array().unwrap().clone()).collect::<Vec<_>>(), 0)
    }

    #[test]
    fn a_value_that_differs_is_a_difference() {
        let ours = of(&[json!([1, "12.51"])]);
        assert!(ours.difference(&of(&[json!([1, "12.50"])])).unwrap().contains("12.51"));
    }

    #[test]
    fn a_row_that_is_there_twice_is_a_difference() {
        let (once, twice) = (of(&[json!([1])]), of(&[json!([1]), json!([1])]));
        assert!(once.difference(&twice).is_some() && twice.difference(&once).is_some());
        assert_ne!(once.checksum(), twice.checksum());
    }

    #[test]
    fn null_is_not_zero() {
        assert!(of(&[json!([null])]).difference(&of(&[json!([0])])).is_some());
    }

    #[test]
    fn order_and_ways_to_write_a_number_or_an_instant_do_not_matter() {
        let ours = of(&[json!([1.5, "2026-11-15T10:00:00Z"]), json!([2, true])]);
        let theirs = of(&[json!([2, true]), json!(["1.50", "2026-11-15T11:00:00.000+01:00"])]);
        assert_eq!(ours.difference(&theirs), None);
        assert_eq!(ours.checksum(), theirs.checksum());
    }
}
