//! Deletes what attempts left in raw and no receipt names: parts, and lists of quarantined records.
//!
//! No clock decides. While (window, generation) has no receipt, any of its attempts may still become the truth, however old it
//! is; once there is one, an attempt that no receipt names never will. So of a stream that nobody reads any more the last
//! attempts stay for ever, unless a `void` receipt closes their generation ([`void_abandoned`]).
//!
//! Typed files in cleansed are not deleted here: a committer may have typed the parts of a receipt again, under an attempt that
//! no receipt names, and be about to show them. They are a vacuum's business, whose horizon such a committer sees.

use std::collections::{BTreeMap, BTreeSet};

use headwater_contract::{Digest16, DigestSum, StreamName, Window};
use ulid::Ulid;

use crate::Lake;
use crate::attempt::create;
use crate::maintenance::sweep::sweep;
use crate::maintenance::{MaintenanceError, Swept};
use crate::raw::{Counts, LeftOut, QuarantineList, RECEIPT_VERSION, Reason, Receipt, Receipts, Verdict, floor};
use crate::steps::Step;
use crate::store::Entry;
use crate::zones::layout::{AttemptPath, parse_attempt_path, stream_folder};

/// What the receipts of a stream name.
#[derive(Debug, Default)]
struct Named {
    /// The attempt that made each generation true; `None` where its receipt names no files, because they repeat others.
    winners: BTreeMap<(Window, u64), Option<Ulid>>,
    /// Attempts whose parts a replay or an accept uses.
    parts_of: BTreeSet<Ulid>,
    /// Parts and quarantine lists.
    paths: BTreeSet<String>,
    /// Of windows with an erasure the lowest generation that counts.
    floors: BTreeMap<Window, u64>,
}

impl Named {
    fn of(receipts: BTreeMap<Window, Vec<Receipt>>) -> Self {
        let mut named = Self::default();
        for (window, receipts) in receipts {
            named.floors.insert(window.clone(), floor(&receipts));
            for receipt in receipts {
                let winner = Some(receipt.attempt).filter(|_| receipt.same_as.is_none());
                named.winners.insert((window.clone(), receipt.generation), winner);
                named.parts_of.extend(receipt.parts_of);
                named.paths.extend(receipt.parts.into_iter().map(|part| part.path));
                named.paths.extend(receipt.quarantine.file);
            }
        }
        named
    }

    /// Whether a file of an attempt can never be named again.
    fn is_needless(&self, file: &AttemptPath, path: &str) -> bool {
        let is_named = self.parts_of.contains(&file.attempt) || self.paths.contains(path);
        // What lies below an erasure holds nothing that counts, whoever wrote it.
        if self.floors.get(&file.window).is_some_and(|floor| file.generation < *floor) {
            return !is_named;
        }
        let Some(winner) = self.winners.get(&(file.window.clone(), file.generation)) else { return false };
        *winner != Some(file.attempt) && !is_named
    }
}

/// Deletes the raw files of a stream that no receipt names and none ever will.
///
/// # Errors
///
/// [`MaintenanceError`] when raw cannot be listed or a file not deleted; running again is safe.
pub async fn clean_parts(lake: &Lake, stream: &StreamName, is_dry: bool) -> Result<Swept, MaintenanceError> {
    let raw = &lake.zones.raw;
    let files = attempts(lake, stream).await?;
    if files.is_empty() {
        return Ok(Swept::default());
    }
    let named = Named::of(Receipts::new(raw).of_stream(stream).await?);
    let needless = files.into_iter().filter(|(file, entry)| named.is_needless(file, &entry.path));
    let needless: Vec<Entry> = needless.map(|(_, entry)| entry).collect();
    if is_dry || needless.is_empty() {
        return Ok(Swept::of(&needless));
    }
    lake.ledger.check_owner(raw).await?;
    sweep(lake, raw, &needless, Step::PartDeleted).await
}

/// Closes every generation of a stream that has attempts and no receipt, with a receipt that says that it has no data. Returns how
/// many those are. Right only for a stream that nobody reads: an attempt that still runs loses its generation.
///
/// # Errors
///
/// [`MaintenanceError`] when a receipt cannot be read or written; running again is safe.
pub async fn void_abandoned(lake: &Lake, stream: &StreamName, is_dry: bool) -> Result<u64, MaintenanceError> {
    let raw = &lake.zones.raw;
    let mut open: BTreeSet<(Window, u64)> = BTreeSet::new();
    open.extend(attempts(lake, stream).await?.into_iter().map(|(file, _)| (file.window, file.generation)));
    let receipts = Receipts::new(raw).windows(stream).await?;
    open.retain(|(window, generation)| !receipts.get(window).is_some_and(|known| known.contains(generation)));
    if is_dry {
        return Ok(open.len() as u64);
    }
    let mut voided = 0;
    for (window, generation) in open {
        let landed = create(lake, void(lake, stream, &window, generation).await?).await?;
        voided += u64::from(landed.created_by_us);
    }
    Ok(voided)
}

async fn void(lake: &Lake, stream: &StreamName, window: &Window, generation: u64) -> Result<Receipt, MaintenanceError> {
    let now = lake.clock.now();
    Ok(Receipt {
        version: RECEIPT_VERSION,
        lake: lake.ledger.lake_id(&lake.zones.raw).await?.lake,
        stream: stream.clone(),
        slice: window.slice.clone(),
        window: window.name(),
        generation,
        attempt: Ulid::from_datetime(now.into()),
        reason: Reason::Void,
        parts_of: None,
        same_as: None,
        read_at: now,
        finished_at: now,
        verdict: Verdict::Void,
        counts: Counts::default(),
        left_out: LeftOut::default(),
        digest: DigestSum::default(),
        manifest: Digest16::default(),
        contract: Digest16::default(),
        token_in: None,
        token_out: None,
        parts: Vec::new(),
        typed: Vec::new(),
        quarantine: QuarantineList::default(),
        erasure: None,
    })
}

/// The files that attempts left in raw.
async fn attempts(lake: &Lake, stream: &StreamName) -> Result<Vec<(AttemptPath, Entry)>, MaintenanceError> {
    let listed = lake.zones.raw.list(&stream_folder(stream)).await?;
    Ok(listed.into_iter().filter_map(|entry| Some((parse_attempt_path(stream, &entry.path)?, entry))).collect())
}
