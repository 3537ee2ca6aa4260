//! The inputs of one build: each table at one version, which stays the same from the first look to the last commit.

use std::collections::BTreeMap;

use headwater_contract::TableName;
use polars::prelude::LazyFrame;
use polars::sql::SQLContext;

use crate::Lake;
use crate::commit::{DeltaLog, TableSnapshot};
use crate::read::{registered_name, scan};
use crate::star::definition::Rows;
use crate::star::error::StarError;
use crate::zones::layout;

/// One table as the build reads it.
#[derive(Clone)]
struct Input {
    snapshot: TableSnapshot,
    rows: Option<LazyFrame>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.snapshot)
    }
}

/// Every table that a star reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs(BTreeMap<TableName, Input>);

/// The app id under which a commit records that it read version `v` of a table.
pub(crate) fn input_txn(table_id: &str) -> String {
    format!("input/{table_id}")
}

impl Inputs {
    /// Takes a snapshot of each of `tables`, without a look at its files. A table that does not exist is left out.
    pub(crate) async fn open(lake: &Lake, star: &str, tables: &[TableName]) -> Result<Self, StarError> {
        let mut inputs = BTreeMap::new();
        for table in tables {
            let folder = layout::table_path(table);
            let log = DeltaLog::open(lake.zones.get(table.zone), &folder).await.map_err(StarError::lake(star))?;
            let Some(log) = log else { continue };
            let snapshot = log.snapshot().await.map_err(StarError::lake(star))?;
            inputs.insert(table.clone(), Input { snapshot, rows: None });
        }
        Ok(Self(inputs))
    }

    /// Makes the files of every table readable.
    pub(crate) async fn load(&mut self, lake: &Lake, star: &str) -> Result<(), StarError> {
        for (table, input) in &mut self.0 {
            let (store, folder) = (lake.zones.get(table.zone), layout::table_path(table));
            let rows = scan(store, &folder, &input.snapshot, &lake.scratch).await.map_err(StarError::lake(star))?;
            input.rows = Some(rows);
        }
        Ok(())
    }

    /// The version of each of `tables` that is there.
    pub(crate) fn versions(&self, tables: &[TableName]) -> BTreeMap<TableName, i64> {
        let known = tables.iter().filter_map(|table| Some((table.clone(), self.0.get(table)?.snapshot.version)));
        known.collect()
    }

    /// The same inputs, with other rows of some tables.
    pub(crate) fn replaced(&self, rows: &[(TableName, LazyFrame)]) -> Self {
        let mut inputs = self.clone();
        for (table, rows) in rows {
            if let Some(input) = inputs.0.get_mut(table) {
                input.rows = Some(rows.clone());
            }
        }
        inputs
    }

    /// The versions of `tables`, as a commit records them.
    pub(crate) fn txns(&self, tables: &[TableName]) -> Vec<(String, i64)> {
        let known = tables.iter().filter_map(|table| self.0.get(table));
        known.map(|input| (input_txn(&input.snapshot.table_id), input.snapshot.version)).collect()
    }

    /// The rows of one table.
    pub(crate) fn rows(&self, table: &str, name: &TableName) -> Result<LazyFrame, StarError> {
        let missing = || StarError::InputMissing { table: table.to_owned(), input: name.clone() };
        self.0.get(name).and_then(|input| input.rows.clone()).ok_or_else(missing)
    }

    /// The first of `tables` that shows less than a commit has recorded of it: its name, what shows, what was recorded.
    pub(crate) fn older_than(
        &self,
        recorded: &BTreeMap<String, i64>,
        tables: &[TableName],
    ) -> Option<(TableName, i64, i64)> {
        tables.iter().find_map(|table| {
            let snapshot = &self.0.get(table)?.snapshot;
            let recorded = *recorded.get(&input_txn(&snapshot.table_id))?;
            (recorded > snapshot.version).then(|| (table.clone(), snapshot.version, recorded))
        })
    }

    /// Runs a table's query or function over the inputs.
    pub(crate) fn run(&self, table: &str, rows: &Rows) -> Result<LazyFrame, StarError> {
        match rows {
            Rows::Sql { text, inputs } => {
                let mut context = SQLContext::new();
                for name in inputs {
                    context.register(&registered_name(name), self.rows(table, name)?);
                }
                context.execute(text).map_err(StarError::compute(table))
            }
            Rows::Function { inputs, make, .. } => {
                let frames: Result<Vec<LazyFrame>, StarError> =
                    inputs.iter().map(|name| self.rows(table, name)).collect();
                make(&frames?).map_err(StarError::compute(table))
            }
        }
    }
}
