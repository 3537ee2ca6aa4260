//! Greenhouse.

use headwater_contract::Slice;
use serde_json::{Value, json};

use super::{OneThrottle, page_of, rfc3339, rows, two_days};
use crate::server::{Asked, Reply, Server};
use crate::work::{at, embedded, open, text};

/// Greenhouse: a token for client credentials, one filter by a field, a link that holds nothing but a cursor.
fn greenhouse(asked: &Asked) -> Reply {
    if asked.path == "/token" {
        assert!(
            asked.text.contains("grant_type=client_credentials") && asked.text.contains("sub=17"),
            "{}",
            asked.text
        );
        assert!(asked.headers["authorization"].starts_with("Basic "));
        return Reply::json(&json!({ "access_token": "t0", "token_type": "Bearer", "expires_in": 3600 }));
    }
    assert_eq!((asked.path.as_str(), asked.headers["authorization"].as_str()), ("/v3/candidates", "Bearer t0"));
    // A cursor must be the only parameter.
    let (range, skip) = match asked.get("cursor") {
        Some(cursor) => {
            assert_eq!(asked.query.len(), 1);
            let (range, skip) = cursor.split_once(';').unwrap();
            (range.to_owned(), skip.parse().unwrap())
        }
        None => (asked.get("updated_at").unwrap().to_owned(), 0),
    };
    let bounds: Vec<&str> = range.split('|').collect();
    assert_eq!((bounds[0], bounds[2]), ("gte", "lte"));
    // The newest id comes first, whatever the filter says.
    let matching: Vec<Value> = rows()
        .into_iter()
        .rev()
        .filter(|(_, time)| *time >= at(bounds[1]) && *time <= at(bounds[3]))
        .map(|(n, time)| json!({ "id": n, "created_at": rfc3339(time), "updated_at": rfc3339(time) }))
        .collect();
    let (page, has_more) = page_of(&matching, skip);
    let reply = Reply::json(&Value::from(page));
    if !has_more {
        return reply;
    }
    reply.header("Link", &format!("</v3/candidates?cursor={};{}>; rel=\"next\"", range.replace('|', "%7C"), skip + 2))
}

#[tokio::test]
async fn greenhouse_asks_by_both_ends_in_one_parameter_and_follows_cursors() {
    let throttle = OneThrottle::new();
    let server =
        Server::start(move |asked| if throttle.hits(asked) { Reply::throttled() } else { greenhouse(asked) }).await;
    let manifest = embedded("greenhouse")
        .replace("https://harvest.greenhouse.io", &server.origin)
        .replace("https://auth.greenhouse.io", &server.origin);
    let settings = [("client_id", text("c")), ("user_id", text("17"))];
    let source = open(&manifest, &server, "client_secret", &settings);
    two_days(&source, "candidates", "/id", Slice::whole()).await;
}
