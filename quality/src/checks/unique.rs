//! No two keys of a window may show the same value in a column.
//!
//! This is a check on the whole: it says nothing of a row, and a window that fails it is held. Values are kept as digests, in the
//! same bounded tracker that keeps the window's keys: there a value is the key and the record's key is the hash, so "unequal
//! duplicate" reads "two keys share a value". A record that is sent twice shares its value with itself, which is no failure.

use std::path::Path;

use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use headwater_contract::{ColumnType, Digest16};
use serde::{Deserialize, Serialize};

use crate::checks::{Gate, GateError, not_applicable};
use crate::dedup::{DedupError, KeyTracker};

/// A column whose values are not unique in a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUnique {
    /// The column.
    pub column: String,
    /// How many records share a value with an earlier one.
    pub records: u64,
}

/// Remembers the values of a window's unique columns.
#[derive(Debug)]
pub struct Uniques {
    columns: Vec<(String, KeyTracker)>,
    position: u64,
}

pub(super) fn check_type(column: &str, kind: &ColumnType) -> Result<(), GateError> {
    match kind {
        ColumnType::Struct(_) | ColumnType::List(_) | ColumnType::Json => Err(not_applicable(column, "unique", kind)),
        _ => Ok(()),
    }
}

impl Uniques {
    /// Begins a window; the unique columns of `gate` share `memory_bytes`, what does not fit is spilled to `spill_dir`.
    pub fn new(gate: &Gate, memory_bytes: usize, spill_dir: &Path) -> Self {
        let share = memory_bytes / gate.unique_columns().len().max(1);
        let columns = gate.unique_columns().iter();
        Self { columns: columns.map(|name| (name.clone(), KeyTracker::new(share, spill_dir))).collect(), position: 0 }
    }

    /// Remembers the rows of a batch that may land, with the digests of their keys, one a row. Nulls are never equal.
    ///
    /// # Errors
    ///
    /// [`UniqueError`] when the batch lacks a column or the disk refuses.
    pub fn observe(&mut self, batch: &RecordBatch, keys: &[Digest16]) -> Result<(), UniqueError> {
        let options = FormatOptions::default();
        for (name, tracker) in &mut self.columns {
            let mismatch = || GateError::BatchMismatch { column: name.clone() };
            let values = batch.column_by_name(name).ok_or_else(mismatch)?;
            let texts = ArrayFormatter::try_new(values.as_ref(), &options).map_err(|_| mismatch())?;
            for ((row, key), position) in keys.iter().enumerate().take(batch.num_rows()).zip(self.position..) {
                if values.is_valid(row) {
                    tracker.insert(Digest16::of(texts.value(row).to_string().as_bytes()), *key, position)?;
                }
            }
        }
        self.position += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// The columns that failed.
    ///
    /// # Errors
    ///
    /// [`DedupError`] when the disk refuses.
    pub fn finish(self) -> Result<Vec<NotUnique>, DedupError> {
        let mut failed = Vec::new();
        for (column, tracker) in self.columns {
            let records = tracker.finish()?.unequal_duplicates;
            if records > 0 {
                failed.push(NotUnique { column, records });
            }
        }
        Ok(failed)
    }
}

/// Why the values of a batch could not be remembered.
#[derive(Debug, thiserror::Error)]
pub enum UniqueError {
    /// The batch lacks a column.
    #[error(transparent)]
    Batch(#[from] GateError),
    /// The disk refuses.
    #[error(transparent)]
    Keys(#[from] DedupError),
}
