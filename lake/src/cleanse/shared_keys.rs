//! Looks for keys that two windows of a stream hold: then its kind is wrong, because its rows move.
//!
//! An order that is filed under the time of its last change is no event. Nothing is lost by the wrong kind, but both rows show.

use std::collections::{HashMap, HashSet};

use headwater_contract::{Digest16, StreamContract, StreamKind, Window};

use crate::Lake;
use crate::attempt::{AttemptError, read_rows, targets};
use crate::commit::{CommitError, DeltaLog, Live, PASS_KEYS, is_of_pass, key_columns};
use crate::typing::key_digests;

/// How many keys of an events or restating stream more than one window shows. Reads the key columns of the whole table.
///
/// # Errors
///
/// [`CommitError`] when the table cannot be read.
pub async fn shared_keys(lake: &Lake, contract: &StreamContract) -> Result<u64, CommitError> {
    let has_keys = matches!(contract.kind, StreamKind::Events | StreamKind::Restating) && !contract.key.is_empty();
    let targets = targets(lake, contract);
    let Some(target) = targets.first().filter(|_| has_keys) else { return Ok(0) };
    let Some(log) = DeltaLog::open(&target.store, &target.folder).await? else { return Ok(0) };
    let snapshot = log.snapshot().await?;
    let live = Live::of(&snapshot, &target.folder)?;
    let windows: Vec<&Window> = live.windows().collect();
    let names = key_columns(contract);
    let passes = snapshot.rows().unwrap_or(PASS_KEYS).div_ceil(PASS_KEYS).max(1);
    let mut shared = 0;
    for pass in 0..passes {
        let (mut first, mut twice): (HashMap<Digest16, usize>, HashSet<Digest16>) = (HashMap::new(), HashSet::new());
        for (place, window) in windows.iter().enumerate() {
            for file in live.of_window(window) {
                let path = format!("{}/{}", target.folder, file.path);
                for batch in read_rows(&target.store, &path, Some(&names)).await? {
                    let batch =
                        batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
                    let columns: Vec<_> = names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
                    let keys = key_digests(&columns, batch.num_rows()).into_iter().flatten();
                    for key in keys.filter(|key| is_of_pass(*key, pass, passes)) {
                        if *first.entry(key).or_insert(place) != place {
                            twice.insert(key);
                        }
                    }
                }
            }
        }
        shared += twice.len() as u64;
    }
    Ok(shared)
}
