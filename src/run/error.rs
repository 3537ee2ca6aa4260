//! Whatever can keep a command from being done, with the explanation of the part that it comes from.

use headwater_catalog::{AccessError, CatalogError, PolicyError, WordsError};
use headwater_connectors::{ManifestError, SourceError};
use headwater_contract::{ErrorKind, Explain};
use headwater_lake::attempt::AttemptError;
use headwater_lake::commit::{CommitError, LogError};
use headwater_lake::erasure::ErasureError;
use headwater_lake::exploration::ExplorationError;
use headwater_lake::ledger::LedgerError;
use headwater_lake::maintenance::MaintenanceError;
use headwater_lake::raw::ReceiptError;
use headwater_lake::read::ReadError;
use headwater_lake::star::StarError;
use headwater_lake::store::StoreError;
use thiserror::Error;

use crate::project::ProjectError;
use crate::run::plan::PlanError;
use crate::sandbox::SandboxError;

/// An error of any part of a run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The project is not right.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A connector's manifest is not right.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The source cannot be opened or read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No plan can be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger cannot be used, or does not own the lake.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Receipts cannot be read.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A reading came to no receipt.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// A table could not be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Something could not be cleaned up.
    #[error(transparent)]
    Maintenance(#[from] MaintenanceError),
    /// A person could not be erased.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
    /// A Delta log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A table of exploration could not be made or dropped.
    #[error(transparent)]
    Exploration(#[from] ExplorationError),
    /// The sandbox cannot start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A star could not be read or built.
    #[error(transparent)]
    Star(#[from] StarError),
    /// A query could not be answered.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The catalog cannot be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The policy of the project is not right.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// What people say about tables is not right.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The caller may not do that.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file of the state folder cannot be used.
    #[error("the project's state folder cannot be used")]
    State {
        /// What the file system said; names the file.
        #[from]
        source: std::io::Error,
    },
    /// A window that was asked for does not exist.
    #[error("`{stream}` has no window `{window}`")]
    NoWindow {
        /// The stream.
        stream: String,
        /// What was asked for.
        window: String,
    },
    /// A first reading brings more than one window may have.
    #[error("the window has more than {records_max} records")]
    WindowTooLarge {
        /// Stream and window.
        window: String,
        /// The bound.
        records_max: u64,
    },
    /// Another runner works on the stream.
    #[error("another runner works on `{stream}`")]
    Busy {
        /// The stream.
        stream: String,
    },
    /// A task ended in a way that no task should.
    #[error("a reading of `{stream}` ended unexpectedly")]
    Task {
        /// The stream.
        stream: String,
        /// The runtime's words.
        source: tokio::task::JoinError,
    },
}

impl RunError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Project(error) => Some(error),
            Self::Manifest(error) => Some(error),
            Self::Source(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Ledger(error) => Some(error),
            Self::Receipt(error) => Some(error),
            Self::Attempt(error) => Some(error),
            Self::Commit(error) => Some(error),
            Self::Maintenance(error) => Some(error),
            Self::Erasure(error) => Some(error),
            Self::Log(error) => Some(error),
            Self::Exploration(error) => Some(error),
            Self::Star(error) => Some(error),
            Self::Read(error) => Some(error),
            Self::Catalog(error) => Some(error),
            Self::Policy(error) => Some(error),
            Self::Words(error) => Some(error),
            Self::Access(error) => Some(error),
            Self::Plan(_)
            | Self::State { .. }
            | Self::NoWindow { .. }
            | Self::WindowTooLarge { .. }
            | Self::Task { .. }
            | Self::Sandbox(_)
            | Self::Busy { .. } => None,
        }
    }
}

impl Explain for RunError {
    fn code(&self) -> &'static str {
        match self {
            Self::Plan(PlanError::NoStart { .. }) => "no-start",
            Self::State { .. } => "state-folder",
            Self::Sandbox(_) => "sandbox-port",
            Self::NoWindow { .. } => "no-window",
            Self::WindowTooLarge { .. } => "window-too-large",
            Self::Task { .. } => "task",
            Self::Busy { .. } => "busy",
            other => other.inner().map_or("internal", Explain::code),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Plan(_)
            | Self::State { .. }
            | Self::NoWindow { .. }
            | Self::WindowTooLarge { .. }
            | Self::Sandbox(_) => ErrorKind::Config,
            Self::Task { .. } => ErrorKind::Internal,
            Self::Busy { .. } => ErrorKind::Parked,
            other => other.inner().map_or(ErrorKind::Internal, Explain::kind),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Plan(PlanError::NoStart { stream }) => stream.clone(),
            Self::WindowTooLarge { window, .. } => window.clone(),
            other => other.inner().map(Explain::place).unwrap_or_default(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Plan(PlanError::NoStart { .. }) => {
                "say from when: the connector's start setting, or `overrides: { STREAM: { start: 2024-01-01 } }`".into()
            }
            Self::Sandbox(_) => "take another port: `headwater sandbox --port 0` takes a free one".into(),
            Self::State { .. } => "check the folder `.headwater` and its permissions".into(),
            Self::NoWindow { .. } => "look at `headwater status` or `headwater quarantine list` for its name".into(),
            Self::WindowTooLarge { .. } => {
                "raise `limits.window_records`: the window is as short as the source can ask for".into()
            }
            Self::Busy { .. } => "wait until it has ended, then run again".into(),
            Self::Task { .. } => "report it with the code and the run id".into(),
            other => other.inner().map(Explain::fix).unwrap_or_default(),
        }
    }

    fn committed(&self) -> String {
        let safe = || "what was committed stays; running again is safe".to_owned();
        self.inner().map(Explain::committed).filter(|text| !text.is_empty()).unwrap_or_else(safe)
    }
}
