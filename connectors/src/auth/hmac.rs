//! Signatures with a shared key over the request as it will be sent.
//!
//! Every vendor makes another message of the same few facts, so the manifest writes the message down:
//!
//! | name | what it is |
//! |---|---|
//! | `method` | `GET` |
//! | `host`, `path`, `query`, `path_and_query`, `url` | as they are sent |
//! | `sorted_query` | the query with its parameters in order |
//! | `body` | the body as text |
//! | `body_sha1`, `body_sha256`, `body_sha512` | its hash in hexadecimal digits |
//! | `body_sha256_base64` | its hash in base64 |
//! | `timestamp`, `nonce` | of this request |

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use headwater_contract::Secret;
use ring::{digest, hmac};
use schemars::JsonSchema;
use serde::Deserialize;

use super::encoding::hex;
use super::{Auth, AuthError, Encoding, KeyEncoding, Keyring, Words};
use crate::error::Fault;
use crate::expression::{Scalar, Template};
use crate::transport::Prepared;

/// The name under which `send` finds the signature.
const SIGNATURE: &str = "signature";
/// What `before` and `send` may name beside settings.
pub(super) const YIELDS: [&str; 3] = [SIGNATURE, "timestamp", "nonce"];
/// The facts of a request that a message may name.
const FACTS: [&str; 11] = [
    "method",
    "host",
    "path",
    "query",
    "sorted_query",
    "path_and_query",
    "url",
    "body_sha1",
    "body_sha256",
    "body_sha512",
    "body_sha256_base64",
];

/// Settings of the `hmac` variant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hmac {
    /// The secret setting with the key.
    pub key: Words,
    /// How the key stands in its setting; as text when absent.
    #[serde(default)]
    pub key_encoding: KeyEncoding,
    /// The hash; `sha256` when absent.
    #[serde(default)]
    pub algorithm: HmacAlgorithm,
    /// What is signed, e.g. `"{timestamp}{method}{path_and_query}{body}"`.
    pub message: Template,
    /// How the signature is written; as hexadecimal digits when absent.
    #[serde(default)]
    pub encoding: Encoding,
    /// How `{timestamp}` is written; as seconds since 1970 when absent.
    #[serde(default)]
    pub timestamp: TimestampForm,
    /// What is put on before the message is made, such as a `timestamp` parameter that is part of what is signed.
    #[serde(default)]
    pub before: Option<Box<Auth>>,
    /// How requests carry `signature`, `timestamp` and `nonce`.
    pub send: Box<Auth>,
}

/// The hash of a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HmacAlgorithm {
    /// SHA-1, for vendors that know no other.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How the time of a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimestampForm {
    /// Seconds since 1970.
    #[default]
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMillis,
    /// `2026-11-21T09:00:00Z`.
    Rfc3339,
    /// `Sat, 21 Nov 2026 09:00:00 GMT`, as HTTP writes dates.
    HttpDate,
}

impl HmacAlgorithm {
    pub(super) fn sign(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }
}

impl TimestampForm {
    fn write(self, now: DateTime<Utc>) -> String {
        match self {
            Self::UnixSeconds => now.timestamp().to_string(),
            Self::UnixMillis => now.timestamp_millis().to_string(),
            Self::Rfc3339 => now.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Self::HttpDate => now.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        }
    }
}

impl Hmac {
    pub(super) fn names(&self) -> Vec<&str> {
        let known = |name: &str| FACTS.contains(&name) || ["body", "timestamp", "nonce"].contains(&name);
        self.key.names().into_iter().chain(self.message.names().filter(|name| !known(name))).collect()
    }

    /// Time and nonce of one request, for `before`, the message and `send`.
    pub(super) fn mark(&self, keyring: &Keyring, now: DateTime<Utc>, nonce: String) -> Keyring {
        let mut keyring = keyring.clone();
        keyring.put_plain("timestamp", Scalar::Text(self.timestamp.write(now)));
        keyring.put_plain("nonce", Scalar::Text(nonce));
        keyring
    }

    /// Adds the signature to what `send` may name.
    pub(super) fn sign(&self, request: &mut Prepared, mut keyring: Keyring) -> Result<Keyring, Fault> {
        let name = self.key.names().join(", ");
        let bad =
            || AuthError::BadKey { name, reason: "it is not in the encoding that `key_encoding` says".to_owned() };
        let key = self.key_encoding.decode(keyring.need(&self.key)?.expose()).ok_or_else(bad)?;
        let message =
            keyring.with_facts(request, self.message.names().any(|name| name == "body"))?.fill(&self.message)?;
        let signature = self.encoding.encode(&self.algorithm.sign(&key, message.expose().as_bytes()));
        let signature = Secret::new(signature);
        request.learn(signature.clone());
        keyring.put(SIGNATURE, &signature);
        Ok(keyring)
    }
}

impl Keyring {
    /// The facts of a request beside everything else.
    fn with_facts(&self, request: &Prepared, with_body: bool) -> Result<Self, AuthError> {
        let mut keyring = self.clone();
        let url = &request.url;
        let query = url.query().unwrap_or_default();
        let mut sorted: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        sorted.sort_unstable();
        let path_and_query = if query.is_empty() { url.path().to_owned() } else { format!("{}?{query}", url.path()) };
        let hash = |algorithm: &'static digest::Algorithm| digest::digest(algorithm, &request.body);
        let facts = [
            request.method.to_string(),
            request.host(),
            url.path().to_owned(),
            query.to_owned(),
            sorted.join("&"),
            path_and_query,
            url.to_string(),
            hex(hash(&digest::SHA1_FOR_LEGACY_USE_ONLY).as_ref()),
            hex(hash(&digest::SHA256).as_ref()),
            hex(hash(&digest::SHA512).as_ref()),
            STANDARD.encode(hash(&digest::SHA256)),
        ];
        // The query may carry a secret that was put on before, so none of it may be printed.
        for (name, fact) in FACTS.into_iter().zip(facts) {
            keyring.put(name, &Secret::new(fact));
        }
        if with_body {
            let reason = "its body is no text; sign `{body_sha256}` in place of `{body}`".to_owned();
            let body = std::str::from_utf8(&request.body).map_err(|_| AuthError::Unsignable { reason })?;
            keyring.put("body", &Secret::new(body));
        }
        Ok(keyring)
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::manifest::Settings;

    fn signature(yaml: &str, key: &str, body: &[u8]) -> Result<String, Fault> {
        let hmac: Hmac = crate::manifest::yaml::from_str(yaml).unwrap_or_else(|error| panic!("{error}"));
        let mut settings = Settings::default();
        settings.secrets.insert("key".into(), Secret::new(key));
        let mut request =
            Prepared::new(reqwest::Method::POST, Url::parse("https://x.com:8443/v1/a%20b?z=1&a=%2B").unwrap());
        request.body = body.to_vec().into();
        let keyring = hmac.mark(&Keyring::of(&settings), "2026-11-21T09:00:00Z".parse().unwrap(), "n0nce".into());
        let keyring = hmac.sign(&mut request, keyring)?;
        Ok(keyring.get(SIGNATURE).unwrap().expose().to_owned())
    }

    #[test]
    fn a_body_that_is_no_text_and_a_key_in_another_encoding_are_refused() {
        let yaml = "{ key: key, message: '{body}', send: none }";
        assert!(signature(yaml, "k", &[0xff]).is_err());
        let error = signature("{ key: key, key_encoding: hex, message: x, send: none }", "s3cret", b"").unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    /// RFC 4231 § 4.3 and RFC 2202 § 3, the case whose key is `Jefe`.
    #[test]
    fn signs_as_the_published_vectors() {
        let data = b"what do ya want for nothing?";
        for (algorithm, expected) in [
            ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ] {
            let yaml = format!("{{ key: key, algorithm: {algorithm}, message: '{{body}}', send: none }}");
            assert_eq!(signature(&yaml, "Jefe", data).unwrap(), expected);
            let yaml = format!(
                "{{ key: key, key_encoding: hex, algorithm: {algorithm}, message: '{{body}}', encoding: hex_upper, send: none }}"
            );
            assert_eq!(signature(&yaml, "4a656665", data).unwrap(), expected.to_ascii_uppercase());
        }
    }

    #[test]
    fn a_message_is_made_of_the_request_as_it_is_sent() {
        let signed = |message: &str| {
            signature(&format!("{{ key: key, message: {message:?}, timestamp: unix_millis, send: none }}"), "k", b"{}")
                .unwrap()
        };
        let facts = "{timestamp}|{nonce}|{method}|{host}|{path}|{query}|{sorted_query}|{path_and_query}|{url}|{body}|{body_sha256}";
        let plain = "1795251600000|n0nce|POST|x.com:8443|/v1/a%20b|z=1&a=%2B|a=%2B&z=1|/v1/a%20b?z=1&a=%2B|\
                     https://x.com:8443/v1/a%20b?z=1&a=%2B|{}|44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let expected = hex(&HmacAlgorithm::Sha256.sign(b"k", plain.as_bytes()));
        assert_eq!(signed(facts), expected);
    }
}
