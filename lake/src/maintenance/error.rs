//! What can go wrong while cleaning up. Nothing that is shown is ever touched before what replaces it is committed.

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

use crate::attempt::AttemptError;
use crate::commit::{CommitError, LogError};
use crate::ledger::LedgerError;
use crate::raw::ReceiptError;
use crate::store::StoreError;

/// Why cleaning up stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// The store did not do as it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Receipts could not be read or written.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The log of a table.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What was owed to a table could not be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The lake belongs to another ledger, or the ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Rows could not be read or written.
    #[error(transparent)]
    Rows(#[from] AttemptError),
    /// Other writers were first every time.
    #[error("other writers were first at `{table}` {tries} times in a row")]
    Busy {
        /// The table's path in its zone.
        table: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The new files do not hold the rows of the old ones.
    #[error("`{table}` was to be compacted: its files have {read} rows, their statistics say {said}")]
    Unequal {
        /// The table's path in its zone.
        table: String,
        /// Rows that were read.
        read: u64,
        /// Rows that the log states.
        said: u64,
    },
    /// A file of the scratch folder.
    #[error("the scratch folder cannot be cleaned")]
    Scratch {
        /// What the file system said; names the file.
        #[from]
        source: std::io::Error,
    },
}

impl MaintenanceError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Store(error) => Some(error),
            Self::Receipt(error) => Some(error),
            Self::Log(error) => Some(error),
            Self::Commit(error) => Some(error),
            Self::Ledger(error) => Some(error),
            Self::Rows(error) => Some(error),
            Self::Busy { .. } | Self::Unequal { .. } | Self::Scratch { .. } => None,
        }
    }
}

impl Explain for MaintenanceError {
    fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "table-busy",
            Self::Unequal { .. } => "compaction-unequal",
            Self::Scratch { .. } => "scratch-folder",
            _ => self.inner().map_or("maintenance", Explain::code),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } => ErrorKind::Parked,
            Self::Scratch { .. } => ErrorKind::Config,
            _ => self.inner().map_or(ErrorKind::Internal, Explain::kind),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Busy { table, .. } | Self::Unequal { table, .. } => format!("table {table}"),
            Self::Scratch { source } => source.to_string(),
            _ => self.inner().map(Explain::place).unwrap_or_default(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Busy { .. } => "run again when the other writers are done".to_owned(),
            Self::Unequal { .. } => "run `headwater rebuild cleansed` for this stream: raw has everything".to_owned(),
            Self::Scratch { .. } => "check the permissions of the folder, then run again".to_owned(),
            _ => self.inner().map(Explain::fix).unwrap_or_default(),
        }
    }

    fn committed(&self) -> String {
        "every table shows what it showed; running again is safe".to_owned()
    }
}
