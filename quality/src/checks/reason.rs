//! Why a record may not land.
//!
//! A reason names column and rule and never the value: receipts carry reasons, and receipts outlive the erasure of a person. The
//! record's bytes are in quarantine for whoever may look.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why one record is in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A key column has no value.
    KeyMissing {
        /// The column.
        column: Arc<str>,
    },
    /// A column that must have a value has none, or one that does not fit its type.
    Missing {
        /// The column.
        column: Arc<str>,
    },
    /// A number is below its bound.
    BelowMin {
        /// The column.
        column: Arc<str>,
        /// The bound.
        min: Arc<str>,
    },
    /// A number is above its bound.
    AboveMax {
        /// The column.
        column: Arc<str>,
        /// The bound.
        max: Arc<str>,
    },
    /// A value is none of the allowed ones.
    NotOneOf {
        /// The column.
        column: Arc<str>,
        /// The allowed ones, joined by commas.
        allowed: Arc<str>,
    },
    /// A text does not match its pattern.
    NoMatch {
        /// The column.
        column: Arc<str>,
        /// The pattern.
        pattern: Arc<str>,
    },
    /// A text is too long.
    TooLong {
        /// The column.
        column: Arc<str>,
        /// The most characters it may have.
        characters_max: u32,
    },
    /// A text is not a currency.
    NotACurrencyCode {
        /// The column.
        column: Arc<str>,
    },
    /// The record does not satisfy the stream's JSON Schema.
    SchemaViolated {
        /// JSON pointer to the offending value; empty for the record itself.
        pointer: Arc<str>,
        /// What the schema asks for.
        message: Arc<str>,
    },
    /// The record is not JSON, or nested too deep.
    Undecodable {
        /// What the decoder said.
        message: Arc<str>,
    },
    /// A row of a child table fails, and a record lands whole or not at all.
    Child {
        /// The child table.
        table: Arc<str>,
        /// The row's place in its list, from 0.
        line: u64,
        /// Why the row fails.
        reason: Arc<Reason>,
    },
}

impl Reason {
    /// A stable word for the reason, for counting.
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeyMissing { .. } => "key-missing",
            Self::Missing { .. } => "missing",
            Self::BelowMin { .. } => "below-min",
            Self::AboveMax { .. } => "above-max",
            Self::NotOneOf { .. } => "not-one-of",
            Self::NoMatch { .. } => "no-match",
            Self::TooLong { .. } => "too-long",
            Self::NotACurrencyCode { .. } => "not-a-currency-code",
            Self::SchemaViolated { .. } => "schema-violated",
            Self::Undecodable { .. } => "undecodable",
            Self::Child { reason, .. } => reason.code(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyMissing { column } => write!(f, "key column `{column}` has no value"),
            Self::Missing { column } => write!(f, "`{column}` must have a value of its type"),
            Self::BelowMin { column, min } => write!(f, "`{column}` is below {min}"),
            Self::AboveMax { column, max } => write!(f, "`{column}` is above {max}"),
            Self::NotOneOf { column, allowed } => write!(f, "`{column}` is none of {allowed}"),
            Self::NoMatch { column, pattern } => write!(f, "`{column}` does not match `{pattern}`"),
            Self::TooLong { column, characters_max } => {
                write!(f, "`{column}` has more than {characters_max} characters")
            }
            Self::NotACurrencyCode { column } => write!(f, "`{column}` is not a currency code of three letters"),
            Self::SchemaViolated { pointer, message } if pointer.is_empty() => {
                write!(f, "the record breaks the JSON Schema: {message}")
            }
            Self::SchemaViolated { pointer, message } => write!(f, "`{pointer}` breaks the JSON Schema: {message}"),
            Self::Undecodable { message } => write!(f, "the record cannot be decoded: {message}"),
            Self::Child { table, line, reason } => write!(f, "row {line} of `{table}`: {reason}"),
        }
    }
}
