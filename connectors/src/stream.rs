//! A stream that is complete: what a manifest and a project say of it, laid over one another, with every default filled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use headwater_contract::{
    Column, ColumnType, Deletes, Digest16, SourceName, Span, StreamContract, StreamKind, StreamName, WindowPolicy,
};

use crate::auth::Auth;
use crate::columns::{ColumnListManifest, columns_of};
use crate::decoding::{BodyDecoding, Decoding, PageFacts, Pointer, RecordsManifest};
use crate::expression::{ExpressionError, Scalar, Scope, Template, ValueManifest};
use crate::jobs::JobPlan;
use crate::lookups::{Lookup, LookupManifest};
use crate::manifest::{
    AgeManifest, BodyManifest, ChainManifest, ColumnManifest, DeletesManifest, Fact, Instant, KeyListManifest,
    KeyScope, ManifestError, Method, Ordered, PageSize, QueryManifest, ResultCap, StreamManifest, WindowManifest,
    WindowRequest,
};
use crate::pagination::{ConnectionManifest, Pagination, Seen};
use crate::parents::{GIVEN, ParentManifest, ParentRange};
use crate::portions::FieldsManifest;
use crate::refusal::{ErrorRule, Rules, contradiction};
use crate::shaping::{Shape, StepManifest};
use crate::slicing::{Condition, SlicesManifest};
use crate::windowing::{Feed, TimeFormat};

/// Rows that a re-read may remove before its window is held.
const MAX_REMOVED: f64 = 0.2;
/// Rows that may fail the gate before a window is held.
const MAX_QUARANTINED: f64 = 0.01;
/// How long a window can change where the vendor does not say.
const LOOKBACK_UNPUBLISHED: Span = Span::days(7);
/// How long to wait for late rows at least where the vendor does not say.
const SETTLE_UNPUBLISHED: Span = Span::seconds(60);
/// The longest window where the manifest says none.
const LENGTH: Span = Span::days(1);
/// How often a snapshot, chain or key list is read where nobody says.
const EVERY: Span = Span::days(1);

/// The request of a stream.
#[derive(Clone, Debug)]
pub(crate) struct RequestPlan {
    pub(crate) method: Method,
    /// Where its path starts, where that is not `http.base_url`.
    pub(crate) base_url: Option<Template>,
    pub(crate) path: Template,
    /// Names for what is worked out for each request.
    pub(crate) values: Ordered<ValueManifest>,
    pub(crate) params: Ordered<ValueManifest>,
    pub(crate) headers: Ordered<ValueManifest>,
    pub(crate) body: Option<BodyManifest>,
    pub(crate) page_size: Option<PageSize>,
    /// What is done about answers that are no data.
    pub(crate) rules: Rules,
    /// How query parameters are written, where that is not the connector's way.
    pub(crate) query: Option<QueryManifest>,
    /// The points that it is thought to cost, where that is not the connector's way.
    pub(crate) cost: Option<ValueManifest>,
    /// Streams that name the same lock are never read at the same time.
    pub(crate) locks: Vec<String>,
    pub(crate) by_age: Vec<AgeManifest>,
    /// Where the columns stand in a record, for queries that name them.
    pub(crate) columns: Vec<Pointer>,
    /// Parameters that a project gives to a template.
    pub(crate) with: BTreeMap<String, Scalar>,
}

/// The fields that its records are asked for with.
#[derive(Clone, Debug)]
pub(crate) struct FieldsPlan {
    pub(crate) manifest: FieldsManifest,
    /// What tells that records of two requests are the same.
    pub(crate) merge_by: Vec<Pointer>,
}

/// How its windows are asked for.
#[derive(Clone, Debug)]
pub(crate) struct WindowPlan {
    pub(crate) policy: WindowPolicy,
    /// How the request writes instants.
    pub(crate) sent_format: TimeFormat,
    /// Where the record has its time, and how it is written there.
    pub(crate) pointer: Pointer,
    /// The formats that its time is read in, tried in order, with zones that settings give.
    pub(crate) read_formats: Vec<TimeFormat>,
    /// What carries the bounds; `None` where only the parents are asked for by the window, or the API takes none.
    pub(crate) request: Option<WindowRequest>,
    /// The order of a list that is not filtered by both bounds.
    pub(crate) feed: Option<Feed>,
    pub(crate) cap: Option<ResultCap>,
}

/// What a stream is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Its own rows.
    Itself,
    /// The parents and slices of other streams only.
    Others,
}

/// A complete stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    /// Where it stands in the manifest, e.g. `streams.charges`.
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) kind: StreamKind,
    pub(crate) request: RequestPlan,
    /// The fields that its records are asked for with, where they are named one by one.
    pub(crate) fields: Option<FieldsPlan>,
    /// How its requests prove who sends them, where that is not `http`'s way.
    pub(crate) auth: Option<Auth>,
    pub(crate) records: RecordsManifest,
    pub(crate) decoding: BodyDecoding,
    pub(crate) shape: Option<Arc<Shape>>,
    pub(crate) pagination: Pagination,
    /// Lists inside each record that have pages of their own.
    pub(crate) connections: Arc<[ConnectionManifest]>,
    /// Fields that other requests give to its records.
    pub(crate) lookups: Arc<[Lookup]>,
    pub(crate) chain: Option<ChainManifest>,
    pub(crate) slices: Option<SlicesManifest>,
    pub(crate) parent: Option<ParentManifest>,
    pub(crate) job: Option<Arc<JobPlan>>,
    /// Names of the values that its rows take from their requests.
    pub(crate) given: Vec<String>,
    pub(crate) purpose: Purpose,
    /// The stream is there only where this holds.
    pub(crate) when: Option<Condition>,
    pub(crate) window: Option<WindowPlan>,
    pub(crate) start: Option<Instant>,
    pub(crate) end: Option<Instant>,
    key: Vec<String>,
    append_only: bool,
    key_is_stream_wide: bool,
    version_field: Option<String>,
    columns: Vec<Column>,
    /// Where the source lists its fields.
    pub(crate) column_list: Option<ColumnListManifest>,
    children: Vec<headwater_contract::ChildTable>,
    every: Span,
    deletes: Deletes,
    key_list_of: Option<String>,
    volatile: Vec<String>,
    may_be_empty: bool,
    max_removed: f64,
    max_quarantined: f64,
    best_effort: Option<String>,
    json_schema: Option<serde_json::Value>,
}

/// Builds errors about one stream.
#[derive(Clone, Copy)]
pub(crate) struct Blame<'a> {
    pub(crate) file: &'a str,
    pub(crate) path: &'a str,
    pub(crate) line: &'a dyn Fn(&str) -> Option<usize>,
}

impl Blame<'_> {
    pub(crate) fn incomplete(&self, key: &str, reason: impl Into<String>, fix: impl Into<String>) -> ManifestError {
        let path = if key.is_empty() { self.path.to_owned() } else { format!("{}.{key}", self.path) };
        ManifestError::Incomplete {
            file: self.file.to_owned(),
            line: (self.line)(&path),
            path,
            reason: reason.into(),
            fix: fix.into(),
        }
    }

    fn need<T>(&self, key: &str, value: Option<T>, fix: &str) -> Result<T, ManifestError> {
        value.ok_or_else(|| self.incomplete(key, format!("`{key}` is missing"), fix))
    }
}

impl Stream {
    /// Completes a stream; a second one is its key list where deletes are found by one.
    pub(crate) fn complete(
        name: &str,
        manifest: StreamManifest,
        connector_rules: &[ErrorRule],
        blame: &Blame<'_>,
    ) -> Result<(Self, Option<Self>), ManifestError> {
        check_name(name, blame)?;
        let mut manifest = unsaid(manifest);
        let kind =
            blame.need("kind", manifest.kind, "write `kind:` with events, restating, mutable, snapshot or chain")?;
        let columns = own_columns(&mut manifest, blame)?;
        let shape = complete_shape(manifest.shape.take(), &columns, manifest.decoding.as_ref(), blame)?;
        let written = written_formats(manifest.window.as_ref(), &columns);
        let lookups = complete_lookups(manifest.lookups.take(), &columns, blame)?;
        let columns: Vec<Column> = columns.iter().map(|(name, column)| column.to_column(name)).collect();
        let append_only = manifest.append_only.unwrap_or(false);
        let key = complete_key(manifest.key.take(), append_only, &columns, blame)?;
        let by_parents = manifest.parent.as_ref().is_some_and(|parent| parent.range == ParentRange::Window);
        let window = complete_window(kind, manifest.window.take(), &columns, written, by_parents, blame)?;
        let pagination = complete_pagination(manifest.pagination.take(), manifest.page_size.as_ref(), blame)?;
        let chain = complete_chain(kind, manifest.chain.take(), &pagination, window.is_some(), blame)?;
        let children = complete_children(manifest.unnest.as_ref(), &columns, blame)?;
        let rules =
            own_rules(manifest.errors.take(), window.is_some(), manifest.slices.is_some(), connector_rules, blame)?;
        let request = complete_request(&mut manifest, &columns, rules, blame)?;
        let fields = complete_fields(&mut manifest, &columns, &key, &pagination, blame)?;
        let by_window =
            window.as_ref().filter(|_| kind == StreamKind::Mutable).map(|window| window.policy.field.clone());
        let (deletes, key_list) = complete_deletes(name, manifest.deletes, &columns, &key, blame)?;
        let mut stream = Self {
            name: name.to_owned(),
            path: blame.path.to_owned(),
            title: blame.need("title", manifest.title, "write one line on what a row is")?,
            kind,
            request,
            fields,
            auth: manifest.auth,
            records: complete_records(manifest.records, manifest.decoding.as_ref(), blame)?,
            decoding: manifest.decoding.unwrap_or_default(),
            shape,
            pagination,
            connections: complete_connections(manifest.connections, blame)?,
            lookups,
            chain,
            slices: manifest.slices,
            parent: manifest.parent,
            job: None,
            given: given_names(&columns),
            when: manifest.when,
            purpose: if manifest.internal == Some(true) { Purpose::Others } else { Purpose::Itself },
            window,
            start: manifest.start,
            end: manifest.end,
            key,
            append_only,
            key_is_stream_wide: manifest.key_scope == Some(KeyScope::Stream),
            version_field: manifest.version_field.or(by_window),
            columns,
            column_list: manifest.column_list,
            children,
            every: manifest.every.unwrap_or(EVERY),
            deletes,
            key_list_of: None,
            volatile: manifest.volatile.unwrap_or_default(),
            may_be_empty: manifest.may_be_empty.unwrap_or(false),
            max_removed: manifest.max_removed.unwrap_or(MAX_REMOVED),
            max_quarantined: manifest.max_quarantined.unwrap_or(MAX_QUARANTINED),
            best_effort: manifest.best_effort,
            json_schema: manifest.json_schema,
        };
        stream.job = manifest.job.map(|job| JobPlan::complete(&stream, job, blame)).transpose()?.map(Arc::new);
        let key_list = key_list.map(|list| stream.key_list(*list, blame)).transpose()?;
        Ok((stream, key_list))
    }

    /// The snapshot stream of the keys that exist.
    fn key_list(&self, list: KeyListManifest, blame: &Blame<'_>) -> Result<Self, ManifestError> {
        let mut columns = Vec::new();
        for name in &list.key {
            let column = self.columns.iter().find(|column| column.name == *name);
            let unknown =
                || blame.incomplete("deletes", format!("`{name}` is no column"), "name columns of the stream's key");
            let mut column = column.ok_or_else(unknown)?.clone();
            if given_name(&column).is_none() {
                column.pointer =
                    list.paths.get(name).map_or_else(|| Pointer::parse(name).to_string(), ToString::to_string);
            }
            column.checks.clear();
            columns.push(column);
        }
        Ok(Self {
            name: format!("{}__keys", self.name),
            path: format!("{}.deletes.key_list", self.path),
            title: format!("Keys of `{}` that exist", self.name),
            kind: StreamKind::Snapshot,
            request: RequestPlan {
                method: list.method.unwrap_or_default(),
                base_url: self.request.base_url.clone(),
                path: list.path,
                values: self.request.values.clone(),
                params: list.params.unwrap_or_default(),
                headers: self.request.headers.clone(),
                body: list.body,
                page_size: list.page_size,
                rules: self.request.rules.clone(),
                query: self.request.query.clone(),
                cost: self.request.cost.clone(),
                locks: self.request.locks.clone(),
                by_age: Vec::new(),
                columns: named_columns(&columns),
                with: self.request.with.clone(),
            },
            fields: None,
            auth: self.auth.clone(),
            records: RecordsManifest::List(list.records),
            decoding: self.decoding.clone(),
            shape: None,
            pagination: list.pagination.unwrap_or_default(),
            connections: Arc::default(),
            lookups: Arc::default(),
            chain: None,
            slices: self.slices.clone(),
            parent: self.parent.clone(),
            job: None,
            given: given_names(&columns),
            when: self.when.clone(),
            purpose: Purpose::Itself,
            window: None,
            start: self.start.clone(),
            end: self.end.clone(),
            key: list.key,
            append_only: false,
            key_is_stream_wide: self.key_is_stream_wide,
            version_field: None,
            columns,
            column_list: None,
            children: Vec::new(),
            every: list.every.unwrap_or(EVERY),
            deletes: Deletes::None,
            key_list_of: Some(self.name.clone()),
            volatile: Vec::new(),
            may_be_empty: self.may_be_empty,
            max_removed: self.max_removed,
            max_quarantined: self.max_quarantined,
            best_effort: None,
            json_schema: None,
        })
    }

    /// Puts the zones that settings give into what reads its times.
    pub(crate) fn fill_zones(&mut self, scope: &Scope) -> Result<(), ExpressionError> {
        self.shape.as_mut().map_or(Ok(()), |shape| Arc::make_mut(shape).fill_zones(scope))
    }

    /// Its columns.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Its tables of unnested rows.
    pub(crate) fn children(&self) -> &[headwater_contract::ChildTable] {
        &self.children
    }

    /// The columns that identify a row.
    pub(crate) fn key(&self) -> &[String] {
        &self.key
    }

    /// The facts of a page that reading this stream needs.
    pub(crate) fn facts(&self) -> PageFacts {
        let mut facts = self.pagination.facts();
        if let Some(chain) = &self.chain {
            facts = chain.more.iter().fold(chain.next.facts(facts), |facts, more| more.facts(facts));
        }
        if let Some(window) = &self.window {
            if matches!(self.pagination, Pagination::AdvancingFrom(_)) {
                facts = facts.last_record_field(&window.pointer);
            }
            let total = window.cap.as_ref().and_then(|cap| cap.total.as_ref());
            facts = total.into_iter().fold(facts, |facts, total| total.facts(facts));
        }
        facts
    }

    /// How many records a page is asked to hold, where that is a number.
    pub(crate) fn page_size(&self) -> Option<u64> {
        match self.request.page_size.as_ref()?.value {
            Scalar::Integer(size) => u64::try_from(size).ok(),
            _ => None,
        }
    }

    /// Whether pagination, window, chain or the list of fields puts a value under this name.
    pub(crate) fn names_slot(&self, name: &str) -> bool {
        let request = self.window.as_ref().and_then(|window| window.request.as_ref());
        let bounds = request.into_iter().flat_map(WindowRequest::slots);
        let token = self.chain.as_ref().and_then(|chain| chain.param.as_ref());
        let fields = self.fields.as_ref().map(|fields| &fields.manifest.param);
        let mut slots = self.pagination.slots().into_iter().chain(bounds).chain(token).chain(fields);
        slots.any(|slot| matches!(slot, crate::pagination::Slot::Name(known) if known == name))
    }

    /// Whether nothing in a reading counts as a duplicate.
    pub(crate) fn is_append_only(&self) -> bool {
        self.append_only
    }

    /// The contract under the source's name.
    pub(crate) fn contract(
        &self,
        source: &SourceName,
        start: Option<DateTime<Utc>>,
        end: Option<DateTime<Utc>>,
        manifest_digest: Digest16,
    ) -> Result<StreamContract, headwater_contract::NameError> {
        Ok(StreamContract {
            name: StreamName::new(source.clone(), &self.name)?,
            title: self.title.clone(),
            kind: self.kind,
            key: self.key.clone(),
            append_only: self.append_only,
            key_is_stream_wide: self.key_is_stream_wide,
            version_field: self.version_field.clone(),
            columns: self.columns.clone(),
            children: self.children.clone(),
            window: self.window.as_ref().map(|window| window.policy.clone()),
            every: self.every,
            start,
            end,
            deletes: self.deletes.clone(),
            key_list_of: self.key_list_of.clone(),
            volatile: self.volatile.clone(),
            may_be_empty: self.may_be_empty,
            max_removed: self.max_removed,
            max_quarantined: self.max_quarantined,
            best_effort: self.best_effort.clone(),
            json_schema: self.json_schema.clone(),
            manifest_digest,
        })
    }
}

/// Fills in what need not be said: the path of what is asked for by a whole URL, and most of a stream that nobody reads by itself.
fn unsaid(mut manifest: StreamManifest) -> StreamManifest {
    let has_own_url = manifest.parent.as_ref().is_some_and(|parent| parent.url.is_some())
        || manifest.job.as_ref().is_some_and(|job| job.url.is_some());
    if has_own_url {
        manifest.path.get_or_insert_default();
    }
    if manifest.internal != Some(true) {
        return manifest;
    }
    let columns = manifest.columns.or_else(|| Some(Ordered::default()));
    let append_only = manifest.append_only.or(if manifest.key.is_none() { Some(true) } else { None });
    StreamManifest {
        kind: manifest.kind.or(Some(StreamKind::Snapshot)),
        title: manifest.title.or_else(|| Some(String::new())),
        columns,
        append_only,
        ..manifest
    }
}

/// The columns that the manifest writes, else those of its JSON Schema.
fn own_columns(manifest: &mut StreamManifest, blame: &Blame<'_>) -> Result<Ordered<ColumnManifest>, ManifestError> {
    if let Some(reason) = manifest.column_list.as_ref().and_then(ColumnListManifest::fault) {
        return Err(blame.incomplete("column_list", reason, "mend it as the reason says"));
    }
    if let Some(columns) = manifest.columns.take() {
        return Ok(columns);
    }
    let columns = manifest.json_schema.as_ref().map(columns_of);
    if columns.as_ref().is_some_and(Ordered::is_empty) {
        return Err(blame.incomplete("json_schema", "it names no fields", "write `columns`, or its `properties`"));
    }
    blame.need("columns", columns, "write the columns that rows promise")
}

/// The names of the values that columns take from their requests.
fn given_names(columns: &[Column]) -> Vec<String> {
    columns.iter().filter_map(given_name).map(str::to_owned).collect()
}

/// The name under which a column's value was given to the request; `None` when it stands in the record.
pub(crate) fn given_name(column: &Column) -> Option<&str> {
    column.pointer.strip_prefix('/')?.strip_prefix(GIVEN)?.strip_prefix('/')
}

fn complete_records(
    records: Option<RecordsManifest>,
    decoding: Option<&BodyDecoding>,
    blame: &Blame<'_>,
) -> Result<RecordsManifest, ManifestError> {
    let wrong = |fix| blame.incomplete("records", "`records` is missing or does not fit `decoding`", fix);
    let format = decoding.map(|decoding| decoding.format.clone()).unwrap_or_default();
    RecordsManifest::complete(records, &format).map_err(wrong)
}

fn complete_shape(
    steps: Option<Vec<StepManifest>>,
    columns: &Ordered<ColumnManifest>,
    decoding: Option<&BodyDecoding>,
    blame: &Blame<'_>,
) -> Result<Option<Arc<Shape>>, ManifestError> {
    let mut normals = Vec::new();
    for (name, column) in columns.iter() {
        let key = format!("columns.{name}");
        column.check().map_err(|reason| blame.incomplete(&key, reason, "mend the column"))?;
        if let Some(normal) = column.normal() {
            normals.push((Pointer::parse(&column.to_column(name).pointer), normal));
        }
    }
    let Some(shape) = Shape::new(steps.unwrap_or_default(), normals) else {
        return Ok(None);
    };
    shape.check().map_err(|reason| blame.incomplete("shape", reason, "mend the step"))?;
    let is_json = decoding.is_none_or(|decoding| decoding.format == Decoding::Json);
    if shape.includes().next().is_some() && !is_json {
        return Err(blame.incomplete("shape", "only JSON bodies hold objects to include", "remove the step"));
    }
    Ok(Some(Arc::new(shape)))
}

/// The formats in which records write the window's field before they are shaped, where its column knows several.
fn written_formats(window: Option<&WindowManifest>, columns: &Ordered<ColumnManifest>) -> Vec<TimeFormat> {
    let column = window.and_then(|window| columns.get(window.field.as_deref()?));
    column.map(|column| column.formats.clone()).unwrap_or_default()
}

fn check_name(name: &str, blame: &Blame<'_>) -> Result<(), ManifestError> {
    // A stream is named by the same rule as a source; `__` is kept for the tables beside a stream.
    if SourceName::new(name).is_ok() && !name.contains("__") {
        return Ok(());
    }
    let fix = "use 1 to 64 of `a-z`, `0-9` and `_`, beginning with a letter, without `__`";
    Err(blame.incomplete("", format!("`{name}` is not a name for a stream"), fix))
}

/// The stream's request, taken out of its manifest.
fn complete_request(
    manifest: &mut StreamManifest,
    columns: &[Column],
    rules: Rules,
    blame: &Blame<'_>,
) -> Result<RequestPlan, ManifestError> {
    Ok(RequestPlan {
        method: manifest.method.unwrap_or_default(),
        base_url: manifest.base_url.take(),
        path: blame.need("path", manifest.path.take(), "write the path after `base_url`")?,
        values: manifest.values.take().unwrap_or_default(),
        params: manifest.params.take().unwrap_or_default(),
        headers: manifest.headers.take().unwrap_or_default(),
        body: manifest.body.take(),
        page_size: manifest.page_size.take(),
        rules,
        query: manifest.query.take(),
        cost: manifest.cost.take(),
        locks: manifest.locks.take().unwrap_or_default(),
        by_age: manifest.by_age.take().unwrap_or_default(),
        columns: named_columns(columns),
        with: parameters(manifest.parameters.as_ref(), manifest.with.take(), blame)?,
    })
}

/// Where the columns stand in a record; not those that were given to the request.
fn named_columns(columns: &[Column]) -> Vec<Pointer> {
    columns.iter().filter(|column| given_name(column).is_none()).map(|column| Pointer::parse(&column.pointer)).collect()
}

/// The fields that records are asked for with, taken out of the stream's manifest.
fn complete_fields(
    manifest: &mut StreamManifest,
    columns: &[Column],
    key: &[String],
    pagination: &Pagination,
    blame: &Blame<'_>,
) -> Result<Option<FieldsPlan>, ManifestError> {
    let Some(fields) = manifest.fields.take() else { return Ok(None) };
    let wrong = |reason: &str, fix: &str| Err(blame.incomplete("fields", reason, fix));
    if let Some((reason, fix)) = fields.fault() {
        return wrong(reason, fix);
    }
    if manifest.job.is_some() {
        return wrong("a job's download is asked for once", "name the fields where the job is created");
    }
    let own = columns.iter().filter(|column| key.contains(&column.name) && given_name(column).is_none());
    let merge_by = match &fields.merge_by {
        Some(by) => by.as_slice().to_vec(),
        None => own.map(|column| Pointer::parse(&column.pointer)).collect(),
    };
    if fields.at_most.is_some() {
        if merge_by.is_empty() {
            return wrong("nothing tells that records of two requests are the same", "write `merge_by`");
        }
        if manifest.kind == Some(StreamKind::Chain)
            || matches!(pagination, Pagination::Scroll(_))
            || pagination.is_alone()
        {
            let fix = "remove `at_most`, or choose another pagination";
            return wrong("each request moves on, so no page can be asked for twice", fix);
        }
    }
    Ok(Some(FieldsPlan { manifest: fields, merge_by }))
}

fn own_rules(
    own: Option<Vec<ErrorRule>>,
    has_window: bool,
    has_slices: bool,
    connector_rules: &[ErrorRule],
    blame: &Blame<'_>,
) -> Result<Rules, ManifestError> {
    let own = own.unwrap_or_default();
    match contradiction(&own, has_window, has_slices) {
        Some((reason, fix)) => Err(blame.incomplete("errors", reason, fix)),
        None => Ok(Rules::new(&own, connector_rules)),
    }
}

fn complete_connections(
    connections: Option<Ordered<ConnectionManifest>>,
    blame: &Blame<'_>,
) -> Result<Arc<[ConnectionManifest]>, ManifestError> {
    let connections = connections.unwrap_or_default();
    let wrong = connections.iter().find_map(|(name, connection)| Some((name, connection.fault()?)));
    if let Some((name, reason)) = wrong {
        return Err(blame.incomplete(&format!("connections.{name}"), reason, "mend it as the reason says"));
    }
    Ok(connections.iter().map(|(_, connection)| connection.clone()).collect())
}

fn complete_lookups(
    lookups: Option<Ordered<LookupManifest>>,
    columns: &Ordered<ColumnManifest>,
    blame: &Blame<'_>,
) -> Result<Arc<[Lookup]>, ManifestError> {
    let lookups = lookups.unwrap_or_default();
    for (name, lookup) in lookups.iter() {
        let wrong = |reason: String, fix: &str| Err(blame.incomplete(&format!("lookups.{name}"), reason, fix));
        if let Some((reason, fix)) = lookup.fault() {
            return wrong(reason.to_owned(), fix);
        }
        let is_within = |column: &str, manifest: &ColumnManifest| {
            Pointer::parse(&manifest.to_column(column).pointer).segments().first().is_some_and(|first| first == name)
        };
        let normal =
            columns.iter().find(|(column, manifest)| manifest.normal().is_some() && is_within(column, manifest));
        if let Some((column, _)) = normal {
            let reason = format!("column `{column}` is written anew before anything is looked up");
            return wrong(reason, "write it anew by a `shape` step of the stream that is looked up in");
        }
    }
    Ok(lookups.iter().map(|(name, lookup)| (name.to_owned(), lookup.clone())).collect())
}

fn complete_pagination(
    pagination: Option<Pagination>,
    page_size: Option<&PageSize>,
    blame: &Blame<'_>,
) -> Result<Pagination, ManifestError> {
    let pagination = pagination.unwrap_or_default();
    if pagination.needs_page_size() && page_size.is_none() {
        let reason = "a short page is known only by the size that was asked for";
        return Err(blame.incomplete("pagination", reason, "write `page_size`, or let an empty page end the list"));
    }
    Ok(pagination)
}

fn complete_chain(
    kind: StreamKind,
    chain: Option<ChainManifest>,
    pagination: &Pagination,
    has_window: bool,
    blame: &Blame<'_>,
) -> Result<Option<ChainManifest>, ManifestError> {
    let chain = match (kind, chain) {
        (StreamKind::Chain, chain) => Some(blame.need("chain", chain, "write `chain: { param: …, next: … }`")?),
        (_, Some(_)) => return Err(blame.incomplete("chain", "only a stream of kind chain has one", "remove it")),
        (_, None) => None,
    };
    if let Some(chain) = &chain {
        let has_pages = *pagination != Pagination::None;
        if has_pages && chain.more.is_some() {
            return Err(blame.incomplete(
                "chain",
                "`more` and `pagination` both say what follows",
                "remove one of them",
            ));
        }
        if !has_pages && matches!(chain.next, Seen::FirstRecord(_)) {
            let reason = "the newest record is the token, but nothing leads to the older ones";
            return Err(blame.incomplete("chain", reason, "write `pagination`"));
        }
    }
    if matches!(pagination, Pagination::AdvancingFrom(_)) && !has_window {
        let fix = "choose another pagination";
        return Err(blame.incomplete("pagination", "only a window has a lower bound to move", fix));
    }
    Ok(chain)
}

fn complete_key(
    key: Option<Vec<String>>,
    append_only: bool,
    columns: &[Column],
    blame: &Blame<'_>,
) -> Result<Vec<String>, ManifestError> {
    match (key.unwrap_or_default(), append_only) {
        (key, true) if key.is_empty() => Ok(key),
        (_, true) => Err(blame.incomplete("key", "an append-only stream has no key", "remove `key` or `append_only`")),
        (key, false) if key.is_empty() => Err(blame.incomplete(
            "key",
            "`key` is missing",
            "name the columns that identify a row, or say `append_only: true`",
        )),
        (key, false) => {
            for name in &key {
                match columns.iter().find(|column| column.name == *name) {
                    None => {
                        return Err(blame.incomplete(
                            "key",
                            format!("`{name}` is no column"),
                            "name columns of this stream",
                        ));
                    }
                    Some(column) if column.nullable => {
                        return Err(blame.incomplete(
                            "key",
                            format!("`{name}` may be null"),
                            "a key column is never null",
                        ));
                    }
                    Some(_) => {}
                }
            }
            Ok(key)
        }
    }
}

fn complete_window(
    kind: StreamKind,
    manifest: Option<WindowManifest>,
    columns: &[Column],
    written: Vec<TimeFormat>,
    by_parents: bool,
    blame: &Blame<'_>,
) -> Result<Option<WindowPlan>, ManifestError> {
    if !kind.is_ranged() {
        // A template's window serves its ranged streams; a snapshot of the same template has no field and so no window.
        return match manifest {
            Some(window) if window.field.is_some() => {
                Err(blame.incomplete("window", format!("a stream of kind {kind} has no windows"), "remove it"))
            }
            _ => Ok(None),
        };
    }
    let window = blame.need("window", manifest, "write how the stream is cut into windows")?;
    let field = blame.need("window.field", window.field, "name the column whose time decides")?;
    let column = columns.iter().find(|column| column.name == field);
    let column =
        column.ok_or_else(|| blame.incomplete("window.field", format!("`{field}` is no column"), "name a column"))?;
    if !matches!(column.column_type, ColumnType::Timestamp | ColumnType::Date) {
        return Err(blame.incomplete(
            "window.field",
            format!("`{field}` is no timestamp and no date"),
            "name a column of time",
        ));
    }
    let read_formats = match &column.column_type {
        _ if !written.is_empty() => written,
        ColumnType::Date => vec![TimeFormat::Pattern { pattern: "%Y-%m-%d".to_owned(), zone: None }],
        _ => vec![TimeFormat::from(&column.format)],
    };
    let granularity = window.granularity.unwrap_or(if column.column_type == ColumnType::Date {
        Span::days(1)
    } else {
        Span::seconds(1)
    });
    let twice: Span =
        format!("{} milliseconds", granularity.as_millis().saturating_mul(2)).parse().unwrap_or(SETTLE_UNPUBLISHED);
    let plan = WindowPlan {
        policy: WindowPolicy {
            field: field.clone(),
            granularity,
            length: window.length.unwrap_or(LENGTH),
            settle: window.settle.unwrap_or(Fact::NotPublished).value_or(twice.max(SETTLE_UNPUBLISHED)),
            lookback: window.lookback.unwrap_or(Fact::NotPublished).value_or(LOOKBACK_UNPUBLISHED),
            rereads: window.rereads.unwrap_or_else(|| vec![Span::days(1), Span::days(7), Span::days(30)]),
            retention: match window.retention {
                None | Some(Fact::NotPublished) => None,
                Some(fact) => Some(fact.value_or(Span::ZERO)),
            },
        },
        sent_format: window.format.or_else(|| read_formats.first().cloned()).unwrap_or_default(),
        pointer: Pointer::parse(&column.pointer),
        read_formats,
        request: complete_bounds(window.request, window.feed, by_parents, blame)?,
        feed: window.feed,
        cap: window.cap,
    };
    if let Some(cap) = &plan.cap
        && (cap.records.is_none() && cap.pages.is_none() || cap.total.is_some() && cap.records.is_none())
    {
        let fix = "write `records`, with or without `total`, or `pages`";
        return Err(blame.incomplete("window.cap", "it does not say what one query gives", fix));
    }
    if let Some(reason) = plan.sent_format.fault() {
        return Err(blame.incomplete("window.format", reason, "write a strftime pattern and an IANA zone"));
    }
    Ok(Some(plan))
}

/// What carries the bounds: something does, or the list's order says when to stop.
fn complete_bounds(
    request: Option<WindowRequest>,
    feed: Option<Feed>,
    by_parents: bool,
    blame: &Blame<'_>,
) -> Result<Option<WindowRequest>, ManifestError> {
    let Some(request) = request else {
        if by_parents || feed.is_some() {
            return Ok(None);
        }
        let fix = "name the parameters that carry the bounds, or the list's order under `feed`";
        return Err(blame.incomplete("window.request", "`window.request` is missing", fix));
    };
    let calendar = request.calendar.as_ref();
    let zone = calendar.and_then(|calendar| calendar.zone.as_ref());
    if let Some(reason) = zone.and_then(crate::windowing::zone_fault) {
        return Err(blame.incomplete("window.request.calendar", reason, "write an IANA zone such as `Europe/Berlin`"));
    }
    if calendar.is_some() && request.max_span.is_some() {
        let fix = "remove one of them: `each: true` reads unit by unit";
        return Err(blame.incomplete("window.request", "`max_span` would cut units of the calendar", fix));
    }
    Ok(Some(request))
}

fn complete_children(
    unnest: Option<&Ordered<crate::manifest::ChildManifest>>,
    columns: &[Column],
    blame: &Blame<'_>,
) -> Result<Vec<headwater_contract::ChildTable>, ManifestError> {
    let mut children = Vec::new();
    for (name, child) in unnest.into_iter().flat_map(Ordered::iter) {
        let key = format!("unnest.{name}");
        for (_, parent) in child.parent.iter() {
            if !columns.iter().any(|column| column.name == *parent) {
                return Err(blame.incomplete(
                    &key,
                    format!("`{parent}` is no column of the parent"),
                    "name a column of this stream",
                ));
            }
        }
        let knows = |name: &String| child.columns.get(name).is_some() || child.parent.get(name).is_some();
        if let Some(unknown) = child.key.iter().find(|name| !knows(name)) {
            return Err(blame.incomplete(
                &key,
                format!("`{unknown}` is no column of `{name}`"),
                "name columns of the child",
            ));
        }
        children.push(child.to_table(name));
    }
    Ok(children)
}

fn complete_deletes(
    name: &str,
    manifest: Option<DeletesManifest>,
    columns: &[Column],
    key: &[String],
    blame: &Blame<'_>,
) -> Result<(Deletes, Option<Box<KeyListManifest>>), ManifestError> {
    match manifest {
        None | Some(DeletesManifest::None) => Ok((Deletes::None, None)),
        Some(DeletesManifest::Flag(flag)) => {
            if !columns.iter().any(|column| column.name == flag.column) {
                let reason = format!("`{}` is no column", flag.column);
                return Err(blame.incomplete("deletes", reason, "name a column of this stream"));
            }
            Ok((Deletes::Flag { column: flag.column, values: flag.values }, None))
        }
        Some(DeletesManifest::KeyList(list)) => {
            if list.key != key {
                return Err(blame.incomplete("deletes", "the key list has another key", "list the stream's whole key"));
            }
            Ok((Deletes::KeyList { stream: format!("{name}__keys") }, Some(list)))
        }
    }
}

fn parameters(
    declared: Option<&Ordered<crate::manifest::ParameterManifest>>,
    given: Option<BTreeMap<String, Scalar>>,
    blame: &Blame<'_>,
) -> Result<BTreeMap<String, Scalar>, ManifestError> {
    let mut given = given.unwrap_or_default();
    for (name, parameter) in declared.into_iter().flat_map(Ordered::iter) {
        if !given.contains_key(name) {
            let default = parameter.default.clone();
            let missing = || {
                blame.incomplete(
                    "with",
                    format!("`{name}` is missing: {}", parameter.help),
                    format!("write `with: {{ {name}: … }}`"),
                )
            };
            given.insert(name.to_owned(), default.ok_or_else(missing)?);
        }
    }
    let is_declared = |name: &String| declared.is_some_and(|declared| declared.get(name).is_some());
    if let Some(unknown) = given.keys().find(|name| !is_declared(name)) {
        return Err(blame.incomplete("with", format!("`{unknown}` is no parameter of the template"), "remove it"));
    }
    Ok(given)
}
