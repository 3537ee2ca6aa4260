//! The one door to a Delta log.
//!
//! Who wants to show rows comes here: windows by the rules of their stream's kind ([`commit_windows`]), a star's tables through
//! [`DeltaLog`]. Safety rests on two things only: what is committed is computed from the snapshot that it is committed on, and
//! that snapshot says in its transactions what the table holds.

mod columns;
mod deletes;
mod error;
mod files;
mod keyed;
mod keyed_check;
mod keyed_children;
mod live;
mod log;
mod marks;
mod named;
mod txns;
mod unchanged;
mod window_table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_contract::{Bounds, Deletes, Slice, StreamContract, StreamKind, Window};

pub use error::{CommitError, LogError};
pub use keyed::{rebuild_keyed, refresh_keyed};
pub use log::{Change, DeltaLog, LiveFile, NewFile, TableSnapshot};

pub(crate) use files::{Files, rows_generation};
pub(crate) use keyed::{follow_rearranged, keyed_targets};
pub(crate) use keyed_check::keyed_agrees;
pub(crate) use live::Live;
pub(crate) use log::VACUUM;
pub(crate) use marks::{find as find_log, reopen};
pub(crate) use txns::log_version;
pub(crate) use unchanged::{PASS_KEYS, may_share, unchanged_rows};
pub(crate) use window_table::{
    generation_id, is_reading, key_columns, new_file, shown_generation, txn_windows, windows_of,
};

use crate::Lake;
use crate::attempt::{Decoders, table_folder, targets};
use crate::raw::{Receipts, data_generation};
use crate::steps::Step;
use window_table::{WindowTable, lagging};

/// What a commit did with one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its rows are shown now.
    Committed {
        /// The generation that is shown.
        generation: u64,
        /// Rows that its reading loaded.
        rows: u64,
    },
    /// They were shown before.
    Already {
        /// The generation that is shown.
        generation: u64,
    },
    /// A committed window with other bounds overlaps it: it is never committed, its parts are kept.
    Beaten {
        /// The window that was first.
        by: String,
    },
    /// The link before it is not shown yet.
    Waits,
    /// A newer snapshot is shown.
    Superseded,
    /// No reading of it has passed.
    Nothing,
}

/// What a commit of several windows did.
#[derive(Clone, Debug, Default)]
pub struct CommitReport {
    /// By window.
    pub outcomes: BTreeMap<Window, Outcome>,
    /// The new version of each table that was written.
    pub versions: BTreeMap<String, i64>,
    /// Slices whose list of keys is due again: rows were committed whose reading began before the newest committed list.
    pub lists_due: BTreeSet<Slice>,
}

impl CommitReport {
    fn merge(&mut self, outcomes: Vec<(Window, Outcome)>) {
        for (window, outcome) in outcomes {
            let was_committed = matches!(self.outcomes.get(&window), Some(Outcome::Committed { .. }));
            if !(was_committed && matches!(outcome, Outcome::Already { .. })) {
                self.outcomes.insert(window, outcome);
            }
        }
    }

    /// Whether anything was written.
    pub fn has_written(&self) -> bool {
        !self.versions.is_empty()
    }
}

/// Shows what is landed and not shown of `windows`: in the stream's table, then in its child tables, then in the keyed ones.
///
/// Asks the table what it holds, so it can be called again after anything, by anybody, at any time. Without windows it brings
/// child and keyed tables in line with the stream's own: what a runner that was killed between two commits left to do.
///
/// # Errors
///
/// [`CommitError`]; some windows may be committed by then. Running again is safe.
pub async fn commit_windows(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    windows: &[Window],
) -> Result<CommitReport, CommitError> {
    commit_windows_with(lake, contract, None, windows).await
}

/// As [`commit_windows`], with a decoder that types parts again when a typed file is gone.
///
/// # Errors
///
/// As [`commit_windows`].
pub async fn commit_windows_with(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    decoders: Option<&dyn Decoders>,
    windows: &[Window],
) -> Result<CommitReport, CommitError> {
    let mut report = CommitReport::default();
    let targets = targets(lake, contract);
    let Some((parent, children)) = targets.split_first() else { return Ok(report) };
    if windows.is_empty() && marks::find(lake, contract, parent).await?.is_none() {
        return Ok(report);
    }
    let files = Files { lake, contract, decoders, made: BTreeMap::new() };
    let mut table = WindowTable { lake, contract, target: parent, parent: None, files };
    table.commit(windows, &mut report).await?;
    lake.steps.reached(Step::Committed).await;
    let mut files = table.files;
    for target in children {
        let mut table = WindowTable { lake, contract, target, parent: Some(parent), files };
        table.commit(windows, &mut report).await?;
        files = table.files;
    }
    lake.steps.reached(Step::ChildrenCommitted).await;
    if contract.kind.is_versioned() {
        let versions = refresh_keyed(lake, contract).await?;
        report.versions.extend(versions);
    }
    if contract.kind == StreamKind::Mutable {
        report.lists_due = lists_due(lake, contract, &report).await?;
    }
    Ok(report)
}

/// Fails when the log of a table of the stream is gone, or not the one that the table was begun with: nobody may write to it
/// before a rebuild.
///
/// # Errors
///
/// [`CommitError::LogGone`], or why raw or a log cannot be read.
pub async fn check_logs(lake: &Lake, contract: &StreamContract) -> Result<(), CommitError> {
    for target in targets(lake, contract).into_iter().chain(keyed_targets(lake, contract)) {
        if let Some(log) = marks::find(lake, contract, &target).await? {
            log.snapshot().await?;
        }
    }
    Ok(())
}

/// Whether a child table shows less than the stream's own, or a keyed table was never made: what a runner that was killed between
/// two commits left to do, or a table that the contract gained.
///
/// # Errors
///
/// [`CommitError`] when a log cannot be read.
pub async fn is_lagging(lake: &Lake, contract: &StreamContract) -> Result<bool, CommitError> {
    let targets = targets(lake, contract);
    let Some((parent, children)) = targets.split_first() else { return Ok(false) };
    let Some(log) = marks::find(lake, contract, parent).await? else { return Ok(false) };
    let shown = log.snapshot().await?;
    for child in children {
        let is_behind = match marks::find(lake, contract, child).await? {
            Some(log) => !lagging(&shown, &log.snapshot().await?.txns).is_empty(),
            None => !lagging(&shown, &BTreeMap::new()).is_empty(),
        };
        if is_behind {
            return Ok(true);
        }
    }
    for keyed in keyed_targets(lake, contract) {
        if marks::find(lake, contract, &keyed).await?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the table of a stream's windows holds, by app id: what a ledger is made from again.
///
/// # Errors
///
/// [`CommitError`] when the log cannot be read.
pub async fn transactions(lake: &Lake, contract: &StreamContract) -> Result<BTreeMap<String, i64>, CommitError> {
    let folder = table_folder(contract, &contract.window_table());
    match DeltaLog::open(&lake.zones.cleansed, &folder).await? {
        Some(log) => Ok(log.snapshot().await?.txns),
        None => Ok(BTreeMap::new()),
    }
}

/// Slices in which rows were committed whose reading began before the newest committed list of keys.
async fn lists_due(
    lake: &Lake,
    contract: &StreamContract,
    report: &CommitReport,
) -> Result<BTreeSet<Slice>, CommitError> {
    let mut due = BTreeSet::new();
    let Deletes::KeyList { stream } = &contract.deletes else { return Ok(due) };
    let Some(log) = DeltaLog::open(&lake.zones.cleansed, &table_folder(contract, stream)).await? else {
        return Ok(due);
    };
    let lists = log.snapshot().await?;
    let receipts = Receipts::new(&lake.zones.raw);
    for (window, outcome) in &report.outcomes {
        if !matches!(outcome, Outcome::Committed { .. }) || due.contains(&window.slice) {
            continue;
        }
        let list = Window { slice: window.slice.clone(), bounds: Bounds::Snapshot { read_at: lake.clock.now() } };
        let Some(listed) = lists.txn(&list.txn_id()) else { continue };
        let all = receipts.of_window(&contract.name, window).await?;
        if data_generation(&all).is_some_and(|receipt| receipt.read_at.timestamp_millis() < listed) {
            due.insert(window.slice.clone());
        }
    }
    Ok(due)
}
