//! Takes members out of the states of a star: those that only an erased person's rows make.
//!
//! A state remembers what its source has long forgotten, so it is told whom to forget. Which members those are is found by running the
//! model over the person's rows alone, before they go; what is kept of them is digests. A member that the other rows make as well
//! stays, with its key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_contract::{Digest16, StreamContract, StreamName, TableName};
use polars::prelude::{
    AnyValue, BooleanChunked, Column, DataFrame, DataType, Expr, JoinArgs, JoinType, LazyFrame, PolarsResult,
    UniqueKeepStrategy, col, lit,
};

use crate::Lake;
use crate::cleanse::tables;
use crate::commit::DeltaLog;
use crate::erasure::{Digester, ForgottenMembers, Subject};
use crate::read::scan;
use crate::star::build::{BuildOptions, keep_lease, take_lease};
use crate::star::definition::{Rows, Star};
use crate::star::error::StarError;
use crate::star::fact::named_members;
use crate::star::files::prepare;
use crate::star::history::{INFERRED, Members};
use crate::star::inputs::Inputs;
use crate::star::model::DimensionFile;
use crate::star::plan::{Plan, every_input};
use crate::star::publish::{Build, Target, computing};
use crate::star::state::{ROWS, columns_of, held, whole_columns};
use crate::star::types::cast;
use crate::steps::Step;
use crate::zones::layout;

/// What tells a parent row, and with it the child rows that were read in it.
const IDENTITY: [&str; 4] = ["_slice", "_window", "_generation", "_ordinal"];

/// A table that holds a person, with the person's rows alone.
struct PersonRows {
    stream: StreamName,
    table: TableName,
    rows: LazyFrame,
}

/// Whether the star reads any table of these streams.
pub fn reads_any(star: &Star, contracts: &[Arc<StreamContract>]) -> bool {
    let inputs = every_input(star);
    contracts.iter().flat_map(|contract| tables(contract)).any(|table| inputs.contains(&table.name))
}

/// The members of the star's dimensions that the person's rows make, as digests. The tables still hold the person.
///
/// # Errors
///
/// [`StarError`] when a table or a model cannot be read.
pub async fn members_of(
    lake: &Lake,
    star: &Star,
    contracts: &[Arc<StreamContract>],
    subjects: &[Subject],
    digester: &Digester,
) -> Result<Vec<ForgottenMembers>, StarError> {
    let persons = person_rows(lake, star, contracts, subjects).await?;
    let mut inputs = Inputs::open(lake, star.name(), &every_input(star)).await?;
    inputs.load(lake, star.name()).await?;
    let none: Vec<(TableName, LazyFrame)> =
        persons.iter().map(|one| (one.table.clone(), one.rows.clone().filter(lit(false)))).collect();
    // Together and each stream alone: a join of two needs the first, a union the second.
    let streams: BTreeSet<&StreamName> = persons.iter().map(|one| &one.stream).collect();
    let whole = |wanted: &dyn Fn(&StreamName) -> bool| -> Vec<(TableName, LazyFrame)> {
        let rows = persons.iter().zip(&none);
        rows.map(|(one, none)| if wanted(&one.stream) { (one.table.clone(), one.rows.clone()) } else { none.clone() })
            .collect()
    };
    let mut variants = vec![whole(&|_| true)];
    if streams.len() > 1 {
        variants.extend(streams.iter().map(|stream| whole(&|other| other == *stream)));
    }
    let touched: BTreeSet<TableName> = persons.iter().map(|one| one.table.clone()).collect();
    let mut all = Vec::new();
    for (dimension, file) in star.dimensions().filter(|(_, file)| !file.business_key.is_empty()) {
        let table = format!("{}.{dimension}", star.name());
        let of = Dimension::new(star, dimension, file, digester);
        let made: Vec<Inputs> = variants.iter().map(|rows| inputs.replaced(rows)).collect();
        let (without, touched) = (inputs.replaced(&none), touched.clone());
        let digests = computing(&table, move || {
            let mut digests = BTreeSet::new();
            for inputs in &made {
                let (shown, named) = of.keys(inputs, Some(&touched))?;
                digests.extend(shown.into_iter().chain(named));
            }
            // What is made without the person as well is nobody's business.
            let (shown, named) = of.keys(&without, Some(&touched))?;
            digests.retain(|digest| !shown.contains(digest) && !named.contains(digest));
            Ok(digests)
        })
        .await?;
        if !digests.is_empty() {
            let (star, dimension) = (star.name().to_owned(), dimension.to_owned());
            all.push(ForgottenMembers { star, dimension, digests: digests.into_iter().collect() });
        }
    }
    Ok(all)
}

/// Takes members out of the star's states, and writes its tables again without them. The tables of the lake hold the person no more.
/// Returns how many versions of members went.
///
/// # Errors
///
/// [`StarError`]; running again is safe.
pub async fn forget_members(
    lake: &Lake,
    star: &Star,
    members: &[ForgottenMembers],
    digester: &Digester,
) -> Result<u64, StarError> {
    let lease = take_lease(lake, star.name()).await?;
    let outcome = tokio::select! {
        outcome = forget_leased(lake, star, members, digester) => outcome,
        lost = keep_lease(lake, star.name(), &lease) => Err(lost),
    };
    lake.ledger.release(lease).await.map_err(StarError::lake(star.name()))?;
    let gone = outcome?;
    lake.steps.reached(Step::MembersForgotten).await;
    Ok(gone)
}

async fn forget_leased(
    lake: &Lake,
    star: &Star,
    members: &[ForgottenMembers],
    digester: &Digester,
) -> Result<u64, StarError> {
    let mut inputs = Inputs::open(lake, star.name(), &every_input(star)).await?;
    inputs.load(lake, star.name()).await?;
    let plan = Plan::open(lake, star, BuildOptions::default()).await?;
    let mut gone = 0;
    for (dimension, file) in star.dimensions() {
        let forgotten: BTreeSet<Digest16> = members
            .iter()
            .filter(|one| one.star == star.name() && one.dimension == dimension)
            .flat_map(|one| one.digests.iter().copied())
            .collect();
        if !forgotten.is_empty() {
            gone +=
                forget_in(plan.build(), Dimension::new(star, dimension, file, digester), &inputs, forgotten).await?;
        }
    }
    Ok(gone)
}

async fn forget_in(
    build: &Build<'_>,
    of: Dimension,
    inputs: &Inputs,
    forgotten: BTreeSet<Digest16>,
) -> Result<u64, StarError> {
    let table = format!("{}.{}", build.star, of.name);
    let folder = layout::state_path(build.star, &of.name);
    let store = &build.lake.zones.raw;
    let log = DeltaLog::open(store, &folder).await.map_err(StarError::lake(&table))?;
    let Some(log) = log else { return Ok(0) };
    let snapshot = log.snapshot().await.map_err(StarError::lake(&table))?;
    let known = held(build, &table, &folder, &snapshot).await?;
    let columns = columns_of(&of.members);
    let (inputs, name, scratch) = (inputs.clone(), table.clone(), build.scratch());
    let (whole, prepared, gone) = computing(&table, move || {
        let failed = || StarError::compute(&name);
        let (shown, named) = of.keys(&inputs, None)?;
        let digests = of.digests(&known).map_err(failed())?;
        let inferred = known.column(INFERRED).and_then(|column| column.bool().cloned()).map_err(failed())?;
        // Of whom only facts speak, the state knows no more than they do.
        let stays = |digest: &Digest16, is_inferred: bool| {
            !forgotten.contains(digest) || shown.contains(digest) || (is_inferred && named.contains(digest))
        };
        let rows = digests.iter().zip(inferred.iter());
        let keep: Vec<bool> = rows.map(|(digest, inferred)| stays(digest, inferred == Some(true))).collect();
        let gone = keep.iter().filter(|keep| !**keep).count();
        let whole = known.filter(&keep.into_iter().collect::<BooleanChunked>()).map_err(failed())?;
        let prepared = prepare(&name, &scratch, &whole, &BTreeMap::new())?;
        Ok((whole, prepared, gone as u64))
    })
    .await?;
    if gone == 0 {
        return Ok(0);
    }
    let columns = whole_columns(&columns, &whole, &snapshot);
    let shown = snapshot.version + 1;
    let target = Target { table: &table, store, folder: &folder, columns: &columns, log, snapshot };
    build.publish(target, Some(prepared), vec![(ROWS.to_owned(), shown)]).await?;
    Ok(gone)
}

/// The rows of a person in every input of the star that is a table of one of the streams.
async fn person_rows(
    lake: &Lake,
    star: &Star,
    contracts: &[Arc<StreamContract>],
    subjects: &[Subject],
) -> Result<Vec<PersonRows>, StarError> {
    let inputs = every_input(star);
    let mut persons = Vec::new();
    for contract in contracts {
        let own: Vec<&Subject> = subjects.iter().filter(|subject| subject.stream == contract.name).collect();
        for cleansed in tables(contract).into_iter().filter(|table| inputs.contains(&table.name)) {
            let Some(rows) = rows_of(lake, star, &cleansed.name).await? else { continue };
            let is_own = own
                .iter()
                .map(|subject| col(subject.column.as_str()).cast(DataType::String).eq(lit(subject.value().to_owned())));
            let Some(is_own) = is_own.reduce(Expr::or) else { continue };
            let rows = if cleansed.child.is_none() {
                rows.filter(is_own)
            } else {
                let parent = TableName::new(cleansed.name.zone, cleansed.name.schema.clone(), contract.window_table());
                let Some(parents) = rows_of(lake, star, &parent).await? else { continue };
                let by: Vec<_> = IDENTITY.iter().map(|name| col(*name)).collect();
                rows.join(parents.filter(is_own), by.clone(), by, JoinArgs::new(JoinType::Semi))
            };
            persons.push(PersonRows { stream: contract.name.clone(), table: cleansed.name, rows });
        }
    }
    Ok(persons)
}

async fn rows_of(lake: &Lake, star: &Star, table: &TableName) -> Result<Option<LazyFrame>, StarError> {
    let (store, folder) = (lake.zones.get(table.zone), layout::table_path(table));
    let log = DeltaLog::open(store, &folder).await.map_err(StarError::lake(star.name()))?;
    let Some(log) = log else { return Ok(None) };
    let snapshot = log.snapshot().await.map_err(StarError::lake(star.name()))?;
    let rows = scan(store, &folder, &snapshot, &lake.scratch).await.map_err(StarError::lake(star.name()))?;
    Ok(Some(rows))
}

/// A dimension with what names its members.
struct Dimension {
    star: Star,
    name: String,
    members: Members,
    digester: Digester,
}

/// Digests of members that a dimension's own rows show, and of those that facts name.
type Keys = (BTreeSet<Digest16>, BTreeSet<Digest16>);

impl Dimension {
    fn new(star: &Star, name: &str, file: &DimensionFile, digester: &Digester) -> Self {
        let members = Members::new(format!("{}.{name}", star.name()), file);
        Self { star: star.clone(), name: name.to_owned(), members, digester: digester.clone() }
    }

    /// The members that rows make; with `touched` only those rows that come from any of these tables.
    fn keys(&self, inputs: &Inputs, touched: Option<&BTreeSet<TableName>>) -> Result<Keys, StarError> {
        let table = format!("{}.{}", self.star.name(), self.name);
        let is_wanted =
            |rows: &&Rows| touched.is_none_or(|touched| rows.inputs().iter().any(|input| touched.contains(input)));
        let (mut shown, mut named) = (BTreeSet::new(), BTreeSet::new());
        if let Some(rows) = self.star.rows(&self.name).filter(is_wanted) {
            shown = self.of(&table, inputs.run(&table, rows)?)?;
        }
        for (fact, file) in self.star.facts() {
            let Some(rows) = self.star.rows(fact).filter(is_wanted) else { continue };
            let rows = inputs.run(&table, rows)?;
            for keys in named_members(&self.star, file, &self.name, &rows).into_iter().flatten() {
                named.extend(self.of(&table, keys)?);
            }
        }
        Ok((shown, named))
    }

    fn of(&self, table: &str, rows: LazyFrame) -> Result<BTreeSet<Digest16>, StarError> {
        let failed = || StarError::compute(table);
        let keys: Vec<_> = self.members.keys.iter().map(|(name, column_type)| cast(name, column_type)).collect();
        let frame = rows.select(keys).unique(None, UniqueKeepStrategy::Any).collect().map_err(failed())?;
        Ok(self.digests(&frame).map_err(failed())?.into_iter().collect())
    }

    /// The digest of each row's business key.
    fn digests(&self, frame: &DataFrame) -> PolarsResult<Vec<Digest16>> {
        let columns = self.members.keys.iter().map(|(name, _)| frame.column(name));
        let columns: Vec<&Column> = columns.collect::<PolarsResult<_>>()?;
        let mut digests = Vec::with_capacity(frame.height());
        for row in 0..frame.height() {
            let mut texts = vec![self.star.name().to_owned(), self.name.clone()];
            for column in &columns {
                texts.push(match column.get(row)? {
                    AnyValue::String(text) => text.to_owned(),
                    AnyValue::StringOwned(text) => text.to_string(),
                    other => other.to_string(),
                });
            }
            digests.push(self.digester.digest(texts.iter().map(String::as_str)));
        }
        Ok(digests)
    }
}
