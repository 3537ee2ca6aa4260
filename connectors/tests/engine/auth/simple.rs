//! Keys that are sent as they are: each arrives where the manifest says, and at the connector's own origin only.

use headwater_connectors::{ManifestError, SettingValue};
use headwater_contract::Explain;
use serde_json::json;

use super::{CANARY, Setup, canary, printed, prints_nothing};
use crate::server::{Asked, Reply, Server};
use crate::work::{read, whole};

fn rows(_: &Asked) -> Reply {
    Reply::json(&json!({ "data": [{ "id": 1 }] }))
}

/// A server that repeats all it was told, as text and in a header.
fn parrot(asked: &Asked) -> Reply {
    let repeated = format!("{:?} {:?} {}", asked.headers, asked.query, asked.text);
    Reply::text(400, &repeated).header("x-request-id", &repeated)
}

const WAYS: [&str; 7] = [
    "{ bearer: key }",
    "{ header: { name: X-Api-Key, value: key } }",
    "{ query: { param: api_key, value: key } }",
    "{ cookie: { name: sid, value: key } }",
    "{ basic: { user: { text: ann }, password: key } }",
    "{ basic: { user: key } }",
    "{ all: [{ header: { name: X-Api-Key, value: key } }, { header: { name: X-App-Key, value: other } }] }",
];

#[tokio::test]
async fn no_way_in_prints_its_secret_even_when_the_server_repeats_it() {
    for way in WAYS {
        let server = Server::start(parrot).await;
        let setup = Setup::new(&server, way, &["key", "other"]);
        let source = setup.open().unwrap();
        prints_nothing(&source, &[]);
        let error = read(&source, "rows", whole()).await.unwrap_err();
        assert_eq!(error.code(), "request-rejected", "{way}");
        let text = printed(&error);
        assert!(!text.contains(CANARY) && !text.contains("YW5u") && !text.contains("YzRuYXJ5"), "{way}: {text}");
        let asked = server.asked();
        assert!(format!("{asked:?}").contains(CANARY) || way.contains("basic"), "{way}: it was not sent at all");
    }
}

#[tokio::test]
async fn an_answer_that_repeats_the_key_is_kept_without_it() {
    let server = Server::start(|asked| rows(asked).header("x-request-id", &format!("{:?}", asked.headers))).await;
    let source = Setup::new(&server, WAYS[1], &["key"]).open().unwrap();
    let got = read(&source, "rows", whole()).await.unwrap();
    prints_nothing(&got, &[]);
}

#[tokio::test]
async fn a_key_in_a_body_is_sent_with_the_rest_of_the_body() {
    let server = Server::start(rows).await;
    let auth = "{ body: { field: /auth/key, value: key } }";
    let source = Setup::new(&server, auth, &["key"]).and("    body: { json: { page: 1 } }\n").open().unwrap();
    read(&source, "rows", whole()).await.unwrap();
    assert_eq!(server.asked()[0].body, json!({ "page": 1, "auth": { "key": canary("key") } }));

    let auth = "{ body: { field: key, value: key } }";
    let source = Setup::new(&server, auth, &["key"]).and("    body: { form: { page: 1 } }\n").open().unwrap();
    read(&source, "rows", whole()).await.unwrap();
    assert_eq!(server.asked()[1].text, format!("page=1&key={}", canary("key")));
}

#[tokio::test]
async fn another_origin_gets_no_credential_of_any_kind() {
    for way in WAYS {
        let other = Server::start(rows).await;
        let away = other.origin.clone();
        let server = Server::start(move |_| Reply::text(302, "").header("location", &format!("{away}/rows"))).await;
        let mut setup = Setup::new(&server, way, &["key", "other"]);
        setup.manifest =
            setup.manifest.replace("  auth:", &format!("  other_origins: [\"{}\"]\n  auth:", other.origin));
        setup.options.allow_private.push(other.address());
        read(&setup.open().unwrap(), "rows", whole()).await.unwrap();
        let asked = format!("{:?}", other.asked());
        assert!(!asked.contains(CANARY) && !asked.contains("authorization"), "{way}: {asked}");
    }
}

#[tokio::test]
async fn a_stream_has_a_way_in_of_its_own_or_none() {
    let server = Server::start(rows).await;
    let streams = "  open:\n    title: t\n    path: /open\n    auth: none\n  \
                   own:\n    title: t\n    path: /own\n    auth: { header: { name: X-Own, value: other } }\n";
    let source = Setup::new(&server, "{ bearer: key }", &["key", "other"]).and(streams).open().unwrap();
    for stream in ["rows", "open", "own"] {
        read(&source, stream, whole()).await.unwrap();
    }
    let asked = server.asked();
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {}", canary("key")));
    assert!(!asked[1].headers.contains_key("authorization"));
    assert!(!asked[2].headers.contains_key("authorization"));
    assert_eq!(asked[2].headers["x-own"], canary("other"));
}

#[tokio::test]
async fn an_optional_key_that_was_not_given_sends_nothing() {
    let server = Server::start(rows).await;
    let source = Setup::new(&server, "{ bearer: key }", &["key"]).without("key").open().unwrap();
    read(&source, "rows", whole()).await.unwrap();
    assert!(!server.asked()[0].headers.contains_key("authorization"));
}

const CHOICE: &str =
    "{ choose: { by: way, among: { token: { bearer: key }, login: { basic: { user: key, password: other } } } } }";

#[tokio::test]
async fn a_setting_chooses_the_way_in_and_what_is_chosen_must_be_complete() {
    let server = Server::start(rows).await;
    let way = |setup: Setup, way: &str| setup.setting("way", SettingValue::Text(way.to_owned()));
    let both = || Setup::new(&server, CHOICE, &["key", "other"]);
    read(&way(both(), "token").open().unwrap(), "rows", whole()).await.unwrap();
    read(&way(both(), "login").open().unwrap(), "rows", whole()).await.unwrap();
    let asked = server.asked();
    assert!(
        asked[0].headers["authorization"].starts_with("Bearer ")
            && asked[1].headers["authorization"].starts_with("Basic ")
    );

    for (setup, code) in [
        (way(both(), "magic"), "setting-wrong"),
        (way(both().without("key"), "token"), "setting-missing"),
        (both(), "setting-missing"),
    ] {
        let error = setup.open().unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!printed(&error).contains(CANARY));
    }
    way(both().without("other"), "token").open().unwrap();
}

#[tokio::test]
async fn a_manifest_whose_auth_cannot_work_names_the_place() {
    let server = Server::start(rows).await;
    let manifest = |auth: &str, change: (&str, &str)| {
        let setup = Setup::new(&server, auth, &["key"]);
        headwater_connectors::Connector::parse(&setup.manifest.replace(change.0, change.1), "x.yaml").unwrap_err()
    };
    for (auth, from, to) in [
        ("{ bearer: token }", "", ""),
        ("{ basic: { user: '{email}/token', password: key } }", "", ""),
        (
            "{ choose: { by: way, among: { a: { bearer: key } } } }",
            "key: { secret: true, optional: true,",
            "key: { secret: true,",
        ),
        ("{ choose: { by: way, among: {} } }", "", ""),
        ("{ all: [] }", "", ""),
        ("{ oauth2: { token_url: /t, grant: client_credentials, consent: {} } }", "", ""),
    ] {
        let error = manifest(auth, (from, to));
        let ManifestError::Incomplete { path, line, fix, .. } = &error else { panic!("{auth}: {error:?}") };
        assert_eq!((path.as_str(), line.is_some(), fix.is_empty()), ("http.auth", true, false), "{auth}: {error}");
    }
    for (auth, word) in [
        ("{ bearer: sk-123 }", "setting"),
        ("{ oauth3: {} }", "oauth2"),
        ("{ oauth2: { token_url: /t, grant: magic } }", "client_credentials"),
        ("{ jwt: { algorithm: none, key: key } }", "RS256"),
    ] {
        let error = manifest(auth, ("", ""));
        let ManifestError::Unreadable { reason, line, .. } = &error else { panic!("{auth}: {error:?}") };
        assert!(*line > 0 && (reason.contains(word) || error.snippet().contains(word)), "{auth}: {reason}");
    }
}
