//! Logging in from the command line: a person agrees in a browser on this machine, or on any other device, and the tokens go to the store.
//!
//! Nothing of it is ever typed here: the browser's answer comes to a port of this machine (RFC 8252,
//! <https://datatracker.ietf.org/doc/html/rfc8252>), and a device is told a short code (RFC 8628).

mod browser;
mod device;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::oauth2::{Answer, Fields, OAuth2Client, seed};
use super::store::{TokenKey, Tokens};
use super::{AuthError, Keyring};
use crate::error::Fault;

/// How often somebody else may write to the store between our look and our word.
const SWAPS_MAX: usize = 1_000;

/// How a person logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginWay {
    /// In a browser on this machine, by `consent.authorize_url`.
    Browser,
    /// On another device, by `consent.device_url`: for machines without a browser.
    Device,
}

/// What a person is asked to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LoginPrompt<'a> {
    /// Open this URL in a browser of this machine.
    OpenUrl {
        /// The URL.
        url: &'a str,
    },
    /// Open this URL on any device and type the code.
    EnterCode {
        /// The URL.
        url: &'a str,
        /// The code.
        code: &'a str,
        /// The URL with the code in it, where the vendor gives one.
        complete_url: Option<&'a str>,
    },
}

/// A URL of a login names its attempt, and a code opens it, so neither belongs in a log.
impl std::fmt::Debug for LoginPrompt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OpenUrl { .. } => "open a URL",
            Self::EnterCode { .. } => "enter a code",
        })
    }
}

/// Tells a person what to do.
pub type Tell<'a> = &'a (dyn Fn(LoginPrompt<'_>) + Send + Sync);

/// What came of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// Where the tokens are in the store.
    pub key: TokenKey,
    /// What they open: the token's URL.
    pub title: String,
    /// When the first of them ends; it is renewed by then.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Lets a person log in and stores the tokens.
pub(crate) async fn login(
    client: &Arc<OAuth2Client>,
    keyring: &Keyring,
    way: LoginWay,
    tell: Tell<'_>,
) -> Result<LoggedIn, Fault> {
    let consent = client.manifest.consent.as_ref().ok_or_else(|| failed("the manifest says no way to log in"))?;
    let answer = match way {
        LoginWay::Browser => browser::login(client, consent, keyring, tell).await?,
        LoginWay::Device => device::login(client, consent, keyring, tell).await?,
    };
    store(client, keyring, answer).await
}

/// Gives tokens back at the vendor, where the manifest says how, and forgets them; false when there were none.
pub(crate) async fn revoke(client: &Arc<OAuth2Client>, keyring: &Keyring) -> Result<bool, Fault> {
    let key = client.key(keyring)?;
    let stored = client.store.load(&key).await.map_err(AuthError::from)?;
    if let (Some(stored), Some(url)) = (&stored, &client.manifest.revoke_url) {
        let url = super::login_url(url, keyring, &client.base)?;
        let held = stored.tokens.refresh_token.as_ref().or_else(|| stored.tokens.values.values().next());
        if let Some(token) = held {
            let mut fields = Fields::default();
            fields.put_secret("token", token.clone());
            let request = client.manifest.finish(fields, url, keyring, client.transport.now())?;
            client.transport.exchange(request, client.client.as_ref()).await?;
        }
    }
    Ok(client.store.remove(&key).await.map_err(AuthError::from)?)
}

async fn store(client: &Arc<OAuth2Client>, keyring: &Keyring, answer: Answer) -> Result<LoggedIn, Fault> {
    if answer.refresh_token.is_none() && answer.grant.expires_at.is_some() {
        return Err(failed("the vendor gave no refresh token; it may want another scope or parameter for one").into());
    }
    let (key, title) = (client.key(keyring)?, client.title(keyring)?);
    let expires_at = answer.grant.expires_at;
    let tokens = Tokens {
        title: title.clone(),
        values: answer.grant.values,
        expires_at,
        refresh_token: answer.refresh_token,
        refresh_token_before: None,
        // Until the settings hold another refresh token than today, this login is the newer word.
        seed: seed(client.configured(keyring)?.as_ref()),
        obtained_at: answer.grant.issued_at,
        claim: None,
    };
    // A person has just agreed, so whatever is stored is older, and whoever renews it will find these.
    for _ in 0..SWAPS_MAX {
        let version = client.store.load(&key).await.map_err(AuthError::from)?.map(|stored| stored.version);
        if client.store.swap(&key, version, tokens.clone()).await.map_err(AuthError::from)?.is_some() {
            return Ok(LoggedIn { key, title, expires_at });
        }
    }
    Err(failed("the store of tokens changes all the time").into())
}

fn failed(reason: impl Into<String>) -> AuthError {
    AuthError::LoginFailed { reason: reason.into() }
}
