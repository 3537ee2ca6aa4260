//! A request as it will be sent: every byte of it stands, except what proves who sends it.
//!
//! Signatures cover method, URL, headers and body, so a credential is put on last, here, and nothing is changed after it.

use std::fmt;

use bytes::Bytes;
use headwater_contract::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::redact::without_param;
use crate::error::Fault;

/// A request as it will be sent. It may hold secrets, so its `Debug` shows method, host and path.
pub(crate) struct Prepared {
    pub(crate) method: reqwest::Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What was put on that must not be printed.
    secrets: Vec<Secret>,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.place())
    }
}

impl Prepared {
    pub(crate) fn new(method: reqwest::Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), secrets: Vec::new() }
    }

    /// The URL without user, query and fragment.
    pub(crate) fn place(&self) -> String {
        format!("{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }

    /// Host and port as they are sent.
    pub(crate) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Sets a header that may be printed.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let value = HeaderValue::from_str(value).map_err(|_| Fault::HeaderValue { name: name.to_owned() })?;
        self.headers.insert(header_name(name)?, value);
        Ok(())
    }

    /// Sets a header that must not be printed.
    pub(crate) fn set_secret_header(&mut self, name: &str, value: &Secret) -> Result<(), Fault> {
        // Bytes, not characters: a password may be outside Latin, and its vendor decides what that means.
        let mut header = HeaderValue::from_bytes(value.expose().as_bytes())
            .map_err(|_| Fault::HeaderValue { name: name.to_owned() })?;
        header.set_sensitive(true);
        self.headers.insert(header_name(name)?, header);
        // The part after a scheme such as `Bearer` is what an answer may repeat.
        self.learn(Secret::new(value.expose().split_whitespace().next_back().unwrap_or_default()));
        Ok(())
    }

    /// Sets a query parameter in place of what the URL may hold of it already.
    pub(crate) fn set_query(&mut self, param: &str, value: &str) {
        self.url = without_param(&self.url, Some(param));
        self.url.query_pairs_mut().append_pair(param, value);
        self.learn(Secret::new(value));
    }

    /// Remembers a text that must not be printed.
    pub(crate) fn learn(&mut self, secret: Secret) {
        self.secrets.push(secret);
    }

    /// What must not be printed of it.
    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }
}

fn header_name(name: &str) -> Result<HeaderName, Fault> {
    name.parse().map_err(|_| Fault::Internal { facts: format!("`{name}` is not the name of a header") })
}
