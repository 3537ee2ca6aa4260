//! Compares what the tables of a stream show with what its receipts say, window by window: rows, not only transactions.
//!
//! A Delta RESTORE takes rows back and leaves transactions as they are, and a person may delete files: then a file is gone, is of
//! another generation, or holds another number of rows, and a rebuild mends it. What receipts say is asked of the ledger, which
//! keeps it, so that a comparison reads logs and one listing a table and no receipt.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use headwater_contract::{Bounds, Deletes, Digest16, Slice, StreamContract, StreamKind, Window};

use crate::Lake;
use crate::attempt::{AttemptError, Target, targets};
use crate::commit::{CommitError, Live, TableSnapshot, find_log, keyed_agrees, keyed_targets};
use crate::ledger::{Agreed, Finished, Folded, TableVersion, WindowRow};

/// So many differences are named in an error.
const NAMED_MAX: usize = 3;

/// What a table shows otherwise than the receipts say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A window has another number of rows.
    Rows {
        /// The table's path in its zone.
        table: String,
        /// The window.
        window: Window,
        /// The fewest rows that its receipts allow.
        least: u64,
        /// The most.
        most: u64,
        /// Rows that the table shows.
        found: u64,
    },
    /// Windows that are finished have another number of rows together.
    Finished {
        /// The table's path in its zone.
        table: String,
        /// Which windows.
        windows: String,
        /// Rows that they should have.
        expected: u64,
        /// Rows that the table shows.
        found: u64,
    },
    /// A window shows rows of another generation.
    Generation {
        /// The table's path in its zone.
        table: String,
        /// The window.
        window: Window,
        /// The generation that should be shown.
        expected: u64,
        /// A generation of which rows are shown.
        found: u64,
    },
    /// Files that the log names are not there.
    FilesGone {
        /// The table's path in its zone.
        table: String,
        /// How many.
        files: usize,
        /// One of them.
        first: String,
    },
    /// A keyed table does not show exactly the newest version of each key.
    Keyed {
        /// The table's path in its zone.
        table: String,
    },
}

impl Difference {
    /// The window whose rows differ, where it is one.
    pub fn window(&self) -> Option<&Window> {
        match self {
            Self::Rows { window, .. } | Self::Generation { window, .. } => Some(window),
            Self::Finished { .. } | Self::FilesGone { .. } | Self::Keyed { .. } => None,
        }
    }

    /// The path of the table that differs.
    pub fn table(&self) -> &str {
        match self {
            Self::Rows { table, .. }
            | Self::Finished { table, .. }
            | Self::Generation { table, .. }
            | Self::FilesGone { table, .. }
            | Self::Keyed { table } => table,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { table, window, least, most, found } if least == most => {
                write!(f, "{table} shows {found} rows of {window}, its receipt says {least}")
            }
            Self::Rows { table, window, least, most, found } => {
                write!(f, "{table} shows {found} rows of {window}, its receipts say {least} to {most}")
            }
            Self::Finished { table, windows, expected, found } => {
                write!(f, "{table} shows {found} rows of {windows}, its receipts say {expected}")
            }
            Self::Generation { table, window, expected, found } => {
                write!(f, "{table} shows generation {found} of {window}, and generation {expected} is committed")
            }
            Self::FilesGone { table, files: 1, first } => write!(f, "{table} shows the file {first}, which is gone"),
            Self::FilesGone { table, files, first } => write!(f, "{files} files of {table} are gone, such as {first}"),
            Self::Keyed { table } => write!(f, "{table} does not show the newest version of each key"),
        }
    }
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Windows that are committed and agree in every table, and were not known to.
    pub agreed: Vec<Agreed>,
    /// What differs.
    pub differences: Vec<Difference>,
    /// The versions of the tables that agree.
    pub versions: Vec<TableVersion>,
    /// A table has a version that nobody has compared yet.
    pub is_new: bool,
    /// Tables that are not there yet.
    absent: BTreeSet<String>,
    /// Keyed tables that are behind their versions, and are compared when they are not.
    behind: BTreeSet<String>,
}

impl ReconcileReport {
    /// Whether a keyed table is behind its versions: a refresh brings it in line.
    pub fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Whether what was written to a table since then can be taken for right.
    fn vouches_for(&self, table: &str) -> bool {
        self.absent.contains(table) || self.versions.iter().any(|seen| seen.table == table)
    }

    fn see(&mut self, target: &Target, snapshot: &TableSnapshot, known: &BTreeMap<String, TableVersion>) {
        let version = TableVersion {
            table: target.table.clone(),
            table_id: snapshot.table_id.clone(),
            version: snapshot.version,
        };
        self.is_new |= known.get(&target.table) != Some(&version);
        self.versions.push(version);
    }

    /// The differences as an error, if there are any.
    ///
    /// # Errors
    ///
    /// [`CommitError::Differs`].
    pub fn check(&self, contract: &StreamContract) -> Result<(), CommitError> {
        if self.differences.is_empty() {
            return Ok(());
        }
        let named: Vec<String> = self.differences.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        let more = self.differences.len() - named.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(CommitError::Differs { stream: contract.name.clone(), findings: format!("{}{more}", named.join("; ")) })
    }
}

/// Compares every table of a stream with its receipts as the ledger knows them. Keyed tables are compared with their versions,
/// which means to read the keys of both, where neither the ledger nor `before`, an earlier comparison after which only this
/// runner wrote, says that they agree.
///
/// # Errors
///
/// [`CommitError`] when a log, a listing or the ledger cannot be read, or a log is gone.
pub async fn reconcile(
    lake: &Lake,
    contract: &StreamContract,
    before: Option<&ReconcileReport>,
) -> Result<ReconcileReport, CommitError> {
    let rows: Vec<WindowRow> = lake.ledger.coverage(&contract.name).await?;
    let finished = lake.ledger.finished(&contract.name).await?;
    let known = lake.ledger.compared(&contract.name).await?;
    let known: BTreeMap<String, TableVersion> = known.into_iter().map(|seen| (seen.table.clone(), seen)).collect();
    let mut report = ReconcileReport::default();
    let expected = Expected { contract, digest: contract.digest(), newest: newest_lists(&rows) };
    let mut shown: BTreeMap<Window, BTreeMap<String, u64>> = BTreeMap::new();
    for (place, target) in targets(lake, contract).iter().enumerate() {
        let Some(log) = find_log(lake, contract, target).await? else {
            report.absent.insert(target.table.clone());
            continue;
        };
        let snapshot = log.snapshot().await?;
        report.differences.extend(files_gone(target, &snapshot).await?);
        let live = Live::of(&snapshot, &target.folder)?.look_everywhere(target).await?;
        for row in &rows {
            let found = live.rows_of(&row.window);
            report.differences.extend(expected.difference(row, target, place > 0, &live, found));
            shown.entry(row.window.clone()).or_default().insert(target.table.clone(), found);
        }
        report.differences.extend(finished_rows(&rows, &finished, target, &live));
        report.see(target, &snapshot, &known);
    }
    for target in keyed_targets(lake, contract) {
        compare_keyed(lake, contract, &target, &known, before, &mut report).await?;
    }
    let differing: BTreeSet<String> = report
        .differences
        .iter()
        .map(|difference| difference.table().to_owned())
        .chain(report.behind.clone())
        .collect();
    report.versions.retain(|seen| !differing.iter().any(|table| table.rsplit('/').next() == Some(&seen.table)));
    let odd: BTreeSet<&Window> = report.differences.iter().filter_map(Difference::window).collect();
    let mut agreed = Vec::new();
    for row in rows.iter().filter(|row| is_shown(row) && !odd.contains(&row.window)) {
        let Some(generation) = row.facts.committed.filter(|_| row.facts.reconciled != row.facts.committed) else {
            continue;
        };
        let shown_rows = if expected.is_exact() { None } else { shown.remove(&row.window) };
        agreed.push(Agreed { window: row.window.clone(), generation, shown_rows: shown_rows.unwrap_or_default() });
    }
    report.agreed = agreed;
    Ok(report)
}

/// The intervals of finished windows that do not show as many rows as they should.
fn finished_rows(rows: &[WindowRow], finished: &[Finished], target: &Target, live: &Live) -> Vec<Difference> {
    let kept: BTreeSet<&Window> = rows.iter().map(|row| &row.window).collect();
    let folded = live.windows().into_iter().filter(|window| !kept.contains(*window));
    let counted = folded.map(|window| (window, live.rows_of(window)));
    let found = Folded::of(finished).tally(counted);
    let differs = |(interval, found): (&Finished, u64)| {
        // A child table that the contract gained was not there when the windows were folded.
        let expected = *interval.rows.get(&target.table)?;
        let (table, windows) = (target.folder.clone(), interval.name());
        (found != expected).then_some(Difference::Finished { table, windows, expected, found })
    };
    finished.iter().zip(found).filter_map(differs).collect()
}

async fn compare_keyed(
    lake: &Lake,
    contract: &StreamContract,
    target: &Target,
    known: &BTreeMap<String, TableVersion>,
    before: Option<&ReconcileReport>,
    report: &mut ReconcileReport,
) -> Result<(), CommitError> {
    let Some(log) = find_log(lake, contract, target).await? else {
        report.absent.insert(target.table.clone());
        return Ok(());
    };
    let snapshot = log.snapshot().await?;
    report.differences.extend(files_gone(target, &snapshot).await?);
    let is_known = known
        .get(&target.table)
        .is_some_and(|seen| seen.table_id == snapshot.table_id && seen.version == snapshot.version);
    if !is_known && !before.is_some_and(|before| before.vouches_for(&target.table)) {
        match keyed_agrees(lake, contract, target, &snapshot).await? {
            Some(true) => {}
            Some(false) => report.differences.push(Difference::Keyed { table: target.folder.clone() }),
            None => drop(report.behind.insert(target.folder.clone())),
        }
    }
    report.see(target, &snapshot, known);
    Ok(())
}

/// The files that the log names and the folder lacks. One listing.
async fn files_gone(target: &Target, snapshot: &TableSnapshot) -> Result<Option<Difference>, CommitError> {
    let listed = target.store.list(&target.folder).await;
    let listed = listed.map_err(|source| AttemptError::Store { window: target.folder.clone(), source })?;
    let there: BTreeSet<&str> = listed.iter().map(|entry| entry.path.as_str()).collect();
    let is_gone = |path: &&str| !there.contains(format!("{}/{path}", target.folder).as_str());
    let gone: Vec<&str> = snapshot.files.iter().map(|file| file.path.as_str()).filter(is_gone).collect();
    let first = gone.first().map(|first| (*first).to_owned());
    Ok(first.map(|first| Difference::FilesGone { table: target.folder.clone(), files: gone.len(), first }))
}

/// Whether the ledger says that the tables show the latest reading of the window.
fn is_shown(row: &WindowRow) -> bool {
    let data = row.facts.standing.as_ref().and_then(|standing| standing.data_generation);
    !row.is_replaced() && data.is_some() && row.facts.committed == data
}

/// The newest list of each slice that is shown; the rows of older ones are gone.
fn newest_lists(rows: &[WindowRow]) -> BTreeSet<Window> {
    let mut newest: BTreeMap<&Slice, &Window> = BTreeMap::new();
    let is_list = |row: &&WindowRow| matches!(row.window.bounds, Bounds::Snapshot { .. });
    for row in rows.iter().filter(is_list).filter(|row| row.facts.committed.is_some()) {
        let known = newest.entry(&row.window.slice).or_insert(&row.window);
        *known = (*known).max(&row.window);
    }
    newest.into_values().cloned().collect()
}

/// What the receipts of a stream's windows let its tables show.
struct Expected<'a> {
    contract: &'a StreamContract,
    digest: Digest16,
    newest: BTreeSet<Window>,
}

impl Expected<'_> {
    /// Whether receipts alone say how many rows a window has: of versions, those that say nothing new are left out.
    fn is_exact(&self) -> bool {
        self.contract.kind != StreamKind::Mutable
    }

    /// How the rows of a window in one table differ from what its receipts say, if they do.
    fn difference(
        &self,
        row: &WindowRow,
        target: &Target,
        is_child: bool,
        live: &Live,
        found: u64,
    ) -> Option<Difference> {
        let (table, window) = (target.folder.clone(), row.window.clone());
        let (least, most) = self.bounds(row, &target.table, is_child)?;
        if found < least || found > most {
            return Some(Difference::Rows { table, window, least, most, found });
        }
        let expected = row.facts.standing.as_ref()?.rows_generation.filter(|_| self.is_exact())?;
        let found = live.generations_of(&row.window).find(|found| *found != expected)?;
        Some(Difference::Generation { table, window, expected, found })
    }

    /// The fewest and the most rows of a window that a table may show; `None` when nothing can be said.
    fn bounds(&self, row: &WindowRow, table: &str, is_child: bool) -> Option<(u64, u64)> {
        if row.is_replaced() {
            return Some((0, 0));
        }
        let standing = row.facts.standing.as_ref().filter(|_| is_shown(row))?;
        if matches!(row.window.bounds, Bounds::Snapshot { .. }) && !self.newest.contains(&row.window) {
            return Some((0, 0));
        }
        let rows = standing.rows.get(table).copied();
        // A child table that the contract gained is not in receipts of before.
        let is_present = standing.contract == self.digest;
        let rows = if is_present { rows.unwrap_or_default() } else { rows? };
        if self.is_exact() {
            return Some((rows.shown, rows.shown));
        }
        let seen = row.facts.shown_rows.get(table).filter(|_| row.facts.reconciled == row.facts.committed);
        if let Some(seen) = seen {
            return Some((*seen, *seen));
        }
        if !is_present {
            return None;
        }
        Some(match (is_child, self.keeps()) {
            (true, _) | (false, Keeps::Some) => (0, rows.all),
            (false, Keeps::First) => (rows.first, rows.all),
            (false, Keeps::All) => (rows.all, rows.all),
        })
    }

    /// Which rows of a versioned window are surely shown.
    fn keeps(&self) -> Keeps {
        let contract = self.contract;
        if contract.key.is_empty() || matches!(contract.deletes, Deletes::KeyList { .. }) {
            return Keeps::All;
        }
        let field = contract.window.as_ref().map(|policy| policy.field.as_str());
        let is_own = contract.version_field.as_deref().is_none_or(|version| Some(version) == field);
        if is_own && !contract.key_is_stream_wide { Keeps::First } else { Keeps::Some }
    }
}

/// Which rows of the readings of a versioned window are surely in the table of versions.
enum Keeps {
    /// All of them.
    All,
    /// Those of the first reading: no other window can hold their versions.
    First,
    /// Another window may hold the same version.
    Some,
}
