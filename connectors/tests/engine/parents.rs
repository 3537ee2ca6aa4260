//! Streams that are read under each record of another one, against a server of boards, cards and comments.

use headwater_connectors::{ReadRequest, Source};
use headwater_contract::{ErrorKind, Exchange, Explain, ReadEvent, Records, Slice};
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{Got, SECRET, day, open, range, read, try_open, whole};

const BOARDS: &str = r"
manifest: 1
connector: boards
title: Boards
docs: none
settings:
  key: { secret: true, help: key }
  team: { help: team, default: red }
http:
  base_url: ORIGIN/api
  auth: { query: { param: key, value: key } }
  limits: [{ requests: 1000000, per: 1 second, source: none }]
defaults:
  records: /data
  key: [id]
  kind: snapshot
  columns: { id: { type: string } }
  deletes: none
streams:
  boards:
    title: boards
    path: /boards
    internal: true
    pagination: { body_token: { param: cursor, token: /next } }
  cards:
    title: cards
    path: /boards/{board}/cards
    parent: { stream: boards, fields: { board: id, owner: /owner/name } }
    pagination: { body_token: { param: cursor, token: /next } }
    columns:
      id:    { type: string }
      board: { type: int64, given: board }
      owner: { type: string, given: owner }
      team:  { type: string, given: team }
  comments:
    title: comments
    path: /cards/{card}/comments
    params: { of: '{board}' }
    parent: { stream: cards, fields: { card: id } }
    errors: [ERRORS]
    columns:
      id:    { type: string }
      card:  { type: string, given: card }
      board: { type: int64, given: board }
  labels:
    title: labels
    path: /labels/{label}
    parent: { stream: boards, fields: { board: id }, each: { list: /labels, fields: { label: '' } }, when: board != 3 }
    columns:
      id:    { type: string }
      label: { type: string, given: label }
      board: { type: int64, given: board }
";

/// Four boards on two pages; each has as many cards as its id, two a page; a card has one comment.
fn boards(asked: &Asked) -> Reply {
    let parts: Vec<&str> = asked.path.trim_start_matches("/api/").split('/').collect();
    let board =
        |id: i64| json!({ "id": id, "owner": { "name": format!("o{id}") }, "labels": [format!("l{id}"), "all"] });
    match (parts.as_slice(), asked.get("cursor")) {
        (["boards"], None) => Reply::json(&json!({ "data": [board(1), board(2)], "next": "b" })),
        (["boards"], Some(_)) => Reply::json(&json!({ "data": [board(3), board(0)], "next": null })),
        (["boards", board, "cards"], cursor) => {
            let (count, start): (usize, usize) =
                (board.parse().unwrap(), cursor.map_or(0, |text| text.parse().unwrap()));
            let end = count.min(start + 2);
            let cards: Vec<Value> = (start..end).map(|n| json!({ "id": format!("c{board}{n}") })).collect();
            Reply::json(&json!({ "data": cards, "next": (end < count).then(|| end.to_string()) }))
        }
        (["cards", "c21", "comments"], _) => Reply::text(404, r#"{"message":"gone"}"#),
        (["cards", card, "comments"], _) => {
            Reply::json(&json!({ "data": [{ "id": format!("m-{card}-{}", asked.get("of").unwrap_or_default()) }] }))
        }
        (["labels", label], _) => Reply::json(&json!({ "data": [{ "id": format!("x-{label}") }] })),
        _ => Reply::text(500, "unexpected"),
    }
}

async fn start(errors: &str) -> (Server, Source) {
    let server = Server::start(boards).await;
    let source = open(&manifest(errors).replace("ORIGIN", &server.origin), &server, "key", &[]);
    (server, source)
}

fn manifest(errors: &str) -> String {
    BOARDS.replace("ERRORS", errors)
}

/// The records that stored bodies give, and those that were read.
fn replayed(source: &Source, stream: &str, got: &Got) -> (Vec<Records>, Vec<Records>) {
    let (mut replayer, mut again, mut live) = (source.replay(stream).unwrap(), Vec::new(), Vec::new());
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
    assert_eq!((summary.records, summary.bytes), (got.summary.records, got.summary.bytes));
    assert_eq!(summary.requests, got.summary.requests);
    (again, live)
}

fn role(exchange: &Exchange) -> &str {
    exchange.headers.iter().find(|(name, _)| name == "headwater-role").map_or("own", |(_, role)| role)
}

#[tokio::test]
async fn children_are_read_under_each_parent_of_every_page_with_the_fields_of_their_parent() {
    let (server, source) = start("").await;
    let got = read(&source, "cards", whole()).await.unwrap();
    let rows: Vec<String> = got.records.iter().map(|row| format!("{} {}", row["id"], row["_given"])).collect();
    let given = |board: i64| format!(r#"{{"board":{board},"owner":"o{board}","team":"red"}}"#);
    let expected = [("c10", 1), ("c20", 2), ("c21", 2), ("c30", 3), ("c31", 3), ("c32", 3)];
    assert_eq!(rows, expected.map(|(card, board)| format!("\"{card}\" {}", given(board))));
    let roles: Vec<&str> = got.exchanges.iter().map(role).collect();
    assert_eq!(roles, ["parent", "own", "own", "parent", "own", "own", "own"]);
    assert!(server.asked().iter().all(|asked| asked.get("key") == Some(SECRET)));
    let (again, live) = replayed(&source, "cards", &got);
    assert_eq!(again, live);
    let names: Vec<_> = source.contracts().iter().map(|contract| contract.name.stream().to_owned()).collect();
    assert_eq!(names, ["cards", "comments", "labels"]);
}

#[tokio::test]
async fn grandchildren_see_the_fields_of_every_level_and_a_missing_parent_is_left_out_where_that_is_said() {
    let (server, source) = start("{ when: { status: 404 }, then: skip_request }").await;
    let got = read(&source, "comments", whole()).await.unwrap();
    let ids: Vec<&str> = got.records.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["m-c10-1", "m-c20-2", "m-c30-3", "m-c31-3", "m-c32-3"]);
    assert_eq!(got.records[4]["_given"], json!({ "card": "c32", "board": 3 }));
    assert_eq!((got.summary.skipped_requests, got.summary.skipped[0].status), (1, 404));
    assert_eq!(got.summary.skipped[0].request, format!("GET {}/api/cards/c21/comments?of=2", server.origin));
    let (again, live) = replayed(&source, "comments", &got);
    assert_eq!(again, live);
    let (_server, source) = start("").await;
    let error = read(&source, "comments", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("not-found", ErrorKind::Source));
    assert!(error.place().contains("/cards/c21/comments") && !error.place().contains(SECRET), "{}", error.place());
}

#[tokio::test]
async fn each_element_of_a_list_in_the_parent_has_its_request_unless_a_condition_leaves_it_out() {
    let (_server, source) = start("").await;
    let got = read(&source, "labels", whole()).await.unwrap();
    let rows: Vec<String> = got.records.iter().map(|row| format!("{}/{}", row["_given"]["board"], row["id"])).collect();
    assert_eq!(rows, [r#"1/"x-l1""#, r#"1/"x-all""#, r#"2/"x-l2""#, r#"2/"x-all""#, r#"0/"x-l0""#, r#"0/"x-all""#]);
}

/// Requests keep their order however many run at a time, so two readings give the same parts.
#[tokio::test]
async fn requests_are_numbered_in_the_order_of_the_parents_whatever_runs_at_a_time() {
    let mut seen = Vec::new();
    for parallel in [1, 16] {
        let server = Server::start(|asked| match asked.path.as_str() {
            "/api/boards" => {
                let boards: Vec<Value> = (0..500).map(|id| json!({ "id": id, "owner": { "name": "o" } })).collect();
                Reply::json(&json!({ "data": boards, "next": null }))
            }
            path => Reply::json(&json!({ "data": [{ "id": path }, { "id": "b" }], "next": null })),
        })
        .await;
        let text =
            manifest("").replace("owner: /owner/name }", &format!("owner: /owner/name }}, parallel: {parallel}"));
        let source = open(&text.replace("ORIGIN", &server.origin), &server, "key", &[]);
        let got = read(&source, "cards", whole()).await.unwrap();
        assert_eq!((got.summary.requests, got.summary.records), (501, 1_000));
        seen.push(got.texts);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_child_that_fails_fails_the_reading_and_a_parent_without_its_field_is_named() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/boards" => {
            Reply::json(&json!({ "data": [{ "id": 1, "owner": { "name": "o" } }, { "id": 2 }], "next": null }))
        }
        _ => Reply::text(200, r#"{"items":[]}"#),
    })
    .await;
    let source = open(&manifest("").replace("ORIGIN", &server.origin), &server, "key", &[]);
    let error = read(&source, "cards", whole()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("parent-field-missing", ErrorKind::Source), "{error}");
    let text = manifest("").replace("owner: /owner/name }", "owner: /owner/name }, absent: skip");
    let source = open(&text.replace("ORIGIN", &server.origin), &server, "key", &[]);
    assert_eq!(read(&source, "cards", whole()).await.unwrap_err().code(), "records-missing");
}

#[test]
fn what_cannot_be_read_under_its_parent_is_refused_before_a_request_is_sent() {
    let server = "http://127.0.0.1:1";
    for (from, to, reason) in [
        (
            "stream: boards, fields: { board: id, owner",
            "stream: nothing, fields: { board: id, owner",
            "no stream `nothing`",
        ),
        ("stream: boards, fields: { board: id, owner", "stream: comments, fields: { board: id, owner", "circle"),
        ("/boards/{board}/cards", "/boards/{other}/cards", "`{other}` in the path of `cards`"),
        ("given: owner", "given: other", "`given: other` is no field"),
        ("owner: /owner/name }", "owner: /owner/name }, parallel: 99", "`parallel` is 1 to 16"),
        ("owner: /owner/name }", "owner: /owner/name }, range: window", "`boards` has no windows"),
    ] {
        let text = manifest("").replace(from, to).replace("ORIGIN", server);
        let error = headwater_connectors::Connector::parse(&text, "boards.yaml").unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

const CHANGES: &str = r"
manifest: 1
connector: changes
title: Changes
docs: none
settings:
  start_on: { type: date, default: 2024-02-28, help: start }
http:
  base_url: ORIGIN/api
  limits: [{ requests: 1000000, per: 1 second, source: none }]
defaults:
  records: ''
  key: [id]
  deletes: none
  start: start_on
streams:
  issues:
    title: issues
    path: /issues
    kind: mutable
    window: { field: updated_at, request: { from: since }, length: 1 day }
    columns: { id: { type: int64 }, updated_at: { type: timestamp } }
  notes:
    title: notes
    path: /issues/{issue}/notes
    kind: mutable
    parent: { stream: issues, fields: { issue: id, changed: updated_at }, range: window }
    window: { field: changed_at }
    key: [issue, id]
    columns:
      issue:      { type: int64, given: issue }
      id:         { type: int64 }
      changed_at: { type: timestamp, given: changed }
  links:
    title: links
    path: /issues/{issue}/links
    kind: events
    parent: { stream: issues, fields: { issue: id } }
    window: { field: at, request: { from: from, until: until } }
    columns: { id: { type: int64 }, at: { type: timestamp } }
";

/// Issues 1 to 4, one a day from 28 February; `since` is inclusive, `before` is exclusive and optional.
fn changes(asked: &Asked) -> Reply {
    match asked.path.as_str() {
        "/api/issues" => {
            let days = ["2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"];
            let issues =
                days.iter().zip(1..).map(|(day, id)| json!({ "id": id, "updated_at": format!("{day}T12:00:00Z") }));
            let since = asked.get("since").unwrap().to_owned();
            let before = asked.get("before").unwrap_or("9999").to_owned();
            let is_asked =
                |issue: &Value| (since.as_str()..before.as_str()).contains(&issue["updated_at"].as_str().unwrap());
            let new: Vec<Value> = issues.filter(is_asked).collect();
            Reply::json(&Value::Array(new))
        }
        _ => Reply::json(&json!([{ "id": 1, "at": "2024-03-01T01:00:00Z" }])),
    }
}

#[tokio::test]
async fn only_parents_that_changed_in_the_window_are_read_where_that_is_said() {
    let server = Server::start(changes).await;
    let source = open(&CHANGES.replace("ORIGIN", &server.origin), &server, "", &[]);
    let got = read(&source, "notes", range(day("2024-03-01"))).await.unwrap();
    // Issue 4 changed later: it belongs to the next window.
    let given = json!({ "issue": 3, "changed": "2024-03-01T12:00:00Z" });
    assert_eq!(got.records, [json!({ "_given": given, "id": 1, "at": "2024-03-01T01:00:00Z" })]);
    let paths: Vec<String> = server.asked().iter().map(|asked| asked.path.clone()).collect();
    assert_eq!(paths, ["/api/issues", "/api/issues/3/notes"]);
    assert_eq!(server.asked()[1].query.len(), 0);
}

#[tokio::test]
async fn all_parents_since_their_start_are_read_for_a_window_in_ranges_that_the_parent_takes() {
    let server = Server::start(changes).await;
    let text = CHANGES.replace("{ from: since }, length: 1 day", "{ from: since, until: before }, length: 365 days");
    let source = open(&text.replace("ORIGIN", &server.origin), &server, "", &[]);
    let got = read(&source, "links", range(day("2024-03-01"))).await.unwrap();
    let asked = server.asked();
    let since: Vec<&str> = asked.iter().filter_map(|asked| asked.get("since")).collect();
    assert_eq!(since, ["2024-02-28T00:00:00Z", "2025-02-27T00:00:00Z", "2026-02-27T00:00:00Z"]);
    assert!(
        asked
            .iter()
            .filter(|asked| asked.path.ends_with("links"))
            .all(|asked| asked.get("from") == Some("2024-03-01T00:00:00Z"))
    );
    assert_eq!(got.records.len(), 4);
    let settings = [("start_on", crate::work::text("2027-01-01"))];
    let source = open(&CHANGES.replace("ORIGIN", &server.origin), &server, "", &settings);
    assert_eq!(read(&source, "links", range(day("2024-03-01"))).await.unwrap().summary.requests, 0);
}

#[tokio::test]
async fn check_asks_for_a_streams_own_first_page() {
    let (_server, source) = start("{ when: { status: 404 }, then: skip_request }").await;
    let report = source.check().await.unwrap();
    let cards = report.streams.iter().find(|check| check.stream == "cards").unwrap();
    assert_eq!(cards.outcome, Ok(1));
    let slice = ReadRequest { slice: Slice::named("x"), bounds: None, token: None };
    assert_eq!(read(&source, "cards", slice).await.unwrap_err().code(), "slice-unknown");
    drop(try_open(&manifest("").replace("ORIGIN", "http://127.0.0.1:1"), &[], "key", &[]).unwrap());
}

const BATCHES: &str = r"
manifest: 1
connector: batches
title: Batches
docs: none
http:
  base_url: ORIGIN/api
  limits: [{ requests: 1000000, per: 1 second, source: none }]
defaults:
  records: /data
  key: [id]
  kind: snapshot
  columns: { id: { type: int64 } }
  deletes: none
streams:
  contacts:
    title: contacts
    path: /contacts
    internal: true
    pagination: { body_token: { param: cursor, token: /next } }
  details:
    title: details
    path: /details
    params: { ids: '{ids}' }
    parent: { stream: contacts, fields: { contact: id }, batch: { field: contact, as: ids, parents: 4, separator: ',' } }
    errors: [{ when: { status: 409 }, then: split_batch }]
";

/// Contacts 0 to 8, three a page; a request with 4 or with 6 and another one is refused.
fn batches(asked: &Asked) -> Reply {
    if asked.path == "/api/contacts" {
        let page = asked.number_of("cursor").unwrap_or(0);
        let data: Vec<Value> = (page * 3..page * 3 + 3).map(|id| json!({ "id": id })).collect();
        return Reply::json(&json!({ "data": data, "next": (page < 2).then(|| page + 1) }));
    }
    let ids: Vec<i64> = asked.get("ids").unwrap().split(',').map(|id| id.parse().unwrap()).collect();
    match ids.len() {
        1 => {}
        _ if ids.contains(&4) => return Reply::text(413, "too large"),
        _ if ids.contains(&6) => return Reply::text(409, "conflict"),
        _ => {}
    }
    Reply::json(&json!({ "data": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() }))
}

#[tokio::test]
async fn parents_go_along_in_batches_and_a_batch_that_is_refused_is_asked_for_in_halves() {
    let server = Server::start(batches).await;
    let source = open(&BATCHES.replace("ORIGIN", &server.origin), &server, "", &[]);
    let got = read(&source, "details", whole()).await.unwrap();
    let ids: Vec<i64> = got.records.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (0..9).collect::<Vec<_>>());
    let answered = got.exchanges.iter().filter(|exchange| role(exchange) == "own");
    let urls: Vec<&str> = answered.map(|exchange| exchange.url.rsplit_once("ids=").unwrap().1).collect();
    assert_eq!(urls, ["0%2C1%2C2%2C3", "4", "5", "6", "7", "8"]);
    let (again, live) = replayed(&source, "details", &got);
    assert_eq!(again, live);
    let server =
        Server::start(|asked| if asked.path == "/api/contacts" { batches(asked) } else { Reply::text(400, "no") })
            .await;
    let source = open(&BATCHES.replace("ORIGIN", &server.origin), &server, "", &[]);
    assert_eq!(read(&source, "details", whole()).await.unwrap_err().code(), "request-rejected");
}
