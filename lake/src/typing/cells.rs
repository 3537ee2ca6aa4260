//! Columns under construction: each takes values of one type, exactly, or says that they do not fit.
//!
//! Text of a number, `true` or `false` is taken where those are promised (CSV has nothing else, and 64-bit ids travel as text);
//! a number where text is promised is a misfit.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, ListArray, StructArray, new_null_array};
use arrow_schema::{ArrowError, DataType, Field, Fields};
use deltalake_core::arrow::buffer::{NullBuffer, OffsetBuffer};
use headwater_contract::{Column, ColumnType};

use super::error::TypingError;
use super::json::{Cursor, Kind, Value, unescape};
use super::schema::data_type;
use super::shape::{Found, Shape};
use super::time::TimeReader;
use super::{number, time};

/// How a value went into its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// As promised.
    Whole,
    /// As promised, and it holds fields that the contract does not name.
    Surplus,
    /// Not of the promised type: the column holds null.
    Misfit,
}

/// A column that grows.
#[derive(Debug)]
pub(super) enum Cells {
    Text(StringBuilder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Boolean(BooleanBuilder),
    Decimal(Decimal128Builder, u8, i8),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder, TimeReader),
    Json(StringBuilder),
    Struct(Box<StructCells>),
    List(Box<ListCells>),
}

#[derive(Debug)]
pub(super) struct StructCells {
    fields: Fields,
    shape: Shape,
    found: Found,
    cells: Vec<Cells>,
    nullable: Vec<bool>,
    valid: Vec<bool>,
}

#[derive(Debug)]
pub(super) struct ListCells {
    item: Arc<Field>,
    nullable: bool,
    cells: Cells,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

/// A value taken apart, ready to be appended.
enum Scalar<'a> {
    Text(&'a str),
    Escaped,
    Int64(i64),
    Float64(f64),
    Boolean(bool),
    Decimal(i128),
    Date(i32),
    Timestamp(i64),
}

impl Cells {
    pub(super) fn new(column: &Column) -> Result<Self, TypingError> {
        Ok(match &column.column_type {
            ColumnType::String => Self::Text(StringBuilder::new()),
            ColumnType::Json => Self::Json(StringBuilder::new()),
            ColumnType::Int64 => Self::Int64(Int64Builder::new()),
            ColumnType::Float64 => Self::Float64(Float64Builder::new()),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::new()),
            ColumnType::Date => Self::Date(Date32Builder::new()),
            ColumnType::Decimal { precision, scale } => {
                let data_type = DataType::Decimal128(*precision, *scale);
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type), *precision, *scale)
            }
            ColumnType::Timestamp => Self::Timestamp(
                TimestampMicrosecondBuilder::new().with_timezone("UTC"),
                TimeReader::new(&column.name, &column.format)?,
            ),
            ColumnType::Struct(columns) => {
                let fields =
                    columns.iter().map(|column| Field::new(&column.name, data_type(&column.column_type), true));
                Self::Struct(Box::new(StructCells {
                    fields: fields.collect(),
                    shape: Shape::new(columns.iter().map(|column| (column.name.as_str(), column.pointer.as_str())))?,
                    found: Found::default(),
                    cells: columns.iter().map(Self::new).collect::<Result<_, _>>()?,
                    nullable: columns.iter().map(|column| column.nullable).collect(),
                    valid: Vec::new(),
                }))
            }
            ColumnType::List(item) => Self::List(Box::new(ListCells {
                item: Arc::new(Field::new("element", data_type(&item.column_type), true)),
                nullable: item.nullable,
                cells: Self::new(item)?,
                lengths: Vec::new(),
                valid: Vec::new(),
            })),
        })
    }

    /// Appends a value, or null where it is null, missing or a misfit.
    pub(super) fn push(&mut self, text: &str, value: Option<Value>, scratch: &mut Vec<u8>) -> Fit {
        let Some(value) = value.filter(|value| value.kind != Kind::Null) else {
            self.push_null();
            return Fit::Whole;
        };
        match self {
            Self::Struct(cells) => return cells.push(text, value, scratch),
            Self::List(cells) => return cells.push(text, value, scratch),
            _ => {}
        }
        let Some(scalar) = self.scalar(text, value, scratch) else {
            self.push_null();
            return Fit::Misfit;
        };
        match (self, scalar) {
            (Self::Text(builder) | Self::Json(builder), Scalar::Text(value)) => builder.append_value(value),
            (Self::Text(builder), Scalar::Escaped) => builder.append_value(String::from_utf8_lossy(scratch)),
            (Self::Int64(builder), Scalar::Int64(value)) => builder.append_value(value),
            (Self::Float64(builder), Scalar::Float64(value)) => builder.append_value(value),
            (Self::Boolean(builder), Scalar::Boolean(value)) => builder.append_value(value),
            (Self::Decimal(builder, ..), Scalar::Decimal(value)) => builder.append_value(value),
            (Self::Date(builder), Scalar::Date(value)) => builder.append_value(value),
            (Self::Timestamp(builder, _), Scalar::Timestamp(value)) => builder.append_value(value),
            (cells, _) => {
                cells.push_null();
                return Fit::Misfit;
            }
        }
        Fit::Whole
    }

    /// Reads a value as this column's type; an escaped text is left in `scratch`.
    fn scalar<'a>(&self, text: &'a str, value: Value, scratch: &mut Vec<u8>) -> Option<Scalar<'a>> {
        let bytes = text.as_bytes();
        let plain = match value.kind {
            Kind::Number => value.of(bytes),
            Kind::Text(false) => value.inner(bytes),
            _ => &[],
        };
        let is_number_or_text = matches!(value.kind, Kind::Number | Kind::Text(false));
        match self {
            Self::Json(_) => text.get(value.start..value.end).map(Scalar::Text),
            Self::Text(_) => match value.kind {
                Kind::Text(false) => text.get(value.start + 1..value.end - 1).map(Scalar::Text),
                Kind::Text(true) => {
                    unescape(value.inner(bytes), scratch);
                    Some(Scalar::Escaped)
                }
                _ => None,
            },
            Self::Boolean(_) => match value.kind {
                Kind::True => Some(Scalar::Boolean(true)),
                Kind::False => Some(Scalar::Boolean(false)),
                _ if plain == b"true" => Some(Scalar::Boolean(true)),
                _ if plain == b"false" => Some(Scalar::Boolean(false)),
                _ => None,
            },
            Self::Date(_) if value.kind == Kind::Text(false) => time::date(plain).map(Scalar::Date),
            Self::Timestamp(_, reader) => {
                let is_taken =
                    value.kind == Kind::Text(false) || (value.kind == Kind::Number && reader.reads_numbers());
                // RFC 3339 and patterns may be written with escapes (`\/`); rare enough to be taken the long way.
                if value.kind == Kind::Text(true) {
                    unescape(value.inner(bytes), scratch);
                    return reader.read(scratch).map(Scalar::Timestamp);
                }
                if is_taken { reader.read(plain).map(Scalar::Timestamp) } else { None }
            }
            Self::Int64(_) if is_number_or_text => number::integer(plain).map(Scalar::Int64),
            Self::Float64(_) if is_number_or_text => number::float(plain).map(Scalar::Float64),
            Self::Decimal(_, precision, scale) if is_number_or_text => {
                number::decimal(plain, *precision, *scale).map(Scalar::Decimal)
            }
            _ => None,
        }
    }

    /// Whether a value inside a struct or list would fit; those are taken whole or not at all.
    fn fits(&self, text: &str, value: Option<Value>, nullable: bool, scratch: &mut Vec<u8>) -> bool {
        let Some(value) = value.filter(|value| value.kind != Kind::Null) else { return nullable };
        match self {
            Self::Struct(cells) => cells.fits(text, value, scratch),
            Self::List(cells) => cells.fits(text, value, scratch),
            _ => self.scalar(text, value, scratch).is_some(),
        }
    }

    pub(super) fn push_null(&mut self) {
        match self {
            Self::Text(builder) | Self::Json(builder) => builder.append_null(),
            Self::Int64(builder) => builder.append_null(),
            Self::Float64(builder) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp(builder, _) => builder.append_null(),
            Self::Struct(cells) => {
                cells.cells.iter_mut().for_each(Self::push_null);
                cells.valid.push(false);
            }
            Self::List(cells) => {
                cells.lengths.push(0);
                cells.valid.push(false);
            }
        }
    }

    /// Takes what was appended.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(builder) | Self::Json(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder, _) => Arc::new(builder.finish()),
            Self::Struct(cells) => {
                let valid = NullBuffer::from(std::mem::take(&mut cells.valid));
                if cells.fields.is_empty() {
                    return Ok(new_null_array(&DataType::Struct(Fields::empty()), valid.len()));
                }
                let arrays = cells.cells.iter_mut().map(Self::finish).collect::<Result<_, _>>()?;
                Arc::new(StructArray::try_new(cells.fields.clone(), arrays, Some(valid))?)
            }
            Self::List(cells) => {
                let offsets = OffsetBuffer::from_lengths(std::mem::take(&mut cells.lengths));
                let valid = NullBuffer::from(std::mem::take(&mut cells.valid));
                Arc::new(ListArray::try_new(Arc::clone(&cells.item), offsets, cells.cells.finish()?, Some(valid))?)
            }
        })
    }
}

impl StructCells {
    fn push(&mut self, text: &str, value: Value, scratch: &mut Vec<u8>) -> Fit {
        if !self.fits(text, value, scratch) || self.shape.walk(text.as_bytes(), value.start, &mut self.found).is_err() {
            self.cells.iter_mut().for_each(Cells::push_null);
            self.valid.push(false);
            return Fit::Misfit;
        }
        let mut fit = if self.found.has_unknown() { Fit::Surplus } else { Fit::Whole };
        for (slot, cells) in self.cells.iter_mut().enumerate() {
            if cells.push(text, self.found.slot(slot), scratch) == Fit::Surplus {
                fit = Fit::Surplus;
            }
        }
        self.valid.push(true);
        fit
    }

    fn fits(&self, text: &str, value: Value, scratch: &mut Vec<u8>) -> bool {
        let mut found = Found::default();
        value.kind == Kind::Object
            && self.shape.walk(text.as_bytes(), value.start, &mut found).is_ok()
            && self
                .cells
                .iter()
                .zip(&self.nullable)
                .enumerate()
                .all(|(slot, (cells, nullable))| cells.fits(text, found.slot(slot), *nullable, scratch))
    }
}

impl ListCells {
    fn push(&mut self, text: &str, value: Value, scratch: &mut Vec<u8>) -> Fit {
        if !self.fits(text, value, scratch) {
            self.lengths.push(0);
            self.valid.push(false);
            return Fit::Misfit;
        }
        let (mut length, mut fit) = (0, Fit::Whole);
        for item in items(text.as_bytes(), value) {
            if self.cells.push(text, Some(item), scratch) == Fit::Surplus {
                fit = Fit::Surplus;
            }
            length += 1;
        }
        self.lengths.push(length);
        self.valid.push(true);
        fit
    }

    fn fits(&self, text: &str, value: Value, scratch: &mut Vec<u8>) -> bool {
        value.kind == Kind::Array
            && items(text.as_bytes(), value).all(|item| self.cells.fits(text, Some(item), self.nullable, scratch))
    }
}

/// The items of an array that was walked over before.
fn items(bytes: &[u8], array: Value) -> impl Iterator<Item = Value> + '_ {
    let mut cursor = Cursor::new(bytes, array.start + 1);
    std::iter::from_fn(move || {
        cursor.space();
        if matches!(cursor.peek(), None | Some(b']')) {
            return None;
        }
        let item = cursor.value(0).ok()?;
        cursor.space();
        cursor.passes(b',');
        Some(item)
    })
}
