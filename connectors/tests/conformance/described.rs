//! Answers that are made of a vendor's description: a manifest that says otherwise fails by the name of the check that saw it.
//!
//! The small shop here is described and manifested side by side; one word of the manifest is wrong at a time. Real vendors' descriptions are
//! test data outside the project; where they are absent the test says `skipped: no specs`.

use std::path::{Path, PathBuf};

use headwater_connectors::conformance::{Check, ConformanceOptions, ConformanceReport, Outcome, conformance};
use headwater_connectors::description::Description;
use headwater_connectors::{Connector, Library};
use serde_json::{Value, json};

/// Vendors whose descriptions are small, so that the test stays quick.
const VENDORS: [&str; 4] = ["clickhouse-cloud", "convertkit", "smartrecruiters", "up-bank"];

const MANIFEST: &str = r"
manifest: 1
connector: shop
title: Shop
docs: none
settings: { key: { secret: true, help: h } }
http:
  base_url: https://api.shop.example/v2
  auth: { bearer: key }
  limits: [{ requests: 100, per: 1 second, source: none }]
defaults: { key: [id], deletes: none }
streams:
  orders:
    title: orders
    path: /orders
    records: /data
    kind: mutable
    params: { state: open }
    pagination: { body_token: { param: page_token, token: /next } }
    page_size: { param: limit, value: 100, source: none }
    window: { field: updated_at, length: 1 day, settle: 1 minute, lookback: 0, request: { from: since, until: before } }
    columns:
      id:         { type: int64 }
      updated_at: { type: timestamp }
      paid:       { type: boolean }
      city:       { type: string, path: /address/city, nullable: true }
  searches:
    title: searches
    path: /searches
    method: post
    body: { json: { query: all } }
    records: /hits
    kind: snapshot
    pagination: { offset: { param: /skip, total: /total } }
    columns: { id: { type: string }, rank: { type: float64 } }
";

fn openapi() -> Value {
    let text = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Shop", "version": "2" },
        "servers": [{ "url": "https://api.shop.example/v2" }],
        "paths": {
            "/orders": { "get": {
                "parameters": [
                    text("page_token"),
                    { "name": "since", "in": "query", "required": true, "schema": { "type": "string" } },
                    text("before"),
                    { "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } },
                    { "name": "state", "in": "query", "schema": { "type": "string", "enum": ["open", "closed"] } },
                ],
                "responses": { "200": { "content": { "application/json": { "schema": {
                    "type": "object", "additionalProperties": false, "properties": {
                        "next": { "type": "string", "nullable": true },
                        "data": { "type": "array", "items": { "type": "object", "properties": {
                            "id": { "type": "integer" },
                            "updated_at": { "type": "string", "format": "date-time" },
                            "paid": { "type": "boolean" },
                            "address": { "type": "object", "properties": { "city": { "type": "string" } } },
                        } } },
                    } } } } } },
            } },
            "/searches": { "post": {
                "requestBody": { "content": { "application/json": { "schema": {
                    "type": "object", "required": ["query"], "additionalProperties": false,
                    "properties": { "query": { "type": "string" }, "skip": { "type": "integer" } } } } } },
                "responses": { "200": { "content": { "application/json": { "schema": {
                    "type": "object", "properties": {
                        "total": { "type": "integer" },
                        "hits": { "type": "array", "items": { "type": "object", "properties": {
                            "id": { "type": "string" }, "rank": { "type": "number" } } } },
                    } } } } } },
            } },
        },
    })
}

async fn against(manifest: &str, description: &Value) -> ConformanceReport {
    let connector = Connector::parse(manifest, "shop.yaml").unwrap_or_else(|error| panic!("{error}"));
    let description = Description::parse(description.to_string().as_bytes(), "shop.json").unwrap();
    let options = ConformanceOptions { description: Some(description), ..ConformanceOptions::default() };
    conformance(&connector, options).await
}

/// What the first failing case of a check of a stream found.
fn found(report: &ConformanceReport, stream: &str, check: Check) -> Option<String> {
    let failures = report.failures();
    let (_, _, case) = failures.iter().find(|(known, failed, _)| (*known, *failed) == (stream, check))?;
    match &case.outcome {
        Outcome::Failed { found, .. } => Some(found.clone()),
        Outcome::Passed | Outcome::NotApplicable { .. } => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_that_says_what_the_description_says_passes() {
    let report = against(MANIFEST, &openapi()).await;
    assert!(report.is_good(), "{}", report.text(false));
    assert!(report.streams.iter().all(|stream| stream.is_described && stream.left_out.is_empty()), "{report:?}");
    assert_eq!(report.description.as_deref(), Some("Shop 2 (given)"));
    // Without a description the same manifest proves only the engine, and the report says so.
    let report = conformance(&Connector::parse(MANIFEST, "shop.yaml").unwrap(), ConformanceOptions::default()).await;
    assert!(report.is_good() && report.text(false).contains("proves the engine"), "{}", report.text(false));
}

/// One word of the manifest is wrong; the check that fails by name, and a word of what it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_that_contradicts_the_description_fails_by_name() {
    for (right, wrong, stream, check, says) in [
        ("records: /data", "records: /orders", "orders", Check::Columns, "no records at `/orders`"),
        ("token: /next", "token: /paging/next", "orders", Check::Pages, "records"),
        ("param: page_token", "param: cursor", "orders", Check::Pages, "`cursor` is no parameter"),
        ("until: before", "until: until", "orders", Check::Pages, "`until` is no parameter"),
        ("from: since, until: before", "from: before", "orders", Check::Pages, "`since` is required"),
        ("value: 100", "value: 250", "orders", Check::Pages, "above the most of 100"),
        ("state: open", "state: opened", "orders", Check::Pages, "none of open, closed"),
        ("paid:       { type: boolean }", "paid: { type: int64 }", "orders", Check::Columns, "true"),
        ("path: /address/city", "path: /address/town", "orders", Check::Columns, "/address/town"),
        ("total: /total", "total: /count", "searches", Check::Pages, "/count"),
        ("param: /skip", "param: /offset", "searches", Check::Pages, "takes no `offset`"),
        ("{ query: all }", "{ text: all }", "searches", Check::Pages, "`query`, which is required"),
    ] {
        assert!(MANIFEST.contains(right), "{right}");
        let report = against(&MANIFEST.replacen(right, wrong, 1), &openapi()).await;
        let found = found(&report, stream, check);
        assert!(found.as_ref().is_some_and(|found| found.contains(says)), "{wrong}: {found:?}\n{}", report.text(false));
    }
}

/// What the description says nothing of is answered as the manifest has it, and the report says that the stream is not described.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_described_is_said_to_be_none() {
    let mut description = openapi();
    description["paths"].as_object_mut().unwrap().remove("/searches");
    let report = against(MANIFEST, &description).await;
    assert!(report.is_good(), "{}", report.text(false));
    let described: Vec<bool> = report.streams.iter().map(|stream| stream.is_described).collect();
    assert_eq!(described, [true, false]);
    assert!(report.text(false).contains("the description does not have its operation"));
}

/// The folder of descriptions: `HEADWATER_SPECS`, else beside the checkout.
fn specs() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs");
    let folder = std::env::var_os("HEADWATER_SPECS").map_or(beside, PathBuf::from);
    folder.join("slim").is_dir().then_some(folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vendors_pass_against_their_own_descriptions() {
    let Some(specs) = specs() else {
        eprintln!("skipped: no specs");
        return;
    };
    for vendor in VENDORS {
        let description = Description::open(&specs.join(format!("slim/{vendor}.json.gz"))).unwrap();
        let options = ConformanceOptions { description: Some(description), ..ConformanceOptions::default() };
        let report = conformance(&Library::embedded().get(vendor).unwrap(), options).await;
        assert!(report.is_good(), "{}", report.text(false));
        assert!(report.streams.iter().any(|stream| stream.is_described), "{}", report.text(false));
    }
}
