//! Looks for keys that two windows of a stream hold: then its kind is wrong, because its rows move.
//!
//! An order that is filed under the time of its last change is no event. Nothing is lost by the wrong kind, but both rows show.
//! Only keys of windows that were just committed are looked for, the newest first, among themselves and in the files nearest in
//! time whose statistics leave it open. Both are bounded: rows that move do so all the time, so the next look finds them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use headwater_contract::{Digest16, StreamContract, StreamKind, Window};

use crate::Lake;
use crate::attempt::{AttemptError, Target, read_rows, targets};
use crate::commit::{CommitError, DeltaLog, Live, LiveFile, PASS_KEYS, key_columns, may_share};
use crate::typing::key_digests;

/// So many rows of committed windows are looked at, and so many of others.
const ROWS_MAX: u64 = PASS_KEYS;
/// So many windows are named, and one more.
const WINDOWS_MAX: usize = 8;

/// Keys that more than one window shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedKeys {
    /// How many were found.
    pub keys: u64,
    /// Some of the windows that hold them.
    pub windows: BTreeSet<Window>,
}

/// Looks for keys of `windows` that another window of an events or restating stream shows too. Reads key columns only.
///
/// # Errors
///
/// [`CommitError`] when the table cannot be read.
pub async fn shared_keys(
    lake: &Lake,
    contract: &StreamContract,
    windows: &BTreeSet<Window>,
) -> Result<SharedKeys, CommitError> {
    let mut shared = SharedKeys::default();
    let has_keys = matches!(contract.kind, StreamKind::Events | StreamKind::Restating) && !contract.key.is_empty();
    let targets = targets(lake, contract);
    let Some(target) = targets.first().filter(|_| has_keys && !windows.is_empty()) else { return Ok(shared) };
    let Some(log) = DeltaLog::open(&target.store, &target.folder).await? else { return Ok(shared) };
    let live = Live::of(&log.snapshot().await?, &target.folder)?;
    let names = key_columns(contract);
    let newest = windows.iter().rev().flat_map(|window| live.of_window(window).map(move |file| (window, file)));
    let new = bounded(newest);
    let others = nearest(contract, &live, windows, &new);
    let mut held: HashMap<Digest16, &Window> = HashMap::new();
    let mut twice: HashSet<Digest16> = HashSet::new();
    for (window, file) in &new {
        keys_of(target, file, &names, |key| {
            let first = *held.entry(key).or_insert(window);
            if first != *window && twice.insert(key) {
                name(&mut shared.windows, [first, window]);
            }
        })
        .await?;
    }
    for (window, file) in &others {
        keys_of(target, file, &names, |key| {
            if let Some(first) = held.get(&key)
                && twice.insert(key)
            {
                name(&mut shared.windows, [first, window]);
            }
        })
        .await?;
    }
    shared.keys = twice.len() as u64;
    Ok(shared)
}

/// As many of these files as have a bounded number of rows together; at least one.
fn bounded<'a>(files: impl Iterator<Item = (&'a Window, &'a LiveFile)>) -> Vec<(&'a Window, &'a LiveFile)> {
    let mut rows = 0_u64;
    let is_within = |(_, file): &(&Window, &LiveFile)| {
        let is_within = rows < ROWS_MAX;
        rows = rows.saturating_add(file.rows.unwrap_or(ROWS_MAX));
        is_within
    };
    files.take_while(is_within).collect()
}

fn name(named: &mut BTreeSet<Window>, pair: [&Window; 2]) {
    if named.len() < WINDOWS_MAX {
        named.extend(pair.into_iter().cloned());
    }
}

/// The files of other windows that may hold a key of the new ones: nearest in time first, up to a bounded number of rows.
fn nearest<'a>(
    contract: &StreamContract,
    live: &'a Live,
    windows: &BTreeSet<Window>,
    new: &[(&Window, &LiveFile)],
) -> Vec<(&'a Window, &'a LiveFile)> {
    let slices: BTreeSet<&str> = windows.iter().map(|window| window.slice.as_str()).collect();
    let is_near_slice = |window: &Window| contract.key_is_stream_wide || slices.contains(window.slice.as_str());
    let starts: Vec<i64> = windows.iter().filter_map(start).collect();
    let distance = |window: &Window| {
        start(window).and_then(|at| starts.iter().map(|other| at.abs_diff(*other)).min()).unwrap_or(u64::MAX)
    };
    let may_hold =
        |file: &LiveFile| new.iter().any(|(_, new)| contract.key.iter().all(|column| may_share(column, new, file)));
    let mut by_distance: BTreeMap<u64, Vec<(&Window, &LiveFile)>> = BTreeMap::new();
    for window in live.windows().into_iter().filter(|window| !windows.contains(*window) && is_near_slice(window)) {
        by_distance.entry(distance(window)).or_default().extend(live.of_window(window).map(|file| (window, file)));
    }
    // A compacted file stands for the first of its windows: it has no rows of the new ones, whose commit took them out.
    for compacted in live.compacted().iter().filter(|compacted| is_near_slice(&compacted.path.first)) {
        let window = &compacted.path.first;
        by_distance.entry(distance(window)).or_default().push((window, &compacted.file));
    }
    bounded(by_distance.into_values().flatten().filter(|(_, file)| may_hold(file)))
}

fn start(window: &Window) -> Option<i64> {
    window.time_range().map(|range| range.from().timestamp())
}

async fn keys_of(
    target: &Target,
    file: &LiveFile,
    names: &[&str],
    mut see: impl FnMut(Digest16),
) -> Result<(), CommitError> {
    let path = format!("{}/{}", target.folder, file.path);
    for batch in read_rows(&target.store, &path, Some(names)).await? {
        let batch = batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
        let columns: Vec<_> = names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
        key_digests(&columns, batch.num_rows()).into_iter().flatten().for_each(&mut see);
    }
    Ok(())
}
