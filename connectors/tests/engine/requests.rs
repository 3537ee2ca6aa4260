//! What goes over the wire: queries, bodies and paths as each kind of API wants them.

use std::sync::Arc;

use headwater_connectors::{Connector, ManifestError, SettingValue, Source};
use headwater_contract::{Explain, TimeRange};
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{at, open, range, read, text, try_open, whole};

/// One stream, `rows`, whose request is `REQUEST`, under the connector's words `HTTP`.
const API: &str = r"
manifest: 1
connector: api
title: API
docs: none
settings:
  region: { default: eu, help: region }
  ids: { type: list, default: '7,8,9', help: ids }
  name: { default: O'Neil & sons, help: name }
http:
  base_url: ORIGIN
  limits: []
  HTTP
streams:
  rows:
    title: rows
    records: /data
    key: [id]
    deletes: none
    columns:
      id: { type: int64 }
      at: { type: timestamp, path: /meta/at }
      owner: { type: string, path: /owner/name }
    REQUEST
";

const SNAPSHOT: &str = "kind: snapshot";
const RANGED: &str =
    "kind: events\n    window: { field: at, format: unix_seconds, request: { from: since, until: till } }";

fn manifest(origin: &str, http: &str, request: &str) -> String {
    API.replace("ORIGIN", origin).replace("HTTP", http).replace("REQUEST", request)
}

fn empty(_: &Asked) -> Reply {
    Reply::text(200, r#"{"data":[]}"#)
}

/// Reads the stream once and returns the first request as the server saw it.
async fn asked(http: &str, request: &str, bounds: Option<TimeRange>) -> Asked {
    let server = Server::start(empty).await;
    let source = open(&manifest(&server.origin, http, request), &server, "", &[]);
    read(&source, "rows", bounds.map_or_else(whole, range)).await.unwrap();
    server.asked()[0].clone()
}

fn hour(from: &str) -> TimeRange {
    TimeRange::new(at(from), at(from) + chrono::TimeDelta::hours(1)).unwrap()
}

#[tokio::test]
async fn lists_and_kept_characters_go_out_as_the_manifest_says() {
    let request = |query: &str| {
        format!(
            "{SNAPSHOT}\n    path: /rows\n    params: {{ ids: '{{ids}}', sort: 'a:b', of: [x, '{{region}}'], n: 1 }}\n    {query}"
        )
    };
    for (http, own, target) in [
        ("", "", "/rows?ids=7&ids=8&ids=9&sort=a%3Ab&of=x&of=eu&n=1"),
        ("query: { lists: brackets, keep: ':[]' }", "", "/rows?ids[]=7&ids[]=8&ids[]=9&sort=a:b&of[]=x&of[]=eu&n=1"),
        (
            "query: { lists: brackets }",
            "query: { lists: comma, keep: ',', params: { ids: json } }",
            "/rows?ids=%5B%227%22,%228%22,%229%22%5D&sort=a%3Ab&of=x,eu&n=1",
        ),
    ] {
        assert_eq!(asked(http, &request(own), None).await.target, target, "{http} {own}");
    }
}

#[tokio::test]
async fn later_values_take_the_place_of_earlier_ones() {
    let request = format!(
        "{RANGED}\n    path: /rows\n    params: {{ since: never, x: 1, page: 0, limit: 5 }}\n    \
         page_size: {{ param: limit, value: 50, source: none }}\n    pagination: {{ page_number: {{ param: page, first: 1 }} }}"
    );
    let asked = asked("", &request, Some(hour("2024-03-01T00:00:00Z"))).await;
    assert_eq!(asked.target, "/rows?since=1709251200&x=1&page=1&limit=50&till=1709254800");
}

#[tokio::test]
async fn window_and_page_are_laid_deep_into_the_body() {
    let request = "kind: events\n    path: /search\n    method: put\n    \
         body: { json: { filter: { range: { gte: 0, lt: 0 }, state: open }, page: { size: 10 } } }\n    \
         window: { field: at, format: unix_seconds, request: { from: /filter/range/gte, until: /filter/range/lt } }\n    \
         page_size: { param: /page/size, value: 50, source: none }";
    let asked = asked("", request, Some(hour("2024-03-01T00:00:00Z"))).await;
    let expected = json!({
        "filter": { "range": { "gte": 1_709_251_200, "lt": 1_709_254_800 }, "state": "open" }, "page": { "size": 50 }
    });
    assert_eq!((asked.method.as_str(), asked.body), ("PUT", expected));
}

#[tokio::test]
async fn forms_and_texts_are_bodies_too() {
    let form = format!("{RANGED}\n    path: /rows\n    body: {{ form: {{ kind: 'a b', since: '' }} }}");
    let form = form.replace("from: since, until: till", "from: /since, until: /till");
    let seen = asked("", &form, Some(hour("2024-03-01T00:00:00Z"))).await;
    assert_eq!((seen.method.as_str(), seen.text.as_str()), ("POST", "kind=a+b&since=1709251200&till=1709254800"));
    assert_eq!(seen.headers["content-type"], "application/x-www-form-urlencoded");
    let text = format!(
        "{SNAPSHOT}\n    path: /rows\n    body: {{ text: {{ content: {{ expression: \"'name = ' ~ (name | quote_backslash)\" }}, \
         content_type: application/x-query }} }}"
    );
    let seen = asked("", &text, None).await;
    assert_eq!(
        (seen.text.as_str(), seen.headers["content-type"].as_str()),
        (r"name = 'O\'Neil & sons'", "application/x-query")
    );
}

#[tokio::test]
async fn a_query_text_names_the_streams_columns() {
    let request = format!("{SNAPSHOT}\n    path: /query\n    params: {{ q: 'SELECT {{columns}} FROM Account' }}");
    let seen = asked("", &request, None).await;
    assert_eq!(seen.get("q"), Some("SELECT id,meta.at,owner.name FROM Account"));
}

const GRAPHQL: &str = "kind: snapshot\n    path: /graphql\n    \
     body: { graphql: { query: 'query($after: String, $n: Int) { rows(after: $after, first: $n) { ...columns } }', variables: { n: 2, after: null } } }\n    \
     pagination: { body_token: { param: /variables/after, token: /next } }";

#[tokio::test]
async fn graphql_sends_typed_variables_and_selects_the_columns() {
    let server = Server::start(|asked| match asked.number {
        0 => Reply::text(200, r#"{"data":[{"id":1}],"next":"c1"}"#),
        _ => Reply::text(200, r#"{"data":[{"id":2}],"next":null}"#),
    })
    .await;
    let source = open(&manifest(&server.origin, "", GRAPHQL), &server, "", &[]);
    assert_eq!(read(&source, "rows", whole()).await.unwrap().records.len(), 2);
    let query = "query($after: String, $n: Int) { rows(after: $after, first: $n) { id meta { at } owner { name } } }";
    let sent: Vec<Value> = server.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(sent[0], json!({ "query": query, "variables": { "n": 2, "after": null } }));
    assert_eq!(sent[1]["variables"], json!({ "n": 2, "after": "c1" }));
}

#[tokio::test]
async fn graphql_errors_are_errors_also_beside_data() {
    let server = Server::start(|_| {
        Reply::text(
            200,
            r#"{"data":[{"id":1}],"errors":[{"message":"field `x` is gone","extensions":{"code":"BAD"}}]}"#,
        )
    })
    .await;
    let source = open(&manifest(&server.origin, "", GRAPHQL), &server, "", &[]);
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!(error.code(), "error-in-body");
    assert!(error.to_string().contains("field `x` is gone"), "{error}");
    let rules = "errors: [{ when: { field: { at: /errors/0/extensions/code, is: BAD } }, then: skip_request }]";
    let source = open(&manifest(&server.origin, rules, GRAPHQL), &server, "", &[]);
    assert_eq!(read(&source, "rows", whole()).await.unwrap().summary.skipped_requests, 1);
}

#[tokio::test]
async fn a_young_window_may_be_asked_for_in_another_way() {
    let request = format!(
        "{RANGED}\n    path: /archive\n    params: {{ a: 1, b: 2 }}\n    \
         by_age:\n      - {{ younger_than: 1 day, path: /live, params: {{ b: 3 }} }}\n      - {{ younger_than: 30 days, path: /recent }}"
    );
    for (from, target) in [
        ("2026-11-21T07:00:00Z", "/live?a=1&b=3&since=1795244400&till=1795248000"),
        ("2026-11-01T07:00:00Z", "/recent?a=1&b=2&since=1793516400&till=1793520000"),
        ("2026-01-01T07:00:00Z", "/archive?a=1&b=2&since=1767250800&till=1767254400"),
    ] {
        assert_eq!(asked("", &request, Some(hour(from))).await.target, target);
    }
}

#[tokio::test]
async fn a_setting_chooses_the_host_among_those_that_the_manifest_names() {
    let server = Server::start(empty).await;
    let request = format!("{SNAPSHOT}\n    path: /rows");
    let hosts = format!("hosts: {{ setting: region, of: {{ eu: {}, us: api.us.invalid }} }}", server.address());
    let source = open(&manifest("http://{host}", &hosts, &request), &server, "", &[]);
    assert!(read(&source, "rows", whole()).await.is_ok());
    let opened = |region: &str| -> Result<Source, _> {
        let settings = [("region", text(region))];
        try_open(&manifest("http://{host}", &hosts, &request), &[server.address()], "", &settings)
    };
    let error = opened("eu.evil.com/").unwrap_err();
    assert!(error.to_string().contains("it must be one of `eu`, `us`"), "{error}");
    let hosts = hosts.replace("setting: region", "setting: place");
    let broken = Connector::parse(&manifest("http://{host}", &hosts, &request), "api.yaml").map(Arc::new);
    let Err(ManifestError::Incomplete { path, .. }) = broken else { panic!() };
    assert_eq!(path, "http.hosts");
}

#[tokio::test]
async fn a_list_setting_is_a_list_in_queries_bodies_and_headers() {
    let request = format!(
        "{SNAPSHOT}\n    path: /rows\n    headers: {{ X-Ids: '{{ids}}' }}\n    body: {{ json: {{ ids: '{{ids}}', n: 1 }} }}"
    );
    let server = Server::start(empty).await;
    let ids = SettingValue::List(vec!["a".to_owned(), "b".to_owned()]);
    let source = open(&manifest(&server.origin, "", &request), &server, "", &[("ids", ids)]);
    read(&source, "rows", whole()).await.unwrap();
    let asked = server.asked()[0].clone();
    assert_eq!((asked.body, asked.headers["x-ids"].as_str()), (json!({ "ids": ["a", "b"], "n": 1 }), "a,b"));
}
