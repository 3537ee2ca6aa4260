//! Completes a stream: what a manifest and a project say of it is checked, part by part, and every default is filled in.

use std::sync::Arc;

use headwater_contract::{Column, Deletes, SourceName, Span, StreamKind};

use super::columns::{
    complete_children, complete_deletes, complete_key, complete_shape, given_name, given_names, named_columns,
    own_columns,
};
use super::paging::{complete_chain, complete_pagination};
use super::request::{complete_connections, complete_fields, complete_lookups, complete_request, own_rules};
use super::window::{complete_window, written_formats};
use super::{Blame, Purpose, RequestPlan, Stream};
use crate::decoding::{BodyDecoding, Pointer, RecordsManifest};
use crate::jobs::JobPlan;
use crate::manifest::{KeyListManifest, KeyScope, ManifestError, Ordered, StreamManifest};
use crate::parents::ParentRange;
use crate::refusal::ErrorRule;

/// Rows that a re-read may remove before its window is held.
const MAX_REMOVED: f64 = 0.2;
/// Rows that may fail the gate before a window is held.
const MAX_QUARANTINED: f64 = 0.01;
/// How often a snapshot, chain or key list is read where nobody says.
const EVERY: Span = Span::days(1);

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
            end_is_inclusive: manifest.end_is_inclusive.unwrap_or(false),
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
    #[expect(clippy::too_many_lines, reason = "one field of the stream after the other")]
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
            end_is_inclusive: self.end_is_inclusive,
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

fn check_name(name: &str, blame: &Blame<'_>) -> Result<(), ManifestError> {
    // A stream is named by the same rule as a source; `__` is kept for the tables beside a stream.
    if SourceName::new(name).is_ok() && !name.contains("__") {
        return Ok(());
    }
    let fix = "use 1 to 64 of `a-z`, `0-9` and `_`, beginning with a letter, without `__`";
    Err(blame.incomplete("", format!("`{name}` is not a name for a stream"), fix))
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
