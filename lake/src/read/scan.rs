//! A Delta table's live files as one Polars frame.
//!
//! Polars scans local files only: what lies elsewhere is copied to the scratch folder first, once, because a data file never
//! changes. Files written before a column was added lack it; the table's schema fills it with nulls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Schema as ArrowSchema, TimeUnit as ArrowUnit};
use futures::StreamExt;
use futures::TryStreamExt;
use polars::prelude::{
    DataFrame, DataType, Expr, Field, IntoLazy, LazyFrame, NULL, PlRefPath, PolarsResult, ScanArgsParquet, Schema,
    SchemaExt, TimeUnit, TimeZone, UnionArgs, col, concat, lit,
};

use crate::commit::{LiveFile, TableSnapshot};
use crate::read::ReadError;
use crate::store::Store;

/// Files that are copied at the same time.
const COPIES: usize = 8;

/// The rows that `snapshot` shows of the table in `folder`.
///
/// # Shape
///
/// Out: the columns of the table in the order of its schema, rows in no order.
///
/// # Errors
///
/// [`ReadError`] when a file cannot be copied or its schema is not the table's.
pub(crate) async fn scan(
    store: &Store,
    folder: &str,
    snapshot: &TableSnapshot,
    scratch: &Path,
) -> Result<LazyFrame, ReadError> {
    let copies = snapshot.files.iter().map(|file| async move {
        let path = store.local_copy(&format!("{folder}/{}", file.path), scratch).await?;
        Ok::<_, ReadError>((file, path))
    });
    let files: Vec<(&LiveFile, PathBuf)> = futures::stream::iter(copies).buffered(COPIES).try_collect().await?;
    frame_of(&snapshot.schema, &snapshot.partition_columns, files)
        .map_err(|source| ReadError::Query { what: folder.to_owned(), source: Box::new(source) })
}

fn frame_of(schema: &ArrowSchema, partitions: &[String], files: Vec<(&LiveFile, PathBuf)>) -> PolarsResult<LazyFrame> {
    let whole = polars_schema(schema);
    if files.is_empty() {
        return Ok(DataFrame::empty_with_schema(&whole).lazy());
    }
    let stored: Schema =
        whole.iter_fields().filter(|field| !partitions.iter().any(|name| name == field.name().as_str())).collect();
    let mut groups: BTreeMap<&BTreeMap<String, Option<String>>, Vec<PlRefPath>> = BTreeMap::new();
    for (file, path) in files {
        groups.entry(&file.partition).or_default().push(PlRefPath::try_from_pathbuf(path)?);
    }
    let mut frames = Vec::with_capacity(groups.len());
    for (values, paths) in groups {
        let args = ScanArgsParquet {
            schema: Some(Arc::new(stored.clone())),
            allow_missing_columns: true,
            glob: false,
            cache: false,
            ..ScanArgsParquet::default()
        };
        let made = partitions.iter().map(|name| {
            let value = values.get(name).cloned().flatten();
            let value = value.map_or(lit(NULL), lit);
            value.cast(whole.get(name).cloned().unwrap_or(DataType::String)).alias(name.as_str())
        });
        let made: Vec<Expr> = made.collect();
        let frame = LazyFrame::scan_parquet_files(paths.into_iter().collect(), args)?;
        frames.push(if made.is_empty() { frame } else { frame.with_columns(made) });
    }
    let columns: Vec<Expr> = whole.iter_names().map(|name| col(name.clone())).collect();
    let rows = match <[LazyFrame; 1]>::try_from(frames) {
        Ok([only]) => only,
        Err(frames) => concat(frames, UnionArgs::default())?,
    };
    Ok(rows.select(columns))
}

/// The Polars schema of a table.
pub(crate) fn polars_schema(schema: &ArrowSchema) -> Schema {
    schema
        .fields()
        .iter()
        .map(|field| Field::new(field.name().as_str().into(), polars_type(field.data_type())))
        .collect()
}

fn polars_type(column_type: &ArrowType) -> DataType {
    match column_type {
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Int8 => DataType::Int8,
        ArrowType::Int16 => DataType::Int16,
        ArrowType::Int32 => DataType::Int32,
        ArrowType::Int64 => DataType::Int64,
        ArrowType::Float32 => DataType::Float32,
        ArrowType::Float64 => DataType::Float64,
        ArrowType::Date32 => DataType::Date,
        ArrowType::Timestamp(unit, zone) => {
            let unit = match unit {
                ArrowUnit::Second | ArrowUnit::Millisecond => TimeUnit::Milliseconds,
                ArrowUnit::Microsecond => TimeUnit::Microseconds,
                ArrowUnit::Nanosecond => TimeUnit::Nanoseconds,
            };
            DataType::Datetime(unit, zone.as_ref().map(|_| TimeZone::UTC))
        }
        ArrowType::Decimal128(precision, scale) => {
            DataType::Decimal(usize::from(*precision), usize::from(scale.unsigned_abs()))
        }
        ArrowType::Binary | ArrowType::LargeBinary | ArrowType::BinaryView => DataType::Binary,
        ArrowType::List(item) | ArrowType::LargeList(item) => DataType::List(Box::new(polars_type(item.data_type()))),
        ArrowType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| Field::new(field.name().as_str().into(), polars_type(field.data_type())))
                .collect(),
        ),
        ArrowType::Dictionary(_, value) => polars_type(value),
        _ => DataType::String,
    }
}
