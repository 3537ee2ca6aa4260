//! Columns of cleansed tables: the contract's, then the tracking columns that say where a row comes from.
//!
//! Every column may be null in the table, whatever the contract says: the gate keeps nulls out, and a promise that becomes
//! stricter must not make older files unreadable.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Utc};
use headwater_contract::{ChildTable, Column, ColumnType, StreamContract, Window};

/// The place of a child row in its parent's list, from 0.
pub const LINE: &str = "_line";
/// When a row of a keyed table was deleted; null while it is not.
pub const DELETED_AT: &str = "_deleted_at";

/// Tracking columns, in table order.
pub const TRACKING: [&str; 10] = [
    "_source",
    "_slice",
    "_window",
    "_generation",
    "_attempt",
    "_ordinal",
    "_read_at",
    "_landed_at",
    "_row_hash",
    "_rescued",
];

/// The Arrow type of a contract's type.
pub fn data_type(column_type: &ColumnType) -> DataType {
    match column_type {
        ColumnType::String | ColumnType::Json => DataType::Utf8,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => timestamp(),
        ColumnType::Struct(columns) => DataType::Struct(columns.iter().map(field).collect()),
        ColumnType::List(item) => DataType::List(Arc::new(Field::new("element", data_type(&item.column_type), true))),
    }
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn field(column: &Column) -> Field {
    Field::new(&column.name, data_type(&column.column_type), true)
}

/// The contract's columns alone: what the gate judges.
pub fn column_schema(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn tracking_fields() -> impl Iterator<Item = Field> {
    TRACKING.into_iter().map(|name| {
        let data_type = match name {
            "_generation" | "_ordinal" => DataType::Int64,
            "_read_at" | "_landed_at" => timestamp(),
            _ => DataType::Utf8,
        };
        Field::new(name, data_type, true)
    })
}

/// The columns of the table that a stream's windows commit to.
pub fn stream_schema(contract: &StreamContract) -> SchemaRef {
    Arc::new(Schema::new(contract.columns.iter().map(field).chain(tracking_fields()).collect::<Vec<_>>()))
}

/// The columns of a child table: those of its parent, its own, its place in the list, then the parent's tracking columns.
pub fn child_schema(contract: &StreamContract, child: &ChildTable) -> SchemaRef {
    let parent = child.parent_columns.iter().filter_map(|(name, of)| {
        let column = contract.column(of)?;
        Some(Field::new(name, data_type(&column.column_type), true))
    });
    let own = child.columns.iter().map(field);
    let line = std::iter::once(Field::new(LINE, DataType::Int64, true));
    Arc::new(Schema::new(parent.chain(own).chain(line).chain(tracking_fields()).collect::<Vec<_>>()))
}

/// The columns of a keyed table beside its table of versions.
pub fn keyed_schema(versions: &Schema) -> SchemaRef {
    let mut fields: Vec<Field> = versions.fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(Field::new(DELETED_AT, timestamp(), true));
    Arc::new(Schema::new(fields))
}

/// What the tracking columns of all rows of a reading say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// The source's name.
    pub source: String,
    /// The slice; empty for the whole stream.
    pub slice: String,
    /// The window's name.
    pub window: String,
    /// The generation of the reading.
    pub generation: i64,
    /// The attempt.
    pub attempt: String,
    /// When the reading began.
    pub read_at: DateTime<Utc>,
    /// When the attempt began: the receipt that lands it is younger, but its time is not known while rows are written.
    pub landed_at: DateTime<Utc>,
}

impl Tracking {
    /// Of one generation of `window`.
    pub fn new(
        contract: &StreamContract,
        window: &Window,
        generation: u64,
        attempt: ulid::Ulid,
        read_at: DateTime<Utc>,
    ) -> Self {
        Self {
            source: contract.name.source().to_string(),
            slice: window.slice.as_str().to_owned(),
            window: window.name(),
            generation: i64::try_from(generation).unwrap_or(i64::MAX),
            attempt: attempt.to_string(),
            read_at,
            landed_at: DateTime::<Utc>::from(attempt.datetime()),
        }
    }

    /// The tracking columns of a batch of rows, in table order.
    pub(crate) fn columns(&self, ordinals: Vec<i64>, hashes: StringArray, rescued: StringArray) -> Vec<ArrayRef> {
        let rows = ordinals.len();
        let text = |value: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows))) as ArrayRef;
        let time = |value: DateTime<Utc>| {
            Arc::new(TimestampMicrosecondArray::from_value(value.timestamp_micros(), rows).with_timezone("UTC"))
                as ArrayRef
        };
        vec![
            text(&self.source),
            text(&self.slice),
            text(&self.window),
            Arc::new(Int64Array::from_value(self.generation, rows)),
            text(&self.attempt),
            Arc::new(Int64Array::from(ordinals)),
            time(self.read_at),
            time(self.landed_at),
            Arc::new(hashes),
            Arc::new(rescued),
        ]
    }
}
