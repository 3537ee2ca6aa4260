//! What can keep a person from being erased. Nothing is deleted before what replaces it is there.

use headwater_contract::{ErrorKind, Explain, StreamName};
use thiserror::Error;

use crate::attempt::AttemptError;
use crate::commit::{CommitError, LogError};
use crate::ledger::LedgerError;
use crate::maintenance::MaintenanceError;
use crate::raw::{RawError, ReceiptError};
use crate::star::StarError;
use crate::store::StoreError;
use crate::typing::TypingError;

/// Why an erasure stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ErasureError {
    /// What was asked for is no list of streams with values.
    #[error("whom to erase is not said: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// The stream has no such column.
    #[error("`{stream}` has no column `{column}`")]
    NoColumn {
        /// The stream.
        stream: StreamName,
        /// The column.
        column: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// The column's type names nobody.
    #[error("column `{column}` of `{stream}` is a {column_type}, which names nobody")]
    NotAName {
        /// The stream.
        stream: StreamName,
        /// The column.
        column: String,
        /// Its type.
        column_type: String,
    },
    /// The value does not fit the column.
    #[error("the value for column `{column}` of `{stream}` is no {column_type}")]
    NotOfType {
        /// The stream.
        stream: StreamName,
        /// The column.
        column: String,
        /// Its type.
        column_type: String,
    },
    /// Nobody is known by these values.
    #[error("no record of {streams} has these values")]
    Nobody {
        /// Streams and columns.
        streams: String,
    },
    /// A star is made from the tables of another one.
    #[error("star `{star}` reads `{table}`, a table of another star, so nobody can tell which members it must forget")]
    StarOnStar {
        /// The star.
        star: String,
        /// What it reads.
        table: String,
    },
    /// Another runner landed a reading meanwhile.
    #[error("another runner landed a reading of {window} meanwhile")]
    Overtaken {
        /// Stream and window.
        window: String,
    },
    /// What was written again is not what was read.
    #[error("{window} was to be written again: {read} records were read, its receipt says {said}")]
    Unequal {
        /// Stream, window and generation.
        window: String,
        /// Records that were read.
        read: u64,
        /// Records that the receipt counts.
        said: u64,
    },
    /// Other writers were first every time.
    #[error("other writers were first at `{table}` {tries} times in a row")]
    Busy {
        /// The table's path in its zone.
        table: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The key of the lake's digests cannot be made or is gone.
    #[error("the key that digests of erased values are made with is not there")]
    NoSecret,
    /// An object that an erasure left cannot be used.
    #[error("`{path}` cannot be used: {finding}")]
    Damaged {
        /// Where it lies in raw.
        path: String,
        /// What is wrong with it.
        finding: String,
    },
    /// The store did not do as it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Receipts could not be read or written.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// Parts could not be read or written.
    #[error(transparent)]
    Raw(#[from] RawError),
    /// A contract cannot be read by.
    #[error(transparent)]
    Typing(#[from] TypingError),
    /// Records could not be decoded, typed or landed.
    #[error(transparent)]
    Rows(#[from] AttemptError),
    /// The log of a table.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A table could not be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Needless files could not be deleted.
    #[error(transparent)]
    Maintenance(#[from] MaintenanceError),
    /// The lake belongs to another ledger, or the ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A star could not forget.
    #[error(transparent)]
    Star(#[from] StarError),
}

impl ErasureError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Store(error) => Some(error),
            Self::Receipt(error) => Some(error),
            Self::Raw(error) => Some(error),
            Self::Typing(error) => Some(error),
            Self::Rows(error) => Some(error),
            Self::Log(error) => Some(error),
            Self::Commit(error) => Some(error),
            Self::Maintenance(error) => Some(error),
            Self::Ledger(error) => Some(error),
            Self::Star(error) => Some(error),
            _ => None,
        }
    }

    /// Whether nothing was written yet.
    fn is_before_all(&self) -> bool {
        matches!(
            self,
            Self::Malformed { .. }
                | Self::NoColumn { .. }
                | Self::NotAName { .. }
                | Self::NotOfType { .. }
                | Self::Nobody { .. }
                | Self::StarOnStar { .. }
        )
    }
}

impl Explain for ErasureError {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "erase-arguments",
            Self::NoColumn { .. } => "erase-column",
            Self::NotAName { .. } => "erase-column-type",
            Self::NotOfType { .. } => "erase-value",
            Self::Nobody { .. } => "erase-nobody",
            Self::StarOnStar { .. } => "erase-star",
            Self::Overtaken { .. } => "erase-overtaken",
            Self::Unequal { .. } => "erase-unequal",
            Self::Busy { .. } => "table-busy",
            Self::NoSecret => "erase-key",
            Self::Damaged { .. } => "erase-record",
            _ => self.inner().map_or("erasure", Explain::code),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed { .. }
            | Self::NoColumn { .. }
            | Self::NotAName { .. }
            | Self::NotOfType { .. }
            | Self::Nobody { .. }
            | Self::StarOnStar { .. } => ErrorKind::Config,
            Self::Overtaken { .. } | Self::Busy { .. } => ErrorKind::Parked,
            Self::NoSecret | Self::Damaged { .. } | Self::Unequal { .. } => ErrorKind::Internal,
            _ => self.inner().map_or(ErrorKind::Internal, Explain::kind),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::NoColumn { stream, column, .. }
            | Self::NotAName { stream, column, .. }
            | Self::NotOfType { stream, column, .. } => format!("{stream} {column}=…"),
            Self::Malformed { .. } => "the command line".to_owned(),
            Self::Nobody { streams } => streams.clone(),
            Self::StarOnStar { star, .. } => format!("star {star}"),
            Self::Overtaken { window } | Self::Unequal { window, .. } => window.clone(),
            Self::Busy { table, .. } => format!("table {table}"),
            Self::NoSecret => crate::zones::layout::ERASURE_KEY.to_owned(),
            Self::Damaged { path, .. } => path.clone(),
            _ => self.inner().map(Explain::place).unwrap_or_default(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Malformed { .. } => {
                "say SOURCE.STREAM COLUMN=VALUE, e.g. `headwater erase shop.customers id=42 shop.orders customer_id=42`"
                    .to_owned()
            }
            Self::NoColumn { known, .. } => format!("name one of its columns: {}", known.join(", ")),
            Self::NotAName { .. } => "name a column of texts or whole numbers that identifies the person".to_owned(),
            Self::NotOfType { column_type, .. } => format!("give a {column_type}, as the table shows it"),
            Self::Nobody { .. } => "compare the value with the table's: texts are compared letter by letter".to_owned(),
            Self::StarOnStar { .. } => "build that star from cleansed tables, or drop it, then run again".to_owned(),
            Self::Overtaken { .. } => "run again".to_owned(),
            Self::Busy { .. } => "run again when the other writers are done".to_owned(),
            Self::Unequal { .. } => {
                "run `headwater quarantine replay` for the window to see what its bodies give, then run again"
                    .to_owned()
            }
            Self::NoSecret | Self::Damaged { .. } => {
                "restore the object from a copy of raw: without it nobody knows whom to leave out".to_owned()
            }
            _ => self.inner().map(Explain::fix).unwrap_or_default(),
        }
    }

    fn committed(&self) -> String {
        if self.is_before_all() {
            "nothing was erased".to_owned()
        } else {
            "the person may still be there in part and nobody else is touched; running again finishes".to_owned()
        }
    }
}
