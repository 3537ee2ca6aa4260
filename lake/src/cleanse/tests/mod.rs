//! The window protocol on small streams: each test is one story that loses or doubles rows when a rule is taken away.

mod compared;
mod faults;
mod kinds;
mod readings;
mod rebuilt;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_cast::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::BoxStream;
use headwater_contract::{
    ChildTable, Chunk, Clock, Column, ColumnType, Deletes, Digest16, Exchange, FixedClock, ReadEvent, ReadSummary,
    Records, Slice, Span, StreamContract, StreamKind, TimeRange, Window, WindowPolicy,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use tokio::sync::oneshot;

use crate::attempt::{Attempt, BodyDecoder, DecodeError, Decoders, Landed, read_rows, table_folder};
use crate::commit::{CommitReport, DeltaLog, commit_windows_with};
use crate::ledger::Ledger;
use crate::raw::Reason;
use crate::steps::Steps;
use crate::store::Store;
use crate::zones::Zones;
use crate::{Lake, LakeLimits};

/// A store in memory whose answers to commits can be lost.
#[derive(Debug, Default)]
pub(crate) struct Faulty {
    inner: InMemory,
    /// So many creations below `_delta_log` land and answer with an error.
    pub(crate) lose_answers: AtomicUsize,
    /// So many creations below `_delta_log` do not land.
    pub(crate) refuse: AtomicUsize,
    /// So many creations below `_receipts` land and answer with an error.
    lose_receipts: AtomicUsize,
    /// The next creation below a log waits here.
    gate: Mutex<Option<Gate>>,
}

/// Where a commit waits until it is let go.
#[derive(Debug)]
struct Gate {
    log: String,
    reached: oneshot::Sender<()>,
    go: oneshot::Receiver<()>,
}

impl Faulty {
    /// Lets the next commit to `table` wait: the first end tells when it does, the second lets it go.
    pub(crate) fn stop_at(&self, table: &str) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((reached, waits), (goes, go)) = (oneshot::channel(), oneshot::channel());
        *self.gate.lock().unwrap() = Some(Gate { log: format!("{table}/_delta_log/"), reached, go });
        (waits, goes)
    }

    async fn pass(&self, location: &Path) {
        let gate = {
            let mut gate = self.gate.lock().unwrap();
            gate.take_if(|gate| location.as_ref().contains(&gate.log))
        };
        if let Some(gate) = gate {
            gate.reached.send(()).unwrap();
            gate.go.await.unwrap();
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty memory")
    }
}

fn take(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn lost() -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: "the answer was lost".into() }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let (is_commit, is_receipt) =
            (location.as_ref().contains("_delta_log/"), location.as_ref().contains("_receipts/"));
        if is_commit && take(&self.refuse) {
            return Err(lost());
        }
        if is_commit {
            self.pass(location).await;
        }
        let answer = self.inner.put_opts(location, payload, options).await?;
        let is_lost = (is_commit && take(&self.lose_answers)) || (is_receipt && take(&self.lose_receipts));
        if is_lost { Err(lost()) } else { Ok(answer) }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A lake in memory with a clock that moves when told to.
pub(crate) struct World {
    pub(crate) lake: Lake,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) cleansed: Arc<Faulty>,
    pub(crate) raw: Arc<Faulty>,
    _scratch: tempfile::TempDir,
}

/// 2024-03-01 and so many hours.
pub(crate) fn hour(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_709_251_200 + hours * 3_600, 0).unwrap()
}

pub(crate) fn hours(from: i64, until: i64) -> Window {
    Window::range(Slice::whole(), TimeRange::new(hour(from), hour(until)).unwrap())
}

pub(crate) fn day(number: i64) -> Window {
    hours(number * 24, number * 24 + 24)
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(FixedClock::at(hour(24 * 100)));
        let (cleansed, raw) = (Arc::new(Faulty::default()), Arc::new(Faulty::default()));
        let zone = |name: &str, objects: Arc<dyn ObjectStore>| {
            Store::over(objects, format!("memory:///{name}/").parse().unwrap())
        };
        let zones = Zones {
            raw: zone("raw", raw.clone()),
            cleansed: zone("cleansed", cleansed.clone()),
            curated: Store::memory().unwrap(),
            exploration: Store::memory().unwrap(),
        };
        Self::over(zones, clock, cleansed, raw).await
    }

    /// The same on the local disk, in `folder`.
    pub(crate) async fn on_disk(folder: &std::path::Path) -> Self {
        let clock = Arc::new(FixedClock::at(hour(24 * 100)));
        let zone = |name: &str| {
            let url = crate::store::ZoneUrl::folder(&folder.join(name)).unwrap();
            Store::open(&url, &crate::store::StoreOptions::none()).unwrap()
        };
        let zones = Zones {
            raw: zone("raw"),
            cleansed: zone("cleansed"),
            curated: zone("curated"),
            exploration: zone("exploration"),
        };
        Self::over(zones, clock, Arc::default(), Arc::default()).await
    }

    async fn over(zones: Zones, clock: Arc<FixedClock>, cleansed: Arc<Faulty>, raw: Arc<Faulty>) -> Self {
        let ledger = Ledger::in_memory(clock.clone()).await.unwrap();
        ledger.claim(&zones.raw).await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let lake = Lake {
            zones,
            ledger,
            clock: clock.clone(),
            steps: Steps::run_through(),
            limits: LakeLimits { batch_rows: 3, ..LakeLimits::default() },
            scratch: scratch.path().to_owned(),
        };
        Self { lake, clock, cleansed, raw, _scratch: scratch }
    }

    /// Begins a reading and hands it `lines` as one body, without ending it.
    pub(crate) async fn begin(
        &self,
        contract: &Arc<StreamContract>,
        window: &Window,
        lines: &[String],
        token: Option<&str>,
    ) -> Attempt {
        let mut attempt =
            Attempt::begin(&self.lake, contract, window, Reason::First, token.map(str::to_owned)).await.unwrap();
        for event in events(lines, self.clock.now()) {
            attempt.event(event).await.unwrap();
        }
        attempt
    }

    pub(crate) async fn finish(&self, mut attempt: Attempt, lines: &[String], token: Option<&str>) -> Landed {
        let summary = ReadSummary {
            requests: 1,
            records: lines.len() as u64,
            token_out: token.map(str::to_owned),
            ..ReadSummary::default()
        };
        attempt.event(ReadEvent::Done(summary)).await.unwrap();
        self.clock.advance(TimeDelta::seconds(1));
        attempt.finish().await.unwrap()
    }

    /// Reads a window from its first request to its receipt.
    pub(crate) async fn read(&self, contract: &Arc<StreamContract>, window: &Window, lines: &[String]) -> Landed {
        let attempt = self.begin(contract, window, lines, None).await;
        self.finish(attempt, lines, None).await
    }

    pub(crate) async fn commit(&self, contract: &Arc<StreamContract>, windows: &[Window]) -> CommitReport {
        self.clock.advance(TimeDelta::seconds(1));
        commit_windows_with(&self.lake, contract, Some(&Lines), windows).await.unwrap()
    }

    pub(crate) async fn read_and_commit(
        &self,
        contract: &Arc<StreamContract>,
        window: &Window,
        lines: &[String],
    ) -> CommitReport {
        self.read(contract, window, lines).await;
        self.commit(contract, std::slice::from_ref(window)).await
    }

    /// The rows of a table, `a|b|c`, sorted.
    pub(crate) async fn rows(&self, contract: &StreamContract, table: &str, columns: &[&str]) -> Vec<String> {
        let folder = table_folder(contract, table);
        let Some(log) = DeltaLog::open(&self.lake.zones.cleansed, &folder).await.unwrap() else { return Vec::new() };
        let mut rows = Vec::new();
        for file in log.snapshot().await.unwrap().files {
            let mut counted = 0;
            for batch in read_rows(&self.lake.zones.cleansed, &format!("{folder}/{}", file.path), None).await.unwrap() {
                let batch = batch.unwrap();
                counted += batch.num_rows() as u64;
                let options = FormatOptions::default().with_null("-");
                let cells: Vec<_> = columns
                    .iter()
                    .map(|name| {
                        ArrayFormatter::try_new(batch.column_by_name(name).unwrap().as_ref(), &options).unwrap()
                    })
                    .collect();
                rows.extend(
                    (0..batch.num_rows())
                        .map(|row| cells.iter().map(|cell| cell.value(row).to_string()).collect::<Vec<_>>().join("|")),
                );
            }
            assert_eq!(file.rows, Some(counted), "statistics of {}", file.path);
        }
        rows.sort();
        rows
    }
}

fn events(lines: &[String], now: DateTime<Utc>) -> Vec<ReadEvent> {
    let exchange = Exchange {
        request: 0,
        method: "GET".to_owned(),
        url: "http://127.0.0.1/orders".to_owned(),
        status: 200,
        headers: Vec::new(),
        fetched_at: now,
        source_date: None,
    };
    let body = Bytes::from(lines.join("\n"));
    let texts = lines.iter().map(|line| Bytes::copy_from_slice(line.as_bytes())).collect();
    vec![
        ReadEvent::Exchange(exchange),
        ReadEvent::Chunk(Chunk { request: 0, ordinal: 0, body }),
        ReadEvent::Records(Records { request: 0, chunks: (0, 0), first_ordinal: 0, texts }),
    ]
}

/// Decodes bodies of one record a line.
pub(crate) struct Lines;

struct LineDecoder(u64);

impl Decoders for Lines {
    fn begin(&self, _: &StreamContract) -> Result<Box<dyn BodyDecoder>, DecodeError> {
        Ok(Box::new(LineDecoder(0)))
    }
}

impl BodyDecoder for LineDecoder {
    fn exchange(&mut self, _: &Exchange) -> Result<Vec<Records>, DecodeError> {
        Ok(Vec::new())
    }

    fn chunk(&mut self, chunk: Chunk) -> Result<Vec<Records>, DecodeError> {
        let lines = chunk.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let texts: Vec<Bytes> = lines.map(Bytes::copy_from_slice).collect();
        self.0 += texts.len() as u64;
        Ok(vec![Records { request: chunk.request, chunks: (chunk.ordinal, chunk.ordinal), first_ordinal: 0, texts }])
    }

    fn finish(self: Box<Self>) -> Result<(Vec<Records>, ReadSummary), DecodeError> {
        Ok((Vec::new(), ReadSummary { records: self.0, ..ReadSummary::default() }))
    }
}

fn column(name: &str, column_type: ColumnType) -> Column {
    Column::new(name, column_type)
}

/// Orders of a shop: `id`, `at`, `v`, and lines of `sku` and `n` in a child table.
pub(crate) fn orders(kind: StreamKind) -> StreamContract {
    let lines = ChildTable {
        name: "order_lines".to_owned(),
        pointer: "/lines".to_owned(),
        parent_columns: vec![("order_id".to_owned(), "id".to_owned())],
        key: vec!["sku".to_owned()],
        columns: vec![column("sku", ColumnType::String), column("n", ColumnType::Int64)],
    };
    StreamContract {
        name: "shop.orders".parse().unwrap(),
        title: "One row for each order".to_owned(),
        kind,
        key: vec!["id".to_owned()],
        append_only: false,
        key_is_stream_wide: false,
        version_field: (kind == StreamKind::Mutable).then(|| "at".to_owned()),
        columns: vec![
            column("id", ColumnType::Int64),
            column("at", ColumnType::Timestamp),
            column("v", ColumnType::String).nullable(),
        ],
        children: vec![lines],
        window: kind.is_ranged().then(|| WindowPolicy {
            field: "at".to_owned(),
            granularity: Span::seconds(1),
            length: Span::days(1),
            settle: Span::ZERO,
            lookback: Span::days(7),
            rereads: Vec::new(),
            retention: None,
        }),
        every: Span::days(1),
        start: None,
        end: None,
        deletes: Deletes::None,
        key_list_of: None,
        volatile: Vec::new(),
        may_be_empty: false,
        max_removed: 0.2,
        max_quarantined: 0.5,
        best_effort: None,
        json_schema: None,
        manifest_digest: Digest16::default(),
    }
}

/// An order as the source shows it.
pub(crate) fn order(id: i64, at: i64, v: &str, lines: &[(&str, i64)]) -> String {
    let lines: Vec<_> = lines.iter().map(|(sku, n)| serde_json::json!({ "sku": sku, "n": n })).collect();
    serde_json::json!({ "id": id, "at": hour(at), "v": v, "lines": lines }).to_string()
}

/// Orders `ids` of a day, all alike.
pub(crate) fn plain(ids: Range<i64>, at: i64) -> Vec<String> {
    ids.map(|id| order(id, at, "x", &[])).collect()
}
