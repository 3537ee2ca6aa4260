//! Cleaning up the lake: small files become large ones, logs short, and what nothing names goes.
//!
//! Safe beside runners: what is deleted is decided by receipts and logs, and a stream that another runner works on is left for the
//! next time. One thing that cannot be cleaned does not keep the others waiting.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{StreamName, TableName, Zone, decode_segment};
use headwater_lake::Lake;
use headwater_lake::cleanse;
use headwater_lake::commit::DeltaLog;
use headwater_lake::exploration;
use headwater_lake::maintenance::{
    Compaction, LogTidied, Swept, Vacuumed, clean_parts, clean_scratch, clean_unfinished, compact, tidy_log, vacuum,
    void_abandoned,
};
use headwater_lake::raw::Receipts;
use headwater_lake::store::Store;
use headwater_lake::zones::layout;
use serde::Serialize;

use crate::Lakehouse;
use crate::project::STATE_FOLDER;
use crate::run::decode::SourceDecoders;
use crate::run::error::RunError;
use crate::run::presence::Presence;
use crate::run::repair::raw_table;
use crate::run::report::Problem;
use crate::run::source::{OpenSource, OpenStream, unknown};
use crate::run::stream::Keeper;

/// What the ledger calls these runs.
const COMMAND: &str = "maintain";
/// A schedule cleans up this often.
const EVERY: TimeDelta = TimeDelta::days(1);

/// What to clean.
#[derive(Clone, Debug, Default)]
pub struct MaintainOptions {
    /// Only these tables; of raw a stream's parts (`raw.SOURCE.STREAM`). Everything when none is named.
    pub tables: Vec<TableName>,
    /// Tell what would be done, delete and write nothing.
    pub is_dry: bool,
}

/// What was done with one Delta table.
#[derive(Clone, Debug, Serialize)]
pub struct TableMaintained {
    /// `zone.schema.table`; keys and history of a dimension as `raw._state.STAR.DIMENSION`.
    pub table: String,
    /// Its log.
    pub log: LogTidied,
    /// Its files that no version of the last days shows.
    pub vacuum: Vacuumed,
}

/// What was done with the raw files of one stream.
#[derive(Clone, Debug, Serialize)]
pub struct PartsMaintained {
    /// The stream.
    pub stream: StreamName,
    /// Generations that got a receipt which says that they have no data, because the project does not name the stream any more.
    pub voided: u64,
    /// Files that no receipt names.
    pub swept: Swept,
}

/// What a maintenance did; of a dry run, what it would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MaintainReport {
    /// Whether nothing was written.
    pub is_dry: bool,
    /// Tables whose small files were put together.
    pub compacted: Vec<Compaction>,
    /// Tables of which a checkpoint was written, or log or data files were deleted.
    pub tables: Vec<TableMaintained>,
    /// Streams of which raw files were deleted.
    pub parts: Vec<PartsMaintained>,
    /// Tables of exploration whose end date had come.
    pub dropped: Vec<TableName>,
    /// Old files of the scratch folder, copies of remote files among them.
    pub scratch: Swept,
    /// Old files in local zones that their writers never finished.
    pub unfinished: Swept,
    /// Streams that another runner works on; nothing of theirs was put together.
    pub busy: Vec<StreamName>,
    /// What could not be cleaned.
    pub problems: Vec<Problem>,
}

impl MaintainReport {
    /// 0, or the code for a job that is done in part.
    pub fn exit_code(&self) -> u8 {
        if self.problems.is_empty() { 0 } else { 3 }
    }

    /// Files that were deleted in all.
    pub fn swept(&self) -> Swept {
        let mut all = self.scratch;
        all.add(self.unfinished);
        self.tables.iter().for_each(|table| all.add(table.vacuum.swept));
        self.parts.iter().for_each(|parts| all.add(parts.swept));
        all
    }

    fn note<T>(&mut self, outcome: Result<T, impl Into<RunError>>) -> Result<Option<T>, RunError> {
        match outcome.map_err(Into::into) {
            Ok(done) => Ok(Some(done)),
            // Whoever does not own the lake must not touch any of it.
            Err(error) if headwater_contract::Explain::code(&error) == "ledger-not-owner" => Err(error),
            Err(error) => {
                self.problems.push(Problem::of(&error));
                Ok(None)
            }
        }
    }
}

/// A Delta table somewhere in the lake.
struct Place {
    name: String,
    table: Option<TableName>,
    store: Store,
    folder: String,
}

impl Lakehouse {
    /// Cleans up: compaction, checkpoints and old log files, files that nothing shows, needless parts, tables of exploration past
    /// their end date, scratch.
    ///
    /// # Errors
    ///
    /// [`RunError`] when a table is unknown or the lake cannot be listed or is not ours. What cannot be cleaned is in the report.
    pub async fn maintain(&self, options: &MaintainOptions) -> Result<MaintainReport, RunError> {
        let presence = if options.is_dry { None } else { Some(self.begin_to_write().await?) };
        let places = self.places().await?;
        let streams = Receipts::new(&self.lake.zones.raw).streams().await?;
        for wanted in &options.tables {
            let is_known = match wanted.zone {
                Zone::Raw => streams.iter().any(|stream| raw_table(stream) == *wanted),
                _ => places.iter().any(|place| place.table.as_ref() == Some(wanted)),
            };
            if !is_known {
                let known = places.iter().filter_map(|place| place.table.clone()).chain(streams.iter().map(raw_table));
                return Err(unknown("table", wanted, known).into());
            }
        }
        let run = if options.is_dry { None } else { Some(self.lake.ledger.begin_run(COMMAND).await?) };
        let mut report = MaintainReport { is_dry: options.is_dry, ..MaintainReport::default() };
        let done = self.maintain_all(options, &places, &streams, &mut report).await;
        if let Some(run) = run {
            let outcome = if done.is_err() || report.exit_code() != 0 { "partial" } else { "done" };
            let told = serde_json::to_value(&report).unwrap_or_default();
            self.lake.ledger.finish_run(run, outcome, &told).await?;
        }
        drop(presence);
        done.map(|()| report)
    }

    /// Whether the last whole maintenance is a day ago.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the ledger cannot be read.
    pub async fn is_maintenance_due(&self, now: DateTime<Utc>) -> Result<bool, RunError> {
        let last = self.lake.ledger.last_begun(COMMAND).await?;
        Ok(last.is_none_or(|last| last + EVERY <= now))
    }

    async fn maintain_all(
        &self,
        options: &MaintainOptions,
        places: &[Place],
        streams: &[StreamName],
        report: &mut MaintainReport,
    ) -> Result<(), RunError> {
        let wants = |table: &TableName| options.tables.is_empty() || options.tables.contains(table);
        let mut named: BTreeSet<StreamName> = BTreeSet::new();
        for open in self.sources(&[])? {
            for stream in &open.streams {
                named.insert(stream.contract.name.clone());
                if cleanse::tables(&stream.contract).iter().any(|table| wants(&table.name)) {
                    self.compact_stream(&open, stream, report).await?;
                }
            }
        }
        for place in places.iter().filter(|place| place.table.as_ref().map_or(options.tables.is_empty(), &wants)) {
            let maintained = maintain_table(&self.lake, place, options.is_dry).await;
            let did_anything =
                |done: &TableMaintained| done.log != LogTidied::default() || done.vacuum != Vacuumed::default();
            let done = report.note(maintained)?.filter(did_anything);
            report.tables.extend(done);
        }
        for stream in streams.iter().filter(|stream| wants(&raw_table(stream))) {
            let cleaned = self.clean_raw(stream, named.contains(stream), options.is_dry).await;
            let did_anything = |done: &PartsMaintained| done.voided > 0 || !done.swept.is_nothing();
            let done = report.note(cleaned)?.filter(did_anything);
            report.parts.extend(done);
        }
        if options.tables.is_empty() {
            self.drop_expired(report).await?;
            // A dry run works on copies of the state; the scratch folder and the other runners are the project's own.
            let state = self.folder.join(STATE_FOLDER);
            let lake = Lake { scratch: state.join("scratch"), ..self.lake.clone() };
            let others_work = Presence::others_work(&state, &self.lake.ledger)?;
            report.scratch = report.note(clean_scratch(&lake, others_work, options.is_dry))?.unwrap_or_default();
            report.unfinished = report.note(clean_unfinished(&lake, options.is_dry))?.unwrap_or_default();
        }
        Ok(())
    }

    async fn compact_stream(
        &self,
        open: &OpenSource,
        stream: &OpenStream,
        report: &mut MaintainReport,
    ) -> Result<(), RunError> {
        let decoders = SourceDecoders::of([open]);
        if report.is_dry {
            let told = compact(&self.lake, &stream.contract, &decoders, true).await;
            let told = report.note(told)?.unwrap_or_default();
            report.compacted.extend(told);
            return Ok(());
        }
        let lease = match self.lease(stream).await {
            Err(RunError::Busy { .. }) => {
                report.busy.push(stream.contract.name.clone());
                return Ok(());
            }
            leased => leased?,
        };
        let keeper = Keeper::of(self.lake.ledger.clone(), lease.clone());
        let compacted = compact(&self.lake, &stream.contract, &decoders, false).await;
        drop(keeper);
        self.lake.ledger.release(lease).await?;
        let compacted = report.note(compacted)?.unwrap_or_default();
        report.compacted.extend(compacted);
        Ok(())
    }

    async fn clean_raw(&self, stream: &StreamName, is_named: bool, is_dry: bool) -> Result<PartsMaintained, RunError> {
        let voided = if is_named { 0 } else { void_abandoned(&self.lake, stream, is_dry).await? };
        let swept = clean_parts(&self.lake, stream, is_dry).await?;
        Ok(PartsMaintained { stream: stream.clone(), voided, swept })
    }

    async fn drop_expired(&self, report: &mut MaintainReport) -> Result<(), RunError> {
        let expired = exploration::expired(&self.lake).await;
        for made in report.note(expired)?.unwrap_or_default() {
            if !report.is_dry {
                let dropped = exploration::drop_table(&self.lake, &made.table.schema, &made.table.table).await;
                if report.note(dropped)?.is_none() {
                    continue;
                }
                self.catalog.forget(&made.table).await?;
            }
            report.dropped.push(made.table);
        }
        Ok(())
    }

    /// Every Delta table of the lake.
    async fn places(&self) -> Result<Vec<Place>, RunError> {
        let mut places = Vec::new();
        for zone in [Zone::Cleansed, Zone::Curated, Zone::Exploration] {
            let store = self.lake.zones.get(zone);
            for schema in store.folders("").await? {
                for table in store.folders(&schema).await? {
                    let (Some(schema), Some(name)) = (decode_segment(&schema), decode_segment(&table)) else {
                        continue;
                    };
                    let table = TableName::new(zone, schema, name);
                    let (name, folder) = (table.to_string(), layout::table_path(&table));
                    places.push(Place { name, table: Some(table), store: store.clone(), folder });
                }
            }
        }
        let raw = &self.lake.zones.raw;
        for star in raw.folders(layout::STATE).await? {
            for dimension in raw.folders(&format!("{}/{star}", layout::STATE)).await? {
                let folder = format!("{}/{star}/{dimension}", layout::STATE);
                let name = format!("raw.{}.{star}.{dimension}", layout::STATE);
                places.push(Place { name, table: None, store: raw.clone(), folder });
            }
        }
        Ok(places)
    }
}

async fn maintain_table(lake: &Lake, place: &Place, is_dry: bool) -> Result<TableMaintained, RunError> {
    let mut done =
        TableMaintained { table: place.name.clone(), log: LogTidied::default(), vacuum: Vacuumed::default() };
    let Some(log) = DeltaLog::open(&place.store, &place.folder).await? else { return Ok(done) };
    done.vacuum = vacuum(lake, &place.store, &log, is_dry).await?;
    done.log = tidy_log(lake, &log, is_dry).await?;
    Ok(done)
}
