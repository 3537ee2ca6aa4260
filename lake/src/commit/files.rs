//! The typed files that a commit names: those of the receipt, or the same rows in new files.
//!
//! A file is typed again from raw when it is gone, or when a vacuum may already have decided to delete it; it is written again
//! when the table must not show some of its rows.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use headwater_contract::{StreamContract, Window};
use ulid::Ulid;

use super::CommitError;
use super::live::{Compacted, Live, of_windows};
use super::log::TableSnapshot;
use super::unchanged::integers;
use crate::Lake;
use crate::attempt::{AttemptError, Decoders, FileName, Target, TypedWriter, ordinals, read_rows, retype, with_schema};
use crate::raw::{Receipt, TypedFile};
use crate::zones::layout::{CompactedPath, TypedPath, parse_typed_path};

/// Finds or makes typed files. Files that were made are kept for the child tables of the same generation.
pub(crate) struct Files<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) contract: &'a Arc<StreamContract>,
    pub(crate) decoders: Option<&'a dyn Decoders>,
    pub(crate) made: BTreeMap<(Window, u64), Vec<TypedFile>>,
}

impl Files<'_> {
    /// The files of `receipt` for one table.
    pub(crate) async fn of(
        &mut self,
        window: &Window,
        receipt: &Receipt,
        target: &Target,
        snapshot: &TableSnapshot,
    ) -> Result<Vec<TypedFile>, CommitError> {
        let horizon = snapshot.horizon();
        let key = (window.clone(), receipt.generation);
        let mut files = of_table(self.made.get(&key).unwrap_or(&receipt.typed), target);
        // A child table that the contract gained after the reading has no files yet, and that it has no rows nobody can say.
        let is_own = target.table == self.contract.window_table();
        let is_untyped = !is_own && files.is_empty() && receipt.contract != self.contract.digest();
        let is_untyped = is_untyped && !self.made.contains_key(&key) && !receipt.parts.is_empty();
        let lost = if is_untyped { Some(window.name()) } else { self.first_lost(&files, target, horizon).await? };
        if let Some(lost) = lost {
            let Some(decoders) = self.decoders else {
                return Err(CommitError::FileGone { table: target.folder.clone(), path: lost });
            };
            let made = retype(self.lake, self.contract, window, receipt, rows_generation(receipt), decoders).await?;
            files = of_table(&made, target);
            self.made.insert(key, made);
        }
        Ok(files)
    }

    /// Whether the files of `receipt` were typed again, perhaps by another contract than its own.
    pub(crate) fn are_made(&self, window: &Window, receipt: &Receipt) -> bool {
        self.made.contains_key(&(window.clone(), receipt.generation))
    }

    /// Types the parts of `receipt` again, whatever its files are: they were typed by another contract.
    pub(crate) async fn make(&mut self, window: &Window, receipt: &Receipt) -> Result<(), CommitError> {
        let key = (window.clone(), receipt.generation);
        if let (Some(decoders), false) = (self.decoders, self.made.contains_key(&key)) {
            let made = retype(self.lake, self.contract, window, receipt, rows_generation(receipt), decoders).await?;
            self.made.insert(key, made);
        }
        Ok(())
    }

    /// The first file that must not be named.
    async fn first_lost(
        &self,
        files: &[TypedFile],
        target: &Target,
        horizon: Option<u64>,
    ) -> Result<Option<String>, CommitError> {
        for file in files {
            let attempt = parse_typed_path(&file.path).map(|typed| typed.attempt.timestamp_ms());
            let is_doomed = horizon.zip(attempt).is_some_and(|(horizon, attempt)| attempt <= horizon);
            if is_doomed {
                return Ok(Some(file.path.clone()));
            }
            match target.store.size(&format!("{}/{}", target.folder, file.path)).await {
                Ok(size) if size == file.size => {}
                Ok(_) => return Ok(Some(file.path.clone())),
                Err(error) if error.is_not_found() => return Ok(Some(file.path.clone())),
                Err(source) => return Err(AttemptError::Store { window: file.path.clone(), source }.into()),
            }
        }
        Ok(None)
    }

    /// The same rows but those at the `dropped` positions.
    pub(crate) async fn without(
        &self,
        window: &Window,
        receipt: &Receipt,
        files: Vec<TypedFile>,
        target: &Target,
        dropped: &HashSet<u64>,
    ) -> Result<Vec<TypedFile>, CommitError> {
        if dropped.is_empty() {
            return Ok(files);
        }
        self.sift(window, receipt, files, target, |position| !dropped.contains(&position)).await
    }

    /// The rows of a child whose parents the parent's table shows.
    pub(crate) async fn of_shown_parents(
        &self,
        window: &Window,
        receipt: &Receipt,
        files: Vec<TypedFile>,
        target: &Target,
        parent: &TableSnapshot,
        parent_target: Option<&Target>,
    ) -> Result<Vec<TypedFile>, CommitError> {
        let Some(parent_target) = parent_target else { return Ok(files) };
        let live = Live::of(parent, &parent_target.folder)?.look_for(parent_target, &[window]).await?;
        let wanted = i64::try_from(rows_generation(receipt)).unwrap_or(i64::MAX);
        let mut shown = HashSet::new();
        live.scan_window(parent_target, window, &["_ordinal", "_generation"], |batch| {
            let of_generation = ordinals(batch).into_iter().zip(integers(batch, "_generation"));
            shown.extend(of_generation.filter(|(_, read_as)| *read_as == wanted).map(|(position, _)| position));
        })
        .await?;
        if shown.len() as u64 == receipt.counts.loaded && !self.are_made(window, receipt) {
            return Ok(files);
        }
        self.sift(window, receipt, files, target, |position| shown.contains(&position)).await
    }

    /// The rows of a compacted file but those of `windows`, under the columns that the table has.
    pub(crate) async fn without_windows(
        &self,
        compacted: &Compacted,
        windows: &BTreeSet<String>,
        target: &Target,
        snapshot: &TableSnapshot,
    ) -> Result<Vec<TypedFile>, CommitError> {
        let left = compacted.readings().map(|(window, _)| window).filter(|window| !windows.contains(&window.name()));
        let left: BTreeSet<&Window> = left.collect();
        let (Some(first), Some(last)) = (left.first(), left.last()) else { return Ok(Vec::new()) };
        let attempt = Ulid::from_datetime(self.lake.clock.now().into());
        let name = CompactedPath { first: (*first).clone(), last: (*last).clone(), attempt, number: 0 };
        let target = Target { schema: Arc::clone(&snapshot.schema), ..target.clone() };
        let path = format!("{}/{}", target.folder, compacted.file.path);
        let mut writer = TypedWriter::new(target.clone(), FileName::Compacted(name));
        for batch in read_rows(&target.store, &path, None).await? {
            let failed =
                |error: arrow_schema::ArrowError| AttemptError::Parquet { path: path.clone(), source: error.into() };
            let batch = batch.map_err(failed)?;
            let stays = of_windows(&batch, |window| !windows.contains(window));
            let kept = filter_record_batch(&batch, &stays).map_err(failed)?;
            writer.encode(&with_schema(&kept, &target)?)?;
            writer.send().await?;
        }
        Ok(writer.finish().await?)
    }

    async fn sift(
        &self,
        window: &Window,
        receipt: &Receipt,
        files: Vec<TypedFile>,
        target: &Target,
        keep: impl Fn(u64) -> bool,
    ) -> Result<Vec<TypedFile>, CommitError> {
        let attempt = Ulid::from_datetime(self.lake.clock.now().into());
        let generation = rows_generation(receipt);
        let first = TypedPath { window: window.clone(), generation, attempt, number: 0 };
        let mut writer = TypedWriter::new(target.clone(), FileName::Typed(first));
        for file in &files {
            let path = format!("{}/{}", target.folder, file.path);
            for batch in read_rows(&target.store, &path, None).await? {
                let failed = |error: arrow_schema::ArrowError| AttemptError::Parquet {
                    path: path.clone(),
                    source: error.into(),
                };
                let batch: RecordBatch = batch.map_err(failed)?;
                let mask: BooleanArray = ordinals(&batch).into_iter().map(|position| Some(keep(position))).collect();
                let kept = filter_record_batch(&batch, &mask).map_err(failed)?;
                writer.encode(&with_schema(&kept, target)?)?;
                writer.send().await?;
            }
        }
        Ok(writer.finish().await?)
    }
}

/// The generation that the rows of a receipt were read as: an accepted reading keeps the held one's rows.
pub(crate) fn rows_generation(receipt: &Receipt) -> u64 {
    let named = receipt.typed.iter().find_map(|file| parse_typed_path(&file.path));
    named.map_or(receipt.generation, |typed| typed.generation)
}

fn of_table(files: &[TypedFile], target: &Target) -> Vec<TypedFile> {
    files.iter().filter(|file| file.table == target.table).cloned().collect()
}
