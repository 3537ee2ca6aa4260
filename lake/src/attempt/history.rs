//! What is known of a window and its neighbours before it is judged: the rows it shows, and how its counterparts fared.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Bounds, Digest16, StreamContract, StreamKind, Window};
use headwater_quality::verdict::{COUNTERPART_DAYS, counterparts, recent};

use super::error::AttemptError;
use super::intake::table_folder;
use super::rewrite::read_rows;
use crate::Lake;
use crate::raw::{Receipt, Receipts, data_generation};
use crate::typing::key_digests;

/// Bytes that a remembered key costs, with the set's own.
const KEY_COST: usize = 48;

/// The rows that a commit of this reading would replace.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) rows: u64,
    /// Their keys; `None` where they have none, are too many, or their files are gone. Then only counts are compared.
    pub(crate) keys: Option<HashSet<Digest16>>,
}

/// The reading whose rows a commit of `window` would replace: over receipts, so that a landed one counts before it is committed.
pub(crate) async fn replaced(
    lake: &Lake,
    contract: &StreamContract,
    window: &Window,
    receipts: &[Receipt],
) -> Result<Option<Receipt>, AttemptError> {
    match contract.kind {
        StreamKind::Events | StreamKind::Restating => Ok(data_generation(receipts).cloned()),
        StreamKind::Snapshot => newest_before(lake, contract, window).await,
        // Nothing is removed: a row that moved to a later window is missing from the earlier one, as it should be.
        StreamKind::Mutable | StreamKind::Chain => Ok(None),
    }
}

async fn newest_before(
    lake: &Lake,
    contract: &StreamContract,
    window: &Window,
) -> Result<Option<Receipt>, AttemptError> {
    let store = Receipts::new(&lake.zones.raw);
    let windows = store.windows(&contract.name).await?;
    let earlier = windows.into_keys().filter(|other| other.slice == window.slice && other.bounds <= window.bounds);
    let mut earlier: Vec<Window> = earlier.collect();
    earlier.sort_unstable();
    for window in earlier.into_iter().rev() {
        let receipts = store.of_window(&contract.name, &window).await?;
        if let Some(receipt) = data_generation(&receipts) {
            return Ok(Some(receipt.clone()));
        }
    }
    Ok(None)
}

/// The rows of a reading, with their keys where memory allows.
pub(crate) async fn shown(lake: &Lake, contract: &StreamContract, receipt: &Receipt) -> Shown {
    let rows = receipt.counts.loaded;
    let room = lake.limits.key_bytes / KEY_COST;
    if contract.key.is_empty() || usize::try_from(rows).map_or(true, |rows| rows > room) {
        return Shown { rows, keys: None };
    }
    let keys = keys_of(lake, contract, receipt).await;
    // The keys only sharpen the verdict: without them it compares counts.
    Shown { rows, keys: keys.ok().filter(|keys| keys.len() as u64 == rows) }
}

async fn keys_of(lake: &Lake, contract: &StreamContract, receipt: &Receipt) -> Result<HashSet<Digest16>, AttemptError> {
    let table = contract.window_table();
    let folder = table_folder(contract, &table);
    let names: Vec<&str> = contract.key.iter().map(String::as_str).collect();
    let mut keys = HashSet::new();
    for file in receipt.typed.iter().filter(|file| file.table == table) {
        let path = format!("{folder}/{}", file.path);
        for batch in read_rows(&lake.zones.cleansed, &path, Some(&names)).await? {
            let batch = batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
            let columns: Vec<_> = names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
            keys.extend(key_digests(&columns, batch.num_rows()).into_iter().flatten());
        }
    }
    Ok(keys)
}

/// Records of the windows that say what to expect of an empty one.
pub(crate) async fn expected(
    lake: &Lake,
    contract: &StreamContract,
    window: &Window,
    read_at: DateTime<Utc>,
) -> Result<Vec<u64>, AttemptError> {
    let store = Receipts::new(&lake.zones.raw);
    let week = TimeDelta::days(COUNTERPART_DAYS);
    let windows = store.windows(&contract.name).await?;
    let siblings = windows.into_keys().filter(|other| other.slice == window.slice && other != window);
    let (mut ranges, mut snapshots) = (Vec::new(), Vec::new());
    for sibling in siblings {
        let is_near = match (&sibling.bounds, &window.bounds) {
            (Bounds::Range(theirs), Bounds::Range(own)) => {
                theirs.until() > own.from() - week && theirs.from() < own.until()
            }
            (Bounds::Snapshot { read_at: theirs }, Bounds::Snapshot { .. }) => *theirs > read_at - week,
            // An empty link says that nothing changed, which is what most links say.
            _ => false,
        };
        if !is_near {
            continue;
        }
        let receipts = store.of_window(&contract.name, &sibling).await?;
        let Some(receipt) = data_generation(&receipts) else { continue };
        match sibling.bounds {
            Bounds::Range(range) => ranges.push((range, receipt.counts.loaded)),
            Bounds::Snapshot { .. } => snapshots.push((receipt.read_at, receipt.counts.loaded)),
            Bounds::Link { .. } => {}
        }
    }
    Ok(match window.time_range() {
        Some(range) => counterparts(range, &ranges),
        None => recent(read_at, &snapshots),
    })
}
