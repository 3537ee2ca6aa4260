//! When a row of a keyed table counts as deleted.
//!
//! A flag that the row itself bears is dated by the row. One found by a list of keys bears the time at which the list began: a key
//! is deleted when the newest list lacks it, its version is not later than the list and its last recorded reading began by then.
//! The newest list is kept (it is a table) and every row that comes later is asked against it, so a late row is not missed.

use std::collections::BTreeMap;

use arrow_array::{BooleanArray, RecordBatch};
use headwater_contract::{Deletes, Digest16, Slice, StreamContract, decode_segment};
use headwater_quality::checks::DeleteFlag;

use super::CommitError;
use super::log::DeltaLog;
use super::unchanged::named;
use super::window_table::key_columns;
use crate::Lake;
use crate::attempt::{AttemptError, read_rows, table_folder};
use crate::typing::key_digests;
use crate::zones::layout::parse_typed_path;

/// The newest list of a slice.
#[derive(Debug, Default)]
struct List {
    /// When it began, in microseconds.
    began: i64,
    /// The keys that it shows, sorted.
    keys: Vec<Digest16>,
}

/// How a stream's deletes show, with the newest lists where they are lists.
#[derive(Debug)]
pub(super) struct DeleteRule {
    flag: Option<DeleteFlag>,
    lists: BTreeMap<String, List>,
    /// What the keyed table holds of lists once these are applied.
    pub(super) txns: Vec<(String, i64)>,
}

/// A row of which is asked whether it is deleted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) slice: &'a str,
    pub(super) key: Digest16,
    /// Its version in microseconds, where versions are times.
    pub(super) version: Option<i64>,
    pub(super) read_at: i64,
    /// What the table says now.
    pub(super) deleted_at: Option<i64>,
}

impl DeleteRule {
    pub(super) async fn load(lake: &Lake, contract: &StreamContract) -> Result<Self, CommitError> {
        let flag = DeleteFlag::compile(contract).map_err(AttemptError::from)?;
        let mut rule = Self { flag, lists: BTreeMap::new(), txns: Vec::new() };
        let Deletes::KeyList { stream } = &contract.deletes else { return Ok(rule) };
        let folder = table_folder(contract, stream);
        let Some(log) = DeltaLog::open(&lake.zones.cleansed, &folder).await? else { return Ok(rule) };
        let snapshot = log.snapshot().await?;
        for (app, read_at) in &snapshot.txns {
            let Some(slice) = app.strip_suffix("/snapshot").and_then(decode_segment) else { continue };
            rule.lists.insert(slice, List { began: read_at.saturating_mul(1_000), keys: Vec::new() });
            rule.txns.push((format!("list/{app}"), *read_at));
        }
        let names = key_columns(contract);
        for file in &snapshot.files {
            let Some(typed) = parse_typed_path(&file.path) else { continue };
            let Some(list) = rule.lists.get_mut(Slice::as_str(&typed.window.slice)) else { continue };
            let path = format!("{folder}/{}", file.path);
            for batch in read_rows(&lake.zones.cleansed, &path, Some(&names)).await? {
                let batch =
                    batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
                list.keys.extend(key_digests(&named(&batch, &names), batch.num_rows()).into_iter().flatten());
            }
        }
        for list in rule.lists.values_mut() {
            list.keys.sort_unstable();
        }
        Ok(rule)
    }

    /// For each row whether it says itself that it is deleted.
    pub(super) fn flags(&self, batch: &RecordBatch) -> Result<Option<BooleanArray>, CommitError> {
        self.flag.as_ref().map(|flag| flag.mask(batch)).transpose().map_err(|error| AttemptError::from(error).into())
    }

    /// When the row was deleted; `None` while it is not.
    pub(super) fn deleted_at(&self, row: Asked<'_>, says_so_itself: bool) -> Option<i64> {
        if says_so_itself {
            return Some(row.version.unwrap_or(row.read_at));
        }
        let list = self.lists.get(row.slice)?;
        let is_absent = list.keys.binary_search(&row.key).is_err();
        let is_older = row.version.is_none_or(|version| version <= list.began) && row.read_at <= list.began;
        // The first list that lacked the key dates the delete; later ones only confirm it.
        (is_absent && is_older).then(|| row.deleted_at.unwrap_or(list.began))
    }
}
