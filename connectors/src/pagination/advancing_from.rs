//! Moves the window's lower bound to the last record's time instead of turning pages.
//!
//! For lists sorted by an update time, whose rows move to the end when they change: pages would shift and lose rows, a lower bound does
//! not. Pages are turned, the way that `pages` says, only among records of one instant. The record at the bound is read twice and known by
//! its key. It also passes a cap on results per query, such as `HubSpot`'s 10,000.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Next, Page, Pagination, PaginationError};
use crate::decoding::PageFacts;

/// Settings of the `advancing_from` variant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvancingFrom {
    /// How pages are turned among records of one instant, and how the server says that more follows.
    pub pages: Box<Pagination>,
    /// The bound moves only when this many records were read since it last did, such as the most that one query gives; until then pages
    /// are turned. It moves after each page when absent.
    #[serde(default)]
    pub after_records: Option<u64>,
}

impl AdvancingFrom {
    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        self.pages.facts()
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// As `pages`, and when the last record has no time or one before the bound that was sent, or when as many records as one query gives
    /// share one instant.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let turned = self.pages.next(page)?;
        if turned == Next::Done || turned == Next::Restart {
            return Ok(turned);
        }
        if page.count() == 0 {
            return Err(PaginationError::EmptyPageWithMore);
        }
        let last =
            page.last_time.ok_or_else(|| PaginationError::NoCursor { field: "the window's field".to_owned() })?;
        if page.until.is_some_and(|until| last >= until) {
            return Ok(Next::Done);
        }
        let read = page.read + page.count();
        let is_full = self.after_records.is_some_and(|after| read >= after);
        match page.from {
            Some(from) if last < from => Err(PaginationError::NotAscending { field: "the window's field".to_owned() }),
            Some(from) if last == from && is_full => Err(PaginationError::OneInstant { records: read }),
            Some(from) if last == from => Ok(turned),
            _ if self.after_records.is_some() && !is_full => Ok(turned),
            _ => Ok(Next::From(last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::super::NextLink;
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn step(has_next: bool, count: u64, last: Option<i64>) -> Result<Next, PaginationError> {
        step_after(None, 0, has_next, count, last)
    }

    fn step_after(
        after_records: Option<u64>,
        read: u64,
        has_next: bool,
        count: u64,
        last: Option<i64>,
    ) -> Result<Next, PaginationError> {
        let pages = Box::new(Pagination::NextLink(NextLink { rel: "next".into(), adds_params: false }));
        let strategy = AdvancingFrom { pages, after_records };
        let mut page =
            Page { from: Some(at(10)), until: Some(at(20)), last_time: last.map(at), read, ..Page::default() };
        page.facts.count = count;
        if has_next {
            page.links.push(("next".into(), "/p2".into()));
        }
        strategy.next(&page)
    }

    #[test]
    fn rejects_descending_timeless_and_empty_pages() {
        assert!(matches!(step(true, 5, Some(9)), Err(PaginationError::NotAscending { .. })));
        assert!(matches!(step(true, 5, None), Err(PaginationError::NoCursor { .. })));
        assert_eq!(step(true, 0, None), Err(PaginationError::EmptyPageWithMore));
    }

    #[test]
    fn moves_the_bound_turns_pages_within_an_instant_and_stops_at_the_end() {
        assert_eq!(step(true, 5, Some(12)), Ok(Next::From(at(12))));
        assert_eq!(step(true, 5, Some(10)), Ok(Next::Url("/p2".into())));
        assert_eq!(step(true, 5, Some(20)), Ok(Next::Done));
        assert_eq!(step(false, 5, Some(12)), Ok(Next::Done));
        assert_eq!(step(false, 0, None), Ok(Next::Done));
    }

    #[test]
    fn waits_for_the_cap_and_refuses_an_instant_that_fills_it() {
        let turned = Ok(Next::Url("/p2".into()));
        assert_eq!(step_after(Some(10), 0, true, 5, Some(12)), turned);
        assert_eq!(step_after(Some(10), 5, true, 5, Some(12)), Ok(Next::From(at(12))));
        assert_eq!(step_after(Some(10), 0, true, 5, Some(10)), turned);
        assert_eq!(step_after(Some(10), 5, true, 5, Some(10)), Err(PaginationError::OneInstant { records: 10 }));
        assert!(matches!(step_after(Some(10), 0, true, 5, Some(9)), Err(PaginationError::NotAscending { .. })));
    }
}
