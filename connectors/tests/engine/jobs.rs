//! Exports that are ordered, asked after, downloaded and cleaned up, by what the server was asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwater_connectors::jobs::{FileJobStore, JobStore};
use headwater_connectors::{Connector, Source};
use headwater_contract::{ErrorKind, Explain, ReadEvent, SourceName};
use serde_json::json;

use crate::server::{Asked, Reply, Server};
use crate::work::{day, options, range, read, whole};

const EXPORTS: &str = r"
manifest: 1
connector: exports
title: Exports
docs: none
http:
  base_url: ORIGIN/api
  limits: [{ requests: 1000000, per: 1 second, source: none }]
defaults:
  records: /data
  key: [id]
  columns: { id: { type: int64 }, at: { type: timestamp } }
  deletes: none
streams:
  rows:
    title: rows
    kind: events
    window: { field: at, request: { from: /range/from, until: /range/until }, granularity: 1 hour }
    decoding: json_lines
    records: ''
    job:
      create: { path: /exports, body: { json: { type: rows, key: '{job_key}' } }, fields: { job: /export/id } }
      poll: { path: '/exports/{job}', state: /state, message: /error, every: 1 millisecond, wait_max: 300 milliseconds }
      states: { running: [queued, running], completed: [done], failed: [failed], skipped: [empty], too_large: [big] }
      each: { list: /files, fields: { file: url, part: part } }
      url: file
      delete: { method: delete, path: '/exports/{job}' }
      cancel: { method: post, path: '/exports/{job}/cancel' }
    columns:
      id:   { type: int64 }
      at:   { type: timestamp }
      part: { type: int64, given: part }
      job:  { type: string, given: job }
  files:
    title: files
    path: /exports/{job}/files
    kind: snapshot
    internal: true
    pagination: { body_token: { param: cursor, token: /next } }
    job:
      create: { path: /exports, body: { json: { type: lines } }, fields: { job: /export/id } }
      poll: { path: '/exports/{job}', state: /state, every: 1 millisecond }
      states: { running: [queued], completed: [done] }
      delete: { method: delete, path: '/exports/{job}' }
  lines:
    title: lines
    path: /files/{file}
    kind: snapshot
    parent: { stream: files, fields: { file: id } }
";

/// What the server was asked for, in short.
fn asked(server: &Server) -> Vec<String> {
    server.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path.trim_start_matches("/api"))).collect()
}

async fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Server, Source) {
    let server = Server::start(handler).await;
    let source = open(&server, None);
    (server, source)
}

fn open(server: &Server, jobs: Option<Arc<dyn JobStore>>) -> Source {
    let connector = Connector::parse(&EXPORTS.replace("ORIGIN", &server.origin), "exports.yaml");
    let connector = Arc::new(connector.unwrap_or_else(|error| panic!("{error} {}", error.snippet())));
    let mut options = options(&[server.address()]);
    if let Some(jobs) = jobs {
        options.jobs = jobs;
    }
    Source::open(connector, SourceName::new("exports").unwrap(), BTreeMap::new(), options).unwrap()
}

/// An export `e1` that is done when it is asked after for the third time; its two files have a line each.
fn exports(asked: &Asked) -> Reply {
    let line = |id: i64| Reply::text(200, &format!("{{\"id\":{id},\"at\":\"2024-03-01T00:00:00Z\"}}\n"));
    match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/api/exports") => Reply::json(&json!({ "export": { "id": "e1" } })),
        ("GET", "/api/exports/e1") if asked.number < 3 => Reply::json(&json!({ "state": "queued" })),
        ("GET", "/api/exports/e1") => Reply::json(&json!({
            "state": "done",
            "files": [{ "url": "/api/files/a?sig=x", "part": 1 }, { "url": "/api/files/b?sig=y", "part": 2 }]
        })),
        ("GET", "/api/files/a") => line(1),
        ("GET", "/api/files/b") => line(2),
        ("DELETE", "/api/exports/e1") => Reply::text(204, ""),
        _ => Reply::text(500, "unexpected"),
    }
}

#[tokio::test]
async fn an_export_is_ordered_asked_after_downloaded_and_removed() {
    let (server, source) = start(exports).await;
    let got = read(&source, "rows", range(day("2024-03-01"))).await.unwrap();
    let poll = "GET /exports/e1";
    let all = ["POST /exports", poll, poll, poll, "GET /files/a", "GET /files/b", "DELETE /exports/e1"];
    assert_eq!(asked(&server), all);
    let order = server.asked()[0].body.clone();
    assert_eq!(order["range"], json!({ "from": "2024-03-01T00:00:00Z", "until": "2024-03-02T00:00:00Z" }));
    assert_eq!(order["key"].as_str().unwrap().len(), 32);
    let rows: Vec<String> = got.records.iter().map(|row| format!("{} {}", row["id"], row["_given"])).collect();
    assert_eq!(rows, [r#"1 {"part":1,"job":"e1"}"#, r#"2 {"part":2,"job":"e1"}"#]);
    // Raw keeps the download's bytes, and of the job only that it was asked for.
    assert_eq!((got.summary.requests, got.summary.records), (4, 2));
    let mut replayer = source.replay("rows").unwrap();
    let mut again = Vec::new();
    for event in &got.events {
        match event.clone() {
            ReadEvent::Exchange(exchange) => again.extend(replayer.exchange(&exchange).unwrap()),
            ReadEvent::Chunk(chunk) => again.extend(replayer.chunk(chunk).unwrap()),
            ReadEvent::Records(_) | ReadEvent::Done(_) => {}
        }
    }
    again.extend(replayer.finish().unwrap().0);
    let texts: Vec<_> = again.into_iter().flat_map(|records| records.texts).collect();
    assert_eq!(texts, got.texts);
    let sent: Vec<&str> =
        got.exchanges.iter().map(|exchange| exchange.url.trim_start_matches(&server.origin)).collect();
    assert_eq!(sent, ["/api/exports", "/api/exports/e1", "/api/files/a", "/api/files/b"], "links lose their signature");
}

#[tokio::test]
async fn a_list_of_files_on_pages_is_a_stream_whose_children_are_the_downloads() {
    let (server, source) = start(|asked| match (asked.path.as_str(), asked.get("cursor")) {
        ("/api/exports", _) => Reply::json(&json!({ "export": { "id": "e1" } })),
        ("/api/exports/e1", _) => Reply::json(&json!({ "state": "done" })),
        ("/api/exports/e1/files", None) => Reply::json(&json!({ "data": [{ "id": "a" }, { "id": "b" }], "next": "2" })),
        ("/api/exports/e1/files", Some(_)) => Reply::json(&json!({ "data": [{ "id": "c" }] })),
        (path, _) => Reply::json(&json!({ "data": [{ "id": path }] })),
    })
    .await;
    let got = read(&source, "lines", whole()).await.unwrap();
    assert_eq!(got.records.len(), 3);
    let files = |page: &[&str]| page.iter().map(|file| format!("GET /files/{file}")).collect::<Vec<_>>();
    let asked = asked(&server);
    assert_eq!(asked[..3], ["POST /exports", "GET /exports/e1", "GET /exports/e1/files"]);
    let mut first = asked[3..5].to_vec();
    first.sort();
    assert_eq!(first, files(&["a", "b"]));
    assert_eq!(asked[5..], ["GET /exports/e1/files", "GET /files/c", "DELETE /exports/e1"]);
}

#[tokio::test]
async fn a_restart_goes_on_with_the_export_that_was_ordered() {
    let folder = tempfile::tempdir().unwrap();
    let store = || -> Option<Arc<dyn JobStore>> { Some(Arc::new(FileJobStore::new(folder.path()))) };
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/exports/e1" if asked.number == 1 => Reply::text(401, "not now"),
        _ => exports(asked),
    })
    .await;
    // The process ends while the export runs; another one reads the window again.
    let error = read(&open(&server, store()), "rows", range(day("2024-03-01"))).await.unwrap_err();
    assert_eq!(error.code(), "unauthorized");
    let got = read(&open(&server, store()), "rows", range(day("2024-03-01"))).await.unwrap();
    assert_eq!(got.summary.records, 2);
    assert_eq!(asked(&server).iter().filter(|asked| asked.starts_with("POST")).count(), 1);
    // What was read to its end is forgotten: the next reading orders anew.
    read(&open(&server, store()), "rows", range(day("2024-03-01"))).await.unwrap();
    assert_eq!(asked(&server).iter().filter(|asked| asked.starts_with("POST")).count(), 2);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_sent_again_under_the_same_key_only_where_it_has_one() {
    let (server, source) = start(|asked| match asked.number {
        0 => Reply { cut: Some(3), ..exports(asked) },
        _ => exports(&Asked { number: asked.number + 2, ..asked.clone() }),
    })
    .await;
    assert_eq!(read(&source, "rows", range(day("2024-03-01"))).await.unwrap().summary.records, 2);
    let orders: Vec<_> = server.asked().into_iter().filter(|asked| asked.method == "POST").collect();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0].body["key"], orders[1].body["key"]);
    let (server, source) = start(|asked| Reply { cut: Some(3), ..exports(asked) }).await;
    let error = read(&source, "lines", whole()).await.unwrap_err();
    assert_eq!((error.code(), asked(&server).len()), ("body-truncated", 1));
}

#[tokio::test]
async fn every_way_to_end_without_data_is_named() {
    let answer = |state: &'static str| {
        move |asked: &Asked| match asked.method.as_str() {
            "GET" => Reply::json(&json!({ "state": state, "error": "no quota" })),
            _ => exports(asked),
        }
    };
    for (state, code, kind) in [
        ("failed", "job-failed", ErrorKind::Unavailable),
        ("Done", "job-state-unknown", ErrorKind::Source),
        // Done, but without its list of files.
        ("done", "job-answer-wrong", ErrorKind::Source),
    ] {
        let (server, source) = start(answer(state)).await;
        let error = read(&source, "rows", range(day("2024-03-01"))).await.unwrap_err();
        assert_eq!((error.code(), error.kind(), asked(&server).len()), (code, kind, 2), "{error}");
    }
    let (_server, source) = start(answer("empty")).await;
    let got = read(&source, "rows", range(day("2024-03-01"))).await.unwrap();
    assert_eq!((got.summary.records, got.summary.skipped_requests), (0, 1));
    let (server, source) = start(answer("running")).await;
    let error = read(&source, "rows", range(day("2024-03-01"))).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("job-timed-out", false));
    assert_eq!(asked(&server).last().unwrap(), "POST /exports/e1/cancel");
}

#[tokio::test]
async fn an_export_of_too_long_a_range_is_ordered_in_halves() {
    let (server, source) = start(|asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/api/exports") => {
            let hours = |name: &str| asked.body["range"][name].as_str().unwrap()[8..13].to_owned();
            Reply::json(&json!({ "export": { "id": format!("{}-{}", hours("from"), hours("until")) } }))
        }
        ("GET", "/api/exports/01T00-02T00") => Reply::json(&json!({ "state": "big" })),
        ("GET", path) if path.starts_with("/api/exports/") => {
            Reply::json(&json!({ "state": "done", "files": [{ "url": "/api/files/a", "part": 1 }] }))
        }
        _ => exports(asked),
    })
    .await;
    assert_eq!(read(&source, "rows", range(day("2024-03-01"))).await.unwrap().summary.records, 2);
    let polls: Vec<_> = asked(&server).into_iter().filter(|asked| asked.starts_with("GET /exports")).collect();
    assert_eq!(polls, ["GET /exports/01T00-02T00", "GET /exports/01T00-01T12", "GET /exports/01T12-02T00"]);
}

#[tokio::test]
async fn downloads_that_are_gone_are_ordered_once_more_and_no_oftener() {
    for (gone, posts, outcome) in [(1, 2, Ok(2)), (9, 2, Err("forbidden"))] {
        let downloads = AtomicUsize::new(0);
        let (server, source) = start(move |asked| match asked.path.as_str() {
            "/api/files/a" if downloads.fetch_add(1, Ordering::SeqCst) < gone => Reply::text(403, "expired"),
            _ => exports(asked),
        })
        .await;
        let got = read(&source, "rows", range(day("2024-03-01"))).await;
        assert_eq!(got.map(|got| got.summary.records).map_err(|error| error.code()), outcome);
        assert_eq!(asked(&server).iter().filter(|asked| *asked == "POST /exports").count(), posts);
    }
}

#[test]
fn jobs_that_cannot_work_are_refused_before_a_request_is_sent() {
    for (from, to, reason) in [
        ("completed: [done], failed", "failed", "`states` does not say"),
        ("url: file", "url: other", "`url: other` is no field"),
        ("/exports/{job}/files", "/exports/{export}/files", "`{export}` in the path"),
        ("'/exports/{job}', state: /state, message", "'/exports/{id}', state: /state, message", "`{id}`"),
        ("given: part", "given: other", "`given: other`"),
    ] {
        let text = EXPORTS.replace("ORIGIN", "http://127.0.0.1:1").replacen(from, to, 1);
        let error = Connector::parse(&text, "exports.yaml").unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

/// The most exports that ran at a time while two days were read at once.
async fn ran_at_a_time(text: &str) -> usize {
    let running = Arc::new(std::sync::Mutex::new((0_usize, 0_usize, BTreeMap::new())));
    let seen = Arc::clone(&running);
    let server = Server::start(move |asked| {
        let mut running = seen.lock().unwrap();
        let (now, most, polls) = &mut *running;
        let export = asked.path.trim_start_matches("/api/exports/").to_owned();
        match asked.method.as_str() {
            "POST" => {
                *now += 1;
                *most = (*most).max(*now);
                Reply::json(&json!({ "export": { "id": format!("e{}", asked.number) } }))
            }
            "GET" => {
                let count = polls.entry(export).or_insert(0);
                *count += 1;
                // Each takes long enough for the other one to be ordered, if it may.
                if *count < 20 {
                    return Reply::json(&json!({ "state": "queued" }));
                }
                *now -= 1;
                Reply::json(&json!({ "state": "done", "files": [] }))
            }
            _ => Reply::text(204, ""),
        }
    })
    .await;
    let connector = Arc::new(Connector::parse(&text.replace("ORIGIN", &server.origin), "exports.yaml").unwrap());
    let options = options(&[server.address()]);
    let source = Source::open(connector, SourceName::new("exports").unwrap(), BTreeMap::new(), options).unwrap();
    let read_day = |date: &'static str| read(&source, "rows", range(day(date)));
    let (one, two) = tokio::join!(read_day("2024-03-01"), read_day("2024-03-02"));
    assert!(one.is_ok() && two.is_ok());
    running.lock().unwrap().1
}

#[tokio::test]
async fn no_more_exports_run_at_a_time_than_the_source_takes() {
    let patient = EXPORTS.replace("wait_max: 300 milliseconds", "wait_max: 30 seconds");
    assert_eq!(ran_at_a_time(&patient).await, 2);
    assert_eq!(ran_at_a_time(&patient.replace("      url: file\n", "      url: file\n      jobs_max: 1\n")).await, 1);
}
