//! Page-number pagination: page 1, page 2, until the server's count, its flag, a short page, or an empty one.
//!
//! A list that changes while it is read shifts records over page borders, and one is missed. Where the server says how many records there
//! are, a change of that number between pages starts the list again; what is then read twice is known by its key.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Next, Page, PaginationError, Seen, Slot};
use crate::decoding::PageFacts;

/// Settings of the `page_number` variant. The list ends by the first of these that is given: `pages`, `more`, `total`, `short_page`; else
/// with an empty page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageNumber {
    /// What carries the number.
    pub param: Slot,
    /// The first page's number, 0 or 1.
    pub first: u64,
    /// What is added for the next page; 1 when absent.
    #[serde(default)]
    pub step: Option<u64>,
    /// The first page is asked for without a number.
    #[serde(default)]
    pub first_is_silent: bool,
    /// Where the answer says how many pages there are.
    #[serde(default)]
    pub pages: Option<Seen>,
    /// Where the answer says how many records there are.
    #[serde(default)]
    pub total: Option<Seen>,
    /// Where the answer says whether more pages exist.
    #[serde(default)]
    pub more: Option<Seen>,
    /// A page with fewer records than `page_size` is the last: only where the API promises full pages.
    #[serde(default)]
    pub short_page: bool,
    /// The number of the last page that exists at all. Where rows lie behind it, say `window.cap` instead.
    #[serde(default)]
    pub last: Option<u64>,
}

impl PageNumber {
    /// Pages counted from `first`, until an empty one.
    pub fn new(param: Slot, first: u64) -> Self {
        Self {
            param,
            first,
            step: None,
            first_is_silent: false,
            pages: None,
            total: None,
            more: None,
            short_page: false,
            last: None,
        }
    }

    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        let told = self.pages.iter().chain(&self.total).chain(&self.more);
        told.fold(PageFacts::new(), |facts, seen| seen.facts(facts))
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When a count or flag is absent, or a page before the last is empty.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        if let Some(total) = &self.total {
            let total = page.tell(total)?;
            if page.first_total.is_some_and(|first| first != total) {
                return Ok(Next::Restart);
            }
        }
        let step = self.step.unwrap_or(1).max(1);
        let number = page.cursor().and_then(|cursor| cursor.parse().ok()).unwrap_or(self.first);
        let is_last = match (&self.pages, &self.more, &self.total) {
            (Some(pages), _, _) => number.saturating_sub(self.first) / step + 1 >= page.tell(pages)?,
            (None, Some(more), _) => !page.flag(more)?,
            (None, None, Some(total)) => page.is_last_by(page.tell(total)?, page.read + page.count(), page.count()),
            (None, None, None) => page.count() == 0 || (self.short_page && page.is_short()),
        };
        if is_last || self.last.is_some_and(|last| number >= last) {
            // Rows that slipped between pages are found by reading again; where the total never fits, the list moves for ever.
            let is_short = |total| Ok(page.read + page.count() < page.tell(total)?);
            let is_short = self.total.as_ref().map_or(Ok(false), is_short)?;
            return Ok(if is_short { Next::Restart } else { Next::Done });
        }
        if page.count() == 0 {
            return Err(PaginationError::EmptyPageWithMore);
        }
        Ok(Next::request(&self.param, number.saturating_add(step).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(first: u64) -> PageNumber {
        PageNumber {
            pages: Some(Seen::body("pages")),
            total: Some(Seen::body("total")),
            ..PageNumber::new("page".into(), first)
        }
    }

    fn next(number: &str) -> Next {
        Next::request(&"page".into(), number)
    }

    fn page(strategy: &PageNumber, cursor: Option<&str>, body: &str) -> Page {
        Page::gather(cursor, &strategy.facts(), "/rows", body.as_bytes()).unwrap()
    }

    #[test]
    fn rejects_an_empty_page_before_the_last_and_a_count_that_is_absent() {
        let ask = |body: &str| shop(1).next(&page(&shop(1), Some("2"), body));
        assert_eq!(ask(r#"{"rows":[],"pages":3,"total":9}"#), Err(PaginationError::EmptyPageWithMore));
        assert_eq!(ask(r#"{"rows":[{}],"total":9}"#), Err(PaginationError::NotANumber { field: "/pages".into() }));
    }

    #[test]
    fn starts_again_when_fewer_records_came_than_the_total_says() {
        let mut last = page(&shop(1), Some("3"), r#"{"rows":[{}],"pages":3,"total":9}"#);
        last.read = 7;
        assert_eq!(shop(1).next(&last), Ok(Next::Restart));
        last.read = 8;
        assert_eq!(shop(1).next(&last), Ok(Next::Done));
    }

    #[test]
    fn starts_again_when_the_list_changed_its_length() {
        let mut second = page(&shop(1), Some("2"), r#"{"rows":[{}],"pages":3,"total":8}"#);
        second.first_total = Some(9);
        assert_eq!(shop(1).next(&second), Ok(Next::Restart));
        second.first_total = Some(8);
        assert_eq!(shop(1).next(&second), Ok(next("3")));
        let mut silent = page(&shop(1), Some("2"), r#"{"rows":[{}],"pages":3}"#);
        silent.first_total = Some(9);
        assert_eq!(shop(1).next(&silent), Err(PaginationError::NotANumber { field: "/total".into() }));
    }

    #[test]
    fn stops_after_the_last_page_whether_counted_from_0_or_1() {
        for (first, cursor, pages, is_last) in [
            (1, None, 0, true),
            (1, None, 1, true),
            (1, None, 2, false),
            (1, Some("2"), 2, true),
            (0, None, 1, true),
            (0, None, 2, false),
            (0, Some("1"), 2, true),
        ] {
            let body = format!(r#"{{"rows":[{{}}],"pages":{pages},"total":1}}"#);
            let next = shop(first).next(&page(&shop(first), cursor, &body)).unwrap();
            assert_eq!(next == Next::Done, is_last, "first {first}, page {cursor:?} of {pages}");
        }
    }

    /// A short page ends nothing: servers cap page sizes silently.
    #[test]
    fn without_counts_only_an_empty_page_ends_the_list() {
        let plain = PageNumber::new("page".into(), 1);
        assert_eq!(plain.next(&page(&plain, Some("2"), r#"{"rows":[]}"#)), Ok(Next::Done));
        assert_eq!(plain.next(&page(&plain, None, r#"{"rows":[{}]}"#)), Ok(next("2")));
    }

    #[test]
    fn ends_by_the_total_a_short_page_a_header_or_the_last_page_that_exists() {
        let sized = |strategy: &PageNumber, cursor, size, body: &str| {
            strategy.next(&Page { size: Some(size), ..page(strategy, cursor, body) })
        };
        let short = PageNumber { short_page: true, ..PageNumber::new("page".into(), 1) };
        assert_eq!(sized(&short, None, 2, r#"{"rows":[{},{}]}"#), Ok(next("2")));
        assert_eq!(sized(&short, Some("2"), 2, r#"{"rows":[{}]}"#), Ok(Next::Done));
        let last = PageNumber { last: Some(3), ..PageNumber::new("page".into(), 1) };
        assert_eq!(sized(&last, Some("3"), 2, r#"{"rows":[{},{}]}"#), Ok(Next::Done));
        let total = PageNumber { total: Some(Seen::body("total")), ..PageNumber::new("page".into(), 1) };
        let step = |read, body: &str| total.next(&Page { read, ..page(&total, Some("2"), body) });
        assert_eq!(step(2, r#"{"rows":[{},{}],"total":5}"#), Ok(next("3")));
        assert_eq!(step(3, r#"{"rows":[{},{}],"total":5}"#), Ok(Next::Done));
        assert_eq!(step(3, r#"{"rows":[],"total":5}"#), Err(PaginationError::EmptyPageWithMore));
        // A total that was passed ends nothing while pages are full.
        let full = |read, body: &str| total.next(&Page { read, size: Some(2), ..page(&total, Some("2"), body) });
        assert_eq!(full(4, r#"{"rows":[{},{}],"total":5}"#), Ok(next("3")));
        assert_eq!(full(6, r#"{"rows":[{}],"total":5}"#), Ok(Next::Done));
        assert_eq!(full(6, r#"{"rows":[],"total":5}"#), Ok(Next::Done));
        let header = PageNumber { pages: Some(Seen::Header("x-pages".into())), ..PageNumber::new("page".into(), 1) };
        let mut second = page(&header, Some("2"), r#"{"rows":[{}]}"#);
        assert_eq!(header.next(&second), Err(PaginationError::NotANumber { field: "header x-pages".into() }));
        second.headers.push(("x-pages".into(), "3".into()));
        assert_eq!(header.next(&second), Ok(next("3")));
        second.headers[0].1 = "2".into();
        assert_eq!(header.next(&second), Ok(Next::Done));
    }

    #[test]
    fn numbers_rise_by_the_step() {
        let tens = PageNumber { step: Some(10), pages: Some(Seen::body("pages")), ..PageNumber::new("page".into(), 0) };
        assert_eq!(tens.next(&page(&tens, None, r#"{"rows":[{}],"pages":2}"#)), Ok(next("10")));
        assert_eq!(tens.next(&page(&tens, Some("10"), r#"{"rows":[{}],"pages":2}"#)), Ok(Next::Done));
    }
}
