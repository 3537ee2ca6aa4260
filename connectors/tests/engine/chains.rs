//! Chains, sessions and caps against a server: tokens of every kind, sessions that expire, queries that give only so much.

use headwater_connectors::ReadRequest;
use headwater_contract::{Explain, Slice, TimeRange};
use serde_json::{Value, json};

use crate::paging::{manifest, refusal, start};
use crate::server::{Asked, Reply, Server};
use crate::work::{Got, at, open, range, read, sorted, whole};

fn link(token: Option<&str>) -> ReadRequest {
    ReadRequest { slice: Slice::whole(), bounds: None, token: token.map(str::to_owned) }
}

fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<Value> {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

fn ids(got: &Got) -> Vec<i64> {
    got.records.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// Links that follow one another, with the ids of each and the token after it.
async fn links(
    stream: &str,
    count: usize,
    handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> (Vec<(Vec<i64>, Option<String>)>, Server) {
    let (server, source) = start(stream, handler).await;
    let (mut token, mut seen) = (None, Vec::new());
    for _ in 0..count {
        let got = read(&source, "rows", link(token.as_deref())).await.unwrap();
        token.clone_from(&got.summary.token_out);
        seen.push((ids(&got), token.clone()));
    }
    (seen, server)
}

#[tokio::test]
async fn a_rising_id_leads_on_and_an_empty_link_keeps_it() {
    let stream = "kind: chain\npath: /rows\nchain: { param: since_id, next: { last_record: id } }";
    let (seen, server) = links(stream, 2, |asked| {
        let since = asked.number_of("since_id").unwrap_or(0);
        Reply::json(&json!({ "data": rows(since + 1..=(since + 2).min(5)) }))
    })
    .await;
    assert_eq!(seen, [(vec![1, 2, 3, 4, 5], Some("5".to_owned())), (vec![], Some("5".to_owned()))]);
    assert_eq!((server.asked()[0].get("since_id"), server.asked()[4].get("since_id")), (None, Some("5")));
}

/// As X's `since_id` with `max_id`: newest first, pages turned downwards.
#[tokio::test]
async fn the_newest_id_of_a_falling_list_is_the_token() {
    let stream = "kind: chain\npath: /rows\npagination: { cursor: { send: [{ param: max_id, value: { expression: 'last_record.id - 1' } }] } }\nchain: { param: since_id, next: { first_record: id } }";
    let (seen, server) = links(stream, 2, |asked| {
        let newest = if asked.number < 4 { 5 } else { 7 };
        let (since, most) = (asked.number_of("since_id").unwrap_or(0), asked.number_of("max_id").unwrap_or(newest));
        Reply::json(&json!({ "data": rows((since + 1..=most).rev().take(2)) }))
    })
    .await;
    assert_eq!(seen, [(vec![5, 4, 3, 2, 1], Some("5".to_owned())), (vec![7, 6], Some("7".to_owned()))]);
    // The token stands beside the page's cursor on every page of the link.
    assert!(server.asked()[4..].iter().all(|asked| asked.get("since_id") == Some("5")));
}

/// As Microsoft Graph: pages by `@odata.nextLink`, the last one with `@odata.deltaLink`.
#[tokio::test]
async fn a_delta_link_is_followed_as_it_stands() {
    let stream = "kind: chain\npath: /delta\nparams: { select: id }\npagination: { next_url: { url: '@odata.nextLink' } }\nchain: { next: '@odata.deltaLink' }";
    let (seen, server) = links(stream, 2, |asked| match asked.get("token") {
        None if asked.get("page").is_none() => {
            Reply::json(&json!({ "data": rows([1, 2]), "@odata.nextLink": "/v1/delta?page=2" }))
        }
        None => Reply::json(&json!({ "data": rows([3]), "@odata.deltaLink": "/v1/delta?token=a" })),
        Some(token) => {
            assert_eq!((token, asked.get("select")), ("a", None));
            Reply::json(&json!({ "data": rows([2]), "@odata.deltaLink": "/v1/delta?token=b" }))
        }
    })
    .await;
    assert_eq!(
        seen,
        [(vec![1, 2, 3], Some("/v1/delta?token=a".to_owned())), (vec![2], Some("/v1/delta?token=b".to_owned()))]
    );
    assert_eq!(server.asked().len(), 3);
}

/// As Google's calendars: parameters of the first listing alone, pages, a sync token on the last, and 410 when it is too old.
#[tokio::test]
async fn a_token_that_is_too_old_begins_at_the_very_start() {
    let stream = "kind: chain\npath: /events\npagination: { body_token: { param: pageToken, token: nextPageToken } }\nchain: { param: syncToken, next: nextSyncToken, first: { timeMin: '2024-01-01' } }\nerrors: [{ when: { status: 410 }, then: restart }]";
    let (server, source) = start(stream, |asked| match (asked.get("syncToken"), asked.get("pageToken")) {
        (Some("old"), _) => Reply::text(410, r#"{"error":"gone"}"#),
        (token, None) => {
            assert_eq!((token, asked.get("timeMin")), (None, Some("2024-01-01")));
            Reply::json(&json!({ "data": rows([1]), "nextPageToken": "p2" }))
        }
        (token, Some(page)) => {
            assert_eq!((token, page, asked.get("timeMin")), (None, "p2", Some("2024-01-01")));
            Reply::json(&json!({ "data": rows([2]), "nextSyncToken": "new" }))
        }
    })
    .await;
    let got = read(&source, "rows", link(Some("old"))).await.unwrap();
    assert_eq!((ids(&got), got.summary.token_out.as_deref()), (vec![1, 2], Some("new")));
    assert_eq!(server.asked().len(), 3);
}

/// As Google Drive's changes: another request gives the first token.
#[tokio::test]
async fn a_first_token_is_asked_for_where_the_api_gives_it_apart() {
    let stream = "kind: chain\npath: /changes\nchain: { param: pageToken, next: newStartPageToken, more: more, start: { path: /changes/startPageToken, token: startPageToken } }";
    let (seen, server) = links(stream, 2, |asked| {
        if asked.path == "/v1/changes/startPageToken" {
            return Reply::json(&json!({ "startPageToken": "1" }));
        }
        let token = asked.number_of("pageToken").unwrap();
        let rows = if token == 1 { vec![] } else { rows([9]) };
        Reply::json(&json!({ "data": rows, "newStartPageToken": (token + 1).to_string(), "more": false }))
    })
    .await;
    assert_eq!(seen, [(vec![], Some("2".to_owned())), (vec![9], Some("3".to_owned()))]);
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn chains_that_cannot_be_are_refused_by_name() {
    for (stream, hint) in [
        ("pagination: { next_url: { url: next } }\nchain: { param: t, next: next, more: more }", "`more`"),
        ("chain: { param: since, next: { first_record: id } }", "`pagination`"),
        ("chain: { param: t }", "next"),
        ("pagination: { offset: { param: skip } }", "`chain`"),
    ] {
        let refused = refusal(&format!("kind: chain\npath: /rows\n{stream}"));
        assert!(refused.contains(hint), "{stream}: {refused}");
    }
}

/// As Elasticsearch: opened by one request, continued by another, closed by a third; the session expires once.
#[tokio::test]
async fn a_session_that_expires_is_opened_again_and_closed_in_the_end() {
    let stream = "kind: snapshot\npath: /items/_search\nmethod: post\nparams: { scroll: 1m }\nerrors: [{ when: { status: 404 }, then: restart }]\npagination:\n  scroll:\n    param: /scroll_id\n    session: _scroll_id\n    next: { method: post, path: /_search/scroll, body: { json: { scroll: 1m } } }\n    close: { method: post, path: /_search/scroll/close, body: { json: {} } }";
    let (server, source) = start(stream, |asked| match (asked.path.as_str(), asked.number) {
        ("/v1/items/_search", number) => {
            assert_eq!(asked.get("scroll"), Some("1m"));
            Reply::json(&json!({ "data": rows([1, 2]), "_scroll_id": format!("s{number}") }))
        }
        ("/v1/_search/scroll", 1) => Reply::text(404, r#"{"error":"No search context found"}"#),
        ("/v1/_search/scroll", number) => {
            assert_eq!(asked.body, json!({ "scroll": "1m", "scroll_id": "s2" }));
            let page = if number == 3 { rows([3]) } else { rows([]) };
            Reply::json(&json!({ "data": page, "_scroll_id": "s2" }))
        }
        (_, _) => {
            assert_eq!((asked.path.as_str(), &asked.body), ("/v1/_search/scroll/close", &json!({ "scroll_id": "s2" })));
            Reply::json(&json!({}))
        }
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    // The first page came twice; its rows are known by their key.
    assert_eq!(ids(&got), [1, 2, 1, 2, 3]);
    assert_eq!(server.asked().len(), 6);
}

/// Twenty rows, one an hour, of which a query gives `most` in pages of two.
fn hourly(asked: &Asked, most: usize) -> Vec<i64> {
    let hour = |name: &str| at(asked.get(name).unwrap()).timestamp() / 3_600;
    let start = at("2024-03-01T00:00:00Z").timestamp() / 3_600;
    (0..20).filter(|id| (hour("from")..hour("until")).contains(&(start + id))).take(most).collect()
}

fn twenty_hours() -> ReadRequest {
    range(TimeRange::new(at("2024-03-01T00:00:00Z"), at("2024-03-01T20:00:00Z")).unwrap())
}

/// Reads the twenty hours; `window` and `stream` are further keys of both.
async fn capped(
    window: &str,
    stream: &str,
    handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Result<Vec<String>, &'static str> {
    let server = Server::start(handler).await;
    let keys = format!(
        "kind: events\npath: /rows\npagination: {{ offset: {{ param: skip, more: more }} }}\nwindow: {{ field: at, granularity: 1 hour, request: {{ from: from, until: until }}{window} }}\n{stream}"
    );
    let text = manifest(&server.origin, &keys);
    let text = if stream.starts_with("append_only") { text.replace("    key: [id]\n", "") } else { text };
    let source = open(&text, &server, "", &[]);
    let got = read(&source, "rows", twenty_hours()).await.map_err(|error| error.code())?;
    let mut seen = sorted(&got.records, "/id");
    seen.dedup();
    Ok(seen)
}

fn page(asked: &Asked, most: usize) -> Reply {
    let matching = hourly(asked, most);
    let skip = usize::try_from(asked.number_of("skip").unwrap()).unwrap();
    let page: Vec<i64> = matching.iter().copied().skip(skip).take(2).collect();
    let more = skip + page.len() < matching.len();
    Reply::json(&json!({ "data": rows(page), "more": more }))
}

#[tokio::test]
async fn a_query_that_gives_all_that_it_can_is_asked_for_in_halves() {
    let mut all: Vec<String> = (0..20).map(|id| id.to_string()).collect();
    all.sort();
    let by_count = ", cap: { records: 6, source: none }";
    for cap in [by_count, ", cap: { pages: 3, source: none }"] {
        assert_eq!(capped(cap, "", |asked| page(asked, 6)).await, Ok(all.clone()), "{cap}");
    }
    let refuses = |asked: &Asked| {
        if asked.number_of("skip") == Some(4) { Reply::text(400, r#"{"error":"too deep"}"#) } else { page(asked, 99) }
    };
    assert_eq!(capped("", "errors: [{ when: { status: 400 }, then: split_window }]", refuses).await, Ok(all));
    // Without a key nothing may be read twice.
    assert_eq!(capped(by_count, "append_only: true", |asked| page(asked, 6)).await, Err("result-capped"));
    // More in one hour than a query gives.
    let flood = |_: &Asked| Reply::json(&json!({ "data": rows(0..6), "more": false }));
    assert_eq!(capped(by_count, "", flood).await, Err("result-capped"));
}

#[test]
fn a_cap_says_what_one_query_gives() {
    for cap in ["{ source: none }", "{ total: t, source: none }", "{ total: t, pages: 3, source: none }"] {
        let refused =
            refusal(&format!("kind: events\npath: /rows\nwindow: {{ field: at, request: {{ from: a }}, cap: {cap} }}"));
        assert!(refused.contains("`records`"), "{cap}: {refused}");
    }
}
