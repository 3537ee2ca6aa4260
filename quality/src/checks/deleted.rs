//! Reads the flag by which a row says that it is deleted.
//!
//! A deleted row often carries nothing but its key, so it owes no other column; the committer asks the same flag when it dates the
//! delete.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use headwater_contract::{Deletes, StreamContract};

use crate::checks::GateError;

/// The delete flag of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteFlag {
    column: String,
    /// Its values that mean deleted; when empty, any but null and false does.
    values: Vec<String>,
}

impl DeleteFlag {
    /// The flag of a stream, `None` where deletes do not show in a column.
    ///
    /// # Errors
    ///
    /// [`GateError::NotAColumn`] when the contract names a column that it does not have.
    pub fn compile(contract: &StreamContract) -> Result<Option<Self>, GateError> {
        let Deletes::Flag { column, values } = &contract.deletes else { return Ok(None) };
        if contract.column(column).is_none() {
            return Err(GateError::NotAColumn { column: column.clone(), used_as: "the delete flag" });
        }
        Ok(Some(Self { column: column.clone(), values: values.clone() }))
    }

    /// True for each row that says it is deleted; never null.
    ///
    /// # Errors
    ///
    /// [`GateError::BatchMismatch`] when the batch lacks the column.
    pub fn mask(&self, batch: &RecordBatch) -> Result<BooleanArray, GateError> {
        let mismatch = || GateError::BatchMismatch { column: self.column.clone() };
        let flags: &ArrayRef = batch.column_by_name(&self.column).ok_or_else(mismatch)?;
        if self.values.is_empty() {
            let truths = flags.as_boolean_opt();
            let is_set = |row: usize| flags.is_valid(row) && truths.is_none_or(|truths| truths.value(row));
            return Ok((0..flags.len()).map(|row| Some(is_set(row))).collect());
        }
        let options = FormatOptions::default();
        let texts = ArrayFormatter::try_new(flags.as_ref(), &options).map_err(|_| mismatch())?;
        let means_deleted = |row: usize| {
            let text = texts.value(row).to_string();
            self.values.contains(&text)
        };
        Ok((0..flags.len()).map(|row| Some(flags.is_valid(row) && means_deleted(row))).collect())
    }
}
