//! Where a reading that is put together from others passes its steps on, with requests numbered within the whole.

use std::sync::Arc;

use headwater_contract::{Chunk, Exchange, ReadEvent, ReadSummary, Records};
use tokio::sync::mpsc;

use super::tree::Step;
use crate::error::{Fault, SourceError};
use crate::parents::{Fields, Role};

/// The taker of steps, and what they came to.
#[derive(Debug)]
pub(super) struct Outlet {
    out: mpsc::Sender<Result<Step, SourceError>>,
    pub(super) summary: ReadSummary,
}

impl Outlet {
    pub(super) fn new(out: mpsc::Sender<Result<Step, SourceError>>) -> Self {
        Self { out, summary: ReadSummary::default() }
    }

    /// Numbers an exchange and passes it on; gives its number.
    pub(super) async fn head(
        &mut self,
        mut exchange: Exchange,
        fields: &Arc<Fields>,
        role: Option<Role>,
    ) -> Result<u32, Fault> {
        let request = self.summary.requests;
        exchange.request = request;
        let facts = || "a reading has at most 2^32 requests".to_owned();
        self.summary.requests = request.checked_add(1).ok_or_else(|| Fault::Internal { facts: facts() })?;
        if let Some(role) = role {
            role.mark(&mut exchange);
        }
        self.send(ReadEvent::Exchange(exchange), fields).await?;
        Ok(request)
    }

    /// Passes on a piece of the body that answers `request`.
    pub(super) async fn chunk(&mut self, mut chunk: Chunk, request: u32, fields: &Arc<Fields>) -> Result<(), Fault> {
        chunk.request = request;
        self.summary.bytes += chunk.body.len() as u64;
        self.send(ReadEvent::Chunk(chunk), fields).await
    }

    /// Passes on records of `request`.
    pub(super) async fn records(
        &mut self,
        mut records: Records,
        request: u32,
        fields: &Arc<Fields>,
    ) -> Result<(), Fault> {
        records.request = request;
        self.summary.records += records.texts.len() as u64;
        self.send(ReadEvent::Records(records), fields).await
    }

    /// Passes on a step of a part; true when the part is done. `request` is the number of its request that is open.
    pub(super) async fn step(&mut self, step: Step, request: &mut u32) -> Result<bool, Fault> {
        let Step { event, fields } = step;
        match event {
            ReadEvent::Exchange(exchange) => *request = self.head(exchange, &fields, None).await?,
            ReadEvent::Chunk(chunk) => self.chunk(chunk, *request, &fields).await?,
            ReadEvent::Records(records) => self.records(records, *request, &fields).await?,
            ReadEvent::Done(done) => {
                self.summary.add_tries(done);
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn send(&self, event: ReadEvent, fields: &Arc<Fields>) -> Result<(), Fault> {
        let sent = self.out.send(Ok(Step { event, fields: Arc::clone(fields) })).await;
        sent.map_err(|_| Fault::Internal { facts: "nobody takes what is read".to_owned() })
    }
}
