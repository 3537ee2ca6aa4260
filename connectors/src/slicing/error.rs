//! Why a stream has no slices, or not the one that was asked for.

use super::SLICES_MAX;
use crate::expression::ExpressionError;

/// Why a stream has no slices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SliceError {
    /// The list is empty.
    #[error("{from} lists nothing, and the stream is read by it")]
    Nothing {
        /// What lists the slices.
        from: String,
    },
    /// More than we take.
    #[error("{from} lists more than {SLICES_MAX} slices, the most that a stream has")]
    TooMany {
        /// What lists the slices.
        from: String,
    },
    /// The stream has no slice of this name.
    #[error("`{slice}` is not in what {from} lists")]
    Unknown {
        /// What was asked for.
        slice: String,
        /// What lists the slices.
        from: String,
    },
    /// The stream has no slices, or has only slices.
    #[error("`{slice}` was asked for, but the stream {}", if slice.is_empty() { "is read by slices" } else { "has none" })]
    NotSliced {
        /// What was asked for.
        slice: String,
    },
    /// A bound of a range is no whole number, or no date was given for it.
    #[error("the bound `{bound}` of {from} has no value that a range can have")]
    NoBound {
        /// Which bound.
        bound: &'static str,
        /// What lists the slices.
        from: String,
    },
    /// A value could not be computed.
    #[error("{0}")]
    Expression(ExpressionError),
}

impl From<ExpressionError> for SliceError {
    fn from(error: ExpressionError) -> Self {
        Self::Expression(error)
    }
}
