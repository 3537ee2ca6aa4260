//! Origin pinning: where a source's requests may go at all.
//!
//! A next-page URL and a redirect are the server's word. Followed blindly they carry the credential to whoever wrote them.

use url::{Origin, Url};

/// The origins of one source.
#[derive(Clone, Debug)]
pub(crate) struct Pins {
    base: Origin,
    /// Origins of streams that have a `base_url` of their own.
    own: Vec<Origin>,
    others: Vec<Origin>,
    /// `host:port` of private addresses that the project lists.
    private: Vec<String>,
}

impl Pins {
    pub(crate) fn new(base: &Url, own: &[Url], others: &[Url], private: &[String]) -> Self {
        Self {
            base: base.origin(),
            own: own.iter().map(Url::origin).collect(),
            others: others.iter().map(Url::origin).collect(),
            private: private.iter().map(|entry| entry.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether a request may go there.
    pub(crate) fn allows(&self, url: &Url) -> bool {
        let origin = url.origin();
        origin.is_tuple() && (origin == self.base || self.own.contains(&origin) || self.others.contains(&origin))
    }

    /// Whether the credential may go there: only to origins that the manifest calls its own.
    pub(crate) fn takes_credential(&self, url: &Url) -> bool {
        let origin = url.origin();
        origin == self.base || self.own.contains(&origin)
    }

    /// Whether the project lists this host and port as private and fine.
    pub(crate) fn is_listed_private(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let port = url.port_or_known_default().unwrap_or_default();
        self.private.iter().any(|entry| *entry == format!("{host}:{port}"))
    }

    /// The pinned origin as people write it.
    pub(crate) fn base(&self) -> String {
        self.base.ascii_serialization()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn refuses_another_scheme_host_or_port_unless_named() {
        let pins =
            Pins::new(&url("https://api.x.com/v1"), &[], &[url("https://files.x.com")], &["127.0.0.1:8001".into()]);
        for text in [
            "http://api.x.com/v1",
            "https://x.com",
            "https://api.x.com:8443/",
            "https://api.x.com.evil.org",
            "data:text/plain,x",
        ] {
            assert!(!pins.allows(&url(text)), "{text}");
        }
        assert!(pins.allows(&url("https://API.X.com:443/v2?a=b")));
        assert!(pins.allows(&url("https://files.x.com/a")) && !pins.takes_credential(&url("https://files.x.com/a")));
        assert!(
            pins.is_listed_private(&url("http://127.0.0.1:8001/x"))
                && !pins.is_listed_private(&url("http://127.0.0.1:8002/"))
        );
    }
}
