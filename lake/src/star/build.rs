//! Builds a star: states, then dimensions, then facts, so that a fact never shows before its dimension rows.
//!
//! A build is a function of its inputs' versions, the states and the model. It may be killed anywhere: the next one skips what is
//! recorded as done and computes the rest to the same rows and keys, because keys are numbered in order of the business key and
//! every file is sorted.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_contract::TableName;
use serde::Serialize;

use crate::Lake;
use crate::ledger::{Lease, Unit};
use crate::star::columns::describe;
use crate::star::definition::Star;
use crate::star::error::StarError;
use crate::star::inputs::Inputs;
use crate::star::plan::Plan;
use crate::star::publish::{computing, scratch_of};
use crate::star::verify::check_star;
use crate::steps::Step;

/// How long a build's lease lasts without being renewed; short, so that a killed build is soon forgotten.
const LEASE_SECONDS: u64 = 12;
/// How often it is renewed.
const RENEW_SECONDS: u64 = 3;
/// How often a build is computed anew when another commits first.
const BUILDS_MAX: u32 = 5;

/// How to build.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildOptions {
    /// Write every table of curated again from the states and cleansed, also where nothing changed. Keys stay.
    pub is_rebuild: bool,
}

/// What a build did with one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its inputs, its states and the model are those of its last commit.
    Unchanged,
    /// It was computed and committed.
    Committed {
        /// The version.
        version: i64,
        /// Files added.
        added: usize,
        /// Files removed.
        removed: usize,
    },
}

/// One table of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: TableName,
    /// What happened.
    pub outcome: Outcome,
    /// Rows that the table shows.
    pub rows: u64,
    /// Version of each input that its rows were made from.
    pub inputs: BTreeMap<TableName, i64>,
}

/// What a build did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BuildReport {
    /// The star.
    pub star: String,
    /// The build's id, which its files and commits carry.
    pub build: String,
    /// Dimensions, then facts.
    pub tables: Vec<TableReport>,
}

impl BuildReport {
    /// Whether anything was committed.
    pub fn is_changed(&self) -> bool {
        self.tables.iter().any(|table| table.outcome != Outcome::Unchanged)
    }
}

/// Builds a star.
///
/// # Errors
///
/// [`StarError`]; what was committed before stays, and the next build continues.
pub async fn build(lake: &Lake, star: &Star, options: BuildOptions) -> Result<BuildReport, StarError> {
    let lease = take_lease(lake, star.name()).await?;
    // What a killed build left there; nobody else writes there while we hold the lease.
    let left = scratch_of(lake, star.name());
    if left.exists() {
        fs_err::remove_dir_all(&left).map_err(StarError::scratch(star.name()))?;
    }
    let outcome = tokio::select! {
        outcome = build_leased(lake, star, options) => outcome,
        lost = keep_lease(lake, star.name(), &lease) => Err(lost),
    };
    lake.ledger.release(lease).await.map_err(StarError::lake(star.name()))?;
    outcome
}

/// Whether a build would do anything.
///
/// # Errors
///
/// [`StarError`] when a log cannot be read.
pub async fn inputs_changed(lake: &Lake, star: &Star) -> Result<bool, StarError> {
    Plan::open(lake, star, BuildOptions::default()).await?.is_due().await
}

/// Checks the tables of a star as they are: each grain and key is unique, the versions of a member cover all of time once and one
/// of them is current, every key of a fact has its row.
///
/// # Errors
///
/// [`StarError::TestFailed`] for the first that does not hold, [`StarError::InputMissing`] when a table was never built.
pub async fn verify(lake: &Lake, star: &Star) -> Result<(), StarError> {
    let tables: Vec<TableName> = describe(star).tables.into_iter().map(|table| table.name).collect();
    let mut curated = Inputs::open(lake, star.name(), &tables).await?;
    curated.load(lake, star.name()).await?;
    let (name, star) = (star.name().to_owned(), star.clone());
    computing(&name, move || check_star(&star, &|table| curated.rows(star.name(), table))).await
}

pub(crate) async fn take_lease(lake: &Lake, star: &str) -> Result<Lease, StarError> {
    let length = Duration::from_secs(LEASE_SECONDS);
    // The lease of a build that was killed runs out while we wait.
    for _second in 0..=LEASE_SECONDS + RENEW_SECONDS {
        let lease = lake.ledger.lease(&Unit::star(star), length).await.map_err(StarError::lake(star))?;
        if let Some(lease) = lease {
            return Ok(lease);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(StarError::Leased { star: star.to_owned() })
}

/// Renews the lease until that fails.
pub(crate) async fn keep_lease(lake: &Lake, star: &str, lease: &Lease) -> StarError {
    loop {
        tokio::time::sleep(Duration::from_secs(RENEW_SECONDS)).await;
        if let Err(error) = lake.ledger.renew(lease, Duration::from_secs(LEASE_SECONDS)).await {
            return StarError::lake(star)(error);
        }
    }
}

pub(crate) async fn build_leased(lake: &Lake, star: &Star, options: BuildOptions) -> Result<BuildReport, StarError> {
    lake.steps.reached(Step::StarBegun).await;
    let mut builds = 0;
    loop {
        builds += 1;
        match Plan::open(lake, star, options).await?.run().await {
            // Another build committed, or an input showed less than before: everything is read again.
            Err(StarError::Contended { .. } | StarError::InputOlder { .. }) if builds < BUILDS_MAX => {
                tracing::info!(star = star.name(), builds, "the star is computed anew");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            other => return other,
        }
    }
}
