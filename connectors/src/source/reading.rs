//! One reading of a window: request after request, until the source has said everything.
//!
//! A body up to [`HOLD_BYTES`] is held until it is whole and decoded, so that a cut or throttled page is asked for again and nobody sees
//! it. A larger one streams; when it is cut, the reading fails by name and its window is read again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use chrono::{DateTime, Utc};
use headwater_contract::{Chunk, Exchange, ReadEvent, ReadSummary, Records, TimeRange};
use tokio::sync::mpsc;

use super::Inner;
use super::chain::{follow, opening};
use super::gate::Gate;
use super::pass::{Outcome, Pass};
use super::portions::Portioning;
use super::refusal::Ruled;
use super::request::{Turn, build, names_of};
use super::tree::Errand;
use crate::decoding::{BodyFacts, BodyReader, Decoder, Ended};
use crate::error::{Fault, SourceError};
use crate::expression::Scope;
use crate::lookups::Desk;
use crate::pagination::{Next, Page, Pagination, PaginationError, Weaver, cursor_text, parse_link_header, resolve};
use crate::parents::{Given, ROLE_HEADER, Role};
use crate::refusal::{Decision, Refusal};
use crate::stream::Stream;
use crate::transport::{Answer, Request};
use crate::windowing::{Watch, Wire};

/// Bodies up to this size are held until they are whole; larger ones stream in chunks of this size.
pub const HOLD_BYTES: usize = 8 * 1024 * 1024;
/// Most pages of one list: ten million records at a hundred a page. Each parent's children are a list of their own.
pub const PAGES_MAX: u32 = 100_000;
/// How often a list that moves is read from its beginning within one reading.
const RESTARTS_MAX: u32 = 3;
/// Events that wait for a slow reader; each may hold a chunk.
pub(super) const EVENTS_WAITING: usize = 2;

pub(super) struct Reader {
    pub(super) inner: Arc<Inner>,
    pub(super) stream: Arc<Stream>,
    pub(super) errand: Errand,
    /// What every record takes from its request.
    given: Option<Given>,
    sender: mpsc::Sender<Result<ReadEvent, SourceError>>,
    pub(super) summary: ReadSummary,
    /// Requests that ask for no page of their own: lookups, and all but the first portion of a page.
    pub(super) beside_pages: u32,
    /// How its windows are asked for, once settings and slice are known.
    wire: Option<Wire>,
    /// The records that wait for the rest of their lists.
    pub(super) weaver: Option<Weaver>,
    /// The records that wait for what is looked up.
    pub(super) desk: Option<Desk>,
    /// How its fields are asked for.
    pub(super) portioning: Portioning,
    /// Number of the chunk that was passed on last, within its request.
    pub(super) last_chunk: u32,
    /// Whether the list that is read comes in the order that the manifest says.
    watch: Option<Watch>,
    /// The request in flight, without secrets, and the manifest's key that a fault is blamed on.
    pub(super) last_request: Option<String>,
    began: Instant,
}

impl Reader {
    pub(super) fn new(inner: Arc<Inner>, errand: Errand, sender: mpsc::Sender<Result<ReadEvent, SourceError>>) -> Self {
        let stream = Arc::clone(&errand.stream);
        let given = Given::new(&stream.given, &[], &errand.fields, &errand.scope, &stream.request.with);
        let (summary, weaver, desk) =
            (ReadSummary::default(), Weaver::new(&stream.connections), Desk::new(&stream.lookups));
        let began = Instant::now();
        Self {
            inner,
            stream,
            errand,
            given,
            sender,
            summary,
            beside_pages: 0,
            wire: None,
            weaver,
            desk,
            portioning: Portioning::default(),
            last_chunk: 0,
            watch: None,
            last_request: None,
            began,
        }
    }

    pub(super) fn blame(&self, fault: Fault) -> SourceError {
        let key = match &fault {
            Fault::Pagination(
                PaginationError::KeylessPortion { .. }
                | PaginationError::PortionsDiffer { .. }
                | PaginationError::TooManyPortions { .. },
            ) => "fields",
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
        let now = self.inner.clock.now();
        self.portioning = self.settle_fields().await?;
        self.wire = self.stream.window.as_ref().map(|window| Wire::new(window, &scope, now)).transpose()?;
        let mut ranges = VecDeque::new();
        for range in std::mem::take(&mut self.errand.ranges) {
            match (&self.wire, range) {
                (Some(wire), Some(range)) => ranges.extend(wire.pieces(range)?.into_iter().map(Some)),
                _ => ranges.push_back(range),
            }
        }
        while let Some(range) = ranges.pop_front() {
            if self.summary.is_slice_skipped {
                break;
            }
            if let Some(too_large) = self.read_range(&scope, range).await? {
                let cut = self.wire.as_ref().and_then(|wire| wire.cut(range?));
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
        let mut pass = self.open_pass(scope, range).await?;
        loop {
            let page = match self.read_page(scope, &mut pass, range).await? {
                Outcome::Page(page) => page,
                Outcome::Capped { total, cap } => return Ok(Some(PaginationError::Capped { total, cap }.into())),
                Outcome::Ruled(Ruled::Restart) => {
                    self.forget_token();
                    pass = self.restart(&mut restarts, scope, range).await?;
                    continue;
                }
                Outcome::Ruled(Ruled::TooLarge(fault)) => return self.too_large(fault),
                Outcome::Ruled(Ruled::Skipped) => return Ok(None),
            };
            pass.read += page.count();
            self.read_connections(scope, &pass.turn).await?;
            self.read_lookups().await?;
            let next = self.next(&page)?;
            if let Some(records) = self.fills_query(&pass) {
                return self.too_large(PaginationError::CapReached { records }.into());
            }
            match next {
                Next::Done => {
                    self.close_session(scope, &pass.turn).await;
                    return Ok(None);
                }
                Next::Request(set) => {
                    let cursor = cursor_text(&set);
                    if let Pagination::Scroll(scroll) = &self.stream.pagination {
                        let plan = scroll.next.as_ref().map(|next| Arc::new(next.plan(&self.stream.request)));
                        pass.turn.plan = plan;
                    } else {
                        pass.remember(&cursor)?;
                    }
                    pass.cursor = Some(cursor);
                    pass.turn.is_alone = self.stream.pagination.is_alone();
                    pass.turn.url = None;
                    pass.turn.set = set;
                }
                Next::Url(url) => {
                    let location = resolve(&page, &url)?;
                    pass.remember(location.as_str())?;
                    pass.cursor = Some(url);
                    pass.turn.url = Some(location);
                }
                Next::Restart => pass = self.restart(&mut restarts, scope, range).await?,
                Next::From(from) => {
                    let number = pass.number;
                    pass = self.open_pass(scope, range).await?;
                    self.ask_from(&mut pass, from, range);
                    pass.number = number;
                }
            }
            pass.number += 1;
            let asked = self.summary.requests.saturating_sub(self.beside_pages);
            if pass.number >= PAGES_MAX || asked >= PAGES_MAX {
                return Err(PaginationError::TooManyPages { limit: PAGES_MAX }.into());
            }
            if self.began.elapsed() > self.inner.transport.patience().reading_max {
                return Err(Fault::ReadingTooLong { requests: self.summary.requests });
            }
        }
    }

    /// A range that gives more than one query does; without a key nothing of it may be read twice.
    fn too_large(&self, fault: Fault) -> Result<Option<Fault>, Fault> {
        if self.stream.is_append_only() && self.summary.records > 0 { Err(fault) } else { Ok(Some(fault)) }
    }

    /// A chain whose token the source does not know any more begins at the very start.
    fn forget_token(&mut self) {
        if self.stream.chain.is_some() && self.errand.token.take().is_some() {
            tracing::warn!(stream = %self.stream.name, "the chain's token is too old; the list is read from its very start");
            self.summary.token_out = None;
        }
    }

    /// The first page once more, a bounded number of times.
    async fn restart(&mut self, restarts: &mut u32, scope: &Scope, range: Option<TimeRange>) -> Result<Pass, Fault> {
        *restarts += 1;
        // Without a key, what was read twice would count twice.
        if *restarts > RESTARTS_MAX || (self.stream.is_append_only() && self.summary.records > 0) {
            return Err(PaginationError::Moved { times: *restarts }.into());
        }
        tracing::debug!(stream = %self.stream.name, restarts, "reading the list from its first page");
        self.open_pass(scope, range).await
    }

    /// The state before the first page.
    async fn open_pass(&mut self, scope: &Scope, range: Option<TimeRange>) -> Result<Pass, Fault> {
        let mut pass = Pass::default();
        let stream = Arc::clone(&self.stream);
        pass.turn.sent = self.sent(0);
        if let (Some(range), Some(window)) = (range, &stream.window) {
            self.watch = window.feed.map(|feed| Watch::new(feed, window.pointer.clone(), range));
            self.ask_from(&mut pass, range.from(), Some(range));
        }
        self.give(scope, &pass.turn)?;
        pass.turn.url.clone_from(&self.errand.url);
        pass.turn.set = stream.pagination.first();
        if let Some(chain) = &stream.chain {
            if let (None, Some(start)) = (&self.errand.token, &chain.start) {
                self.errand.token = Some(self.first_token(start, scope).await?);
            }
            let token = self.errand.token.clone();
            // What opens a link is said on each of its pages, as window bounds are.
            pass.turn.window = opening(chain, token.as_deref(), scope)?;
            if let (None, Some(url)) = (&chain.param, &token) {
                let no_url = |_| PaginationError::NoCursor { field: chain.next.to_string() };
                pass.turn.url = Some(self.inner.base.join(url).map_err(no_url)?);
            }
            // Pages of their own have cursors of their own.
            pass.cursor = token.filter(|_| stream.pagination == Pagination::None);
        }
        Ok(pass)
    }

    /// Settles what records take from their requests, where shaping them needs more than columns do.
    fn give(&mut self, scope: &Scope, turn: &Turn) -> Result<(), Fault> {
        let stream = Arc::clone(&self.stream);
        let others = stream.shape.as_ref().map(|shape| shape.given()).unwrap_or_default();
        if !others.is_empty() {
            let names = names_of(&stream, scope, turn, self.inner.clock.now())?;
            self.given = Given::new(&stream.given, &others, &self.errand.fields, &names, &stream.request.with);
        }
        Ok(())
    }

    /// How many records came when the query has given all that one gives, although more may match.
    fn fills_query(&self, pass: &Pass) -> Option<u64> {
        let cap = self.stream.window.as_ref()?.cap.as_ref()?;
        if matches!(self.stream.pagination, Pagination::AdvancingFrom(_)) {
            return None;
        }
        let is_last_page = cap.pages.is_some_and(|pages| pass.number + 1 >= pages);
        let is_full = cap.total.is_none() && cap.records.is_some_and(|records| pass.read >= records);
        (is_last_page || is_full).then_some(pass.read)
    }

    /// Asks for the rows of `range` from this instant on.
    fn ask_from(&self, pass: &mut Pass, from: DateTime<Utc>, range: Option<TimeRange>) {
        let (Some(range), Some(wire)) = (range, &self.wire) else { return };
        pass.from = Some(from);
        let bounds = wire.bounds_from(from, range);
        pass.turn.bounds = Some(bounds.unwrap_or((from, range.until())));
        pass.turn.window = bounds.map(|bounds| wire.values(bounds)).unwrap_or_default();
    }

    /// What follows a page: by the chain's token, or by the stream's pagination.
    fn next(&mut self, page: &Page) -> Result<Next, Fault> {
        if self.watch.as_ref().is_some_and(Watch::is_past) {
            return Ok(Next::Done);
        }
        let Some(chain) = &self.stream.chain else { return Ok(self.stream.pagination.next(page)?) };
        let (known, begun) = (self.summary.token_out.as_deref(), self.errand.token.as_deref());
        let (next, token) = follow(chain, &self.stream.pagination, page, known, begun)?;
        self.summary.token_out = token;
        Ok(next)
    }

    /// Keeps the request in mind, without secrets, for whoever reads an error.
    pub(super) fn name_request(&mut self, request: &Request) {
        let url = self.shown(self.inner.transport.redact_url(&request.url));
        self.last_request = Some(format!("{} {url}", request.method_name()));
    }

    /// Waits until whoever reads under this one's records lets it go on.
    pub(super) async fn wait_at_gate(&self) {
        if let Some(gate) = &self.errand.gate {
            Gate::pass(gate).await;
        }
    }

    /// Asks for one page, in portions where its fields need several requests.
    async fn read_page(&mut self, scope: &Scope, pass: &mut Pass, range: Option<TimeRange>) -> Result<Outcome, Fault> {
        if self.portioning.is_in_portions() {
            return self.read_portions(scope, pass, range).await;
        }
        self.ask_page(scope, pass, range).await
    }

    /// Asks for one page, or for a portion of it, until it is whole, and passes it on.
    pub(super) async fn ask_page(
        &mut self,
        scope: &Scope,
        pass: &mut Pass,
        range: Option<TimeRange>,
    ) -> Result<Outcome, Fault> {
        let request = build(&self.inner, &self.stream, scope, &pass.turn)?;
        self.name_request(&request);
        self.wait_at_gate().await;
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
            let facts = self.close(whole.ended, request, &answer, &held).await.map_err(refused)?;
            let page = self.page(pass, range, &answer, facts).map_err(unseen)?;
            if let Some(outcome) = self.capped(&page) {
                return Ok(outcome);
            }
            let seen = |fault: Fault| (fault.into(), true);
            self.pass_on_head(&answer, request, None).await.map_err(seen)?;
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
            self.count(&page);
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
        self.pass_on_head(&answer, request, None).await?;
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
        let facts = self.close(body.finish()?, request, &answer, &[]).await?;
        let page = self.page(pass, range, &answer, facts)?;
        if let Some(Outcome::Capped { total, cap }) = self.capped(&page) {
            return Err(PaginationError::Capped { total, cap }.into());
        }
        self.count(&page);
        Ok(Outcome::Page(page))
    }

    /// Counts an answer; what was dropped of a page counts once, however many portions it has.
    fn count(&mut self, page: &Page) {
        self.summary.requests += 1;
        if self.portioning.is_first() {
            self.summary.dropped += page.facts.dropped;
        } else {
            self.beside_pages += 1;
        }
    }

    fn body_reader(&self, answer: &Answer) -> BodyReader {
        let mut facts = self.inner.transport.facts(self.stream.request.rules.facts(self.stream.facts()));
        if let Some(error) = self.error_in_body() {
            facts = error.message.iter().fold(facts.body_field(&error.field), crate::decoding::PageFacts::body_field);
        }
        let decoder = Decoder::of(&self.stream.decoding, &self.stream.records, &facts).with_shape(
            self.stream.shape.as_ref(),
            &self.inner.scope,
            self.given.as_ref(),
        );
        BodyReader::new(self.summary.requests, decoder.with_content_type(content_type(&answer.headers)))
    }

    /// Ends a body: it is whole, says no error, and had its list of records.
    async fn close(
        &self,
        ended: Ended<()>,
        request: &Request,
        answer: &Answer,
        whole: &[u8],
    ) -> Result<BodyFacts, Refusal> {
        let Ended { facts, found, .. } = ended;
        self.inner.transport.settle(request, answer, &facts).await?;
        self.judge_decoded(answer, &facts, whole, found.err().map(Fault::from))?;
        Ok(facts)
    }

    fn capped(&self, page: &Page) -> Option<Outcome> {
        let cap = self.stream.window.as_ref()?.cap.as_ref()?;
        // A pagination that moves the lower bound never asks for more than a query gives.
        if matches!(self.stream.pagination, Pagination::AdvancingFrom(_)) {
            return None;
        }
        let (total, cap) = (page.tell(cap.total.as_ref()?).ok()?, cap.records?);
        (total > cap).then_some(Outcome::Capped { total, cap })
    }

    /// The page's facts for pagination, after the guard against a page that comes twice.
    fn page(
        &self,
        pass: &mut Pass,
        range: Option<TimeRange>,
        answer: &Answer,
        facts: BodyFacts,
    ) -> Result<Page, Fault> {
        // Portions of a page may look alike, and a page that is read again does.
        if self.portioning.is_new_page() {
            pass.meet(&facts, self.stream.is_append_only())?;
        }
        let last_time = self
            .stream
            .window
            .as_ref()
            .and_then(|window| self.wire.as_ref()?.read(facts.last_record_field(&window.pointer)?));
        let page = Page {
            facts,
            cursor: pass.cursor.clone(),
            url: Some(answer.location.to_string()),
            links: parse_link_header(&answer.links),
            headers: plain_headers(&answer.all_headers),
            number: pass.number,
            read: pass.read,
            size: self.stream.page_size(),
            first_total: pass.first_total,
            from: pass.from,
            until: range.map(|range| range.until()),
            last_time,
            settings: Arc::clone(&self.errand.scope),
        };
        if let Some(total) = self.stream.pagination.total()
            && pass.first_total.is_none()
        {
            pass.first_total = page.tell(total).ok();
        }
        Ok(page)
    }

    /// A URL as it may be kept: a link that a source gave opens what it leads to for whoever has its parameters.
    fn shown(&self, url: String) -> String {
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

    async fn pass_on_records(&mut self, records: Records) -> Result<(), Fault> {
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
    async fn drain(&mut self, body: &mut BodyReader) -> Result<(), Fault> {
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

/// What the source says of a body, by the headers that are kept of its answer.
pub(super) fn content_type(headers: &[(String, String)]) -> Option<&str> {
    headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str())
}

/// Headers that pagination may look at.
fn plain_headers(headers: &reqwest::header::HeaderMap) -> Vec<(String, String)> {
    let plain = headers.iter().filter(|(name, _)| name.as_str() != "set-cookie");
    plain.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}
