//! OAuth 1.0a (RFC 5849, <https://datatracker.ietf.org/doc/html/rfc5849>): every request signed with the secrets of client and token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use headwater_contract::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::hmac::HmacAlgorithm;
use super::{Keyring, Words};
use crate::error::Fault;
use crate::expression::Template;
use crate::transport::Prepared;

/// What stays as it is: the unreserved characters of RFC 3986 (RFC 5849 § 3.6).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Settings of the `oauth1` variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth1 {
    /// The setting with the client's (consumer's) key.
    pub consumer_key: Words,
    /// The secret setting with the client's secret.
    pub consumer_secret: Words,
    /// The setting with the token.
    #[serde(default)]
    pub token: Option<Words>,
    /// The secret setting with the token's secret.
    #[serde(default)]
    pub token_secret: Option<Words>,
    /// The realm, e.g. `{account}`.
    #[serde(default)]
    pub realm: Option<Template>,
    /// The hash; `hmac_sha256` when absent.
    #[serde(default)]
    pub method: OAuth1Method,
}

/// The hash of a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OAuth1Method {
    /// SHA-1, the only one that the RFC knows.
    HmacSha1,
    /// SHA-256.
    #[default]
    HmacSha256,
}

impl OAuth1 {
    pub(super) fn names(&self) -> Vec<&str> {
        let words =
            [&self.consumer_key, &self.consumer_secret].into_iter().chain(&self.token).chain(&self.token_secret);
        words.flat_map(Words::names).chain(self.realm.iter().flat_map(Template::names)).collect()
    }

    pub(super) fn sign(
        &self,
        request: &mut Prepared,
        keyring: &Keyring,
        now: DateTime<Utc>,
        nonce: &str,
    ) -> Result<(), Fault> {
        let optional = |words: &Option<Words>| -> Result<Option<Secret>, Fault> {
            Ok(words.as_ref().map(|words| keyring.text(words)).transpose()?.flatten())
        };
        let (name, algorithm) = match self.method {
            OAuth1Method::HmacSha1 => ("HMAC-SHA1", HmacAlgorithm::Sha1),
            OAuth1Method::HmacSha256 => ("HMAC-SHA256", HmacAlgorithm::Sha256),
        };
        let mut params = vec![
            ("oauth_consumer_key".to_owned(), keyring.need(&self.consumer_key)?.expose().to_owned()),
            ("oauth_nonce".to_owned(), nonce.to_owned()),
            ("oauth_signature_method".to_owned(), name.to_owned()),
            ("oauth_timestamp".to_owned(), now.timestamp().to_string()),
            ("oauth_version".to_owned(), "1.0".to_owned()),
        ];
        if let Some(token) = optional(&self.token)? {
            params.push(("oauth_token".to_owned(), token.expose().to_owned()));
        }
        let secret = keyring.need(&self.consumer_secret)?;
        let token_secret = optional(&self.token_secret)?;
        let key = format!(
            "{}&{}",
            encode(secret.expose()),
            encode(token_secret.as_ref().map(Secret::expose).unwrap_or_default())
        );
        let signature = STANDARD.encode(algorithm.sign(key.as_bytes(), base_string(request, &params).as_bytes()));
        request.learn(Secret::new(signature.clone()));
        params.push(("oauth_signature".to_owned(), signature));
        let realm = self.realm.as_ref().map(|realm| keyring.fill(realm)).transpose()?;
        let realm = realm.map(|realm| format!("realm=\"{}\"", realm.expose().replace(['"', '\\'], "")));
        let fields = params.iter().map(|(name, value)| format!("{name}=\"{}\"", encode(value)));
        let value = realm.into_iter().chain(fields).collect::<Vec<_>>().join(", ");
        request.set_secret_header("authorization", &Secret::new(format!("OAuth {value}")))
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// What is signed: method, URL without query, and every parameter of query, form and header in order (RFC 5849 § 3.4.1).
fn base_string(request: &Prepared, oauth: &[(String, String)]) -> String {
    let pair = |(name, value): (&str, &str)| (encode(name), encode(value));
    let is_form = request.headers.get("content-type").and_then(|kind| kind.to_str().ok());
    let is_form = is_form.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let body = if is_form { request.body.as_ref() } else { b"" };
    let mut pairs: Vec<(String, String)> =
        request.url.query_pairs().map(|(name, value)| pair((&name, &value))).collect();
    pairs.extend(url::form_urlencoded::parse(body).map(|(name, value)| pair((&name, &value))));
    pairs.extend(oauth.iter().map(|(name, value)| pair((name, value))));
    pairs.sort_unstable();
    let params = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    format!("{}&{}&{}", request.method, encode(&request.place()), encode(&params))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::manifest::Settings;

    fn oauth(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// RFC 5849 § 3.4.1.1.
    #[test]
    fn makes_the_base_string_of_the_rfc() {
        let url = "http://example.com/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b";
        let mut request = Prepared::new(reqwest::Method::POST, Url::parse(url).unwrap());
        request.set_header("content-type", "application/x-www-form-urlencoded").unwrap();
        request.body = "c2&a3=2+q".into();
        let oauth = oauth(&[
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
        ]);
        assert_eq!(
            base_string(&request, &oauth),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26\
             oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26\
             oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        );
    }

    /// RFC 5849 § 1.2: Jane's photo.
    #[test]
    fn signs_as_the_rfc() {
        let url = Url::parse("http://photos.example.net/photos?file=vacation.jpg&size=original").unwrap();
        let request = Prepared::new(reqwest::Method::GET, url);
        let oauth = oauth(&[
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_token", "nnch734d00sl2jdk"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131202"),
            ("oauth_nonce", "chapoH"),
        ]);
        let message = base_string(&request, &oauth);
        let signature = HmacAlgorithm::Sha1.sign(b"kd94hf93k423kf44&pfkkdhi9sl3r4s00", message.as_bytes());
        assert_eq!(STANDARD.encode(signature), "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
    }

    #[test]
    fn the_header_has_every_part_and_prints_none() {
        let mut settings = Settings::default();
        for name in ["key", "secret", "token", "token_secret"] {
            settings.secrets.insert(name.into(), Secret::new(format!("c4nary-{name}&=")));
        }
        let auth: OAuth1 = crate::manifest::yaml::from_str(
            "{ consumer_key: key, consumer_secret: secret, token: token, token_secret: token_secret, realm: '123_SB1' }",
        )
        .unwrap();
        let mut request = Prepared::new(reqwest::Method::GET, Url::parse("https://x.com/a").unwrap());
        auth.sign(&mut request, &Keyring::of(&settings), "2026-11-21T09:00:00Z".parse().unwrap(), "n0nce").unwrap();
        let header = request.headers["authorization"].to_str().unwrap();
        let begins = "OAuth realm=\"123_SB1\", oauth_consumer_key=\"c4nary-key%26%3D\", oauth_nonce=\"n0nce\", \
                      oauth_signature_method=\"HMAC-SHA256\", oauth_timestamp=\"1795251600\", oauth_version=\"1.0\", \
                      oauth_token=\"c4nary-token%26%3D\", oauth_signature=\"";
        assert!(header.starts_with(begins), "{header}");
        assert!(!header.contains("c4nary-secret") && !header.contains("c4nary-token_secret"), "{header}");
        assert!(!format!("{request:?} {:?}", request.headers).contains("c4nary"));
    }
}
