//! What can stop a reading on its way to a receipt.

use headwater_contract::{ErrorKind, Explain};
use headwater_quality::checks::{GateError, UniqueError};
use headwater_quality::dedup::DedupError;
use thiserror::Error;

use crate::erasure::ErasureError;
use crate::ledger::LedgerError;
use crate::raw::{RawError, ReceiptError};
use crate::store::StoreError;
use crate::typing::TypingError;

/// What the manifest's decoder said of stored bodies.
pub type DecodeError = Box<dyn Explain + Send + Sync>;

/// Why an attempt came to no receipt.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// The store did not do as it was asked.
    #[error("cannot keep the typed rows of {window}")]
    Store {
        /// Stream and window.
        window: String,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// Raw parts could not be written or read.
    #[error(transparent)]
    Raw(#[from] RawError),
    /// Receipts could not be read or created.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The lake belongs to another ledger, or the ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The contract cannot be read by.
    #[error(transparent)]
    Typing(#[from] TypingError),
    /// The contract cannot be judged by.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Keys could not be tracked.
    #[error(transparent)]
    Keys(#[from] DedupError),
    /// Values that should be unique could not be tracked.
    #[error(transparent)]
    Unique(#[from] UniqueError),
    /// Whom the stream has lost could not be read.
    #[error(transparent)]
    Erased(#[from] Box<ErasureError>),
    /// Typed rows could not be encoded or decoded.
    #[error("cannot encode the typed file `{path}`")]
    Parquet {
        /// The file.
        path: String,
        /// What the encoder said.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// The reading ended without being complete.
    #[error("the reading of {window} is not complete")]
    Incomplete {
        /// Stream and window.
        window: String,
    },
    /// Counts do not add up; a bug.
    #[error("the reading of {window} does not add up: {finding}")]
    Unbalanced {
        /// Stream and window.
        window: String,
        /// What differs.
        finding: String,
    },
    /// A window has nothing that could be released or run again.
    #[error("{window} has no reading to {act}")]
    NothingTo {
        /// Stream and window.
        window: String,
        /// What was asked for.
        act: &'static str,
    },
    /// Stored bodies do not decode.
    #[error("cannot decode the stored bodies of {window}")]
    Decode {
        /// Stream and window.
        window: String,
        /// What the decoder said.
        #[source]
        source: Decoding,
    },
    /// A task of ours was stopped.
    #[error("the typing of {window} was stopped")]
    Stopped {
        /// Stream and window.
        window: String,
    },
}

/// A decoder's error as a cause.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Decoding(pub DecodeError);

impl AttemptError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Store { source, .. } => Some(source),
            Self::Raw(error) => Some(error),
            Self::Receipt(error) => Some(error),
            Self::Ledger(error) => Some(error),
            Self::Typing(error) => Some(error),
            Self::Erased(error) => Some(error.as_ref()),
            Self::Gate(error) | Self::Unique(UniqueError::Batch(error)) => Some(error),
            Self::Keys(error) | Self::Unique(UniqueError::Keys(error)) => Some(error),
            Self::Decode { source, .. } => Some(source.0.as_ref()),
            _ => None,
        }
    }
}

impl Explain for AttemptError {
    fn code(&self) -> &'static str {
        match self {
            Self::Parquet { .. } => "typed-parquet",
            Self::Incomplete { .. } => "reading-incomplete",
            Self::Unbalanced { .. } => "reading-unbalanced",
            Self::NothingTo { .. } => "nothing-held",
            Self::Stopped { .. } => "typing-stopped",
            _ => self.inner().map_or("attempt", Explain::code),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Parquet { .. } | Self::Unbalanced { .. } => ErrorKind::Internal,
            Self::Incomplete { .. } => ErrorKind::Unavailable,
            Self::NothingTo { .. } => ErrorKind::Config,
            Self::Stopped { .. } => ErrorKind::Interrupted,
            _ => self.inner().map_or(ErrorKind::Internal, Explain::kind),
        }
    }

    fn place(&self) -> String {
        let inner = self.inner().map(Explain::place).unwrap_or_default();
        let outer = match self {
            Self::Store { window, .. }
            | Self::Incomplete { window }
            | Self::Unbalanced { window, .. }
            | Self::NothingTo { window, .. }
            | Self::Decode { window, .. }
            | Self::Stopped { window } => window.clone(),
            Self::Parquet { path, .. } => path.clone(),
            _ => String::new(),
        };
        [outer, inner].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn fix(&self) -> String {
        match self {
            Self::Parquet { .. } | Self::Unbalanced { .. } => "report it with the code and the run id".to_owned(),
            Self::Incomplete { .. } | Self::Stopped { .. } => "run again".to_owned(),
            Self::NothingTo { .. } => "list the held windows with `headwater quarantine list`".to_owned(),
            _ => self.inner().map(Explain::fix).unwrap_or_default(),
        }
    }

    fn committed(&self) -> String {
        let inner = self.inner().map(Explain::committed).filter(|text| !text.is_empty());
        inner.unwrap_or_else(|| "nothing of this window was committed; running again is safe".to_owned())
    }
}
