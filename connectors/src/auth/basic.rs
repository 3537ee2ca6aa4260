//! User and password (RFC 7617, <https://datatracker.ietf.org/doc/html/rfc7617>); many APIs take a key as the user and no password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater_contract::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Keyring, Words};
use crate::error::Fault;
use crate::transport::Prepared;

/// Settings of the `basic` variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// The setting that holds the user, secret or not, or a text such as `{email}/token`.
    pub user: Words,
    /// The secret setting that holds the password; an empty one is sent when absent.
    #[serde(default)]
    pub password: Option<Words>,
}

impl Basic {
    pub(super) fn names(&self) -> Vec<&str> {
        self.user.names().into_iter().chain(self.password.iter().flat_map(Words::names)).collect()
    }

    pub(super) fn put(&self, request: &mut Prepared, keyring: &Keyring) -> Result<(), Fault> {
        let user = keyring.need(&self.user)?;
        let password = self.password.as_ref().map(|password| keyring.text(password)).transpose()?.flatten();
        request.set_secret_header("authorization", &header(&user, password.as_ref()))
    }
}

/// The value of the `Authorization` header.
pub(super) fn header(user: &Secret, password: Option<&Secret>) -> Secret {
    let password = password.map(Secret::expose).unwrap_or_default();
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{}:{password}", user.expose()))))
}
