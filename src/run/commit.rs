//! The last step of a window: cleanse. Landed readings become visible through the one door to a Delta log.
//!
//! The ledger hears of a commit only when the stream's table, its children and its keyed tables are all written, so a runner that
//! is killed in between leaves a debt that the next one pays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_contract::{StreamContract, Window};
use headwater_lake::commit::{self, commit_windows_with};
use headwater_lake::ledger::WindowRow;
use headwater_lake::raw::Receipts;

use crate::Lakehouse;
use crate::run::decode::SourceDecoders;
use crate::run::error::RunError;
use crate::run::record::{StreamRecord, record_stream};
use crate::run::report::Outcome;
use crate::run::source::OpenSource;
use crate::run::window::{Read, Reader};

/// Commits a stream's windows and remembers which, for the catalog.
pub(crate) struct Committer {
    reader: Arc<Reader>,
    decoders: SourceDecoders,
    /// The stream whose keys this one lists: its deletes follow from the list.
    listed: Option<Arc<StreamContract>>,
    run: ulid::Ulid,
    committed: BTreeMap<Window, u64>,
    records: u64,
    bytes: u64,
}

impl Committer {
    /// A committer of the reader's stream.
    pub(crate) fn new(reader: &Arc<Reader>, open: &OpenSource, run: ulid::Ulid) -> Self {
        let listed = reader.contract.key_list_of.as_ref().and_then(|of| {
            open.streams
                .iter()
                .find(|stream| stream.contract.name.stream() == of)
                .map(|stream| Arc::clone(&stream.contract))
        });
        Self {
            reader: Arc::clone(reader),
            decoders: SourceDecoders::of([open]),
            listed,
            run,
            committed: BTreeMap::new(),
            records: 0,
            bytes: 0,
        }
    }

    /// Counts what a reading brought.
    pub(crate) fn count(&mut self, read: &Read) {
        self.records += read.report.counts.received;
        self.bytes += read.landed.iter().flat_map(|landed| &landed.receipt.parts).map(|part| part.size).sum::<u64>();
    }

    /// The windows that the table shows after all commits so far.
    pub(crate) fn committed(&self) -> BTreeSet<Window> {
        self.committed.keys().cloned().collect()
    }

    /// Shows what is landed of these windows, and tells the ledger.
    pub(crate) async fn commit(&mut self, windows: &[Window]) -> Result<Vec<(Window, Outcome)>, RunError> {
        let mut winners = BTreeSet::new();
        let outcomes = self.show(windows, &mut winners).await?;
        let winners = self.adopt(winners).await?;
        if !winners.is_empty() {
            // The table shows them already; asking it once more tells the ledger which generation.
            self.show(&winners, &mut BTreeSet::new()).await?;
        }
        Ok(outcomes)
    }

    /// Enters in the ledger the windows that beat others and that it does not know as shown: else their ranges would be read for ever.
    async fn adopt(&self, mut winners: BTreeSet<String>) -> Result<Vec<Window>, RunError> {
        let Reader { lake, contract, lease, .. } = &*self.reader;
        if winners.is_empty() {
            return Ok(Vec::new());
        }
        let is_shown = |row: &WindowRow| row.has_receipt() && !row.owes_commit() && !row.is_replaced();
        for row in lake.ledger.coverage(&contract.name).await?.iter().filter(|row| is_shown(row)) {
            winners.remove(&row.window.to_string());
        }
        let receipts = Receipts::new(&lake.zones.raw);
        let listed = if winners.is_empty() { BTreeMap::new() } else { receipts.windows(&contract.name).await? };
        let unknown: Vec<Window> = listed.into_keys().filter(|window| winners.contains(&window.to_string())).collect();
        for window in &unknown {
            let all = receipts.of_window(&contract.name, window).await?;
            lake.ledger.landed(lease, &contract.name, window, &all).await?;
        }
        Ok(unknown)
    }

    /// One commit of these windows, with what beat them.
    async fn show(
        &mut self,
        windows: &[Window],
        winners: &mut BTreeSet<String>,
    ) -> Result<Vec<(Window, Outcome)>, RunError> {
        let Reader { lake, contract, lease, .. } = &*self.reader;
        let report = commit_windows_with(lake, contract, Some(&self.decoders), windows).await?;
        if let Some(listed) = &self.listed {
            // Without windows: only the keyed table, whose deletes this list tells.
            commit_windows_with(lake, listed, Some(&self.decoders), &[]).await?;
        }
        let (mut outcomes, mut shown) = (Vec::new(), Vec::new());
        for window in windows {
            let outcome = match report.outcomes.get(window) {
                Some(commit::Outcome::Committed { generation, .. } | commit::Outcome::Already { generation }) => {
                    shown.push((window.clone(), *generation));
                    Outcome::Committed
                }
                Some(commit::Outcome::Beaten { by }) => {
                    winners.insert(by.clone());
                    lake.ledger.beaten(lease, &contract.name, window).await?;
                    Outcome::Beaten
                }
                Some(commit::Outcome::Superseded) => {
                    let row = lake.ledger.window(&contract.name, window).await?;
                    let landed = row.and_then(|row| row.facts.standing).and_then(|standing| standing.data_generation);
                    shown.extend(landed.map(|generation| (window.clone(), generation)));
                    Outcome::Committed
                }
                Some(commit::Outcome::Waits | commit::Outcome::Nothing) | None => Outcome::Landed,
            };
            outcomes.push((window.clone(), outcome));
        }
        lake.ledger.committed(lease, &contract.name, &shown).await?;
        self.committed.extend(shown);
        Ok(outcomes)
    }

    /// Tells the catalog what was written, if anything was.
    pub(crate) async fn record(
        &self,
        house: &Lakehouse,
        complete_until: Option<chrono::DateTime<chrono::Utc>>,
    ) -> Result<(), RunError> {
        if self.committed.is_empty() {
            return Ok(());
        }
        let windows: Vec<(Window, u64)> =
            self.committed.iter().map(|(window, generation)| (window.clone(), *generation)).collect();
        let record = StreamRecord {
            contract: &self.reader.contract,
            run: self.run,
            windows: &windows,
            received: (self.records, self.bytes),
            complete_until,
        };
        record_stream(&house.lake, &house.catalog, &record).await
    }
}
