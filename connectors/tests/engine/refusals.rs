//! Rules of a manifest against a server that refuses in the ways that vendors do.

use std::sync::Arc;

use headwater_connectors::{Connector, ManifestError, ReadRequest, Source};
use headwater_contract::{ErrorKind, Explain, Slice};
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{SECRET, at, day, open, range, read, whole};

/// An API that says no in many ways; `RULES` stands for the connector's rules, `OWN` for the stream's.
const API: &str = r"
manifest: 1
connector: api
title: API
docs: none
settings:
  key: { secret: true, help: key }
  accounts: { type: list, default: 'a,b', help: accounts }
http:
  base_url: ORIGIN
  auth: { bearer: key }
  limits: []
  errors: RULES
defaults:
  records: /data
  key: [id]
  columns: { id: { type: int64 }, at: { type: timestamp } }
  deletes: none
  pagination: { body_token: { param: cursor, token: /next } }
streams:
  rows: { title: rows, path: /rows, kind: snapshot, errors: OWN }
  ranged:
    title: ranged
    path: /ranged
    kind: events
    window: { field: at, request: { from: from, until: until } }
  sliced: { title: sliced, path: '/{account}/rows', kind: snapshot, slices: { setting: accounts, as: account } }
";

fn manifest(origin: &str, connector: &str, own: &str) -> String {
    API.replace("ORIGIN", origin).replace("RULES", connector).replace("OWN", own)
}

async fn api(
    connector: &str,
    own: &str,
    handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> (Server, Source) {
    let server = Server::start(handler).await;
    let source = open(&manifest(&server.origin, connector, own), &server, "key", &[]);
    (server, source)
}

fn page(ids: &[i64], next: impl Into<Value>) -> Reply {
    let rows: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    Reply::json(&json!({ "data": rows, "next": next.into() }))
}

#[tokio::test]
async fn a_failure_has_the_class_and_the_words_that_the_manifest_gives_it() {
    let rules = "[{ when: { field: { at: /ok, is: false } }, then: { fail: { class: access, message: 'the app is not installed' } } }]";
    let (_server, source) =
        api(rules, "[]", |_| Reply::text(200, &format!(r#"{{"ok":false,"error":"not_in_channel {SECRET}"}}"#))).await;
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("declared-error", ErrorKind::Access));
    assert!(
        error.to_string().contains("the app is not installed (200)") && !error.to_string().contains(SECRET),
        "{error}"
    );
    for (class, kind) in
        [("config", ErrorKind::Config), ("source", ErrorKind::Source), ("unavailable", ErrorKind::Unavailable)]
    {
        let rules = format!("[{{ when: {{ status: 4xx }}, then: {{ fail: {{ class: {class} }} }} }}]");
        let (server, source) = api(&rules, "[]", |_| Reply::text(418, "tea")).await;
        let error = read(&source, "rows", whole()).await.unwrap_err();
        assert_eq!((error.kind(), server.asked().len()), (kind, 1), "{error}");
    }
}

/// One page that is refused once and then good.
async fn heals(rules: &str, refusal: impl Fn() -> Reply + Send + Sync + 'static) -> (u32, usize) {
    let (server, source) =
        api(rules, "[]", move |asked| if asked.number == 0 { refusal() } else { page(&[1], Value::Null) }).await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!(got.records, [json!({ "id": 1 })]);
    (got.summary.retries, server.asked().len())
}

#[tokio::test]
async fn refusals_that_a_rule_calls_passing_are_sent_again() {
    let retry = "then: { retry: { wait: { constant: 1 millisecond } } }";
    let by_status = format!("[{{ when: {{ status: 400 }}, {retry} }}]");
    assert_eq!(heals(&by_status, || Reply::text(400, "busy")).await, (1, 2));
    let by_message = format!("[{{ when: {{ all: [{{ status: 403 }}, {{ message: '(?i)rate limit' }}] }}, {retry} }}]");
    assert_eq!(heals(&by_message, || Reply::text(403, "Rate Limit exceeded")).await, (1, 2));
    let by_field = format!("[{{ when: {{ field: {{ at: /errors/0/code, is: THROTTLED }} }}, {retry} }}]");
    assert_eq!(heals(&by_field, || Reply::text(200, r#"{"errors":[{"code":"THROTTLED"}]}"#)).await, (1, 2));
    let by_header = format!("[{{ when: {{ header: {{ name: X-Error, is: busy }} }}, {retry} }}]");
    assert_eq!(heals(&by_header, || page(&[9], Value::Null).header("X-Error", "busy")).await, (1, 2));
    let by_text = format!("[{{ when: {{ message: 'Please slow down' }}, {retry} }}]");
    assert_eq!(heals(&by_text, || Reply::text(200, "Please slow down")).await, (1, 2));
    let throttle = "[{ when: { status: 420 }, then: { throttle: { wait: { header: { name: X-In, format: millis_from_now } } } } }]";
    assert_eq!(heals(throttle, || Reply::text(420, "").header("X-In", "2")).await, (1, 2));
}

#[tokio::test]
async fn a_retry_has_the_budget_that_its_rule_gives_it() {
    let rules = "[{ when: { status: 409 }, then: { retry: { wait: { constant: 1 millisecond }, times: 5 } } }]";
    let (server, source) = api(rules, "[]", |_| Reply::text(409, "locked")).await;
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!((error.kind(), server.asked().len()), (ErrorKind::Unavailable, 6));
}

#[tokio::test]
async fn a_long_wait_parks_with_its_time() {
    let midnight = "{ clock: { time: '00:00', zone: America/Los_Angeles } }";
    for then in [
        format!("{{ throttle: {{ wait: {midnight} }} }}"),
        format!("{{ retry: {{ wait: {midnight} }} }}"),
        format!("{{ park: {{ wait: {midnight} }} }}"),
    ] {
        let rules = format!("[{{ when: {{ field: {{ at: /status, is: daily_limit }} }}, then: {then} }}]");
        let (server, source) = api(&rules, "[]", |_| Reply::text(200, r#"{"status":"daily_limit"}"#)).await;
        let error = read(&source, "rows", whole()).await.unwrap_err();
        assert_eq!((error.retry_at(), server.asked().len()), (Some(at("2026-11-22T08:00:00Z")), 1), "{then}");
        assert!(!error.is_permanent(), "{then}");
    }
    let rules = "[{ when: { status: 402 }, then: { park: {} } }]";
    let (_server, source) = api(rules, "[]", |_| Reply::text(402, "")).await;
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().kind(), ErrorKind::Parked);
}

#[tokio::test]
async fn a_skipped_request_is_counted_and_shown() {
    let rules = "[{ when: { status: [404, 204] }, then: skip_request }]";
    let (_server, source) = api(rules, "[]", |_| Reply::text(404, &format!("no report for {SECRET}"))).await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!((got.records.len(), got.summary.skipped_requests, got.summary.is_slice_skipped), (0, 1, false));
    let skipped = &got.summary.skipped[0];
    assert_eq!(skipped.status, 404);
    assert!(skipped.request.starts_with("GET http") && skipped.says.contains("no report for ****"), "{skipped:?}");
}

#[tokio::test]
async fn a_slice_is_skipped_only_while_none_of_it_was_read() {
    let rules = "[{ when: { status: 403 }, then: skip_slice }]";
    let slice = |name: &str| ReadRequest { slice: Slice::named(name), bounds: None, token: None };
    let (_server, source) = api(rules, "[]", |asked| match (asked.path.as_str(), asked.get("cursor")) {
        ("/a/rows", _) | (_, Some(_)) => Reply::text(403, "not yours"),
        _ => page(&[1], "more"),
    })
    .await;
    let got = read(&source, "sliced", slice("a")).await.unwrap();
    assert_eq!((got.records.len(), got.summary.is_slice_skipped, got.summary.skipped_requests), (0, true, 1));
    let error = read(&source, "sliced", slice("b")).await.unwrap_err();
    assert_eq!(error.code(), "forbidden");
}

#[tokio::test]
async fn a_range_that_is_too_large_is_split_until_it_fits() {
    let rules = "[{ when: { all: [{ status: 422 }, { message: too many }] }, then: split_window }]";
    let (server, source) = api(rules, "[]", |asked| {
        let hour = |name| asked.get(name).map(|text| at(text).timestamp() / 3_600).unwrap();
        let (from, until) = (hour("from"), hour("until"));
        if until - from > 6 {
            return Reply::text(422, "too many results");
        }
        page(&(from..until).collect::<Vec<_>>(), Value::Null)
    })
    .await;
    let got = read(&source, "ranged", range(day("2024-03-01"))).await.unwrap();
    assert_eq!((got.records.len(), got.exchanges.len(), server.asked().len()), (24, 4, 7));
    let (_server, source) = api(rules, "[]", |_| Reply::text(422, "too many results")).await;
    let error = read(&source, "ranged", range(day("2024-03-01"))).await.unwrap_err();
    assert_eq!(error.code(), "request-rejected");
}

#[tokio::test]
async fn an_expired_page_token_restarts_the_list_a_bounded_number_of_times() {
    let rules = "[{ when: { field: { at: /code, is: token_expired } }, then: restart }]";
    let expired = || Reply::text(400, r#"{"code":"token_expired"}"#);
    let (server, source) = api(rules, "[]", move |asked| match (asked.number, asked.get("cursor")) {
        (1, Some(_)) => expired(),
        (_, None) => page(&[1], "more"),
        _ => page(&[2], Value::Null),
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!((got.records.len(), server.asked().len()), (3, 4));
    let (server, source) =
        api(rules, "[]", move |asked| if asked.get("cursor").is_none() { page(&[1], "more") } else { expired() }).await;
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "list-moved");
    assert_eq!(server.asked().len(), 8);
}

#[tokio::test]
async fn an_answer_that_a_rule_accepts_is_read_whatever_its_status() {
    let rules = "[{ when: { all: [{ status: 404 }, { field: { at: /data } }] }, then: accept }]";
    let filler = "x".repeat(200_000);
    let (_server, source) = api(rules, "[]", move |_| Reply {
        status: 404,
        ..Reply::json(&json!({ "data": [{ "id": 1 }], "next": null, "filler": filler }))
    })
    .await;
    // The beginning of a long body is not JSON by itself, so only its text can be judged before it is accepted.
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "not-found");
    let by_status = "[{ when: { status: 404 }, then: accept }]";
    let filler = "x".repeat(200_000);
    let (_server, source) = api(by_status, "[]", move |_| Reply {
        status: 404,
        ..Reply::json(&json!({ "data": [{ "id": 1 }], "next": null, "filler": filler }))
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!((got.records.len(), got.exchanges[0].status, got.summary.skipped_requests), (1, 404, 0));
    assert!(got.summary.bytes > 200_000);
}

#[tokio::test]
async fn the_streams_rules_come_before_the_connectors() {
    let own = "[{ when: { status: 404 }, then: skip_request }]";
    let shared = "[{ when: { status: 4xx }, then: { fail: { class: config, message: 'the connector says no' } } }]";
    let (_server, source) = api(shared, own, |_| Reply::text(404, "")).await;
    assert_eq!(read(&source, "rows", whole()).await.unwrap().summary.skipped_requests, 1);
    let slice = ReadRequest { slice: Slice::named("a"), bounds: None, token: None };
    assert_eq!(read(&source, "sliced", slice).await.unwrap_err().code(), "declared-error");
}

#[test]
fn a_rule_that_a_stream_cannot_follow_is_an_error_with_its_place() {
    let refused = |own: &str| Connector::parse(&manifest("https://x.com", "[]", own), "api.yaml").map(Arc::new);
    for own in ["[{ when: { status: 413 }, then: split_window }]", "[{ when: { status: 403 }, then: skip_slice }]"] {
        let Err(ManifestError::Incomplete { path, line, .. }) = refused(own) else { panic!("{own}") };
        assert_eq!((path.as_str(), line), ("streams.rows.errors", Some(21)), "{own}");
    }
    let Err(ManifestError::Unreadable { line, reason, .. }) = refused("[{ when: { status: 413 }, then: splt }]") else {
        panic!()
    };
    assert!(line == 21 && reason.contains("split_window"), "{line} {reason}");
}
