//! Several tokens whose quotas add up: one is used until its quota is spent, then the next; when all are, the first to be full again is
//! waited for.
//!
//! What is left is the source's word: `http.quota` in an answer, or a refusal for too many requests. A source that counts kinds of
//! requests apart, as GitHub does its searches, has a pool for each kind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Auth, AuthError, Keyring, Signer, Words};
use crate::error::Fault;
use crate::manifest::Ordered;
use crate::transport::Transport;

/// The name under which `send` finds the token.
pub(crate) const TOKEN: &str = "token";
/// How long a token rests that was refused without a word about when.
const REST: TimeDelta = TimeDelta::seconds(60);
/// Most tokens of a source.
const TOKENS_MAX: usize = 1_000;

/// Settings of the `tokens` variant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The secret setting with the tokens, separated by commas or line breaks.
    pub from: Words,
    /// Kinds of requests that are counted apart: a name, and how the path of such a request begins after `base_url`. Of several that fit
    /// the longest counts; what fits none is a kind of its own.
    #[serde(default)]
    pub pools: Ordered<String>,
    /// How requests carry the token, which it calls `token`; as a bearer token when absent.
    #[serde(default)]
    pub send: Option<Box<Auth>>,
}

impl Tokens {
    /// The name of the pool that counts a request to `path`; empty for the one of all others.
    fn pool(&self, path: &str) -> &str {
        let fits = self.pools.iter().filter(|(_, begin)| path.starts_with(begin.as_str()));
        fits.max_by_key(|(_, begin)| begin.len()).map_or("", |(name, _)| name)
    }
}

/// The tokens, and which of them rest until when.
#[derive(Debug)]
pub(crate) struct Pool {
    manifest: Tokens,
    state: Mutex<State>,
    transport: Arc<Transport>,
    /// The path of `base_url`.
    base: String,
    pub(super) send: Signer,
}

#[derive(Debug, Default)]
struct State {
    /// By pool: the token in use.
    used: BTreeMap<String, usize>,
    /// By pool and token: until when it rests.
    rests: BTreeMap<(String, usize), DateTime<Utc>>,
}

/// Which token a request was signed with.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pool: Arc<Pool>,
    name: String,
    token: usize,
    count: usize,
}

/// What to do for a token.
enum Draw {
    Token(usize),
    Wait(usize, DateTime<Utc>),
}

impl Pool {
    pub(crate) fn new(manifest: Tokens, transport: Arc<Transport>, base: &str, send: Signer) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { manifest, state: Mutex::default(), transport, base, send }
    }

    /// A token for a request to `path`; waits for one where all rest, as long as requests are waited for at all.
    pub(super) async fn draw(self: &Arc<Self>, keyring: &Keyring, path: &str) -> Result<(Secret, Drawn), Fault> {
        let listed = keyring.need(&self.manifest.from)?;
        let tokens: Vec<&str> =
            listed.expose().split([',', '\n', '\r']).map(str::trim).filter(|token| !token.is_empty()).collect();
        let name = self.name_of(path).to_owned();
        if tokens.is_empty() || tokens.len() > TOKENS_MAX {
            let names = self.manifest.from.names().join(", ");
            let reason = format!("it holds {} tokens; 1 to {TOKENS_MAX} are separated by commas", tokens.len());
            return Err(AuthError::BadKey { name: names, reason }.into());
        }
        let now = self.transport.now();
        let token = match self.next(&name, tokens.len(), now) {
            Draw::Token(token) => token,
            Draw::Wait(token, until) => {
                let pause = (until - now).to_std().unwrap_or_default();
                if pause > self.transport.wait_max() {
                    return Err(Fault::Throttled { status: 429, retry_at: Some(until) });
                }
                self.transport.wait(pause).await;
                self.wake(&name, token);
                token
            }
        };
        let secret = Secret::new(tokens.get(token).copied().unwrap_or_default());
        Ok((secret, Drawn { pool: Arc::clone(self), name, token, count: tokens.len() }))
    }

    /// The kind of a request.
    fn name_of(&self, path: &str) -> &str {
        self.manifest.pool(path.strip_prefix(&self.base).unwrap_or(path))
    }

    /// The token in use, else the next that does not rest, else the first that will be awake.
    fn next(&self, name: &str, count: usize, now: DateTime<Utc>) -> Draw {
        let mut state = self.state();
        let first = state.used.get(name).copied().unwrap_or(0);
        let rest = |token: usize| state.rests.get(&(name.to_owned(), token)).copied().filter(|until| *until > now);
        let order = (0..count).map(|step| (first + step) % count);
        if let Some(token) = order.clone().find(|token| rest(*token).is_none()) {
            state.used.insert(name.to_owned(), token);
            return Draw::Token(token);
        }
        let soonest = order.filter_map(|token| Some((rest(token)?, token))).min();
        soonest.map_or(Draw::Token(first), |(until, token)| Draw::Wait(token, until))
    }

    fn wake(&self, name: &str, token: usize) {
        let mut state = self.state();
        state.rests.remove(&(name.to_owned(), token));
        state.used.insert(name.to_owned(), token);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drawn {
    /// Lets the token rest because its quota is spent.
    pub(super) fn spend(&self, now: DateTime<Utc>, pause: Option<Duration>) {
        let pause = pause.and_then(|pause| TimeDelta::from_std(pause).ok()).unwrap_or(REST);
        let until = now.checked_add_signed(pause).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.pool.state().rests.insert((self.name.clone(), self.token), until);
    }

    /// Whether another token can be used at once, after so many were tried for one request.
    pub(super) fn has_other(&self, now: DateTime<Utc>, tried: usize) -> bool {
        tried < self.count
            && matches!(self.pool.next(&self.name, self.count, now), Draw::Token(next) if next != self.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_names_the_pool() {
        let yaml = "{ from: list, pools: { search: /search, code: /search/code } }";
        let manifest: Tokens = crate::manifest::yaml::from_str(yaml).unwrap();
        let pools = ["/search/code", "/search/issues", "/repos"].map(|path| manifest.pool(path));
        assert_eq!(pools, ["code", "search", ""]);
    }
}
