//! Shows an answer: as an aligned table for people, as JSON or CSV for programs.
//!
//! Decimals are written as they are, never by way of a float; timestamps as RFC 3339 in UTC.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta};
use polars::prelude::{AnyValue, Column, DataFrame, DataType, TimeUnit};
use serde_json::{Map, Value, json};

/// Widest column of the aligned table; a longer value is cut with `…`.
const WIDTH_MAX: usize = 60;

/// An aligned table with a line of names; numbers stand right.
pub fn as_text(frame: &DataFrame) -> String {
    let columns: Vec<(Vec<String>, bool)> = frame.columns().iter().map(text_column).collect();
    let widths: Vec<usize> =
        columns.iter().map(|(cells, _)| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in 0..=frame.height() {
        let mut line = String::new();
        for ((cells, is_number), width) in columns.iter().zip(&widths) {
            let cell = cells.get(row).map(String::as_str).unwrap_or_default();
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = if *is_number { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line.push_str(before);
            line.push_str(cell);
            line.push_str(after);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
        if row == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            text.push_str(rule.join("  ").trim_end());
            text.push('\n');
        }
    }
    text
}

fn text_column(column: &Column) -> (Vec<String>, bool) {
    let is_number = column.dtype().is_numeric() || matches!(column.dtype(), DataType::Decimal(_, _));
    let mut cells = vec![cut(column.name())];
    cells.extend((0..column.len()).map(|row| cut(&column.get(row).map(|value| plain(&value)).unwrap_or_default())));
    (cells, is_number)
}

fn cut(text: &str) -> String {
    let line = text.replace(['\n', '\r', '\t'], " ");
    if line.chars().count() <= WIDTH_MAX {
        return line;
    }
    line.chars().take(WIDTH_MAX - 1).chain(['…']).collect()
}

/// A list of objects, one a row.
pub fn as_json(frame: &DataFrame) -> Value {
    let rows = (0..frame.height()).map(|row| {
        let cells = frame.columns().iter().map(|column| {
            let value = column.get(row).map_or(Value::Null, |value| json_of(&value));
            (column.name().to_string(), value)
        });
        Value::Object(cells.collect::<Map<_, _>>())
    });
    Value::Array(rows.collect())
}

/// Comma-separated values with a line of names, as RFC 4180 says; null is an empty cell.
pub fn as_csv(frame: &DataFrame) -> String {
    let quoted = |text: &str| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let mut text = frame.columns().iter().map(|column| quoted(column.name())).collect::<Vec<_>>().join(",");
    text.push('\n');
    for row in 0..frame.height() {
        let cells = frame.columns().iter().map(|column| match column.get(row) {
            Ok(AnyValue::Null) | Err(_) => String::new(),
            Ok(value) => quoted(&plain(&value)),
        });
        text.push_str(&cells.collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    text
}

/// A value as text; null is nothing.
fn plain(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Date(days) => date(*days).unwrap_or_default(),
        AnyValue::Datetime(at, unit, zone) => instant(*at, *unit, zone.is_some()).unwrap_or_default(),
        AnyValue::DatetimeOwned(at, unit, zone) => instant(*at, *unit, zone.is_some()).unwrap_or_default(),
        AnyValue::Binary(bytes) => format!("{} bytes", bytes.len()),
        AnyValue::BinaryOwned(bytes) => format!("{} bytes", bytes.len()),
        AnyValue::Float64(number) => format!("{number}"),
        other => other.to_string(),
    }
}

fn json_of(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(is) => json!(is),
        AnyValue::Int64(number) => json!(number),
        AnyValue::Int32(number) => json!(number),
        AnyValue::UInt64(number) => json!(number),
        AnyValue::UInt32(number) => json!(number),
        AnyValue::Float64(number) => json!(number),
        AnyValue::List(items) => Value::Array(items.iter().map(|item| json_of(&item)).collect()),
        other => Value::String(plain(other)),
    }
}

fn date(days: i32) -> Option<String> {
    let day = NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(TimeDelta::days(i64::from(days)))?;
    Some(day.format("%Y-%m-%d").to_string())
}

fn instant(at: i64, unit: TimeUnit, has_zone: bool) -> Option<String> {
    let micros = match unit {
        TimeUnit::Nanoseconds => at.div_euclid(1_000),
        TimeUnit::Microseconds => at,
        TimeUnit::Milliseconds => at.checked_mul(1_000)?,
    };
    let text = DateTime::from_timestamp_micros(micros)?.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    Some(if has_zone { text } else { text.trim_end_matches('Z').to_owned() })
}

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoLazy, col, df};

    use super::*;

    fn frame() -> DataFrame {
        let frame = df!("name" => ["a", "b,\"c\""], "n" => [Some(1_i64), None], "amount" => ["12.50", "3.00"]).unwrap();
        frame.lazy().with_column(col("amount").cast(DataType::Decimal(12, 2))).collect().unwrap()
    }

    #[test]
    fn numbers_stand_right_and_null_is_nothing() {
        let expected = "name   n  amount\n-----  -  ------\na      1   12.50\nb,\"c\"       3.00\n";
        assert_eq!(as_text(&frame()), expected);
    }

    #[test]
    fn csv_quotes_what_it_must() {
        assert_eq!(as_csv(&frame()), "name,n,amount\na,1,12.50\n\"b,\"\"c\"\"\",,3.00\n");
    }

    #[test]
    fn a_decimal_keeps_its_digits_in_json() {
        assert_eq!(as_json(&frame())[0], json!({ "name": "a", "n": 1, "amount": "12.50" }));
    }

    #[test]
    fn instants_are_written_in_utc() {
        assert_eq!(instant(1_483_271_606_000_000, TimeUnit::Microseconds, true).unwrap(), "2017-01-01T11:53:26Z");
        assert_eq!(date(17_167).unwrap(), "2017-01-01");
    }
}
