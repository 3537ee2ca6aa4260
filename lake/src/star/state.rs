//! The state of a dimension: its keys and history, one Delta table in `raw/_state/`, committed before anything shows them.
//!
//! A state is never derived: it is the one thing of a star that cannot be computed again from cleansed. So a column that the
//! model no longer has stays in it, and a rebuild of curated reads it and leaves it as it is.

use std::collections::BTreeMap;

use headwater_contract::{ColumnType, TableName, Zone};
use polars::prelude::{DataFrame, Expr, IntoLazy, JoinArgs, JoinType, LazyFrame, UnionArgs, col, concat};

use crate::commit::{DeltaLog, TableSnapshot};
use crate::read::scan;
use crate::star::columns::plain;
use crate::star::describe::{ColumnDescription, ColumnRole};
use crate::star::error::StarError;
use crate::star::fact::nothing;
use crate::star::files::prepare;
use crate::star::history::{KEY, Members, is_same_state};
use crate::star::publish::{Build, STATE_TXN, Target, computing, is_recorded};
use crate::star::types::{arrow_schema, polars_type};
use crate::zones::layout;

/// The app id under which a state records the version that last changed its rows.
pub(crate) const ROWS: &str = "rows";

/// What the log of a state says, without its rows.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) table_id: String,
    /// The version that last changed its rows: what a dimension's table shows.
    pub(crate) shown: i64,
    pub(crate) txns: BTreeMap<String, i64>,
}

/// A state with its rows.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) table_id: String,
    pub(crate) shown: i64,
    pub(crate) members: Members,
    pub(crate) frame: DataFrame,
}

/// What a state is brought up to.
pub(crate) struct Wanted {
    pub(crate) members: Members,
    /// The dimension's own rows.
    pub(crate) rows: LazyFrame,
    /// Business keys that facts name.
    pub(crate) named: Vec<LazyFrame>,
    /// What the commit records.
    pub(crate) txns: Vec<(String, i64)>,
}

pub(crate) fn columns_of(members: &Members) -> Vec<ColumnDescription> {
    let columns = members.state_columns();
    columns.into_iter().map(|(name, column_type)| plain(&name, column_type, ColumnRole::Attribute)).collect()
}

/// What the state of `dimension` has recorded; `None` when it was never committed.
pub(crate) async fn recorded(build: &Build<'_>, dimension: &str) -> Result<Option<Recorded>, StarError> {
    let folder = layout::state_path(build.star, dimension);
    let failed = || StarError::lake(&folder);
    let Some(log) = DeltaLog::open(&build.lake.zones.raw, &folder).await.map_err(failed())? else { return Ok(None) };
    let snapshot = log.snapshot().await.map_err(failed())?;
    let Some(shown) = snapshot.txn(ROWS) else { return Ok(None) };
    Ok(Some(Recorded { table_id: snapshot.table_id, shown, txns: snapshot.txns }))
}

/// Makes sure that the state is there whose keys the dimension's table shows.
///
/// # Errors
///
/// [`StarError::StateGone`]: a new state would give its keys to other members.
pub(crate) async fn check_kept(build: &Build<'_>, dimension: &str) -> Result<(), StarError> {
    let table = format!("{}.{dimension}", build.star);
    let failed = || StarError::lake(&table);
    let folder = layout::table_path(&TableName::new(Zone::Curated, build.star, dimension));
    let Some(log) = DeltaLog::open(&build.lake.zones.curated, &folder).await.map_err(failed())? else { return Ok(()) };
    let snapshot = log.snapshot().await.map_err(failed())?;
    let kept = recorded(build, dimension).await?;
    let is_kept = |id: &str, shown: i64| kept.as_ref().is_some_and(|kept| kept.table_id == id && shown <= kept.shown);
    // A table that was rebuilt has shown more than one state.
    let mut states =
        snapshot.txns.iter().filter_map(|(name, shown)| Some((name.strip_prefix(STATE_TXN)?, *shown))).peekable();
    if states.peek().is_none() || states.any(|(id, shown)| is_kept(id, shown)) {
        return Ok(());
    }
    Err(StarError::StateGone { table })
}

/// Merges what the inputs show into the state of `dimension` and commits it, unless it has recorded just these inputs.
///
/// # Errors
///
/// [`StarError::InputOlder`] when `older` finds an input that shows less than the state has seen, else what the merge, the store
/// or the log says.
pub(crate) async fn bring_up(
    build: &Build<'_>,
    dimension: &str,
    wanted: Wanted,
    older: impl Fn(&BTreeMap<String, i64>) -> Option<(TableName, i64, i64)>,
) -> Result<State, StarError> {
    let table = format!("{}.{dimension}", build.star);
    let folder = layout::state_path(build.star, dimension);
    let store = &build.lake.zones.raw;
    let failed = || StarError::lake(&table);
    let columns = columns_of(&wanted.members);
    let schema = arrow_schema(&columns);
    let log = DeltaLog::open_or_create(store, &folder, &schema, &[], build.lake.clock.now()).await.map_err(failed())?;
    let snapshot = log.snapshot().await.map_err(failed())?;
    if let Some((input, found, recorded)) = older(&snapshot.txns) {
        return Err(StarError::InputOlder { table, input, found, recorded });
    }
    let held = held(build, &table, &folder, &snapshot).await?;
    let table_id = snapshot.table_id.clone();
    let Wanted { members, rows, named, txns } = wanted;
    if let (Some(shown), true) = (snapshot.txn(ROWS), is_recorded(&snapshot.txns, &txns)) {
        let (of, name) = (members.clone(), table.clone());
        let frame = computing(&table, move || known(&of, &held, &name)).await?;
        return Ok(State { table_id, shown, members, frame });
    }
    let (merging, named_table, scratch) = (members.clone(), table.clone(), build.scratch());
    let (frame, whole, prepared) = computing(&table, move || {
        let before = known(&merging, &held, &named_table)?;
        let failed = || StarError::compute(&named_table);
        let named = if named.is_empty() { None } else { Some(concat(named, UnionArgs::default()).map_err(failed())?) };
        let merged = merging.merge(&before, rows, named)?;
        if merged.deleted > 0 {
            tracing::info!(table = named_table, members = merged.deleted, "the source has deleted members");
        }
        let whole = with_old_columns(&merged.state, &held, &merging).map_err(failed())?;
        let is_same = is_same_state(&before, &merged.state) && before.height() > 0;
        let prepared = if is_same { None } else { Some(prepare(&named_table, &scratch, &whole, &BTreeMap::new())?) };
        Ok((merged.state, whole, prepared))
    })
    .await?;
    let version = snapshot.version + 1;
    let (shown, prepared) = match (prepared, snapshot.txn(ROWS)) {
        (None, Some(shown)) => (shown, None),
        (prepared, _) => (version, Some(prepared.unwrap_or_default())),
    };
    let mut records = txns;
    records.push((ROWS.to_owned(), shown));
    let columns = whole_columns(&columns, &whole, &snapshot);
    let target = Target { table: &table, store, folder: &folder, columns: &columns, log, snapshot };
    build.publish(target, prepared, records).await?;
    Ok(State { table_id, shown, members, frame })
}

/// The rows that a state's table holds.
pub(crate) async fn held(
    build: &Build<'_>,
    table: &str,
    folder: &str,
    snapshot: &TableSnapshot,
) -> Result<DataFrame, StarError> {
    let rows =
        scan(&build.lake.zones.raw, folder, snapshot, &build.lake.scratch).await.map_err(StarError::lake(table))?;
    let name = table.to_owned();
    computing(table, move || rows.collect().map_err(StarError::compute(&name))).await
}

/// The state in the columns of the model: one that is new to it is null everywhere.
fn known(members: &Members, held: &DataFrame, table: &str) -> Result<DataFrame, StarError> {
    let columns = members.state_columns();
    let select: Vec<Expr> = columns.iter().map(|(name, column_type)| known_column(held, name, column_type)).collect();
    let sorted = held.clone().lazy().select(select).sort([KEY], polars::prelude::SortMultipleOptions::default());
    sorted.collect().map_err(StarError::compute(table))
}

fn known_column(held: &DataFrame, name: &str, column_type: &ColumnType) -> Expr {
    if held.schema().contains(name) {
        col(name).strict_cast(polars_type(column_type)).alias(name)
    } else {
        nothing(column_type).alias(name)
    }
}

/// Columns that the table has and the model no longer names keep their values.
fn with_old_columns(
    state: &DataFrame,
    held: &DataFrame,
    members: &Members,
) -> polars::prelude::PolarsResult<DataFrame> {
    let columns = members.state_columns();
    let is_old = |name: &&str| !columns.iter().any(|(known, _)| known == name);
    let old: Vec<Expr> = held.columns().iter().map(|column| column.name().as_str()).filter(is_old).map(col).collect();
    if old.is_empty() {
        return Ok(state.clone());
    }
    let old = held.clone().lazy().select([vec![col(KEY)], old].concat());
    let joined = state.clone().lazy().join(old, [col(KEY)], [col(KEY)], JoinArgs::new(JoinType::Left));
    joined.sort([KEY], polars::prelude::SortMultipleOptions::default()).collect()
}

/// The columns of the table: those of the model, then those that only the table has.
pub(crate) fn whole_columns(
    columns: &[ColumnDescription],
    whole: &DataFrame,
    snapshot: &TableSnapshot,
) -> Vec<ColumnDescription> {
    let mut all = columns.to_vec();
    for name in whole.columns().iter().map(|column| column.name().as_str()) {
        if !all.iter().any(|column| column.name == name)
            && let Ok(field) = snapshot.schema.field_with_name(name)
        {
            all.push(plain(name, crate::star::types::flat_type(field.data_type()), ColumnRole::Attribute));
        }
    }
    all
}
