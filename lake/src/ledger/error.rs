//! What can go wrong with the ledger.

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

use crate::raw::ReceiptError;
use crate::store::StoreError;

/// Why the ledger did not do as it was asked.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The database failed.
    #[error("cannot {action} in the ledger {path}")]
    Database {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// The folder of the ledger cannot be made.
    #[error("cannot make the folder of the ledger {path}")]
    Folder {
        /// The file.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A newer program wrote the file.
    #[error("the ledger {path} has version {version}, and this program knows {known}")]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        version: i64,
        /// The newest that we know.
        known: i64,
    },
    /// Another runner took the unit after the lease had run out.
    #[error("the lease of `{unit}` is lost: another runner took it after it had run out")]
    LeaseLost {
        /// What was leased.
        unit: String,
    },
    /// A runner spoke about what it does not hold.
    #[error("the lease of `{lease}` says nothing about `{unit}`")]
    NotCovered {
        /// What is leased.
        lease: String,
        /// What was written about.
        unit: String,
    },
    /// A window cannot be split like this.
    #[error("the window {window} has a receipt, or its pieces do not tile it")]
    NotTiled {
        /// The window.
        window: String,
    },
    /// The lake belongs to another ledger.
    #[error("the lake {lake} belongs to another ledger: claim {number} names {owner}, and this one is {ledger}")]
    NotOwner {
        /// The raw zone.
        lake: String,
        /// The highest claim.
        number: u64,
        /// The ledger that it names.
        owner: String,
        /// This ledger.
        ledger: String,
    },
    /// A claim or the lake's id cannot be read.
    #[error("`{path}` in raw is not what Headwater wrote there")]
    Unreadable {
        /// The object.
        path: String,
        /// What is wrong.
        finding: String,
    },
    /// A row of the database is not what we write.
    #[error("the ledger {path} holds a row that nobody of ours wrote: {finding}")]
    Corrupt {
        /// The file.
        path: String,
        /// What was found.
        finding: String,
    },
    /// The store did not do as it was asked.
    #[error("cannot reach the lake")]
    Store(#[from] StoreError),
    /// Receipts could not be read.
    #[error("cannot read the receipts")]
    Receipts(#[from] ReceiptError),
}

/// What to do about a file that cannot be read.
const RESTORE: &str = "move `.headwater/ledger.db` and the files beside it away and run `headwater ledger rebuild`: the lake has everything";

/// Whether the file is no database, or a broken one: the primary codes 11 and 26 of `SQLite` (<https://sqlite.org/rescode.html>).
fn is_damaged(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

impl Explain for LedgerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Database { source, .. } if is_damaged(source) => "ledger-corrupt",
            Self::Database { .. } | Self::Folder { .. } => "ledger-database",
            Self::Newer { .. } => "ledger-newer",
            Self::LeaseLost { .. } => "lease-lost",
            Self::NotCovered { .. } => "lease-other",
            Self::NotTiled { .. } => "split-not-tiled",
            Self::NotOwner { .. } => "ledger-not-owner",
            Self::Unreadable { .. } => "lake-claim",
            Self::Corrupt { .. } => "ledger-corrupt",
            Self::Store(error) => error.code(),
            Self::Receipts(error) => error.code(),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Database { source, .. } if is_damaged(source) => ErrorKind::Internal,
            Self::Database { .. } | Self::Folder { .. } => ErrorKind::Unavailable,
            Self::Newer { .. } => ErrorKind::Config,
            Self::LeaseLost { .. } | Self::NotOwner { .. } => ErrorKind::Parked,
            Self::Unreadable { .. } | Self::Corrupt { .. } | Self::NotCovered { .. } | Self::NotTiled { .. } => {
                ErrorKind::Internal
            }
            Self::Store(error) => error.kind(),
            Self::Receipts(error) => error.kind(),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Database { path, .. }
            | Self::Folder { path, .. }
            | Self::Newer { path, .. }
            | Self::Corrupt { path, .. }
            | Self::Unreadable { path, .. } => path.clone(),
            Self::LeaseLost { unit } | Self::NotCovered { unit, .. } => unit.clone(),
            Self::NotTiled { window } => window.clone(),
            Self::NotOwner { lake, .. } => lake.clone(),
            Self::Store(error) => error.place(),
            Self::Receipts(error) => error.place(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Database { source, .. } if is_damaged(source) => RESTORE.to_owned(),
            Self::Database { .. } | Self::Folder { .. } => {
                "check that the disk has room and the file may be written, then run again".to_owned()
            }
            Self::Newer { .. } => "run the newer version of headwater that wrote it".to_owned(),
            Self::LeaseLost { .. } => "nothing: the runner that took it goes on".to_owned(),
            Self::NotOwner { .. } => {
                "run where that ledger is; if it is lost, `headwater ledger rebuild` makes this one from the lake and claims it"
                    .to_owned()
            }
            Self::Unreadable { .. } => "restore the object from a copy of raw".to_owned(),
            Self::NotCovered { .. } | Self::NotTiled { .. } => "report this with the run id".to_owned(),
            Self::Corrupt { .. } => RESTORE.to_owned(),
            Self::Store(error) => error.fix(),
            Self::Receipts(error) => error.fix(),
        }
    }

    fn committed(&self) -> String {
        "the ledger is a cache of the lake: what was committed stays, running again is safe".to_owned()
    }
}
