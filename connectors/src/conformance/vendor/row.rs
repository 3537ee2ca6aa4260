//! One record as a stand-in vendor has it: every field that the manifest names, each value another one.
//!
//! Values follow the columns' types. What a shape makes of records is undone from its last step to its first, as far as that is possible;
//! whether it was is seen when the record is decoded.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Check, Column, ColumnType, TimestampFormat};
use serde_json::{Value, json};

use super::place::{place, remove};
use crate::decoding::{Decoding, Pointer, RecordsManifest};
use crate::expression::{RecordExpression, Scope};
use crate::pagination::Pagination;
use crate::parents::{GIVEN, ParentManifest};
use crate::shaping::{ExplodeManifest, StepManifest};
use crate::stream::Stream;
use crate::windowing::{Clockface, End, write_instant};

/// Tries of words for one condition.
const TRIES_MAX: usize = 400;
/// Rows of a list inside a record.
const LONG_LIST: u64 = 5;
/// A day of any row without another one.
const DAY: &str = "%Y-%m-%d";

/// What makes the records of one stream.
#[derive(Debug)]
pub(super) struct RowMaker<'a> {
    stream: &'a Stream,
    /// How the window's field is written in records.
    time: Option<Clockface>,
    /// Fields that must be there, and different in each record.
    needed: Vec<Pointer>,
    /// Whether a record is known by having any of its fields.
    is_known: bool,
    scope: &'a Scope,
}

impl<'a> RowMaker<'a> {
    /// For a stream under which `below` are read.
    pub(super) fn new(stream: &'a Stream, below: &[&ParentManifest], scope: &'a Scope) -> Self {
        let time = stream.window.as_ref().and_then(|window| window.read_formats.first()?.with_zone(scope).ok());
        let mut needed: Vec<Pointer> = stream.facts().record_fields().cloned().collect();
        for parent in below {
            needed.extend(parent.fields.iter().map(|(_, pointer)| pointer.clone()));
        }
        Self { stream, time, needed, is_known: stream.facts().know_the_record(), scope }
    }

    /// The record of this number; its time is that of the window's field.
    pub(super) fn row(&self, number: u64, at: Option<DateTime<Utc>>) -> Value {
        let mut row = json!({});
        for column in self.stream.columns() {
            let pointer = Pointer::parse(&column.pointer);
            let is_key = self.stream.key().contains(&column.name);
            let is_needed = is_key || self.needed.contains(&pointer);
            let (is_null, is_absent) = (number % 5 == 1, number % 5 == 3 && !self.is_known);
            if is_given(column) || (column.nullable && !is_needed && is_absent) {
                continue;
            }
            let value = if column.nullable && !is_needed && is_null { Value::Null } else { value(column, number) };
            place(&mut row, pointer.segments(), value);
        }
        if let (Some(window), Some(clockface), Some(at)) = (&self.stream.window, &self.time, at)
            && !window.pointer.as_str().starts_with(&format!("/{GIVEN}/"))
        {
            place(&mut row, window.pointer.segments(), with_fraction(clockface.write(at, End::From, at), at));
        }
        for pointer in &self.needed {
            if pointer.find(&row).is_none_or(Value::is_null) {
                place(&mut row, pointer.segments(), json!(number));
            }
        }
        self.connect(&mut row, number);
        self.undo_shape(&mut row, number);
        self.fit_records(&mut row, number);
        row
    }

    /// Lists inside the record that are too long for one answer.
    fn connect(&self, row: &mut Value, number: u64) {
        for connection in self.stream.connections.iter() {
            for (_, pointer) in connection.names.iter() {
                if pointer.find(row).is_none_or(Value::is_null) {
                    place(row, pointer.segments(), json!(number));
                }
            }
            let item = |at: u64| {
                let mut item = json!({ "id": number * 100 + at });
                let cursors =
                    connection.cursor.record_fields().into_iter().chain(connection.answer.cursor.record_fields());
                for field in cursors {
                    place(&mut item, field.segments(), json!(number * 100 + at));
                }
                item
            };
            place(row, connection.records.segments(), (0..LONG_LIST).map(item).collect());
            if let Some(more) = &connection.more {
                place(row, more.segments(), json!(false));
            }
        }
    }

    /// What the steps of a shape would make of it should be the record that stands there now.
    fn undo_shape(&self, row: &mut Value, number: u64) {
        let steps = self.stream.shape.as_ref().map(|shape| shape.steps()).unwrap_or_default();
        for step in steps.iter().rev() {
            match step {
                StepManifest::Explode(explode) => *row = unexploded(explode, std::mem::take(row)),
                StepManifest::Keep(expression) => self.satisfy(expression, row),
                _ => {}
            }
        }
        for expression in self.stream.shape.iter().flat_map(|shape| shape.expressions()) {
            for field in expression.record_fields() {
                let pointer = field.iter().try_fold(&*row, |at, name| at.get(name));
                if pointer.is_none() {
                    place(row, &field, Value::String(format!("x{number}")));
                }
            }
        }
    }

    /// Tries the words that stand in a condition until it holds.
    fn satisfy(&self, expression: &RecordExpression, row: &mut Value) {
        let holds = |row: &Value| {
            let names = json!({ "record": row, "settings": self.settings() }).to_string();
            let context = serde_json::from_str::<minijinja::Value>(&names);
            context.is_ok_and(|context| expression.evaluate(context).is_ok_and(|value| value.is_true()))
        };
        let fields = expression.record_fields();
        for choice in choices(fields.len(), &words(expression.as_str())) {
            let mut tried = row.clone();
            for (field, word) in fields.iter().zip(choice) {
                if !word.is_null() {
                    place(&mut tried, field, word);
                }
            }
            if holds(&tried) {
                *row = tried;
                return;
            }
        }
    }

    fn settings(&self) -> BTreeMap<String, Value> {
        self.scope.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()
    }

    /// Some forms of bodies hold flat records only, or name the fields that a body turns into places.
    fn fit_records(&self, row: &mut Value, number: u64) {
        match &self.stream.records {
            RecordsManifest::Each(each) => {
                for key in each.key_as.iter().flat_map(|keys| keys.iter()) {
                    place(row, std::slice::from_ref(key), Value::String(format!("k{number}")));
                }
            }
            RecordsManifest::Zip(lists) => {
                let missing: Vec<&str> = lists.names().filter(|name| row.get(*name).is_none()).collect();
                for name in missing {
                    place(row, &[name.to_owned()], json!(number));
                }
            }
            RecordsManifest::List(_) | RecordsManifest::Found(_) | RecordsManifest::Table(_) => {}
        }
        if let Decoding::Lines(lines) = &self.stream.decoding.format {
            let text = row.get(&lines.wrap_as).and_then(super::plain).unwrap_or_else(|| format!("line {number}"));
            *row = json!({ lines.wrap_as.as_str(): text });
        }
    }
}

/// The record that an `explode` step makes this one of.
fn unexploded(explode: &ExplodeManifest, mut element: Value) -> Value {
    let mut whole = json!({});
    for (name, pointer) in explode.parent.iter() {
        let value = element.get(name).cloned().unwrap_or_else(|| json!(name));
        remove(&mut element, &[name.to_owned()]);
        place(&mut whole, pointer.segments(), value);
    }
    for name in explode.key_as.iter().flat_map(|keys| keys.iter()).chain(&explode.index_as) {
        remove(&mut element, std::slice::from_ref(name));
    }
    if explode.whole_parent
        && let (Value::Object(all), Value::Object(fields)) = (&mut whole, &element)
    {
        all.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    if let Some(name) = &explode.wrap_as {
        element = element.get(name).cloned().unwrap_or_default();
    }
    let path: Vec<String> = explode.at.segments().iter().map(|part| part.replace('*', "k")).collect();
    place(&mut whole, &path, json!([element]));
    whole
}

/// Seconds that are counted have a fraction where the time has one.
fn with_fraction(written: Value, at: DateTime<Utc>) -> Value {
    let millis = at.timestamp_subsec_millis();
    match written.as_i64() {
        Some(seconds) if millis > 0 && seconds == at.timestamp() => {
            serde_json::from_str(&format!("{seconds}.{millis:03}")).unwrap_or(written)
        }
        _ => written,
    }
}

fn is_given(column: &Column) -> bool {
    column.pointer.starts_with(&format!("/{GIVEN}/"))
}

/// Fields of records that ask for the next page.
pub(super) fn cursor_fields(pagination: &Pagination) -> Vec<Pointer> {
    match pagination {
        Pagination::LastRecordCursor(cursor) => vec![cursor.field.clone()],
        Pagination::Cursor(cursor) => cursor.send.iter().flat_map(|send| send.value.record_fields()).cloned().collect(),
        Pagination::AdvancingFrom(advancing) => cursor_fields(&advancing.pages),
        _ => Vec::new(),
    }
}

/// A value of a column's type that no other number has.
fn value(column: &Column, number: u64) -> Value {
    let at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(i64::try_from(number).unwrap_or(0));
    let one_of = column.checks.iter().find_map(|check| match check {
        Check::OneOf(words) if !words.is_empty() => {
            words.get(usize::try_from(number).unwrap_or(0) % words.len()).cloned()
        }
        Check::CurrencyCode => Some("EUR".to_owned()),
        _ => None,
    });
    match &column.column_type {
        ColumnType::String => Value::String(one_of.unwrap_or_else(|| format!("{}-{number}", column.name))),
        ColumnType::Int64 => json!(1_000 + number),
        ColumnType::Float64 => json!(f64::from(u32::try_from(number).unwrap_or(0)) + 0.5),
        ColumnType::Boolean => json!(number.is_multiple_of(2)),
        ColumnType::Decimal { .. } => json!(number % 90),
        ColumnType::Date => {
            let day = at + TimeDelta::days(i64::try_from(number % 300).unwrap_or(0));
            Value::String(day.format(DAY).to_string())
        }
        ColumnType::Timestamp => {
            let format = match &column.format {
                TimestampFormat::Pattern { zone, .. } if zone.contains('{') => &TimestampFormat::Rfc3339,
                format => format,
            };
            write_instant(at, format).unwrap_or_default()
        }
        ColumnType::Json => json!({ "n": number }),
        ColumnType::Struct(fields) => {
            let mut whole = json!({});
            for field in fields {
                place(&mut whole, Pointer::parse(&field.pointer).segments(), value(field, number));
            }
            whole
        }
        ColumnType::List(item) => json!([value(item, number)]),
    }
}

/// The words and numbers that stand in an expression, and what often decides one.
pub(super) fn words(text: &str) -> Vec<Value> {
    let mut words = vec![Value::Null];
    for mark in ['\'', '"'] {
        words.extend(text.split(mark).skip(1).step_by(2).map(Value::from));
    }
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<i64>().ok());
    words.extend(digits.flat_map(|number| [json!(number), json!(number + 1), json!(number - 1)]));
    words.extend([json!(true), json!(false), json!(1), json!(0), json!("x"), json!([1])]);
    words
}

/// Every way to give `places` one of `words` each, as far as that is bearable.
pub(super) fn choices(places: usize, words: &[Value]) -> impl Iterator<Item = Vec<Value>> {
    let count = words.len().max(1);
    let all = count.saturating_pow(u32::try_from(places).unwrap_or(u32::MAX)).min(TRIES_MAX);
    (0..all).map(move |mut at| {
        let mut choice = Vec::with_capacity(places);
        for _ in 0..places {
            choice.push(words.get(at % count).cloned().unwrap_or_default());
            at /= count;
        }
        choice
    })
}
