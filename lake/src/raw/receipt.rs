//! The receipt: the small JSON object, created once, that makes a reading true.
//!
//! Its text is deterministic (fields in order, no map without an order), so that two runs that read the same write the same.
//! `version` is 1; a reader refuses a version that it does not know instead of guessing (old reader, new data), and every field
//! that a later version adds must have a default (new reader, old data).

use chrono::{DateTime, Utc};
use headwater_contract::{Digest16, DigestSum, Slice, StreamName, Window, WindowError};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// The version of receipts that this program writes.
pub const RECEIPT_VERSION: u32 = 1;

/// Why a generation was read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The window had no receipt.
    First,
    /// Its re-read schedule asked for it, or the reading before was held.
    Reread,
    /// A person asked for the range again.
    Resync,
    /// Parts on disk were run again under the present contract.
    Replay,
    /// A person released a held reading.
    Accept,
    /// A person's rows were taken out of all generations before.
    Erasure,
    /// The stream was abandoned; the generation has no data.
    Void,
}

/// What the gate decided of a reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The reading may be committed.
    Passed,
    /// Nothing of it is committed until a person or a later reading says otherwise.
    Held {
        /// Why, in words.
        reason: String,
    },
    /// There is nothing to commit.
    Void,
}

impl Verdict {
    /// Whether the reading may be committed.
    pub fn is_passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// Whether the reading waits for a person or a later one.
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }
}

/// How many records of a reading went where: received = outside + duplicate + quarantined + loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Records that the source sent.
    pub received: u64,
    /// Outside the bounds of the window, cut.
    pub outside: u64,
    /// Equal or older versions of a key within the reading, dropped.
    pub duplicate: u64,
    /// Failed the gate.
    pub quarantined: u64,
    /// In the typed files.
    pub loaded: u64,
    /// Of the loaded, those with a misfit or an unknown field in `_rescued`.
    #[serde(default)]
    pub rescued: u64,
}

impl Counts {
    /// Whether every record that was received went somewhere.
    pub fn is_conserved(&self) -> bool {
        self.received == self.outside + self.duplicate + self.quarantined + self.loaded
    }
}

/// What the manifest's own rules kept out of a reading: not lost by accident, and not silent either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeftOut {
    /// Requests that the source refused and that have no records by the manifest's word.
    #[serde(default)]
    pub requests: u32,
    /// Records that the manifest's steps dropped.
    #[serde(default)]
    pub records: u64,
}

impl LeftOut {
    /// Whether the reading is all that the source sent.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A raw part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartFile {
    /// Where it lies in raw.
    pub path: String,
    /// Its rows: one a body chunk.
    pub rows: u64,
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub hash: String,
}

/// A Parquet file of a cleansed table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypedFile {
    /// The table's name within the source: the stream's own, or a child's.
    pub table: String,
    /// Where it lies, relative to the table's folder.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub hash: String,
    /// Statistics in the words of Delta's `stats`.
    pub stats: serde_json::Value,
}

/// A record that failed the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedRow {
    /// The part that holds its bytes: its place in [`Receipt::parts`], or in those of `parts_of`.
    pub part: u32,
    /// The row of that part.
    pub row: u64,
    /// The request it came with.
    pub request: u32,
    /// Its place among the request's records.
    pub ordinal: u32,
    /// Why, in words.
    pub reason: String,
    /// The record, as sent.
    pub record: String,
}

/// The records of a reading that failed the gate.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QuarantineList {
    /// The records, while they are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<QuarantinedRow>,
    /// The file in raw that lists all of them, when they are many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// What an erasure says in the receipts that it wrote, and in those that it emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureMark {
    /// The erasure.
    pub id: Ulid,
    /// The first generation that it wrote: from the last on, those below hold nothing and count no more.
    pub from: u64,
    /// Whether this is the last receipt that it wrote of the window; before that one none of them counts.
    #[serde(default)]
    pub is_last: bool,
}

/// What makes an attempt's parts the truth of (window, generation).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The version of this format.
    pub version: u32,
    /// The lake's id.
    pub lake: Ulid,
    /// Source and stream.
    pub stream: StreamName,
    /// The slice; empty for the whole stream.
    #[serde(default, skip_serializing_if = "Slice::is_whole")]
    pub slice: Slice,
    /// The window's name.
    pub window: String,
    /// The generation, from 1.
    pub generation: u64,
    /// The attempt that wrote this.
    pub attempt: Ulid,
    /// Why it was read.
    pub reason: Reason,
    /// The attempt whose parts a replay or an accept uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_of: Option<Ulid>,
    /// The earlier generation that this reading equals; then it has no parts of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<u64>,
    /// When the first request of the reading began.
    pub read_at: DateTime<Utc>,
    /// When the receipt was made.
    pub finished_at: DateTime<Utc>,
    /// What the gate decided.
    pub verdict: Verdict,
    /// How many records went where.
    pub counts: Counts,
    /// What the manifest's rules kept out before anything was counted.
    #[serde(default, skip_serializing_if = "LeftOut::is_nothing")]
    pub left_out: LeftOut,
    /// Order-free digest of the (key, hash) pairs that were loaded.
    pub digest: DigestSum,
    /// Digest of the manifest that it was read with.
    pub manifest: Digest16,
    /// Digest of the contract that it was judged by.
    pub contract: Digest16,
    /// The token that the link starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_in: Option<String>,
    /// The token that the next link starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_out: Option<String>,
    /// The raw parts.
    pub parts: Vec<PartFile>,
    /// The typed files, none of which is visible before its commit.
    pub typed: Vec<TypedFile>,
    /// What failed the gate.
    #[serde(default)]
    pub quarantine: QuarantineList,
    /// The erasure that wrote or emptied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<ErasureMark>,
}

impl Receipt {
    /// The window that was read.
    ///
    /// # Errors
    ///
    /// [`WindowError::NotAName`] when the receipt was not written by us.
    pub fn window(&self) -> Result<Window, WindowError> {
        Window::parse(self.slice.clone(), &self.window)
    }

    /// Whether `self` reads what `earlier` read: same records, by the same manifest and contract.
    ///
    /// The digest covers loaded records only, so readings with quarantined ones never count as equal: their bytes are kept.
    pub fn reads_the_same_as(&self, earlier: &Self) -> bool {
        self.counts.quarantined == 0
            && earlier.counts.quarantined == 0
            && self.counts.received == earlier.counts.received
            && self.counts.loaded == earlier.counts.loaded
            && self.digest == earlier.digest
            && self.manifest == earlier.manifest
            && self.contract == earlier.contract
            && self.token_out == earlier.token_out
    }
}

/// The receipts of one window that count: those above the last complete erasure, which holds the rows of all below it.
///
/// What an erasure wrote before it was complete repeats others and has no data; its generations are used up all the same.
pub(crate) fn standing(mut receipts: Vec<Receipt>) -> Vec<Receipt> {
    let floor = floor(&receipts);
    receipts.retain(|receipt| receipt.generation >= floor);
    let open: Vec<u64> =
        receipts.iter().filter(|one| is_unfinished(&receipts, one)).map(|one| one.generation).collect();
    for receipt in receipts.iter_mut().filter(|receipt| open.contains(&receipt.generation)) {
        receipt.verdict = Verdict::Void;
        receipt.same_as = None;
    }
    receipts
}

/// Whether an erasure wrote the receipt that has not written its last one among `receipts`, those of the same window.
pub(crate) fn is_unfinished(receipts: &[Receipt], receipt: &Receipt) -> bool {
    let covers = |(from, until): (u64, u64)| from <= receipt.generation && receipt.generation <= until;
    receipt.reason == Reason::Erasure && !receipts.iter().filter_map(whole_erasure).any(covers)
}

/// The first and last generation that a complete erasure wrote, if this is its last receipt.
fn whole_erasure(receipt: &Receipt) -> Option<(u64, u64)> {
    let mark = receipt.erasure.filter(|mark| mark.is_last && receipt.reason == Reason::Erasure)?;
    Some((mark.from, receipt.generation))
}

/// The lowest generation that counts: what lies below holds nothing since an erasure, and its bytes may go.
pub(crate) fn floor(receipts: &[Receipt]) -> u64 {
    receipts.iter().filter_map(whole_erasure).map(|(from, _)| from).max().unwrap_or(0)
}

/// The generation whose rows a window shows: `data(latest)` of ARCHITECTURE.md § "Which generation counts".
///
/// `receipts` are those of one window, by generation. A reading that passed with parts shows itself, one that says `same_as`
/// shows the generation that it names, a held or void one shows what the receipt before it shows. `None` before the first
/// reading that passed.
pub fn data_generation(receipts: &[Receipt]) -> Option<&Receipt> {
    let latest = receipts.iter().map(|receipt| receipt.generation).max()?;
    data_of(receipts, latest)
}

/// As [`data_generation`], for the receipt of `generation` instead of the latest.
pub fn data_of(receipts: &[Receipt], generation: u64) -> Option<&Receipt> {
    let mut at = generation;
    // Each step goes to a smaller generation, so this ends, also over receipts that nobody of ours wrote.
    loop {
        let newest =
            receipts.iter().filter(|receipt| receipt.generation <= at).max_by_key(|receipt| receipt.generation)?;
        let next = match (&newest.verdict, newest.same_as) {
            (Verdict::Passed, None) => return Some(newest),
            (Verdict::Passed, Some(named)) => named.min(newest.generation.checked_sub(1)?),
            (Verdict::Held { .. } | Verdict::Void, _) => newest.generation.checked_sub(1)?,
        };
        at = next;
    }
}
