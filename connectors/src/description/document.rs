//! Documents: files that hold one description, or several of one vendor with a word on where each comes from.
//!
//! A vendor's documents stay apart, because the same path can mean different things in two of them.

use std::fmt;
use std::io::Read;
use std::path::Path;

use headwater_contract::{Digest16, ErrorKind, Explain};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::node::Node;
use super::operation::Operation;

/// The largest description that is read, unpacked.
const DESCRIPTION_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Values in a YAML description, an order of magnitude above the largest that is published.
const YAML_VALUES_MAX: usize = 20_000_000;

/// Why a description cannot be used.
#[derive(Debug, Error)]
pub enum DescriptionError {
    /// The file cannot be opened or unpacked.
    #[error("cannot read the API description `{file}`: {reason}")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// Neither JSON nor YAML.
    #[error("the API description `{file}` is neither JSON nor YAML: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the parser said.
        reason: String,
    },
    /// Readable, but nothing in it describes a path.
    #[error("`{file}` describes no path")]
    NoPaths {
        /// The file.
        file: String,
    },
}

impl Explain for DescriptionError {
    fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "description-file",
            Self::Unreadable { .. } => "description-unreadable",
            Self::NoPaths { .. } => "description-empty",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }

    fn place(&self) -> String {
        match self {
            Self::File { file, .. } | Self::Unreadable { file, .. } | Self::NoPaths { file } => file.clone(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::File { .. } => "check the file and its permissions".to_owned(),
            Self::Unreadable { .. } => "give an OpenAPI or Swagger document in JSON or YAML".to_owned(),
            Self::NoPaths { .. } => "give the document that has `paths:`, not a part of it".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing was read from a source and nothing was written".to_owned()
    }
}

/// Who vouches for a description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Provenance(String);

impl Provenance {
    /// `vendor…` is the vendor's own; `mirror…` and `community…` were written or kept by others.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the vendor wrote it.
    pub fn is_of_the_vendor(&self) -> bool {
        self.0.starts_with("vendor")
    }

    /// Whether it was gathered from parts, so that what is absent may exist all the same.
    pub fn is_partial(&self) -> bool {
        self.0.contains("harvested") || self.0.contains("ppc") || self.0.contains("derived")
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that is known of one vendor's API.
#[derive(Clone, Debug)]
pub struct Description {
    /// The vendor's name, or the file's.
    pub vendor: String,
    /// What the product is for.
    pub category: Option<String>,
    /// Who vouches for it.
    pub provenance: Provenance,
    /// Digest of the bytes that were read, unpacked.
    pub digest: Digest16,
    /// The documents.
    pub documents: Vec<Document>,
}

/// One `OpenAPI` or Swagger document.
#[derive(Clone, Debug)]
pub struct Document {
    root: Value,
    /// The title that it gives itself.
    pub title: String,
    /// The version that it gives itself.
    pub version: String,
    /// The day it was published, where that is known.
    pub date: Option<String>,
    /// Where it was found.
    pub source: Option<String>,
    paths: Vec<PathEntry>,
}

/// A described path, cut into segments once.
#[derive(Clone, Debug)]
pub struct PathEntry {
    /// The key under `paths`.
    pub key: String,
    /// Its segments without query and fragment; names in braces are `{}`.
    pub segments: Vec<String>,
}

impl PathEntry {
    fn new(key: &str) -> Self {
        Self { key: key.to_owned(), segments: segments(key) }
    }
}

/// The segments of a path, with every placeholder written `{}`.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split('/').filter(|segment| !segment.is_empty()).map(without_names).collect()
}

fn without_names(segment: &str) -> String {
    let (mut out, mut rest) = (String::new(), segment);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str("{}");
        rest = after;
    }
    out.push_str(rest);
    out
}

impl Description {
    /// Reads a description from a file, packed with gzip or not.
    ///
    /// # Errors
    ///
    /// [`DescriptionError`] when the file cannot be read or describes no path.
    pub fn open(path: &Path) -> Result<Self, DescriptionError> {
        let file = path.display().to_string();
        let error = |reason: std::io::Error| DescriptionError::File { file: file.clone(), reason: reason.to_string() };
        let packed = fs_err::read(path).map_err(error)?;
        let mut bytes = Vec::new();
        if packed.starts_with(&[0x1f, 0x8b]) {
            let mut reader = flate2::read::MultiGzDecoder::new(packed.as_slice()).take(DESCRIPTION_BYTES_MAX);
            reader.read_to_end(&mut bytes).map_err(error)?;
        } else {
            bytes = packed;
        }
        Self::parse(&bytes, &file)
    }

    /// Reads a description: a document, or several of one vendor under `apis`; `origin` is the file's name.
    ///
    /// # Errors
    ///
    /// [`DescriptionError::Unreadable`] and [`DescriptionError::NoPaths`].
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, DescriptionError> {
        let digest = Digest16::of(bytes);
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}');
        let mut root: Value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| error.to_string())
        } else {
            yaml(text)
        }
        .map_err(|reason| DescriptionError::Unreadable { file: origin.to_owned(), reason })?;
        let said = |key: &str| root.get(key).and_then(Value::as_str).map(str::to_owned);
        let stem = Path::new(origin).file_name().and_then(|name| name.to_str()).unwrap_or(origin);
        let stem = stem.split('.').next().unwrap_or(stem);
        let vendor = said("vendor").unwrap_or_else(|| stem.to_owned());
        let category = said("category");
        let provenance = Provenance(said("provenance").unwrap_or_else(|| "given".to_owned()));
        let documents: Vec<Document> = match root.get_mut("apis").map(Value::take) {
            Some(Value::Array(apis)) => apis.into_iter().filter_map(Document::of_api).collect(),
            _ => Document::new(root, None, None).into_iter().collect(),
        };
        if documents.is_empty() {
            return Err(DescriptionError::NoPaths { file: origin.to_owned() });
        }
        Ok(Self { vendor, category, provenance, digest, documents })
    }
}

fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        budget: serde_saphyr::budget! {
            max_nodes: YAML_VALUES_MAX,
            max_events: YAML_VALUES_MAX * 3,
            max_depth: 256,
            enforce_alias_anchor_ratio: false,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.without_snippet().to_string())
}

impl Document {
    fn of_api(mut api: Value) -> Option<Self> {
        let root = api.get_mut("doc").map(Value::take)?;
        let source = api.get("source");
        let said = |key: &str| source.and_then(|source| source.get(key)).and_then(Value::as_str);
        let date = said("date").map(str::to_owned);
        let place = [said("repo"), said("path")].into_iter().flatten().collect::<Vec<_>>().join(":");
        Self::new(root, date, Some(place).filter(|place| !place.is_empty()))
    }

    fn new(root: Value, date: Option<String>, source: Option<String>) -> Option<Self> {
        let paths: Vec<PathEntry> = root.get("paths")?.as_object()?.keys().map(|key| PathEntry::new(key)).collect();
        let said = |key: &str| match root.get("info").and_then(|about| about.get(key)) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let (title, version) = (said("title"), said("version"));
        Some(Self { root, title, version, date, source, paths })
    }

    /// The document's top.
    pub fn top(&self) -> Node<'_> {
        Node::root(&self.root)
    }

    /// The described paths, in order.
    pub fn paths(&self) -> &[PathEntry] {
        &self.paths
    }

    /// The operations of a path.
    pub fn operations<'a>(&'a self, path: &'a PathEntry) -> Vec<Operation<'a>> {
        let Some(item) = self.top().get("paths").and_then(|paths| paths.child(&path.key)) else { return Vec::new() };
        let of_method = |method| {
            let node = item.child(method).filter(|node| node.value().is_object())?;
            Some(Operation::new(&path.key, method, item.clone(), node))
        };
        ["get", "post", "put", "patch", "delete"].into_iter().filter_map(of_method).collect()
    }

    /// The URLs under which all paths stand; empty when the document does not say.
    pub fn servers(&self) -> Vec<String> {
        let top = self.top();
        let listed = server_urls(&top);
        if !listed.is_empty() {
            return listed;
        }
        // Swagger 2.0 says it in three parts.
        let base = top.text("basePath").unwrap_or_default();
        match top.text("host") {
            Some(host) => vec![format!("https://{host}{base}")],
            None if !base.is_empty() => vec![base.to_owned()],
            None => Vec::new(),
        }
    }

    /// The declared ways to prove who asks: name and declaration.
    pub fn security_schemes(&self) -> Vec<(&str, Node<'_>)> {
        let top = self.top();
        let declared = top.child("components").and_then(|parts| parts.child("securitySchemes"));
        let declared = declared.or_else(|| top.child("securityDefinitions"));
        declared
            .map(|schemes| schemes.members())
            .unwrap_or_default()
            .into_iter()
            .map(|(name, node)| (name, node.followed()))
            .collect()
    }
}

/// The URLs under `servers`, with the defaults of their variables filled in.
pub(super) fn server_urls(node: &Node<'_>) -> Vec<String> {
    let servers = node.get("servers").map(|servers| servers.elements()).unwrap_or_default();
    let url_of = |server: &Node<'_>| {
        let mut url = server.text("url")?.trim().to_owned();
        for (name, variable) in server.get("variables").map(|variables| variables.members()).unwrap_or_default() {
            if let Some(default) = variable.text("default").filter(|default| !default.is_empty()) {
                url = url.replace(&format!("{{{name}}}"), default);
            }
        }
        Some(url)
    };
    servers.iter().filter_map(url_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_description() {
        let read = |text: &str| Description::parse(text.as_bytes(), "x.json").map(|_| ()).unwrap_err();
        assert!(matches!(read("{"), DescriptionError::Unreadable { .. }));
        assert!(matches!(read("a: [b"), DescriptionError::Unreadable { .. }));
        assert!(matches!(read("{\"openapi\":\"3.0.0\"}"), DescriptionError::NoPaths { .. }));
    }

    #[test]
    fn reads_one_document_or_several_of_a_vendor() {
        let one = Description::parse(b"swagger: '2.0'\nhost: a.b\nbasePath: /v2\npaths:\n  /x: {}\n", "/t/shop.yaml")
            .unwrap();
        assert_eq!((one.vendor.as_str(), one.documents[0].servers()), ("shop", vec!["https://a.b/v2".to_owned()]));
        let text = r#"{"vendor":"v","provenance":"mirror","apis":[{"source":{"repo":"r","date":"2026-01-02"},
            "doc":{"info":{"title":"T","version":1.5},"paths":{"/a/{id}.json?x=1":{}}}},{"doc":{}}]}"#;
        let several = Description::parse(text.as_bytes(), "x").unwrap();
        let document = &several.documents[0];
        assert_eq!(
            (several.documents.len(), document.version.as_str(), document.date.as_deref()),
            (1, "1.5", Some("2026-01-02"))
        );
        assert_eq!(document.paths()[0].segments, ["a", "{}.json"]);
        assert!(!several.provenance.is_of_the_vendor());
    }
}
