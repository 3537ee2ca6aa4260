//! The one door to bytes: a store per zone, whatever it is made of.
//!
//! Paths are relative to the zone's root. Three promises carry the whole protocol, and each store keeps them in its own way:
//! [`Store::put_new`] creates or says that the object exists, never anything between; what was acknowledged survives (on a local
//! disk by syncing, see `durable.rs`); a listing shows every object that was acknowledged before it began.

mod container;
mod door;
mod durable;
mod error;
mod open;
mod options;
mod probe;
mod upload;
mod url;

use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use ::url::Url;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use fs_err as fs;
use futures::TryStreamExt;
use headwater_contract::Digest16;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::io::AsyncWriteExt;
use ulid::Ulid;

pub use container::ensure_container;
pub use error::StoreError;
pub use options::StoreOptions;
pub use probe::probe;
pub use upload::Upload;
pub use url::ZoneUrl;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies, relative to the zone.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When the store says that it was written.
    pub modified: DateTime<Utc>,
}

/// The bytes of one zone.
#[derive(Clone, Debug)]
pub struct Store {
    url: Arc<Url>,
    objects: Arc<dyn ObjectStore>,
    folder: Option<Arc<PathBuf>>,
}

impl Store {
    /// Opens the store that `url` names. No request is sent, nothing is written.
    ///
    /// Each opening of a `memory:` URL is a store of its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadOption`] for an option that the store does not know.
    pub fn open(url: &ZoneUrl, options: &StoreOptions) -> Result<Self, StoreError> {
        let (objects, folder) = open::open(url, options)?;
        Ok(Self { url: Arc::new(url.url().clone()), objects, folder: folder.map(Arc::new) })
    }

    /// A store in memory, for a dry run or a test.
    ///
    /// # Errors
    ///
    /// None that can happen: the URL is a constant.
    pub fn memory() -> Result<Self, StoreError> {
        Self::open(&ZoneUrl::parse("memory:///", FilePath::new("/"))?, &StoreOptions::none())
    }

    /// A zone over any object store, rooted at it.
    pub fn over(objects: Arc<dyn ObjectStore>, url: Url) -> Self {
        Self { url: Arc::new(url), objects: Arc::new(door::Door::new(objects, "")), folder: None }
    }

    /// The zone's root, for messages and for Delta. Ends in a slash.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The zone's folder, where it lies on the local disk.
    pub fn folder(&self) -> Option<&FilePath> {
        self.folder.as_ref().map(|folder| folder.as_path())
    }

    /// The store rooted at the zone, for Delta and Parquet readers.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }

    /// The store rooted at a folder of the zone, for one Delta table.
    pub fn object_store_at(&self, folder: &str) -> Arc<dyn ObjectStore> {
        Arc::new(door::Door::new(Arc::clone(&self.objects), folder.trim_matches('/')))
    }

    /// The URL of a folder of the zone. Ends in a slash.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadPath`] when `folder` is no path.
    pub fn url_of(&self, folder: &str) -> Result<Url, StoreError> {
        let mut url = (*self.url).clone();
        let path = parse(folder)?;
        {
            let bad = |()| StoreError::BadPath { path: folder.to_owned() };
            let mut segments = url.path_segments_mut().map_err(bad)?;
            segments.pop_if_empty().extend(path.parts().map(|part| part.as_ref().to_owned())).push("");
        }
        Ok(url)
    }

    fn sort(&self, error: object_store::Error, action: &'static str, path: &str) -> StoreError {
        StoreError::sort(error, self.url.as_str(), action, path)
    }

    /// Creates an object that must not exist.
    ///
    /// An error, even [`StoreError::AlreadyExists`], does not say that these bytes are not there: a lost answer is sent again by
    /// the store's client and then finds itself. Who must know reads the object back.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyExists`] when the name is taken, else what the store said.
    pub async fn put_new(&self, path: &str, object: impl Into<PutPayload>) -> Result<(), StoreError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.objects.put_opts(&parse(path)?, object.into(), options).await;
        put.map(drop).map_err(|error| StoreError::sort_put(error, self.url.as_str(), "create", path))
    }

    /// Writes an object, whatever was there. For scratch and caches only: what is true is created once.
    ///
    /// # Errors
    ///
    /// What the store said.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        let put = self.objects.put(&parse(path)?, PutPayload::from_bytes(bytes)).await;
        put.map(drop).map_err(|error| StoreError::sort_put(error, self.url.as_str(), "write", path))
    }

    /// Begins an upload in pieces, for a file of unknown size under a name that only this attempt uses.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadPath`]; the store is first asked when pieces are written.
    pub fn upload_new(&self, path: &str) -> Result<Upload, StoreError> {
        Ok(Upload::new(self.object_store(), parse(path)?))
    }

    /// Uploads a file of the local disk under a name that only this attempt uses. Returns its size.
    ///
    /// # Errors
    ///
    /// [`StoreError::Disk`] when the file cannot be read, else what the store said.
    pub async fn upload_file(&self, path: &str, file: &FilePath) -> Result<u64, StoreError> {
        let disk = |source| StoreError::Disk { action: "read", source };
        let mut source = tokio::fs::File::open(file).await.map_err(disk)?;
        let mut upload = self.upload_new(path)?;
        let copied = tokio::io::copy(&mut source, &mut upload).await;
        let finished = match copied {
            Ok(size) => upload.shutdown().await.map(|()| size),
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        };
        finished.map_err(|error| self.sort(upload::as_store_error(error), "write", path))
    }

    /// Reads an object.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], else what the store said.
    pub async fn get(&self, path: &str) -> Result<Bytes, StoreError> {
        let answer = self.objects.get(&parse(path)?).await.map_err(|error| self.sort(error, "read", path))?;
        answer.bytes().await.map_err(|error| self.sort(error, "read", path))
    }

    /// Reads some bytes of an object.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], else what the store said.
    pub async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.objects.get_range(&parse(path)?, range).await.map_err(|error| self.sort(error, "read", path))
    }

    /// The size of an object in bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], else what the store said.
    pub async fn size(&self, path: &str) -> Result<u64, StoreError> {
        let head = self.objects.head(&parse(path)?).await;
        head.map(|entry| entry.size).map_err(|error| self.sort(error, "ask for", path))
    }

    /// Whether an object exists.
    ///
    /// # Errors
    ///
    /// What the store said.
    pub async fn exists(&self, path: &str) -> Result<bool, StoreError> {
        match self.size(path).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Every object under the folder `prefix`, at any depth, by path. An empty list when there is no such folder.
    ///
    /// # Errors
    ///
    /// What the store said.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        let folder = parse_folder(prefix)?;
        self.collect(self.objects.list(folder.as_ref()), prefix).await
    }

    /// As [`Store::list`], but only the objects whose path is greater than `offset`.
    ///
    /// # Errors
    ///
    /// What the store said.
    pub async fn list_from(&self, prefix: &str, offset: &str) -> Result<Vec<Entry>, StoreError> {
        let folder = parse_folder(prefix)?;
        self.collect(self.objects.list_with_offset(folder.as_ref(), &parse(offset)?), prefix).await
    }

    async fn collect(
        &self,
        entries: futures::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>>,
        prefix: &str,
    ) -> Result<Vec<Entry>, StoreError> {
        let entries: Vec<_> = entries.try_collect().await.map_err(|error| self.sort(error, "list", prefix))?;
        let entry = |meta: object_store::ObjectMeta| Entry {
            path: meta.location.to_string(),
            size: meta.size,
            modified: meta.last_modified,
        };
        let mut entries: Vec<_> = entries.into_iter().map(entry).collect();
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// The names of the folders right under the folder `prefix`, in order.
    ///
    /// # Errors
    ///
    /// What the store said.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let folder = parse_folder(prefix)?;
        let listed = self.objects.list_with_delimiter(folder.as_ref()).await;
        let listed = listed.map_err(|error| self.sort(error, "list", prefix))?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        let mut names: Vec<_> = listed.common_prefixes.iter().filter_map(name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Deletes an object. Deleting what is not there is no error.
    ///
    /// # Errors
    ///
    /// What the store said.
    pub async fn delete(&self, path: &str) -> Result<(), StoreError> {
        match self.objects.delete(&parse(path)?).await.map_err(|error| self.sort(error, "delete", path)) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// The object as a file of the local disk: itself where the zone lies there, else a copy under `scratch`.
    ///
    /// A copy is made once and found again by the zone's URL and the path, so this is for files that never change.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::Disk`], else what the store said.
    pub async fn local_copy(&self, path: &str, scratch: &FilePath) -> Result<PathBuf, StoreError> {
        let location = parse(path)?;
        if let Some(folder) = &self.folder {
            let file = location.parts().fold(folder.to_path_buf(), |at, part| at.join(part.as_ref()));
            return if file.is_file() {
                Ok(file)
            } else {
                Err(StoreError::NotFound { path: path.to_owned(), url: self.url.to_string() })
            };
        }
        let disk = |action: &'static str| move |source| StoreError::Disk { action, source };
        let folder = scratch.join("copies").join(Digest16::of(self.url.as_str().as_bytes()).to_string());
        let extension = FilePath::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or("copy");
        let file = folder.join(format!("{}.{extension}", Digest16::of(path.as_bytes())));
        if file.is_file() {
            return Ok(file);
        }
        fs::create_dir_all(&folder).map_err(disk("write"))?;
        let unfinished = folder.join(format!("{}.unfinished", Ulid::new()));
        let mut target = tokio::fs::File::create(&unfinished).await.map_err(disk("write"))?;
        let answer = self.objects.get(&location).await.map_err(|error| self.sort(error, "read", path))?;
        let mut pieces = answer.into_stream();
        while let Some(piece) = pieces.try_next().await.map_err(|error| self.sort(error, "read", path))? {
            target.write_all(&piece).await.map_err(disk("write"))?;
        }
        target.flush().await.map_err(disk("write"))?;
        fs::rename(&unfinished, &file).map_err(disk("write"))?;
        Ok(file)
    }
}

fn parse(path: &str) -> Result<Path, StoreError> {
    let bad = || StoreError::BadPath { path: path.to_owned() };
    let parsed = Path::parse(path).map_err(|_| bad())?;
    if parsed.as_ref().is_empty() { Err(bad()) } else { Ok(parsed) }
}

fn parse_folder(prefix: &str) -> Result<Option<Path>, StoreError> {
    let trimmed = prefix.trim_matches('/');
    if trimmed.is_empty() { Ok(None) } else { parse(trimmed).map(Some) }
}

#[cfg(test)]
pub(crate) mod tests;
