//! Intercom, Zendesk and Twilio.

use base64::Engine;
use chrono::{DateTime, Utc};
use headwater_connectors::ReadRequest;
use headwater_contract::Slice;
use serde_json::{Value, json};

use super::{OneThrottle, page_of, rows, two_days};
use crate::server::{Asked, Reply, Server};
use crate::work::{SECRET, at, embedded, open, read, sorted, text, whole};

/// Intercom: a search whose times count by whole days, a cursor in the body.
fn intercom(asked: &Asked) -> Reply {
    assert_eq!(asked.headers["authorization"], format!("Bearer {SECRET}"));
    assert_eq!(asked.headers["intercom-version"], "2.16");
    if asked.path == "/admins" {
        return Reply::json(&json!({ "type": "admin.list", "admins": [{ "id": "7" }] }));
    }
    let (list, has_size) = match asked.path.as_str() {
        "/contacts/search" => ("data", true),
        "/conversations/search" => ("conversations", false),
        "/tickets/search" => ("tickets", false),
        other => panic!("{other}"),
    };
    let (query, pagination) = (&asked.body["query"], &asked.body["pagination"]);
    assert_eq!((query["operator"].as_str(), pagination["per_page"].as_i64()), (Some("AND"), has_size.then_some(150)));
    let bound = |n: usize, operator: &str| {
        let filter = &query["value"][n];
        assert_eq!((filter["field"].as_str(), filter["operator"].as_str()), (Some("updated_at"), Some(operator)));
        DateTime::from_timestamp(filter["value"].as_i64().unwrap(), 0).unwrap().date_naive()
    };
    let (after, before) = (bound(0, ">"), bound(1, "<"));
    let is_in = |time: &DateTime<Utc>| after < time.date_naive() && time.date_naive() < before;
    let matching: Vec<Value> = rows()
        .into_iter()
        .filter(|(_, time)| is_in(time))
        .map(|(n, time)| json!({ "id": n.to_string(), "updated_at": time.timestamp() }))
        .collect();
    let skip = pagination["starting_after"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
    let (page, has_more) = page_of(&matching, skip);
    let next = has_more.then(|| json!({ "per_page": 2, "starting_after": (skip + 2).to_string() }));
    Reply::json(&json!({ "type": "list", list: page, "total_count": matching.len(), "pages": { "next": next } }))
}

#[tokio::test]
async fn intercom_asks_by_whole_days() {
    for stream in ["contacts", "conversations", "tickets"] {
        let throttle = OneThrottle::new();
        let server =
            Server::start(move |asked| if throttle.hits(asked) { Reply::throttled() } else { intercom(asked) }).await;
        let manifest = embedded("intercom")
            .replace("https://{host}", "http://{host}")
            .replace("us: api.intercom.io", &format!("us: \"{}\"", server.address()));
        let source = open(&manifest, &server, "access_token", &[]);
        two_days(&source, stream, "/id", Slice::whole()).await;
        assert_eq!(sorted(&read(&source, "admins", whole()).await.unwrap().records, "/id"), ["\"7\""]);
    }
}

/// Zendesk: an export from a start on, then by cursors or times, until the stream ends.
fn zendesk(asked: &Asked) -> Reply {
    let key = base64::engine::general_purpose::STANDARD.encode(format!("a@example.com/token:{SECRET}"));
    assert_eq!(asked.headers["authorization"], format!("Basic {key}"));
    let (list, token) = match asked.path.as_str() {
        "/api/v2/incremental/tickets/cursor" => ("tickets", "cursor"),
        "/api/v2/incremental/users/cursor" => ("users", "cursor"),
        "/api/v2/incremental/organizations" => ("organizations", "start_time"),
        other => panic!("{other}"),
    };
    let skip =
        usize::try_from(asked.number_of(token).unwrap_or_else(|| asked.number_of("start_time").unwrap())).unwrap();
    let all: Vec<Value> = (0..5).map(|n| json!({ "id": n })).collect();
    let (page, has_more) = page_of(&all, skip);
    let next = skip + page.len();
    Reply::json(&json!({ list: page, "after_cursor": next.to_string(), "end_time": next, "end_of_stream": !has_more }))
}

#[tokio::test]
async fn zendesk_exports_what_changed_since_the_last_link() {
    for stream in ["tickets", "users", "organizations"] {
        let throttle = OneThrottle::new();
        let server =
            Server::start(move |asked| if throttle.hits(asked) { Reply::throttled() } else { zendesk(asked) }).await;
        let manifest = embedded("zendesk")
            .replace("https://{subdomain}.zendesk.com", &server.origin)
            .replace("requests: 10, per: 1 minute", "requests: 1000, per: 1 second");
        let settings = [("subdomain", text("s")), ("email", text("a@example.com"))];
        let source = open(&manifest, &server, "api_token", &settings);
        let first = read(&source, stream, whole()).await.unwrap_or_else(|error| panic!("{stream}: {error:?}"));
        assert_eq!(sorted(&first.records, "/id"), ["0", "1", "2", "3", "4"], "{stream}");
        assert_eq!(
            (first.summary.requests, first.summary.retries, first.summary.token_out.as_deref()),
            (3, 1, Some("5"))
        );
        let next = read(&source, stream, ReadRequest { token: first.summary.token_out, ..whole() }).await.unwrap();
        assert_eq!((next.records.len(), next.summary.token_out.as_deref()), (0, Some("5")), "{stream}");
    }
}

/// Twilio: days in GMT, inclusive at both ends, newest first, the next page as a path.
fn twilio(asked: &Asked) -> Reply {
    let key = base64::engine::general_purpose::STANDARD.encode(format!("AC1:{SECRET}"));
    assert_eq!(asked.headers["authorization"], format!("Basic {key}"));
    assert_eq!(asked.get("PageSize"), Some("1000"));
    let file = asked.path.strip_prefix("/2010-04-01/Accounts/AC1/").unwrap();
    let (list, filter, field) = match file {
        "Messages.json" => ("messages", "DateSent", "date_sent"),
        "Calls.json" => ("calls", "StartTime", "start_time"),
        "Recordings.json" => ("recordings", "DateCreated", "date_created"),
        "Conferences.json" => ("conferences", "DateCreated", "date_created"),
        other => panic!("{other}"),
    };
    let midnight = |end: &str| at(&format!("{}T00:00:00Z", asked.get(&format!("{filter}{end}")).unwrap()));
    let (from, until) = (midnight(">"), midnight("<"));
    let matching: Vec<Value> = rows()
        .into_iter()
        .rev()
        .filter(|(_, time)| from <= *time && *time <= until)
        .map(|(n, time)| json!({ "sid": n.to_string(), field: time.format("%a, %d %b %Y %H:%M:%S +0000").to_string() }))
        .collect();
    let skip = asked.get("PageToken").map_or(0, |token| token.parse().unwrap());
    let (page, has_more) = page_of(&matching, skip);
    let target = asked.target.split("&PageToken").next().unwrap();
    let next = has_more.then(|| format!("{target}&PageToken={}", skip + 2));
    Reply::json(&json!({ list: page, "next_page_uri": next, "page_size": 1000 }))
}

#[tokio::test]
async fn twilio_asks_by_days_and_follows_relative_urls() {
    for stream in ["messages", "calls", "recordings", "conferences"] {
        let throttle = OneThrottle::new();
        let server =
            Server::start(move |asked| if throttle.hits(asked) { Reply::throttled() } else { twilio(asked) }).await;
        let manifest = embedded("twilio").replace("https://api.twilio.com", &server.origin);
        let source = open(&manifest, &server, "auth_token", &[("account_sid", text("AC1"))]);
        two_days(&source, stream, "/sid", Slice::whole()).await;
        assert!(
            server.asked().iter().all(|asked| asked.target.contains("%3E=2024-")),
            "{:?}",
            server.asked()[0].target
        );
    }
}
