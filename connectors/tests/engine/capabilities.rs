//! The page of capabilities: each line names a test that exists, and nothing of the vocabulary is missing on it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use headwater_connectors::manifest::json_schema;
use serde_json::Value;

/// Parts of the vocabulary whose keys or variants stand on the page.
const PARTS: [&str; 24] = [
    "StreamManifest",
    "HttpManifest",
    "WindowManifest",
    "WindowRequest",
    "SlicesManifest",
    "ParentManifest",
    "JobManifest",
    "ChainManifest",
    "FieldsManifest",
    "LookupManifest",
    "ConnectionManifest",
    "ColumnManifest",
    "Quota",
    "Limit",
    "Auth",
    "Grant",
    "BodyManifest",
    "Condition",
    "Action",
    "Wait",
    "Pagination",
    "Feed",
    "DeletesManifest",
    "Check",
];

fn page() -> String {
    fs_err::read_to_string(folder().join("CAPABILITIES.md")).unwrap()
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The cells of each line of the tables of capabilities.
fn lines(page: &str) -> Vec<Vec<String>> {
    let tables = page.split("\n## Left out").next().unwrap();
    let cells = |line: &str| {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|').replace(r"\|", "\u{1}");
        inner.split('|').map(|cell| cell.replace('\u{1}', "|").trim().to_owned()).collect::<Vec<_>>()
    };
    let rows = tables.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id |"));
    rows.map(cells).collect()
}

/// The texts of the files in which a test of this path may stand.
pub(crate) fn files_of(path: &str) -> Vec<String> {
    let (top, parts) = match path.strip_prefix("engine::") {
        Some(rest) => (folder().join("tests/engine"), rest),
        None => (folder().join("src"), path),
    };
    let module = parts.replace("::", "/");
    let read = |path: &Path| fs_err::read_to_string(path).ok();
    let own = module.strip_suffix("/tests").unwrap_or(&module);
    [
        format!("{module}.rs"),
        format!("{module}/mod.rs"),
        format!("{module}/tests.rs"),
        format!("{own}/mod.rs"),
        format!("{own}.rs"),
    ]
    .iter()
    .filter_map(|file| read(&top.join(file)))
    .collect()
}

/// The keys of a part of the schema, or its variants.
fn words_of(part: &Value) -> Vec<String> {
    let mut words: Vec<String> =
        part["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    for variant in ["oneOf", "anyOf"].iter().filter_map(|list| part[*list].as_array()).flatten() {
        words.extend(variant["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()));
        words.extend(variant["const"].as_str().map(str::to_owned));
        words.extend(
            variant["enum"].as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)),
        );
    }
    words
}

#[test]
fn every_line_names_a_test_that_exists() {
    let (page, mut ids) = (page(), BTreeSet::new());
    let lines = lines(&page);
    assert!(lines.len() > 100, "only {} lines were found", lines.len());
    for line in &lines {
        let [id, what, how, test] = line.as_slice() else { panic!("a line has other cells: {line:?}") };
        assert!(ids.insert(id.clone()), "`{id}` stands twice");
        assert!(!what.is_empty() && !how.is_empty(), "{line:?}");
        let (path, name) = test.trim_matches('`').rsplit_once("::").unwrap();
        let files = files_of(path);
        let is_test = |text: &String| text.contains(&format!("fn {name}("));
        assert!(files.iter().any(is_test), "`{id}` names `{test}`, which is in none of {} files", files.len());
    }
}

#[test]
fn every_key_and_variant_of_the_vocabulary_stands_on_the_page() {
    let page = page();
    let written: BTreeSet<String> = lines(&page)
        .iter()
        .flat_map(|line| line[2].split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .flat_map(|code| {
            code.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let schema = json_schema();
    let mut missing = Vec::new();
    for part in PARTS {
        let words = words_of(&schema["$defs"][part]);
        assert!(!words.is_empty(), "the schema has no words for `{part}`");
        missing.extend(words.into_iter().filter(|word| !written.contains(word)).map(|word| format!("{part}.{word}")));
    }
    assert!(missing.is_empty(), "write a line for {}", missing.join(", "));
}
