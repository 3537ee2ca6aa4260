//! Reads typed files back, and writes them again without some of their rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use bytes::Bytes;
use fs_err as fs;
use headwater_quality::dedup::Drops;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::error::AttemptError;
use super::typed_file::{FileName, Target, TypedWriter};
use crate::raw::TypedFile;
use crate::store::{Store, StoreError};
use crate::zones::layout::TypedPath;

/// Rows read at once.
const BATCH_ROWS: usize = 8_192;

/// A typed file's bytes: a local file is read piece by piece, another one whole (a file has a bounded size).
#[derive(Clone, Debug)]
enum Source {
    File(Arc<std::fs::File>),
    Bytes(Bytes),
}

impl Length for Source {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => Length::len(file.as_ref()),
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl ChunkReader for Source {
    type T = Box<dyn std::io::Read>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(match self {
            Self::File(file) => Box::new(file.get_read(start)?),
            Self::Bytes(bytes) => Box::new(bytes.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Bytes(bytes) => bytes.get_bytes(start, length),
        }
    }
}

async fn source(store: &Store, path: &str) -> Result<Source, StoreError> {
    if store.folder().is_some() {
        let local = store.local_copy(path, std::path::Path::new("")).await?;
        let file = fs::File::open(local).map_err(|source| StoreError::Disk { action: "read", source })?;
        return Ok(Source::File(Arc::new(file.into_parts().0)));
    }
    store.get(path).await.map(Source::Bytes)
}

/// Opens the rows of a Parquet file; only `columns` of them where some are named. Columns that the file lacks are left out.
pub(crate) async fn read_rows(
    store: &Store,
    path: &str,
    columns: Option<&[&str]>,
) -> Result<ParquetRecordBatchReader, AttemptError> {
    let lost = |source| AttemptError::Store { window: path.to_owned(), source };
    let failed = |source| AttemptError::Parquet { path: path.to_owned(), source };
    let source = source(store, path).await.map_err(lost)?;
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(source).map_err(failed)?.with_batch_size(BATCH_ROWS);
    if let Some(columns) = columns {
        let roots: Vec<usize> = builder
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| columns.contains(&field.name().as_str()))
            .map(|(place, _)| place)
            .collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        builder = builder.with_projection(mask);
    }
    builder.build().map_err(failed)
}

/// Writes `files` of one table again without the rows at the dropped positions, where there are any. Returns how many of the
/// dropped rows had something in `_rescued`.
pub(crate) async fn rewrite_without(
    target: &Target,
    first: &TypedPath,
    files: &mut Vec<TypedFile>,
    drops: &mut Drops,
) -> Result<u64, AttemptError> {
    if files.is_empty() {
        return Ok(0);
    }
    let number = u32::try_from(files.len()).unwrap_or(u32::MAX);
    let mut writer = TypedWriter::new(target.clone(), FileName::Typed(TypedPath { number, ..first.clone() }));
    let mut rescued = 0;
    // Rows lie in the order of their positions, so one walk over both lists is enough.
    let mut positions = drops.positions()?.peekable();
    for file in files.iter() {
        let path = format!("{}/{}", target.folder, file.path);
        for batch in read_rows(&target.store, &path, None).await? {
            let batch = batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
            let mut keep = Vec::with_capacity(batch.num_rows());
            for position in ordinals(&batch) {
                while let Some(Ok(dropped)) = positions.peek() {
                    if *dropped >= position {
                        break;
                    }
                    positions.next();
                }
                if matches!(positions.peek(), Some(Err(_))) {
                    positions.next().transpose()?;
                }
                keep.push(!matches!(positions.peek(), Some(Ok(dropped)) if *dropped == position));
            }
            if let Some(column) = batch.column_by_name("_rescued") {
                rescued +=
                    keep.iter().enumerate().filter(|(row, keep)| !**keep && column.is_valid(*row)).count() as u64;
            }
            let kept = filter_record_batch(&batch, &BooleanArray::from(keep));
            let kept = kept.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
            writer.encode(&with_schema(&kept, target)?)?;
            writer.send().await?;
        }
    }
    let written = writer.finish().await?;
    for file in std::mem::replace(files, written) {
        // Nothing names it; should this fail, the cleaner of the cleansed zone finds it.
        drop(target.store.delete(&format!("{}/{}", target.folder, file.path)).await);
    }
    Ok(rescued)
}

/// The positions of a batch's rows in their reading.
pub(crate) fn ordinals(batch: &RecordBatch) -> Vec<u64> {
    let column = batch.column_by_name("_ordinal").and_then(|column| column.as_primitive_opt::<Int64Type>());
    column
        .map(|column| column.values().iter().map(|at| u64::try_from(*at).unwrap_or_default()).collect())
        .unwrap_or_default()
}

/// The same rows under the table's own schema: a file may say more or less of its fields than we do.
pub(crate) fn with_schema(batch: &RecordBatch, target: &Target) -> Result<RecordBatch, AttemptError> {
    let failed =
        |error: arrow_schema::ArrowError| AttemptError::Parquet { path: target.folder.clone(), source: error.into() };
    let columns = target.schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) => arrow_cast::cast(column, field.data_type()).map_err(failed),
        None => Ok(arrow_array::new_null_array(field.data_type(), batch.num_rows())),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(&target.schema), columns).map_err(failed)
}
