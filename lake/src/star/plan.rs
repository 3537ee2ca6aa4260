//! One try of a build: what is due, and the way from the inputs at one set of versions to committed tables.

use std::collections::{BTreeMap, BTreeSet};

use headwater_contract::TableName;
use polars::prelude::{DataFrame, IntoLazy, LazyFrame};
use ulid::Ulid;

use crate::Lake;
use crate::commit::DeltaLog;
use crate::star::build::{BuildOptions, BuildReport, Outcome, TableReport};
use crate::star::calendar::{Days, date_rows, span_of, time_rows};
use crate::star::columns::{describe, surrogate_key};
use crate::star::definition::{Rows, Star};
use crate::star::describe::{StarDescription, TableDescription};
use crate::star::dimension::{LookupFrame, lookup_of, table_of};
use crate::star::error::StarError;
use crate::star::fact::{Dimensions, compile, named_members, require, row_columns};
use crate::star::files::prepare;
use crate::star::history::Members;
use crate::star::inputs::Inputs;
use crate::star::model::{DimensionFile, FactFile, FactKindFile, OnMissing, TestFile};
use crate::star::publish::{Build, MODEL, Published, Target, computing, is_recorded, model_version, state_txn};
use crate::star::staging::{Staged, first_and_last};
use crate::star::state::{self, State, Wanted};
use crate::star::verify::{Tested, check_dimension, check_keys, count};
use crate::steps::Step;
use crate::zones::layout;

/// Records of a commit: an app id and a version each.
type Txns = Vec<(String, i64)>;

/// One try of a build, on one set of input versions.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    build: Build<'a>,
    star: &'a Star,
    description: StarDescription,
    inputs: Inputs,
    model: (String, i64),
}

/// What a dimension's table shows, and what facts look up.
enum Shape {
    Members(Box<LookupFrame>),
    Calendar(Option<Days>),
    Clock,
}

impl<'a> Plan<'a> {
    /// Takes a snapshot of every input.
    pub(crate) async fn open(lake: &'a Lake, star: &'a Star, options: BuildOptions) -> Result<Self, StarError> {
        let inputs = Inputs::open(lake, star.name(), &every_input(star)).await?;
        // By our clock: a vacuum compares it with its horizon.
        let id = Ulid::from_datetime(lake.clock.now().into());
        let build = Build { lake, star: star.name(), id, is_rebuild: options.is_rebuild };
        let model = (MODEL.to_owned(), model_version(star.digest()));
        Ok(Self { build, star, description: describe(star), inputs, model })
    }

    /// The build that it is a try of.
    pub(crate) fn build(&self) -> &Build<'a> {
        &self.build
    }

    /// What a commit records: the versions of `tables`, the states, the model.
    fn records(&self, tables: &[TableName], states: impl IntoIterator<Item = (String, i64)>) -> Txns {
        let mut txns = self.inputs.txns(tables);
        txns.extend(states);
        txns.push(self.model.clone());
        txns
    }

    /// What a commit of a curated table records, given the states of the star's dimensions.
    fn table_records(&self, table: &TableDescription, states: &BTreeMap<&str, (String, i64)>) -> Txns {
        let name = table.name.table.as_str();
        if let Some((_, fact)) = self.star.facts().find(|(known, _)| *known == name) {
            let looked_up: BTreeSet<&str> =
                fact.lookups.0.iter().map(|(_, lookup)| lookup.dimension.as_str()).collect();
            let tables = [table.inputs.clone(), tested_tables(&fact.tests)].concat();
            return self.records(&tables, looked_up.iter().filter_map(|name| states.get(name).cloned()));
        }
        match states.get(name) {
            Some(state) => {
                let tests =
                    self.star.dimension(name).map(|dimension| tested_tables(&dimension.tests)).unwrap_or_default();
                self.records(&tests, [state.clone()])
            }
            None => self.records(&calendar_inputs(self.star, name), []),
        }
    }

    /// Whether any table's last commit records something else than what is there.
    pub(crate) async fn is_due(&self) -> Result<bool, StarError> {
        let mut states = BTreeMap::new();
        for (name, _) in self.star.dimensions().filter(|(_, dimension)| !dimension.business_key.is_empty()) {
            match state::recorded(&self.build, name).await? {
                Some(found) if is_recorded(&found.txns, &self.records(&member_inputs(self.star, name), [])) => {
                    states.insert(name, (state_txn(&found.table_id), found.shown));
                }
                _ => return Ok(true),
            }
        }
        for table in &self.description.tables {
            let (folder, name) = (layout::table_path(&table.name), table.name.to_string());
            let log = DeltaLog::open(&self.build.lake.zones.curated, &folder).await.map_err(StarError::lake(&name))?;
            let Some(log) = log else { return Ok(true) };
            let snapshot = log.snapshot().await.map_err(StarError::lake(&name))?;
            if !is_recorded(&snapshot.txns, &self.table_records(table, &states)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Builds what is due.
    pub(crate) async fn run(mut self) -> Result<BuildReport, StarError> {
        let (star, build) = (self.star.name().to_owned(), self.build.id.to_string());
        if !self.build.is_rebuild && !self.is_due().await? {
            return Ok(BuildReport { star, build, tables: self.unchanged().await? });
        }
        self.inputs.load(self.build.lake, self.star.name()).await?;
        let rows = self.rows().await?;
        let states = self.states(&rows).await?;
        let shown: BTreeMap<&str, (String, i64)> =
            states.iter().map(|(name, state)| (*name, (state_txn(&state.table_id), state.shown))).collect();
        let (mut tables, mut dimensions, mut frames) = (Vec::new(), Dimensions::default(), BTreeMap::new());
        for description in self.description.tables.iter().filter(|table| !table.is_fact()) {
            let name = description.name.table.clone();
            let Some(file) = self.star.dimension(&name) else { continue };
            let (frame, shape) = self.dimension(description, file, states.get(name.as_str()), &rows).await?;
            match shape {
                Shape::Members(lookup) => drop(dimensions.members.insert(name.clone(), *lookup)),
                Shape::Calendar(days) => dimensions.days.extend(days.map(|days| (name.clone(), days))),
                Shape::Clock => {}
            }
            let wanted = self.table_records(description, &shown);
            tables.push(self.commit_dimension(description, file, &frame, wanted).await?);
            frames.insert(name, frame.lazy());
        }
        self.build.lake.steps.reached(Step::DimensionsCommitted).await;
        for (name, fact) in self.star.facts() {
            let (Some(description), Some(rows)) = (self.description.table(name), rows.get(name)) else { continue };
            let wanted = self.table_records(description, &shown);
            tables.push(self.commit_fact(description, fact, rows, &dimensions, &frames, wanted).await?);
            self.build.lake.steps.reached(Step::FactCommitted).await;
        }
        Ok(BuildReport { star, build, tables })
    }

    /// A report of a build that found nothing to do.
    async fn unchanged(&self) -> Result<Vec<TableReport>, StarError> {
        let mut tables = Vec::new();
        for description in &self.description.tables {
            let (_, snapshot) = self.build.open(description).await?;
            tables.push(self.report(description, Outcome::Unchanged, snapshot.rows().unwrap_or(0)));
        }
        Ok(tables)
    }

    fn report(&self, description: &TableDescription, outcome: Outcome, rows: u64) -> TableReport {
        let inputs = self.inputs.versions(&description.inputs);
        TableReport { table: description.name.clone(), outcome, rows, inputs }
    }

    /// The rows of every table that has some, as lazy frames, checked to have the columns that the model names.
    async fn rows(&self) -> Result<BTreeMap<String, LazyFrame>, StarError> {
        let (star, inputs) = (self.star.clone(), self.inputs.clone());
        computing(self.star.name(), move || {
            let mut frames = BTreeMap::new();
            for table in describe(&star).tables {
                let name = table.name.table;
                let Some(rows) = star.rows(&name) else { continue };
                let full = format!("{}.{name}", star.name());
                let mut frame = inputs.run(&full, rows)?;
                let columns = match (star.dimension(&name), star.facts().find(|(known, _)| *known == name)) {
                    (Some(dimension), _) => {
                        let members = Members::new(full.clone(), dimension);
                        members.row_columns().into_iter().map(str::to_owned).collect()
                    }
                    (None, Some((_, fact))) => row_columns(&star, fact),
                    (None, None) => Vec::new(),
                };
                require(&full, &mut frame, &columns)?;
                frames.insert(name, frame);
            }
            Ok(frames)
        })
        .await
    }

    /// Keys and history of every dimension with members, committed where they changed.
    async fn states(&self, rows: &BTreeMap<String, LazyFrame>) -> Result<BTreeMap<&'a str, State>, StarError> {
        let mut states = BTreeMap::new();
        for (name, dimension) in self.star.dimensions().filter(|(_, dimension)| !dimension.business_key.is_empty()) {
            if !self.build.is_rebuild {
                state::check_kept(&self.build, name).await?;
            }
            let tables = member_inputs(self.star, name);
            let facts = self.star.facts().filter_map(|(fact, file)| Some((file, rows.get(fact)?)));
            let named = facts.filter_map(|(fact, rows)| named_members(self.star, fact, name, rows)).flatten().collect();
            let wanted = Wanted {
                members: Members::new(format!("{}.{name}", self.star.name()), dimension),
                rows: rows.get(name).cloned().unwrap_or_default(),
                named,
                txns: self.records(&tables, []),
            };
            let older = |recorded: &BTreeMap<String, i64>| self.inputs.older_than(recorded, &tables);
            states.insert(name, state::bring_up(&self.build, name, wanted, older).await?);
            self.build.lake.steps.reached(Step::StateCommitted).await;
        }
        Ok(states)
    }

    /// The rows of a dimension's table, and what facts look up of it.
    async fn dimension(
        &self,
        description: &TableDescription,
        file: &DimensionFile,
        state: Option<&State>,
        rows: &BTreeMap<String, LazyFrame>,
    ) -> Result<(DataFrame, Shape), StarError> {
        let (name, table) = (description.name.table.clone(), description.name.to_string());
        let (file, description) = (file.clone(), description.clone());
        let key = surrogate_key(&name, &file);
        let (state, star, rows) = (state.cloned(), self.star.clone(), rows.clone());
        computing(&table.clone(), move || {
            let failed = || StarError::compute(&table);
            if let Some(state) = state {
                let lookup = lookup_of(&state.members, &state.frame).map_err(failed())?;
                let frame = table_of(&name, &file, &state.members, &description, &state.frame).map_err(failed())?;
                return Ok((frame, Shape::Members(Box::new(lookup))));
            }
            if let Some(time) = &file.time {
                return Ok((time_rows(&key, time, &file.unknown).map_err(failed())?, Shape::Clock));
            }
            let date = file.date.clone().unwrap_or_default();
            let days = Days::of(&date, first_and_last(&table, spans(&star, &name, &rows)?)?);
            let frame = date_rows(&key, &date, days, &file.unknown).map_err(failed())?;
            Ok((frame, Shape::Calendar(days)))
        })
        .await
    }

    /// Tests and commits a dimension's table, unless it shows just that state.
    async fn commit_dimension(
        &self,
        description: &TableDescription,
        file: &DimensionFile,
        frame: &DataFrame,
        wanted: Txns,
    ) -> Result<TableReport, StarError> {
        let table = description.name.to_string();
        let (log, snapshot) = self.build.open(description).await?;
        let rows = u64::try_from(frame.height()).unwrap_or(u64::MAX);
        if !self.build.is_rebuild && is_recorded(&snapshot.txns, &wanted) {
            return Ok(self.report(description, Outcome::Unchanged, rows));
        }
        let (tests, inputs, scratch) = (file.tests.clone(), self.inputs.clone(), self.build.scratch());
        let (tested, shown, name) = (description.clone(), frame.clone(), table.clone());
        let prepared = computing(&table, move || {
            let others = |other: &TableName| inputs.rows(&name, other);
            let lazy = shown.clone().lazy();
            check_dimension(&tested, &lazy)?;
            Tested { description: &tested, rows: lazy, others: &others }.run(&tests)?;
            prepare(&name, &scratch, &shown, &BTreeMap::new())
        })
        .await?;
        let folder = layout::table_path(&description.name);
        let store = &self.build.lake.zones.curated;
        let target = Target { table: &table, store, folder: &folder, columns: &description.columns, log, snapshot };
        let published = self.build.publish(target, Some(prepared), wanted).await?;
        Ok(self.report(description, committed(published), rows))
    }

    /// Computes, tests and commits a fact, unless it records just these inputs and states.
    async fn commit_fact(
        &self,
        description: &TableDescription,
        fact: &FactFile,
        rows: &LazyFrame,
        dimensions: &Dimensions,
        frames: &BTreeMap<String, LazyFrame>,
        wanted: Txns,
    ) -> Result<TableReport, StarError> {
        let table = description.name.to_string();
        let (log, snapshot) = self.build.open(description).await?;
        if !self.build.is_rebuild && is_recorded(&snapshot.txns, &wanted) {
            return Ok(self.report(description, Outcome::Unchanged, snapshot.rows().unwrap_or(0)));
        }
        let work = FactWork {
            star: self.star.clone(),
            description: description.clone(),
            fact: fact.clone(),
            rows: rows.clone(),
            dimensions: dimensions.clone(),
            frames: frames.clone(),
            inputs: self.inputs.clone(),
        };
        let scratch = self.build.scratch();
        let (prepared, rows) = computing(&table, move || work.prepare(&scratch)).await?;
        let folder = layout::table_path(&description.name);
        let store = &self.build.lake.zones.curated;
        let target = Target { table: &table, store, folder: &folder, columns: &description.columns, log, snapshot };
        let published = self.build.publish(target, Some(prepared), wanted).await?;
        Ok(self.report(description, committed(published), rows))
    }
}

fn committed(published: Published) -> Outcome {
    let Published { version, added, removed } = published;
    Outcome::Committed { version, added, removed }
}

/// What computing a fact needs, owned, so that it can leave the runtime's threads.
struct FactWork {
    star: Star,
    description: TableDescription,
    fact: FactFile,
    rows: LazyFrame,
    dimensions: Dimensions,
    frames: BTreeMap<String, LazyFrame>,
    inputs: Inputs,
}

impl FactWork {
    /// Stages the fact, runs its tests, and writes its files to scratch. Returns them and the number of rows.
    fn prepare(self, scratch: &std::path::Path) -> Result<(Vec<crate::star::files::Prepared>, u64), StarError> {
        let name = self.description.name.table.as_str();
        let table = self.description.name.to_string();
        let failed = || StarError::compute(&table);
        let plan = compile(&self.star, name, &self.fact, self.rows.clone(), &self.dimensions)?;
        let staged = Staged::compute(&table, scratch, plan)?;
        let rows = count(staged.rows()?).map_err(failed())?;
        if !matches!(self.fact.kind, FactKindFile::PeriodicSnapshot(_)) {
            let expected = count(self.rows).map_err(failed())?;
            if expected != rows {
                let what = format!("{expected} rows became {rows} while keys were looked up");
                return Err(StarError::Internal { table, what });
            }
        }
        for (role, lookup) in &self.fact.lookups.0 {
            if let (Some(frame), Some(dimension)) =
                (self.frames.get(&lookup.dimension), self.star.dimension(&lookup.dimension))
            {
                check_keys(&table, &staged.rows()?, role, frame, &surrogate_key(&lookup.dimension, dimension))?;
            }
        }
        let others = |other: &TableName| self.inputs.rows(&table, other);
        let tested = Tested { description: &self.description, rows: staged.rows()?, others: &others };
        tested.run(&self.fact.tests)?;
        let files = staged.files(scratch, &self.fact.grain, self.fact.partition.is_some())?;
        Ok((files, rows))
    }
}

/// The first and last day that each fact refers to in a calendar.
fn spans(star: &Star, dimension: &str, rows: &BTreeMap<String, LazyFrame>) -> Result<Vec<LazyFrame>, StarError> {
    let mut spans = Vec::new();
    if star.dimension(dimension).is_none_or(|file| file.date.is_none()) {
        return Ok(spans);
    }
    for (name, fact) in star.facts() {
        let table = format!("{}.{name}", star.name());
        for (_, lookup) in fact.lookups.0.iter().filter(|(_, lookup)| lookup.dimension == dimension) {
            let (Some(of), Some(rows)) = (&lookup.of, rows.get(name)) else { continue };
            let mut rows = rows.clone();
            let schema = require(&table, &mut rows, std::slice::from_ref(of))?;
            let column_type = schema.get(of).cloned().unwrap_or(polars::prelude::DataType::Null);
            let span = span_of(rows, of, &column_type, lookup.zone.as_deref());
            spans.push(span.map_err(StarError::compute(&table))?);
        }
    }
    Ok(spans)
}

/// Every table that rows or tests read.
pub(crate) fn every_input(star: &Star) -> Vec<TableName> {
    let dimensions = star.dimensions().flat_map(|(_, dimension)| tested_tables(&dimension.tests));
    let facts = star.facts().flat_map(|(_, fact)| tested_tables(&fact.tests));
    let tables: BTreeSet<TableName> = dimensions.chain(facts).chain(star.inputs()).collect();
    tables.into_iter().collect()
}

fn tested_tables(tests: &[TestFile]) -> Vec<TableName> {
    let other = |test: &TestFile| match test {
        TestFile::RowsEqual(table) => Some(table.clone()),
        TestFile::SumEquals(sum) => Some(sum.table.clone()),
        TestFile::Unique(_) | TestFile::NotNull(_) | TestFile::RowCount(_) => None,
    };
    tests.iter().filter_map(other).collect()
}

/// Tables whose rows decide about the members of `dimension`: its own, and those of facts that may bring members.
fn member_inputs(star: &Star, dimension: &str) -> Vec<TableName> {
    let own = star.rows(dimension).map(Rows::inputs).unwrap_or_default();
    let mut tables: BTreeSet<TableName> = own.iter().cloned().collect();
    for (name, fact) in star.facts() {
        let mut lookups = fact.lookups.0.iter().map(|(_, lookup)| lookup);
        if lookups.any(|lookup| lookup.dimension == dimension && lookup.on_missing == OnMissing::Infer) {
            tables.extend(star.rows(name).map(Rows::inputs).unwrap_or_default().iter().cloned());
        }
    }
    tables.into_iter().collect()
}

/// Tables whose rows decide about the days of a calendar.
fn calendar_inputs(star: &Star, dimension: &str) -> Vec<TableName> {
    let mut tables = BTreeSet::new();
    for (name, fact) in star.facts() {
        let is_fixed = star
            .dimension(dimension)
            .and_then(|file| file.date.as_ref())
            .is_some_and(|date| date.from.is_some() && date.until.is_some());
        if !is_fixed && fact.lookups.0.iter().any(|(_, lookup)| lookup.dimension == dimension && lookup.of.is_some()) {
            tables.extend(star.rows(name).map(Rows::inputs).unwrap_or_default().iter().cloned());
        }
    }
    tables.into_iter().collect()
}
