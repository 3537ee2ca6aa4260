//! What a complete stream is: its request, its windows, its columns, with nothing left to default.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use headwater_contract::{
    Column, Deletes, Digest16, SourceName, Span, StreamContract, StreamKind, StreamName, WindowPolicy,
};

use crate::auth::Auth;
use crate::columns::ColumnListManifest;
use crate::decoding::{BodyDecoding, Decoding, PageFacts, Pointer, RecordsManifest};
use crate::expression::{ExpressionError, Scalar, Scope, Template, ValueManifest};
use crate::jobs::JobPlan;
use crate::lookups::Lookup;
use crate::manifest::{
    AgeManifest, BodyManifest, ChainManifest, Instant, LengthSettings, Method, Ordered, PageSize, QueryManifest,
    ResultCap, WindowRequest,
};
use crate::pagination::{ConnectionManifest, Pagination};
use crate::parents::{GIVEN, ParentManifest};
use crate::portions::FieldsManifest;
use crate::refusal::Rules;
use crate::shaping::Shape;
use crate::slicing::{Condition, SlicesManifest};
use crate::windowing::{Feed, TimeFormat};

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
    /// Lengths of the policy that settings decide.
    pub(crate) by_settings: LengthSettings,
}

impl WindowPlan {
    /// Puts the lengths that settings give into the policy.
    fn fill_lengths(&mut self, scope: &Scope) -> Result<(), ExpressionError> {
        let Self { policy, by_settings, .. } = self;
        for (said, into, least) in
            [(&by_settings.length, &mut policy.length, 1), (&by_settings.lookback, &mut policy.lookback, 0)]
        {
            let Some(said) = said else { continue };
            // A setting that was not given leaves what the manifest says.
            let Some(value) = scope.get(&said.setting) else { continue };
            let millis = match value {
                Scalar::Integer(count) if *count >= least => count.checked_mul(said.unit.as_millis()),
                _ => None,
            };
            let span: Option<Span> = millis.and_then(|millis| format!("{millis} milliseconds").parse().ok());
            let reason = || ExpressionError::Failed {
                text: said.setting.clone(),
                reason: format!("`{value}` is no whole number from {least} on"),
            };
            *into = span.ok_or_else(reason)?;
        }
        Ok(())
    }
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
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the manifest")]
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
    /// The step that begins at `end` is required too.
    pub(super) end_is_inclusive: bool,
    pub(super) key: Vec<String>,
    pub(super) append_only: bool,
    pub(super) key_is_stream_wide: bool,
    pub(super) version_field: Option<String>,
    pub(super) columns: Vec<Column>,
    /// Where the source lists its fields.
    pub(crate) column_list: Option<ColumnListManifest>,
    pub(super) children: Vec<headwater_contract::ChildTable>,
    pub(super) every: Span,
    pub(super) deletes: Deletes,
    pub(super) key_list_of: Option<String>,
    pub(super) volatile: Vec<String>,
    pub(super) may_be_empty: bool,
    pub(super) max_removed: f64,
    pub(super) max_quarantined: f64,
    pub(super) best_effort: Option<String>,
    pub(super) json_schema: Option<serde_json::Value>,
}

impl Stream {
    /// Puts what settings give into what reads its times, and into the lengths of its windows.
    pub(crate) fn fill_in(&mut self, scope: &Scope) -> Result<(), ExpressionError> {
        self.window.as_mut().map_or(Ok(()), |window| window.fill_lengths(scope))?;
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
        facts.some_of(self.sole_fields())
    }

    /// The fields by which the one record of a body is known; none where shaping decides what its fields are called.
    fn sole_fields(&self) -> Vec<String> {
        let is_sole =
            matches!(&self.records, RecordsManifest::Each(each) if each.is_single() && each.wrap_as.is_none());
        if !is_sole || self.shape.is_some() || self.decoding.format != Decoding::Json {
            return Vec::new();
        }
        let columns = self.columns.iter().map(|column| &column.pointer);
        let read = columns.filter(|pointer| !pointer.starts_with(&format!("/{GIVEN}/")));
        let fields: Vec<Option<String>> = read
            .chain(self.children.iter().map(|child| &child.pointer))
            .map(|pointer| Pointer::parse(pointer).segments().first().cloned())
            .collect();
        // A column that holds the whole record tells nothing.
        if fields.contains(&None) { Vec::new() } else { fields.into_iter().flatten().collect() }
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
        let step =
            self.window.as_ref().filter(|_| self.end_is_inclusive).map(|window| window.policy.granularity.delta());
        let end = end.map(|end| step.and_then(|step| end.checked_add_signed(step)).unwrap_or(end));
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
