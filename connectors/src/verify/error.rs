//! Why verifying could not be finished. A fact that is contradicted is no error but a verdict.

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

use crate::description::DescriptionError;
use crate::manifest::ManifestError;

/// Why verifying could not be finished.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// A manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A description cannot be read.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The evidence cannot be written down.
    #[error("cannot write the evidence: {reason}")]
    Unwritable {
        /// What went wrong.
        reason: String,
    },
}

impl Explain for VerifyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Manifest(error) => error.code(),
            Self::Description(error) => error.code(),
            Self::Unwritable { .. } => "evidence-unwritable",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Manifest(error) => error.kind(),
            Self::Description(error) => error.kind(),
            Self::Unwritable { .. } => ErrorKind::Internal,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Manifest(error) => error.place(),
            Self::Description(error) => error.place(),
            Self::Unwritable { .. } => String::new(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Manifest(error) => error.fix(),
            Self::Description(error) => error.fix(),
            Self::Unwritable { .. } => "report this with the version".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing was written".to_owned()
    }
}
