//! OAuth 2.0 (RFC 6749, <https://datatracker.ietf.org/doc/html/rfc6749>): an endpoint issues tokens that end.
//!
//! Few vendors follow the RFC to the letter, so whatever a request for a token sends, and whatever its answer is called, can be named.

mod answer;
mod client;
mod token_request;

pub(crate) use answer::Answer;
pub(crate) use client::{OAuth2Client, seed};
pub(crate) use token_request::Fields;

use headwater_contract::{Span, TimestampFormat};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Auth, Jwt, ServiceAccount, Words};
use crate::decoding::Pointer;
use crate::expression::{Template, ValueManifest};
use crate::manifest::Ordered;

/// The name under which `send` finds the access token.
pub(crate) const ACCESS_TOKEN: &str = "access_token";

/// Settings of the `oauth2` variant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// Where tokens are issued: a URL, whose origin is thereby allowed for logins, or a path after `base_url`.
    pub token_url: Template,
    /// What a token is asked for with.
    pub grant: Grant,
    /// The program's own name and secret at the vendor.
    #[serde(default)]
    pub client: Option<Client>,
    /// What the token is to allow.
    #[serde(default)]
    pub scopes: Vec<Template>,
    /// What stands between scopes; a space when absent.
    #[serde(default)]
    pub scope_separator: Option<String>,
    /// The value of `grant_type`, where the vendor has a word of its own such as `account_credentials`.
    #[serde(default)]
    pub grant_type: Option<String>,
    /// How the fields are sent; as a form when absent.
    #[serde(default)]
    pub sent_as: SentAs,
    /// Further fields, such as `audience`.
    #[serde(default)]
    pub fields: Ordered<ValueManifest>,
    /// Headers of the request for a token.
    #[serde(default)]
    pub headers: Ordered<ValueManifest>,
    /// What the vendor calls the fields, where it does not follow the RFC; `""` leaves one out.
    #[serde(default)]
    pub names: FieldNames,
    /// Where values stand in the answer.
    #[serde(default)]
    pub answer: TokenAnswer,
    /// How long a token is good when the answer does not say.
    #[serde(default)]
    pub lasts: Option<Span>,
    /// How requests carry the token, which it calls `access_token`; as a bearer token when absent.
    #[serde(default)]
    pub send: Option<Box<Auth>>,
    /// How a person gives consent on the command line: `headwater auth login`.
    #[serde(default)]
    pub consent: Option<Consent>,
    /// Where tokens are given back (RFC 7009): `headwater auth revoke`.
    #[serde(default)]
    pub revoke_url: Option<Template>,
}

/// What a token is asked for with.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The client's own name and secret.
    ClientCredentials,
    /// A refresh token: the secret setting that holds the first one, or which is optional where people log in by `consent`. One that the
    /// vendor replaces is stored before the token that came with it is used.
    RefreshToken(Words),
    /// A person's name and password. Vendors withdraw it, and it hands over the password itself.
    Password(PasswordGrant),
    /// A JSON Web Token that we sign (RFC 7523).
    JwtBearer(Box<Jwt>),
    /// The key file of a Google service account.
    ServiceAccount(Box<ServiceAccount>),
}

/// A person's name and password.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordGrant {
    /// The setting with the name.
    pub user: Words,
    /// The secret setting with the password.
    pub password: Words,
}

/// The program's own name and secret at the vendor.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The setting with the client id.
    pub id: Words,
    /// The secret setting with the client secret; absent for public clients.
    #[serde(default)]
    pub secret: Option<Words>,
    /// How both are sent; as fields when absent.
    #[serde(default)]
    pub sent_as: ClientSentAs,
    /// A signed token in place of the secret (RFC 7523 § 2.2).
    #[serde(default)]
    pub assertion: Option<Box<Jwt>>,
}

/// How the client's name and secret are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientSentAs {
    /// Beside the other fields.
    #[default]
    Fields,
    /// As user and password in the `Authorization` header.
    Basic,
}

/// How the fields of a request for a token are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SentAs {
    /// As an HTML form.
    #[default]
    Form,
    /// As a JSON object.
    Json,
    /// As query parameters of a `POST`.
    Query,
    /// As query parameters of a `GET`.
    GetQuery,
}

/// What a vendor calls the fields of a request for a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldNames {
    /// `grant_type` when absent.
    pub grant_type: String,
    /// `client_id` when absent.
    pub client_id: String,
    /// `client_secret` when absent.
    pub client_secret: String,
    /// `refresh_token` when absent.
    pub refresh_token: String,
    /// `scope` when absent.
    pub scope: String,
    /// `assertion` when absent.
    pub assertion: String,
    /// `username` when absent.
    pub user: String,
    /// `password` when absent.
    pub password: String,
}

impl Default for FieldNames {
    fn default() -> Self {
        let [grant_type, client_id, client_secret, refresh_token, scope, assertion, user, password] =
            ["grant_type", "client_id", "client_secret", "refresh_token", "scope", "assertion", "username", "password"]
                .map(str::to_owned);
        Self { grant_type, client_id, client_secret, refresh_token, scope, assertion, user, password }
    }
}

/// Where values stand in an answer with a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenAnswer {
    /// The token; `/access_token` when absent.
    pub access_token: Pointer,
    /// The next refresh token, where there is one; `/refresh_token` when absent.
    pub refresh_token: Pointer,
    /// When the token ends; seconds in `/expires_in` when absent.
    pub expires: Option<Expiry>,
    /// Further values that `send` may name.
    pub take: Ordered<Pointer>,
}

impl Default for TokenAnswer {
    fn default() -> Self {
        Self {
            access_token: Pointer::parse(ACCESS_TOKEN),
            refresh_token: Pointer::parse("refresh_token"),
            expires: None,
            take: Ordered::default(),
        }
    }
}

/// Where an answer says when its values end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// In so many seconds.
    InSeconds(Pointer),
    /// In so many milliseconds.
    InMilliseconds(Pointer),
    /// In so many minutes.
    InMinutes(Pointer),
    /// At an instant.
    At(ExpiryInstant),
}

/// An instant in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpiryInstant {
    /// Where it stands.
    pub field: Pointer,
    /// How it is written; RFC 3339 when absent.
    #[serde(default)]
    pub format: TimestampFormat,
}

/// How a person gives consent: in a browser on this machine, or on another device.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Consent {
    /// The page where a person logs in and agrees; the answer comes back to a port of this machine.
    pub authorize_url: Option<Template>,
    /// Further parameters of that page, such as `access_type: offline`.
    pub params: Ordered<ValueManifest>,
    /// The port that the vendor has on record for us; any free one when absent.
    pub redirect_port: Option<u16>,
    /// The host in the redirect URL; `127.0.0.1` when absent (RFC 8252 § 7.3), `localhost` where a vendor insists.
    pub redirect_host: Option<String>,
    /// The path in the redirect URL; `/callback` when absent.
    pub redirect_path: Option<String>,
    /// Whether the code is bound to this login by PKCE (RFC 7636); true when absent.
    pub pkce: Option<bool>,
    /// Where a code for another device is asked for (RFC 8628).
    pub device_url: Option<Template>,
}

impl OAuth2 {
    /// The names that its own requests need.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut take = |more: Vec<&str>| names.extend(more.into_iter().map(str::to_owned));
        take(self.token_url.names().collect());
        take(self.scopes.iter().flat_map(Template::names).collect());
        take(self.revoke_url.iter().flat_map(Template::names).collect());
        for (_, value) in self.fields.iter().chain(self.headers.iter()) {
            take(super::value_names(value));
        }
        if let Some(client) = &self.client {
            take(client.id.names());
            take(client.secret.iter().flat_map(Words::names).collect());
            take(client.assertion.iter().flat_map(|jwt| jwt.names()).collect());
        }
        match &self.grant {
            Grant::ClientCredentials => {}
            Grant::RefreshToken(words) => take(words.names()),
            Grant::Password(grant) => take(grant.user.names().into_iter().chain(grant.password.names()).collect()),
            Grant::JwtBearer(jwt) => take(jwt.names()),
            Grant::ServiceAccount(account) => take(account.names()),
        }
        if let Some(consent) = &self.consent {
            take(consent.authorize_url.iter().chain(&consent.device_url).flat_map(Template::names).collect());
            for (_, value) in consent.params.iter() {
                take(super::value_names(value));
            }
        }
        names
    }

    /// What `send` may name beside settings.
    pub(super) fn yields(&self) -> Vec<&str> {
        std::iter::once(ACCESS_TOKEN).chain(self.answer.take.names()).collect()
    }

    /// The URLs that it logs in at.
    pub(super) fn urls(&self) -> Vec<&Template> {
        let consent = self.consent.iter().flat_map(|consent| &consent.device_url);
        std::iter::once(&self.token_url).chain(&self.revoke_url).chain(consent).collect()
    }

    /// The value of `grant_type`.
    pub(super) fn grant_type(&self) -> &str {
        self.grant_type.as_deref().unwrap_or(match &self.grant {
            Grant::ClientCredentials => "client_credentials",
            Grant::RefreshToken(_) => "refresh_token",
            Grant::Password(_) => "password",
            Grant::JwtBearer(_) | Grant::ServiceAccount(_) => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        })
    }
}
