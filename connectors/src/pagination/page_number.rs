//! Page-number pagination: page 1, page 2, until the server's count of pages, its flag, or an empty page.
//!
//! A list that changes while it is read shifts records over page borders, and one is missed. Where the server says how many records there
//! are, a change of that number between pages starts the list again; what is then read twice is known by its key.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Next, Page, PaginationError};
use crate::decoding::{PageFacts, Pointer};

/// Settings of the `page_number` variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageNumber {
    /// Parameter that carries the number.
    pub param: String,
    /// The first page's number, 0 or 1.
    pub first: u64,
    /// Where the body says how many pages there are.
    #[serde(default)]
    pub pages: Option<Pointer>,
    /// Where the body says how many records there are.
    #[serde(default)]
    pub total: Option<Pointer>,
    /// Boolean in the body that says more pages exist.
    #[serde(default)]
    pub more: Option<Pointer>,
}

impl PageNumber {
    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        self.pages.iter().chain(&self.total).chain(&self.more).fold(PageFacts::new(), PageFacts::body_field)
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When a count or flag is absent, or a page before the last is empty.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        if let Some(total) = &self.total
            && page.first_total.is_some_and(|first| Ok(first) != page.body_count(total))
        {
            page.body_count(total)?;
            return Ok(Next::Restart);
        }
        let number = page.cursor().and_then(|cursor| cursor.parse().ok()).unwrap_or(self.first);
        let is_last = match (&self.pages, &self.more) {
            (Some(pages), _) => number + 1 >= self.first + page.body_count(pages)?,
            (None, Some(more)) => !page.body_flag(more)?,
            (None, None) => page.count() == 0,
        };
        if is_last {
            return Ok(Next::Done);
        }
        if page.count() == 0 {
            return Err(PaginationError::EmptyPageWithMore);
        }
        Ok(Next::Request { param: self.param.clone(), value: (number + 1).to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(first: u64) -> PageNumber {
        PageNumber {
            param: "page".into(),
            first,
            pages: Some(Pointer::parse("pages")),
            total: Some(Pointer::parse("total")),
            more: None,
        }
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
    fn starts_again_when_the_list_changed_its_length() {
        let mut second = page(&shop(1), Some("2"), r#"{"rows":[{}],"pages":3,"total":8}"#);
        second.first_total = Some(9);
        assert_eq!(shop(1).next(&second), Ok(Next::Restart));
        second.first_total = Some(8);
        assert_eq!(shop(1).next(&second), Ok(Next::Request { param: "page".into(), value: "3".into() }));
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
        let plain = PageNumber { pages: None, total: None, ..shop(1) };
        assert_eq!(plain.next(&page(&plain, Some("2"), r#"{"rows":[]}"#)), Ok(Next::Done));
        let next = plain.next(&page(&plain, None, r#"{"rows":[{}]}"#));
        assert_eq!(next, Ok(Next::Request { param: "page".into(), value: "2".into() }));
    }
}
