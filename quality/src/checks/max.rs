//! A number must be at most so much.

use std::sync::Arc;

use arrow_array::ArrayRef;
use headwater_contract::ColumnType;

use crate::checks::number::{Bound, Side};
use crate::checks::{GateError, Reason};

/// The `max` check of one column.
#[derive(Debug)]
pub(super) struct Max(Bound);

impl Max {
    pub(super) fn compile(bound: f64, column: &str, kind: &ColumnType) -> Result<Self, GateError> {
        Bound::compile(Side::AtMost, bound, column, kind).map(Self)
    }

    pub(super) fn failures(&self, values: &ArrayRef, fail: &mut dyn FnMut(usize)) -> Option<()> {
        self.0.failures(values, fail)
    }

    pub(super) fn reason(&self, column: Arc<str>) -> Reason {
        Reason::AboveMax { column, max: self.0.written().into() }
    }
}
