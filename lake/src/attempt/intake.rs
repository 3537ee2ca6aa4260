//! Takes the records of a window and leaves typed files, while the next records arrive.
//!
//! Two batches are in memory at most: one that is gathered and one that is worked on, on a thread of its own. Whoever sends faster
//! than that waits.

use std::sync::Arc;

use bytes::Bytes;
use headwater_contract::{Digest16, DigestSum, Records, StreamContract, Window};
use headwater_quality::checks::NotUnique;
use tokio::task::JoinHandle;
use ulid::Ulid;

use super::error::AttemptError;
use super::quarantine_list::Failed;
use super::rewrite::rewrite_without;
use super::typed_file::{FileName, Target, TypedWriter};
use super::workbench::{Placed, Workbench};
use crate::Lake;
use crate::raw::{Counts, QuarantineList, RawPosition, TypedFile};
use crate::typing::{Tracking, child_schema, stream_schema};
use crate::zones::layout::{self, TypedPath};

/// A batch is worked on at this many bytes of records, however few they are.
const BATCH_BYTES: usize = 2 << 20;

/// What became of a window's records.
pub(crate) struct Taken {
    pub(crate) counts: Counts,
    pub(crate) digest: DigestSum,
    pub(crate) typed: Vec<TypedFile>,
    pub(crate) quarantine: QuarantineList,
    pub(crate) not_unique: Vec<NotUnique>,
    pub(crate) gone: Option<u64>,
}

type Work = JoinHandle<(Box<Workbench>, Result<(), AttemptError>)>;

/// The way of a window's records into typed files.
#[derive(Debug)]
pub(crate) struct Intake {
    lake: Lake,
    targets: Vec<Target>,
    first: TypedPath,
    label: String,
    core: Option<Box<Workbench>>,
    running: Option<Work>,
    gathered: Vec<Placed>,
    gathered_bytes: usize,
}

/// Where the typed files of a contract go: the window table's first, then each child's.
pub(crate) fn targets(lake: &Lake, contract: &StreamContract) -> Vec<Target> {
    let target = |table: String, schema| Target {
        store: lake.zones.cleansed.clone(),
        folder: table_folder(contract, &table),
        table,
        schema,
        row_group_bytes: lake.limits.row_group_bytes,
    };
    let own = std::iter::once(target(contract.window_table(), stream_schema(contract)));
    let children =
        contract.children.iter().map(|child| target(child_table(contract, &child.name), child_schema(contract, child)));
    own.chain(children).collect()
}

/// The table that a child's windows commit to.
pub(crate) fn child_table(contract: &StreamContract, child: &str) -> String {
    if contract.kind.is_versioned() { format!("{child}__versions") } else { child.to_owned() }
}

/// The folder of a table of the contract's source, in cleansed.
pub(crate) fn table_folder(contract: &StreamContract, table: &str) -> String {
    let name =
        headwater_contract::TableName::new(headwater_contract::Zone::Cleansed, contract.name.source().as_str(), table);
    layout::table_path(&name)
}

impl Intake {
    /// Begins the typed files of `generation`, named by `attempt`.
    pub(crate) fn new(
        lake: &Lake,
        contract: &Arc<StreamContract>,
        window: &Window,
        generation: u64,
        attempt: Ulid,
    ) -> Result<Self, AttemptError> {
        let targets = targets(lake, contract);
        let first = TypedPath { window: window.clone(), generation, attempt, number: 0 };
        let writers =
            targets.iter().map(|target| TypedWriter::new(target.clone(), FileName::Typed(first.clone()))).collect();
        let failed = Failed::new(&lake.zones.raw, layout::quarantine_path(&contract.name, window, generation, attempt));
        let memory = (lake.limits.key_bytes, lake.scratch.as_path());
        let core = Workbench::new(contract, window, writers, failed, memory)?;
        Ok(Self {
            lake: lake.clone(),
            targets,
            first,
            label: format!("{} {window}", contract.name),
            core: Some(Box::new(core)),
            running: None,
            gathered: Vec::new(),
            gathered_bytes: 0,
        })
    }

    /// Says what the tracking columns hold. Before the first records.
    pub(crate) fn track(&mut self, tracking: Tracking) {
        if let Some(core) = &mut self.core {
            core.track(tracking);
        }
    }

    /// Says which keys the window shows now. Before the first records.
    pub(crate) fn expect(&mut self, old_keys: std::collections::HashSet<Digest16>) {
        if let Some(core) = &mut self.core {
            core.expect(old_keys);
        }
    }

    /// Takes records, whose bytes lie at `place` in raw.
    pub(crate) async fn take(&mut self, records: Records, place: RawPosition) -> Result<(), AttemptError> {
        let first = (u64::from(records.request) << 32) | u64::from(records.first_ordinal);
        for (position, text) in (first..).zip(records.texts) {
            self.gathered_bytes += text.len();
            self.gathered.push((position, text, place));
            if self.gathered.len() >= self.lake.limits.batch_rows || self.gathered_bytes >= BATCH_BYTES {
                self.work().await?;
            }
        }
        Ok(())
    }

    /// Starts work on what was gathered, when the work before is done.
    async fn work(&mut self) -> Result<(), AttemptError> {
        self.rest().await?;
        let Some(mut core) = self.core.take() else { return Err(self.stopped()) };
        let records: Vec<(u64, Bytes, RawPosition)> = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        self.running = Some(tokio::task::spawn_blocking(move || {
            let outcome = core.process(&records);
            (core, outcome)
        }));
        Ok(())
    }

    /// Waits for the work that runs and sends what it encoded.
    async fn rest(&mut self) -> Result<(), AttemptError> {
        if let Some(running) = self.running.take() {
            let (core, outcome) = running.await.map_err(|_| self.stopped())?;
            self.core = Some(core);
            outcome?;
        }
        if let Some(core) = &mut self.core {
            for writer in &mut core.writers {
                writer.send().await?;
            }
            core.failed.send().await?;
        }
        Ok(())
    }

    fn stopped(&self) -> AttemptError {
        AttemptError::Stopped { window: self.label.clone() }
    }

    /// Closes the files and takes out of them what a later record replaced.
    pub(crate) async fn finish(mut self) -> Result<Taken, AttemptError> {
        if !self.gathered.is_empty() {
            self.work().await?;
        }
        self.rest().await?;
        let Some(mut core) = self.core.take() else { return Err(self.stopped()) };
        let mut settled = core.settle()?;
        let mut typed = Vec::new();
        for writer in &mut core.writers {
            typed.push(writer.finish().await?);
        }
        if let Some(drops) = &mut settled.drops {
            for (place, (target, files)) in self.targets.iter().zip(&mut typed).enumerate() {
                let lost = rewrite_without(target, &self.first, files, drops).await?;
                if place == 0 {
                    settled.counts.rescued = settled.counts.rescued.saturating_sub(lost);
                }
            }
        }
        let typed: Vec<TypedFile> = typed.into_iter().flatten().collect();
        let held: u64 =
            typed.iter().filter(|file| file.table == core.contract().window_table()).map(|file| file.rows).sum();
        if held != settled.counts.loaded || core.failed.count() != settled.counts.quarantined {
            let finding = format!("{} rows are in its files, {} should be", held, settled.counts.loaded);
            return Err(AttemptError::Unbalanced { window: self.label, finding });
        }
        Ok(Taken {
            counts: settled.counts,
            digest: settled.digest,
            typed,
            quarantine: core.failed.finish().await?,
            not_unique: settled.not_unique,
            gone: settled.gone,
        })
    }

    /// Gives up what is being written.
    pub(crate) async fn abort(mut self) {
        if let Some(running) = self.running.take() {
            self.core = running.await.ok().map(|(core, _)| core);
        }
        if let Some(core) = &mut self.core {
            for writer in &mut core.writers {
                writer.abort().await;
            }
        }
    }
}
