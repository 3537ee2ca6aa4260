//! What a runner tells the ledger about its work. Each call is one change that carries the token of a lease.

use chrono::{DateTime, Utc};
use headwater_contract::{Bounds, Digest16, StreamName, Window};
use sqlx::{Sqlite, Transaction};

use crate::ledger::lease::{Lease, Unit};
use crate::ledger::window::{Facts, Failure, FailureRecord, Parked, Standing, WindowState};
use crate::ledger::{Ledger, LedgerError};
use crate::raw::Receipt;

impl Ledger {
    /// A reading has its receipt. `receipts` are all of the window's, by generation, as they were listed last.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LeaseLost`], [`LedgerError::Database`].
    pub async fn landed(
        &self,
        lease: &Lease,
        stream: &StreamName,
        window: &Window,
        receipts: &[Receipt],
    ) -> Result<(), LedgerError> {
        let Some(standing) = Standing::of(receipts) else { return Ok(()) };
        let mut change = self.fenced(lease, stream, [window]).await?;
        // Who reads a finished window again has unfolded it before.
        if self.is_finished(&mut change, stream, window).await? {
            return Ok(());
        }
        let mut facts = self.facts_in(&mut change, stream, window).await?;
        facts.land(standing);
        self.write(&mut change, stream, window, &facts).await?;
        self.pay_older_snapshots(&mut change, stream, window).await?;
        change.commit().await.map_err(self.failed("note a landing"))
    }

    /// The table shows these generations of these windows.
    ///
    /// # Errors
    ///
    /// As [`Ledger::landed`].
    pub async fn committed(
        &self,
        lease: &Lease,
        stream: &StreamName,
        windows: &[(Window, u64)],
    ) -> Result<(), LedgerError> {
        let mut change = self.fenced(lease, stream, windows.iter().map(|(window, _)| window)).await?;
        for (window, generation) in windows {
            if self.is_finished(&mut change, stream, window).await? {
                continue;
            }
            let mut facts = self.facts_in(&mut change, stream, window).await?;
            facts.committed = facts.committed.max(Some(*generation));
            facts.closed = None;
            self.write(&mut change, stream, window, &facts).await?;
            self.pay_older_snapshots(&mut change, stream, window).await?;
        }
        change.commit().await.map_err(self.failed("note commits"))
    }

    /// What the table was found to show of these windows, when it was compared with receipts; `None` where it shows nothing.
    ///
    /// # Errors
    ///
    /// As [`Ledger::landed`].
    pub async fn found(
        &self,
        lease: &Lease,
        stream: &StreamName,
        windows: &[(Window, Option<u64>)],
    ) -> Result<(), LedgerError> {
        let mut change = self.fenced(lease, stream, windows.iter().map(|(window, _)| window)).await?;
        for (window, generation) in windows {
            let mut facts = self.facts_in(&mut change, stream, window).await?;
            facts.committed = *generation;
            facts.reconciled = None;
            self.write(&mut change, stream, window, &facts).await?;
        }
        change.commit().await.map_err(self.failed("note what a table shows"))
    }

    /// Another window that overlaps this one was committed first; it never will be.
    ///
    /// # Errors
    ///
    /// As [`Ledger::landed`].
    pub async fn beaten(&self, lease: &Lease, stream: &StreamName, window: &Window) -> Result<(), LedgerError> {
        self.one(lease, stream, window, |facts| facts.closed = Some(WindowState::Beaten)).await
    }

    /// The source does not keep the window's range any more, and nobody read it in time.
    ///
    /// # Errors
    ///
    /// As [`Ledger::landed`].
    pub async fn expired_at_source(
        &self,
        lease: &Lease,
        stream: &StreamName,
        window: &Window,
    ) -> Result<(), LedgerError> {
        let expire = |facts: &mut Facts| {
            if facts.standing.is_none() {
                facts.closed = Some(WindowState::ExpiredAtSource);
            }
        };
        self.one(lease, stream, window, expire).await
    }

    /// An attempt failed. `setup` digests manifest, contract, settings and credential; a change of it forgives what came before.
    ///
    /// # Errors
    ///
    /// As [`Ledger::landed`].
    pub async fn attempt_failed(
        &self,
        lease: &Lease,
        stream: &StreamName,
        window: &Window,
        failure: &Failure,
        setup: Digest16,
    ) -> Result<FailureRecord, LedgerError> {
        let now = self.now();
        let mut change = self.fenced(lease, stream, [window]).await?;
        let mut facts = self.facts_in(&mut change, stream, window).await?;
        let record = FailureRecord::after(facts.failure.as_ref(), failure, setup, now);
        facts.failure = Some(record.clone());
        facts.parked = None;
        self.write(&mut change, stream, window, &facts).await?;
        change.commit().await.map_err(self.failed("note a failure"))?;
        Ok(record)
    }

    /// The source asked to wait: no failure, and not before `until`.
    ///
    /// # Errors
    ///
    /// As [`Ledger::landed`].
    pub async fn parked(
        &self,
        lease: &Lease,
        stream: &StreamName,
        window: &Window,
        until: DateTime<Utc>,
        because: &str,
    ) -> Result<(), LedgerError> {
        let parked = Parked { until, because: because.to_owned() };
        self.one(lease, stream, window, |facts| facts.parked = Some(parked)).await
    }

    /// A window without a receipt was too large: `pieces`, which tile it, stand for its range.
    ///
    /// # Errors
    ///
    /// As [`Ledger::landed`]; [`LedgerError::NotTiled`] when the pieces do not tile it or it has a receipt.
    pub async fn split(
        &self,
        lease: &Lease,
        stream: &StreamName,
        window: &Window,
        pieces: &[Window],
    ) -> Result<(), LedgerError> {
        let mut change = self.fenced(lease, stream, [window]).await?;
        let mut facts = self.facts_in(&mut change, stream, window).await?;
        if !tile(window, pieces) || facts.standing.is_some() {
            return Err(LedgerError::NotTiled { window: window.to_string() });
        }
        facts.closed = Some(WindowState::Split);
        self.write(&mut change, stream, window, &facts).await?;
        for piece in pieces {
            let cut = Facts { is_piece: true, ..Facts::default() };
            self.write(&mut change, stream, piece, &cut).await?;
        }
        change.commit().await.map_err(self.failed("split a window"))
    }

    async fn one(
        &self,
        lease: &Lease,
        stream: &StreamName,
        window: &Window,
        tell: impl FnOnce(&mut Facts),
    ) -> Result<(), LedgerError> {
        let mut change = self.fenced(lease, stream, [window]).await?;
        let mut facts = self.facts_in(&mut change, stream, window).await?;
        tell(&mut facts);
        self.write(&mut change, stream, window, &facts).await?;
        change.commit().await.map_err(self.failed("note the state of a window"))
    }

    /// Begins a change in which `lease` is its holder's and speaks about nothing but its unit.
    pub(super) async fn fenced<'a>(
        &self,
        lease: &Lease,
        stream: &StreamName,
        windows: impl IntoIterator<Item = &'a Window>,
    ) -> Result<Transaction<'static, Sqlite>, LedgerError> {
        for window in windows {
            let unit = Unit::window(stream, window);
            if !lease.unit().covers(&unit) {
                return Err(LedgerError::NotCovered { lease: lease.unit().to_string(), unit: unit.to_string() });
            }
        }
        let mut change = self.change("write").await?;
        self.fence(&mut change, lease).await?;
        Ok(change)
    }

    /// A table that shows a snapshot owes nothing to the older ones of its slice.
    async fn pay_older_snapshots(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        stream: &StreamName,
        window: &Window,
    ) -> Result<(), LedgerError> {
        if !matches!(window.bounds, Bounds::Snapshot { .. }) {
            return Ok(());
        }
        let mut of_slice = self.rows_in(change, stream).await?;
        of_slice.retain(|other, _| other.slice == window.slice && matches!(other.bounds, Bounds::Snapshot { .. }));
        let shown =
            of_slice.iter().filter(|(_, row)| row.facts.committed.is_some()).map(|(other, _)| other.clone()).max();
        for (other, mut row) in of_slice {
            if shown.as_ref().is_some_and(|shown| other < *shown) && row.owes_commit() {
                row.facts.committed = row.facts.standing.as_ref().and_then(|standing| standing.data_generation);
                self.write(change, stream, &other, &row.facts).await?;
            }
        }
        Ok(())
    }
}

/// Whether `pieces` cover the range of `window` without a gap or an overlap, each smaller than the whole.
fn tile(window: &Window, pieces: &[Window]) -> bool {
    let Some(whole) = window.time_range() else { return false };
    let mut ranges: Vec<_> =
        pieces.iter().filter(|piece| piece.slice == window.slice).filter_map(Window::time_range).collect();
    ranges.sort_unstable();
    let mut at = whole.from();
    let in_line = ranges.iter().all(|range| {
        let fits = range.from() == at;
        at = range.until();
        fits
    });
    in_line && at == whole.until() && ranges.len() == pieces.len() && ranges.len() > 1
}

impl Facts {
    /// Takes over what the receipts say, unless something newer was told before.
    pub(crate) fn land(&mut self, standing: Standing) {
        if self.standing.as_ref().is_some_and(|known| known.generation > standing.generation) {
            return;
        }
        self.standing = Some(standing);
        self.failure = None;
        self.parked = None;
        self.is_piece = false;
        // A reading fixes the bounds; only a commit of others, which came first, stands above it.
        if self.closed != Some(WindowState::Beaten) {
            self.closed = None;
        }
    }
}
