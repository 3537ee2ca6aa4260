//! Writes the parts of an attempt while the network delivers.
//!
//! Encoding runs on a blocking thread, one batch behind the reading, so that compressing overlaps with fetching and typing. What
//! is held at any time is one batch that fills, one that is being compressed, and the compressed bytes of the open part.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use headwater_contract::{Chunk, Exchange, StreamName, Window};
use object_store::PutPayload;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tokio::task::JoinHandle;
use ulid::Ulid;

use crate::raw::error::RawError;
use crate::raw::pieces::Pieces;
use crate::raw::receipt::PartFile;
use crate::store::{Store, StoreError};
use crate::zones::layout;

/// Bodies of a batch, which becomes a row group: what a reader must hold at once.
const BATCH_BYTES: usize = 2 << 20;
/// Rows of a batch, for sources that answer in many tiny bodies.
const BATCH_ROWS: usize = 4_096;
/// Answers whose bodies may come interleaved.
const HEADS_OPEN: usize = 16;
/// Level 1 takes a third of level 3's time for a tenth more bytes on JSON.
const ZSTD_LEVEL: i32 = 1;

/// The columns of a part.
pub(crate) fn part_schema() -> SchemaRef {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("attempt", DataType::Utf8, false),
        Field::new("request", DataType::UInt32, false),
        Field::new("ordinal", DataType::UInt32, false),
        Field::new("url", DataType::Utf8, false),
        Field::new("method", DataType::Utf8, false),
        Field::new("status", DataType::UInt32, false),
        // A JSON list of [name, value] pairs: a header may occur twice and keeps its order.
        Field::new("headers", DataType::Utf8, false),
        Field::new("fetched_at", instant.clone(), false),
        Field::new("source_date", instant, true),
        Field::new("body", DataType::Binary, false),
    ]))
}

fn properties() -> WriterProperties {
    // The level is within the codec's range, so the default is never taken.
    let level = ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default();
    let body = ColumnPath::from("body");
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(None)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_dictionary_enabled(body.clone(), false)
        .set_column_encoding(body.clone(), Encoding::PLAIN)
        .set_column_statistics_enabled(body, EnabledStatistics::None)
        .build()
}

/// Rows on their way into a part.
#[derive(Debug, Default)]
struct Batch {
    rows: Vec<(Arc<Exchange>, u32, Bytes)>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, exchange: Arc<Exchange>, ordinal: u32, body: Bytes) {
        self.bytes += body.len();
        self.rows.push((exchange, ordinal, body));
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.rows.len() >= BATCH_ROWS
    }

    fn to_arrow(&self, attempt: &str) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let rows = &self.rows;
        let headers = |exchange: &Exchange| serde_json::to_string(&exchange.headers).unwrap_or_default();
        let source_date = |exchange: &Exchange| exchange.source_date.map(|at| at.timestamp_micros());
        let fetched_at =
            TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.0.fetched_at.timestamp_micros()));
        let source_date: TimestampMicrosecondArray = rows.iter().map(|row| source_date(&row.0)).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|_| attempt))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.0.request))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0.url.as_str()))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0.method.as_str()))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| u32::from(row.0.status)))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| headers(&row.0)))),
            Arc::new(fetched_at.with_timezone("UTC")),
            Arc::new(source_date.with_timezone("UTC")),
            Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| row.2.as_ref()))),
        ];
        RecordBatch::try_new(part_schema(), columns)
    }
}

/// The open part: what is encoded of it, and how many rows went in.
struct Open {
    path: String,
    writer: ArrowWriter<Pieces>,
    rows: u64,
}

/// Where an attempt's parts go and how they are called.
#[derive(Debug)]
struct Target {
    raw: Store,
    stream: StreamName,
    window: Window,
    generation: u64,
    attempt: Ulid,
}

impl Target {
    fn open(&self, number: u32) -> Result<Open, RawError> {
        let path = layout::part_path(&self.stream, &self.window, self.generation, self.attempt, number);
        let writer = ArrowWriter::try_new(Pieces::default(), part_schema(), Some(properties()))
            .map_err(|source| RawError::Parquet { path: path.clone(), source })?;
        Ok(Open { path, writer, rows: 0 })
    }

    /// Puts a closed part, once.
    async fn keep(&self, path: String, rows: u64, part: PutPayload) -> Result<PartFile, RawError> {
        let mut hasher = blake3::Hasher::new();
        for piece in &part {
            hasher.update(piece);
        }
        let hash = hasher.finalize().to_hex().to_string();
        let size = part.content_length() as u64;
        match self.raw.put_new(&path, part).await {
            Ok(()) => {}
            // The name carries the attempt, so this is an answer that was lost and a put that was sent again.
            Err(StoreError::AlreadyExists { .. }) => {
                let kept = self.raw.get(&path).await?;
                if blake3::hash(&kept).to_hex().as_str() != hash {
                    return Err(RawError::Damaged {
                        path,
                        finding: "another writer used this attempt's name".to_owned(),
                    });
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(PartFile { path, rows, size, hash })
    }
}

/// Encodes `batch` as one row group; returns the part, or its bytes when it is closed. Blocks.
fn encode(mut open: Open, batch: &Batch, attempt: Ulid, close: bool) -> Result<Encoded, RawError> {
    let path = open.path.clone();
    let parquet = |source| RawError::Parquet { path: path.clone(), source };
    if !batch.rows.is_empty() {
        let rows = batch.to_arrow(&attempt.to_string()).map_err(|error| parquet(error.into()))?;
        open.writer.write(&rows).map_err(parquet)?;
        open.writer.flush().map_err(parquet)?;
        open.rows += batch.rows.len() as u64;
    }
    if close {
        let pieces = open.writer.into_inner().map_err(parquet)?;
        Ok(Encoded::Closed { path: open.path, rows: open.rows, part: pieces.into_payload() })
    } else {
        Ok(Encoded::Open(Box::new(open)))
    }
}

enum Encoded {
    Open(Box<Open>),
    Closed { path: String, rows: u64, part: PutPayload },
}

/// What one step of the pipeline hands to the next.
#[derive(Default)]
struct Progress {
    open: Option<Box<Open>>,
    closed: Option<PartFile>,
}

async fn step(
    target: Arc<Target>,
    open: Option<Box<Open>>,
    number: u32,
    batch: Batch,
    close: bool,
) -> Result<Progress, RawError> {
    let open = match open {
        Some(open) => *open,
        None => target.open(number)?,
    };
    let (path, attempt) = (open.path.clone(), target.attempt);
    let encoding = tokio::task::spawn_blocking(move || encode(open, &batch, attempt, close));
    match encoding.await.map_err(|_| RawError::Stopped { path })?? {
        Encoded::Open(open) => Ok(Progress { open: Some(open), closed: None }),
        Encoded::Closed { path, rows, part } => {
            Ok(Progress { open: None, closed: Some(target.keep(path, rows, part).await?) })
        }
    }
}

/// The place of a chunk in the parts of its attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawPosition {
    /// Number of the part, from 0.
    pub part: u32,
    /// Number of the row in it, from 0.
    pub row: u64,
}

/// The head of an answer whose body may still come.
#[derive(Debug)]
struct Head {
    exchange: Arc<Exchange>,
    chunks: u32,
}

/// Writes the bodies of one attempt into parts, in the order in which they come.
///
/// Dropping it abandons the attempt: what was written means nothing without a receipt.
pub struct PartWriter {
    target: Arc<Target>,
    part_bytes: usize,
    heads: VecDeque<Head>,
    batch: Batch,
    running: Option<JoinHandle<Result<Progress, RawError>>>,
    closed: Vec<PartFile>,
    at: RawPosition,
    open_bytes: usize,
}

impl fmt::Debug for PartWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartWriter").field("target", &self.target).field("at", &self.at).finish_non_exhaustive()
    }
}

impl PartWriter {
    /// Begins the parts of `attempt`. A part is closed at about `part_bytes` of bodies.
    pub fn new(
        raw: &Store,
        stream: &StreamName,
        window: &Window,
        generation: u64,
        attempt: Ulid,
        part_bytes: usize,
    ) -> Self {
        let (raw, stream, window) = (raw.clone(), stream.clone(), window.clone());
        Self {
            target: Arc::new(Target { raw, stream, window, generation, attempt }),
            part_bytes,
            heads: VecDeque::new(),
            batch: Batch::default(),
            running: None,
            closed: Vec::new(),
            at: RawPosition { part: 0, row: 0 },
            open_bytes: 0,
        }
    }

    /// Takes the head of an answer; its chunks follow.
    ///
    /// # Errors
    ///
    /// As [`PartWriter::chunk`].
    pub async fn exchange(&mut self, exchange: &Exchange) -> Result<(), RawError> {
        self.heads.push_back(Head { exchange: Arc::new(exchange.clone()), chunks: 0 });
        if self.heads.len() > HEADS_OPEN { self.close_head().await } else { Ok(()) }
    }

    /// Takes a piece of a body and returns its place. Waits while the piece before is being compressed.
    ///
    /// # Errors
    ///
    /// [`RawError::OutOfOrder`] without its head, else what the store or the encoder said of an earlier piece.
    pub async fn chunk(&mut self, chunk: Chunk) -> Result<RawPosition, RawError> {
        let Chunk { request, ordinal, body } = chunk;
        let head = self.heads.iter_mut().find(|head| head.exchange.request == request && head.chunks == ordinal);
        let head = head.ok_or(RawError::OutOfOrder { request, ordinal })?;
        head.chunks += 1;
        let exchange = Arc::clone(&head.exchange);
        self.push(exchange, ordinal, body).await
    }

    /// Closes the last part and returns all parts, in order.
    ///
    /// # Errors
    ///
    /// What the store or the encoder said.
    pub async fn finish(mut self) -> Result<Vec<PartFile>, RawError> {
        while !self.heads.is_empty() {
            self.close_head().await?;
        }
        let progress = self.settle().await?;
        if !self.batch.rows.is_empty() || progress.open.is_some() {
            self.start(progress.open, true);
            self.settle().await?;
        }
        Ok(std::mem::take(&mut self.closed))
    }

    /// An answer without a body has one row all the same, so that raw shows every request.
    async fn close_head(&mut self) -> Result<(), RawError> {
        match self.heads.pop_front() {
            Some(Head { exchange, chunks: 0 }) => self.push(exchange, 0, Bytes::new()).await.map(drop),
            _ => Ok(()),
        }
    }

    async fn push(&mut self, exchange: Arc<Exchange>, ordinal: u32, body: Bytes) -> Result<RawPosition, RawError> {
        let at = self.at;
        self.open_bytes += body.len();
        self.at.row += 1;
        self.batch.push(exchange, ordinal, body);
        let close = self.open_bytes >= self.part_bytes;
        if close || self.batch.is_full() {
            let progress = self.settle().await?;
            self.start(progress.open, close);
            if close {
                self.at = RawPosition { part: at.part + 1, row: 0 };
                self.open_bytes = 0;
            }
        }
        Ok(at)
    }

    /// Begins to encode what was gathered; the reading goes on meanwhile.
    fn start(&mut self, open: Option<Box<Open>>, close: bool) {
        let batch = std::mem::take(&mut self.batch);
        self.running = Some(tokio::spawn(step(Arc::clone(&self.target), open, self.at.part, batch, close)));
    }

    /// Waits for the encoding that runs, if any.
    async fn settle(&mut self) -> Result<Progress, RawError> {
        let Some(running) = self.running.take() else { return Ok(Progress::default()) };
        let stopped = || RawError::Stopped { path: format!("{} part {}", self.target.attempt, self.at.part) };
        let mut progress = running.await.map_err(|_| stopped())??;
        self.closed.extend(progress.closed.take());
        Ok(progress)
    }
}
