//! What a manifest that does not fit says: file, line, what is wrong, what may stand there.

use headwater_contract::Explain;

use super::*;
use crate::{Connector, Library};

fn stripe() -> String {
    Library::embedded_texts().find(|(file, _)| *file == "stripe.yaml").unwrap().1.to_owned()
}

/// The error of the Stripe manifest with one text replaced.
fn broken(from: &str, to: &str) -> ManifestError {
    let text = stripe();
    assert!(text.contains(from), "{from}");
    Connector::parse(&text.replacen(from, to, 1), "stripe.yaml").unwrap_err()
}

fn line_of(text: &str, part: &str) -> u64 {
    text.lines().position(|line| line.contains(part)).unwrap() as u64 + 1
}

#[test]
fn a_typo_names_line_column_and_the_allowed_names() {
    for (from, to, allowed) in [
        ("    path: /charges", "    pth: /charges", "path"),
        ("last_record_cursor: {", "last_record_cursr: {", "last_record_cursor"),
        ("param: starting_after", "parm: starting_after", "param"),
        ("kind: restating", "kind: restatin", "restating"),
        ("{ bearer: api_key }", "{ barer: api_key }", "bearer"),
        ("check: currency_code", "check: currency_cod", "currency_code"),
        ("amount:          { type: int64", "amount:          { type: int", "int64"),
        ("length: 1 day", "length: 1", "1 day"),
        ("requests: 20", "requests: many", "whole number"),
    ] {
        let error = broken(from, to);
        let ManifestError::Unreadable { line, column, reason, .. } = &error else { panic!("{error:?}") };
        let changed = stripe().replacen(from, to, 1);
        assert_eq!(*line, line_of(&changed, to.trim()), "{to}: {error}");
        assert!(*column > 0 && (reason.contains(allowed) || error.snippet().contains(allowed)), "{to}: {reason}");
        assert!(error.place().starts_with(&format!("stripe.yaml:{line}:")), "{}", error.place());
        assert!(error.snippet().contains(to.trim().split(' ').next().unwrap()), "{}", error.snippet());
    }
}

#[test]
fn what_is_missing_or_contradictory_names_its_key_and_what_to_write() {
    for (from, to, path) in [
        ("    path: /charges\n", "", "streams.charges.path"),
        ("  key: [id]\n", "", "streams.charges.key"),
        ("  key: [id]\n", "  key: [idd]\n", "streams.charges.key"),
        ("      field: created\n", "", "streams.charges.window.field"),
        ("      field: created\n", "      field: amount\n", "streams.charges.window.field"),
        ("    path: /charges\n", "    path: /{account}/charges\n", "streams.charges.path"),
        ("    kind: restating", "    kind: chain", "streams.charges.window"),
        ("  start: start_on\n", "  start: begin_on\n", "streams.charges.start"),
        ("{ bearer: api_key }", "{ bearer: token }", "http.auth"),
    ] {
        let error = broken(from, to);
        let ManifestError::Incomplete { path: found, line, fix, .. } = &error else { panic!("{error:?}") };
        assert_eq!(found, path, "{error}");
        assert!(line.is_some() && !fix.is_empty(), "{error}");
    }
    assert!(matches!(broken("manifest: 1", "manifest: 2"), ManifestError::Version { found: 2, line: Some(2), .. }));
}

/// Editors complete from the schema, so what it refuses must be what the engine refuses.
#[test]
fn the_schema_names_every_key() {
    let schema = json_schema().to_string();
    for key in ["starting_at", "no_such_key"] {
        assert!(!schema.contains(&format!("\"{key}\"")), "{key}");
    }
    for key in [
        "base_url",
        "last_record_cursor",
        "advancing_from",
        "settle",
        "not_published",
        "key_list",
        "struct",
        "unnest",
        "best_effort",
    ] {
        assert!(schema.contains(&format!("\"{key}\"")), "{key}");
    }
}

#[test]
fn a_stream_goes_without_the_defaults_that_it_names() {
    let text = "
manifest: 1
connector: shop
title: Shop
docs: none
http: { base_url: https://shop.example.com, auth: none, limits: not_published }
settings: { shops: { type: list, help: h } }
defaults:
  records: /data
  key: [id]
  kind: snapshot
  deletes: none
  slices: { setting: shops, as: shop }
  params: { shop: '{shop}' }
  page_size: { param: limit, value: 100, source: s }
  pagination: { offset: { param: skip } }
  columns: { id: { type: int64 }, name: { type: string } }
streams:
  orders: { title: t, path: /orders }
  regions: { title: t, path: /regions, without: [slices, params, page_size, pagination] }
  lines: { title: t, path: /lines, without: [key], append_only: true }
";
    let connector = Connector::parse(text, "shop.yaml").unwrap_or_else(|error| panic!("{error}"));
    let streams = connector.complete(&std::collections::BTreeMap::new()).unwrap();
    let facts = |name: &str| {
        let stream = streams.iter().find(|stream| stream.name == name).unwrap();
        let size = stream.request.page_size.is_some();
        (stream.slices.is_some(), stream.request.params.is_empty(), size, stream.key().to_vec())
    };
    assert_eq!(facts("orders"), (true, false, true, vec!["id".to_owned()]));
    assert_eq!(facts("regions"), (false, true, false, vec!["id".to_owned()]));
    assert_eq!(facts("lines"), (true, false, true, Vec::new()));
    assert!(Connector::parse(&text.replace("without: [key]", "without: [path]"), "shop.yaml").is_err());
}
