//! Each variant puts its secret in its place, says which settings it needs, and prints nothing of it.

use headwater_contract::Secret;

use super::*;
use crate::expression::Scalar;
use crate::manifest::Settings;
use crate::transport::Prepared;

fn keyring() -> Keyring {
    let mut settings = Settings::default();
    settings.secrets.insert("key".into(), Secret::new("s3cret"));
    settings.plain.insert("user".into(), Scalar::Text("ann".into()));
    Keyring::of(&settings)
}

fn request() -> Prepared {
    Prepared::new(reqwest::Method::POST, Url::parse("https://x.com/a?api_key=old&b=1").unwrap())
}

fn put(yaml: &str, request: &mut Prepared) -> Result<(), Fault> {
    match crate::manifest::yaml::from_str::<Auth>(yaml).unwrap() {
        Auth::Bearer(value) => placement::bearer(request, &keyring().need(&value)?),
        Auth::Header(header) => header.put(request, &keyring()),
        Auth::Query(query) => placement::Place::Query(&query.param).put(request, &keyring().need(&query.value)?),
        Auth::Cookie(cookie) => placement::Place::Cookie(&cookie.name).put(request, &keyring().need(&cookie.value)?),
        Auth::Body(body) => placement::Place::Body(&body.field).put(request, &keyring().need(&body.value)?),
        Auth::Basic(basic) => basic.put(request, &keyring()),
        other => panic!("{other:?}"),
    }
}

fn header(yaml: &str, name: &str) -> String {
    let mut request = request();
    put(yaml, &mut request).unwrap();
    request.headers[name].to_str().unwrap().to_owned()
}

#[test]
fn a_secret_that_fits_no_header_or_body_is_refused_by_name() {
    let mut request = request();
    request.body = "not json".into();
    let error = put("body: { field: /key, value: key }", &mut request).unwrap_err();
    assert!(matches!(error, Fault::Auth(AuthError::Unsignable { .. })), "{error}");
    request.set_header("content-type", "application/json").unwrap();
    assert!(put("body: { field: key, value: key }", &mut request).is_err(), "a form's field in JSON");
    assert!(put("header: { name: 'x y', value: key }", &mut request).is_err());
    assert!(put("bearer: other", &mut request).is_err(), "no such name");
}

#[test]
fn each_variant_puts_the_secret_in_its_place() {
    assert_eq!(header("bearer: key", "authorization"), "Bearer s3cret");
    assert_eq!(header("header: { name: X-Api-Key, value: key }", "x-api-key"), "s3cret");
    assert_eq!(
        header("header: { name: Authorization, value: key, prefix: 'Token ' }", "authorization"),
        "Token s3cret"
    );
    assert_eq!(header("header: { name: Authorization, value: 'SSWS {key}' }", "authorization"), "SSWS s3cret");
    assert_eq!(header("basic: { user: user, password: key }", "authorization"), "Basic YW5uOnMzY3JldA==");
    assert_eq!(header("basic: { user: key }", "authorization"), "Basic czNjcmV0Og==");
    assert_eq!(
        header("basic: { user: '{user}/token', password: key }", "authorization"),
        "Basic YW5uL3Rva2VuOnMzY3JldA=="
    );
    assert_eq!(header("basic: { user: key, password: { text: X } }", "authorization"), "Basic czNjcmV0Olg=");
    assert_eq!(header("cookie: { name: sid, value: key }", "cookie"), "sid=s3cret");
}

#[test]
fn a_query_key_takes_the_place_of_the_one_that_a_next_url_brought() {
    let mut request = request();
    put("query: { param: api_key, value: key }", &mut request).unwrap();
    assert_eq!(request.url.as_str(), "https://x.com/a?b=1&api_key=s3cret");
}

#[test]
fn a_key_in_the_body_joins_what_is_there() {
    let body = |before: &str, yaml: &str| {
        let mut request = request();
        request.body = before.to_owned().into();
        put(yaml, &mut request).unwrap();
        (
            String::from_utf8(request.body.to_vec()).unwrap(),
            request.headers["content-type"].to_str().unwrap().to_owned(),
        )
    };
    let json = "application/json".to_owned();
    let form = "application/x-www-form-urlencoded".to_owned();
    assert_eq!(
        body(r#"{"a":1}"#, "body: { field: /auth/key, value: key }"),
        (r#"{"a":1,"auth":{"key":"s3cret"}}"#.into(), json.clone())
    );
    assert_eq!(body("", "body: { field: /key, value: key }"), (r#"{"key":"s3cret"}"#.into(), json));
    assert_eq!(body("a=1&key=old", "body: { field: key, value: key }"), ("a=1&key=s3cret".into(), form.clone()));
    assert_eq!(body("", "body: { field: key, value: key }"), ("key=s3cret".into(), form));
}

#[test]
fn a_request_with_its_credential_prints_nothing_of_it() {
    for yaml in [
        "bearer: key",
        "header: { name: X-Api-Key, value: key }",
        "query: { param: k, value: key }",
        "cookie: { name: sid, value: key }",
        "body: { field: /key, value: key }",
        "basic: { user: user, password: key }",
    ] {
        let mut request = request();
        put(yaml, &mut request).unwrap();
        let printed = format!("{request:?} {:?}", request.headers);
        assert!(!printed.contains("s3cret") && !printed.contains("YW5u"), "{printed}");
        assert!(!request.secrets().is_empty(), "{yaml}: the redactor must know");
    }
}

#[test]
fn names_what_it_needs_and_not_what_it_yields_itself() {
    let names =
        |yaml: &str| crate::manifest::yaml::from_str::<Auth>(yaml).unwrap_or_else(|error| panic!("{error}")).names();
    assert_eq!(names("none"), [""; 0]);
    assert_eq!(names("basic: { user: '{email}/token', password: key }"), ["email", "key"]);
    let oauth2 = "oauth2: { token_url: 'https://{shop}.x.com/t', grant: { refresh_token: first }, client: { id: a, secret: b }, \
                  fields: { audience: '{shop}' }, answer: { take: { cloud: /cloud } }, \
                  send: { all: [{ bearer: access_token }, { header: { name: X-Cloud, value: '{cloud}-{page}' } }] } }";
    assert_eq!(names(oauth2), ["shop", "a", "b", "first", "page"]);
    let jwt =
        "jwt: { algorithm: ES256, key: pem, claims: { iss: '{issuer}', jti: '{nonce}' }, header: { kid: '{kid}' } }";
    assert_eq!(names(jwt), ["pem", "issuer", "kid"]);
    assert_eq!(names("choose: { by: way, among: { a: { bearer: one }, b: { bearer: two } } }"), ["way", "one", "two"]);
}
