//! JSON Web Tokens that we sign ourselves (RFC 7519, <https://datatracker.ietf.org/doc/html/rfc7519>), and those of Google's service
//! accounts.
//!
//! The algorithm is the manifest's and never the key's, so a key of another kind is an error and not another algorithm.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use headwater_contract::{Secret, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::encoding::{KeyEncoding, nonce};
use super::renewal::Grant;
use super::signing_key::SigningKey;
use super::{Auth, AuthError, Keyring, Words};
use crate::error::Fault;
use crate::expression::Scalar;

/// The name under which `send` finds the token.
pub(crate) const JWT: &str = "jwt";
/// How long a token is good where the manifest does not say.
const LASTS: Span = Span::seconds(1_200);
/// How long Google takes an assertion at most (<https://developers.google.com/identity/protocols/oauth2/service-account>).
const GOOGLE_LASTS: Span = Span::seconds(3_600);

/// How a token is signed (RFC 7518 § 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the RFC")]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Settings of the `jwt` variant, and of tokens that are exchanged for others.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// How it is signed.
    pub algorithm: Algorithm,
    /// The secret setting with the key: PEM for RS, PS, ES and `EdDSA`, any text for HS.
    pub key: Words,
    /// How a key for HS stands in its setting; as text when absent.
    #[serde(default)]
    pub key_encoding: KeyEncoding,
    /// Claims; texts may hold placeholders, of which `{nonce}` is new in each token. `iat` and `exp` are set by `lasts`.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// Further fields of the header, such as `kid`.
    #[serde(default)]
    pub header: Map<String, Value>,
    /// How long a token is good; 20 minutes when absent.
    #[serde(default)]
    pub lasts: Option<Span>,
    /// How requests carry it, which it calls `jwt`; as a bearer token when absent. Not where the token is exchanged for another.
    #[serde(default)]
    pub send: Option<Box<Auth>>,
}

/// The key file of a Google service account: <https://developers.google.com/identity/protocols/oauth2/service-account>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccount {
    /// The secret setting that holds the whole JSON file.
    pub key: Words,
    /// The setting with the user on whose behalf it acts, by domain-wide delegation.
    #[serde(default)]
    pub subject: Option<Words>,
}

/// What is taken of a key file. Its `token_uri` is not: where a secret goes is the manifest's word.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
}

impl Jwt {
    /// The names that it needs.
    pub(super) fn names(&self) -> Vec<&str> {
        let texts = super::json_names(self.claims.values().chain(self.header.values()));
        self.key.names().into_iter().chain(texts.into_iter().filter(|name| *name != "nonce")).collect()
    }

    /// Signs a token; `defaults` are claims that the manifest may leave out.
    pub(crate) fn sign(
        &self,
        keyring: &Keyring,
        now: DateTime<Utc>,
        defaults: &[(&str, &str)],
    ) -> Result<Secret, Fault> {
        let mut keyring = keyring.clone();
        keyring.put_plain("nonce", Scalar::Text(nonce()?));
        let fill = |fields: &Map<String, Value>| -> Result<Map<String, Value>, Fault> {
            fields.iter().map(|(name, value)| Ok((name.clone(), keyring.json(value)?))).collect()
        };
        let mut claims: Map<String, Value> =
            defaults.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        claims.insert("iat".to_owned(), now.timestamp().into());
        claims.insert("exp".to_owned(), (now + self.lasts.unwrap_or(LASTS).delta()).timestamp().into());
        claims.extend(fill(&self.claims)?);
        let name = self.key.names().join(", ");
        let text = keyring.need(&self.key)?;
        let key = SigningKey::read(self.algorithm, &text, self.key_encoding, &name)?;
        Ok(compact(self.algorithm, &key, &fill(&self.header)?, &claims)?)
    }

    /// A token for requests, until it ends.
    pub(super) fn issue(&self, keyring: &Keyring, now: DateTime<Utc>) -> Result<Grant, Fault> {
        let token = self.sign(keyring, now, &[])?;
        let expires_at = Some(now + self.lasts.unwrap_or(LASTS).delta());
        Ok(Grant { values: [(JWT.to_owned(), token)].into(), issued_at: now, expires_at })
    }
}

impl ServiceAccount {
    /// The names that it needs.
    pub(super) fn names(&self) -> Vec<&str> {
        self.key.names().into_iter().chain(self.subject.iter().flat_map(Words::names)).collect()
    }

    /// Signs the assertion that is exchanged for a token.
    pub(crate) fn sign(
        &self,
        keyring: &Keyring,
        now: DateTime<Utc>,
        audience: &str,
        scope: Option<&str>,
    ) -> Result<Secret, Fault> {
        let name = self.key.names().join(", ");
        let text = keyring.need(&self.key)?;
        let file: KeyFile = serde_json::from_str(text.expose()).map_err(|error| AuthError::BadKey {
            name: name.clone(),
            reason: format!(
                "it is not the JSON file of a service account (line {}, column {})",
                error.line(),
                error.column()
            ),
        })?;
        let key = SigningKey::read(Algorithm::RS256, &Secret::new(file.private_key), KeyEncoding::Text, &name)?;
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), file.client_email.into());
        claims.insert("aud".to_owned(), audience.into());
        claims.insert("iat".to_owned(), now.timestamp().into());
        claims.insert("exp".to_owned(), (now + GOOGLE_LASTS.delta()).timestamp().into());
        if let Some(scope) = scope {
            claims.insert("scope".to_owned(), scope.into());
        }
        if let Some(subject) = self.subject.as_ref().map(|subject| keyring.text(subject)).transpose()?.flatten() {
            claims.insert("sub".to_owned(), subject.expose().into());
        }
        let header: Map<String, Value> =
            file.private_key_id.map(|id| ("kid".to_owned(), id.into())).into_iter().collect();
        Ok(compact(Algorithm::RS256, &key, &header, &claims)?)
    }
}

/// Header, claims and signature, as RFC 7515 § 3.1 writes them.
fn compact(
    algorithm: Algorithm,
    key: &SigningKey,
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
) -> Result<Secret, AuthError> {
    let mut full = Map::new();
    full.insert("typ".to_owned(), json!("JWT"));
    full.extend(header.clone());
    full.insert("alg".to_owned(), json!(format!("{algorithm:?}")));
    let part = |fields: &Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(fields.clone()).to_string());
    let signed = format!("{}.{}", part(&full), part(claims));
    let signature = key.sign(signed.as_bytes())?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}
