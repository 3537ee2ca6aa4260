//! The live files of a table by the windows that have rows in them.
//!
//! Most files name their one window. What a compaction wrote holds rows of many and names only the first and the last, so whoever
//! must know looks into its footer: only for windows that may be in it, which a reading within the lookback never is.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch, StringArray};
use arrow_select::filter::filter_record_batch;
use futures::{StreamExt, TryStreamExt};
use headwater_contract::{Bounds, Slice, Window};

use super::CommitError;
use super::log::{LiveFile, TableSnapshot};
use crate::attempt::{AttemptError, ReadingRows, Target, read_readings, read_rows};
use crate::zones::layout::{CompactedPath, parse_compacted_path, parse_typed_path};

/// Footers that are read at once.
const GETS_AT_ONCE: usize = 16;

/// A file with rows of many windows.
#[derive(Clone, Debug)]
pub(crate) struct Compacted {
    pub(crate) file: LiveFile,
    pub(crate) path: CompactedPath,
    /// What is in it, once somebody has looked.
    readings: Option<Vec<(Window, ReadingRows)>>,
}

impl Compacted {
    /// The file, if a compaction wrote it.
    pub(crate) fn of(file: &LiveFile) -> Option<Self> {
        Some(Self { file: file.clone(), path: parse_compacted_path(&file.path)?, readings: None })
    }

    /// Whether rows of `window`, or of one that overlaps it, can be in it.
    fn may_concern(&self, window: &Window) -> bool {
        let (first, last) = (&self.path.first, &self.path.last);
        first.slice == window.slice
            && match (&first.bounds, &last.bounds, &window.bounds) {
                (Bounds::Range(first), Bounds::Range(last), Bounds::Range(range)) => {
                    first.from() < range.until() && range.from() < last.until()
                }
                (first, last, bounds) => first <= bounds && bounds <= last,
            }
    }

    /// Its readings; empty until they were looked up.
    pub(crate) fn readings(&self) -> impl Iterator<Item = &(Window, ReadingRows)> {
        self.readings.iter().flatten()
    }

    /// Looks up what is in it.
    pub(crate) async fn look(mut self, target: &Target) -> Result<Self, CommitError> {
        if self.readings.is_some() {
            return Ok(self);
        }
        let path = format!("{}/{}", target.folder, self.file.path);
        let slice = &self.path.first.slice;
        let named = |reading: ReadingRows| {
            let window = Window::parse(Slice::clone(slice), &reading.window);
            let foreign = |_| CommitError::ForeignFile { table: target.folder.clone(), path: self.file.path.clone() };
            Ok((window.map_err(foreign)?, reading))
        };
        let readings = read_readings(&target.store, &path, self.file.size).await?;
        let readings: Result<Vec<_>, CommitError> = readings.into_iter().map(named).collect();
        self.readings = Some(readings?);
        Ok(self)
    }
}

/// The live files of a table by the window that they belong to.
#[derive(Debug)]
pub(crate) struct Live {
    by_window: BTreeMap<Window, Vec<LiveFile>>,
    compacted: Vec<Compacted>,
}

impl Live {
    /// Sorts the files of a snapshot by their names.
    pub(crate) fn of(snapshot: &TableSnapshot, table: &str) -> Result<Self, CommitError> {
        let mut live = Self { by_window: BTreeMap::new(), compacted: Vec::new() };
        for file in &snapshot.files {
            let foreign = || CommitError::ForeignFile { table: table.to_owned(), path: file.path.clone() };
            if let Some(typed) = parse_typed_path(&file.path) {
                live.by_window.entry(typed.window).or_default().push(file.clone());
            } else {
                live.compacted.push(Compacted::of(file).ok_or_else(foreign)?);
            }
        }
        Ok(live)
    }

    /// Looks into every compacted file that may have rows of `windows`, or of others that overlap them.
    pub(crate) async fn look_for(self, target: &Target, windows: &[&Window]) -> Result<Self, CommitError> {
        self.look(target, |compacted| windows.iter().any(|window| compacted.may_concern(window))).await
    }

    /// Looks into every compacted file.
    pub(crate) async fn look_everywhere(self, target: &Target) -> Result<Self, CommitError> {
        self.look(target, |_| true).await
    }

    async fn look(self, target: &Target, wanted: impl Fn(&Compacted) -> bool) -> Result<Self, CommitError> {
        let Self { by_window, compacted } = self;
        let looks = compacted.into_iter().map(|compacted| {
            let is_wanted = wanted(&compacted);
            async move { if is_wanted { compacted.look(target).await } else { Ok(compacted) } }
        });
        let compacted = futures::stream::iter(looks).buffered(GETS_AT_ONCE).try_collect().await?;
        Ok(Self { by_window, compacted })
    }

    /// The windows of which rows were found: in files of their own, and in the compacted ones that were looked into.
    pub(crate) fn windows(&self) -> BTreeSet<&Window> {
        let within = self.compacted.iter().flat_map(Compacted::readings).map(|(window, _)| window);
        self.by_window.keys().chain(within).collect()
    }

    /// The files of a window alone.
    pub(crate) fn of_window(&self, window: &Window) -> impl Iterator<Item = &LiveFile> {
        self.by_window.get(window).into_iter().flatten()
    }

    /// The files of a slice's windows.
    pub(crate) fn of_slice<'a>(&'a self, slice: &'a Slice) -> impl Iterator<Item = &'a LiveFile> {
        let own = self.by_window.iter().filter(move |(window, _)| window.slice == *slice).flat_map(|(_, files)| files);
        let within = self.compacted.iter().filter(move |compacted| compacted.path.first.slice == *slice);
        own.chain(within.map(|compacted| &compacted.file))
    }

    /// The compacted files that hold rows of a window, of those that were looked into.
    pub(crate) fn compacted_of<'a>(&'a self, window: &'a Window) -> impl Iterator<Item = &'a Compacted> {
        self.compacted.iter().filter(move |compacted| compacted.readings().any(|(held, _)| held == window))
    }

    /// Every compacted file.
    pub(crate) fn compacted(&self) -> &[Compacted] {
        &self.compacted
    }

    /// The generations of which a window shows rows, in its own files and in those that were looked into.
    pub(crate) fn generations_of<'a>(&'a self, window: &'a Window) -> impl Iterator<Item = u64> {
        let own = self.of_window(window).filter_map(|file| parse_typed_path(&file.path)).map(|typed| typed.generation);
        let within = self.compacted.iter().flat_map(Compacted::readings).filter(move |(held, _)| held == window);
        own.chain(within.map(|(_, reading)| reading.generation))
    }

    /// Whether the file at `path` has rows of a window, as far as compacted ones were looked into.
    pub(crate) fn holds_rows_of(&self, window: &Window, path: &str) -> bool {
        self.of_window(window).any(|file| file.path == path)
            || self.compacted_of(window).any(|compacted| compacted.file.path == path)
    }

    /// Rows that a window shows, by the statistics of its own files and the footers of those that were looked into.
    pub(crate) fn rows_of(&self, window: &Window) -> u64 {
        let own: u64 = self.of_window(window).map(|file| file.rows.unwrap_or(0)).sum();
        let within = self.compacted.iter().flat_map(Compacted::readings).filter(|(held, _)| held == window);
        own + within.map(|(_, reading)| reading.rows).sum::<u64>()
    }

    /// Reads columns of a window's rows, from its own files and out of the compacted ones that were looked into.
    pub(crate) async fn scan_window(
        &self,
        target: &Target,
        window: &Window,
        columns: &[&str],
        mut see: impl FnMut(&RecordBatch),
    ) -> Result<(), CommitError> {
        for file in self.of_window(window) {
            let path = format!("{}/{}", target.folder, file.path);
            for batch in read_rows(&target.store, &path, Some(columns)).await? {
                see(&batch.map_err(|error| parquet(&path, error))?);
            }
        }
        let (name, mut wanted) = (window.name(), columns.to_vec());
        wanted.push("_window");
        for compacted in self.compacted_of(window) {
            let path = format!("{}/{}", target.folder, compacted.file.path);
            for batch in read_rows(&target.store, &path, Some(&wanted)).await? {
                let batch = batch.map_err(|error| parquet(&path, error))?;
                let mask = of_windows(&batch, |held| held == name);
                see(&filter_record_batch(&batch, &mask).map_err(|error| parquet(&path, error))?);
            }
        }
        Ok(())
    }
}

fn parquet(path: &str, error: arrow_schema::ArrowError) -> AttemptError {
    AttemptError::Parquet { path: path.to_owned(), source: error.into() }
}

/// Marks the rows whose window is wanted.
pub(crate) fn of_windows(batch: &RecordBatch, wanted: impl Fn(&str) -> bool) -> BooleanArray {
    let windows: Option<&StringArray> = batch.column_by_name("_window").and_then(|column| column.as_string_opt());
    match windows {
        Some(windows) => windows.iter().map(|window| Some(wanted(window.unwrap_or_default()))).collect(),
        None => (0..batch.num_rows()).map(|_| Some(false)).collect(),
    }
}
