//! Decides which windows are finished, so that the ledger keeps intervals of them in place of rows.
//!
//! A window is finished when its last due time was paid, its rows were compared, and nothing was said of it for a day: whoever may
//! still be about to say something, a list of keys that is read after its stream among them, has said it by then.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Bounds, Slice, StreamContract, Window};
use headwater_lake::Lake;
use headwater_lake::commit::transactions;
use headwater_lake::ledger::{Finished, Lease, WindowRow, WindowState};

use crate::run::error::RunError;
use crate::run::plan::due_times;

/// For so long nothing was said of a window that is finished.
const QUIET: TimeDelta = TimeDelta::days(1);
/// So many of the newest links and lists of a slice are kept apart: the next reading looks at them.
const NEWEST_KEPT: usize = 3;

/// Merges the finished windows of a stream.
///
/// # Errors
///
/// [`RunError`] when the ledger cannot be read or written.
pub(crate) async fn fold(lake: &Lake, contract: &StreamContract, lease: &Lease) -> Result<(), RunError> {
    let rows = lake.ledger.coverage(&contract.name).await?;
    let windows = finished(contract, &rows, lake.clock.now());
    if !windows.is_empty() {
        // Of lists only the newest shows rows, and it is never among these.
        let is_shown = |window: &Window| !matches!(window.bounds, Bounds::Snapshot { .. });
        lake.ledger.fold(lease, &contract.name, &windows, is_shown).await?;
    }
    Ok(())
}

/// Makes windows of the intervals again that `is_wanted` names.
///
/// # Errors
///
/// [`RunError`] when a receipt, a log or the ledger cannot be read.
pub(crate) async fn unfold(
    lake: &Lake,
    contract: &StreamContract,
    is_wanted: impl Fn(&Finished) -> bool,
) -> Result<(), RunError> {
    let mut wanted = lake.ledger.finished(&contract.name).await?;
    wanted.retain(is_wanted);
    if !wanted.is_empty() {
        let shown = transactions(lake, contract).await?;
        lake.ledger.unfold(&lake.zones.raw, &contract.name, &wanted, Some(&shown)).await?;
    }
    Ok(())
}

/// Whether the contract asks for a later reading of windows than they had when they were finished.
pub(crate) fn is_reopened(contract: &StreamContract, interval: &Finished) -> bool {
    let asked = contract.window.as_ref().map(|policy| policy.settle.delta() + policy.lookback.delta());
    asked.zip(interval.age()).is_some_and(|(asked, had)| had < asked)
}

/// The windows of which nothing is due any more.
fn finished(contract: &StreamContract, rows: &[WindowRow], now: DateTime<Utc>) -> Vec<Window> {
    let mut newest: BTreeMap<&Slice, Vec<&Window>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.has_receipt() && !row.is_replaced()) {
        newest.entry(&row.window.slice).or_default().push(&row.window);
    }
    for windows in newest.values_mut() {
        windows.sort_by(|a, b| b.bounds.cmp(&a.bounds));
        windows.truncate(NEWEST_KEPT);
    }
    let is_paid = |row: &WindowRow| match (row.range(), &contract.window) {
        (Some(range), Some(policy)) => {
            let last = due_times(policy, range.until()).into_iter().max();
            row.passed_read_at().is_some_and(|passed| last.is_none_or(|last| last <= passed))
        }
        (Some(_), None) => false,
        (None, _) => newest.get(&row.window.slice).is_none_or(|newest| !newest.contains(&&row.window)),
    };
    let is_quiet = |row: &&WindowRow| row.state == WindowState::Reconciled && row.updated_at + QUIET <= now;
    rows.iter().filter(is_quiet).filter(|row| is_paid(row)).map(|row| row.window.clone()).collect()
}

#[cfg(test)]
mod tests;
