//! A dimension's table and its lookup, both made from its state.

use headwater_contract::ColumnType;
use polars::prelude::{
    DataFrame, DataType, Expr, IntoLazy, LazyFrame, PolarsResult, SortMultipleOptions, UnionArgs, coalesce, col,
    concat, lit, when,
};

use crate::star::calendar::UNKNOWN_KEY;
use crate::star::columns::surrogate_key;
use crate::star::describe::TableDescription;
use crate::star::fact::nothing;
use crate::star::history::{AT, DELETED, INFERRED, KEY, Members};
use crate::star::model::{DimensionFile, ScdType};
use crate::star::types::{polars_type, timestamp};

/// The beginning of time, 1900-01-01: what every reader of the lake can show. Lookups know no beginning.
const BEGINNING_SECONDS: i64 = -2_208_988_800;
/// The end of time, 9999-12-31.
const END_SECONDS: i64 = 253_402_214_400;

/// A dimension as facts look it up.
#[derive(Clone)]
pub(crate) struct LookupFrame {
    /// The business key, `_key`, and with history `_from` and `_until`, null where there is no bound.
    pub(crate) frame: LazyFrame,
    /// Columns of the business key with their types.
    pub(crate) keys: Vec<(String, ColumnType)>,
    /// Members have versions.
    pub(crate) has_history: bool,
}

/// An instant of whole seconds.
fn instant(seconds: i64) -> Expr {
    lit(seconds * 1_000_000).cast(DataType::Datetime(polars::prelude::TimeUnit::Microseconds, None)).cast(timestamp())
}

/// State ordered by member and time, with the bounds of each version.
fn bounded(members: &Members, state: &DataFrame) -> PolarsResult<LazyFrame> {
    let mut sort = members.by();
    sort.push(col(AT));
    let by = members.by();
    let place = col(DELETED).cum_count(false).over(by.clone())?;
    Ok(state
        .clone()
        .lazy()
        .sort_by_exprs(sort, SortMultipleOptions::default().with_maintain_order(true))
        .with_columns([place.alias("_place"), col(AT).shift(lit(-1_i64)).over(by)?.alias("_until")])
        .with_column(
            when(col("_place").eq(lit(1_u32))).then(nothing(&ColumnType::Timestamp)).otherwise(col(AT)).alias("_from"),
        ))
}

/// What facts look up.
///
/// # Shape
///
/// In: a state. Out: as [`LookupFrame::frame`] says; the versions of a member cover all of time without overlap.
pub(crate) fn lookup_of(members: &Members, state: &DataFrame) -> PolarsResult<LookupFrame> {
    let mut columns = members.by();
    columns.push(col(KEY));
    let frame = if members.has_history() {
        columns.extend([col("_from"), col("_until")]);
        bounded(members, state)?.select(columns).collect()?.lazy()
    } else {
        state.clone().lazy().select(columns)
    };
    Ok(LookupFrame { frame, keys: members.keys.clone(), has_history: members.has_history() })
}

/// The dimension's table.
///
/// # Shape
///
/// In: a state. Out: the columns of `description` in order, the unknown member first, then ordered by surrogate key.
pub(crate) fn table_of(
    name: &str,
    file: &DimensionFile,
    members: &Members,
    description: &TableDescription,
    state: &DataFrame,
) -> PolarsResult<DataFrame> {
    let key = surrogate_key(name, file);
    let label = |column: &str| {
        let own = col(column);
        when(col(INFERRED)).then(coalesce(&[own.clone(), lit(file.unknown.as_str())])).otherwise(own)
    };
    let mut rows = bounded(members, state)?;
    let mut made = vec![
        col(KEY).alias(key.as_str()),
        coalesce(&[col("_from"), instant(BEGINNING_SECONDS)]).alias("valid_from"),
        coalesce(&[col("_until"), instant(END_SECONDS)]).alias("valid_to"),
        col("_until").is_null().alias("is_current"),
        col(INFERRED).alias("is_inferred"),
        col(DELETED).alias("is_deleted"),
    ];
    for (column, column_type, scd) in &members.attributes {
        if *scd == ScdType::VersionedWithCurrent {
            let current = format!("current_{column}");
            rows = rows.with_column(col(column.as_str()).last().over(members.by())?.alias(current.as_str()));
            if *column_type == ColumnType::String {
                made.push(label(&current).alias(current.as_str()));
            }
        }
        if *column_type == ColumnType::String {
            made.push(label(column).alias(column.as_str()));
        }
    }
    let columns: Vec<Expr> = description.columns.iter().map(|column| col(column.name.as_str())).collect();
    let rows = rows.with_columns(made).select(columns);
    let unknown = unknown_row(&key, file, members, description);
    concat([unknown, rows], UnionArgs::default())?.sort([key.as_str()], SortMultipleOptions::default()).collect()
}

fn unknown_row(key: &str, file: &DimensionFile, members: &Members, description: &TableDescription) -> LazyFrame {
    let is_key = |name: &str| members.keys.iter().any(|(known, _)| known == name);
    let columns = description.columns.iter().map(|column| {
        let value = match column.name.as_str() {
            name if name == key => lit(UNKNOWN_KEY),
            "valid_from" => instant(BEGINNING_SECONDS),
            "valid_to" => instant(END_SECONDS),
            "is_current" => lit(true),
            "is_inferred" | "is_deleted" => lit(false),
            name if column.column_type == ColumnType::String && !is_key(name) => lit(file.unknown.as_str()),
            _ => nothing(&column.column_type),
        };
        value.cast(polars_type(&column.column_type)).alias(column.name.as_str())
    });
    DataFrame::empty_with_height(1).lazy().select(columns.collect::<Vec<_>>())
}
