//! Logins of one step and of several, signed tokens, and a token for each slice.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use headwater_connectors::{ReadRequest, SettingValue};
use headwater_contract::{Explain, Slice};
use serde_json::{Value, json};

use super::{CANARY, Setup, canary, printed, prints_nothing, shared};
use crate::server::{Asked, Reply, Server};
use crate::work::{read, whole};

fn rows() -> Reply {
    Reply::json(&json!({ "data": [{ "id": 1 }] }))
}

fn logins(server: &Server, path: &str) -> usize {
    server.asked().iter().filter(|asked| asked.path == path).count()
}

const LOGIN: &str = "{ session: { steps: [{ url: /login, body: { json: { user: '{user}', password: '{password}' } }, \
                     take: { token: { field: /auth/token } } }], lasts: 30 minutes, \
                     send: { header: { name: X-Session, value: token } } } }";

/// Issues session `c4nary-session-<n>` and takes the last one only.
fn session_server() -> (super::Shared<u32>, impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
    let issued = shared(0);
    let inside = issued.clone();
    let handler = move |asked: &Asked| {
        let mut issued = inside.lock().unwrap();
        if asked.path == "/api/login" {
            *issued += 1;
            return Reply::json(&json!({ "auth": { "token": format!("{CANARY}-session-{issued}") } }));
        }
        if asked.headers.get("x-session") == Some(&format!("{CANARY}-session-{issued}")) {
            return rows();
        }
        Reply::text(401, &format!("{:?}", asked.headers))
    };
    (issued, handler)
}

#[tokio::test]
async fn a_session_is_begun_once_and_again_when_it_ends_or_is_refused() {
    let (issued, handler) = session_server();
    let server = Server::start(handler).await;
    let setup = Setup::new(&server, LOGIN, &["user", "password"]);
    let source = setup.open().unwrap();
    for _ in 0..3 {
        read(&source, "rows", whole()).await.unwrap();
    }
    assert_eq!(logins(&server, "/api/login"), 1);
    assert_eq!(server.asked()[0].body, json!({ "user": canary("user"), "password": canary("password") }));
    setup.clock.advance(TimeDelta::minutes(30));
    read(&source, "rows", whole()).await.unwrap();
    assert_eq!(logins(&server, "/api/login"), 2, "it had ended");
    *issued.lock().unwrap() += 1;
    read(&source, "rows", whole()).await.unwrap();
    assert_eq!(logins(&server, "/api/login"), 3, "it was refused");
    prints_nothing(&source, &[]);
}

#[tokio::test]
async fn a_session_that_is_refused_at_once_is_an_error_and_no_loop() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/login" => Reply::json(&json!({ "auth": { "token": format!("{CANARY}-t") } })),
        _ => Reply::text(401, &format!("{:?}", asked.headers)),
    })
    .await;
    let error =
        read(&Setup::new(&server, LOGIN, &["user", "password"]).open().unwrap(), "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), server.asked().len()), ("unauthorized", 4));
    assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
}

const CHAIN: &str = "{ session: { steps: [\
    { url: ORIGIN/csrf, take: { csrf: { header: X-Csrf }, sid: { cookie: SID } } }, \
    { url: /login, headers: { X-Csrf: '{csrf}', Cookie: 'SID={sid}' }, body: { form: { user: '{user}', password: '{password}' } }, \
      take: { key: { field: /key }, secret: { field: /secret } }, expires: { in_seconds: /ttl } }, \
    { url: '/account/{key}', auth: { bearer: key }, take: { region: text } }], \
    send: { all: [{ hmac: { key: secret, message: '{method} {path}', send: { header: { name: X-Sign, value: signature } } } }, \
                  { query: { param: region, value: region } }] } } }";

#[tokio::test]
async fn steps_take_values_for_one_another_and_for_what_follows() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/csrf" => Reply::text(200, "")
            .header("X-Csrf", "c4nary-csrf")
            .header("Set-Cookie", "SID=c4nary-sid; Path=/; HttpOnly"),
        "/api/login" => {
            assert_eq!(asked.headers["x-csrf"], "c4nary-csrf");
            assert_eq!(asked.headers["cookie"], "SID=c4nary-sid");
            assert_eq!(asked.text, format!("user={}&password={}", canary("user"), canary("password")));
            Reply::json(&json!({ "key": "c4nary-k", "secret": "Jefe", "ttl": 600 }))
        }
        "/api/account/c4nary-k" => {
            assert_eq!(asked.headers["authorization"], "Bearer c4nary-k");
            Reply::text(200, " eu-1\n")
        }
        "/api/rows" => {
            assert_eq!(asked.get("region"), Some("eu-1"));
            assert_eq!(asked.headers["x-sign"].len(), 64);
            rows()
        }
        other => panic!("{other}"),
    })
    .await;
    let auth = CHAIN.replace("ORIGIN", &server.origin);
    let setup = Setup::new(&server, &auth, &["user", "password"]);
    let source = setup.open().unwrap();
    let got = read(&source, "rows", whole()).await.unwrap();
    prints_nothing(&(got, source.clone()), &["eu-1&".to_owned()]);
    setup.clock.advance(TimeDelta::minutes(10));
    read(&source, "rows", whole()).await.unwrap();
    assert_eq!(logins(&server, "/csrf"), 2, "it ends when its answer says");
}

#[tokio::test]
async fn a_login_whose_answer_lacks_a_value_is_named_without_its_content() {
    for (step, reply) in [
        ("take: { token: { field: /token } }", Reply::json(&json!({ "tokken": "c4nary-t" }))),
        ("take: { token: { header: X-Token } }", Reply::text(200, "c4nary-t")),
        ("take: { token: { cookie: sid } }", Reply::text(200, "c4nary-t").header("set-cookie", "other=c4nary-t")),
        ("take: { token: text }", Reply::text(200, "  ")),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let auth = format!("{{ session: {{ steps: [{{ url: /login, {step} }}], send: {{ bearer: token }} }} }}");
        let error = read(&Setup::new(&server, &auth, &[]).open().unwrap(), "rows", whole()).await.unwrap_err();
        assert_eq!(error.code(), "login-value-missing", "{step}");
        assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
    }
}

const PER_PAGE: &str = "{ session: { steps: [{ url: '/{page}', params: { fields: access_token }, auth: { query: { param: access_token, value: user_token } }, \
                        take: { page_token: { field: /access_token } } }], send: { query: { param: access_token, value: page_token } } } }";

#[tokio::test]
async fn each_slice_has_a_token_of_its_own() {
    let server = Server::start(|asked| {
        let slice = asked.path.split('/').nth(2).unwrap().to_owned();
        if asked.get("fields").is_some() {
            assert_eq!(asked.get("access_token"), Some(canary("user_token").as_str()));
            return Reply::json(&json!({ "access_token": format!("{CANARY}-page-{slice}") }));
        }
        assert_eq!(asked.get("access_token"), Some(format!("{CANARY}-page-{slice}").as_str()));
        rows()
    })
    .await;
    let pages = SettingValue::List(vec!["one".into(), "two".into()]);
    let mut setup = Setup::new(&server, PER_PAGE, &["user_token"]).setting("slices", pages);
    setup.manifest =
        setup.manifest.replace("path: /rows", "path: /{page}/rows\n    slices: { setting: slices, as: page }");
    let source = setup.open().unwrap();
    for page in ["one", "two", "one"] {
        let request = ReadRequest { slice: Slice::named(page), bounds: None, token: None };
        let got = read(&source, "rows", request).await.unwrap();
        prints_nothing(&got, &[]);
    }
    assert_eq!(server.asked().len(), 5, "one login a slice");
}

fn claims(token: &str) -> (Value, Value) {
    let part = |nth: usize| {
        let part = token.split('.').nth(nth).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    (part(0), part(1))
}

const JWT: &str = "{ jwt: { algorithm: ES256, key: pem, claims: { iss: '{issuer}', aud: x, jti: '{nonce}' }, header: { kid: '{issuer}' }, \
                   lasts: 10 minutes } }";

#[tokio::test]
async fn a_signed_token_is_used_until_shortly_before_its_end() {
    let server = Server::start(|_| rows()).await;
    let setup = Setup::new(&server, JWT, &["pem", "issuer"]).secret("pem", include_str!("keys/ec_sec1.pem"));
    let source = setup.open().unwrap();
    for minutes in [0, 8, 2] {
        setup.clock.advance(TimeDelta::minutes(minutes));
        read(&source, "rows", whole()).await.unwrap();
    }
    let tokens: Vec<String> =
        server.asked().iter().map(|asked| asked.headers["authorization"].replace("Bearer ", "")).collect();
    assert!(tokens[0] == tokens[1] && tokens[1] != tokens[2]);
    let (header, claims) = claims(&tokens[0]);
    assert_eq!(header, json!({ "typ": "JWT", "kid": canary("issuer"), "alg": "ES256" }));
    assert_eq!(
        (&claims["iss"], &claims["iat"], &claims["exp"]),
        (&json!(canary("issuer")), &json!(1_795_251_600), &json!(1_795_252_200))
    );
    assert_eq!(claims["jti"].as_str().map(str::len), Some(32));
    prints_nothing(&source, &tokens);
}

#[tokio::test]
async fn a_server_that_repeats_a_signed_token_does_not_get_it_printed() {
    let server = Server::start(|asked| Reply::text(403, &asked.headers["authorization"])).await;
    let setup = Setup::new(&server, JWT, &["pem", "issuer"]).secret("pem", include_str!("keys/ec_pkcs8.pem"));
    let error = read(&setup.open().unwrap(), "rows", whole()).await.unwrap_err();
    let token = server.asked()[0].headers["authorization"].replace("Bearer ", "");
    assert!(!printed(&error).contains(&token) && !printed(&error).contains(token.split('.').next_back().unwrap()));
}

const GOOGLE: &str = "{ oauth2: { token_url: ORIGIN/token, grant: { service_account: { key: file, subject: subject } }, scopes: [a, b] } }";

#[tokio::test]
async fn a_service_accounts_file_is_exchanged_where_the_manifest_says_and_nowhere_else() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/token" => Reply::json(&json!({ "access_token": "c4nary-t", "expires_in": 3599 })),
        _ => rows(),
    })
    .await;
    let file = json!({ "type": "service_account", "client_email": "c4nary@x.com", "private_key_id": "k1",
                       "private_key": include_str!("keys/rsa_pkcs8.pem"), "token_uri": "https://attacker.example.com/token" });
    let auth = GOOGLE.replace("ORIGIN", &server.origin);
    let setup = Setup::new(&server, &auth, &["file", "subject"]).secret("file", &file.to_string());
    let source = setup.open().unwrap();
    read(&source, "rows", whole()).await.unwrap();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(server.asked()[0].text.as_bytes())
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    assert_eq!(form[0], ("grant_type".to_owned(), "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
    let (header, claims) = claims(&form[1].1);
    assert_eq!((&header["alg"], &header["kid"]), (&json!("RS256"), &json!("k1")));
    assert_eq!(
        claims,
        json!({ "iss": "c4nary@x.com", "aud": format!("{}/token", server.origin), "iat": 1_795_251_600, "exp": 1_795_255_200,
                "scope": "a b", "sub": canary("subject") })
    );
    let broken = setup.secret("file", "{ c4nary").open().unwrap();
    let error = read(&broken, "rows", whole()).await.unwrap_err();
    assert_eq!(error.code(), "key-unusable");
    assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
}

#[tokio::test]
async fn a_signed_token_is_exchanged_and_stands_for_a_clients_secret() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/token" => Reply::json(&json!({ "access_token": "c4nary-t", "expires_in": 3599 })),
        _ => rows(),
    })
    .await;
    let exchanged =
        "{ oauth2: { token_url: /token, grant: { jwt_bearer: { algorithm: RS256, key: pem, claims: { iss: me } } } } }";
    let assertion = "{ oauth2: { token_url: /token, grant: client_credentials, client: { id: id, assertion: { algorithm: PS256, key: pem } } } }";
    for (auth, field) in [(exchanged, "assertion"), (assertion, "client_assertion")] {
        let setup = Setup::new(&server, auth, &["pem", "id"]).secret("pem", include_str!("keys/rsa_pkcs1.pem"));
        read(&setup.open().unwrap(), "rows", whole()).await.unwrap();
        let asked = server.asked().into_iter().rfind(|asked| asked.path == "/api/token").unwrap();
        let token =
            url::form_urlencoded::parse(asked.text.as_bytes()).find(|(name, _)| name == field).unwrap().1.into_owned();
        let (_, claims) = claims(&token);
        let issuer = if field == "assertion" { "me".to_owned() } else { canary("id") };
        assert_eq!(claims["iss"], issuer);
    }
}
