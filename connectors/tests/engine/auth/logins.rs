//! Logins of people: a browser that comes back to a port of this machine, and a code for another device.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use headwater_connectors::auth::FileTokenStore;
use headwater_connectors::auth::login::{LoginPrompt, LoginWay};
use headwater_connectors::{Source, SourceError};
use headwater_contract::Explain;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{CANARY, Setup, Shared, canary, get, printed, prints_nothing, shared};
use crate::server::{Asked, Reply, Server};
use crate::work::{read, whole};

const AUTH: &str = "{ oauth2: { token_url: ORIGIN/token, grant: { refresh_token: first }, client: { id: id, secret: client_secret }, \
    scopes: [read, write], revoke_url: ORIGIN/revoke, \
    consent: { authorize_url: ORIGIN/authorize, params: { access_type: offline }, device_url: ORIGIN/device } } }";

fn form(asked: &Asked, name: &str) -> Option<String> {
    let found = url::form_urlencoded::parse(asked.text.as_bytes()).find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

/// A vendor that hands out one code for one token, and takes refresh tokens.
fn vendor(asked: &Asked) -> Reply {
    let token =
        || Reply::json(&json!({ "access_token": "c4nary-at", "refresh_token": "c4nary-rt", "expires_in": 3600 }));
    match (asked.path.as_str(), form(asked, "grant_type").as_deref()) {
        ("/token", Some("authorization_code")) if form(asked, "code").as_deref() == Some("c4nary-code") => token(),
        ("/token", Some("refresh_token")) if form(asked, "refresh_token").as_deref() == Some("c4nary-rt") => token(),
        ("/revoke", _) => Reply::text(200, ""),
        ("/api/rows", _) if asked.headers.get("authorization").is_some_and(|value| value == "Bearer c4nary-at") => {
            Reply::json(&json!({ "data": [{ "id": 1 }] }))
        }
        _ => Reply::text(400, &json!({ "error": "invalid_grant", "error_description": asked.text }).to_string()),
    }
}

struct Work {
    server: Server,
    setup: Setup,
    source: Source,
    _folder: tempfile::TempDir,
}

async fn work(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Work {
    let server = Server::start(handler).await;
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(&server, &AUTH.replace("ORIGIN", &server.origin), &["id", "client_secret", "first"])
        .without("first")
        .tokens(Arc::new(FileTokenStore::new(folder.path())));
    let source = setup.open().unwrap();
    Work { server, setup, source, _folder: folder }
}

/// Asks the port of this machine, as a browser does, and gives back what it says.
async fn browse(target: &url::Url) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", target.port().unwrap())).await.unwrap();
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    let request = format!("GET {}{query} HTTP/1.1\r\nHost: x\r\n\r\n", target.path());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// Logs in by a browser that first asks `before` with (path, query) and then comes back with `query`.
async fn log_in(
    source: &Source,
    before: &[(&str, &str)],
    query: &str,
) -> (Result<(), SourceError>, url::Url, Vec<String>) {
    let (sender, mut opened) = tokio::sync::mpsc::unbounded_channel();
    let tell = move |prompt: LoginPrompt<'_>| {
        let LoginPrompt::OpenUrl { url } = prompt else { panic!("{prompt:?}") };
        sender.send(url.to_owned()).unwrap();
    };
    let browser = async {
        let page = url::Url::parse(&opened.recv().await.unwrap()).unwrap();
        let find = |name: &str| page.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned();
        let redirect = url::Url::parse(&find("redirect_uri")).unwrap();
        let mut said = Vec::new();
        for (path, query) in before.iter().copied().chain([(redirect.path(), query)]) {
            let mut target = redirect.clone();
            target.set_path(path);
            target.set_query(Some(&query.replace("STATE", &find("state"))));
            said.push(browse(&target).await);
        }
        (page, said)
    };
    let (outcome, (page, said)) = tokio::join!(source.login(LoginWay::Browser, &tell), browser);
    (outcome.map(|_| ()), page, said)
}

#[tokio::test]
async fn a_login_in_the_browser_is_bound_to_its_question_and_kept_for_later_processes() {
    let work = work(vendor).await;
    assert_eq!(work.source.login_ways(), [LoginWay::Browser, LoginWay::Device]);
    assert_eq!(read(&work.source, "rows", whole()).await.unwrap_err().code(), "not-logged-in");
    let strays = [("/favicon.ico", ""), ("/callback", "code=stolen&state=other"), ("/callback", "code=c4nary-code")];
    let (outcome, page, said) = log_in(&work.source, &strays, "code=c4nary-code&state=STATE").await;
    outcome.unwrap();
    assert_eq!(said.iter().map(|text| &text[9..12]).collect::<Vec<_>>(), ["404", "400", "400", "200"]);
    let query: std::collections::BTreeMap<String, String> = page.query_pairs().into_owned().collect();
    assert_eq!((&*query["response_type"], &*query["scope"], &*query["access_type"]), ("code", "read write", "offline"));
    assert_eq!((&*query["code_challenge_method"], query["client_id"].clone()), ("S256", canary("id")));
    let asked = &work.server.asked()[0];
    assert_eq!(form(asked, "redirect_uri").as_ref(), Some(&query["redirect_uri"]));
    let verifier = form(asked, "code_verifier").unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    let challenge = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digest);
    assert_eq!((query["code_challenge"].clone(), verifier.len()), (challenge, 43));

    let later = work.setup.open().unwrap();
    read(&later, "rows", whole()).await.unwrap();
    work.setup.clock.advance(TimeDelta::hours(2));
    read(&later, "rows", whole()).await.unwrap();
    assert_eq!(form(&work.server.asked()[2], "refresh_token").as_deref(), Some("c4nary-rt"));
    let listed = work.setup.options.tokens.list().await.unwrap();
    assert_eq!(listed[0].1.tokens.title, format!("{}/token", work.server.origin));
    prints_nothing(&(listed, later, work.source.clone()), &[verifier]);
}

#[tokio::test]
async fn a_login_that_is_refused_says_why_and_stores_nothing() {
    let work = work(vendor).await;
    for (query, word) in [
        ("error=access_denied&error_description=you+said+no&state=STATE", "access_denied: you said no"),
        ("state=STATE", "no code"),
        ("code=c4nary-wrong&state=STATE", "invalid_grant"),
    ] {
        let (outcome, _, _) = log_in(&work.source, &[], query).await;
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
        assert_eq!(error.kind(), headwater_contract::ErrorKind::Access);
    }
    assert_eq!(work.setup.options.tokens.list().await.unwrap(), []);
}

#[tokio::test]
async fn a_code_for_another_device_is_polled_until_somebody_agrees() {
    let asked_for: Shared<u32> = shared(0);
    let count = Arc::clone(&asked_for);
    let work = work(move |asked| match (asked.path.as_str(), form(asked, "grant_type").as_deref()) {
        ("/device", _) => Reply::json(&json!({ "device_code": "c4nary-device", "user_code": "ABCD-EFGH", "interval": 0,
            "verification_uri": "https://x.com/device", "verification_uri_complete": "https://x.com/device?code=ABCD-EFGH" })),
        ("/token", Some("urn:ietf:params:oauth:grant-type:device_code")) => {
            assert_eq!(form(asked, "device_code").as_deref(), Some("c4nary-device"));
            *count.lock().unwrap() += 1;
            match *count.lock().unwrap() {
                1 | 2 => Reply::text(400, r#"{"error":"authorization_pending"}"#),
                _ => Reply::json(&json!({ "access_token": "c4nary-at", "refresh_token": "c4nary-rt", "expires_in": 3600 })),
            }
        }
        _ => vendor(asked),
    })
    .await;
    let told = Mutex::new(Vec::new());
    let tell = |prompt: LoginPrompt<'_>| {
        assert!(!format!("{prompt:?}").contains("ABCD"));
        let LoginPrompt::EnterCode { url, code, complete_url } = prompt else { panic!("{prompt:?}") };
        told.lock().unwrap().push((url.to_owned(), code.to_owned(), complete_url.is_some()));
    };
    let done = work.source.login(LoginWay::Device, &tell).await.unwrap();
    assert_eq!(done.expires_at, Some("2026-11-21T10:00:00Z".parse().unwrap()));
    assert_eq!(told.into_inner().unwrap(), [("https://x.com/device".to_owned(), "ABCD-EFGH".to_owned(), true)]);
    assert_eq!(get(&asked_for), 3);
    read(&work.source, "rows", whole()).await.unwrap();
}

#[tokio::test]
async fn a_device_that_is_refused_ends_the_login() {
    let work = work(|asked| match asked.path.as_str() {
        "/device" => Reply::json(&json!({ "device_code": "c4nary-device", "user_code": "A", "interval": 0, "verification_url": "https://x.com" })),
        _ => Reply::text(400, r#"{"error":"access_denied"}"#),
    })
    .await;
    let error = work.source.login(LoginWay::Device, &|_| {}).await.unwrap_err();
    assert_eq!(error.code(), "login-failed");
    assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
}

#[tokio::test]
async fn a_logout_gives_the_token_back_and_forgets_it() {
    let work = work(vendor).await;
    log_in(&work.source, &[], "code=c4nary-code&state=STATE").await.0.unwrap();
    assert!(work.source.logout().await.unwrap());
    let asked = work.server.asked();
    let revoked = asked.iter().find(|asked| asked.path == "/revoke").unwrap();
    assert_eq!(form(revoked, "token").as_deref(), Some("c4nary-rt"));
    assert_eq!(work.setup.options.tokens.list().await.unwrap(), []);
    assert!(!work.source.logout().await.unwrap());
}

#[tokio::test]
async fn a_source_without_a_login_for_people_says_so() {
    let server = Server::start(vendor).await;
    let source = Setup::new(&server, "{ bearer: key }", &["key"]).open().unwrap();
    assert_eq!(source.login_ways(), []);
    assert_eq!(source.login(LoginWay::Browser, &|_| {}).await.unwrap_err().code(), "login-failed");
}
