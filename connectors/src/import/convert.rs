//! The conversion of a whole manifest: streams one by one, parents before their children, each once.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::columns::{self, Key};
use super::expression::{Code, Names, Place, Translator};
use super::jinja::{Ast, Piece};
use super::report::{Notes, Outcome};
use super::settings::Settings;
use super::slices::Routing;
use super::tree::{self, component, kind, text};
use super::window::{self, Windowing};
use super::write::remarked;
use super::{auth, errors, fields, job, paging, request, shape, slices};
use crate::draft::{free, snake};

/// Our names for the bounds of a window in requests.
pub(super) const BOUNDS: [&str; 2] = ["start_time", "end_time"];
/// Our name for the page's token in requests.
pub(super) const TOKEN: &str = "page_token";
/// Names that requests know already.
const TAKEN: [&str; 12] = [
    "secrets_given",
    "from",
    "until",
    "now",
    "field",
    "columns",
    "selection",
    "host",
    "start_time",
    "end_time",
    "page_token",
    "session_token",
];
/// Deepest chain of parents.
const DEPTH_MAX: usize = 8;
/// What decides which requests are sent and what is taken of their answers.
const REQUEST_KEYS: [&str; 18] = [
    "base_url",
    "method",
    "path",
    "values",
    "params",
    "headers",
    "body",
    "errors",
    "auth",
    "slices",
    "parent",
    "records",
    "decoding",
    "shape",
    "pagination",
    "page_size",
    "window",
    "job",
];

/// A stream that was converted.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) name: String,
    /// What the original calls it.
    pub(super) original: String,
    pub(super) line: Option<usize>,
    pub(super) base: String,
    pub(super) auth: Value,
    pub(super) fields: Map<String, Value>,
    pub(super) routing: Routing,
    pub(super) is_internal: bool,
    /// Something of it has no counterpart.
    pub(super) is_lost: bool,
}

impl Made {
    fn is_asked_like(&self, other: &Self) -> bool {
        self.base == other.base
            && self.auth == other.auth
            && REQUEST_KEYS.iter().all(|key| self.fields.get(*key) == other.fields.get(*key))
    }
}

/// A conversion.
pub(super) struct Convert<'a> {
    pub(super) settings: Settings,
    pub(super) notes: Notes,
    pub(super) made: Vec<Made>,
    /// What is worked out of settings for the whole connector.
    pub(super) values: Map<String, Value>,
    docs: String,
    streams: Vec<(&'a Value, Option<String>)>,
    /// Streams whose conversion has begun and not ended.
    begun: Vec<String>,
}

impl<'a> Convert<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        let spec = component(root, "spec");
        let mut convert = Self {
            settings: Settings::of(spec),
            notes: Notes::default(),
            made: Vec::new(),
            values: Map::new(),
            docs: spec.map(|spec| text(spec.get("documentation_url")).to_owned()).unwrap_or_default(),
            streams: Vec::new(),
            begun: Vec::new(),
        };
        for stream in root.get("streams").and_then(Value::as_array).into_iter().flatten() {
            convert.list(stream, None);
        }
        convert
    }

    fn list(&mut self, stream: &'a Value, when: Option<String>) {
        match kind(stream) {
            "ConditionalStreams" => {
                let condition = text(stream.get("condition")).to_owned();
                let code = self.translate(stream, &Names::default(), Place::Request, |translator| {
                    translator.as_condition(&condition)
                });
                match code {
                    Ok(code) => {
                        for inner in stream.get("streams").and_then(Value::as_array).into_iter().flatten() {
                            self.list(inner, Some(code.text.clone()));
                        }
                    }
                    Err(reason) => self.notes.impossible(stream, format!("streams under a condition: {reason}")),
                }
            }
            "StateDelegatingStream" => {
                if let Some(inner) = component(stream, "full_refresh_stream") {
                    self.notes.converted(
                        inner,
                        "a stream that is another one once it knows where it stands: windows are always asked for as in its first run",
                    );
                    self.list(inner, when);
                }
            }
            "StreamGroup" => {
                for inner in stream.get("streams").and_then(Value::as_array).into_iter().flatten() {
                    self.list(inner, when.clone());
                }
            }
            _ => self.streams.push((stream, when)),
        }
    }

    /// Converts all streams.
    pub(super) fn all(&mut self) {
        for (stream, when) in self.streams.clone() {
            let original = self.original_name(stream);
            // What is wrong with a stream is noted where it stands.
            self.top(&original).ok();
            if let (Some(when), Some(made)) =
                (when, self.made.iter_mut().find(|made| made.original == original && !made.is_internal))
            {
                made.fields.insert("when".to_owned(), when.into());
            }
        }
        // What the original says first stands first, and parents that are nobody's own behind them.
        let order: Vec<String> = self.streams.clone().iter().map(|(stream, _)| self.original_name(stream)).collect();
        let place = |made: &Made| {
            (made.is_internal, order.iter().position(|name| *name == made.original).unwrap_or(usize::MAX))
        };
        self.made.sort_by_key(place);
    }

    fn original_name(&mut self, stream: &Value) -> String {
        let name = text(stream.get("name")).to_owned();
        self.constant(stream, &name).unwrap_or(name)
    }

    /// A stream of the original's own list, converted once.
    fn top(&mut self, original: &str) -> Result<Made, String> {
        if let Some(made) = self.made.iter().find(|made| made.original == original && !made.is_internal) {
            return Ok(made.clone());
        }
        if self.begun.iter().any(|begun| begun == original) {
            return Err(format!("`{original}` is its own parent"));
        }
        let streams = self.streams.clone();
        let mut found = None;
        for (stream, _) in &streams {
            if self.original_name(stream) == original {
                found = Some(*stream);
                break;
            }
        }
        let stream = found.ok_or_else(|| format!("there is no stream `{original}`"))?;
        self.begun.push(original.to_owned());
        let made = self.make(stream, 0, false);
        self.begun.retain(|begun| begun != original);
        self.made.push(made.clone());
        Ok(made)
    }

    /// The stream that is a parent, by our name, and what its requests are made with.
    pub(super) fn parent_stream(&mut self, stream: &Value, depth: usize) -> Result<(String, Routing), String> {
        if depth >= DEPTH_MAX {
            return Err("too many parents stand above one another".to_owned());
        }
        let stream = component(stream, "full_refresh_stream").unwrap_or(stream);
        let original = self.original_name(stream);
        // A parent in the original's own list is converted first.
        let top = if self.begun.contains(&original) { None } else { self.top(&original).ok() };
        let mut made = self.make(stream, depth + 1, true);
        if made.is_lost {
            return Err(format!("its parent `{original}` cannot be converted"));
        }
        let known = top.into_iter().chain(self.made.iter().filter(|known| known.is_internal).cloned());
        if let Some(known) = known.into_iter().find(|known| !known.is_lost && known.is_asked_like(&made)) {
            return Ok((known.name, known.routing));
        }
        made.is_internal = true;
        let (name, routing) = (made.name.clone(), made.routing.clone());
        self.made.push(made);
        Ok((name, routing))
    }

    fn stream_name(&self, original: &str, is_parent: bool) -> String {
        let mut name = snake(original);
        while name.contains("__") {
            name = name.replace("__", "_");
        }
        if is_parent && self.streams.iter().any(|(stream, _)| text(stream.get("name")) == original) {
            name = format!("{name}_parents");
        }
        free(&name, |name| self.made.iter().any(|made| made.name == name))
    }

    /// Converts one stream.
    fn make(&mut self, stream: &Value, depth: usize, is_parent: bool) -> Made {
        let original = self.original_name(stream);
        let name = self.stream_name(&original, is_parent);
        let before = std::mem::replace(&mut self.notes.stream, name.clone());
        let lost_before = self.notes.report.count(Outcome::Impossible);
        let mut made = Made {
            name: name.clone(),
            original: original.clone(),
            line: tree::line(stream),
            base: String::new(),
            auth: "none".into(),
            fields: Map::new(),
            routing: Routing::default(),
            is_internal: is_parent,
            is_lost: false,
        };
        if let Err(reason) = self.fill(stream, depth, &mut made)
            && !reason.is_empty()
        {
            self.notes.impossible(stream, reason);
        }
        made.is_lost = self.notes.report.count(Outcome::Impossible) > lost_before;
        if !made.is_lost && !is_parent {
            self.notes.converted(stream, format!("the stream `{original}`"));
        }
        self.notes.stream = before;
        made
    }

    fn fill(&mut self, stream: &Value, depth: usize, made: &mut Made) -> Result<(), String> {
        let retriever = self.known_retriever(stream)?;
        if kind(retriever) == "AsyncRetriever" {
            return job::fill(self, stream, retriever, depth, made);
        }
        let requester = self.known_requester(retriever)?;
        made.routing = slices::routing(self, retriever, depth)?;
        let selector = component(retriever, "record_selector").cloned().unwrap_or(Value::Null);
        let mut names = Names {
            partition: made.routing.partition.clone(),
            nullable: made.routing.nullable.clone(),
            records: self.records_path(&selector),
            ..Names::default()
        };
        names.first_only = self.is_first_only(stream, retriever);
        let sync = component(stream, "incremental_sync");
        let windowing = self.window(stream, sync, requester, &mut names);
        if names.first_only || paging::names_token(requester) {
            names.token = Some(TOKEN.to_owned());
        }
        let asked_for = fields::asked_for(self, requester, &mut names);
        let mut request = request::request(self, requester, &names);
        let is_first = format!("{TOKEN} == ''");
        let condition = names.first_only.then_some(is_first.as_str());
        made.routing.inject(self, requester, condition, &mut request);
        if let Some(windowing) = &windowing {
            windowing.inject(condition, &mut request);
        }
        let mut paging = paging::paging(self, retriever, requester, &names);
        if paging.needs_form {
            request.form.get_or_insert_default();
        }
        if let Some(target) = paging.named_token.take() {
            request.place(&target, TOKEN, Some(&format!("{TOKEN} != ''")));
        }
        if let Some(value) = paging.nameless.last() {
            request.params.insert(String::new(), value.clone());
        }
        if let Some((target, template)) = &paging.computed_size {
            request::put(self, requester, &names, target.clone(), &Value::from(template.as_str()), &mut request);
        }
        if let Some(sync) = sync.filter(|sync| kind(sync) == "IncrementingCountCursor") {
            self.counting(sync, requester, &names, &mut request);
        }
        made.auth = self.auth_of(requester, &request);
        made.base.clone_from(&request.base);
        self.write_request(&request, made);
        let rules = errors::rules(self, requester, &names);
        if !rules.is_empty() {
            made.fields.insert("errors".to_owned(), rules.into());
        }
        self.write_slices(&request, made);
        self.write_records(retriever, &selector, made)?;
        let mut steps = shape::steps(self, stream, &selector, &names);
        steps.extend(shape::fit(self, &selector, stream));
        if !steps.is_empty() {
            made.fields.insert("shape".to_owned(), steps.into());
        }
        if let Some(asked_for) = asked_for {
            let fields = fields::fields(self, stream, &asked_for, depth)?;
            made.fields.insert("fields".to_owned(), fields);
        }
        self.ignored(retriever);
        Self::write_paging(paging, made);
        self.write_rows(stream, windowing.as_ref(), made);
        if request.method == "get" && has_body_slot(made) {
            let at = made.fields.keys().position(|key| key == "path").unwrap_or_default();
            made.fields.shift_insert(at, "method".to_owned(), "get_with_body".into());
        }
        Ok(())
    }

    /// What a retriever asks for that nothing here does.
    fn ignored(&mut self, retriever: &Value) {
        if component(retriever, "pagination_reset").is_some() {
            self.notes.impossible(retriever, "pages that begin anew from the last record after a number of them");
        }
    }

    /// Whether what slices put into requests goes into that of their first page alone.
    fn is_first_only(&mut self, stream: &Value, retriever: &Value) -> bool {
        if !tree::is_true(retriever.get("ignore_stream_slicer_parameters_on_paginated_requests")) {
            return false;
        }
        let Some(paginator) =
            component(retriever, "paginator").filter(|paginator| kind(paginator) == "DefaultPaginator")
        else {
            return false;
        };
        let has_slices = retriever.get("partition_router").is_some() || component(stream, "incremental_sync").is_some();
        let is_by_path = component(paginator, "page_token_option").is_some_and(|option| kind(option) == "RequestPath");
        if has_slices && is_by_path {
            self.notes.approximated(retriever, "later pages are asked for with the parameters of the slice, too");
        }
        has_slices && !is_by_path
    }

    /// How pages are asked for.
    pub(super) fn write_paging(paging: paging::Paging, made: &mut Made) {
        let is_counted = paging
            .pagination
            .as_ref()
            .is_some_and(|pagination| pagination.get("page_number").is_some() || pagination.get("offset").is_some());
        if let Some(pagination) = paging.pagination {
            made.fields.insert("pagination".to_owned(), pagination);
        }
        if let Some(size) = paging.page_size {
            made.fields.insert("page_size".to_owned(), size);
        }
        if is_counted {
            let why = "pages of a list that changes while it is read can lose rows";
            made.fields.insert("best_effort".to_owned(), why.into());
        }
    }

    /// The retriever of a stream, where both are of kinds that we know.
    fn known_retriever<'s>(&mut self, stream: &'s Value) -> Result<&'s Value, String> {
        if !matches!(kind(stream), "DeclarativeStream" | "") {
            self.custom(stream, kind(stream), "a stream");
            return Err(String::new());
        }
        let retriever = component(stream, "retriever").ok_or("a stream without a retriever")?;
        if !matches!(kind(retriever), "SimpleRetriever" | "AsyncRetriever" | "")
            || retriever.get("class_name").is_some()
        {
            self.custom(retriever, kind(retriever), "a retriever");
            return Err(String::new());
        }
        if component(stream, "file_uploader").is_some() {
            return Err("files that are downloaded beside their records".to_owned());
        }
        Ok(retriever)
    }

    /// The requester of a retriever, where it is of a kind that we know.
    fn known_requester<'s>(&mut self, retriever: &'s Value) -> Result<&'s Value, String> {
        let requester = component(retriever, "requester").ok_or("a stream without a requester")?;
        if !matches!(kind(requester), "HttpRequester" | "") || requester.get("class_name").is_some() {
            self.custom(requester, kind(requester), "a requester");
            return Err(String::new());
        }
        Ok(requester)
    }

    /// The window of a stream, where it has one.
    pub(super) fn window(
        &mut self,
        stream: &Value,
        sync: Option<&Value>,
        requester: &Value,
        names: &mut Names,
    ) -> Option<Windowing> {
        let sync = sync?;
        if !window::is_by_time(sync) {
            if kind(sync) != "IncrementingCountCursor" {
                self.custom(sync, kind(sync), "a cursor");
            }
            return None;
        }
        let mut cursor = window::look(self, stream, sync, requester);
        if cursor.is_used && names.first_only {
            let is_sent = ["start_time_option", "end_time_option"].map(|key| component(sync, key).is_some());
            for (is_named, is_sent) in cursor.is_named.iter_mut().zip(is_sent) {
                *is_named |= is_sent;
            }
        }
        let feed = window::feed(sync);
        if !cursor.is_used && feed.is_none() {
            self.notes
                .converted(sync, "a cursor that no request sends: the stream is read as a whole each time, as it was");
            return None;
        }
        let mut windowing = window::windowing(self, sync, requester, &cursor)?;
        if let (false, Some(feed)) = (cursor.is_used, feed) {
            windowing.fed(feed);
        }
        names.bounds =
            BTreeMap::from([(cursor.start_name, BOUNDS[0].to_owned()), (cursor.end_name, BOUNDS[1].to_owned())]);
        Some(windowing)
    }

    fn counting(&mut self, sync: &Value, requester: &Value, names: &Names, request: &mut request::Request) {
        self.notes.approximated(sync, "a cursor that counts: the stream is read from its first value each time");
        let start = sync.get("start_value").cloned().unwrap_or_else(|| 0.into());
        if let Some(target) = component(sync, "start_value_option").and_then(|option| self.target(option, requester)) {
            request::put(self, sync, names, target, &start, request);
        }
    }

    /// The way in of a requester, with the credentials that stand elsewhere in its request.
    pub(super) fn auth_of(&mut self, requester: &Value, request: &request::Request) -> Value {
        let own = auth::auth(self, component(requester, "authenticator"));
        let mut all: Vec<Value> = own.into_iter().collect();
        for credential in &request.credentials {
            if !all.contains(credential) {
                all.push(credential.clone());
            }
        }
        match all.len() {
            0 => "none".into(),
            1 => all.remove(0),
            _ => json!({ "all": all }),
        }
    }

    #[expect(clippy::unused_self, reason = "it stands beside what writes the other parts")]
    pub(super) fn write_request(&self, request: &request::Request, made: &mut Made) {
        let is_in_body = |credential: &Value| credential.get("body").is_some();
        if let Some(method) = request.written_method(request.credentials.iter().any(is_in_body)) {
            made.fields.insert("method".to_owned(), method.into());
        }
        if request.url_field.is_none() {
            made.fields.insert("path".to_owned(), request.path.clone().into());
        }
        for (key, fields) in [("values", &request.values), ("params", &request.params), ("headers", &request.headers)] {
            if !fields.is_empty() {
                made.fields.insert(key.to_owned(), Value::Object(fields.clone()));
            }
        }
        if let Some(body) = request.body() {
            made.fields.insert("body".to_owned(), body);
        }
    }

    #[expect(clippy::unused_self, reason = "it stands beside what writes the other parts")]
    pub(super) fn write_slices(&self, request: &request::Request, made: &mut Made) {
        if let Some(slices) = made.routing.slices() {
            made.fields.insert("slices".to_owned(), slices);
        }
        if let Some(mut parent) = made.routing.parent.clone() {
            if let (Some(field), Value::Object(fields)) = (&request.url_field, &mut parent) {
                fields.insert("url".to_owned(), field.clone().into());
            }
            made.fields.insert("parent".to_owned(), parent);
        }
    }

    /// What rows are: key, kind, window and columns.
    pub(super) fn write_rows(&mut self, stream: &Value, windowing: Option<&Windowing>, made: &mut Made) {
        let mut key = columns::key(stream.get("primary_key"));
        let properties = columns::properties(stream.get("schema_loader"));
        if key.iter().any(|one| is_removed(made, one)) {
            key.clear();
        }
        if key.is_empty() {
            made.fields.insert("append_only".to_owned(), true.into());
        } else {
            made.fields.insert("key".to_owned(), key.iter().map(|one| Value::from(one.name.clone())).collect());
        }
        if let Some(windowing) = windowing {
            made.fields.insert("start".to_owned(), windowing.start.clone());
            if let Some(end) = &windowing.end {
                made.fields.insert("end".to_owned(), end.clone());
                if windowing.end_is_inclusive {
                    made.fields.insert("end_is_inclusive".to_owned(), true.into());
                }
            }
            let kind = windowing.kind(!key.is_empty());
            made.fields.insert("kind".to_owned(), kind.into());
            made.fields.insert("window".to_owned(), Value::Object(windowing.window.clone()));
            let mut waivers = Map::new();
            if let Some((rule, reason)) = windowing.waiver(kind) {
                waivers.insert(rule.to_owned(), reason.into());
            }
            if windowing.start_is_silent && windowing.window.contains_key("request") {
                waivers
                    .insert("slot-unused".to_owned(), "the imported manifest sends the end of a window alone".into());
            }
            if !waivers.is_empty() {
                made.fields.insert("waive".to_owned(), Value::Object(waivers));
            }
        } else {
            made.fields.insert("kind".to_owned(), "snapshot".into());
            made.fields.insert("every".to_owned(), "1 day".into());
            made.fields.insert("may_be_empty".to_owned(), true.into());
        }
        made.fields
            .insert("deletes".to_owned(), remarked("none", "confirm: the original does not look for deleted rows"));
        let window = windowing.map(|windowing| (windowing.field.as_str(), Value::Array(windowing.formats.clone())));
        made.fields.insert("columns".to_owned(), columns::columns(&properties, &key, window));
        let title = made.original.replace(['_', '-'], " ");
        made.fields.shift_insert(0, "title".to_owned(), format!("Rows of {title}").into());
        if !self.docs.is_empty() {
            made.fields.shift_insert(1, "docs".to_owned(), self.docs.clone().into());
        }
    }

    /// Runs a translation of something in a component.
    pub(super) fn translate(
        &mut self,
        node: &Value,
        names: &Names,
        place: Place,
        run: impl FnOnce(&mut Translator<'_>) -> Result<Code, String>,
    ) -> Result<Code, String> {
        let parameters = tree::parameters(node);
        run(&mut Translator { settings: &mut self.settings, parameters: &parameters, names, place })
    }

    /// Translates one expression of a component.
    pub(super) fn translate_ast(
        &mut self,
        node: &Value,
        names: &Names,
        place: Place,
        ast: &Ast,
    ) -> Result<Code, String> {
        self.translate(node, names, place, |translator| translator.code(ast))
    }

    /// The pieces of a template of a component.
    pub(super) fn pieces(&mut self, node: &Value, names: &Names, template: &str) -> Result<Vec<Piece>, String> {
        let parameters = tree::parameters(node);
        let place = Place::Request;
        Translator { settings: &mut self.settings, parameters: &parameters, names, place }.pieces(template)
    }

    /// The text of a template that needs no request to be known.
    pub(super) fn constant(&mut self, node: &Value, template: &str) -> Option<String> {
        let pieces = self.pieces(node, &Names::default(), template).ok()?;
        let parts: Option<Vec<String>> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Expression(Ast::Constant(value)) => Some(super::settings::plain_text(value)),
                Piece::Expression(_) => None,
            })
            .collect();
        parts.map(|parts| parts.concat())
    }

    /// The text in a field that needs no request to be known.
    pub(super) fn constant_text(&mut self, node: &Value, key: &str) -> Option<String> {
        match node.get(key)? {
            Value::String(template) => self.constant(node, template),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The number in a field.
    pub(super) fn number(&mut self, node: &Value, key: &str) -> Option<f64> {
        node.get(key)?.as_f64().or_else(|| self.constant_text(node, key)?.trim().parse().ok())
    }

    /// Notes a part that is code.
    pub(super) fn custom(&mut self, node: &Value, kind: &str, what: &str) {
        let class = text(node.get("class_name"));
        let what = if class.is_empty() {
            format!("{what} of type `{kind}`")
        } else {
            format!("{what} that is Python code: `{class}`")
        };
        self.notes.impossible(node, what);
    }

    /// A name that nothing else in a request has.
    pub(super) fn free_name(&self, name: &str, is_taken: impl Fn(&str) -> bool) -> String {
        free(name, |name| {
            TAKEN.contains(&name) || is_taken(name) || self.settings.all.iter().any(|setting| setting.name == name)
        })
    }

    /// The name of something that is worked out of settings once.
    pub(super) fn shared_value(&mut self, expression: &str) -> String {
        let known = self.values.iter().find(|(_, value)| value["expression"] == expression);
        if let Some((name, _)) = known {
            return name.clone();
        }
        let name = self.free_name("host_part", |name| self.values.contains_key(name));
        self.values.insert(name.clone(), json!({ "expression": expression }));
        name
    }
}

/// Whether a key's field is taken out of the record.
fn is_removed(made: &Made, key: &Key) -> bool {
    let steps = made.fields.get("shape").and_then(Value::as_array).into_iter().flatten();
    let removed = steps.filter_map(|step| step.get("remove").and_then(Value::as_array)).flatten();
    let own = key.path.clone().unwrap_or_else(|| shape::pointer(std::slice::from_ref(&key.name)));
    removed.into_iter().any(|pointer| pointer.as_str() == Some(own.as_str()))
}

/// Whether something of the page or the window goes into the body.
fn has_body_slot(made: &Made) -> bool {
    fn is_below(value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(name, value)| {
                let is_slot = matches!(name.as_str(), "param" | "from" | "until");
                (is_slot && value.as_str().is_some_and(|slot| slot.starts_with('/'))) || is_below(value)
            }),
            Value::Array(items) => items.iter().any(is_below),
            _ => false,
        }
    }
    ["pagination", "page_size", "window"].iter().filter_map(|key| made.fields.get(*key)).any(is_below)
}
