//! Runs a question over tables, each of which the caller has leave to read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use headwater_catalog::Permit;
use headwater_contract::{SourceName, StreamName, TableName, Zone};
use polars::prelude::{DataFrame, LazyFrame, PlRefPath, PolarsResult, ScanArgsParquet};
use polars::sql::SQLContext;

use crate::Lake;
use crate::commit::DeltaLog;
use crate::raw::{Receipts, data_generation};
use crate::read::ReadError;
use crate::read::scan::scan;
use crate::read::sql::{registered_name, tables_of};
use crate::zones::layout;

/// Names that are offered when a table is not there.
const NEAR_MAX: usize = 3;
/// Edits after which two names are not near any more.
const EDITS_MAX: usize = 3;

/// Answers one SELECT.
///
/// `permits` must hold leave for each table of the query ([`tables_of`] names them); `visible` are the tables that the
/// caller may know of, from which names are offered when one does not exist.
///
/// # Errors
///
/// [`ReadError`] when the text is no query, leave is missing, a table does not exist or the query fails.
pub async fn query(lake: &Lake, permits: &[Permit], sql: &str, visible: &[TableName]) -> Result<DataFrame, ReadError> {
    let query = tables_of(sql)?;
    let mut frames = BTreeMap::new();
    for name in &query.tables {
        let permit = permits.iter().find(|permit| permit.table() == name);
        let permit = permit.ok_or_else(|| ReadError::NotPermitted { table: name.clone() })?;
        let frame = match table(lake, permit).await {
            Err(ReadError::NoSuchTable { table, .. }) => {
                let near = near(&table, visible);
                return Err(ReadError::NoSuchTable { table, near });
            }
            other => other?,
        };
        frames.insert(registered_name(name), frame);
    }
    let what = query.tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let work = move || {
        let mut context = SQLContext::new();
        for (name, frame) in frames {
            context.register(&name, frame);
        }
        context.execute(&query.text).and_then(collect)
    };
    let answer = tokio::task::spawn_blocking(work).await;
    let answer = answer.map_err(|error| ReadError::Internal { what: error.to_string() })?;
    answer.map_err(|source| ReadError::Query { what, source: Box::new(source) })
}

/// Runs the query.
///
/// Polars 0.55 counts the rows of a union, when nothing else is asked of it, in a 128-bit type that this build leaves out because
/// each type costs minutes of build. Without that optimisation it counts as well.
fn collect(rows: LazyFrame) -> PolarsResult<DataFrame> {
    match rows.clone().collect() {
        Err(error) if error.to_string().contains("UInt128") => rows.with_projection_pushdown(false).collect(),
        collected => collected,
    }
}

/// The rows of one table.
///
/// # Shape
///
/// Out: the columns of the table. Of raw: one row a body chunk of the readings that count.
///
/// # Errors
///
/// [`ReadError`] when the table does not exist or cannot be read.
pub async fn table(lake: &Lake, permit: &Permit) -> Result<LazyFrame, ReadError> {
    let name = permit.table();
    if name.zone == Zone::Raw {
        return parts(lake, name).await;
    }
    let store = lake.zones.get(name.zone);
    let folder = layout::table_path(name);
    let Some(log) = DeltaLog::open(store, &folder).await? else {
        return Err(ReadError::NoSuchTable { table: name.clone(), near: Vec::new() });
    };
    scan(store, &folder, &log.snapshot().await?, &lake.scratch).await
}

/// The parts of a stream whose readings count.
async fn parts(lake: &Lake, name: &TableName) -> Result<LazyFrame, ReadError> {
    let missing = || ReadError::NoSuchTable { table: name.clone(), near: Vec::new() };
    let source = SourceName::new(name.schema.as_str()).map_err(|_| missing())?;
    let stream = StreamName::new(source, name.table.as_str()).map_err(|_| missing())?;
    let windows = Receipts::new(&lake.zones.raw).of_stream(&stream).await;
    let windows = windows.map_err(|source| ReadError::Parts { table: name.clone(), source: Box::new(source) })?;
    let mut paths = Vec::new();
    for receipt in windows.values().filter_map(|receipts| data_generation(receipts)) {
        for part in &receipt.parts {
            let path = lake.zones.raw.local_copy(&part.path, &lake.scratch).await?;
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(missing());
    }
    let scanned = tokio::task::spawn_blocking(move || chunks(paths)).await;
    let scanned = scanned.map_err(|error| ReadError::Internal { what: error.to_string() })?;
    scanned.map_err(|source| ReadError::Query { what: name.to_string(), source: Box::new(source) })
}

fn chunks(paths: Vec<PathBuf>) -> PolarsResult<LazyFrame> {
    let paths: PolarsResult<Vec<PlRefPath>> = paths.into_iter().map(PlRefPath::try_from_pathbuf).collect();
    let args = ScanArgsParquet { glob: false, cache: false, ..ScanArgsParquet::default() };
    LazyFrame::scan_parquet_files(paths?.into_iter().collect(), args)
}

/// Tables whose names are nearly `name`, the nearest first.
pub fn near(name: &TableName, candidates: &[TableName]) -> Vec<TableName> {
    let wanted = name.to_string();
    let mut found: Vec<(usize, &TableName)> = candidates
        .iter()
        .map(|candidate| {
            let same_table = candidate.table == name.table;
            (if same_table { 0 } else { edits(&wanted, &candidate.to_string()) }, candidate)
        })
        .filter(|(edits, _)| *edits <= EDITS_MAX)
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().take(NEAR_MAX).map(|(_, candidate)| candidate.clone()).collect()
}

/// Levenshtein's distance: insertions, deletions and replacements from one text to the other.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (at, left) in a.chars().enumerate() {
        let mut above_left = at;
        let mut before = at + 1;
        let mut next = vec![before];
        for (right, above) in b.chars().zip(row.iter().skip(1)) {
            let replaced = above_left + usize::from(left != right);
            above_left = *above;
            before = replaced.min(before + 1).min(above + 1);
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_rows_of_a_union_and_nothing_else_of_it() {
        use polars::prelude::{IntoLazy, UnionArgs, concat, df, len};
        let part = || df!("id" => [Some(1_i64), None, Some(3)]).unwrap().lazy();
        let counted = collect(concat([part(), part()], UnionArgs::default()).unwrap().select([len()])).unwrap();
        assert_eq!(counted.columns()[0].as_materialized_series().sum::<u64>().unwrap(), 6);
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, distance) in [
            ("", "", 0),
            ("a", "", 1),
            ("abc", "abc", 0),
            ("abc", "adc", 1),
            ("abc", "xabc", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edits(a, b), distance, "{a} {b}");
        }
    }

    #[test]
    fn only_near_names_are_offered() {
        let names: Vec<TableName> = ["curated.shop.fact_orders", "curated.shop.dim_date", "cleansed.shop.fact_order"]
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        let wanted: TableName = "curated.shop.fact_order".parse().unwrap();
        let offered: Vec<String> = near(&wanted, &names).iter().map(ToString::to_string).collect();
        assert_eq!(offered, ["cleansed.shop.fact_order", "curated.shop.fact_orders"]);
    }
}
