//! Compares what a table shows with what the receipts say, window by window: rows, not only transactions.
//!
//! A Delta RESTORE takes rows back and leaves transactions as they are, and a person may delete files: then counts or digests
//! differ, and a rebuild mends it.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use headwater_contract::{Bounds, Digest16, DigestSum, StreamContract, StreamKind, Window};

use crate::Lake;
use crate::attempt::{AttemptError, Target, read_rows, targets};
use crate::commit::{CommitError, DeltaLog, Live, TableSnapshot, generation_id};
use crate::raw::{Receipt, Receipts, data_generation};
use crate::typing::key_digests;

/// How a window's rows in the table compare with its receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// The table shows exactly the rows of the latest reading that passed.
    Agrees {
        /// The rows.
        rows: u64,
    },
    /// Its latest reading is not shown yet.
    Behind {
        /// The generation that should be shown.
        generation: u64,
    },
    /// No reading has passed, another window beat it, or a newer snapshot is shown.
    NotShown,
    /// The table says that it shows the reading, and its rows are others.
    Differs {
        /// Rows that the receipt says.
        receipt: u64,
        /// Rows that the table shows.
        table: u64,
    },
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// By window that has receipts.
    pub windows: BTreeMap<Window, Agreement>,
}

impl ReconcileReport {
    /// The windows whose rows are not those of their receipt.
    pub fn differing(&self) -> impl Iterator<Item = &Window> {
        self.windows
            .iter()
            .filter(|(_, agreement)| matches!(agreement, Agreement::Differs { .. }))
            .map(|(window, _)| window)
    }
}

/// Compares the window table of a stream with its receipts. With `reads_rows` keys and hashes are read and compared too, which
/// reads the whole table; without, counts are compared.
///
/// # Errors
///
/// [`CommitError`] when receipts or the table cannot be read.
pub async fn reconcile(
    lake: &Lake,
    contract: &StreamContract,
    reads_rows: bool,
) -> Result<ReconcileReport, CommitError> {
    let mut report = ReconcileReport::default();
    let targets = targets(lake, contract);
    let Some(target) = targets.first() else { return Ok(report) };
    let snapshot = match DeltaLog::open(&target.store, &target.folder).await? {
        Some(log) => Some(log.snapshot().await?),
        None => None,
    };
    let live = snapshot.as_ref().map(|snapshot| Live::of(snapshot, &target.folder)).transpose()?;
    for (window, receipts) in Receipts::new(&lake.zones.raw).of_stream(&contract.name).await? {
        let agreement = match (data_generation(&receipts), &snapshot, &live) {
            (Some(data), Some(snapshot), Some(live)) => {
                let compared = Compared { contract, target, snapshot, live };
                compared.window(&window, data, reads_rows).await?
            }
            (Some(data), ..) => Agreement::Behind { generation: data.generation },
            (None, ..) => Agreement::NotShown,
        };
        report.windows.insert(window, agreement);
    }
    Ok(report)
}

struct Compared<'a> {
    contract: &'a StreamContract,
    target: &'a Target,
    snapshot: &'a TableSnapshot,
    live: &'a Live,
}

impl Compared<'_> {
    async fn window(&self, window: &Window, data: &Receipt, reads_rows: bool) -> Result<Agreement, CommitError> {
        let behind = Agreement::Behind { generation: data.generation };
        let shown = self.snapshot.txn(&window.txn_id());
        let generation = match &window.bounds {
            Bounds::Snapshot { read_at } => match shown {
                Some(shown) if shown > read_at.timestamp_millis() => return Ok(Agreement::NotShown),
                Some(shown) if shown == read_at.timestamp_millis() => self.snapshot.txn(&generation_id(window)),
                _ => None,
            },
            _ => shown,
        };
        let Some(generation) = generation.and_then(|generation| u64::try_from(generation).ok()) else {
            return Ok(if self.is_beaten(window) { Agreement::NotShown } else { behind });
        };
        if generation < data.generation {
            return Ok(behind);
        }
        let table: u64 = self.live.of_window(window).map(|file| file.rows.unwrap_or(0)).sum();
        // Of a mutable stream the table leaves out rows that say nothing new, so it may show fewer.
        if self.contract.kind == StreamKind::Mutable {
            return Ok(Agreement::Agrees { rows: table });
        }
        let is_equal = table == data.counts.loaded && (!reads_rows || self.digest(window).await? == data.digest);
        Ok(if is_equal {
            Agreement::Agrees { rows: table }
        } else {
            Agreement::Differs { receipt: data.counts.loaded, table }
        })
    }

    fn is_beaten(&self, window: &Window) -> bool {
        let Some(range) = window.time_range() else { return false };
        let overlaps = |other: &Window| {
            other.slice == window.slice
                && other != window
                && other.time_range().is_some_and(|theirs| theirs.overlaps(&range))
        };
        crate::commit::windows_of(self.snapshot).iter().chain(self.live.windows()).any(overlaps)
    }

    async fn digest(&self, window: &Window) -> Result<DigestSum, CommitError> {
        let names: Vec<&str> = self.contract.key.iter().map(String::as_str).collect();
        let columns: Vec<&str> = names.iter().copied().chain(["_row_hash"]).collect();
        let mut sum = DigestSum::default();
        for file in self.live.of_window(window) {
            let path = format!("{}/{}", self.target.folder, file.path);
            for batch in read_rows(&self.target.store, &path, Some(&columns)).await? {
                let batch =
                    batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
                let keys: Vec<_> = names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
                let keys =
                    if keys.is_empty() { vec![None; batch.num_rows()] } else { key_digests(&keys, batch.num_rows()) };
                let Some(hashes) = batch.column_by_name("_row_hash").and_then(|column| column.as_string_opt::<i32>())
                else {
                    continue;
                };
                for (row, key) in keys.into_iter().enumerate() {
                    let hash: Digest16 = serde_json::from_value(hashes.value(row).into()).unwrap_or_default();
                    sum.add(key.unwrap_or_default(), hash);
                }
            }
        }
        Ok(sum)
    }
}
