//! The generated files are what is generated, and the pages say what a reader needs.

use std::path::{Path, PathBuf};

use super::*;
use crate::verify::{Evidence, VerifiedAll, verify_all};
use crate::{Connector, Library, lint};

fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}

/// What is known now: by the descriptions when files are rewritten, else by the committed file.
fn evidence() -> Evidence {
    let specs = if is_update() { crate::verify::specs_of_tests() } else { None };
    if let Some(VerifiedAll::Done { evidence, .. }) =
        specs.map(|specs| verify_all(&Library::embedded(), &specs).unwrap())
    {
        return evidence;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("evidence.json");
    serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

/// Holds a committed file against what the code generates; `UPDATE=1` rewrites it.
fn hold(file: &str, generated: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if is_update() {
        fs_err::write(&path, generated).unwrap();
        return;
    }
    let kept = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == generated,
        "{file} is out of date: run `UPDATE=1 cargo test -p headwater-connectors generated` and commit it"
    );
}

#[test]
fn the_generated_index_is_what_the_manifests_say() {
    hold("INDEX.md", &index(&Library::embedded(), &evidence()).unwrap());
}

#[test]
fn the_generated_schema_is_what_the_vocabulary_says() {
    let schema = serde_json::to_string_pretty(&crate::manifest::json_schema()).unwrap();
    hold("schema.json", &format!("{schema}\n"));
}

#[test]
fn a_skeleton_parses_and_leaves_named_things_to_find_out() {
    for name in ["Shop", "", "1shop", "a b", "../shop"] {
        assert_eq!(skeleton(name), Err(SkeletonError::BadName { name: name.to_owned() }), "{name}");
    }
    let text = skeleton("my-shop").unwrap();
    let connector =
        Connector::parse(&text, "my-shop.yaml").unwrap_or_else(|error| panic!("{error} {}", error.snippet()));
    assert_eq!((connector.name(), connector.info().title.as_str()), ("my-shop", "My shop"));
    let codes: Vec<&str> = lint::lint(&connector).iter().map(|finding| finding.code).collect();
    let stream = ["docs-missing", "settle-missing", "lookback-missing", "deletes-missing"];
    assert_eq!(codes, [&["docs-missing", "help-missing"][..], &stream[..]].concat());
}

#[test]
fn every_connector_has_a_page_that_names_its_settings_streams_and_columns() {
    for info in Library::embedded().list() {
        let connector = Library::embedded().get(&info.name).unwrap();
        let page = page(&connector).unwrap();
        let heads = page.lines().filter(|line| line.starts_with("### ")).count();
        assert_eq!(heads, info.streams.len() + info.templates.len(), "{page}");
        for setting in connector.settings() {
            assert!(page.contains(&format!("| `{}` |", setting.name)), "{page}");
        }
        assert!(!page.contains("| |\n| |") && page.contains("## Limits"), "{page}");
    }
}

#[test]
fn a_page_says_how_a_window_is_read_and_what_limits_it() {
    let page = page(&Library::embedded().get("stripe").unwrap()).unwrap();
    for part in [
        "- request: `GET /charges`",
        "kind: restating; key: `id`; pagination: last_record_cursor, 100 a page",
        "it can change for: 30 days, assumed: captures and refunds come later",
        "| `currency` | string |",
        "`events` goes back: 30 days",
        "20 requests per 1 second",
        "| `api_key` | required, secret | Dashboard",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}
