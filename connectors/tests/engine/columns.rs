//! What columns a source has: by the JSON Schema of a manifest, by what it lists, by its records.

use headwater_connectors::Connector;
use headwater_connectors::columns::accept;
use headwater_contract::{ColumnType, Explain};
use serde_json::json;

use crate::server::{Reply, Server};
use crate::work::{open, read, whole};

const API: &str = r"
manifest: 1
connector: crm
title: CRM
docs: none
http: { base_url: ORIGIN, limits: [] }
streams:
  fields:
    internal: true
    path: /fields
    records: /results
    pagination: { body_token: { param: after, token: next } }
  deals:
    title: deals
    kind: snapshot
    path: /deals
    records: /results
    key: [id]
    deletes: none
    column_list:
      stream: fields
      name: name
      path: '/properties/{name}'
      type: type
      types: { number: float64, text: string, datetime: timestamp }
    columns:
      id: { type: string }                                             # the key
      amount: { type: int64, path: /properties/amount, nullable: true }
      owner: { type: string, path: /properties/owner, nullable: true }
";

async fn start() -> (Server, headwater_connectors::Source, String) {
    let server = Server::start(|asked| match (asked.path.as_str(), asked.get("after")) {
        ("/fields", None) => Reply::json(&json!({ "results": [{ "name": "amount", "type": "number" }], "next": "2" })),
        ("/fields", _) => {
            Reply::json(&json!({ "results": [{ "name": "closed_at", "type": "datetime" }], "next": null }))
        }
        _ => Reply::json(&json!({ "results": [
            { "id": "1", "stage": "won", "properties": { "amount": 1.5, "closed_at": null } },
            { "id": null, "stage": "lost", "properties": { "amount": 2 } },
        ] })),
    })
    .await;
    let text = API.replace("ORIGIN", &server.origin);
    let source = open(&text, &server, "", &[]);
    (server, source, text)
}

#[tokio::test]
async fn columns_are_compared_with_what_the_source_lists_and_with_its_records() {
    let (_server, source, text) = start().await;
    let observed = source.observe("deals", whole(), 100).await.unwrap();
    let shown: Vec<String> = observed.changes.iter().map(ToString::to_string).collect();
    let expected = [
        "null  id: it is null in some records",
        "type  amount: int64 does not fit; float64 does",
        "gone  owner: the source does not list it any more",
        "new   closed_at: { type: timestamp, path: /properties/closed_at, nullable: true }",
        "new   stage: { type: string, nullable: true }",
    ];
    assert_eq!(shown, expected);
    assert_eq!((observed.sample.records(), observed.listed.unwrap().len()), (2, 2));
    // A key is never null, so what says so of the sample is for a person to mend.
    let accepted = accept(&text, "crm.yaml", "deals", &observed.changes[1..]).unwrap();
    let added = "      closed_at: { type: timestamp, path: /properties/closed_at, nullable: true }\n      stage: { type: string, nullable: true }\n";
    let expected = text.replace("amount: { type: int64", "amount: { type: float64") + added;
    assert_eq!(accepted.trim_end(), expected.trim_end());
    assert!(accepted.contains("# the key"));
    assert!(Connector::parse(&accepted, "crm.yaml").is_ok());
}

#[tokio::test]
async fn a_sample_ends_where_it_is_told_and_may_be_left_out() {
    let (server, source, _) = start().await;
    let one = source.observe("deals", whole(), 1).await.unwrap();
    assert_eq!(one.sample.records(), 1);
    let none = source.observe("deals", whole(), 0).await.unwrap();
    assert!(none.changes.iter().all(|change| !change.to_string().contains("stage")));
    assert_eq!(server.asked().iter().filter(|asked| asked.path == "/deals").count(), 1);
    assert_eq!(source.observe("nobody", whole(), 1).await.unwrap_err().code(), "stream-unknown");
}

#[tokio::test]
async fn a_json_schema_is_the_contract_where_no_columns_are_written() {
    let server = Server::start(|_| Reply::text(200, r#"{"results":[{"id":1}]}"#)).await;
    let text = format!(
        "manifest: 1\nconnector: s\ntitle: S\ndocs: none\nhttp: {{ base_url: '{}', limits: [] }}\nstreams:\n  rows:\n    title: rows\n    \
         kind: snapshot\n    path: /rows\n    records: /results\n    key: [id]\n    deletes: none\n    json_schema:\n      type: object\n      \
         required: [id]\n      properties:\n        id: {{ type: integer }}\n        day: {{ type: [string, 'null'], format: date }}\n        \
         owner: {{ $ref: '#/$defs/owner' }}\n      $defs: {{ owner: {{ type: object, properties: {{ name: {{ type: string }} }} }} }}\n",
        server.origin
    );
    let source = open(&text, &server, "", &[]);
    let contract = source.contracts().iter().find(|contract| contract.name.stream() == "rows").unwrap();
    let columns: Vec<String> = contract
        .columns
        .iter()
        .map(|column| format!("{} {} {}", column.name, column.column_type, column.nullable))
        .collect();
    assert_eq!(columns, ["id int64 false", "day date true", "owner struct<name: string> true"]);
    assert!(contract.json_schema.is_some() && contract.columns[0].column_type == ColumnType::Int64);
    assert_eq!(read(&source, "rows", whole()).await.unwrap().records.len(), 1);
    let empty = text.split("      required").next().unwrap();
    let error = Connector::parse(empty, "s.yaml").unwrap_err();
    assert!(error.to_string().contains("names no fields"), "{error}");
}

#[test]
fn a_list_of_columns_that_cannot_be_read_is_refused() {
    for (from, to, says) in [
        ("stream: fields\n", "stream: nobody\n", "no stream `nobody`"),
        ("number: float64", "number: float", "`number`"),
        ("/properties/{name}", "/properties/{field}", "{field}"),
    ] {
        let error = Connector::parse(&API.replace("ORIGIN", "https://h").replace(from, to), "crm.yaml").unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
