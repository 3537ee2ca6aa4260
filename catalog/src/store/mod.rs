//! The catalog's database: `SQLite`, which several processes of one machine may write.
//!
//! Write-ahead logging lets readers go on while one process writes, a writer waits up to [`BUSY_SECONDS`] for another
//! (<https://www.sqlite.org/wal.html>), and each record is one immediate transaction, so that two that begin together queue up
//! instead of failing half-way.

mod read;
mod schema;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use headwater_contract::{ErrorKind, Explain, TableName};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use thiserror::Error;

/// How long a writer waits for another process.
const BUSY_SECONDS: u64 = 30;

/// Connections of one process.
const CONNECTIONS_MAX: u32 = 4;

/// Why the catalog cannot be used.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// The database cannot be opened, read or written.
    #[error("cannot {doing} the catalog {path}", path = path.display())]
    Database {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Its folder cannot be made.
    #[error("cannot make the folder of the catalog {path}", path = path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A newer program wrote it.
    #[error("the catalog {path} has version {found}; this program knows versions up to {known}", path = path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// A stored value cannot be understood.
    #[error("the catalog {path} holds `{value}` as {what}, which is not one", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: String,
    },
    /// Nobody has recorded the table.
    #[error("the catalog has no table {table}")]
    NoTable {
        /// What was asked for.
        table: TableName,
        /// Names that are close to it.
        close: Vec<TableName>,
    },
}

impl Explain for CatalogError {
    fn code(&self) -> &'static str {
        match self {
            Self::Database { .. } | Self::Folder { .. } => "catalog-database",
            Self::TooNew { .. } => "catalog-too-new",
            Self::Damaged { .. } => "catalog-damaged",
            Self::NoTable { .. } => "table-unknown",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Database { .. } => ErrorKind::Unavailable,
            Self::Folder { .. } | Self::TooNew { .. } | Self::NoTable { .. } => ErrorKind::Config,
            Self::Damaged { .. } => ErrorKind::Internal,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Database { path, .. }
            | Self::Folder { path, .. }
            | Self::TooNew { path, .. }
            | Self::Damaged { path, .. } => path.display().to_string(),
            Self::NoTable { table, .. } => table.to_string(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Database { .. } | Self::Folder { .. } => {
                "make the file and its folder writable, then run again".to_owned()
            }
            Self::TooNew { .. } => "use the newer program".to_owned(),
            Self::Damaged { path, .. } => format!("delete {}; the next run records everything again", path.display()),
            Self::NoTable { close, .. } if close.is_empty() => {
                "run first; `catalog list` shows what is there".to_owned()
            }
            Self::NoTable { close, .. } => {
                format!("did you mean {}?", close.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "))
            }
        }
    }

    fn committed(&self) -> String {
        "tables of the lake are not touched; running again is safe".to_owned()
    }
}

/// What is in the lake and where it comes from, as runs recorded it.
#[derive(Clone, Debug)]
pub struct Catalog {
    pool: SqlitePool,
    path: PathBuf,
}

impl Catalog {
    /// Opens the database at `path` and brings its tables up to date; makes it when it is not there.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`], [`CatalogError::Folder`], and [`CatalogError::TooNew`] when a newer program wrote it.
    pub async fn open(path: &Path) -> Result<Self, CatalogError> {
        if let Some(folder) = path.parent() {
            let failed = |source| CatalogError::Folder { path: path.to_owned(), source };
            fs_err::create_dir_all(folder).map_err(failed)?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(BUSY_SECONDS));
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await;
        let pool = pool.map_err(|source| CatalogError::Database { doing: "open", path: path.to_owned(), source })?;
        let catalog = Self { pool, path: path.to_owned() };
        catalog.migrate().await?;
        Ok(catalog)
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, doing: &'static str) -> impl FnOnce(sqlx::Error) -> CatalogError + Copy + '_ {
        move |source| CatalogError::Database { doing, path: self.path.clone(), source }
    }

    fn damaged(&self, what: &'static str, value: impl Into<String>) -> CatalogError {
        CatalogError::Damaged { path: self.path.clone(), what, value: value.into() }
    }
}

#[cfg(test)]
mod tests;
