//! Brings the ledger up to the receipts of one stream: what a lost row, a killed runner or another ledger left out.
//!
//! Planning reads only the ledger, so a receipt that it lacks would be read again, lose to the table, and stay missing for ever.
//! One listing finds every such window; only the receipts of those are read.

use std::collections::BTreeMap;

use futures::StreamExt;
use headwater_contract::{Bounds, Slice, StreamName, Window};

use crate::commit::shown_generation;
use crate::ledger::{Finished, Folded, Lease, Ledger, LedgerError, Transactions, WindowRow};
use crate::raw::{Receipt, ReceiptError, Receipts};
use crate::store::Store;

/// Windows whose receipts are read at once.
const WINDOWS_AT_ONCE: usize = 16;

/// What a ledger learnt from the receipts of a stream.
#[derive(Debug, Default)]
pub struct CatchUp {
    /// Windows whose latest receipt it did not know.
    pub landed: Vec<Window>,
    /// Windows of which a receipt cannot be used. Nothing may be read in their place: their bounds are fixed.
    pub unreadable: Vec<(Window, ReceiptError)>,
}

impl Ledger {
    /// Whether raw holds a receipt of the stream that this ledger lacks. One listing, no object is read.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], or what the store said.
    pub async fn is_behind(&self, raw: &Store, stream: &StreamName) -> Result<bool, LedgerError> {
        let (unknown, odd) = self.unknown(&Receipts::new(raw), stream).await?;
        Ok(!unknown.is_empty() || !odd.is_empty())
    }

    /// Windows of which the ledger says that a table shows more than these transactions of it, each with what they say.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn receded(
        &self,
        stream: &StreamName,
        transactions: &Transactions,
    ) -> Result<Vec<(Window, Option<u64>)>, LedgerError> {
        let rows: Vec<WindowRow> = self.coverage(stream).await?.into_iter().filter(|row| !row.is_replaced()).collect();
        let mut receded = Vec::new();
        for row in &rows {
            // Of snapshots only the newest of a slice is shown; the others are paid by it.
            let is_list = matches!(row.window.bounds, Bounds::Snapshot { .. });
            if is_list && newest_shown(&rows, &row.window.slice) != Some(&row.window) {
                continue;
            }
            let shown = shown_generation(&row.window, transactions);
            if row.facts.committed > shown {
                receded.push((row.window.clone(), shown));
            }
        }
        Ok(receded)
    }

    /// The windows of which raw holds a receipt that this ledger lacks, and the intervals of which it holds more or fewer.
    async fn unknown(
        &self,
        receipts: &Receipts,
        stream: &StreamName,
    ) -> Result<(Vec<Window>, Vec<Finished>), LedgerError> {
        let known: BTreeMap<Window, u64> = self
            .coverage(stream)
            .await?
            .into_iter()
            .filter_map(|row| Some((row.window, row.facts.standing?.generation)))
            .collect();
        let finished = self.finished(stream).await?;
        let mut listed = receipts.windows(stream).await?;
        let folded = Folded::of(&finished);
        let unkept = listed.iter().filter(|(window, _)| !known.contains_key(*window));
        let found = folded.tally(unkept.map(|(window, generations)| (window, generations.len() as u64)));
        listed.retain(|window, generations| {
            let is_newer = generations.last() > known.get(window);
            is_newer && (known.contains_key(window) || folded.place(window).is_none())
        });
        let odd = finished.into_iter().zip(found).filter(|(interval, found)| interval.receipts != *found);
        Ok((listed.into_keys().collect(), odd.map(|(interval, _)| interval).collect()))
    }

    /// Takes over every receipt of the stream that this ledger lacks; `lease` is that of the stream.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LeaseLost`], [`LedgerError::Database`], or what the store said.
    pub async fn catch_up(&self, raw: &Store, lease: &Lease, stream: &StreamName) -> Result<CatchUp, LedgerError> {
        let receipts = Receipts::new(raw);
        let (mut unknown, odd) = self.unknown(&receipts, stream).await?;
        if !odd.is_empty() {
            self.unfold(raw, stream, &odd, None).await?;
            unknown = self.unknown(&receipts, stream).await?.0;
        }
        let reads = unknown.into_iter().map(|window| {
            let receipts = &receipts;
            async move {
                let all = receipts.of_window(stream, &window).await;
                (window, all)
            }
        });
        let read: Vec<(Window, Result<Vec<Receipt>, ReceiptError>)> =
            futures::stream::iter(reads).buffered(WINDOWS_AT_ONCE).collect().await;
        let mut found = CatchUp::default();
        let mut readable = Vec::new();
        for (window, receipts) in read {
            match receipts {
                Ok(receipts) => readable.push((window, receipts)),
                Err(error @ ReceiptError::Store(_)) => return Err(error.into()),
                Err(error) => found.unreadable.push((window, error)),
            }
        }
        found.landed = readable.iter().map(|(window, _)| window.clone()).collect();
        // Bounds that are only planned make room. Another receipt does not: of the two the table decides. A list never overlaps.
        let is_list = |window: &&Window| matches!(window.bounds, Bounds::Snapshot { .. });
        let fixed: Vec<Window> = found.landed.iter().filter(|window| !is_list(window)).cloned().collect();
        if !fixed.is_empty() {
            self.plan(stream, &fixed, Some(lease)).await?;
        }
        for (window, receipts) in readable {
            self.landed(lease, stream, &window, &receipts).await?;
        }
        Ok(found)
    }
}

/// The newest snapshot of a slice that the ledger says is shown.
fn newest_shown<'a>(rows: &'a [WindowRow], slice: &Slice) -> Option<&'a Window> {
    let shown = rows.iter().filter(|row| row.window.slice == *slice && row.facts.committed.is_some());
    shown.map(|row| &row.window).max()
}
