//! One try at a generation of a window: from what a reading yields to the receipt that makes it true.
//!
//! An attempt writes parts and typed files that mean nothing by themselves; its receipt, created once, makes them the truth of
//! (window, generation), or another attempt's receipt does and this one's files are left to the cleaner.

mod error;
mod guard;
mod history;
mod intake;
mod land;
mod quarantine_list;
mod readings;
mod replay;
mod rewrite;
mod stats;
mod typed_file;
mod workbench;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use headwater_contract::{Chunk, Exchange, ReadEvent, ReadSummary, Records, StreamContract, Window};
use ulid::Ulid;

pub use error::{AttemptError, DecodeError, Decoding};
pub use land::Landed;
pub use replay::{BodyDecoder, Decoders};

pub(crate) use intake::{Intake, child_table, table_folder, targets};
pub(crate) use land::create;
pub(crate) use readings::{ReadingRows, read_readings};
pub(crate) use replay::{Parts, Seen, StoredReading, begin_replay, feed, retype};
pub(crate) use rewrite::{ordinals, read_rows, with_schema};
pub(crate) use typed_file::{FileName, Target, TypedWriter};

use crate::Lake;
use crate::raw::{LeftOut, PartWriter, RawPosition, Reason, Receipt, Receipts};
use crate::steps::Step;
use crate::typing::Tracking;
use guard::Guard;
use land::{Facts, land};

/// Chunks whose place in raw is remembered; records never lag further behind their body.
const PLACES_MAX: usize = 1_024;

/// One reading of a window, as it goes on.
#[derive(Debug)]
pub struct Attempt {
    lake: Lake,
    contract: Arc<StreamContract>,
    window: Window,
    receipts: Vec<Receipt>,
    generation: u64,
    id: Ulid,
    reason: Reason,
    token_in: Option<String>,
    read_at: DateTime<Utc>,
    rows_now: u64,
    parts: PartWriter,
    /// Leaves persons out who were erased from the stream.
    guard: Option<Guard>,
    intake: Intake,
    places: BTreeMap<(u32, u32), RawPosition>,
    /// Requests whose head came; the first `Date` fixes `read_at`.
    heads: u64,
    records: u64,
    is_tracked: bool,
    summary: Option<ReadSummary>,
}

impl Attempt {
    /// Begins to read `window`. Its generation is one more than the highest receipt, which is looked up before the first request.
    ///
    /// # Errors
    ///
    /// [`AttemptError`] when receipts cannot be read or the contract contradicts itself.
    pub async fn begin(
        lake: &Lake,
        contract: &Arc<StreamContract>,
        window: &Window,
        reason: Reason,
        token_in: Option<String>,
    ) -> Result<Self, AttemptError> {
        let receipts = Receipts::new(&lake.zones.raw).of_window(&contract.name, window).await?;
        let generation = next_generation(&receipts);
        let read_at = lake.clock.now();
        let attempt = Ulid::from_datetime(read_at.into());
        let mut intake = Intake::new(lake, contract, window, generation, attempt)?;
        let mut rows_now = 0;
        if let Some(replaced) = history::replaced(lake, contract, window, &receipts).await? {
            let shown = history::shown(lake, contract, &replaced).await;
            rows_now = shown.rows;
            if let Some(keys) = shown.keys {
                intake.expect(keys);
            }
        }
        let guard = Guard::of(lake, contract, window, generation, attempt).await?;
        // Bodies that may have to go lie under a name that the receipt does not bear, so that a cleaner knows them.
        let bodies = if guard.is_some() { Ulid::from_datetime(read_at.into()) } else { attempt };
        let part_bytes = lake.limits.part_bytes;
        let parts = PartWriter::new(&lake.zones.raw, &contract.name, window, generation, bodies, part_bytes);
        lake.steps.reached(Step::AttemptBegun).await;
        Ok(Self {
            lake: lake.clone(),
            contract: Arc::clone(contract),
            window: window.clone(),
            receipts,
            generation,
            id: attempt,
            reason,
            token_in,
            read_at,
            rows_now,
            parts,
            guard,
            intake,
            places: BTreeMap::new(),
            heads: 0,
            records: 0,
            is_tracked: false,
            summary: None,
        })
    }

    /// The generation that is read.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The attempt's id.
    pub fn id(&self) -> Ulid {
        self.id
    }

    /// When the reading began: our clock at the first request, or the source's where that is earlier.
    pub fn read_at(&self) -> DateTime<Utc> {
        self.read_at
    }

    /// Records taken so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes the next step of the reading.
    ///
    /// # Errors
    ///
    /// [`AttemptError`]: the attempt is over, abandon it.
    pub async fn event(&mut self, event: ReadEvent) -> Result<(), AttemptError> {
        match event {
            ReadEvent::Exchange(exchange) => self.exchange(exchange).await,
            ReadEvent::Chunk(chunk) => self.chunk(chunk).await,
            ReadEvent::Records(records) => self.take(records).await,
            ReadEvent::Done(summary) => {
                self.summary = Some(summary);
                Ok(())
            }
        }
    }

    async fn exchange(&mut self, exchange: Exchange) -> Result<(), AttemptError> {
        self.heads += 1;
        if self.heads == 1
            && let Some(date) = exchange.source_date
        {
            self.read_at = self.read_at.min(date);
        }
        if let Some(guard) = &mut self.guard {
            guard.exchange(&exchange);
        }
        Ok(self.parts.exchange(&exchange).await?)
    }

    async fn chunk(&mut self, chunk: Chunk) -> Result<(), AttemptError> {
        let key = (chunk.request, chunk.ordinal);
        let place = self.parts.chunk(chunk).await?;
        self.places.insert(key, place);
        if self.places.len() > PLACES_MAX {
            self.places.pop_first();
        }
        Ok(())
    }

    async fn take(&mut self, records: Records) -> Result<(), AttemptError> {
        self.track();
        self.records += records.texts.len() as u64;
        let place = self.places.get(&(records.request, records.chunks.0)).copied();
        let place = place.unwrap_or(RawPosition { part: 0, row: 0 });
        let kept = match &mut self.guard {
            Some(guard) => guard.sift(records).await?,
            None => vec![records],
        };
        for records in kept {
            self.intake.take(records, place).await?;
        }
        self.lake.steps.reached(Step::Extracting).await;
        Ok(())
    }

    fn track(&mut self) {
        if !self.is_tracked {
            self.is_tracked = true;
            let tracking = Tracking::new(&self.contract, &self.window, self.generation, self.id, self.read_at);
            self.intake.track(tracking);
        }
    }

    /// Ends a complete reading: judges the window and creates its receipt.
    ///
    /// # Errors
    ///
    /// [`AttemptError::Incomplete`] unless the reading said that it is done; else what stopped it. Running again is always safe.
    pub async fn finish(self) -> Result<Landed, AttemptError> {
        let label = format!("{} {}", self.contract.name, self.window);
        let Some(summary) = self.summary else { return Err(AttemptError::Incomplete { window: label }) };
        if summary.records != self.records {
            let finding = format!("{} records came, {} were announced", self.records, summary.records);
            return Err(AttemptError::Unbalanced { window: label, finding });
        }
        let (bodies, taken) = (self.parts.finish().await?, self.intake.finish().await?);
        let parts = match self.guard {
            Some(guard) => guard.choose(&self.lake, bodies).await?,
            None => bodies,
        };
        self.lake.steps.reached(Step::PartsWritten).await;
        let facts = Facts {
            window: self.window,
            receipts: self.receipts,
            generation: self.generation,
            attempt: self.id,
            reason: self.reason,
            read_at: self.read_at,
            parts,
            parts_of: None,
            tokens: (self.token_in, summary.token_out),
            rows_now: self.rows_now,
            left_out: LeftOut { requests: summary.skipped_requests, records: summary.dropped },
        };
        land(&self.lake, &self.contract, facts, taken).await
    }

    /// Gives the attempt up. What it wrote means nothing; parts may be cleaned up once its generation has a receipt.
    pub async fn abandon(self) {
        self.intake.abort().await;
    }
}

/// 1 + the highest receipt.
pub(crate) fn next_generation(receipts: &[Receipt]) -> u64 {
    receipts.iter().map(|receipt| receipt.generation).max().unwrap_or(0) + 1
}
