//! What a reading passes on: heads of answers, chunks of bodies, and records once nothing of them is missing.
//!
//! ```text
//! split ─▶ merger (portions) ─▶ weaver (rest of their lists) ─▶ given values ─▶ desk (lookups) ─▶ whoever takes them
//! ```

use headwater_contract::{Chunk, Exchange, ReadEvent, Records};

use super::reading::Reader;
use crate::decoding::BodyReader;
use crate::error::Fault;
use crate::parents::{Given, ROLE_HEADER, Role};
use crate::transport::{Answer, Request};

impl Reader {
    /// A URL as it may be kept: a link that a source gave opens what it leads to for whoever has its parameters.
    pub(super) fn shown(&self, url: String) -> String {
        match (&self.errand.url, url.split_once('?')) {
            (Some(_), Some((bare, _))) => bare.to_owned(),
            _ => url,
        }
    }

    pub(super) async fn pass_on_head(
        &mut self,
        answer: &Answer,
        request: &Request,
        role: Option<Role>,
    ) -> Result<(), Fault> {
        let mut exchange = Exchange {
            request: self.summary.requests,
            method: request.method_name().to_owned(),
            url: answer.url.clone(),
            status: answer.status,
            headers: answer.headers.clone(),
            fetched_at: answer.fetched_at,
            source_date: answer.source_date,
        };
        exchange.headers.extend(self.given.as_ref().map(Given::header));
        exchange.headers.extend(self.portioning.header().filter(|_| role.is_none()));
        exchange.url = self.shown(exchange.url);
        exchange.headers.extend(role.map(|role| (ROLE_HEADER.to_owned(), role.as_str().to_owned())));
        self.send(ReadEvent::Exchange(exchange)).await
    }

    pub(super) async fn pass_on(&mut self, chunk: Chunk) -> Result<(), Fault> {
        self.last_chunk = chunk.ordinal;
        self.summary.bytes += chunk.body.len() as u64;
        self.send(ReadEvent::Chunk(chunk)).await
    }

    pub(super) async fn pass_on_records(&mut self, records: Records) -> Result<(), Fault> {
        match self.portioning.merger() {
            Some(merger) => merger.take(records.texts),
            None => self.pass_on_merged(records).await,
        }
    }

    /// Passes on records that have all their fields.
    pub(super) async fn pass_on_merged(&mut self, records: Records) -> Result<(), Fault> {
        if let (Some(watch), Some(wire)) = (&mut self.watch, &self.wire)
            && watch.see(&records.texts, wire)
        {
            tracing::warn!(stream = %self.stream.name, "the list does not come in the order of its feed; all of it is read");
        }
        match &mut self.weaver {
            None => self.pass_on_woven(records).await,
            Some(weaver) => match weaver.take(records)? {
                Some(records) => self.pass_on_woven(records).await,
                None => Ok(()),
            },
        }
    }

    /// Passes on records that are whole.
    pub(super) async fn pass_on_woven(&mut self, mut records: Records) -> Result<(), Fault> {
        if let Some(given) = &self.given {
            given.write_into_all(&mut records.texts);
        }
        match &mut self.desk {
            Some(desk) => desk.hold(records.texts),
            None => self.pass_on_whole(records).await,
        }
    }

    /// Passes on records of which nothing is missing.
    pub(super) async fn pass_on_whole(&mut self, records: Records) -> Result<(), Fault> {
        self.summary.records += records.texts.len() as u64;
        self.send(ReadEvent::Records(records)).await
    }

    /// Passes on all records of what was pushed.
    pub(super) async fn drain(&mut self, body: &mut BodyReader) -> Result<(), Fault> {
        while let Some(records) = body.next()? {
            self.pass_on_records(records).await?;
        }
        Ok(())
    }

    pub(super) async fn send(&mut self, event: ReadEvent) -> Result<(), Fault> {
        let gone = |_| Fault::Internal { facts: "nobody takes what is read".to_owned() };
        self.sender.send(Ok(event)).await.map_err(gone)
    }
}
