//! Exports that are ordered, asked after and downloaded.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::convert::{Convert, Made};
use super::expression::Names;
use super::jinja::{self, Ast, Piece};
use super::request::{self, Request};
use super::settings::plain_text;
use super::tree::{self, component, kind, text};
use super::{errors, paging, shape, slices};

/// The names under which the original's templates know answers about a job.
const ANSWERS: [&str; 3] = ["creation_response", "polling_response", "download_target"];
/// Minutes that a job may take where the original does not say.
const MINUTES: f64 = 60.0;

/// What later requests take of earlier answers: the original's path, with our name.
type Taken = BTreeMap<Vec<String>, String>;

/// Converts a stream that is read by jobs.
#[expect(clippy::too_many_lines, reason = "one step of a job after the other, each with what the one before answered")]
pub(super) fn fill(
    convert: &mut Convert<'_>,
    stream: &Value,
    retriever: &Value,
    depth: usize,
    made: &mut Made,
) -> Result<(), String> {
    let needed = |name: &str| component(retriever, name).ok_or_else(|| format!("an export without `{name}`"));
    let (create, poll) = (needed("creation_requester")?, needed("polling_requester")?);
    let download = needed("download_requester")?;
    let beside = ["abort_requester", "delete_requester"].map(|name| component(retriever, name));
    for requester in [create, poll, download].into_iter().chain(beside.into_iter().flatten()) {
        if !matches!(kind(requester), "HttpRequester" | "") || requester.get("class_name").is_some() {
            convert.custom(requester, kind(requester), "a requester");
            return Err(String::new());
        }
    }
    if component(retriever, "download_target_requester").is_some() {
        return Err("downloads that a request of their own lists".to_owned());
    }
    made.routing = slices::routing(convert, retriever, depth)?;
    let mut names = Names {
        partition: made.routing.partition.clone(),
        nullable: made.routing.nullable.clone(),
        ..Names::default()
    };
    // Only what templates name reaches an order: the options of the cursor and of partitions go nowhere.
    let sync = component(stream, "incremental_sync").map(|sync| {
        let mut sync = sync.clone();
        if let Value::Object(fields) = &mut sync {
            fields.retain(|name, _| !matches!(name.as_str(), "start_time_option" | "end_time_option"));
        }
        sync
    });
    let windowing = convert.window(stream, sync.as_ref(), create, &mut names);
    let requesters: Vec<&Value> = [poll, download].into_iter().chain(beside.into_iter().flatten()).collect();
    let taken = taken(convert, &requesters);
    let of = |root: &str| -> Taken {
        taken
            .iter()
            .filter(|(path, _)| path.first().is_some_and(|first| first == root))
            .map(|(path, name)| (path.clone(), name.clone()))
            .collect()
    };
    let ordered = request::request(convert, create, &names);
    made.auth = convert.auth_of(create, &ordered);
    names.job = of("creation_response");
    let polled = request::request_after(convert, poll, &names, &ordered);
    let steps = beside.map(|step| step.map(|step| request::request_after(convert, step, &names, &polled)));
    names.job = taken.clone();
    let mut downloaded = request::request_after(convert, download, &names, &polled);
    computed_late(convert, retriever, &downloaded, &taken);
    let parts = json!({ "paginator": retriever.get("download_paginator"), "requester": download });
    if paging::names_token(download) {
        names.token = Some(super::convert::TOKEN.to_owned());
    }
    let mut paging = paging::paging(convert, &parts, download, &names);
    if let Some(target) = paging.named_token.take() {
        let page = super::convert::TOKEN;
        downloaded.place(&target, page, Some(&format!("{page} != ''")));
    }
    if paging.needs_form {
        downloaded.form.get_or_insert_default();
    }
    let whole = whole_url(convert, download, &taken);
    let mut all: Vec<Request> = vec![ordered, polled];
    let has = steps.each_ref().map(Option::is_some);
    all.extend(steps.into_iter().flatten());
    all.push(downloaded);
    if all.iter().rev().skip(1).any(|request| request.url_field.is_some()) {
        return Err("a request about an export whose whole address an answer says".to_owned());
    }
    let base = one_base(&mut all, whole.is_some())?;
    let downloaded = all.pop().unwrap_or_default();
    if whole.is_none() && convert.auth_of(download, &downloaded) != made.auth {
        convert.notes.impossible(download, "a download with another way in than its order");
    }
    made.base = base;
    convert.write_request(&downloaded, made);
    if whole.is_some() {
        made.fields.shift_remove("path");
    }
    let mut downloaded = downloaded;
    // The address is an answer's, and no parent's.
    downloaded.url_field = None;
    let rules = errors::rules(convert, create, &names);
    if !rules.is_empty() {
        made.fields.insert("errors".to_owned(), rules.into());
    }
    convert.write_slices(&downloaded, made);
    let mut job = Map::new();
    let mut rest = all.iter();
    let mut order = rest.next().map(step).unwrap_or_default();
    order.insert("fields".to_owned(), fields(&of("creation_response")));
    job.insert("create".to_owned(), Value::Object(order));
    let asked = rest.next().map(step).unwrap_or_default();
    job.insert("poll".to_owned(), poll_step(convert, retriever, asked)?);
    job.insert("states".to_owned(), states(retriever));
    targets(convert, retriever, &taken, whole, &mut job)?;
    for (name, is_there) in ["cancel", "delete"].into_iter().zip(has) {
        if is_there && let Some(request) = rest.next() {
            job.insert(name.to_owned(), Value::Object(step(request)));
        }
    }
    made.fields.insert("job".to_owned(), Value::Object(job));
    records(convert, retriever, made)?;
    let selector = component(retriever, "record_selector").cloned().unwrap_or(Value::Null);
    let mut steps = shape::steps(convert, stream, &without_extractor(&selector), &names);
    steps.extend(shape::fit(convert, &selector, stream));
    if !steps.is_empty() {
        made.fields.insert("shape".to_owned(), steps.into());
    }
    Convert::write_paging(paging, made);
    convert.write_rows(stream, windowing.as_ref(), made);
    Ok(())
}

/// What requests after the first take of earlier answers, with names for it.
fn taken(convert: &mut Convert<'_>, requesters: &[&Value]) -> Taken {
    let mut paths: Vec<Vec<String>> = Vec::new();
    for requester in requesters {
        walk(requester, &mut |template| {
            let Ok(pieces) = jinja::template(template) else { return };
            for piece in pieces {
                let Piece::Expression(ast) = piece else { continue };
                ast.walk(&mut |ast| paths.extend(answer_path(ast)));
            }
        });
    }
    paths.sort();
    paths.dedup();
    let all = paths.clone();
    // `a.b.get` is no field, and `a.b` none of its own where only `a.b.c` is taken.
    paths.retain(|path| {
        path.last().is_none_or(|last| last != "get")
            && !all.iter().any(|other| {
                other.len() > path.len() && other.starts_with(path) && other.last().is_none_or(|last| last != "get")
            })
    });
    let mut taken = Taken::new();
    for path in paths {
        let last = match path.as_slice() {
            [target] if target == "download_target" => "file".to_owned(),
            [_, .., last] => format!("job_{}", slices::plain_name(last)),
            _ => continue,
        };
        let name = convert.free_name(&last, |name| taken.values().any(|known| known == name));
        taken.insert(path, name);
    }
    taken
}

/// The path below an answer, with the answer's name before it.
fn answer_path(ast: &Ast) -> Option<Vec<String>> {
    let path = ast.path()?;
    let root = path.first()?.as_str()?;
    ANSWERS.contains(&root).then(|| path.iter().map(plain_text).collect())
}

/// Calls `see` with every template of a component; the way in is none of them.
fn walk(node: &Value, see: &mut dyn FnMut(&str)) {
    match node {
        Value::String(template) if jinja::is_template(template) => see(template),
        Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
        Value::Object(_) => {
            tree::fields(node).filter(|(name, _)| *name != "authenticator").for_each(|(_, value)| walk(value, see));
        }
        _ => {}
    }
}

/// What is worked out for all requests of a stream cannot be made of answers that come later.
fn computed_late(convert: &mut Convert<'_>, node: &Value, request: &Request, taken: &Taken) {
    let is_late = |value: &Value| {
        let text = value["expression"].as_str().unwrap_or_default();
        taken.values().any(|name| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name))
    };
    if request.values.values().any(is_late) {
        convert.notes.impossible(node, "an address that is worked out of the answer about a job");
    }
}

/// The field of an answer that is the whole address of a download.
fn whole_url(convert: &mut Convert<'_>, requester: &Value, taken: &Taken) -> Option<String> {
    let (url, base, path) = (text(requester.get("url")), text(requester.get("url_base")), text(requester.get("path")));
    let written = [url, base, path].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
    let [written] = written.as_slice() else { return None };
    let pieces = convert.pieces(requester, &Names::default(), written).ok()?;
    let [Piece::Expression(ast)] = pieces.as_slice() else { return None };
    taken.get(&answer_path(ast)?).cloned()
}

/// The base that all requests share; what differs behind the host goes into their paths.
fn one_base(all: &mut [Request], is_last_whole: bool) -> Result<String, String> {
    let count = if is_last_whole { all.len().saturating_sub(1) } else { all.len() };
    let bases: Vec<String> = all.iter().take(count).map(|request| request.base.clone()).collect();
    let first = bases.first().cloned().unwrap_or_default();
    if bases.iter().all(|base| *base == first) {
        return Ok(first);
    }
    let origin = |base: &str| {
        let scheme = base.find("://").map_or(0, |at| at + 3);
        let end = base.get(scheme..).and_then(|rest| rest.find('/')).map_or(base.len(), |at| scheme + at);
        base.split_at(end).0.to_owned()
    };
    let shared = origin(&first);
    if bases.iter().any(|base| origin(base) != shared) {
        return Err("an export whose requests go to several hosts".to_owned());
    }
    for request in all.iter_mut().take(count) {
        let behind = request.base.get(shared.len()..).unwrap_or_default().trim_end_matches('/').to_owned();
        request.path = format!("{behind}/{}", request.path.trim_start_matches('/'));
    }
    Ok(shared)
}

/// A request beside the data, as manifests write it. Its headers are said, so that those of the download do not stand for them.
fn step(request: &Request) -> Map<String, Value> {
    let mut fields = Map::new();
    let method = request.written_method(false).unwrap_or_else(|| request.method.clone());
    fields.insert("method".to_owned(), method.into());
    fields.insert("path".to_owned(), request.path.clone().into());
    if !request.params.is_empty() {
        fields.insert("params".to_owned(), Value::Object(request.params.clone()));
    }
    fields.insert("headers".to_owned(), Value::Object(request.headers.clone()));
    if let Some(body) = request.body() {
        fields.insert("body".to_owned(), body);
    }
    fields
}

fn fields(taken: &Taken) -> Value {
    let place = |path: &Vec<String>| shape::pointer(path.get(1..).unwrap_or_default());
    Value::Object(taken.iter().map(|(path, name)| (name.clone(), place(path).into())).collect())
}

/// The request that asks after a job, with where it says its state.
fn poll_step(convert: &mut Convert<'_>, retriever: &Value, mut step: Map<String, Value>) -> Result<Value, String> {
    let extractor = component(retriever, "status_extractor").ok_or("an export without a state")?;
    if !matches!(kind(extractor), "DpathExtractor" | "") {
        convert.custom(extractor, kind(extractor), "a way to find the state of an export");
        return Err(String::new());
    }
    let path =
        shape::texts(convert, extractor, extractor.get("field_path")).ok_or("the place of a state is worked out")?;
    if path.iter().any(|part| part == "*") {
        return Err("a state that stands in a list".to_owned());
    }
    step.insert("state".to_owned(), shape::pointer(&path).into());
    let minutes = convert.number(retriever, "polling_job_timeout").unwrap_or(MINUTES);
    step.insert("wait_max".to_owned(), errors::span(minutes * 60.0).into());
    Ok(Value::Object(step))
}

/// The words for states. A job that took too long at the source is ordered again, as one that failed.
fn states(retriever: &Value) -> Value {
    let mapping = retriever.get("status_mapping").cloned().unwrap_or_default();
    let words = |names: &[&str]| -> Vec<Value> {
        let lists = names.iter().filter_map(|name| mapping.get(*name).and_then(Value::as_array));
        lists.flatten().map(|word| plain_text(word).into()).collect()
    };
    let mut states = Map::new();
    for (name, theirs) in [
        ("running", &["running"][..]),
        ("completed", &["completed"]),
        ("failed", &["failed", "timeout"]),
        ("skipped", &["skipped"]),
    ] {
        let words = words(theirs);
        if !words.is_empty() {
            states.insert(name.to_owned(), words.into());
        }
    }
    Value::Object(states)
}

/// What downloads take of the last answer about a job, and how many there are.
fn targets(
    convert: &mut Convert<'_>,
    retriever: &Value,
    taken: &Taken,
    whole: Option<String>,
    job: &mut Map<String, Value>,
) -> Result<(), String> {
    let mut polled: Taken = taken
        .iter()
        .filter(|(path, _)| path.first().is_some_and(|first| first == "polling_response"))
        .map(|(path, name)| (path.clone(), name.clone()))
        .collect();
    polled.retain(|_, name| !name.is_empty());
    if !polled.is_empty() {
        job.insert("fields".to_owned(), fields(&polled));
    }
    if let Some(extractor) = component(retriever, "download_target_extractor") {
        if !matches!(kind(extractor), "DpathExtractor" | "") {
            convert.custom(extractor, kind(extractor), "a way to find downloads");
            return Err(String::new());
        }
        let path = shape::texts(convert, extractor, extractor.get("field_path"))
            .ok_or("the place of downloads is worked out")?;
        let (list, below) = match path.iter().position(|part| part == "*") {
            Some(star) => (path.get(..star).unwrap_or_default(), path.get(star + 1..).unwrap_or_default()),
            None => (path.as_slice(), &[][..]),
        };
        if below.iter().any(|part| part == "*") {
            return Err("downloads that stand in lists of lists".to_owned());
        }
        let name = taken.get(&vec!["download_target".to_owned()]).cloned();
        let name = name.unwrap_or_else(|| convert.free_name("file", |name| taken.values().any(|known| known == name)));
        let each =
            json!({ "list": shape::pointer(list), "fields": { name: shape::pointer(below) }, "may_be_one": true });
        job.insert("each".to_owned(), each);
    }
    if let Some(url) = whole {
        let remark = "confirm: name the host of downloads under `http.other_origins`, where it is another one";
        job.insert("url".to_owned(), super::write::remarked(url, remark));
    }
    Ok(())
}

fn without_extractor(selector: &Value) -> Value {
    let mut selector = selector.clone();
    if let Value::Object(fields) = &mut selector {
        fields.shift_remove("extractor");
    }
    selector
}

/// Where the records of a download stand, and how it is read.
fn records(convert: &mut Convert<'_>, retriever: &Value, made: &mut Made) -> Result<(), String> {
    let extractor = component(retriever, "download_extractor").cloned().unwrap_or(Value::Null);
    if kind(&extractor) == "ResponseToFileExtractor" {
        let nulls: Vec<&str> =
            if tree::is_true(extractor.get("preserve_na_values")) { Vec::new() } else { NULLS.to_vec() };
        let csv = if nulls.is_empty() { "csv".into() } else { json!({ "csv": { "nulls": nulls } }) };
        made.fields.insert("decoding".to_owned(), csv);
        made.fields.insert("records".to_owned(), "".into());
        return Ok(());
    }
    let parts = json!({ "decoder": retriever.get("download_decoder") });
    convert.write_records(&parts, &json!({ "extractor": extractor }), made)
}

/// Cells that the original's reader of files takes for nothing.
const NULLS: [&str; 18] = [
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
];
