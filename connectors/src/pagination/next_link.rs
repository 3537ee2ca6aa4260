//! Link pagination: the server gives the next page's URL, in a `Link` header (RFC 8288) or in the body.
//!
//! The URL is the server's word and may lead anywhere, so transport follows it only within the pinned origin. GitHub pages this way
//! (<https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api>).

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Next, Page, PaginationError, Seen};
use crate::decoding::PageFacts;

/// Settings of the `next_link` variant: a `Link` header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextLink {
    /// The relation that leads on, `next`.
    pub rel: String,
    /// The URL leaves parameters out: ours that it does not name are added.
    #[serde(default)]
    pub adds_params: bool,
}

/// Settings of the `next_url` variant: a URL in the body or a header, whole, relative, or a query alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextUrl {
    /// Where the answer gives the URL; absent, null, false or empty on the last page.
    pub url: Seen,
    /// Where the answer says whether more pages exist, for APIs that give a URL on the last page too.
    #[serde(default)]
    pub more: Option<Seen>,
    /// The URL leaves parameters out: ours that it does not name are added.
    #[serde(default)]
    pub adds_params: bool,
    /// A relative URL stands below `base_url`, and not beside the URL of the page.
    #[serde(default)]
    pub from_base: bool,
}

impl NextLink {
    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When the link leads to this page again.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let link = page.links.iter().find(|(rel, _)| *rel == self.rel).map(|(_, url)| url.clone());
        follow(page, link)
    }
}

impl NextUrl {
    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        self.more.iter().fold(self.url.facts(PageFacts::new()), |facts, more| more.facts(facts))
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When the URL is this page's own, is no text, or is absent although more is promised.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let no_url = || PaginationError::NoCursor { field: self.url.to_string() };
        let more = self.more.as_ref().map(|more| page.flag(more)).transpose()?;
        if more == Some(false) {
            return Ok(Next::Done);
        }
        let url = match self.url.value(page)? {
            None | Some(Value::Bool(false)) => None,
            Some(Value::String(url)) => Some(url).filter(|url| !url.is_empty()),
            Some(_) => return Err(no_url()),
        };
        if url.is_none() && more == Some(true) {
            return Err(no_url());
        }
        follow(page, url)
    }
}

fn follow(page: &Page, url: Option<String>) -> Result<Next, PaginationError> {
    match url {
        None => Ok(Next::Done),
        Some(url) if page.url.as_ref() == Some(&url) => Err(PaginationError::CursorStuck { cursor: url }),
        Some(url) => Ok(Next::Url(url)),
    }
}

/// The URL of the next page below the URL that all paths stand below.
pub(crate) fn resolve_below(base: &Url, url: &str) -> Result<Url, PaginationError> {
    let mut base = base.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.join(url).map_err(|_| PaginationError::NoCursor { field: "the next page's URL".to_owned() })
}

/// The URL of the next page, read against that of this one; a text such as `page=2&size=10` is a query alone.
pub(crate) fn resolve(page: &Page, url: &str) -> Result<Url, PaginationError> {
    let base = page.url.as_deref().and_then(|base| Url::parse(base).ok());
    let first_part = url.split_once('=').map_or(url, |(name, _)| name);
    let is_query = first_part.len() < url.len() && !first_part.contains(['/', '?', ':']);
    let text = if is_query { format!("?{url}") } else { url.to_owned() };
    let joined = base.and_then(|base| base.join(&text).ok());
    joined.ok_or_else(|| PaginationError::NoCursor { field: "the next page's URL".to_owned() })
}

/// Reads a `Link` header into pairs of relation and URL; parts that are not well-formed are left out.
pub fn parse_link_header(header: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((url, after)) = after.split_once('>') else { break };
        // A comma inside quotes belongs to a parameter, not to the next link.
        let mut in_quotes = false;
        let end = after.find(|c: char| {
            in_quotes ^= c == '"';
            c == ',' && !in_quotes
        });
        let (params, next) = after.split_at(end.unwrap_or(after.len()));
        for param in params.split(';') {
            let Some((name, value)) = param.split_once('=') else { continue };
            if name.trim().eq_ignore_ascii_case("rel") {
                let relations = value.trim().trim_matches('"');
                links.extend(
                    relations.split_ascii_whitespace().map(|rel| (rel.to_ascii_lowercase(), url.trim().to_owned())),
                );
            }
        }
        rest = next;
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(url: Option<&str>, links: &[(&str, &str)]) -> Page {
        let links = links.iter().map(|(rel, url)| ((*rel).to_owned(), (*url).to_owned())).collect();
        Page { url: url.map(str::to_owned), links, ..Page::default() }
    }

    #[test]
    fn rejects_a_link_to_the_same_page() {
        let next = NextLink { rel: "next".into(), adds_params: false };
        assert!(matches!(
            next.next(&page(Some("/a?p=2"), &[("next", "/a?p=2")])),
            Err(PaginationError::CursorStuck { .. })
        ));
    }

    #[test]
    fn stops_without_the_relation_and_follows_only_it() {
        let next = NextLink { rel: "next".into(), adds_params: false };
        assert_eq!(next.next(&page(None, &[("prev", "/a"), ("last", "/z")])), Ok(Next::Done));
        assert_eq!(next.next(&page(None, &[("last", "/z"), ("next", "/b")])), Ok(Next::Url("/b".into())));
    }

    #[test]
    fn a_url_in_the_body_is_absent_null_empty_or_followed() {
        let strategy = NextUrl { url: Seen::body("next_url"), more: None, adds_params: false, from_base: false };
        let step =
            |body: &str| strategy.next(&Page::gather(None, &strategy.facts(), "/rows", body.as_bytes()).unwrap());
        for body in [r#"{"rows":[]}"#, r#"{"rows":[],"next_url":null}"#, r#"{"rows":[],"next_url":""}"#] {
            assert_eq!(step(body), Ok(Next::Done));
        }
        assert_eq!(step(r#"{"rows":[],"next_url":"https://a/b?c"}"#), Ok(Next::Url("https://a/b?c".into())));
        assert!(step(r#"{"rows":[],"next_url":7}"#).is_err());
    }

    #[test]
    fn a_flag_overrules_a_url_that_is_always_there() {
        let strategy = NextUrl {
            url: Seen::Header("x-next".into()),
            more: Some(Seen::body("more")),
            adds_params: false,
            from_base: false,
        };
        let step = |url: Option<&str>, body: &str| {
            let mut page = Page::gather(None, &strategy.facts(), "/rows", body.as_bytes()).unwrap();
            page.headers.extend(url.map(|url| ("x-next".to_owned(), url.to_owned())));
            strategy.next(&page)
        };
        assert_eq!(step(Some("/b"), r#"{"rows":[],"more":true}"#), Ok(Next::Url("/b".into())));
        assert_eq!(step(Some("/b"), r#"{"rows":[],"more":false}"#), Ok(Next::Done));
        assert!(matches!(step(None, r#"{"rows":[],"more":true}"#), Err(PaginationError::NoCursor { .. })));
    }

    #[test]
    fn a_url_is_read_against_the_page_it_stood_on() {
        let here = page(Some("https://h/v1/things?page=1&q=a"), &[]);
        for (url, expected) in [
            ("https://other/x", "https://other/x"),
            ("/v2/things?page=2", "https://h/v2/things?page=2"),
            ("?page=2", "https://h/v1/things?page=2"),
            ("page=2&u=/x", "https://h/v1/things?page=2&u=/x"),
            ("things?page=2", "https://h/v1/things?page=2"),
            ("things/2", "https://h/v1/things/2"),
        ] {
            assert_eq!(resolve(&here, url).unwrap().as_str(), expected);
        }
        assert!(resolve(&here, "https://").is_err());
    }

    #[test]
    fn reads_link_headers_as_servers_write_them() {
        let pair = |rel: &str, url: &str| (rel.to_owned(), url.to_owned());
        assert_eq!(
            parse_link_header(r#"<https://h/x?page=2>; rel="next", <https://h/x?page=5,6>; title="a, b"; rel=last"#),
            [pair("next", "https://h/x?page=2"), pair("last", "https://h/x?page=5,6")]
        );
        assert_eq!(parse_link_header(r#"</b>;rel="prev NEXT""#), [pair("prev", "/b"), pair("next", "/b")]);
        assert!(parse_link_header("nonsense").is_empty() && parse_link_header("<x").is_empty());
    }
}
