//! Keeps persons who were erased out of later readings of a source that still shows them.
//!
//! Which reading shows one is known when it is over, so of a stream that has lost somebody both forms are written: bodies as sent,
//! and records alone. The reading keeps the first when nobody was found, and the second when somebody was.

use bytes::Bytes;
use headwater_contract::{Exchange, Records, StreamContract, Window};
use ulid::Ulid;

use super::error::AttemptError;
use crate::Lake;
use crate::erasure::{Matcher, erased};
use crate::raw::{PartFile, RecordParts};

/// Leaves the records of erased persons out of a reading.
#[derive(Debug)]
pub(crate) struct Guard {
    matcher: Matcher,
    parts: RecordParts,
    removed: u64,
}

impl Guard {
    /// The guard of a stream; `None` when nobody was erased from it.
    pub(crate) async fn of(
        lake: &Lake,
        contract: &StreamContract,
        window: &Window,
        generation: u64,
        attempt: Ulid,
    ) -> Result<Option<Self>, AttemptError> {
        let Some(matcher) = erased(lake, contract).await.map_err(Box::new)? else { return Ok(None) };
        let raw = &lake.zones.raw;
        let parts = RecordParts::new(raw, &contract.name, window, generation, attempt, lake.limits.part_bytes);
        Ok(Some(Self { matcher, parts, removed: 0 }))
    }

    /// Takes the head of an answer.
    pub(crate) fn exchange(&mut self, exchange: &Exchange) {
        let matcher = &self.matcher;
        self.parts.exchange(exchange, &|segment| matcher.names(segment));
    }

    /// The records that are not an erased person's.
    pub(crate) async fn sift(&mut self, records: Records) -> Result<Vec<Records>, AttemptError> {
        let (kept, gone): (Vec<Records>, Vec<Bytes>) = self.matcher.sift(records)?;
        self.removed += gone.len() as u64;
        for run in &kept {
            self.parts.records(run).await?;
        }
        Ok(kept)
    }

    /// Which parts the reading keeps: `bodies`, unless a record was left out of them. The others are deleted.
    pub(crate) async fn choose(self, lake: &Lake, bodies: Vec<PartFile>) -> Result<Vec<PartFile>, AttemptError> {
        let records = self.parts.finish().await?;
        let (kept, needless) = if self.removed > 0 { (records, bodies) } else { (bodies, records) };
        for part in needless {
            // No receipt names it; what cannot be deleted now is left to the cleaner.
            drop(lake.zones.raw.delete(&part.path).await);
        }
        Ok(kept)
    }
}
