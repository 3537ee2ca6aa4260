//! What a manifest leaves unsaid: it would run, but nobody could rely on it.
//!
//! `0` is said, not assumed: a stream that says nothing of late rows or deletes is a stream whose author did not ask.

use serde::Serialize;

use crate::connector::Connector;
use crate::manifest::{Fact, Fact as F, StreamManifest};

/// One thing that a manifest leaves unsaid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word, e.g. `settle-missing`.
    pub code: &'static str,
    /// Where, e.g. `streams.charges.window`.
    pub path: String,
    /// Line of that place.
    pub line: Option<usize>,
    /// What is missing and what to write.
    pub message: String,
}

/// Finds what a connector leaves unsaid, in the order of its manifest.
pub fn lint(connector: &Connector) -> Vec<Finding> {
    let mut findings = Vec::new();
    let manifest = connector.manifest();
    let mut find = |code: &'static str, path: &str, message: &str| {
        findings.push(Finding { code, path: path.to_owned(), line: connector.line(path), message: message.to_owned() });
    };
    for (name, setting) in manifest.settings.iter() {
        if setting.help.trim().is_empty() {
            find("help-missing", &format!("settings.{name}"), "say what the setting is and where to find it");
        }
    }
    if let Fact::Stated(limits) = &manifest.http.limits {
        for limit in limits {
            if limit.source.trim().is_empty() {
                find("source-missing", "http.limits", "link the page that says the limit");
            }
        }
    }
    if manifest.api.as_ref().is_some_and(|api| api.sunset.is_some() && api.source.is_none()) {
        find("source-missing", "api", "link the page that says when the version ends");
    }
    let own = manifest
        .streams
        .iter()
        .filter_map(|(name, stream)| Some((format!("streams.{name}.auth"), stream.auth.as_ref()?)));
    for (path, auth) in std::iter::once(("http.auth".to_owned(), &manifest.http.auth)).chain(own) {
        for (code, message) in auth.doubts(manifest) {
            find(code, &path, &message);
        }
    }
    for (name, own) in manifest.streams.iter() {
        let stream = match &manifest.defaults {
            Some(defaults) => own.clone().over(defaults.clone()),
            None => own.clone(),
        };
        let path = format!("streams.{name}");
        lint_stream(&stream, &mut |code, key, message| {
            let path = if key.is_empty() { path.clone() } else { format!("{path}.{key}") };
            find(code, &path, message);
        });
    }
    findings
}

fn lint_stream(stream: &StreamManifest, find: &mut dyn FnMut(&'static str, &str, &str)) {
    if stream.docs.as_deref().unwrap_or_default().trim().is_empty() {
        find("docs-missing", "", "link the page that describes the stream under `docs:`");
    }
    if stream.deletes.is_none() {
        find("deletes-missing", "", "say how deletes show: `deletes: none`, a flag, or a key list");
    }
    if stream.page_size.as_ref().is_some_and(|size| size.source.trim().is_empty()) {
        find("source-missing", "page_size", "link the page that says the largest page");
    }
    if stream.fields.as_ref().is_some_and(|fields| {
        fields.at_most.is_some() && fields.source.as_deref().unwrap_or_default().trim().is_empty()
    }) {
        find("source-missing", "fields", "link the page that says how many fields one request takes");
    }
    if stream.pagination.as_ref().is_some_and(crate::pagination::Pagination::loses_moving_rows)
        && stream.best_effort.is_none()
    {
        find(
            "best-effort-missing",
            "pagination",
            "pages of a list that changes lose rows: name its total, or say `best_effort:` and why",
        );
    }
    if stream.kind.is_some_and(headwater_contract::StreamKind::is_ranged) {
        if stream.start.is_none() {
            find("start-missing", "", "say from when the stream is read: `start:` with a date setting");
        }
        let window = stream.window.clone().unwrap_or_default();
        for (code, fact, message) in [
            (
                "settle-missing",
                &window.settle,
                "say when a window is final: `settle:` with a value, `not_published` or `assumed`",
            ),
            (
                "lookback-missing",
                &window.lookback,
                "say how long a window can change: `lookback:`, where `0` is an answer",
            ),
        ] {
            match fact {
                None => find(code, "window", message),
                Some(F::Stated(span)) if !span.is_zero() => {
                    find(
                        "source-missing",
                        "window",
                        "a number of the vendor's is `published: { value, source }`, ours is `assumed`",
                    );
                }
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Library;

    #[test]
    fn the_manifests_in_the_binary_leave_nothing_unsaid() {
        for (file, text) in Library::embedded_texts() {
            assert_eq!(lint(&Connector::parse(text, file).unwrap()), [], "{file}");
        }
    }

    #[test]
    fn doubts_a_password_grant_a_login_in_the_open_and_a_credential_that_is_no_secret() {
        let text = concat!(
            "manifest: 1\nconnector: x\ntitle: X\ndocs: d\nsettings:\n  user: { help: h }\n  password: { help: h }\n",
            "http:\n  base_url: https://x.com\n  auth:\n    oauth2:\n      token_url: http://x.com/token\n",
            "      grant: { password: { user: user, password: password } }\n",
        );
        let findings = lint(&Connector::parse(text, "x.yaml").unwrap());
        let found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.line.unwrap())).collect();
        assert_eq!(found, [("secret-not-declared", 10), ("login-unencrypted", 10), ("password-grant", 10)]);
    }

    #[test]
    fn names_each_thing_that_is_unsaid_with_its_line() {
        let text = concat!(
            "manifest: 1\nconnector: x\ntitle: X\ndocs: d\nhttp: { base_url: https://x.com }\nstreams:\n  rows:\n    title: t\n",
            "    path: /rows\n    records: /rows\n    key: [id]\n    kind: events\n    pagination: { offset: { param: skip } }\n",
            "    window:\n      field: at\n      request: { from: since }\n      lookback: 3 days\n",
            "    columns: { id: { type: string }, at: { type: timestamp } }\n",
        );
        let findings = lint(&Connector::parse(text, "x.yaml").unwrap());
        let found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.line.unwrap())).collect();
        assert_eq!(
            found,
            [
                ("docs-missing", 7),
                ("deletes-missing", 7),
                ("best-effort-missing", 13),
                ("start-missing", 7),
                ("settle-missing", 14),
                ("source-missing", 14)
            ]
        );
    }
}
