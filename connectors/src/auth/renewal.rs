//! Values that end, and their renewal: tokens of OAuth, of a session, or signed by ourselves.
//!
//! Whoever comes first renews and the others wait for it, so a thousand windows that start together log in once. A value that the source
//! refuses before its time is dropped only by those who used that very value.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Digest16, Secret};

use super::{Jwt, Keyring, OAuth2Client, SessionLogin, Signer};
use crate::error::Fault;
use crate::slicing::SLICES_MAX;
use crate::transport::Transport;

/// Values are renewed this long before they end, or a tenth of their life where that is less.
const MARGIN: TimeDelta = TimeDelta::seconds(60);

/// Values that were issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) values: BTreeMap<String, Secret>,
    pub(crate) issued_at: DateTime<Utc>,
    /// When they end, where that is known.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl Grant {
    /// Whether it can be used at `now` and for a moment longer.
    pub(crate) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| {
            let margin = MARGIN.min((end - self.issued_at) / 10).max(TimeDelta::zero());
            now < end - margin
        })
    }
}

/// Who issues values.
#[derive(Debug)]
pub(crate) enum Issuer {
    OAuth2(Arc<OAuth2Client>),
    Jwt(Box<Jwt>),
    Session(Box<SessionLogin>),
}

impl Issuer {
    async fn issue(
        &self,
        transport: &Transport,
        keyring: &Keyring,
        refused: Option<&BTreeMap<String, Secret>>,
    ) -> Result<Grant, Fault> {
        match self {
            Self::OAuth2(client) => OAuth2Client::issue(client, keyring, refused).await,
            Self::Jwt(jwt) => Ok(jwt.issue(keyring, transport.now())?),
            Self::Session(login) => login.issue(keyring).await,
        }
    }
}

/// Renews values and signs with them.
#[derive(Debug)]
pub(crate) struct Renewal {
    issuer: Issuer,
    /// Names from outside the settings that values depend on, such as a slice's.
    outside: Vec<String>,
    slots: Mutex<BTreeMap<BTreeMap<String, Digest16>, Arc<Slot>>>,
    transport: Arc<Transport>,
    pub(super) send: Signer,
}

/// The values of one slice.
#[derive(Debug, Default)]
pub(crate) struct Slot(tokio::sync::Mutex<State>);

#[derive(Debug, Default)]
struct State {
    grant: Option<Grant>,
    /// How many grants there were.
    number: u64,
    /// The values that the source refused last.
    refused: Option<BTreeMap<String, Secret>>,
}

/// Which values a request was signed with.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    slot: Arc<Slot>,
    number: u64,
}

impl Stamp {
    /// Drops the values, unless they were renewed since.
    pub(crate) async fn refuse(&self) {
        let mut state = self.slot.0.lock().await;
        if state.number == self.number
            && let Some(grant) = state.grant.take()
        {
            state.refused = Some(grant.values);
        }
    }
}

impl Renewal {
    pub(crate) fn new(issuer: Issuer, outside: Vec<String>, transport: Arc<Transport>, send: Signer) -> Self {
        Self { issuer, outside, slots: Mutex::default(), transport, send }
    }

    /// The client of a login for people.
    pub(super) fn consent(&self) -> Option<&Arc<OAuth2Client>> {
        match &self.issuer {
            Issuer::OAuth2(client) => client.manifest.consent.is_some().then_some(client),
            Issuer::Jwt(_) | Issuer::Session(_) => None,
        }
    }

    /// The values to sign with, renewed where they end soon.
    pub(crate) async fn values(&self, keyring: &Keyring) -> Result<(BTreeMap<String, Secret>, Stamp), Fault> {
        let slot = self.slot(keyring.marks(&self.outside));
        let mut state = slot.0.lock().await;
        let now = self.transport.now();
        if let Some(grant) = state.grant.as_ref().filter(|grant| grant.is_fresh(now)) {
            return Ok((grant.values.clone(), Stamp { slot: Arc::clone(&slot), number: state.number }));
        }
        let grant = self.issuer.issue(&self.transport, keyring, state.refused.as_ref()).await?;
        let values = grant.values.clone();
        self.transport.learn(&values.values().cloned().collect::<Vec<_>>());
        state.number += 1;
        state.grant = Some(grant);
        Ok((values, Stamp { slot: Arc::clone(&slot), number: state.number }))
    }

    fn slot(&self, marks: BTreeMap<String, Digest16>) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SLICES_MAX && !slots.contains_key(&marks) {
            // Whoever holds one of them keeps it; the others log in again.
            slots.clear();
        }
        Arc::clone(slots.entry(marks).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_renewed_a_minute_or_a_tenth_of_its_life_before_its_end() {
        let issued_at: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().unwrap();
        let fresh = |life: i64, age: i64| {
            let expires_at = Some(issued_at + TimeDelta::seconds(life));
            let grant = Grant { values: BTreeMap::new(), issued_at, expires_at };
            grant.is_fresh(issued_at + TimeDelta::seconds(age))
        };
        for (life, age, is_fresh) in
            [(3600, 3539, true), (3600, 3540, false), (100, 89, true), (100, 90, false), (0, 0, false), (-5, 0, false)]
        {
            assert_eq!(fresh(life, age), is_fresh, "{life} {age}");
        }
        assert!(
            Grant { values: BTreeMap::new(), issued_at, expires_at: None }.is_fresh(issued_at + TimeDelta::days(9))
        );
    }
}
