//! Who owns the lake: its id, and the claims of ledgers on it.
//!
//! `raw/_headwater/ledger-<n>.json` is created once for each n, and the highest owns. So a runner whose ledger was replaced
//! notices at the next receipt or commit and stops, and an old copy of a ledger that comes back is refused.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::ledger::{Ledger, LedgerError};
use crate::store::{Store, StoreError};
use crate::zones::layout;

/// The version of the two objects below.
const VERSION: u32 = 1;
/// So many times a claim is tried when others claim at the same time.
const CLAIMS_MAX: u32 = 16;

/// The id of a lake, created with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeId {
    /// The version of this format.
    pub version: u32,
    /// The id.
    pub lake: Ulid,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The claim of a ledger on a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The version of this format.
    pub version: u32,
    /// The lake.
    pub lake: Ulid,
    /// Its place among the claims, from 1; the highest owns.
    pub number: u64,
    /// The ledger.
    pub ledger: Ulid,
    /// When it was made.
    pub claimed_at: DateTime<Utc>,
}

async fn read<T: DeserializeOwned>(raw: &Store, path: &str) -> Result<T, LedgerError> {
    let text = raw.get(path).await?;
    serde_json::from_slice(&text)
        .map_err(|error| LedgerError::Unreadable { path: path.to_owned(), finding: error.to_string() })
}

/// Creates the object, or reads what another created before. What the store holds is the truth, whatever the put answered.
async fn create_or_read<T: Serialize + DeserializeOwned>(raw: &Store, path: &str, value: &T) -> Result<T, LedgerError> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| LedgerError::Unreadable { path: path.to_owned(), finding: error.to_string() })?;
    let put = raw.put_new(path, Bytes::from(text)).await;
    match (read(raw, path).await, put) {
        (Err(LedgerError::Store(StoreError::NotFound { .. })), Err(refused)) => Err(refused.into()),
        (read, _) => read,
    }
}

/// The highest claim on the lake.
async fn highest(raw: &Store) -> Result<Option<Claim>, LedgerError> {
    let entries = raw.list(layout::CLAIMS).await?;
    let number = entries.iter().filter_map(|entry| layout::parse_claim_path(&entry.path)).max();
    match number {
        Some(number) => read(raw, &layout::claim_path(number)).await.map(Some),
        None => Ok(None),
    }
}

impl Ledger {
    /// The id of the lake; made when it has none.
    ///
    /// # Errors
    ///
    /// What the store said.
    pub async fn lake_id(&self, raw: &Store) -> Result<LakeId, LedgerError> {
        match read(raw, layout::LAKE).await {
            Err(LedgerError::Store(StoreError::NotFound { .. })) => {}
            other => return other,
        }
        let now = self.now();
        let fresh = LakeId { version: VERSION, lake: Ulid::from_datetime(now.into()), created_at: now };
        create_or_read(raw, layout::LAKE, &fresh).await
    }

    /// Claims a lake that no ledger owns; says so when this one owns it already.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotOwner`] when the lake belongs to another ledger.
    pub async fn claim(&self, raw: &Store) -> Result<Claim, LedgerError> {
        let lake = self.lake_id(raw).await?;
        let claim = match highest(raw).await? {
            Some(claim) => claim,
            None => create_or_read(raw, &layout::claim_path(1), &self.claim_of(lake, 1)).await?,
        };
        self.owns(raw, claim)
    }

    /// Takes the lake over from whatever ledger owns it. Only `ledger rebuild` does this, when the ledger says what the lake says.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotOwner`] when others claim at the same time and win, else what the store said.
    pub async fn take_over(&self, raw: &Store) -> Result<Claim, LedgerError> {
        let lake = self.lake_id(raw).await?;
        let mut tries = 0;
        loop {
            let before = highest(raw).await?;
            if let Some(claim) = before.filter(|claim| claim.ledger == self.id()) {
                return Ok(claim);
            }
            let number = before.map_or(1, |claim| claim.number.saturating_add(1));
            let claim = create_or_read(raw, &layout::claim_path(number), &self.claim_of(lake, number)).await?;
            tries += 1;
            if claim.ledger == self.id() || tries >= CLAIMS_MAX {
                return self.owns(raw, claim);
            }
        }
    }

    /// Claims the lake once more, above every claim that there is: what comes before a table's log restarts at its URL.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotOwner`] when the lake belongs to another ledger, before or after; else what the store said.
    pub async fn claim_next(&self, raw: &Store) -> Result<Claim, LedgerError> {
        let before = self.check_owner(raw).await?;
        let lake = self.lake_id(raw).await?;
        let number = before.number.saturating_add(1);
        let claim = create_or_read(raw, &layout::claim_path(number), &self.claim_of(lake, number)).await?;
        self.owns(raw, claim)
    }

    /// Fails when the lake belongs to another ledger. Asked before each receipt and each commit; claims a lake of nobody.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotOwner`], else what the store said.
    pub async fn check_owner(&self, raw: &Store) -> Result<Claim, LedgerError> {
        match highest(raw).await? {
            Some(claim) => self.owns(raw, claim),
            None => self.claim(raw).await,
        }
    }

    fn claim_of(&self, lake: LakeId, number: u64) -> Claim {
        Claim { version: VERSION, lake: lake.lake, number, ledger: self.id(), claimed_at: self.now() }
    }

    fn owns(&self, raw: &Store, claim: Claim) -> Result<Claim, LedgerError> {
        if claim.ledger == self.id() {
            return Ok(claim);
        }
        Err(LedgerError::NotOwner {
            lake: raw.url().to_string(),
            number: claim.number,
            owner: claim.ledger.to_string(),
            ledger: self.id().to_string(),
        })
    }
}
