//! Reads parts back in (request, ordinal) order, one row group in memory at a time.
//!
//! Parts are nearly always in that order already, and then this streams. Where bodies came interleaved, the order is made from the
//! two number columns, and row groups are decoded again as often as the order leaves them.

use std::collections::VecDeque;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, UInt32Type};
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use headwater_contract::{Chunk, Exchange};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

use crate::raw::error::RawError;
use crate::raw::part::RawPosition;
use crate::raw::receipt::PartFile;
use crate::store::Store;

/// A body chunk as it lies in raw, with the head of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawChunk {
    /// The answer that it belongs to.
    pub exchange: Exchange,
    /// The piece of its body.
    pub chunk: Chunk,
    /// Where it lies in the parts that are read.
    pub position: RawPosition,
}

/// A row group, and the rows of it that come next, in order.
#[derive(Clone, Debug)]
struct Run {
    part: usize,
    group: usize,
    /// Rows within the group, with the row number in the part of the group's first.
    rows: Vec<usize>,
    group_begins: u64,
}

/// Reads the rows of an attempt's parts.
#[derive(Debug)]
pub struct PartReader {
    raw: Store,
    parts: Vec<PartFile>,
    runs: VecDeque<Run>,
    row: usize,
    part: Option<(usize, Bytes)>,
    group: Option<((usize, usize), RecordBatch)>,
}

/// Opens `parts` to be read in (request, ordinal) order.
///
/// # Errors
///
/// [`RawError::Damaged`] when a part's bytes are not those that its receipt names, else what the store said.
pub async fn read_parts(raw: &Store, parts: &[PartFile]) -> Result<PartReader, RawError> {
    let mut reader =
        PartReader { raw: raw.clone(), parts: parts.to_vec(), runs: VecDeque::new(), row: 0, part: None, group: None };
    reader.order().await?;
    Ok(reader)
}

impl PartReader {
    /// Returns the next chunk, and `None` after the last.
    ///
    /// # Errors
    ///
    /// As [`read_parts`].
    pub async fn next(&mut self) -> Result<Option<RawChunk>, RawError> {
        loop {
            let Some(run) = self.runs.front() else { return Ok(None) };
            let Some(row) = run.rows.get(self.row).copied() else {
                self.runs.pop_front();
                self.row = 0;
                continue;
            };
            let (part, group, begins) = (run.part, run.group, run.group_begins);
            let path = self.path(part);
            let batch = self.group(part, group).await?;
            let position = RawPosition { part: u32::try_from(part).unwrap_or(u32::MAX), row: begins + row as u64 };
            let chunk = row_of(batch, row, position).ok_or_else(|| damaged(path, "a row is not one of ours"))?;
            self.row += 1;
            return Ok(Some(chunk));
        }
    }

    /// Makes the order in which rows are read from the two number columns.
    async fn order(&mut self) -> Result<(), RawError> {
        let mut rows = Vec::new();
        for part in 0..self.parts.len() {
            let bytes = self.bytes(part).await?;
            let found = numbers(&bytes).map_err(|source| RawError::Parquet { path: self.path(part), source })?;
            let said = self.parts.get(part).map(|file| file.rows);
            if said != Some(found.len() as u64) {
                return Err(damaged(self.path(part), "it has another number of rows than its receipt says"));
            }
            rows.extend(found.into_iter().map(|number| (number.key, part, number)));
        }
        // Stable, so that rows in order stay as they lie.
        rows.sort_by_key(|(key, ..)| *key);
        for (_, part, Numbered { group, row, group_begins, .. }) in rows {
            match self.runs.back_mut() {
                Some(run) if run.part == part && run.group == group => run.rows.push(row),
                _ => self.runs.push_back(Run { part, group, rows: vec![row], group_begins }),
            }
        }
        Ok(())
    }

    fn path(&self, part: usize) -> String {
        self.parts.get(part).map(|file| file.path.clone()).unwrap_or_default()
    }

    /// The bytes of a part, compared with its receipt. The last one is kept.
    async fn bytes(&mut self, part: usize) -> Result<Bytes, RawError> {
        if let Some((kept, bytes)) = &self.part
            && *kept == part
        {
            return Ok(bytes.clone());
        }
        self.part = None;
        let Some(file) = self.parts.get(part) else { return Err(damaged(String::new(), "there is no such part")) };
        let bytes = self.raw.get(&file.path).await?;
        if blake3::hash(&bytes).to_hex().as_str() != file.hash {
            return Err(damaged(file.path.clone(), "its hash is not the one that its receipt names"));
        }
        self.part = Some((part, bytes.clone()));
        Ok(bytes)
    }

    async fn group(&mut self, part: usize, group: usize) -> Result<&RecordBatch, RawError> {
        let key = (part, group);
        let batch = match self.group.take() {
            Some((kept, batch)) if kept == key => batch,
            _ => {
                let (bytes, path) = (self.bytes(part).await?, self.path(part));
                let decoding = tokio::task::spawn_blocking(move || decode(bytes, group));
                let decoded = decoding.await.map_err(|_| RawError::Stopped { path: path.clone() })?;
                decoded.map_err(|source| RawError::Parquet { path, source })?
            }
        };
        Ok(&self.group.insert((key, batch)).1)
    }
}

fn damaged(path: String, finding: &str) -> RawError {
    RawError::Damaged { path, finding: finding.to_owned() }
}

/// One row group as one batch. Blocks.
fn decode(bytes: Bytes, group: usize) -> Result<RecordBatch, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let rows = builder.metadata().row_groups().get(group).map_or(0, RowGroupMetaData::num_rows);
    let rows = usize::try_from(rows).unwrap_or_default().max(1);
    let schema = builder.schema().clone();
    let mut batches = builder.with_row_groups(vec![group]).with_batch_size(rows).build()?;
    Ok(batches.next().transpose()?.unwrap_or_else(|| RecordBatch::new_empty(schema)))
}

/// The numbers of a row, and where it lies in its part.
struct Numbered {
    key: (u32, u32),
    group: usize,
    row: usize,
    group_begins: u64,
}

fn numbers(bytes: &Bytes) -> Result<Vec<Numbered>, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone())?;
    let mut numbered = Vec::new();
    let mut group_begins = 0_u64;
    for group in 0..builder.metadata().num_row_groups() {
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone())?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), ["request", "ordinal"]);
        let mut row = 0;
        for batch in builder.with_row_groups(vec![group]).with_projection(mask).build()? {
            let batch = batch?;
            let column = |name| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<UInt32Type>());
            let (Some(requests), Some(ordinals)) = (column("request"), column("ordinal")) else {
                return Err(ParquetError::General("it has no columns `request` and `ordinal`".to_owned()));
            };
            for (request, ordinal) in requests.values().iter().zip(ordinals.values()) {
                numbered.push(Numbered { key: (*request, *ordinal), group, row, group_begins });
                row += 1;
            }
        }
        group_begins += row as u64;
    }
    Ok(numbered)
}

fn row_of(batch: &RecordBatch, row: usize, position: RawPosition) -> Option<RawChunk> {
    let column = |name| batch.column_by_name(name);
    let text = |name| column(name)?.as_string_opt::<i32>().map(|texts| texts.value(row).to_owned());
    let number = |name| column(name)?.as_primitive_opt::<UInt32Type>().map(|numbers| numbers.value(row));
    let instant = |name| -> Option<Option<DateTime<Utc>>> {
        let instants = column(name)?.as_primitive_opt::<TimestampMicrosecondType>()?;
        Some(if instants.is_null(row) { None } else { DateTime::from_timestamp_micros(instants.value(row)) })
    };
    let request = number("request")?;
    let exchange = Exchange {
        request,
        method: text("method")?,
        url: text("url")?,
        status: u16::try_from(column("status")?.as_primitive_opt::<UInt32Type>()?.value(row)).ok()?,
        headers: serde_json::from_str(&text("headers")?).ok()?,
        fetched_at: instant("fetched_at")??,
        source_date: instant("source_date")?,
    };
    let body = Bytes::copy_from_slice(column("body")?.as_binary_opt::<i32>()?.value(row));
    Some(RawChunk { exchange, chunk: Chunk { request, ordinal: number("ordinal")?, body }, position })
}
