//! Digests of keys and of records.
//!
//! A record is the same record when its bytes are the same. Where the stream names `volatile` fields, its hash is that of its
//! canonical JSON (sorted fields, no space) without them, so that a counter of views makes no new version.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use headwater_contract::{Digest16, StreamContract};
use serde_json::Value;

/// Hashes records of one stream.
#[derive(Clone, Debug)]
pub struct RowHasher {
    /// Names or JSON pointers of fields that do not count.
    volatile: Vec<String>,
}

impl RowHasher {
    /// For the records of `contract`.
    pub fn new(contract: &StreamContract) -> Self {
        Self { volatile: contract.volatile.clone() }
    }

    /// The hash of a record, given as the JSON text that was sent.
    pub fn hash(&self, text: &[u8]) -> Digest16 {
        if self.volatile.is_empty() {
            return Digest16::of(text);
        }
        let Ok(mut record) = serde_json::from_slice::<Value>(text) else { return Digest16::of(text) };
        for field in &self.volatile {
            remove(&mut record, field);
        }
        let mut canonical = String::with_capacity(text.len());
        write_canonical(&record, &mut canonical);
        Digest16::of(canonical.as_bytes())
    }
}

fn remove(record: &mut Value, field: &str) {
    let (parent, name) = match field.rsplit_once('/') {
        Some((parent, name)) => (record.pointer_mut(parent), name.replace("~1", "/").replace("~0", "~")),
        None => (Some(record), field.to_owned()),
    };
    if let Some(Value::Object(fields)) = parent {
        fields.shift_remove(&name);
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| name.as_str());
            out.push('{');
            for (name, value) in sorted {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// The digest of each row's key; `None` where a key column is null. Of the typed values, so that `1` and `1.0` are one key.
pub(crate) fn key_digests(columns: &[ArrayRef], rows: usize) -> Vec<Option<Digest16>> {
    let mut bytes: Vec<u8> = Vec::new();
    (0..rows)
        .map(|row| {
            bytes.clear();
            for column in columns {
                if column.is_null(row) {
                    return None;
                }
                let length_at = bytes.len();
                bytes.extend_from_slice(&[0; 4]);
                append_value(column, row, &mut bytes);
                // The length before each value: moving a byte from one column to the next gives another key.
                let length = u32::try_from(bytes.len() - length_at - 4).unwrap_or(u32::MAX).to_le_bytes();
                if let Some(place) = bytes.get_mut(length_at..length_at + 4) {
                    place.copy_from_slice(&length);
                }
            }
            Some(Digest16::of(&bytes))
        })
        .collect()
}

fn append_value(column: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    match column.data_type() {
        DataType::Utf8 => out.extend_from_slice(column.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => out.extend_from_slice(column.as_string::<i64>().value(row).as_bytes()),
        DataType::Utf8View => out.extend_from_slice(column.as_string_view().value(row).as_bytes()),
        DataType::Int64 => out.extend_from_slice(&column.as_primitive::<Int64Type>().value(row).to_le_bytes()),
        DataType::Float64 => {
            out.extend_from_slice(&column.as_primitive::<Float64Type>().value(row).to_bits().to_le_bytes());
        }
        DataType::Boolean => out.push(u8::from(column.as_boolean().value(row))),
        DataType::Decimal128(..) => {
            out.extend_from_slice(&column.as_primitive::<Decimal128Type>().value(row).to_le_bytes());
        }
        DataType::Date32 => out.extend_from_slice(&column.as_primitive::<Date32Type>().value(row).to_le_bytes()),
        DataType::Timestamp(..) => {
            out.extend_from_slice(&column.as_primitive::<TimestampMicrosecondType>().value(row).to_le_bytes());
        }
        // A contract cannot name a nested column as key: the decoder refuses it.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::StringArray;

    use super::*;

    #[test]
    fn a_key_depends_on_where_one_column_ends_and_the_next_begins() {
        let text = |values: [Option<&str>; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let digests = key_digests(&[text([Some("ab"), Some("a"), None]), text([Some("c"), Some("bc"), Some("x")])], 3);
        assert_ne!(digests[0], digests[1]);
        assert!(digests[0].is_some() && digests[2].is_none());
    }

    #[test]
    fn a_volatile_field_makes_no_new_record() {
        let hasher = RowHasher { volatile: vec!["seen".to_owned(), "/stats/views".to_owned()] };
        let one = hasher.hash(br#"{"id":1,"seen":5,"stats":{"views":9,"likes":1}}"#);
        let two = hasher.hash(br#"{ "stats":{"likes":1,"views":10},"id":1 }"#);
        let other = hasher.hash(br#"{"id":1,"stats":{"likes":2}}"#);
        assert_eq!(one, two);
        assert_ne!(one, other);
    }
}
