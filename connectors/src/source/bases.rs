//! Where the paths of streams start that have a `base_url` of their own: products whose APIs stand on several hosts.

use url::Url;

use crate::error::Fault;
use crate::expression::{Scope, Template};
use crate::stream::Stream;

/// The base URLs of streams that have one of their own.
#[derive(Debug, Default)]
pub(super) struct Bases(Vec<(Template, Url)>);

impl Bases {
    /// Those of all streams; a fault comes with the place in the manifest.
    pub(super) fn of(streams: &[Stream], scope: &Scope) -> Result<Self, Box<(String, Fault)>> {
        let mut bases: Vec<(Template, Url)> = Vec::new();
        for stream in streams {
            let Some(template) = &stream.request.base_url else { continue };
            if bases.iter().any(|(known, _)| known == template) {
                continue;
            }
            let url =
                parse_base(template, scope).map_err(|fault| Box::new((format!("{}.base_url", stream.path), fault)))?;
            bases.push((template.clone(), url));
        }
        Ok(Self(bases))
    }

    /// The URLs.
    pub(super) fn urls(&self) -> Vec<Url> {
        self.0.iter().map(|(_, url)| url.clone()).collect()
    }

    /// The URL of one template.
    pub(super) fn get(&self, template: &Template) -> Option<&Url> {
        self.0.iter().find(|(known, _)| known == template).map(|(_, url)| url)
    }
}

/// A base URL with its placeholders filled in.
pub(super) fn parse_base(template: &Template, scope: &Scope) -> Result<Url, Fault> {
    let text = template.fill(scope)?;
    let wrong = |reason: String| Fault::Internal { facts: format!("`{text}` cannot be a base URL: {reason}") };
    let url = Url::parse(&text).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it is neither http nor https".to_owned()));
    }
    Ok(url)
}
