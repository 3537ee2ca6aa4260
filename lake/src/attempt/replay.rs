//! Runs stored bodies through the manifest's decoder in place of the network.
//!
//! Two uses: a new generation under the present contract (quarantine), and the same generation's typed files again (a table that
//! is rebuilt, or a file that is gone). Neither sends a request to the source.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use headwater_contract::{Chunk, Exchange, ReadSummary, Records, StreamContract, Window};
use ulid::Ulid;

use super::error::{AttemptError, DecodeError, Decoding};
use super::history;
use super::intake::{Intake, Taken};
use super::land::{Facts, Landed, land};
use super::next_generation;
use crate::Lake;
use crate::erasure::erased;
use crate::raw::{
    LeftOut, PartFile, PartReader, RawChunk, RawPosition, Reason, Receipt, StoredRecords, TypedFile, Verdict,
    is_of_records, read_parts,
};
use crate::steps::Step;
use crate::typing::Tracking;

/// Turns stored bodies of one reading back into records, in (request, ordinal) order.
pub trait BodyDecoder: Send {
    /// Takes the head of an answer, whose chunks follow, and returns the records that only the end of the body before completed.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer, or missing of the body before.
    fn exchange(&mut self, exchange: &Exchange) -> Result<Vec<Records>, DecodeError>;

    /// Takes a piece of a body and returns the records that are whole by now.
    ///
    /// # Errors
    ///
    /// What is wrong with the body.
    fn chunk(&mut self, chunk: Chunk) -> Result<Vec<Records>, DecodeError>;

    /// Ends the reading; returns the records that only its end completed, and what it came to.
    ///
    /// # Errors
    ///
    /// What is missing of the last body.
    fn finish(self: Box<Self>) -> Result<(Vec<Records>, ReadSummary), DecodeError>;
}

/// Makes a decoder for each reading of a stream.
pub trait Decoders: Send + Sync {
    /// Begins a reading of the stream of `contract`.
    ///
    /// # Errors
    ///
    /// When the stream's manifest cannot be used.
    fn begin(&self, contract: &StreamContract) -> Result<Box<dyn BodyDecoder>, DecodeError>;
}

/// A reading whose parts are run again.
pub(crate) struct Parts<'a> {
    /// The receipt whose parts they are, or who names them.
    pub(crate) receipt: &'a Receipt,
    /// Its parts.
    pub(crate) files: &'a [PartFile],
}

/// What is seen of stored parts, in (request, ordinal) order.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// An answer begins.
    Head(Exchange),
    /// A piece of its body.
    Body(Chunk),
    /// Records, with the place of the first chunk of theirs.
    Records(Records, RawPosition),
}

/// Reads stored parts as what they were made of: heads, pieces of bodies, records.
pub(crate) struct StoredReading {
    label: String,
    reader: PartReader,
    decoder: Option<Box<dyn BodyDecoder>>,
    is_of_records: bool,
    request: Option<u32>,
    /// The first chunk that a record's bytes lie in is the latest one at most.
    places: BTreeMap<(u32, u32), RawPosition>,
    last: RawPosition,
    seen: VecDeque<Seen>,
    /// What the manifest's steps dropped; parts of records have none of it.
    dropped: u64,
}

impl StoredReading {
    /// Opens the parts of one reading.
    pub(crate) async fn open(
        lake: &Lake,
        contract: &StreamContract,
        label: &str,
        files: &[PartFile],
        decoders: &dyn Decoders,
    ) -> Result<Self, AttemptError> {
        let label = label.to_owned();
        let mut reader = read_parts(&lake.zones.raw, files).await?;
        let (mut decoder, mut seen, mut is_of_records_here) = (None, VecDeque::new(), false);
        let mut places = BTreeMap::new();
        let mut last = RawPosition { part: 0, row: 0 };
        let mut request = None;
        if let Some(first) = reader.next().await? {
            let wrong = |source| AttemptError::Decode { window: label.clone(), source: Decoding(source) };
            // Parts are of one kind: what an erasure left needs no decoder of the manifest's.
            is_of_records_here = is_of_records(&first.exchange);
            let mut begun: Box<dyn BodyDecoder> = if is_of_records_here {
                Box::new(StoredRecords::default())
            } else {
                decoders.begin(contract).map_err(wrong)?
            };
            take(first, &mut begun, &mut request, &mut places, &mut seen).map_err(wrong)?;
            last = places.values().last().copied().unwrap_or(last);
            decoder = Some(begun);
        }
        Ok(Self { label, reader, decoder, is_of_records: is_of_records_here, request, places, last, seen, dropped: 0 })
    }

    /// Whether an erasure left these parts: records, and nothing of bodies.
    pub(crate) fn is_of_records(&self) -> bool {
        self.is_of_records
    }

    /// Returns what comes next, and `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Seen>, AttemptError> {
        loop {
            if let Some(seen) = self.seen.pop_front() {
                return Ok(Some(seen));
            }
            let Some(mut decoder) = self.decoder.take() else { return Ok(None) };
            let label = &self.label;
            let wrong = |source| AttemptError::Decode { window: label.clone(), source: Decoding(source) };
            if let Some(raw) = self.reader.next().await? {
                self.last = raw.position;
                take(raw, &mut decoder, &mut self.request, &mut self.places, &mut self.seen).map_err(wrong)?;
                self.decoder = Some(decoder);
                continue;
            }
            let (last, summary) = decoder.finish().map_err(wrong)?;
            self.dropped = summary.dropped;
            for records in last {
                let place = self.places.get(&(records.request, records.chunks.0)).copied();
                self.seen.push_back(Seen::Records(records, place.unwrap_or(self.last)));
            }
        }
    }
}

/// Decodes one stored chunk.
fn take(
    raw: RawChunk,
    decoder: &mut Box<dyn BodyDecoder>,
    request: &mut Option<u32>,
    places: &mut BTreeMap<(u32, u32), RawPosition>,
    seen: &mut VecDeque<Seen>,
) -> Result<(), DecodeError> {
    let position = raw.position;
    let at_place = |places: &BTreeMap<(u32, u32), RawPosition>, records: Records| {
        let place = places.get(&(records.request, records.chunks.0)).copied().unwrap_or(position);
        Seen::Records(records, place)
    };
    if *request != Some(raw.exchange.request) {
        *request = Some(raw.exchange.request);
        // Records that end with the body before lie in its chunks, whose places are still known.
        for records in decoder.exchange(&raw.exchange)? {
            seen.push_back(at_place(places, records));
        }
        places.clear();
        seen.push_back(Seen::Head(raw.exchange));
    }
    places.insert((raw.chunk.request, raw.chunk.ordinal), position);
    seen.push_back(Seen::Body(raw.chunk.clone()));
    for records in decoder.chunk(raw.chunk)? {
        seen.push_back(at_place(places, records));
    }
    Ok(())
}

/// What became of stored records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fed {
    /// Records of persons who were erased from the stream.
    pub(crate) erased: u64,
    /// Records that the manifest's steps dropped; unknown of parts that an erasure left.
    pub(crate) dropped: Option<u64>,
}

/// Types the records of `files`; those of persons who were erased from the stream are left out.
pub(crate) async fn feed(
    lake: &Lake,
    contract: &StreamContract,
    label: &str,
    files: &[PartFile],
    intake: &mut Intake,
    decoders: &dyn Decoders,
) -> Result<Fed, AttemptError> {
    let mut matcher = erased(lake, contract).await.map_err(Box::new)?;
    let mut reading = StoredReading::open(lake, contract, label, files, decoders).await?;
    let mut fed = Fed::default();
    while let Some(seen) = reading.next().await? {
        let Seen::Records(records, place) = seen else { continue };
        let (kept, gone) = match &mut matcher {
            Some(matcher) => matcher.sift(records)?,
            None => (vec![records], Vec::new()),
        };
        fed.erased += gone.len() as u64;
        for records in kept {
            intake.take(records, place).await?;
        }
    }
    fed.dropped = Some(reading.dropped).filter(|_| !reading.is_of_records());
    Ok(fed)
}

/// Runs `parts` again as the next generation of `window`, under the present contract.
pub(crate) async fn begin_replay(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    window: &Window,
    receipts: Vec<Receipt>,
    parts: Parts<'_>,
    decoders: &dyn Decoders,
) -> Result<Landed, AttemptError> {
    let generation = next_generation(&receipts);
    let attempt = Ulid::from_datetime(lake.clock.now().into());
    let label = format!("{} {window}", contract.name);
    // The time of a replay is that of the latest reading that says anything of this window: it must never go back.
    let newest = |wanted: &dyn Fn(&Receipt) -> bool| {
        receipts
            .iter()
            .filter(|receipt| wanted(receipt))
            .max_by_key(|receipt| receipt.generation)
            .map(|receipt| receipt.read_at)
    };
    let is_void =
        receipts.iter().max_by_key(|receipt| receipt.generation).is_some_and(|last| last.verdict == Verdict::Void);
    let last = if is_void { newest(&|receipt| receipt.verdict == Verdict::Passed) } else { newest(&|_| true) };
    let read_at = last.unwrap_or(parts.receipt.read_at);
    let mut intake = Intake::new(lake, contract, window, generation, attempt)?;
    let mut rows_now = 0;
    if let Some(replaced) = history::replaced(lake, contract, window, &receipts).await? {
        let shown = history::shown(lake, contract, &replaced).await;
        rows_now = shown.rows;
        if let Some(keys) = shown.keys {
            intake.expect(keys);
        }
    }
    intake.track(Tracking::new(contract, window, generation, attempt, read_at));
    let fed = feed(lake, contract, &label, parts.files, &mut intake, decoders).await?;
    let taken = intake.finish().await?;
    lake.steps.reached(Step::PartsWritten).await;
    let facts = Facts {
        window: window.clone(),
        generation,
        attempt,
        reason: Reason::Replay,
        read_at,
        parts: parts.files.to_vec(),
        parts_of: Some(parts.receipt.parts_of.unwrap_or(parts.receipt.attempt)),
        tokens: (parts.receipt.token_in.clone(), parts.receipt.token_out.clone()),
        rows_now,
        // The bodies are the same, so what the rules leave of them is counted by the replay itself.
        left_out: LeftOut {
            requests: parts.receipt.left_out.requests,
            records: fed.dropped.unwrap_or(parts.receipt.left_out.records),
        },
        receipts,
    };
    land(lake, contract, facts, taken).await
}

/// Types the parts of `receipt` again, into files of a new attempt with the receipt's own tracking columns.
pub(crate) async fn retype(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    window: &Window,
    receipt: &Receipt,
    rows_generation: u64,
    decoders: &dyn Decoders,
) -> Result<Vec<TypedFile>, AttemptError> {
    let label = format!("{} {window} g{}", contract.name, receipt.generation);
    let attempt = Ulid::from_datetime(lake.clock.now().into());
    let mut intake = Intake::new(lake, contract, window, rows_generation, attempt)?;
    // An accepted reading shows the rows of the held one, which were read as that.
    let read_by = receipt.parts_of.filter(|_| receipt.reason == Reason::Accept).unwrap_or(receipt.attempt);
    intake.track(Tracking::new(contract, window, rows_generation, read_by, receipt.read_at));
    let fed = feed(lake, contract, &label, &receipt.parts, &mut intake, decoders).await?;
    let Taken { typed, digest, counts, .. } = intake.finish().await?;
    // The same contract must give the same rows; another one may give others, which is what a rebuild is for.
    if fed.erased == 0 && receipt.contract == contract.digest() && digest != receipt.digest {
        let finding = format!("typed again it has {} rows, its receipt says {}", counts.loaded, receipt.counts.loaded);
        return Err(AttemptError::Unbalanced { window: label, finding });
    }
    Ok(typed)
}
