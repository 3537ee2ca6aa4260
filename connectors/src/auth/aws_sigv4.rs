//! AWS Signature Version 4: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
//!
//! The query is sent in the canonical form in which it is signed, because servers differ in what they take `+` for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use headwater_contract::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{digest, hmac};
use schemars::JsonSchema;
use serde::Deserialize;

use super::encoding::hex;
use super::{AuthError, Keyring, Words};
use crate::error::Fault;
use crate::expression::Template;
use crate::transport::Prepared;

/// What stays as it is in a signed text: the unreserved characters of RFC 3986.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same in a path.
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// Settings of the `aws_sigv4` variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsSigV4 {
    /// The setting with the access key id.
    pub access_key: Words,
    /// The secret setting with the secret access key.
    pub secret_key: Words,
    /// The secret setting with the token of temporary credentials.
    #[serde(default)]
    pub session_token: Option<Words>,
    /// The region, e.g. `us-east-1` or `{region}`.
    pub region: Template,
    /// The service's name in signatures, e.g. `execute-api`.
    pub service: Template,
}

impl AwsSigV4 {
    pub(super) fn names(&self) -> Vec<&str> {
        let words = [&self.access_key, &self.secret_key].into_iter().chain(&self.session_token);
        words.flat_map(Words::names).chain(self.region.names()).chain(self.service.names()).collect()
    }

    pub(super) fn sign(&self, request: &mut Prepared, keyring: &Keyring, now: DateTime<Utc>) -> Result<(), Fault> {
        let key = keyring.need(&self.access_key)?;
        let secret = keyring.need(&self.secret_key)?;
        let (region, service) = (keyring.fill(&self.region)?, keyring.fill(&self.service)?);
        let (region, service) = (region.expose(), service.expose());
        let (instant, day) = (now.format("%Y%m%dT%H%M%SZ").to_string(), now.format("%Y%m%d").to_string());
        request.set_header("x-amz-date", &instant)?;
        if let Some(token) = self.session_token.as_ref().map(|token| keyring.text(token)).transpose()?.flatten() {
            request.set_secret_header("x-amz-security-token", &token)?;
        }
        let payload = hex(digest::digest(&digest::SHA256, &request.body).as_ref());
        if service == "s3" {
            request.set_header("x-amz-content-sha256", &payload)?;
        }
        let query = canonical_query(request);
        request.url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        let headers = signed_headers(request)?;
        let names = headers.keys().map(String::as_str).collect::<Vec<_>>().join(";");
        let lines = headers.iter().fold(String::new(), |lines, (name, value)| lines + name + ":" + value + "\n");
        // S3 signs a path as it is sent; all others encode it once more.
        let path = request.url.path();
        let path = if service == "s3" { path.to_owned() } else { utf8_percent_encode(path, PATH).to_string() };
        let canonical = format!("{}\n{path}\n{query}\n{lines}\n{names}\n{payload}", request.method);
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let message = format!("AWS4-HMAC-SHA256\n{instant}\n{scope}\n{hashed}");
        let mut signing = format!("AWS4{}", secret.expose()).into_bytes();
        for part in [day.as_str(), region, service, "aws4_request", message.as_str()] {
            let signing_key = hmac::Key::new(hmac::HMAC_SHA256, &signing);
            signing = hmac::sign(&signing_key, part.as_bytes()).as_ref().to_vec();
        }
        let signature = hex(&signing);
        request.learn(Secret::new(signature.clone()));
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            key.expose()
        );
        request.set_secret_header("authorization", &Secret::new(value))
    }
}

/// The query with every name and value encoded alike, in order.
fn canonical_query(request: &Prepared) -> String {
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let mut pairs: Vec<(String, String)> =
        request.url.query_pairs().map(|(name, value)| (encode(&name), encode(&value))).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Host, content type and whatever is AWS's own.
fn signed_headers(request: &Prepared) -> Result<BTreeMap<String, String>, AuthError> {
    let mut headers = BTreeMap::from([("host".to_owned(), request.host())]);
    for (name, value) in &request.headers {
        let name = name.as_str();
        if name != "content-type" && !name.starts_with("x-amz-") {
            continue;
        }
        let unsignable = |_| AuthError::Unsignable { reason: format!("header `{name}` is not text") };
        let value = value.to_str().map_err(unsignable)?;
        headers.insert(name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::manifest::Settings;

    /// The credentials of Amazon's published test suite: <https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html>.
    fn keyring() -> Keyring {
        let mut settings = Settings::default();
        for (name, value) in
            [("id", "AKIDEXAMPLE"), ("key", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), ("token", "s3ssion/token==")]
        {
            settings.secrets.insert(name.into(), Secret::new(value));
        }
        Keyring::of(&settings)
    }

    fn authorization(yaml: &str, mut request: Prepared) -> String {
        let auth: AwsSigV4 = crate::manifest::yaml::from_str(yaml).unwrap();
        auth.sign(&mut request, &keyring(), "2015-08-30T12:36:00Z".parse().unwrap()).unwrap();
        assert!(!format!("{request:?} {:?}", request.headers).contains("ssion"), "{request:?}");
        request.headers["authorization"].to_str().unwrap().to_owned()
    }

    const SUITE: &str = "{ access_key: id, secret_key: key, region: us-east-1, service: service }";

    fn request(method: reqwest::Method, target: &str) -> Prepared {
        Prepared::new(method, Url::parse(&format!("https://example.amazonaws.com{target}")).unwrap())
    }

    #[test]
    fn signs_as_the_published_test_suite() {
        let get = reqwest::Method::GET;
        for (target, signature) in [
            ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("/?Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
            ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ] {
            assert_eq!(
                authorization(SUITE, request(get.clone(), target)),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={signature}"
                ),
                "{target}"
            );
        }
        let mut form = request(reqwest::Method::POST, "/");
        form.set_header("content-type", "application/x-www-form-urlencoded").unwrap();
        form.body = "Param1=value1".into();
        let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        assert!(authorization(SUITE, form).ends_with(signature));
    }

    #[test]
    fn signs_temporary_credentials_and_the_hash_that_s3_wants() {
        let yaml = "{ access_key: id, secret_key: key, session_token: token, region: us-east-1, service: s3 }";
        let authorization = authorization(yaml, request(reqwest::Method::GET, "/a%20b?x=1+2"));
        assert!(
            authorization.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token"),
            "{authorization}"
        );
    }

    #[test]
    fn sends_the_query_in_the_form_that_it_signed() {
        let mut request = request(reqwest::Method::GET, "/?b=1+2&a=%2b&b=0");
        let auth: AwsSigV4 = crate::manifest::yaml::from_str(SUITE).unwrap();
        auth.sign(&mut request, &keyring(), "2015-08-30T12:36:00Z".parse().unwrap()).unwrap();
        assert_eq!(request.url.query(), Some("a=%2B&b=0&b=1%202"));
    }
}
