//! Where jobs that were ordered are written down, so that a restart does not order them again.

mod file;
mod memory;

pub use file::FileJobStore;
pub use memory::MemoryJobStore;

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use headwater_contract::{Digest16, SourceName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::parents::Fields;

/// Which job: of a stream, by what its order says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobKey {
    /// The source.
    pub source: SourceName,
    /// Its stream.
    pub stream: String,
    /// Digest of the order: method, URL and body without secrets.
    pub order: Digest16,
}

/// A job as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredJob {
    /// What the order goes by, for APIs that know an order that comes twice.
    pub job_key: String,
    /// When it was to be ordered.
    pub ordered_at: DateTime<Utc>,
    /// What its answer said; `None` while it is not known that the source took the order.
    pub fields: Option<Fields>,
}

/// Keeps jobs. What was saved is there after a crash.
pub trait JobStore: Debug + Send + Sync {
    /// The job of `key`.
    ///
    /// # Errors
    ///
    /// [`JobStoreError`] when it cannot be read.
    fn load<'a>(&'a self, key: &'a JobKey) -> BoxFuture<'a, Result<Option<StoredJob>, JobStoreError>>;

    /// Writes a job down, durably before it returns.
    ///
    /// # Errors
    ///
    /// [`JobStoreError`] when it cannot be written.
    fn save<'a>(&'a self, key: &'a JobKey, job: StoredJob) -> BoxFuture<'a, Result<(), JobStoreError>>;

    /// Forgets a job, whether it is there or not.
    ///
    /// # Errors
    ///
    /// [`JobStoreError`] when it cannot be removed.
    fn remove<'a>(&'a self, key: &'a JobKey) -> BoxFuture<'a, Result<(), JobStoreError>>;
}

/// Why a job could not be kept or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JobStoreError {
    /// The file system said no.
    #[error("jobs cannot be kept in `{path}`: {reason}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The file is not one of ours.
    #[error("`{path}` holds no job: {reason}")]
    Broken {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}
