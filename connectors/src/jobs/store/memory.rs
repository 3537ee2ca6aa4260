//! Jobs in memory: enough while one process reads a window to its end.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;

use super::{JobKey, JobStore, JobStoreError, StoredJob};

/// Keeps jobs as long as it lives.
#[derive(Debug, Default)]
pub struct MemoryJobStore(Mutex<BTreeMap<JobKey, StoredJob>>);

impl JobStore for MemoryJobStore {
    fn load<'a>(&'a self, key: &'a JobKey) -> BoxFuture<'a, Result<Option<StoredJob>, JobStoreError>> {
        let job = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        Box::pin(async move { Ok(job) })
    }

    fn save<'a>(&'a self, key: &'a JobKey, job: StoredJob) -> BoxFuture<'a, Result<(), JobStoreError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), job);
        Box::pin(async { Ok(()) })
    }

    fn remove<'a>(&'a self, key: &'a JobKey) -> BoxFuture<'a, Result<(), JobStoreError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Box::pin(async { Ok(()) })
    }
}
