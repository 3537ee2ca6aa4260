//! Hostile and broken servers: every bound of the transport, reached and named.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use headwater_connectors::{Connector, Patience, Source};
use headwater_contract::{ErrorKind, Explain, Secret, SourceName};
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{SECRET, options, read, whole};

const API: &str = r"
manifest: 1
connector: api
title: API
docs: none
settings: { key: { secret: true, help: key } }
http: { base_url: ORIGIN, auth: { bearer: key }, limits: [] }
defaults:
  records: /data
  key: [id]
  columns: { id: { type: int64 } }
  deletes: none
  kind: snapshot
streams:
  rows: { title: rows, path: /rows, pagination: { next_url: { url: /next } } }
  found: { title: found, path: /found, method: post, body: { json: { q: 1 } } }
";

fn open(server: &Server, origin: &str, patience: Patience, proxy: Option<&str>) -> Source {
    let connector = Connector::parse(&API.replace("ORIGIN", origin), "api.yaml").unwrap();
    let mut options = options(&[server.address()]);
    options.patience = patience;
    options.proxy = proxy.map(|proxy| proxy.parse().unwrap());
    options.secrets.insert("key".to_owned(), Secret::new(SECRET));
    Source::open(Arc::new(connector), SourceName::new("api").unwrap(), [].into(), options).unwrap()
}

fn quick() -> Patience {
    let pause = Duration::from_millis(1);
    Patience { pause_min: pause, pause_max: pause, ..Patience::default() }
}

/// Reads `rows` and returns the fault's code and how many requests were sent.
async fn code(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (&'static str, usize) {
    let server = Server::start(handler).await;
    let source = open(&server, &server.origin, quick(), None);
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert!(!format!("{error:?} {}", error.place()).contains(SECRET), "{error}");
    (error.code(), server.asked().len())
}

fn good() -> Reply {
    Reply::json(&json!({ "data": [{ "id": 1 }], "next": null }))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn bombs_are_refused_by_name_and_once() {
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    let reply =
        move |_: &Asked| Reply { body: bomb.clone(), ..Reply::text(200, "") }.header("Content-Encoding", "gzip");
    assert_eq!(code(reply).await, ("body-inflates", 1));
    let nested = "[".repeat(100_000);
    assert_eq!(code(move |_| Reply::text(200, &format!(r#"{{"data":[{nested}"#))).await, ("nested-too-deep", 1));
    let twice = gzip(&gzip(b"{}"));
    let reply =
        move |_: &Asked| Reply { body: twice.clone(), ..Reply::text(200, "") }.header("Content-Encoding", "gzip, gzip");
    assert_eq!(code(reply).await, ("encoding-unknown", 1));
    assert_eq!(code(|_| good().header("Content-Encoding", "br")).await, ("encoding-unknown", 1));
}

#[tokio::test]
async fn heads_without_end_are_refused_by_name() {
    let many = |_: &Asked| (0..1_000).fold(good(), |reply, nth| reply.header(&format!("X-{nth}"), "x"));
    assert_eq!(code(many).await, ("head-too-large", 1));
    assert_eq!(code(|_| good().header("X-Long", &"x".repeat(70_000))).await, ("head-too-large", 1));
    assert_eq!(code(|_| good().header("X-Endless", &"x".repeat(2_000_000))).await, ("head-too-large", 1));
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up_by_its_deadline_or_its_silence() {
    let hanging = |_: &Asked| Reply { cut: Some(9), hangs: true, ..good() };
    let server = Server::start(hanging).await;
    let slow = Patience { answer_max: Duration::from_millis(50), ..quick() };
    let error = read(&open(&server, &server.origin, slow, None), "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.kind(), server.asked().len()), ("too-slow", ErrorKind::Unavailable, 1));
    let silent = Patience { silence_max: Duration::from_millis(50), retries_max: 1, ..quick() };
    let error = read(&open(&server, &server.origin, silent, None), "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.kind(), server.asked().len()), ("body-truncated", ErrorKind::Unavailable, 3));
}

#[tokio::test]
async fn a_reading_has_an_end_of_its_own() {
    let endless = |asked: &Asked| {
        Reply::json(&json!({ "data": [{ "id": asked.number }], "next": format!("/rows?p={}", asked.number) }))
    };
    let server = Server::start(endless).await;
    let short = Patience { reading_max: Duration::ZERO, ..quick() };
    let error = read(&open(&server, &server.origin, short, None), "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), server.asked().len()), ("reading-too-long", 1));
}

#[tokio::test]
async fn next_pages_that_would_leak_or_flood_are_refused() {
    let next = |url: &str| {
        let url = url.to_owned();
        move |asked: &Asked| {
            let host = asked.headers["host"].clone();
            Reply::json(&json!({ "data": [{ "id": 1 }], "next": url.replace("HOST", &host) }))
        }
    };
    for (url, name) in [
        ("//evil.example/rows", "origin-refused"),
        ("https://HOST/rows", "origin-refused"),
        ("http://user:secret@HOST/rows", "origin-refused"),
        ("http://evil.example\\@HOST/rows", "origin-refused"),
        ("data:application/json,{}", "origin-refused"),
        ("file:///etc/passwd", "origin-refused"),
    ] {
        assert_eq!(code(next(url)).await, (name, 1), "{url}");
    }
    // Just below the size of a field that is read, and above that of a URL.
    let long = format!("/rows?x={}", "x".repeat(65_520));
    assert_eq!(code(next(&long)).await, ("url-too-long", 1));
}

#[tokio::test]
async fn plain_http_to_a_host_that_nobody_listed_sends_nothing() {
    let server = Server::start(|_| good()).await;
    let source = open(&server, "http://api.example.com", quick(), None);
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("plain-http", ErrorKind::Config));
    assert!(error.fix().contains("api.example.com:80"), "{}", error.fix());
}

#[tokio::test]
async fn what_is_sent_counts_more_than_what_the_header_says() {
    let body = br#"{"data":[{"id":1}],"next":null}"#;
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(body).unwrap();
    let parts = [gzip(&body[..10]), gzip(&body[10..])].concat();
    for (encoding, sent) in
        [("gzip", gzip(body)), ("x-gzip", parts), ("deflate", zlib.finish().unwrap()), ("gzip", body.to_vec())]
    {
        let server = Server::start(move |asked| {
            assert_eq!(asked.headers["accept-encoding"], "gzip, deflate");
            Reply { body: sent.clone(), ..Reply::text(200, "") }.header("Content-Encoding", encoding)
        })
        .await;
        let got = read(&open(&server, &server.origin, quick(), None), "rows", whole()).await.unwrap();
        assert_eq!(got.records, [json!({ "id": 1 })], "{encoding}");
    }
}

#[tokio::test]
async fn a_redirect_keeps_the_body_unless_it_says_see_other() {
    for (status, method, body) in
        [(307, "POST", json!({ "q": 1 })), (302, "POST", json!({ "q": 1 })), (303, "GET", Value::Null)]
    {
        let server = Server::start(move |asked| match asked.path.as_str() {
            "/found" => Reply::text(status, "").header("Location", "/there"),
            _ => Reply::text(200, r#"{"data":[]}"#),
        })
        .await;
        read(&open(&server, &server.origin, quick(), None), "found", whole()).await.unwrap();
        let asked = server.asked()[1].clone();
        assert_eq!((asked.method.as_str(), asked.body), (method, body), "{status}");
    }
}

#[tokio::test]
async fn a_part_of_a_body_is_not_taken_for_the_whole() {
    assert_eq!(code(|_| Reply { status: 206, ..good() }).await, ("request-rejected", 1));
    assert_eq!(code(|_| Reply { status: 304, ..Reply::text(304, "") }).await, ("request-rejected", 1));
    assert_eq!(code(|_| Reply::text(204, "")).await.0, "body-truncated");
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_the_project_names_and_no_other() {
    let proxy = Server::start(|_| good()).await;
    let server = Server::start(|_| good()).await;
    // The target listens too, so that whoever bypassed the proxy would be seen there.
    let source = open(&server, &server.origin, quick(), Some(&proxy.origin));
    read(&source, "rows", whole()).await.unwrap();
    assert_eq!(proxy.asked()[0].target, format!("{}/rows", server.origin));
    assert!(server.asked().is_empty());
    let refusing = Server::start(|_| Reply::text(407, "who are you?")).await;
    let error =
        read(&open(&server, &server.origin, quick(), Some(&refusing.origin)), "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("proxy-refused", ErrorKind::Access));
}
