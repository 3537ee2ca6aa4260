//! Windows against a server: how bounds are written and where they go, calendars and zones, lists that the API cannot filter.

use headwater_connectors::SettingValue;
use headwater_contract::{Explain, TimestampFormat};
use serde_json::{Value, json};

use crate::paging::{manifest, refusal, start};
use crate::server::{Asked, Reply, Server};
use crate::work::{at, day, open, range, read, sorted, text};

/// What a server was asked, by query and body.
async fn asked_for(stream: &str, from: &str, until: &str) -> Vec<Asked> {
    let (server, source) = start(stream, |_| Reply::json(&json!({ "data": [] }))).await;
    let bounds = headwater_contract::TimeRange::new(at(from), at(until)).unwrap();
    read(&source, "rows", range(bounds)).await.unwrap();
    server.asked()
}

async fn queries(window: &str, from: &str, until: &str) -> Vec<String> {
    let stream = format!("kind: events\npath: /rows\nwindow: {{ field: at, {window} }}");
    let asked = asked_for(&stream, from, until).await;
    let query =
        |asked: &Asked| asked.query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    asked.iter().map(query).collect()
}

#[tokio::test]
async fn bounds_are_written_as_the_api_reads_them() {
    let (from, until) = ("2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z");
    for (window, expected) in [
        ("request: { from: since, until: until }", "since=2024-03-01T00:00:00Z&until=2024-03-02T00:00:00Z"),
        ("format: unix_seconds, request: { from: since, until: until }", "since=1709251200&until=1709337600"),
        ("format: unix_micros, request: { from: since }", "since=1709251200000000"),
        ("format: dot_net, request: { from: since }", "since=/Date(1709251200000)/"),
        (
            "format: { pattern: { pattern: '%d.%m.%Y %H:%M' } }, request: { from: since, until: until, until_is_inclusive: true }",
            "since=01.03.2024 00:00&until=01.03.2024 23:59",
        ),
        (
            "format: unix_seconds, request: { from: start, length: { param: duration, unit: 1 hour } }",
            "duration=24&start=1709251200",
        ),
        // The clock of these tests stands at 2026-11-21T09:00:00Z, 995 days and 9 hours later.
        ("format: { ago: 1 day }, request: { from: days }", "days=996"),
        ("request: { from: '{field}_gte' }", "at_gte=2024-03-01T00:00:00Z"),
    ] {
        assert_eq!(queries(window, from, until).await, [expected], "{window}");
    }
}

#[tokio::test]
async fn bounds_go_into_filters_bodies_headers_and_paths() {
    let filter = "kind: events\npath: /search\nparams: { jql: 'updated >= \"{since}\" AND updated < \"{before}\" ORDER BY updated' }\nwindow:\n  field: at\n  format: { pattern: { pattern: '%Y-%m-%d %H:%M' } }\n  request: { from: { as: since }, until: { as: before } }";
    let asked = asked_for(filter, "2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z").await;
    assert_eq!(
        asked[0].get("jql"),
        Some("updated >= \"2024-03-01 00:00\" AND updated < \"2024-03-02 00:00\" ORDER BY updated")
    );
    let body = "kind: events\npath: /days/{day}\nbody: { json: { filter: { range: ['', ''] } } }\nheaders: { X-Span: { expression: '(until | unix_seconds) - (from | unix_seconds)' } }\nwindow:\n  field: at\n  format: { pattern: { pattern: '%Y-%m-%d' } }\n  request: { from: { as: day }, until: /filter/range/1 }";
    let asked = asked_for(body, "2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z").await;
    assert_eq!((asked[0].path.as_str(), asked[0].headers["x-span"].as_str()), ("/v1/days/2024-03-01", "86400"));
    assert_eq!(asked[0].body, json!({ "filter": { "range": ["", "2024-03-02"] } }));
    let header = "kind: events\npath: /rows\nwindow: { field: at, request: { from: { header: If-Modified-Since } } }";
    let asked = asked_for(header, "2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z").await;
    assert_eq!(asked[0].headers["if-modified-since"], "2024-03-01T00:00:00Z");
}

#[tokio::test]
async fn days_and_months_are_the_accounts_and_whole() {
    let date = "format: { pattern: { pattern: '%Y-%m-%d', zone: Asia/Tokyo } }";
    let two =
        format!("{date}, request: {{ from: from, until: to, until_is_inclusive: true, calendar: {{ unit: day }} }}");
    // Midnight in UTC is 9 in the morning of Tokyo, so a UTC day lies in two of its days.
    let asked = queries(&two, "2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z").await;
    assert_eq!(asked, ["from=2024-03-01&to=2024-03-02"]);
    let one = format!("{date}, request: {{ from: date, calendar: {{ unit: day, each: true }} }}");
    let asked = queries(&one, "2024-03-01T15:00:00Z", "2024-03-03T15:00:00Z").await;
    assert_eq!(asked, ["date=2024-03-02", "date=2024-03-03"]);
    let month =
        "format: { pattern: { pattern: '%Y-%m' } }, request: { from: month, calendar: { unit: month, each: true } }";
    let asked = queries(month, "2024-01-31T00:00:00Z", "2024-02-02T00:00:00Z").await;
    assert_eq!(asked, ["month=2024-01", "month=2024-02"]);
    let span = "format: unix_seconds, request: { from: f, until: u, max_span: 10 hours }";
    let asked = queries(span, "2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z").await;
    assert_eq!(asked, ["f=1709251200&u=1709287200", "f=1709287200&u=1709323200", "f=1709323200&u=1709337600"]);
}

#[tokio::test]
async fn a_setting_gives_the_zone_of_requests_and_columns() {
    let stream = "kind: events\npath: /rows\nwindow:\n  field: at\n  request: { from: date, calendar: { unit: day, each: true } }\n  format: { pattern: { pattern: '%Y-%m-%d', zone: '{time_zone}' } }";
    let server = Server::start(|_| Reply::json(&json!({ "data": [] }))).await;
    let text_of = |zone: &str| {
        let column = "at: { type: timestamp, nullable: true, format: { pattern: { pattern: '%Y-%m-%d %H:%M', zone: '{time_zone}' } } }";
        manifest(&server.origin, stream)
            .replace("at: { type: timestamp, nullable: true }", column)
            .replace("http:\n", &format!("settings:\n  time_zone: {{ help: zone, default: {zone} }}\nhttp:\n"))
    };
    let source = open(&text_of("UTC"), &server, "", &[("time_zone", text("Asia/Tokyo"))]);
    read(&source, "rows", range(day("2024-03-01"))).await.unwrap();
    let dates: Vec<_> = server.asked().iter().map(|asked| asked.get("date").unwrap().to_owned()).collect();
    assert_eq!(dates, ["2024-03-01", "2024-03-02"]);
    let format = source.contracts()[0].column("at").unwrap().format.clone();
    assert_eq!(format, TimestampFormat::Pattern { pattern: "%Y-%m-%d %H:%M".into(), zone: "Asia/Tokyo".into() });
    let wrong = crate::work::try_open(
        &text_of("UTC"),
        &[server.address()],
        "",
        &[("time_zone", SettingValue::Text("Mars".into()))],
    );
    assert_eq!(wrong.unwrap_err().code(), "expression-failed");
}

/// In Zurich the hour from 2 comes twice on 25 October 2026. The API compares its own local texts.
#[tokio::test]
async fn no_row_is_lost_in_the_hour_that_clocks_show_twice() {
    let zurich = |time: chrono::DateTime<chrono::Utc>| time.with_timezone(&chrono_tz::Europe::Zurich);
    let written = "%Y-%m-%d %H:%M:%S";
    let stream = "kind: events\npath: /rows\nwindow:\n  field: at\n  format: { pattern: { pattern: '%Y-%m-%d %H:%M:%S', zone: Europe/Zurich } }\n  request: { from: since, until: before }";
    let rows: Vec<_> = (0..10).map(|row| at("2026-10-24T22:00:00Z") + chrono::TimeDelta::minutes(30 * row)).collect();
    let of_server = rows.clone();
    let (server, source) = start(stream, move |asked| {
        let (since, before) = (asked.get("since").unwrap(), asked.get("before").unwrap());
        let has = |row: &&chrono::DateTime<chrono::Utc>| {
            let text = zurich(**row).format(written).to_string();
            since <= text.as_str() && text.as_str() < before
        };
        let data: Vec<Value> = of_server
            .iter()
            .filter(has)
            .map(|row| json!({ "id": row.timestamp(), "at": zurich(*row).to_rfc3339() }))
            .collect();
        Reply::json(&json!({ "data": data }))
    })
    .await;
    for hour in 0..5 {
        let from = at("2026-10-24T22:00:00Z") + chrono::TimeDelta::hours(hour);
        let bounds = headwater_contract::TimeRange::new(from, from + chrono::TimeDelta::hours(1)).unwrap();
        let got = read(&source, "rows", range(bounds)).await.unwrap();
        let came = got.records.iter().map(|row| at(row["at"].as_str().unwrap())).filter(|row| bounds.contains(*row));
        let held = rows.iter().copied().filter(|row| bounds.contains(*row));
        assert_eq!(came.collect::<Vec<_>>(), held.collect::<Vec<_>>(), "{bounds}");
    }
    let asked: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| (asked.get("since").unwrap().to_owned(), asked.get("before").unwrap().to_owned()))
        .collect();
    let doubled = ("2026-10-25 01:00:00".to_owned(), "2026-10-25 03:00:00".to_owned());
    assert_eq!(asked[1..4], [doubled.clone(), doubled.clone(), doubled]);
}

/// Ten rows, one every six hours from 2024-03-01, by pages of two.
fn feed(asked: &Asked, rows: &[i64]) -> Reply {
    let skip = usize::try_from(asked.number_of("skip").unwrap_or(0)).unwrap();
    let start = at("2024-03-01T00:00:00Z");
    let page: Vec<Value> = rows
        .iter()
        .skip(skip)
        .take(2)
        .map(|row| json!({ "id": row, "at": (start + chrono::TimeDelta::hours(6 * row)).to_rfc3339() }))
        .collect();
    Reply::json(&json!({ "data": page, "total": rows.len() }))
}

async fn read_feed(order: &str, rows: Vec<i64>) -> (Vec<String>, usize) {
    let stream = format!(
        "kind: events\npath: /rows\npagination: {{ offset: {{ param: skip, total: total }} }}\nwindow: {{ field: at, feed: {order} }}"
    );
    let (server, source) = start(&stream, move |asked| feed(asked, &rows)).await;
    let got = read(&source, "rows", range(day("2024-03-02"))).await.unwrap();
    let bounds = day("2024-03-02");
    let inside = got.records.into_iter().filter(|row| bounds.contains(at(row["at"].as_str().unwrap())));
    (sorted(&inside.collect::<Vec<_>>(), "/id"), server.asked().len())
}

#[tokio::test]
async fn a_feed_is_read_until_the_window_is_behind_and_wholly_where_its_order_breaks() {
    let expected = ["4", "5", "6", "7"].map(str::to_owned).to_vec();
    let rising: Vec<i64> = (0..20).collect();
    let falling: Vec<i64> = (0..20).rev().collect();
    assert_eq!(read_feed("newest_first", falling.clone()).await, (expected.clone(), 9));
    assert_eq!(read_feed("oldest_first", rising.clone()).await, (expected.clone(), 5));
    assert_eq!(read_feed("whole", falling.clone()).await, (expected.clone(), 10));
    // A row that is pinned to the top breaks the order before anything was left out.
    let mut pinned = falling;
    pinned.retain(|row| *row != 6);
    pinned.insert(0, 6);
    assert_eq!(read_feed("newest_first", pinned).await, (expected.clone(), 10));
    let mut early = rising;
    early.swap(0, 1);
    assert_eq!(read_feed("oldest_first", early).await, (expected, 10));
}

#[test]
fn windows_that_cannot_be_are_refused_by_name() {
    for (window, hint) in [
        ("field: at", "`feed`"),
        ("field: at, feed: sideways", "newest_first"),
        ("field: at, format: { pattern: { pattern: '%Q%' } }, request: { from: a }", "no pattern"),
        ("field: at, request: { from: a, calendar: { unit: day, zone: Mars/Base } }", "no zone"),
        ("field: at, request: { from: a, calendar: { unit: day }, max_span: 1 day }", "max_span"),
        ("field: at, request: { from: a, calendar: { unit: fortnight } }", "week"),
        ("field: at, request: { from: { cookie: a } }", "header"),
    ] {
        let refused = refusal(&format!("kind: events\npath: /rows\nwindow: {{ {window} }}"));
        assert!(refused.contains(hint), "{window}: {refused}");
    }
}

#[test]
fn what_a_feed_reads_is_shown() {
    for (feed, reads) in [
        ("feed: whole", Some("all of it is read for each window")),
        ("feed: newest_first", Some("read down to the window's start")),
        ("request: { from: since }", None),
    ] {
        let text = manifest("https://h", &format!("kind: events\npath: /rows\nwindow: {{ field: at, {feed} }}"));
        let connector = headwater_connectors::Connector::parse(&text, "test.yaml").unwrap();
        assert_eq!(connector.info().streams[0].feed, reads);
    }
}

/// As a search that is capped: a query gives ten rows, the bound then moves to the last of them, and rows of one instant are turned through.
#[tokio::test]
async fn a_query_that_ends_after_so_many_rows_is_begun_anew_at_the_last() {
    let stream = "kind: mutable\npath: /search\nmethod: post\nbody: { json: { filters: [{ value: '' }, { value: '' }] } }\npagination: { advancing_from: { pages: { offset: { param: /after, more: more } }, after_records: 4 } }\nwindow: { field: at, format: unix_millis, request: { from: /filters/0/value, until: /filters/1/value } }";
    let hour = |row: i64| at("2024-03-01T00:00:00Z") + chrono::TimeDelta::hours(row / 3);
    let (server, source) = start(stream, move |asked| {
        let millis = |at: usize| asked.body["filters"][at]["value"].as_str().unwrap().parse::<i64>().unwrap();
        let skip = usize::try_from(
            asked.body["after"].as_i64().or_else(|| asked.body["after"].as_str()?.parse().ok()).unwrap(),
        )
        .unwrap();
        if skip >= 5 {
            return Reply::text(400, r#"{"error":"too deep"}"#);
        }
        let bounds = millis(0)..millis(1);
        let rows: Vec<Value> = (0..20)
            .filter(|row| bounds.contains(&hour(*row).timestamp_millis()))
            .map(|row| json!({ "id": row, "at": hour(row).to_rfc3339() }))
            .collect();
        let page: Vec<Value> = rows.iter().skip(skip).take(2).cloned().collect();
        Reply::json(&json!({ "data": page, "more": skip + page.len() < rows.len() }))
    })
    .await;
    let got = read(&source, "rows", range(day("2024-03-01"))).await.unwrap();
    let mut seen = sorted(&got.records, "/id");
    seen.dedup();
    assert_eq!(seen.len(), 20);
    assert!(server.asked().len() < 24, "{}", server.asked().len());
}
