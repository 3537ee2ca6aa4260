//! What can go wrong at a Delta log, and on the way to it.
//!
//! A commit has three outcomes: done, lost to another writer, unknown. The last two are treated alike: nothing is sent again, a
//! new snapshot says what happened.

use headwater_contract::{ErrorKind, Explain, StreamName};
use thiserror::Error;

use crate::attempt::AttemptError;
use crate::ledger::LedgerError;
use crate::raw::ReceiptError;

/// Why windows could not be committed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The log of a table.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Receipts could not be read.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The lake belongs to another ledger, or the ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Typed rows could not be read or written.
    #[error(transparent)]
    Rows(#[from] AttemptError),
    /// A typed file is gone and nobody can make it again.
    #[error("the typed file `{path}` of `{table}` is gone")]
    FileGone {
        /// The table's path in its zone.
        table: String,
        /// The file.
        path: String,
    },
    /// The log of a table is gone, or another one lies in its place.
    #[error("the log of `{table}` is gone, or another one lies in its place")]
    LogGone {
        /// The table's path in its zone.
        table: String,
        /// The stream that it belongs to.
        stream: StreamName,
    },
    /// A rebuild under another contract would take rows from the table that a person has not decided about.
    #[error("{windows} windows of `{stream}` are held under the present contract, such as {first}: {reason}")]
    WouldBeHeld {
        /// The stream.
        stream: StreamName,
        /// How many.
        windows: usize,
        /// The first of them.
        first: String,
        /// Why it is held.
        reason: String,
    },
    /// Tables show other rows than the receipts say.
    #[error("the tables of `{stream}` show other rows than its receipts say: {findings}")]
    Differs {
        /// The stream.
        stream: StreamName,
        /// What differs, in words.
        findings: String,
    },
    /// Other writers were first every time.
    #[error("other writers were first at `{table}` {tries} times in a row")]
    Busy {
        /// The table's path in its zone.
        table: String,
        /// How often it was tried.
        tries: u32,
    },
    /// A file of the table was not written by us.
    #[error("`{table}` shows the file `{path}`, which no window of ours wrote")]
    ForeignFile {
        /// The table's path in its zone.
        table: String,
        /// The file.
        path: String,
    },
}

impl CommitError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Log(error) => Some(error),
            Self::Receipt(error) => Some(error),
            Self::Ledger(error) => Some(error),
            Self::Rows(error) => Some(error),
            Self::FileGone { .. }
            | Self::LogGone { .. }
            | Self::WouldBeHeld { .. }
            | Self::Differs { .. }
            | Self::Busy { .. }
            | Self::ForeignFile { .. } => None,
        }
    }
}

impl Explain for CommitError {
    fn code(&self) -> &'static str {
        match self {
            Self::FileGone { .. } => "typed-file-gone",
            Self::LogGone { .. } => "log-gone",
            Self::WouldBeHeld { .. } => "rebuild-held",
            Self::Differs { .. } => "rows-differ",
            Self::Busy { .. } => "table-busy",
            Self::ForeignFile { .. } => "foreign-file",
            _ => self.inner().map_or("commit", Explain::code),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::FileGone { .. } => ErrorKind::Unavailable,
            Self::Busy { .. } => ErrorKind::Parked,
            Self::Differs { .. } | Self::WouldBeHeld { .. } => ErrorKind::Quality,
            Self::ForeignFile { .. } | Self::LogGone { .. } => ErrorKind::Config,
            _ => self.inner().map_or(ErrorKind::Internal, Explain::kind),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::FileGone { table, path } | Self::ForeignFile { table, path } => format!("table {table}, file {path}"),
            Self::Busy { table, .. } | Self::LogGone { table, .. } => format!("table {table}"),
            Self::Differs { stream, .. } | Self::WouldBeHeld { stream, .. } => stream.to_string(),
            _ => self.inner().map(Explain::place).unwrap_or_default(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::FileGone { .. } | Self::ForeignFile { .. } => {
                "run `headwater rebuild cleansed` for this stream: raw has everything".to_owned()
            }
            Self::LogGone { stream, .. } | Self::Differs { stream, .. } => {
                format!("run `headwater rebuild cleansed {stream}`: raw has everything")
            }
            Self::WouldBeHeld { stream, .. } => format!(
                "look at `headwater quarantine list {stream}`; mend the contract, or accept the windows, then rebuild again"
            ),
            Self::Busy { .. } => "run again when the other writers are done".to_owned(),
            _ => self.inner().map(Explain::fix).unwrap_or_default(),
        }
    }

    fn committed(&self) -> String {
        if matches!(self, Self::WouldBeHeld { .. }) {
            return "the table shows what it showed; running again is safe".to_owned();
        }
        let inner = self.inner().map(Explain::committed).filter(|text| !text.is_empty());
        inner.unwrap_or_else(|| "the readings are landed and nothing of them is lost; running again is safe".to_owned())
    }
}

/// Why a Delta log could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// Another writer committed first.
    #[error("another writer committed to `{table}` first")]
    Conflict {
        /// The table's path in its zone.
        table: String,
    },
    /// The commit may or may not have landed.
    #[error("the outcome of a commit to `{table}` is unknown")]
    Unknown {
        /// The table's path in its zone.
        table: String,
        /// What the log said.
        #[source]
        source: Box<deltalake_core::DeltaTableError>,
    },
    /// The log could not be read.
    #[error("cannot read the log of `{table}`")]
    Unreadable {
        /// The table's path in its zone.
        table: String,
        /// What the log said.
        #[source]
        source: Box<deltalake_core::DeltaTableError>,
    },
    /// An object of the log could not be read.
    #[error("cannot read the log of `{table}`")]
    Store {
        /// The table's path in its zone.
        table: String,
        /// What the store said.
        #[source]
        source: object_store::Error,
    },
    /// An object of the log is not what the Delta protocol says.
    #[error("the log of `{table}` has a damaged object `{object}`: {reason}")]
    Damaged {
        /// The table's path in its zone.
        table: String,
        /// The object's path in the table.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A column of the table has another type than the data to be written.
    #[error("column `{column}` of `{table}` is {held}, the contract says {wanted}")]
    ColumnType {
        /// The table's path in its zone.
        table: String,
        /// The column.
        column: String,
        /// Its type in the table.
        held: String,
        /// Its type in what should be committed.
        wanted: String,
    },
    /// A type that the table format has no word for.
    #[error("column `{column}` of `{table}` has a type that Delta cannot hold: {held}")]
    NoDeltaType {
        /// The table's path in its zone.
        table: String,
        /// The column.
        column: String,
        /// Its Arrow type.
        held: String,
    },
}

impl LogError {
    /// Whether the answer is to take a new snapshot and compute everything anew.
    pub fn asks_again(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Unknown { .. })
    }

    /// The table that it is about.
    pub fn table(&self) -> &str {
        match self {
            Self::Conflict { table }
            | Self::Unknown { table, .. }
            | Self::Unreadable { table, .. }
            | Self::Store { table, .. }
            | Self::Damaged { table, .. }
            | Self::ColumnType { table, .. }
            | Self::NoDeltaType { table, .. } => table,
        }
    }
}

impl Explain for LogError {
    fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "commit-conflict",
            Self::Unknown { .. } => "commit-unknown",
            Self::Unreadable { .. } | Self::Store { .. } => "log-unreadable",
            Self::Damaged { .. } => "log-damaged",
            Self::ColumnType { .. } => "column-type",
            Self::NoDeltaType { .. } => "column-no-type",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } => ErrorKind::Parked,
            Self::Unknown { .. } | Self::Unreadable { .. } | Self::Store { .. } => ErrorKind::Unavailable,
            Self::Damaged { .. } => ErrorKind::Internal,
            Self::ColumnType { .. } | Self::NoDeltaType { .. } => ErrorKind::Config,
        }
    }

    fn place(&self) -> String {
        format!("table {}", self.table())
    }

    fn fix(&self) -> String {
        match self {
            Self::Conflict { .. } | Self::Unknown { .. } => {
                "run again: the next run asks the table what it holds".to_owned()
            }
            Self::Unreadable { .. } | Self::Store { .. } => "check that the store answers, then run again".to_owned(),
            Self::Damaged { .. } => "run `headwater rebuild cleansed` for this stream: raw has everything".to_owned(),
            Self::ColumnType { .. } => {
                "give the column its old type, or run `headwater rebuild cleansed` to type the table again from raw"
                    .to_owned()
            }
            Self::NoDeltaType { .. } => "give the column another type".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "what was committed before stays; running again is safe".to_owned()
    }
}
