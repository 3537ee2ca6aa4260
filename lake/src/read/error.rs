//! Why a query or a table could not be read.

use headwater_contract::{ErrorKind, Explain, TableName};
use thiserror::Error;

use crate::commit::LogError;
use crate::read::sql::SqlError;
use crate::store::StoreError;

/// Why a query or a table could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The text is no query over tables of the lake.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// No leave was given to read a table. Whether it exists is not said.
    #[error("there is no leave to read `{table}`")]
    NotPermitted {
        /// The table.
        table: TableName,
    },
    /// A table that may be read does not exist.
    #[error("`{table}` does not exist")]
    NoSuchTable {
        /// The table.
        table: TableName,
        /// Tables of nearly that name, of those that the caller may read.
        near: Vec<TableName>,
    },
    /// The query failed.
    #[error("the query on {what} failed")]
    Query {
        /// What was read.
        what: String,
        /// What the engine says.
        #[source]
        source: Box<polars::error::PolarsError>,
    },
    /// A table's log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A receipt or a part of raw could not be read.
    #[error("the parts of `{table}` cannot be listed")]
    Parts {
        /// The table.
        table: TableName,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A thread that computed the answer stopped.
    #[error("the computation stopped: {what}")]
    Internal {
        /// What is known of it.
        what: String,
    },
}

impl Explain for ReadError {
    fn code(&self) -> &'static str {
        match self {
            Self::Sql(SqlError::Syntax { .. } | SqlError::Unclosed { .. }) => "query-syntax",
            Self::Sql(SqlError::NotAQuery { .. }) => "not-a-query",
            Self::Sql(SqlError::ReadsFiles { .. }) => "query-reads-files",
            Self::Sql(SqlError::NotATable { .. }) => "not-a-table",
            Self::NotPermitted { .. } => "not-permitted",
            Self::NoSuchTable { .. } => "no-such-table",
            Self::Query { .. } => "query-failed",
            Self::Log(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Parts { .. } => "parts-unreadable",
            Self::Internal { .. } => "internal",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Sql(_) | Self::NoSuchTable { .. } | Self::Query { .. } => ErrorKind::Config,
            Self::NotPermitted { .. } => ErrorKind::Access,
            Self::Log(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Parts { .. } => ErrorKind::Unavailable,
            Self::Internal { .. } => ErrorKind::Internal,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Sql(_) | Self::Internal { .. } => "the query".into(),
            Self::NotPermitted { table } | Self::NoSuchTable { table, .. } | Self::Parts { table, .. } => {
                format!("table {table}")
            }
            Self::Query { what, .. } => what.clone(),
            Self::Log(error) => error.place(),
            Self::Store(error) => error.place(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Sql(_) => {
                "write one SELECT over tables named `zone.schema.table`, e.g. `curated.shop.fact_orders`".into()
            }
            Self::NotPermitted { .. } => "ask whoever runs the project for a role that may read it".into(),
            Self::NoSuchTable { near, .. } if near.is_empty() => {
                "list what there is with `headwater catalog list`".into()
            }
            Self::NoSuchTable { near, .. } => {
                let names: Vec<String> = near.iter().map(ToString::to_string).collect();
                format!("did you mean {}?", names.join(" or "))
            }
            Self::Query { .. } => "correct the query: the cause names the column or function".into(),
            Self::Log(error) => error.fix(),
            Self::Store(error) => error.fix(),
            Self::Parts { .. } => "see the cause, then ask again".into(),
            Self::Internal { .. } => "report it with the query".into(),
        }
    }

    fn committed(&self) -> String {
        "reading changes nothing".into()
    }
}
