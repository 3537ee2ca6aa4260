//! Why a contract cannot be turned into a reader.

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

/// A contract that no reader can be made for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TypingError {
    /// A JSON pointer is empty or begins with `/`.
    #[error("`{pointer}` of column `{column}` is not a JSON pointer")]
    Pointer {
        /// The column.
        column: String,
        /// Its pointer.
        pointer: String,
    },
    /// Two columns of a table have one name, or one has a name that Headwater uses.
    #[error("table `{table}` has column `{column}` twice")]
    Twice {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A time zone that is not in the IANA database.
    #[error("`{zone}` of column `{column}` is not a time zone")]
    Zone {
        /// The column.
        column: String,
        /// The zone as written.
        zone: String,
    },
    /// A `strftime` pattern that cannot be read.
    #[error("`{pattern}` of column `{column}` is not a pattern of a timestamp")]
    Pattern {
        /// The column.
        column: String,
        /// The pattern as written.
        pattern: String,
    },
    /// A key, parent or window column that the contract does not list.
    #[error("table `{table}` names column `{column}`, which it does not have")]
    NoSuchColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Columns could not be put together; a bug.
    #[error("typed columns do not make a batch: {reason}")]
    Batch {
        /// What Arrow said.
        reason: String,
    },
}

impl Explain for TypingError {
    fn code(&self) -> &'static str {
        match self {
            Self::Pointer { .. } => "column-pointer",
            Self::Twice { .. } => "column-twice",
            Self::Zone { .. } => "column-zone",
            Self::Pattern { .. } => "column-pattern",
            Self::NoSuchColumn { .. } => "column-missing",
            Self::Batch { .. } => "typed-batch",
        }
    }

    fn kind(&self) -> ErrorKind {
        if matches!(self, Self::Batch { .. }) { ErrorKind::Internal } else { ErrorKind::Config }
    }

    fn place(&self) -> String {
        match self {
            Self::Pointer { column, .. } | Self::Zone { column, .. } | Self::Pattern { column, .. } => {
                format!("column {column}")
            }
            Self::Twice { table, column } | Self::NoSuchColumn { table, column } => {
                format!("table {table}, column {column}")
            }
            Self::Batch { .. } => String::new(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Pointer { .. } => "write it as `/field` or `/object/field`".to_owned(),
            Self::Twice { .. } => "give one of them another name".to_owned(),
            Self::Zone { .. } => "name a zone such as `UTC` or `Europe/Berlin`".to_owned(),
            Self::Pattern { .. } => "write it as `strftime` does, e.g. `%Y-%m-%d %H:%M:%S`".to_owned(),
            Self::NoSuchColumn { .. } => "add it under `columns`".to_owned(),
            Self::Batch { .. } => "report it with the code and the run id".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing of this window was committed; running again is safe".to_owned()
    }
}
