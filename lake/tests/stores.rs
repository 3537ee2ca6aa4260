//! What the protocol asks of a store, asked of real ones: Azurite (Azure Blob), moto (S3), and s3rver, which must be refused.
//!
//! `.ci/install` installs them; where one is not there, its test says so and ends. By hand, from the folder that it prints:
//! `node node_modules/azurite/dist/src/blob/main.js --blobPort 10000 --inMemoryPersistence --skipApiVersionCheck`,
//! `venv/bin/moto_server -p 10301`, `node node_modules/s3rver/bin/s3rver.js -d FOLDER -p 10302 --configure-bucket lake`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed test panics, a skipped one says so"
)]
#![expect(clippy::disallowed_methods, reason = "a test reads the environment as a user does")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use headwater_contract::{
    Chunk, Digest16, DigestSum, Exchange, Explain, Slice, StreamName, SystemClock, TimeRange, Window,
};
use headwater_lake::ledger::Ledger;
use headwater_lake::raw::{
    Counts, Landing, LeftOut, PartWriter, QuarantineList, RECEIPT_VERSION, Reason, Receipt, Receipts, Verdict,
    read_parts,
};
use headwater_lake::store::{Store, StoreError, StoreOptions, ZoneUrl, ensure_container, probe};
use tokio::io::AsyncWriteExt;
use ulid::Ulid;

const STARTS_WITHIN: Duration = Duration::from_mins(1);
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
/// The key that Azurite documents for everybody.
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Writers that want the same object at once.
const RIVALS: u32 = 8;

fn tools() -> PathBuf {
    if let Ok(folder) = std::env::var("HEADWATER_TOOLS") {
        return PathBuf::from(folder);
    }
    let cache = std::env::var("XDG_CACHE_HOME").unwrap_or_else(|_| std::env::var("HOME").unwrap() + "/.cache");
    PathBuf::from(cache).join("headwater/tools")
}

struct Service {
    process: Child,
    port: u16,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Starts a program of the tools folder on a free port; `None` when it is not installed.
fn start(interpreter: Option<&str>, program: &str, arguments: impl Fn(&str) -> Vec<String>) -> Option<Service> {
    let file = tools().join(program);
    if !file.exists() {
        eprintln!("skipped: no {}; .ci/install makes it", file.display());
        return None;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = interpreter.map_or_else(|| Command::new(&file), Command::new);
    if interpreter.is_some() {
        command.arg(&file);
    }
    command.args(arguments(&port.to_string())).stdout(Stdio::null()).stderr(Stdio::null());
    let service = Service { process: command.spawn().unwrap(), port };
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < STARTS_WITHIN, "{program} does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(service)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn open(url: &str, options: &StoreOptions) -> Store {
    Store::open(&ZoneUrl::parse(url, Path::new("/")).unwrap(), options).unwrap()
}

fn stream() -> StreamName {
    "shop.orders".parse().unwrap()
}

fn window() -> Window {
    let day = DateTime::from_timestamp(1_709_251_200, 0).unwrap();
    // A slice whose name needs every kind of encoding on its way through a URL.
    Window::range(Slice::named("owner/repo 50%+ä"), TimeRange::new(day, day + chrono::TimeDelta::days(1)).unwrap())
}

fn receipt(attempt: u32) -> Receipt {
    let read_at = DateTime::<Utc>::from_timestamp(1_709_400_000, 0).unwrap();
    Receipt {
        version: RECEIPT_VERSION,
        lake: Ulid::from_parts(1, 1),
        stream: stream(),
        slice: window().slice,
        window: window().name(),
        generation: 1,
        attempt: Ulid::from_parts(1, u128::from(attempt)),
        reason: Reason::First,
        parts_of: None,
        same_as: None,
        read_at,
        finished_at: read_at,
        verdict: Verdict::Passed,
        counts: Counts::default(),
        left_out: LeftOut::default(),
        digest: DigestSum::default(),
        manifest: Digest16::of(b"manifest"),
        contract: Digest16::of(b"contract"),
        token_in: None,
        token_out: None,
        parts: Vec::new(),
        typed: Vec::new(),
        quarantine: QuarantineList::default(),
        erasure: None,
    }
}

/// How rivals come for the same object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rivals {
    AtOnce,
    /// For moto, which asks whether the object exists and writes it in two steps (`put_object` in moto/s3/responses.py, 5.2.5):
    /// of rivals that come at once two may win. Amazon's S3 decides in one step.
    InTurn,
}

impl Rivals {
    /// What became of each.
    async fn outcomes<T: Send + 'static>(
        self,
        rivals: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
    ) -> Vec<T> {
        match self {
            Self::AtOnce => {
                let tasks: Vec<_> = rivals.map(tokio::spawn).collect();
                futures::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect()
            }
            Self::InTurn => futures::stream::iter(rivals).then(|rival| rival).collect().await,
        }
    }
}

/// Everything that the protocol rests on.
async fn keeps_its_promises(store: &Store, name: &str, come: Rivals) {
    probe(store).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), [], "{name}: the probe leaves nothing");
    creates_once(store, name, come).await;
    lists_and_reads(store, name).await;
    lands_once(store, name, come).await;
    keeps_parts(store, name).await;
    has_one_owner(store, name).await;
}

async fn creates_once(store: &Store, name: &str, come: Rivals) {
    for round in 0..10 {
        let path = format!("race/{round}");
        let rivals = (0..RIVALS).map(|rival| {
            let (store, path) = (store.clone(), path.clone());
            async move { (rival, store.put_new(&path, Bytes::from(rival.to_string())).await) }
        });
        let mut winners = Vec::new();
        for outcome in come.outcomes(rivals).await {
            match outcome {
                (rival, Ok(())) => winners.push(rival.to_string()),
                (_, Err(StoreError::AlreadyExists { .. })) => {}
                (_, Err(error)) => panic!("{name}, round {round}: {error}"),
            }
        }
        let kept = store.get(&path).await.unwrap();
        assert_eq!(winners, [String::from_utf8(kept.to_vec()).unwrap()], "{name}, round {round}");
    }
}

async fn lists_and_reads(store: &Store, name: &str) {
    for number in 0..25 {
        store.put(&format!("t/a/{number:02}"), Bytes::from_static(b"0123456789")).await.unwrap();
    }
    store.put("t/b/file", Bytes::new()).await.unwrap();
    assert_eq!(store.list_from("t/a", "t/a/10").await.unwrap().len(), 14, "{name}");
    assert_eq!(store.list("t").await.unwrap().len(), 26, "{name}");
    assert_eq!(store.folders("t").await.unwrap(), ["a", "b"], "{name}");
    assert_eq!(store.get_range("t/a/03", 2..5).await.unwrap(), "234", "{name}");
    assert!(store.get("t/nothing").await.unwrap_err().is_not_found(), "{name}");
    store.delete("t/a/00").await.unwrap();
    store.delete("t/a/00").await.unwrap();
    assert_eq!(store.list("t/a").await.unwrap().len(), 24, "{name}");
    let mut upload = store.upload_new("t/large").unwrap();
    let piece = vec![7_u8; 1 << 20];
    for _ in 0..20 {
        upload.write_all(&piece).await.unwrap();
    }
    upload.shutdown().await.unwrap();
    assert_eq!(store.size("t/large").await.unwrap(), 20 << 20, "{name}");
    let scratch = tempfile::tempdir().unwrap();
    let copy = store.local_copy("t/large", scratch.path()).await.unwrap();
    assert_eq!(std::fs::metadata(copy).unwrap().len(), 20 << 20, "{name}");
}

async fn lands_once(store: &Store, name: &str, come: Rivals) {
    let receipts = Receipts::new(store);
    let attempts = (0..RIVALS).map(|attempt| {
        let receipts = receipts.clone();
        async move { receipts.create(&receipt(attempt)).await.unwrap() }
    });
    let landings = come.outcomes(attempts).await;
    let truth = receipts.latest(&stream(), &window()).await.unwrap().unwrap();
    assert_eq!(landings.iter().filter(|landing| **landing == Landing::Created).count(), 1, "{name}");
    for landing in landings {
        assert!(matches!(landing, Landing::Created) || landing == Landing::Lost(Box::new(truth.clone())), "{name}");
    }
    assert_eq!(receipts.streams().await.unwrap().first(), Some(&stream()), "{name}");
    assert_eq!(receipts.windows(&stream()).await.unwrap().into_keys().collect::<Vec<_>>(), [window()], "{name}");
}

async fn keeps_parts(store: &Store, name: &str) {
    let mut writer = PartWriter::new(store, &stream(), &window(), 1, Ulid::from_parts(1, 1), 1 << 20);
    let fetched_at = DateTime::from_timestamp(1_709_400_000, 0).unwrap();
    for request in 0..4 {
        let (method, url) = ("GET".to_owned(), format!("https://shop.example/{request}"));
        let exchange =
            Exchange { request, method, url, status: 200, headers: Vec::new(), fetched_at, source_date: None };
        writer.exchange(&exchange).await.unwrap();
        writer.chunk(Chunk { request, ordinal: 0, body: Bytes::from(vec![b'x'; 700_000]) }).await.unwrap();
    }
    let parts = writer.finish().await.unwrap();
    assert_eq!(parts.len(), 2, "{name}");
    let mut reader = read_parts(store, &parts).await.unwrap();
    let mut requests = Vec::new();
    while let Some(row) = reader.next().await.unwrap() {
        assert_eq!(row.chunk.body.len(), 700_000, "{name}");
        requests.push(row.chunk.request);
    }
    assert_eq!(requests, [0, 1, 2, 3], "{name}");
}

async fn has_one_owner(store: &Store, name: &str) {
    let first = Ledger::in_memory(Arc::new(SystemClock)).await.unwrap();
    let second = Ledger::in_memory(Arc::new(SystemClock)).await.unwrap();
    first.claim(store).await.unwrap();
    assert_eq!(second.claim(store).await.unwrap_err().code(), "ledger-not-owner", "{name}");
    second.take_over(store).await.unwrap();
    assert_eq!(first.check_owner(store).await.unwrap_err().code(), "ledger-not-owner", "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_blob_keeps_its_promises() {
    let azurite = start(Some("node"), "node_modules/azurite/dist/src/blob/main.js", |port| {
        words(&format!(
            "--blobHost 127.0.0.1 --blobPort {port} --inMemoryPersistence --skipApiVersionCheck --silent --disableTelemetry"
        ))
    });
    let Some(azurite) = azurite else { return };
    let options = StoreOptions::none()
        .with("endpoint", format!("http://127.0.0.1:{}/{AZURITE_ACCOUNT}", azurite.port))
        .with("account_key", AZURITE_KEY)
        .with("allow_http", "true");
    let url = format!("abfss://raw@{AZURITE_ACCOUNT}.dfs.core.windows.net/the lake");
    let zone = ZoneUrl::parse(&url, Path::new("/")).unwrap();
    let store = open(&url, &options);
    for missing in [probe(&store).await.unwrap_err(), store.list("").await.unwrap_err()] {
        assert_eq!(missing.code(), "store-container-missing", "one is only made when it is asked for: {missing}");
    }
    assert!(ensure_container(&zone, &options, &SystemClock).await.unwrap());
    assert!(!ensure_container(&zone, &options, &SystemClock).await.unwrap(), "it is there now");
    keeps_its_promises(&store, "azurite", Rivals::AtOnce).await;
    let stranger = options.clone().with("account_key", "bm90IHRoZSBrZXk=");
    let refused = open(&url, &stranger).list("").await.unwrap_err();
    assert_eq!(refused.code(), "store-denied", "{refused}");
    let refused = ensure_container(&zone, &stranger, &SystemClock).await.unwrap_err();
    assert_eq!(refused.code(), "store-container");
    assert!(!refused.to_string().contains("sig="), "{refused}");
}

fn s3(port: u16, key: &str) -> StoreOptions {
    StoreOptions::none()
        .with("endpoint", format!("http://127.0.0.1:{port}"))
        .with("allow_http", "true")
        .with("region", "us-east-1")
        .with("access_key_id", key)
        .with("secret_access_key", key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_keeps_its_promises() {
    let moto = start(None, "venv/bin/moto_server", |port| words(&format!("-H 127.0.0.1 -p {port}")));
    let Some(moto) = moto else { return };
    let mut request = TcpStream::connect(("127.0.0.1", moto.port)).unwrap();
    write!(request, "PUT /lake HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    keeps_its_promises(&open("s3://lake/the zone", &s3(moto.port, "tester")), "moto", Rivals::InTurn).await;
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let s3rver = start(Some("node"), "node_modules/s3rver/bin/s3rver.js", |port| {
        let folder = folder.path().display();
        words(&format!("-d {folder} -a 127.0.0.1 -p {port} --silent --configure-bucket lake"))
    });
    let Some(s3rver) = s3rver else { return };
    let store = open("s3://lake/raw", &s3(s3rver.port, "S3RVER"));
    let refused = probe(&store).await.unwrap_err();
    assert_eq!(refused.code(), "store-unsafe", "{refused}");
    assert_eq!(store.list("").await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_disk_keeps_its_promises() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("the lake").display().to_string();
    keeps_its_promises(&open(&url, &StoreOptions::none()), "disk", Rivals::AtOnce).await;
}
