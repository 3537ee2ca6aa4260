//! Drafts of a small description, line by line, and of every description there is.

#![expect(clippy::print_stdout, reason = "what was measured is part of the outcome")]

use serde_json::{Value, json};

use super::*;
use crate::{Connector, lint};

fn shop() -> Value {
    let page = json!({ "name": "page", "in": "query", "schema": { "type": "integer" } });
    let size = json!({ "name": "per_page", "in": "query", "schema": { "type": "integer", "maximum": 200 } });
    let list = |name: &str, item: &str| {
        json!({ "200": { "content": { "application/json": { "schema": { "type": "object", "properties": {
            name: { "type": "array", "items": { "$ref": format!("#/components/schemas/{item}") } },
            "meta": { "type": "object", "properties": { "total_count": { "type": "integer" }, "next_cursor": { "type": "string" } } },
        } } } } } })
    };
    json!({
        "openapi": "3.0.0", "info": { "title": "Shop API", "version": "2.1" },
        "externalDocs": { "url": "https://shop.example/docs" },
        "servers": [{ "url": "https://{store}.shop.example/api" }],
        "security": [{ "key": [] }],
        "paths": {
            "/v2/orders": { "get": {
                "summary": "List orders", "externalDocs": { "url": "https://shop.example/docs/orders" },
                "parameters": [page, size,
                    { "name": "updated_at_min", "in": "query", "schema": { "type": "string", "format": "date-time" } },
                    { "name": "updated_at_max", "in": "query", "schema": { "type": "string", "format": "date-time" } },
                    { "name": "currency", "in": "query", "required": true, "schema": { "type": "string" } }],
                "responses": list("data", "order"),
            } },
            "/v2/orders/{orderId}": { "get": { "responses": list("data", "order") } },
            "/v2/customers/search": { "post": { "responses": list("customers", "customer") } },
            "/v2/orders/{orderId}/lines": { "get": {
                "parameters": [{ "name": "cursor", "in": "query", "schema": { "type": "string" } }],
                "responses": list("lines", "line") } },
            "/v2/ping": { "get": { "responses": { "200": { "content": { "application/json": { "schema": { "type": "object" } } } } } } },
            "/v2/old": { "get": { "deprecated": true, "responses": list("data", "order") } },
        },
        "components": {
            "securitySchemes": { "key": { "type": "apiKey", "in": "header", "name": "X-Key" } },
            "schemas": {
                "order": { "type": "object", "required": ["id", "paid"], "properties": {
                    "id": { "type": "integer" }, "updatedAt": { "type": "string", "format": "date-time" },
                    "total": { "type": "number" }, "paid": { "type": "boolean" }, "email": { "type": "string" },
                    "lines": { "type": "array", "items": {} } } },
                "customer": { "type": "object", "properties": { "customerId": { "type": "string", "nullable": true }, "born": { "type": "string", "format": "date" } } },
                "line": { "type": "object", "properties": { "text": { "type": "string" } } },
            },
        },
    })
}

fn drafted(options: &DraftOptions) -> Result<Draft, DraftError> {
    draft(&Description::parse(shop().to_string().as_bytes(), "my-shop.json").unwrap(), options)
}

#[test]
fn refuses_what_is_not_there_and_names_what_is() {
    let wanted = DraftOptions { streams: vec!["invoices".into()], ..DraftOptions::default() };
    let Err(DraftError::NoStream { known, .. }) = drafted(&wanted) else { panic!("no such list") };
    assert_eq!(known, "`orders`, `customers`, `lines`");
    let other = DraftOptions { document: Some("Other".into()), ..DraftOptions::default() };
    assert!(matches!(drafted(&other), Err(DraftError::NoDocument { known, .. }) if known == "`Shop API`"));
    let empty = Description::parse(br#"{"paths":{"/a":{"get":{}}}}"#, "x.json").unwrap();
    assert!(matches!(draft(&empty, &DraftOptions::default()), Err(DraftError::NoLists { .. })));
}

#[test]
fn writes_what_the_description_says_and_marks_what_it_guesses() {
    let draft = drafted(&DraftOptions::default()).unwrap();
    assert_eq!(draft.text, include_str!("tests/shop.yaml"), "{}", draft.text);
    let connector = Connector::parse(&draft.text, "my-shop.yaml").unwrap();
    let codes: std::collections::BTreeSet<&str> = lint::lint(&connector).iter().map(|finding| finding.code).collect();
    let missing = ["deletes-missing", "granularity-missing", "page-size-missing", "why-whole-missing"];
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), missing);
}

#[test]
fn keeps_the_streams_that_are_named() {
    // Alone it has no parent, so the values come from a setting.
    let wanted = DraftOptions { streams: vec!["lines".into()], name: Some("shop".into()), document: None };
    let draft = drafted(&wanted).unwrap();
    assert_eq!((draft.name.as_str(), draft.streams.len(), draft.left_out.len()), ("shop", 1, 2));
    assert!(!draft.text.contains("start_on") && draft.text.contains("order_id_list"));
}

#[test]
fn logs_in_as_the_description_says() {
    for (scheme, auth) in [
        (json!({ "type": "http", "scheme": "bearer" }), "auth: { bearer: token }"),
        (json!({ "type": "http", "scheme": "basic" }), "auth: { basic: { user: user, password: password } }"),
        (
            json!({ "type": "apiKey", "in": "query", "name": "k[1]" }),
            "auth: { query: { param: \"k[1]\", value: api_key } }",
        ),
        (
            json!({ "type": "oauth2", "flows": { "clientCredentials": { "tokenUrl": "https://id.example/token" } } }),
            "auth: { oauth2: { token_url: \"https://id.example/token\", grant: client_credentials, client: { id: client_id, secret: client_secret } } }",
        ),
        (
            json!({ "type": "oauth2", "flow": "accessCode", "tokenUrl": "/token" }),
            "grant: { refresh_token: refresh_token }, client: { id: client_id, secret: client_secret } } }",
        ),
        (json!({ "type": "oauth2", "flows": {} }), "auth: { bearer: access_token }"),
    ] {
        let mut described = shop();
        described["components"]["securitySchemes"]["key"] = scheme;
        let description = Description::parse(described.to_string().as_bytes(), "shop.json").unwrap();
        let draft = draft(&description, &DraftOptions::default()).unwrap();
        assert!(draft.text.contains(auth), "{auth}\n{}", draft.text);
        Connector::parse(&draft.text, "shop.yaml").unwrap();
    }
}

/// Every description that has a list gives a manifest that parses, leaves unsaid only what a description cannot say, and is not refuted by
/// the description that it was drafted from.
#[test]
fn every_published_description_gives_a_manifest_that_parses() {
    let Some(specs) = crate::verify::specs_of_tests() else { return };
    let mut files: Vec<_> = fs_err::read_dir(specs.join("slim")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    // All of them takes minutes without optimisation.
    let step = if cfg!(debug_assertions) { 6 } else { 1 };
    let (mut documents, mut without, mut drafts, mut streams) = (0_u32, 0_u32, 0_u32, 0_usize);
    let mut counts = crate::verify::Counts::default();
    for file in files.iter().step_by(step) {
        let description = Description::open(file).unwrap();
        for document in &description.documents {
            documents += 1;
            let options = DraftOptions::default();
            let category = description.category.as_deref();
            let Ok(draft) = draft_document(&description.vendor, category, document, &options) else {
                without += 1;
                continue;
            };
            let connector = Connector::parse(&draft.text, &description.vendor)
                .unwrap_or_else(|error| panic!("{} {}: {error}", description.vendor, document.title));
            for finding in lint::lint(&connector) {
                assert_eq!(
                    finding.nature,
                    lint::Nature::MissingFact,
                    "{} {finding}\n{}",
                    description.vendor,
                    draft.text
                );
            }
            drafts += 1;
            streams += draft.streams.len();
            counts = counts.and(crate::verify::verify(&connector, &description).unwrap().counts());
        }
    }
    println!(
        "{documents} documents: {drafts} drafts with {streams} streams, {without} without a list of objects; {counts:?}"
    );
    assert!(drafts * 10 >= documents * 6, "{drafts} of {documents}");
    // A key that the description admits to be null, and the like.
    assert!(counts.contradicted * 100 <= counts.found, "{counts:?}");
}
