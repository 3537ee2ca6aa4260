//! A text may have at most so many characters.

use std::sync::Arc;

use arrow_array::ArrayRef;
use headwater_contract::ColumnType;

use crate::checks::{GateError, Reason, not_applicable, text};

/// The `max_length` check of one column.
#[derive(Debug)]
pub(super) struct MaxLength {
    characters_max: u32,
}

impl MaxLength {
    pub(super) fn compile(characters_max: u32, column: &str, kind: &ColumnType) -> Result<Self, GateError> {
        if *kind == ColumnType::String {
            Ok(Self { characters_max })
        } else {
            Err(not_applicable(column, "max_length", kind))
        }
    }

    pub(super) fn failures(&self, values: &ArrayRef, fail: &mut dyn FnMut(usize)) -> Option<()> {
        let most = usize::try_from(self.characters_max).unwrap_or(usize::MAX);
        // A text has at most as many characters as bytes, which are counted already.
        text::each(values, |text| text.len() <= most || text.chars().nth(most).is_none(), fail)
    }

    pub(super) fn reason(&self, column: Arc<str>) -> Reason {
        Reason::TooLong { column, characters_max: self.characters_max }
    }
}
