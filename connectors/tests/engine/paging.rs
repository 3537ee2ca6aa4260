//! Paginations against a server: where values go in a request, where the next page is said, and what stops a circle.

use headwater_connectors::{Connector, Source};
use headwater_contract::Explain;
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{open, read, sorted, whole};

/// A manifest with one snapshot stream `rows`, whose further keys are `stream`.
pub(crate) fn manifest(origin: &str, stream: &str) -> String {
    let stream = format!("    {}\n", stream.replace('\n', "\n    "));
    format!(
        "manifest: 1\nconnector: pages\ntitle: Pages\ndocs: none\nhttp:\n  base_url: {origin}/v1\n  \
         limits: [{{ requests: 100000, per: 1 second, source: none }}]\nstreams:\n  rows:\n    title: rows\n    \
         records: /data\n    key: [id]\n    deletes: none\n    columns: {{ id: {{ type: int64 }}, at: {{ type: timestamp, nullable: true }} }}\n{stream}"
    )
}

/// Opens the manifest of one stream on a server.
pub(crate) async fn start(stream: &str, handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Server, Source) {
    let server = Server::start(handler).await;
    let source = open(&manifest(&server.origin, stream), &server, "", &[]);
    (server, source)
}

/// Why a manifest is refused.
pub(crate) fn refusal(stream: &str) -> String {
    let text = manifest("https://h", stream);
    let error = Connector::parse(&text, "test.yaml").unwrap_err();
    format!("{error} {} {}", error.fix(), error.snippet())
}

fn ids(from: i64, until: i64) -> Vec<Value> {
    (from..until).map(|id| json!({ "id": id })).collect()
}

fn expected(until: i64) -> Vec<String> {
    let mut ids: Vec<String> = (0..until).map(|id| id.to_string()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_list_that_is_longer_than_its_total_says_is_read_to_its_end() {
    let size = "page_size: { param: limit, value: 5, source: none }";
    for (paging, skip) in [
        ("offset: { param: skip, total: total }", (|asked| asked.number_of("skip").unwrap()) as fn(&Asked) -> i64),
        ("page_number: { param: page, first: 0, total: total }", |asked| asked.number_of("page").unwrap() * 5),
    ] {
        // Eleven rows of which the server counts seven, and ten that it counts: their last page is full and nothing is asked behind it.
        for (rows, counted, requests) in [(11, 7, 3), (10, 7, 3), (10, 10, 2), (7, 7, 2)] {
            let stream = format!("kind: snapshot\npath: /rows\npagination: {{ {paging} }}\n{size}");
            let (server, source) = start(&stream, move |asked| {
                let from = skip(asked).min(rows);
                Reply::json(&json!({ "data": ids(from, (from + 5).min(rows)), "total": counted }))
            })
            .await;
            let got = read(&source, "rows", whole()).await.unwrap();
            assert_eq!(
                (sorted(&got.records, "/id"), server.asked().len()),
                (expected(rows), requests),
                "{paging} {rows}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_number_goes_into_a_header_or_the_path_and_ends_by_a_header() {
    for (stream, number) in [
        (
            "kind: snapshot\npath: /rows\npagination: { page_number: { param: { header: X-Page }, first: 1, pages: { header: X-Pages } } }",
            (|asked| asked.headers["x-page"].parse().unwrap()) as fn(&Asked) -> i64,
        ),
        (
            "kind: snapshot\npath: /rows/{page}\npagination: { page_number: { param: { as: page }, first: 1, pages: { header: X-Pages } } }",
            |asked| asked.path.strip_prefix("/v1/rows/").unwrap().parse().unwrap(),
        ),
    ] {
        let (server, source) = start(stream, move |asked| {
            let page = number(asked);
            Reply::json(&json!({ "data": ids((page - 1) * 2, (page * 2).min(5)) })).header("X-Pages", "3")
        })
        .await;
        let got = read(&source, "rows", whole()).await.unwrap();
        assert_eq!((sorted(&got.records, "/id"), server.asked().len()), (expected(5), 3), "{stream}");
    }
}

/// As Elasticsearch's `search_after`: the sort values of the last record, typed, in the body.
#[tokio::test]
async fn values_of_the_last_record_go_typed_into_the_body() {
    let stream = "kind: snapshot\npath: /search\nbody: { json: { sort: [at, id] } }\npagination:\n  cursor:\n    send: [{ param: /search_after, value: { last_record: sort } }]";
    let (server, source) = start(stream, |asked| {
        let after = asked.body["search_after"].as_array().map_or(-1, |sort| sort[1].as_i64().unwrap());
        let rows: Vec<Value> =
            (after + 1..5).take(2).map(|id| json!({ "id": id, "sort": [format!("t{id}"), id] })).collect();
        Reply::json(&json!({ "data": rows }))
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    let asked = server.asked();
    assert_eq!((sorted(&got.records, "/id"), asked.len()), (expected(5), 4));
    assert_eq!(asked[1].body, json!({ "sort": ["at", "id"], "search_after": ["t1", 1] }));
    assert!(asked.iter().all(|asked| asked.method == "POST"));
}

/// As Mixpanel's `engage`: a session with a page number.
#[tokio::test]
async fn a_session_and_a_page_lead_on_together() {
    let stream = "kind: snapshot\npath: /engage\nparams: { where: all }\npagination:\n  cursor:\n    send:\n      - { param: session_id, value: session_id }\n      - { param: page, value: { expression: 'body.page + 1' } }\n    more: { expression: 'count >= size' }\npage_size: { param: limit, value: 2, source: none }";
    let (server, source) = start(stream, |asked| {
        let page = asked.number_of("page").unwrap_or(0);
        assert_eq!(asked.get("session_id").is_some(), page > 0);
        Reply::json(&json!({ "session_id": "s1", "page": page, "data": ids(page * 2, (page * 2 + 2).min(5)) }))
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!((sorted(&got.records, "/id"), server.asked().len()), (expected(5), 3));
    assert!(server.asked().iter().all(|asked| asked.get("where") == Some("all")));
}

#[tokio::test]
async fn a_cursor_may_stand_for_the_whole_request_and_may_have_a_first_value() {
    let stream = "kind: snapshot\npath: /rows\nparams: { filter: open }\npage_size: { param: limit, value: 2, source: none }\npagination: { body_token: { param: cursor, token: next, first: '*', alone: true } }";
    let (server, source) = start(stream, |asked| {
        let from = asked.get("cursor").unwrap().parse().unwrap_or(0);
        Reply::json(&json!({ "data": ids(from, (from + 2).min(5)), "next": (from + 2 < 5).then(|| from + 2) }))
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    let asked = server.asked();
    assert_eq!((sorted(&got.records, "/id"), asked.len()), (expected(5), 3));
    assert_eq!(asked[0].query.len(), 3);
    assert_eq!(asked[2].query.iter().collect::<Vec<_>>(), [(&"cursor".to_owned(), &"4".to_owned())]);
}

#[tokio::test]
async fn a_next_url_may_be_a_query_alone_and_leave_parameters_out() {
    let stream = "kind: snapshot\npath: /rows\nparams: { filter: open }\npagination: { next_url: { url: { header: X-Next }, adds_params: true } }";
    let (server, source) = start(stream, |asked| {
        let from = asked.number_of("from").unwrap_or(0);
        let reply = Reply::json(&json!({ "data": ids(from, (from + 2).min(5)) }));
        if from + 2 < 5 { reply.header("X-Next", &format!("from={}", from + 2)) } else { reply }
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!((sorted(&got.records, "/id"), server.asked().len()), (expected(5), 3));
    assert!(server.asked().iter().all(|asked| asked.get("filter") == Some("open") && asked.path == "/v1/rows"));
}

/// The server turns in a circle of two: by the same pages, or by tokens and URLs with ever new rows.
#[tokio::test]
async fn a_circle_of_pages_is_found_wherever_it_closes() {
    for (pagination, by_cursor) in [
        ("offset: { param: skip }", None),
        ("page_number: { param: page, first: 1 }", None),
        ("last_record_cursor: { param: after, field: id }", None),
        ("scroll: { param: session, session: next }", None),
        ("body_token: { param: cursor, token: next }", Some("cursor-stuck")),
        ("cursor: { send: [{ param: a, value: next }, { param: b, value: next }] }", Some("cursor-stuck")),
        ("next_url: { url: url }", Some("cursor-stuck")),
        ("next_link: { rel: next }", Some("cursor-stuck")),
    ] {
        for is_new in [false, true] {
            let Some(code) = by_cursor.filter(|_| is_new).or((!is_new).then_some("page-repeated")) else { continue };
            let stream = format!("kind: snapshot\npath: /rows\npagination: {{ {pagination} }}");
            let (server, source) = start(&stream, move |asked| {
                let number = i64::try_from(asked.number).unwrap();
                let first = if is_new { number * 2 } else { number % 2 * 2 };
                let next = if number % 2 == 0 { "b" } else { "a" };
                let url = format!("/v1/rows?turn={next}");
                Reply::json(&json!({ "data": ids(first, first + 2), "next": next, "url": url }))
                    .header("Link", &format!("<{url}>; rel=\"next\""))
            })
            .await;
            let error = read(&source, "rows", whole()).await.unwrap_err();
            assert_eq!(error.code(), code, "{pagination}");
            assert!(server.asked().len() <= 4, "{pagination}: {}", server.asked().len());
        }
    }
}

#[tokio::test]
async fn a_list_without_a_key_is_not_begun_again_when_it_moves() {
    let stream =
        "kind: snapshot\npath: /rows\nappend_only: true\npagination: { offset: { param: skip, total: total } }";
    let text = |origin: &str| manifest(origin, stream).replace("    key: [id]\n", "");
    let server = Server::start(|asked| {
        let skip = asked.number_of("skip").unwrap();
        Reply::json(&json!({ "data": ids(skip, skip + 2), "total": 6 - skip / 2 }))
    })
    .await;
    let source = open(&text(&server.origin), &server, "", &[]);
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "list-moved");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_short_page_needs_a_size() {
    let refused = refusal("kind: snapshot\npath: /rows\npagination: { offset: { param: skip, short_page: true } }");
    assert!(refused.contains("short page"), "{refused}");
}
