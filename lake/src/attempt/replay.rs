//! Runs stored bodies through the manifest's decoder in place of the network.
//!
//! Two uses: a new generation under the present contract (quarantine), and the same generation's typed files again (a table that
//! is rebuilt, or a file that is gone). Neither sends a request to the source.

use std::sync::Arc;

use headwater_contract::{Chunk, Exchange, ReadSummary, Records, StreamContract, Window};
use ulid::Ulid;

use super::error::{AttemptError, DecodeError, Decoding};
use super::history;
use super::intake::{Intake, Taken};
use super::land::{Facts, Landed, land};
use super::next_generation;
use crate::Lake;
use crate::raw::{LeftOut, PartFile, RawPosition, Reason, Receipt, TypedFile, Verdict, read_parts};
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

async fn feed(
    lake: &Lake,
    contract: &StreamContract,
    label: &str,
    files: &[PartFile],
    intake: &mut Intake,
    decoders: &dyn Decoders,
) -> Result<ReadSummary, AttemptError> {
    let wrong = |source| AttemptError::Decode { window: label.to_owned(), source: Decoding(source) };
    let mut decoder = decoders.begin(contract).map_err(wrong)?;
    let mut reader = read_parts(&lake.zones.raw, files).await?;
    let mut head = None;
    // The first chunk that a record's bytes lie in is the latest one at most.
    let mut places: std::collections::BTreeMap<(u32, u32), RawPosition> = std::collections::BTreeMap::new();
    while let Some(raw) = reader.next().await? {
        if head != Some(raw.exchange.request) {
            head = Some(raw.exchange.request);
            // Records that end with the body before lie in its chunks, whose places are still known.
            for records in decoder.exchange(&raw.exchange).map_err(wrong)? {
                let place = places.get(&(records.request, records.chunks.0)).copied();
                intake.take(records, place.unwrap_or(raw.position)).await?;
            }
            places.clear();
        }
        places.insert((raw.chunk.request, raw.chunk.ordinal), raw.position);
        for records in decoder.chunk(raw.chunk).map_err(wrong)? {
            let place = places.get(&(records.request, records.chunks.0)).copied();
            intake.take(records, place.unwrap_or(raw.position)).await?;
        }
    }
    let (last, summary) = decoder.finish().map_err(wrong)?;
    for records in last {
        let place = places.get(&(records.request, records.chunks.0)).copied();
        intake.take(records, place.unwrap_or(RawPosition { part: 0, row: 0 })).await?;
    }
    Ok(summary)
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
    let summary = feed(lake, contract, &label, parts.files, &mut intake, decoders).await?;
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
        left_out: LeftOut { requests: parts.receipt.left_out.requests, records: summary.dropped },
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
    feed(lake, contract, &label, &receipt.parts, &mut intake, decoders).await?;
    let Taken { typed, digest, counts, .. } = intake.finish().await?;
    // The same contract must give the same rows; another one may give others, which is what a rebuild is for.
    if receipt.contract == contract.digest() && digest != receipt.digest {
        let finding = format!("typed again it has {} rows, its receipt says {}", counts.loaded, receipt.counts.loaded);
        return Err(AttemptError::Unbalanced { window: label, finding });
    }
    Ok(typed)
}
