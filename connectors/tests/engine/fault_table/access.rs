//! Credentials, logins, and what a project says of a source.

use std::sync::Arc;

use headwater_connectors::SettingValue;
use headwater_connectors::auth::FileTokenStore;
use serde_json::{Value, json};

use super::row::{Ends, Row, good, slice};
use super::{AGAIN, ONCE, UNSEEN};
use crate::server::{Asked, Reply};
use crate::work::whole;

const GRANT: &str =
    "{ oauth2: { token_url: ORIGIN/api/token, grant: client_credentials, client: { id: key, secret: other } } }";
const REFRESH: &str = "{ oauth2: { token_url: ORIGIN/api/token, grant: { refresh_token: key }, client: { id: { text: app }, secret: other } } }";

/// Answers to logins as said, and to everything else with good rows.
fn login(fault: &'static str, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Row {
    Row::new(fault, move |asked| if asked.path == "/api/token" { answer(asked) } else { good() }).auth(GRANT)
}

fn token(number: usize) -> Reply {
    Reply::json(&json!({ "access_token": format!("issued-token-{number}"), "expires_in": 3600 }))
}

pub(super) fn logins() -> Vec<Row> {
    let at_token = |asked: &Asked| asked.path == "/api/token";
    vec![
        login("a login that is refused", |_| Reply::text(401, r#"{"error":"invalid_client"}"#)).fails(
            "login-refused",
            1,
            ONCE,
        ),
        login("a login that is answered by a page of HTML", |_| Reply::text(200, "<html>")).fails(
            "login-value-missing",
            1,
            ONCE,
        ),
        login("a login without a token in its answer", |_| Reply::json(&json!({ "ok": true }))).fails(
            "login-value-missing",
            1,
            ONCE,
        ),
        login("a login that is redirected", |_| Reply::text(302, "").header("Location", "/api/rows")).fails(
            "login-redirected",
            1,
            "fails at once: a login's body is its secret, and would travel along",
        ),
        login("a login that fails for ever", |_| Reply::text(500, "")).fails("server-error", 4, AGAIN),
        login("a login that wants fewer requests", |_| Reply::throttled()).fails("throttled", 9, super::SLOWER),
        login("a login whose answer is larger than any", |_| Reply::text(200, &"x".repeat(1_100_000))).fails(
            "body-too-large",
            1,
            ONCE,
        ),
        login("a login that stays silent", |_| Reply { cut: Some(1), hangs: true, ..token(1) })
            .with(|scene| scene.options.patience.answer_max = std::time::Duration::from_millis(50))
            .fails("too-slow", 1, ONCE),
        login("a refresh token that is used up", |_| Reply::text(400, r#"{"error":"invalid_grant"}"#))
            .auth(REFRESH)
            .fails("login-expired", 1, ONCE),
        login("nobody has logged in yet", |_| token(1))
            .auth(REFRESH)
            .with(|scene| drop(scene.options.secrets.remove("key")))
            .fails("not-logged-in", 0, ONCE),
        login("the store of tokens cannot be written", |_| token(1))
            .auth(REFRESH)
            .with(|scene| scene.options.tokens = Arc::new(FileTokenStore::new("/dev/null/tokens")))
            .fails("token-store", 0, ONCE),
        Row::new("a token that ends while it is used", move |asked| match asked.number {
            number if at_token(asked) => token(number),
            1 => Reply::text(401, "expired"),
            _ => good(),
        })
        .auth(GRANT)
        .ends(Ends::Reads(3), 4, "renews it once; nobody sees it"),
        Row::new("a token that is refused although it is new", move |asked| match asked.number {
            number if at_token(asked) => token(number),
            _ => Reply::text(401, "who are you?"),
        })
        .auth(GRANT)
        .fails("unauthorized", 4, "renews it once, then fails"),
        login("a login's URL that is none", |_| token(1))
            .auth("{ oauth2: { token_url: 'http://', grant: client_credentials, client: { id: key, secret: other } } }")
            .fails("login-url", 0, ONCE),
    ]
}

pub(super) fn settings() -> Vec<Row> {
    let given = |name: &'static str, value: fn() -> SettingValue| {
        move |scene: &mut super::row::Scene| drop(scene.settings.insert(name.to_owned(), value()))
    };
    let row = |fault| Row::new(fault, |_| good());
    vec![
        row("a secret is missing")
            .with(|scene| {
                scene.replace("key: { secret: true, optional: true, help: h }", "key: { secret: true, help: h }");
                scene.options.secrets.remove("key");
            })
            .fails("setting-missing", 0, ONCE),
        row("a secret stands in the project file")
            .with(|scene| drop(scene.options.secrets.remove("key")))
            .with(given("key", || SettingValue::Text("x".to_owned())))
            .fails("secret-in-the-open", 0, ONCE),
        row("a setting that the connector does not have")
            .with(given("wrod", || SettingValue::Text("x".to_owned())))
            .fails("setting-wrong", 0, ONCE),
        row("a key that is none").auth("{ jwt: { algorithm: RS256, key: key, claims: { iss: me } } }").fails(
            "key-unusable",
            0,
            ONCE,
        ),
        row("a secret with a line break, for a header")
            .auth("{ header: { name: X-Key, value: key } }")
            .with(|scene| {
                drop(scene.options.secrets.insert("key".to_owned(), headwater_contract::Secret::new("two\nlines")));
            })
            .fails("header-value", 0, ONCE),
        row("a setting with a line break, for a header")
            .on("posted")
            .with(given("word", || SettingValue::Text("a\r\nX-Admin: 1".to_owned())))
            .fails("header-value", 0, ONCE),
        row("a setting that would leave its place in the path")
            .on("placed")
            .with(given("word", || SettingValue::Text("..".to_owned())))
            .fails("expression-failed", 0, ONCE),
        row("a slice that is not in its list")
            .on("sliced")
            .with(given("units", || SettingValue::List(vec!["a".to_owned()])))
            .with(|scene| scene.request = slice("z"))
            .fails("slice-unknown", 0, ONCE),
        row("a stream that the connector does not have").on("rowz").fails("stream-unknown", 0, ONCE),
        row("a window is asked for without its range").on("searched").with(|scene| scene.request = whole()).fails(
            "bounds-wrong",
            0,
            "fails at once: that is a bug of ours",
        ),
        Row::new("a secret that the source repeats in every answer", |asked| {
            let said = format!("{:?} {:?}", asked.query, asked.headers);
            Reply::json(&Value::from_iter([(said.clone(), 1)])).header("X-Request-Id", &said)
        })
        .fails(
            "records-missing",
            1,
            "fails at once; what the source repeats of secrets is `****` in every text",
        ),
        Row::new("a refusal, and then none", |asked| match asked.number {
            0 => Reply::throttled(),
            _ => good(),
        })
        .ends(Ends::Reads(3), 2, UNSEEN),
    ]
}
