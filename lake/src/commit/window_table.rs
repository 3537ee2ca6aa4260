//! Commits windows to the table that they belong to, and to their child tables.
//!
//! The loop is that of ARCHITECTURE.md § "The commit": a snapshot first, then the receipts, every action computed from these two,
//! one commit, and on any doubt the same from the beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_contract::{
    Bounds, Digest16, Slice, StreamContract, StreamKind, TimeRange, Window, decode_segment, encode_segment,
};

use super::files::Files;
use super::live::{Compacted, Live};
use super::log::{Change, DeltaLog, LiveFile, NewFile, TableSnapshot};
use super::unchanged::unchanged_rows;
use super::{CommitError, CommitReport, Outcome, marks};
use crate::Lake;
use crate::attempt::Target;
use crate::raw::{Receipt, Receipts, TypedFile, data_generation, data_of, floor};
use crate::steps::Step;

/// A commit is tried so often before the runner gives way.
pub(super) const TRIES_MAX: u32 = 24;

/// What a commit shall change, computed from one snapshot.
#[derive(Debug, Default)]
struct Plan {
    adds: Vec<NewFile>,
    removes: BTreeSet<String>,
    /// Windows whose rows leave compacted files, by file.
    leaving: BTreeMap<String, (Compacted, BTreeSet<String>)>,
    txns: Vec<(String, i64)>,
    outcomes: Vec<(Window, Outcome)>,
    /// Another commit must follow: a window has more generations to show.
    has_more: bool,
}

/// One table that windows of a stream commit to.
pub(super) struct WindowTable<'a> {
    pub(super) lake: &'a Lake,
    pub(super) contract: &'a Arc<StreamContract>,
    pub(super) target: &'a Target,
    /// The window table of the stream, when this is a child's: it shows only what its parent shows.
    pub(super) parent: Option<&'a Target>,
    pub(super) files: Files<'a>,
}

impl WindowTable<'_> {
    /// Commits what is due of `windows`.
    pub(super) async fn commit(&mut self, windows: &[Window], report: &mut CommitReport) -> Result<(), CommitError> {
        let log = marks::open(self.lake, self.contract, self.target).await?;
        let mut tries = 0;
        loop {
            // The snapshot first: a receipt that is younger than it is committed by the next round.
            let snapshot = log.snapshot().await?;
            let parent = match self.parent {
                Some(parent) => match DeltaLog::open(&parent.store, &parent.folder).await? {
                    Some(parent) => Some(parent.snapshot().await?),
                    None => return Ok(()),
                },
                None => None,
            };
            let plan = match &parent {
                // What another runner, killed since, left between the two tables is caught up with as well.
                Some(parent) => {
                    self.plan(&[windows, &lagging(parent, &snapshot.txns)].concat(), &snapshot, Some(parent)).await?
                }
                None => self.plan(windows, &snapshot, None).await?,
            };
            let is_done = plan.txns.is_empty();
            if !is_done {
                tries += 1;
                if tries > TRIES_MAX {
                    return Err(CommitError::Busy { table: self.target.folder.clone(), tries: TRIES_MAX });
                }
                let change = self.change(&plan, &snapshot);
                self.lake.ledger.check_owner(&self.lake.zones.raw).await?;
                if self.parent.is_none() {
                    self.lake.steps.reached(Step::BeforeCommit).await;
                }
                match log.log().commit(&snapshot, change, self.lake.clock.now()).await {
                    Ok(version) => {
                        report.versions.insert(self.target.table.clone(), version);
                        tries = 0;
                    }
                    Err(error) if error.asks_again() => {
                        tracing::info!(table = self.target.table, %error, "asking the table again");
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if self.parent.is_none() {
                report.merge(plan.outcomes);
            }
            if is_done || !plan.has_more {
                return Ok(());
            }
        }
    }

    fn change(&self, plan: &Plan, snapshot: &TableSnapshot) -> Change {
        let removes: Vec<LiveFile> =
            snapshot.files.iter().filter(|file| plan.removes.contains(&file.path)).cloned().collect();
        Change {
            adds: plan.adds.clone(),
            removes,
            txns: plan.txns.clone(),
            schema: Some(Arc::clone(&self.target.schema)),
            replaces_schema: false,
            info: BTreeMap::from([("stream".to_owned(), serde_json::Value::from(self.contract.name.to_string()))]),
        }
    }

    async fn plan(
        &mut self,
        windows: &[Window],
        snapshot: &TableSnapshot,
        parent: Option<&TableSnapshot>,
    ) -> Result<Plan, CommitError> {
        let mut plan = Plan::default();
        let mut ordered: Vec<&Window> = windows.iter().collect();
        ordered.sort_unstable();
        ordered.dedup();
        let live = Live::of(snapshot, &self.target.folder)?.look_for(self.target, &ordered).await?;
        match self.contract.kind {
            StreamKind::Snapshot => self.plan_snapshots(&ordered, snapshot, parent, &live, &mut plan).await?,
            StreamKind::Chain => self.plan_links(&ordered, snapshot, parent, &live, &mut plan).await?,
            StreamKind::Events | StreamKind::Restating => {
                self.plan_replaced(&ordered, snapshot, parent, &live, &mut plan).await?;
            }
            StreamKind::Mutable => self.plan_versions(&ordered, snapshot, parent, &live, &mut plan).await?,
        }
        for (path, (compacted, windows)) in std::mem::take(&mut plan.leaving) {
            let rest = self.files.without_windows(&compacted, &windows, self.target, snapshot).await?;
            plan.adds.extend(rest.iter().map(new_file));
            plan.removes.insert(path);
        }
        Ok(plan)
    }

    /// The receipts that count for `window`: all, or for a child those that its parent shows.
    async fn receipts(&self, window: &Window, parent: Option<&TableSnapshot>) -> Result<Vec<Receipt>, CommitError> {
        let mut receipts = Receipts::new(&self.lake.zones.raw).of_window(&self.contract.name, window).await?;
        if let Some(parent) = parent {
            let shown = shown_generation(window, &parent.txns).unwrap_or(0);
            receipts.retain(|receipt| receipt.generation <= shown);
        }
        Ok(receipts)
    }

    /// The files of a reading; where a child's were typed again, those of the parents that are shown and no others.
    async fn files_of(
        &mut self,
        window: &Window,
        receipt: &Receipt,
        snapshot: &TableSnapshot,
        parent: Option<&TableSnapshot>,
    ) -> Result<Vec<TypedFile>, CommitError> {
        let files = self.files.of(window, receipt, self.target, snapshot).await?;
        match parent.filter(|_| self.files.are_made(window, receipt)) {
            Some(parent) => self.files.of_shown_parents(window, receipt, files, self.target, parent, self.parent).await,
            None => Ok(files),
        }
    }

    /// Events and restating: the rows of `data(latest)` replace every live row of the window.
    async fn plan_replaced(
        &mut self,
        windows: &[&Window],
        snapshot: &TableSnapshot,
        parent: Option<&TableSnapshot>,
        live: &Live,
        plan: &mut Plan,
    ) -> Result<(), CommitError> {
        let mut held = committed_ranges(snapshot, live);
        for window in windows {
            let receipts = self.receipts(window, parent).await?;
            let Some(data) = data_generation(&receipts) else {
                plan.outcomes.push(((*window).clone(), Outcome::Nothing));
                continue;
            };
            if is_done(snapshot, window, data.generation) {
                plan.outcomes.push(((*window).clone(), Outcome::Already { generation: data.generation }));
                continue;
            }
            // A window that the parent shows was judged there; a child never decides otherwise.
            if parent.is_none()
                && let Some(winner) = beaten_by(window, &held)
            {
                plan.outcomes.push(((*window).clone(), Outcome::Beaten { by: winner.to_string() }));
                continue;
            }
            let files = self.files_of(window, data, snapshot, parent).await?;
            plan.adds.extend(files.iter().map(new_file));
            plan.hide(window, live);
            plan.show(window, data);
            held.insert((*window).clone());
        }
        Ok(())
    }

    /// Mutable: each generation in order adds the rows that say something new.
    async fn plan_versions(
        &mut self,
        windows: &[&Window],
        snapshot: &TableSnapshot,
        parent: Option<&TableSnapshot>,
        live: &Live,
        plan: &mut Plan,
    ) -> Result<(), CommitError> {
        let mut held = committed_ranges(snapshot, live);
        let field = self.contract.window.as_ref().map(|policy| policy.field.as_str());
        // Where a version is not the window's time, two windows may hold one version: then one after the other.
        let may_share = self.contract.version_field.as_deref().is_some_and(|version| Some(version) != field);
        for window in windows {
            let receipts = self.receipts(window, parent).await?;
            let Some(data) = data_generation(&receipts) else {
                plan.outcomes.push(((*window).clone(), Outcome::Nothing));
                continue;
            };
            let shown = snapshot.txn(&window.txn_id()).and_then(|shown| u64::try_from(shown).ok()).unwrap_or(0);
            let mut due = receipts.iter().filter(|receipt| receipt.generation > shown && is_reading(receipt));
            let Some(next) = due.next() else {
                plan.outcomes.push(((*window).clone(), Outcome::Already { generation: data.generation }));
                continue;
            };
            if parent.is_none()
                && let Some(winner) = beaten_by(window, &held)
            {
                plan.outcomes.push(((*window).clone(), Outcome::Beaten { by: winner.to_string() }));
                continue;
            }
            if may_share && !plan.txns.is_empty() {
                plan.has_more = true;
                continue;
            }
            let files = self.files.of(window, next, self.target, snapshot).await?;
            // An erasure above what is shown has all of the window's rows but a person's: those that are shown go first.
            let floor = floor(&receipts);
            let is_erased = shown > 0 && shown < floor;
            let before = data_of(&receipts, next.generation.saturating_sub(1));
            // The same records typed by a mended contract say something new, whether they were read or run again.
            let is_mended = before.is_some_and(|before| before.contract != next.contract);
            let files = if let Some(parent) = parent {
                self.files.of_shown_parents(window, next, files, self.target, parent, self.parent).await?
            } else if is_mended && !is_erased {
                files
            } else {
                let mut others = snapshot.files.clone();
                if is_erased {
                    let is_hidden = |file: &LiveFile| live.holds_rows_of(window, &file.path);
                    others.retain(|file| !is_hidden(file));
                }
                let same = unchanged_rows(self.contract, self.target, &files, window, &others).await?;
                self.files.without(window, next, files, self.target, &same).await?
            };
            plan.adds.extend(files.iter().map(new_file));
            if is_erased {
                plan.hide(window, live);
            }
            plan.has_more |= due.next().is_some();
            plan.show(window, next);
            held.insert((*window).clone());
        }
        Ok(())
    }

    /// Chains: a link shows when the one before it does, in this commit or earlier.
    async fn plan_links(
        &mut self,
        windows: &[&Window],
        snapshot: &TableSnapshot,
        parent: Option<&TableSnapshot>,
        live: &Live,
        plan: &mut Plan,
    ) -> Result<(), CommitError> {
        let mut shown: BTreeSet<Window> = windows_of(snapshot);
        for window in windows {
            let receipts = self.receipts(window, parent).await?;
            let Some(data) = data_generation(&receipts) else {
                plan.outcomes.push(((*window).clone(), Outcome::Nothing));
                continue;
            };
            if is_done(snapshot, window, data.generation) {
                plan.outcomes.push(((*window).clone(), Outcome::Already { generation: data.generation }));
                continue;
            }
            if !self.follows(window, &shown).await? {
                plan.outcomes.push(((*window).clone(), Outcome::Waits));
                continue;
            }
            let files = self.files_of(window, data, snapshot, parent).await?;
            plan.adds.extend(files.iter().map(new_file));
            plan.hide(window, live);
            plan.show(window, data);
            shown.insert((*window).clone());
        }
        Ok(())
    }

    /// Whether the link before `window` is among those shown: the one whose reading ended at the token that this one starts from.
    async fn follows(&self, window: &Window, shown: &BTreeSet<Window>) -> Result<bool, CommitError> {
        let Bounds::Link { number, .. } = &window.bounds else { return Ok(false) };
        let Some(before) = number.checked_sub(1) else { return Ok(true) };
        let receipts = Receipts::new(&self.lake.zones.raw);
        let is_before = |other: &&Window| {
            other.slice == window.slice && matches!(other.bounds, Bounds::Link { number, .. } if number == before)
        };
        for other in shown.iter().filter(is_before) {
            let all = receipts.of_window(&self.contract.name, other).await?;
            let token = data_generation(&all).and_then(|receipt| receipt.token_out.as_deref());
            if token.is_some_and(|token| Window::link(window.slice.clone(), *number, token) == *window) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Snapshots: the newest of each slice replaces the slice's rows; an older one is done.
    async fn plan_snapshots(
        &mut self,
        windows: &[&Window],
        snapshot: &TableSnapshot,
        parent: Option<&TableSnapshot>,
        live: &Live,
        plan: &mut Plan,
    ) -> Result<(), CommitError> {
        let mut newest: BTreeMap<&Slice, (&Window, Receipt)> = BTreeMap::new();
        for window in windows {
            let receipts = self.receipts(window, parent).await?;
            let Some(data) = data_generation(&receipts) else {
                plan.outcomes.push(((*window).clone(), Outcome::Nothing));
                continue;
            };
            // In order of time, so that the last of a slice stays.
            if let Some((older, _)) = newest.insert(&window.slice, (window, data.clone())) {
                plan.outcomes.push((older.clone(), Outcome::Superseded));
            }
        }
        for (window, data) in newest.into_values() {
            let Bounds::Snapshot { read_at } = &window.bounds else { continue };
            let (read_at, generation) = (read_at.timestamp_millis(), as_version(data.generation));
            let shown = snapshot.txn(&window.txn_id()).unwrap_or(i64::MIN);
            if shown > read_at {
                plan.outcomes.push((window.clone(), Outcome::Superseded));
                continue;
            }
            // The same list under a mended contract has the same time; only its generation tells it from the one that is shown.
            if shown == read_at && snapshot.txn(&generation_id(window)).is_some_and(|shown| shown >= generation) {
                plan.outcomes.push((window.clone(), Outcome::Already { generation: data.generation }));
                continue;
            }
            let files = self.files_of(window, &data, snapshot, parent).await?;
            plan.adds.extend(files.iter().map(new_file));
            plan.removes.extend(live.of_slice(&window.slice).map(|file| file.path.clone()));
            plan.txns.push((window.txn_id(), read_at));
            plan.txns.push((generation_id(window), generation));
            plan.outcomes
                .push((window.clone(), Outcome::Committed { generation: data.generation, rows: data.counts.loaded }));
        }
        Ok(())
    }
}

impl Plan {
    /// Every live row of `window` goes: its own files, and its rows in compacted ones.
    fn hide(&mut self, window: &Window, live: &Live) {
        self.removes.extend(live.of_window(window).map(|file| file.path.clone()));
        for compacted in live.compacted_of(window) {
            let leaving = self.leaving.entry(compacted.file.path.clone());
            leaving.or_insert_with(|| (compacted.clone(), BTreeSet::new())).1.insert(window.name());
        }
    }

    fn show(&mut self, window: &Window, receipt: &Receipt) {
        self.txns.push((window.txn_id(), as_version(receipt.generation)));
        let (generation, rows) = (receipt.generation, receipt.counts.loaded);
        self.outcomes.push((window.clone(), Outcome::Committed { generation, rows }));
    }
}

/// Whether a receipt is a reading with rows of its own.
pub(crate) fn is_reading(receipt: &Receipt) -> bool {
    receipt.verdict.is_passed() && receipt.same_as.is_none()
}

fn as_version(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(i64::MAX)
}

fn is_done(snapshot: &TableSnapshot, window: &Window, generation: u64) -> bool {
    snapshot.txn(&window.txn_id()).is_some_and(|shown| shown >= as_version(generation))
}

/// The app id that tells which generation of a snapshot is shown.
pub(crate) fn generation_id(window: &Window) -> String {
    format!("{}/generation", window.txn_id())
}

/// The generation of `window` that a table with these transactions shows; of an older snapshot nothing is.
pub(crate) fn shown_generation(window: &Window, txns: &BTreeMap<String, i64>) -> Option<u64> {
    let txn = |app: &str| txns.get(app).copied();
    let shown = match &window.bounds {
        Bounds::Snapshot { read_at } if txn(&window.txn_id()) == Some(read_at.timestamp_millis()) => {
            txn(&generation_id(window))
        }
        Bounds::Snapshot { .. } => None,
        _ => txn(&window.txn_id()),
    };
    shown.and_then(|shown| u64::try_from(shown).ok())
}

/// The windows that a table's transactions name. Snapshots have none of their own.
pub(crate) fn windows_of(snapshot: &TableSnapshot) -> BTreeSet<Window> {
    txn_windows(&snapshot.txns)
}

/// The windows that these transactions name.
pub(crate) fn txn_windows(txns: &BTreeMap<String, i64>) -> BTreeSet<Window> {
    let window = |app: &String| {
        let (slice, name) = app.split_once('/')?;
        Window::parse(Slice::named(decode_segment(slice)?), name)
            .ok()
            .filter(|window| encode_segment(window.slice.as_str()) == slice)
    };
    txns.keys().filter_map(window).collect()
}

/// Windows that the parent's table shows in a later generation than the child's.
pub(super) fn lagging(parent: &TableSnapshot, child: &BTreeMap<String, i64>) -> Vec<Window> {
    let is_behind = |app: &str| parent.txn(app) > child.get(app).copied();
    let mut windows: Vec<Window> =
        windows_of(parent).into_iter().filter(|window| is_behind(&window.txn_id())).collect();
    for (app, read_at) in &parent.txns {
        let Some(slice) = app.strip_suffix("/snapshot").and_then(decode_segment).map(Slice::named) else { continue };
        let Some(read_at) = chrono::DateTime::from_timestamp_millis(*read_at) else { continue };
        let window = Window::snapshot(slice, read_at);
        if is_behind(app) || is_behind(&generation_id(&window)) {
            windows.push(window);
        }
    }
    windows
}

/// Committed windows: of transactions, which know empty ones, and of live files, which outlive a transaction that expired. Into
/// compacted files it was looked where they may concern the windows in question.
fn committed_ranges(snapshot: &TableSnapshot, live: &Live) -> BTreeSet<Window> {
    let mut held = windows_of(snapshot);
    held.extend(live.windows().into_iter().cloned());
    held
}

/// A committed window with other bounds that overlaps `window`.
fn beaten_by<'a>(window: &Window, held: &'a BTreeSet<Window>) -> Option<&'a Window> {
    let range: TimeRange = window.time_range()?;
    held.iter().find(|other| {
        other.slice == window.slice
            && *other != window
            && other.time_range().is_some_and(|theirs| theirs.overlaps(&range))
    })
}

/// The action that shows a typed file.
pub(crate) fn new_file(file: &TypedFile) -> NewFile {
    NewFile { path: file.path.clone(), size: file.size, stats: file.stats.clone(), partition: BTreeMap::new() }
}

/// The digest that the commit uses to tell keys apart: of key columns, and of the slice unless keys are unique in the whole stream.
pub(crate) fn key_columns(contract: &StreamContract) -> Vec<&str> {
    let slice = (!contract.key_is_stream_wide).then_some("_slice");
    slice.into_iter().chain(contract.key.iter().map(String::as_str)).collect()
}

/// Of `keys`, those that one pass of several looks at, so that a pass holds a bounded number.
pub(crate) fn is_of_pass(key: Digest16, pass: u64, passes: u64) -> bool {
    let Some(low) = key.0.first_chunk::<8>() else { return false };
    passes <= 1 || u64::from_le_bytes(*low) % passes == pass
}
