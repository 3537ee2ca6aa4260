//! A fact on its way: computed once into a scratch file by the streaming engine, tested there, then cut into partitions.
//!
//! So memory holds one partition and not the fact, and a test sees exactly what would be committed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::NaiveDate;
use polars::prelude::{
    AnyValue, Engine, Expr, FileWriteFormat, LazyFrame, NULL, ParquetWriteOptions, PlRefPath, PolarsResult,
    ScanArgsParquet, SinkDestination, SinkTarget, SortMultipleOptions, UnifiedSinkArgs, UniqueKeepStrategy, col, lit,
};
use tempfile::TempDir;

use crate::star::columns::MONTH;
use crate::star::error::StarError;
use crate::star::fact::day_at;
use crate::star::files::{Prepared, prepare};

/// Rows of a row group of the staged file.
const STAGED_ROWS: usize = 262_144;

/// A fact's rows in a scratch file, which goes when this does.
#[derive(Debug)]
pub(crate) struct Staged {
    folder: TempDir,
    table: String,
}

impl Staged {
    /// Computes `rows` into a file below `scratch`.
    pub(crate) fn compute(table: &str, scratch: &Path, rows: LazyFrame) -> Result<Self, StarError> {
        fs_err::create_dir_all(scratch).map_err(StarError::scratch(table))?;
        let folder = tempfile::Builder::new().prefix("fact-").tempdir_in(scratch).map_err(StarError::scratch(table))?;
        let staged = Self { folder, table: table.to_owned() };
        staged.sink(rows).map_err(StarError::compute(table))?;
        Ok(staged)
    }

    fn path(&self) -> PolarsResult<PlRefPath> {
        PlRefPath::try_from_pathbuf(self.folder.path().join("rows.parquet"))
    }

    fn sink(&self, rows: LazyFrame) -> PolarsResult<()> {
        let destination = SinkDestination::File { target: SinkTarget::Path(self.path()?) };
        let options = ParquetWriteOptions { row_group_size: Some(STAGED_ROWS), ..ParquetWriteOptions::default() };
        let arguments = UnifiedSinkArgs { maintain_order: false, ..UnifiedSinkArgs::default() };
        let sink = rows.sink(destination, FileWriteFormat::Parquet(Arc::new(options)), arguments)?;
        sink.collect_with_engine(Engine::Streaming).map(drop)
    }

    /// The staged rows.
    pub(crate) fn rows(&self) -> Result<LazyFrame, StarError> {
        let scan = |path: PlRefPath| {
            let args = ScanArgsParquet { glob: false, cache: false, ..ScanArgsParquet::default() };
            LazyFrame::scan_parquet_files([path].into_iter().collect(), args)
        };
        self.path().and_then(scan).map_err(StarError::compute(&self.table))
    }

    /// Writes the files of the table, one partition after the other, each ordered by `grain`.
    pub(crate) fn files(&self, scratch: &Path, grain: &[String], is_monthly: bool) -> Result<Vec<Prepared>, StarError> {
        let failed = || StarError::compute(&self.table);
        let by: Vec<Expr> = grain.iter().map(|name| col(name.as_str())).collect();
        let sorted = |rows: LazyFrame| rows.sort_by_exprs(by.clone(), SortMultipleOptions::default()).collect();
        if !is_monthly {
            let frame = sorted(self.rows()?).map_err(failed())?;
            return prepare(&self.table, scratch, &frame, &BTreeMap::new());
        }
        let mut files = Vec::new();
        for month in self.months().map_err(failed())? {
            let value = month.as_deref().map_or(lit(NULL), lit);
            let others =
                self.rows()?.filter(col(MONTH).eq_missing(value)).drop(polars::prelude::by_name([MONTH], true, false));
            let frame = sorted(others).map_err(failed())?;
            let partition = BTreeMap::from([(MONTH.to_owned(), month)]);
            files.extend(prepare(&self.table, scratch, &frame, &partition)?);
        }
        Ok(files)
    }

    fn months(&self) -> PolarsResult<Vec<Option<String>>> {
        let rows = self.rows().map_err(|error| polars::prelude::PolarsError::ComputeError(error.to_string().into()))?;
        let months = rows
            .select([col(MONTH)])
            .unique(None, UniqueKeepStrategy::Any)
            .sort([MONTH], SortMultipleOptions::default());
        let months = months.collect()?;
        let column = months.column(MONTH)?.as_materialized_series();
        let text = |value: AnyValue<'_>| match value {
            AnyValue::String(text) => Some(text.to_owned()),
            AnyValue::StringOwned(text) => Some(text.to_string()),
            _ => None,
        };
        Ok(column.iter().map(text).collect())
    }
}

/// The first and last day over answers of [`crate::star::calendar::span_of`].
pub(crate) fn first_and_last(table: &str, spans: Vec<LazyFrame>) -> Result<Option<(NaiveDate, NaiveDate)>, StarError> {
    let mut range: Option<(NaiveDate, NaiveDate)> = None;
    for span in spans {
        let span = span.collect().map_err(StarError::compute(table))?;
        if let (Some(first), Some(last)) = (day_at(&span, "first"), day_at(&span, "last")) {
            range = Some(range.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
        }
    }
    Ok(range)
}
