//! Exploration: tables that people make for themselves from a query, each with an owner and an end date.
//!
//! A sample is a copy: it does not follow its source. The end date makes sure that nothing stays for ever: from that day on
//! [`expired`] names the table, and a maintenance deletes it. Owner, end date and query stand in `about.json` beside the table, created once.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use headwater_catalog::Permit;
use headwater_contract::{ErrorKind, Explain, NameError, SourceName, TableName, Zone};
use polars::prelude::{DataFrame, DataType, Expr, IntoLazy, TimeUnit, TimeZone, col};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use ulid::Ulid;

use crate::Lake;
use crate::commit::{Change, DeltaLog, LogError, NewFile};
use crate::read::{ReadError, query, tables_of};
use crate::star::{StarError, write_frame};
use crate::store::StoreError;
use crate::zones::layout;

/// Version of `about.json`.
const VERSION: u32 = 1;

/// What is known of one table of exploration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploration {
    /// Version of this format.
    pub version: u32,
    /// The table.
    pub table: TableName,
    /// Who made it and answers for it.
    pub owner: String,
    /// The first day on which it is expired.
    pub until: NaiveDate,
    /// The query that made it.
    pub sql: String,
    /// The tables it was made from.
    pub inputs: Vec<TableName>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its rows.
    pub rows: u64,
}

impl Exploration {
    /// Whether its end date has come.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        now.date_naive() >= self.until
    }
}

/// Why a table of exploration could not be made, listed or dropped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExplorationError {
    /// The owner or the table has no usable name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The end date is today or earlier.
    #[error("the end date {until} is not in the future")]
    EndsTooSoon {
        /// The date.
        until: NaiveDate,
    },
    /// A table of that name is there.
    #[error("`{table}` exists already")]
    Exists {
        /// The table.
        table: TableName,
    },
    /// No table of that name is there.
    #[error("`{table}` does not exist")]
    NotThere {
        /// The table.
        table: TableName,
    },
    /// A column has a type that a table cannot have.
    #[error("column `{column}` has type {held}, which a table cannot have")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        held: String,
    },
    /// The query failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The files could not be written.
    #[error(transparent)]
    Write(#[from] StarError),
    /// The table's log could not be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `about.json` is damaged.
    #[error("`{path}` cannot be read")]
    Damaged {
        /// Its path in exploration.
        path: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl Explain for ExplorationError {
    fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "exploration-name",
            Self::EndsTooSoon { .. } => "exploration-ends-too-soon",
            Self::Exists { .. } => "exploration-exists",
            Self::NotThere { .. } => "exploration-not-there",
            Self::ColumnType { .. } => "exploration-column-type",
            Self::Read(error) => error.code(),
            Self::Write(error) => error.code(),
            Self::Log(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Damaged { .. } => "exploration-damaged",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(_)
            | Self::EndsTooSoon { .. }
            | Self::Exists { .. }
            | Self::NotThere { .. }
            | Self::ColumnType { .. } => ErrorKind::Config,
            Self::Read(error) => error.kind(),
            Self::Write(error) => error.kind(),
            Self::Log(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Damaged { .. } => ErrorKind::Internal,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Exists { table } | Self::NotThere { table } => format!("table {table}"),
            Self::Read(error) => error.place(),
            Self::Write(error) => error.place(),
            Self::Log(error) => error.place(),
            Self::Store(error) => error.place(),
            Self::Damaged { path, .. } => path.clone(),
            Self::Name(_) | Self::EndsTooSoon { .. } | Self::ColumnType { .. } => "exploration".into(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Name(_) => "use `a-z`, `0-9` and `_`, beginning with a letter".into(),
            Self::EndsTooSoon { .. } => "name a day after today".into(),
            Self::Exists { .. } => "drop it first, or choose another name".into(),
            Self::NotThere { .. } => "list what there is with `headwater explore list`".into(),
            Self::ColumnType { column, .. } => format!("cast `{column}` to a text, number, date or timestamp"),
            Self::Read(error) => error.fix(),
            Self::Write(error) => error.fix(),
            Self::Log(error) => error.fix(),
            Self::Store(error) => error.fix(),
            Self::Damaged { .. } => "drop the table and make it again".into(),
        }
    }

    fn committed(&self) -> String {
        "no other table was touched; running again is safe".into()
    }
}

/// What to make.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// Who answers for it: the folder and schema.
    pub owner: &'a str,
    /// The table's name.
    pub name: &'a str,
    /// The query whose rows it keeps.
    pub sql: &'a str,
    /// The first day on which it is expired.
    pub until: NaiveDate,
}

/// Makes a table from a query. `permits` give leave for each table of the query.
///
/// # Errors
///
/// [`ExplorationError`]; nothing is shown unless all of it is there.
pub async fn create(
    lake: &Lake,
    permits: &[Permit],
    wish: Wish<'_>,
    visible: &[TableName],
) -> Result<Exploration, ExplorationError> {
    let table = named(wish.owner, wish.name)?;
    let now = lake.clock.now();
    if wish.until <= now.date_naive() {
        return Err(ExplorationError::EndsTooSoon { until: wish.until });
    }
    let store = &lake.zones.exploration;
    let folder = layout::table_path(&table);
    if DeltaLog::open(store, &folder).await?.is_some() || store.exists(&about_path(&table)).await? {
        return Err(ExplorationError::Exists { table });
    }
    let answer = query(lake, permits, wish.sql, visible).await?;
    let frame = tokio::task::spawn_blocking(move || storable(answer)).await;
    let frame = frame.map_err(|error| ReadError::Internal { what: error.to_string() })??;
    let rows = u64::try_from(frame.height()).unwrap_or(u64::MAX);
    let about = Exploration {
        version: VERSION,
        table: table.clone(),
        owner: wish.owner.to_owned(),
        until: wish.until,
        sql: wish.sql.to_owned(),
        inputs: tables_of(wish.sql).map_err(ReadError::from)?.tables,
        created_at: now,
        rows,
    };
    let schema = write_frame::schema_of(&frame);
    let files: Vec<NewFile> =
        write_frame::upload(lake, &table.to_string(), store, &folder, Ulid::from_datetime(now.into()), frame).await?;
    let log = DeltaLog::open_or_create(store, &folder, &schema, &[], now).await?;
    let snapshot = log.snapshot().await?;
    if !snapshot.files.is_empty() {
        return Err(ExplorationError::Exists { table });
    }
    // What it is for stands there before its rows do, so that no table of exploration is without an owner.
    let text = serde_json::to_vec_pretty(&about);
    let text = text.map_err(|source| ExplorationError::Damaged { path: about_path(&table), source })?;
    match store.put_new(&about_path(&table), bytes::Bytes::from(text)).await {
        Err(error) if error.is_already_exists() => return Err(ExplorationError::Exists { table }),
        other => other?,
    }
    let info = BTreeMap::from([("headwater.owner".to_owned(), serde_json::json!(about.owner))]);
    log.commit(&snapshot, Change { adds: files, info, ..Change::default() }, now).await?;
    Ok(about)
}

/// Every table of exploration, by owner and name.
///
/// # Errors
///
/// [`ExplorationError`] when the store fails or an `about.json` is damaged.
pub async fn list(lake: &Lake) -> Result<Vec<Exploration>, ExplorationError> {
    let store = &lake.zones.exploration;
    let mut found = Vec::new();
    for owner in store.folders("").await? {
        for name in store.folders(&owner).await? {
            let path = format!("{owner}/{name}/{ABOUT}");
            match store.get(&path).await {
                Ok(text) => {
                    let about = serde_json::from_slice(&text);
                    found.push(about.map_err(|source| ExplorationError::Damaged { path, source })?);
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    found.sort_by(|a: &Exploration, b| a.table.cmp(&b.table));
    Ok(found)
}

/// Tables of exploration whose end date has come.
///
/// # Errors
///
/// As [`list`].
pub async fn expired(lake: &Lake) -> Result<Vec<Exploration>, ExplorationError> {
    let now = lake.clock.now();
    Ok(list(lake).await?.into_iter().filter(|table| table.is_expired(now)).collect())
}

/// Deletes a table with its files.
///
/// # Errors
///
/// [`ExplorationError::NotThere`], else what the store said; what is left is deleted by dropping it again.
pub async fn drop_table(lake: &Lake, owner: &str, name: &str) -> Result<(), ExplorationError> {
    let table = named(owner, name)?;
    let store = &lake.zones.exploration;
    let mut paths: Vec<String> =
        store.list(&layout::table_path(&table)).await?.into_iter().map(|entry| entry.path).collect();
    if paths.is_empty() {
        return Err(ExplorationError::NotThere { table });
    }
    // The log goes first, so that no reader sees a table whose files are gone; what the table was goes last.
    paths.sort_by_key(|path| (path.ends_with(ABOUT), !path.contains("/_delta_log/")));
    for path in paths {
        store.delete(&path).await?;
    }
    Ok(())
}

const ABOUT: &str = "about.json";

fn about_path(table: &TableName) -> String {
    format!("{}/{ABOUT}", layout::table_path(table))
}

fn named(owner: &str, name: &str) -> Result<TableName, ExplorationError> {
    // Owners and tables follow the rule of sources: their names are segments of paths and words of SQL.
    let owner = SourceName::new(owner)?;
    let name = SourceName::new(name)?;
    Ok(TableName::new(Zone::Exploration, owner.as_str(), name.as_str()))
}

/// The frame in types that a table can have.
fn storable(frame: DataFrame) -> Result<DataFrame, ExplorationError> {
    let mut columns: Vec<Expr> = Vec::new();
    for column in frame.columns() {
        let name = column.name().as_str();
        let target = match column.dtype() {
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt32
            | DataType::UInt64 => DataType::Int64,
            DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Datetime(_, Some(_)) => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
            DataType::Null => DataType::String,
            same @ (DataType::String | DataType::Boolean | DataType::Date | DataType::Decimal(_, _)) => same.clone(),
            other => return Err(ExplorationError::ColumnType { column: name.to_owned(), held: other.to_string() }),
        };
        columns.push(col(name).strict_cast(target));
    }
    let names: String = frame.columns().iter().map(|column| column.name().to_string()).collect::<Vec<_>>().join(", ");
    let cast = frame.lazy().select(columns).collect();
    Ok(cast.map_err(|source| ReadError::Query { what: names, source: Box::new(source) })?)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::read::tests::{leave, two_orders};

    fn wish<'a>(owner: &'a str, name: &'a str, until: &str) -> Wish<'a> {
        Wish { owner, name, sql: "select customer, amount from cleansed.shop.orders", until: until.parse().unwrap() }
    }

    #[tokio::test]
    async fn refuses_bad_names_past_dates_and_tables_without_leave() {
        let folder = TempDir::new().unwrap();
        let lake = two_orders(folder.path()).await;
        let permits = leave(folder.path(), &["cleansed.shop.orders"]);
        let error = create(&lake, &permits, wish("../ann", "sample", "2024-04-01"), &[]).await.unwrap_err();
        assert_eq!(error.code(), "exploration-name");
        let error = create(&lake, &permits, wish("ann", "sample", "2024-03-10"), &[]).await.unwrap_err();
        assert_eq!(error.code(), "exploration-ends-too-soon");
        let error = create(&lake, &[], wish("ann", "sample", "2024-04-01"), &[]).await.unwrap_err();
        assert_eq!(error.code(), "not-permitted");
        let error = drop_table(&lake, "ann", "sample").await.unwrap_err();
        assert_eq!(error.code(), "exploration-not-there");
        assert_eq!(list(&lake).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_sample_has_an_owner_an_end_date_and_its_rows_until_it_is_dropped() {
        let folder = TempDir::new().unwrap();
        let lake = two_orders(folder.path()).await;
        let permits = leave(folder.path(), &["cleansed.shop.orders", "exploration.ann.sample"]);
        let made = create(&lake, &permits, wish("ann", "sample", "2024-03-11"), &[]).await.unwrap();
        assert_eq!((made.rows, made.owner.as_str(), made.inputs.len()), (2, "ann", 1));
        let error = create(&lake, &permits, wish("ann", "sample", "2024-03-11"), &[]).await.unwrap_err();
        assert_eq!(error.code(), "exploration-exists");
        let total =
            query(&lake, &permits, "select sum(amount) as total from exploration.ann.sample", &[]).await.unwrap();
        assert_eq!(crate::read::as_csv(&total), "total\n13.50\n");
        assert_eq!(list(&lake).await.unwrap(), std::slice::from_ref(&made));
        assert_eq!(expired(&lake).await.unwrap(), []);
        assert!(made.is_expired(lake.clock.now() + chrono::TimeDelta::days(1)));
        drop_table(&lake, "ann", "sample").await.unwrap();
        assert_eq!(list(&lake).await.unwrap(), []);
        create(&lake, &permits, wish("ann", "sample", "2024-03-11"), &[]).await.unwrap();
    }
}
