//! Parts that hold records instead of bodies: what is left of a reading when some of its records must not be kept.
//!
//! Bodies cannot lose a record and stay what they were, in whatever format they came. So the records that stay are written one
//! after the other, each with its place in the reading and its own bytes, under a content type of ours; of the request only what
//! names nobody is kept. A replay gives the same records with the same hashes, without the manifest's decoder.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use headwater_contract::{Chunk, ErrorKind, Exchange, Explain, ReadSummary, Records, StreamName, Window};
use thiserror::Error;
use ulid::Ulid;
use url::Url;

use crate::attempt::{BodyDecoder, DecodeError};
use crate::raw::error::RawError;
use crate::raw::part::PartWriter;
use crate::raw::receipt::PartFile;
use crate::store::Store;

/// The content type of a body of records.
const CONTENT_TYPE: &str = "application/vnd.headwater.records.1";
/// A chunk is closed at about so many bytes; a record is never split.
const CHUNK_BYTES: usize = 1 << 20;
/// Requests of which the head is remembered; records never lag further behind.
const HEADS_MAX: usize = 1_024;

/// Whether the body of an answer is records that we wrote.
pub(crate) fn is_of_records(exchange: &Exchange) -> bool {
    exchange.headers.iter().any(|(name, value)| name == "content-type" && value == CONTENT_TYPE)
}

/// Of `records`, those whose place `keep` says, in runs without a gap.
pub(crate) fn contiguous(records: Records, keep: &[bool]) -> Vec<Records> {
    let (request, chunks) = (records.request, records.chunks);
    let mut runs: Vec<Records> = Vec::new();
    let mut is_open = false;
    for ((ordinal, text), keep) in (records.first_ordinal..).zip(records.texts).zip(keep) {
        match runs.last_mut().filter(|_| is_open) {
            Some(run) if *keep => run.texts.push(text),
            None if *keep => runs.push(Records { request, chunks, first_ordinal: ordinal, texts: vec![text] }),
            _ => {}
        }
        is_open = *keep;
    }
    runs
}

/// The head of an answer without what may name a person: query, headers, and a path that `is_named` knows.
fn anonymous(exchange: &Exchange, is_named: &dyn Fn(&str) -> bool) -> Exchange {
    let url = Url::parse(&exchange.url).ok().map(|mut url| {
        url.set_query(None);
        url.set_fragment(None);
        if url.path_segments().is_some_and(|mut segments| segments.any(is_named)) {
            url.set_path("");
        }
        url.to_string()
    });
    Exchange {
        url: url.unwrap_or_default(),
        headers: vec![("content-type".to_owned(), CONTENT_TYPE.to_owned())],
        ..exchange.clone()
    }
}

/// Writes the parts of an attempt as records.
#[derive(Debug)]
pub(crate) struct RecordParts {
    writer: PartWriter,
    heads: BTreeMap<u32, Exchange>,
    /// Of each request that has records: the place of its next chunk.
    chunks: BTreeMap<u32, u32>,
    /// The request whose chunk is open, with its bytes.
    open: Option<(u32, BytesMut)>,
}

impl RecordParts {
    pub(crate) fn new(
        raw: &Store,
        stream: &StreamName,
        window: &Window,
        generation: u64,
        attempt: Ulid,
        part_bytes: usize,
    ) -> Self {
        let writer = PartWriter::new(raw, stream, window, generation, attempt, part_bytes);
        Self { writer, heads: BTreeMap::new(), chunks: BTreeMap::new(), open: None }
    }

    /// Remembers the head of an answer: it is written with the first of its records.
    pub(crate) fn exchange(&mut self, exchange: &Exchange, is_named: &dyn Fn(&str) -> bool) {
        self.heads.insert(exchange.request, anonymous(exchange, is_named));
        if self.heads.len() > HEADS_MAX {
            self.heads.pop_first();
        }
    }

    /// Writes records of one request.
    pub(crate) async fn records(&mut self, records: &Records) -> Result<(), RawError> {
        for (ordinal, text) in (records.first_ordinal..).zip(&records.texts) {
            if self.open.as_ref().is_some_and(|(request, _)| *request != records.request) {
                self.close().await?;
            }
            let (_, body) = self.open.get_or_insert_with(|| (records.request, BytesMut::new()));
            body.put_u32_le(ordinal);
            body.put_u64_le(text.len() as u64);
            body.put_slice(text);
            if body.len() >= CHUNK_BYTES {
                self.close().await?;
            }
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), RawError> {
        let Some((request, body)) = self.open.take() else { return Ok(()) };
        let ordinal = self.chunks.get(&request).copied().unwrap_or(0);
        if ordinal == 0 {
            let head = self.heads.get(&request).ok_or(RawError::OutOfOrder { request, ordinal })?;
            self.writer.exchange(head).await?;
        }
        self.writer.chunk(Chunk { request, ordinal, body: body.freeze() }).await?;
        self.chunks.insert(request, ordinal + 1);
        Ok(())
    }

    /// Closes the last part and returns all of them.
    pub(crate) async fn finish(mut self) -> Result<Vec<PartFile>, RawError> {
        self.close().await?;
        self.writer.finish().await
    }
}

/// A body of records is cut off, or was not written by us.
#[derive(Debug, Error)]
#[error("a body of records breaks off")]
struct Broken {
    request: u32,
}

impl Explain for Broken {
    fn code(&self) -> &'static str {
        "records-broken"
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }

    fn place(&self) -> String {
        format!("request {}", self.request)
    }

    fn fix(&self) -> String {
        "restore the part from a copy of raw, or ask for its range again with `headwater backfill`".to_owned()
    }

    fn committed(&self) -> String {
        "nothing of this attempt is committed; running again is safe".to_owned()
    }
}

/// Reads parts of records back.
#[derive(Debug, Default)]
pub(crate) struct StoredRecords {
    summary: ReadSummary,
}

impl BodyDecoder for StoredRecords {
    fn exchange(&mut self, _exchange: &Exchange) -> Result<Vec<Records>, DecodeError> {
        self.summary.requests += 1;
        Ok(Vec::new())
    }

    fn chunk(&mut self, chunk: Chunk) -> Result<Vec<Records>, DecodeError> {
        let Chunk { request, ordinal: place, body } = chunk;
        self.summary.bytes += body.len() as u64;
        let mut runs: Vec<Records> = Vec::new();
        let mut at = 0;
        while at < body.len() {
            let broken = || -> DecodeError { Box::new(Broken { request }) };
            let (ordinal, text) = record_at(&body, at).ok_or_else(broken)?;
            at += HEAD_BYTES + text.len();
            self.summary.records += 1;
            match runs.last_mut() {
                Some(run) if u64::from(run.first_ordinal) + run.texts.len() as u64 == u64::from(ordinal) => {
                    run.texts.push(text);
                }
                _ => runs.push(Records { request, chunks: (place, place), first_ordinal: ordinal, texts: vec![text] }),
            }
        }
        Ok(runs)
    }

    fn finish(self: Box<Self>) -> Result<(Vec<Records>, ReadSummary), DecodeError> {
        Ok((Vec::new(), self.summary))
    }
}

/// Bytes before each record: its place and its length.
const HEAD_BYTES: usize = 12;

fn record_at(body: &Bytes, at: usize) -> Option<(u32, Bytes)> {
    let ordinal = u32::from_le_bytes(*body.get(at..)?.first_chunk::<4>()?);
    let length = u64::from_le_bytes(*body.get(at + 4..)?.first_chunk::<8>()?);
    let from = at + HEAD_BYTES;
    let until = from.checked_add(usize::try_from(length).ok()?).filter(|until| *until <= body.len())?;
    Some((ordinal, body.slice(from..until)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(request: u32) -> Exchange {
        Exchange {
            request,
            method: "GET".to_owned(),
            url: "https://api.example.com/v1/people/ada?after=ada".to_owned(),
            status: 200,
            headers: vec![("link".to_owned(), "<https://api.example.com/?after=ada>".to_owned())],
            fetched_at: chrono::DateTime::UNIX_EPOCH,
            source_date: None,
        }
    }

    fn records(request: u32, first_ordinal: u32, texts: &[&'static [u8]]) -> Records {
        let texts = texts.iter().map(|text| Bytes::from_static(text)).collect();
        Records { request, chunks: (0, 0), first_ordinal, texts }
    }

    #[test]
    fn what_is_left_comes_in_runs_without_a_gap() {
        let all = records(3, 5, &[b"a", b"b", b"c", b"d", b"e"]);
        let runs = contiguous(all, &[true, false, true, true, false]);
        assert_eq!(runs, [records(3, 5, &[b"a"]), records(3, 7, &[b"c", b"d"])]);
        assert_eq!(contiguous(records(0, 0, &[b"a"]), &[false]), []);
    }

    #[tokio::test]
    async fn records_of_any_bytes_come_back_under_their_places_and_the_request_names_nobody() {
        let raw = Store::memory().unwrap();
        let stream: StreamName = "shop.people".parse().unwrap();
        let window = Window::link(headwater_contract::Slice::whole(), 0, "");
        let mut parts = RecordParts::new(&raw, &stream, &window, 2, Ulid::from_parts(1, 1), 1 << 20);
        let is_named = |segment: &str| segment == "ada";
        let given = [
            records(0, 0, &[b"{\n  \"id\": 1\n}", b"\xff\x00"]),
            records(0, 4, &[b""]),
            records(1, 2, &[b"{\"id\": 2}"]),
        ];
        parts.exchange(&exchange(0), &is_named);
        parts.records(&given[0]).await.unwrap();
        parts.records(&given[1]).await.unwrap();
        parts.exchange(&exchange(1), &is_named);
        parts.exchange(&exchange(2), &is_named);
        parts.records(&given[2]).await.unwrap();
        let files = parts.finish().await.unwrap();
        let mut reader = crate::raw::read_parts(&raw, &files).await.unwrap();
        let (mut decoder, mut found) = (StoredRecords::default(), Vec::new());
        while let Some(chunk) = reader.next().await.unwrap() {
            assert!(is_of_records(&chunk.exchange));
            assert_eq!(chunk.exchange.url, "https://api.example.com/", "{:?}", chunk.exchange);
            found.extend(decoder.chunk(chunk.chunk).unwrap());
        }
        assert_eq!(found, given);
        let cut = Chunk { request: 0, ordinal: 0, body: Bytes::from_static(&[0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1]) };
        assert_eq!(decoder.chunk(cut).unwrap_err().code(), "records-broken");
    }
}
