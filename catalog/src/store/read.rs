//! Reading back what was recorded.

use chrono::{DateTime, Utc};
use headwater_contract::TableName;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Catalog, CatalogError};
use crate::datasets::{Dataset, DatasetKind, Freshness, Stats};
use crate::lineage::{ColumnEdge, Edge, How, Passage};

impl Catalog {
    /// All datasets, by name.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`], [`CatalogError::Damaged`].
    pub async fn datasets(&self) -> Result<Vec<Dataset>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM dataset ORDER BY name").fetch_all(&self.pool).await;
        rows.map_err(self.error("read"))?.iter().map(|row| self.dataset_of(row)).collect()
    }

    /// All edges, by target and source.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`], [`CatalogError::Damaged`].
    pub async fn edges(&self) -> Result<Vec<Edge>, CatalogError> {
        let rows =
            sqlx::query("SELECT source, target, columns FROM edge ORDER BY target, source").fetch_all(&self.pool).await;
        rows.map_err(self.error("read"))?.iter().map(|row| self.edge_of(row)).collect()
    }

    /// The newest `limit` passages into a table, newest first.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`], [`CatalogError::Damaged`].
    pub async fn passages(&self, table: &TableName, limit: u32) -> Result<Vec<Passage>, CatalogError> {
        let statement =
            "SELECT window, generation, run, at FROM passage WHERE target = ? ORDER BY at DESC, window DESC LIMIT ?";
        let rows = sqlx::query(statement).bind(table.to_string()).bind(limit).fetch_all(&self.pool).await;
        rows.map_err(self.error("read"))?
            .iter()
            .map(|row| {
                Ok(Passage {
                    to: table.clone(),
                    window: self.column(row, "window")?,
                    generation: self.count(row, "generation")?,
                    run: self.column(row, "run")?,
                    at: self.instant(&self.column::<String>(row, "at")?)?,
                })
            })
            .collect()
    }

    fn dataset_of(&self, row: &SqliteRow) -> Result<Dataset, CatalogError> {
        let kind: String = self.column(row, "kind")?;
        let kind = self.json::<DatasetKind>("a kind of dataset", &serde_json::Value::String(kind).to_string())?;
        let every: Option<String> = self.column(row, "every")?;
        let every = every.map(|text| text.parse().map_err(|_| self.damaged("a length of time", &text))).transpose()?;
        Ok(Dataset {
            table: self.table(&self.column::<String>(row, "name")?)?,
            kind,
            title: self.column(row, "title")?,
            description: self.column(row, "description")?,
            owner: self.column(row, "owner")?,
            tags: self.json("a list of tags", &self.column::<String>(row, "tags")?)?,
            key: self.json("a list of key columns", &self.column::<String>(row, "key")?)?,
            columns: self.json("a list of columns", &self.column::<String>(row, "columns")?)?,
            best_effort: self.column(row, "best_effort")?,
            location: self.column(row, "location")?,
            ends_at: self.time(row, "ends_at")?,
            stats: Stats {
                rows: self.count(row, "rows")?,
                files: self.count(row, "files")?,
                size_bytes: self.count(row, "size_bytes")?,
                version: self.column::<Option<i64>>(row, "version")?.and_then(|version| u64::try_from(version).ok()),
            },
            freshness: Freshness {
                written_at: self.time(row, "written_at")?,
                checked_at: self.time(row, "checked_at")?,
                complete_until: self.time(row, "complete_until")?,
                every,
            },
        })
    }

    fn edge_of(&self, row: &SqliteRow) -> Result<Edge, CatalogError> {
        let source: String = self.column(row, "source")?;
        let pairs: Vec<(String, String, String)> =
            self.json("a list of columns", &self.column::<String>(row, "columns")?)?;
        let columns = pairs.into_iter().map(|(from_column, to_column, how)| {
            let how = How::parse(&how).ok_or_else(|| self.damaged("a way of lineage", how))?;
            Ok(ColumnEdge { from_column, to_column, how })
        });
        Ok(Edge {
            from: source.parse().map_err(|_| self.damaged("a place", &source))?,
            to: self.table(&self.column::<String>(row, "target")?)?,
            columns: columns.collect::<Result<_, CatalogError>>()?,
        })
    }

    fn column<'r, T>(&self, row: &'r SqliteRow, name: &str) -> Result<T, CatalogError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        row.try_get(name).map_err(self.error("read"))
    }

    fn count(&self, row: &SqliteRow, name: &str) -> Result<u64, CatalogError> {
        let value: i64 = self.column(row, name)?;
        u64::try_from(value).map_err(|_| self.damaged("a count", value.to_string()))
    }

    fn time(&self, row: &SqliteRow, name: &str) -> Result<Option<DateTime<Utc>>, CatalogError> {
        self.column::<Option<String>>(row, name)?.map(|text| self.instant(&text)).transpose()
    }

    fn instant(&self, text: &str) -> Result<DateTime<Utc>, CatalogError> {
        text.parse().map_err(|_| self.damaged("an instant", text))
    }

    fn table(&self, text: &str) -> Result<TableName, CatalogError> {
        text.parse().map_err(|_| self.damaged("a table", text))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, what: &'static str, text: &str) -> Result<T, CatalogError> {
        serde_json::from_str(text).map_err(|_| self.damaged(what, text))
    }
}
