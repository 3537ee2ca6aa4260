//! Links of a chain: the token that a link starts from, and the one that the next link will.
//!
//! A link's pages are turned by the token itself, or by a pagination of their own whose last page names the token. A token of a record is
//! the highest id so far; an empty link leaves it as it is.

use std::sync::Arc;

use bytes::BytesMut;
use serde_json::Value;

use super::page::HOLD_BYTES;
use super::reading::Reader;
use super::request::{Turn, build};
use crate::decoding::{DecodeError, Pointer};
use crate::error::Fault;
use crate::expression::{Scope, Template};
use crate::manifest::{ChainManifest, ChainStart, Ordered};
use crate::pagination::{Next, Page, Pagination, PaginationError, Seen, Slot, as_token};
use crate::refusal::Refusal;
use crate::stream::RequestPlan;
use crate::transport::Request;

/// What follows a page of a link, and the token as far as it is known by then. `known` is what pages of this link said before, `begun` the
/// token that the link started from.
pub(super) fn follow(
    chain: &ChainManifest,
    pagination: &Pagination,
    page: &Page,
    known: Option<&str>,
    begun: Option<&str>,
) -> Result<(Next, Option<String>), PaginationError> {
    let is_of_record = chain.next.is_of_record();
    let is_settled = page.number > 0 && matches!(chain.next, Seen::FirstRecord(_));
    let found = if is_settled { None } else { page.token(&chain.next)? };
    let before = known.or(begun.filter(|_| is_of_record));
    if let (true, Some(found), Some(before)) = (is_of_record, &found, before)
        && let (Ok(found), Ok(before)) = (found.parse::<i128>(), before.parse::<i128>())
        && found < before
    {
        return Err(PaginationError::NotAscending { field: chain.next.to_string() });
    }
    let token = found.or_else(|| before.map(str::to_owned));
    let no_token = || PaginationError::NoCursor { field: chain.next.to_string() };
    if *pagination != Pagination::None {
        let next = pagination.next(page)?;
        if next == Next::Done && token.is_none() && !is_of_record {
            return Err(no_token());
        }
        return Ok((next, token));
    }
    if is_of_record && page.count() == 0 && chain.more.is_none() {
        return Ok((Next::Done, token));
    }
    let more = chain.more.as_ref().map_or(Ok(page.count() > 0), |more| page.flag(more))?;
    let Some(cursor) = token.clone() else { return Err(no_token()) };
    if !more {
        return Ok((Next::Done, token));
    }
    if page.cursor() == Some(cursor.as_str()) {
        return Err(PaginationError::CursorStuck { cursor });
    }
    let next = match &chain.param {
        Some(param) => Next::request(param, cursor),
        None => Next::Url(cursor),
    };
    Ok((next, token))
}

/// The values of a link's first request: the token, or the parameters of the very first listing.
pub(super) fn opening(chain: &ChainManifest, token: Option<&str>, scope: &Scope) -> Result<Vec<(Slot, Value)>, Fault> {
    match (&chain.param, token) {
        (Some(param), Some(token)) => Ok(vec![(param.clone(), token.into())]),
        (None, Some(_)) => Ok(Vec::new()),
        (_, None) => {
            let first = chain.first.iter().flat_map(Ordered::iter);
            first.map(|(name, value)| Ok((Slot::Query(Template::parse(name)?), value.value(scope)?))).collect()
        }
    }
}

impl Reader {
    /// Asks for the token that the very first link starts from, where the API gives it apart.
    pub(super) async fn first_token(&mut self, start: &ChainStart, scope: &Scope) -> Result<String, Fault> {
        let plan = RequestPlan {
            method: crate::manifest::Method::Get,
            path: start.path.clone(),
            params: start.params.clone().unwrap_or_default(),
            body: None,
            page_size: None,
            ..self.stream.request.clone()
        };
        let turn = Turn { plan: Some(Arc::new(plan)), ..Turn::default() };
        let request = build(&self.inner, &self.stream, scope, &turn)?;
        self.name_request(&request);
        let body = self.small_body(&request).await?;
        let token = |pointer: &Pointer| as_token(pointer.find(&body));
        token(&start.token).ok_or_else(|| PaginationError::NoCursor { field: start.token.to_string() }.into())
    }

    /// The JSON body of a request that is no part of the list.
    async fn small_body(&mut self, request: &Request) -> Result<Value, Fault> {
        let mut retries = self.inner.transport.retries();
        loop {
            match self.try_small_body(request).await {
                Ok(body) => return Ok(body),
                Err(refusal) => self.inner.transport.pause(&mut retries, refusal).await?,
            }
            self.summary.retries += 1;
        }
    }

    async fn try_small_body(&self, request: &Request) -> Result<Value, Refusal> {
        let mut answer = self.inner.transport.send(request).await?;
        let mut held = BytesMut::new();
        while answer.read(&mut held).await? {
            if held.len() > HOLD_BYTES {
                return Err(Fault::BodyTooLarge { limit: HOLD_BYTES as u64 }.into());
            }
        }
        serde_json::from_slice(&held).map_err(|error| {
            let (at, reason) = (error.column() as u64, error.to_string());
            let cut = error.is_eof().then_some(DecodeError::Truncated { at });
            Fault::from(cut.unwrap_or(DecodeError::NotJson { at, reason })).into()
        })
    }

    /// Ends a scroll session after its last page. That it could not be ended is no fault of the reading.
    pub(super) async fn close_session(&mut self, scope: &Scope, turn: &Turn) {
        let stream = Arc::clone(&self.stream);
        let Pagination::Scroll(scroll) = &stream.pagination else { return };
        let (Some(close), false) = (&scroll.close, turn.set.is_empty()) else { return };
        let turn = Turn { plan: Some(Arc::new(close.plan(&stream.request))), set: turn.set.clone(), ..Turn::default() };
        let sent = match build(&self.inner, &stream, scope, &turn) {
            Ok(request) => self.inner.transport.send(&request).await.map(|_| ()).map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = sent {
            let reason = self.inner.transport.words(&fault.to_string());
            tracing::debug!(stream = %stream.name, reason, "a scroll session could not be closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(yaml: &str) -> ChainManifest {
        crate::manifest::yaml::from_str(yaml).unwrap()
    }

    fn pages(yaml: &str) -> Pagination {
        crate::manifest::yaml::from_str(yaml).unwrap()
    }

    struct Link {
        chain: ChainManifest,
        pagination: Pagination,
        begun: Option<&'static str>,
    }

    impl Link {
        fn step(
            &self,
            number: u32,
            known: Option<&str>,
            body: &str,
        ) -> Result<(Next, Option<String>), PaginationError> {
            let facts = self.chain.next.facts(self.pagination.facts());
            let facts = self.chain.more.iter().fold(facts, |facts, more| more.facts(facts));
            let mut page = Page::gather(known.or(self.begun), &facts, "/rows", body.as_bytes()).unwrap();
            page.number = number;
            follow(&self.chain, &self.pagination, &page, known, self.begun)
        }
    }

    #[test]
    fn a_rising_id_is_the_token_and_an_empty_link_keeps_it() {
        let link = Link {
            chain: chain("{ param: since_id, next: { last_record: id } }"),
            pagination: Pagination::None,
            begun: Some("5"),
        };
        let next = Next::request(&"since_id".into(), "9");
        assert_eq!(link.step(0, None, r#"{"rows":[{"id":7},{"id":9}]}"#), Ok((next, Some("9".into()))));
        assert_eq!(link.step(1, Some("9"), r#"{"rows":[]}"#), Ok((Next::Done, Some("9".into()))));
        assert_eq!(link.step(0, None, r#"{"rows":[]}"#), Ok((Next::Done, Some("5".into()))));
        assert_eq!(
            link.step(0, None, r#"{"rows":[{"id":7},{"id":4}]}"#),
            Err(PaginationError::NotAscending { field: "/id of the last record".into() })
        );
        assert!(matches!(link.step(0, None, r#"{"rows":[{}]}"#), Err(PaginationError::CursorStuck { .. })));
        let first = Link { begun: None, ..link };
        assert_eq!(first.step(0, None, r#"{"rows":[]}"#), Ok((Next::Done, None)));
        assert!(matches!(first.step(0, None, r#"{"rows":[{}]}"#), Err(PaginationError::NoCursor { .. })));
    }

    #[test]
    fn the_first_record_of_the_first_page_is_the_token_of_a_falling_list() {
        let link = Link {
            chain: chain("{ param: since_id, next: { first_record: id } }"),
            pagination: pages("last_record_cursor: { param: max_id, field: id }"),
            begun: Some("5"),
        };
        let next = Next::request(&"max_id".into(), "8");
        assert_eq!(link.step(0, None, r#"{"rows":[{"id":9},{"id":8}]}"#), Ok((next, Some("9".into()))));
        let next = Next::request(&"max_id".into(), "6");
        assert_eq!(link.step(1, Some("9"), r#"{"rows":[{"id":7},{"id":6}]}"#), Ok((next, Some("9".into()))));
        assert_eq!(link.step(2, Some("9"), r#"{"rows":[]}"#), Ok((Next::Done, Some("9".into()))));
    }

    #[test]
    fn pages_lead_to_the_token_of_the_last_one() {
        let link = Link {
            chain: chain("{ next: delta }"),
            pagination: pages("next_url: { url: next }"),
            begun: Some("https://h/old"),
        };
        assert_eq!(link.step(0, None, r#"{"rows":[],"next":"/p2"}"#), Ok((Next::Url("/p2".into()), None)));
        assert_eq!(
            link.step(1, None, r#"{"rows":[],"delta":"https://h/new"}"#),
            Ok((Next::Done, Some("https://h/new".into())))
        );
        assert_eq!(link.step(1, None, r#"{"rows":[]}"#), Err(PaginationError::NoCursor { field: "/delta".into() }));
    }

    #[test]
    fn a_token_that_is_a_url_is_followed() {
        let link = Link { chain: chain("{ next: delta, more: more }"), pagination: Pagination::None, begun: None };
        assert_eq!(
            link.step(0, None, r#"{"rows":[],"delta":"https://h/2","more":true}"#),
            Ok((Next::Url("https://h/2".into()), Some("https://h/2".into())))
        );
    }
}
