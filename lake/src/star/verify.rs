//! What must hold of a table before it is shown, and of a whole star at any time.
//!
//! The model's tests run on the rows that a build is about to commit, so a failing table keeps its last good version. The checks
//! of [`check_dimension`] hold by construction; they are run all the same, because a star is only as good as its keys.

use headwater_contract::{TableName, Zone};
use polars::prelude::{
    AnyValue, DataType, Expr, JoinArgs, JoinType, LazyFrame, PolarsResult, SortMultipleOptions, UniqueKeepStrategy,
    by_name, col, len, lit,
};

use crate::star::calendar::UNKNOWN_KEY;
use crate::star::columns::describe;
use crate::star::definition::Star;
use crate::star::describe::{ColumnRole, TableDescription, TableRole};
use crate::star::error::StarError;
use crate::star::model::TestFile;

fn text(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => "nothing".to_owned(),
        AnyValue::String(text) => (*text).to_owned(),
        other => other.to_string(),
    }
}

/// The only value of a one-row, one-column answer.
fn single(frame: LazyFrame) -> PolarsResult<String> {
    let frame = frame.collect()?;
    let value = frame.columns().first().and_then(|column| column.get(0).ok()).map(|value| text(&value));
    Ok(value.unwrap_or_else(|| "nothing".to_owned()))
}

/// How many rows a frame has.
pub(crate) fn count(rows: LazyFrame) -> PolarsResult<u64> {
    Ok(single(rows.select([len().cast(DataType::UInt64)]))?.parse().unwrap_or(0))
}

/// How many combinations of `columns` come more than once.
fn repeated(rows: LazyFrame, columns: &[String]) -> PolarsResult<u64> {
    let by: Vec<Expr> = columns.iter().map(|name| col(name.as_str())).collect();
    count(rows.group_by(by).agg([len().alias("_rows")]).filter(col("_rows").gt(lit(1_u32))))
}

/// Rows of a table as its tests see them.
pub(crate) struct Tested<'a> {
    pub(crate) description: &'a TableDescription,
    /// All rows, the unknown member included.
    pub(crate) rows: LazyFrame,
    /// The rows of the tables that tests compare with.
    pub(crate) others: &'a dyn Fn(&TableName) -> Result<LazyFrame, StarError>,
}

impl Tested<'_> {
    fn table(&self) -> String {
        self.description.name.to_string()
    }

    fn failed(&self, test: &str, found: String) -> StarError {
        StarError::TestFailed { table: self.table(), test: test.to_owned(), found }
    }

    /// All rows but the unknown member.
    fn real(&self) -> LazyFrame {
        match self.description.key() {
            Some(key) => self.rows.clone().filter(col(key.name.as_str()).neq(lit(UNKNOWN_KEY))),
            None => self.rows.clone(),
        }
    }

    /// Runs every test of the model, the grain of a fact and the key of a dimension first.
    pub(crate) fn run(&self, tests: &[TestFile]) -> Result<(), StarError> {
        let table = self.table();
        let failed = || StarError::compute(&table);
        let identity = match &self.description.role {
            TableRole::Fact { grain, .. } => grain.clone(),
            _ => self.description.key().map(|key| vec![key.name.clone()]).unwrap_or_default(),
        };
        let twice = repeated(self.rows.clone(), &identity).map_err(failed())?;
        if twice > 0 {
            let test = format!("grain [{}]", identity.join(", "));
            return Err(self.failed(&test, format!("{twice} combinations come more than once")));
        }
        for test in tests {
            self.one(test)?;
        }
        Ok(())
    }

    fn one(&self, test: &TestFile) -> Result<(), StarError> {
        let table = self.table();
        let failed = || StarError::compute(&table);
        match test {
            TestFile::Unique(columns) => {
                let twice = repeated(self.real(), columns).map_err(failed())?;
                if twice > 0 {
                    let found = format!("{twice} combinations come more than once");
                    return Err(self.failed(&format!("unique [{}]", columns.join(", ")), found));
                }
            }
            TestFile::NotNull(columns) => {
                for column in columns {
                    let nulls = count(self.real().filter(col(column.as_str()).is_null())).map_err(failed())?;
                    if nulls > 0 {
                        return Err(self.failed(&format!("not_null {column}"), format!("{nulls} rows are null")));
                    }
                }
            }
            TestFile::RowCount(bounds) => {
                let rows = count(self.real()).map_err(failed())?;
                if rows < bounds.min || bounds.max.is_some_and(|max| rows > max) {
                    return Err(self.failed("row_count", format!("{rows} rows")));
                }
            }
            TestFile::RowsEqual(other) => {
                let is_shown = self.description.column("is_inferred").is_some();
                let own = if is_shown { self.real().filter(col("is_inferred").not()) } else { self.real() };
                let own = count(own).map_err(failed())?;
                let theirs = count((self.others)(other)?).map_err(failed())?;
                if own != theirs {
                    return Err(self.failed(&format!("rows_equal {other}"), format!("{own} rows against {theirs}")));
                }
            }
            TestFile::SumEquals(sum) => {
                let total = |rows: LazyFrame, column: &str| {
                    single(rows.select([col(column).sum().fill_null(lit(0_i64)).cast(DataType::String)]))
                };
                let own = total(self.real(), &sum.column).map_err(failed())?;
                let theirs = total((self.others)(&sum.table)?, &sum.of).map_err(failed())?;
                if !is_same_number(&own, &theirs) {
                    let test = format!("sum_equals {} = {}.{}", sum.column, sum.table, sum.of);
                    return Err(self.failed(&test, format!("{own} against {theirs}")));
                }
            }
        }
        Ok(())
    }
}

/// Whether two numbers are the same but for zeros at the end of their fractions.
fn is_same_number(a: &str, b: &str) -> bool {
    let plain = |text: &str| match text.split_once('.') {
        Some((whole, fraction)) => {
            format!("{whole}.{}", fraction.trim_end_matches('0')).trim_end_matches('.').to_owned()
        }
        None => text.to_owned(),
    };
    plain(a) == plain(b)
}

/// Checks that the versions of each member cover all of time once, and that one of them is current.
///
/// # Shape
///
/// In: the rows of a dimension's table as `description` says.
///
/// # Errors
///
/// [`StarError::TestFailed`] for the first that does not hold.
pub(crate) fn check_dimension(description: &TableDescription, rows: &LazyFrame) -> Result<(), StarError> {
    let table = description.name.to_string();
    let failed = || StarError::compute(&table);
    let fails =
        |test: &str, found: String| StarError::TestFailed { table: table.clone(), test: test.to_owned(), found };
    let Some(key) = description.key() else { return Ok(()) };
    let real = rows.clone().filter(col(key.name.as_str()).neq(lit(UNKNOWN_KEY)));
    let business: Vec<String> = description
        .columns
        .iter()
        .filter(|column| column.role == ColumnRole::BusinessKey)
        .map(|column| column.name.clone())
        .collect();
    if business.is_empty() {
        return Ok(());
    }
    if !matches!(description.role, TableRole::Dimension { has_history: true }) {
        let twice = repeated(real, &business).map_err(failed())?;
        return if twice == 0 { Ok(()) } else { Err(fails("one row a member", format!("{twice} members have more"))) };
    }
    let by = || business.iter().map(|name| col(name.as_str())).collect::<Vec<Expr>>();
    let members = count(real.clone().unique(Some(by_name(business.clone(), true, false)), UniqueKeepStrategy::Any));
    let members = members.map_err(failed())?;
    let current = real.clone().filter(col("is_current"));
    let (currents, twice) =
        (count(current.clone()).map_err(failed())?, repeated(current, &business).map_err(failed())?);
    if twice > 0 || currents != members {
        return Err(fails("one current version a member", format!("{currents} current versions of {members} members")));
    }
    let mut sort = by();
    sort.push(col("valid_from"));
    let next = col("valid_from").shift(lit(-1_i64)).over(by()).map_err(failed())?;
    let broken = real.sort_by_exprs(sort, SortMultipleOptions::default()).with_column(next.alias("_next")).filter(
        col("valid_from").gt_eq(col("valid_to")).or(col("_next").is_not_null().and(col("_next").neq(col("valid_to")))),
    );
    let broken = count(broken).map_err(failed())?;
    if broken > 0 {
        return Err(fails(
            "versions without gap or overlap",
            format!("{broken} versions do not end where the next begins"),
        ));
    }
    Ok(())
}

/// Checks every table of a star against the others.
///
/// # Errors
///
/// [`StarError::TestFailed`] for the first that does not hold.
pub(crate) fn check_star(
    star: &Star,
    rows: &dyn Fn(&TableName) -> Result<LazyFrame, StarError>,
) -> Result<(), StarError> {
    let described = describe(star);
    for table in &described.tables {
        check_dimension(table, &rows(&table.name)?)?;
        Tested { description: table, rows: rows(&table.name)?, others: rows }.run(&[])?;
    }
    for reference in &described.relationships {
        let name = |table: &str| TableName::new(Zone::Curated, star.name(), table);
        let (fact, dimension) = (name(&reference.from_table), name(&reference.to_table));
        let (from, to) = (rows(&fact)?, rows(&dimension)?);
        check_keys(&fact.to_string(), &from, &reference.from_column, &to, &reference.to_column)?;
    }
    Ok(())
}

/// Checks that every key in `column` of a fact is a key of the dimension.
///
/// # Errors
///
/// [`StarError::TestFailed`] when one is not.
pub(crate) fn check_keys(
    table: &str,
    fact: &LazyFrame,
    column: &str,
    dimension: &LazyFrame,
    key: &str,
) -> Result<(), StarError> {
    let keys = fact.clone().select([col(column)]).unique(None, UniqueKeepStrategy::Any);
    let lost =
        keys.join(dimension.clone().select([col(key)]), [col(column)], [col(key)], JoinArgs::new(JoinType::Anti));
    let lost = count(lost).map_err(StarError::compute(table))?;
    if lost == 0 {
        return Ok(());
    }
    let test = format!("every {column} exists");
    Err(StarError::TestFailed { table: table.to_owned(), test, found: format!("{lost} keys have no row") })
}
