//! One body of a reading, live or replayed: numbers its chunks and says which chunks a batch of records came from.

use bytes::Bytes;
use headwater_contract::{Chunk, Records};

use super::{DecodeError, Decoder, Ended};

/// Turns the chunks of one body into batches of records.
#[derive(Debug)]
pub struct BodyReader {
    decoder: Decoder,
    request: u32,
    chunks: u32,
    records: u64,
    /// The chunk in which the unfinished record began, while there is one.
    open_since: Option<u32>,
}

impl BodyReader {
    /// A reader for the body that answers `request`.
    pub fn new(request: u32, decoder: Decoder) -> Self {
        Self { decoder, request, chunks: 0, records: 0, open_since: None }
    }

    /// The request that it answers.
    pub fn request(&self) -> u32 {
        self.request
    }

    /// Numbers the next bytes, and returns the records that end in them.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as soon as the body cannot be what the manifest says.
    pub fn push(&mut self, body: Bytes) -> Result<(Chunk, Option<Records>), DecodeError> {
        let ordinal = self.chunks;
        self.chunks += 1;
        let texts = self.decoder.push(&body)?;
        let first = self.open_since.unwrap_or(ordinal);
        let has_ended_one = !texts.is_empty();
        self.open_since = match (self.decoder.is_within_record(), self.open_since) {
            (false, _) => None,
            (true, Some(since)) if !has_ended_one => Some(since),
            (true, _) => Some(ordinal),
        };
        let before = self.records;
        self.records += texts.len() as u64;
        let records = batch(self.request, (first, ordinal), before, texts);
        Ok((Chunk { request: self.request, ordinal, body }, records))
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the body is not whole.
    pub fn finish(self) -> Result<Ended<Option<Records>>, DecodeError> {
        let ordinal = self.chunks.saturating_sub(1);
        let first = self.open_since.unwrap_or(ordinal);
        let Ended { records, facts, found } = self.decoder.finish()?;
        Ok(Ended { records: batch(self.request, (first, ordinal), self.records, records), facts, found })
    }
}

fn batch(request: u32, chunks: (u32, u32), before: u64, texts: Vec<Bytes>) -> Option<Records> {
    // 2^32 records of one request would take more than the 16 GiB that a body may have.
    let first_ordinal = u32::try_from(before).unwrap_or(u32::MAX);
    (!texts.is_empty()).then_some(Records { request, chunks, first_ordinal, texts })
}
