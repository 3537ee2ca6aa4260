//! Compares keyed tables with the tables of versions that they follow from.
//!
//! Keys and orders of both are read, in passes over a bounded number of keys: so a row that is missing, too much or not the newest
//! is found, whoever wrote it.

use std::collections::HashMap;

use headwater_contract::{Digest16, StreamContract};

use super::CommitError;
use super::keyed::{Keyed, Order, keyed_targets, versions_folder};
use super::keyed_children::Children;
use super::log::{DeltaLog, TableSnapshot};
use super::unchanged::PASS_KEYS;
use super::window_table::is_of_pass;
use crate::Lake;
use crate::attempt::Target;

/// Whether the keyed table `target` shows exactly what its versions say; `None` while it is behind them.
///
/// # Errors
///
/// [`CommitError`] when a table cannot be read.
pub(crate) async fn keyed_agrees(
    lake: &Lake,
    contract: &StreamContract,
    target: &Target,
    snapshot: &TableSnapshot,
) -> Result<Option<bool>, CommitError> {
    let child = contract.children.iter().find(|child| child.name == target.table);
    let Some(log) = DeltaLog::open(&target.store, &versions_folder(contract, child)).await? else { return Ok(None) };
    let versions = log.snapshot().await?;
    if snapshot.txn(&format!("current/{}", versions.table_id)) != Some(versions.version) {
        return Ok(None);
    }
    let Some(parent) = keyed_targets(lake, contract).into_iter().next().filter(|_| child.is_some()) else {
        let keyed = Keyed { lake, contract, target };
        return rows_agree(&keyed, log.table(), &versions, snapshot).await.map(Some);
    };
    let Some(parents) = DeltaLog::open(&parent.store, &parent.folder).await? else { return Ok(None) };
    let parents = parents.snapshot().await?;
    if snapshot.txn(&format!("parent/{}", parents.table_id)) != Some(parents.version) {
        return Ok(None);
    }
    let children = Children { lake, parent: &parent, target };
    children_agree(&children, log.table(), &versions, &parents, snapshot).await.map(Some)
}

/// Whether the table shows the newest version of each key once, and nothing else.
async fn rows_agree(
    keyed: &Keyed<'_>,
    folder: &str,
    versions: &TableSnapshot,
    snapshot: &TableSnapshot,
) -> Result<bool, CommitError> {
    let passes = versions.rows().unwrap_or(PASS_KEYS).div_ceil(PASS_KEYS).max(1);
    for pass in 0..passes {
        let mut newest: HashMap<Digest16, Order> = HashMap::new();
        for file in &versions.files {
            keyed
                .scan(&format!("{folder}/{}", file.path), |_, key, order| {
                    if is_of_pass(key, pass, passes) {
                        let known = newest.entry(key).or_insert(order);
                        *known = order.max(*known);
                    }
                })
                .await?;
        }
        let mut is_equal = true;
        for file in &snapshot.files {
            keyed
                .scan(&format!("{}/{}", keyed.target.folder, file.path), |_, key, order| {
                    if is_of_pass(key, pass, passes) {
                        is_equal &= newest.remove(&key) == Some(order);
                    }
                })
                .await?;
        }
        if !is_equal || !newest.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the table shows as many rows of each parent that is shown as its versions have, and none of any other.
async fn children_agree(
    children: &Children<'_>,
    folder: &str,
    versions: &TableSnapshot,
    parents: &TableSnapshot,
    snapshot: &TableSnapshot,
) -> Result<bool, CommitError> {
    let passes = parents.rows().unwrap_or(PASS_KEYS).div_ceil(PASS_KEYS).max(1);
    for pass in 0..passes {
        let mut owed: HashMap<Digest16, i64> = HashMap::new();
        for file in &parents.files {
            children
                .scan(&children.parent.folder, &file.path, |_, key, _, _| {
                    if is_of_pass(key, pass, passes) {
                        owed.insert(key, 0);
                    }
                })
                .await?;
        }
        for file in &versions.files {
            children
                .scan(folder, &file.path, |_, key, _, _| {
                    if let Some(owed) = owed.get_mut(&key) {
                        *owed += 1;
                    }
                })
                .await?;
        }
        let mut is_foreign = false;
        for file in &snapshot.files {
            children
                .scan(&children.target.folder, &file.path, |_, key, _, _| match owed.get_mut(&key) {
                    Some(owed) => *owed -= 1,
                    None => is_foreign |= is_of_pass(key, pass, passes),
                })
                .await?;
        }
        if is_foreign || owed.values().any(|owed| *owed != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}
