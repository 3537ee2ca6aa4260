//! Keeps a keyed table: the newest version of each key, beside the table of all versions.
//!
//! One commit applies everything that the table of versions holds up to its version V, never only a runner's own rows, and says
//! so in `current/<id of that table>`. Newest is by version, then by when the reading began, then by the place in it; the
//! generation decides only between the same row typed twice. Only files that hold a changed key are written again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_schema::DataType;
use arrow_select::filter::filter_record_batch;
use headwater_contract::{Bounds, ChildTable, Digest16, StreamContract, StreamKind, Window};
use ulid::Ulid;

use super::CommitError;
use super::deletes::{Asked, DeleteRule};
use super::keyed_children::refresh_children;
use super::log::{Change, DeltaLog, LiveFile, TableSnapshot};
use super::marks::{self, KnownLog};
use super::unchanged::{PASS_KEYS, at, integers, named, times};
use super::window_table::{TRIES_MAX, is_of_pass, key_columns, new_file};
use crate::Lake;
use crate::attempt::{
    AttemptError, FileName, Target, TypedWriter, child_table, ordinals, read_rows, table_folder, with_schema,
};
use crate::raw::TypedFile;
use crate::steps::Step;
use crate::typing::{DELETED_AT, child_schema, key_digests, keyed_schema, stream_schema};

/// Untouched files below this size are merged when there are several: each hour adds one.
const SMALL_BYTES: u64 = 8 << 20;
/// So many small files may lie about.
const SMALL_FILES_MAX: usize = 8;

/// Newest by version (or link), when the reading began, place in the reading; last the generation.
pub(super) type Order = (i64, i64, i64, i64);

/// Deleted keys, and when each was deleted.
type Deleted = HashMap<Digest16, i64>;

/// Rows of a file, one mark each.
pub(super) type Marks = Vec<bool>;

/// Brings the keyed table of a versioned stream, and those of its children, up to date. Returns the versions that were written.
///
/// # Errors
///
/// [`CommitError`]; running again is safe.
pub async fn refresh_keyed(lake: &Lake, contract: &Arc<StreamContract>) -> Result<BTreeMap<String, i64>, CommitError> {
    refresh(lake, contract, false).await
}

/// Makes the keyed tables of a versioned stream anew from its tables of versions, in one commit each.
///
/// # Errors
///
/// [`CommitError`]; running again is safe.
pub async fn rebuild_keyed(lake: &Lake, contract: &Arc<StreamContract>) -> Result<BTreeMap<String, i64>, CommitError> {
    refresh(lake, contract, true).await
}

/// Tells the keyed table that version `until` of its table of versions shows the rows of version `from` in other files, if it has
/// applied that one. Where this is missing the next refresh looks at every row, which is slower and as right.
pub(crate) async fn follow_rearranged(
    lake: &Lake,
    contract: &StreamContract,
    child: Option<&ChildTable>,
    from: i64,
    until: i64,
) -> Result<(), CommitError> {
    if !contract.kind.is_versioned() || contract.key.is_empty() {
        return Ok(());
    }
    let target = keyed_target(lake, contract, child);
    let Some(versions) = DeltaLog::open(&target.store, &versions_folder(contract, child)).await? else { return Ok(()) };
    let Some(log) = DeltaLog::open(&target.store, &target.folder).await? else { return Ok(()) };
    let app = format!("current/{}", versions.snapshot().await?.table_id);
    for _ in 0..TRIES_MAX {
        let snapshot = log.snapshot().await?;
        if snapshot.txn(&app) != Some(from) {
            return Ok(());
        }
        lake.ledger.check_owner(&lake.zones.raw).await?;
        let change = Change { txns: vec![(app.clone(), until)], ..Change::default() };
        match log.commit(&snapshot, change, lake.clock.now()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.asks_again() => tracing::info!(table = target.table, %error, "asking the table again"),
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Busy { table: target.folder, tries: TRIES_MAX })
}

async fn refresh(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    anew: bool,
) -> Result<BTreeMap<String, i64>, CommitError> {
    let mut written = BTreeMap::new();
    if !contract.kind.is_versioned() || contract.key.is_empty() {
        return Ok(written);
    }
    let keyed = keyed_target(lake, contract, None);
    let of_stream = Keyed { lake, contract, target: &keyed };
    if let Some(version) = of_stream.refresh(anew).await? {
        written.insert(keyed.table.clone(), version);
    }
    for child in &contract.children {
        let target = keyed_target(lake, contract, Some(child));
        if let Some(version) = refresh_children(lake, contract, child, &keyed, &target, anew).await? {
            written.insert(target.table, version);
        }
    }
    lake.steps.reached(Step::KeyedCommitted).await;
    Ok(written)
}

/// The log of a keyed table; a table that is made anew may begin another.
pub(super) async fn begun(
    lake: &Lake,
    contract: &StreamContract,
    target: &Target,
    anew: bool,
) -> Result<KnownLog, CommitError> {
    if anew { marks::reopen(lake, contract, target).await } else { marks::open(lake, contract, target).await }
}

/// The keyed tables of a stream: its own, then its children's. None unless it is versioned and has a key.
pub(crate) fn keyed_targets(lake: &Lake, contract: &StreamContract) -> Vec<Target> {
    if !contract.kind.is_versioned() || contract.key.is_empty() {
        return Vec::new();
    }
    let children = contract.children.iter().map(|child| keyed_target(lake, contract, Some(child)));
    std::iter::once(keyed_target(lake, contract, None)).chain(children).collect()
}

/// The keyed table of the stream, or of one of its children.
fn keyed_target(lake: &Lake, contract: &StreamContract, child: Option<&ChildTable>) -> Target {
    let (table, schema) = match child {
        Some(child) => (child.name.clone(), child_schema(contract, child)),
        None => (contract.name.stream().to_owned(), stream_schema(contract)),
    };
    Target {
        store: lake.zones.cleansed.clone(),
        folder: table_folder(contract, &table),
        table,
        schema: keyed_schema(&schema),
        row_group_bytes: lake.limits.row_group_bytes,
    }
}

/// The folder of a child's table of versions.
pub(super) fn versions_folder(contract: &StreamContract, child: Option<&ChildTable>) -> String {
    table_folder(contract, &child.map_or_else(|| contract.window_table(), |child| child_table(contract, &child.name)))
}

/// The keyed table of a stream.
pub(super) struct Keyed<'a> {
    pub(super) lake: &'a Lake,
    pub(super) contract: &'a StreamContract,
    pub(super) target: &'a Target,
}

/// What of two tables a refresh looks at.
pub(super) struct Input {
    /// Files of versions whose rows must be looked at.
    pub(super) added: Vec<LiveFile>,
    /// The keyed table is made anew.
    pub(super) is_whole: bool,
}

/// What changed of a table since `shown`, its version that was applied last. Where that is unknown, everything did.
pub(super) async fn changed(log: &DeltaLog, snapshot: &TableSnapshot, shown: Option<i64>) -> Input {
    let whole = || Input { added: snapshot.files.clone(), is_whole: true };
    let Some(shown) = shown else { return whole() };
    // An old version can be gone from the log; then everything is looked at, which is slower and as right.
    let Ok(before) = log.snapshot_at(Some(shown)).await else { return whole() };
    let held: BTreeSet<&str> = before.files.iter().map(|file| file.path.as_str()).collect();
    let holds: BTreeSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
    // Rows that went can only be those of a rebuild or an erasure: what they hid may be the newest again.
    if held.iter().any(|path| !holds.contains(path)) {
        return whole();
    }
    let added = snapshot.files.iter().filter(|file| !held.contains(file.path.as_str())).cloned().collect();
    Input { added, is_whole: false }
}

impl Keyed<'_> {
    async fn refresh(&self, anew: bool) -> Result<Option<i64>, CommitError> {
        let store = &self.target.store;
        let Some(versions) = DeltaLog::open(store, &versions_folder(self.contract, None)).await? else {
            return Ok(None);
        };
        let log = begun(self.lake, self.contract, self.target, anew).await?;
        for _ in 0..TRIES_MAX {
            // What is committed to is looked at before what is applied: whoever applies something newer in between makes the commit
            // conflict, so older versions and older lists never follow newer ones.
            let snapshot = log.snapshot().await?;
            let source = versions.snapshot().await?;
            let rule = DeleteRule::load(self.lake, self.contract).await?;
            let app = format!("current/{}", source.table_id);
            let shown = snapshot.txn(&app);
            let is_listed = rule.txns.iter().all(|(app, at)| snapshot.txn(app).is_some_and(|shown| shown >= *at));
            if !anew && is_listed && shown.is_some_and(|shown| shown >= source.version) {
                return Ok(None);
            }
            let input = if anew {
                Input { added: source.files.clone(), is_whole: true }
            } else {
                changed(&versions, &source, shown).await
            };
            // Rows that went, in an erasure say, take nothing from the others: each keeps the time at which it was deleted.
            let before = if input.is_whole && !anew { self.deleted_before(&snapshot).await? } else { Deleted::new() };
            let mut change = self.change(&versions, &input, &snapshot, (&rule, !is_listed, &before)).await?;
            change.txns.push((app, source.version));
            change.txns.extend(rule.txns.iter().cloned());
            self.lake.ledger.check_owner(&self.lake.zones.raw).await?;
            self.lake.steps.reached(Step::BeforeKeyed).await;
            match log.log().commit(&snapshot, change, self.lake.clock.now()).await {
                Ok(version) => return Ok(Some(version)),
                Err(error) if error.asks_again() => {
                    tracing::info!(table = self.target.table, %error, "asking the table again");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommitError::Busy { table: self.target.folder.clone(), tries: TRIES_MAX })
    }

    async fn change(
        &self,
        versions: &DeltaLog,
        input: &Input,
        snapshot: &TableSnapshot,
        (rule, lists_changed, before): (&DeleteRule, bool, &Deleted),
    ) -> Result<Change, CommitError> {
        let held: Vec<&LiveFile> = if input.is_whole { Vec::new() } else { snapshot.files.iter().collect() };
        let (winners, mut dropped) = self.choose(versions.table(), &input.added, &held).await?;
        if lists_changed {
            for file in &held {
                if self.flags_change(file, rule).await? {
                    dropped.entry(file.path.clone()).or_default();
                }
            }
        }
        touch_small(&held, &mut dropped);
        let attempt = Ulid::from_datetime(self.lake.clock.now().into());
        let mut writer = TypedWriter::new(self.target.clone(), FileName::Keyed(attempt, 0));
        for file in &held {
            if let Some(dropped) = dropped.get(&file.path) {
                let path = format!("{}/{}", self.target.folder, file.path);
                let kept = |row: usize| !dropped.get(row).copied().unwrap_or(false);
                self.copy(&path, kept, (rule, before), &mut writer).await?;
            }
        }
        for file in &input.added {
            if let Some(won) = winners.get(&file.path) {
                let path = format!("{}/{}", versions.table(), file.path);
                self.copy(&path, |row| won.get(row).copied().unwrap_or(false), (rule, before), &mut writer).await?;
            }
        }
        let adds: Vec<TypedFile> = writer.finish().await?;
        let is_removed = |file: &&LiveFile| input.is_whole || dropped.contains_key(&file.path);
        Ok(Change {
            adds: adds.iter().map(new_file).collect(),
            removes: snapshot.files.iter().filter(is_removed).cloned().collect(),
            schema: Some(Arc::clone(&self.target.schema)),
            replaces_schema: input.is_whole,
            ..Change::default()
        })
    }

    /// The rows of `added` that become the newest of their key, and the rows of `held` that they take the place of.
    async fn choose(
        &self,
        folder: &str,
        added: &[LiveFile],
        held: &[&LiveFile],
    ) -> Result<(BTreeMap<String, Marks>, BTreeMap<String, Marks>), CommitError> {
        let (mut winners, mut dropped): (BTreeMap<String, Marks>, BTreeMap<String, Marks>) = Default::default();
        let rows: u64 = added.iter().map(|file| file.rows.unwrap_or(PASS_KEYS)).sum();
        let passes = rows.div_ceil(PASS_KEYS).max(1);
        for pass in 0..passes {
            let mut best: HashMap<Digest16, (Order, usize, usize)> = HashMap::new();
            for (place, file) in added.iter().enumerate() {
                self.scan(&format!("{folder}/{}", file.path), |row, key, order| {
                    if is_of_pass(key, pass, passes) && best.get(&key).is_none_or(|(known, ..)| *known < order) {
                        best.insert(key, (order, place, row));
                    }
                })
                .await?;
            }
            for file in held {
                let mut marks = Vec::new();
                self.scan(&format!("{}/{}", self.target.folder, file.path), |row, key, order| match best.get(&key) {
                    Some((newest, ..)) if *newest > order => marks.push(row),
                    Some(_) => {
                        best.remove(&key);
                    }
                    None => {}
                })
                .await?;
                if !marks.is_empty() {
                    let all = dropped.entry(file.path.clone()).or_default();
                    for row in marks {
                        mark(all, row);
                    }
                }
            }
            let mut chosen: Vec<(usize, usize)> = best.into_values().map(|(_, place, row)| (place, row)).collect();
            chosen.sort_unstable();
            for (place, row) in chosen {
                if let Some(file) = added.get(place) {
                    mark(winners.entry(file.path.clone()).or_default(), row);
                }
            }
        }
        Ok((winners, dropped))
    }

    /// Shows each row of a file of versions, or of the keyed table, with its key and what orders it.
    pub(super) async fn scan(
        &self,
        path: &str,
        mut see: impl FnMut(usize, Digest16, Order),
    ) -> Result<(), CommitError> {
        let keys = key_columns(self.contract);
        let version = self.version_column();
        let mut columns = keys.clone();
        columns.extend(["_slice", "_window", "_read_at", "_ordinal", "_generation"]);
        columns.extend(version);
        let mut row = 0;
        for batch in read_rows(&self.target.store, path, Some(&columns)).await? {
            let batch = batch.map_err(|error| AttemptError::Parquet { path: path.to_owned(), source: error.into() })?;
            let digests = key_digests(&named(&batch, &keys), batch.num_rows());
            let versions = self.orders(&batch, version);
            let (read_at, generation) = (times(&batch, "_read_at"), integers(&batch, "_generation"));
            let places = ordinals(&batch);
            for (at_row, key) in digests.into_iter().enumerate() {
                let place = places.get(at_row).and_then(|place| i64::try_from(*place).ok()).unwrap_or(0);
                let order = (at(&versions, at_row), at(&read_at, at_row), place, at(&generation, at_row));
                if let Some(key) = key {
                    see(row + at_row, key, order);
                }
            }
            row += batch.num_rows();
        }
        Ok(())
    }

    /// The keys that the table says are deleted, with when.
    async fn deleted_before(&self, snapshot: &TableSnapshot) -> Result<Deleted, CommitError> {
        let keys = key_columns(self.contract);
        let columns: Vec<&str> = keys.iter().copied().chain([DELETED_AT]).collect();
        let mut before = Deleted::new();
        for file in &snapshot.files {
            let path = format!("{}/{}", self.target.folder, file.path);
            let is_there = self.target.store.exists(&path).await;
            // Where somebody deleted a file, the newest list dates what it held.
            if !is_there.map_err(|source| AttemptError::Store { window: path.clone(), source })? {
                continue;
            }
            for batch in read_rows(&self.target.store, &path, Some(&columns)).await? {
                let batch =
                    batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
                let digests = key_digests(&named(&batch, &keys), batch.num_rows());
                let dated = digests.into_iter().zip(deleted(&batch));
                before.extend(dated.filter_map(|(key, date)| Some((key?, date?))));
            }
        }
        Ok(before)
    }

    fn version_column(&self) -> Option<&str> {
        let field = self.contract.window.as_ref().map(|policy| policy.field.as_str());
        self.contract.version_field.as_deref().or(field).filter(|_| self.contract.kind == StreamKind::Mutable)
    }

    /// What orders a batch's rows first: the version of a mutable stream, the link's number of a chain.
    fn orders(&self, batch: &RecordBatch, version: Option<&str>) -> Vec<i64> {
        if self.contract.kind == StreamKind::Chain {
            return links(batch);
        }
        version.and_then(|version| batch.column_by_name(version)).map(ordered).unwrap_or_default()
    }

    /// Whether a list of keys changes what a file says of any row.
    async fn flags_change(&self, file: &LiveFile, rule: &DeleteRule) -> Result<bool, CommitError> {
        let path = format!("{}/{}", self.target.folder, file.path);
        for batch in read_rows(&self.target.store, &path, None).await? {
            let batch = batch.map_err(|error| AttemptError::Parquet { path: path.clone(), source: error.into() })?;
            let held = deleted(&batch);
            if self.dates(&batch, rule, &Deleted::new())? != held {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn dates(&self, batch: &RecordBatch, rule: &DeleteRule, before: &Deleted) -> Result<Vec<Option<i64>>, CommitError> {
        let keys = key_digests(&named(batch, &key_columns(self.contract)), batch.num_rows());
        let flags = rule.flags(batch)?;
        let slices = batch.column_by_name("_slice").and_then(|column| column.as_string_opt::<i32>().cloned());
        let version = self
            .version_column()
            .and_then(|name| batch.column_by_name(name))
            .filter(|column| matches!(column.data_type(), DataType::Timestamp(..)));
        let (read_at, held) = (times(batch, "_read_at"), deleted(batch));
        let date = |row: usize| {
            let key = keys.get(row).copied().flatten().unwrap_or_default();
            let asked = Asked {
                slice: slices.as_ref().map_or("", |slices| slices.value(row)),
                key,
                version: version
                    .filter(|column| column.is_valid(row))
                    .map(|column| at(&ordered(&column.slice(row, 1)), 0)),
                read_at: at(&read_at, row),
                deleted_at: held.get(row).copied().flatten().or_else(|| before.get(&key).copied()),
            };
            rule.deleted_at(asked, flags.as_ref().is_some_and(|flags| flags.value(row)))
        };
        Ok((0..batch.num_rows()).map(date).collect())
    }

    async fn copy(
        &self,
        path: &str,
        keep: impl Fn(usize) -> bool,
        (rule, before): (&DeleteRule, &Deleted),
        writer: &mut TypedWriter,
    ) -> Result<(), CommitError> {
        let mut row = 0;
        for batch in read_rows(&self.target.store, path, None).await? {
            let failed =
                |error: arrow_schema::ArrowError| AttemptError::Parquet { path: path.to_owned(), source: error.into() };
            let batch = batch.map_err(failed)?;
            let mask: BooleanArray = (row..row + batch.num_rows()).map(|row| Some(keep(row))).collect();
            row += batch.num_rows();
            let kept = filter_record_batch(&batch, &mask).map_err(failed)?;
            let dates = self.dates(&kept, rule, before)?;
            writer.encode(&dated(&kept, &dates, self.target)?)?;
            writer.send().await?;
        }
        Ok(())
    }
}

/// Marks one row of a file.
pub(super) fn mark(marks: &mut Marks, row: usize) {
    if marks.len() <= row {
        marks.resize(row + 1, false);
    }
    if let Some(mark) = marks.get_mut(row) {
        *mark = true;
    }
}

/// Has small files written again with the rest, when there are several.
pub(super) fn touch_small(held: &[&LiveFile], dropped: &mut BTreeMap<String, Marks>) {
    let small: Vec<_> = held.iter().filter(|file| file.size < SMALL_BYTES).collect();
    if small.len() >= SMALL_FILES_MAX {
        for file in small {
            dropped.entry(file.path.clone()).or_default();
        }
    }
}

/// The rows with their time of deletion, under the keyed table's schema.
pub(super) fn dated(batch: &RecordBatch, dates: &[Option<i64>], target: &Target) -> Result<RecordBatch, CommitError> {
    let mut column = TimestampMicrosecondBuilder::with_capacity(dates.len()).with_timezone("UTC");
    for date in dates {
        column.append_option(*date);
    }
    let mut rows = with_schema(batch, target)?;
    let failed =
        |error: arrow_schema::ArrowError| AttemptError::Parquet { path: target.folder.clone(), source: error.into() };
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    if let Some((place, _)) = target.schema.column_with_name(DELETED_AT)
        && let Some(slot) = columns.get_mut(place)
    {
        *slot = Arc::new(column.finish());
        rows = RecordBatch::try_new(Arc::clone(&target.schema), columns).map_err(failed)?;
    }
    Ok(rows)
}

/// What `_deleted_at` says of each row.
pub(super) fn deleted(batch: &RecordBatch) -> Vec<Option<i64>> {
    let column =
        batch.column_by_name(DELETED_AT).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    column.map_or_else(|| vec![None; batch.num_rows()], |column| column.iter().collect())
}

/// A column as numbers in its order, null first.
fn ordered(column: &ArrayRef) -> Vec<i64> {
    let numbers = arrow_cast::cast(column, &DataType::Int64)
        .ok()
        .filter(|_| matches!(column.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Int64));
    let numbers = numbers.as_ref().and_then(|numbers| numbers.as_primitive_opt::<arrow_array::types::Int64Type>());
    numbers.map(|numbers| numbers.iter().map(|value| value.unwrap_or(i64::MIN)).collect()).unwrap_or_default()
}

/// The number of the link that each row came with.
fn links(batch: &RecordBatch) -> Vec<i64> {
    let windows: Option<&StringArray> =
        batch.column_by_name("_window").and_then(|column| column.as_string_opt::<i32>());
    let number = |name: &str| match Window::parse(headwater_contract::Slice::whole(), name).ok()?.bounds {
        Bounds::Link { number, .. } => i64::try_from(number).ok(),
        _ => None,
    };
    let Some(windows) = windows else { return Vec::new() };
    let (mut last, mut value) = (String::new(), i64::MIN);
    windows
        .iter()
        .map(|name| {
            let name = name.unwrap_or_default();
            if name != last {
                name.clone_into(&mut last);
                value = number(name).unwrap_or(i64::MIN);
            }
            value
        })
        .collect()
}
