//! Klaviyo and Mailchimp.

use base64::Engine;
use headwater_contract::Slice;
use serde_json::{Value, json};

use super::{OneThrottle, page_of, rfc3339, rows, two_days};
use crate::server::{Asked, Reply, Server};
use crate::work::{SECRET, at, embedded, open, read, sorted, text, whole};

/// Klaviyo: JSON:API, a filter of exclusive bounds, the next page as a URL.
fn klaviyo(asked: &Asked, origin: &str) -> Reply {
    assert_eq!(asked.headers["authorization"], format!("Klaviyo-API-Key {SECRET}"));
    assert_eq!(asked.headers["revision"], "2026-07-15");
    if asked.path == "/api/lists" {
        assert_eq!(asked.get("page[size]"), Some("10"));
        return Reply::json(
            &json!({ "data": [{ "type": "list", "id": "L1", "attributes": { "name": "News" } }], "links": {} }),
        );
    }
    let field = if asked.path == "/api/events" { "datetime" } else { "updated" };
    assert_eq!(
        (asked.path.as_str(), asked.get("sort")),
        (format!("/api/{}", if field == "datetime" { "events" } else { "profiles" }).as_str(), Some(field))
    );
    let filter = asked.get("filter").unwrap();
    let bounds = filter.strip_prefix(&format!("and(greater-than({field},")).unwrap().strip_suffix("))").unwrap();
    let (after, before) = bounds.split_once(&format!("),less-than({field},")).unwrap();
    let matching: Vec<Value> = rows()
        .into_iter()
        .filter(|(_, time)| at(after) < *time && *time < at(before))
        .map(|(n, time)| json!({ "type": "row", "id": n.to_string(), "attributes": { field: rfc3339(time) } }))
        .collect();
    let skip = asked.get("page[cursor]").map_or(0, |cursor| cursor.parse().unwrap());
    let (page, has_more) = page_of(&matching, skip);
    let next = has_more.then(|| {
        let mut next = url::Url::parse(&format!("{origin}{}", asked.target)).unwrap();
        next.query_pairs_mut().append_pair("page[cursor]", &(skip + 2).to_string());
        // The last of two cursors counts.
        next.to_string().replacen(&format!("page%5Bcursor%5D={skip}&"), "", 1)
    });
    Reply::json(&json!({ "data": page, "links": { "self": asked.target, "next": next } }))
}

#[tokio::test]
async fn klaviyo_filters_by_two_exclusive_bounds() {
    for (stream, size) in [("profiles", "100"), ("events", "1000")] {
        let throttle = OneThrottle::new();
        let server = Server::start(move |asked| {
            if throttle.hits(asked) {
                return Reply::throttled();
            }
            klaviyo(asked, &format!("http://{}", asked.headers["host"]))
        })
        .await;
        let manifest = embedded("klaviyo").replace("https://a.klaviyo.com", &server.origin);
        let source = open(&manifest, &server, "api_key", &[]);
        two_days(&source, stream, "/id", Slice::whole()).await;
        assert!(server.asked().iter().all(|asked| asked.get("page[size]") == Some(size)), "{stream}");
        if stream == "profiles" {
            assert_eq!(
                sorted(&read(&source, "lists", whole()).await.unwrap_or_else(|error| panic!("{error}")).records, "/id"),
                ["\"L1\""]
            );
        }
    }
}

/// Mailchimp: offsets with a total; members by when they changed, exclusive at both ends, in two audiences.
fn mailchimp(asked: &Asked) -> Reply {
    let key = base64::engine::general_purpose::STANDARD.encode(format!("any:{SECRET}"));
    assert_eq!(asked.headers["authorization"], format!("Basic {key}"));
    assert_eq!(asked.get("count"), Some("1000"));
    let skip = usize::try_from(asked.number_of("offset").unwrap()).unwrap();
    if asked.path == "/3.0/lists" {
        let (page, _) = page_of(&[json!({ "id": "a" }), json!({ "id": "b" }), json!({ "id": "c" })], skip);
        return Reply::json(&json!({ "lists": page, "total_items": 3 }));
    }
    assert_eq!((asked.get("sort_field"), asked.get("sort_dir")), (Some("last_changed"), Some("ASC")));
    let list = asked.path.strip_prefix("/3.0/lists/").unwrap().strip_suffix("/members").unwrap();
    let (after, before) = (at(asked.get("since_last_changed").unwrap()), at(asked.get("before_last_changed").unwrap()));
    let matching: Vec<Value> = rows()
        .into_iter()
        .filter(|(_, time)| list == "a" && after < *time && *time < before)
        .map(|(n, time)| json!({ "id": n.to_string(), "list_id": list, "last_changed": time.to_rfc3339() }))
        .collect();
    let (page, _) = page_of(&matching, skip);
    Reply::json(&json!({ "members": page, "list_id": list, "total_items": matching.len() }))
}

#[tokio::test]
async fn mailchimp_reads_the_members_of_each_audience_that_changed() {
    let throttle = OneThrottle::new();
    let server =
        Server::start(move |asked| if throttle.hits(asked) { Reply::throttled() } else { mailchimp(asked) }).await;
    let manifest = embedded("mailchimp").replace("https://{data_center}.api.mailchimp.com", &server.origin);
    let source = open(&manifest, &server, "api_key", &[("data_center", text("us1"))]);
    two_days(&source, "members", "/id", Slice::whole()).await;
    let asked = server.asked();
    for list in ["a", "b", "c"] {
        assert!(asked.iter().any(|asked| asked.path == format!("/3.0/lists/{list}/members")), "{list}");
    }
    assert_eq!(sorted(&read(&source, "lists", whole()).await.unwrap().records, "/id"), ["\"a\"", "\"b\"", "\"c\""]);
}
