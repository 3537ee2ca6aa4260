//! Where tokens are kept that a source has issued: refresh tokens that rotate, and what a login on the command line brought.
//!
//! A refresh token that may be used once is lost for good when its successor is not stored before anything else happens (RFC 9700
//! § 4.14, <https://datatracker.ietf.org/doc/html/rfc9700>). So a store has one way to write, compare and swap, which is durable when it
//! returns; and the right to renew is itself a value that is swapped in, so processes take turns without any other lock.

mod file;
mod memory;

pub use file::FileTokenStore;
pub use memory::MemoryTokenStore;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use headwater_contract::{Digest16, Secret, SourceName};
use thiserror::Error;

/// Whose tokens: a source, and which of its credentials.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenKey {
    /// The source.
    pub source: SourceName,
    /// Digest of the token's URL, the client and, where each slice has its own, the slice.
    pub credential: Digest16,
}

impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.source, self.credential)
    }
}

/// Tokens as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// What they open, for people: the token's URL and the client.
    pub title: String,
    /// What requests carry, by name; empty when only the refresh token is known.
    pub values: BTreeMap<String, Secret>,
    /// When these values end, where that is known.
    pub expires_at: Option<DateTime<Utc>>,
    /// What the next values are asked for with.
    pub refresh_token: Option<Secret>,
    /// The refresh token before it: some vendors take it for a while after a lost answer.
    pub refresh_token_before: Option<Secret>,
    /// Digest of the refresh token that the settings held when these were stored: a new one in the settings wins.
    pub seed: Option<Digest16>,
    /// When they were obtained.
    pub obtained_at: DateTime<Utc>,
    /// Who is renewing them.
    pub claim: Option<Claim>,
}

/// The right to renew, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// A random name of whoever holds it.
    pub holder: String,
    /// When it ends by itself, because its holder has died.
    pub until: DateTime<Utc>,
}

/// Tokens with the version that a swap compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Grows by one with each swap.
    pub version: u64,
    /// The tokens.
    pub tokens: Tokens,
}

/// Keeps tokens.
pub trait TokenStore: Debug + Send + Sync {
    /// The tokens of `key`.
    ///
    /// # Errors
    ///
    /// [`TokenStoreError`] when they cannot be read.
    fn load<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Option<Stored>, TokenStoreError>>;

    /// Stores `tokens` if version `expected` still stands (`None`: nothing does), durably before it returns. Gives the new version, or
    /// `None` when somebody else was first.
    ///
    /// # Errors
    ///
    /// [`TokenStoreError`] when they cannot be written.
    fn swap<'a>(
        &'a self,
        key: &'a TokenKey,
        expected: Option<u64>,
        tokens: Tokens,
    ) -> BoxFuture<'a, Result<Option<u64>, TokenStoreError>>;

    /// All tokens, by key.
    ///
    /// # Errors
    ///
    /// [`TokenStoreError`] when they cannot be read.
    fn list(&self) -> BoxFuture<'_, Result<Vec<(TokenKey, Stored)>, TokenStoreError>>;

    /// Forgets the tokens of `key`; false when there were none.
    ///
    /// # Errors
    ///
    /// [`TokenStoreError`] when they cannot be removed.
    fn remove<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<bool, TokenStoreError>>;
}

/// Why tokens could not be kept or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenStoreError {
    /// The file system said no.
    #[error("tokens cannot be kept in `{path}`: {reason}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A file is not one of ours.
    #[error("`{path}` is no file of tokens that this version reads: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong, without its content.
        reason: String,
    },
}
