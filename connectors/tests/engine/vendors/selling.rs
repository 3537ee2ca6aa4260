//! `WooCommerce` and `PayPal`.

use base64::Engine;
use chrono::{DateTime, NaiveDateTime, Utc};
use headwater_contract::Slice;
use serde_json::{Value, json};

use super::{OneThrottle, page_of, rows, two_days};
use crate::server::{Asked, Reply, Server};
use crate::work::{SECRET, at, embedded, open, read, sorted, text, whole};

/// `WooCommerce`: times without a zone, exclusive bounds, pages by number with totals in headers.
fn woocommerce(asked: &Asked) -> Reply {
    let key = base64::engine::general_purpose::STANDARD.encode(format!("ck_1:{SECRET}"));
    assert_eq!(asked.headers["authorization"], format!("Basic {key}"));
    assert_eq!(asked.get("per_page"), Some("100"));
    let rows: Vec<Value> = if asked.path == "/shop/wp-json/wc/v3/customers" {
        assert_eq!(asked.get("role"), Some("all"));
        (0..5).map(|n| json!({ "id": n })).collect()
    } else {
        assert_eq!(
            (asked.get("dates_are_gmt"), asked.get("orderby"), asked.get("order")),
            (Some("true"), Some("modified"), Some("asc"))
        );
        let local = |name: &str| -> DateTime<Utc> {
            NaiveDateTime::parse_from_str(asked.get(name).unwrap(), "%Y-%m-%dT%H:%M:%S").unwrap().and_utc()
        };
        let (after, before) = (local("modified_after"), local("modified_before"));
        let matching = rows().into_iter().filter(|(_, time)| after < *time && *time < before);
        matching
            .map(|(n, time)| json!({ "id": n, "date_modified_gmt": time.format("%Y-%m-%dT%H:%M:%S").to_string() }))
            .collect()
    };
    let skip = usize::try_from(asked.number_of("page").unwrap() - 1).unwrap() * 2;
    let (page, _) = page_of(&rows, skip);
    Reply::json(&Value::from(page))
        .header("X-WP-Total", &rows.len().to_string())
        .header("X-WP-TotalPages", &rows.len().div_ceil(2).to_string())
}

#[tokio::test]
async fn woocommerce_reads_orders_and_products_that_changed_and_all_customers() {
    for stream in ["orders", "products"] {
        let throttle = OneThrottle::new();
        let server =
            Server::start(move |asked| if throttle.hits(asked) { Reply::throttled() } else { woocommerce(asked) })
                .await;
        let settings = [("origin", text(&format!("{}/shop", server.origin))), ("consumer_key", text("ck_1"))];
        let source = open(&embedded("woocommerce"), &server, "consumer_secret", &settings);
        two_days(&source, stream, "/id", Slice::whole()).await;
        assert_eq!(read(&source, "customers", whole()).await.unwrap().records.len(), 5);
    }
}

/// `PayPal`: a token for client credentials, milliseconds in bounds, links by relation, pages by number with totals.
fn paypal(asked: &Asked, origin: &str) -> Reply {
    if asked.path == "/v1/oauth2/token" {
        let key = base64::engine::general_purpose::STANDARD.encode(format!("c:{SECRET}"));
        assert_eq!(asked.headers["authorization"], format!("Basic {key}"));
        return Reply::json(&json!({ "access_token": "t0", "token_type": "Bearer", "expires_in": 3600 }));
    }
    assert_eq!(asked.headers["authorization"], "Bearer t0");
    if asked.path == "/v1/catalogs/products" {
        assert_eq!((asked.get("page_size"), asked.get("total_required")), (Some("20"), Some("true")));
        let skip = usize::try_from(asked.number_of("page").unwrap() - 1).unwrap() * 2;
        let (page, _) = page_of(&[json!({ "id": "a" }), json!({ "id": "b" }), json!({ "id": "c" })], skip);
        return Reply::json(&json!({ "products": page, "total_items": 3, "total_pages": 2, "links": [] }));
    }
    assert_eq!(
        (asked.path.as_str(), asked.get("page_size"), asked.get("total_required")),
        ("/v1/customer/disputes", Some("50"), None)
    );
    let bound = |name: &str| {
        let text = asked.get(name).unwrap();
        assert_eq!(text.len(), "2024-03-01T00:00:00.000Z".len(), "{text}");
        at(text)
    };
    let (after, before) = (bound("update_time_after"), bound("update_time_before"));
    let matching: Vec<Value> = rows()
        .into_iter()
        .filter(|(_, time)| after < *time && *time < before)
        .map(|(n, time)| json!({ "dispute_id": n.to_string(), "update_time": time.to_rfc3339() }))
        .collect();
    let skip = asked.get("next_page_token").map_or(0, |token| token.parse().unwrap());
    let (page, has_more) = page_of(&matching, skip);
    let mut links = vec![json!({ "href": format!("{origin}{}", asked.target), "rel": "self" })];
    if has_more {
        let target = asked.target.split("&next_page_token").next().unwrap();
        links.push(json!({ "href": format!("{origin}{target}&next_page_token={}", skip + 2), "rel": "next" }));
    }
    Reply::json(&json!({ "items": page, "links": links }))
}

#[tokio::test]
async fn paypal_follows_the_link_called_next() {
    let throttle = OneThrottle::new();
    let server = Server::start(move |asked| {
        if throttle.hits(asked) {
            return Reply::throttled();
        }
        paypal(asked, &format!("http://{}", asked.headers["host"]))
    })
    .await;
    let manifest = embedded("paypal")
        .replace("https://{host}", "http://{host}")
        .replace("live: api-m.paypal.com", &format!("live: \"{}\"", server.address()));
    let source = open(&manifest, &server, "client_secret", &[("client_id", text("c"))]);
    two_days(&source, "disputes", "/dispute_id", Slice::whole()).await;
    let products = read(&source, "products", whole()).await.unwrap();
    assert_eq!(sorted(&products.records, "/id"), ["\"a\"", "\"b\"", "\"c\""]);
}
