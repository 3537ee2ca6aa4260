//! One body of a reading, live or replayed: numbers its chunks and says which chunks a batch of records came from.

use bytes::Bytes;
use headwater_contract::{Chunk, Records};

use super::{DecodeError, Decoder, Ended};

/// Bytes of records, and of what tells where they lie, that are kept of a body which is decoded as a whole; beyond them it is decoded a
/// second time.
const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;

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

/// A body that was decoded to its end before anybody saw a record of it.
#[derive(Debug)]
pub struct WholeBody {
    /// Its only chunk.
    pub chunk: Chunk,
    /// Its records; nothing when they are too large to keep, so that the body must be decoded once more to pass them on.
    pub batches: Option<Vec<Records>>,
    /// What it said.
    pub ended: Ended<()>,
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

    /// Numbers the next bytes, after [`BodyReader::next`] has given all records of those before.
    pub fn push(&mut self, body: Bytes) -> Chunk {
        let ordinal = self.chunks;
        self.chunks += 1;
        self.decoder.feed(body.clone());
        Chunk { request: self.request, ordinal, body }
    }

    /// Says that no bytes follow; [`BodyReader::next`] then gives the records that only the end completes.
    pub fn end(&mut self) {
        self.decoder.end();
    }

    /// The next records of the bytes that were pushed; `None` when all are given.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as soon as the body cannot be what the manifest says.
    #[expect(clippy::should_implement_trait, reason = "it ends more than once: after each chunk")]
    pub fn next(&mut self) -> Result<Option<Records>, DecodeError> {
        let ordinal = self.chunks.saturating_sub(1);
        let Some(texts) = self.decoder.next()? else {
            let is_within = self.decoder.is_within_record();
            self.open_since = is_within.then(|| self.open_since.unwrap_or(ordinal));
            return Ok(None);
        };
        let first = self.open_since.take().unwrap_or(ordinal);
        let first = if self.decoder.reaches_back() { 0 } else { first };
        // 2^32 records of one request would take more than the 16 GiB that a body may have.
        let first_ordinal = u32::try_from(self.records).unwrap_or(u32::MAX);
        self.records += texts.len() as u64;
        Ok(Some(Records { request: self.request, chunks: (first, ordinal), first_ordinal, texts }))
    }

    /// Ends the body, after [`BodyReader::end`] and the records that it brought.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the body is not whole.
    pub fn finish(self) -> Result<Ended<()>, DecodeError> {
        let Ended { facts, found, .. } = self.decoder.finish()?;
        Ok(Ended { records: (), facts, found })
    }

    /// Decodes a body that has one chunk to its end.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is not what the manifest says.
    pub fn whole(mut self, body: Bytes) -> Result<WholeBody, DecodeError> {
        let chunk = self.push(body);
        let (mut batches, mut bytes) = (Some(Vec::new()), 0);
        let mut keep = |records: Records| {
            bytes += records.texts.iter().map(|text| text.len() + size_of::<Bytes>()).sum::<usize>();
            if bytes > KEPT_BYTES_MAX {
                batches = None;
            } else if let Some(batches) = &mut batches {
                batches.push(records);
            }
        };
        while let Some(records) = self.next()? {
            keep(records);
        }
        self.end();
        while let Some(records) = self.next()? {
            keep(records);
        }
        Ok(WholeBody { chunk, batches, ended: self.finish()? })
    }
}
