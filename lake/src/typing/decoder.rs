//! The reader of one contract: records in, typed batches out.
//!
//! A record that is not JSON, or not an object with the promised places, never stops the others: it comes back as
//! [`Undecodable`] with its bytes.

use arrow_array::builder::StringBuilder;
use arrow_array::{RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use headwater_contract::{Column, ColumnType, Digest16, StreamContract};

use super::cells::{Cells, Fit};
use super::error::TypingError;
use super::hash::{RowHasher, key_digests};
use super::json::{Cursor, Kind};
use super::schema::{LINE, TRACKING, column_schema};
use super::shape::{Found, Shape};

/// A record that could not be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// Its place in the reading: `request << 32 | ordinal`.
    pub position: u64,
    /// Its bytes.
    pub text: Bytes,
    /// Why.
    pub reason: String,
}

/// Rows unnested from the records of a batch.
#[derive(Clone, Debug)]
pub struct ChildBatch {
    /// The child's own columns.
    pub rows: RecordBatch,
    /// The row of the parent batch that each belongs to, ascending.
    pub parents: Vec<usize>,
    /// The place of each in its parent's list, from 0.
    pub lines: Vec<i64>,
    /// Misfits and unknown fields of each, as a JSON object.
    pub rescued: StringArray,
}

/// Records that were typed together.
#[derive(Clone, Debug)]
pub struct TypedBatch {
    /// The contract's columns.
    pub rows: RecordBatch,
    /// Misfits and unknown fields of each row, as a JSON object; null when there are none.
    pub rescued: StringArray,
    /// The digest of each row's key; `None` where a key column is null, or the stream has no key.
    pub keys: Vec<Option<Digest16>>,
    /// The hash of each record.
    pub hashes: Vec<Digest16>,
    /// The place of each in the reading: `request << 32 | ordinal`.
    pub positions: Vec<u64>,
    /// Each record's bytes.
    pub texts: Vec<Bytes>,
    /// The contract's child tables, in its order.
    pub children: Vec<ChildBatch>,
    /// Records that could not be read.
    pub undecodable: Vec<Undecodable>,
}

/// A table under construction.
#[derive(Debug)]
struct Table {
    shape: Shape,
    found: Found,
    cells: Vec<Cells>,
    /// Column names as JSON text without quotes: what misfits are rescued under.
    names: Vec<String>,
    schema: SchemaRef,
    rescued: StringBuilder,
    rows: usize,
}

/// Reads the records of one contract.
#[derive(Debug)]
pub struct Decoder {
    parent: Table,
    /// Each child's table, with the slot of the parent's shape in which its list lies.
    children: Vec<(Table, usize)>,
    child_rows: Vec<(Vec<usize>, Vec<i64>)>,
    key: Vec<usize>,
    hasher: RowHasher,
    hashes: Vec<Digest16>,
    positions: Vec<u64>,
    texts: Vec<Bytes>,
    undecodable: Vec<Undecodable>,
    bytes: usize,
    scratch: Vec<u8>,
    rescue: String,
}

impl Decoder {
    /// Makes the reader of `contract`.
    ///
    /// # Errors
    ///
    /// [`TypingError`] when the contract contradicts itself.
    pub fn new(contract: &StreamContract) -> Result<Self, TypingError> {
        let table = contract.name.stream();
        check_names(table, contract.columns.iter().map(|column| column.name.as_str()))?;
        let key = key_places(table, &contract.key, &contract.columns)?;
        // Lists of children are slots behind the columns.
        let lists = contract.children.iter().map(|child| (child.name.as_str(), child.pointer.as_str()));
        let parent = Table::new(&contract.columns, lists)?;
        let mut children = Vec::with_capacity(contract.children.len());
        for (place, child) in contract.children.iter().enumerate() {
            let parents = child.parent_columns.iter();
            for (_, of) in parents.clone() {
                if contract.column(of).is_none() {
                    return Err(TypingError::NoSuchColumn { table: child.name.clone(), column: of.clone() });
                }
            }
            let names =
                parents.map(|(name, _)| name.as_str()).chain(child.columns.iter().map(|column| column.name.as_str()));
            check_names(&child.name, names.chain([LINE]))?;
            key_places(&child.name, &child.key, &child.columns)?;
            children.push((Table::new(&child.columns, std::iter::empty())?, contract.columns.len() + place));
        }
        let child_rows = vec![(Vec::new(), Vec::new()); children.len()];
        Ok(Self {
            parent,
            children,
            child_rows,
            key,
            hasher: RowHasher::new(contract),
            hashes: Vec::new(),
            positions: Vec::new(),
            texts: Vec::new(),
            undecodable: Vec::new(),
            bytes: 0,
            scratch: Vec::new(),
            rescue: String::new(),
        })
    }

    /// Rows taken since the last [`Decoder::finish`].
    pub fn rows(&self) -> usize {
        self.parent.rows
    }

    /// Bytes of records taken since the last [`Decoder::finish`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reads one record.
    pub fn push(&mut self, position: u64, record: &Bytes) {
        self.bytes += record.len();
        let text = match std::str::from_utf8(record) {
            Ok(text) => text,
            Err(error) => return self.refuse(position, record, format!("not UTF-8: {error}")),
        };
        match self.parent.shape.walk(record, 0, &mut self.parent.found) {
            Err(malformed) => return self.refuse(position, record, malformed.to_string()),
            Ok(end) => {
                if let Some(more) = text.get(end..).filter(|rest| !rest.trim().is_empty()) {
                    return self.refuse(position, record, format!("{} bytes follow the JSON value", more.len()));
                }
            }
        }
        let row = self.parent.rows;
        self.rescue.clear();
        for ((table, slot), (parents, lines)) in self.children.iter_mut().zip(&mut self.child_rows) {
            let Some(list) = self.parent.found.slot(*slot).filter(|list| list.kind != Kind::Null) else { continue };
            if list.kind != Kind::Array {
                rescue_value(&format!("/{}", table_pointer(&self.parent, *slot)), text, list, &mut self.rescue);
                continue;
            }
            let mut cursor = Cursor::new(record, list.start + 1);
            for line in 0.. {
                cursor.space();
                if matches!(cursor.peek(), None | Some(b']')) {
                    break;
                }
                let Some(end) = table.push(text, cursor.at(), &mut self.scratch) else { break };
                parents.push(row);
                lines.push(line);
                cursor = Cursor::new(record, end);
                cursor.space();
                cursor.passes(b',');
            }
        }
        self.parent.append(text, &mut self.rescue, &mut self.scratch);
        self.hashes.push(self.hasher.hash(record));
        self.positions.push(position);
        self.texts.push(record.clone());
    }

    fn refuse(&mut self, position: u64, text: &Bytes, reason: String) {
        self.undecodable.push(Undecodable { position, text: text.clone(), reason });
    }

    /// Takes the rows that were read since the last call.
    ///
    /// # Errors
    ///
    /// [`TypingError::Batch`], which would be a bug.
    pub fn finish(&mut self) -> Result<TypedBatch, TypingError> {
        let (rows, rescued) = self.parent.finish()?;
        let key_columns: Vec<_> = self.key.iter().filter_map(|place| rows.columns().get(*place).cloned()).collect();
        let keys = if key_columns.is_empty() {
            vec![None; rows.num_rows()]
        } else {
            key_digests(&key_columns, rows.num_rows())
        };
        let mut children = Vec::with_capacity(self.children.len());
        for ((table, _), (parents, lines)) in self.children.iter_mut().zip(&mut self.child_rows) {
            let (rows, rescued) = table.finish()?;
            children.push(ChildBatch { rows, parents: std::mem::take(parents), lines: std::mem::take(lines), rescued });
        }
        self.bytes = 0;
        Ok(TypedBatch {
            rows,
            rescued,
            keys,
            hashes: std::mem::take(&mut self.hashes),
            positions: std::mem::take(&mut self.positions),
            texts: std::mem::take(&mut self.texts),
            children,
            undecodable: std::mem::take(&mut self.undecodable),
        })
    }
}

impl Table {
    fn new<'a>(columns: &'a [Column], lists: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, TypingError> {
        let pointers = columns.iter().map(|column| (column.name.as_str(), column.pointer.as_str()));
        let lists: Vec<_> = lists.collect();
        let names = columns
            .iter()
            .map(|column| column.name.as_str())
            .chain(lists.iter().map(|(_, pointer)| pointer.trim_start_matches('/')));
        let names = names.map(|name| serde_json::Value::from(name).to_string().trim_matches('"').to_owned()).collect();
        Ok(Self {
            names,
            shape: Shape::new(pointers.chain(lists))?,
            found: Found::default(),
            cells: columns.iter().map(Cells::new).collect::<Result<_, _>>()?,
            schema: column_schema(columns),
            rescued: StringBuilder::new(),
            rows: 0,
        })
    }

    /// Reads one row of a child and says where it ends; `None` when the bytes are not what the walk over its parent said, which
    /// cannot be.
    fn push(&mut self, text: &str, start: usize, scratch: &mut Vec<u8>) -> Option<usize> {
        let end = self.shape.walk(text.as_bytes(), start, &mut self.found).ok()?;
        let mut rescue = String::new();
        self.append(text, &mut rescue, scratch);
        Some(end)
    }

    /// Appends the values that the last walk found.
    fn append(&mut self, text: &str, rescue: &mut String, scratch: &mut Vec<u8>) {
        for (slot, cells) in self.cells.iter_mut().enumerate() {
            let value = self.found.slot(slot);
            if cells.push(text, value, scratch) != Fit::Whole
                && let (Some(value), Some(name)) = (value, self.names.get(slot))
            {
                rescue_value(name, text, value, rescue);
            }
        }
        if self.found.has_unknown() {
            self.shape.rescue(text, &self.found, rescue);
        }
        if rescue.is_empty() {
            self.rescued.append_null();
        } else {
            rescue.pop();
            rescue.insert(0, '{');
            rescue.push('}');
            self.rescued.append_value(&*rescue);
        }
        self.rows += 1;
    }

    fn finish(&mut self) -> Result<(RecordBatch, StringArray), TypingError> {
        let wrong = |error: arrow_schema::ArrowError| TypingError::Batch { reason: error.to_string() };
        let columns = self.cells.iter_mut().map(Cells::finish).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(wrong)?;
        self.rows = 0;
        Ok((batch, self.rescued.finish()))
    }
}

fn table_pointer(table: &Table, slot: usize) -> &str {
    table.names.get(slot).map_or("", String::as_str)
}

fn rescue_value(name: &str, text: &str, value: super::json::Value, out: &mut String) {
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    out.push_str(text.get(value.start..value.end).unwrap_or("null"));
    out.push(',');
}

fn check_names<'a>(table: &str, names: impl Iterator<Item = &'a str>) -> Result<(), TypingError> {
    let mut seen: Vec<&str> = TRACKING.to_vec();
    seen.push(super::schema::DELETED_AT);
    for name in names {
        if seen.contains(&name) {
            return Err(TypingError::Twice { table: table.to_owned(), column: name.to_owned() });
        }
        seen.push(name);
    }
    Ok(())
}

fn key_places(table: &str, key: &[String], columns: &[Column]) -> Result<Vec<usize>, TypingError> {
    let place = |name: &String| {
        let place = columns.iter().position(|column| column.name == *name)?;
        let column_type = &columns.get(place)?.column_type;
        (!matches!(column_type, ColumnType::Struct(_) | ColumnType::List(_))).then_some(place)
    };
    key.iter()
        .map(|name| {
            place(name).ok_or_else(|| TypingError::NoSuchColumn { table: table.to_owned(), column: name.clone() })
        })
        .collect()
}

#[cfg(test)]
mod tests;
