//! What can go wrong with parts.

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

use crate::store::StoreError;

/// Why parts could not be written or read.
#[derive(Debug, Error)]
pub enum RawError {
    /// The store did not do as it was asked.
    #[error("cannot keep the raw parts")]
    Store(#[from] StoreError),
    /// The bytes of a part are not those that its receipt names.
    #[error("the raw part `{path}` is damaged: {finding}")]
    Damaged {
        /// The part, relative to raw.
        path: String,
        /// What differs.
        finding: String,
    },
    /// The Parquet library refused.
    #[error("cannot encode or decode the raw part `{path}`")]
    Parquet {
        /// The part, relative to raw.
        path: String,
        /// What it said.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// A chunk came before the head of the answer that it belongs to, or out of order.
    #[error("chunk {ordinal} of request {request} comes before the head of its answer")]
    OutOfOrder {
        /// The request.
        request: u32,
        /// The chunk's place in the body.
        ordinal: u32,
    },
    /// The task that compresses was stopped.
    #[error("the compression of `{path}` was stopped")]
    Stopped {
        /// The part, relative to raw.
        path: String,
    },
}

impl Explain for RawError {
    fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Damaged { .. } => "part-damaged",
            Self::Parquet { .. } => "part-parquet",
            Self::OutOfOrder { .. } => "part-order",
            Self::Stopped { .. } => "part-stopped",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Damaged { .. } => ErrorKind::Unavailable,
            Self::Parquet { .. } | Self::OutOfOrder { .. } => ErrorKind::Internal,
            Self::Stopped { .. } => ErrorKind::Interrupted,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Store(error) => error.place(),
            Self::Damaged { path, .. } | Self::Parquet { path, .. } | Self::Stopped { path } => path.clone(),
            Self::OutOfOrder { request, .. } => format!("request {request}"),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Store(error) => error.fix(),
            Self::Damaged { .. } => {
                "restore the part from a copy of raw, or ask for its range again with `headwater backfill`".to_owned()
            }
            Self::Parquet { .. } | Self::OutOfOrder { .. } => "report this with the run id".to_owned(),
            Self::Stopped { .. } => "run again".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing of this attempt is committed; running again is safe".to_owned()
    }
}
