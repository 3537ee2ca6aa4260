//! Begins a reading on a task of its own, and hands on what it yields.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use headwater_contract::{ReadEvent, Slice, TimeRange};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Inner;
use super::reading::{EVENTS_WAITING, Reader};
use super::tree::{Errand, Feed};
use crate::error::{Fault, SourceError};

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The slice.
    pub slice: Slice,
    /// The range of a ranged stream.
    pub bounds: Option<TimeRange>,
    /// The token that a chain's link starts from; `None` at the very start.
    pub token: Option<String>,
}

/// A reading that runs.
#[derive(Debug)]
pub struct Reading {
    events: mpsc::Receiver<Result<ReadEvent, SourceError>>,
    task: JoinHandle<()>,
    is_over: bool,
    stream: String,
}

impl Reading {
    /// The next event; `None` after [`ReadEvent::Done`] or an error.
    pub async fn next(&mut self) -> Option<Result<ReadEvent, SourceError>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The same for a task that waits for several things.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<ReadEvent, SourceError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let event = ready!(self.events.poll_recv(context)).unwrap_or_else(|| {
            let place = crate::error::Place { stream: self.stream.clone(), ..crate::error::Place::default() };
            Err(SourceError::new(place, Fault::Internal { facts: "the reading ended without a word".to_owned() }))
        });
        self.is_over = matches!(event, Err(_) | Ok(ReadEvent::Done(_)));
        Poll::Ready(Some(event))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn begin(inner: Arc<Inner>, stream: String, request: ReadRequest) -> Reading {
    let (sender, events) = mpsc::channel(EVENTS_WAITING);
    let name = format!("{}.{stream}", inner.name);
    let task = tokio::spawn(async move {
        let errand = settle(&inner, &stream, request).await;
        let _held = match &errand {
            Ok(errand) => inner.locks.hold(&errand.stream).await,
            Err(_) => Vec::new(),
        };
        // A reader that is gone needs no answer.
        match errand {
            Err(error) => drop(sender.send(Err(error)).await),
            Ok(errand) if errand.stream.parent.is_none() && errand.stream.job.is_none() => {
                let mut reader = Reader::new(inner, errand, sender.clone());
                let outcome = reader.run().await.map_err(|fault| reader.blame(fault));
                drop(sender.send(outcome.map(ReadEvent::Done)).await);
            }
            Ok(errand) => {
                let mut feed = Feed::begin(&inner, errand);
                loop {
                    let event = feed.next().await.map(|step| step.event);
                    let is_last = matches!(event, Err(_) | Ok(ReadEvent::Done(_)));
                    if sender.send(event).await.is_err() || is_last {
                        break;
                    }
                }
            }
        }
    });
    Reading { events, task, is_over: false, stream: name }
}

/// Checks what is asked for, and settles the names that its requests see.
async fn settle(inner: &Arc<Inner>, stream: &str, request: ReadRequest) -> Result<Errand, SourceError> {
    let stream = inner.stream(stream)?;
    let needs_bounds = stream.kind.is_ranged();
    if needs_bounds != request.bounds.is_some() {
        return Err(inner.blame(&stream, "", Fault::Bounds { kind: stream.kind, needs_bounds }));
    }
    let scope = Arc::new(inner.enter(&stream, &request.slice).await?);
    let ranges = [request.bounds].into();
    Ok(Errand {
        stream,
        scope,
        fields: Arc::default(),
        ranges,
        token: request.token,
        gate: None,
        url: None,
        sent: Vec::new(),
    })
}
