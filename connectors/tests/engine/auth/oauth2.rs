//! OAuth 2.0 against an endpoint that counts: what is asked for, when, how often, and what is stored before it is used.

use std::sync::Arc;

use chrono::TimeDelta;
use headwater_connectors::auth::{FileTokenStore, TokenStore};
use headwater_connectors::{Source, SourceError};
use headwater_contract::Explain;
use serde_json::{Value, json};

use super::{CANARY, Setup, Shared, canary, get, memory, printed, prints_nothing, shared};
use crate::server::{Asked, Reply, Server};
use crate::work::{Got, read, whole};

/// The endpoint's memory.
#[derive(Clone, Debug, Default)]
struct Issued {
    /// How many tokens were issued.
    tokens: u32,
    /// The refresh token that is good now; a used one is refused.
    refresh_token: String,
    /// Refuse whatever token comes.
    refuses: bool,
}

fn form(asked: &Asked, name: &str) -> Option<String> {
    let found = url::form_urlencoded::parse(asked.text.as_bytes()).find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

/// Issues tokens `c4nary-token-<n>`, good for an hour, with a new refresh token each where `rotates`.
fn endpoint(issued: &Shared<Issued>, rotates: bool) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let issued = Arc::clone(issued);
    move |asked| {
        let mut issued = issued.lock().unwrap();
        if asked.path == "/token" {
            let sent = form(asked, "refresh_token");
            if sent.is_some_and(|sent| sent != issued.refresh_token) {
                return Reply::text(
                    400,
                    &json!({ "error": "invalid_grant", "error_description": format!("used: {}", asked.text) })
                        .to_string(),
                );
            }
            issued.tokens += 1;
            let mut answer = json!({ "access_token": format!("{CANARY}-token-{}", issued.tokens), "expires_in": 3600 });
            if rotates {
                issued.refresh_token = format!("{CANARY}-refresh-{}", issued.tokens);
                answer["refresh_token"] = Value::from(issued.refresh_token.clone());
            }
            return Reply::json(&answer);
        }
        let expected = format!("Bearer {CANARY}-token-{}", issued.tokens);
        if issued.refuses || asked.headers.get("authorization") != Some(&expected) {
            return Reply::text(401, &format!("{:?}", asked.headers));
        }
        Reply::json(&json!({ "data": [{ "id": 1 }] }))
    }
}

const CREDENTIALS: &str =
    "{ oauth2: { token_url: ORIGIN/token, grant: client_credentials, client: { id: id, secret: client_secret } } }";
const REFRESH: &str = "{ oauth2: { token_url: ORIGIN/token, grant: { refresh_token: first }, client: { id: id, secret: client_secret } } }";

async fn rows(source: &Source) -> Result<Got, SourceError> {
    read(source, "rows", whole()).await
}

fn token_requests(server: &Server) -> Vec<Asked> {
    server.asked().into_iter().filter(|asked| asked.path == "/token").collect()
}

async fn started(rotates: bool, auth: &str) -> (Server, Shared<Issued>, Setup) {
    let issued = shared(Issued { refresh_token: canary("first"), ..Issued::default() });
    let server = Server::start(endpoint(&issued, rotates)).await;
    let setup = Setup::new(&server, &auth.replace("ORIGIN", &server.origin), &["id", "client_secret", "first"]);
    (server, issued, setup)
}

#[tokio::test]
async fn a_token_is_asked_for_once_used_until_shortly_before_its_end_and_renewed() {
    let (server, _, setup) = started(false, CREDENTIALS).await;
    let source = setup.open().unwrap();
    for _ in 0..3 {
        rows(&source).await.unwrap();
    }
    assert_eq!(token_requests(&server).len(), 1);
    let asked = &token_requests(&server)[0];
    assert_eq!(form(asked, "grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(form(asked, "client_id"), Some(canary("id")));
    assert_eq!(form(asked, "client_secret"), Some(canary("client_secret")));
    setup.clock.advance(TimeDelta::minutes(58));
    rows(&source).await.unwrap();
    assert_eq!(token_requests(&server).len(), 1);
    setup.clock.advance(TimeDelta::seconds(61));
    rows(&source).await.unwrap();
    assert_eq!(token_requests(&server).len(), 2);
    prints_nothing(&source, &[]);
}

#[tokio::test]
async fn of_many_readings_at_once_one_asks_for_the_token() {
    let (server, _, setup) = started(true, REFRESH).await;
    let source = setup.open().unwrap();
    let readings: Vec<_> = (0..20)
        .map(|_| {
            let source = source.clone();
            tokio::spawn(async move { rows(&source).await.map(|got| got.records.len()) })
        })
        .collect();
    for reading in readings {
        assert_eq!(reading.await.unwrap().unwrap(), 1);
    }
    assert_eq!(token_requests(&server).len(), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_early_is_renewed_once_and_the_request_sent_again() {
    let (server, issued, setup) = started(true, REFRESH).await;
    let source = setup.open().unwrap();
    rows(&source).await.unwrap();
    issued.lock().unwrap().tokens += 10;
    rows(&source).await.unwrap();
    assert_eq!(token_requests(&server).len(), 2);

    issued.lock().unwrap().refuses = true;
    let before = server.asked().len();
    let error = rows(&source).await.unwrap_err();
    assert_eq!(error.code(), "unauthorized");
    assert_eq!(server.asked().len() - before, 3, "refused, renewed, refused again");
    assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
}

#[tokio::test]
async fn a_rule_renews_a_token_that_is_refused_under_a_good_status() {
    let issued = shared(Issued::default());
    let answer = endpoint(&issued, false);
    let server = Server::start(move |asked| match answer(asked) {
        reply if reply.status == 401 => Reply::json(&json!({ "ok": false, "code": "token_expired" })),
        reply => reply,
    })
    .await;
    let setup = Setup::new(&server, &CREDENTIALS.replace("ORIGIN", &server.origin), &["id", "client_secret"])
        .and("    errors: [{ when: { field: { at: /code, is: token_expired } }, then: renew_credential }]\n");
    let source = setup.open().unwrap();
    rows(&source).await.unwrap();
    issued.lock().unwrap().tokens += 10;
    rows(&source).await.unwrap();
    assert_eq!(token_requests(&server).len(), 2);
    issued.lock().unwrap().refuses = true;
    assert_eq!(rows(&source).await.unwrap_err().code(), "unauthorized");
    assert_eq!(token_requests(&server).len(), 3, "renewed once and no more");
}

#[tokio::test]
async fn a_refresh_token_that_rotates_is_stored_before_its_access_token_is_used() {
    let store = memory();
    let seen: Shared<Vec<Option<String>>> = shared(Vec::new());
    let issued = shared(Issued { refresh_token: canary("first"), ..Issued::default() });
    let (answer, looks, inside) = (endpoint(&issued, true), Arc::clone(&seen), Arc::clone(&store));
    let server = Server::start(move |asked| {
        if asked.path != "/token" {
            // What is durable when the token is first used.
            let stored = futures::executor::block_on(inside.list()).unwrap();
            let token = stored.first().and_then(|(_, stored)| stored.tokens.refresh_token.clone());
            looks.lock().unwrap().push(token.map(|token| token.expose().to_owned()));
        }
        answer(asked)
    })
    .await;
    let auth = REFRESH.replace("ORIGIN", &server.origin);
    let setup = Setup::new(&server, &auth, &["id", "client_secret", "first"]).tokens(store);
    let source = setup.open().unwrap();
    rows(&source).await.unwrap();
    setup.clock.advance(TimeDelta::hours(2));
    rows(&source).await.unwrap();
    assert_eq!(get(&seen), [1, 2].map(|number| Some(format!("{CANARY}-refresh-{number}"))));
    prints_nothing(&setup.options.tokens, &[]);
}

#[tokio::test]
async fn the_next_process_goes_on_with_the_stored_token() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _, setup) = started(true, REFRESH).await;
    let setup = setup.tokens(Arc::new(FileTokenStore::new(folder.path())));
    rows(&setup.open().unwrap()).await.unwrap();
    rows(&setup.open().unwrap()).await.unwrap();
    assert_eq!(token_requests(&server).len(), 1, "the access token is still good");
    setup.clock.advance(TimeDelta::hours(2));
    rows(&setup.open().unwrap()).await.unwrap();
    assert_eq!(form(&token_requests(&server)[1], "refresh_token"), Some(format!("{CANARY}-refresh-1")));
}

#[tokio::test]
async fn two_processes_with_one_store_do_not_use_a_refresh_token_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _, setup) = started(true, REFRESH).await;
    let setup = setup.tokens(Arc::new(FileTokenStore::new(folder.path())));
    let (one, two) = (setup.open().unwrap(), setup.open().unwrap());
    let (first, second) = tokio::join!(rows(&one), rows(&two));
    first.unwrap();
    second.unwrap();
    assert_eq!(token_requests(&server).len(), 1);
}

#[tokio::test]
async fn a_new_refresh_token_in_the_settings_wins_over_the_stored_one() {
    let store = memory();
    let (server, issued, setup) = started(true, REFRESH).await;
    let setup = setup.tokens(store);
    rows(&setup.open().unwrap()).await.unwrap();
    issued.lock().unwrap().refresh_token = canary("second");
    let setup = setup.secret("first", &canary("second"));
    rows(&setup.open().unwrap()).await.unwrap();
    assert_eq!(form(&token_requests(&server)[1], "refresh_token"), Some(canary("second")));
}

#[tokio::test]
async fn a_refresh_token_before_is_tried_where_the_vendor_takes_it_for_a_while() {
    let (server, issued, setup) = started(true, REFRESH).await;
    let source = setup.open().unwrap();
    rows(&source).await.unwrap();
    // The vendor's answer never became good at its own end: it knows the one before only.
    issued.lock().unwrap().refresh_token = canary("first");
    setup.clock.advance(TimeDelta::hours(2));
    rows(&source).await.unwrap();
    let sent: Vec<_> = token_requests(&server).iter().map(|asked| form(asked, "refresh_token").unwrap()).collect();
    assert_eq!(sent, [canary("first"), format!("{CANARY}-refresh-1"), canary("first")]);
}

#[tokio::test]
async fn a_used_up_refresh_token_and_a_missing_one_ask_for_a_login() {
    let (_server, issued, setup) = started(true, REFRESH).await;
    issued.lock().unwrap().refresh_token = "another".to_owned();
    let error = rows(&setup.open().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "login-expired");
    assert!(error.fix().contains("auth login"), "{}", error.fix());
    assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
    assert!(error.to_string().contains("used: grant_type=refresh_token"), "the vendor's words: {error}");
    let error = rows(&setup.without("first").open().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "not-logged-in");
}

#[tokio::test]
async fn what_a_vendor_calls_things_can_be_said() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/oauth/token" => Reply::json(
            &json!({ "result": { "token": format!("{CANARY}-t"), "until": 1_795_255_200 }, "cloud": "eu-1" }),
        ),
        _ => Reply::json(&json!({ "data": [{ "id": 1 }] })),
    })
    .await;
    let auth = "{ oauth2: { token_url: /oauth/token, grant: client_credentials, grant_type: account_credentials, sent_as: json, \
                client: { id: id, secret: client_secret }, scopes: [read, '{way}'], scope_separator: ',', \
                fields: { account_id: '{way}', audience: 'https://x.com' }, headers: { X-Tenant: '{way}' }, \
                names: { client_id: app_id, client_secret: app_secret, scope: permissions }, \
                answer: { access_token: /result/token, expires: { at: { field: /result/until, format: unix_seconds } }, take: { cloud: /cloud } }, \
                send: { all: [{ header: { name: X-Token, value: access_token } }, { query: { param: cloud, value: cloud } }] } } }";
    let setup = Setup::new(&server, auth, &["id", "client_secret"])
        .setting("way", headwater_connectors::SettingValue::Text("acme".into()));
    let source = setup.open().unwrap();
    rows(&source).await.unwrap();
    let asked = server.asked();
    assert_eq!(
        asked[0].body,
        json!({ "grant_type": "account_credentials", "permissions": "read,acme", "app_id": canary("id"),
                "app_secret": canary("client_secret"), "account_id": "acme", "audience": "https://x.com" })
    );
    assert_eq!(asked[0].headers["x-tenant"], "acme");
    assert_eq!((asked[1].headers["x-token"].as_str(), asked[1].get("cloud")), (&*format!("{CANARY}-t"), Some("eu-1")));
    setup.clock.advance(TimeDelta::minutes(59));
    rows(&source).await.unwrap();
    assert_eq!(server.asked().len(), 4, "renewed by the instant that the answer said");
}

#[tokio::test]
async fn a_client_is_sent_as_basic_in_a_query_or_by_get_where_a_vendor_wants_it() {
    for (extra, is_basic) in [("sent_as: query", false), ("sent_as: get_query", false), ("sent_as: form", true)] {
        let (server, _, setup) = started(false, CREDENTIALS).await;
        let sent_as = if is_basic { ", sent_as: basic" } else { "" };
        let manifest =
            setup.manifest.replace("secret: client_secret }", &format!("secret: client_secret{sent_as} }}, {extra}"));
        let source = Setup { manifest, ..setup }.open().unwrap();
        rows(&source).await.unwrap();
        let asked = &token_requests(&server)[0];
        if is_basic {
            assert!(asked.headers["authorization"].starts_with("Basic ") && form(asked, "client_secret").is_none());
        } else {
            assert_eq!(asked.get("client_secret"), Some(canary("client_secret").as_str()));
            assert_eq!(asked.method, if extra.contains("get") { "GET" } else { "POST" });
        }
    }
}

#[tokio::test]
async fn a_password_is_exchanged_for_a_token() {
    let (server, _, setup) = started(false, CREDENTIALS).await;
    let manifest =
        setup.manifest.replace("grant: client_credentials", "grant: { password: { user: way, password: first } }");
    let source = Setup { manifest, ..setup }
        .setting("way", headwater_connectors::SettingValue::Text("ann".into()))
        .open()
        .unwrap();
    rows(&source).await.unwrap();
    let asked = &token_requests(&server)[0];
    let sent = ["grant_type", "username", "password"].map(|name| form(asked, name).unwrap());
    assert_eq!(sent, ["password".to_owned(), "ann".to_owned(), canary("first")]);
}

#[tokio::test]
async fn a_login_endpoint_that_fails_is_told_from_a_source_that_fails() {
    for (status, body, code, requests) in [
        (500, "oops", "server-error", 4),
        (429, "{}", "throttled", 9),
        (401, r#"{"error":"invalid_client"}"#, "login-refused", 1),
        (302, "", "login-redirected", 1),
        (200, "<html>", "login-value-missing", 1),
        (200, r#"{"token":"x"}"#, "login-value-missing", 1),
    ] {
        let server = Server::start(move |asked| {
            assert_eq!(asked.path, "/token", "no request goes out without its token");
            Reply::text(status, body).header("retry-after", "0").header("location", "https://elsewhere.example.com/")
        })
        .await;
        let auth = CREDENTIALS.replace("ORIGIN", &server.origin);
        let source = Setup::new(&server, &auth, &["id", "client_secret"]).open().unwrap();
        let error = rows(&source).await.unwrap_err();
        assert_eq!((error.code(), server.asked().len()), (code, requests), "{status} {error}");
        assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
    }
}

#[tokio::test]
async fn a_login_goes_to_the_origin_that_the_manifest_names_and_to_no_private_one_by_itself() {
    let login = Server::start(|_| Reply::json(&json!({ "access_token": format!("{CANARY}-t") }))).await;
    let server = Server::start(|_| Reply::json(&json!({ "data": [{ "id": 1 }] }))).await;
    let auth = CREDENTIALS.replace("ORIGIN", &login.origin);
    let mut setup = Setup::new(&server, &auth, &["id", "client_secret"]);
    let error = rows(&setup.open().unwrap()).await.unwrap_err();
    assert_eq!((error.code(), login.asked().len()), ("private-address", 0));
    setup.options.allow_private.push(login.address());
    rows(&setup.open().unwrap()).await.unwrap();
    assert_eq!((login.asked().len(), server.asked().len()), (1, 1));
    assert!(!format!("{:?}", server.asked()).contains("client_secret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_is_dropped_does_not_lose_the_next_refresh_token() {
    let store = memory();
    let issued = shared(Issued { refresh_token: canary("first"), ..Issued::default() });
    let (answer, (reached, mut arrived)) = (endpoint(&issued, true), tokio::sync::mpsc::unbounded_channel());
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let server = Server::start(move |asked| {
        let reply = answer(asked);
        if asked.path == "/token" {
            reached.send(()).unwrap();
            // The token is issued; its answer waits until the reading is gone.
            tokio::task::block_in_place(|| wait.lock().unwrap().recv().unwrap());
        }
        reply
    });
    let server = server.await;
    let auth = REFRESH.replace("ORIGIN", &server.origin);
    let setup = Setup::new(&server, &auth, &["id", "client_secret", "first"]).tokens(store.clone());
    let reading = setup.open().unwrap().read("rows", whole());
    arrived.recv().await.unwrap();
    drop(reading);
    release.send(()).unwrap();
    loop {
        let stored = store.list().await.unwrap();
        if stored.iter().any(|(_, stored)| stored.tokens.claim.is_none()) {
            let token = stored[0].1.tokens.refresh_token.clone().unwrap();
            assert_eq!(token.expose(), format!("{CANARY}-refresh-1"));
            return;
        }
        tokio::task::yield_now().await;
    }
}
