//! Writes small files of cleansed tables again as large ones, with the same rows.
//!
//! A typed file holds one window, so an hourly stream has thousands a year. Only windows past their lookback are touched; one that
//! is read again all the same takes its rows out of the compacted file by (`_slice`, `_window`). The commit says that no row
//! changed and carries no transaction: what the table holds of a window is what it held.
//!
//! Curated tables need none of this: a star writes each partition whole, in files of the size that readers like.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Bounds, StreamContract, StreamKind, Window};
use serde::Serialize;
use ulid::Ulid;

use crate::Lake;
use crate::attempt::{AttemptError, Decoders, FileName, Target, TypedWriter, read_rows, targets, with_schema};
use crate::commit::{
    DeltaLog, LiveFile, NewFile, TableSnapshot, commit_windows_with, follow_rearranged, keyed_targets, new_file,
    refresh_keyed,
};
use crate::maintenance::MaintenanceError;
use crate::steps::Step;
use crate::zones::layout::{CompactedPath, parse_compacted_path, parse_typed_path, parse_writer};

/// A file of at least this size is left as it is.
const SMALL_BYTES: u64 = 64 << 20;
/// Small files are put together up to about this size.
const TARGET_BYTES: u64 = 128 << 20;
/// Fewer small files than this are left: each is written again only a few times in its life.
const FILES_MIN: usize = 4;
/// Commits of one table in one maintenance at most; the next one goes on.
const COMMITS_MAX: usize = 64;
/// Beyond the lookback, so that the last reading of a window has come before.
const MARGIN: TimeDelta = TimeDelta::days(1);
/// Links have no lookback; one this old is committed in every table.
const LINK_AGE: TimeDelta = TimeDelta::days(1);
/// A compaction that loses to other writers is tried so often; they have better reasons to write.
const TRIES_MAX: u32 = 3;

/// What a compaction did with one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compaction {
    /// The table's path in cleansed.
    pub table: String,
    /// Small files that were put together, or would be.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that hold their rows now; 0 in a dry run.
    pub into_files: u64,
    /// Their bytes.
    pub into_bytes: u64,
    /// The last version that was committed.
    pub version: Option<i64>,
}

/// Files of one slice that are put together, in the order of their windows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    /// The first and last window; `None` in a keyed table, whose files have none.
    windows: Option<(Window, Window)>,
    files: Vec<LiveFile>,
}

/// Puts small files of a stream's tables together: of windows past their lookback, and of keyed tables.
///
/// # Errors
///
/// [`MaintenanceError`]; the tables show the same rows before, after and in between. Running again is safe.
pub async fn compact(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    decoders: &dyn Decoders,
    is_dry: bool,
) -> Result<Vec<Compaction>, MaintenanceError> {
    let mut done = Vec::new();
    // A list is replaced as a whole by the next one.
    if contract.kind == StreamKind::Snapshot {
        return Ok(done);
    }
    if !is_dry {
        // Children and keyed tables in line first, so that afterwards they need only be told that no row changed.
        commit_windows_with(lake, contract, Some(decoders), &[]).await?;
    }
    let now = lake.clock.now();
    for (place, target) in targets(lake, contract).iter().enumerate() {
        let Some(log) = DeltaLog::open(&target.store, &target.folder).await? else { continue };
        let compacting = Compacting { lake, log: &log, target, is_keyed: false };
        let is_settled = |window: &Window, wrote: Ulid| is_settled(contract, window, wrote, now);
        let child = place.checked_sub(1).and_then(|child| contract.children.get(child));
        let mut compaction = Compaction { table: target.folder.clone(), ..Compaction::default() };
        for _ in 0..COMMITS_MAX {
            let once = compacting.once(&is_settled, is_dry, &mut compaction).await?;
            let Some((from, until)) = once else { break };
            lake.steps.reached(Step::Compacted).await;
            follow_rearranged(lake, contract, child, from, until).await?;
        }
        done.push(compaction);
    }
    for target in keyed_targets(lake, contract) {
        let Some(log) = DeltaLog::open(&target.store, &target.folder).await? else { continue };
        let compacting = Compacting { lake, log: &log, target: &target, is_keyed: true };
        let mut compaction = Compaction { table: target.folder.clone(), ..Compaction::default() };
        for _ in 0..COMMITS_MAX {
            if compacting.once(&|_, _| true, is_dry, &mut compaction).await?.is_none() {
                break;
            }
        }
        done.push(compaction);
    }
    if done.iter().any(|compaction| compaction.version.is_some()) {
        refresh_keyed(lake, contract).await?;
    }
    done.retain(|compaction| compaction.files > 0);
    Ok(done)
}

/// Whether no reading of a window is due any more, but by a person's wish.
fn is_settled(contract: &StreamContract, window: &Window, wrote: Ulid, now: DateTime<Utc>) -> bool {
    match (&window.bounds, &contract.window) {
        (Bounds::Range(range), Some(policy)) => {
            range.until() + policy.settle.delta() + policy.lookback.delta() + MARGIN <= now
        }
        (Bounds::Link { .. }, _) => {
            let wrote = i64::try_from(wrote.timestamp_ms()).unwrap_or(i64::MAX);
            wrote <= (now - LINK_AGE).timestamp_millis()
        }
        _ => false,
    }
}

/// The next files to put together: of one slice, in the order of their windows, up to the size that is aimed at.
fn next_group(files: &[LiveFile], is_keyed: bool, is_settled: &dyn Fn(&Window, Ulid) -> bool) -> Option<Group> {
    let mut small: Vec<(Option<(Window, Window)>, &LiveFile)> = Vec::new();
    for file in files.iter().filter(|file| file.size < SMALL_BYTES && file.rows.is_some()) {
        let Some(wrote) = parse_writer(&file.path) else { continue };
        let windows = parse_typed_path(&file.path).map(|typed| (typed.window.clone(), typed.window));
        let windows = windows.or_else(|| parse_compacted_path(&file.path).map(|path| (path.first, path.last)));
        match windows {
            None if is_keyed => small.push((None, file)),
            Some((first, last)) if !is_keyed && is_settled(&first, wrote) && is_settled(&last, wrote) => {
                small.push((Some((first, last)), file));
            }
            _ => {}
        }
    }
    small.sort_by(|(a, one), (b, other)| (a, &one.path).cmp(&(b, &other.path)));
    let mut group: Option<Group> = None;
    let mut size = 0;
    let is_enough =
        |group: &Group, size: u64| group.files.len() >= FILES_MIN || (group.files.len() > 1 && size >= SMALL_BYTES);
    for (windows, file) in small {
        let slice = |windows: &Option<(Window, Window)>| windows.as_ref().map(|(first, _)| first.slice.clone());
        let fits = group
            .as_ref()
            .is_some_and(|group: &Group| slice(&group.windows) == slice(&windows) && size + file.size <= TARGET_BYTES);
        if let Some(whole) = group.take_if(|_| !fits)
            && is_enough(&whole, size)
        {
            return Some(whole);
        }
        if let Some(group) = &mut group {
            if let (Some((_, last)), Some((_, next))) = (&mut group.windows, windows) {
                *last = next.max(last.clone());
            }
            group.files.push(file.clone());
            size += file.size;
        } else {
            size = file.size;
            group = Some(Group { windows, files: vec![file.clone()] });
        }
    }
    group.filter(|group| is_enough(group, size))
}

struct Compacting<'a> {
    lake: &'a Lake,
    log: &'a DeltaLog,
    target: &'a Target,
    is_keyed: bool,
}

impl Compacting<'_> {
    /// Puts the next group together. Returns the version that it was computed from and the one that it made; `None` when there is
    /// nothing to do, or others are always first.
    async fn once(
        &self,
        is_settled: &dyn Fn(&Window, Ulid) -> bool,
        is_dry: bool,
        done: &mut Compaction,
    ) -> Result<Option<(i64, i64)>, MaintenanceError> {
        for _ in 0..TRIES_MAX {
            let mut snapshot = self.log.snapshot().await?;
            if is_dry {
                while let Some(group) = next_group(&snapshot.files, self.is_keyed, is_settled) {
                    done.count(&group);
                    snapshot.files.retain(|file| !group.files.contains(file));
                }
                return Ok(None);
            }
            let Some(group) = next_group(&snapshot.files, self.is_keyed, is_settled) else { return Ok(None) };
            let adds = self.write(&snapshot, &group).await?;
            self.lake.steps.reached(Step::BeforeCompaction).await;
            self.lake.ledger.check_owner(&self.lake.zones.raw).await?;
            match self.log.rearrange(&snapshot, &adds, &group.files, self.lake.clock.now()).await {
                Ok(version) => {
                    done.count(&group);
                    done.into_files += adds.len() as u64;
                    done.into_bytes += adds.iter().map(|file| file.size).sum::<u64>();
                    done.version = Some(version);
                    return Ok(Some((snapshot.version, version)));
                }
                // What was written is named by nobody, and a vacuum takes it.
                Err(error) if error.asks_again() => {
                    tracing::info!(table = self.log.table(), %error, "asking the table again");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Writes the rows of a group, under the columns that the table has: the contract may have dropped some since.
    async fn write(&self, snapshot: &TableSnapshot, group: &Group) -> Result<Vec<NewFile>, MaintenanceError> {
        let target = Target { schema: Arc::clone(&snapshot.schema), ..self.target.clone() };
        let attempt = Ulid::from_datetime(self.lake.clock.now().into());
        let name = match &group.windows {
            Some((first, last)) => {
                FileName::Compacted(CompactedPath { first: first.clone(), last: last.clone(), attempt, number: 0 })
            }
            None => FileName::Keyed(attempt, 0),
        };
        let mut writer = TypedWriter::new(target.clone(), name);
        for file in &group.files {
            let path = format!("{}/{}", target.folder, file.path);
            for batch in read_rows(&target.store, &path, None).await? {
                let batch =
                    batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
                writer.encode(&with_schema(&batch, &target)?)?;
                writer.send().await?;
            }
        }
        let written = writer.finish().await?;
        let (read, said): (u64, Option<u64>) =
            (written.iter().map(|file| file.rows).sum(), group.files.iter().map(|file| file.rows).sum());
        if said != Some(read) {
            return Err(MaintenanceError::Unequal { table: target.folder, read, said: said.unwrap_or_default() });
        }
        Ok(written.iter().map(new_file).collect())
    }
}

impl Compaction {
    fn count(&mut self, group: &Group) {
        self.files += group.files.len() as u64;
        self.bytes += group.files.iter().map(|file| file.size).sum::<u64>();
    }
}
