//! One small manifest for each way to prove who asks.

/// The manifest with this `auth`, these settings and this base path.
pub(super) fn manifest(settings: &str, auth: &str) -> String {
    format!(
        r"
manifest: 1
connector: way
title: Way
docs: none
settings: {{ {settings} }}
http:
  base_url: https://api.example.com/v2
  auth: {auth}
  limits: [{{ requests: 100, per: 1 second, source: none }}]
streams:
  things:
    title: t
    method: post
    path: /things
    body: {{ form: {{ q: all }} }}
    records: /data
    key: [id]
    kind: snapshot
    deletes: none
    columns: {{ id: {{ type: int64 }} }}
    pagination: {{ offset: {{ param: skip, more: /more }} }}
"
    )
}

const SECRET: &str = "secret: true, help: h";

/// Name, settings and `auth` of each way.
#[expect(clippy::too_many_lines, reason = "a table, a few lines a way")]
pub(super) fn all() -> Vec<(&'static str, String)> {
    let key = format!("key: {{ {SECRET} }}");
    let two = format!("id: {{ help: h }}, key: {{ {SECRET} }}");
    let three = format!("user: {{ help: h }}, {two}");
    let token = "token_url: https://login.example.com/oauth/token";
    let ways = [
        ("none", "", "none"),
        ("bearer", key.as_str(), "{ bearer: key }"),
        ("header", key.as_str(), "{ header: { name: X-Api-Key, value: 'Token {key}' } }"),
        ("query", key.as_str(), "{ query: { param: api_key, value: key } }"),
        ("cookie", key.as_str(), "{ cookie: { name: sid, value: key } }"),
        ("body", key.as_str(), "{ body: { field: api_key, value: key } }"),
        ("basic", two.as_str(), "{ basic: { user: id, password: key } }"),
        (
            "client credentials",
            two.as_str(),
            &format!(
                "{{ oauth2: {{ {token}, grant: client_credentials, client: {{ id: id, secret: key, sent_as: basic }} }} }}"
            ),
        ),
        (
            "refresh token",
            three.as_str(),
            &format!("{{ oauth2: {{ {token}, grant: {{ refresh_token: key }}, client: {{ id: id }} }} }}"),
        ),
        (
            "password",
            three.as_str(),
            "{ oauth2: { token_url: /oauth/token, grant: { password: { user: user, password: key } }, sent_as: json } }",
        ),
        (
            "signed assertion",
            two.as_str(),
            &format!(
                "{{ oauth2: {{ {token}, grant: {{ jwt_bearer: {{ algorithm: RS256, key: key, claims: {{ iss: '{{id}}', sub: a, aud: b }} }} }} }} }}"
            ),
        ),
        (
            "service account",
            key.as_str(),
            &format!("{{ oauth2: {{ {token}, grant: {{ service_account: {{ key: key }} }}, scopes: [read] }} }}"),
        ),
        ("jwt", two.as_str(), "{ jwt: { algorithm: ES256, key: key, claims: { iss: '{id}' } } }"),
        (
            "session",
            three.as_str(),
            "{ session: { steps: [{ url: /login, body: { json: { user: '{user}', password: '{key}' } }, take: { first: { field: /token } } }, { url: 'https://login.example.com/second', headers: { X-First: '{first}' }, take: { sid: { cookie: sid } } }], send: { cookie: { name: sid, value: sid } } } }",
        ),
        ("tokens", key.as_str(), "{ tokens: { from: key, send: { header: { name: X-Token, value: token } } } }"),
        (
            "aws",
            two.as_str(),
            "{ aws_sigv4: { access_key: id, secret_key: key, region: eu-west-1, service: execute-api } }",
        ),
        (
            "hmac",
            key.as_str(),
            "{ hmac: { key: key, message: '{timestamp}{method}{path_and_query}{body}', send: { header: { name: X-Signature, value: signature } } } }",
        ),
        ("oauth1", two.as_str(), "{ oauth1: { consumer_key: id, consumer_secret: key } }"),
        (
            "tls",
            "certificate: { secret: true, help: h }, key: { secret: true, help: h }",
            "{ tls: { certificate: certificate, key: key } }",
        ),
        ("all", two.as_str(), "{ all: [{ bearer: key }, { header: { name: X-Client, value: id } }] }"),
        (
            "choose",
            "way: { help: h }, key: { secret: true, optional: true, help: h }, other: { secret: true, optional: true, help: h }",
            "{ choose: { by: way, among: { token: { bearer: key }, header: { header: { name: X-Key, value: other } } } } }",
        ),
    ];
    ways.into_iter().map(|(name, settings, auth)| (name, manifest(settings, auth))).collect()
}
