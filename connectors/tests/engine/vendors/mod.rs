//! Each embedded manifest against a server shaped from its vendor's description: pages, windows, one 429.
//!
//! A server filters, sorts and pages as the vendor's documentation says, so a reading that asks wrongly comes back wrong.

mod marketing;
mod recruiting;
mod repositories;
mod selling;
mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use headwater_connectors::{ReadRequest, SettingValue, Source};
use headwater_contract::{Deletes, Slice, StreamKind, TimeRange};
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{SECRET, at, day, embedded, open, range, read, sorted, text, whole};

/// Throttles the second request, whatever it is, once.
struct OneThrottle(AtomicBool);

impl OneThrottle {
    fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn hits(&self, asked: &Asked) -> bool {
        asked.number == 1 && !self.0.swap(true, Ordering::SeqCst)
    }
}

/// Rows around two days, by number: one before, five of the first day, three of the second, one after.
fn rows() -> Vec<(i64, DateTime<Utc>)> {
    let times = [
        "2024-02-29T23:59:59Z",
        "2024-03-01T00:00:00Z",
        "2024-03-01T06:00:00Z",
        "2024-03-01T12:00:00Z",
        "2024-03-01T12:00:00Z",
        "2024-03-01T23:59:59Z",
        "2024-03-02T00:00:00Z",
        "2024-03-02T09:00:00Z",
        "2024-03-02T23:59:59Z",
        "2024-03-03T00:00:00Z",
    ];
    (0..).zip(times.map(at)).collect()
}

/// The rows of one page of two, and whether more follow.
fn page_of<T: Clone>(rows: &[T], skip: usize) -> (Vec<T>, bool) {
    (rows.iter().skip(skip).take(2).cloned().collect(), rows.len() > skip + 2)
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads both days of [`rows`] and checks that each gives its own rows, in more than one page, past one throttled request. Rows from outside
/// may come along where the API knows no such bound; who lands them cuts them.
async fn two_days(source: &Source, stream: &str, id: &str, slice: Slice) {
    let mut retries = 0;
    for (bounds, expected) in [(day("2024-03-01"), vec![1, 2, 3, 4, 5]), (day("2024-03-02"), vec![6, 7, 8])] {
        let request = ReadRequest { slice: slice.clone(), bounds: Some(bounds), token: None };
        let got = read(source, stream, request).await.unwrap_or_else(|error| panic!("{stream}: {error:?}"));
        let number = |record: &Value| {
            let value = record.pointer(id).unwrap();
            value.as_i64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
        };
        let is_within = |number: &i64| rows().iter().any(|(row, time)| row == number && bounds.contains(*time));
        let mut within: Vec<i64> = got.records.iter().map(number).filter(is_within).collect();
        within.sort_unstable();
        within.dedup();
        assert_eq!(within, expected, "{stream} {bounds}");
        assert!(got.summary.requests >= 2, "{stream} {bounds}: {} requests", got.summary.requests);
        retries += got.summary.retries;
    }
    assert_eq!(retries, 1, "{stream} was throttled once");
}

fn is_authorized(asked: &Asked) -> bool {
    asked.headers.get("authorization").map(String::as_str) == Some(&format!("Bearer {SECRET}"))
}

/// Stripe: newest first, `created[gte]` and `created[lt]`, `starting_after`, `has_more`.
fn stripe(rows: Vec<Value>) -> impl Fn(&Asked) -> Reply + Send + Sync {
    let throttle = OneThrottle::new();
    move |asked| {
        if throttle.hits(asked) {
            return Reply::throttled();
        }
        if !is_authorized(asked) || !asked.headers.contains_key("stripe-version") || asked.path != "/v1/charges" {
            return Reply::text(401, r#"{"error":{"message":"no"}}"#);
        }
        let (from, until) = (asked.number_of("created[gte]").unwrap(), asked.number_of("created[lt]").unwrap());
        let mut matching: Vec<&Value> =
            rows.iter().filter(|row| (from..until).contains(&row["created"].as_i64().unwrap())).collect();
        matching.sort_by_key(|row| std::cmp::Reverse(row["created"].as_i64().unwrap()));
        let after = asked.get("starting_after");
        let start = after.map_or(0, |id| matching.iter().position(|row| row["id"] == id).unwrap() + 1);
        // The server's page is smaller than was asked for, as servers may.
        let end = matching.len().min(start + 3);
        Reply::json(
            &json!({ "object": "list", "url": "/v1/charges", "has_more": end < matching.len(), "data": matching[start..end] }),
        )
    }
}

#[tokio::test]
async fn stripe_pages_by_the_last_id_within_half_open_windows() {
    let start = at("2024-03-01T00:00:00Z").timestamp();
    let rows: Vec<Value> =
        (0..16).map(|n| json!({ "id": format!("ch_{n:02}"), "created": start + n * 10_800 })).collect();
    let server = Server::start(stripe(rows)).await;
    let manifest = embedded("stripe").replace("https://api.stripe.com", &server.origin);
    let source = open(&manifest, &server, "api_key", &[]);
    let first = read(&source, "charges", range(day("2024-03-01"))).await.unwrap();
    let second = read(&source, "charges", range(day("2024-03-02"))).await.unwrap();
    // Midnight belongs to the second day and to it alone.
    assert_eq!(sorted(&first.records, "/id"), (0..8).map(|n| format!("\"ch_{n:02}\"")).collect::<Vec<_>>());
    assert_eq!(sorted(&second.records, "/id"), (8..16).map(|n| format!("\"ch_{n:02}\"")).collect::<Vec<_>>());
    assert_eq!((first.summary.requests, first.summary.retries, second.summary.requests), (3, 1, 3));
    assert!(server.asked().iter().all(|asked| asked.get("limit") == Some("100")));
}

/// GitHub issues: `since` inclusive and no end, ascending by update, `Link` header. The third request finds an issue that has moved.
fn github_issues(asked: &Asked) -> Reply {
    let mut rows: Vec<(i64, &str)> = vec![
        (1, "2024-03-01T10:00:00Z"),
        (2, "2024-03-01T11:00:00Z"),
        (3, "2024-03-01T12:00:00Z"),
        (4, "2024-03-01T12:00:00Z"),
        (5, "2024-03-01T12:00:00Z"),
        (6, "2024-03-01T13:00:00Z"),
        (7, "2024-03-02T08:00:00Z"),
        (8, "2024-03-03T08:00:00Z"),
    ];
    if asked.number >= 2 {
        // Issue 1 was changed while the list was read: by pages, issue 3 would slip over a border.
        rows.remove(0);
        rows.push((1, "2024-03-04T00:00:00Z"));
    }
    let since = asked.get("since").unwrap();
    let matching: Vec<_> = rows.iter().filter(|(_, updated)| *updated >= since).collect();
    let page = asked.number_of("page").unwrap_or(1);
    let start = usize::try_from((page - 1) * 2).unwrap();
    let body: Vec<Value> =
        matching.iter().skip(start).take(2).map(|(id, updated)| json!({ "id": id, "updated_at": updated })).collect();
    let reply = Reply::json(&Value::from(body));
    if start + 2 >= matching.len() {
        return reply;
    }
    let next = format!(
        "</repos/o/r/issues?since={since}&sort=updated&direction=asc&state=all&per_page=100&page={}>; rel=\"next\"",
        page + 1
    );
    reply.header("Link", &format!("{next}, </x>; rel=\"last\""))
}

#[tokio::test]
async fn github_moves_the_lower_bound_so_that_a_changed_issue_shifts_nothing() {
    let throttle = OneThrottle::new();
    let server = Server::start(move |asked| {
        if throttle.hits(asked) {
            return Reply::throttled();
        }
        match asked.path.as_str() {
            "/repos/o/r/issues" if is_authorized(asked) => github_issues(asked),
            _ => Reply::text(404, r#"{"message":"Not Found"}"#),
        }
    })
    .await;
    let repositories = SettingValue::List(vec!["o/r".into()]);
    let settings = [("origin", text(&server.origin)), ("repositories", repositories)];
    let source = open(&embedded("github"), &server, "token", &settings);
    assert_eq!(source.slices("issues").await.unwrap(), [Slice::named("o/r")]);
    let sliced = |bounds| ReadRequest { slice: Slice::named("o/r"), bounds: Some(bounds), token: None };
    let first = read(&source, "issues", sliced(day("2024-03-01"))).await.unwrap();
    let mut ids = sorted(&first.records, "/id");
    ids.dedup();
    // 7 is after the window; who lands the rows cuts it. None of 2 to 6 is missing.
    assert!((1..=6).all(|id| ids.contains(&id.to_string())), "{ids:?}");
    let second = read(&source, "issues", sliced(day("2024-03-02"))).await.unwrap();
    assert!(sorted(&second.records, "/id").contains(&"7".to_string()));
    assert!(first.summary.requests >= 2 && first.summary.retries == 1);
    assert!(
        server.asked().iter().all(|asked| asked.get("state") == Some("all") && asked.get("per_page") == Some("100"))
    );
}

#[tokio::test]
async fn github_asks_commits_from_one_second_earlier_and_follows_links() {
    let server = Server::start(|asked| {
        assert_eq!(asked.get("since"), Some("2024-02-29T23:59:59Z"));
        assert_eq!(asked.get("until"), Some("2024-03-02T00:00:00Z"));
        match asked.number_of("page") {
            None => Reply::json(&json!([{ "sha": "a" }, { "sha": "b" }])).header(
                "Link",
                &format!("<{}?since=2024-02-29T23:59:59Z&until=2024-03-02T00:00:00Z&page=2>; rel=\"next\"", asked.path),
            ),
            Some(_) => Reply::json(&json!([{ "sha": "c" }])),
        }
    })
    .await;
    let settings = [("origin", text(&server.origin)), ("repositories", text("o/r, p/q"))];
    let source = open(&embedded("github"), &server, "token", &settings);
    let request = ReadRequest { slice: Slice::named("p/q"), bounds: Some(day("2024-03-01")), token: None };
    let got = read(&source, "commits", request).await.unwrap();
    assert_eq!(sorted(&got.records, "/sha"), ["\"a\"", "\"b\"", "\"c\""]);
    assert!(server.asked().iter().all(|asked| asked.path == "/repos/p/q/commits"));
}

/// `HubSpot`'s search: a POST with filters and sorts in the body, `paging.next.after`, bounds in milliseconds as texts.
fn hubspot(asked: &Asked) -> Reply {
    if asked.path == "/crm/v3/objects/contacts" {
        let after = asked.number_of("after").unwrap_or(0);
        let paging = if after == 0 { json!({ "next": { "after": "2" } }) } else { Value::Null };
        return Reply::json(
            &json!({ "results": [{ "id": (after + 1).to_string() }, { "id": (after + 2).to_string() }], "paging": paging }),
        );
    }
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/crm/v3/objects/contacts/search"));
    assert_eq!(asked.body["sorts"][0]["direction"], "ASCENDING");
    assert_eq!(asked.body["limit"], 200);
    let filters = &asked.body["filterGroups"][0]["filters"];
    assert_eq!((&filters[0]["operator"], &filters[1]["operator"]), (&json!("GTE"), &json!("LT")));
    let bound = |at: usize| filters[at]["value"].as_str().unwrap().parse::<i64>().unwrap();
    let start = at("2024-03-01T00:00:00Z").timestamp_millis();
    let rows = (0..9_i64).map(|n| (n, start + n / 2 * 3_600_000 * 6));
    let matching: Vec<_> = rows.filter(|(_, time)| (bound(0)..bound(1)).contains(time)).collect();
    let skip = asked.body["after"].as_str().map_or(0, |after| after.parse::<usize>().unwrap());
    let results: Vec<Value> = matching
        .iter()
        .skip(skip)
        .take(2)
        .map(|(n, time)| {
            let time = DateTime::from_timestamp_millis(*time).unwrap();
            json!({ "id": n.to_string(), "properties": { "lastmodifieddate": time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string() } })
        })
        .collect();
    let mut body = json!({ "total": matching.len(), "results": results });
    if skip + 2 < matching.len() {
        body["paging"] = json!({ "next": { "after": (skip + 2).to_string(), "link": "?after=x" } });
    }
    Reply::json(&body)
}

#[tokio::test]
async fn hubspot_searches_by_bounds_in_the_body_and_lists_the_keys_that_exist() {
    let throttle = OneThrottle::new();
    let server =
        Server::start(move |asked| if throttle.hits(asked) { Reply::throttled() } else { hubspot(asked) }).await;
    let manifest =
        embedded("hubspot").replace("https://api.hubapi.com", &server.origin).replace("requests: 4,", "requests: 400,");
    let source = open(&manifest, &server, "access_token", &[]);
    let first = read(&source, "contacts", range(day("2024-03-01"))).await.unwrap();
    let second = read(&source, "contacts", range(day("2024-03-02"))).await.unwrap();
    let unique = |records: &[Value]| {
        let mut ids = sorted(records, "/id");
        ids.dedup();
        ids
    };
    assert_eq!(unique(&first.records), (0..8).map(|n| format!("\"{n}\"")).collect::<Vec<_>>());
    assert_eq!(unique(&second.records), ["\"8\""]);
    assert!(first.summary.requests >= 2 && first.summary.retries == 1);
    let keys = source.contracts().iter().find(|contract| contract.name.stream() == "contacts__keys").unwrap();
    assert_eq!((keys.kind, keys.key_list_of.as_deref()), (StreamKind::Snapshot, Some("contacts")));
    let keys = read(&source, "contacts__keys", whole()).await.unwrap();
    assert_eq!(sorted(&keys.records, "/id"), ["\"1\"", "\"2\"", "\"3\"", "\"4\""]);
}

/// Datasette: filters on any column, keyset `_next`, rows under `rows`.
fn datasette(asked: &Asked) -> Reply {
    assert_eq!((asked.get("_shape"), asked.get("_size")), (Some("objects"), Some("max")));
    let rows = (0..10_i64).map(|n| (n, format!("2017-01-0{} 0{}:00:00", 1 + n / 5, n % 5)));
    let bound = |name: &str| asked.get(name).map(str::to_owned);
    let after = asked.get("_next").map_or(-1, |text| text.split(',').next().unwrap().parse().unwrap());
    let matching: Vec<_> = rows
        .filter(|(_, time)| bound("sold_at__gte").is_none_or(|from| *time >= from))
        .filter(|(_, time)| bound("sold_at__lt").is_none_or(|until| *time < until))
        .filter(|(n, _)| *n > after)
        .collect();
    let page: Vec<Value> = matching
        .iter()
        .take(3)
        .map(|(n, time)| json!({ "basket": n, "product": 1, "sold_at": time, "value": 1.25 }))
        .collect();
    let next = if matching.len() > 3 { json!(format!("{},1", matching[2].0)) } else { Value::Null };
    Reply::json(
        &json!({ "database": "shop", "truncated": false, "rows": page, "next": next, "next_url": "http://elsewhere/" }),
    )
}

#[tokio::test]
async fn datasette_reads_any_table_that_a_project_describes() {
    let throttle = OneThrottle::new();
    let server = Server::start(move |asked| {
        if throttle.hits(asked) {
            return Reply::throttled();
        }
        if asked.path == "/shop/sales%20lines.json" {
            datasette(asked)
        } else {
            Reply::text(404, r#"{"ok":false,"error":"Table not found"}"#)
        }
    })
    .await;
    let streams = json!({
        "sales": {
            "template": "rows", "with": { "table": "sales lines" }, "title": "Sales", "kind": "events", "key": ["basket", "product"],
            "start": "2017-01-01", "end": "2018-01-02",
            "window": { "field": "sold_at", "length": "1 day", "settle": "0", "lookback": 0 },
            "columns": {
                "basket": { "type": "int64" }, "product": { "type": "int64" }, "value": { "type": "decimal(12,2)" },
                "sold_at": { "type": "timestamp", "format": { "pattern": { "pattern": "%Y-%m-%d %H:%M:%S", "zone": "UTC" } } } } },
        "all_sales": {
            "template": "rows", "with": { "table": "sales lines" }, "kind": "snapshot", "key": ["basket", "product"],
            "columns": { "basket": { "type": "int64" }, "product": { "type": "int64" } } }
    });
    let settings =
        [("origin", text(&server.origin)), ("database", text("shop")), ("streams", SettingValue::Table(streams))];
    let source = open(&embedded("datasette"), &server, "", &settings);
    let contract = source.contracts().iter().find(|contract| contract.name.stream() == "sales").unwrap();
    assert_eq!((contract.start, contract.end), (Some(at("2017-01-01T00:00:00Z")), Some(at("2018-01-02T00:00:00Z"))));
    let first = read(&source, "sales", range(day("2017-01-01"))).await.unwrap();
    let second = read(&source, "sales", range(day("2017-01-02"))).await.unwrap();
    assert_eq!(
        (sorted(&first.records, "/basket"), sorted(&second.records, "/basket")),
        ((0..5).map(|n| n.to_string()).collect(), (5..10).map(|n| n.to_string()).collect())
    );
    assert_eq!((first.summary.requests, first.summary.retries), (2, 1));
    assert_eq!(read(&source, "all_sales", whole()).await.unwrap().records.len(), 10);
    // The record's bytes are the source's own, so a decimal never passes through a float.
    assert!(first.texts.iter().all(|text| text.windows(12).any(|part| part == b"\"value\":1.25")));
}

#[test]
fn datasette_says_what_a_project_left_out() {
    let open = |stream: Value| {
        let streams = SettingValue::Table(json!({ "sales": stream }));
        crate::work::try_open(&embedded("datasette"), &[], "", &[("database", text("shop")), ("streams", streams)])
            .unwrap_err()
            .to_string()
    };
    assert!(open(json!({ "template": "rows", "kind": "snapshot" })).contains("`columns` is missing"));
    assert!(open(json!({ "template": "row", "kind": "snapshot" })).contains("there is `rows`"));
    assert!(open(json!({ "tempalte": "rows" })).contains("unknown field `tempalte`"));
    let table =
        json!({ "template": "rows", "kind": "snapshot", "key": ["a"], "columns": { "a": { "type": "int64" } } });
    assert!(open(table).contains("`table` is missing"));
}

/// The sandbox's six streams, by its manifest alone.
fn sandbox(asked: &Asked) -> Reply {
    let in_window = |time: &str, field: &str| {
        let name = |end: &str| format!("{field}_{end}");
        asked.get(&name("from")).unwrap() <= time && time < asked.get(&name("until")).unwrap()
    };
    let time = |n: i64| format!("2024-03-0{}T0{}:00:00Z", 1 + n / 5, n % 5);
    match asked.path.as_str() {
        "/v1/events" => {
            let after = asked.number_of("cursor").unwrap_or(-1);
            let matching: Vec<i64> = (0..10).filter(|n| *n > after && in_window(&time(*n), "created")).collect();
            let page: Vec<Value> =
                matching.iter().take(3).map(|n| json!({ "id": n, "created_at": time(*n) })).collect();
            let next = if matching.len() > 3 { json!(matching[2].to_string()) } else { Value::Null };
            Reply::json(&json!({ "events": page, "next": next }))
        }
        "/v1/payments" => {
            let matching: Vec<i64> = (0..10).filter(|n| in_window(&time(*n), "updated")).collect();
            let page = usize::try_from(asked.number_of("page").unwrap()).unwrap();
            // While the first day is read, one payment moves to a later window and shifts the others.
            let moved = usize::from(asked.number >= 3 && asked.get("updated_from") == Some("2024-03-01T00:00:00Z"));
            let rows: Vec<Value> = matching
                .iter()
                .skip(moved)
                .skip((page - 1) * 2)
                .take(2)
                .map(|n| json!({ "id": n, "updated_at": time(*n) }))
                .collect();
            let total = matching.len() - moved;
            Reply::json(&json!({ "payments": rows, "page": page, "pages": total.div_ceil(2), "total": total }))
        }
        "/v1/products" => match asked.number_of("page") {
            None => {
                Reply::json(&json!({ "products": [{ "id": 1 }] })).header("Link", "</v1/products?page=2>; rel=\"next\"")
            }
            Some(_) => Reply::json(&json!({ "products": [{ "id": 2 }] })),
        },
        "/v1/tickets/changes" => {
            let token = asked.number_of("token").unwrap_or(0);
            let last = (token + 2).min(5);
            let changes: Vec<Value> = (token..last).map(|n| json!({ "op": "upsert", "id": n })).collect();
            Reply::json(&json!({ "changes": changes, "next_token": last.to_string(), "more": last < 5 }))
        }
        _ => Reply::text(404, "{}"),
    }
}

#[tokio::test]
async fn the_sandbox_is_read_by_its_manifest() {
    let throttle = OneThrottle::new();
    let server =
        Server::start(move |asked| if throttle.hits(asked) { Reply::throttled() } else { sandbox(asked) }).await;
    let settings = [("origin", text(&server.origin)), ("start_on", text("2024-03-01"))];
    let source = open(&embedded("sandbox"), &server, "token", &settings);
    let payments = read(&source, "payments", range(day("2024-03-01"))).await.unwrap();
    let mut ids = sorted(&payments.records, "/id");
    ids.dedup();
    assert_eq!(ids, ["0", "1", "2", "3", "4"], "the list moved and was read again");
    for (text, ids) in [("2024-03-01", 0..5), ("2024-03-02", 5..10)] {
        let events = read(&source, "events", range(day(text))).await.unwrap();
        assert_eq!(sorted(&events.records, "/id"), ids.map(|id| id.to_string()).collect::<Vec<_>>());
        assert_eq!(events.summary.requests, 2);
    }
    assert_eq!(sorted(&read(&source, "products", whole()).await.unwrap().records, "/id"), ["1", "2"]);
    let link = read(&source, "tickets", whole()).await.unwrap();
    assert_eq!((link.records.len(), link.summary.token_out.as_deref()), (5, Some("5")));
    let next = read(&source, "tickets", ReadRequest { token: link.summary.token_out, ..whole() }).await.unwrap();
    assert_eq!((next.records.len(), next.summary.token_out.as_deref()), (0, Some("5")));
}

#[test]
fn the_sandbox_has_one_stream_of_each_kind_with_what_each_promises() {
    let settings = [("origin", text("http://127.0.0.1:1")), ("start_on", text("2024-03-01"))];
    let source = crate::work::try_open(&embedded("sandbox"), &["127.0.0.1:1".into()], "token", &settings).unwrap();
    let contracts = source.contracts();
    let of = |name: &str| contracts.iter().find(|contract| contract.name.stream() == name).unwrap();
    for (name, kind) in [
        ("events", StreamKind::Events),
        ("orders", StreamKind::Restating),
        ("payments", StreamKind::Mutable),
        ("customers", StreamKind::Mutable),
        ("customers__keys", StreamKind::Snapshot),
        ("products", StreamKind::Snapshot),
        ("tickets", StreamKind::Chain),
    ] {
        assert_eq!(of(name).kind, kind, "{name}");
        assert_eq!(of(name).window.is_some(), kind.is_ranged(), "{name}");
    }
    assert_eq!(of("customers").deletes, Deletes::KeyList { stream: "customers__keys".into() });
    assert_eq!(of("tickets").deletes, Deletes::Flag { column: "op".into(), values: vec!["delete".into()] });
    assert_eq!(
        (of("payments").version_field.as_deref(), of("orders").version_field.as_deref()),
        (Some("updated_at"), None)
    );
    let lines = &of("orders").children[0];
    assert_eq!((lines.name.as_str(), lines.pointer.as_str()), ("order_lines", "/lines"));
    assert_eq!(lines.parent_columns, [("order_id".to_owned(), "id".to_owned())]);
    assert_eq!(of("events").start, Some(at("2024-03-01T00:00:00Z")));
    let digests: Vec<_> = contracts.iter().map(|contract| contract.manifest_digest).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn check_asks_each_stream_once() {
    let server =
        Server::start(
            |asked| if asked.path == "/v1/tickets/changes" { Reply::text(403, "no") } else { sandbox(asked) },
        )
        .await;
    let settings = [("origin", text(&server.origin)), ("start_on", text("2024-03-01"))];
    let source = open(&embedded("sandbox"), &server, "token", &settings);
    let report = source.check().await.unwrap();
    let outcome = |name: &str| report.streams.iter().find(|check| check.stream == name).unwrap().outcome.clone();
    assert!(!report.is_good());
    assert_eq!(outcome("events"), Ok(0));
    assert_eq!(outcome("products"), Ok(1));
    assert_eq!(headwater_contract::Explain::code(&outcome("tickets").unwrap_err()), "forbidden");
    let newest = TimeRange::new(at("2026-11-20T09:00:00Z"), at("2026-11-21T09:00:00Z")).unwrap();
    assert_eq!(report.streams[0].bounds, Some(newest));
}
