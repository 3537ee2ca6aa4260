//! Link pagination: the server gives the next page's URL, in a `Link` header (RFC 8288) or in the body.
//!
//! The URL is the server's word and may lead anywhere, so transport follows it only within the pinned origin. GitHub pages this way
//! (<https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api>).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Next, Page, PaginationError};
use crate::decoding::{PageFacts, Pointer};

/// Settings of the `next_link` variant: a `Link` header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextLink {
    /// The relation that leads on, `next`.
    pub rel: String,
}

/// Settings of the `next_url` variant: a URL in the body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextUrl {
    /// Where the body gives the URL; absent, null or empty on the last page.
    pub url: Pointer,
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
        PageFacts::new().body_field(&self.url)
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When the URL is this page's own, or is no text.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let url = match page.body_field(&self.url) {
            None | Some(serde_json::Value::Bool(false)) => None,
            Some(serde_json::Value::String(url)) => Some(url.clone()),
            Some(_) => return Err(PaginationError::NoCursor { field: self.url.to_string() }),
        };
        follow(page, url.filter(|url| !url.is_empty()))
    }
}

fn follow(page: &Page, url: Option<String>) -> Result<Next, PaginationError> {
    match url {
        None => Ok(Next::Done),
        Some(url) if page.url.as_ref() == Some(&url) => Err(PaginationError::CursorStuck { cursor: url }),
        Some(url) => Ok(Next::Url(url)),
    }
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
        let next = NextLink { rel: "next".into() };
        assert!(matches!(
            next.next(&page(Some("/a?p=2"), &[("next", "/a?p=2")])),
            Err(PaginationError::CursorStuck { .. })
        ));
    }

    #[test]
    fn stops_without_the_relation_and_follows_only_it() {
        let next = NextLink { rel: "next".into() };
        assert_eq!(next.next(&page(None, &[("prev", "/a"), ("last", "/z")])), Ok(Next::Done));
        assert_eq!(next.next(&page(None, &[("last", "/z"), ("next", "/b")])), Ok(Next::Url("/b".into())));
    }

    #[test]
    fn a_url_in_the_body_is_absent_null_empty_or_followed() {
        let strategy = NextUrl { url: Pointer::parse("next_url") };
        let step =
            |body: &str| strategy.next(&Page::gather(None, &strategy.facts(), "/rows", body.as_bytes()).unwrap());
        for body in [r#"{"rows":[]}"#, r#"{"rows":[],"next_url":null}"#, r#"{"rows":[],"next_url":""}"#] {
            assert_eq!(step(body), Ok(Next::Done));
        }
        assert_eq!(step(r#"{"rows":[],"next_url":"https://a/b?c"}"#), Ok(Next::Url("https://a/b?c".into())));
        assert!(step(r#"{"rows":[],"next_url":7}"#).is_err());
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
