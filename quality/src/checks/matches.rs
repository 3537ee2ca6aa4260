//! A text must match a regular expression, anywhere.
//!
//! The regex crate takes linear time whatever the pattern, so a manifest cannot make the gate hang.

use std::sync::Arc;

use arrow_array::ArrayRef;
use headwater_contract::ColumnType;
use regex::{Regex, RegexBuilder};

use crate::checks::{GateError, Reason, not_applicable, text};

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The `matches` check of one column.
#[derive(Debug)]
pub(super) struct Matches {
    pattern: Regex,
}

impl Matches {
    pub(super) fn compile(pattern: &str, column: &str, kind: &ColumnType) -> Result<Self, GateError> {
        if *kind != ColumnType::String {
            return Err(not_applicable(column, "matches", kind));
        }
        let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
        compiled.map(|pattern| Self { pattern }).map_err(|error| GateError::BadPattern {
            column: column.to_owned(),
            pattern: pattern.to_owned(),
            message: error.to_string(),
        })
    }

    pub(super) fn failures(&self, values: &ArrayRef, fail: &mut dyn FnMut(usize)) -> Option<()> {
        text::each(values, |text| self.pattern.is_match(text), fail)
    }

    pub(super) fn reason(&self, column: Arc<str>) -> Reason {
        Reason::NoMatch { column, pattern: self.pattern.as_str().into() }
    }
}
