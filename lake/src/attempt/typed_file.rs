//! Writes typed rows to Parquet files of a cleansed table while they come, in bounded memory.
//!
//! A file is named by its attempt and no Delta commit names it before there is a receipt. Encoding is separate from sending: the
//! first is work for a thread of its own, the second waits for the store.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tokio::io::AsyncWriteExt;
use ulid::Ulid;

use super::error::AttemptError;
use super::readings::{ReadingRows, count, footer_entry};
use super::stats::delta_stats;
use crate::raw::TypedFile;
use crate::store::{Store, StoreError, Upload};
use crate::zones::layout::{CompactedPath, TypedPath, compacted_path, typed_path};

/// A file is closed at about this size, so that whoever reads one whole needs no more memory.
const FILE_BYTES: usize = 128 << 20;
/// Bytes of a page and of a dictionary, each of which a column keeps one of until it is full: they are what an open file costs.
const PAGE_BYTES: usize = 256 << 10;
/// Bytes of a maximum that a statistic keeps.
const STATISTIC_BYTES: usize = 32;

/// Where a table's files go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The store of the zone.
    pub(crate) store: Store,
    /// The table's name within the source.
    pub(crate) table: String,
    /// The table's folder in the store.
    pub(crate) folder: String,
    /// The rows' columns.
    pub(crate) schema: SchemaRef,
    /// A row group is closed at about so many encoded bytes.
    pub(crate) row_group_bytes: usize,
}

struct Open {
    path: String,
    writer: ArrowWriter<Vec<u8>>,
    upload: Upload,
    hasher: blake3::Hasher,
    size: u64,
    rows: u64,
    /// Of a compacted file: what is in it so far.
    readings: Option<Vec<ReadingRows>>,
}

/// How the files of a writer are called. Every name carries the ULID of who wrote it, so no two writers meet.
#[derive(Clone, Debug)]
pub(crate) enum FileName {
    /// Rows of one generation of a window.
    Typed(TypedPath),
    /// Rows of a keyed table.
    Keyed(Ulid, u32),
    /// Rows of several windows, which the footer names.
    Compacted(CompactedPath),
}

impl FileName {
    fn take(&mut self) -> String {
        match self {
            Self::Typed(typed) => {
                let path = typed_path(typed);
                typed.number += 1;
                path
            }
            Self::Keyed(attempt, number) => {
                let path = format!("k_{attempt}-{number:05}.parquet");
                *number += 1;
                path
            }
            Self::Compacted(compacted) => {
                let path = compacted_path(compacted);
                compacted.number += 1;
                path
            }
        }
    }
}

/// Writes the rows of one table.
pub(crate) struct TypedWriter {
    target: Target,
    next: FileName,
    open: Option<Open>,
    done: Vec<TypedFile>,
}

impl std::fmt::Debug for TypedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypedWriter").field("target", &self.target).field("next", &self.next).finish_non_exhaustive()
    }
}

/// How typed files are encoded.
pub(crate) fn properties() -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(STATISTIC_BYTES))
        .set_created_by(concat!("headwater ", env!("CARGO_PKG_VERSION")).to_owned())
        // Every value of these differs from the one before: a dictionary would be built to be thrown away.
        .set_column_dictionary_enabled(column("_row_hash"), false)
        .set_column_dictionary_enabled(column("_ordinal"), false)
        .set_column_encoding(column("_ordinal"), Encoding::DELTA_BINARY_PACKED)
        .set_column_statistics_enabled(column("_row_hash"), EnabledStatistics::None)
        .set_column_statistics_enabled(column("_rescued"), EnabledStatistics::None)
        .build()
}

impl TypedWriter {
    pub(crate) fn new(target: Target, first: FileName) -> Self {
        Self { target, next: first, open: None, done: Vec::new() }
    }

    /// Encodes rows; the bytes stay in memory until [`TypedWriter::send`].
    pub(crate) fn encode(&mut self, batch: &RecordBatch) -> Result<(), AttemptError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let encoded = open.writer.write(batch).and_then(|()| {
            if open.writer.in_progress_size() > self.target.row_group_bytes { open.writer.flush() } else { Ok(()) }
        });
        encoded.map_err(|source| AttemptError::Parquet { path: open.path.clone(), source })?;
        open.rows += batch.num_rows() as u64;
        if let Some(readings) = &mut open.readings {
            count(readings, batch);
        }
        self.open = Some(open);
        Ok(())
    }

    fn begin(&mut self) -> Result<Open, AttemptError> {
        let path = self.next.take();
        let schema = self.target.schema.clone();
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties()))
            .map_err(|source| AttemptError::Parquet { path: path.clone(), source })?;
        let upload = self.target.store.upload_new(&format!("{}/{path}", self.target.folder));
        let upload = upload.map_err(|source| AttemptError::Store { window: path.clone(), source })?;
        let readings = matches!(self.next, FileName::Compacted(_)).then(Vec::new);
        Ok(Open { path, writer, upload, hasher: blake3::Hasher::new(), size: 0, rows: 0, readings })
    }

    /// Sends what was encoded, and closes a file that is large enough.
    pub(crate) async fn send(&mut self) -> Result<(), AttemptError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.send().await?;
        if open.writer.bytes_written() > FILE_BYTES { self.close().await } else { Ok(()) }
    }

    /// Closes the last file and returns all of them.
    pub(crate) async fn finish(&mut self) -> Result<Vec<TypedFile>, AttemptError> {
        self.close().await?;
        Ok(std::mem::take(&mut self.done))
    }

    async fn close(&mut self) -> Result<(), AttemptError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let failed = |source: ParquetError| AttemptError::Parquet { path: open.path.clone(), source };
        if let Some(readings) = &open.readings {
            open.writer.append_key_value_metadata(footer_entry(readings));
        }
        let metadata = open.writer.finish().map_err(failed)?;
        open.send().await?;
        let sent = open.upload.shutdown().await;
        sent.map_err(|error| lost(&open.path, error))?;
        self.done.push(TypedFile {
            table: self.target.table.clone(),
            path: open.path,
            rows: open.rows,
            size: open.size,
            hash: open.hasher.finalize().to_hex().to_string(),
            stats: delta_stats(&self.target.schema, &metadata),
        });
        Ok(())
    }

    /// Gives up what is being written. Files that are finished stay: nothing names them.
    pub(crate) async fn abort(&mut self) {
        if let Some(open) = &mut self.open {
            open.upload.abort().await;
        }
        self.open = None;
    }
}

impl Open {
    async fn send(&mut self) -> Result<(), AttemptError> {
        let bytes = std::mem::take(self.writer.inner_mut());
        if bytes.is_empty() {
            return Ok(());
        }
        self.hasher.update(&bytes);
        self.size += bytes.len() as u64;
        self.upload.write_all(&bytes).await.map_err(|error| lost(&self.path, error))
    }
}

fn lost(path: &str, error: std::io::Error) -> AttemptError {
    AttemptError::Store { window: path.to_owned(), source: StoreError::Disk { action: "write", source: error } }
}
