//! Erasing a person: from raw, from every table, from the states of stars, and from what the project itself wrote down.
//!
//! The streams are leased from the first look to the last deletion, so nobody lands a reading in between. Killed anywhere, the same
//! command goes on: the lake's record of the erasure says that it is not finished.

use std::collections::BTreeSet;
use std::sync::Arc;

use headwater_contract::{Explain, StreamContract, StreamName, TableName, Window};
use headwater_lake::cleanse::{self, CleansedTable, TableRole};
use headwater_lake::commit::{check_logs, refresh_keyed};
use headwater_lake::erasure::{
    Digester, ErasureError, ErasureRecord, Found, Subject, empty_receipts, erased_windows, finish, finished, note,
    purge, rewrite, search, unfinished,
};
use headwater_lake::exploration;
use headwater_lake::ledger::Lease;
use headwater_lake::maintenance::{Swept, clean_parts, clear_scratch, void_abandoned};
use headwater_lake::raw::Receipts;
use headwater_lake::star::{BuildOptions, Star, build, describe, forget_members, members_of, reads_any};
use headwater_lake::zones::layout;
use serde::Serialize;
use ulid::Ulid;

use crate::Lakehouse;
use crate::project::STATE_FOLDER;
use crate::run::commit::Committer;
use crate::run::debts::settle;
use crate::run::decode::SourceDecoders;
use crate::run::error::RunError;
use crate::run::fold::unfold;
use crate::run::presence::Presence;
use crate::run::repair::raw_table;
use crate::run::source::{OpenSource, OpenStream};
use crate::run::stream::Keeper;
use crate::run::window::Reader;

/// What the ledger calls these runs; whom they concern stands nowhere.
const COMMAND: &str = "erase";

/// A column of a stream and the value by which the person is known in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Whom {
    /// `SOURCE.STREAM`.
    pub stream: String,
    /// The column.
    pub column: String,
    /// The value.
    pub value: String,
}

impl std::fmt::Debug for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whom").field("stream", &self.stream).field("column", &self.column).finish_non_exhaustive()
    }
}

/// Whom to erase, and whether at all.
#[derive(Clone, Debug, Default)]
pub struct EraseOptions {
    /// By what the person is known, stream by stream.
    pub whom: Vec<Whom>,
    /// Tell what would be done, delete and write nothing.
    pub is_dry: bool,
}

/// What was done in one stream; of a dry run, what would be.
#[derive(Clone, Debug, Serialize)]
pub struct StreamErased {
    /// The stream.
    pub stream: StreamName,
    /// Windows that held the person.
    pub windows: u64,
    /// Records of the person, in all readings of these windows.
    pub records: u64,
    /// Records of others that are in quarantine since, because an earlier contract had typed them.
    pub quarantined: u64,
    /// Files of raw that were deleted.
    pub raw: Swept,
    /// Receipts that were emptied.
    pub receipts: u64,
}

/// Files and log versions of one table that were deleted.
#[derive(Clone, Debug, Serialize)]
pub struct TablePurged {
    /// `zone.schema.table`; keys and history of a dimension as `raw._state.STAR.DIMENSION`.
    pub table: String,
    /// What was deleted; versions before are gone.
    pub swept: Swept,
}

/// What proves that it is done.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Proof {
    /// Windows that were written again, and read once more afterwards.
    pub windows: u64,
    /// Records of the person that were found then.
    pub records: u64,
    /// Where the certificate lies in raw; absent while something is left.
    pub certificate: Option<String>,
}

/// What an erasure did; of a dry run, what it would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EraseReport {
    /// Whether nothing was written.
    pub is_dry: bool,
    /// The erasure.
    pub erasure: Option<Ulid>,
    /// When the person was erased before, if nothing was left to do.
    pub erased_before: Option<chrono::DateTime<chrono::Utc>>,
    /// Streams.
    pub streams: Vec<StreamErased>,
    /// Versions of members that the states of stars forgot.
    pub members: u64,
    /// Stars that were built again.
    pub stars: Vec<String>,
    /// Tables that lost files and old versions.
    pub tables: Vec<TablePurged>,
    /// Files of the scratch folder and unfinished ones.
    pub scratch: Swept,
    /// What else may hold the person, and what to do about it.
    pub left: Vec<String>,
    /// The proof.
    pub proof: Proof,
}

impl EraseReport {
    /// 0, or the code for a job that is done in part.
    pub fn exit_code(&self) -> u8 {
        if self.left.is_empty() || self.is_dry { 0 } else { 3 }
    }

    /// Files that were deleted in all.
    pub fn swept(&self) -> Swept {
        let mut all = self.scratch;
        self.streams.iter().for_each(|stream| all.add(stream.raw));
        self.tables.iter().for_each(|table| all.add(table.swept));
        all
    }
}

/// A stream that is named, with its source.
struct Place<'a> {
    open: &'a OpenSource,
    stream: &'a OpenStream,
}

/// What one erasure needs all the way.
struct Work<'a> {
    places: Vec<Place<'a>>,
    subjects: Vec<Subject>,
    digester: Digester,
    stars: Vec<Star>,
    run: Ulid,
}

impl Work<'_> {
    fn contracts(&self) -> Vec<Arc<StreamContract>> {
        self.places.iter().map(|place| Arc::clone(&place.stream.contract)).collect()
    }
}

impl Lakehouse {
    /// Erases a person.
    ///
    /// # Errors
    ///
    /// [`RunError`] when a stream, column or value is wrong, nobody is known by the values, another runner works on one of the
    /// streams, or the lake cannot be read or written. Running again finishes what began.
    pub async fn erase(&self, options: &EraseOptions) -> Result<EraseReport, RunError> {
        let presence = if options.is_dry { None } else { Some(self.begin_to_write().await?) };
        let names: BTreeSet<String> = options.whom.iter().map(|whom| whom.stream.clone()).collect();
        if let Some(bad) = names.iter().find(|name| name.parse::<StreamName>().is_err()) {
            return Err(ErasureError::Malformed { what: format!("`{bad}` is no SOURCE.STREAM") }.into());
        }
        let sources = self.sources(&names.into_iter().collect::<Vec<_>>())?;
        let (places, subjects) = whom(&sources, &options.whom)?;
        for place in &places {
            self.permit(&raw_table(&place.stream.contract.name), COMMAND)?;
            check_logs(&self.lake, &place.stream.contract).await?;
        }
        let contracts: Vec<_> = places.iter().map(|place| Arc::clone(&place.stream.contract)).collect();
        let stars = self.stars_with(&contracts).await?;
        let digester = Digester::of(&self.lake).await?;
        if options.is_dry {
            let work = Work { places, subjects, digester, stars, run: Ulid::nil() };
            return self.would_erase(&work).await;
        }
        let run = self.lake.ledger.begin_run(COMMAND).await?;
        let work = Work { places, subjects, digester, stars, run };
        let done = self.erase_leased(&work).await;
        let (outcome, told) = match &done {
            Ok(report) if report.exit_code() == 0 => ("done", serde_json::to_value(report).unwrap_or_default()),
            Ok(report) => ("partial", serde_json::to_value(report).unwrap_or_default()),
            Err(error) => ("failed", serde_json::json!({ "code": error.code() })),
        };
        self.lake.ledger.finish_run(run, outcome, &told).await?;
        drop(presence);
        done
    }

    async fn would_erase(&self, work: &Work<'_>) -> Result<EraseReport, RunError> {
        let mut report = EraseReport { is_dry: true, ..EraseReport::default() };
        for place in &work.places {
            let found = self.look(work, place, None).await?;
            let stream = place.stream.contract.name.clone();
            report.note_kept(&stream, &found);
            report.streams.push(told(stream, &found));
        }
        if report.streams.iter().all(|stream| stream.windows == 0) {
            return Err(nobody(&work.subjects).into());
        }
        report.stars = work.stars.iter().map(|star| star.name().to_owned()).collect();
        report.left.extend(self.copies(work).await?);
        Ok(report)
    }

    async fn erase_leased(&self, work: &Work<'_>) -> Result<EraseReport, RunError> {
        let mut leases = Vec::new();
        for place in &work.places {
            match self.lease(place.stream).await {
                Ok(lease) => leases.push((Keeper::of(self.lake.ledger.clone(), lease.clone()), lease)),
                Err(error) => {
                    self.release(leases).await?;
                    return Err(error);
                }
            }
        }
        let done = Box::pin(self.erase_all(work, &leases)).await;
        self.release(leases).await?;
        done
    }

    async fn release(&self, leases: Vec<(Keeper, Lease)>) -> Result<(), RunError> {
        for (keeper, lease) in leases {
            drop(keeper);
            self.lake.ledger.release(lease).await?;
        }
        Ok(())
    }

    async fn erase_all(&self, work: &Work<'_>, leases: &[(Keeper, Lease)]) -> Result<EraseReport, RunError> {
        let mut report = EraseReport::default();
        let mut found = Vec::new();
        for place in &work.places {
            found.push(self.look(work, place, None).await?);
        }
        let is_there = found.iter().any(|found| !found.windows.is_empty());
        let record = match unfinished(&self.lake, &work.subjects).await? {
            Some(record) => record,
            None if is_there => self.begin_erasure(work).await?,
            None => match finished(&self.lake, &work.subjects).await? {
                Some(before) => {
                    report.erased_before = Some(before.at);
                    return Ok(report);
                }
                None => return Err(nobody(&work.subjects).into()),
            },
        };
        report.erasure = Some(record.id);
        // While the records still say what else the person is known by.
        let personal = found.iter().flat_map(Found::personal).map(str::to_owned);
        let texts: Vec<String> = work.subjects.iter().map(|one| one.value().to_owned()).chain(personal).collect();
        self.audit.blot_out(&texts)?;
        self.lake.ledger.blot_out(&texts).await?;
        for ((place, found), (_, lease)) in work.places.iter().zip(&found).zip(leases) {
            self.erase_stream(work, (place, lease), &record, found, &mut report).await?;
        }
        for star in &work.stars {
            self.erase_from_star(work, star, &record, &mut report).await?;
        }
        report.left.extend(self.copies(work).await?);
        self.erase_traces(work, &mut report).await?;
        for (place, found) in work.places.iter().zip(&found) {
            report.note_kept(&place.stream.contract.name, found);
            let windows = erased_windows(&self.lake, &place.stream.contract, &record).await?;
            let again = self.look(work, place, Some(&windows.into_iter().collect())).await?;
            report.proof.windows += again.looked_at;
            report.proof.records += again.records();
        }
        if report.left.is_empty() && report.proof.records == 0 {
            report.proof.certificate = Some(layout::certificate_path(record.id));
            let told = serde_json::to_value(&report).unwrap_or_default();
            finish(&self.lake, &record, told).await?;
        }
        Ok(report)
    }

    /// Finds out which members of stars are the person's, while the tables still say so, and writes down whom to erase.
    async fn begin_erasure(&self, work: &Work<'_>) -> Result<ErasureRecord, RunError> {
        let mut members = Vec::new();
        for star in &work.stars {
            let of_star = members_of(&self.lake, star, &work.contracts(), &work.subjects, &work.digester).await?;
            members.extend(of_star);
        }
        Ok(note(&self.lake, &work.digester, &work.subjects, &self.environment.user, members).await?)
    }

    async fn look(
        &self,
        work: &Work<'_>,
        place: &Place<'_>,
        windows: Option<&BTreeSet<Window>>,
    ) -> Result<Found, RunError> {
        let decoders = SourceDecoders::of([place.open]);
        let contract = &place.stream.contract;
        Ok(search(&self.lake, contract, &work.digester, &work.subjects, windows, &decoders).await?)
    }

    async fn erase_stream(
        &self,
        work: &Work<'_>,
        (place, lease): (&Place<'_>, &Lease),
        record: &ErasureRecord,
        found: &Found,
        report: &mut EraseReport,
    ) -> Result<(), RunError> {
        let (lake, contract) = (&self.lake, &place.stream.contract);
        let name = &contract.name;
        let decoders = SourceDecoders::of([place.open]);
        let mut told = told(name.clone(), found);
        lake.ledger.catch_up(&lake.zones.raw, lease, name).await?;
        for (window, here) in &found.windows {
            let whom = (record, &work.digester, work.subjects.as_slice());
            told.quarantined += rewrite(lake, contract, window, whom, here, &decoders).await?.refused;
        }
        let windows = erased_windows(lake, contract, record).await?;
        unfold(lake, contract, |interval| windows.iter().any(|window| interval.covers(window))).await?;
        for window in &windows {
            let receipts = Receipts::new(&lake.zones.raw).of_window(name, window).await?;
            lake.ledger.landed(lease, name, window, &receipts).await?;
        }
        let reader = Arc::new(Reader {
            lake: lake.clone(),
            source: place.open.source.clone(),
            contract: Arc::clone(contract),
            setup: place.stream.setup,
            lease: lease.clone(),
            times: Arc::clone(&self.times),
            listener: Arc::new(|_: &crate::run::RunEvent| {}),
            records_max: self.file.limits.window_records,
        });
        let mut committer = Committer::new(&reader, place.open, work.run);
        committer.commit(&windows).await?;
        committer.record(self, None).await?;
        void_abandoned(lake, name, false).await?;
        lake.ledger.catch_up(&lake.zones.raw, lease, name).await?;
        told.raw = clean_parts(lake, name, false).await?;
        told.receipts = empty_receipts(lake, contract).await?;
        self.purge_stream(contract, report).await?;
        settle(lake, contract, lease, None).await?;
        report.streams.push(told);
        Ok(())
    }

    /// Tables of windows first: keyed ones are made from them, and those of children from their parent's.
    async fn purge_stream(&self, contract: &Arc<StreamContract>, report: &mut EraseReport) -> Result<(), RunError> {
        let is_of_windows = |table: &CleansedTable| !contract.kind.is_versioned() || table.role == TableRole::Versions;
        let tables = cleanse::tables(contract);
        let (of_windows, keyed): (Vec<&CleansedTable>, Vec<&CleansedTable>) =
            tables.iter().partition(|table| is_of_windows(table));
        let (own, children): (Vec<&CleansedTable>, Vec<&CleansedTable>) =
            keyed.into_iter().partition(|table| table.child.is_none());
        for layer in [of_windows, own, children] {
            for table in layer {
                self.purge_table(&table.name, report).await?;
            }
            refresh_keyed(&self.lake, contract).await?;
        }
        Ok(())
    }

    async fn purge_table(&self, table: &TableName, report: &mut EraseReport) -> Result<(), RunError> {
        let swept = purge(&self.lake, self.lake.zones.get(table.zone), &layout::table_path(table)).await?;
        report.tables.push(TablePurged { table: table.to_string(), swept });
        Ok(())
    }

    async fn erase_from_star(
        &self,
        work: &Work<'_>,
        star: &Star,
        record: &ErasureRecord,
        report: &mut EraseReport,
    ) -> Result<(), RunError> {
        report.members += forget_members(&self.lake, star, &record.members, &work.digester).await?;
        let built = build(&self.lake, star, BuildOptions { is_rebuild: true }).await?;
        self.record_star(star, &built, work.run).await?;
        for table in describe(star).tables {
            self.purge_table(&table.name, report).await?;
        }
        let raw = &self.lake.zones.raw;
        let states = format!("{}/{}", layout::STATE, headwater_contract::encode_segment(star.name()));
        for dimension in raw.folders(&states).await? {
            let swept = purge(&self.lake, raw, &format!("{states}/{dimension}")).await?;
            let table = format!("raw.{}.{}.{dimension}", layout::STATE, star.name());
            report.tables.push(TablePurged { table, swept });
        }
        report.stars.push(star.name().to_owned());
        Ok(())
    }

    /// The stars that show rows of these streams.
    async fn stars_with(&self, contracts: &[Arc<StreamContract>]) -> Result<Vec<Star>, RunError> {
        let all = self.stars(&[])?;
        let (mut touched, mut others) = (Vec::new(), Vec::new());
        for star in all {
            if reads_any(&star, contracts) && self.has_inputs(&star).await? {
                touched.push(star);
            } else {
                others.push(star);
            }
        }
        let shown: BTreeSet<TableName> =
            touched.iter().flat_map(|star| describe(star).tables).map(|table| table.name).collect();
        for star in touched.iter().chain(&others) {
            if let Some(table) = star.inputs().into_iter().find(|input| shown.contains(input)) {
                let (star, table) = (star.name().to_owned(), table.to_string());
                return Err(ErasureError::StarOnStar { star, table }.into());
            }
        }
        Ok(touched)
    }

    /// Whether every table that the star reads is there: else it was never built.
    async fn has_inputs(&self, star: &Star) -> Result<bool, RunError> {
        for input in star.inputs() {
            let log = format!("{}/_delta_log", layout::table_path(&input));
            if self.lake.zones.get(input.zone).list(&log).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What was copied out of the tables that hold the person, by people: only they know what it is for.
    async fn copies(&self, work: &Work<'_>) -> Result<Vec<String>, RunError> {
        let mut tables: BTreeSet<TableName> =
            work.contracts().iter().flat_map(|contract| cleanse::tables(contract)).map(|table| table.name).collect();
        tables.extend(work.stars.iter().flat_map(|star| describe(star).tables).map(|table| table.name));
        let made = exploration::list(&self.lake).await?;
        let mut left = Vec::new();
        // A copy of a copy: each pass finds those that are one step further away.
        loop {
            let is_new = |one: &&exploration::Exploration| {
                !tables.contains(&one.table) && one.inputs.iter().any(|input| tables.contains(input))
            };
            let Some(copy) = made.iter().find(is_new) else { break };
            left.push(format!("{0} was made from these tables: `headwater explore drop {0}`", copy.table));
            tables.insert(copy.table.clone());
        }
        let own: BTreeSet<String> = self.stars(&[])?.iter().map(|star| star.name().to_owned()).collect();
        for schema in self.lake.zones.curated.folders("").await? {
            let name = headwater_contract::decode_segment(&schema).unwrap_or(schema);
            // What begins with `_` is no schema: the lake keeps its own there.
            if !own.contains(&name) && !name.starts_with('_') {
                left.push(format!(
                    "curated.{name} belongs to no star of the project: delete its folder, or bring the star back"
                ));
            }
        }
        Ok(left)
    }

    /// What the project wrote down beside the lake.
    async fn erase_traces(&self, work: &Work<'_>, report: &mut EraseReport) -> Result<(), RunError> {
        let values: Vec<String> = work.subjects.iter().map(|subject| subject.value().to_owned()).collect();
        self.lake.ledger.blot_out(&values).await?;
        self.catalog.compact().await?;
        let others_work = Presence::others_work(&self.folder.join(STATE_FOLDER), &self.lake.ledger)?;
        report.scratch = clear_scratch(&self.lake, others_work)?;
        if others_work {
            report.left.push(
                "another runner works on this machine, and may hold unfinished files: run again when it has ended"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

impl EraseReport {
    fn note_kept(&mut self, stream: &StreamName, found: &Found) {
        if found.unreadable > 0 {
            self.left.push(format!(
                "{} records of {stream} cannot be read and hold the value, so nobody knows whose they are: see `headwater quarantine list {stream}`",
                found.unreadable
            ));
        }
        if found.is_in_names {
            self.left.push(format!(
                "a slice or a token of {stream} is the value itself, and stays in names of windows: the stream goes on from it"
            ));
        }
    }
}

fn told(stream: StreamName, found: &Found) -> StreamErased {
    StreamErased {
        stream,
        windows: found.windows.len() as u64,
        records: found.records(),
        quarantined: 0,
        raw: Swept::default(),
        receipts: 0,
    }
}

fn nobody(subjects: &[Subject]) -> ErasureError {
    let names: BTreeSet<String> =
        subjects.iter().map(|subject| format!("{} {}=…", subject.stream, subject.column)).collect();
    ErasureError::Nobody { streams: names.into_iter().collect::<Vec<_>>().join(", ") }
}

/// The streams that are named, each with the lists of its keys, and by what the person is known in them.
fn whom<'a>(sources: &'a [OpenSource], whom: &[Whom]) -> Result<(Vec<Place<'a>>, Vec<Subject>), RunError> {
    let (mut places, mut subjects): (Vec<Place<'_>>, Vec<Subject>) = Default::default();
    for open in sources {
        for stream in &open.streams {
            let contract = &stream.contract;
            let listed = contract.key_list_of.as_deref();
            let of = listed.unwrap_or_else(|| contract.name.stream());
            let is_of = |whom: &&Whom| {
                whom.stream
                    .parse::<StreamName>()
                    .is_ok_and(|name| name.source() == contract.name.source() && name.stream() == of)
            };
            let own = whom.iter().filter(is_of);
            // A list of keys has the person where it has the column; it is never asked for by name.
            let own = own.filter(|whom| listed.is_none() || contract.column(&whom.column).is_some());
            let before = subjects.len();
            for whom in own {
                subjects.push(Subject::new(contract, &whom.column, &whom.value)?);
            }
            if subjects.len() > before {
                places.push(Place { open, stream });
            }
        }
    }
    Ok((places, subjects))
}
