//! Reads and commits one Delta table's log, and nothing of its data.
//!
//! deltalake-core does the log; we write the Parquet and name it in `add` actions. Every commit is sent once, with no retry inside
//! the library: a rebased commit of stale removals doubles rows (deltalake-core 1.1.3 lets two compactions, or a compaction and
//! an overwrite, both commit), and a landed commit can be reported as an error. Who calls loads a new snapshot and asks again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use chrono::{DateTime, Utc};
use deltalake_core::checkpoints::{cleanup_expired_logs_for, create_checkpoint};
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, Metadata, Protocol, Remove, Transaction};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::state::DeltaTableState;
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::ObjectStore;
use object_store::prefix::PrefixStore;
use serde_json::{Value, json};
use url::Url;

use crate::commit::columns::{delta_schema, merge, same_columns};
use crate::commit::error::LogError;
use crate::commit::txns::read_txns;
use crate::store::Store;
use crate::zones::layout::parse_writer;

/// A checkpoint is written at every so many versions, so that opening a table reads few objects.
const CHECKPOINT_INTERVAL: u32 = 20;

/// The app id under which a vacuum says up to which writer it deletes, in milliseconds of ULID time.
pub(crate) const VACUUM: &str = "vacuum";

/// A data file that a snapshot of a table shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveFile {
    /// Its path within the table's folder.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its rows, where its statistics say so.
    pub rows: Option<u64>,
    /// Delta statistics as JSON text.
    pub stats: Option<String>,
    /// Partition columns and their values.
    pub partition: BTreeMap<String, Option<String>>,
}

/// A data file to be shown from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFile {
    /// Its path within the table's folder.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Delta statistics; `numRecords` must be among them.
    pub stats: Value,
    /// Partition columns and their values.
    pub partition: BTreeMap<String, Option<String>>,
}

/// What one commit changes.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Files to show.
    pub adds: Vec<NewFile>,
    /// Files of the snapshot to hide.
    pub removes: Vec<LiveFile>,
    /// Application transactions: what the table holds from now on.
    pub txns: Vec<(String, i64)>,
    /// Columns of the added files. Those that the table lacks are added to it, all nullable.
    pub schema: Option<SchemaRef>,
    /// Take `schema` as it stands, instead of adding to the table's: only right when every file is replaced.
    pub replaces_schema: bool,
    /// Facts for the log's reader, e.g. the run id.
    pub info: BTreeMap<String, Value>,
}

/// A table as one version shows it.
#[derive(Clone)]
pub struct TableSnapshot {
    /// The version.
    pub version: i64,
    /// The table's id, which a log that starts again does not keep.
    pub table_id: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its partition columns.
    pub partition_columns: Vec<String>,
    /// Its data files, by path.
    pub files: Vec<LiveFile>,
    /// Every application transaction, read in one pass over the log.
    pub txns: BTreeMap<String, i64>,
    state: DeltaTableState,
}

impl std::fmt::Debug for TableSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, files, txns) = (&self.table_id, self.files.len(), self.txns.len());
        write!(f, "TableSnapshot {{ version: {}, table_id: {id}, files: {files}, txns: {txns} }}", self.version)
    }
}

impl TableSnapshot {
    /// What the table holds of an application, if anything.
    pub fn txn(&self, app: &str) -> Option<i64> {
        self.txns.get(app).copied()
    }

    /// Up to which writer a vacuum may delete, in milliseconds of ULID time: nothing that old may be shown anew.
    pub fn horizon(&self) -> Option<u64> {
        self.txn(VACUUM).and_then(|horizon| u64::try_from(horizon).ok())
    }

    /// Rows of all files, where all of them say so.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// The log of one table.
#[derive(Clone, Debug)]
pub struct DeltaLog {
    table: String,
    location: Url,
    objects: Arc<dyn ObjectStore>,
    log_store: LogStoreRef,
}

impl DeltaLog {
    /// Names the log of the table at `table`, a path within the zone; nothing is read.
    ///
    /// # Errors
    ///
    /// [`LogError::Unreadable`] when the path is no place for a table.
    pub fn at(store: &Store, table: &str) -> Result<Self, LogError> {
        let root = store.object_store();
        let objects: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(Arc::clone(&root), table));
        // The library sees every zone as a tree below `/`: our store is rooted there already. The scheme is ours, because for
        // `file` it asks the disk for the folder; the host has the mark of an S3 directory bucket, because then it sorts
        // listings, which a local disk does not do by itself and the others do not mind.
        let inner = Url::parse(&format!("headwater://lake--x-s3/{table}/"));
        let inner = inner.map_err(|error| unreadable(table, DeltaTableError::Generic(error.to_string())))?;
        let log_store = default_logstore(Arc::clone(&objects), root, &inner, &StorageConfig::default());
        let base = store.url().as_str().trim_end_matches('/');
        let location = Url::parse(&format!("{base}/{table}/")).unwrap_or(inner);
        Ok(Self { table: table.to_owned(), location, objects, log_store })
    }

    /// Opens the table's log, or starts one with `schema` at version 0. Reader version 1, writer version 2: what everybody reads.
    ///
    /// # Errors
    ///
    /// [`LogError`] when the store fails or `schema` has a type that Delta cannot hold. Two that create at once both succeed.
    pub async fn open_or_create(
        store: &Store,
        table: &str,
        schema: &SchemaRef,
        partition_columns: &[String],
        now: DateTime<Utc>,
    ) -> Result<Self, LogError> {
        let log = Self::at(store, table)?;
        if !log.exists().await? {
            log.create(schema, partition_columns, now).await?;
        }
        Ok(log)
    }

    /// Opens the table's log; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`LogError`] when the store fails.
    pub async fn open(store: &Store, table: &str) -> Result<Option<Self>, LogError> {
        let log = Self::at(store, table)?;
        Ok(if log.exists().await? { Some(log) } else { None })
    }

    /// The table's path within its zone.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The table's absolute address, for people and readers.
    pub fn location(&self) -> &Url {
        &self.location
    }

    /// The objects of the table's folder.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Whether the log has a version.
    ///
    /// # Errors
    ///
    /// [`LogError::Unreadable`] when the store fails.
    pub async fn exists(&self) -> Result<bool, LogError> {
        self.log_store.is_delta_table_location().await.map_err(|error| unreadable(&self.table, error))
    }

    async fn create(&self, schema: &Schema, partition_columns: &[String], now: DateTime<Utc>) -> Result<(), LogError> {
        let metadata = self.metadata(&uuid::Uuid::new_v4().to_string(), schema, partition_columns, now)?;
        let protocol: Protocol = self.action(json!({ "minReaderVersion": 1, "minWriterVersion": 2 }))?;
        let operation = DeltaOperation::Create {
            mode: SaveMode::ErrorIfExists,
            location: self.location.clone(),
            protocol: protocol.clone(),
            metadata: metadata.clone(),
        };
        let properties = CommitProperties::default().with_max_retries(0);
        let outcome = CommitBuilder::from(properties)
            .with_actions(vec![Action::Protocol(protocol), Action::Metadata(metadata)])
            .build(None, Arc::clone(&self.log_store), operation)
            .await;
        match outcome {
            Ok(_) => Ok(()),
            // Another writer may have created it, or our own creation landed with its answer lost: the log decides.
            Err(error) if self.exists().await? => {
                tracing::debug!(table = self.table, %error, "the table was there already");
                Ok(())
            }
            Err(error) => Err(self.outcome(error)),
        }
    }

    /// Takes a snapshot of the newest version.
    ///
    /// # Errors
    ///
    /// [`LogError`] when the log cannot be read.
    pub async fn snapshot(&self) -> Result<TableSnapshot, LogError> {
        self.snapshot_at(None).await
    }

    /// Takes a snapshot of `version`, or of the newest one. An old version is readable as long as its log is kept.
    ///
    /// # Errors
    ///
    /// [`LogError`] when the log cannot be read.
    pub async fn snapshot_at(&self, version: Option<i64>) -> Result<TableSnapshot, LogError> {
        let wanted = version.map(|version| u64::try_from(version).unwrap_or(0));
        let loaded = DeltaTableState::try_new(self.log_store.as_ref(), wanted).await;
        let state = loaded.map_err(|error| unreadable(&self.table, error))?;
        let version = i64::try_from(state.version()).unwrap_or(i64::MAX);
        let txns = read_txns(self.objects.as_ref(), &self.table, state.version()).await?;
        let mut files: Vec<LiveFile> = state
            .log_data()
            .iter()
            .map(|file| {
                let said = file.stats();
                let partition = file.partition_values_map().into_iter().collect();
                let size = u64::try_from(file.size()).unwrap_or(0);
                LiveFile {
                    path: file.path().into_owned(),
                    size,
                    rows: rows_of(said.as_deref()),
                    stats: said,
                    partition,
                }
            })
            .collect();
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let metadata = state.metadata();
        let (table_id, partition_columns) = (metadata.id().to_owned(), metadata.partition_columns().to_vec());
        let schema = state.snapshot().arrow_schema();
        Ok(TableSnapshot { version, table_id, schema, partition_columns, files, txns, state })
    }

    /// Commits `change` on top of `snapshot`, once. Returns the new version.
    ///
    /// # Errors
    ///
    /// [`LogError::Conflict`] when another version exists by now, or when a vacuum may delete one of the added files;
    /// [`LogError::Unknown`] when nobody can say. After either, take a new snapshot and compute every action anew.
    pub async fn commit(&self, snapshot: &TableSnapshot, change: Change, now: DateTime<Utc>) -> Result<i64, LogError> {
        let mut actions = Vec::with_capacity(change.adds.len() + change.removes.len() + 1);
        if let Some(schema) = &change.schema {
            let merged =
                if change.replaces_schema { Arc::clone(schema) } else { merge(&self.table, &snapshot.schema, schema)? };
            if !same_columns(&merged, &snapshot.schema) {
                let metadata = self.metadata(&snapshot.table_id, &merged, &snapshot.partition_columns, now)?;
                actions.push(Action::Metadata(metadata));
            }
        }
        self.refuse_doomed(snapshot, &change.adds)?;
        let overwrites = !change.removes.is_empty();
        actions.extend(change.removes.iter().map(|file| Action::Remove(removed(file, now, true))));
        actions.extend(change.adds.iter().map(|file| Action::Add(added(file, now, true))));
        let stamp = now.timestamp_millis();
        let txns =
            change.txns.into_iter().map(|(app_id, version)| Transaction { app_id, version, last_updated: Some(stamp) });
        let mode = if overwrites { SaveMode::Overwrite } else { SaveMode::Append };
        let partition_by = Some(snapshot.partition_columns.clone()).filter(|columns| !columns.is_empty());
        let operation = DeltaOperation::Write { mode, partition_by, predicate: None };
        self.send(snapshot, actions, txns.collect(), change.info, operation).await
    }

    /// Shows the same rows in other files: commits on top of `snapshot`, once, and says that no row changed. Returns the version.
    ///
    /// # Errors
    ///
    /// As [`DeltaLog::commit`].
    pub async fn rearrange(
        &self,
        snapshot: &TableSnapshot,
        adds: &[NewFile],
        removes: &[LiveFile],
        now: DateTime<Utc>,
    ) -> Result<i64, LogError> {
        self.refuse_doomed(snapshot, adds)?;
        let hides = removes.iter().map(|file| Action::Remove(removed(file, now, false)));
        let shows = adds.iter().map(|file| Action::Add(added(file, now, false)));
        let target_size = adds.iter().map(|file| file.size).max().and_then(|size| i64::try_from(size).ok());
        let operation = DeltaOperation::Optimize { predicate: None, target_size: target_size.unwrap_or_default() };
        self.send(snapshot, hides.chain(shows).collect(), Vec::new(), BTreeMap::new(), operation).await
    }

    /// Sends a commit once. What is answered may be wrong, see [`LogError::asks_again`].
    async fn send(
        &self,
        snapshot: &TableSnapshot,
        actions: Vec<Action>,
        txns: Vec<Transaction>,
        info: BTreeMap<String, Value>,
        operation: DeltaOperation,
    ) -> Result<i64, LogError> {
        let properties =
            CommitProperties::default().with_max_retries(0).with_application_transactions(txns).with_metadata(info);
        // From `CommitProperties`, because only then are checkpoints written.
        let outcome = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(&snapshot.state), Arc::clone(&self.log_store), operation)
            .await;
        outcome.map(|done| i64::try_from(done.version()).unwrap_or(i64::MAX)).map_err(|error| self.outcome(error))
    }

    /// A file that a vacuum has decided to delete must not be shown: its writer has to write it again under a newer id.
    fn refuse_doomed(&self, snapshot: &TableSnapshot, adds: &[NewFile]) -> Result<(), LogError> {
        let Some(horizon) = snapshot.horizon() else { return Ok(()) };
        let is_doomed =
            |file: &NewFile| parse_writer(&file.path).is_some_and(|writer| writer.timestamp_ms() <= horizon);
        if adds.iter().any(is_doomed) { Err(LogError::Conflict { table: self.table.clone() }) } else { Ok(()) }
    }

    /// Writes a checkpoint of `snapshot`, so that opening the table reads one object for all commits up to it.
    ///
    /// # Errors
    ///
    /// [`LogError::Unreadable`] when the store or the log refuses.
    pub async fn write_checkpoint(&self, snapshot: &TableSnapshot) -> Result<(), LogError> {
        let mut table = DeltaTable::new(Arc::clone(&self.log_store));
        table.state = Some(snapshot.state.clone());
        create_checkpoint(&table, None).await.map_err(|error| unreadable(&self.table, error))
    }

    /// Deletes what the log needs no more: objects of versions before the newest checkpoint that is older than `before`.
    /// Returns how many. Every version since `before` stays readable.
    ///
    /// # Errors
    ///
    /// [`LogError::Unreadable`] when the store refuses.
    pub async fn forget_versions(&self, snapshot: &TableSnapshot, before: DateTime<Utc>) -> Result<usize, LogError> {
        let version = u64::try_from(snapshot.version).unwrap_or(0);
        let forgotten =
            cleanup_expired_logs_for(version, self.log_store.as_ref(), before.timestamp_millis(), None).await;
        forgotten.map_err(|error| unreadable(&self.table, error))
    }

    fn outcome(&self, error: DeltaTableError) -> LogError {
        let lost = matches!(
            &error,
            DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_) | TransactionError::CommitConflict(_)
            } | DeltaTableError::VersionAlreadyExists(_)
        );
        if lost {
            LogError::Conflict { table: self.table.clone() }
        } else {
            LogError::Unknown { table: self.table.clone(), source: Box::new(error) }
        }
    }

    fn metadata(
        &self,
        id: &str,
        schema: &Schema,
        partition_columns: &[String],
        now: DateTime<Utc>,
    ) -> Result<Metadata, LogError> {
        let schema = delta_schema(&self.table, schema)?.to_string();
        self.action(json!({
            "id": id,
            "format": { "provider": "parquet", "options": {} },
            "schemaString": schema,
            "partitionColumns": partition_columns,
            "configuration": { "delta.checkpointInterval": CHECKPOINT_INTERVAL.to_string() },
            "createdTime": now.timestamp_millis(),
        }))
    }

    /// The library's action types have no public constructors but their JSON form, which the protocol fixes.
    fn action<T: serde::de::DeserializeOwned>(&self, value: Value) -> Result<T, LogError> {
        serde_json::from_value(value).map_err(|error| LogError::Damaged {
            table: self.table.clone(),
            object: "_delta_log".to_owned(),
            reason: error.to_string(),
        })
    }
}

fn unreadable(table: &str, source: DeltaTableError) -> LogError {
    LogError::Unreadable { table: table.to_owned(), source: Box::new(source) }
}

fn rows_of(stats: Option<&str>) -> Option<u64> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Rows {
        num_records: u64,
    }
    serde_json::from_str::<Rows>(stats?).ok().map(|stats| stats.num_records)
}

fn added(file: &NewFile, now: DateTime<Utc>, data_change: bool) -> Add {
    Add {
        path: file.path.clone(),
        partition_values: file.partition.clone().into_iter().collect(),
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        modification_time: now.timestamp_millis(),
        data_change,
        stats: Some(file.stats.to_string()),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

fn removed(file: &LiveFile, now: DateTime<Utc>, data_change: bool) -> Remove {
    let partition_values: HashMap<_, _> = file.partition.clone().into_iter().collect();
    Remove {
        path: file.path.clone(),
        data_change,
        deletion_timestamp: Some(now.timestamp_millis()),
        extended_file_metadata: Some(true),
        partition_values: Some(partition_values),
        size: i64::try_from(file.size).ok(),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
    }
}

#[cfg(test)]
mod tests;
