//! What can go wrong between us and the bytes, and what the reader must do about it.
//!
//! `object_store` tells its errors apart by store; this is the part of that which decides: is it there already, is it missing,
//! may we, is the store at fault, or the project.

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

/// Why a store did not do as it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The object exists, and was to be created. Who made it is to be asked of the object itself.
    #[error("`{path}` exists already")]
    AlreadyExists {
        /// Where it lies, relative to the zone.
        path: String,
    },
    /// There is no such object.
    #[error("`{path}` does not exist in {url}")]
    NotFound {
        /// Where it was looked for, relative to the zone.
        path: String,
        /// The zone's root.
        url: String,
    },
    /// The store overwrites what was to be created only if absent.
    #[error("{url} does not honour create-if-absent: {finding}")]
    Unsafe {
        /// The zone's root.
        url: String,
        /// What the probe saw.
        finding: String,
    },
    /// The credential is missing, wrong, expired, or lacks the right.
    #[error("{url} refused access to `{path}`")]
    Denied {
        /// The zone's root.
        url: String,
        /// What was asked for.
        path: String,
        /// What the store said.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The store did not answer, or failed, after the bounded number of retries.
    #[error("{url} could not {action} `{path}`")]
    Unavailable {
        /// The zone's root.
        url: String,
        /// What was asked of it, e.g. `write`.
        action: &'static str,
        /// The object.
        path: String,
        /// What the store said last.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The URL names no store that we know.
    #[error("`{url}` is not the URL of a zone: {reason}")]
    BadUrl {
        /// What was written.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An option that the store does not know, or a value that it does not take.
    #[error("the store option `{option}` of {url} is wrong: {reason}")]
    BadOption {
        /// The zone's root.
        url: String,
        /// The option.
        option: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A path that leaves the zone or has an empty segment.
    #[error("`{path}` is not a path within a zone")]
    BadPath {
        /// What was asked for.
        path: String,
    },
    /// A local file or folder could not be written or read.
    #[error("cannot {action} a file on the local disk")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The system's answer, which names the file.
        #[source]
        source: std::io::Error,
    },
    /// There is no such container or bucket.
    #[error("the container or bucket of {url} does not exist")]
    NoContainer {
        /// The zone's root.
        url: String,
    },
    /// The container could not be created.
    #[error("cannot create the container `{container}` of {url}: {reason}")]
    Container {
        /// The zone's root.
        url: String,
        /// The container.
        container: String,
        /// What the service said.
        reason: String,
    },
}

impl StoreError {
    /// Sorts an error of `object_store` by what the reader must do.
    pub(crate) fn sort(error: object_store::Error, url: &str, action: &'static str, path: &str) -> Self {
        use object_store::Error as Outer;
        let path = path.to_owned();
        match error {
            // A precondition is only ever "must not exist": we never send another.
            Outer::AlreadyExists { .. } | Outer::Precondition { .. } => Self::AlreadyExists { path },
            Outer::NotFound { .. } => Self::NotFound { path, url: url.to_owned() },
            Outer::PermissionDenied { .. } | Outer::Unauthenticated { .. } => {
                Self::Denied { url: url.to_owned(), path, source: Box::new(error) }
            }
            Outer::InvalidPath { .. } => Self::BadPath { path },
            // Listings come without a kind of their own, so the status is read from the text.
            _ if says(&error, &["status code: 401", "status code: 403"]) => {
                Self::Denied { url: url.to_owned(), path, source: Box::new(error) }
            }
            _ if says(&error, &["ContainerNotFound", "NoSuchBucket"]) => Self::NoContainer { url: url.to_owned() },
            _ => Self::Unavailable { url: url.to_owned(), action, path, source: Box::new(error) },
        }
    }

    /// As [`StoreError::sort`] for an object that was written: what is not found then is the container.
    pub(crate) fn sort_put(error: object_store::Error, url: &str, action: &'static str, path: &str) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NoContainer { url: url.to_owned() },
            other => Self::sort(other, url, action, path),
        }
    }

    /// Whether the object was there already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. })
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// Whether an error, or one that caused it, says one of `words`.
fn says(error: &object_store::Error, words: &[&str]) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if words.iter().any(|word| text.contains(word)) {
            return true;
        }
        cause = inner.source();
    }
    false
}

impl Explain for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyExists { .. } => "store-object-exists",
            Self::NotFound { .. } => "store-object-missing",
            Self::Unsafe { .. } => "store-unsafe",
            Self::Denied { .. } => "store-denied",
            Self::Unavailable { .. } => "store-unavailable",
            Self::BadUrl { .. } => "store-url",
            Self::BadOption { .. } => "store-option",
            Self::BadPath { .. } => "store-path",
            Self::Disk { .. } => "store-disk",
            Self::NoContainer { .. } => "store-container-missing",
            Self::Container { .. } => "store-container",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::AlreadyExists { .. } | Self::BadPath { .. } => ErrorKind::Internal,
            Self::NotFound { .. } | Self::Unavailable { .. } | Self::Disk { .. } => ErrorKind::Unavailable,
            Self::Denied { .. } | Self::Container { .. } => ErrorKind::Access,
            Self::Unsafe { .. } | Self::BadUrl { .. } | Self::BadOption { .. } | Self::NoContainer { .. } => {
                ErrorKind::Config
            }
        }
    }

    fn place(&self) -> String {
        match self {
            Self::NotFound { url, path } | Self::Denied { url, path, .. } | Self::Unavailable { url, path, .. } => {
                format!("{}/{path}", url.trim_end_matches('/'))
            }
            Self::AlreadyExists { path } | Self::BadPath { path } => path.clone(),
            Self::Unsafe { url, .. }
            | Self::BadOption { url, .. }
            | Self::NoContainer { url }
            | Self::Container { url, .. } => url.clone(),
            Self::BadUrl { .. } => "headwater.yaml, lake".to_owned(),
            Self::Disk { .. } => String::new(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::AlreadyExists { .. } | Self::BadPath { .. } => "report this with the run id".to_owned(),
            Self::NotFound { .. } => {
                "check that nobody deleted files of the lake; `headwater rebuild cleansed` restores tables from raw"
                    .to_owned()
            }
            Self::Unsafe { .. } => {
                "use a store that honours `If-None-Match: *` on PUT (Azure Blob Storage, Amazon S3, a local disk); \
                 on this one two runners would overwrite each other's receipts"
                    .to_owned()
            }
            Self::Denied { .. } => {
                "give the credential of this zone the right to read, list, write and delete, or renew it".to_owned()
            }
            Self::Unavailable { .. } => "wait for the store, then run again".to_owned(),
            Self::BadUrl { .. } => {
                "write a folder, `abfss://container@account.dfs.core.windows.net/folder` or `s3://bucket/folder`"
                    .to_owned()
            }
            Self::BadOption { .. } => "correct the option under `lake.options` in headwater.yaml".to_owned(),
            Self::Disk { .. } => "make room or set the folder's permissions, then run again".to_owned(),
            Self::NoContainer { .. } => {
                "create it with any tool of the provider, or correct the zone's URL in headwater.yaml".to_owned()
            }
            Self::Container { container, .. } => {
                format!("create the container `{container}` yourself, or give the credential the right to create it")
            }
        }
    }

    fn committed(&self) -> String {
        "what was committed before stays; running again is safe".to_owned()
    }
}
