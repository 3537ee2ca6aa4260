//! Named locks: streams that an API must not be asked for at the same time, such as two exports of one account.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::stream::Stream;

/// The locks of one source, by name.
#[derive(Debug, Default)]
pub(super) struct Locks(BTreeMap<String, Arc<Mutex<()>>>);

impl Locks {
    pub(super) fn new(streams: &[Stream]) -> Self {
        let names = streams.iter().flat_map(|stream| &stream.request.locks);
        Self(names.map(|name| (name.clone(), Arc::default())).collect())
    }

    /// Waits for all locks of a stream. They are taken in the order of their names, so that no two readings wait for each other.
    pub(super) async fn hold(&self, stream: &Stream) -> Vec<OwnedMutexGuard<()>> {
        let mut held = Vec::new();
        for (name, lock) in &self.0 {
            if stream.request.locks.contains(name) {
                held.push(Arc::clone(lock).lock_owned().await);
            }
        }
        held
    }
}
