//! Keeps the keyed table of a child: exactly the rows of each parent's newest version.
//!
//! A child row belongs to the parent row that was read with it, so its identity is the parent's: slice, window, generation and
//! place. What the parent's keyed table shows decides; what changed there since the last time is found by comparing its files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use headwater_contract::{ChildTable, Digest16, StreamContract};
use ulid::Ulid;

use super::CommitError;
use super::keyed::{Marks, begun, changed, dated, deleted, mark, touch_small, versions_folder};
use super::live::Compacted;
use super::log::{Change, DeltaLog, LiveFile, TableSnapshot};
use super::unchanged::{PASS_KEYS, integers, named};
use super::window_table::{TRIES_MAX, is_of_pass, new_file};
use crate::Lake;
use crate::attempt::{AttemptError, FileName, Target, TypedWriter, read_rows};
use crate::raw::TypedFile;
use crate::typing::{DELETED_AT, key_digests};
use crate::zones::layout::parse_typed_path;

/// What tells a parent row, and with it the child rows that were read in it.
const IDENTITY: [&str; 4] = ["_slice", "_window", "_generation", "_ordinal"];

/// A window's reading, as slice, window name and generation.
pub(super) type Reading = (String, String, i64);

/// The keyed table of a child, with its parent's.
pub(super) struct Children<'a> {
    pub(super) lake: &'a Lake,
    pub(super) parent: &'a Target,
    pub(super) target: &'a Target,
}

/// Brings the keyed table of `child` in line with its parent's. Returns the version that was written, if any.
pub(super) async fn refresh_children(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    child: &ChildTable,
    parent: &Target,
    target: &Target,
    anew: bool,
) -> Result<Option<i64>, CommitError> {
    let store = &target.store;
    let children = Children { lake, parent, target };
    let Some(versions) = DeltaLog::open(store, &versions_folder(contract, Some(child))).await? else { return Ok(None) };
    let Some(parents) = DeltaLog::open(store, &parent.folder).await? else { return Ok(None) };
    let log = begun(lake, contract, target, anew).await?;
    for _ in 0..TRIES_MAX {
        // The table itself first, so that whoever applies something newer in between makes the commit conflict.
        let snapshot = log.snapshot().await?;
        let (source, shown) = (versions.snapshot().await?, parents.snapshot().await?);
        let (of_source, of_parent) = (format!("current/{}", source.table_id), format!("parent/{}", shown.table_id));
        let applied = (snapshot.txn(&of_source), snapshot.txn(&of_parent));
        let is_done =
            applied.0.is_some_and(|at| at >= source.version) && applied.1.is_some_and(|at| at >= shown.version);
        if is_done && !anew {
            return Ok(None);
        }
        let since = if anew { (None, None) } else { applied };
        let mut change = children.change((&versions, &source, since.0), (&parents, &shown, since.1), &snapshot).await?;
        change.txns = vec![(of_source, source.version), (of_parent, shown.version)];
        lake.ledger.check_owner(&lake.zones.raw).await?;
        match log.log().commit(&snapshot, change, lake.clock.now()).await {
            Ok(version) => return Ok(Some(version)),
            Err(error) if error.asks_again() => tracing::info!(table = target.table, %error, "asking the table again"),
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Busy { table: target.folder.clone(), tries: TRIES_MAX })
}

/// Identities that are shown no more, and readings of which some are new.
type ParentDiff = (BTreeSet<Digest16>, BTreeSet<Reading>);

/// A table with its snapshot and the version of it that was applied last.
type Side<'a> = (&'a DeltaLog, &'a TableSnapshot, Option<i64>);

/// Files of a child's versions, and the readings in them that count; all where none are named.
struct Looked<'a> {
    folder: &'a str,
    files: &'a [LiveFile],
    readings: Option<&'a BTreeSet<Reading>>,
}

impl Looked<'_> {
    /// A reading that is not asked for may lie in other files as well, so it must not be judged by these.
    fn wants(&self, reading: &Reading) -> bool {
        self.readings.is_none_or(|readings| readings.contains(reading))
    }
}

impl Children<'_> {
    async fn change(
        &self,
        source: Side<'_>,
        parents: Side<'_>,
        snapshot: &TableSnapshot,
    ) -> Result<Change, CommitError> {
        let rows_of_versions = changed(source.0, source.1, source.2).await;
        let parent_diff = if rows_of_versions.is_whole { None } else { self.parent_diff(parents).await? };
        let (looked, gone, readings) = match parent_diff {
            None => (source.1.files.clone(), BTreeSet::new(), None),
            Some((gone, mut readings)) => {
                // A reading is looked at as a whole: its rows may lie in several files, and in files of several readings.
                readings.extend(rows_of_versions.added.iter().filter_map(|file| reading_of(&file.path)));
                (self.near(source.0.table(), &source.1.files, &readings).await?, gone, Some(readings))
            }
        };
        let is_whole = readings.is_none();
        let looked = Looked { folder: source.0.table(), files: &looked, readings: readings.as_ref() };
        let held: Vec<&LiveFile> = if is_whole { Vec::new() } else { snapshot.files.iter().collect() };
        let mut chosen = Chosen::default();
        let rows: u64 = looked.files.iter().map(|file| file.rows.unwrap_or(PASS_KEYS)).sum();
        let passes = rows.div_ceil(PASS_KEYS).max(1);
        for pass in 0..passes {
            self.choose(&looked, parents.1, &held, &gone, (pass, passes), &mut chosen).await?;
        }
        touch_small(&held, &mut chosen.dropped);
        let adds = self.write(&looked, &held, &chosen).await?;
        let is_removed = |file: &&LiveFile| is_whole || chosen.dropped.contains_key(&file.path);
        Ok(Change {
            adds: adds.iter().map(new_file).collect(),
            removes: snapshot.files.iter().filter(is_removed).cloned().collect(),
            schema: Some(Arc::clone(&self.target.schema)),
            replaces_schema: is_whole,
            ..Change::default()
        })
    }

    /// Identities that the parent's table shows no more or with another time of deletion, and the readings of those that are new.
    async fn parent_diff(&self, (log, now, shown): Side<'_>) -> Result<Option<ParentDiff>, CommitError> {
        let Some(shown) = shown else { return Ok(None) };
        let Ok(before) = log.snapshot_at(Some(shown)).await else { return Ok(None) };
        let is_in = |files: &[LiveFile], path: &str| files.iter().any(|file| file.path == path);
        let mut gone: BTreeMap<Digest16, Option<i64>> = BTreeMap::new();
        let mut new: BTreeMap<Digest16, Reading> = BTreeMap::new();
        for file in before.files.iter().filter(|file| !is_in(&now.files, &file.path)) {
            // A file of an old version may be cleaned up by now; then everything is looked at.
            let scanned = self.scan(&self.parent.folder, &file.path, |_, key, date, _| {
                gone.insert(key, date);
            });
            if scanned.await.is_err() {
                return Ok(None);
            }
        }
        for file in now.files.iter().filter(|file| !is_in(&before.files, &file.path)) {
            self.scan(&self.parent.folder, &file.path, |_, key, date, reading| {
                if gone.get(&key) == Some(&date) {
                    gone.remove(&key);
                } else {
                    new.insert(key, reading);
                }
            })
            .await?;
        }
        let readings = new.into_values().collect();
        Ok(Some((gone.into_keys().collect(), readings)))
    }

    /// The files that hold rows of `readings`.
    async fn near(
        &self,
        folder: &str,
        files: &[LiveFile],
        readings: &BTreeSet<Reading>,
    ) -> Result<Vec<LiveFile>, CommitError> {
        let mut near = Vec::new();
        let target = Target { folder: folder.to_owned(), ..self.target.clone() };
        for file in files {
            let is_near = match (reading_of(&file.path), Compacted::of(file)) {
                (Some(reading), _) => readings.contains(&reading),
                (None, Some(compacted)) if !readings.is_empty() => {
                    let looked = compacted.look(&target).await?;
                    looked.readings().any(|(window, held)| {
                        let generation = i64::try_from(held.generation).unwrap_or(i64::MAX);
                        readings.contains(&(window.slice.as_str().to_owned(), held.window.clone(), generation))
                    })
                }
                (None, Some(_)) => false,
                (None, None) => true,
            };
            if is_near {
                near.push(file.clone());
            }
        }
        Ok(near)
    }

    async fn choose(
        &self,
        looked: &Looked<'_>,
        parents: &TableSnapshot,
        held: &[&LiveFile],
        gone: &BTreeSet<Digest16>,
        (pass, passes): (u64, u64),
        chosen: &mut Chosen,
    ) -> Result<(), CommitError> {
        // Of each parent that these rows may belong to: whether it is shown, and when it was deleted.
        let mut shown: HashMap<Digest16, Option<Option<i64>>> = HashMap::new();
        for file in looked.files {
            self.scan(looked.folder, &file.path, |_, key, _, reading| {
                if is_of_pass(key, pass, passes) && looked.wants(&reading) {
                    shown.insert(key, None);
                }
            })
            .await?;
        }
        for file in &parents.files {
            self.scan(&self.parent.folder, &file.path, |_, key, date, _| {
                if let Some(found) = shown.get_mut(&key) {
                    *found = Some(date);
                }
            })
            .await?;
        }
        for file in held {
            let mut marks = Vec::new();
            self.scan(&self.target.folder, &file.path, |row, key, _, _| {
                if is_of_pass(key, pass, passes) && (shown.contains_key(&key) || gone.contains(&key)) {
                    marks.push(row);
                }
            })
            .await?;
            if !marks.is_empty() {
                let all = chosen.dropped.entry(file.path.clone()).or_default();
                for row in marks {
                    mark(all, row);
                }
            }
        }
        for file in looked.files {
            let (mut won, mut dates) = (Vec::new(), BTreeMap::new());
            self.scan(looked.folder, &file.path, |row, key, _, _| {
                if let Some(Some(date)) = shown.get(&key) {
                    won.push(row);
                    if let Some(date) = date {
                        dates.insert(row, *date);
                    }
                }
            })
            .await?;
            if !won.is_empty() {
                let (all, all_dates) = chosen.won.entry(file.path.clone()).or_default();
                for row in won {
                    mark(all, row);
                }
                all_dates.append(&mut dates);
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        looked: &Looked<'_>,
        held: &[&LiveFile],
        chosen: &Chosen,
    ) -> Result<Vec<TypedFile>, CommitError> {
        let attempt = Ulid::from_datetime(self.lake.clock.now().into());
        let mut writer = TypedWriter::new(self.target.clone(), FileName::Keyed(attempt, 0));
        for file in held {
            if let Some(dropped) = chosen.dropped.get(&file.path) {
                let path = format!("{}/{}", self.target.folder, file.path);
                self.copy(&path, |row| !dropped.get(row).copied().unwrap_or(false), None, &mut writer).await?;
            }
        }
        for file in looked.files {
            if let Some((won, dates)) = chosen.won.get(&file.path) {
                let path = format!("{}/{}", looked.folder, file.path);
                self.copy(&path, |row| won.get(row).copied().unwrap_or(false), Some(dates), &mut writer).await?;
            }
        }
        Ok(writer.finish().await?)
    }

    /// Copies some rows of a file; with `dates`, those say when each was deleted, else the file itself does.
    async fn copy(
        &self,
        path: &str,
        keep: impl Fn(usize) -> bool,
        dates: Option<&BTreeMap<usize, i64>>,
        writer: &mut TypedWriter,
    ) -> Result<(), CommitError> {
        let mut first = 0;
        for batch in read_rows(&self.target.store, path, None).await? {
            let failed =
                |error: arrow_schema::ArrowError| AttemptError::Parquet { path: path.to_owned(), source: error.into() };
            let batch = batch.map_err(failed)?;
            let rows = first..first + batch.num_rows();
            first = rows.end;
            let mask: BooleanArray = rows.clone().map(|row| Some(keep(row))).collect();
            let kept = filter_record_batch(&batch, &mask).map_err(failed)?;
            let said: Vec<Option<i64>> = match dates {
                Some(dates) => rows.filter(|row| keep(*row)).map(|row| dates.get(&row).copied()).collect(),
                None => deleted(&kept),
            };
            writer.encode(&dated(&kept, &said, self.target)?)?;
            writer.send().await?;
        }
        Ok(())
    }

    /// Shows each row of a file with the identity of its parent.
    pub(super) async fn scan(
        &self,
        folder: &str,
        path: &str,
        mut see: impl FnMut(usize, Digest16, Option<i64>, Reading),
    ) -> Result<(), CommitError> {
        let columns: Vec<&str> = IDENTITY.into_iter().chain([DELETED_AT]).collect();
        let path = format!("{folder}/{path}");
        let mut row = 0;
        for batch in read_rows(&self.target.store, &path, Some(&columns)).await? {
            let batch: RecordBatch =
                batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
            let keys = key_digests(&named(&batch, &IDENTITY), batch.num_rows());
            let (dates, generations) = (deleted(&batch), integers(&batch, "_generation"));
            let text =
                |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>().cloned());
            let (slices, windows) = (text("_slice"), text("_window"));
            for (at, key) in keys.into_iter().enumerate() {
                let Some(key) = key else { continue };
                let value = |column: &Option<arrow_array::StringArray>| {
                    column.as_ref().map_or("", |column| column.value(at)).to_owned()
                };
                let reading = (value(&slices), value(&windows), generations.get(at).copied().unwrap_or(0));
                see(row + at, key, dates.get(at).copied().flatten(), reading);
            }
            row += batch.num_rows();
        }
        Ok(())
    }
}

/// Rows of child files that are shown, with times of deletion, and rows of keyed files that are not any more.
#[derive(Debug, Default)]
struct Chosen {
    won: BTreeMap<String, (Marks, BTreeMap<usize, i64>)>,
    dropped: BTreeMap<String, Marks>,
}

fn reading_of(path: &str) -> Option<Reading> {
    let typed = parse_typed_path(path)?;
    let generation = i64::try_from(typed.generation).ok()?;
    Some((typed.window.slice.as_str().to_owned(), typed.window.name(), generation))
}
