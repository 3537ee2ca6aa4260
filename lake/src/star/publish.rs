//! Commits the tables of a star: each once, with what it was made from, and nothing when nothing changed.
//!
//! Every commit records, as transactions of its log, the model's digest, the versions of its inputs and of the states behind it.
//! Equal records mean that there is nothing to do; that is all a build needs to know to continue where a killed one stopped. A
//! commit that loses is never sent again: the whole build asks its snapshots anew.

use std::collections::BTreeMap;
use std::path::PathBuf;

use headwater_contract::Digest16;
use serde_json::{Value, json};
use ulid::Ulid;

use crate::Lake;
use crate::commit::{Change, DeltaLog, TableSnapshot};
use crate::star::describe::{ColumnDescription, TableDescription};
use crate::star::error::StarError;
use crate::star::files::{Prepared, changes, upload};
use crate::star::types::arrow_schema;
use crate::store::Store;
use crate::zones::layout;

/// The app id under which a commit records the model.
pub(crate) const MODEL: &str = "model";

/// What the name of a state's transaction begins with.
pub(crate) const STATE_TXN: &str = "state/";

/// The app id under which a table records that it shows a state.
pub(crate) fn state_txn(table_id: &str) -> String {
    format!("{STATE_TXN}{table_id}")
}

/// The model's digest as a transaction's version.
pub(crate) fn model_version(digest: Digest16) -> i64 {
    let (low, _) = digest.0.split_at(8);
    let number = low.iter().fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    number & i64::MAX
}

/// Whether everything in `wanted` is recorded as it is.
pub(crate) fn is_recorded(recorded: &BTreeMap<String, i64>, wanted: &[(String, i64)]) -> bool {
    wanted.iter().all(|(app, version)| recorded.get(app) == Some(version))
}

/// A table that a build commits to.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// Its name for messages.
    pub(crate) table: &'a str,
    pub(crate) store: &'a Store,
    pub(crate) folder: &'a str,
    pub(crate) columns: &'a [ColumnDescription],
    pub(crate) log: DeltaLog,
    pub(crate) snapshot: TableSnapshot,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) version: i64,
    pub(crate) added: usize,
    pub(crate) removed: usize,
}

/// One build of a star: its id, and what of the lake it needs.
#[derive(Clone, Debug)]
pub(crate) struct Build<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) star: &'a str,
    pub(crate) id: Ulid,
    /// Tables of curated are written again even where nothing changed.
    pub(crate) is_rebuild: bool,
}

impl Build<'_> {
    /// Where the build's files wait for their upload.
    pub(crate) fn scratch(&self) -> PathBuf {
        scratch_of(self.lake, self.star)
    }

    /// Facts for the log's reader.
    fn info(&self) -> BTreeMap<String, Value> {
        BTreeMap::from([
            ("headwater.star".to_owned(), json!(self.star)),
            ("headwater.build".to_owned(), json!(self.id.to_string())),
        ])
    }

    /// Opens the log of a curated table; one that is not there is started.
    pub(crate) async fn open(&self, description: &TableDescription) -> Result<(DeltaLog, TableSnapshot), StarError> {
        let table = description.name.to_string();
        let partitions: Vec<String> = description.partition.iter().cloned().collect();
        let schema = arrow_schema(&description.columns);
        let folder = layout::table_path(&description.name);
        let (store, now) = (&self.lake.zones.curated, self.lake.clock.now());
        let log = DeltaLog::open_or_create(store, &folder, &schema, &partitions, now).await;
        let log = log.map_err(StarError::lake(&table))?;
        let snapshot = log.snapshot().await.map_err(StarError::lake(&table))?;
        if snapshot.partition_columns != partitions {
            return Err(StarError::PartitionChanged { table, held: snapshot.partition_columns.join(", ") });
        }
        Ok((log, snapshot))
    }

    /// Replaces what a table shows by `prepared`, leaving files as they are whose bytes are the same; without `prepared` its
    /// files stay and only `txns` are recorded.
    ///
    /// # Errors
    ///
    /// [`StarError::Contended`] when another build committed first: nothing of this one is shown then.
    pub(crate) async fn publish(
        &self,
        target: Target<'_>,
        prepared: Option<Vec<Prepared>>,
        txns: Vec<(String, i64)>,
    ) -> Result<Published, StarError> {
        let Target { table, store, folder, columns, log, snapshot } = target;
        let (uploads, removes) = match prepared {
            None => (Vec::new(), Vec::new()),
            Some(prepared) if self.is_rebuild => (prepared, snapshot.files.clone()),
            Some(prepared) => changes(prepared, &snapshot.files),
        };
        let adds = upload(table, store, folder, self.id, uploads).await?;
        let paths: Vec<String> = adds.iter().map(|file| file.path.clone()).collect();
        let (files_added, files_removed) = (adds.len(), removes.len());
        let change = Change {
            adds,
            removes,
            txns: txns.clone(),
            schema: Some(arrow_schema(columns)),
            // Files stay only where their bytes are what this build computed, so they have these columns too.
            replaces_schema: true,
            info: self.info(),
        };
        self.lake.ledger.check_owner(&self.lake.zones.raw).await.map_err(StarError::lake(table))?;
        match log.commit(&snapshot, change, self.lake.clock.now()).await {
            Ok(version) => Ok(Published { version, added: files_added, removed: files_removed }),
            Err(error) if error.asks_again() => {
                // A commit can land and be reported as an error: the table says.
                let newest = log.snapshot().await.map_err(StarError::lake(table))?;
                let is_shown = paths.iter().all(|path| newest.files.iter().any(|file| file.path == *path));
                if newest.version > snapshot.version
                    && is_shown
                    && !paths.is_empty()
                    && is_recorded(&newest.txns, &txns)
                {
                    return Ok(Published { version: newest.version, added: files_added, removed: files_removed });
                }
                Err(StarError::Contended { table: table.to_owned() })
            }
            Err(error) => Err(StarError::lake(table)(error)),
        }
    }
}

/// The scratch folder of a star's builds, which belongs to whoever holds the star's lease.
pub(crate) fn scratch_of(lake: &Lake, star: &str) -> PathBuf {
    lake.scratch.join("stars").join(star)
}

/// Runs what computes for long on a thread that may block.
pub(crate) async fn computing<T: Send + 'static>(
    table: &str,
    work: impl FnOnce() -> Result<T, StarError> + Send + 'static,
) -> Result<T, StarError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => {
            Err(StarError::Internal { table: table.to_owned(), what: format!("the computation stopped: {error}") })
        }
    }
}
