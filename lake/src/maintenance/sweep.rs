//! Deletes files one store at a time, and counts them.

use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use crate::Lake;
use crate::maintenance::MaintenanceError;
use crate::steps::Step;
use crate::store::{Entry, Store};

/// Deletions that are on their way at once.
const DELETES_AT_ONCE: usize = 8;

/// Files that were deleted, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Swept {
    /// Whether there was nothing to delete.
    pub fn is_nothing(&self) -> bool {
        self.files == 0
    }

    /// Counts `other` in.
    pub fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
    }

    /// Counts files that would be deleted.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        Self { files: entries.len() as u64, bytes: entries.iter().map(|entry| entry.size).sum() }
    }
}

/// Deletes `entries` of a store. The first one goes alone, so that a test can stop in the middle.
pub(crate) async fn sweep(
    lake: &Lake,
    store: &Store,
    entries: &[Entry],
    step: Step,
) -> Result<Swept, MaintenanceError> {
    let Some((first, rest)) = entries.split_first() else { return Ok(Swept::default()) };
    store.delete(&first.path).await?;
    lake.steps.reached(step).await;
    let deletes = rest.iter().map(|entry| store.delete(&entry.path));
    futures::stream::iter(deletes).buffer_unordered(DELETES_AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(Swept::of(entries))
}
