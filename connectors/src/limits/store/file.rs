//! The use of quotas in a folder that the processes of one machine share.
//!
//! One file a key. Whoever changes it holds a lock of the operating system on a file beside it, which ends with its process, and puts
//! the new state in place by a rename, so that a reader never sees half of it. Not for network file systems, which may not keep locks.

use std::path::{Path, PathBuf};

use futures::FutureExt;
use futures::future::BoxFuture;
use headwater_contract::Digest16;
use serde::{Deserialize, Serialize};

use super::{QuotaStore, QuotaStoreError};
use crate::limits::state::{Granted, QuotaChange, QuotaState};

/// Version of what is written.
const VERSION: u32 = 1;

/// Keeps the use of quotas in a folder.
#[derive(Clone, Debug)]
pub struct FileQuotas {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    state: QuotaState,
}

impl FileQuotas {
    /// Keeps them in `folder`, which is made when it is needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

impl QuotaStore for FileQuotas {
    fn change<'a>(&'a self, key: &'a str, change: &'a QuotaChange) -> BoxFuture<'a, Result<Granted, QuotaStoreError>> {
        let path = self.folder.join(format!("{}.json", Digest16::of(key.as_bytes())));
        let change = change.clone();
        async move {
            let place = path.display().to_string();
            let changed = tokio::task::spawn_blocking(move || change_file(&path, &change)).await;
            let reason = match changed {
                Ok(Ok(granted)) => return Ok(granted),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            Err(QuotaStoreError { place, reason })
        }
        .boxed()
    }
}

fn change_file(path: &Path, change: &QuotaChange) -> std::io::Result<Granted> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let lock = fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(path.with_extension("lock"))?;
    lock.lock()?;
    let mut kept = match fs_err::read(path) {
        Ok(text) => read(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => QuotaState::default(),
        Err(error) => return Err(error),
    };
    let granted = kept.apply(change);
    let text = serde_json::to_vec(&Kept { version: VERSION, state: kept })?;
    let fresh = path.with_extension("new");
    fs_err::write(&fresh, text)?;
    fs_err::rename(&fresh, path)?;
    // The lock ends with its file.
    drop(lock);
    Ok(granted)
}

/// A state of another version, or one that is damaged, is an error and not a fresh quota: forgetting would overrun the source.
fn read(text: &[u8]) -> std::io::Result<QuotaState> {
    let kept: Kept = serde_json::from_slice(text)?;
    if kept.version != VERSION {
        let reason = format!("it is of version {}, and this engine writes version {VERSION}", kept.version);
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
    }
    Ok(kept.state)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::state::{Allowance, Share};

    fn take() -> QuotaChange {
        let now = chrono::DateTime::UNIX_EPOCH;
        let allowance = Allowance::Period { began: now, ends: now + chrono::TimeDelta::days(1), units: 100.0 };
        let shares = vec![Share { limit: "day".into(), amount: 1.0, allowance }];
        QuotaChange::Take { now, shares, good_answers: 0, turn_max: Duration::ZERO }
    }

    #[tokio::test]
    async fn a_damaged_or_newer_state_is_an_error_and_not_a_fresh_quota() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileQuotas::new(folder.path());
        store.change("key", &take()).await.unwrap();
        let file = folder.path().join(format!("{}.json", Digest16::of(b"key")));
        let text = String::from_utf8(fs_err::read(&file).unwrap()).unwrap();
        for broken in [text.replace("\"version\":1", "\"version\":2"), text[..text.len() / 2].to_owned()] {
            fs_err::write(&file, broken).unwrap();
            assert!(store.change("key", &take()).await.is_err());
        }
    }

    /// Each store opens the files anew, as two processes do; none of them may take what another has taken.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_unit_is_given_twice_however_many_ask() {
        let folder = tempfile::tempdir().unwrap();
        let askers = (0..8).map(|_| {
            let store = FileQuotas::new(folder.path());
            tokio::spawn(async move {
                let mut granted = 0;
                for _ in 0..25 {
                    granted += u32::from(matches!(store.change("key", &take()).await.unwrap(), Granted::At(_)));
                }
                granted
            })
        });
        let mut granted = 0;
        for asker in askers.collect::<Vec<_>>() {
            granted += asker.await.unwrap();
        }
        assert_eq!(granted, 100);
    }
}
