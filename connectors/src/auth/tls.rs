//! Client certificates (mutual TLS), and authorities of a product's own.
//!
//! A certificate proves who connects and not who sends, so it belongs to a client of its own, which goes to the connector's origin and to
//! its logins. PKCS#12 files are not read; `openssl pkcs12 -nodes` makes PEM of them.

use headwater_contract::Secret;
use reqwest::{Certificate, Identity};
use schemars::JsonSchema;
use serde::Deserialize;

use super::signing_key::unescaped;
use super::{Auth, AuthError, Keyring, Words};
use crate::error::Fault;
use crate::manifest::Settings;
use crate::transport::Transport;

/// Settings of the `tls` variant; beside another way in it stands under `all`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The secret setting with our certificate in PEM, with those above it, and with the key where `key` is absent.
    #[serde(default)]
    pub certificate: Option<Words>,
    /// The secret setting with its key in PEM.
    #[serde(default)]
    pub key: Option<Words>,
    /// The setting with the authority that signed the server's certificate, in PEM, where it is no public one.
    #[serde(default)]
    pub authority: Option<Words>,
}

impl Tls {
    pub(super) fn names(&self) -> Vec<&str> {
        [&self.certificate, &self.key, &self.authority].into_iter().flatten().flat_map(Words::names).collect()
    }

    /// The client of whatever in `auth` is chosen, where a part of it is TLS.
    pub(super) fn client(
        auth: &Auth,
        settings: &Settings,
        keyring: &Keyring,
        transport: &Transport,
    ) -> Result<Option<reqwest::Client>, Fault> {
        match auth {
            Auth::Tls(tls) => tls.build(keyring, transport).map(Some),
            Auth::Choose(choose) => Self::client(choose.chosen(settings)?, settings, keyring, transport),
            Auth::All(all) => {
                for part in all {
                    if let Some(client) = Self::client(part, settings, keyring, transport)? {
                        return Ok(Some(client));
                    }
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn build(&self, keyring: &Keyring, transport: &Transport) -> Result<reqwest::Client, Fault> {
        let bad = |words: &Words, reason: &str| AuthError::BadKey {
            name: words.names().join(", "),
            reason: reason.to_owned(),
        };
        let identity = match &self.certificate {
            None => None,
            Some(certificate) => {
                let mut pem = unescaped(&keyring.need(certificate)?).expose().to_owned();
                if let Some(key) = &self.key {
                    pem = format!("{pem}\n{}", unescaped(&keyring.need(key)?).expose());
                }
                let reason = "certificate and key do not make a client certificate in PEM";
                Some(Identity::from_pem(pem.as_bytes()).map_err(|_| bad(certificate, reason))?)
            }
        };
        let authorities = match &self.authority {
            None => Vec::new(),
            Some(authority) => {
                let pem: Secret = unescaped(&keyring.need(authority)?);
                let reason = "it is no certificate in PEM";
                Certificate::from_pem_bundle(pem.expose().as_bytes())
                    .ok()
                    .filter(|found| !found.is_empty())
                    .ok_or_else(|| bad(authority, reason))?
            }
        };
        transport.client_with(|mut builder| {
            for authority in authorities {
                builder = builder.add_root_certificate(authority);
            }
            match identity {
                Some(identity) => builder.identity(identity),
                None => builder,
            }
        })
    }
}
