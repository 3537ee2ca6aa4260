//! Types of the contract as Polars, Arrow and Delta know them, for the flat columns that a star can have.

use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field, Schema, TimeUnit as ArrowUnit};
use headwater_contract::ColumnType;
use polars::prelude::{DataType, Expr, TimeUnit, TimeZone, col};

use crate::star::describe::ColumnDescription;

/// Timestamps of the lake: microseconds in UTC.
pub(crate) fn timestamp() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
}

/// The Polars type of a flat column.
pub(crate) fn polars_type(column_type: &ColumnType) -> DataType {
    match column_type {
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Decimal { precision, scale } => {
            DataType::Decimal(usize::from(*precision), usize::from(scale.unsigned_abs()))
        }
        ColumnType::Date => DataType::Date,
        ColumnType::Timestamp => timestamp(),
        ColumnType::String | ColumnType::Json | ColumnType::Struct(_) | ColumnType::List(_) => DataType::String,
    }
}

/// The Arrow type of a flat column, from which the Delta schema is made.
pub(crate) fn arrow_type(column_type: &ColumnType) -> ArrowType {
    match column_type {
        ColumnType::Int64 => ArrowType::Int64,
        ColumnType::Float64 => ArrowType::Float64,
        ColumnType::Boolean => ArrowType::Boolean,
        ColumnType::Decimal { precision, scale } => ArrowType::Decimal128(*precision, *scale),
        ColumnType::Date => ArrowType::Date32,
        ColumnType::Timestamp => ArrowType::Timestamp(ArrowUnit::Microsecond, Some("UTC".into())),
        ColumnType::String | ColumnType::Json | ColumnType::Struct(_) | ColumnType::List(_) => ArrowType::Utf8,
    }
}

/// The Arrow schema of a table.
///
/// Every column is nullable in the log: Delta's invariants on null would need a writer feature that readers may lack, so a test
/// keeps nulls out instead.
pub(crate) fn arrow_schema(columns: &[ColumnDescription]) -> Arc<Schema> {
    let fields = columns.iter().map(|column| Field::new(&column.name, arrow_type(&column.column_type), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A column cast to its declared type; a value that does not fit is an error.
pub(crate) fn cast(column: &str, column_type: &ColumnType) -> Expr {
    col(column).strict_cast(polars_type(column_type))
}

/// The contract's type of a flat Arrow column.
pub(crate) fn flat_type(arrow: &ArrowType) -> ColumnType {
    match arrow {
        ArrowType::Int64 => ColumnType::Int64,
        ArrowType::Float64 => ColumnType::Float64,
        ArrowType::Boolean => ColumnType::Boolean,
        ArrowType::Decimal128(precision, scale) => ColumnType::Decimal { precision: *precision, scale: *scale },
        ArrowType::Date32 => ColumnType::Date,
        ArrowType::Timestamp(_, _) => ColumnType::Timestamp,
        _ => ColumnType::String,
    }
}
