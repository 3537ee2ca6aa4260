//! A small shop described in both standards, and one wrong word at a time in its manifest.

use serde_json::json;

use super::*;
use crate::Connector;

const MANIFEST: &str = r#"
manifest: 1
connector: shop
title: Shop
docs: https://shop.example/docs
settings: { start_on: { type: date, default: 2024-01-01, help: h }, account: { type: list, help: h } }
http: { base_url: "https://api.shop.example/v2" }
streams:
  orders:
    title: Orders
    docs: https://shop.example/docs/orders
    path: /accounts/{account}/orders
    slices: { setting: account, as: account }
    params: { state: open, "expand[lines]": all }
    records: /data/orders
    key: [id]
    kind: restating
    pagination: { body_token: { param: page_token, token: /next, more: /has_more } }
    page_size: { param: limit, value: 100, source: s }
    start: start_on
    window:
      field: created_at
      request: { from: "created[gte]", until: "created[lt]" }
      settle: 0
      lookback: 0
    deletes: none
    columns:
      id: { type: int64 }
      created_at: { type: timestamp }
      note: { type: string, nullable: true }
      city: { type: string, path: /address/city, nullable: true }
      extra: { type: json, nullable: true }
"#;

fn connector(from: &str, to: &str) -> Connector {
    assert!(MANIFEST.contains(from), "{from}");
    Connector::parse(&MANIFEST.replacen(from, to, 1), "shop.yaml").unwrap()
}

fn openapi() -> serde_json::Value {
    json!({
        "openapi": "3.0.0", "info": { "title": "Shop", "version": "2" }, "servers": [{ "url": "https://api.shop.example/v2" }],
        "paths": {
            "/accounts/{account_id}/orders": { "get": {
                "parameters": [
                    { "$ref": "#/components/parameters/limit" },
                    { "name": "page_token", "in": "query", "schema": { "type": "string" } },
                    { "name": "state", "in": "query", "schema": { "type": "string", "enum": ["open", "closed"] } },
                    { "name": "expand", "in": "query", "style": "deepObject", "schema": { "type": "object", "additionalProperties": true } },
                    { "name": "created", "in": "query", "style": "deepObject", "schema": { "anyOf": [
                        { "type": "object", "properties": { "gte": { "type": "string" }, "lt": { "type": "string" } } }, { "type": "string" }] } },
                    { "name": "trace", "in": "header", "schema": { "type": "string" } },
                ],
                "responses": { "200": { "content": { "application/json": { "schema": {
                    "type": "object", "properties": {
                        "has_more": { "type": "boolean" }, "next": { "type": "string", "nullable": true },
                        "data": { "type": "object", "properties": { "orders": { "type": "array", "items": { "$ref": "#/components/schemas/order" } } } },
                    } } } } } },
            } },
            "/accounts/{account_id}/refunds": { "get": { "responses": {} } },
            "/accounts/{account_id}": { "get": { "responses": {} } },
        },
        "components": {
            "parameters": { "limit": { "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } } },
            "schemas": { "order": { "allOf": [{ "properties": { "id": { "type": "integer" } } }, { "type": "object", "properties": {
                "created_at": { "type": "string", "format": "date-time" },
                "note": { "type": "string", "nullable": true },
                "parent": { "$ref": "#/components/schemas/order" },
                "address": { "type": "object", "properties": { "city": { "type": "string" } } },
                "extra": { "type": "object", "additionalProperties": true },
            } }] } },
        },
    })
}

fn shop(provenance: &str) -> Description {
    let text = json!({ "vendor": "shop", "provenance": provenance, "apis": [{ "doc": openapi() }] }).to_string();
    Description::parse(text.as_bytes(), "shop.json").unwrap()
}

/// The verdict on the facts of one kind when one text of the manifest is replaced.
fn verdict(kind: FactKind, from: &str, to: &str) -> Verdict {
    let report = verify(&connector(from, to), &shop("vendor")).unwrap();
    let facts = report.streams[0].facts.iter().filter(|fact| fact.kind == kind);
    // Contradicted weighs most, then not covered.
    facts
        .map(|fact| fact.verdict)
        .max_by_key(|verdict| match verdict {
            Verdict::Contradicted => 2,
            Verdict::NotCovered => 1,
            Verdict::Found => 0,
        })
        .unwrap()
}

#[test]
fn a_wrong_fact_is_contradicted() {
    for (kind, from, to) in [
        (FactKind::Path, "}/orders\n", "}/order\n"),
        (FactKind::Method, "    records:", "    method: post\n    records:"),
        (FactKind::Window, "created[gte]", "created[from]"),
        (FactKind::Window, "created[gte]", "made[gte]"),
        (FactKind::Paging, "param: page_token", "param: token"),
        (FactKind::Paging, "param: page_token", "param: /page_token"),
        (FactKind::Paging, "param: page_token", "param: Page_Token"),
        (FactKind::Filter, "state: open", "trace: open"),
        (FactKind::PageSize, "value: 100", "value: 250"),
        (FactKind::PageSize, "value: 100", "value: max"),
        (FactKind::Filter, "state: open", "state: paid"),
        (FactKind::Filter, "state: open", "status: open"),
        (FactKind::Records, "records: /data/orders", "records: /data"),
        (FactKind::Records, "records: /data/orders", "records: /data/rows"),
        (FactKind::Records, "records: /data/orders", "records: { each: { at: /data/orders } }"),
        (FactKind::Records, "records: /data/orders", "records: /data/*/id"),
        (FactKind::PagingAnswer, "token: /next", "token: /next_token"),
        (FactKind::PagingAnswer, "more: /has_more", "more: /next"),
        (FactKind::Key, "      id: { type: int64 }", "      id: { type: int64, path: /uid }"),
        (FactKind::Cursor, "created_at: { type: timestamp }", "created_at: { type: timestamp, path: /created }"),
        (
            FactKind::CursorType,
            "created_at: { type: timestamp }",
            "created_at: { type: timestamp, format: unix_seconds }",
        ),
        (FactKind::Column, "id: { type: int64 }", "id: { type: string }"),
        (FactKind::Column, "note: { type: string, nullable: true }", "note: { type: string }"),
        (FactKind::Column, "path: /address/city", "path: /address/town"),
    ] {
        assert_eq!(verdict(kind, from, to), Verdict::Contradicted, "{to}");
    }
}

#[test]
fn what_the_description_does_not_say_is_not_covered() {
    for (kind, from, to) in [
        (FactKind::Path, "/accounts/{account}/orders", "/customers/{account}/orders"),
        (FactKind::Path, "shop.example/v2", "shop.example/v3"),
        (FactKind::Path, "/accounts/{account}/orders", "/accounts/{account}/orders/all"),
        (FactKind::Filter, "state: open", "\"expand[rows]\": all"),
        (
            FactKind::Column,
            "extra: { type: json, nullable: true }",
            "extra: { type: string, path: /extra/any, nullable: true }",
        ),
    ] {
        assert_eq!(verdict(kind, from, to), Verdict::NotCovered, "{to}");
    }
}

#[test]
fn who_describes_decides_how_far_a_stream_is_known() {
    let whole = connector("\"expand[lines]\": all", "limit: 7");
    let standing = |provenance: &str| verify(&whole, &shop(provenance)).unwrap().streams[0].standing;
    for (provenance, expected) in [
        ("vendor", Standing::Verified),
        ("vendor-via-guru", Standing::Verified),
        ("mirror-derived", Standing::CrossChecked),
        ("community", Standing::CrossChecked),
    ] {
        assert_eq!(standing(provenance), expected, "{provenance}");
    }
    let report = verify(&connector("}/orders\n", "}/order\n"), &shop("vendor")).unwrap();
    assert_eq!(report.streams[0].standing, Standing::Documented);
    let partial = verify(&connector("}/orders\n", "}/order\n"), &shop("vendor-harvested")).unwrap();
    assert_eq!(partial.streams[0].facts[0].verdict, Verdict::NotCovered);
}

#[test]
fn a_changed_manifest_reads_unverified() {
    let whole = connector("\"expand[lines]\": all", "limit: 7");
    let report = verify(&whole, &shop("vendor")).unwrap();
    let mut evidence = Evidence::default();
    let docs = "https://shop.example/docs/orders";
    assert_eq!(evidence.standing(&whole, "orders", docs), Standing::Documented);
    assert_eq!(evidence.standing(&whole, "orders", "a page that I know"), Standing::Unverified);
    evidence.connectors.insert("shop".into(), ConnectorEvidence::from(&report));
    assert_eq!(evidence.standing(&whole, "orders", docs), Standing::Verified);
    let changed = connector("\"expand[lines]\": all", "limit: 8");
    assert_eq!(evidence.standing(&changed, "orders", docs), Standing::Unverified);
    let read: Evidence = serde_json::from_str(&evidence.to_text().unwrap()).unwrap();
    assert_eq!(read, evidence);
}

/// An export is judged by the request that orders it; what it downloads is a file, of which a description says nothing.
#[test]
fn an_export_is_judged_by_its_order() {
    let text = MANIFEST
        .replace("    path: /accounts/{account}/orders\n", concat!(
            "    path: /files/{file}\n    job:\n",
            "      create: { method: get, path: \"/accounts/{account}/orders\", params: { status: done }, fields: { job: /id } }\n",
            "      poll: { path: \"/jobs/{job}\", state: /state }\n",
            "      states: { running: [busy], completed: [done], failed: [lost] }\n",
            "      fields: { file: /file }\n",
        ))
        .replace("    params: { state: open, \"expand[lines]\": all }\n", "");
    let connector = Connector::parse(&text, "shop.yaml").unwrap_or_else(|error| panic!("{error} {}", error.snippet()));
    let report = verify(&connector, &shop("vendor")).unwrap();
    let stream = &report.streams[0];
    let of = |kind: FactKind| {
        stream.facts.iter().filter(|fact| fact.kind == kind).map(|fact| fact.verdict).collect::<Vec<_>>()
    };
    assert_eq!((of(FactKind::Path), of(FactKind::Method)), (vec![Verdict::Found], vec![Verdict::Found]));
    assert_eq!((of(FactKind::Window), of(FactKind::Filter)), (vec![Verdict::Found; 2], vec![Verdict::Contradicted]));
    assert_eq!((of(FactKind::Records), of(FactKind::PagingAnswer)), (vec![Verdict::NotCovered], Vec::new()));
}

/// The same shop in Swagger 2.0 gives the same verdicts.
#[test]
fn both_standards_read_alike() {
    let swagger = r##"{ "swagger": "2.0", "host": "api.shop.example", "basePath": "/v2", "paths": {
        "/accounts/{id}/orders": { "parameters": [{ "name": "state", "in": "query", "type": "string" }], "get": {
            "parameters": [{ "name": "limit", "in": "query", "type": "integer", "maximum": 50 }],
            "responses": { "200": { "schema": { "properties": { "data": { "properties": { "orders": { "type": "array",
                "items": { "$ref": "#/definitions/order" } } } } } } } } } } },
        "definitions": { "order": { "properties": { "id": { "type": "integer" } } } } }"##;
    let report =
        verify(&connector("state: open", "state: open"), &Description::parse(swagger.as_bytes(), "s.json").unwrap())
            .unwrap();
    let stream = &report.streams[0];
    let of = |kind: FactKind| stream.facts.iter().find(|fact| fact.kind == kind).unwrap();
    assert_eq!(of(FactKind::Path).verdict, Verdict::Found);
    assert_eq!(
        of(FactKind::Records).place.as_deref(),
        Some("#/paths/~1accounts~1{id}~1orders/get/responses/200/schema/properties/data/properties/orders")
    );
    assert_eq!(of(FactKind::Key).place.as_deref(), Some("#/definitions/order/properties/id"));
    assert_eq!(of(FactKind::Filter).verdict, Verdict::Found);
    assert_eq!(
        (of(FactKind::PageSize).verdict, of(FactKind::Cursor).verdict),
        (Verdict::Contradicted, Verdict::Contradicted)
    );
    assert_eq!(stream.document.as_ref().unwrap().date, "undated");
}

#[test]
fn the_table_names_every_fact_and_sums_up() {
    let report = verify(&connector("limit, value: 100", "limit, value: 500"), &shop("vendor")).unwrap();
    let table = report.table(false);
    assert!(table.contains("it takes at most 100, not 500 (#/components/parameters/limit)"), "{table}");
    assert!(table.contains("columns       found        5 of 5"), "{table}");
    assert!(table.ends_with("found, 1 contradicted, 1 not covered\n"), "{table}");
    assert!(report.table(true).contains("note: string"));
}

/// The shop a year later: what its description changed, as far as our stream goes.
#[test]
fn a_newer_description_shows_what_changed_for_our_streams() {
    let mut later = openapi();
    let order = &mut later["components"]["schemas"]["order"]["allOf"];
    order[0]["properties"]["id"]["type"] = json!("string");
    let fields = order[1]["properties"].as_object_mut().unwrap();
    fields.remove("note");
    fields.insert("tags".into(), json!({ "type": "array", "items": {} }));
    fields["extra"]["deprecated"] = json!(true);
    fields["parent"]["type"] = json!("object");
    let get = &mut later["paths"]["/accounts/{account_id}/orders"]["get"];
    get["parameters"].as_array_mut().unwrap().retain(|one| one["name"] != "state" && one["name"] != "trace");
    let describe = |doc: serde_json::Value| Description::parse(doc.to_string().as_bytes(), "shop.json").unwrap();
    let whole = connector("state: open", "state: open");
    let shown = |later: serde_json::Value| -> Vec<String> {
        let changes = drift(&whole, &describe(openapi()), &describe(later)).unwrap();
        changes
            .iter()
            .map(|one| format!("{} {}{}", one.subject, one.change, if one.is_ours { "!" } else { "" }))
            .collect()
    };
    assert_eq!(
        shown(later.clone()),
        [
            "field /extra deprecated!",
            "field /id retyped from integer to string!",
            "field /note removed!",
            "parameter state removed!",
            "parameter trace removed",
            "field /tags added",
        ]
    );
    later["paths"]["/accounts/{account_id}/orders"]["get"]["deprecated"] = json!(true);
    assert_eq!(shown(later.clone())[0], "operation deprecated!");
    later["paths"].as_object_mut().unwrap().remove("/accounts/{account_id}/orders");
    assert_eq!(shown(later), ["operation removed!"]);
    assert_eq!(shown(openapi()), Vec::<String>::new());
}

#[test]
fn a_version_that_ends_is_said_in_time() {
    let day = |text: &str| text.parse::<chrono::NaiveDate>().unwrap();
    let text = MANIFEST.replacen(
        "docs: https://shop.example/docs\n",
        "docs: d\napi: { version: v2, sunset: 2026-06-01, source: s }\n",
        1,
    );
    let dying = Connector::parse(&text, "shop.yaml").unwrap();
    let left = |today: &str| sunset(dying.manifest(), day(today), 90).map(|sunset| sunset.days_left);
    assert_eq!(
        (left("2026-01-01"), left("2026-05-31"), left("2026-06-01"), left("2026-07-01")),
        (None, Some(1), Some(0), Some(-30))
    );
    assert!(sunset(dying.manifest(), day("2026-07-01"), 0).unwrap().to_string().contains("ended on 2026-06-01"));
    assert_eq!(sunset(connector("state: open", "state: open").manifest(), day("2026-07-01"), 90), None);
}

#[test]
fn a_slip_of_the_description_that_is_linked_leaves_the_fact_uncovered_and_never_found() {
    let text = MANIFEST.replacen("limit, value: 100", "limit, value: 500", 1);
    let with_slip = |name: &str| {
        let slip =
            format!("    errata: {{ {name}: {{ because: they raised it, source: https://shop.example/news }} }}\n");
        let text = text.replacen("    deletes: none\n", &(slip + "    deletes: none\n"), 1);
        let report = verify(&Connector::parse(&text, "shop.yaml").unwrap(), &shop("vendor")).unwrap();
        let facts = report.streams[0].facts.clone();
        facts.into_iter().find(|fact| fact.kind == FactKind::PageSize).unwrap()
    };
    let linked = with_slip("limit");
    assert_eq!(linked.verdict, Verdict::NotCovered);
    assert!(linked.reason.contains("they raised it") && linked.reason.contains("https://shop.example/news"));
    assert_eq!(with_slip("state").verdict, Verdict::Contradicted, "a slip of another fact excuses nothing");
}
