//! What was found when tables were looked at: windows whose rows agree with receipts, the versions that did, keys in two windows.

use std::collections::{BTreeMap, BTreeSet};

use headwater_contract::{Digest16, StreamName, Window};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use crate::ledger::{Lease, Ledger, LedgerError};

/// A version of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableVersion {
    /// The table's name within the source.
    pub table: String,
    /// The id that its log gives it.
    pub table_id: String,
    /// The version of its log.
    pub version: i64,
}

impl FromRow<'_, SqliteRow> for TableVersion {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { table: row.try_get("name")?, table_id: row.try_get("table_id")?, version: row.try_get("version")? })
    }
}

/// A window whose rows in the tables are those of its receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The window.
    pub window: Window,
    /// The generation that is shown.
    pub generation: u64,
    /// Rows of tables of versions, which receipts alone do not tell.
    pub shown_rows: BTreeMap<String, u64>,
}

impl Ledger {
    /// The versions of a stream's tables that were compared last and agreed.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`].
    pub async fn compared(&self, stream: &StreamName) -> Result<Vec<TableVersion>, LedgerError> {
        sqlx::query_as("select name, table_id, version from compared where stream = ?1 order by name")
            .bind(stream.to_string())
            .fetch_all(self.pool())
            .await
            .map_err(self.failed("read compared versions"))
    }

    /// Notes windows whose rows agree, and versions in which all rows do; `lease` is that of the stream.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LeaseLost`], [`LedgerError::Database`].
    pub async fn reconciled(
        &self,
        lease: &Lease,
        stream: &StreamName,
        agreed: &[Agreed],
        versions: &[TableVersion],
    ) -> Result<(), LedgerError> {
        let mut change = self.fenced(lease, stream, agreed.iter().map(|agreed| &agreed.window)).await?;
        for Agreed { window, generation, shown_rows } in agreed {
            let mut facts = self.facts_in(&mut change, stream, window).await?;
            if facts.committed == Some(*generation) {
                facts.reconciled = Some(*generation);
                facts.shown_rows.clone_from(shown_rows);
                self.write(&mut change, stream, window, &facts).await?;
            }
        }
        for TableVersion { table, table_id, version } in versions {
            sqlx::query(
                "insert into compared (stream, name, table_id, version) values (?1, ?2, ?3, ?4)
                 on conflict (stream, name) do update set table_id = excluded.table_id, version = excluded.version",
            )
            .bind(stream.to_string())
            .bind(table)
            .bind(table_id)
            .bind(version)
            .execute(&mut *change)
            .await
            .map_err(self.failed("note a compared version"))?;
        }
        change.commit().await.map_err(self.failed("note compared windows"))
    }

    /// The windows of a stream that were found to share keys under `contract`, and how many keys; none when none were.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn shared_keys(
        &self,
        stream: &StreamName,
        contract: Digest16,
    ) -> Result<(u64, BTreeSet<Window>), LedgerError> {
        let stored: Option<(i64, String)> =
            sqlx::query_as("select keys, windows from shared_keys where stream = ?1 and contract = ?2")
                .bind(stream.to_string())
                .bind(contract.to_string())
                .fetch_optional(self.pool())
                .await
                .map_err(self.failed("read shared keys"))?;
        let Some((keys, windows)) = stored else { return Ok((0, BTreeSet::new())) };
        let windows = serde_json::from_str(&windows).map_err(|error| self.corrupt(error.to_string()))?;
        Ok((u64::try_from(keys).unwrap_or_default(), windows))
    }

    /// Notes the windows of a stream that share keys, in place of those that were noted before; `lease` is that of the stream.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LeaseLost`], [`LedgerError::Database`].
    pub async fn share_keys(
        &self,
        lease: &Lease,
        stream: &StreamName,
        contract: Digest16,
        keys: u64,
        windows: &BTreeSet<Window>,
    ) -> Result<(), LedgerError> {
        let mut change = self.fenced(lease, stream, windows).await?;
        sqlx::query("delete from shared_keys where stream = ?1")
            .bind(stream.to_string())
            .execute(&mut *change)
            .await
            .map_err(self.failed("note shared keys"))?;
        if keys > 0 {
            let text = serde_json::to_string(windows).map_err(|error| self.corrupt(error.to_string()))?;
            sqlx::query("insert into shared_keys (stream, contract, keys, windows) values (?1, ?2, ?3, ?4)")
                .bind(stream.to_string())
                .bind(contract.to_string())
                .bind(i64::try_from(keys).unwrap_or(i64::MAX))
                .bind(text)
                .execute(&mut *change)
                .await
                .map_err(self.failed("note shared keys"))?;
        }
        change.commit().await.map_err(self.failed("note shared keys"))
    }
}
