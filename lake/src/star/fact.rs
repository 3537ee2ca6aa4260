//! A fact's rows: natural keys become surrogate keys, columns get their types, periods without rows are filled.
//!
//! Pure: frames in, a lazy frame out. A row is never lost and never doubled: a key that no member has becomes the unknown one,
//! and the versions of a member cover all of time, so exactly one of them holds at any instant.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use headwater_contract::ColumnType;
use polars::prelude::{
    AnyValue, DataType, Expr, FillNullStrategy, IntoLazy, JoinArgs, JoinType, LazyFrame, NULL, NamedFrom, PolarsError,
    PolarsResult, Schema, Series, SortMultipleOptions, col, lit, when,
};

use crate::star::calendar::{Days, UNKNOWN_KEY, date_key, instant_of, time_key};
use crate::star::columns::{MONTH, measures_of};
use crate::star::definition::Star;
use crate::star::describe::Additivity;
use crate::star::dimension::LookupFrame;
use crate::star::error::StarError;
use crate::star::model::{FactFile, FactKindFile, LookupFile, OnMissing, PartitionFile, Period, PeriodicFile};
use crate::star::types::{cast, polars_type};

/// What a fact needs of the star's dimensions.
#[derive(Clone, Default)]
pub(crate) struct Dimensions {
    /// Members, by dimension.
    pub(crate) members: BTreeMap<String, LookupFrame>,
    /// Calendars, by dimension.
    pub(crate) days: BTreeMap<String, Days>,
}

/// The columns of the rows that identify a member, in the order of its business key.
pub(crate) fn natural_key<'a>(star: &'a Star, lookup: &'a LookupFile) -> &'a [String] {
    if !lookup.by.is_empty() {
        return &lookup.by;
    }
    star.dimension(&lookup.dimension).map(|dimension| dimension.business_key.as_slice()).unwrap_or_default()
}

/// The columns that the model wants of a fact's rows.
pub(crate) fn row_columns(star: &Star, fact: &FactFile) -> Vec<String> {
    let mut columns = Vec::new();
    for (_, lookup) in &fact.lookups.0 {
        match &lookup.of {
            Some(of) => columns.push(of.clone()),
            None => columns.extend(natural_key(star, lookup).iter().cloned()),
        }
        columns.extend(lookup.as_of.clone());
    }
    columns.extend(fact.degenerate.0.iter().map(|(name, _)| name.clone()));
    columns.extend(fact.measures.0.iter().map(|(name, _)| name.clone()));
    columns.extend(fact.partition.as_ref().map(|PartitionFile::MonthOf(column)| column.clone()));
    match &fact.kind {
        FactKindFile::Transaction => {}
        FactKindFile::PeriodicSnapshot(kind) => columns.push(kind.of.clone()),
        FactKindFile::AccumulatingSnapshot(kind) => {
            columns.extend(kind.lags.0.iter().flat_map(|(_, lag)| [lag.from.clone(), lag.until.clone()]));
        }
    }
    columns.sort();
    columns.dedup();
    columns
}

/// Checks that `rows` has `columns`, and returns its schema.
///
/// # Errors
///
/// [`StarError::ColumnMissing`] for the first that is not there.
pub(crate) fn require(table: &str, rows: &mut LazyFrame, columns: &[String]) -> Result<Schema, StarError> {
    let schema = rows.collect_schema().map_err(StarError::compute(table))?;
    if let Some(column) = columns.iter().find(|column| !schema.contains(column)) {
        let have = schema.iter_names().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(StarError::ColumnMissing { table: table.to_owned(), column: column.clone(), have });
    }
    Ok(schema.as_ref().clone())
}

/// The business keys that a fact's rows name of `dimension`, for members that are inferred.
///
/// # Shape
///
/// Out: the dimension's business key columns, each combination once; `None` when no lookup of the fact infers.
pub(crate) fn named_members(star: &Star, fact: &FactFile, dimension: &str, rows: &LazyFrame) -> Option<Vec<LazyFrame>> {
    let key = &star.dimension(dimension)?.business_key;
    let lookups = fact.lookups.0.iter().map(|(_, lookup)| lookup);
    let inferring = lookups.filter(|lookup| lookup.dimension == dimension && lookup.on_missing == OnMissing::Infer);
    let named: Vec<LazyFrame> = inferring
        .map(|lookup| {
            let columns = natural_key(star, lookup).iter().zip(key);
            let columns: Vec<Expr> = columns.map(|(from, to)| col(from.as_str()).alias(to.as_str())).collect();
            rows.clone().select(columns).unique(None, polars::prelude::UniqueKeepStrategy::Any)
        })
        .collect();
    Some(named).filter(|named| !named.is_empty())
}

/// Compiles a fact.
///
/// # Shape
///
/// In: `rows` with [`row_columns`]. Out: the columns of the fact in table order; for a transaction or an accumulating snapshot
/// one row for each of `rows`, for a periodic snapshot one for each entity and period since the entity's first.
///
/// # Errors
///
/// [`StarError`] when a column is missing or has a type that cannot be cast.
pub(crate) fn compile(
    star: &Star,
    name: &str,
    fact: &FactFile,
    mut rows: LazyFrame,
    dimensions: &Dimensions,
) -> Result<LazyFrame, StarError> {
    let table = format!("{}.{name}", star.name());
    let mut schema = require(&table, &mut rows, &row_columns(star, fact))?;
    let failed = || StarError::compute(&table);
    if let FactKindFile::PeriodicSnapshot(kind) = &fact.kind {
        rows = every_period(star, fact, kind, rows).map_err(failed())?;
        schema.set_dtype(&kind.of, DataType::Date);
    }
    let mut lookups = Vec::new();
    for (role, lookup) in &fact.lookups.0 {
        lookups.push((role.as_str(), lookup, key_name(role)));
    }
    for (at, (role, lookup, key)) in lookups.iter().enumerate() {
        rows = match &lookup.of {
            Some(of) => {
                let column_type = schema.get(of).cloned().unwrap_or(DataType::Null);
                built_in_key(star, lookup, of, &column_type, dimensions)
                    .map(|expression| rows.with_column(expression.alias(key.as_str())))
            }
            None => member_key(star, lookup, rows, at, key, dimensions),
        }
        .map_err(|error| StarError::Compute { table: format!("{table}.{role}"), source: Box::new(error) })?;
    }
    let mut columns: Vec<Expr> = lookups.iter().map(|(role, _, key)| col(key.as_str()).alias(*role)).collect();
    columns.extend(fact.degenerate.0.iter().map(|(name, file)| cast(name, &file.column_type.0)));
    for (measure, file) in measures_of(fact) {
        let lag = match &fact.kind {
            FactKindFile::AccumulatingSnapshot(kind) => kind.lags.0.iter().find(|(name, _)| *name == measure),
            _ => None,
        };
        columns.push(match lag {
            Some((_, lag)) => days_between(&lag.from, &lag.until).alias(measure.as_str()),
            None => cast(&measure, &file.column_type.0),
        });
    }
    if let Some(PartitionFile::MonthOf(column)) = &fact.partition {
        columns.push(col(column.as_str()).cast(DataType::Date).dt().to_string("%Y-%m").alias(MONTH));
    }
    Ok(rows.select(columns))
}

fn key_name(role: &str) -> String {
    format!("_key_{role}")
}

fn days_between(from: &str, until: &str) -> Expr {
    let day = |column: &str| col(column).cast(DataType::Date);
    (day(until) - day(from)).dt().total_days(false)
}

fn unknown_dimension(name: &str) -> PolarsError {
    PolarsError::ComputeError(format!("dimension `{name}` has no rows to look up").into())
}

fn built_in_key(
    star: &Star,
    lookup: &LookupFile,
    of: &str,
    column_type: &DataType,
    dimensions: &Dimensions,
) -> PolarsResult<Expr> {
    let zone = lookup.zone.as_deref();
    let dimension = star.dimension(&lookup.dimension).ok_or_else(|| unknown_dimension(&lookup.dimension))?;
    if let Some(time) = &dimension.time {
        return time_key(of, column_type, zone, time);
    }
    match dimensions.days.get(&lookup.dimension) {
        Some(days) => date_key(of, column_type, zone, *days),
        // A calendar that follows its facts has no days while no fact has a date.
        None => Ok(lit(UNKNOWN_KEY)),
    }
}

/// Joins the member's key to each row.
fn member_key(
    star: &Star,
    lookup: &LookupFile,
    rows: LazyFrame,
    at: usize,
    key: &str,
    dimensions: &Dimensions,
) -> PolarsResult<LazyFrame> {
    let members = dimensions.members.get(&lookup.dimension).ok_or_else(|| unknown_dimension(&lookup.dimension))?;
    let own: Vec<String> = (0..members.keys.len()).map(|part| format!("_by_{at}_{part}")).collect();
    let theirs: Vec<String> = (0..members.keys.len()).map(|part| format!("_member_{at}_{part}")).collect();
    let casts = natural_key(star, lookup).iter().zip(&members.keys).zip(&own);
    let casts: Vec<Expr> = casts
        .map(|((column, (_, column_type)), own)| {
            col(column.as_str()).strict_cast(polars_type(column_type)).alias(own.as_str())
        })
        .collect();
    let (from, until) = (format!("_from_{at}"), format!("_until_{at}"));
    let mut selected: Vec<Expr> =
        members.keys.iter().zip(&theirs).map(|((name, _), theirs)| col(name.as_str()).alias(theirs.as_str())).collect();
    selected.push(col("_key").alias(key));
    if members.has_history {
        selected.extend([col("_from").alias(from.as_str()), col("_until").alias(until.as_str())]);
    }
    let right = members.frame.clone().select(selected);
    let left_on: Vec<Expr> = own.iter().map(|name| col(name.as_str())).collect();
    let right_on: Vec<Expr> = theirs.iter().map(|name| col(name.as_str())).collect();
    let mut joined = rows.with_columns(casts).join(right, left_on, right_on, JoinArgs::new(JoinType::Left));
    if let (true, Some(as_of)) = (members.has_history, &lookup.as_of) {
        let instant = instant_of(as_of);
        let begins = col(from.as_str()).is_null().or(col(from.as_str()).lt_eq(instant.clone()));
        let ends = col(until.as_str()).is_null().or(col(until.as_str()).gt(instant.clone()));
        // A row without an instant gets the member as it is now.
        let holds = when(instant.is_null()).then(col(until.as_str()).is_null()).otherwise(begins.and(ends));
        joined = joined.filter(col(key).is_null().or(holds));
    }
    Ok(joined.with_column(col(key).fill_null(lit(UNKNOWN_KEY))))
}

/// Adds to `rows` the periods in which an entity has none, from its first to the last of all.
fn every_period(star: &Star, fact: &FactFile, kind: &PeriodicFile, rows: LazyFrame) -> PolarsResult<LazyFrame> {
    let of = kind.of.as_str();
    let mut entity: Vec<String> = fact.degenerate.0.iter().map(|(name, _)| name.clone()).collect();
    for (_, lookup) in fact.lookups.0.iter().filter(|(_, lookup)| lookup.of.is_none()) {
        entity.extend(natural_key(star, lookup).iter().cloned());
    }
    entity.sort();
    entity.dedup();
    let day = col(of).cast(DataType::Date);
    let period = match kind.period {
        Period::Day => day,
        Period::Month => day.dt().truncate(lit("1mo")),
    };
    let rows = rows.with_column(period.alias(of));
    let span = rows.clone().select([col(of).min().alias("first"), col(of).max().alias("last")]).collect()?;
    let (Some(first), Some(last)) = (day_at(&span, "first"), day_at(&span, "last")) else { return Ok(rows) };
    let periods: Vec<NaiveDate> = match kind.period {
        Period::Day => first.iter_days().take_while(|day| *day <= last).collect(),
        Period::Month => first.iter_days().take_while(|day| *day <= last).filter(|day| day.day() == 1).collect(),
    };
    let periods = Series::new(of.into(), periods).into_frame().lazy();
    let by = || entity.iter().map(|name| col(name.as_str())).collect::<Vec<Expr>>();
    let spans = rows.clone().group_by(by()).agg([col(of).min().alias("_first")]);
    // Collected before it is filtered: the optimiser would make one inequality join of both, which needs another engine.
    let grid = spans.join(periods, [], [], JoinArgs::new(JoinType::Cross)).collect()?.lazy();
    let grid = grid.filter(col(of).gt_eq(col("_first")));
    let mut on = by();
    on.push(col(of));
    let mut args = JoinArgs::new(JoinType::Left);
    args.nulls_equal = true;
    let filled = grid.join(rows, on.clone(), on.clone(), args).sort_by_exprs(on, SortMultipleOptions::default());
    let mut measures = Vec::new();
    for (name, file) in &fact.measures.0 {
        let own = col(name.as_str());
        match file.additivity {
            Additivity::Additive => measures.push(own.fill_null(lit(0_i64).cast(polars_type(&file.column_type.0)))),
            Additivity::SemiAdditive => {
                let carried = own.fill_null_with_strategy(FillNullStrategy::Forward(None));
                measures.push(if entity.is_empty() { carried } else { carried.over(by())? });
            }
            Additivity::NonAdditive => {}
        }
    }
    Ok(filled.with_columns(measures))
}

/// The day in the first row of a column.
pub(crate) fn day_at(frame: &polars::prelude::DataFrame, column: &str) -> Option<NaiveDate> {
    match frame.column(column).ok()?.get(0).ok()? {
        AnyValue::Date(days) => {
            NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(chrono::TimeDelta::days(i64::from(days)))
        }
        _ => None,
    }
}

/// A column of nulls of a type.
pub(crate) fn nothing(column_type: &ColumnType) -> Expr {
    lit(NULL).cast(polars_type(column_type))
}
