//! Whom to erase: a column of a stream and its value, and which records that names.
//!
//! A value is compared as the column's typed value, written as text, so `42` finds `42` and `42.0` alike; where a record's value did
//! not fit the column's type, its own text is compared. What is kept for later readings is a digest under the lake's key.

use std::collections::BTreeSet;
use std::fmt;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use bytes::Bytes;
use headwater_contract::{Classification, Column, ColumnType, Digest16, Records, StreamContract, StreamName};
use serde_json::Value;

use super::error::ErasureError;
use super::record::Key;
use crate::typing::{Decoder, TypingError};

/// Shorter values stand in many places that name nobody, so only a column tells by them.
pub(crate) const TELLING_MIN: usize = 5;

/// One column of a stream and the value by which a person's records are known in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The stream.
    pub stream: StreamName,
    /// The column.
    pub column: String,
    /// The value as text of the column's type.
    value: String,
}

impl fmt::Debug for Subject {
    /// Without the value: whoever is erased must not stand in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("stream", &self.stream).field("column", &self.column).finish_non_exhaustive()
    }
}

impl Subject {
    /// Reads `value` as the column's type reads it.
    ///
    /// # Errors
    ///
    /// [`ErasureError::NoColumn`], [`ErasureError::NotAName`] for a type that names nobody, [`ErasureError::NotOfType`].
    pub fn new(contract: &StreamContract, column: &str, value: &str) -> Result<Self, ErasureError> {
        let stream = contract.name.clone();
        let Some(found) = contract.column(column) else {
            let known = contract.columns.iter().map(|column| column.name.clone()).collect();
            return Err(ErasureError::NoColumn { stream, column: column.to_owned(), known });
        };
        if !matches!(found.column_type, ColumnType::String | ColumnType::Int64) {
            let column_type = found.column_type.to_string();
            return Err(ErasureError::NotAName { stream, column: column.to_owned(), column_type });
        }
        let text = match (&found.column_type, value.trim().parse::<i64>()) {
            (ColumnType::Int64, Ok(number)) => number.to_string(),
            (ColumnType::String, _) if !value.is_empty() => value.to_owned(),
            _ => {
                let column_type = found.column_type.to_string();
                return Err(ErasureError::NotOfType { stream, column: column.to_owned(), column_type });
            }
        };
        Ok(Self { stream, column: column.to_owned(), value: text })
    }

    /// The value as text of the column's type.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is kept of it.
    pub(crate) fn digest(&self, key: &Key) -> Digest16 {
        digest(key, &self.stream, &self.column, &self.value)
    }
}

/// The digest of a value of a column, which only who has the key can make.
pub(crate) fn digest(key: &Key, stream: &StreamName, column: &str, value: &str) -> Digest16 {
    key.digest([stream.to_string().as_bytes(), column.as_bytes(), value.as_bytes()])
}

/// Tells which records of a stream are the person's.
pub(crate) struct Matcher {
    stream: StreamName,
    key: Key,
    columns: Vec<(String, BTreeSet<Digest16>)>,
    decoder: Decoder,
    /// The values themselves, while the person is erased: a record that cannot be read is known by its bytes.
    values: Vec<String>,
    /// Records that cannot be read and hold a value too short to tell whose they are.
    pub(crate) unreadable: u64,
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Matcher {
    /// For the records of `contract`, by digests of values of its columns. Columns that the contract lost are left out; `None` when
    /// none is left.
    pub(crate) fn new(
        contract: &StreamContract,
        key: &Key,
        wanted: &[(String, Digest16)],
    ) -> Result<Option<Self>, TypingError> {
        let mut columns: Vec<(String, BTreeSet<Digest16>)> = Vec::new();
        let mut read: Vec<Column> = Vec::new();
        for (name, digest) in wanted {
            if let Some((_, digests)) = columns.iter_mut().find(|(known, _)| known == name) {
                digests.insert(*digest);
            } else if let Some(column) = contract.column(name) {
                read.push(column.clone());
                columns.push((name.clone(), BTreeSet::from([*digest])));
            }
        }
        if columns.is_empty() {
            return Ok(None);
        }
        let narrow = StreamContract {
            columns: read,
            key: Vec::new(),
            append_only: true,
            children: Vec::new(),
            volatile: Vec::new(),
            json_schema: None,
            ..contract.clone()
        };
        let decoder = Decoder::new(&narrow)?;
        Ok(Some(Self {
            stream: contract.name.clone(),
            key: key.clone(),
            columns,
            decoder,
            values: Vec::new(),
            unreadable: 0,
        }))
    }

    /// The same, knowing the values themselves.
    pub(crate) fn with_values(self, values: Vec<String>) -> Self {
        Self { values, ..self }
    }

    /// For each record whether it is the person's.
    pub(crate) fn matches(&mut self, texts: &[Bytes]) -> Result<Vec<bool>, TypingError> {
        for (place, text) in (0_u64..).zip(texts) {
            self.decoder.push(place, text);
        }
        let batch = self.decoder.finish()?;
        let mut found = vec![false; texts.len()];
        for bad in &batch.undecodable {
            let mut named = self.values.iter().filter(|value| holds(&bad.text, value.as_bytes())).peekable();
            if named.peek().is_none() {
                continue;
            }
            match usize::try_from(bad.position).ok().and_then(|place| found.get_mut(place)) {
                Some(slot) if named.any(|value| value.len() >= TELLING_MIN) => *slot = true,
                _ => self.unreadable += 1,
            }
        }
        for (column, (name, digests)) in batch.rows.columns().iter().zip(&self.columns) {
            let values = as_text(column)?;
            for (row, position) in batch.positions.iter().enumerate() {
                let is_wanted = |value: &str| digests.contains(&digest(&self.key, &self.stream, name, value));
                let is_match = match &values {
                    Some(values) if values.is_valid(row) => is_wanted(values.value(row)),
                    _ => misfit(&batch.rescued, row, name).is_some_and(|value| is_wanted(&value)),
                };
                let slot = usize::try_from(*position).ok().and_then(|place| found.get_mut(place));
                if let Some(slot) = slot.filter(|_| is_match) {
                    *slot = true;
                }
            }
        }
        Ok(found)
    }

    /// Whether a text is a value that names an erased person in any of the columns.
    pub(crate) fn names(&self, text: &str) -> bool {
        let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
        self.columns.iter().any(|(name, digests)| digests.contains(&digest(&self.key, &self.stream, name, &text)))
    }

    /// The records that are not the person's, in runs without a gap, and those that are.
    pub(crate) fn sift(&mut self, records: Records) -> Result<(Vec<Records>, Vec<Bytes>), TypingError> {
        let found = self.matches(&records.texts)?;
        if !found.contains(&true) {
            return Ok((vec![records], Vec::new()));
        }
        let gone =
            records.texts.iter().zip(&found).filter(|(_, found)| **found).map(|(text, _)| text.clone()).collect();
        let keep: Vec<bool> = found.into_iter().map(|found| !found).collect();
        Ok((crate::raw::contiguous(records, &keep), gone))
    }
}

/// The values as the text that a [`Subject`] has of them.
fn as_text(column: &ArrayRef) -> Result<Option<StringArray>, TypingError> {
    let texts = arrow_cast::cast(column, &DataType::Utf8);
    let texts = texts.map_err(|error| TypingError::Batch { reason: error.to_string() })?;
    Ok(texts.as_string_opt::<i32>().cloned())
}

/// The value of a column that did not fit its type, as text.
fn misfit(rescued: &StringArray, row: usize, column: &str) -> Option<String> {
    let text = Some(rescued).filter(|rescued| rescued.is_valid(row))?.value(row);
    // Most of what is rescued here is the rest of the record: only a misfit bears the column's name.
    if !text.contains(column) {
        return None;
    }
    let fields: Value = serde_json::from_str(text).ok()?;
    match fields.get(column)? {
        Value::String(value) => Some(value.clone()),
        Value::Number(value) => Some(value.to_string()),
        _ => None,
    }
}

/// The texts of a record that are long enough to tell somebody by: what must not stand in the path of a kept request.
pub(crate) fn telling_texts(record: &[u8], texts: &mut BTreeSet<String>) {
    fn walk(value: &Value, texts: &mut BTreeSet<String>) {
        match value {
            Value::String(text) if text.len() >= TELLING_MIN => drop(texts.insert(text.clone())),
            Value::Number(number) if number.to_string().len() >= TELLING_MIN => drop(texts.insert(number.to_string())),
            Value::Array(items) => items.iter().for_each(|item| walk(item, texts)),
            Value::Object(fields) => fields.values().for_each(|field| walk(field, texts)),
            _ => {}
        }
    }
    if let Ok(record) = serde_json::from_slice(record) {
        walk(&record, texts);
    }
}

/// What a record says in columns that are classified as personal.
pub(crate) fn personal_texts(contract: &StreamContract, record: &[u8], texts: &mut BTreeSet<String>) {
    let Ok(record) = serde_json::from_slice::<Value>(record) else { return };
    let personal = contract.columns.iter().filter(|column| column.classification == Some(Classification::Pii));
    for column in personal {
        if let Some(Value::String(text)) = record.pointer(&column.pointer)
            && text.len() >= TELLING_MIN
        {
            texts.insert(text.clone());
        }
    }
}

/// Whether `text` holds `value` as a word of its own.
pub(crate) fn holds(text: &[u8], value: &[u8]) -> bool {
    let Some(first) = value.first() else { return false };
    let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.iter().position(|byte| byte == first)) {
        let at = from + at;
        let end = at + value.len();
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        if text.get(at..end) == Some(value) && !is_word(before) && !is_word(text.get(end)) {
            return true;
        }
        from = at + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_as_a_word_of_its_own() {
        for (text, is_there) in [
            ("{\"id\":\"ada@example.com\"}", true),
            ("ada@example.com", true),
            ("xada@example.com", false),
            ("xada@example.com,ada@example.com", true),
            ("ada@example.come", false),
            ("ada@example", false),
        ] {
            assert_eq!(holds(text.as_bytes(), b"ada@example.com"), is_there, "{text}");
        }
        assert!(!holds(b"anything", b""));
    }
}
