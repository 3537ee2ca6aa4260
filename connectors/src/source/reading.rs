//! One reading of a window: range after range and page after page, until the source has said everything.
//!
//! How a page is asked for stands in `page`, what becomes of its parts in `delivery`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use headwater_contract::{ReadEvent, ReadSummary, TimeRange};
use tokio::sync::mpsc;

use super::Inner;
use super::chain::{follow, opening};
use super::gate::Gate;
use super::pass::{Outcome, Pass};
use super::portions::Portioning;
use super::refusal::Ruled;
use super::request::{Turn, names_of};
use super::tree::Errand;
use crate::error::{Fault, SourceError};
use crate::expression::Scope;
use crate::lookups::Desk;
use crate::pagination::{Next, Page, Pagination, PaginationError, Weaver, cursor_text, resolve, resolve_below};
use crate::parents::Given;
use crate::stream::Stream;
use crate::transport::Request;
use crate::windowing::{Watch, Wire};

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
    pub(super) given: Option<Given>,
    pub(super) sender: mpsc::Sender<Result<ReadEvent, SourceError>>,
    pub(super) summary: ReadSummary,
    /// Requests that ask for no page of their own: lookups, and all but the first portion of a page.
    pub(super) beside_pages: u32,
    /// How its windows are asked for, once settings and slice are known.
    pub(super) wire: Option<Wire>,
    /// The records that wait for the rest of their lists.
    pub(super) weaver: Option<Weaver>,
    /// The records that wait for what is looked up.
    pub(super) desk: Option<Desk>,
    /// How its fields are asked for.
    pub(super) portioning: Portioning,
    /// Number of the chunk that was passed on last, within its request.
    pub(super) last_chunk: u32,
    /// Whether the list that is read comes in the order that the manifest says.
    pub(super) watch: Option<Watch>,
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
                Outcome::Full { records } => return self.full(pass.read, records),
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
                    let location = if self.stream.pagination.from_base() {
                        resolve_below(self.inner.base_of(&self.stream.request), &url)?
                    } else {
                        resolve(&page, &url)?
                    };
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

    /// A query that ended at its cap, after `read` records of the range. What was passed on of other ranges does not come again.
    fn full(&self, read: u64, records: u64) -> Result<Option<Fault>, Fault> {
        let full = PaginationError::CapReached { records }.into();
        if read == 0 { Ok(Some(full)) } else { self.too_large(full) }
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
        // A link is kept and shown, so what it repeats of the credential stays out of it.
        self.summary.token_out = token.map(|token| self.inner.transport.link(&token));
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
}
