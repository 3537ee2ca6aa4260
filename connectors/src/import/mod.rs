//! Converts low-code manifests that a user brings into manifests of ours: what they mean, and not how they are written.
//!
//! The components and what they do are those of Airbyte's declarative sources
//! (<https://docs.airbyte.com/platform/connector-development/config-based/understanding-the-yaml-file/yaml-overview>). What is converted sends the same
//! requests and yields the same records; what cannot be said here is named with its line and left out, never guessed.
//!
//! ```text
//! text ─▶ tree (references, parameters) ─▶ convert ─▶ streams ─▶ write ─▶ manifest and report
//!                                             └ jinja ─▶ expression
//! ```

mod auth;
mod columns;
mod convert;
mod decoding;
mod dynamic;
mod errors;
mod expression;
mod fields;
mod jinja;
mod job;
mod lengths;
mod paging;
mod report;
mod request;
mod settings;
mod shape;
mod slices;
mod tree;
mod window;
mod write;

pub use report::{ImportReport, Noted, Outcome};

use headwater_contract::{ErrorKind, Explain};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::connector::Connector;
use crate::draft::{quoted, snake};
use convert::{Convert, Made};

/// An imported manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The connector's name.
    pub name: String,
    /// The manifest.
    pub text: String,
    /// Its streams, those that serve others only left out.
    pub streams: Vec<String>,
    /// What became of each part.
    pub report: ImportReport,
}

impl Import {
    /// Whether something of the original has no counterpart.
    pub fn is_partial(&self) -> bool {
        self.report.count(Outcome::Impossible) > 0
    }
}

/// Why nothing can be imported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// The text is no YAML, or refers to what is not there.
    #[error("`{file}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// It is YAML, and something else.
    #[error("`{file}` is no low-code manifest: it has no `streams`")]
    NotAManifest {
        /// The file.
        file: String,
    },
    /// No stream of it can be converted.
    #[error("no stream of `{file}` can be converted: {reason}")]
    NothingLeft {
        /// The file.
        file: String,
        /// The first reason.
        reason: String,
    },
}

impl Explain for ImportError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "import-unreadable",
            Self::NotAManifest { .. } => "import-no-manifest",
            Self::NothingLeft { .. } => "import-nothing-left",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }

    fn place(&self) -> String {
        match self {
            Self::Unreadable { file, .. } | Self::NotAManifest { file } | Self::NothingLeft { file, .. } => {
                file.clone()
            }
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Unreadable { .. } => "mend the file as the reason says".to_owned(),
            Self::NotAManifest { .. } => "name the `manifest.yaml` of a low-code connector".to_owned(),
            Self::NothingLeft { .. } => {
                "write the manifest by hand: `headwater connectors new` makes the first lines".to_owned()
            }
        }
    }

    fn committed(&self) -> String {
        "nothing was written".to_owned()
    }
}

/// Converts a low-code manifest; `origin` is the file's name, `name` the connector's where the file's folder does not say it.
///
/// # Errors
///
/// [`ImportError`] when the file is no manifest, or nothing of it can be converted. What can't be converted of the rest is in the report.
pub fn import_airbyte(text: &str, origin: &str, name: Option<&str>) -> Result<Import, ImportError> {
    let mut root = tree::read(text, origin)?;
    dynamic::written_out(&mut root);
    let mut convert = Convert::new(&root);
    for dynamic in root.get("dynamic_streams").and_then(Value::as_array).into_iter().flatten() {
        convert.notes.impossible(dynamic, tree::text(dynamic.get("$reason")));
    }
    convert.all();
    let limits = errors::limits(&mut convert, tree::component(&root, "api_budget"));
    let name = name.map_or_else(|| connector_name(origin), str::to_owned);
    let kept: Vec<Made> = convert.made.iter().filter(|made| !made.is_lost).cloned().collect();
    if !kept.iter().any(|made| !made.is_internal) {
        let first = convert.notes.report.of(Outcome::Impossible).next();
        let reason = first.map_or_else(|| "it has none".to_owned(), ToString::to_string);
        return Err(ImportError::NothingLeft { file: origin.to_owned(), reason });
    }
    let spec = tree::component(&root, "spec");
    let docs = spec.map(|spec| tree::text(spec.get("documentation_url"))).unwrap_or_default();
    let text = written(&name, docs, &convert, &kept, limits);
    if let Err(error) = Connector::parse(&text, "the imported manifest") {
        convert.notes.impossible(&root, format!("what came out of it is not complete: {error}"));
    }
    let streams = kept.into_iter().filter(|made| !made.is_internal).map(|made| made.name).collect();
    Ok(Import { name, text, streams, report: convert.notes.report })
}

/// The name of a connector whose file lies in a folder of its name.
fn connector_name(origin: &str) -> String {
    let parts: Vec<&str> = origin.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    let stem = parts.last().and_then(|file| file.split('.').next()).unwrap_or("imported");
    let folder = parts.len().checked_sub(2).and_then(|at| parts.get(at));
    let name = if stem == "manifest" { folder.copied().unwrap_or("imported") } else { stem };
    snake(name.strip_prefix("source-").or_else(|| name.strip_prefix("source_")).unwrap_or(name)).replace('_', "-")
}

/// Keys that all streams may share.
const SHARED: [&str; 13] = [
    "docs",
    "method",
    "headers",
    "params",
    "errors",
    "records",
    "decoding",
    "pagination",
    "page_size",
    "start",
    "deletes",
    "best_effort",
    "may_be_empty",
];

/// The beginning of a manifest: who, and what a project must give.
fn head(name: &str, docs: &str, settings: &Value) -> String {
    let mut text = format!(
        "# {name}: imported from a low-code manifest. Look at every `# confirm:`, then at what `lint` says.\nmanifest: 1\nconnector: {}\ntitle: {}\n",
        quoted(name),
        quoted(&title(name)),
    );
    match docs {
        "" => text.push_str("docs: \"\"  # confirm: the page that describes the API\n"),
        docs => text.push_str(&format!("docs: {}\n", quoted(docs))),
    }
    if settings.as_object().is_some_and(|settings| !settings.is_empty()) {
        text.push_str("\nsettings:\n");
        text.push_str(&write::block(settings, 2));
    }
    text
}

fn written(name: &str, docs: &str, convert: &Convert<'_>, kept: &[Made], limits: Option<Value>) -> String {
    let mut text = head(name, docs, &convert.settings.write());
    let usual = |of: &dyn Fn(&Made) -> String| {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for made in kept.iter().map(of).filter(|value| !value.is_empty()) {
            match counts.iter_mut().find(|(known, _)| *known == made) {
                Some((_, count)) => *count += 1,
                None => counts.push((made, 1)),
            }
        }
        counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(value, _)| value).unwrap_or_default()
    };
    let base = usual(&|made| made.base.clone());
    let auth: Value = serde_json::from_str(&usual(&|made| made.auth.to_string())).unwrap_or_else(|_| "none".into());
    let mut http = Map::new();
    http.insert("base_url".to_owned(), base.clone().into());
    if !convert.values.is_empty() {
        http.insert("values".to_owned(), Value::Object(convert.values.clone()));
    }
    if auth != "none" {
        http.insert("auth".to_owned(), auth.clone());
    }
    let unknown = || write::remarked("not_published", "confirm: the requests that a credential may make");
    http.insert("limits".to_owned(), limits.unwrap_or_else(unknown));
    text.push_str("\nhttp:\n");
    text.push_str(&write::block(&Value::Object(http), 2));
    let mut streams: Vec<(String, Map<String, Value>)> = Vec::new();
    for made in kept {
        let mut fields = Map::new();
        if made.is_internal {
            fields.insert("internal".to_owned(), true.into());
        }
        for (key, value) in &made.fields {
            if key == "path" && made.base != base {
                fields.insert("base_url".to_owned(), made.base.clone().into());
            }
            fields.insert(key.clone(), value.clone());
            if key == "path" && made.auth != auth {
                fields.insert("auth".to_owned(), made.auth.clone());
            }
        }
        if !made.fields.contains_key("path") && made.auth != auth {
            fields.insert("auth".to_owned(), made.auth.clone());
        }
        streams.push((made.name.clone(), fields));
    }
    let defaults = shared(&mut streams);
    if !defaults.is_empty() {
        text.push_str("\ndefaults:\n");
        text.push_str(&write::block(&Value::Object(defaults), 2));
    }
    text.push_str("\nstreams:\n");
    for (at, (name, fields)) in streams.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        text.push_str(&format!("  {}:\n", quoted(name)));
        text.push_str(&write::block(&Value::Object(fields.clone()), 4));
    }
    for lost in convert.made.iter().filter(|made| made.is_lost && !made.is_internal) {
        let line = lost.line.map_or_else(String::new, |line| format!(" (line {line} of the original)"));
        text.push_str(&format!("\n  # confirm: `{}`{line} is left out, the report says why\n", lost.original));
    }
    text
}

/// Takes out of the streams what all of them say.
fn shared(streams: &mut [(String, Map<String, Value>)]) -> Map<String, Value> {
    let mut defaults = Map::new();
    if streams.len() < 2 {
        return defaults;
    }
    for key in SHARED {
        let first = streams.first().and_then(|(_, fields)| fields.get(key)).cloned();
        let Some(first) = first else { continue };
        if streams.iter().all(|(_, fields)| fields.get(key) == Some(&first)) {
            for (_, fields) in streams.iter_mut() {
                fields.shift_remove(key);
            }
            defaults.insert(key.to_owned(), first);
        }
    }
    defaults
}

/// A name as a title.
fn title(name: &str) -> String {
    let words = name.split(['-', '_']).filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    words.map(capital).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
