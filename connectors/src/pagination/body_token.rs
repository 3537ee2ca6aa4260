//! Token pagination: the body names an opaque token that asks for the next page, and none on the last.
//!
//! Such as `HubSpot`'s `paging.next.after` (<https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide>).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Next, Page, PaginationError, Seen, Slot};
use crate::decoding::PageFacts;
use crate::expression::Scalar;

/// Settings of the `body_token` variant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BodyToken {
    /// What carries the token.
    pub param: Slot,
    /// Where the answer names the token; absent, null or empty on the last page.
    pub token: Seen,
    /// Where the answer says whether more pages exist; without it, the last page has no token.
    #[serde(default)]
    pub more: Option<Seen>,
    /// The token of the first page, such as `*`; the first page is asked for without one when absent.
    #[serde(default)]
    pub first: Option<Scalar>,
    /// The token stands for the whole request: later pages are asked for without parameters, page size and window bounds.
    #[serde(default)]
    pub alone: bool,
}

impl BodyToken {
    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        self.more.iter().fold(self.token.facts(PageFacts::new()), |facts, more| more.facts(facts))
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When the flag is absent or promises more without a token, or the token did not move.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let more = self.more.as_ref().map(|more| page.flag(more)).transpose()?;
        if more == Some(false) {
            return Ok(Next::Done);
        }
        match page.token(&self.token)? {
            Some(cursor) if page.cursor() == Some(cursor.as_str()) => Err(PaginationError::CursorStuck { cursor }),
            Some(cursor) => Ok(Next::request(&self.param, cursor)),
            None if more.is_some() => Err(PaginationError::NoCursor { field: self.token.to_string() }),
            None => Ok(Next::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(strategy: &BodyToken, cursor: Option<&str>, body: &str) -> Result<Next, PaginationError> {
        strategy.next(&Page::gather(cursor, &strategy.facts(), "/results", body.as_bytes()).unwrap())
    }

    fn hubspot() -> BodyToken {
        let token = Seen::body("/paging/next/after");
        BodyToken { param: "after".into(), token, more: None, first: None, alone: false }
    }

    fn flagged() -> BodyToken {
        BodyToken { more: Some(Seen::body("more")), ..hubspot() }
    }

    #[test]
    fn rejects_a_token_that_does_not_move() {
        let body = r#"{"results":[{"id":1}],"paging":{"next":{"after":"7"}}}"#;
        assert_eq!(step(&hubspot(), Some("7"), body), Err(PaginationError::CursorStuck { cursor: "7".into() }));
    }

    #[test]
    fn rejects_a_promise_without_a_token() {
        let body = r#"{"results":[{"id":1}],"more":true}"#;
        assert_eq!(step(&flagged(), None, body), Err(PaginationError::NoCursor { field: "/paging/next/after".into() }));
        assert!(matches!(step(&flagged(), None, r#"{"results":[]}"#), Err(PaginationError::NoMoreFlag { .. })));
    }

    #[test]
    fn stops_without_a_token_or_when_the_flag_says_so() {
        for body in
            [r#"{"results":[]}"#, r#"{"results":[],"paging":null}"#, r#"{"results":[],"paging":{"next":{"after":""}}}"#]
        {
            assert_eq!(step(&hubspot(), Some("7"), body), Ok(Next::Done), "{body}");
        }
        let body = r#"{"results":[],"more":false,"paging":{"next":{"after":"8"}}}"#;
        assert_eq!(step(&flagged(), Some("7"), body), Ok(Next::Done));
    }

    /// A filtered page may be empty and still lead on.
    #[test]
    fn follows_the_token_wherever_it_stands() {
        let next = |value: &str| Ok(Next::request(&"after".into(), value));
        assert_eq!(
            step(&hubspot(), None, r#"{"paging":{"x":[],"next":{"link":"","after":"7"}},"results":[]}"#),
            next("7")
        );
        assert_eq!(step(&hubspot(), Some("7"), r#"{"results":[],"paging":{"next":{"after":8}}}"#), next("8"));
    }
}
