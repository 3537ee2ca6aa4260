//! Asks for the rest of lists inside records, right after the page that they stand on.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use headwater_contract::Chunk;

use super::page::HOLD_BYTES;
use super::reading::Reader;
use super::request::{Turn, build};
use crate::decoding::{BodyFacts, BodyReader, Decoder, Decoding};
use crate::error::Fault;
use crate::expression::Scope;
use crate::pagination::{ConnectionManifest, PaginationError, Weaver};
use crate::parents::Role;
use crate::refusal::Refusal;
use crate::transport::{Answer, Request};

/// A reader for an answer to a connection's request.
pub(super) fn reader_of(connection: &ConnectionManifest, request: u32) -> BodyReader {
    BodyReader::new(request, Decoder::new(Decoding::Json, &connection.answer.records, &connection.facts()))
}

/// An answer whose rows are in.
struct Answered {
    answer: Answer,
    body: Bytes,
    rows: Vec<Bytes>,
    facts: BodyFacts,
}

impl Reader {
    /// Asks for the rest of every list that the last page left open.
    pub(super) async fn read_connections(&mut self, scope: &Scope, turn: &Turn) -> Result<(), Fault> {
        loop {
            let Some(ask) = self.weaver.as_ref().and_then(Weaver::ask) else { return Ok(()) };
            let connection = ask.connection.clone();
            let mut scope = scope.clone();
            scope.extend(ask.names.clone());
            let mut turn = Turn { bounds: turn.bounds, ..Turn::default() };
            turn.plan = Some(Arc::new(connection.plan(&self.stream.request)));
            if let Some(param) = &connection.param {
                turn.set = vec![(param.clone(), ask.cursor.into())];
            } else {
                let no_url = |_| PaginationError::NoCursor { field: connection.cursor.to_string() };
                turn.url = Some(self.inner.base.join(ask.cursor).map_err(no_url)?);
            }
            let request = build(&self.inner, &self.stream, &scope, &turn)?;
            self.name_request(&request);
            self.wait_at_gate().await;
            let Answered { answer, body, rows, facts } = self.ask_connection(&connection, &request).await?;
            let number = self.summary.requests;
            self.pass_on_head(&answer, &request, Some(Role::Connection)).await?;
            self.pass_on(Chunk { request: number, ordinal: 0, body }).await?;
            self.summary.requests += 1;
            let woven = self.weaver.as_mut().map_or(Ok(None), |weaver| weaver.give(number, 1, rows, &facts))?;
            if let Some(records) = woven {
                self.pass_on_woven(records).await?;
            }
        }
    }

    async fn ask_connection(&mut self, connection: &ConnectionManifest, request: &Request) -> Result<Answered, Fault> {
        let mut retries = self.inner.transport.retries();
        loop {
            match self.try_connection(connection, request).await {
                Ok(answered) => return Ok(answered),
                Err(refusal) => self.inner.transport.pause(&mut retries, refusal).await?,
            }
            self.summary.retries += 1;
        }
    }

    async fn try_connection(&self, connection: &ConnectionManifest, request: &Request) -> Result<Answered, Refusal> {
        let mut answer = self.inner.transport.send(request).await?;
        let mut held = BytesMut::new();
        while answer.read(&mut held).await? {
            if held.len() > HOLD_BYTES {
                return Err(Fault::BodyTooLarge { limit: HOLD_BYTES as u64 }.into());
            }
        }
        let body = held.freeze();
        let undecoded = |fault: Fault| self.judge_undecoded(&answer, &body, fault);
        let mut reader = reader_of(connection, self.summary.requests);
        reader.push(body.clone());
        reader.end();
        let mut rows = Vec::new();
        while let Some(records) = reader.next().map_err(|error| undecoded(error.into()))? {
            rows.extend(records.texts);
        }
        let ended = reader.finish().map_err(|error| undecoded(error.into()))?;
        self.judge_decoded(&answer, &ended.facts, &body, ended.found.err().map(Fault::from))?;
        Ok(Answered { answer, body, rows, facts: ended.facts })
    }
}
