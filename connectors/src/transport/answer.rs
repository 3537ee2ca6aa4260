//! An answer whose body is still to come.

use bytes::{Buf, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use tokio::time::Instant;
use url::Url;

use super::body::Inflater;
use super::{plain, text_of};
use crate::error::Fault;
use crate::limits::Turn;

/// An answer that counts as good, at least by its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) response: reqwest::Response,
    pub(super) inflater: Inflater,
    /// What was read of the body already, inflated.
    pub(super) ahead: BytesMut,
    pub(super) received: u64,
    /// Ends with the body.
    pub(super) turn: Turn,
    /// When the whole of it must have come.
    pub(super) deadline: Instant,
    pub(crate) all_headers: HeaderMap,
    pub(crate) status: u16,
    /// The final URL without secrets.
    pub(crate) url: String,
    /// The final URL, against which relative links are read.
    pub(crate) location: Url,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) links: String,
    pub(crate) fetched_at: DateTime<Utc>,
    pub(crate) source_date: Option<DateTime<Utc>>,
    /// Size by the source's word, for buffers only.
    pub(crate) size_hint: Option<u64>,
    /// Whether it would be noticed if the body ended too early.
    pub(crate) has_end: bool,
}

impl Answer {
    /// Appends the next piece of the body; false at its end.
    pub(crate) async fn read(&mut self, into: &mut BytesMut) -> Result<bool, Fault> {
        if !self.ahead.is_empty() {
            into.extend_from_slice(&self.ahead);
            self.ahead.advance(self.ahead.len());
            return Ok(true);
        }
        let piece = tokio::time::timeout_at(self.deadline, self.response.chunk()).await;
        match piece.map_err(|_| Fault::TooSlow { bytes: self.received })? {
            Ok(Some(piece)) => {
                self.received += piece.len() as u64;
                self.inflater.take(&piece, into)?;
                Ok(true)
            }
            Ok(None) => {
                self.turn.end();
                self.inflater.finish(into)?;
                Ok(false)
            }
            Err(error) => Err(Fault::BodyCut { bytes: self.received, reason: plain(&error) }),
        }
    }

    /// Reads on until `most` bytes are known, and keeps them for whoever reads the body; what fails on the way is found there again.
    pub(super) async fn look_ahead(&mut self, most: usize) {
        let mut ahead = std::mem::take(&mut self.ahead);
        while ahead.len() < most {
            match tokio::time::timeout_at(self.deadline, self.response.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    self.received += piece.len() as u64;
                    if self.inflater.take(&piece, &mut ahead).is_err() {
                        break;
                    }
                }
                _ => break,
            }
        }
        self.ahead = ahead;
    }

    /// A response header by its name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        text_of(&self.all_headers, name)
    }
}
