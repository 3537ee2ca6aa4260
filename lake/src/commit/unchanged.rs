//! Finds the rows of a re-read that say nothing new: the newest row that the table holds of the same key and version is the same.
//!
//! The newest, not any: content that goes and comes back is two changes. Only files that can hold the versions in question are
//! read, and of those only the columns that matter, in passes over a bounded number of keys.

use std::collections::{HashMap, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, RecordBatch};
use headwater_contract::{Deletes, Digest16, StreamContract, Window};
use serde_json::Value;

use super::CommitError;
use super::log::LiveFile;
use super::window_table::{is_of_pass, key_columns};
use crate::attempt::{AttemptError, Target, ordinals, read_rows};
use crate::raw::TypedFile;
use crate::typing::key_digests;
use crate::zones::layout::parse_typed_path;

/// Keys that one pass holds; about 100 bytes each.
pub(crate) const PASS_KEYS: u64 = 500_000;

/// The order of rows of one key and version: when their reading began, then their place in it.
type Age = (i64, u64, i64);

/// The positions, in `files`, of rows that repeat the newest one of their key and version among `live`.
pub(crate) async fn unchanged_rows(
    contract: &StreamContract,
    target: &Target,
    files: &[TypedFile],
    window: &Window,
    live: &[LiveFile],
) -> Result<HashSet<u64>, CommitError> {
    let mut same = HashSet::new();
    // With a list of keys, each reading records how long it saw a row alive.
    if matches!(contract.deletes, Deletes::KeyList { .. }) || contract.key.is_empty() {
        return Ok(same);
    }
    let field = contract.window.as_ref().map(|policy| policy.field.as_str());
    let version = contract.version_field.as_deref().or(field);
    let is_near = |file: &&LiveFile| {
        let is_of_slice = contract.key_is_stream_wide
            || parse_typed_path(&file.path).is_none_or(|typed| typed.window.slice == window.slice);
        is_of_slice && version.is_none_or(|version| files.iter().any(|new| overlaps(version, &new.stats, file)))
    };
    let near: Vec<&LiveFile> = live.iter().filter(is_near).collect();
    if near.is_empty() {
        return Ok(same);
    }
    let mut identity = key_columns(contract);
    identity.extend(version);
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let passes = rows.div_ceil(PASS_KEYS).max(1);
    for pass in 0..passes {
        let mut wanted: HashMap<Digest16, Option<(Age, String)>> = HashMap::new();
        for file in files {
            scan(target, &file.path, &identity, |_, key, _, _| {
                if is_of_pass(key, pass, passes) {
                    wanted.insert(key, None);
                }
            })
            .await?;
        }
        for file in &near {
            scan(target, &file.path, &identity, |_, key, age, hash| {
                if let Some(newest) = wanted.get_mut(&key)
                    && newest.as_ref().is_none_or(|(known, _)| *known < age)
                {
                    *newest = Some((age, hash.to_owned()));
                }
            })
            .await?;
        }
        for file in files {
            scan(target, &file.path, &identity, |position, key, _, hash| {
                if wanted.get(&key).is_some_and(|newest| newest.as_ref().is_some_and(|(_, known)| known == hash)) {
                    same.insert(position);
                }
            })
            .await?;
        }
    }
    Ok(same)
}

async fn scan(
    target: &Target,
    path: &str,
    identity: &[&str],
    mut see: impl FnMut(u64, Digest16, Age, &str),
) -> Result<(), CommitError> {
    let mut columns = identity.to_vec();
    columns.extend(["_slice", "_read_at", "_ordinal", "_generation", "_row_hash"]);
    let path = format!("{}/{path}", target.folder);
    for batch in read_rows(&target.store, &path, Some(&columns)).await? {
        let batch = batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
        let keys = key_digests(&named(&batch, identity), batch.num_rows());
        let (read_at, generation) = (times(&batch, "_read_at"), integers(&batch, "_generation"));
        let Some(hashes) = batch.column_by_name("_row_hash").and_then(|column| column.as_string_opt::<i32>()) else {
            continue;
        };
        for (row, (position, key)) in ordinals(&batch).into_iter().zip(keys).enumerate() {
            let age = (at(&read_at, row), position, at(&generation, row));
            if let Some(key) = key {
                see(position, key, age, hashes.value(row));
            }
        }
    }
    Ok(())
}

/// The columns of these names; one that the batch lacks is null everywhere.
pub(super) fn named(batch: &RecordBatch, names: &[&str]) -> Vec<ArrayRef> {
    let null = || arrow_array::new_null_array(&arrow_schema::DataType::Utf8, batch.num_rows());
    names.iter().map(|name| batch.column_by_name(name).cloned().unwrap_or_else(null)).collect()
}

/// A time column as microseconds, null as the earliest.
pub(super) fn times(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    column.map(|column| column.iter().map(|value| value.unwrap_or(i64::MIN)).collect()).unwrap_or_default()
}

/// A column of whole numbers, null as the least.
pub(super) fn integers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
    column.map(|column| column.iter().map(|value| value.unwrap_or(i64::MIN)).collect()).unwrap_or_default()
}

pub(super) fn at(values: &[i64], row: usize) -> i64 {
    values.get(row).copied().unwrap_or(i64::MIN)
}

/// Whether two files of a table can hold the same value of a column, by their statistics.
pub(crate) fn may_share(column: &str, one: &LiveFile, other: &LiveFile) -> bool {
    let stats = one.stats.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    stats.is_none_or(|stats| overlaps(column, &stats, other))
}

/// Whether two files can hold the same value of a column, by their statistics. Bounds are wider than values, never narrower.
fn overlaps(column: &str, new: &Value, live: &LiveFile) -> bool {
    let Some(live) = live.stats.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return true;
    };
    let bound = |stats: &Value, side: &str| stats.get(side).and_then(|values| values.get(column)).cloned();
    let before = |a: &Value, b: &Value| match (a, b) {
        (Value::String(a), Value::String(b)) => a < b,
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a < b,
            _ => matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if a < b),
        },
        _ => false,
    };
    let sides =
        (bound(new, "minValues"), bound(new, "maxValues"), bound(&live, "minValues"), bound(&live, "maxValues"));
    match sides {
        (Some(new_min), Some(new_max), Some(live_min), Some(live_max)) => {
            !before(&new_max, &live_min) && !before(&live_max, &new_min)
        }
        _ => true,
    }
}
