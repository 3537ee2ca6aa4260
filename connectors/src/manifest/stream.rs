//! A stream as a manifest writes it.
//!
//! Every key may be absent here, because `defaults:`, a template and a project's own words are laid over one another, whole key by
//! whole key; what is missing in the end is an error that names the stream and the key.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use headwater_contract::{Span, StreamKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::auth::Auth;
use crate::columns::ColumnListManifest;
use crate::decoding::{BodyDecoding, Pointer, RecordsManifest};
use crate::expression::{Scalar, Template, ValueManifest};
use crate::jobs::JobManifest;
use crate::lookups::LookupManifest;
use crate::manifest::column::{ChildManifest, ColumnManifest};
use crate::manifest::fact::Fact;
use crate::manifest::http::{BodyManifest, Method};
use crate::manifest::ordered::Ordered;
use crate::manifest::request::{AgeManifest, QueryManifest};
use crate::manifest::settings::parse_instant;
use crate::pagination::{ConnectionManifest, Pagination, Seen, Slot};
use crate::parents::ParentManifest;
use crate::portions::FieldsManifest;
use crate::refusal::ErrorRule;
use crate::shaping::StepManifest;
use crate::slicing::{Condition, SlicesManifest};
use crate::windowing::{Calendar, Feed, TimeFormat};

/// One stream, a template for streams, or the defaults of all streams.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamManifest {
    /// One line on what a row is.
    pub title: Option<String>,
    /// The page that describes it.
    pub docs: Option<String>,
    /// Keys of `defaults` that are not this stream's.
    pub without: Option<Vec<Droppable>>,
    /// The template of the connector that this stream fills in (project files only).
    pub template: Option<String>,
    /// Values for the template's parameters (project files only).
    pub with: Option<BTreeMap<String, Scalar>>,
    /// What a template asks of whoever uses it.
    pub parameters: Option<Ordered<ParameterManifest>>,

    /// The request's method; `get` when absent.
    pub method: Option<Method>,
    /// Where its path starts, in place of `http.base_url`; its origin is pinned and takes the credential like that of `http`.
    pub base_url: Option<Template>,
    /// The path after `base_url`; `{name}` stands for a setting, a slice, a parameter or one of `values`.
    pub path: Option<Template>,
    /// Names for what is worked out for each request, for placeholders where no expression can stand:
    /// `values: { year: { expression: "from | strftime('%Y')" } }` with `path: /archive/{year}`.
    pub values: Option<Ordered<ValueManifest>>,
    /// Query parameters of every request; names may hold placeholders, an absent value leaves the parameter out.
    pub params: Option<Ordered<ValueManifest>>,
    /// Headers beside those of `http`.
    pub headers: Option<Ordered<ValueManifest>>,
    /// The body of a `post`.
    pub body: Option<BodyManifest>,
    /// The fields that records are asked for with, in as many requests a page as the API needs for all of them.
    pub fields: Option<FieldsManifest>,
    /// How query parameters and forms are written, in place of the connector's way.
    pub query: Option<QueryManifest>,
    /// The points that a request is thought to cost, in place of the connector's `cost`.
    pub cost: Option<ValueManifest>,
    /// Names of locks: streams of a source that name the same one are never read at the same time.
    pub locks: Option<Vec<String>>,
    /// Other ways to ask for windows that are young.
    pub by_age: Option<Vec<AgeManifest>>,
    /// What is done about answers that are no data, before the connector's own rules; the first that holds decides.
    pub errors: Option<Vec<ErrorRule>>,
    /// How its requests prove who sends them, in place of `http.auth`.
    pub auth: Option<Auth>,

    /// The stream is there only where this holds of the settings, e.g. `edition == 'premium'`; a list is its values with commas, what
    /// was not given is `''`, a secret is whether it was given.
    pub when: Option<Condition>,
    /// Of a template: one stream for each value of a list setting, beside those that a project writes.
    pub for_each: Option<ForEachManifest>,
    /// It is not read by itself: only as the parent of other streams, or to list their slices. It needs no columns.
    pub internal: Option<bool>,
    /// The stream under whose records this one is asked for.
    pub parent: Option<ParentManifest>,

    /// The export that it is read from; its other request keys are those of the download.
    pub job: Option<JobManifest>,

    /// Where the records stand in the body: JSON pointer to their list (`""` when the body is the list, `*` for any name or place on the
    /// way), or `each`, `table` or `zip`. For formats of lines and rows it is `""`.
    pub records: Option<RecordsManifest>,
    /// How a body becomes records: a format, or a list of what it is wrapped in and the format, e.g. `[gzip, csv]`; `json` when absent.
    pub decoding: Option<BodyDecoding>,
    /// What is done to each record before it is typed, step by step: `keep`, `explode`, `include`, `add`, `remove`, `rename`, `flatten`,
    /// `drop_nulls`.
    pub shape: Option<Vec<StepManifest>>,
    /// Columns that identify a row.
    pub key: Option<Vec<String>>,
    /// The stream has no key, and nothing in it counts as a duplicate.
    pub append_only: Option<bool>,
    /// Where a key is unique; `slice` when absent.
    pub key_scope: Option<KeyScope>,

    /// How the next page is asked for; one page when absent.
    pub pagination: Option<Pagination>,
    /// Lists inside each record that have pages of their own; the rest of their rows is added to the record.
    pub connections: Option<Ordered<ConnectionManifest>>,
    /// Fields that other requests give to each record, by its id: the records of a page are looked up together.
    pub lookups: Option<Ordered<LookupManifest>>,
    /// How many records a page holds.
    pub page_size: Option<PageSize>,
    /// Parts of the stream with their own progress, such as accounts or repositories.
    pub slices: Option<SlicesManifest>,
    /// Change tokens, for a stream of kind `chain`.
    pub chain: Option<ChainManifest>,

    /// First instant that is required: a date setting, or a date.
    pub start: Option<Instant>,
    /// First instant that is not required any more.
    pub end: Option<Instant>,
    /// Whether the step that begins at `end` is required too, for a setting that names the last day.
    pub end_is_inclusive: Option<bool>,
    /// What its rows are: `events`, `restating`, `mutable`, `snapshot` or `chain`.
    pub kind: Option<StreamKind>,
    /// How it is cut into windows.
    pub window: Option<WindowManifest>,
    /// How often a snapshot or chain is read when the schedule does not say.
    pub every: Option<Span>,
    /// The column that orders versions of a row; the window's field when absent.
    pub version_field: Option<String>,
    /// How deletes show.
    pub deletes: Option<DeletesManifest>,

    /// What each row promises; any other field goes to `_rescued`. The fields that `json_schema` names when absent.
    pub columns: Option<Ordered<ColumnManifest>>,
    /// Where the source itself lists the fields of this stream, such as the custom ones of an account; `connectors schema diff` compares
    /// the columns with them.
    pub column_list: Option<ColumnListManifest>,
    /// Tables of rows that stand inside each record.
    pub unnest: Option<Ordered<ChildManifest>>,
    /// Fields whose change alone is no change of the row.
    pub volatile: Option<Vec<String>>,
    /// An empty window is never suspicious.
    pub may_be_empty: Option<bool>,
    /// Share of a window's rows that a re-read may remove before it is held; 0.2 when absent.
    pub max_removed: Option<f64>,
    /// Share of a window's rows that may fail the gate before it is held; 0.01 when absent.
    pub max_quarantined: Option<f64>,
    /// Why this API cannot support exactly-once reading of this stream.
    pub best_effort: Option<String>,
    /// A JSON Schema that every record must satisfy.
    pub json_schema: Option<serde_json::Value>,
    /// Why it is a snapshot or chain: what the API lacks to read it by windows.
    pub because: Option<String>,
    /// Rules of `connectors lint` that it does not keep, by their words, each with the reason.
    pub waive: Option<Ordered<String>>,
    /// Where the vendor's description errs: the parameter or pointer that `connectors verify` finds contradicted, with what shows it.
    pub errata: Option<Ordered<Erratum>>,
}

/// A slip of the vendor's description.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Erratum {
    /// What is right, and why it is known.
    pub because: String,
    /// The page on which the vendor says or shows so.
    pub source: String,
}

/// A key of `defaults` that a stream can go without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Droppable {
    /// `body`.
    Body,
    /// `end`.
    End,
    /// `errors`.
    Errors,
    /// `headers`.
    Headers,
    /// `key`, for a stream whose rows have none.
    Key,
    /// `page_size`.
    PageSize,
    /// `pagination`.
    Pagination,
    /// `params`.
    Params,
    /// `parent`.
    Parent,
    /// `shape`.
    Shape,
    /// `slices`.
    Slices,
    /// `start`.
    Start,
    /// `window`.
    Window,
}

impl StreamManifest {
    /// The same without one of its keys.
    fn without(mut self, key: Droppable) -> Self {
        match key {
            Droppable::Body => self.body = None,
            Droppable::End => self.end = None,
            Droppable::Errors => self.errors = None,
            Droppable::Headers => self.headers = None,
            Droppable::Key => self.key = None,
            Droppable::PageSize => self.page_size = None,
            Droppable::Pagination => self.pagination = None,
            Droppable::Params => self.params = None,
            Droppable::Parent => self.parent = None,
            Droppable::Shape => self.shape = None,
            Droppable::Slices => self.slices = None,
            Droppable::Start => self.start = None,
            Droppable::Window => self.window = None,
        }
        self
    }

    /// This stream with every absent key taken from `base`; of `window` each key by itself, of `with` each parameter.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one line a key")]
    pub fn over(self, base: Self) -> Self {
        let base = self.without.iter().flatten().fold(base, |base, key| base.without(*key));
        Self {
            without: match (self.without, base.without) {
                (Some(own), Some(below)) => Some([own, below].concat()),
                (own, below) => own.or(below),
            },
            title: self.title.or(base.title),
            docs: self.docs.or(base.docs),
            template: self.template.or(base.template),
            with: match (self.with, base.with) {
                (Some(own), Some(mut below)) => {
                    below.extend(own);
                    Some(below)
                }
                (own, below) => own.or(below),
            },
            parameters: self.parameters.or(base.parameters),
            method: self.method.or(base.method),
            base_url: self.base_url.or(base.base_url),
            path: self.path.or(base.path),
            values: self.values.or(base.values),
            params: self.params.or(base.params),
            headers: self.headers.or(base.headers),
            body: self.body.or(base.body),
            fields: self.fields.or(base.fields),
            when: self.when.or(base.when),
            for_each: self.for_each.or(base.for_each),
            internal: self.internal.or(base.internal),
            parent: self.parent.or(base.parent),
            job: self.job.or(base.job),
            query: self.query.or(base.query),
            cost: self.cost.or(base.cost),
            locks: self.locks.or(base.locks),
            by_age: self.by_age.or(base.by_age),
            errors: self.errors.or(base.errors),
            auth: self.auth.or(base.auth),
            records: self.records.or(base.records),
            decoding: self.decoding.or(base.decoding),
            shape: self.shape.or(base.shape),
            key: self.key.or(base.key),
            append_only: self.append_only.or(base.append_only),
            key_scope: self.key_scope.or(base.key_scope),
            pagination: self.pagination.or(base.pagination),
            connections: self.connections.or(base.connections),
            lookups: self.lookups.or(base.lookups),
            page_size: self.page_size.or(base.page_size),
            slices: self.slices.or(base.slices),
            chain: self.chain.or(base.chain),
            start: self.start.or(base.start),
            end: self.end.or(base.end),
            end_is_inclusive: self.end_is_inclusive.or(base.end_is_inclusive),
            kind: self.kind.or(base.kind),
            window: match (self.window, base.window) {
                (Some(own), Some(below)) => Some(own.over(below)),
                (own, below) => own.or(below),
            },
            every: self.every.or(base.every),
            version_field: self.version_field.or(base.version_field),
            deletes: self.deletes.or(base.deletes),
            columns: self.columns.or(base.columns),
            column_list: self.column_list.or(base.column_list),
            unnest: self.unnest.or(base.unnest),
            volatile: self.volatile.or(base.volatile),
            may_be_empty: self.may_be_empty.or(base.may_be_empty),
            max_removed: self.max_removed.or(base.max_removed),
            max_quarantined: self.max_quarantined.or(base.max_quarantined),
            best_effort: self.best_effort.or(base.best_effort),
            json_schema: self.json_schema.or(base.json_schema),
            because: self.because.or(base.because),
            waive: self.waive.or(base.waive),
            errata: self.errata.or(base.errata),
        }
    }
}

/// A list setting that fills in a template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForEachManifest {
    /// The list setting.
    pub setting: String,
    /// The parameter that takes a value of it. The stream is called `<template>_<value>`.
    #[serde(rename = "as")]
    pub name: String,
}

/// Something that a template asks of whoever uses it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterManifest {
    /// What it is.
    pub help: String,
    /// Its value where the project gives none.
    #[serde(default)]
    pub default: Option<Scalar>,
}

/// Where a key is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// Within a slice.
    Slice,
    /// In the whole stream.
    Stream,
}

/// How many records a page holds.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageSize {
    /// What carries the size: a query parameter, or JSON pointer into the body; absent where the API alone decides how large a page is.
    #[serde(default)]
    pub param: Option<Slot>,
    /// The size that is sent; the vendor's maximum unless there is a reason. Without `param` the size that the API's pages have.
    pub value: Scalar,
    /// The page that says so.
    pub source: String,
}

/// Change tokens: each answer names the token that the next request starts from. A rising id is a token too: that of the last record.
///
/// Where the API says that a token is too old, `errors` with `then: restart` reads the list from its very start within the same link; what
/// was deleted in between is then not seen.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainManifest {
    /// What carries the token: a query parameter, or JSON pointer into the body; left out at the very start. Absent when the token is the
    /// whole URL of the next request, such as a delta link.
    #[serde(default)]
    pub param: Option<Slot>,
    /// Where the answer says the next token, such as `/nextSyncToken`, `"@odata.deltaLink"`, `{ last_record: id }` of a list that rises, or
    /// `{ first_record: id }` of one that falls.
    pub next: Seen,
    /// Where the answer says that more changes wait behind that token; absent when an empty page ends the link, or `pagination` turns pages.
    #[serde(default)]
    pub more: Option<Seen>,
    /// Parameters of the very first listing alone, which has no token yet.
    #[serde(default)]
    pub first: Option<Ordered<ValueManifest>>,
    /// A request that gives the first token, for APIs that know changes only from a token on.
    #[serde(default)]
    pub start: Option<ChainStart>,
}

/// The request that gives a chain's first token.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainStart {
    /// The path after `base_url`.
    pub path: Template,
    /// Query parameters.
    #[serde(default)]
    pub params: Option<Ordered<ValueManifest>>,
    /// Where the body says the token.
    pub token: Pointer,
}

/// How a ranged stream is cut into windows and asked for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WindowManifest {
    /// The column whose time decides the window of a row.
    pub field: Option<String>,
    /// How the request writes its bounds; the column's own format when absent.
    pub format: Option<TimeFormat>,
    /// The finest step of the field at the source; 1 second when absent.
    pub granularity: Option<Span>,
    /// The parameters that carry the bounds.
    pub request: Option<WindowRequest>,
    /// The order of the list, where the API cannot filter by both bounds: `newest_first` is read down to the window's start,
    /// `oldest_first` up to its end, `whole` is read wholly for each window.
    pub feed: Option<Feed>,
    /// The longest window.
    pub length: Option<Span>,
    /// How long after its end a window is first read.
    pub settle: Option<Fact<Span>>,
    /// How long after its end a window can still change.
    pub lookback: Option<Fact<Span>>,
    /// Ages at which a window is read again below `lookback`; 1, 7 and 30 days when absent.
    pub rereads: Option<Vec<Span>>,
    /// How long the source keeps rows; for ever when absent.
    pub retention: Option<Fact<Span>>,
    /// The most records that one query gives, however many pages are asked for; a larger window is read in halves.
    pub cap: Option<ResultCap>,
    /// Lengths that the project decides; what stands under `length` and `lookback` counts where it does not.
    pub by_settings: Option<LengthSettings>,
}

/// Lengths of time that number settings decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LengthSettings {
    /// The longest window.
    pub length: Option<CountedSpan>,
    /// How long after its end a window can still change.
    pub lookback: Option<CountedSpan>,
}

/// So many units as a number setting says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountedSpan {
    /// The number setting.
    pub setting: String,
    /// What it counts, e.g. `1 day`.
    pub unit: Span,
}

impl LengthSettings {
    /// Both, where they are said.
    pub(crate) fn all(&self) -> impl Iterator<Item = &CountedSpan> {
        self.length.iter().chain(&self.lookback)
    }
}

impl WindowManifest {
    fn over(self, base: Self) -> Self {
        Self {
            field: self.field.or(base.field),
            format: self.format.or(base.format),
            granularity: self.granularity.or(base.granularity),
            request: self.request.or(base.request),
            feed: self.feed.or(base.feed),
            length: self.length.or(base.length),
            settle: self.settle.or(base.settle),
            lookback: self.lookback.or(base.lookback),
            rereads: self.rereads.or(base.rereads),
            retention: self.retention.or(base.retention),
            cap: self.cap.or(base.cap),
            by_settings: self.by_settings.or(base.by_settings),
        }
    }
}

/// The parameters that carry a window's bounds. `{field}` in a name stands for the window's field; in placeholders and expressions `from`
/// and `until` are the bounds in RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowRequest {
    /// What carries the inclusive start: a query parameter, a JSON pointer into the body, a header, or a name for placeholders, as in
    /// `from: { as: since }` with `query: 'updated >= "{since}"'`.
    pub from: Slot,
    /// The same for the exclusive end; absent when the API knows none, and what comes too late is cut.
    #[serde(default)]
    pub until: Option<Slot>,
    /// The API's end is inclusive: one granularity less is sent.
    #[serde(default)]
    pub until_is_inclusive: bool,
    /// How many microseconds less are sent in place of one granularity, for a field that is finer than a millisecond.
    #[serde(default)]
    pub until_step_micros: Option<u32>,
    /// The API's start is exclusive: one granularity less is sent.
    #[serde(default)]
    pub from_is_exclusive: bool,
    /// The API takes a length beside, or in place of, the end: how many whole units lie between the two.
    #[serde(default)]
    pub length: Option<LengthManifest>,
    /// The API is asked by whole hours, days, weeks, months or years; rows from outside the window are cut.
    #[serde(default)]
    pub calendar: Option<Calendar>,
    /// The longest range that one query takes; a longer window is read in several.
    #[serde(default)]
    pub max_span: Option<Span>,
}

impl WindowRequest {
    /// Where its values go.
    pub fn slots(&self) -> Vec<&Slot> {
        std::iter::once(&self.from).chain(&self.until).chain(self.length.as_ref().map(|length| &length.param)).collect()
    }
}

/// The length of the range that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LengthManifest {
    /// What carries it.
    pub param: Slot,
    /// What is counted, e.g. `1 second`; a part of one counts as a whole.
    pub unit: Span,
}

/// How much one query gives at most, however many pages are asked for; a range with more is asked for in halves. For an API that refuses
/// to go on, write a rule under `errors`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultCap {
    /// The most records.
    #[serde(default)]
    pub records: Option<u64>,
    /// The most pages.
    #[serde(default)]
    pub pages: Option<u32>,
    /// Where the answer says how many records match, so that the first page tells; without it a query that gives all that it can is taken
    /// for one that could give more.
    #[serde(default)]
    pub total: Option<Seen>,
    /// The page that says so.
    pub source: String,
}

/// How deletes show.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeletesManifest {
    /// Rows are never deleted, or a re-read shows it.
    None,
    /// A column of the row's last version says so.
    Flag(FlagManifest),
    /// A list of the keys that exist.
    KeyList(Box<KeyListManifest>),
}

/// A column that says a row is deleted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlagManifest {
    /// The column.
    pub column: String,
    /// Its values that mean deleted; when absent, any value but null and false does.
    #[serde(default)]
    pub values: Vec<String>,
}

/// A request that lists the keys that exist; it is read as a snapshot stream of its own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyListManifest {
    /// The request's method; `get` when absent.
    #[serde(default)]
    pub method: Option<Method>,
    /// The path after `base_url`.
    pub path: Template,
    /// Query parameters.
    #[serde(default)]
    pub params: Option<Ordered<ValueManifest>>,
    /// The body of a `post`.
    #[serde(default)]
    pub body: Option<BodyManifest>,
    /// JSON pointer to the list.
    pub records: Pointer,
    /// Key columns of the stream, found in each item.
    pub key: Vec<String>,
    /// Where they stand in an item, when not under their own names.
    #[serde(default)]
    pub paths: BTreeMap<String, Pointer>,
    /// How the next page is asked for.
    #[serde(default)]
    pub pagination: Option<Pagination>,
    /// How many keys a page holds.
    #[serde(default)]
    pub page_size: Option<PageSize>,
    /// How often it is read when the schedule does not say.
    #[serde(default)]
    pub every: Option<Span>,
}

/// An instant: written out, or the name of a date setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instant {
    /// A date setting of the source.
    Setting(String),
    /// This instant.
    At(DateTime<Utc>),
}

struct InstantVisitor;

impl Visitor<'_> for InstantVisitor {
    type Value = Instant;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a date setting, or a date such as `2024-03-01`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Instant, E> {
        if let Some(instant) = parse_instant(text) {
            return Ok(Instant::At(instant));
        }
        if text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Ok(Instant::Setting(text.to_owned()));
        }
        Err(E::custom(format!("`{text}` is neither a date such as `2024-03-01` nor the name of a setting")))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(InstantVisitor)
    }
}

impl JsonSchema for Instant {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "The name of a date setting, or a date such as 2024-03-01" })
    }
}
