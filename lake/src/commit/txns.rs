//! Reads every application transaction of a Delta log in one pass.
//!
//! deltalake-core answers for one app id by a scan of the log each; a table holds an id for every window. Format:
//! <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#transaction-identifiers>.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::commit::error::LogError;
use crate::commit::log::DeltaLog;

/// What an object of the log folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogObject {
    /// A commit of this version.
    Commit(u64),
    /// A checkpoint and in how many pieces it is said to be; 1 for those of one piece.
    Checkpoint(u64, u32),
}

impl DeltaLog {
    /// The version of the newest checkpoint, whole or not.
    ///
    /// # Errors
    ///
    /// [`LogError::Store`] when the log cannot be listed.
    pub async fn last_checkpoint(&self) -> Result<Option<i64>, LogError> {
        let store_error = |source| LogError::Store { table: self.table().to_owned(), source };
        let found = self.objects().list(Some(&Path::from("_delta_log")));
        let found: Vec<_> = found.try_collect().await.map_err(store_error)?;
        let checkpoints = found.iter().filter_map(|meta| match meta.location.filename().and_then(classify) {
            Some(LogObject::Checkpoint(at, _)) => i64::try_from(at).ok(),
            _ => None,
        });
        Ok(checkpoints.max())
    }
}

/// Reads the transactions that `version` of the log at `objects` holds: the newest checkpoint's, then those of every later commit.
pub(crate) async fn read_txns(
    objects: &dyn ObjectStore,
    table: &str,
    version: u64,
) -> Result<BTreeMap<String, i64>, LogError> {
    let store_error = |source| LogError::Store { table: table.to_owned(), source };
    let found: Vec<_> = objects.list(Some(&Path::from("_delta_log"))).try_collect().await.map_err(store_error)?;
    let mut commits = BTreeMap::new();
    let mut checkpoints: BTreeMap<u64, Vec<(u32, Path)>> = BTreeMap::new();
    for meta in found {
        match meta.location.filename().and_then(classify) {
            Some(LogObject::Commit(at)) if at <= version => {
                commits.insert(at, meta.location);
            }
            Some(LogObject::Checkpoint(at, pieces)) if at <= version => {
                checkpoints.entry(at).or_default().push((pieces, meta.location));
            }
            _ => {}
        }
    }
    let mut txns = BTreeMap::new();
    let mut from = 0;
    // A checkpoint in pieces counts only when all of them are there.
    let whole = checkpoints.into_iter().rev().find_map(|(at, pieces)| Some((at, whole_checkpoint(pieces)?)));
    if let Some((at, pieces)) = whole {
        for piece in pieces {
            let bytes = objects.get(&piece).await.map_err(store_error)?.bytes().await.map_err(store_error)?;
            let name = piece.to_string();
            let damaged = |reason| LogError::Damaged { table: table.to_owned(), object: name.clone(), reason };
            if std::path::Path::new(&name).extension().is_some_and(|extension| extension == "json") {
                read_lines(&bytes, &mut txns).map_err(damaged)?;
            } else {
                read_checkpoint(bytes, &mut txns).map_err(damaged)?;
            }
        }
        from = at + 1;
    }
    for at in from..=version {
        let gone = || LogError::Damaged {
            table: table.to_owned(),
            object: format!("{at:020}.json"),
            reason: "it is gone".to_owned(),
        };
        let path = commits.get(&at).ok_or_else(gone)?;
        let bytes = objects.get(path).await.map_err(store_error)?.bytes().await.map_err(store_error)?;
        let damaged = |reason| LogError::Damaged { table: table.to_owned(), object: path.to_string(), reason };
        read_lines(&bytes, &mut txns).map_err(damaged)?;
    }
    Ok(txns)
}

/// What an object of the log folder is; `None` for whatever is neither commit nor checkpoint.
pub(super) fn classify(name: &str) -> Option<LogObject> {
    let (version, rest) = name.split_once('.')?;
    if version.len() != 20 {
        return None;
    }
    let version = version.parse().ok()?;
    let parts: Vec<&str> = rest.split('.').collect();
    match parts.as_slice() {
        ["json"] => Some(LogObject::Commit(version)),
        ["checkpoint", "parquet"] | ["checkpoint", _, "parquet" | "json"] => Some(LogObject::Checkpoint(version, 1)),
        ["checkpoint", _, pieces, "parquet"] => Some(LogObject::Checkpoint(version, pieces.parse().ok()?)),
        _ => None,
    }
}

/// The version that an object of the log folder is of, by its name.
pub(crate) fn log_version(name: &str) -> Option<i64> {
    let (LogObject::Commit(version) | LogObject::Checkpoint(version, _)) = classify(name)?;
    i64::try_from(version).ok()
}

fn whole_checkpoint(mut pieces: Vec<(u32, Path)>) -> Option<Vec<Path>> {
    if let Some(at) = pieces.iter().position(|(count, _)| *count == 1) {
        return Some(vec![pieces.swap_remove(at).1]);
    }
    let count = pieces.first()?.0;
    let is_whole = pieces.iter().all(|(other, _)| *other == count) && u32::try_from(pieces.len()).ok() == Some(count);
    is_whole.then(|| pieces.into_iter().map(|(_, path)| path).collect())
}

fn read_lines(bytes: &Bytes, txns: &mut BTreeMap<String, i64>) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Line {
        txn: Option<Txn>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Txn {
        app_id: String,
        version: i64,
    }
    let is_txn = |line: &&[u8]| {
        line.get(..line.len().min(16)).is_some_and(|head| head.windows(5).any(|word| word == b"\"txn\""))
    };
    for line in bytes.split(|byte| *byte == b'\n').filter(is_txn) {
        let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if let Some(txn) = line.txn {
            txns.insert(txn.app_id, txn.version);
        }
    }
    Ok(())
}

fn read_checkpoint(bytes: Bytes, txns: &mut BTreeMap<String, i64>) -> Result<(), String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| error.to_string())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["txn"]);
    for batch in builder.with_projection(mask).build().map_err(|error| error.to_string())? {
        read_txn_column(&batch.map_err(|error| error.to_string())?, txns);
    }
    Ok(())
}

fn read_txn_column(batch: &RecordBatch, txns: &mut BTreeMap<String, i64>) {
    let Some(column) = batch.column_by_name("txn").and_then(|column| column.as_struct_opt()) else { return };
    let (Some(apps), Some(versions)) = (column.column_by_name("appId"), column.column_by_name("version")) else {
        return;
    };
    for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
        let app = apps.as_string_opt::<i32>().map(|apps| apps.value(row));
        let version = versions.as_primitive_opt::<Int64Type>().map(|versions| versions.value(row));
        let version =
            version.or_else(|| versions.as_primitive_opt::<Int32Type>().map(|short| i64::from(short.value(row))));
        if let (Some(app), Some(version)) = (app, version) {
            txns.insert(app.to_owned(), version);
        }
    }
}
