//! Makes a reading true: the verdict, then the receipt, which is created once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use headwater_contract::{Deletes, StreamContract, Window};
use headwater_quality::reconcile;
use headwater_quality::verdict::{Policy, Reading, decide};
use ulid::Ulid;

use super::error::AttemptError;
use super::history;
use super::intake::{Taken, table_folder};
use crate::Lake;
use crate::raw::{
    Landing, LeftOut, PartFile, QuarantineList, RECEIPT_VERSION, Reason, Receipt, Receipts, TypedFile, Verdict,
    data_generation,
};
use crate::steps::Step;

/// What became of a reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Landed {
    /// The receipt that counts: ours, or the winner's, whose reading this runner takes over with its `read_at`.
    pub receipt: Receipt,
    /// Whether this attempt created it.
    pub created_by_us: bool,
}

/// What is known of a reading beside its records.
pub(crate) struct Facts {
    pub(crate) window: Window,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) generation: u64,
    pub(crate) attempt: Ulid,
    pub(crate) reason: Reason,
    pub(crate) read_at: DateTime<Utc>,
    pub(crate) parts: Vec<PartFile>,
    pub(crate) parts_of: Option<Ulid>,
    pub(crate) tokens: (Option<String>, Option<String>),
    pub(crate) rows_now: u64,
    pub(crate) left_out: LeftOut,
}

/// Judges a reading and creates its receipt.
pub(crate) async fn land(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    facts: Facts,
    taken: Taken,
) -> Result<Landed, AttemptError> {
    let verdict = judge(lake, contract, &facts, &taken).await?;
    let lake_id = lake.ledger.lake_id(&lake.zones.raw).await?.lake;
    let mut receipt = Receipt {
        version: RECEIPT_VERSION,
        lake: lake_id,
        stream: contract.name.clone(),
        slice: facts.window.slice.clone(),
        window: facts.window.name(),
        generation: facts.generation,
        attempt: facts.attempt,
        reason: facts.reason,
        parts_of: facts.parts_of,
        same_as: None,
        read_at: facts.read_at,
        finished_at: lake.clock.now(),
        verdict,
        counts: taken.counts,
        left_out: facts.left_out,
        digest: taken.digest,
        manifest: contract.manifest_digest,
        contract: contract.digest(),
        token_in: facts.tokens.0,
        token_out: facts.tokens.1,
        parts: facts.parts,
        typed: taken.typed,
        quarantine: taken.quarantine,
        erasure: None,
    };
    let written = (receipt.parts.clone(), receipt.typed.clone(), receipt.quarantine.file.clone());
    if let Some(same_as) = unchanged(contract, &receipt, &facts.receipts) {
        receipt.same_as = Some(same_as);
        receipt.parts.clear();
        receipt.typed.clear();
        receipt.quarantine = QuarantineList::default();
    }
    let has_parts_of_its_own = receipt.parts_of.is_none();
    let landed = create(lake, receipt).await?;
    if !landed.created_by_us || landed.receipt.same_as.is_some() {
        // A receipt of this generation stands and does not name these files, so nobody ever will.
        let (parts, typed, quarantine) = written;
        let parts = if has_parts_of_its_own { parts } else { Vec::new() };
        discard(lake, contract, &parts, &typed, quarantine.as_deref()).await;
    }
    Ok(landed)
}

/// Creates a receipt, or adopts the one that was first.
pub(crate) async fn create(lake: &Lake, receipt: Receipt) -> Result<Landed, AttemptError> {
    lake.steps.reached(Step::BeforeReceipt).await;
    lake.ledger.check_owner(&lake.zones.raw).await?;
    let landed = match Receipts::new(&lake.zones.raw).create(&receipt).await? {
        Landing::Created => Landed { receipt, created_by_us: true },
        Landing::Lost(winner) => Landed { receipt: *winner, created_by_us: false },
    };
    lake.steps.reached(Step::ReceiptCreated).await;
    Ok(landed)
}

async fn judge(lake: &Lake, contract: &StreamContract, facts: &Facts, taken: &Taken) -> Result<Verdict, AttemptError> {
    let counts = reconcile::Counts {
        received: taken.counts.received,
        outside: taken.counts.outside,
        duplicate: taken.counts.duplicate,
        quarantined: taken.counts.quarantined,
        loaded: taken.counts.loaded,
        rescued: taken.counts.rescued,
    };
    let is_first = data_generation(&facts.receipts).is_none();
    let is_empty = counts.received == counts.outside;
    let counterparts = if is_first && is_empty && !contract.may_be_empty {
        history::expected(lake, contract, &facts.window, facts.read_at).await?
    } else {
        Vec::new()
    };
    let rows_removed = taken.gone.unwrap_or_else(|| facts.rows_now.saturating_sub(counts.loaded));
    let reading = Reading {
        counts,
        is_first,
        counterparts,
        rows_now: facts.rows_now,
        rows_removed,
        not_unique: taken.not_unique.clone(),
    };
    let verdict = decide(&Policy::from(contract), &reading);
    Ok(verdict.reason().map_or(Verdict::Passed, |reason| Verdict::Held { reason }))
}

/// The generation that a passed reading repeats, over receipts and never over the table.
fn unchanged(contract: &StreamContract, receipt: &Receipt, receipts: &[Receipt]) -> Option<u64> {
    // Where deletes show in a list of keys, each reading says how long a row was seen alive: it is recorded even when nothing changed.
    let is_recorded = matches!(contract.deletes, Deletes::KeyList { .. });
    let earlier = data_generation(receipts)?;
    (receipt.verdict.is_passed() && !is_recorded && receipt.reads_the_same_as(earlier)).then_some(earlier.generation)
}

/// Deletes files that no receipt names. What cannot be deleted now is left to the cleaner.
async fn discard(
    lake: &Lake,
    contract: &StreamContract,
    parts: &[PartFile],
    typed: &[TypedFile],
    quarantine: Option<&str>,
) {
    for file in typed {
        let path = format!("{}/{}", table_folder(contract, &file.table), file.path);
        drop(lake.zones.cleansed.delete(&path).await);
    }
    for path in parts.iter().map(|part| part.path.as_str()).chain(quarantine) {
        drop(lake.zones.raw.delete(path).await);
    }
}
