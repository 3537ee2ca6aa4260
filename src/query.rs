//! Questions to the lake, each table through policy and audit.

use headwater_catalog::{Action, Caller, Permit, RoleName};
use headwater_contract::TableName;
use headwater_lake::exploration::{self, Exploration, Wish};
use headwater_lake::read::{ReadError, as_csv, as_json, as_text, query, tables_of};

use crate::Lakehouse;
use crate::run::RunError;

/// The answer to a question.
#[derive(Debug)]
pub struct Answer {
    text: String,
    json: serde_json::Value,
    csv: String,
    rows: usize,
}

impl Answer {
    /// An aligned table for people.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// A list of objects, one a row.
    pub fn as_json(&self) -> &serde_json::Value {
        &self.json
    }

    /// Comma-separated values with a line of names.
    pub fn as_csv(&self) -> &str {
        &self.csv
    }

    /// Rows of the whole answer, of which the texts above may show fewer.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl Lakehouse {
    /// Who asks: the operating-system user with the role that the project gives, or a narrower one.
    ///
    /// # Errors
    ///
    /// [`RunError::Access`] when the user has no role or the role reaches further than his own.
    pub fn caller(&self, role: Option<&RoleName>) -> Result<Caller, RunError> {
        Ok(self.policy.caller(&self.environment.user, role)?)
    }

    /// Answers one SELECT over tables named `zone.schema.table`, with at most `limit` rows in its texts.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the caller may not read a table, or the query cannot be answered.
    pub async fn query(&self, sql: &str, role: Option<&RoleName>, limit: usize) -> Result<Answer, RunError> {
        let caller = self.caller(role)?;
        let permits = self.permits(&caller, sql)?;
        let visible = self.visible(&caller).await?;
        let frame = query(&self.lake, &permits, sql, &visible).await?;
        let shown = frame.head(Some(limit));
        Ok(Answer { text: as_text(&shown), json: as_json(&shown), csv: as_csv(&shown), rows: frame.height() })
    }

    /// Leave to read each table of a query; every decision is in the audit log afterwards.
    fn permits(&self, caller: &Caller, sql: &str) -> Result<Vec<Permit>, RunError> {
        let query = tables_of(sql).map_err(ReadError::from)?;
        let admit = |table: &TableName| self.audit.admit(self.policy.decide(caller, Action::Read, table), sql);
        Ok(query.tables.iter().map(admit).collect::<Result<_, _>>()?)
    }

    /// The tables that the caller may know of.
    pub(crate) async fn visible(&self, caller: &Caller) -> Result<Vec<TableName>, RunError> {
        let datasets = self.catalog.datasets().await?;
        let is_visible = |table: &TableName| self.policy.decide(caller, Action::Read, table).is_allowed();
        Ok(datasets.into_iter().map(|dataset| dataset.table).filter(is_visible).collect())
    }

    /// Keeps the answer of a query as a table of exploration.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the caller may not read a table, the name is taken, or the end date is past.
    pub async fn explore(&self, wish: Wish<'_>) -> Result<Exploration, RunError> {
        let caller = self.caller(None)?;
        let permits = self.permits(&caller, wish.sql)?;
        let visible = self.visible(&caller).await?;
        let made = exploration::create(&self.lake, &permits, wish, &visible).await?;
        self.record_exploration(&made).await?;
        Ok(made)
    }

    /// Leave to do to a table what only those may do who may read it.
    ///
    /// # Errors
    ///
    /// [`RunError::Access`] when the caller may not.
    pub fn permit(&self, table: &TableName, what: &str) -> Result<Permit, RunError> {
        let caller = self.caller(None)?;
        Ok(self.audit.admit(self.policy.decide(&caller, Action::Read, table), what)?)
    }
}
