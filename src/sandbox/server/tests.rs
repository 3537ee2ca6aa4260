//! The API over HTTP: pages, refusals, faults and switches, as a client sees them.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::sandbox::{Collection, Fault};

async fn start() -> Sandbox {
    let options = SandboxOptions { orders: 2_000, days: 10, port: 0, ..SandboxOptions::default() };
    Sandbox::start(options).await.unwrap()
}

/// Sends one request and returns all that came back before the connection ended.
async fn send(sandbox: &Sandbox, method: &str, path: &str, token: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", sandbox.port())).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.unwrap();
    if read.is_err() {
        bytes.extend_from_slice(b"<broken>");
    }
    String::from_utf8(bytes).unwrap()
}

async fn get_text(sandbox: &Sandbox, path: &str) -> String {
    send(sandbox, "GET", path, TOKEN, "").await
}

async fn get_json(sandbox: &Sandbox, path: &str) -> Value {
    let text = get_text(sandbox, path).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn ids(rows: &Value) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn refuses_a_wrong_token_an_unknown_parameter_and_a_bad_value() {
    let sandbox = start().await;
    assert!(send(&sandbox, "GET", "/v1/orders", "wrong", "").await.starts_with("HTTP/1.1 401"));
    for path in [
        "/v1/orders?since=2025-03-01",
        "/v1/orders?limit=0",
        "/v1/orders?limit=501",
        "/v1/orders?after=pay_0000001",
        "/v1/orders?created_from=yesterday",
        "/v1/events?cursor=x",
        "/v1/tickets/changes?token=x",
    ] {
        assert!(get_text(&sandbox, path).await.starts_with("HTTP/1.1 400"), "{path}");
    }
}

#[tokio::test]
async fn every_list_pages_through_every_row_once() {
    let sandbox = start().await;
    let range = "from=2025-03-04T00:00:00Z&until=2025-03-06T00:00:00Z";
    let truth = |collection: Collection| {
        let at = |text: &str| Some(text.parse().unwrap());
        let lines = sandbox.shop().truth(collection, at("2025-03-04T00:00:00Z"), at("2025-03-06T00:00:00Z"), None);
        let rows =
            lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned());
        rows.collect::<Vec<_>>()
    };
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let created = range.replace("from", "created_from").replace("until", "created_until");
        let page = get_json(&sandbox, &format!("/v1/events?{created}&limit=333{cursor}")).await;
        events.extend(ids(&page["events"]));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(events, truth(Collection::Events));
    let (mut orders, mut after) = (Vec::new(), String::new());
    loop {
        let created = range.replace("from", "created_from").replace("until", "created_until");
        let page = get_json(&sandbox, &format!("/v1/orders?{created}&limit=70{after}")).await;
        orders.extend(ids(&page["data"]));
        after = format!("&after={}", orders.last().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(orders, truth(Collection::Orders));
    for collection in [Collection::Payments, Collection::Customers] {
        let updated = range.replace("from", "updated_from").replace("until", "updated_until");
        let (mut rows, mut page) = (Vec::new(), 1);
        loop {
            let body = get_json(&sandbox, &format!("/v1/{collection}?{updated}&per_page=60&page={page}")).await;
            rows.extend(ids(&body[collection.as_str()]));
            if body["pages"] == page {
                assert_eq!(body["total"], rows.len());
                break;
            }
            page += 1;
        }
        assert_eq!(rows, truth(collection), "{collection}");
    }
}

#[tokio::test]
async fn products_follow_their_link_and_tickets_their_token() {
    let sandbox = start().await;
    let (mut products, mut path) = (Vec::new(), "/v1/products?limit=100".to_owned());
    loop {
        let text = get_text(&sandbox, &path).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        products.extend(ids(&serde_json::from_str::<Value>(body).unwrap()["products"]));
        let Some(link) = head.lines().find_map(|line| line.strip_prefix("link: <")) else { break };
        let url = link.split_once(">; rel=\"next\"").unwrap().0;
        path = url.strip_prefix(sandbox.origin()).unwrap().to_owned();
    }
    assert_eq!(products.len(), sandbox.shop().truth(Collection::Products, None, None, None).lines().count());
    let (mut changes, mut token) = (0, String::new());
    loop {
        let page = get_json(&sandbox, &format!("/v1/tickets/changes?limit=50{token}")).await;
        changes += page["changes"].as_array().unwrap().len();
        token = format!("&token={}", page["next_token"].as_str().unwrap());
        if page["more"] == false {
            break;
        }
    }
    let (_, total) = sandbox.shop().ticket_changes(sandbox.shop().moment(), 0..usize::MAX);
    assert_eq!(changes, total);
    assert!(
        get_json(&sandbox, &format!("/v1/tickets/changes?limit=50{token}")).await["changes"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn faults_befall_answers_as_they_are_told() {
    let sandbox = start().await;
    let once = |fault| Fault { endpoint: Some(Endpoint::Orders), after: 0, times: Some(1), fault };
    let shop = sandbox.shop();
    shop.add_fault(once(FaultKind::Status { status: 429, retry_after: Some(7) }));
    let text = get_text(&sandbox, "/v1/orders").await;
    assert!(text.starts_with("HTTP/1.1 429") && text.contains("retry-after: 7"), "{text}");
    shop.add_fault(once(FaultKind::Html));
    assert!(get_text(&sandbox, "/v1/orders").await.contains("<!doctype html>"));
    shop.add_fault(once(FaultKind::WrongPath));
    assert!(get_text(&sandbox, "/v1/orders").await.contains("{\"items\":["));
    shop.add_fault(once(FaultKind::Truncated));
    let text = get_text(&sandbox, "/v1/orders").await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("{\"data\":[") && !text.contains("has_more"), "{text}");
    shop.add_fault(once(FaultKind::Down));
    let text = get_text(&sandbox, "/v1/orders").await;
    assert!(!text.contains("HTTP/1.1"), "{text}");
    get_json(&sandbox, "/v1/orders").await;
    let statuses: Vec<u16> = shop.recent_requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [429, 200, 200, 200, 0, 200]);
}

#[tokio::test]
async fn the_switches_work_over_http_and_every_answer_is_dated() {
    let sandbox = start().await;
    let text = send(&sandbox, "POST", "/_sandbox/clock", "", "{\"advance_seconds\":3600}").await;
    assert!(text.contains("2025-03-11T01:00:00Z") && text.contains("date: Tue, 11 Mar 2025 01:00:00 GMT"), "{text}");
    let edit = "{\"delete\":{\"collection\":\"customers\",\"id\":\"cus_0000001\"}}";
    assert!(send(&sandbox, "POST", "/_sandbox/edits", "", edit).await.starts_with("HTTP/1.1 200"));
    assert!(send(&sandbox, "POST", "/_sandbox/edits", "", edit).await.starts_with("HTTP/1.1 422"));
    assert!(!ids(&get_json(&sandbox, "/v1/customers/ids?limit=5000").await["ids"]).contains(&"cus_0000001".to_owned()));
    let fault = "{\"endpoint\":null,\"fault\":{\"status\":{\"status\":500}}}";
    assert!(send(&sandbox, "POST", "/_sandbox/faults", "", fault).await.contains("\"status\":500"));
    assert!(get_text(&sandbox, "/v1/products").await.starts_with("HTTP/1.1 500"));
    send(&sandbox, "DELETE", "/_sandbox/faults", "", "").await;
    get_json(&sandbox, "/v1/products").await;
    assert_eq!(get_json(&sandbox, "/_sandbox/requests").await["counts"]["products"], 2);
    assert!(get_text(&sandbox, "/_sandbox/truth/orders?until=2025-03-02T00:00:00Z").await.contains("ord_0000001"));
    assert!(get_text(&sandbox, "/_sandbox/truth/parcels").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn the_first_page_asks_for_no_token_and_is_down_with_the_whole_shop() {
    let sandbox = start().await;
    let text = send(&sandbox, "HEAD", "/", "", "").await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("date: Tue, 11 Mar 2025 00:00:00 GMT"), "{text}");
    sandbox.shop().add_fault(Fault::lasting(Endpoint::Orders, FaultKind::Down));
    assert!(send(&sandbox, "HEAD", "/", "", "").await.starts_with("HTTP/1.1 200"));
    sandbox.shop().add_fault(Fault::lasting(None, FaultKind::Down));
    assert!(!send(&sandbox, "HEAD", "/", "", "").await.contains("HTTP/1.1"));
    assert!(send(&sandbox, "DELETE", "/_sandbox/faults", "", "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stopped_shop_refuses_connections_and_comes_back_as_it_was() {
    let sandbox = start().await;
    let port = sandbox.port();
    let before = get_json(&sandbox, "/v1/products").await;
    let shop = sandbox.stop().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let sandbox = Sandbox::serve(shop, port, Secret::new(TOKEN)).await.unwrap();
    assert_eq!(get_json(&sandbox, "/v1/products").await, before);
}
