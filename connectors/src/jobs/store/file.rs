//! Jobs in a folder, one small file each.
//!
//! A file is written and synced under another name and then renamed to its own, so that a kill leaves the one before or the one after.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use futures::future::BoxFuture;
use headwater_contract::encode_segment;
use serde::{Deserialize, Serialize};

use super::{JobKey, JobStore, JobStoreError, StoredJob};

/// Version of the file's form.
const FORM: u32 = 1;

/// Keeps jobs in a folder.
#[derive(Clone, Debug)]
pub struct FileJobStore {
    folder: PathBuf,
}

/// A job in its file.
#[derive(Serialize, Deserialize)]
struct Written {
    form: u32,
    job: StoredJob,
}

impl FileJobStore {
    /// A store in `folder`, which is made when the first job comes.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Runs `act` on the job's file where waiting for a disk stops nobody.
    fn aside<T: Send + 'static>(
        &self,
        key: &JobKey,
        act: impl FnOnce(&Path) -> Result<T, JobStoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, JobStoreError>> {
        let name = format!("{}.{}.{}.json", key.source, encode_segment(&key.stream), key.order);
        let file = self.folder.join(name);
        Box::pin(async move {
            let path = file.display().to_string();
            let joined = tokio::task::spawn_blocking(move || act(&file)).await;
            joined.map_err(|error| JobStoreError::Io { path, reason: error.to_string() })?
        })
    }
}

impl JobStore for FileJobStore {
    fn load<'a>(&'a self, key: &'a JobKey) -> BoxFuture<'a, Result<Option<StoredJob>, JobStoreError>> {
        self.aside(key, load)
    }

    fn save<'a>(&'a self, key: &'a JobKey, job: StoredJob) -> BoxFuture<'a, Result<(), JobStoreError>> {
        self.aside(key, move |file| save(file, &Written { form: FORM, job }))
    }

    fn remove<'a>(&'a self, key: &'a JobKey) -> BoxFuture<'a, Result<(), JobStoreError>> {
        self.aside(key, |file| match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(file, &error)),
            _ => Ok(()),
        })
    }
}

fn load(file: &Path) -> Result<Option<StoredJob>, JobStoreError> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(file, &error)),
    };
    let broken = |reason: String| JobStoreError::Broken { path: file.display().to_string(), reason };
    let written: Written = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
    if written.form != FORM {
        return Err(broken(format!("its form is {}, ours is {FORM}", written.form)));
    }
    Ok(Some(written.job))
}

fn save(file: &Path, written: &Written) -> Result<(), JobStoreError> {
    let write = || -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let aside = file.with_extension("new");
        let mut out = fs::File::create(&aside)?;
        out.write_all(&serde_json::to_vec(written)?)?;
        out.sync_all()?;
        fs::rename(&aside, file)?;
        // The name is durable when its folder is.
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| failed(file, &error))
}

fn failed(file: &Path, error: &io::Error) -> JobStoreError {
    JobStoreError::Io { path: file.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use headwater_contract::{Digest16, SourceName};

    use super::*;
    use crate::jobs::MemoryJobStore;
    use crate::parents::Fields;

    fn key(order: &[u8]) -> JobKey {
        JobKey { source: SourceName::new("ads").unwrap(), stream: "rows".into(), order: Digest16::of(order) }
    }

    #[tokio::test]
    async fn a_file_that_is_no_job_is_named_and_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileJobStore::new(folder.path().join("jobs"));
        let job = StoredJob { job_key: "k".into(), ordered_at: chrono::DateTime::UNIX_EPOCH, fields: None };
        store.save(&key(b"a"), job).await.unwrap();
        let file = fs::read_dir(folder.path().join("jobs")).unwrap().next().unwrap().unwrap().path();
        fs::write(&file, "{").unwrap();
        assert!(matches!(store.load(&key(b"a")).await, Err(JobStoreError::Broken { .. })));
        fs::write(&file, r#"{"form":2,"job":{"job_key":"k","ordered_at":"2024-03-01T00:00:00Z","fields":null}}"#)
            .unwrap();
        assert!(matches!(store.load(&key(b"a")).await, Err(JobStoreError::Broken { .. })));
    }

    #[tokio::test]
    async fn a_job_is_what_was_saved_last_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = || FileJobStore::new(folder.path().join("a/jobs"));
        let memory = MemoryJobStore::default();
        let stores: [&dyn JobStore; 2] = [&file(), &memory];
        for store in stores {
            let mut job = StoredJob { job_key: "k".into(), ordered_at: chrono::DateTime::UNIX_EPOCH, fields: None };
            assert_eq!(store.load(&key(b"a")).await, Ok(None));
            store.save(&key(b"a"), job.clone()).await.unwrap();
            job.fields = Some(Fields::from([("job".to_owned(), 7.into())]));
            store.save(&key(b"a"), job.clone()).await.unwrap();
            assert_eq!(store.load(&key(b"a")).await, Ok(Some(job.clone())));
            assert_eq!(store.load(&key(b"b")).await, Ok(None));
        }
        // Another process sees what the first one wrote down.
        assert!(file().load(&key(b"a")).await.unwrap().is_some());
        for store in stores {
            store.remove(&key(b"a")).await.unwrap();
            store.remove(&key(b"a")).await.unwrap();
            assert_eq!(store.load(&key(b"a")).await, Ok(None));
        }
    }
}
