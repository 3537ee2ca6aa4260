//! How a request proves who sends it. Each variant names settings; the secret itself enters at the last moment, in one place.
//!
//! | variant | what is sent |
//! |---|---|
//! | `none` | nothing |
//! | `bearer` | `Authorization: Bearer <secret>` |
//! | `header` | a header of the API's own |
//! | `query` | a query parameter, which every printed URL leaves out |
//! | `cookie` | a cookie |
//! | `body` | a field of a JSON body or a form |
//! | `basic` | `Authorization: Basic <user:password>` |
//! | `oauth2` | a token that an endpoint issues, renewed before it ends |
//! | `jwt` | a token that we sign |
//! | `session` | what one request or several log in for |
//! | `tokens` | one of several tokens, whose quota is not spent |
//! | `aws_sigv4`, `hmac`, `oauth1` | a signature of the request |
//! | `tls` | a client certificate |
//! | `all` | several of them |
//! | `choose` | the one that a setting names |
//!
//! A credential is put on when everything else of a request stands, so that signatures see its final bytes; it goes to the connector's own
//! origin only.

mod authenticator;
mod aws_sigv4;
mod basic;
mod choose;
mod encoding;
mod error;
mod hmac;
mod jwt;
mod keyring;
pub mod login;
mod oauth1;
mod oauth2;
mod placement;
mod renewal;
mod session;
mod signer;
mod signing_key;
mod store;
mod tls;
mod tokens;
mod values;
mod words;

pub(crate) use authenticator::{Authenticators, Caller, Surroundings};
pub use aws_sigv4::AwsSigV4;
pub use basic::Basic;
pub use choose::Choose;
pub use encoding::{Encoding, KeyEncoding};
pub use error::AuthError;
pub use hmac::{Hmac, HmacAlgorithm, TimestampForm};
pub use jwt::{Algorithm, Jwt, ServiceAccount};
pub(crate) use keyring::Keyring;
pub use oauth1::{OAuth1, OAuth1Method};
pub(crate) use oauth2::OAuth2Client;
pub use oauth2::{
    Client, ClientSentAs, Consent, Expiry, ExpiryInstant, FieldNames, Grant, OAuth2, PasswordGrant, SentAs, TokenAnswer,
};
pub use placement::{BodyKey, CookieKey, HeaderKey, QueryKey};
pub(crate) use session::SessionLogin;
pub use session::{Session, Step, StepMethod, Taken};
pub(crate) use signer::Signer;
pub use store::{Claim, FileTokenStore, MemoryTokenStore, Stored, TokenKey, TokenStore, TokenStoreError, Tokens};
pub use tls::Tls;
pub use tokens::Tokens as TokenList;
pub use words::{ComputedWords, Words};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::error::Fault;
use crate::expression::{Template, ValueManifest};
use crate::lint::Rule;
use crate::manifest::Manifest;
use crate::stream::Stream;

/// How a request proves who sends it, as written in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// The name of the secret setting that is sent as a bearer token.
    Bearer(Words),
    /// A header of the API's own.
    Header(HeaderKey),
    /// A query parameter.
    Query(QueryKey),
    /// A cookie.
    Cookie(CookieKey),
    /// A field of the body.
    Body(BodyKey),
    /// User and password.
    Basic(Basic),
    /// A token that an endpoint issues.
    #[serde(rename = "oauth2")]
    OAuth2(Box<OAuth2>),
    /// A token that we sign.
    Jwt(Box<Jwt>),
    /// What one request or several log in for.
    Session(Session),
    /// One of several tokens, whose quota is not spent.
    Tokens(TokenList),
    /// AWS Signature Version 4.
    #[serde(rename = "aws_sigv4")]
    AwsSigV4(AwsSigV4),
    /// A signature with a shared key.
    Hmac(Box<Hmac>),
    /// OAuth 1.0a.
    #[serde(rename = "oauth1")]
    OAuth1(OAuth1),
    /// A client certificate, or an authority of the product's own.
    Tls(Tls),
    /// Several of them, in this order.
    All(Vec<Auth>),
    /// The one that a setting names.
    Choose(Choose),
}

impl Auth {
    /// The variant's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer(_) => "bearer",
            Self::Header(_) => "header",
            Self::Query(_) => "query",
            Self::Cookie(_) => "cookie",
            Self::Body(_) => "body",
            Self::Basic(_) => "basic",
            Self::OAuth2(_) => "oauth2",
            Self::Jwt(_) => "jwt",
            Self::Session(_) => "session",
            Self::Tokens(_) => "tokens",
            Self::AwsSigV4(_) => "aws_sigv4",
            Self::Hmac(_) => "hmac",
            Self::OAuth1(_) => "oauth1",
            Self::Tls(_) => "tls",
            Self::All(_) => "all",
            Self::Choose(_) => "choose",
        }
    }

    /// The names that it takes from settings and slices, in the order in which they stand.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.own_names();
        let yields: Vec<&str> = self.yields();
        for child in self.children() {
            names.extend(child.names().into_iter().filter(|name| !yields.contains(&name.as_str())));
        }
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    fn own_names(&self) -> Vec<String> {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        match self {
            Self::None | Self::All(_) => Vec::new(),
            Self::Bearer(value) => owned(value.names()),
            Self::Header(header) => owned(header.value.names()),
            Self::Query(query) => owned(query.value.names()),
            Self::Cookie(cookie) => owned(cookie.value.names()),
            Self::Body(body) => owned(body.value.names()),
            Self::Basic(basic) => owned(basic.names()),
            Self::OAuth2(oauth2) => oauth2.names(),
            Self::Jwt(jwt) => owned(jwt.names()),
            Self::Session(session) => session.names(),
            Self::Tokens(tokens) => owned(tokens.from.names()),
            Self::AwsSigV4(aws) => owned(aws.names()),
            Self::Hmac(hmac) => owned(hmac.names()),
            Self::OAuth1(oauth1) => owned(oauth1.names()),
            Self::Tls(tls) => owned(tls.names()),
            Self::Choose(choose) => vec![choose.by.clone()],
        }
    }

    /// What those that stand within it may name beside settings and slices.
    fn yields(&self) -> Vec<&str> {
        match self {
            Self::OAuth2(oauth2) => oauth2.yields(),
            Self::Jwt(_) => vec![jwt::JWT],
            Self::Session(session) => session.yields(),
            Self::Tokens(_) => vec![tokens::TOKEN],
            Self::Hmac(_) => hmac::YIELDS.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Those that stand within it.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match self {
            Self::OAuth2(oauth2) => oauth2.send.iter().map(AsRef::as_ref).collect(),
            Self::Jwt(jwt) => jwt.send.iter().map(AsRef::as_ref).collect(),
            Self::Session(session) => vec![&session.send],
            Self::Tokens(tokens) => tokens.send.iter().map(AsRef::as_ref).collect(),
            Self::Hmac(hmac) => hmac.before.iter().chain(std::iter::once(&hmac.send)).map(AsRef::as_ref).collect(),
            Self::All(all) => all.iter().collect(),
            Self::Choose(choose) => choose.among.iter().map(|(_, auth)| auth).collect(),
            _ => Vec::new(),
        }
    }

    /// It and all that stand within it, those of a session's steps too.
    pub(crate) fn walk(&self) -> Vec<&Self> {
        let steps: Vec<&Self> = match self {
            Self::Session(session) => session.steps.iter().filter_map(|step| step.auth.as_deref()).collect(),
            _ => Vec::new(),
        };
        let inner = self.children().into_iter().chain(steps);
        std::iter::once(self).chain(inner.flat_map(Self::walk)).collect()
    }

    /// The names that only one way in of several needs.
    pub(crate) fn optional_names(&self) -> Vec<String> {
        let chosen = self.walk().into_iter().flat_map(|auth| match auth {
            Self::Choose(choose) => choose.among.iter().flat_map(|(_, auth)| auth.names()).collect(),
            _ => Vec::new(),
        });
        chosen.collect()
    }

    /// Query parameters that hold a secret.
    pub(crate) fn secret_params(&self) -> Vec<String> {
        let param = |auth: &Self| match auth {
            Self::Query(query) => Some(query.param.clone()),
            _ => None,
        };
        self.walk().into_iter().filter_map(param).collect()
    }

    /// The URLs at which it logs in, as far as settings decide them.
    pub(crate) fn login_urls(&self, keyring: &Keyring, base: &Url) -> Vec<Url> {
        let templates = self.walk().into_iter().flat_map(|auth| match auth {
            Self::OAuth2(oauth2) => oauth2.urls(),
            Self::Session(session) => session.steps.iter().map(|step| &step.url).collect(),
            _ => Vec::new(),
        });
        templates.filter_map(|template| login_url(template, keyring, base).ok()).collect()
    }

    /// Why it cannot be used as it is written, and what to write instead.
    pub(crate) fn flaw(&self) -> Option<(String, &'static str)> {
        self.walk().into_iter().find_map(|auth| match auth {
            Self::Choose(choose) if choose.among.is_empty() => {
                Some(("`choose` has nothing to choose from".to_owned(), "name the variants under `among`"))
            }
            Self::Session(session) if session.steps.is_empty() || session.steps.len() > session::STEPS_MAX => Some((
                format!("a session has 1 to {} steps", session::STEPS_MAX),
                "name the requests that log in under `steps`",
            )),
            Self::Tls(tls) if tls.names().is_empty() || (tls.key.is_some() && tls.certificate.is_none()) => Some((
                "`tls` has no certificate and no authority".to_owned(),
                "name the setting under `certificate` or `authority`",
            )),
            Self::All(all) if all.is_empty() => Some(("`all` is empty".to_owned(), "name its parts, or write `none`")),
            Self::OAuth2(oauth2) if oauth2.consent.is_some() && !matches!(oauth2.grant, Grant::RefreshToken(_)) => {
                Some((
                    "`consent` ends in a refresh token, which this grant does not use".to_owned(),
                    "write `grant: { refresh_token: … }`, or remove `consent`",
                ))
            }
            _ => None,
        })
    }
}

impl Auth {
    /// What would work and should not be relied on: the rule that it breaks, what is wrong, and what to do about it.
    pub(crate) fn doubts(&self, manifest: &Manifest) -> Vec<(Rule, String, &'static str)> {
        let mut doubts = Vec::new();
        let is_open = |name: &&str| manifest.settings.get(name).is_some_and(|setting| !setting.secret);
        for auth in self.walk() {
            for name in auth.secret_names().into_iter().filter(is_open) {
                doubts.push((
                    Rule::SecretNotDeclared,
                    format!("setting `{name}` is a credential and not declared as one"),
                    "say `secret: true` of it",
                ));
            }
            let urls = match auth {
                Self::OAuth2(oauth2) => oauth2.urls(),
                Self::Session(session) => session.steps.iter().map(|step| &step.url).collect(),
                _ => Vec::new(),
            };
            if urls.iter().any(|url| url.as_str().starts_with("http://")) {
                let what = "a login goes over a connection without encryption".to_owned();
                doubts.push((Rule::LoginUnencrypted, what, "write `https://`"));
            }
            if let Self::OAuth2(oauth2) = auth
                && matches!(oauth2.grant, Grant::Password(_))
            {
                let what = "the token is asked for with a password".to_owned();
                doubts.push((Rule::PasswordGrant, what, "use another grant where there is one"));
            }
        }
        doubts
    }

    /// The settings that hold nothing but a credential.
    fn secret_names(&self) -> Vec<&str> {
        match self {
            Self::Bearer(value) => value.credentials(),
            Self::Tokens(tokens) => tokens.from.credentials(),
            Self::Jwt(jwt) => jwt.key.credentials(),
            Self::AwsSigV4(aws) => aws.secret_key.credentials(),
            Self::Hmac(hmac) => hmac.key.credentials(),
            Self::OAuth1(oauth1) => oauth1
                .consumer_secret
                .credentials()
                .into_iter()
                .chain(oauth1.token_secret.iter().flat_map(Words::credentials))
                .collect(),
            Self::OAuth2(oauth2) => {
                let grant = match &oauth2.grant {
                    Grant::RefreshToken(token) => token.credentials(),
                    Grant::Password(password) => password.password.credentials(),
                    Grant::JwtBearer(jwt) => jwt.key.credentials(),
                    Grant::ServiceAccount(account) => account.key.credentials(),
                    Grant::ClientCredentials => Vec::new(),
                };
                let secret = oauth2.client.iter().flat_map(|client| &client.secret).flat_map(Words::credentials);
                grant.into_iter().chain(secret).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The ways in of a connector and of those of its streams that have one of their own.
pub(crate) fn ways<'a>(manifest: &'a Manifest, streams: &'a [Stream]) -> Vec<&'a Auth> {
    std::iter::once(&manifest.http.auth).chain(streams.iter().filter_map(|stream| stream.auth.as_ref())).collect()
}

/// The names in a value.
fn value_names(value: &ValueManifest) -> Vec<&str> {
    match value {
        ValueManifest::Text(template) => template.names().collect(),
        ValueManifest::List(items) => items.iter().flat_map(value_names).collect(),
        // An expression's names are its own business: it sees plain settings only, and says what it lacks.
        ValueManifest::Plain(_) | ValueManifest::Computed(_) => Vec::new(),
    }
}

/// The names in the texts of JSON values.
fn json_names<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for value in values {
        match value {
            Value::String(text) => names.extend(text_names(text)),
            Value::Array(items) => names.extend(json_names(items)),
            Value::Object(fields) => names.extend(json_names(fields.values())),
            _ => {}
        }
    }
    names
}

/// The names in braces of a text that stands in JSON.
fn text_names(text: &str) -> impl Iterator<Item = &str> {
    let inside = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    inside.map(|(name, _)| name.trim_start_matches(['+', '*']))
}

/// A URL to log in at: a whole one, or a path after the connector's `base_url`.
fn login_url(template: &Template, keyring: &Keyring, base: &Url) -> Result<Url, Fault> {
    let bad = |reason: String| AuthError::BadUrl { template: template.as_str().to_owned(), reason };
    let url = if template.as_str().starts_with('/') {
        let mut url = base.clone();
        url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), keyring.fill_path(template)?));
        url
    } else {
        let text = keyring.fill(template)?;
        Url::parse(text.expose()).map_err(|error| bad(error.to_string()))?
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(bad("it is neither http nor https".to_owned()).into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
