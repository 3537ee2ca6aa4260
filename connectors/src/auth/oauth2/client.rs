//! Asks for tokens, and keeps refresh tokens that rotate.
//!
//! A refresh token that is good for one use makes the order of things matter: first the right to renew is taken, in the store, so that no
//! other process asks; then the token is asked for, on a task of its own, so that a reading that is dropped does not lose the answer;
//! then it is stored; only then is it used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Digest16, Secret, SourceName};
use url::Url;

use super::token_request::Fields;
use super::{Answer, Grant, OAuth2};
use crate::auth::encoding::nonce;
use crate::auth::renewal::Grant as Values;
use crate::auth::store::{Claim, Stored, TokenKey, TokenStore, Tokens};
use crate::auth::{AuthError, Keyring, login_url};
use crate::error::Fault;
use crate::transport::{Prepared, Transport};

/// How long the right to renew lasts when its holder dies.
const CLAIM: Duration = Duration::from_mins(1);
/// How long a token is asked for: well within the claim.
const ASK_MAX: Duration = Duration::from_secs(45);
/// How often the store is looked at while another process renews.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often others may be first before we give up.
const ROUNDS_MAX: usize = 1_000;

/// One `oauth2` block of one source.
#[derive(Debug)]
pub(crate) struct OAuth2Client {
    pub(crate) manifest: OAuth2,
    pub(crate) source: SourceName,
    pub(crate) base: Url,
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) transport: Arc<Transport>,
    /// Names from outside the settings.
    pub(crate) outside: Vec<String>,
    /// The client with our certificate, where there is one.
    pub(crate) client: Option<reqwest::Client>,
}

impl OAuth2Client {
    /// Issues a token that is not among the `refused`.
    pub(crate) async fn issue(
        client: &Arc<Self>,
        keyring: &Keyring,
        refused: Option<&BTreeMap<String, Secret>>,
    ) -> Result<Values, Fault> {
        if !matches!(client.manifest.grant, Grant::RefreshToken(_)) {
            return Ok(client.ask(keyring, None).await?.grant);
        }
        let (own, keyring, refused) = (Arc::clone(client), keyring.clone(), refused.cloned());
        let renewal = tokio::spawn(async move { own.renew(&keyring, refused.as_ref()).await });
        renewal.await.map_err(|error| Fault::Internal { facts: format!("a renewal ended early: {error}") })?
    }

    /// Whose tokens these are in the store.
    pub(crate) fn key(&self, keyring: &Keyring) -> Result<TokenKey, Fault> {
        let url = login_url(&self.manifest.token_url, keyring, &self.base)?;
        let id = match &self.manifest.client {
            Some(client) => keyring.need(&client.id)?,
            None => Secret::new(""),
        };
        let marks = keyring.marks(&self.outside);
        let marks = marks.iter().flat_map(|(name, value)| [name.as_bytes(), &value.0[..]]);
        let parts = [url.as_str().as_bytes(), id.expose().as_bytes()].into_iter().chain(marks);
        Ok(TokenKey { source: self.source.clone(), credential: Digest16::of_parts(parts) })
    }

    /// What the tokens open, for people.
    pub(crate) fn title(&self, keyring: &Keyring) -> Result<String, Fault> {
        let url = login_url(&self.manifest.token_url, keyring, &self.base)?;
        let slice = keyring.printable(&self.outside);
        let place = self.transport.redact(&format!("{}{}", url.origin().ascii_serialization(), url.path()));
        Ok(if slice.is_empty() { place } else { format!("{place} for {}", slice.join(", ")) })
    }

    /// The refresh token of the settings.
    pub(crate) fn configured(&self, keyring: &Keyring) -> Result<Option<Secret>, Fault> {
        match &self.manifest.grant {
            Grant::RefreshToken(words) => keyring.text(words),
            _ => Ok(None),
        }
    }

    async fn ask(&self, keyring: &Keyring, refresh_token: Option<&Secret>) -> Result<Answer, Fault> {
        let url = login_url(&self.manifest.token_url, keyring, &self.base)?;
        let request = self.manifest.token_request(url, keyring, refresh_token, self.transport.now())?;
        self.send(request).await
    }

    /// Exchanges what a login brought for tokens.
    pub(crate) async fn exchange(&self, fields: Fields, keyring: &Keyring) -> Result<Answer, Fault> {
        let url = login_url(&self.manifest.token_url, keyring, &self.base)?;
        self.send(self.manifest.finish(fields, url, keyring, self.transport.now())?).await
    }

    async fn send(&self, request: Prepared) -> Result<Answer, Fault> {
        let at = self.transport.redact(&request.place());
        let reply = self.transport.exchange(request, self.client.as_ref()).await?;
        let answer = self.manifest.answer.read(&at, &reply.body, self.transport.now(), self.manifest.lasts)?;
        self.transport.learn(&answer.secrets());
        Ok(answer)
    }

    /// A token by refresh token: the stored one where it is good, else a new one that is stored first.
    async fn renew(&self, keyring: &Keyring, refused: Option<&BTreeMap<String, Secret>>) -> Result<Values, Fault> {
        let configured = self.configured(keyring)?;
        let seed = seed(configured.as_ref());
        let key = self.key(keyring)?;
        let holder = nonce()?;
        let mut waited = Duration::ZERO;
        for _ in 0..ROUNDS_MAX {
            let stored = self.store.load(&key).await.map_err(AuthError::from)?;
            let version = stored.as_ref().map(|stored| stored.version);
            let (known, claim) = split(stored, seed);
            let now = self.transport.now();
            if let Some(grant) = known.as_ref().and_then(|tokens| usable(tokens, refused, now)) {
                self.transport.learn(&secrets(known.as_ref()));
                return Ok(grant);
            }
            if claim.is_some_and(|claim| now < claim.until) && waited < CLAIM {
                self.transport.wait(LOOK_EVERY).await;
                waited += LOOK_EVERY;
                continue;
            }
            let refresh_tokens = candidates(known.as_ref(), configured.as_ref());
            if refresh_tokens.is_empty() {
                return Err(self.not_logged_in().into());
            }
            let claim = Claim { holder: holder.clone(), until: now + TimeDelta::from_std(CLAIM).unwrap_or_default() };
            let before = known.unwrap_or_else(|| empty(seed, now));
            let claimed = Tokens { title: self.title(keyring)?, claim: Some(claim), ..before.clone() };
            let Some(mine) = self.store.swap(&key, version, claimed).await.map_err(AuthError::from)? else { continue };
            return self.renew_claimed(keyring, &key, mine, before, &refresh_tokens).await;
        }
        Err(self.busy().into())
    }

    /// Asks for the next token while the right to do so is ours, and stores it before anybody uses it.
    async fn renew_claimed(
        &self,
        keyring: &Keyring,
        key: &TokenKey,
        version: u64,
        before: Tokens,
        refresh_tokens: &[Secret],
    ) -> Result<Values, Fault> {
        let title = self.title(keyring)?;
        let (answer, used) = match self.ask_any(keyring, refresh_tokens).await {
            Ok(answer) => answer,
            Err(fault) => {
                // The right goes back; where somebody has taken it over meanwhile, it is theirs.
                let free = Tokens { title, claim: None, ..before };
                self.store.swap(key, Some(version), free).await.map_err(AuthError::from)?;
                return Err(fault);
            }
        };
        let next = answer.refresh_token.clone().unwrap_or_else(|| used.clone());
        let tokens = Tokens {
            title,
            values: answer.grant.values.clone(),
            expires_at: answer.grant.expires_at,
            refresh_token_before: if next == used { before.refresh_token_before.clone() } else { Some(used) },
            refresh_token: Some(next),
            seed: before.seed,
            obtained_at: answer.grant.issued_at,
            claim: None,
        };
        self.store_over(key, version, &before, tokens).await?;
        Ok(answer.grant)
    }

    /// Stores new tokens. A right that was taken over while we asked is written over, unless its new holder has stored newer ones.
    async fn store_over(&self, key: &TokenKey, version: u64, before: &Tokens, tokens: Tokens) -> Result<(), Fault> {
        let mut expected = Some(version);
        for _ in 0..ROUNDS_MAX {
            if self.store.swap(key, expected, tokens.clone()).await.map_err(AuthError::from)?.is_some() {
                return Ok(());
            }
            let stored = self.store.load(key).await.map_err(AuthError::from)?;
            if stored.as_ref().is_some_and(|stored| stored.tokens.refresh_token != before.refresh_token) {
                return Ok(());
            }
            expected = stored.map(|stored| stored.version);
        }
        Err(self.busy().into())
    }

    /// Asks with the newest refresh token; with the one before it when that is refused, because its answer may have been lost on the way.
    async fn ask_any(&self, keyring: &Keyring, refresh_tokens: &[Secret]) -> Result<(Answer, Secret), Fault> {
        let mut refusal = None;
        for token in refresh_tokens {
            self.transport.learn(std::slice::from_ref(token));
            let asked = tokio::time::timeout(ASK_MAX, self.ask(keyring, Some(token))).await;
            match asked {
                Ok(Ok(answer)) => return Ok((answer, token.clone())),
                Ok(Err(Fault::Auth(error @ AuthError::Expired { .. }))) => {
                    refusal.get_or_insert(Fault::from(error));
                }
                Ok(Err(fault)) => return Err(fault),
                Err(_) => {
                    let url = login_url(&self.manifest.token_url, keyring, &self.base)?;
                    return Err(Fault::Unreachable {
                        origin: url.origin().ascii_serialization(),
                        reason: "no token in time".to_owned(),
                        timed_out: true,
                    });
                }
            }
        }
        Err(refusal.unwrap_or_else(|| self.not_logged_in().into()))
    }

    fn not_logged_in(&self) -> AuthError {
        let setting = match &self.manifest.grant {
            Grant::RefreshToken(words) => words.names().join(", "),
            _ => String::new(),
        };
        let way = if self.manifest.consent.is_some() { "nobody has logged in, and " } else { "" };
        AuthError::NotLoggedIn { wants: format!("{way}setting `{setting}` holds no refresh token") }
    }

    fn busy(&self) -> AuthError {
        AuthError::Busy { source_name: self.source.to_string(), seconds: CLAIM.as_secs() }
    }
}

impl Answer {
    /// What must not be printed of it.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        self.grant.values.values().chain(&self.refresh_token).cloned().collect()
    }
}

/// Tells the refresh tokens of the settings apart without keeping them.
pub(crate) fn seed(configured: Option<&Secret>) -> Option<Digest16> {
    configured.map(|token| Digest16::of(token.expose().as_bytes()))
}

/// What is stored: the tokens, where they descend from what the settings hold now, and who renews them.
fn split(stored: Option<Stored>, seed: Option<Digest16>) -> (Option<Tokens>, Option<Claim>) {
    let Some(stored) = stored else { return (None, None) };
    let claim = stored.tokens.claim.clone();
    (Some(stored.tokens).filter(|tokens| tokens.seed == seed), claim)
}

fn usable(tokens: &Tokens, refused: Option<&BTreeMap<String, Secret>>, now: DateTime<Utc>) -> Option<Values> {
    let values = Values { values: tokens.values.clone(), issued_at: tokens.obtained_at, expires_at: tokens.expires_at };
    (!values.values.is_empty() && refused != Some(&values.values) && values.is_fresh(now)).then_some(values)
}

fn secrets(tokens: Option<&Tokens>) -> Vec<Secret> {
    tokens.into_iter().flat_map(|tokens| tokens.values.values().chain(&tokens.refresh_token)).cloned().collect()
}

/// The refresh tokens worth trying, the newest first.
fn candidates(known: Option<&Tokens>, configured: Option<&Secret>) -> Vec<Secret> {
    let stored = known.and_then(|tokens| tokens.refresh_token.as_ref());
    let before = known.and_then(|tokens| tokens.refresh_token_before.as_ref());
    match stored {
        Some(stored) => std::iter::once(stored).chain(before).cloned().collect(),
        None => configured.cloned().into_iter().collect(),
    }
}

fn empty(seed: Option<Digest16>, now: DateTime<Utc>) -> Tokens {
    Tokens {
        title: String::new(),
        values: BTreeMap::new(),
        expires_at: None,
        refresh_token: None,
        refresh_token_before: None,
        seed,
        obtained_at: now,
        claim: None,
    }
}
