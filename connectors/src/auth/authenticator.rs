//! The credentials of a source's streams, and the caller on whose behalf one request is sent.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use headwater_contract::SourceName;
use url::Url;

use super::renewal::Stamp;
use super::tokens::Drawn;
use super::{Auth, Keyring, OAuth2Client, Signer, Tls, TokenStore};
use crate::error::Fault;
use crate::expression::{Scalar, Scope};
use crate::manifest::{Manifest, Settings};
use crate::transport::{Prepared, Transport};

/// What credentials are built from.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) settings: &'a Settings,
    pub(crate) source: &'a SourceName,
    pub(crate) base: &'a Url,
    pub(crate) store: &'a Arc<dyn TokenStore>,
    pub(crate) transport: &'a Arc<Transport>,
    /// Names that those around this one yield when a request is signed.
    pub(crate) yielded: Vec<String>,
    /// The client with our certificate, where there is one.
    pub(crate) client: Option<reqwest::Client>,
}

impl Surroundings<'_> {
    /// The same for what stands within `auth`.
    pub(super) fn within(&self, auth: &Auth) -> Self {
        let mut inner = self.clone();
        inner.yielded.extend(auth.yields().into_iter().map(str::to_owned));
        inner
    }

    /// Whether the name is a setting that was not given.
    pub(super) fn is_absent(&self, name: &str) -> bool {
        let is_given = self.settings.plain.contains_key(name) || self.settings.secrets.contains_key(name);
        let is_setting = self.manifest.settings.get(name).is_some();
        is_setting && !is_given && !self.yielded.iter().any(|yielded| yielded == name)
    }

    /// The names of `auth` that are no settings: a slice's, or what is yielded around it.
    pub(super) fn outside(&self, auth: &Auth) -> Vec<String> {
        auth.names().into_iter().filter(|name| self.manifest.settings.get(name).is_none()).collect()
    }
}

/// One credential of a source.
#[derive(Debug)]
pub(crate) struct Authenticator {
    signer: Signer,
    keyring: Keyring,
    client: Option<reqwest::Client>,
    transport: Arc<Transport>,
    outside: BTreeSet<String>,
}

impl Authenticator {
    fn now(&self) -> DateTime<Utc> {
        self.transport.now()
    }
}

/// The credentials of a source's streams. Streams with the same one share its tokens.
#[derive(Debug)]
pub(crate) struct Authenticators(Vec<(Auth, Arc<Authenticator>)>);

impl Authenticators {
    /// Builds the credential of `http` and those of streams.
    pub(crate) fn build(auths: &[&Auth], around: &Surroundings<'_>) -> Result<Self, Fault> {
        let mut built: Vec<(Auth, Arc<Authenticator>)> = Vec::new();
        for auth in auths {
            if built.iter().any(|(known, _)| known == *auth) {
                continue;
            }
            let keyring = Keyring::of(around.settings);
            let client = Tls::client(auth, around.settings, &keyring, around.transport)?;
            let around = &Surroundings { client: client.clone(), ..around.clone() };
            let authenticator = Authenticator {
                signer: Signer::build(auth, around, false)?,
                keyring,
                client,
                transport: Arc::clone(around.transport),
                outside: around.outside(auth).into_iter().collect(),
            };
            built.push(((*auth).clone(), Arc::new(authenticator)));
        }
        Ok(Self(built))
    }

    /// The login for people, where there is one, with what it may name.
    pub(crate) fn consent(&self) -> Option<(&Arc<OAuth2Client>, &Keyring)> {
        self.0.iter().find_map(|(_, authenticator)| Some((authenticator.signer.consent()?, &authenticator.keyring)))
    }

    /// The caller of a request under `auth`, with the names of its slice in `scope`.
    pub(crate) fn caller(&self, auth: &Auth, scope: &Scope) -> Result<Caller, Fault> {
        let (_, authenticator) = self
            .0
            .iter()
            .find(|(known, _)| known == auth)
            .ok_or_else(|| Fault::Internal { facts: format!("the credential `{}` was not built", auth.name()) })?;
        let is_needed = |name: &String| authenticator.outside.contains(name);
        let names = scope.iter().filter(|(name, _)| is_needed(name)).map(|(name, value)| (name.clone(), value.clone()));
        Ok(Caller { authenticator: Arc::clone(authenticator), names: names.collect(), state: Arc::default() })
    }
}

/// On whose behalf one request is sent, and what it was signed with.
#[derive(Clone)]
pub(crate) struct Caller {
    authenticator: Arc<Authenticator>,
    /// The slice's names that the credential depends on.
    names: Scope,
    state: Arc<Mutex<State>>,
}

/// What one request was signed with, and the chances that it still has with another credential.
#[derive(Debug, Default)]
struct State {
    signed: Signed,
    has_renewed: bool,
    /// Tokens of a list that were refused for too many requests.
    tried: usize,
}

/// What a request was signed with, for what its answer says of that.
#[derive(Clone, Debug, Default)]
pub(super) struct Signed {
    pub(super) stamps: Vec<Stamp>,
    pub(super) drawn: Option<Drawn>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Caller {
    /// Puts the credential on a request of which everything else stands.
    pub(crate) async fn sign(&self, request: &mut Prepared) -> Result<(), Fault> {
        let mut keyring = self.authenticator.keyring.clone();
        for (name, value) in &self.names {
            keyring.put_plain(name, value.clone());
        }
        let now = self.authenticator.now().format("%Y-%m-%dT%H:%M:%S%.fZ").to_string();
        keyring.put_plain(super::words::NOW, Scalar::Text(now));
        let mut signed = Signed::default();
        self.authenticator.signer.sign(request, &keyring, &mut signed).await?;
        self.state().signed = signed;
        Ok(())
    }

    /// The client with this caller's certificate, where it has one.
    pub(crate) fn client(&self) -> Option<&reqwest::Client> {
        self.authenticator.client.as_ref()
    }

    /// Whether a request that failed is worth sending again, because another credential will be put on it.
    pub(crate) async fn recovers(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Unauthorized { .. } => self.renews().await,
            Fault::Throttled { retry_at, .. } => {
                let (drawn, tried) = {
                    let mut state = self.state();
                    state.tried += 1;
                    (state.signed.drawn.clone(), state.tried)
                };
                let now = self.authenticator.now();
                drawn.is_some_and(|drawn| {
                    drawn.spend(now, retry_at.and_then(|at| (at - now).to_std().ok()));
                    drawn.has_other(now, tried)
                })
            }
            _ => false,
        }
    }

    /// Drops what the request was signed with, once, so that it is renewed; false when there is nothing to renew or that was done.
    pub(crate) async fn renews(&self) -> bool {
        let stamps = {
            let mut state = self.state();
            if state.has_renewed || state.signed.stamps.is_empty() {
                return false;
            }
            state.has_renewed = true;
            state.signed.stamps.clone()
        };
        for stamp in stamps {
            stamp.refuse().await;
        }
        true
    }

    /// Takes note that the quota of what the request was signed with is spent; whether the others of the source can go on.
    pub(crate) fn spends(&self, now: DateTime<Utc>, pause: Duration) -> bool {
        let drawn = self.state().signed.drawn.clone();
        drawn.map(|drawn| drawn.spend(now, Some(pause))).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
