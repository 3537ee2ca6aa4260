//! What failed the gate: seen, released, run again.
//!
//! Only an erasure takes something out of quarantine: a person's decision is a new generation whose receipt names the old parts. So every
//! decision shows in the receipts, and a later reading of the source goes on from it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use chrono::{DateTime, Utc};
use headwater_contract::{StreamContract, StreamName, Window};
use ulid::Ulid;

use crate::Lake;
use crate::attempt::{AttemptError, Decoders, Landed, Parts, begin_replay, create, next_generation, read_rows};
use crate::raw::{Counts, QuarantinedRow, Reason, Receipt, Receipts, Verdict, data_of};

/// A window that is held, or that has records in quarantine.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The stream.
    pub stream: StreamName,
    /// The window.
    pub window: Window,
    /// The generation that this is about: the latest reading, or the one that the window shows.
    pub generation: u64,
    /// When its reading began.
    pub read_at: DateTime<Utc>,
    /// Why the whole window is held; `None` when only records are.
    pub held: Option<String>,
    /// Where the records of the reading went.
    pub counts: Counts,
}

/// The held windows of a stream, and those that show a reading of which some records are in quarantine.
///
/// # Errors
///
/// [`AttemptError::Receipt`] when receipts cannot be read.
pub async fn list(lake: &Lake, stream: &StreamName) -> Result<Vec<Entry>, AttemptError> {
    let all = Receipts::new(&lake.zones.raw).of_stream(stream).await?;
    let mut entries = Vec::new();
    for (window, receipts) in all {
        let Some(latest) = receipts.iter().max_by_key(|receipt| receipt.generation) else { continue };
        let entry = |receipt: &Receipt, held: Option<String>| Entry {
            stream: stream.clone(),
            window: window.clone(),
            generation: receipt.generation,
            read_at: receipt.read_at,
            held,
            counts: receipt.counts,
        };
        if let Verdict::Held { reason } = &latest.verdict {
            entries.push(entry(latest, Some(reason.clone())));
        } else if let Some(shown) = data_of(&receipts, latest.generation).filter(|shown| shown.counts.quarantined > 0) {
            entries.push(entry(shown, None));
        }
    }
    Ok(entries)
}

/// The records in quarantine of a window's latest reading, or of the one that it shows; at most `limit`.
///
/// # Errors
///
/// [`AttemptError`] when the receipt or the file that it names cannot be read.
pub async fn records(
    lake: &Lake,
    stream: &StreamName,
    window: &Window,
    limit: usize,
) -> Result<Vec<QuarantinedRow>, AttemptError> {
    let receipts = Receipts::new(&lake.zones.raw).of_window(stream, window).await?;
    let Some(receipt) = subject(&receipts) else { return Ok(Vec::new()) };
    let Some(path) = &receipt.quarantine.file else {
        return Ok(receipt.quarantine.rows.iter().take(limit).cloned().collect());
    };
    let mut rows = Vec::new();
    for batch in read_rows(&lake.zones.raw, path, None).await? {
        let batch = batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
        let number = |name: &str| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<UInt32Type>());
        let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let place = batch.column_by_name("row").and_then(|column| column.as_primitive_opt::<UInt64Type>());
        let (Some(part), Some(place), Some(request)) = (number("part"), place, number("request")) else { continue };
        let (Some(ordinal), Some(reason), Some(record)) = (number("ordinal"), text("reason"), text("record")) else {
            continue;
        };
        for row in 0..batch.num_rows() {
            if rows.len() >= limit {
                return Ok(rows);
            }
            rows.push(QuarantinedRow {
                part: part.value(row),
                row: place.value(row),
                request: request.value(row),
                ordinal: ordinal.value(row),
                reason: reason.value(row).to_owned(),
                record: record.value(row).to_owned(),
            });
        }
    }
    Ok(rows)
}

/// The reading whose quarantine counts: the latest if it is held, else the one that the window shows.
fn subject(receipts: &[Receipt]) -> Option<&Receipt> {
    let latest = receipts.iter().max_by_key(|receipt| receipt.generation)?;
    if latest.verdict.is_held() { Some(latest) } else { data_of(receipts, latest.generation) }
}

/// Releases a held window as its next generation: what passed the gate record by record is true from now on.
///
/// # Errors
///
/// [`AttemptError::NothingTo`] unless the latest reading is held.
pub async fn accept(lake: &Lake, contract: &StreamContract, window: &Window) -> Result<Landed, AttemptError> {
    let receipts = Receipts::new(&lake.zones.raw).of_window(&contract.name, window).await?;
    let nothing = || AttemptError::NothingTo { window: format!("{} {window}", contract.name), act: "accept" };
    let held = subject(&receipts).filter(|receipt| receipt.verdict.is_held()).ok_or_else(nothing)?;
    let now = lake.clock.now();
    let receipt = Receipt {
        generation: next_generation(&receipts),
        attempt: Ulid::from_datetime(now.into()),
        reason: Reason::Accept,
        parts_of: Some(held.parts_of.unwrap_or(held.attempt)),
        finished_at: now,
        verdict: Verdict::Passed,
        erasure: None,
        ..held.clone()
    };
    create(lake, receipt).await
}

/// Runs stored bodies again under the present contract, as the window's next generation; nothing is asked of the source.
///
/// The parts are those of the latest reading if it is held, else of the one that the window shows, looked up now and not when it was asked for.
///
/// # Errors
///
/// [`AttemptError::NothingTo`] when the window has no reading; else what stopped it.
pub async fn replay(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    window: &Window,
    decoders: &dyn Decoders,
) -> Result<Landed, AttemptError> {
    let receipts = Receipts::new(&lake.zones.raw).of_window(&contract.name, window).await?;
    let nothing = || AttemptError::NothingTo { window: format!("{} {window}", contract.name), act: "replay" };
    let base = subject(&receipts).cloned().ok_or_else(nothing)?;
    let parts = Parts { receipt: &base, files: &base.parts };
    begin_replay(lake, contract, window, receipts, parts, decoders).await
}
