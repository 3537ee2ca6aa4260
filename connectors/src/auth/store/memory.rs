//! Tokens for the length of a process: enough for tests, and for sources whose refresh token never changes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::future::{BoxFuture, ready};

use super::{Stored, TokenKey, TokenStore, TokenStoreError, Tokens};

/// Keeps tokens in memory.
#[derive(Debug, Default)]
pub struct MemoryTokenStore(Mutex<BTreeMap<TokenKey, Stored>>);

impl MemoryTokenStore {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<TokenKey, Stored>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TokenStore for MemoryTokenStore {
    fn load<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Option<Stored>, TokenStoreError>> {
        Box::pin(ready(Ok(self.with(|tokens| tokens.get(key).cloned()))))
    }

    fn swap<'a>(
        &'a self,
        key: &'a TokenKey,
        expected: Option<u64>,
        tokens: Tokens,
    ) -> BoxFuture<'a, Result<Option<u64>, TokenStoreError>> {
        let swapped = self.with(|all| {
            if all.get(key).map(|stored| stored.version) != expected {
                return None;
            }
            let version = expected.unwrap_or(0) + 1;
            all.insert(key.clone(), Stored { version, tokens });
            Some(version)
        });
        Box::pin(ready(Ok(swapped)))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<(TokenKey, Stored)>, TokenStoreError>> {
        let all = self.with(|all| all.iter().map(|(key, stored)| (key.clone(), stored.clone())).collect());
        Box::pin(ready(Ok(all)))
    }

    fn remove<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<bool, TokenStoreError>> {
        Box::pin(ready(Ok(self.with(|all| all.remove(key).is_some()))))
    }
}
