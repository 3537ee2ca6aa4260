//! One page: asked for until it is whole, decoded, and passed on.
//!
//! A body up to [`HOLD_BYTES`] is held until it is whole and decoded, so that a cut or throttled page is asked for again and nobody sees
//! it. A larger one streams; when it is cut, the reading fails by name and its window is read again.

use std::sync::Arc;

use bytes::BytesMut;
use headwater_contract::TimeRange;

use super::pass::{Outcome, Pass};
use super::reading::Reader;
use super::request::build;
use crate::decoding::{BodyFacts, BodyReader, Decoder, Ended, PageFacts};
use crate::error::Fault;
use crate::expression::Scope;
use crate::pagination::{Page, Pagination, PaginationError, parse_link_header};
use crate::refusal::{Decision, Refusal};
use crate::transport::{Answer, Request};

/// Bodies up to this size are held until they are whole; larger ones stream in chunks of this size.
pub const HOLD_BYTES: usize = 8 * 1024 * 1024;

impl Reader {
    /// Asks for one page, in portions where its fields need several requests.
    pub(super) async fn read_page(
        &mut self,
        scope: &Scope,
        pass: &mut Pass,
        range: Option<TimeRange>,
    ) -> Result<Outcome, Fault> {
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
        if !answer.has_end && !self.stream.decoding.has_end() {
            return Err(unseen(Fault::EndUnknown));
        }
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
            if let Some(outcome) = self.capped(&page).or_else(|| self.filled(&page)) {
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
            facts = error.message.iter().fold(facts.body_field(&error.field), PageFacts::body_field);
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

    /// Whether a query has given all that one gives, before its last page is passed on: rows without a key cannot be read twice.
    fn filled(&self, page: &Page) -> Option<Outcome> {
        let cap = self.stream.window.as_ref()?.cap.as_ref()?;
        let (None, Some(most), false) =
            (&cap.total, cap.records, matches!(self.stream.pagination, Pagination::AdvancingFrom(_)))
        else {
            return None;
        };
        let records = page.read + page.count();
        (records >= most).then_some(Outcome::Full { records })
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
