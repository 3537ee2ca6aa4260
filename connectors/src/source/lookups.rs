//! Asks what other requests say of the records of a page, right after it, and passes the records on with it.

use std::collections::VecDeque;
use std::sync::Arc;

use headwater_contract::ReadEvent;
use serde_json::Value;

use super::portions::numbered;
use super::reading::Reader;
use super::tree::{Errand, Feed};
use crate::error::Fault;
use crate::lookups::{Desk, Lookup, mark};
use crate::parents::Role;

impl Reader {
    /// Looks up the records of the last page and passes them on.
    pub(super) async fn read_lookups(&mut self) -> Result<(), Fault> {
        let Some(lookups) = self.desk.as_ref().map(|desk| Arc::clone(desk.lookups())) else { return Ok(()) };
        for (at, lookup) in lookups.iter().enumerate() {
            let requests = self.desk.as_ref().map(|desk| desk.ask(&lookup.1)).unwrap_or_default();
            for ids in requests {
                self.look_up(at, lookup, &ids).await?;
            }
        }
        let batches = self.desk.as_mut().map(Desk::release).unwrap_or_default();
        for records in numbered(batches, self.summary.requests.saturating_sub(1), self.last_chunk) {
            self.pass_on_whole(records).await?;
        }
        Ok(())
    }

    /// Reads what one lookup says of some ids.
    async fn look_up(&mut self, at: usize, (name, lookup): &Lookup, ids: &[Value]) -> Result<(), Fault> {
        let stream = self.inner.stream(&lookup.stream).map_err(|error| *error.fault)?;
        // A request for one id may leave it to whoever asked to know whose its records are.
        let id = match ids {
            [id] if lookup.key.is_none() => Some(id.as_str().map_or_else(|| id.to_string(), str::to_owned)),
            _ => None,
        };
        let errand = Errand {
            stream,
            ranges: VecDeque::from([None]),
            token: None,
            gate: None,
            url: None,
            sent: vec![(lookup.param.clone(), lookup.value(ids))],
            ..self.errand.clone()
        };
        let mut feed = Feed::begin(&self.inner, errand);
        let mut request = self.summary.requests;
        loop {
            let step = feed.next().await.map_err(|error| {
                self.last_request.clone_from(&error.place.request);
                *error.fault
            })?;
            match step.event {
                ReadEvent::Exchange(mut exchange) => {
                    request = self.summary.requests;
                    self.summary.requests += 1;
                    self.beside_pages += 1;
                    exchange.request = request;
                    Role::Lookup.mark(&mut exchange);
                    mark(&mut exchange, name, id.as_deref());
                    self.send(ReadEvent::Exchange(exchange)).await?;
                }
                ReadEvent::Chunk(mut chunk) => {
                    chunk.request = request;
                    self.pass_on(chunk).await?;
                }
                ReadEvent::Records(records) => {
                    if let Some(desk) = &mut self.desk {
                        desk.give(at, id.as_deref(), records.texts)?;
                    }
                }
                ReadEvent::Done(done) => {
                    self.summary.add_tries(done);
                    return Ok(());
                }
            }
        }
    }
}
