//! The use of quotas within one process.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{QuotaStore, QuotaStoreError};
use crate::limits::state::{Granted, QuotaChange, QuotaState};

/// Keeps the use of quotas in memory: what ends with the process is forgotten.
#[derive(Debug, Default)]
pub struct MemoryQuotas(Mutex<BTreeMap<String, QuotaState>>);

static SHARED: LazyLock<Arc<MemoryQuotas>> = LazyLock::new(Arc::default);

impl MemoryQuotas {
    /// The one that all sources of this process share unless they are given another.
    pub fn shared() -> Arc<Self> {
        Arc::clone(&SHARED)
    }
}

impl QuotaStore for MemoryQuotas {
    fn change<'a>(&'a self, key: &'a str, change: &'a QuotaChange) -> BoxFuture<'a, Result<Granted, QuotaStoreError>> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let granted = states.entry(key.to_owned()).or_default().apply(change);
        async { Ok(granted) }.boxed()
    }
}
