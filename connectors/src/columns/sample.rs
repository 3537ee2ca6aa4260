//! Columns of records: what their values were, field by field. A sample proves what is there and never what is not.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate};
use headwater_contract::{Column, ColumnType, StreamContract, TimestampFormat};
use serde_json::Value;

use super::{FoundColumn, below, name_for};
use crate::decoding::Pointer;
use crate::draft::is_money;
use crate::parents::GIVEN;

/// Records that a sample has where nobody says how many.
pub const SAMPLE_RECORDS: u64 = 1_000;
/// Fields of a sample; a record with more is a map of something.
const FIELDS_MAX: usize = 2_000;

/// What the values of one field were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a kind of value that was seen")]
struct Seen {
    null: bool,
    boolean: bool,
    /// A whole number that fits 64 bits.
    whole: bool,
    /// Another number.
    number: bool,
    /// A text that is an instant by RFC 3339.
    instant: bool,
    /// A text that is a day.
    day: bool,
    /// Another text.
    text: bool,
    container: bool,
}

impl Seen {
    fn see(&mut self, value: &Value) {
        match value {
            Value::Null => self.null = true,
            Value::Bool(_) => self.boolean = true,
            Value::Number(number) if number.is_i64() => self.whole = true,
            Value::Number(_) => self.number = true,
            Value::String(text) if DateTime::parse_from_rfc3339(text).is_ok() => self.instant = true,
            Value::String(text) if text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() => {
                self.day = true;
            }
            Value::String(_) => self.text = true,
            Value::Array(_) | Value::Object(_) => self.container = true,
        }
    }

    /// The narrowest type that takes every value.
    fn column_type(self, name: &str) -> ColumnType {
        let texts = self.instant || self.day || self.text;
        let numbers = self.whole || self.number;
        match (self.boolean, numbers, texts, self.container) {
            (true, false, false, false) => ColumnType::Boolean,
            (false, true, false, false) if !self.number => ColumnType::Int64,
            (false, true, false, false) if is_money(name) => ColumnType::Decimal { precision: 38, scale: 6 },
            (false, true, false, false) => ColumnType::Float64,
            (false, false, true, false) if !self.text && !self.day => ColumnType::Timestamp,
            (false, false, true, false) if !self.text && !self.instant => ColumnType::Date,
            (false, false, true, false) => ColumnType::String,
            _ => ColumnType::Json,
        }
    }

    /// Whether a column took every value of it.
    fn fits(self, column: &Column) -> bool {
        let texts = self.instant || self.day || self.text;
        let numbers = self.whole || self.number;
        let is_coded = !matches!(column.format, TimestampFormat::Rfc3339);
        match &column.column_type {
            ColumnType::Json => true,
            ColumnType::String => !(self.boolean || numbers || self.container),
            ColumnType::Int64 => !(self.boolean || self.number || texts || self.container),
            ColumnType::Float64 => !(self.boolean || texts || self.container),
            // Exact numbers are also read from texts, whose digits the lake judges.
            ColumnType::Decimal { .. } => !(self.boolean || self.container),
            ColumnType::Boolean => !(numbers || texts || self.container),
            ColumnType::Date => !(self.boolean || numbers || self.container || self.text || self.instant),
            ColumnType::Timestamp if is_coded => !(self.boolean || self.container),
            ColumnType::Timestamp => !(self.boolean || numbers || self.container || self.text || self.day),
            ColumnType::Struct(_) | ColumnType::List(_) => !(self.boolean || numbers || texts),
        }
    }

    fn has_value(self) -> bool {
        self != Self { null: self.null, ..Self::default() }
    }
}

/// What the records of a stream were.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Objects whose fields are columns: the record, and those that columns point into.
    levels: BTreeSet<String>,
    /// Places that have tables of their own, or values that are no part of the record.
    apart: Vec<String>,
    fields: Vec<(String, Seen)>,
    records: u64,
}

impl Sample {
    /// An empty sample of a stream.
    pub fn new(contract: &StreamContract) -> Self {
        let mut levels = BTreeSet::from([String::new()]);
        for column in &contract.columns {
            let segments = Pointer::parse(&column.pointer).segments().to_vec();
            let mut level = String::new();
            for segment in segments.iter().take(segments.len().saturating_sub(1)) {
                level = below(&level, segment);
                levels.insert(level.clone());
            }
        }
        let given = below("", GIVEN);
        levels.remove(&given);
        let apart = contract.children.iter().map(|child| child.pointer.clone()).chain([given]).collect();
        Self { levels, apart, fields: Vec::new(), records: 0 }
    }

    /// Records that it has.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes one record; what is no object says nothing of columns.
    pub fn take(&mut self, record: &[u8]) {
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(record) else { return };
        self.records += 1;
        self.take_level("", &fields);
    }

    fn take_level(&mut self, level: &str, fields: &serde_json::Map<String, Value>) {
        for (field, value) in fields {
            let place = below(level, field);
            if self.apart.contains(&place) {
                continue;
            }
            match value {
                Value::Object(inner) if self.levels.contains(&place) => self.take_level(&place, inner),
                value => {
                    let at = self.fields.iter().position(|(known, _)| *known == place);
                    let at = at.unwrap_or(self.fields.len());
                    if at == self.fields.len() && at < FIELDS_MAX {
                        self.fields.push((place, Seen::default()));
                    }
                    if let Some((_, seen)) = self.fields.get_mut(at) {
                        seen.see(value);
                    }
                }
            }
        }
    }

    /// A column for each field that had a value, in the order in which they came; none of them promises never to be null.
    pub fn columns(&self) -> Vec<FoundColumn> {
        let mut columns: Vec<FoundColumn> = Vec::new();
        for (pointer, seen) in self.fields.iter().filter(|(_, seen)| seen.has_value()) {
            let field = Pointer::parse(pointer).segments().last().cloned().unwrap_or_default();
            let name = name_for(&field, |name| columns.iter().any(|known| known.name.eq_ignore_ascii_case(name)));
            let column_type = seen.column_type(&name);
            columns.push(FoundColumn {
                name,
                pointer: pointer.clone(),
                column_type,
                format: TimestampFormat::default(),
                nullable: true,
                help: None,
            });
        }
        columns
    }

    /// What a column's values were like: whether all of them fit its type, and whether one was null.
    pub(super) fn judge(&self, column: &Column) -> Option<(bool, bool)> {
        let pointer = Pointer::parse(&column.pointer);
        let (_, seen) = self.fields.iter().find(|(known, _)| Pointer::parse(known) == pointer)?;
        Some((seen.fits(column), seen.null))
    }

    /// The type that takes what a column takes and what was seen of it.
    pub(super) fn widened(&self, column: &Column) -> ColumnType {
        let pointer = Pointer::parse(&column.pointer);
        let seen = self.fields.iter().find(|(known, _)| Pointer::parse(known) == pointer).map(|(_, seen)| *seen);
        let mut seen = seen.unwrap_or_default();
        // What the column took before must still fit.
        match &column.column_type {
            ColumnType::Int64 => seen.whole = true,
            ColumnType::Float64 | ColumnType::Decimal { .. } => seen.number = true,
            ColumnType::Boolean => seen.boolean = true,
            ColumnType::Date => seen.day = true,
            ColumnType::Timestamp => seen.instant = true,
            ColumnType::String => seen.text = true,
            ColumnType::Json | ColumnType::Struct(_) | ColumnType::List(_) => seen.container = true,
        }
        match (&column.column_type, seen.column_type(&column.name)) {
            (decimal @ ColumnType::Decimal { .. }, ColumnType::Float64) => decimal.clone(),
            (_, widened) => widened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(values: &[&str]) -> Seen {
        let mut seen = Seen::default();
        for text in values {
            seen.see(&serde_json::from_str(text).unwrap());
        }
        seen
    }

    #[test]
    fn a_field_has_the_narrowest_type_that_takes_all_its_values() {
        for (values, name, expected) in [
            (&["1", "2.5"][..], "x", "float64"),
            (&["1", "2.5"], "price", "decimal(38,6)"),
            (&["1", "null"], "x", "int64"),
            (&["1", "\"a\""], "x", "json"),
            (&["18446744073709551615"], "x", "float64"),
            (&["true"], "x", "boolean"),
            (&["\"2024-03-01T00:00:00Z\"", "\"2024-03-01T00:00:00.5+02:00\""], "x", "timestamp"),
            (&["\"2024-03-01\""], "x", "date"),
            (&["\"2024-03-01\"", "\"2024-03-01T00:00:00Z\""], "x", "string"),
            (&["\"2024-13-01\""], "x", "string"),
            (&["[1]"], "x", "json"),
        ] {
            assert_eq!(seen(values).column_type(name).to_string(), expected, "{values:?}");
        }
        assert!(!seen(&["null"]).has_value());
    }

    #[test]
    fn a_column_that_took_every_value_fits() {
        for (column_type, good, bad) in [
            (ColumnType::String, "\"a\"", "1"),
            (ColumnType::Int64, "1", "1.5"),
            (ColumnType::Float64, "1", "\"1\""),
            (ColumnType::Decimal { precision: 12, scale: 2 }, "\"1.5\"", "true"),
            (ColumnType::Boolean, "true", "1"),
            (ColumnType::Date, "\"2024-03-01\"", "\"2024-03-01T00:00:00Z\""),
            (ColumnType::Timestamp, "\"2024-03-01T00:00:00Z\"", "\"yesterday\""),
            (ColumnType::List(Box::new(Column::new("item", ColumnType::String))), "[\"a\"]", "\"a\""),
        ] {
            let column = Column::new("x", column_type);
            assert!(seen(&[good, "null"]).fits(&column), "{good}");
            assert!(!seen(&[bad]).fits(&column), "{bad}");
        }
    }
}
