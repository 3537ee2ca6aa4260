//! What is logged while every way in is driven against a server that repeats all it is told: no secret, at no level.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{CANARY, Setup, printed};
use crate::server::{Asked, Reply, Server};
use crate::work::{read, whole};

/// Keeps the text of every event and span.
struct Keeper(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Line(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

const WAYS: [&str; 14] = [
    "{ bearer: key }",
    "{ header: { name: X-Api-Key, value: 'Token {key}' } }",
    "{ query: { param: api_key, value: key } }",
    "{ cookie: { name: sid, value: key } }",
    "{ basic: { user: key, password: other } }",
    "{ all: [{ bearer: key }, { query: { param: k, value: other } }] }",
    "{ oauth2: { token_url: /token, grant: client_credentials, client: { id: key, secret: other } } }",
    "{ oauth2: { token_url: /token, grant: { refresh_token: key }, client: { id: key, secret: other, sent_as: basic } } }",
    "{ jwt: { algorithm: HS256, key: key, claims: { iss: '{other}' } } }",
    "{ session: { steps: [{ url: /token, body: { json: { password: '{key}' } }, take: { token: { field: access_token } } }], \
       send: { query: { param: session, value: token } } } }",
    "{ tokens: { from: key } }",
    "{ aws_sigv4: { access_key: key, secret_key: other, region: eu-1, service: s3 } }",
    "{ hmac: { key: key, message: '{url}{body}', before: { query: { param: key, value: other } }, send: { query: { param: sign, value: signature } } } }",
    "{ oauth1: { consumer_key: key, consumer_secret: other } }",
];

fn parrot(status: u16) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    move |asked| {
        if asked.path == "/api/token" {
            return Reply::json(
                &json!({ "access_token": format!("{CANARY}-token-{}", asked.number), "refresh_token": format!("{CANARY}-refresh"), "expires_in": 60 }),
            );
        }
        let repeated = format!("{:?} {:?} {}", asked.headers, asked.query, asked.text);
        Reply::text(status, &repeated).header("x-request-id", &repeated).header("retry-after", "0")
    }
}

#[tokio::test]
async fn no_way_in_is_logged_or_printed() {
    let kept = Arc::new(Mutex::new(String::new()));
    let _guard = tracing::subscriber::set_default(Keeper(Arc::clone(&kept)));
    for way in WAYS {
        for status in [401, 403, 429, 500] {
            let server = Server::start(parrot(status)).await;
            let mut setup = Setup::new(&server, way, &["key", "other"]);
            setup.options.patience.wait_max = std::time::Duration::from_millis(1);
            let source = setup.open().unwrap();
            let error = read(&source, "rows", whole()).await.unwrap_err();
            let asked = server.asked();
            let last = asked.last().unwrap();
            let sent = [last.headers.get("authorization"), last.query.get("sign")].into_iter().flatten();
            let text = format!("{} {source:?} {}", printed(&error), std::mem::take(&mut *kept.lock().unwrap()));
            assert!(!text.contains(CANARY), "{way} {status}: {text}");
            for sent in sent {
                let secret = sent.split_whitespace().next_back().unwrap();
                assert!(secret.len() < 8 || !text.contains(secret), "{way} {status}: {secret} in {text}");
            }
            assert!(status != 500 || text.contains("sending a request again"), "{way}: nothing is kept: {text}");
        }
    }
}
