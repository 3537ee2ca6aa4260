//! Signed requests against a server that computes the signature again over what it received.

use headwater_contract::Explain;
use ring::hmac;
use serde_json::json;

use super::{CANARY, Setup, canary, printed};
use crate::server::{Asked, Reply, Server};
use crate::work::{read, whole};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn sign(message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, canary("key").as_bytes());
    hex(hmac::sign(&key, message.as_bytes()).as_ref())
}

fn rows(good: bool, asked: &Asked) -> Reply {
    if good { Reply::json(&json!({ "data": [{ "id": 1 }] })) } else { Reply::text(403, &format!("{asked:?}")) }
}

#[tokio::test]
async fn a_signature_covers_the_body_and_the_query_as_they_arrive() {
    let server = Server::start(|asked| {
        let message = format!(
            "{}\n{}\n{}\n{}\n{}",
            asked.headers["x-time"], asked.headers["x-nonce"], asked.method, asked.path, asked.text
        );
        rows(asked.headers["x-sign"] == sign(&message), asked)
    })
    .await;
    let auth = r#"{ hmac: { key: key, message: "{timestamp}\n{nonce}\n{method}\n{path}\n{body}", timestamp: rfc3339,
                  send: { all: [{ header: { name: X-Sign, value: signature } }, { header: { name: X-Time, value: timestamp } },
                                { header: { name: X-Nonce, value: nonce } }] } } }"#;
    let source = Setup::new(&server, auth, &["key"]).and("    body: { json: { page: 1 } }\n").open().unwrap();
    read(&source, "rows", whole()).await.unwrap();
    read(&source, "rows", whole()).await.unwrap();
    let nonces: Vec<String> = server.asked().iter().map(|asked| asked.headers["x-nonce"].clone()).collect();
    assert_ne!(nonces[0], nonces[1]);
    assert_eq!(server.asked()[0].headers["x-time"], "2026-11-21T09:00:00Z");
}

#[tokio::test]
async fn what_is_put_on_before_is_part_of_what_is_signed() {
    let server = Server::start(|asked| {
        let message = format!("kind=a&timestamp={}", asked.get("timestamp").unwrap());
        let is_good = asked.get("signature") == Some(sign(&message).as_str()) && asked.headers["x-key"] == canary("id");
        rows(is_good, asked)
    })
    .await;
    let auth = "{ hmac: { key: key, message: '{query}', timestamp: unix_millis, before: { query: { param: timestamp, value: timestamp } }, \
                send: { all: [{ query: { param: signature, value: signature } }, { header: { name: X-Key, value: id } }] } } }";
    let source = Setup::new(&server, auth, &["key", "id"]).and("    params: { kind: a }\n").open().unwrap();
    let got = read(&source, "rows", whole()).await.unwrap();
    let url = &got.exchanges[0].url;
    assert!(!url.contains("signature") && !url.contains(CANARY), "{url}");
}

#[tokio::test]
async fn aws_and_oauth1_signatures_arrive_and_are_not_printed_when_repeated() {
    let aws = "{ aws_sigv4: { access_key: id, secret_key: key, session_token: token, region: eu-west-1, service: execute-api } }";
    let oauth1 =
        "{ oauth1: { consumer_key: id, consumer_secret: key, token: token, token_secret: other, realm: acme } }";
    let signed = "{ hmac: { key: key, message: '{url}{body_sha256}', send: { header: { name: Authorization, value: signature } } } }";
    for (auth, begin) in [(aws, "AWS4-HMAC-SHA256 Credential="), (oauth1, "OAuth realm=\"acme\", "), (signed, "")] {
        let server = Server::start(|asked| Reply::text(400, &format!("{:?}", asked.headers))).await;
        let source = Setup::new(&server, auth, &["id", "key", "token", "other"]).open().unwrap();
        let error = read(&source, "rows", whole()).await.unwrap_err();
        assert_eq!(error.code(), "request-rejected");
        let header = server.asked()[0].headers["authorization"].clone();
        assert!(header.starts_with(begin), "{header}");
        let signature = header.rsplit(['=', '"', ' ']).find(|part| part.len() > 20).unwrap_or(&header).to_owned();
        let text = printed(&error);
        assert!(!text.contains(CANARY) && !text.contains(&signature), "{text}");
    }
}
