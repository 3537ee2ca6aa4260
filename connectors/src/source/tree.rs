//! The loop above the pages: reads a parent's records, and under each of them the children's pages.
//!
//! ```text
//! parent page ─▶ its fields, spooled ─▶ a reading for each ─▶ bodies and records, in the order of the parents
//! ```
//!
//! Readings of children run a few at a time and are passed on one after the other, so requests have the same numbers each time.
//! What is kept of a parent is its fields until its children are in.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{ReadEvent, ReadSummary, TimeRange};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::Url;

use super::Inner;
use super::gate::{Gate, Keeper};
use super::job::JobRun;
use super::outlet::Outlet;
use super::reading::{EVENTS_WAITING, Reader};
use crate::error::{Fault, SourceError};
use crate::expression::Scope;
use crate::pagination::Slot;
use crate::parents::{Batch, FieldError, Fields, ParentManifest, ParentRange, Role, Spool, fields_of, scope_with};
use crate::stream::Stream;
use crate::windowing::read_time;

/// What to read of one stream, under names and parents that are settled.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) stream: Arc<Stream>,
    /// Names of the source, the slice and the parents.
    pub(super) scope: Arc<Scope>,
    /// Fields of the parents.
    pub(super) fields: Arc<Fields>,
    /// Ranges, one after the other; one `None` for a stream without windows.
    pub(super) ranges: VecDeque<Option<TimeRange>>,
    /// The token that a chain's link starts from.
    pub(super) token: Option<String>,
    /// Where the reading waits before each request.
    pub(super) gate: Option<Gate>,
    /// The whole URL of the first request, in place of the stream's path.
    pub(super) url: Option<Url>,
    /// Values that every request carries.
    pub(super) sent: Vec<(Slot, serde_json::Value)>,
}

/// A step of a reading, with the fields that its records were asked for with.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) event: ReadEvent,
    pub(super) fields: Arc<Fields>,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
enum Steps {
    Pages { events: mpsc::Receiver<Result<ReadEvent, SourceError>>, fields: Arc<Fields> },
    Tree(mpsc::Receiver<Result<Step, SourceError>>),
}

impl Steps {
    async fn next(&mut self) -> Option<Result<Step, SourceError>> {
        match self {
            Self::Tree(steps) => steps.recv().await,
            Self::Pages { events, fields } => {
                events.recv().await.map(|event| Ok(Step { event: event?, fields: Arc::clone(fields) }))
            }
        }
    }
}

impl Step {
    fn done(summary: ReadSummary) -> Self {
        Self { event: ReadEvent::Done(summary), fields: Arc::default() }
    }
}

/// A reading that runs, of pages or of a whole tree.
#[derive(Debug)]
pub(super) struct Feed {
    steps: Steps,
    /// Hands the waiting of this reading on to whoever waits for the whole.
    relay: Option<(Keeper, Gate)>,
    _task: Task,
    blame: (Arc<Inner>, Arc<Stream>),
}

impl Feed {
    /// Begins to read a stream, with its parents where it has any.
    pub(super) fn begin(inner: &Arc<Inner>, errand: Errand) -> Self {
        let Some(parent) = errand.stream.parent.clone() else { return Self::pages(inner, errand) };
        let blame = (Arc::clone(inner), Arc::clone(&errand.stream));
        let (sender, steps) = mpsc::channel(1);
        let mut tree = Tree::new(Arc::clone(inner), parent, errand, sender.clone());
        let task = Task(tokio::spawn(async move {
            let outcome = tree.run().await;
            // Whoever is gone needs no answer.
            drop(sender.send(outcome.map(Step::done)).await);
        }));
        Self { steps: Steps::Tree(steps), relay: None, _task: task, blame }
    }

    /// Begins to read a part of a reading: it waits at a gate of its own, so that its steps are passed on before it is heard of.
    pub(super) fn relayed(inner: &Arc<Inner>, mut errand: Errand) -> Self {
        let relay = errand.gate.take().map(|outer| {
            let (gate, keeper) = Gate::new();
            errand.gate = Some(gate);
            (keeper, outer)
        });
        Self { relay, ..Self::pages(inner, errand) }
    }

    /// Begins to read the pages of a stream under the parents that the errand has settled.
    fn pages(inner: &Arc<Inner>, errand: Errand) -> Self {
        let blame = (Arc::clone(inner), Arc::clone(&errand.stream));
        if let Some(plan) = errand.stream.job.clone() {
            let (sender, steps) = mpsc::channel(1);
            let mut run = JobRun::new(Arc::clone(inner), plan, errand, sender.clone());
            let task = Task(tokio::spawn(async move {
                let outcome = run.run().await;
                drop(sender.send(outcome.map(Step::done)).await);
            }));
            return Self { steps: Steps::Tree(steps), relay: None, _task: task, blame };
        }
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        let fields = Arc::clone(&errand.fields);
        let mut reader = Reader::new(Arc::clone(inner), errand, sender.clone());
        let task = Task(tokio::spawn(async move {
            let outcome = reader.run().await.map_err(|fault| reader.blame(fault));
            drop(sender.send(outcome.map(ReadEvent::Done)).await);
        }));
        Self { steps: Steps::Pages { events, fields }, relay: None, _task: task, blame }
    }

    /// The next step; the last one is done or an error.
    pub(super) async fn next(&mut self) -> Result<Step, SourceError> {
        let step = loop {
            let Some((keeper, outer)) = &mut self.relay else { break self.steps.next().await };
            tokio::select! {
                biased;
                step = self.steps.next() => break step,
                waiting = keeper.next() => {
                    outer.pass().await;
                    waiting.go_on();
                }
            }
        };
        step.unwrap_or_else(|| {
            let (inner, stream) = &self.blame;
            Err(inner.blame(stream, "", Fault::Internal { facts: "a reading ended without a word".to_owned() }))
        })
    }
}

/// The reading of one parent's children, or of a batch of parents'.
#[derive(Debug)]
struct Child {
    parents: Vec<Fields>,
    feed: Feed,
    /// Number, within the whole, of the request that is passed on.
    request: u32,
    has_begun: bool,
}

/// What became of a step of a child.
enum Came {
    /// More may come.
    Step,
    /// That was all.
    Done,
    /// The source refuses so many parents at once.
    TooMany,
}

struct Tree {
    inner: Arc<Inner>,
    stream: Arc<Stream>,
    parent: ParentManifest,
    errand: Errand,
    /// From the first instant that is asked for until the last.
    bounds: Option<TimeRange>,
    outlet: Outlet,
    waiting: Spool,
    /// A batch that is not full yet.
    batch: Batch,
    left_out: u64,
}

impl Tree {
    fn new(
        inner: Arc<Inner>,
        parent: ParentManifest,
        errand: Errand,
        out: mpsc::Sender<Result<Step, SourceError>>,
    ) -> Self {
        let stream = Arc::clone(&errand.stream);
        let (first, last) = (errand.ranges.front().copied().flatten(), errand.ranges.back().copied().flatten());
        let bounds = first.zip(last).and_then(|(first, last)| TimeRange::new(first.from(), last.until()).ok());
        Self {
            inner,
            stream,
            parent,
            errand,
            bounds,
            outlet: Outlet::new(out),
            waiting: Spool::new(),
            batch: Batch::default(),
            left_out: 0,
        }
    }

    fn blame(&self, fault: impl Into<Fault>) -> SourceError {
        self.inner.blame(&self.stream, "parent", fault)
    }

    async fn run(&mut self) -> Result<ReadSummary, SourceError> {
        let parent = self.inner.stream(&self.parent.stream)?;
        let (gate, mut keeper) = Gate::new();
        let window = self.bounds.filter(|_| self.parent.range == ParentRange::Window);
        let ranges = ranges_of(&self.inner, &parent, window).map_err(|fault| self.blame(fault))?;
        let mut feed = Feed::begin(
            &self.inner,
            Errand { stream: Arc::clone(&parent), ranges, token: None, gate: Some(gate), ..self.errand.clone() },
        );
        let mut request = 0;
        loop {
            // Steps come first: a reading waits at its gate only after its page was taken.
            tokio::select! {
                biased;
                step = feed.next() => {
                    let Step { event, fields } = step?;
                    match event {
                        ReadEvent::Exchange(exchange) => {
                            let head = self.outlet.head(exchange, &fields, Some(Role::Parent)).await;
                            request = head.map_err(|fault| self.blame(fault))?;
                        }
                        ReadEvent::Chunk(chunk) => {
                            let sent = self.outlet.chunk(chunk, request, &fields).await;
                            sent.map_err(|fault| self.blame(fault))?;
                        }
                        ReadEvent::Records(records) => self.gather(&parent, &records.texts, &fields)?,
                        ReadEvent::Done(done) => {
                            self.outlet.summary.is_slice_skipped |= done.is_slice_skipped;
                            self.outlet.summary.add_tries(done);
                            self.read_children(true).await?;
                            break;
                        }
                    }
                }
                waiting = keeper.next() => {
                    self.read_children(false).await?;
                    waiting.go_on();
                }
            }
        }
        if self.left_out > 0 {
            tracing::warn!(stream = %self.stream.name, left_out = self.left_out, "parents without the fields of their children");
        }
        Ok(std::mem::take(&mut self.outlet.summary))
    }

    /// Keeps what the children of these records need.
    fn gather(&mut self, parent: &Stream, records: &[Bytes], above: &Fields) -> Result<(), SourceError> {
        let window = parent.window.as_ref().filter(|_| self.parent.range == ParentRange::Window);
        for record in records {
            if let (Some(window), Some(bounds)) = (window, self.bounds) {
                let value = serde_json::from_slice::<serde_json::Value>(record).ok();
                let time = value.as_ref().and_then(|value| window.pointer.find(value));
                // An API without an upper bound also sends what comes later.
                if time
                    .and_then(|time| read_time(time, &window.read_formats, &self.errand.scope))
                    .is_some_and(|at| !bounds.contains(at))
                {
                    continue;
                }
            }
            let children = fields_of(&self.parent, record, above, &self.errand.scope);
            let children = children.map_err(|error| self.blame(error))?;
            if children.is_empty() && self.parent.each.is_none() && self.parent.when.is_none() {
                self.left_out += 1;
            }
            for fields in children {
                let text = serde_json::to_vec(&fields);
                let text = text.map_err(|error| self.blame(Fault::Internal { facts: error.to_string() }))?;
                self.waiting.push(Bytes::from(text)).map_err(|error| self.blame(spool_fault(&error)))?;
            }
        }
        Ok(())
    }

    /// Reads the children of every parent that waits; a batch that is not full waits for more parents unless these are the last.
    async fn read_children(&mut self, is_last: bool) -> Result<(), SourceError> {
        let mut running: VecDeque<Child> = VecDeque::new();
        loop {
            while running.len() < self.width() {
                match self.next_parents(is_last)? {
                    Some(parents) => running.push_back(self.begin_child(parents)?),
                    None => break,
                }
            }
            let Some(child) = running.front_mut() else { return Ok(()) };
            match self.advance(child).await? {
                Came::Step => {}
                Came::Done => drop(running.pop_front()),
                Came::TooMany => {
                    let mut parents = std::mem::take(&mut child.parents);
                    let right = parents.split_off(parents.len() / 2);
                    running.pop_front();
                    running.push_front(self.begin_child(right)?);
                    running.push_front(self.begin_child(parents)?);
                }
            }
        }
    }

    /// How many children are read at a time. A child that is a parent itself waits for its own children.
    fn width(&self) -> usize {
        if self.errand.gate.is_some() {
            return 1;
        }
        let parallel = self.parent.parallel.and_then(|parallel| usize::try_from(parallel).ok());
        parallel.unwrap_or(crate::parents::PARALLEL)
    }

    /// The parents of the next request.
    fn next_parents(&mut self, is_last: bool) -> Result<Option<Vec<Fields>>, SourceError> {
        let Some(manifest) = self.parent.batch.clone() else {
            return Ok(self.next_fields()?.map(|fields| vec![fields]));
        };
        while let Some(fields) = self.next_fields()? {
            if let Some(full) = manifest.add(&mut self.batch, fields) {
                return Ok(full.into_parents());
            }
        }
        Ok(if is_last { std::mem::take(&mut self.batch).into_parents() } else { None })
    }

    fn next_fields(&mut self) -> Result<Option<Fields>, SourceError> {
        let text = self.waiting.pop().map_err(|error| self.blame(spool_fault(&error)))?;
        let fields = text.map(|text| serde_json::from_slice::<Fields>(&text)).transpose();
        fields.map_err(|error| self.blame(Fault::Internal { facts: error.to_string() }))
    }

    fn begin_child(&self, parents: Vec<Fields>) -> Result<Child, SourceError> {
        let fields = match &self.parent.batch {
            Some(batch) => batch.fields(&parents),
            None => parents.first().cloned().unwrap_or_default(),
        };
        let fields = Arc::new(fields);
        let scope = Arc::new(scope_with(&self.errand.scope, &fields));
        let url = self.parent.url.as_ref().map(|name| self.child_url(name, &fields)).transpose()?;
        let feed = Feed::relayed(&self.inner, Errand { scope, fields, url, ..self.errand.clone() });
        Ok(Child { parents, feed, request: 0, has_begun: false })
    }

    fn child_url(&self, name: &str, fields: &Fields) -> Result<Url, SourceError> {
        let url = fields.get(name).and_then(serde_json::Value::as_str).and_then(|text| self.inner.base.join(text).ok());
        let (stream, name) = (self.parent.stream.clone(), name.to_owned());
        url.ok_or_else(|| self.blame(FieldError::NotAUrl { stream, name }))
    }

    /// Passes on the next step of a child.
    async fn advance(&mut self, child: &mut Child) -> Result<Came, SourceError> {
        let step = match child.feed.next().await {
            Ok(step) => step,
            // What was passed on cannot be taken back, so only a batch of which nothing came is asked for in halves.
            Err(error) if child.parents.len() > 1 && !child.has_begun && error.fault.is_batch_refused() => {
                self.outlet.summary.retries += 1;
                return Ok(Came::TooMany);
            }
            Err(error) => return Err(error),
        };
        child.has_begun = true;
        let is_done = self.outlet.step(step, &mut child.request).await.map_err(|fault| self.blame(fault))?;
        Ok(if is_done { Came::Done } else { Came::Step })
    }
}

/// The ranges that a stream is asked for on behalf of others: `window`, else all since its start, each as long as the stream takes.
pub(super) fn ranges_of(
    inner: &Inner,
    stream: &Stream,
    window: Option<TimeRange>,
) -> Result<VecDeque<Option<TimeRange>>, Fault> {
    let Some(plan) = &stream.window else { return Ok(VecDeque::from([None])) };
    // An end that is sent as the last instant of the range lies one step behind it.
    let inclusive = plan.request.as_ref().filter(|request| request.until_is_inclusive);
    let step = inclusive.map_or(TimeDelta::zero(), |request| {
        let micros = request.until_step_micros.map(|micros| TimeDelta::microseconds(i64::from(micros)));
        micros.unwrap_or_else(|| plan.policy.granularity.delta())
    });
    // A parent of any time may have children in a window, so all means up to now.
    let start = || inner.instant(stream.start.as_ref()).ok_or(Fault::Bounds { kind: stream.kind, needs_bounds: true });
    let whole = match window {
        Some(window) => Some(window),
        None => TimeRange::new(start()?, now_of(inner, stream, step)).ok(),
    };
    // Before its start nothing can have come.
    let Some(whole) = whole else { return Ok(VecDeque::new()) };
    if plan.request.as_ref().is_none_or(|request| request.until.is_none()) {
        return Ok(VecDeque::from([Some(whole)]));
    }
    let (mut ranges, mut from) = (VecDeque::new(), whole.from());
    while from < whole.until() {
        let until =
            from.checked_add_signed(plan.policy.length.delta()).map_or(whole.until(), |at| at.min(whole.until()));
        let until = if whole.until() - until <= step { whole.until() } else { until };
        ranges.push_back(Some(
            TimeRange::new(from, until).map_err(|error| Fault::Internal { facts: error.to_string() })?,
        ));
        from = until;
    }
    Ok(ranges)
}

/// Until when a stream is read on behalf of others: now, or its own end.
fn now_of(inner: &Inner, stream: &Stream, step: TimeDelta) -> DateTime<Utc> {
    let now = inner.clock.now();
    let until = inner.instant(stream.end.as_ref()).map_or(now, |end| end.min(now));
    until.checked_add_signed(step).unwrap_or(until)
}

fn spool_fault(error: &std::io::Error) -> Fault {
    Fault::Spool { reason: error.to_string() }
}
