//! The work on records between the network and the typed file: type, cut, judge, deduplicate, encode.
//!
//! One call takes one batch and does not wait for anything, so it can run on a thread of its own while the next batch arrives.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::filter::filter;
use arrow_select::take::take;
use bytes::Bytes;
use headwater_contract::{Digest16, DigestSum, StreamContract, TimeRange, Window};
use headwater_quality::checks::{Gate, NotUnique, Reason, Uniques};
use headwater_quality::dedup::{Drops, KeyTracker, Seen};

use super::error::AttemptError;
use super::quarantine_list::Failed;
use super::typed_file::TypedWriter;
use crate::raw::{Counts, QuarantinedRow, RawPosition};
use crate::typing::{ChildBatch, Decoder, Tracking, TypedBatch, TypingError, child_schema, stream_schema};

/// Records of a window, at their place in the reading and in raw.
pub(crate) type Placed = (u64, Bytes, RawPosition);

/// What a whole reading came to, with the positions that must still be taken out of the files.
pub(crate) struct Settled {
    pub(crate) counts: Counts,
    pub(crate) digest: DigestSum,
    pub(crate) drops: Option<Drops>,
    pub(crate) not_unique: Vec<NotUnique>,
    /// Of the rows that the window showed before: those whose key did not come again.
    pub(crate) gone: Option<u64>,
}

/// A child table's gate and where its rows go.
#[derive(Debug)]
struct Child {
    name: Arc<str>,
    gate: Gate,
    /// Places of the parent's columns that its rows carry.
    parents: Vec<usize>,
    schema: SchemaRef,
}

/// Types and judges the records of one window.
#[derive(Debug)]
pub(crate) struct Workbench {
    contract: Arc<StreamContract>,
    bounds: Option<(usize, TimeRange)>,
    decoder: Decoder,
    gate: Gate,
    schema: SchemaRef,
    children: Vec<Child>,
    tracking: Option<Tracking>,
    keys: Option<KeyTracker>,
    uniques: Option<Uniques>,
    /// Keys that the window showed before and that did not come again so far.
    old_keys: Option<HashSet<Digest16>>,
    /// The parent's file first, then each child's.
    pub(crate) writers: Vec<TypedWriter>,
    pub(crate) failed: Failed,
    counts: Counts,
    digest: DigestSum,
}

impl Workbench {
    pub(crate) fn new(
        contract: &Arc<StreamContract>,
        window: &Window,
        writers: Vec<TypedWriter>,
        failed: Failed,
        memory: (usize, &Path),
    ) -> Result<Self, AttemptError> {
        let (key_bytes, scratch) = memory;
        let gate = Gate::compile(contract)?;
        let mut children = Vec::with_capacity(contract.children.len());
        for child in &contract.children {
            let place = |of: &String| contract.columns.iter().position(|column| column.name == *of);
            children.push(Child {
                name: child.name.as_str().into(),
                gate: Gate::compile_child(child)?,
                parents: child.parent_columns.iter().filter_map(|(_, of)| place(of)).collect(),
                schema: child_schema(contract, child),
            });
        }
        let field = contract.window.as_ref().map(|policy| policy.field.as_str());
        let place = field.and_then(|field| contract.columns.iter().position(|column| column.name == field));
        let uniques = (!gate.unique_columns().is_empty()).then(|| Uniques::new(&gate, key_bytes / 4, scratch));
        Ok(Self {
            contract: Arc::clone(contract),
            bounds: place.zip(window.time_range()),
            decoder: Decoder::new(contract)?,
            gate,
            schema: stream_schema(contract),
            children,
            tracking: None,
            keys: (!contract.key.is_empty()).then(|| KeyTracker::new(key_bytes, scratch)),
            uniques,
            old_keys: None,
            writers,
            failed,
            counts: Counts::default(),
            digest: DigestSum::default(),
        })
    }

    /// What the tracking columns say. Before the first batch.
    pub(crate) fn track(&mut self, tracking: Tracking) {
        self.tracking = Some(tracking);
    }

    /// The keys that the window shows now, to count those that do not come again.
    pub(crate) fn expect(&mut self, old_keys: HashSet<Digest16>) {
        self.old_keys = Some(old_keys);
    }

    /// Takes one batch of records.
    pub(crate) fn process(&mut self, records: &[Placed]) -> Result<(), AttemptError> {
        self.counts.received += records.len() as u64;
        for (position, text, _) in records {
            self.decoder.push(*position, text);
        }
        let batch = self.decoder.finish()?;
        for bad in &batch.undecodable {
            let reason = Reason::Undecodable { message: bad.reason.as_str().into() };
            self.quarantine(records, bad.position, &bad.text, &reason)?;
        }
        let mut keep = vec![true; batch.rows.num_rows()];
        self.cut(&batch, &mut keep);
        self.judge(&batch, records, &mut keep)?;
        self.deduplicate(&batch, &mut keep)?;
        self.write(&batch, &keep).map_err(|error| wrong(&error))?
    }

    fn quarantine(
        &mut self,
        records: &[Placed],
        position: u64,
        text: &Bytes,
        reason: &Reason,
    ) -> Result<(), AttemptError> {
        let place = records.binary_search_by_key(&position, |(position, ..)| *position).ok();
        let raw =
            place.and_then(|place| records.get(place)).map_or(RawPosition { part: 0, row: 0 }, |(_, _, raw)| *raw);
        let (request, ordinal) = (position >> 32, position & u64::from(u32::MAX));
        self.counts.quarantined += 1;
        self.failed.push(QuarantinedRow {
            part: raw.part,
            row: raw.row,
            request: u32::try_from(request).unwrap_or(u32::MAX),
            ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
            reason: reason.to_string(),
            record: String::from_utf8_lossy(text).into_owned(),
        })
    }

    /// Leaves out records outside the window's bounds: APIs with inclusive ends send them to two windows.
    fn cut(&mut self, batch: &TypedBatch, keep: &mut [bool]) {
        let Some((place, range)) = self.bounds else { return };
        let Some(column) = batch.rows.columns().get(place) else { return };
        for (row, keep) in keep.iter_mut().enumerate() {
            let is_inside = micros(column, row)
                .is_none_or(|at| range.from().timestamp_micros() <= at && at < range.until().timestamp_micros());
            if !is_inside {
                *keep = false;
                self.counts.outside += 1;
            }
        }
    }

    fn judge(&mut self, batch: &TypedBatch, records: &[Placed], keep: &mut [bool]) -> Result<(), AttemptError> {
        let mut failed: Vec<(usize, Reason)> = Vec::new();
        if self.gate.has_json_schema() {
            for (row, text) in batch.texts.iter().enumerate() {
                if let Err(reason) = self.gate.judge_text(text) {
                    failed.push((row, reason));
                }
            }
        }
        failed.extend(self.gate.judge(&batch.rows)?.reasons);
        for (child, rows) in self.children.iter().zip(&batch.children) {
            for (row, reason) in child.gate.judge(&rows.rows)?.reasons {
                let (Some(parent), Some(line)) = (rows.parents.get(row), rows.lines.get(row)) else { continue };
                let line = u64::try_from(*line).unwrap_or_default();
                failed
                    .push((*parent, Reason::Child { table: Arc::clone(&child.name), line, reason: Arc::new(reason) }));
            }
        }
        // Stable: of several reasons the first stays.
        failed.sort_by_key(|(row, _)| *row);
        failed.dedup_by_key(|(row, _)| *row);
        for (row, reason) in failed {
            let Some(keep) = keep.get_mut(row).filter(|keep| **keep) else { continue };
            *keep = false;
            if let (Some(position), Some(text)) = (batch.positions.get(row), batch.texts.get(row)) {
                self.quarantine(records, *position, text, &reason)?;
            }
        }
        Ok(())
    }

    fn deduplicate(&mut self, batch: &TypedBatch, keep: &mut [bool]) -> Result<(), AttemptError> {
        let rows = batch.keys.iter().zip(&batch.hashes).zip(&batch.positions);
        for (keep, ((key, hash), position)) in keep.iter_mut().zip(rows) {
            if !*keep {
                continue;
            }
            let (Some(tracker), Some(key)) = (&mut self.keys, key) else {
                self.digest.add(Digest16::default(), *hash);
                continue;
            };
            if tracker.insert(*key, *hash, *position)? == Seen::EqualDuplicate {
                *keep = false;
            }
            if let Some(old) = &mut self.old_keys {
                old.remove(key);
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &TypedBatch, keep: &[bool]) -> Result<Result<(), AttemptError>, ArrowError> {
        let Some(tracking) = &self.tracking else { return Ok(Ok(())) };
        let kept: Vec<usize> = keep.iter().enumerate().filter(|(_, keep)| **keep).map(|(row, _)| row).collect();
        let is_whole = kept.len() == keep.len();
        let mask = BooleanArray::from(keep.to_vec());
        let sift = |column: &ArrayRef| if is_whole { Ok(Arc::clone(column)) } else { filter(column, &mask) };
        let rescued = sift(&(Arc::new(batch.rescued.clone()) as ArrayRef))?;
        self.counts.rescued += (rescued.len() - rescued.null_count()) as u64;
        let mut columns = batch.rows.columns().iter().map(sift).collect::<Result<Vec<_>, _>>()?;
        if let Some(uniques) = &mut self.uniques {
            let rows = RecordBatch::try_new(batch.rows.schema(), columns.clone())?;
            let keys: Vec<Digest16> =
                kept.iter().map(|row| batch.keys.get(*row).copied().flatten().unwrap_or_default()).collect();
            if let Err(error) = uniques.observe(&rows, &keys) {
                return Ok(Err(error.into()));
            }
        }
        columns.extend(tracked(tracking, batch, kept.iter().copied(), rescued.as_string::<i32>().clone()));
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let mut writers = self.writers.iter_mut();
        if let Some(Err(error)) = writers.next().map(|writer| writer.encode(&rows)) {
            return Ok(Err(error));
        }
        for ((child, rows), writer) in self.children.iter().zip(&batch.children).zip(writers) {
            let rows = child_rows(child, rows, batch, keep, tracking)?;
            if let Err(error) = writer.encode(&rows) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Settles keys and counts. `loaded` counts rows that stay when the drops are taken out.
    pub(crate) fn settle(&mut self) -> Result<Settled, AttemptError> {
        let mut counts = self.counts;
        let mut drops = None;
        let mut digest = self.digest;
        if let Some(keys) = self.keys.take() {
            let outcome = keys.finish()?;
            counts.duplicate = outcome.equal_duplicates + outcome.unequal_duplicates;
            digest = outcome.digest;
            drops = Some(outcome.drops).filter(|drops| !drops.is_empty());
        }
        counts.loaded = counts.received.saturating_sub(counts.outside + counts.duplicate + counts.quarantined);
        let not_unique = self.uniques.take().map(Uniques::finish).transpose()?.unwrap_or_default();
        let gone = self.old_keys.take().map(|keys| keys.len() as u64);
        Ok(Settled { counts, digest, drops, not_unique, gone })
    }

    pub(crate) fn contract(&self) -> &Arc<StreamContract> {
        &self.contract
    }
}

fn wrong(error: &ArrowError) -> AttemptError {
    TypingError::Batch { reason: error.to_string() }.into()
}

/// Microseconds of a time column; `None` where it is null or no time.
fn micros(column: &ArrayRef, row: usize) -> Option<i64> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Timestamp(..) => Some(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Date32 => Some(i64::from(column.as_primitive::<Date32Type>().value(row)) * 86_400_000_000),
        _ => None,
    }
}

fn tracked(
    tracking: &Tracking,
    batch: &TypedBatch,
    rows: impl Iterator<Item = usize> + Clone,
    rescued: StringArray,
) -> Vec<ArrayRef> {
    let count = rows.clone().count();
    let mut hashes = StringBuilder::with_capacity(count, count * 32);
    let mut ordinals = Vec::with_capacity(count);
    for row in rows {
        hashes.append_value(hex(batch.hashes.get(row).copied().unwrap_or_default(), &mut [0; 32]));
        ordinals.push(i64::try_from(batch.positions.get(row).copied().unwrap_or_default()).unwrap_or(i64::MAX));
    }
    tracking.columns(ordinals, hashes.finish(), rescued)
}

/// As `Display` of a digest, without its allocation a byte.
fn hex(digest: Digest16, out: &mut [u8; 32]) -> &str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(digest.0) {
        if let [high, low] = pair {
            *high = DIGITS.get(usize::from(byte >> 4)).copied().unwrap_or_default();
            *low = DIGITS.get(usize::from(byte & 15)).copied().unwrap_or_default();
        }
    }
    std::str::from_utf8(out).unwrap_or_default()
}

fn child_rows(
    child: &Child,
    rows: &ChildBatch,
    batch: &TypedBatch,
    keep: &[bool],
    tracking: &Tracking,
) -> Result<RecordBatch, ArrowError> {
    let mask: BooleanArray =
        rows.parents.iter().map(|parent| Some(keep.get(*parent).copied().unwrap_or(false))).collect();
    let parents: Vec<usize> =
        rows.parents.iter().copied().filter(|parent| keep.get(*parent).copied().unwrap_or(false)).collect();
    let places: UInt32Array = parents.iter().map(|parent| u32::try_from(*parent).ok()).collect();
    let mut columns = Vec::with_capacity(child.schema.fields().len());
    for place in &child.parents {
        if let Some(column) = batch.rows.columns().get(*place) {
            columns.push(take(column, &places, None)?);
        }
    }
    for column in rows.rows.columns() {
        columns.push(filter(column, &mask)?);
    }
    columns.push(filter(&Int64Array::from(rows.lines.clone()), &mask)?);
    let rescued = filter(&rows.rescued, &mask)?;
    columns.extend(tracked(tracking, batch, parents.iter().copied(), rescued.as_string::<i32>().clone()));
    RecordBatch::try_new(Arc::clone(&child.schema), columns)
}
