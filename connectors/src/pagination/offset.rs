//! Offset pagination: skip the records read so far, until the server's total, its flag, a short page, or an empty one.
//!
//! A total that is passed is none, as where a server counts no further than some number: full pages are then read on.
//! As with page numbers, a list that changes while it is read loses records at page borders; a total that changes starts it again.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Next, Page, PaginationError, Seen, Slot};
use crate::decoding::PageFacts;

/// Settings of the `offset` variant. The list ends by the first of these that is given: `total`, `more`, `short_page`; else with an empty page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    /// What carries the number of records to skip.
    pub param: Slot,
    /// The first page's offset; 0 when absent, 1 where the API counts from 1.
    #[serde(default)]
    pub start: u64,
    /// The first page is asked for without an offset.
    #[serde(default)]
    pub first_is_silent: bool,
    /// Where the answer says how many records it has, when some of them are not in the list; else they are counted.
    #[serde(default)]
    pub count: Option<Seen>,
    /// Where the answer says how many records there are.
    #[serde(default)]
    pub total: Option<Seen>,
    /// Where the answer says whether more pages exist.
    #[serde(default)]
    pub more: Option<Seen>,
    /// A page with fewer records than `page_size` is the last: only where the API promises full pages.
    #[serde(default)]
    pub short_page: bool,
}

impl Offset {
    /// Offsets from 0, until an empty page.
    pub fn new(param: Slot) -> Self {
        Self { param, start: 0, first_is_silent: false, count: None, total: None, more: None, short_page: false }
    }

    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        let told = self.count.iter().chain(&self.total).chain(&self.more);
        told.fold(PageFacts::new(), |facts, seen| seen.facts(facts))
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When a count or flag is absent, or a page before the last is empty.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let offset: u64 = page.cursor().and_then(|cursor| cursor.parse().ok()).unwrap_or(self.start);
        let count = self.count.as_ref().map_or(Ok(page.count()), |count| page.tell(count))?;
        let next = offset.saturating_add(count);
        let is_last = match (&self.total, &self.more) {
            (Some(total), _) => {
                let total = page.tell(total)?;
                if page.first_total.is_some_and(|first| first != total) {
                    return Ok(Next::Restart);
                }
                page.is_last_by(total, next.saturating_sub(self.start), count)
            }
            (None, Some(more)) => !page.flag(more)?,
            (None, None) => count == 0 || (self.short_page && page.is_less(count)),
        };
        if is_last {
            return Ok(Next::Done);
        }
        if count == 0 {
            return Err(PaginationError::EmptyPageWithMore);
        }
        Ok(Next::request(&self.param, next.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(
        strategy: &Offset,
        cursor: Option<&str>,
        first_total: Option<u64>,
        body: &str,
    ) -> Result<Next, PaginationError> {
        let mut page = Page::gather(cursor, &strategy.facts(), "/rows", body.as_bytes()).unwrap();
        page.first_total = first_total;
        strategy.next(&page)
    }

    fn counted() -> Offset {
        Offset { total: Some(Seen::body("total")), ..Offset::new("skip".into()) }
    }

    #[test]
    fn rejects_an_empty_page_before_the_total() {
        assert_eq!(
            step(&counted(), Some("2"), None, r#"{"rows":[],"total":3}"#),
            Err(PaginationError::EmptyPageWithMore)
        );
    }

    #[test]
    fn skips_what_was_read_and_not_what_was_asked_for() {
        let next = |value: &str| Ok(Next::request(&"skip".into(), value));
        assert_eq!(step(&counted(), None, None, r#"{"rows":[{},{}],"total":5}"#), next("2"));
        assert_eq!(step(&counted(), Some("2"), Some(5), r#"{"rows":[{}],"total":5}"#), next("3"));
        assert_eq!(step(&counted(), Some("3"), Some(5), r#"{"rows":[{},{}],"total":5}"#), Ok(Next::Done));
        assert_eq!(step(&counted(), Some("3"), Some(5), r#"{"rows":[{},{}],"total":4}"#), Ok(Next::Restart));
        let plain = Offset::new("skip".into());
        assert_eq!(step(&plain, Some("3"), None, r#"{"rows":[]}"#), Ok(Next::Done));
    }

    /// As a server that counts no further than 7.
    #[test]
    fn a_total_that_was_passed_ends_nothing_while_pages_are_full() {
        let next = |value: &str| Ok(Next::request(&"skip".into(), value));
        let sized = |cursor, size, rows: &str| {
            let body = format!(r#"{{"rows":[{rows}],"total":7}}"#);
            let page = Page::gather(cursor, &counted().facts(), "/rows", body.as_bytes()).unwrap();
            counted().next(&Page { size, first_total: Some(7), ..page })
        };
        assert_eq!(sized(Some("5"), Some(5), "{},{},{},{},{}"), next("10"));
        assert_eq!(sized(Some("10"), Some(5), "{}"), Ok(Next::Done));
        assert_eq!(sized(Some("10"), Some(5), ""), Ok(Next::Done));
        assert_eq!(sized(Some("5"), Some(5), "{},{}"), Ok(Next::Done));
        // Nobody knows how many a full page has: an empty one ends the list.
        assert_eq!(sized(Some("5"), None, "{},{},{}"), next("8"));
        assert_eq!(sized(Some("8"), None, ""), Ok(Next::Done));
    }

    #[test]
    fn counts_from_where_the_server_does_and_by_its_word() {
        let next = |value: &str| Ok(Next::request(&"skip".into(), value));
        let from_one = Offset { start: 1, ..counted() };
        assert_eq!(step(&from_one, None, None, r#"{"rows":[{},{}],"total":3}"#), next("3"));
        assert_eq!(step(&from_one, Some("3"), None, r#"{"rows":[{}],"total":3}"#), Ok(Next::Done));
        let told = Offset { count: Some(Seen::body("n")), ..counted() };
        assert_eq!(step(&told, None, None, r#"{"rows":[{}],"n":4,"total":5}"#), next("4"));
        assert_eq!(step(&told, Some("4"), None, r#"{"rows":[],"n":1,"total":5}"#), Ok(Next::Done));
        assert!(matches!(step(&told, None, None, r#"{"rows":[],"total":5}"#), Err(PaginationError::NotANumber { .. })));
    }

    #[test]
    fn a_short_page_ends_the_list_only_where_the_manifest_says_so() {
        let next = |value: &str| Ok(Next::request(&"skip".into(), value));
        let short = Offset { short_page: true, ..Offset::new("skip".into()) };
        for (strategy, size, expected) in [
            (&short, Some(2), Ok(Next::Done)),
            (&short, Some(1), next("1")),
            (&Offset::new("skip".into()), Some(2), next("1")),
        ] {
            let mut page = Page::gather(None, &strategy.facts(), "/rows", br#"{"rows":[{}]}"#).unwrap();
            page.size = size;
            assert_eq!(strategy.next(&page), expected, "{strategy:?} {size:?}");
        }
    }
}
