//! Where the use of shared quotas is kept, so that runs and runners know of each other.

mod file;
mod memory;

pub use file::FileQuotas;
pub use memory::MemoryQuotas;

use std::fmt::Debug;

use futures::future::BoxFuture;
use thiserror::Error;

use super::state::{Granted, QuotaChange};

/// Keeps a [`QuotaState`](super::QuotaState) for each key.
pub trait QuotaStore: Debug + Send + Sync {
    /// Makes one change of the state under `key`, as one step that no other runner sees half done.
    fn change<'a>(&'a self, key: &'a str, change: &'a QuotaChange) -> BoxFuture<'a, Result<Granted, QuotaStoreError>>;
}

/// Why the use of a quota could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the use of shared quotas cannot be kept in {place}: {reason}")]
pub struct QuotaStoreError {
    /// The store.
    pub place: String,
    /// What the system said.
    pub reason: String,
}
