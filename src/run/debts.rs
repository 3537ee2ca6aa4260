//! What the tables of a stream owe its receipts, whatever the ledger thinks: asked of the lake itself.
//!
//! The ledger is a cache. A runner that was killed after a person released a window, a log that was put back to an older state, a
//! child table that the contract gained: none of these is due by time, and all of them are less than what was landed.

use std::sync::Arc;

use headwater_contract::{StreamContract, Window};
use headwater_lake::Lake;
use headwater_lake::cleanse::{ReconcileReport, reconcile};
use headwater_lake::commit::{check_logs, is_lagging, transactions};
use headwater_lake::ledger::{Finished, Lease, Transactions};

use crate::run::error::RunError;
use crate::run::fold::is_reopened;
use crate::run::source::OpenSource;

/// What a stream's tables lack.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    /// Raw holds receipts that the ledger does not know.
    pub(crate) has_unknown_receipts: bool,
    /// Windows of which the table shows less than the ledger says, with what it shows.
    pub(crate) receded: Vec<(Window, Option<u64>)>,
    /// Finished windows that the table does not show any more, or that a longer schedule asks for again.
    lapsed: Vec<Finished>,
    /// What the tables show of each window.
    shown: Transactions,
    /// A child or keyed table is behind the stream's own.
    pub(crate) is_lagging: bool,
    /// How the rows of the tables compare with the receipts.
    compared: ReconcileReport,
}

impl Debts {
    /// Looks at the stream's receipts and at the logs of its tables.
    ///
    /// # Errors
    ///
    /// [`RunError`] with code `log-gone` when a table's log is gone; else what could not be read.
    pub(crate) async fn of(lake: &Lake, contract: &StreamContract) -> Result<Self, RunError> {
        check_logs(lake, contract).await?;
        let shown = transactions(lake, contract).await?;
        let compared = reconcile(lake, contract, None).await?;
        let mut lapsed = lake.ledger.lapsed(&contract.name, &shown).await?;
        let finished = lake.ledger.finished(&contract.name).await?;
        lapsed.extend(finished.into_iter().filter(|interval| is_reopened(contract, interval)));
        Ok(Self {
            has_unknown_receipts: lake.ledger.is_behind(&lake.zones.raw, &contract.name).await?,
            receded: lake.ledger.receded(&contract.name, &shown).await?,
            lapsed,
            shown,
            is_lagging: compared.is_behind() || is_lagging(lake, contract).await?,
            compared,
        })
    }

    /// Whether anything is to be done.
    pub(crate) fn is_any(&self) -> bool {
        let compared = &self.compared;
        let is_to_note = compared.is_new || !compared.agreed.is_empty() || !compared.differences.is_empty();
        self.has_unknown_receipts
            || !self.receded.is_empty()
            || !self.lapsed.is_empty()
            || self.is_lagging
            || is_to_note
    }

    /// Brings the windows back that were finished and are not shown any more: they owe a commit.
    ///
    /// # Errors
    ///
    /// [`RunError`] when a receipt or the ledger cannot be read.
    pub(crate) async fn unfold(&self, lake: &Lake, contract: &StreamContract) -> Result<(), RunError> {
        Ok(lake.ledger.unfold(&lake.zones.raw, &contract.name, &self.lapsed, Some(&self.shown)).await?)
    }

    /// Fails when a table shows other rows than the receipts say.
    ///
    /// # Errors
    ///
    /// [`RunError`] with code `rows-differ`.
    pub(crate) fn check(&self, contract: &StreamContract) -> Result<(), RunError> {
        Ok(self.compared.check(contract)?)
    }

    /// Compares again when all is committed, and tells the ledger which windows agree.
    ///
    /// # Errors
    ///
    /// As [`Debts::check`], else what could not be read or noted.
    pub(crate) async fn settle(self, lake: &Lake, contract: &StreamContract, lease: &Lease) -> Result<(), RunError> {
        settle(lake, contract, lease, Some(&self.compared)).await
    }
}

/// The stream whose keys another one lists, as it was before the list's commits wrote to its keyed table.
pub(crate) struct Listed {
    contract: Arc<StreamContract>,
    before: ReconcileReport,
}

impl Listed {
    /// Looks at the stream that `list` lists the keys of, if it is such a list.
    ///
    /// # Errors
    ///
    /// [`RunError`] when its tables cannot be read.
    pub(crate) async fn of(lake: &Lake, open: &OpenSource, list: &StreamContract) -> Result<Option<Self>, RunError> {
        let Some(of) = &list.key_list_of else { return Ok(None) };
        let stream = open.streams.iter().find(|stream| stream.contract.name.stream() == of);
        let Some(contract) = stream.map(|stream| Arc::clone(&stream.contract)) else { return Ok(None) };
        let before = reconcile(lake, &contract, None).await?;
        Ok(Some(Self { contract, before }))
    }

    /// Notes the version that the list's commits gave the keyed table, so that nobody takes it for a stranger's.
    ///
    /// # Errors
    ///
    /// [`RunError`] when it cannot be read or noted. What differs is the other stream's to tell.
    pub(crate) async fn settle(self, lake: &Lake, lease: &Lease) -> Result<(), RunError> {
        let after = reconcile(lake, &self.contract, Some(&self.before)).await?;
        if after.is_new {
            lake.ledger.reconciled(lease, &self.contract.name, &[], &after.versions).await?;
        }
        Ok(())
    }
}

/// Compares the tables of a stream with its receipts and tells the ledger which windows agree.
///
/// # Errors
///
/// [`RunError`] with code `rows-differ` when some do not; else what could not be read or noted.
pub(crate) async fn settle(
    lake: &Lake,
    contract: &StreamContract,
    lease: &Lease,
    before: Option<&ReconcileReport>,
) -> Result<(), RunError> {
    let compared = reconcile(lake, contract, before).await?;
    if compared.is_new || !compared.agreed.is_empty() {
        lake.ledger.reconciled(lease, &contract.name, &compared.agreed, &compared.versions).await?;
    }
    Ok(compared.check(contract)?)
}
