//! A key, or a column that is not nullable, must have a value.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

use crate::checks::Reason;

/// What kind of value must be there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Presence {
    /// A part of the key.
    Key,
    /// Any other.
    Value,
}

impl Presence {
    #[expect(clippy::unused_self, reason = "a variant of the family, called as the others are")]
    pub(super) fn failures(self, values: &ArrayRef, fail: &mut dyn FnMut(usize)) {
        if let Some(nulls) = values.nulls().filter(|nulls| nulls.null_count() > 0) {
            (0..values.len()).filter(|row| nulls.is_null(*row)).for_each(fail);
        }
    }

    pub(super) fn reason(self, column: Arc<str>) -> Reason {
        match self {
            Self::Key => Reason::KeyMissing { column },
            Self::Value => Reason::Missing { column },
        }
    }
}
