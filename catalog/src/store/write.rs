//! Recording: datasets, edges, passages; and forgetting what is dropped.

use chrono::{DateTime, SecondsFormat, Utc};
use headwater_contract::TableName;

use super::{Catalog, CatalogError};
use crate::datasets::{Dataset, Freshness, Stats};
use crate::lineage::{Edge, Passage};

/// Instants as text that sorts by time.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// `SQLite` has signed integers only; no table has more than 2^63 rows or bytes.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Lists of strings and of plain structs always serialise.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Catalog {
    /// Writes the file anew without what was deleted or replaced: that lies in free pages until these are used again.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`].
    pub async fn compact(&self) -> Result<(), CatalogError> {
        for statement in ["PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            sqlx::raw_sql(statement).execute(&self.pool).await.map_err(self.error("compact"))?;
        }
        Ok(())
    }

    /// Records a dataset, in place of what was recorded of it before. A time that is not given stays as it was, so that a run which
    /// only checked does not forget when the rows were written.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`].
    pub async fn record_dataset(&self, dataset: &Dataset, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let freshness = &dataset.freshness;
        sqlx::query(
            "INSERT INTO dataset (name, kind, title, description, owner, tags, key, columns, best_effort, location, ends_at, rows, \
             files, size_bytes, version, written_at, checked_at, complete_until, every, recorded_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, title = excluded.title, description = excluded.description, \
             owner = excluded.owner, tags = excluded.tags, key = excluded.key, columns = excluded.columns, \
             best_effort = excluded.best_effort, location = excluded.location, ends_at = excluded.ends_at, rows = excluded.rows, \
             files = excluded.files, size_bytes = excluded.size_bytes, version = excluded.version, \
             written_at = coalesce(excluded.written_at, written_at), checked_at = coalesce(excluded.checked_at, checked_at), \
             complete_until = coalesce(excluded.complete_until, complete_until), every = coalesce(excluded.every, every), \
             recorded_at = excluded.recorded_at",
        )
        .bind(dataset.table.to_string())
        .bind(dataset.kind.as_str())
        .bind(&dataset.title)
        .bind(&dataset.description)
        .bind(&dataset.owner)
        .bind(json(&dataset.tags))
        .bind(json(&dataset.key))
        .bind(json(&dataset.columns))
        .bind(&dataset.best_effort)
        .bind(&dataset.location)
        .bind(dataset.ends_at.map(instant))
        .bind(number(dataset.stats.rows))
        .bind(number(dataset.stats.files))
        .bind(number(dataset.stats.size_bytes))
        .bind(dataset.stats.version.map(number))
        .bind(freshness.written_at.map(instant))
        .bind(freshness.checked_at.map(instant))
        .bind(freshness.complete_until.map(instant))
        .bind(freshness.every.map(|every| every.to_string()))
        .bind(instant(now))
        .execute(&self.pool)
        .await
        .map_err(self.error("write"))?;
        Ok(())
    }

    /// Records size and freshness of a dataset that is there already. A time that is not given stays as it was, so that a run
    /// which only checked does not forget when the rows were written.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NoTable`] when it was never recorded, [`CatalogError::Database`].
    pub async fn record_state(
        &self,
        table: &TableName,
        stats: &Stats,
        freshness: &Freshness,
    ) -> Result<(), CatalogError> {
        let done = sqlx::query(
            "UPDATE dataset SET rows = ?, files = ?, size_bytes = ?, version = ?, written_at = coalesce(?, written_at), \
             checked_at = coalesce(?, checked_at), complete_until = coalesce(?, complete_until), every = coalesce(?, every) \
             WHERE name = ?",
        )
        .bind(number(stats.rows))
        .bind(number(stats.files))
        .bind(number(stats.size_bytes))
        .bind(stats.version.map(number))
        .bind(freshness.written_at.map(instant))
        .bind(freshness.checked_at.map(instant))
        .bind(freshness.complete_until.map(instant))
        .bind(freshness.every.map(|every| every.to_string()))
        .bind(table.to_string())
        .execute(&self.pool)
        .await
        .map_err(self.error("write"))?;
        if done.rows_affected() == 0 {
            return Err(CatalogError::NoTable { table: table.clone(), close: Vec::new() });
        }
        Ok(())
    }

    /// Records edges, in place of all edges that led to the same tables before: a model that no longer reads a table loses its
    /// edge.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`]; then none of them is recorded.
    pub async fn record_lineage(&self, edges: &[Edge], run: &str, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let error = self.error("write");
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(error)?;
        for edge in edges {
            let target = edge.to.to_string();
            sqlx::query("DELETE FROM edge WHERE target = ?")
                .bind(target)
                .execute(&mut *transaction)
                .await
                .map_err(error)?;
        }
        for edge in edges {
            let columns: Vec<_> =
                edge.columns.iter().map(|pair| (&pair.from_column, &pair.to_column, pair.how.as_str())).collect();
            sqlx::query(
                "INSERT OR REPLACE INTO edge (source, target, columns, run, recorded_at) VALUES (?, ?, ?, ?, ?)",
            )
            .bind(edge.from.to_string())
            .bind(edge.to.to_string())
            .bind(json(&columns))
            .bind(run)
            .bind(instant(now))
            .execute(&mut *transaction)
            .await
            .map_err(error)?;
        }
        transaction.commit().await.map_err(error)
    }

    /// Records which run carried which windows into which tables.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`]; then none of them is recorded.
    pub async fn record_passages(&self, passages: &[Passage]) -> Result<(), CatalogError> {
        let error = self.error("write");
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(error)?;
        for passage in passages {
            sqlx::query("INSERT OR REPLACE INTO passage (target, window, generation, run, at) VALUES (?, ?, ?, ?, ?)")
                .bind(passage.to.to_string())
                .bind(&passage.window)
                .bind(number(passage.generation))
                .bind(&passage.run)
                .bind(instant(passage.at))
                .execute(&mut *transaction)
                .await
                .map_err(error)?;
        }
        transaction.commit().await.map_err(error)
    }

    /// Forgets a table that was dropped, with its lineage. A table that is not there is forgotten already.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`].
    pub async fn forget(&self, table: &TableName) -> Result<(), CatalogError> {
        let error = self.error("write");
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(error)?;
        for statement in [
            "DELETE FROM dataset WHERE name = ?",
            "DELETE FROM edge WHERE target = ?",
            "DELETE FROM passage WHERE target = ?",
        ] {
            sqlx::query(statement).bind(table.to_string()).execute(&mut *transaction).await.map_err(error)?;
        }
        transaction.commit().await.map_err(error)
    }
}
