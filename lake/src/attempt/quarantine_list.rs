//! Keeps the records of a reading that failed the gate, with their bytes and reasons.
//!
//! Few stand in the receipt; many go to a Parquet file in raw that the receipt names. Which of the two is decided when there are
//! too many, so a reading of which everything fails needs no more memory than any other.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use tokio::io::AsyncWriteExt;

use super::error::AttemptError;
use super::typed_file::properties;
use crate::raw::{QuarantineList, QuarantinedRow};
use crate::store::{Store, StoreError, Upload};

/// Records that a receipt lists by itself.
const ROWS_MAX: usize = 10_000;
/// Bytes of records that a receipt lists by itself: it is read often and should stay small.
const BYTES_MAX: usize = 4 << 20;

/// The records that failed, as they come.
pub(crate) struct Failed {
    store: Store,
    path: String,
    rows: Vec<QuarantinedRow>,
    bytes: usize,
    file: Option<ArrowWriter<Vec<u8>>>,
    upload: Option<Upload>,
    count: u64,
}

impl std::fmt::Debug for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Failed").field("path", &self.path).field("count", &self.count).finish_non_exhaustive()
    }
}

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("part", DataType::UInt32, false),
        Field::new("row", DataType::UInt64, false),
        Field::new("request", DataType::UInt32, false),
        Field::new("ordinal", DataType::UInt32, false),
        Field::new("reason", DataType::Utf8, false),
        Field::new("record", DataType::Utf8, false),
    ]))
}

impl Failed {
    pub(crate) fn new(store: &Store, path: String) -> Self {
        Self { store: store.clone(), path, rows: Vec::new(), bytes: 0, file: None, upload: None, count: 0 }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn push(&mut self, row: QuarantinedRow) -> Result<(), AttemptError> {
        self.count += 1;
        self.bytes += row.record.len() + row.reason.len();
        self.rows.push(row);
        if self.rows.len() > ROWS_MAX || self.bytes > BYTES_MAX { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), AttemptError> {
        let failed = |source| AttemptError::Parquet { path: self.path.clone(), source };
        let mut writer = match self.file.take() {
            Some(writer) => writer,
            None => ArrowWriter::try_new(Vec::new(), schema(), Some(properties())).map_err(failed)?,
        };
        let batch = batch_of(&self.rows).map_err(|error| failed(error.into()))?;
        writer.write(&batch).and_then(|()| writer.flush()).map_err(failed)?;
        self.file = Some(writer);
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Sends what was encoded, so that memory does not grow with what fails.
    pub(crate) async fn send(&mut self) -> Result<(), AttemptError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let bytes = std::mem::take(file.inner_mut());
        if bytes.is_empty() {
            return Ok(());
        }
        let lost = |source| AttemptError::Store { window: self.path.clone(), source };
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => self.store.upload_new(&self.path).map_err(lost)?,
        };
        upload.write_all(&bytes).await.map_err(|source| lost(StoreError::Disk { action: "write", source }))?;
        self.upload = Some(upload);
        Ok(())
    }

    /// Closes the file if there is one, and says what the receipt lists.
    pub(crate) async fn finish(mut self) -> Result<QuarantineList, AttemptError> {
        if self.file.is_none() {
            return Ok(QuarantineList { rows: self.rows, file: None });
        }
        if !self.rows.is_empty() {
            self.spill()?;
        }
        if let Some(file) = &mut self.file {
            file.finish().map_err(|source| AttemptError::Parquet { path: self.path.clone(), source })?;
        }
        self.send().await?;
        if let Some(upload) = &mut self.upload {
            let disk = |source| StoreError::Disk { action: "write", source };
            let sent = upload.shutdown().await;
            sent.map_err(|source| AttemptError::Store { window: self.path.clone(), source: disk(source) })?;
        }
        Ok(QuarantineList { rows: Vec::new(), file: Some(self.path) })
    }
}

fn batch_of(rows: &[QuarantinedRow]) -> Result<RecordBatch, ArrowError> {
    let texts = |text: fn(&QuarantinedRow) -> &str| Arc::new(StringArray::from_iter_values(rows.iter().map(text)));
    let numbers = |number: fn(&QuarantinedRow) -> u32| Arc::new(UInt32Array::from_iter_values(rows.iter().map(number)));
    RecordBatch::try_new(
        schema(),
        vec![
            numbers(|row| row.part),
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.row))),
            numbers(|row| row.request),
            numbers(|row| row.ordinal),
            texts(|row| &row.reason),
            texts(|row| &row.record),
        ],
    )
}
