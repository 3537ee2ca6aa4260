//! What the transport makes of encodings, redirects with bodies, and proxies.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use headwater_connectors::{Connector, Source};
use headwater_contract::{ErrorKind, Explain, Secret, SourceName};
use serde_json::{Value, json};

use crate::server::{Reply, Server};
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
  rows: { title: rows, path: /rows }
  found: { title: found, path: /found, method: post, body: { json: { q: 1 } } }
";

fn open(server: &Server, proxy: Option<&str>) -> Source {
    let connector = Connector::parse(&API.replace("ORIGIN", &server.origin), "api.yaml").unwrap();
    let mut options = options(&[server.address()]);
    options.proxy = proxy.map(|proxy| proxy.parse().unwrap());
    options.secrets.insert("key".to_owned(), Secret::new(SECRET));
    Source::open(Arc::new(connector), SourceName::new("api").unwrap(), [].into(), options).unwrap()
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
        let got = read(&open(&server, None), "rows", whole()).await.unwrap();
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
        read(&open(&server, None), "found", whole()).await.unwrap();
        let asked = server.asked()[1].clone();
        assert_eq!((asked.method.as_str(), asked.body), (method, body), "{status}");
    }
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_the_project_names_and_no_other() {
    let proxy = Server::start(|_| good()).await;
    let server = Server::start(|_| good()).await;
    // The target listens too, so that whoever bypassed the proxy would be seen there.
    let source = open(&server, Some(&proxy.origin));
    read(&source, "rows", whole()).await.unwrap();
    assert_eq!(proxy.asked()[0].target, format!("{}/rows", server.origin));
    assert!(server.asked().is_empty());
    let refusing = Server::start(|_| Reply::text(407, "who are you?")).await;
    let error = read(&open(&server, Some(&refusing.origin)), "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("proxy-refused", ErrorKind::Access));
}
