//! Rules on connector manifests that hold for every vendor: documented, keyed, honest about time, with a source for each number.
//!
//! The engine refuses what it cannot run; these rules refuse what a reader could not check. A stream is judged with the keys that
//! it takes from `defaults`, as the engine lays them: whole key by whole key, and of `window` each key by itself.

use serde_json::{Map, Value};

use crate::repository::{Finding, Source, hold, sources};

fn manifests() -> Vec<Source> {
    let mut files = sources();
    files.retain(|file| file.path.starts_with("connectors/manifests/") && file.has_extension("yaml"));
    assert!(!files.is_empty(), "no manifest found in connectors/manifests");
    files
}

fn judge(file: &Source) -> Vec<Finding> {
    let manifest: Value = match serde_saphyr::from_str(&file.text) {
        Ok(manifest) => manifest,
        Err(error) => {
            return vec![Finding::new(
                &file.path,
                format!("is not YAML: {error}"),
                "mend the line that the parser names",
            )];
        }
    };
    let mut rules = Rules { path: &file.path, findings: Vec::new() };
    rules.top(&manifest);
    let defaults = manifest.get("defaults").and_then(Value::as_object).cloned().unwrap_or_default();
    for group in ["streams", "templates"] {
        for (name, stream) in manifest.get(group).and_then(Value::as_object).into_iter().flatten() {
            rules.stream(&format!("{group}.{name}"), &resolved(stream, &defaults));
        }
    }
    rules.findings
}

fn resolved(stream: &Value, defaults: &Map<String, Value>) -> Map<String, Value> {
    let own = stream.as_object().cloned().unwrap_or_default();
    let mut whole = defaults.clone();
    if let (Some(Value::Object(base)), Some(Value::Object(window))) = (defaults.get("window"), own.get("window")) {
        let mut laid = base.clone();
        laid.extend(window.clone());
        whole.extend(own.clone());
        whole.insert("window".to_owned(), Value::Object(laid));
    } else {
        whole.extend(own);
    }
    whole
}

struct Rules<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl Rules<'_> {
    fn break_at(&mut self, place: &str, what: &str, fix: &str) {
        self.findings.push(Finding::new(format!("{} {place}", self.path), what, fix));
    }

    fn top(&mut self, manifest: &Value) {
        if !has_text(manifest.get("docs")) {
            self.break_at("docs", "the API's documentation is not linked", "link the page that you read");
        }
        match manifest.pointer("/http/limits") {
            None => self.break_at(
                "http.limits",
                "nothing is said about limits",
                "write them with their source, or `not_published`, or `assumed` with value and reason",
            ),
            Some(limits) => self.sourced("http.limits", limits),
        }
        if let Some(quota) = manifest.pointer("/http/quota") {
            self.sourced("http.quota", quota);
        }
    }

    fn stream(&mut self, place: &str, stream: &Map<String, Value>) {
        if !has_text(stream.get("docs")) {
            self.break_at(place, "the stream has no `docs`", "link the vendor's page about it");
        }
        let has_key = stream.get("key").and_then(Value::as_array).is_some_and(|key| !key.is_empty());
        let is_append_only = stream.get("append_only") == Some(&Value::Bool(true));
        // The key of a template is the project's to say, by a parameter.
        let asks_for_key = stream.get("parameters").is_some_and(|parameters| parameters.get("key").is_some());
        if !has_key && !is_append_only && !asks_for_key && !place.starts_with("templates.") {
            self.break_at(place, "the stream has neither `key` nor `append_only`", "say what identifies a row");
        }
        if let Some(window) = stream.get("window").and_then(Value::as_object) {
            for said in ["settle", "lookback"] {
                match window.get(said) {
                    Some(fact) => self.fact(&format!("{place}.window.{said}"), fact),
                    None if place.starts_with("templates.") => {}
                    None => self.break_at(
                        &format!("{place}.window"),
                        &format!("the window does not say `{said}`"),
                        "write it; `0` is said, not assumed",
                    ),
                }
            }
            if let Some(retention) = window.get("retention") {
                self.fact(&format!("{place}.window.retention"), retention);
            }
            if let Some(cap) = window.get("cap") {
                self.sourced(&format!("{place}.window.cap"), cap);
            }
        }
        if let Some(size) = stream.get("page_size") {
            self.sourced(&format!("{place}.page_size"), size);
        }
    }

    /// A length of time is a fact: `0`, `not_published`, or a value with where it comes from.
    fn fact(&mut self, place: &str, fact: &Value) {
        let is_zero = fact.as_i64() == Some(0) || fact.as_str() == Some("0");
        let is_open = fact.as_str() == Some("not_published");
        if !is_zero && !is_open {
            self.sourced(place, fact);
        }
    }

    /// Every map with a number of the vendor's has `source`, or is an assumption with its reason.
    fn sourced(&mut self, place: &str, value: &Value) {
        match value {
            Value::String(text) if text == "not_published" => {}
            Value::Array(items) => items.iter().for_each(|item| self.sourced(place, item)),
            Value::Object(map) if map.contains_key("assumed") => {
                if !has_text(map.get("assumed").and_then(|assumed| assumed.get("because"))) {
                    self.break_at(place, "is assumed without a reason", "say `because`");
                }
            }
            Value::Object(map) if map.contains_key("published") => {
                if let Some(published) = map.get("published") {
                    self.sourced(place, published);
                }
            }
            Value::Object(map) if has_text(map.get("source")) => {}
            _ => self.break_at(
                place,
                "a number of the vendor's has no `source`",
                "write `published: { value, source }` or `assumed: { value, because }`",
            ),
        }
    }
}

fn has_text(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
}

#[test]
fn every_manifest_can_be_checked_by_its_reader() {
    hold(&manifests().iter().flat_map(judge).collect::<Vec<_>>());
}

/// Lines before the first stream: settings, auth, limits.
const HEAD_LINES: usize = 60;
/// Lines of a stream with its columns and children.
const STREAM_LINES: usize = 80;

fn is_long(file: &Source) -> bool {
    let manifest: Value = serde_saphyr::from_str(&file.text).unwrap_or_default();
    let groups =
        ["streams", "templates"].map(|group| manifest.get(group).and_then(Value::as_object).map_or(0, Map::len));
    file.text.lines().count() > HEAD_LINES + STREAM_LINES * groups.iter().sum::<usize>()
}

#[test]
fn every_manifest_is_short_enough_to_be_read() {
    let what = format!("more than {STREAM_LINES} lines a stream");
    let finding = |file: Source| Finding::new(&file.path, &what, "leave out columns that nobody promised");
    hold(&manifests().into_iter().filter(is_long).map(finding).collect::<Vec<_>>());
}

#[test]
fn a_stream_that_goes_on_for_ever_is_found() {
    let head = "streams:\n  a:\n    columns:\n".to_owned();
    let column = |number: usize| format!("      c{number}: {{ type: string }}\n");
    let file = |columns: usize| {
        let text = (0..columns).map(column).fold(head.clone(), |text, one| text + &one);
        Source { path: "x.yaml".to_owned(), text }
    };
    assert!(!is_long(&file(130)) && is_long(&file(140)));
}

#[test]
fn what_a_reader_could_not_check_is_found() {
    let text = "
docs: https://example.org/api
http: { limits: [{ requests: 5, per: 1 second }] }
defaults: { window: { settle: 0 } }
streams:
  good:
    docs: https://example.org/good
    key: [id]
    window: { lookback: { assumed: { value: 3 days, because: refunds come late } } }
  bare:
    window: { settle: 5 minutes }
    page_size: { param: limit, value: 100 }
  guess:
    docs: https://example.org/guess
    append_only: true
    window: { lookback: { assumed: { value: 3 days } } }
";
    let file = Source { path: "x.yaml".to_owned(), text: text.to_owned() };
    let found: Vec<String> = judge(&file).into_iter().map(|one| format!("{}: {}", one.place, one.what)).collect();
    assert_eq!(
        found,
        [
            "x.yaml http.limits: a number of the vendor's has no `source`",
            "x.yaml streams.bare: the stream has no `docs`",
            "x.yaml streams.bare: the stream has neither `key` nor `append_only`",
            "x.yaml streams.bare.window.settle: a number of the vendor's has no `source`",
            "x.yaml streams.bare.window: the window does not say `lookback`",
            "x.yaml streams.bare.page_size: a number of the vendor's has no `source`",
            "x.yaml streams.guess.window.lookback: is assumed without a reason",
        ]
    );
}
