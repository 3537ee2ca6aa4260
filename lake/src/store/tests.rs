//! The store's promises, on a local disk and in memory, and what is refused when a store does not keep them.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions, PutResult, Result,
};

use super::*;

/// How a store misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Accepts `If-None-Match: *` and overwrites.
    IgnoresConditions,
    /// Says "already exists" and overwrites all the same.
    RefusesAndOverwrites,
    /// Answers the whole list, whatever the offset.
    IgnoresOffsets,
    /// Stores the first object and loses the answer.
    LosesAnswers,
    /// Stores nothing and fails.
    Fails,
}

#[derive(Debug)]
struct Faulty {
    inner: InMemory,
    fault: Fault,
    puts: AtomicU8,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

fn lost() -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: "connection reset".into() }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let is_first = self.puts.fetch_add(1, Ordering::SeqCst) == 0;
        match self.fault {
            Fault::IgnoresConditions => self.inner.put_opts(at, payload, PutOptions::default()).await,
            Fault::RefusesAndOverwrites => {
                let exists = self.inner.head(at).await.is_ok();
                let put = self.inner.put_opts(at, payload, PutOptions::default()).await;
                let path = at.to_string();
                if exists { Err(object_store::Error::AlreadyExists { path, source: "there".into() }) } else { put }
            }
            Fault::LosesAnswers if is_first => {
                self.inner.put_opts(at, payload, options).await?;
                Err(lost())
            }
            Fault::Fails => Err(lost()),
            _ => self.inner.put_opts(at, payload, options).await,
        }
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.fault {
            Fault::IgnoresOffsets => self.inner.list(prefix),
            _ => self.inner.list_with_offset(prefix, offset),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn faulty(fault: Fault) -> Store {
    let inner = Faulty { inner: InMemory::new(), fault, puts: AtomicU8::new(0) };
    Store::over(Arc::new(inner), Url::parse("memory:///").unwrap())
}

/// A store whose first put is stored and reported as an error; for the tests of receipts and claims.
pub(crate) fn loses_first_answer() -> Store {
    faulty(Fault::LosesAnswers)
}

/// A store that takes no put.
pub(crate) fn takes_nothing() -> Store {
    faulty(Fault::Fails)
}

fn disk(folder: &FilePath) -> Store {
    Store::open(&ZoneUrl::folder(&folder.join("my lake")).unwrap(), &StoreOptions::none()).unwrap()
}

#[tokio::test]
async fn the_probe_refuses_stores_that_overwrite() {
    for fault in [Fault::IgnoresConditions, Fault::RefusesAndOverwrites] {
        let store = faulty(fault);
        let refused = probe(&store).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unsafe { .. }), "{fault:?}: {refused}");
        assert_eq!(headwater_contract::Explain::code(&refused), "store-unsafe");
        assert_eq!(store.list("").await.unwrap(), [], "{fault:?}");
    }
}

#[tokio::test]
async fn the_probe_accepts_good_stores_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for store in [Store::memory().unwrap(), disk(folder.path()), loses_first_answer()] {
        match probe(&store).await {
            Ok(()) => {}
            // An answer that was lost is the store's failure, not its nature.
            Err(error) => assert!(matches!(error, StoreError::Unavailable { .. }), "{error}"),
        }
        assert_eq!(store.list("").await.unwrap(), []);
    }
}

#[tokio::test]
async fn paths_that_leave_the_zone_are_refused() {
    let store = Store::memory().unwrap();
    for path in ["", "/", "a//b", "../a", "a/../b", "a/./b"] {
        let refused = store.put(path, Bytes::new()).await;
        assert!(matches!(refused, Err(StoreError::BadPath { .. })), "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn an_object_is_created_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    for store in [Store::memory().unwrap(), disk(folder.path())] {
        let path = "shop/orders/slice=a%2Fb/g1.json";
        assert!(store.get(path).await.unwrap_err().is_not_found());
        assert!(!store.exists(path).await.unwrap());
        store.put_new(path, Bytes::from_static(b"first")).await.unwrap();
        assert!(store.put_new(path, Bytes::from_static(b"second")).await.unwrap_err().is_already_exists());
        assert_eq!(store.get(path).await.unwrap(), "first");
        assert_eq!(store.get_range(path, 1..3).await.unwrap(), "ir");
        assert_eq!(store.size(path).await.unwrap(), 5);
        store.put(path, Bytes::from_static(b"other")).await.unwrap();
        assert_eq!(store.get(path).await.unwrap(), "other");
        store.delete(path).await.unwrap();
        store.delete(path).await.unwrap();
        assert!(!store.exists(path).await.unwrap());
    }
}

#[tokio::test]
async fn of_many_creators_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    for store in [Store::memory().unwrap(), disk(folder.path())] {
        for round in 0..8 {
            let path = format!("receipts/{round}.json");
            let creators = (0..8).map(|who| {
                let (store, path) = (store.clone(), path.clone());
                tokio::spawn(async move { store.put_new(&path, Bytes::from(who.to_string())).await.map(|()| who) })
            });
            let outcomes = futures::future::join_all(creators).await;
            let winners: Vec<i32> = outcomes.into_iter().filter_map(|outcome| outcome.unwrap().ok()).collect();
            assert_eq!(winners.len(), 1, "round {round}");
            assert_eq!(store.get(&path).await.unwrap(), winners[0].to_string());
        }
    }
}

#[tokio::test]
async fn listings_are_in_order_and_know_offsets_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    for store in [Store::memory().unwrap(), disk(folder.path()), faulty(Fault::IgnoresOffsets)] {
        assert_eq!(store.list("nothing").await.unwrap(), []);
        assert_eq!(store.folders("nothing").await.unwrap(), Vec::<String>::new());
        for path in ["t/b/2", "t/a/1", "t/a/3", "t/file", "u/1"] {
            store.put(path, Bytes::from_static(b"x")).await.unwrap();
        }
        let paths = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>();
        assert_eq!(paths(store.list("t").await.unwrap()), ["t/a/1", "t/a/3", "t/b/2", "t/file"]);
        assert_eq!(paths(store.list_from("t", "t/a/3").await.unwrap()), ["t/b/2", "t/file"]);
        assert_eq!(store.folders("t").await.unwrap(), ["a", "b"]);
        assert_eq!(store.folders("").await.unwrap(), ["t", "u"]);
    }
}

#[tokio::test]
async fn a_file_that_was_never_finished_is_in_no_listing() {
    let folder = tempfile::tempdir().unwrap();
    let store = disk(folder.path());
    store.put("t/1.json", Bytes::from_static(b"x")).await.unwrap();
    fs::write(store.folder().unwrap().join("t/2.json#17"), b"half").unwrap();
    assert_eq!(store.list("t").await.unwrap().len(), 1);
}

#[tokio::test]
async fn uploads_in_pieces_arrive_whole() {
    let folder = tempfile::tempdir().unwrap();
    for store in [Store::memory().unwrap(), disk(folder.path())] {
        for size in [0, 5, 9 << 20, 20 << 20] {
            let bytes: Vec<u8> = (0..size).map(|at: usize| u8::try_from(at % 251).unwrap()).collect();
            let file = folder.path().join("source");
            fs::write(&file, &bytes).unwrap();
            let path = format!("t/{size}.parquet");
            assert_eq!(store.upload_file(&path, &file).await.unwrap(), size as u64);
            assert!(store.get(&path).await.unwrap() == bytes, "{size}");
        }
        let mut given_up = store.upload_new("t/given-up").unwrap();
        given_up.write_all(b"half").await.unwrap();
        given_up.abort().await;
        assert!(!store.exists("t/given-up").await.unwrap());
    }
}

#[tokio::test]
async fn a_local_copy_is_the_file_itself_or_is_fetched_once() {
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("scratch");
    let disk = disk(folder.path());
    for store in [Store::memory().unwrap(), disk.clone()] {
        assert!(store.local_copy("t/slice=a%2Fb/1.parquet", &scratch).await.unwrap_err().is_not_found());
        store.put("t/slice=a%2Fb/1.parquet", Bytes::from_static(b"rows")).await.unwrap();
        let file = store.local_copy("t/slice=a%2Fb/1.parquet", &scratch).await.unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"rows");
        assert_eq!(file.starts_with(&scratch), store.folder().is_none());
        assert_eq!(file.extension().unwrap(), "parquet");
        if store.folder().is_none() {
            store.delete("t/slice=a%2Fb/1.parquet").await.unwrap();
        }
        assert_eq!(store.local_copy("t/slice=a%2Fb/1.parquet", &scratch).await.unwrap(), file);
    }
}

#[tokio::test]
async fn a_table_is_reached_by_its_own_store_and_url() {
    let folder = tempfile::tempdir().unwrap();
    let store = disk(folder.path());
    store.put("shop/orders/_/a%2Fb.parquet", Bytes::from_static(b"rows")).await.unwrap();
    let table = store.object_store_at("shop/orders");
    let found = table.get(&Path::parse("_/a%2Fb.parquet").unwrap()).await.unwrap().bytes().await.unwrap();
    assert_eq!(found, "rows");
    let url = store.url_of("shop/orders").unwrap();
    assert_eq!(url.to_file_path().unwrap(), folder.path().join("my lake/shop/orders"));
    assert!(url.as_str().ends_with("/my%20lake/shop/orders/"), "{url}");
}

#[tokio::test]
async fn opening_a_folder_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = disk(folder.path());
    assert_eq!(store.list("").await.unwrap(), []);
    assert!(!store.folder().unwrap().exists());
}
