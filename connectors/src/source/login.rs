//! Logging in and out of a source, for people at a command line.

use std::sync::Arc;

use super::Source;
use crate::auth::login::{self, LoggedIn, LoginWay, Tell};
use crate::auth::{AuthError, Keyring, OAuth2Client};
use crate::error::{Fault, Place, SourceError};

impl Source {
    /// The ways in which a person can log in, by the manifest's word; none where it needs no person.
    pub fn login_ways(&self) -> Vec<LoginWay> {
        let consent = self.inner.authenticators.consent().and_then(|(client, _)| client.manifest.consent.as_ref());
        let ways = consent.map(|consent| {
            let browser = consent.authorize_url.as_ref().map(|_| LoginWay::Browser);
            let device = consent.device_url.as_ref().map(|_| LoginWay::Device);
            browser.into_iter().chain(device).collect()
        });
        ways.unwrap_or_default()
    }

    /// Lets a person log in: `tell` says what to do, and the tokens go to the store of [`super::SourceOptions::tokens`].
    ///
    /// # Errors
    ///
    /// [`SourceError`] when nobody agrees in time, the vendor refuses, or the manifest knows no such way.
    pub async fn login(&self, way: LoginWay, tell: Tell<'_>) -> Result<LoggedIn, SourceError> {
        let (client, keyring) = self.consent()?;
        login::login(client, keyring, way, tell).await.map_err(|fault| self.blame_login(fault))
    }

    /// Gives the tokens of a login back at the vendor, where the manifest says how, and forgets them; false when there were none.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the vendor or the store refuses; the tokens are then still there.
    pub async fn logout(&self) -> Result<bool, SourceError> {
        let (client, keyring) = self.consent()?;
        login::revoke(client, keyring).await.map_err(|fault| self.blame_login(fault))
    }

    fn consent(&self) -> Result<(&Arc<OAuth2Client>, &Keyring), SourceError> {
        let none = || {
            let reason = format!("`{}` has no login for people in its manifest", self.inner.connector.name());
            self.blame_login(AuthError::LoginFailed { reason }.into())
        };
        self.inner.authenticators.consent().ok_or_else(none)
    }

    fn blame_login(&self, fault: Fault) -> SourceError {
        let manifest = self.inner.connector.place("http.auth");
        SourceError::new(
            Place { stream: self.inner.name.to_string(), manifest, request: None },
            self.inner.clean(fault),
        )
    }
}
