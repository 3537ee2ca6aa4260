//! Warns of keys that two windows of an events or restating stream hold: its rows move, so its kind is wrong.
//!
//! What was found is kept in the ledger, so that `status` and later runs go on saying it until the windows or the kind change.

use std::collections::BTreeSet;

use headwater_contract::{StreamContract, Window};
use headwater_lake::Lake;
use headwater_lake::cleanse::shared_keys;
use headwater_lake::ledger::{Lease, Ledger};

use crate::run::error::RunError;

/// Looks at the windows that were committed, and at those that shared keys before. Returns the warning, if there is one.
///
/// # Errors
///
/// [`RunError`] when the table or the ledger cannot be used.
pub(crate) async fn look_for_shared_keys(
    lake: &Lake,
    contract: &StreamContract,
    lease: &Lease,
    committed: &BTreeSet<Window>,
) -> Result<Option<String>, RunError> {
    if !committed.is_empty() {
        let digest = contract.digest();
        let (keys, known) = lake.ledger.shared_keys(&contract.name, digest).await?;
        let windows: BTreeSet<Window> = committed.union(&known).cloned().collect();
        let found = shared_keys(lake, contract, &windows).await?;
        if (found.keys, &found.windows) != (keys, &known) {
            lake.ledger.share_keys(lease, &contract.name, digest, found.keys, &found.windows).await?;
        }
    }
    known_shared_keys(&lake.ledger, contract).await
}

/// The warning of what was found by earlier runs, if anything was.
///
/// # Errors
///
/// [`RunError`] when the ledger cannot be read.
pub(crate) async fn known_shared_keys(ledger: &Ledger, contract: &StreamContract) -> Result<Option<String>, RunError> {
    let (keys, windows) = ledger.shared_keys(&contract.name, contract.digest()).await?;
    let named: Vec<String> = windows.iter().take(2).map(ToString::to_string).collect();
    let held = if keys == 1 { "1 key is".to_owned() } else { format!("{keys} keys are") };
    Ok((keys > 0).then(|| {
        format!(
            "{held} held by more than one window, such as {}: rows of this stream move, so `kind: {}` shows them twice; \
             `kind: mutable` shows each once",
            named.join(" and "),
            contract.kind
        )
    }))
}
