//! What a reading yields, in the order in which it happens.
//!
//! `connectors` produces these events, the runner hands each once to `lake`. A body is its chunks put together, verbatim after
//! Content-Encoding; records are one JSON text each. Records never precede the last chunk that they came from.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The head of one answer whose body counts.
///
/// Answers that were retried (a 429, a 500, a lost connection) never appear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Number of the request within the reading, from 0.
    pub request: u32,
    /// HTTP method.
    pub method: String,
    /// URL without secrets.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// Chosen response headers, lower-case names; never cookies or credentials.
    pub headers: Vec<(String, String)>,
    /// When the answer's head arrived.
    pub fetched_at: DateTime<Utc>,
    /// The source's `Date` header.
    pub source_date: Option<DateTime<Utc>>,
}

/// A piece of a body, at most 8 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The request it answers.
    pub request: u32,
    /// Its place in the body, from 0.
    pub ordinal: u32,
    /// The bytes.
    pub body: Bytes,
}

/// Records of one request, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// The request they came with.
    pub request: u32,
    /// The first and last chunk that they came from.
    pub chunks: (u32, u32),
    /// The place of the first of them among the request's records, from 0.
    pub first_ordinal: u32,
    /// One JSON text each: a span of a chunk where it is one, else derived bytes.
    pub texts: Vec<Bytes>,
}

/// What a whole reading came to.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadSummary {
    /// Requests whose answers counted.
    pub requests: u32,
    /// Requests sent again after a fault or a throttle.
    pub retries: u32,
    /// Bytes of bodies.
    pub bytes: u64,
    /// Records yielded.
    pub records: u64,
    /// Records that the manifest's steps dropped.
    #[serde(default)]
    pub dropped: u64,
    /// The token that the next link of a chain starts from.
    pub token_out: Option<String>,
    /// Requests that the manifest says have no records when they are refused; none of them is among `requests`.
    #[serde(default)]
    pub skipped_requests: u32,
    /// The first of them, at most [`ReadSummary::SKIPPED_SHOWN`].
    #[serde(default)]
    pub skipped: Vec<SkippedRequest>,
    /// The manifest says that the whole slice has no records when it is refused so.
    #[serde(default)]
    pub is_slice_skipped: bool,
}

impl ReadSummary {
    /// Skipped requests that a summary shows.
    pub const SKIPPED_SHOWN: usize = 100;

    /// Adds the retries and the skipped requests of a part of this reading.
    pub fn add_tries(&mut self, part: Self) {
        self.retries += part.retries;
        self.skipped_requests += part.skipped_requests;
        let room = Self::SKIPPED_SHOWN.saturating_sub(self.skipped.len());
        self.skipped.extend(part.skipped.into_iter().take(room));
    }
}

/// A request that was refused and has no records by the manifest's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRequest {
    /// Method and URL without secrets.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    /// What the source said.
    pub says: String,
}

/// One step of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadEvent {
    /// A request was answered.
    Exchange(Exchange),
    /// A piece of its body.
    Chunk(Chunk),
    /// Records out of it.
    Records(Records),
    /// The reading is complete. Nothing follows.
    Done(ReadSummary),
}
