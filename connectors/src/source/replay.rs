//! The manifest's decoder over stored bodies, in place of the network.
//!
//! It gives the records that a reading gave, under the same request and ordinal, unless the manifest was mended in between.

use std::sync::Arc;

use bytes::Bytes;
use headwater_contract::{Chunk, Exchange, ReadSummary, Records};

use super::Inner;
use super::chain::follow;
use super::connection::reader_of;
use super::page::content_type;
use super::portions::numbered;
use crate::decoding::{BodyReader, Decoder, Ended};
use crate::error::{Fault, SourceError};
use crate::lookups::{Desk, stored};
use crate::pagination::{Page, Weaver};
use crate::parents::{Given, Role};
use crate::portions::{Merger, Portion};
use crate::stream::Stream;

/// Decodes stored bodies in (request, ordinal) order.
#[derive(Debug)]
pub struct Replayer {
    inner: Arc<Inner>,
    stream: Arc<Stream>,
    body: Option<BodyReader>,
    /// What every record of the body takes from its request.
    given: Option<Given>,
    /// The records that wait for the rest of their lists.
    weaver: Option<Weaver>,
    /// What lays the portions of a page together.
    merger: Option<Merger>,
    /// The records that wait for what was looked up.
    desk: Option<Desk>,
    /// The lookup that a body answers, and for which id.
    lookup: Option<(usize, Option<String>)>,
    /// The chunk that came last: its request, and its number within it.
    last: (u32, u32),
    /// Which portion of its page a body is.
    portion: Option<Portion>,
    /// The rows of a body that is the rest of a list.
    rows: Option<Vec<Bytes>>,
    /// The request of a body that is not the stream's own, such as a parent's.
    passed_over: Option<u32>,
    next_ordinal: u32,
    summary: ReadSummary,
}

impl Replayer {
    pub(super) fn new(inner: Arc<Inner>, stream: Arc<Stream>) -> Self {
        let (weaver, desk) = (Weaver::new(&stream.connections), Desk::new(&stream.lookups));
        Self {
            inner,
            stream,
            body: None,
            given: None,
            weaver,
            merger: None,
            desk,
            lookup: None,
            last: (0, 0),
            portion: None,
            rows: None,
            passed_over: None,
            next_ordinal: 0,
            summary: ReadSummary::default(),
        }
    }

    /// Begins the next body, after ending the one before; returns records that only its end completed.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the body before was not whole.
    pub fn exchange(&mut self, exchange: &Exchange) -> Result<Vec<Records>, SourceError> {
        let mut records = self.close()?;
        self.summary.requests += 1;
        self.next_ordinal = 0;
        self.portion = None;
        let role = Role::of(exchange);
        self.lookup = self.looked_up(exchange).filter(|_| role == Some(Role::Lookup.as_str()));
        if let Some((at, _)) = self.lookup {
            let lookup = self.stream.lookups.get(at).map(|(_, lookup)| lookup.stream.clone()).unwrap_or_default();
            let stream = self.inner.stream(&lookup)?;
            self.body = Some(BodyReader::new(exchange.request, self.decoder(&stream, exchange)));
            self.passed_over = None;
            return Ok(records);
        }
        let is_connection = role == Some(Role::Connection.as_str());
        if !is_connection {
            records.extend(self.release());
        }
        let ask = self.weaver.as_ref().and_then(Weaver::ask).filter(|_| is_connection);
        if let Some(ask) = ask {
            self.body = Some(reader_of(ask.connection, exchange.request));
            (self.rows, self.passed_over) = (Some(Vec::new()), None);
            self.given = Given::stored(exchange, &self.stream.given);
            return Ok(records);
        }
        self.passed_over = role.map(|_| exchange.request);
        if self.passed_over.is_some() {
            return Ok(records);
        }
        self.given = Given::stored(exchange, &self.stream.given);
        if let (Some(fields), Some(portion)) = (&self.stream.fields, Portion::stored(exchange)) {
            let merger = self.merger.get_or_insert_with(|| Merger::new(&fields.merge_by, fields.manifest.partial));
            merger.begin(portion);
            self.portion = Some(portion);
        }
        self.body = Some(BodyReader::new(exchange.request, self.decoder(&self.stream, exchange)));
        Ok(records)
    }

    fn decoder(&self, stream: &Stream, exchange: &Exchange) -> Decoder {
        Decoder::of(&stream.decoding, &stream.records, &stream.facts())
            .with_shape(stream.shape.as_ref(), &self.inner.scope, self.given.as_ref())
            .with_content_type(content_type(&exchange.headers))
    }

    /// The lookup that an exchange answers, while records wait for it.
    fn looked_up(&self, exchange: &Exchange) -> Option<(usize, Option<String>)> {
        self.desk.as_ref().filter(|desk| desk.is_busy())?;
        let (name, id) = stored(exchange)?;
        let at = self.stream.lookups.iter().position(|(known, _)| *known == name)?;
        Some((at, id))
    }

    /// The records that waited, with what was looked up.
    fn release(&mut self) -> Vec<Records> {
        let batches = self.desk.as_mut().map(Desk::release).unwrap_or_default();
        let released: Vec<Records> = numbered(batches, self.last.0, self.last.1).collect();
        self.summary.records += released.iter().map(|records| records.texts.len() as u64).sum::<u64>();
        released
    }

    /// Takes the next chunk of the body and returns the records that end in it.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the chunk is not the next one, or the body is not what the manifest says.
    pub fn chunk(&mut self, chunk: Chunk) -> Result<Vec<Records>, SourceError> {
        let expected = self.next_ordinal;
        if self.passed_over == Some(chunk.request) && expected == chunk.ordinal {
            self.summary.bytes += chunk.body.len() as u64;
            self.next_ordinal += 1;
            return Ok(Vec::new());
        }
        let fits = |body: &&mut BodyReader| body.request() == chunk.request && expected == chunk.ordinal;
        let Some(body) = self.body.as_mut().filter(fits) else {
            let reason = format!("chunk {} of request {} is not the next one", chunk.ordinal, chunk.request);
            return Err(self.blame(Fault::Replay { reason }));
        };
        self.summary.bytes += chunk.body.len() as u64;
        self.next_ordinal += 1;
        self.last = (chunk.request, chunk.ordinal);
        body.push(chunk.body);
        self.drain()
    }

    /// Ends the last body; returns records that only its end completed, and what the replay came to.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the last body was not whole.
    pub fn finish(mut self) -> Result<(Vec<Records>, ReadSummary), SourceError> {
        let mut records = self.close()?;
        records.extend(self.release());
        Ok((records, self.summary))
    }

    fn close(&mut self) -> Result<Vec<Records>, SourceError> {
        if let Some(body) = &mut self.body {
            body.end();
        }
        let mut records = self.drain()?;
        let Some(body) = self.body.take() else { return Ok(records) };
        let request = body.request();
        let Ended { facts, found, .. } = body.finish().map_err(|error| self.blame(error.into()))?;
        found.map_err(|error| self.blame(error.into()))?;
        if self.lookup.is_none() && self.portion.is_none_or(|portion| portion.at == 0) {
            self.summary.dropped += facts.dropped;
        }
        if self.portion.is_some_and(Portion::is_last) {
            let batches = self.merger.as_mut().map_or(Ok(None), Merger::finish);
            let batches = batches.map_err(|error| self.blame(error.into()))?.unwrap_or_default();
            for whole in numbered(batches, request, self.next_ordinal.saturating_sub(1)) {
                records.extend(self.woven(whole)?);
            }
        }
        if let (Some(rows), Some(weaver)) = (self.rows.take(), &mut self.weaver) {
            let woven = weaver.give(request, self.next_ordinal, rows, &facts);
            let woven = woven.map_err(|fault| self.blame(fault))?;
            return woven
                .map_or(Ok(None), |records| self.finished(records))
                .map(|records| records.into_iter().collect());
        }
        if let Some(chain) = self.stream.chain.as_ref().filter(|_| self.lookup.is_none()) {
            let page = Page { facts, number: self.summary.requests - 1, ..Page::default() };
            let (known, pagination) = (self.summary.token_out.clone(), &self.stream.pagination);
            // What followed is known by the bodies that are there; a header that is gone leaves the token as it was.
            self.summary.token_out = match follow(chain, pagination, &page, known.as_deref(), None) {
                Ok((_, token)) => token.map(|token| self.inner.transport.link(&token)),
                Err(_) => known,
            };
        }
        Ok(records)
    }

    /// All records of what was pushed.
    fn drain(&mut self) -> Result<Vec<Records>, SourceError> {
        let mut batches = Vec::new();
        while let Some(records) =
            self.body.as_mut().map_or(Ok(None), BodyReader::next).map_err(|error| self.blame(error.into()))?
        {
            if let (Some((at, id)), Some(desk)) = (&self.lookup, &mut self.desk) {
                let given = desk.give(*at, id.as_deref(), records.texts);
                given.map_err(|fault| self.inner.blame(&self.stream, "records", fault))?;
                continue;
            }
            if let Some(rows) = &mut self.rows {
                rows.extend(records.texts);
                continue;
            }
            if let (Some(merger), Some(_)) = (&mut self.merger, self.portion) {
                merger.take(records.texts).map_err(|fault| self.blame(fault))?;
                continue;
            }
            batches.extend(self.woven(records)?);
        }
        Ok(batches)
    }

    /// Records whose lists are whole.
    fn woven(&mut self, records: Records) -> Result<Option<Records>, SourceError> {
        let whole = match &mut self.weaver {
            Some(weaver) => weaver.take(records).map_err(|fault| self.blame(fault))?,
            None => Some(records),
        };
        whole.map_or(Ok(None), |records| self.finished(records))
    }

    /// Records as they are passed on, unless they wait for what is looked up.
    fn finished(&mut self, mut records: Records) -> Result<Option<Records>, SourceError> {
        if let Some(given) = &self.given {
            given.write_into_all(&mut records.texts);
        }
        if let Some(desk) = &mut self.desk {
            let held = desk.hold(records.texts);
            return held.map(|()| None).map_err(|fault| self.blame(fault));
        }
        self.summary.records += records.texts.len() as u64;
        Ok(Some(records))
    }

    fn blame(&self, fault: Fault) -> SourceError {
        self.inner.blame(&self.stream, "records", fault)
    }
}
