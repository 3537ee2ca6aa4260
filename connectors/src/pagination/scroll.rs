//! Scroll sessions: the first request opens a session, its token asks for page after page, and the last page is empty.
//!
//! The token often stays the same, so pages are told apart by what is on them. A session that expires is no end: where `errors` says
//! `then: restart` for that answer, the list is read from its beginning, and what came twice is known by its key. Such as Intercom's
//! companies (<https://developers.intercom.com/docs/references/rest-api/api.intercom.io/companies/scrolloverallcompanies>) and
//! Elasticsearch's scroll (<https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-scroll>).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Next, Page, PaginationError, Seen, Slot};
use crate::decoding::PageFacts;
use crate::expression::{Template, ValueManifest};
use crate::manifest::{BodyManifest, Method, Ordered};
use crate::stream::RequestPlan;

/// Settings of the `scroll` variant. The list ends by `more`, else with an empty page.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scroll {
    /// What carries the session.
    pub param: Slot,
    /// Where the answer names the session.
    pub session: Seen,
    /// Where the answer says whether more pages exist.
    #[serde(default)]
    pub more: Option<Seen>,
    /// How pages after the first are asked for, where that is another request than the first.
    #[serde(default)]
    pub next: Option<ScrollRequest>,
    /// The request that ends the session after the last page.
    #[serde(default)]
    pub close: Option<ScrollRequest>,
}

/// A request of a session; the session goes where `param` says.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScrollRequest {
    /// The request's method; `get` when absent.
    #[serde(default)]
    pub method: Option<Method>,
    /// The path after `base_url`.
    pub path: Template,
    /// Query parameters.
    #[serde(default)]
    pub params: Option<Ordered<ValueManifest>>,
    /// The body of a `post`.
    #[serde(default)]
    pub body: Option<BodyManifest>,
}

impl ScrollRequest {
    /// The stream's request with this one's parts.
    pub(crate) fn plan(&self, stream: &RequestPlan) -> RequestPlan {
        RequestPlan {
            method: self.method.unwrap_or_default(),
            path: self.path.clone(),
            params: self.params.clone().unwrap_or_default(),
            body: self.body.clone(),
            page_size: None,
            ..stream.clone()
        }
    }
}

impl Scroll {
    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        self.more.iter().fold(self.session.facts(PageFacts::new()), |facts, more| more.facts(facts))
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When more is promised after an empty page, or no session is named.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let more = self.more.as_ref().map_or(Ok(page.count() > 0), |more| page.flag(more))?;
        if !more {
            return Ok(Next::Done);
        }
        if page.count() == 0 {
            return Err(PaginationError::EmptyPageWithMore);
        }
        let session = page.token(&self.session)?;
        let session = session.ok_or_else(|| PaginationError::NoCursor { field: self.session.to_string() })?;
        Ok(Next::request(&self.param, session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(scroll: &Scroll, body: &str) -> Result<Next, PaginationError> {
        scroll.next(&Page::gather(Some("s1"), &scroll.facts(), "/data", body.as_bytes()).unwrap())
    }

    #[test]
    fn goes_on_with_the_same_session_until_a_page_is_empty() {
        let scroll: Scroll = crate::manifest::yaml::from_str("{ param: scroll_param, session: scroll_param }").unwrap();
        assert_eq!(
            step(&scroll, r#"{"data":[{}],"scroll_param":"s1"}"#),
            Ok(Next::request(&"scroll_param".into(), "s1"))
        );
        assert_eq!(step(&scroll, r#"{"data":[],"scroll_param":"s1"}"#), Ok(Next::Done));
        let missing = PaginationError::NoCursor { field: "/scroll_param".into() };
        assert_eq!(step(&scroll, r#"{"data":[{}]}"#), Err(missing));
    }

    #[test]
    fn rejects_an_empty_page_that_promises_more() {
        let scroll: Scroll = crate::manifest::yaml::from_str("{ param: s, session: s, more: more }").unwrap();
        assert_eq!(step(&scroll, r#"{"data":[],"s":"a","more":true}"#), Err(PaginationError::EmptyPageWithMore));
        assert_eq!(step(&scroll, r#"{"data":[{}],"s":"a","more":false}"#), Ok(Next::Done));
    }
}
