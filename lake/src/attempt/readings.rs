//! What a compacted file says of itself in its footer: which readings have rows in it, and how many.
//!
//! A typed file names its one reading in its path. A compacted one holds those of many windows, so it lists them where Parquet has
//! room for such facts: every reader ignores them, and they cost one small request to learn.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};
use serde::{Deserialize, Serialize};

use super::error::AttemptError;
use crate::store::Store;

/// The footer's key, with the version of what it holds.
const KEY: &str = "headwater.readings.1";
/// Bytes at the end of a file that hold most footers.
const TAIL_BYTES: usize = 64 << 10;
/// A footer larger than this is none of ours.
const FOOTER_BYTES_MAX: usize = 256 << 20;

/// Rows of one reading in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadingRows {
    /// The window's name.
    pub(crate) window: String,
    /// The generation that its rows were read as.
    pub(crate) generation: u64,
    /// How many rows.
    pub(crate) rows: u64,
}

/// Counts the rows of `batch` in.
pub(crate) fn count(readings: &mut Vec<ReadingRows>, batch: &RecordBatch) {
    let windows = batch.column_by_name("_window").and_then(|column| column.as_string_opt::<i32>());
    let generations = batch.column_by_name("_generation").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(windows), Some(generations)) = (windows, generations) else { return };
    for row in 0..windows.len() {
        let window = windows.value(row);
        let generation = u64::try_from(generations.value(row)).unwrap_or_default();
        match readings.last_mut() {
            Some(last) if last.window == window && last.generation == generation => last.rows += 1,
            _ => readings.push(ReadingRows { window: window.to_owned(), generation, rows: 1 }),
        }
    }
}

/// What the footer says of `readings`.
pub(crate) fn footer_entry(readings: &[ReadingRows]) -> KeyValue {
    // Plain data with string keys: this has no way to fail.
    KeyValue::new(KEY.to_owned(), serde_json::to_string(readings).unwrap_or_default())
}

/// Reads what a compacted file of `size` bytes says of itself.
pub(crate) async fn read_readings(store: &Store, path: &str, size: u64) -> Result<Vec<ReadingRows>, AttemptError> {
    let failed = |source| AttemptError::Parquet { path: path.to_owned(), source };
    let footer = footer(store, path, size).await?;
    let entries = footer.file_metadata().key_value_metadata();
    let text = entries.and_then(|entries| entries.iter().find(|entry| entry.key == KEY)?.value.as_deref());
    let absent = || failed(ParquetError::General("its footer does not say which readings it holds".to_owned()));
    serde_json::from_str(text.ok_or_else(absent)?).map_err(|error| failed(ParquetError::External(Box::new(error))))
}

async fn footer(store: &Store, path: &str, size: u64) -> Result<ParquetMetaData, AttemptError> {
    let failed = |source| AttemptError::Parquet { path: path.to_owned(), source };
    let mut tail = TAIL_BYTES;
    loop {
        let from = size.saturating_sub(tail as u64);
        let bytes = store.get_range(path, from..size).await;
        let bytes = bytes.map_err(|source| AttemptError::Store { window: path.to_owned(), source })?;
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&bytes, size) {
            Ok(()) => return reader.finish().map_err(failed),
            Err(ParquetError::NeedMoreData(needed)) if needed > tail && needed <= FOOTER_BYTES_MAX => tail = needed,
            Err(error) => return Err(failed(error)),
        }
    }
}
