//! What surrounds the faults of the table: redirects that are followed, waits, outages, caps, large bodies, replays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use headwater_connectors::{Connector, ReadRequest, Source};
use headwater_contract::{Chunk, ErrorKind, Explain, ReadEvent, Secret, Slice, SourceName, TimeRange};
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{Got, SECRET, at, day, open, options, range, read, try_open, whole};

/// A small API whose streams go by tokens, windows and a chain.
const SHOP: &str = r"
manifest: 1
connector: shop
title: Shop
docs: none
settings:
  key: { secret: true, help: key }
http:
  base_url: ORIGIN/api
  auth: { query: { param: key, value: key } }
  limits: [{ requests: 100000, per: 1 second, source: none }]
  quota: { remaining: x-left, reset: x-reset, reset_format: seconds_from_now, source: none }
  error_in_body: { field: /error, message: /error/text }
defaults:
  records: /data
  key: [id]
  columns: { id: { type: int64 }, at: { type: timestamp } }
  deletes: none
streams:
  rows:
    title: rows
    path: /rows
    kind: snapshot
    pagination: { body_token: { param: cursor, token: /next } }
  searched:
    title: searched
    path: /searched
    kind: events
    window: { field: at, request: { from: from, until: until }, cap: { records: 3, total: /total, source: none } }
  changes:
    title: changes
    path: /changes
    kind: chain
    chain: { param: token, next: /next, more: /more }
";

async fn shop(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Server, Source) {
    let server = Server::start(handler).await;
    let source = open(&SHOP.replace("ORIGIN", &server.origin), &server, "key", &[]);
    (server, source)
}

fn page(ids: &[i64], next: impl Into<Value>) -> Reply {
    let next = next.into();
    let rows: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    Reply::json(&json!({ "data": rows, "next": next }))
}

#[tokio::test]
async fn nothing_is_sent_to_an_origin_that_only_the_source_names() {
    let other = Server::start(|_| page(&[1], Value::Null)).await;
    let elsewhere = format!("{}/api/rows", other.origin);
    let (_server, source) = shop(move |_| Reply::text(307, "").header("Location", &elsewhere)).await;
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "origin-refused");
    let elsewhere = format!("{}/api/changes", other.origin);
    let handler = move |_: &Asked| Reply::json(&json!({ "data": [{ "id": 1 }], "next": elsewhere, "more": true }));
    let server = Server::start(handler).await;
    let text = SHOP.replace("ORIGIN", &server.origin).replace("chain: { param: token,", "chain: {");
    let source = open(&text, &server, "key", &[]);
    assert_eq!(read(&source, "changes", whole()).await.unwrap_err().code(), "origin-refused");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed_with_the_credential() {
    let (server, source) = shop(|asked| match asked.path.as_str() {
        "/api/rows" => Reply::text(301, "").header("Location", "/api/moved?a=b"),
        _ => page(&[1], Value::Null),
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!(got.exchanges[0].url, format!("{}/api/moved?a=b", server.origin));
    assert!(server.asked().iter().all(|asked| asked.get("key") == Some(SECRET)));
}

#[tokio::test]
async fn a_private_address_is_refused_unless_the_project_lists_it_with_its_port() {
    let server = Server::start(|_| page(&[1], Value::Null)).await;
    let port = server.address().rsplit_once(':').unwrap().1.to_owned();
    for (origin, allowed) in [
        (server.origin.clone(), vec![]),
        (server.origin.clone(), vec!["127.0.0.1:1".to_owned()]),
        (format!("http://localhost:{port}"), vec![]),
        (format!("http://localhost:{port}"), vec![server.address()]),
        (format!("http://[::ffff:127.0.0.1]:{port}"), vec![server.address()]),
    ] {
        let source = try_open(&SHOP.replace("ORIGIN", &origin), &allowed, "key", &[]).unwrap();
        let error = read(&source, "rows", whole()).await.unwrap_err();
        let code = if origin.contains("localhost") { "plain-http" } else { "private-address" };
        assert_eq!((error.code(), error.kind()), (code, ErrorKind::Config), "{origin}: {error}");
    }
    assert!(server.asked().is_empty());
    let local = try_open(
        &SHOP.replace("ORIGIN", &format!("http://localhost:{port}")),
        &[format!("localhost:{port}")],
        "key",
        &[],
    );
    assert_eq!(read(&local.unwrap(), "rows", whole()).await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn a_long_retry_after_parks_with_its_time_and_a_spent_quota_does_too() {
    let (server, source) = shop(|_| Reply::text(429, "").header("Retry-After", "3600")).await;
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_at(), server.asked().len()),
        (ErrorKind::Parked, Some(at("2026-11-21T10:00:00Z")), 1)
    );
    assert!(!error.is_permanent());
    // The source's clock is a day ahead.
    let ahead = |_: &Asked| {
        let throttled = Reply::text(429, "").header("Date", "Sun, 22 Nov 2026 09:00:00 GMT");
        throttled.header("Retry-After", "Sun, 22 Nov 2026 10:00:00 GMT")
    };
    let (_server, source) = shop(ahead).await;
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.retry_at()), ("throttled", Some(at("2026-11-21T10:00:00Z"))));
    let (_server, source) = shop(|_| Reply::text(403, "").header("X-Left", "0").header("X-Reset", "120")).await;
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.retry_at()), ("throttled", Some(at("2026-11-21T09:02:00Z"))));
}

/// A hundred windows of a source that is away must not each wait out three tries.
#[tokio::test]
async fn a_source_that_is_away_is_asked_once_by_those_who_come_next() {
    let address = Server::start(|_| page(&[], Value::Null)).await.address();
    let text = SHOP.replace("ORIGIN", &format!("http://{address}"));
    let connector = Arc::new(Connector::parse(&text, "shop.yaml").unwrap());
    let mut options = options(&[address]);
    options.patience.pause_min = Duration::from_millis(100);
    options.patience.pause_max = Duration::from_millis(100);
    options.secrets.insert("key".to_owned(), Secret::new(SECRET));
    let source = Source::open(connector, SourceName::new("shop").unwrap(), BTreeMap::new(), options).unwrap();
    let (mut began, mut waits) = (Instant::now(), Vec::new());
    for _ in 0..2 {
        assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "unreachable");
        waits.push(began.elapsed());
        began = Instant::now();
    }
    assert!(waits[0] >= Duration::from_millis(300) && waits[1] < waits[0], "{waits:?}");
}

#[tokio::test]
async fn faults_within_a_reading_are_invisible_when_they_pass() {
    let (server, source) = shop(|asked| match asked.number {
        0 => Reply { cut: Some(5), ..page(&[1, 2], "a") },
        2 => Reply::text(500, "oops"),
        3 => Reply::throttled(),
        1 => page(&[1, 2], "a"),
        _ => page(&[3], Value::Null).header("Date", "Sat, 21 Nov 2026 08:59:58 GMT").header("Set-Cookie", "x=y"),
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!(got.records, [json!({ "id": 1 }), json!({ "id": 2 }), json!({ "id": 3 })]);
    assert_eq!((got.summary.requests, got.summary.retries, server.asked().len()), (2, 3, 5));
    let last = &got.exchanges[1];
    assert_eq!((last.source_date, last.fetched_at), (Some(at("2026-11-21T08:59:58Z")), at("2026-11-21T09:00:00Z")));
    assert_eq!(last.url, format!("{}/api/rows?cursor=a", server.origin));
    assert!(last.headers.iter().all(|(name, _)| name != "set-cookie"));
}

#[tokio::test]
async fn a_window_above_the_cap_is_read_in_halves_that_share_nothing() {
    let (server, source) = shop(|asked| {
        let inside = |n: &i64| {
            let time = format!("2024-03-01T{:02}:00:00Z", n * 3);
            asked.get("from").unwrap() <= time.as_str() && time.as_str() < asked.get("until").unwrap()
        };
        let matching: Vec<i64> = (0..8).filter(inside).collect();
        let rows: Vec<Value> = matching.iter().take(3).map(|id| json!({ "id": id })).collect();
        Reply::json(&json!({ "data": rows, "total": matching.len() }))
    })
    .await;
    let got = read(&source, "searched", range(day("2024-03-01"))).await.unwrap();
    assert_eq!(got.records.len(), 8);
    assert!(server.asked().len() > got.exchanges.len());
    let second = TimeRange::new(at("2024-03-01T00:00:00Z"), at("2024-03-01T00:00:01Z")).unwrap();
    let (_server, source) = shop(|_| Reply::json(&json!({ "data": [{ "id": 1 }], "total": 4 }))).await;
    assert_eq!(read(&source, "searched", range(second)).await.unwrap_err().code(), "result-capped");
}

/// A body above what is held streams in chunks, and its parts put together are its bytes.
#[tokio::test]
async fn a_large_body_streams_and_a_cut_one_fails_by_name() {
    let filler = "x\\\"}".repeat(300);
    let rows: Vec<String> = (0..16_000).map(|id| format!(r#"{{"id":{id},"filler":"{filler}"}}"#)).collect();
    let body = format!(r#"{{"data":[{}],"next":null}}"#, rows.join(", "));
    assert!(body.len() > 2 * headwater_connectors::HOLD_BYTES);
    let copy = body.clone();
    let (_server, source) = shop(move |_| Reply::text(200, &copy)).await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!((got.records.len(), got.records[15_999]["id"].as_i64()), (16_000, Some(15_999)));
    let mut whole_body = Vec::new();
    for event in &got.events {
        if let ReadEvent::Chunk(chunk) = event {
            assert!(chunk.body.len() <= headwater_connectors::HOLD_BYTES);
            whole_body.extend_from_slice(&chunk.body);
        }
    }
    assert!(whole_body == body.as_bytes());
    let shorter = body.len() - 40;
    let (server, source) = shop(move |_| Reply { cut: Some(shorter), ..Reply::text(200, &body) }).await;
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), server.asked().len()), ("body-truncated", 1));
}

/// Replay gives the records, ordinals and token that the reading gave.
#[tokio::test]
async fn stored_bodies_replay_as_they_were_read() {
    let (_server, source) = shop(|asked| {
        let token = asked.number_of("token").unwrap_or(0);
        Reply::json(&json!({ "data": [{ "id": token }, { "id": token + 1 }], "next": token + 2, "more": token < 4 }))
    })
    .await;
    let got: Got = read(&source, "changes", whole()).await.unwrap();
    assert_eq!(got.summary.token_out.as_deref(), Some("6"));
    let (mut replayer, mut again, mut live) = (source.replay("changes").unwrap(), Vec::new(), Vec::new());
    for event in got.events {
        match event {
            ReadEvent::Exchange(exchange) => again.extend(replayer.exchange(&exchange).unwrap()),
            ReadEvent::Chunk(chunk) => again.extend(replayer.chunk(chunk).unwrap()),
            ReadEvent::Records(records) => live.push(records),
            ReadEvent::Done(_) => {}
        }
    }
    let (last, summary) = replayer.finish().unwrap();
    again.extend(last);
    assert_eq!(again, live);
    assert_eq!(
        (summary.token_out, summary.records, summary.bytes),
        (Some("6".into()), got.summary.records, got.summary.bytes)
    );
    let mut replayer = source.replay("changes").unwrap();
    let chunk = Chunk { request: 0, ordinal: 0, body: Bytes::from_static(b"{") };
    assert_eq!(replayer.chunk(chunk).unwrap_err().code(), "replay-broken");
}

#[tokio::test]
async fn a_reading_that_nobody_takes_stops_asking() {
    let (server, source) = shop(|asked| page(&[i64::try_from(asked.number).unwrap()], asked.number + 1)).await;
    let mut reading = source.read("rows", ReadRequest { slice: Slice::whole(), bounds: None, token: None });
    assert!(matches!(reading.next().await, Some(Ok(ReadEvent::Exchange(_)))));
    drop(reading);
    // What was in flight may still arrive; then it is quiet.
    let mut before = usize::MAX;
    while before != server.asked().len() {
        before = server.asked().len();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }
    assert!(before < 100, "{before} requests");
}
