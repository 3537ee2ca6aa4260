//! Limits against a server: what is declared, what answers tell, and what runs and runners share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use headwater_connectors::{
    Connector, FileQuotas, ManifestError, MemoryQuotas, QuotaStore, SettingValue, Source, SourceError,
};
use headwater_contract::{Explain, FixedClock, ReadSummary, Secret, SourceName};
use serde_json::json;

use crate::server::{Asked, Reply, Server};
use crate::work::{SECRET, at, options, read, whole};

/// Five pages, under the connector's words `HTTP`; `other` is a second stream.
const API: &str = r"
manifest: 1
connector: api
title: API
docs: none
settings: { key: { secret: true, help: key } }
http:
  base_url: ORIGIN
  auth: { bearer: key }
  HTTP
defaults:
  records: /data
  key: [id]
  columns: { id: { type: int64 } }
  deletes: none
  kind: snapshot
  pagination: { body_token: { param: cursor, token: /next } }
streams:
  rows: { title: rows, path: /rows, locks: [export], cost: { expression: '2 + 1' } }
  other: { title: other, path: /other, locks: [export] }
";

fn five_pages(asked: &Asked) -> Reply {
    let page = asked.number_of("cursor").unwrap_or(0);
    let next = (page < 4).then_some(page + 1);
    Reply::json(&json!({ "data": [{ "id": page }], "next": next, "cost": 1, "left": 40 - 10 * page }))
}

/// Opens the source as one runner of a project does.
fn runner(server: &Server, http: &str, quotas: Arc<dyn QuotaStore>, now: &str, share: Option<&str>) -> Source {
    let text = API.replace("ORIGIN", &server.origin).replace("HTTP", http);
    let connector = Connector::parse(&text, "api.yaml").unwrap_or_else(|error| panic!("{error}"));
    let mut options = options(&[server.address()]);
    options.clock = Arc::new(FixedClock::at(at(now)));
    options.quotas = quotas;
    options.secrets.insert("key".to_owned(), Secret::new(SECRET));
    let share = share.map(|share| ("quota_share".to_owned(), SettingValue::Text(share.to_owned())));
    Source::open(Arc::new(connector), SourceName::new("api").unwrap(), BTreeMap::from_iter(share), options).unwrap()
}

const NOW: &str = "2026-11-21T09:00:00Z";

async fn read_all(server: &Server, http: &str) -> Result<ReadSummary, SourceError> {
    let source = runner(server, http, Arc::new(MemoryQuotas::default()), NOW, None);
    read(&source, "rows", whole()).await.map(|got| got.summary)
}

#[tokio::test]
async fn a_days_allowance_that_is_used_up_parks_until_the_vendors_midnight() {
    let server = Server::start(five_pages).await;
    let http = "limits: [{ requests: 8, resets: { time: '00:00', zone: America/Los_Angeles }, source: none }]";
    let folder = tempfile::tempdir().unwrap();
    // Two runners, each of them a process of its own as far as the files know.
    let first = runner(&server, http, Arc::new(FileQuotas::new(folder.path())), NOW, None);
    read(&first, "rows", whole()).await.unwrap();
    let second = runner(&server, http, Arc::new(FileQuotas::new(folder.path())), NOW, None);
    let error = read(&second, "rows", whole()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.retry_at(), server.asked().len()),
        ("quota-spent", Some(at("2026-11-22T08:00:00Z")), 8)
    );
    assert!(!error.is_permanent());
    let tomorrow = runner(&server, http, Arc::new(FileQuotas::new(folder.path())), "2026-11-22T08:00:00Z", None);
    read(&tomorrow, "rows", whole()).await.unwrap();
    let stored: String = fs_err::read_dir(folder.path())
        .unwrap()
        .map(|file| fs_err::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(!stored.contains(SECRET));
}

#[tokio::test]
async fn a_run_whose_clock_was_a_year_ahead_parks_no_later_one() {
    for http in [
        "limits: [{ requests: 5, per: 1 second, source: none }]",
        "limits: [{ requests: 8, resets: { time: '00:00', zone: UTC }, source: none }]",
    ] {
        let server = Server::start(five_pages).await;
        let folder = tempfile::tempdir().unwrap();
        for now in ["2027-11-21T09:00:00Z", NOW, "2026-11-22T09:00:00Z"] {
            let source = runner(&server, http, Arc::new(FileQuotas::new(folder.path())), now, None);
            let got = read(&source, "rows", whole()).await.unwrap_or_else(|error| panic!("{http} {now}: {error}"));
            assert_eq!(got.records.len(), 5);
        }
    }
}

#[tokio::test]
async fn a_project_uses_its_share_of_the_day_and_leaves_the_rest_to_others() {
    let server = Server::start(five_pages).await;
    let http = "limits: [{ requests: 10, resets: { time: '00:00', zone: UTC }, use_at_most: 80 %, source: none }]";
    let source = runner(&server, http, Arc::new(MemoryQuotas::default()), NOW, Some("50 %"));
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "quota-spent");
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_store_that_cannot_be_used_sends_nothing() {
    let server = Server::start(five_pages).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs_err::write(&file, "").unwrap();
    let source = runner(&server, "limits: []", Arc::new(FileQuotas::new(file)), NOW, None);
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "quota-store");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn points_are_taken_by_estimate_and_settled_by_what_the_answer_says() {
    let server = Server::start(five_pages).await;
    // Each request is thought to cost 3 and costs 1: five of them fit into 7, as 4 x 1 + 3.
    let limits = "limits: [{ points: 7, resets: { time: '00:00', zone: UTC }, source: none }]";
    let summary = read_all(&server, &format!("{limits}\n  cost: {{ actual: {{ field: /cost }} }}")).await.unwrap();
    assert_eq!(summary.requests, 5);
    let server = Server::start(five_pages).await;
    assert_eq!(read_all(&server, limits).await.unwrap_err().code(), "quota-spent");
    assert_eq!(server.asked().len(), 2);
    let server = Server::start(|asked| five_pages(asked).header("X-Cost", "1")).await;
    let by_header = format!("{limits}\n  cost: {{ actual: {{ header: X-Cost }} }}");
    assert_eq!(read_all(&server, &by_header).await.unwrap().requests, 5);
}

#[tokio::test]
async fn bytes_are_counted_when_they_have_come() {
    let server = Server::start(five_pages).await;
    let http = "limits: [{ bytes: 100, resets: { time: '00:00', zone: UTC }, source: none }]";
    assert_eq!(read_all(&server, http).await.unwrap_err().code(), "quota-spent");
    let sent = server.asked().len();
    assert!((2..5).contains(&sent), "{sent}");
}

#[tokio::test]
async fn several_limits_hold_together_and_each_for_the_requests_it_names() {
    let server = Server::start(five_pages).await;
    let http = "limits:\n    - { requests: 100000, per: 1 second, source: none }\n    \
                - { requests: 2, resets: { time: '00:00', zone: UTC }, path: '^/rows', streams: [rows], source: none }\n    \
                - { requests: 7, resets: { time: '00:00', zone: UTC }, shared_by: host, source: none }";
    let source = runner(&server, http, Arc::new(MemoryQuotas::default()), NOW, None);
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "quota-spent");
    // The refused turn of `rows` counts at the host too, whose limit is asked first.
    assert_eq!(server.asked().len(), 2);
    let error = read(&source, "other", whole()).await.unwrap_err();
    assert_eq!((error.code(), server.asked().len()), ("quota-spent", 6));
}

#[tokio::test]
async fn a_quota_that_an_answer_tells_of_parks_before_it_is_overrun() {
    let quota = |words: &str| format!("limits: []\n  quota: {words}");
    for (http, sent) in [
        ("{ fields: { remaining: /left }, reset: X-Reset, reset_format: seconds_from_now, source: none }", 5),
        (
            "{ used_of_limit: { header: X-Calls }, refills: { amount: 1, per: 1 hour }, use_at_most: 50 %, source: none }",
            3,
        ),
        (
            "[{ used: X-Used, limit: X-Limit, reset: X-Reset, reset_format: seconds_from_now, use_at_most: 25 %, source: none }]",
            2,
        ),
    ] {
        let server = Server::start(|asked| {
            let used = (asked.number + 1).to_string();
            five_pages(asked)
                .header("X-Calls", &format!("{used}/6"))
                .header("X-Used", &used)
                .header("X-Limit", "8")
                .header("X-Reset", "3600")
        })
        .await;
        let source = runner(&server, &quota(http), Arc::new(MemoryQuotas::default()), NOW, None);
        let outcome = read(&source, "rows", whole()).await;
        assert_eq!(server.asked().len(), sent, "{http}");
        let error = match outcome {
            Err(error) => error,
            // The last page spent it: whoever comes next is parked.
            Ok(_) => read(&source, "other", whole()).await.unwrap_err(),
        };
        assert_eq!((error.code(), error.is_permanent()), ("quota-spent", false), "{http}");
    }
}

#[tokio::test]
async fn readings_share_the_requests_that_may_run_at_a_time() {
    let server = Server::start(five_pages).await;
    let http = "limits: [{ concurrent: 1, source: none }]";
    let source = runner(&server, http, Arc::new(MemoryQuotas::default()), NOW, None);
    let readings = (0..4).map(|_| read(&source, "rows", whole()));
    for got in futures::future::join_all(readings).await {
        assert_eq!(got.unwrap().records.len(), 5);
    }
    assert_eq!(server.asked().len(), 20);
}

#[tokio::test]
async fn streams_that_name_the_same_lock_are_read_one_after_the_other() {
    let server = Server::start(five_pages).await;
    let source = runner(&server, "limits: []", Arc::new(MemoryQuotas::default()), NOW, None);
    let (rows, other) = tokio::join!(read(&source, "rows", whole()), read(&source, "other", whole()));
    assert_eq!((rows.unwrap().records.len(), other.unwrap().records.len()), (5, 5));
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    let changes = paths.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes, 1, "{paths:?}");
}

#[tokio::test]
async fn a_source_that_throttles_is_asked_more_slowly_by_every_runner() {
    let server = Server::start(|asked| if asked.number == 0 { Reply::throttled() } else { five_pages(asked) }).await;
    let quotas: Arc<dyn QuotaStore> = Arc::new(MemoryQuotas::default());
    let http = "limits: [{ requests: 400, per: 1 second, source: none }]";
    let began = std::time::Instant::now();
    read(&runner(&server, http, Arc::clone(&quotas), NOW, None), "rows", whole()).await.unwrap();
    let state = format!("{quotas:?}");
    assert!(state.contains("slowed_at: Some") && !state.contains("pace: 1.0"), "{state}");
    assert!(!state.contains(SECRET) && began.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_limit_that_says_two_things_is_an_error_with_its_place() {
    let text = API
        .replace("ORIGIN", "https://x.com")
        .replace("HTTP", "limits: [{ requests: 1, bytes: 1, per: 1 day, source: x }]");
    let Err(ManifestError::Incomplete { path, line, .. }) = Connector::parse(&text, "api.yaml") else { panic!() };
    assert_eq!((path.as_str(), line), ("http.limits", Some(10)));
}
