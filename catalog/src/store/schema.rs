//! Tables of the database, by version. A version is added, never changed.

use super::{Catalog, CatalogError};

/// What each version adds; `PRAGMA user_version` counts how many were applied.
const VERSIONS: [&str; 1] = ["
CREATE TABLE dataset (
    name TEXT PRIMARY KEY,            -- zone.schema.table
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT,
    owner TEXT,
    tags TEXT NOT NULL,               -- JSON list
    key TEXT NOT NULL,                -- JSON list
    columns TEXT NOT NULL,            -- JSON list, in table order
    best_effort TEXT,
    location TEXT NOT NULL,
    ends_at TEXT,
    rows INTEGER NOT NULL,
    files INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    version INTEGER,
    written_at TEXT,
    checked_at TEXT,
    complete_until TEXT,
    every TEXT,
    recorded_at TEXT NOT NULL
) STRICT;
CREATE TABLE edge (
    source TEXT NOT NULL,             -- zone.schema.table, or api:source.stream
    target TEXT NOT NULL,
    columns TEXT NOT NULL,            -- JSON list of [from, to, how]
    run TEXT NOT NULL,                -- that recorded it last
    recorded_at TEXT NOT NULL,
    PRIMARY KEY (source, target)
) STRICT;
CREATE INDEX edge_target ON edge (target);
CREATE TABLE passage (
    target TEXT NOT NULL,
    window TEXT NOT NULL,
    generation INTEGER NOT NULL,
    run TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (target, window, generation)
) STRICT;
CREATE INDEX passage_run ON passage (run);
"];

impl Catalog {
    pub(super) async fn migrate(&self) -> Result<(), CatalogError> {
        let error = self.error("update");
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(error)?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(error)?;
        let known = i64::try_from(VERSIONS.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(CatalogError::TooNew { path: self.path.clone(), found, known });
        }
        for statements in VERSIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            sqlx::raw_sql(*statements).execute(&mut *transaction).await.map_err(error)?;
        }
        // A pragma takes no parameters, so each version has its own text.
        if found < 1 {
            sqlx::raw_sql("PRAGMA user_version = 1").execute(&mut *transaction).await.map_err(error)?;
        }
        transaction.commit().await.map_err(error)
    }
}
