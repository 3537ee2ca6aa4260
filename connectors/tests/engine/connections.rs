//! Lists inside records that have pages of their own: read to their end, woven into the record, and the same from stored bodies.

use headwater_connectors::Source;
use headwater_contract::{Explain, ReadEvent, Records};
use serde_json::{Value, json};

use crate::paging::{manifest, refusal, start};
use crate::server::{Asked, Reply, Server};
use crate::work::{Got, open, read, whole};

/// As GitHub's GraphQL: repositories with their issues, and the rest of the issues of one repository.
const GRAPHQL: &str = "kind: snapshot
path: /graphql
method: post
body: { json: { query: repositories } }
pagination: { body_token: { param: /variables/after, token: next } }
connections:
  issues:
    records: /issues/nodes
    more: /issues/pageInfo/hasNextPage
    cursor: /issues/pageInfo/endCursor
    param: /variables/after
    names: { repository: id }
    body: { json: { query: issues, variables: { id: \"{repository}\" } } }
    answer: { records: /node/nodes, more: /node/pageInfo/hasNextPage, cursor: /node/pageInfo/endCursor }
";

/// Repository `n` has `n` issues, of which a page holds two; three repositories a page.
fn issues(repository: i64, from: i64) -> Value {
    let nodes: Vec<Value> = (from..(from + 2).min(repository)).map(|issue| json!({ "issue": issue })).collect();
    let is_more = from + 2 < repository;
    json!({ "nodes": nodes, "pageInfo": { "hasNextPage": is_more, "endCursor": (from + 2).to_string() } })
}

fn graphql(asked: &Asked) -> Reply {
    let after = asked.body["variables"]["after"].as_str().map_or(0, |after| after.parse().unwrap());
    if asked.body["query"] == "issues" {
        return Reply::json(&json!({ "node": issues(asked.body["variables"]["id"].as_i64().unwrap(), after) }));
    }
    let rows: Vec<Value> = (after..(after + 3).min(7)).map(|id| json!({ "id": id, "issues": issues(id, 0) })).collect();
    Reply::json(&json!({ "data": rows, "next": (after + 3 < 7).then(|| (after + 3).to_string()) }))
}

fn counts(got: &Got) -> Vec<(i64, usize)> {
    let mut counts: Vec<(i64, usize)> = got
        .records
        .iter()
        .map(|row| (row["id"].as_i64().unwrap(), row["issues"]["nodes"].as_array().unwrap().len()))
        .collect();
    counts.sort_unstable();
    counts
}

/// The records with their places, live and from the stored bodies.
fn replayed(source: &Source, got: &Got) -> (Vec<Records>, Vec<Records>) {
    let mut replayer = source.replay("rows").unwrap();
    let (mut live, mut again) = (Vec::new(), Vec::new());
    for event in &got.events {
        match event.clone() {
            ReadEvent::Exchange(exchange) => again.extend(replayer.exchange(&exchange).unwrap()),
            ReadEvent::Chunk(chunk) => again.extend(replayer.chunk(chunk).unwrap()),
            ReadEvent::Records(records) => live.push(records),
            ReadEvent::Done(_) => {}
        }
    }
    let (last, summary) = replayer.finish().unwrap();
    again.extend(last);
    assert_eq!((summary.records, summary.requests), (got.summary.records, got.summary.requests));
    (live, again)
}

#[tokio::test]
async fn every_list_is_read_to_its_end_and_a_replay_gives_the_same() {
    let (server, source) =
        start(GRAPHQL, |asked| if asked.number == 2 { Reply::throttled() } else { graphql(asked) }).await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!(counts(&got), (0..7).map(|id| (id, usize::try_from(id).unwrap())).collect::<Vec<_>>());
    let numbers: Vec<i64> = got.records.iter().find(|row| row["id"] == 6).unwrap()["issues"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["issue"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    // Three pages of repositories; 3, 4, 5 and 6 issues take 1, 1, 2 and 2 requests more, and one was throttled.
    assert_eq!((server.asked().len(), got.summary.retries), (3 + 6 + 1, 1));
    let (live, again) = replayed(&source, &got);
    assert_eq!(live, again);
}

/// As Stripe's invoices: `has_more` beside the lines, the last line as the cursor, a path of its own.
#[tokio::test]
async fn a_list_may_go_on_after_its_last_row_at_a_path_of_its_own() {
    let stream = "kind: snapshot\npath: /invoices\nconnections:\n  lines:\n    records: /lines/data\n    more: /lines/has_more\n    cursor: { last_record: id }\n    param: starting_after\n    names: { invoice: id }\n    path: /invoices/{invoice}/lines\n    answer: { records: data, more: has_more, cursor: { last_record: id } }";
    let lines = |from: i64| (from..(from + 2).min(5)).map(|id| json!({ "id": format!("l{id}") })).collect::<Vec<_>>();
    let (server, source) = start(stream, move |asked| {
        if asked.path == "/v1/invoices" {
            let list = json!({ "data": lines(0), "has_more": true });
            return Reply::json(&json!({ "data": [{ "id": 7, "lines": list }] }));
        }
        assert_eq!(asked.path, "/v1/invoices/7/lines");
        let after: i64 = asked.get("starting_after").unwrap()[1..].parse().unwrap();
        Reply::json(&json!({ "data": lines(after + 1), "has_more": after + 3 < 5 }))
    })
    .await;
    let got = read(&source, "rows", whole()).await.unwrap();
    let ids: Vec<&str> =
        got.records[0]["lines"]["data"].as_array().unwrap().iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!((ids, server.asked().len()), (vec!["l0", "l1", "l2", "l3", "l4"], 3));
    let (live, again) = replayed(&source, &got);
    assert_eq!(live, again);
}

/// As Meta's Graph API: the next page of each list is a URL.
#[tokio::test]
async fn a_list_may_go_on_at_a_url() {
    let stream = "kind: snapshot\npath: /posts\nconnections:\n  comments:\n    records: /comments/data\n    cursor: /comments/paging/next\n    answer: { records: data, cursor: /paging/next }";
    let server = Server::start(|asked| match asked.number_of("after") {
        None => Reply::json(&json!({ "data": [
            { "id": 1, "comments": { "data": [1], "paging": { "next": "/v1/1/comments?after=1" } } },
            { "id": 2, "comments": { "data": [5], "paging": {} } },
            { "id": 3 },
        ] })),
        Some(1) => Reply::json(&json!({ "data": [2], "paging": { "next": "/v1/1/comments?after=2" } })),
        Some(_) => Reply::json(&json!({ "data": [3] })),
    })
    .await;
    let source = open(&manifest(&server.origin, stream), &server, "", &[]);
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!(got.records.last().unwrap()["comments"]["data"], json!([1, 2, 3]));
    assert_eq!((got.records.len(), server.asked().len()), (3, 3));
}

#[tokio::test]
async fn a_list_that_turns_in_a_circle_is_found() {
    let (_server, source) = start(GRAPHQL, |asked| {
        let page = json!({ "hasNextPage": true, "endCursor": if asked.number % 2 == 0 { "a" } else { "b" } });
        let list = json!({ "nodes": [1], "pageInfo": page });
        Reply::json(&json!({ "data": [{ "id": 1, "issues": list }], "node": list }))
    })
    .await;
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "cursor-stuck");
}

#[test]
fn connections_that_cannot_be_are_refused_by_name() {
    for (connection, hint) in [
        ("{ records: a, cursor: { header: x }, param: p, answer: { records: b, cursor: c } }", "cursor"),
        ("{ records: a, cursor: { last_record: id }, param: p, answer: { records: b, more: m, cursor: c } }", "`more`"),
        ("{ records: a, more: m, cursor: { last_record: id }, answer: { records: b, cursor: c } }", "`param`"),
        ("{ records: a, cursor: c }", "answer"),
    ] {
        let refused = refusal(&format!("kind: snapshot\npath: /rows\nconnections:\n  list: {connection}"));
        assert!(refused.contains(hint), "{connection}: {refused}");
    }
}
