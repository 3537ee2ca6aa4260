//! Offset pagination: skip the records read so far, until the server's total, its flag, or an empty page.
//!
//! As with page numbers, a list that changes while it is read loses records at page borders; a total that changes starts it again.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Next, Page, PaginationError};
use crate::decoding::{PageFacts, Pointer};

/// Settings of the `offset` variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    /// Parameter that carries the number of records to skip.
    pub param: String,
    /// Where the body says how many records there are.
    #[serde(default)]
    pub total: Option<Pointer>,
    /// Boolean in the body that says more pages exist.
    #[serde(default)]
    pub more: Option<Pointer>,
}

impl Offset {
    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        self.total.iter().chain(&self.more).fold(PageFacts::new(), PageFacts::body_field)
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When a count or flag is absent, or a page before the last is empty.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let offset: u64 = page.cursor().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let read = offset + page.count();
        let is_last = match (&self.total, &self.more) {
            (Some(total), _) => {
                let total = page.body_count(total)?;
                if page.first_total.is_some_and(|first| first != total) {
                    return Ok(Next::Restart);
                }
                read >= total
            }
            (None, Some(more)) => !page.body_flag(more)?,
            (None, None) => page.count() == 0,
        };
        if is_last {
            return Ok(Next::Done);
        }
        if page.count() == 0 {
            return Err(PaginationError::EmptyPageWithMore);
        }
        Ok(Next::Request { param: self.param.clone(), value: read.to_string() })
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
        Offset { param: "skip".into(), total: Some(Pointer::parse("total")), more: None }
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
        let next = |value: &str| Ok(Next::Request { param: "skip".into(), value: value.into() });
        assert_eq!(step(&counted(), None, None, r#"{"rows":[{},{}],"total":5}"#), next("2"));
        assert_eq!(step(&counted(), Some("2"), Some(5), r#"{"rows":[{}],"total":5}"#), next("3"));
        assert_eq!(step(&counted(), Some("3"), Some(5), r#"{"rows":[{},{}],"total":5}"#), Ok(Next::Done));
        assert_eq!(step(&counted(), Some("3"), Some(5), r#"{"rows":[{},{}],"total":4}"#), Ok(Next::Restart));
        let plain = Offset { total: None, ..counted() };
        assert_eq!(step(&plain, Some("3"), None, r#"{"rows":[]}"#), Ok(Next::Done));
    }
}
