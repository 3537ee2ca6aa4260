//! Tells the catalog what was written: tables, columns, sizes, freshness, and where every row comes from.
//!
//! Technical facts only; business words come from `catalog.yaml`. A catalog that was lost fills itself again with the runs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use headwater_catalog::{Catalog, Dataset, DatasetKind, Edge, Freshness, Passage, Place, Registration, Stats};
use headwater_contract::{StreamContract, TableName, Window, Zone};
use headwater_lake::commit::DeltaLog;
use headwater_lake::star::{BuildReport, Outcome, Star};
use headwater_lake::{Lake, zones::layout};
use ulid::Ulid;

use crate::Lakehouse;
use crate::registration;
use crate::run::error::RunError;

/// What one run did to one stream.
#[derive(Debug)]
pub(crate) struct StreamRecord<'a> {
    pub(crate) contract: &'a StreamContract,
    pub(crate) run: Ulid,
    /// Windows that were committed, with their generations.
    pub(crate) windows: &'a [(Window, u64)],
    /// Records received, and bytes of the parts.
    pub(crate) received: (u64, u64),
    /// The instant up to which the stream is complete.
    pub(crate) complete_until: Option<DateTime<Utc>>,
}

/// Records a stream's tables after its commits.
pub(crate) async fn record_stream(lake: &Lake, catalog: &Catalog, record: &StreamRecord<'_>) -> Result<(), RunError> {
    let now = lake.clock.now();
    let registration = Registration::of_contract(record.contract);
    let known: BTreeMap<TableName, Stats> =
        catalog.datasets().await?.into_iter().map(|dataset| (dataset.table, dataset.stats)).collect();
    for mut dataset in registration.datasets {
        dataset.location = location(lake, &dataset.table);
        dataset.freshness = Freshness {
            written_at: Some(now),
            checked_at: Some(now),
            complete_until: record.complete_until,
            every: dataset.freshness.every,
        };
        dataset.stats = match dataset.kind {
            DatasetKind::Parts => {
                let before = known.get(&dataset.table).cloned().unwrap_or_default();
                let (rows, size_bytes) = record.received;
                Stats { rows: before.rows + rows, size_bytes: before.size_bytes + size_bytes, ..before }
            }
            _ => stats(lake, &dataset.table).await?.unwrap_or_default(),
        };
        catalog.record_dataset(&dataset, now).await?;
    }
    let run = record.run.to_string();
    catalog.record_lineage(&registration.edges, &run, now).await?;
    let table = TableName::new(Zone::Cleansed, record.contract.name.source().as_str(), record.contract.window_table());
    let passage = |(window, generation): &(Window, u64)| Passage {
        to: table.clone(),
        window: window.txn_id(),
        generation: *generation,
        run: run.clone(),
        at: now,
    };
    let passages: Vec<Passage> = record.windows.iter().map(passage).collect();
    Ok(catalog.record_passages(&passages).await?)
}

/// What a Delta table holds now; `None` when there is no such table yet.
pub(crate) async fn stats(lake: &Lake, table: &TableName) -> Result<Option<Stats>, RunError> {
    let Some(log) = DeltaLog::open(lake.zones.get(table.zone), &layout::table_path(table)).await? else {
        return Ok(None);
    };
    let snapshot = log.snapshot().await?;
    Ok(Some(Stats {
        rows: snapshot.rows().unwrap_or_default(),
        files: snapshot.files.len() as u64,
        size_bytes: snapshot.files.iter().map(|file| file.size).sum(),
        version: u64::try_from(snapshot.version).ok(),
    }))
}

pub(crate) fn location(lake: &Lake, table: &TableName) -> String {
    let store = lake.zones.get(table.zone);
    let path = match table.zone {
        Zone::Raw => format!("{}/{}", table.schema, table.table),
        _ => layout::table_path(table),
    };
    store.url_of(&path).map_or_else(|_| store.url().to_string(), |url| url.to_string())
}

impl Lakehouse {
    /// Records a star's tables after its build.
    pub(crate) async fn record_star(&self, star: &Star, built: &BuildReport, run: Ulid) -> Result<(), RunError> {
        let now = self.lake.clock.now();
        let known = self.catalog.datasets().await?;
        let registration = registration::of_star(star, &known, |table| location(&self.lake, table));
        for mut dataset in registration.datasets {
            dataset.stats = stats(&self.lake, &dataset.table).await?.unwrap_or_default();
            dataset.freshness.checked_at = Some(now);
            let report = built.tables.iter().find(|report| report.table == dataset.table);
            let version = report.and_then(|report| match report.outcome {
                Outcome::Committed { version, .. } => Some(version),
                Outcome::Unchanged => None,
            });
            // A table that was left as it is keeps the time at which it was written.
            let before =
                known.iter().find(|known| known.table == dataset.table).and_then(|known| known.freshness.written_at);
            dataset.freshness.written_at = version.map(|_| now).or(before);
            self.catalog.record_dataset(&dataset, now).await?;
            if let Some(version) = version {
                let (to, window) = (dataset.table, version.to_string());
                let passage = Passage { to, window, generation: 0, run: run.to_string(), at: now };
                self.catalog.record_passages(&[passage]).await?;
            }
        }
        Ok(self.catalog.record_lineage(&registration.edges, &run.to_string(), now).await?)
    }
}

impl Lakehouse {
    /// Records a table of exploration: whose it is, until when, and what it was made from.
    pub(crate) async fn record_exploration(
        &self,
        made: &headwater_lake::exploration::Exploration,
    ) -> Result<(), RunError> {
        let now = self.lake.clock.now();
        let mut dataset = Dataset::new(made.table.clone(), DatasetKind::Exploration, format!("Made by {}", made.owner));
        dataset.owner = Some(made.owner.clone());
        dataset.description = Some(made.sql.clone());
        dataset.ends_at = Some(made.until.and_time(chrono::NaiveTime::MIN).and_utc());
        dataset.location = location(&self.lake, &made.table);
        dataset.stats = stats(&self.lake, &made.table).await?.unwrap_or_default();
        dataset.freshness.written_at = Some(now);
        self.catalog.record_dataset(&dataset, now).await?;
        let edges: Vec<Edge> =
            made.inputs.iter().map(|input| Edge::new(Place::Table(input.clone()), made.table.clone())).collect();
        Ok(self.catalog.record_lineage(&edges, "", now).await?)
    }
}
