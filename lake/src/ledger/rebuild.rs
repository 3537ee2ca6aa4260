//! Makes a ledger from the lake: receipts say what was read, the transactions in Delta logs what is shown.

use std::collections::BTreeMap;

use headwater_contract::{Bounds, StreamName, Window};

use crate::commit::shown_generation;
use crate::ledger::owner::Claim;
use crate::ledger::window::{Facts, Standing, WindowState};
use crate::ledger::{Lease, Ledger, LedgerError};
use crate::raw::{Receipt, Receipts};
use crate::store::Store;

/// What a rebuilt ledger was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildReport {
    /// The claim that makes this ledger the lake's.
    pub claim: Claim,
    /// Streams with receipts.
    pub streams: usize,
    /// Windows with receipts.
    pub windows: usize,
    /// Windows whose latest reading the tables show.
    pub committed: usize,
    /// Windows that another beat.
    pub beaten: usize,
    /// Windows whose latest reading is held.
    pub held: usize,
}

/// Versions of the transactions in a table's log, by app id.
pub type Transactions = BTreeMap<String, i64>;

impl Ledger {
    /// Makes this ledger say what the lake says, and takes the lake over.
    ///
    /// `transactions` are those of each stream's window table. Failures, asked re-readings and runs are not in the lake and start
    /// anew; leases of this file stay. What another runner lands while this goes on is found after the claim.
    ///
    /// # Errors
    ///
    /// What the store or the database said; then nothing is claimed.
    pub async fn rebuild(
        &self,
        raw: &Store,
        transactions: &BTreeMap<StreamName, Transactions>,
    ) -> Result<RebuildReport, LedgerError> {
        let receipts = Receipts::new(raw);
        let mut lake = BTreeMap::new();
        for stream in receipts.streams().await? {
            let windows = receipts.of_stream(&stream).await?;
            if !windows.is_empty() {
                lake.insert(stream, windows);
            }
        }
        self.replace(&lake, transactions).await?;
        let claim = self.take_over(raw).await?;
        for stream in receipts.streams().await? {
            let known = lake.entry(stream.clone()).or_default();
            for (window, generations) in receipts.windows(&stream).await? {
                if known.get(&window).map(Vec::len) != Some(generations.len()) {
                    let all = receipts.of_window(&stream, &window).await?;
                    known.insert(window, all);
                }
            }
        }
        lake.retain(|_, windows| !windows.is_empty());
        let facts = self.replace(&lake, transactions).await?;
        let of_state = |wanted: WindowState| facts.iter().filter(|facts| facts.state() == wanted).count();
        Ok(RebuildReport {
            claim,
            streams: lake.len(),
            windows: facts.len(),
            committed: of_state(WindowState::Committed),
            beaten: of_state(WindowState::Beaten),
            held: of_state(WindowState::Held),
        })
    }

    /// Says of one stream what its receipts and its table say, after the table was made again; `lease` is that of the stream.
    ///
    /// What the lake does not know, failures and demands to read again, stays as it was noted.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LeaseLost`], [`LedgerError::Database`].
    pub async fn rebuilt(
        &self,
        lease: &Lease,
        stream: &StreamName,
        receipts: &BTreeMap<Window, Vec<Receipt>>,
        transactions: &Transactions,
    ) -> Result<(), LedgerError> {
        let mut change = self.fenced(lease, stream, receipts.keys()).await?;
        sqlx::query("delete from finished where stream = ?1")
            .bind(stream.to_string())
            .execute(&mut *change)
            .await
            .map_err(self.failed("note what a table shows"))?;
        for (window, fresh) in facts_of(receipts, transactions) {
            let known = self.facts_in(&mut change, stream, &window).await?;
            let Facts { failure, parked, resync_asked_at, resync_above, .. } = known;
            let facts = Facts { failure, parked, resync_asked_at, resync_above, ..fresh };
            self.write(&mut change, stream, &window, &facts).await?;
        }
        change.commit().await.map_err(self.failed("note what a table shows"))
    }

    async fn replace(
        &self,
        lake: &BTreeMap<StreamName, BTreeMap<Window, Vec<Receipt>>>,
        transactions: &BTreeMap<StreamName, Transactions>,
    ) -> Result<Vec<Facts>, LedgerError> {
        let none = Transactions::new();
        let mut change = self.change("rebuild").await?;
        for table in ["delete from windows", "delete from finished"] {
            sqlx::query(table).execute(&mut *change).await.map_err(self.failed("rebuild"))?;
        }
        let mut written = Vec::new();
        for (stream, windows) in lake {
            let known = facts_of(windows, transactions.get(stream).unwrap_or(&none));
            for (window, facts) in known {
                self.write(&mut change, stream, &window, &facts).await?;
                written.push(facts);
            }
        }
        change.commit().await.map_err(self.failed("rebuild"))?;
        Ok(written)
    }
}

/// What receipts and transactions say of a stream's windows.
pub(crate) fn facts_of(
    windows: &BTreeMap<Window, Vec<Receipt>>,
    transactions: &Transactions,
) -> BTreeMap<Window, Facts> {
    let mut facts: BTreeMap<Window, Facts> = BTreeMap::new();
    for (window, receipts) in windows {
        let standing = Standing::of(receipts);
        let data = standing.as_ref().and_then(|standing| standing.data_generation);
        let committed = match &window.bounds {
            // A table that shows a newer snapshot owes nothing to this one.
            Bounds::Snapshot { read_at } => match transactions.get(&window.txn_id()) {
                Some(newest) if *newest > read_at.timestamp_millis() => data,
                _ => shown_generation(window, transactions),
            },
            _ => shown_generation(window, transactions),
        };
        facts.insert(window.clone(), Facts { standing, committed, ..Facts::default() });
    }
    let winners: Vec<Window> =
        facts.iter().filter(|(_, facts)| facts.committed.is_some()).map(|(window, _)| window.clone()).collect();
    for (window, facts) in &mut facts {
        let is_beaten = facts.committed.is_none() && winners.iter().any(|winner| {
            winner.slice == window.slice
                && matches!((winner.time_range(), window.time_range()), (Some(won), Some(own)) if won.overlaps(&own))
        });
        if is_beaten {
            facts.closed = Some(WindowState::Beaten);
        }
    }
    facts
}
