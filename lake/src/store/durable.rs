//! A local disk on which what was acknowledged survives a loss of power.
//!
//! `object_store` writes a staged file and links or renames it, which is atomic for readers but never synced: after a loss of
//! power the name may stand with nothing behind it. A receipt must not: so files are synced before they get their name, and the
//! folder after. Readers skip names that end in `#` and digits, which is how an unfinished file is called.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use fs_err as fs;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use ulid::Ulid;

/// `LocalFileSystem` whose writes are synced.
#[derive(Debug)]
pub(crate) struct DurableDisk {
    inner: Arc<LocalFileSystem>,
}

impl DurableDisk {
    pub(crate) fn new(inner: LocalFileSystem) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl fmt::Display for DurableDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    let (path, source) = (path.to_string(), Box::new(error));
    match source.kind() {
        ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        ErrorKind::NotFound => Error::NotFound { path, source },
        ErrorKind::PermissionDenied => Error::PermissionDenied { path, source },
        _ => Error::Generic { store: "LocalFileSystem", source },
    }
}

/// Makes the folders down to `folder`; returns those whose list of names changed, innermost first.
fn make_folders(folder: &FilePath) -> io::Result<Vec<PathBuf>> {
    let mut changed = vec![folder.to_owned()];
    let mut at = folder;
    while !at.exists() {
        let Some(parent) = at.parent() else { break };
        changed.push(parent.to_owned());
        at = parent;
    }
    fs::create_dir_all(folder)?;
    Ok(changed)
}

fn sync_folder(folder: &FilePath) -> io::Result<()> {
    // Windows cannot open a folder as a file; there NTFS journals names by itself.
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

fn write_synced(target: &FilePath, payload: &PutPayload, create: bool) -> io::Result<()> {
    let folder = target.parent().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    let changed = make_folders(folder)?;
    let mut staged = target.as_os_str().to_owned();
    staged.push(format!("#{}", Ulid::new().0));
    let staged = PathBuf::from(staged);
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&staged)?;
        payload.iter().try_for_each(|piece| file.write_all(piece))?;
        file.sync_all()?;
        if create { fs::hard_link(&staged, target) } else { fs::rename(&staged, target) }
    })();
    if create || written.is_err() {
        // The staged name is only litter from here on, and readers skip it.
        drop(fs::remove_file(&staged));
    }
    written?;
    changed.iter().try_for_each(|folder| sync_folder(folder))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::JoinError { source })?
}

#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    target: PathBuf,
    path: Path,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, piece: PutPayload) -> UploadPart {
        self.inner.put_part(piece)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let (target, path) = (self.target.clone(), self.path.clone());
        // Synced after it has its name: nothing refers to the file before this returns.
        blocking(move || {
            let sync = || {
                fs::File::open(&target)?.sync_all()?;
                target.ancestors().nth(1).map_or(Ok(()), sync_folder)
            };
            sync().map_err(|error| failed(&path, error))
        })
        .await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[async_trait]
impl ObjectStore for DurableDisk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.inner.put_opts(location, payload, options).await,
        };
        let (target, path) = (self.inner.path_to_filesystem(location)?, location.clone());
        blocking(move || write_synced(&target, &payload, create).map_err(|error| failed(&path, error))).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let target = self.inner.path_to_filesystem(location)?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(DurableUpload { inner, target, path: location.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
