//! Records one by one, for programs that keep no bodies: a stream with its progress, and where the next reading goes on.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::Stream;
use headwater_contract::{ReadEvent, ReadSummary, Slice, TimeRange, WindowError};
use serde::{Deserialize, Serialize};

use super::Source;
use super::begin::{ReadRequest, Reading};
use crate::error::SourceError;

/// How far a reading is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Requests that were answered.
    pub requests: u32,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Records that were given.
    pub records: u64,
    /// The last request, without secrets.
    pub last_request: Option<String>,
}

/// Where the next reading of a slice goes on. It is known when a reading has ended well, and not before: a window that was not read to its
/// end is read again. Keep it as text or JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// At this instant, for a stream that is read by ranges of time.
    From(DateTime<Utc>),
    /// At this change token, for a chain.
    Token(String),
    /// From the very start, for a snapshot.
    Start,
}

impl Resume {
    /// What to ask for next; `until` bounds a range of time and is not needed for other streams.
    ///
    /// # Errors
    ///
    /// [`WindowError`] when `until` is not after the instant at which the reading goes on.
    pub fn request(&self, slice: Slice, until: DateTime<Utc>) -> Result<ReadRequest, WindowError> {
        let (bounds, token) = match self {
            Self::From(from) => (Some(TimeRange::new(*from, until)?), None),
            Self::Token(token) => (None, Some(token.clone())),
            Self::Start => (None, None),
        };
        Ok(ReadRequest { slice, bounds, token })
    }
}

impl fmt::Display for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(at) => write!(f, "from {}", at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            Self::Token(token) => write!(f, "from token {token}"),
            Self::Start => f.write_str("from the start"),
        }
    }
}

/// The records of one reading, in order. Each is one JSON text, as it was split out of a body.
#[derive(Debug)]
pub struct RecordStream {
    reading: Reading,
    waiting: VecDeque<Bytes>,
    progress: Progress,
    until: Option<DateTime<Utc>>,
    done: Option<ReadSummary>,
}

impl RecordStream {
    pub(super) fn new(reading: Reading, until: Option<DateTime<Utc>>) -> Self {
        Self { reading, waiting: VecDeque::new(), progress: Progress::default(), until, done: None }
    }

    /// How far it is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What the reading came to; nothing before its end.
    pub fn summary(&self) -> Option<&ReadSummary> {
        self.done.as_ref()
    }

    /// Where the next reading goes on; nothing before this one has ended well.
    pub fn resume(&self) -> Option<Resume> {
        let done = self.done.as_ref()?;
        Some(match (self.until, &done.token_out) {
            (Some(until), _) => Resume::From(until),
            (None, Some(token)) => Resume::Token(token.clone()),
            (None, None) => Resume::Start,
        })
    }

    fn take(&mut self, event: ReadEvent) {
        match event {
            ReadEvent::Exchange(exchange) => {
                self.progress.requests += 1;
                self.progress.last_request = Some(format!("{} {}", exchange.method, exchange.url));
            }
            ReadEvent::Chunk(chunk) => self.progress.bytes += chunk.body.len() as u64,
            ReadEvent::Records(records) => {
                self.waiting.extend(records.texts);
            }
            ReadEvent::Done(summary) => self.done = Some(summary),
        }
    }
}

impl Stream for RecordStream {
    type Item = Result<Bytes, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                self.progress.records += 1;
                return Poll::Ready(Some(Ok(record)));
            }
            match self.reading.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(event))) => self.take(event),
            }
        }
    }
}

impl Source {
    /// The records of one window of a stream, one by one, without their bodies.
    pub fn records(&self, stream: &str, request: ReadRequest) -> RecordStream {
        let until = request.bounds.map(|bounds| bounds.until());
        RecordStream::new(self.read(stream, request), until)
    }
}
