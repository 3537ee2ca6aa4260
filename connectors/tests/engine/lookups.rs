//! Lookups: which ids go along with which request, whose the answers are, and that a replay joins the same without asking.

use headwater_connectors::{Connector, Source};
use headwater_contract::Explain;
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{open, read, replayed, whole};

/// A connector with `contacts`, which `LOOKUPS` looks up in the internal stream `found` with the keys `FOUND`.
const CRM: &str = r"
manifest: 1
connector: crm
title: CRM
docs: none
http: { base_url: ORIGIN, limits: [] }
streams:
  found:
    internal: true
    FOUND
  contacts:
    title: contacts
    kind: snapshot
    path: /contacts
    records: /data
    key: [id]
    deletes: none
    pagination: { body_token: { param: after, token: next } }
    columns: { id: { type: string }, companies: { type: json, nullable: true } }
    lookups:
      companies: LOOKUP
  notes:
    title: notes
    kind: snapshot
    parent: { stream: contacts, fields: { contact: id, company: /companies/name } }
    path: /contacts/{contact}/notes
    records: /data
    key: [id]
    deletes: none
    columns: { id: { type: string }, company: { type: string, given: company } }
    lookups:
      author: { stream: found, on: by, param: { as: company }, key: id }
";

fn manifest(origin: &str, found: &str, lookup: &str) -> String {
    let text = CRM.replace("ORIGIN", origin).replace("FOUND", &found.replace('\n', "\n    ")).replace("LOOKUP", lookup);
    // Most tests have no notes.
    if found.contains("{company}") { text } else { text.split("  notes:").next().unwrap().to_owned() }
}

async fn start(
    found: &str,
    lookup: &str,
    handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> (Server, Source) {
    let server = Server::start(handler).await;
    let source = open(&manifest(&server.origin, found, lookup), &server, "", &[]);
    (server, source)
}

/// Two pages of contacts: 1 and 2, then 3.
fn contacts(asked: &Asked) -> Reply {
    Reply::json(&match asked.get("after") {
        None => json!({ "data": [{ "id": "1" }, { "id": "2" }], "next": "p2" }),
        Some(_) => json!({ "data": [{ "id": "3" }], "next": null }),
    })
}

fn wire(server: &Server) -> Vec<String> {
    server.asked().into_iter().map(|asked| format!("{} {} {}", asked.method, asked.target, asked.text)).collect()
}

/// As the association endpoint of a CRM: ids as objects in the body, answers in any order, some left out.
#[tokio::test]
async fn the_ids_of_a_page_go_along_in_one_request_and_each_record_gets_its_own() {
    let (server, source) = start(
        "method: post\npath: /associations\nrecords: /results",
        "{ stream: found, on: id, param: /inputs, ids: 100, wrap: id, key: /from }",
        |asked| {
            if asked.path == "/contacts" {
                return contacts(asked);
            }
            let ids = asked.body["inputs"].as_array().unwrap().iter().rev().filter(|id| id["id"] != "2");
            let results: Vec<Value> = ids.map(|id| json!({ "from": id["id"], "to": [1.50] })).collect();
            Reply::json(&json!({ "results": results }))
        },
    )
    .await;
    let got = read(&source, "contacts", whole()).await.unwrap();
    let expected = [
        "GET /contacts ",
        r#"POST /associations {"inputs":[{"id":"1"},{"id":"2"}]}"#,
        "GET /contacts?after=p2 ",
        r#"POST /associations {"inputs":[{"id":"3"}]}"#,
    ];
    assert_eq!(wire(&server), expected);
    let found = json!([
        { "id": "1", "companies": { "from": "1", "to": [1.5] } },
        { "id": "2", "companies": null },
        { "id": "3", "companies": { "from": "3", "to": [1.5] } },
    ]);
    assert_eq!(Value::from(got.records.clone()), found);
    assert_eq!(replayed(&source, "contacts", &got), got.texts);
    assert_eq!(server.asked().len(), 4, "a replay asks nobody");
}

#[tokio::test]
async fn one_request_an_id_knows_whose_its_records_are_and_may_be_skipped() {
    let rule = "errors: [{ when: { status: 404 }, then: skip_request }]";
    let (server, source) = start(
        &format!("path: /contacts/{{contact}}/companies\nrecords: /data\npagination: {{ body_token: {{ param: after, token: next }} }}\n{rule}"),
        "{ stream: found, on: id, param: { as: contact }, all: true }",
        |asked| match (asked.path.as_str(), asked.get("after")) {
            ("/contacts", _) => contacts(asked),
            ("/contacts/1/companies", None) => Reply::text(200, r#"{"data":[{"name":"a"},{"name":"b"}],"next":"2"}"#),
            ("/contacts/1/companies", _) => Reply::text(200, r#"{"data":[{"name":"c"}],"next":null}"#),
            ("/contacts/2/companies", _) => Reply::text(404, "{}"),
            _ => Reply::text(200, r#"{"data":[],"next":null}"#),
        },
    )
    .await;
    let got = read(&source, "contacts", whole()).await.unwrap();
    let found = json!([
        { "id": "1", "companies": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] },
        { "id": "2", "companies": [] },
        { "id": "3", "companies": [] },
    ]);
    assert_eq!(Value::from(got.records.clone()), found);
    assert_eq!((server.asked().len(), got.summary.skipped_requests), (6, 1));
    assert_eq!(replayed(&source, "contacts", &got), got.texts);
}

#[tokio::test]
async fn a_lookup_that_fails_fails_the_reading_with_its_request() {
    let (_server, source) = start(
        "path: /companies\nrecords: /data",
        "{ stream: found, on: id, param: ids, ids: 9, separator: ',', key: id }",
        |asked| {
            if asked.path == "/contacts" { contacts(asked) } else { Reply::text(403, "no") }
        },
    )
    .await;
    let error = read(&source, "contacts", whole()).await.unwrap_err();
    assert_eq!(error.code(), "forbidden");
    assert!(error.place().contains("/companies?ids=1%2C2"), "{}", error.place());
}

#[tokio::test]
async fn parents_and_children_look_up_for_themselves() {
    let (server, source) = start(
        "path: /companies/{company}\nrecords: { each: { at: '' } }",
        "{ stream: found, on: id, param: { as: company } }",
        |asked| match asked.path.as_str() {
            "/contacts" => contacts(asked),
            path if path.ends_with("/notes") => {
                let contact = path.split('/').nth(2).unwrap();
                Reply::json(&json!({ "data": [{ "id": format!("n{contact}"), "by": "9" }] }))
            }
            path => {
                let id = path.rsplit('/').next().unwrap();
                Reply::json(&json!({ "id": id, "name": format!("c{id}") }))
            }
        },
    )
    .await;
    let got = read(&source, "notes", whole()).await.unwrap();
    let notes: Vec<Value> = ["1", "2", "3"]
        .map(|contact| {
            let author = json!({ "id": "9", "name": "c9" });
            json!({ "_given": { "company": format!("c{contact}") }, "id": format!("n{contact}"), "by": "9", "author": author })
        })
        .into();
    assert_eq!(Value::from(got.records.clone()), Value::from(notes));
    assert_eq!(replayed(&source, "notes", &got), got.texts);
    assert_eq!(server.asked().len(), 2 + 3 + 3 + 3);
}

#[test]
fn a_lookup_that_cannot_be_followed_is_refused_with_its_place() {
    let plain = "path: /found\nrecords: /data";
    for (found, lookup, says) in [
        (plain, "{ stream: nobody, on: id, param: id }", "no stream `nobody`"),
        (plain, "{ stream: contacts, on: id, param: id }", "read by itself"),
        (plain, "{ stream: found, on: id, param: id, ids: 5 }", "which record belongs"),
        (
            "path: /found\nrecords: /data\nlookups: { x: { stream: found, on: id, param: id } }",
            "{ stream: found, on: id, param: id }",
            "no lookup can follow",
        ),
        ("path: /found/{unknown}\nrecords: /data", "{ stream: found, on: id, param: { as: known } }", "{unknown}"),
    ] {
        let error = Connector::parse(&manifest("https://h", found, lookup), "test.yaml").unwrap_err();
        assert!(error.to_string().contains(says), "{found} {lookup}: {error}");
    }
    let normal = manifest("https://h", plain, "{ stream: found, on: id, param: id }").replace(
        "companies: { type: json, nullable: true }",
        "day: { type: date, path: /companies/day, formats: [{ pattern: { pattern: '%d.%m.%Y', zone: UTC } }] }",
    );
    let error = Connector::parse(&normal, "test.yaml").unwrap_err();
    assert!(error.to_string().contains("before anything is looked up"), "{error}");
}
