//! Every way in, with secrets that are found wherever they leak.

use std::sync::Arc;

use serde_json::json;

use super::{CANARY, canary};
use crate::fault_table::row::Way;
use crate::server::{Asked, Reply};

/// The YAML under `auth`; the secrets are `key` and `other`, unless a way has files of its own.
const WAYS: [&str; 23] = [
    "{ bearer: key }",
    "{ header: { name: X-Api-Key, value: 'Token {key}' } }",
    "{ query: { param: api_key, value: key } }",
    "{ cookie: { name: sid, value: key } }",
    "{ body: { field: /auth/key, value: key } }",
    "{ basic: { user: key, password: other } }",
    "{ basic: { user: { text: app }, password: other } }",
    "{ all: [{ bearer: key }, { query: { param: k, value: other } }] }",
    "{ oauth2: { token_url: /login, grant: client_credentials, client: { id: key, secret: other } } }",
    "{ oauth2: { token_url: /login, grant: client_credentials, client: { id: key, secret: other, sent_as: basic } } }",
    "{ oauth2: { token_url: /login, grant: { refresh_token: key }, client: { id: { text: app }, secret: other } } }",
    "{ oauth2: { token_url: /login, grant: { password: { user: key, password: other } } } }",
    "{ oauth2: { token_url: /login, grant: { jwt_bearer: { algorithm: RS256, key: pem, claims: { iss: '{key}' } } } } }",
    "{ oauth2: { token_url: /login, grant: { service_account: { key: file } }, scopes: [a] } }",
    "{ oauth2: { token_url: /login, grant: client_credentials, client: { id: key, assertion: { algorithm: PS256, key: pem } } } }",
    "{ jwt: { algorithm: HS256, key: key, claims: { iss: '{other}' } } }",
    "{ session: { steps: [{ url: /login, body: { json: { password: '{key}' } }, take: { token: { field: access_token } } }], \
       send: { query: { param: session, value: token } } } }",
    "{ tokens: { from: list } }",
    "{ aws_sigv4: { access_key: key, secret_key: other, region: eu-1, service: s3 } }",
    "{ hmac: { key: key, message: '{url}{body}', before: { query: { param: key, value: other } }, send: { query: { param: sign, value: signature } } } }",
    "{ oauth1: { consumer_key: key, consumer_secret: other } }",
    "{ all: [{ tls: { certificate: certificate } }, { bearer: key }] }",
    "{ choose: { by: way, among: { a: { bearer: key }, b: { basic: { user: key, password: other } } } } }",
];

pub(super) fn ways() -> Vec<Way> {
    WAYS.iter().map(|auth| Way { auth: (*auth).to_owned(), secrets: secrets(), login: Arc::new(login) }).collect()
}

fn secrets() -> Vec<(String, String)> {
    let pem = include_str!("../auth/keys/rsa_pkcs8.pem");
    let file = json!({ "type": "service_account", "client_email": canary("mail"), "private_key_id": "k1", "private_key": pem,
                       "token_uri": "https://h/login" });
    let certificate = concat!(include_str!("../auth/keys/client.pem"), include_str!("../auth/keys/client.key"));
    [
        ("key", canary("key")),
        ("other", canary("other")),
        ("list", format!("{},{}\n{}", canary("one"), canary("two"), canary("three"))),
        ("pem", pem.to_owned()),
        ("file", file.to_string()),
        ("certificate", certificate.to_owned()),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .to_vec()
}

/// Issues another token each time, which is a secret too.
fn login(asked: &Asked) -> Reply {
    Reply::json(&json!({
        "access_token": canary(&format!("issued-{}", asked.number)),
        "refresh_token": canary(&format!("refresh-{}", asked.number)),
        "expires_in": 60,
    }))
}

/// What a text must not hold: the beginning of every canary in whatever way it may be written, and the middle of each key.
pub(super) fn needles() -> Vec<String> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    let escaped = |text: &str| format!("{text:?}").trim_matches('"').to_owned();
    let percent = |lower: bool| {
        CANARY.bytes().fold(String::new(), |text, byte| match byte {
            byte if byte.is_ascii_alphanumeric() => text + &char::from(byte).to_string(),
            byte if lower => text + &format!("%{byte:02x}"),
            byte => text + &format!("%{byte:02X}"),
        })
    };
    // In Base64 the same bytes look different by their place in a group of three.
    let in_base64 = (0..3_usize).map(|place| {
        let text = STANDARD_NO_PAD.encode([vec![0; place], CANARY.as_bytes().to_vec()].concat());
        text[(place * 8).div_ceil(6)..(place + CANARY.len()) * 8 / 6].to_owned()
    });
    let pem = include_str!("../auth/keys/rsa_pkcs8.pem").lines().nth(3).unwrap();
    let certificate = include_str!("../auth/keys/client.key").lines().nth(2).unwrap();
    let plain = [
        CANARY.to_owned(),
        escaped(CANARY),
        escaped(&escaped(CANARY)),
        CANARY.replace('/', "\\/").replace('"', "\\\""),
    ];
    let hex: String = CANARY
        .bytes()
        .flat_map(|byte| [byte >> 4, byte & 15].map(|half| char::from_digit(u32::from(half), 16).unwrap()))
        .collect();
    let others = [percent(true), percent(false), hex, pem[..12].to_owned(), certificate[..12].to_owned()];
    plain.into_iter().chain(others).chain(in_base64).collect()
}
