//! User and password (RFC 7617, <https://datatracker.ietf.org/doc/html/rfc7617>); many APIs take a key as the user and no password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater_contract::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Credential;
use crate::manifest::Settings;

/// Settings of the `basic` variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// The setting that holds the user, secret or not.
    pub user: String,
    /// The secret setting that holds the password; an empty one is sent when absent.
    #[serde(default)]
    pub password: Option<String>,
}

impl Basic {
    pub(super) fn settings(&self) -> Vec<&str> {
        std::iter::once(self.user.as_str()).chain(self.password.as_deref()).collect()
    }

    pub(super) fn credential(&self, settings: &Settings) -> Credential {
        let value = |name: &str| {
            let secret = settings.secrets.get(name).map(|secret| secret.expose().to_owned());
            secret.or_else(|| settings.plain.get(name).map(ToString::to_string))
        };
        let Some(user) = value(&self.user) else { return Credential::default() };
        let password = self.password.as_deref().and_then(value).unwrap_or_default();
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        Credential { header: Some(("authorization".to_owned(), Secret::new(format!("Basic {encoded}")))), query: None }
    }
}
