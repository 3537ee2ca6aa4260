//! One reading of a window: request after request, until the source has said everything.
//!
//! A body up to [`HOLD_BYTES`] is held until it is whole and decoded, so that a cut or throttled page is asked for again and nobody sees
//! it. A larger one streams; when it is cut, the reading fails by name and its window is read again.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::BytesMut;
use headwater_contract::{Chunk, Digest16, Exchange, ReadEvent, ReadSummary, Records, Slice, TimeRange};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::Url;

use super::Inner;
use super::gate::Gate;
use super::refusal::Ruled;
use super::request::{Turn, build};
use super::tree::{Errand, Feed};
use crate::decoding::{BodyFacts, BodyReader, Decoder, Ended};
use crate::error::{Fault, SourceError};
use crate::expression::Scope;
use crate::pagination::{Next, Page, PaginationError, parse_link_header};
use crate::parents::Given;
use crate::refusal::{Decision, Refusal};
use crate::stream::Stream;
use crate::transport::{Answer, Request};
use crate::windowing::{halves, read_instant, sent_bounds};

/// Bodies up to this size are held until they are whole; larger ones stream in chunks of this size.
pub const HOLD_BYTES: usize = 8 * 1024 * 1024;
/// Most pages of one list: ten million records at a hundred a page. Each parent's children are a list of their own.
pub const PAGES_MAX: u32 = 100_000;
/// How often a list that moves is read from its beginning within one reading.
const RESTARTS_MAX: u32 = 3;
/// Events that wait for a slow reader; each may hold a chunk.
pub(super) const EVENTS_WAITING: usize = 2;

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
        if self.is_over {
            return None;
        }
        let event = self.events.recv().await.unwrap_or_else(|| {
            let place = crate::error::Place { stream: self.stream.clone(), ..crate::error::Place::default() };
            Err(SourceError::new(place, Fault::Internal { facts: "the reading ended without a word".to_owned() }))
        });
        self.is_over = matches!(event, Err(_) | Ok(ReadEvent::Done(_)));
        Some(event)
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
        // A reader that is gone needs no answer.
        match settle(&inner, &stream, request).await {
            Err(error) => drop(sender.send(Err(error)).await),
            Ok(errand) if errand.stream.parent.is_none() => {
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
    Ok(Errand { stream, scope, fields: Arc::default(), ranges, token: request.token, gate: None })
}

/// The state of one pass over a list.
#[derive(Debug, Default)]
struct Pass {
    turn: Turn,
    cursor: Option<String>,
    number: u32,
    first_total: Option<u64>,
    previous: Option<Digest16>,
    /// Digests of every cursor and URL of the pass: a circle of pages is found wherever it closes.
    asked: HashSet<Digest16>,
}

/// What came of a page.
enum Outcome {
    Page(Page),
    /// More records match than one query gives; nothing of the page was passed on.
    Capped {
        total: u64,
        cap: u64,
    },
    /// A rule of the manifest says what its refusal means.
    Ruled(Ruled),
}

pub(super) struct Reader {
    pub(super) inner: Arc<Inner>,
    pub(super) stream: Arc<Stream>,
    errand: Errand,
    /// What every record takes from its request.
    given: Option<Given>,
    sender: mpsc::Sender<Result<ReadEvent, SourceError>>,
    pub(super) summary: ReadSummary,
    /// The request in flight, without secrets, and the manifest's key that a fault is blamed on.
    pub(super) last_request: Option<String>,
}

impl Reader {
    pub(super) fn new(inner: Arc<Inner>, errand: Errand, sender: mpsc::Sender<Result<ReadEvent, SourceError>>) -> Self {
        let stream = Arc::clone(&errand.stream);
        let given = Given::new(&stream.given, &errand.fields, &errand.scope, &stream.request.with);
        Self { inner, stream, errand, given, sender, summary: ReadSummary::default(), last_request: None }
    }

    pub(super) fn blame(&self, fault: Fault) -> SourceError {
        let key = match &fault {
            Fault::Pagination(_) if self.stream.chain.is_some() => "chain",
            Fault::Pagination(_) => "pagination",
            Fault::Decode(_) => "records",
            Fault::Slice(_) => "slices",
            Fault::NotFound { .. } | Fault::Rejected { .. } => "path",
            _ => "",
        };
        let mut error = self.inner.blame(&self.stream, key, fault);
        error.place.request.clone_from(&self.last_request);
        error
    }

    pub(super) async fn run(&mut self) -> Result<ReadSummary, Fault> {
        let scope = Arc::clone(&self.errand.scope);
        let mut ranges = std::mem::take(&mut self.errand.ranges);
        while let Some(range) = ranges.pop_front() {
            if self.summary.is_slice_skipped {
                break;
            }
            if let Some(too_large) = self.read_range(&scope, range).await? {
                let granularity =
                    self.stream.window.as_ref().map(|window| window.policy.granularity).unwrap_or_default();
                let cut = range.and_then(|range| halves(range, granularity));
                let (left, right) = cut.ok_or(too_large)?;
                ranges.push_front(Some(right));
                ranges.push_front(Some(left));
            }
        }
        Ok(std::mem::take(&mut self.summary))
    }

    /// Reads one range to its end; gives back why when it is too large for one query.
    async fn read_range(&mut self, scope: &Scope, range: Option<TimeRange>) -> Result<Option<Fault>, Fault> {
        let mut restarts = 0;
        let mut pass = self.first_pass(range);
        loop {
            let page = match self.read_page(scope, &mut pass, range).await? {
                Outcome::Page(page) => page,
                Outcome::Capped { total, cap } => return Ok(Some(PaginationError::Capped { total, cap }.into())),
                Outcome::Ruled(Ruled::Restart) => {
                    pass = self.restart(&mut restarts, range)?;
                    continue;
                }
                Outcome::Ruled(Ruled::TooLarge(fault)) => return Ok(Some(fault)),
                Outcome::Ruled(Ruled::Skipped) => return Ok(None),
            };
            match self.next(&page)? {
                Next::Done => return Ok(None),
                Next::Request { param, value } => {
                    pass.remember(&value)?;
                    pass.cursor = Some(value.clone());
                    pass.turn.url = None;
                    pass.turn.param = Some((param, value));
                }
                Next::Url(url) => {
                    let location = page_location(&page, &url)?;
                    pass.remember(&url)?;
                    pass.cursor = Some(url);
                    pass.turn.url = Some(location);
                }
                Next::Restart => pass = self.restart(&mut restarts, range)?,
                Next::From(from) => {
                    let until = pass.turn.bounds.map_or(from, |(_, until)| until);
                    let number = pass.number;
                    pass = self.first_pass(range);
                    pass.turn.bounds = Some((from, until));
                    pass.number = number;
                }
            }
            pass.number += 1;
            if pass.number >= PAGES_MAX || self.summary.requests >= PAGES_MAX {
                return Err(PaginationError::TooManyPages { limit: PAGES_MAX }.into());
            }
        }
    }

    /// The first page once more, a bounded number of times.
    fn restart(&self, restarts: &mut u32, range: Option<TimeRange>) -> Result<Pass, Fault> {
        *restarts += 1;
        if *restarts > RESTARTS_MAX {
            return Err(PaginationError::Moved { times: *restarts }.into());
        }
        tracing::debug!(stream = %self.stream.name, restarts, "reading the list from its first page");
        Ok(self.first_pass(range))
    }

    fn first_pass(&self, range: Option<TimeRange>) -> Pass {
        let mut pass = Pass::default();
        if let (Some(range), Some(window)) = (range, &self.stream.window) {
            let sent = |request| sent_bounds(range, request, window.policy.granularity);
            pass.turn.bounds = Some(window.request.as_ref().map_or((range.from(), range.until()), sent));
        }
        if let Some((param, value)) = self.stream.pagination.first() {
            pass.turn.param = Some((param.to_owned(), value));
        }
        if let (Some(chain), Some(token)) = (&self.stream.chain, &self.errand.token) {
            pass.turn.param = Some((chain.param.clone(), token.clone()));
            pass.cursor = Some(token.clone());
        }
        pass
    }

    /// What follows a page: by the chain's token, or by the stream's pagination.
    fn next(&mut self, page: &Page) -> Result<Next, Fault> {
        let Some(chain) = &self.stream.chain else { return Ok(self.stream.pagination.next(page)?) };
        let token = chain_token(&page.facts, &chain.next);
        let more = match &chain.more {
            Some(more) => page
                .body_field(more)
                .and_then(Value::as_bool)
                .ok_or_else(|| PaginationError::NoMoreFlag { field: more.to_string() })?,
            None => page.count() > 0,
        };
        let token = token.ok_or_else(|| PaginationError::NoCursor { field: chain.next.to_string() })?;
        self.summary.token_out = Some(token.clone());
        if !more {
            return Ok(Next::Done);
        }
        if page.cursor() == Some(token.as_str()) {
            return Err(PaginationError::CursorStuck { cursor: token }.into());
        }
        Ok(Next::Request { param: chain.param.clone(), value: token })
    }

    /// Asks for one page until it is whole, and passes it on.
    async fn read_page(&mut self, scope: &Scope, pass: &mut Pass, range: Option<TimeRange>) -> Result<Outcome, Fault> {
        let request = build(&self.inner, &self.stream, scope, &pass.turn)?;
        self.last_request =
            Some(format!("{} {}", request.method_name(), self.inner.transport.redact_url(&request.url)));
        if let Some(gate) = &self.errand.gate {
            Gate::pass(gate).await;
        }
        let mut retries = self.inner.transport.retries();
        loop {
            match self.try_page(&request, pass, range).await {
                Ok(outcome) => return Ok(outcome),
                // What was passed on cannot be taken back, so only a page of which nobody saw anything is asked for again.
                Err((refusal, false)) => {
                    let renews = refusal.decision == Some(Decision::RenewCredential);
                    if (!renews || !request.caller.renews().await)
                        && let Some(ruled) = self.obey(&mut retries, refusal).await?
                    {
                        return Ok(Outcome::Ruled(ruled));
                    }
                }
                Err((refusal, true)) => return Err(refusal.into()),
            }
            self.summary.retries += 1;
        }
    }

    /// One try; an error says whether anything of the page was passed on.
    async fn try_page(
        &mut self,
        request: &Request,
        pass: &mut Pass,
        range: Option<TimeRange>,
    ) -> Result<Outcome, (Refusal, bool)> {
        let unseen = |fault: Fault| (fault.into(), false);
        let mut answer = self.inner.transport.send(request).await.map_err(|refusal| (refusal, false))?;
        let capacity =
            answer.size_hint.and_then(|size| usize::try_from(size).ok()).unwrap_or(64 * 1024).min(HOLD_BYTES);
        let mut held = BytesMut::with_capacity(capacity + 1);
        let mut is_whole = false;
        while held.len() <= HOLD_BYTES && !is_whole {
            is_whole = !answer.read(&mut held).await.map_err(unseen)?;
        }
        if held.len() <= HOLD_BYTES {
            let held = held.freeze();
            let refused = |refusal: Refusal| (refusal, false);
            let whole = self.body_reader(&answer).whole(held.clone());
            let whole = whole.map_err(|error| refused(self.judge_undecoded(&answer, &held, error.into())))?;
            let facts = self.close(whole.ended, &answer, &held).map_err(refused)?;
            if let Some(outcome) = self.capped(&facts) {
                return Ok(outcome);
            }
            let page = self.page(pass, range, &answer, facts).map_err(unseen)?;
            let seen = |fault: Fault| (fault.into(), true);
            self.pass_on_head(&answer, request).await.map_err(seen)?;
            let again = (whole.batches.is_none()).then(|| (self.body_reader(&answer), whole.chunk.body.clone()));
            self.pass_on(whole.chunk).await.map_err(seen)?;
            for records in whole.batches.into_iter().flatten() {
                self.pass_on_records(records).await.map_err(seen)?;
            }
            if let Some((mut body, bytes)) = again {
                body.push(bytes);
                self.drain(&mut body).await.map_err(seen)?;
                body.end();
                self.drain(&mut body).await.map_err(seen)?;
            }
            self.summary.requests += 1;
            return Ok(Outcome::Page(page));
        }
        let body = self.body_reader(&answer);
        self.stream_page(request, answer, body, held, is_whole, pass, range).await.map_err(|fault| (fault.into(), true))
    }

    /// Passes a large body on while it arrives.
    #[expect(clippy::too_many_arguments, reason = "the state of one body that has outgrown its buffer, used once")]
    async fn stream_page(
        &mut self,
        request: &Request,
        mut answer: Answer,
        mut body: BodyReader,
        mut held: BytesMut,
        mut is_whole: bool,
        pass: &mut Pass,
        range: Option<TimeRange>,
    ) -> Result<Outcome, Fault> {
        self.pass_on_head(&answer, request).await?;
        loop {
            while held.len() >= HOLD_BYTES || (is_whole && !held.is_empty()) {
                let piece = held.split_to(held.len().min(HOLD_BYTES)).freeze();
                let chunk = body.push(piece);
                self.pass_on(chunk).await?;
                self.drain(&mut body).await?;
            }
            if is_whole {
                break;
            }
            held.reserve(HOLD_BYTES.saturating_sub(held.len()));
            while held.len() < HOLD_BYTES && !is_whole {
                is_whole = !answer.read(&mut held).await?;
            }
        }
        body.end();
        self.drain(&mut body).await?;
        let facts = self.close(body.finish()?, &answer, &[])?;
        if let Some(Outcome::Capped { total, cap }) = self.capped(&facts) {
            return Err(PaginationError::Capped { total, cap }.into());
        }
        let page = self.page(pass, range, &answer, facts)?;
        self.summary.requests += 1;
        Ok(Outcome::Page(page))
    }

    fn body_reader(&self, answer: &Answer) -> BodyReader {
        let mut facts = self.stream.request.rules.facts(self.stream.facts());
        if let Some(error) = self.error_in_body() {
            facts = error.message.iter().fold(facts.body_field(&error.field), crate::decoding::PageFacts::body_field);
        }
        let decoder = Decoder::of(&self.stream.decoding, &self.stream.records, &facts);
        BodyReader::new(self.summary.requests, decoder.with_content_type(content_type(&answer.headers)))
    }

    /// Ends a body: it is whole, says no error, and had its list of records.
    fn close(&self, ended: Ended<()>, answer: &Answer, whole: &[u8]) -> Result<BodyFacts, Refusal> {
        let Ended { facts, found, .. } = ended;
        self.judge_decoded(answer, &facts, whole, found.err().map(Fault::from))?;
        Ok(facts)
    }

    fn capped(&self, facts: &BodyFacts) -> Option<Outcome> {
        let cap = self.stream.window.as_ref()?.cap.as_ref()?;
        // A pagination that moves the lower bound never asks for more than a query gives.
        if matches!(self.stream.pagination, crate::pagination::Pagination::AdvancingFrom(_)) {
            return None;
        }
        let total = facts.body_field(&cap.total)?.as_u64()?;
        (total > cap.records).then_some(Outcome::Capped { total, cap: cap.records })
    }

    /// The page's facts for pagination, after the guard against a page that comes twice.
    fn page(
        &self,
        pass: &mut Pass,
        range: Option<TimeRange>,
        answer: &Answer,
        facts: BodyFacts,
    ) -> Result<Page, Fault> {
        if facts.count > 0 && pass.previous == Some(facts.digest) {
            return Err(PaginationError::PageRepeated { page: pass.number + 1 }.into());
        }
        pass.previous = Some(facts.digest);
        if let Some(total) = self.stream.pagination.total()
            && pass.first_total.is_none()
        {
            pass.first_total = facts.body_field(total).and_then(Value::as_u64);
        }
        let last_time = self
            .stream
            .window
            .as_ref()
            .and_then(|window| read_instant(facts.last_record_field(&window.pointer)?, &window.read_format));
        Ok(Page {
            facts,
            cursor: pass.cursor.clone(),
            url: Some(answer.location.to_string()),
            links: parse_link_header(&answer.links),
            number: pass.number,
            first_total: pass.first_total,
            from: pass.turn.bounds.map(|(from, _)| from),
            until: range.map(|range| range.until()),
            last_time,
        })
    }

    async fn pass_on_head(&mut self, answer: &Answer, request: &Request) -> Result<(), Fault> {
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
        self.send(ReadEvent::Exchange(exchange)).await
    }

    async fn pass_on(&mut self, chunk: Chunk) -> Result<(), Fault> {
        self.summary.bytes += chunk.body.len() as u64;
        self.send(ReadEvent::Chunk(chunk)).await
    }

    async fn pass_on_records(&mut self, mut records: Records) -> Result<(), Fault> {
        if let Some(given) = &self.given {
            given.write_into_all(&mut records.texts);
        }
        self.summary.records += records.texts.len() as u64;
        self.send(ReadEvent::Records(records)).await
    }

    /// Passes on all records of what was pushed.
    async fn drain(&mut self, body: &mut BodyReader) -> Result<(), Fault> {
        while let Some(records) = body.next()? {
            self.pass_on_records(records).await?;
        }
        Ok(())
    }

    async fn send(&mut self, event: ReadEvent) -> Result<(), Fault> {
        let gone = |_| Fault::Internal { facts: "nobody takes what is read".to_owned() };
        self.sender.send(Ok(event)).await.map_err(gone)
    }
}

impl Pass {
    /// Refuses a cursor that was sent before in this pass.
    fn remember(&mut self, cursor: &str) -> Result<(), Fault> {
        if self.asked.insert(Digest16::of(cursor.as_bytes())) {
            return Ok(());
        }
        Err(PaginationError::CursorStuck { cursor: cursor.to_owned() }.into())
    }
}

/// What the source says of a body, by the headers that are kept of its answer.
pub(super) fn content_type(headers: &[(String, String)]) -> Option<&str> {
    headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str())
}

/// The token that the next request of a chain starts from.
pub(super) fn chain_token(facts: &BodyFacts, next: &crate::decoding::Pointer) -> Option<String> {
    match facts.body_field(next)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn page_location(page: &Page, url: &str) -> Result<Url, Fault> {
    let base = page.url.as_deref().and_then(|base| Url::parse(base).ok());
    let joined = base.and_then(|base| base.join(url).ok());
    joined.ok_or_else(|| PaginationError::NoCursor { field: "the next page's URL".to_owned() }.into())
}
