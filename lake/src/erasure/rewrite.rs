//! Writes the readings of a window again without the person, as its next generations.
//!
//! Every receipt that counts is written again in its order, with the same verdict and the same time, so that what the window shows,
//! holds and owes is what it was. None of them counts before the last is there, and from then on none below does.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_contract::{StreamContract, Window};
use percent_encoding::percent_decode_str;
use ulid::Ulid;

use super::error::ErasureError;
use super::record::{Digester, ErasureRecord};
use super::search::{FoundWindow, matcher};
use super::subject::{Matcher, Subject};
use crate::Lake;
use crate::attempt::{Decoders, Intake, Seen, StoredReading, create, feed, next_generation};
use crate::raw::{
    ErasureMark, PartFile, QuarantineList, Reason, Receipt, Receipts, RecordParts, Verdict, data_of, is_unfinished,
};
use crate::steps::Step;
use crate::typing::Tracking;

/// What was written again of one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Records of the person that are left out now.
    pub records: u64,
    /// Receipts that were written.
    pub receipts: u64,
    /// Records of others that are in quarantine now and were not: another contract had typed them.
    pub refused: u64,
}

/// Writes the readings of `window` again without the person.
///
/// # Errors
///
/// [`ErasureError`]; the window shows what it showed, and running again is safe.
pub async fn rewrite(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    window: &Window,
    (record, digester, subjects): (&ErasureRecord, &Digester, &[Subject]),
    found: &FoundWindow,
    decoders: &dyn Decoders,
) -> Result<Rewritten, ErasureError> {
    let receipts = Receipts::new(&lake.zones.raw).of_window(&contract.name, window).await?;
    let from = next_generation(&receipts);
    let standing: Vec<Receipt> =
        receipts.iter().filter(|receipt| !is_unfinished(&receipts, receipt)).cloned().collect();
    let Some(matcher) = matcher(contract, digester, subjects)? else { return Ok(Rewritten::default()) };
    let mut copying = Copying {
        lake,
        contract,
        window,
        decoders,
        found,
        matcher,
        standing: &standing,
        copies: BTreeMap::new(),
        parts: BTreeMap::new(),
        done: Rewritten::default(),
    };
    for (generation, receipt) in (from..).zip(&standing) {
        let is_last = standing.last().is_some_and(|last| last.generation == receipt.generation);
        let mark = ErasureMark { id: record.id, from, is_last };
        let copy = copying.copy(receipt, generation, mark).await?;
        let landed = create(lake, copy).await?;
        if !landed.created_by_us {
            return Err(ErasureError::Overtaken { window: format!("{} {window}", contract.name) });
        }
        copying.done.receipts += 1;
        copying.copies.insert(receipt.generation, landed.receipt);
    }
    lake.steps.reached(Step::ErasureLanded).await;
    Ok(copying.done)
}

struct Copying<'a> {
    lake: &'a Lake,
    contract: &'a Arc<StreamContract>,
    window: &'a Window,
    decoders: &'a dyn Decoders,
    found: &'a FoundWindow,
    matcher: Matcher,
    standing: &'a [Receipt],
    /// What was written, by the generation that it repeats.
    copies: BTreeMap<u64, Receipt>,
    /// The parts that were written, by the paths of those that they repeat, with the attempt that wrote them.
    parts: BTreeMap<Vec<String>, (Ulid, Vec<PartFile>)>,
    done: Rewritten,
}

impl Copying<'_> {
    async fn copy(&mut self, receipt: &Receipt, generation: u64, mark: ErasureMark) -> Result<Receipt, ErasureError> {
        let now = self.lake.clock.now();
        let attempt = Ulid::from_datetime(now.into());
        let bare = Receipt {
            generation,
            attempt,
            reason: Reason::Erasure,
            parts_of: None,
            same_as: None,
            finished_at: now,
            parts: Vec::new(),
            typed: Vec::new(),
            quarantine: QuarantineList::default(),
            erasure: Some(mark),
            ..receipt.clone()
        };
        if let Some(named) = receipt.same_as {
            let shown = data_of(self.standing, named).and_then(|shown| self.copies.get(&shown.generation));
            return Ok(match shown {
                Some(shown) => Receipt {
                    same_as: Some(shown.generation),
                    counts: shown.counts,
                    digest: shown.digest,
                    manifest: shown.manifest,
                    contract: shown.contract,
                    ..bare
                },
                // It repeats nothing that counts, so it has no data.
                None => Receipt { verdict: Verdict::Void, ..bare },
            });
        }
        if receipt.verdict == Verdict::Void {
            return Ok(bare);
        }
        self.read_again(receipt, bare).await
    }

    /// Types the records that stay, out of parts that hold no others.
    async fn read_again(&mut self, receipt: &Receipt, bare: Receipt) -> Result<Receipt, ErasureError> {
        let (generation, attempt) = (bare.generation, bare.attempt);
        let paths: Vec<String> = receipt.parts.iter().map(|part| part.path.clone()).collect();
        let known = self.parts.get(&paths).cloned();
        let (parts_of, parts) = if let Some((wrote, parts)) = known {
            (Some(wrote), parts)
        } else {
            let parts = self.without_person(receipt, generation, attempt).await?;
            self.parts.insert(paths, (attempt, parts.clone()));
            (None, parts)
        };
        let label = format!("{} {} g{generation}", self.contract.name, self.window);
        let mut intake = Intake::new(self.lake, self.contract, self.window, generation, attempt)?;
        intake.track(Tracking::new(self.contract, self.window, generation, attempt, receipt.read_at));
        feed(self.lake, self.contract, &label, &parts, &mut intake, self.decoders).await?;
        let taken = intake.finish().await?;
        if !taken.counts.is_conserved() || taken.counts.received > receipt.counts.received {
            return Err(ErasureError::Unequal {
                window: label,
                read: taken.counts.received,
                said: receipt.counts.received,
            });
        }
        self.done.refused += taken.counts.quarantined.saturating_sub(receipt.counts.quarantined);
        Ok(Receipt {
            parts_of,
            parts,
            counts: taken.counts,
            digest: taken.digest,
            manifest: self.contract.manifest_digest,
            contract: self.contract.digest(),
            typed: taken.typed,
            quarantine: taken.quarantine,
            ..bare
        })
    }

    /// Writes the records that stay as parts of their own.
    async fn without_person(
        &mut self,
        receipt: &Receipt,
        generation: u64,
        attempt: Ulid,
    ) -> Result<Vec<PartFile>, ErasureError> {
        let (lake, contract) = (self.lake, self.contract);
        let label = format!("{} {} g{}", contract.name, self.window, receipt.generation);
        let part_bytes = lake.limits.part_bytes;
        let mut parts = RecordParts::new(&lake.zones.raw, &contract.name, self.window, generation, attempt, part_bytes);
        let mut reading = StoredReading::open(lake, contract, &label, &receipt.parts, self.decoders).await?;
        let (mut kept, mut gone) = (0, 0);
        while let Some(seen) = reading.next().await? {
            match seen {
                Seen::Head(exchange) => {
                    let (matcher, telling) = (&self.matcher, &self.found.telling);
                    let is_named = |segment: &str| {
                        let text = percent_decode_str(segment).decode_utf8_lossy();
                        matcher.names(segment) || telling.contains(text.as_ref())
                    };
                    parts.exchange(&exchange, &is_named);
                }
                Seen::Records(records, _) => {
                    let (stays, goes) = self.matcher.sift(records)?;
                    gone += goes.len() as u64;
                    for run in stays {
                        kept += run.texts.len() as u64;
                        parts.records(&run).await?;
                    }
                }
                Seen::Body(_) => {}
            }
        }
        // The same manifest gives the same records: else some would be lost here without anybody's wish.
        if receipt.manifest == contract.manifest_digest && kept + gone < receipt.counts.received {
            return Err(ErasureError::Unequal { window: label, read: kept + gone, said: receipt.counts.received });
        }
        self.done.records += gone;
        Ok(parts.finish().await?)
    }
}

/// The windows that an erasure has written again and of which the ledger and the tables may not know yet.
///
/// # Errors
///
/// [`ErasureError`] when receipts cannot be read.
pub async fn erased_windows(
    lake: &Lake,
    contract: &StreamContract,
    record: &ErasureRecord,
) -> Result<Vec<Window>, ErasureError> {
    let all = Receipts::new(&lake.zones.raw).of_stream(&contract.name).await?;
    let is_of = |receipt: &Receipt| {
        receipt.reason == Reason::Erasure && receipt.erasure.is_some_and(|mark| mark.id == record.id && mark.is_last)
    };
    Ok(all.into_iter().filter(|(_, receipts)| receipts.iter().any(is_of)).map(|(window, _)| window).collect())
}

/// Empties the receipts below complete erasures: what they say of persons goes, what they say of the reading stays. Returns how
/// many were emptied.
///
/// # Errors
///
/// [`ErasureError`] when a receipt cannot be read or written; running again is safe.
pub async fn empty_receipts(lake: &Lake, contract: &StreamContract) -> Result<u64, ErasureError> {
    let store = Receipts::new(&lake.zones.raw);
    let mut emptied = 0;
    for receipts in store.all_of_stream(&contract.name).await?.into_values() {
        let floor = crate::raw::floor(&receipts);
        let mark =
            receipts.iter().filter_map(|receipt| receipt.erasure).find(|mark| mark.is_last && mark.from == floor);
        let Some(mark) = mark else { continue };
        for receipt in receipts.into_iter().filter(|receipt| receipt.generation < floor) {
            let empty = emptied_receipt(&receipt, mark);
            if empty == receipt {
                continue;
            }
            lake.ledger.check_owner(&lake.zones.raw).await?;
            store.replace_emptied(&empty).await?;
            lake.steps.reached(Step::ReceiptEmptied).await;
            emptied += 1;
        }
    }
    Ok(emptied)
}

fn emptied_receipt(receipt: &Receipt, mark: ErasureMark) -> Receipt {
    Receipt {
        parts_of: None,
        digest: headwater_contract::DigestSum::default(),
        // A rising id of the source can be somebody's.
        token_in: None,
        token_out: None,
        parts: Vec::new(),
        typed: Vec::new(),
        quarantine: QuarantineList::default(),
        erasure: Some(ErasureMark { is_last: false, ..mark }),
        ..receipt.clone()
    }
}
