//! Tokens in a folder, one small file a version, readable by their owner alone.
//!
//! A version's file appears whole and at once: it is written and synced under another name and then linked to its own, which fails when
//! that name is taken. So two processes that swap at the same time cannot both succeed, and a kill leaves the version before.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use fs_err as fs;
use futures::future::BoxFuture;
use headwater_contract::{Digest16, Secret, SourceName};
use serde::{Deserialize, Serialize};

use super::{Claim, Stored, TokenKey, TokenStore, TokenStoreError, Tokens};
use crate::auth::encoding::nonce;

/// Version of the file's form.
const FORM: u32 = 1;
/// How often a version that vanished while it was being opened is looked for again.
const LOOKS_MAX: usize = 8;
/// Versions that stay beside the newest: as many would have to come while one process is between two system calls of a swap, before it
/// could take a number that others have passed.
const KEPT: u64 = 8;

/// Keeps tokens in a folder.
#[derive(Clone, Debug)]
pub struct FileTokenStore {
    folder: PathBuf,
}

impl FileTokenStore {
    /// A store in `folder`, which is made when the first tokens come.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Runs `act` where waiting for a disk stops nobody.
    fn aside<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Path) -> Result<T, TokenStoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, TokenStoreError>> {
        let folder = self.folder.clone();
        Box::pin(async move {
            let path = folder.display().to_string();
            let joined = tokio::task::spawn_blocking(move || act(&folder)).await;
            joined.map_err(|error| TokenStoreError::Io { path, reason: error.to_string() })?
        })
    }
}

impl TokenStore for FileTokenStore {
    fn load<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Option<Stored>, TokenStoreError>> {
        let key = key.clone();
        self.aside(move |folder| newest(folder, &key))
    }

    fn swap<'a>(
        &'a self,
        key: &'a TokenKey,
        expected: Option<u64>,
        tokens: Tokens,
    ) -> BoxFuture<'a, Result<Option<u64>, TokenStoreError>> {
        let key = key.clone();
        self.aside(move |folder| swap(folder, &key, expected, &tokens))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<(TokenKey, Stored)>, TokenStoreError>> {
        self.aside(|folder| {
            let keys: std::collections::BTreeSet<TokenKey> = files(folder)?.into_iter().map(|file| file.key).collect();
            let stored = keys.into_iter().map(|key| Ok(newest(folder, &key)?.map(|stored| (key, stored))));
            stored.filter_map(Result::transpose).collect()
        })
    }

    fn remove<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<bool, TokenStoreError>> {
        let key = key.clone();
        self.aside(move |folder| {
            let mut mine: Vec<File> = files(folder)?.into_iter().filter(|file| file.key == key).collect();
            // The newest goes first: an older one that shows for a moment has been replaced by its own word.
            mine.sort_by_key(|file| std::cmp::Reverse(file.version));
            for file in &mine {
                fs::remove_file(&file.path).map_err(|error| io(&file.path, &error))?;
            }
            Ok(!mine.is_empty())
        })
    }
}

/// One version's file.
struct File {
    key: TokenKey,
    version: u64,
    path: PathBuf,
}

fn path_of(folder: &Path, key: &TokenKey, version: u64) -> PathBuf {
    folder.join(format!("{key}.{version:012}.json"))
}

fn files(folder: &Path) -> Result<Vec<File>, TokenStoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(folder, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| io(folder, &error))?.path();
        found.extend(file_of(&path));
    }
    Ok(found)
}

/// What a file's name says; `None` for files that are not ours.
fn file_of(path: &Path) -> Option<File> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    let (key, version) = name.rsplit_once('.')?;
    let (source, credential) = key.rsplit_once('-')?;
    let credential: Digest16 = serde_json::from_value(credential.into()).ok()?;
    let source = SourceName::new(source).ok()?;
    Some(File { key: TokenKey { source, credential }, version: version.parse().ok()?, path: path.to_owned() })
}

fn newest(folder: &Path, key: &TokenKey) -> Result<Option<Stored>, TokenStoreError> {
    for _ in 0..LOOKS_MAX {
        let mine = files(folder)?.into_iter().filter(|file| file.key == *key);
        let Some(file) = mine.max_by_key(|file| file.version) else { return Ok(None) };
        match fs::read(&file.path) {
            Ok(bytes) => return Ok(Some(Stored { version: file.version, tokens: read(&bytes, &file.path)? })),
            // Two newer versions came in between.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(&file.path, &error)),
        }
    }
    Err(TokenStoreError::Io { path: folder.display().to_string(), reason: "it changes all the time".to_owned() })
}

fn swap(folder: &Path, key: &TokenKey, expected: Option<u64>, tokens: &Tokens) -> Result<Option<u64>, TokenStoreError> {
    make_folder(folder)?;
    let highest = |folder: &Path| -> Result<Option<u64>, TokenStoreError> {
        Ok(files(folder)?.into_iter().filter(|file| file.key == *key).map(|file| file.version).max())
    };
    if highest(folder)? != expected {
        return Ok(None);
    }
    let version = expected.unwrap_or(0) + 1;
    let path = path_of(folder, key, version);
    let random = nonce()
        .map_err(|error| TokenStoreError::Io { path: folder.display().to_string(), reason: error.to_string() })?;
    let draft = folder.join(format!(".{key}.{random}"));
    write(&draft, tokens)?;
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft).map_err(|error| io(&draft, &error))?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(io(&path, &error)),
    }
    sync_folder(folder)?;
    // Whoever compared long ago may link a number that others have passed and cleared away: the highest one stands.
    if highest(folder)?.is_some_and(|highest| highest > version + KEPT) {
        fs::remove_file(&path).map_err(|error| io(&path, &error))?;
        return Ok(None);
    }
    for old in files(folder)?.into_iter().filter(|file| file.key == *key && file.version + KEPT < version) {
        match fs::remove_file(&old.path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(&old.path, &error)),
        }
    }
    Ok(Some(version))
}

fn make_folder(folder: &Path) -> Result<(), TokenStoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|error| io(folder, &error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(|error| io(folder, &error))?;
    }
    Ok(())
}

fn write(path: &Path, tokens: &Tokens) -> Result<(), TokenStoreError> {
    let text = serde_json::to_vec(&Form::from(tokens))
        .map_err(|error| TokenStoreError::Unreadable { path: path.display().to_string(), reason: error.to_string() })?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use fs::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path).map_err(|error| io(path, &error))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(|error| io(path, &error))
}

/// Makes a new name in the folder durable; other systems do so by themselves.
fn sync_folder(folder: &Path) -> Result<(), TokenStoreError> {
    if cfg!(unix) {
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| io(folder, &error))?;
    }
    Ok(())
}

fn read(bytes: &[u8], path: &Path) -> Result<Tokens, TokenStoreError> {
    let unreadable = |reason: String| TokenStoreError::Unreadable { path: path.display().to_string(), reason };
    // The parser's own words may quote the file, so only the place is told.
    let form: Form = serde_json::from_slice(bytes)
        .map_err(|error| unreadable(format!("line {} column {}", error.line(), error.column())))?;
    if form.version != FORM {
        return Err(unreadable(format!("it has form {}, this version reads form {FORM}", form.version)));
    }
    Ok(form.into())
}

fn io(path: &Path, error: &std::io::Error) -> TokenStoreError {
    TokenStoreError::Io { path: path.display().to_string(), reason: error.to_string() }
}

/// Tokens on disk. It derives no `Debug`, because it holds them in the open.
#[derive(Serialize, Deserialize)]
struct Form {
    version: u32,
    title: String,
    values: BTreeMap<String, String>,
    expires_at: Option<DateTime<Utc>>,
    refresh_token: Option<String>,
    refresh_token_before: Option<String>,
    seed: Option<Digest16>,
    obtained_at: DateTime<Utc>,
    claim: Option<(String, DateTime<Utc>)>,
}

impl From<&Tokens> for Form {
    fn from(tokens: &Tokens) -> Self {
        let open = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        Self {
            version: FORM,
            title: tokens.title.clone(),
            values: tokens.values.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect(),
            expires_at: tokens.expires_at,
            refresh_token: open(&tokens.refresh_token),
            refresh_token_before: open(&tokens.refresh_token_before),
            seed: tokens.seed,
            obtained_at: tokens.obtained_at,
            claim: tokens.claim.as_ref().map(|claim| (claim.holder.clone(), claim.until)),
        }
    }
}

impl From<Form> for Tokens {
    fn from(form: Form) -> Self {
        Self {
            title: form.title,
            values: form.values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
            expires_at: form.expires_at,
            refresh_token: form.refresh_token.map(Secret::new),
            refresh_token_before: form.refresh_token_before.map(Secret::new),
            seed: form.seed,
            obtained_at: form.obtained_at,
            claim: form.claim.map(|(holder, until)| Claim { holder, until }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::MemoryTokenStore;

    fn key() -> TokenKey {
        TokenKey { source: SourceName::new("shop").unwrap(), credential: Digest16::of(b"client") }
    }

    fn tokens(refresh: &str) -> Tokens {
        Tokens {
            title: "https://x.com/token".into(),
            values: [("access_token".to_owned(), Secret::new("acc3ss"))].into(),
            expires_at: Some("2026-11-21T10:00:00Z".parse().unwrap()),
            refresh_token: Some(Secret::new(refresh)),
            refresh_token_before: None,
            seed: Some(Digest16::of(b"first")),
            obtained_at: "2026-11-21T09:00:00Z".parse().unwrap(),
            claim: Some(Claim { holder: "me".into(), until: "2026-11-21T09:01:00Z".parse().unwrap() }),
        }
    }

    async fn holds_the_promise(store: &dyn TokenStore) {
        assert_eq!(store.load(&key()).await.unwrap(), None);
        assert_eq!(store.swap(&key(), Some(1), tokens("a")).await.unwrap(), None, "nothing stands yet");
        assert_eq!(store.swap(&key(), None, tokens("a")).await.unwrap(), Some(1));
        assert_eq!(store.swap(&key(), None, tokens("b")).await.unwrap(), None, "somebody was first");
        assert_eq!(store.swap(&key(), Some(1), tokens("b")).await.unwrap(), Some(2));
        assert_eq!(store.swap(&key(), Some(1), tokens("c")).await.unwrap(), None);
        assert_eq!(store.swap(&key(), Some(2), tokens("c")).await.unwrap(), Some(3));
        assert_eq!(store.load(&key()).await.unwrap(), Some(Stored { version: 3, tokens: tokens("c") }));
        assert_eq!(store.list().await.unwrap().len(), 1);
        assert!(store.remove(&key()).await.unwrap() && !store.remove(&key()).await.unwrap());
        assert_eq!(store.load(&key()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn only_who_saw_the_last_version_writes_the_next() {
        holds_the_promise(&MemoryTokenStore::default()).await;
        let folder = tempfile::tempdir().unwrap();
        holds_the_promise(&FileTokenStore::new(folder.path().join("tokens"))).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_that_swap_at_once_one_wins_each_version() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(FileTokenStore::new(folder.path()));
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut won = 0_u64;
                    for _ in 0..10 {
                        let version = store.load(&key()).await.unwrap().map(|stored| stored.version);
                        won +=
                            u64::from(store.swap(&key(), version, tokens(&task.to_string())).await.unwrap().is_some());
                    }
                    won
                })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            won += task.await.unwrap();
        }
        assert!(won >= 10, "{won}");
        assert_eq!(store.load(&key()).await.unwrap().unwrap().version, won, "a swap was lost or counted twice");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn files_are_readable_by_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("tokens");
        FileTokenStore::new(&inside).swap(&key(), None, tokens("a")).await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inside), mode(&path_of(&inside, &key(), 1))), (0o700, 0o600));
    }

    #[tokio::test]
    async fn a_file_that_is_torn_or_from_the_future_is_named_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileTokenStore::new(folder.path());
        let path = path_of(folder.path(), &key(), 1);
        for text in ["{\"version\":1,\"title\":\"s3cret", "{\"version\":1,\"title\":5,\"s3cret\":1}", "{}"] {
            fs::write(&path, text).unwrap();
            let error = store.load(&key()).await.unwrap_err();
            assert!(matches!(error, TokenStoreError::Unreadable { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
        fs::remove_file(path).unwrap();
        assert_eq!(store.list().await.unwrap(), []);
    }
}
