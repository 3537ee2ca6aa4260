//! The facts of a stream that a description can speak to, gathered from the complete stream.
//!
//! This is the one place that knows the vocabulary of manifests: a new variant of pagination or decoding is taught here and nowhere else
//! in `verify`.

use std::collections::BTreeMap;

use headwater_contract::{Column, TimestampFormat};
use serde_json::Value;

use super::meaning::Side;
use super::report::FactKind;
use crate::connector::Connector;
use crate::decoding::{Decoding, Pointer, RecordsManifest};
use crate::expression::{Scope, Template};
use crate::manifest::{BodyManifest, Manifest, ManifestError, Method, SettingType};
use crate::pagination::{Pagination, Seen, Slot};
use crate::stream::{Stream, given_name};

/// Where a value of the request travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Query,
    Header,
    Form,
    Body(Pointer),
}

/// A name that the request sends.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) kind: FactKind,
    pub(crate) name: String,
    pub(crate) way: Way,
    /// The value, where it is always the same.
    pub(crate) value: Option<Value>,
    /// How an instant is written, for a window's bounds.
    pub(crate) format: Option<TimestampFormat>,
    /// Which of a window's bounds it carries.
    pub(crate) side: Option<Side>,
}

/// Something that pagination reads from an answer.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    /// A field of the body.
    Body(Pointer),
    /// A boolean of the body.
    Flag(Pointer),
    /// A number of the body.
    Count(Pointer),
    /// A text or number of the body that asks for the next page.
    Token(Pointer),
    /// A field of each record.
    Record(Pointer),
    /// A header.
    Header(String),
}

/// A column and where its value stands in the record; `None` when it is made, not read.
#[derive(Clone, Debug)]
pub(crate) struct ColumnFact {
    pub(crate) column: Column,
    pub(crate) pointer: Option<Pointer>,
}

/// Where the records stand in a JSON answer; `*` stands for any name or place.
#[derive(Clone, Debug)]
pub(crate) struct RecordsFact {
    pub(crate) pointer: Pointer,
    /// Each value there is a record, rather than each element of a list.
    pub(crate) is_each: bool,
}

/// Where the paths of an API start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base {
    /// `None` where a project says it.
    pub(crate) host: Option<String>,
    pub(crate) segments: Vec<String>,
    /// A project may put the product under another path.
    pub(crate) is_movable: bool,
}

/// Everything of a stream that a description can speak to.
#[derive(Clone, Debug)]
pub(crate) struct StreamFacts {
    pub(crate) stream: String,
    pub(crate) has_docs: bool,
    pub(crate) base: Base,
    /// Segments of the path: `{}` for a name, `{+}` for a name that spans segments.
    pub(crate) path: Vec<String>,
    pub(crate) path_text: String,
    pub(crate) method: &'static str,
    pub(crate) sent: Vec<Sent>,
    /// `None` when the answer is no JSON, or its records are put together from parts.
    pub(crate) records: Option<RecordsFact>,
    pub(crate) key: Vec<String>,
    /// The column whose time decides, and how it is written.
    pub(crate) cursor: Option<(String, TimestampFormat)>,
    pub(crate) columns: Vec<ColumnFact>,
    pub(crate) read: Vec<Read>,
    /// Parameters and pointers of which the manifest says that the description errs, with why.
    pub(crate) errata: Vec<(String, String)>,
}

/// The facts of all streams, in the manifest's order; a stream's list of keys follows it.
pub(crate) fn facts(connector: &Connector) -> Result<Vec<StreamFacts>, ManifestError> {
    let manifest = connector.manifest();
    let base = base(manifest);
    let streams = connector.complete(&BTreeMap::new())?;
    Ok(streams.iter().map(|stream| of_stream(manifest, &base, stream)).collect())
}

fn of_stream(manifest: &Manifest, base: &Base, stream: &Stream) -> StreamFacts {
    // An export is ordered by a request that a description has; what is downloaded then is a file.
    let asked = stream.job.as_ref().map_or(stream, |job| job.create.as_ref());
    let path = with_defaults(manifest, asked.request.path.as_str());
    let owner = stream.name.strip_suffix("__keys").unwrap_or(&stream.name);
    let own = manifest.streams.get(owner).and_then(|own| own.docs.clone());
    let docs = own.or_else(|| manifest.defaults.as_ref()?.docs.clone()).unwrap_or_default();
    // What was given to the request stands in no answer, so no description can speak to it.
    let made = made(&stream.records);
    let is_read = |column: &&Column| {
        given_name(column).is_none() && !made.iter().any(|name| column.pointer == format!("/{name}"))
    };
    let columns = stream
        .columns()
        .iter()
        .filter(is_read)
        .map(|column| ColumnFact { pointer: Some(Pointer::parse(&column.pointer)), column: column.clone() });
    let columns: Vec<ColumnFact> = columns.collect();
    let key = stream.key().iter().filter(|name| columns.iter().any(|fact| fact.column.name == **name));
    StreamFacts {
        stream: stream.name.clone(),
        has_docs: docs.starts_with("https://") || docs.starts_with("http://"),
        base: base.clone(),
        path: segments(&path),
        path_text: asked.request.path.as_str().to_owned(),
        method: match asked.request.method {
            _ if asked.request.body.is_some() => "post",
            Method::Get | Method::GetWithBody => "get",
            Method::Post => "post",
            Method::Put => "put",
            Method::Patch => "patch",
            Method::Delete => "delete",
            Method::Head => "head",
        },
        sent: sent(manifest, asked),
        records: match stream.decoding.format {
            _ if stream.job.is_some() => None,
            Decoding::Json => records(&stream.records),
            // Descriptions say nothing of what stands in a file.
            Decoding::JsonLines | Decoding::Lines(_) | Decoding::Csv(_) | Decoding::Xml(_) | Decoding::File(_) => None,
        },
        key: key.cloned().collect(),
        cursor: stream.window.as_ref().map(|window| {
            let written = window.read_formats.iter().find_map(crate::windowing::TimeFormat::to_contract);
            (window.policy.field.clone(), written.unwrap_or_default())
        }),
        columns,
        read: if stream.job.is_some() { Vec::new() } else { read(stream) },
        errata: errata(manifest, owner),
    }
}

/// What the manifest says of slips of the description.
fn errata(manifest: &Manifest, stream: &str) -> Vec<(String, String)> {
    let own = manifest.streams.get(stream).and_then(|own| own.errata.as_ref());
    let errata = own.or_else(|| manifest.defaults.as_ref()?.errata.as_ref());
    let said = errata.into_iter().flat_map(crate::manifest::Ordered::iter);
    said.map(|(name, slip)| (name.to_owned(), format!("the description errs: {} ({})", slip.because, slip.source)))
        .collect()
}

fn records(manifest: &RecordsManifest) -> Option<RecordsFact> {
    match manifest {
        RecordsManifest::List(pointer) | RecordsManifest::Found(pointer) => {
            Some(RecordsFact { pointer: pointer.clone(), is_each: false })
        }
        RecordsManifest::Each(each) => Some(RecordsFact { pointer: each.at.clone(), is_each: true }),
        RecordsManifest::Table(_) | RecordsManifest::Zip(_) => None,
    }
}

/// Fields of a record that the answer does not have under that name.
fn made(manifest: &RecordsManifest) -> Vec<&str> {
    let RecordsManifest::Each(each) = manifest else { return Vec::new() };
    let names = each.key_as.iter().flat_map(|names| names.iter().map(String::as_str));
    names.chain(each.wrap_as.as_deref()).collect()
}

/// The base address with the defaults of settings filled in.
fn base(manifest: &Manifest) -> Base {
    let text = manifest.http.base_url.as_str();
    let is_movable = manifest
        .http
        .base_url
        .names()
        .any(|name| manifest.settings.get(name).is_some_and(|setting| setting.setting_type == SettingType::Origin));
    let text = with_defaults(manifest, text);
    let (host, path) = match text.split_once("://") {
        Some((_, rest)) => match rest.split_once('/') {
            Some((host, path)) => (Some(host.to_owned()), path.to_owned()),
            None => (Some(rest.to_owned()), String::new()),
        },
        None => (None, text.split_once('/').map(|(_, path)| path.to_owned()).unwrap_or_default()),
    };
    Base { host: host.filter(|host| !host.contains('{')), segments: segments(&path), is_movable }
}

/// A text with placeholders, those of plain settings with a default filled in.
fn with_defaults(manifest: &Manifest, text: &str) -> String {
    let mut text = text.to_owned();
    for (name, setting) in manifest.settings.iter().filter(|(_, setting)| !setting.secret) {
        if let Some(default) = &setting.default {
            text = text.replace(&format!("{{{name}}}"), &default.to_string());
            text = text.replace(&format!("{{+{name}}}"), &default.to_string());
        }
    }
    text
}

/// Segments with `{}` for a name and `{+}` for a name that spans segments.
fn segments(path: &str) -> Vec<String> {
    let is_spanning = |segment: &str| segment.starts_with("{+");
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| {
            let one = crate::description::path_segments(segment).pop().unwrap_or_default();
            if is_spanning(segment) { "{+}".to_owned() } else { one }
        })
        .collect()
}

/// Headers that no description lists as parameters.
const UNLISTED_HEADERS: [&str; 5] = ["accept", "authorization", "content-type", "user-agent", "accept-encoding"];

fn sent(manifest: &Manifest, stream: &Stream) -> Vec<Sent> {
    let mut all = Vec::new();
    let request = &stream.request;
    let way = |param: &str| if param.starts_with('/') { Way::Body(Pointer::parse(param)) } else { Way::Query };
    let field = stream.window.as_ref().map(|window| window.policy.field.clone()).unwrap_or_default();
    let name_of = |text: &str| text.replace("{field}", &field);
    let mut add = |kind, name: &str, way, value: Option<Value>, format| {
        all.push(Sent { kind, name: name.to_owned(), way, value, format, side: None });
    };
    if let Some((window, request)) = stream.window.as_ref().and_then(|window| Some((window, window.request.as_ref()?)))
    {
        let length = request.length.as_ref().map(|length| &length.param);
        let bounds = std::iter::once(&request.from).chain(&request.until).map(|slot| (slot, true));
        for (slot, is_bound) in bounds.chain(length.map(|slot| (slot, false))) {
            let Some((name, way)) = slot_way(slot, &name_of) else { continue };
            let format = window.sent_format.to_contract().filter(|_| is_bound);
            add(FactKind::Window, &name, way, None, format);
        }
    }
    let token = stream.chain.as_ref().and_then(|chain| chain.param.as_ref());
    for (name, way) in stream.pagination.slots().into_iter().chain(token).filter_map(|slot| slot_way(slot, &name_of)) {
        add(FactKind::Paging, &name, way, None, None);
    }
    let size = request.page_size.as_ref();
    if let Some((size, (name, way))) = size.and_then(|size| Some((size, slot_way(size.param.as_ref()?, &name_of)?))) {
        add(FactKind::PageSize, &name, way, Some(size.value.to_json()), None);
    }
    let fields = stream.fields.as_ref().map(|fields| &fields.manifest.param);
    if let Some((name, way)) = fields.and_then(|param| slot_way(param, &name_of)) {
        add(FactKind::Filter, &name, way, None, None);
    }
    for (name, value) in request.params.iter() {
        let name = name_of(name);
        add(FactKind::Filter, &name, way(&name), value.value(&Scope::new()).ok(), None);
    }
    match &request.body {
        Some(BodyManifest::Json(json)) => {
            for (pointer, value) in leaves(json) {
                add(FactKind::Filter, &pointer, Way::Body(Pointer::parse(&pointer)), value, None);
            }
        }
        Some(BodyManifest::Form(fields)) => {
            for (name, value) in fields.iter() {
                add(FactKind::Filter, name, Way::Form, value.value(&Scope::new()).ok(), None);
            }
        }
        // What a text or a query says is no parameter that a description names.
        Some(BodyManifest::Text(_) | BodyManifest::Graphql(_) | BodyManifest::Computed(_)) | None => {}
    }
    for (name, value) in manifest.http.headers.iter().chain(request.headers.iter()) {
        if !UNLISTED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            add(FactKind::Header, name, Way::Header, value.value(&Scope::new()).ok(), None);
        }
    }
    let request = stream.window.as_ref().and_then(|window| window.request.as_ref());
    let sides = request.into_iter().flat_map(|request| {
        std::iter::once((&request.from, Side::From)).chain(request.until.as_ref().map(|until| (until, Side::Until)))
    });
    for (slot, side) in sides {
        let known = slot_way(slot, &name_of);
        let bounds = all.iter_mut().filter(|sent| sent.kind == FactKind::Window);
        let its_own =
            bounds.filter(|sent| known.as_ref().is_some_and(|(name, way)| (name, way) == (&sent.name, &sent.way)));
        its_own.for_each(|sent| sent.side = Some(side));
    }
    // A bound that stands in the body's text too is one fact, not two.
    let mut kept: Vec<Sent> = Vec::new();
    for one in all {
        if !kept.iter().any(|known| known.name == one.name && known.way == one.way) {
            kept.push(one);
        }
    }
    kept
}

/// Where a slot stands in a request; a name stands wherever the manifest writes it.
fn slot_way(slot: &Slot, name_of: &dyn Fn(&str) -> String) -> Option<(String, Way)> {
    match slot {
        Slot::Query(name) => Some((name_of(name.as_str()), Way::Query)),
        Slot::Body(pointer) => {
            let pointer = name_of(pointer.as_str());
            let way = Way::Body(Pointer::parse(&pointer));
            Some((pointer, way))
        }
        Slot::Header(name) => Some((name_of(name.as_str()), Way::Header)),
        Slot::Name(_) => None,
    }
}

/// What a pagination reads from an answer.
fn paging_reads(pagination: &Pagination) -> Vec<Read> {
    let told = |seen: &Option<Seen>| seen.iter().flat_map(count_reads).collect::<Vec<_>>();
    let flag = |seen: &Option<Seen>| seen.iter().flat_map(flag_reads).collect::<Vec<_>>();
    match pagination {
        Pagination::None => Vec::new(),
        Pagination::LastRecordCursor(strategy) => {
            [vec![Read::Record(strategy.field.clone())], flag(&strategy.more)].concat()
        }
        Pagination::PageNumber(strategy) => {
            [told(&strategy.pages), told(&strategy.total), flag(&strategy.more)].concat()
        }
        Pagination::Offset(strategy) => [told(&strategy.count), told(&strategy.total), flag(&strategy.more)].concat(),
        Pagination::NextLink(_) => vec![Read::Header("Link".to_owned())],
        Pagination::NextUrl(strategy) => [token_reads(&strategy.url), flag(&strategy.more)].concat(),
        Pagination::BodyToken(strategy) => [token_reads(&strategy.token), flag(&strategy.more)].concat(),
        Pagination::Cursor(strategy) => {
            let values = strategy.send.iter().flat_map(|send| seen_reads(&send.value)).collect();
            [values, flag(&strategy.more)].concat()
        }
        Pagination::Scroll(strategy) => [seen_reads(&strategy.session), flag(&strategy.more)].concat(),
        Pagination::AdvancingFrom(strategy) => paging_reads(&strategy.pages),
    }
}

/// What must stand in an answer for this to be said.
fn seen_reads(seen: &Seen) -> Vec<Read> {
    let body = seen.body_fields().into_iter().map(|pointer| Read::Body(pointer.clone()));
    let record = seen.record_fields().into_iter().map(|pointer| Read::Record(pointer.clone()));
    let header = if let Seen::Header(name) = seen { Some(Read::Header(name.clone())) } else { None };
    body.chain(record).chain(header).collect()
}

fn flag_reads(seen: &Seen) -> Vec<Read> {
    if let Seen::Body(pointer) = seen { vec![Read::Flag(pointer.clone())] } else { seen_reads(seen) }
}

fn count_reads(seen: &Seen) -> Vec<Read> {
    if let Seen::Body(pointer) = seen { vec![Read::Count(pointer.clone())] } else { seen_reads(seen) }
}

fn token_reads(seen: &Seen) -> Vec<Read> {
    if let Seen::Body(pointer) = seen { vec![Read::Token(pointer.clone())] } else { seen_reads(seen) }
}

fn read(stream: &Stream) -> Vec<Read> {
    let mut all = paging_reads(&stream.pagination);
    if let Some(chain) = &stream.chain {
        all.extend(token_reads(&chain.next));
        all.extend(chain.more.iter().flat_map(flag_reads));
    }
    let total = stream.window.as_ref().and_then(|window| window.cap.as_ref()?.total.as_ref());
    all.extend(total.into_iter().flat_map(count_reads));
    all
}

/// The values in a body that the manifest writes out, by pointer; a list of plain values is one value.
fn leaves(body: &Value) -> Vec<(String, Option<Value>)> {
    fn visit(value: &Value, pointer: &str, out: &mut Vec<(String, Option<Value>)>) {
        let below = |key: &str| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                fields.iter().for_each(|(name, field)| visit(field, &below(name), out));
            }
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                items.iter().enumerate().for_each(|(at, item)| visit(item, &below(&at.to_string()), out));
            }
            Value::String(text) if Template::parse(text).is_ok_and(|text| text.names().next().is_some()) => {
                out.push((pointer.to_owned(), None));
            }
            Value::String(text) if text.is_empty() => out.push((pointer.to_owned(), None)),
            plain => out.push((pointer.to_owned(), Some(plain.clone()))),
        }
    }
    let mut out = Vec::new();
    visit(body, "", &mut out);
    out.retain(|(pointer, _)| !pointer.is_empty());
    out
}
