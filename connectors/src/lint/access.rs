//! What concerns all streams: settings, limits, quotas, credentials.

use super::{Findings, Rule, doubt_of_link, is_blank};
use crate::manifest::{Fact, Limit, Manifest};

pub(super) fn judge(manifest: &Manifest, findings: &mut Findings<'_>) {
    if is_blank(Some(&manifest.docs)) {
        findings.find(
            Rule::DocsMissing,
            "docs",
            "the API's documentation is not linked",
            "link the page that you read",
        );
    } else {
        link(findings, "docs", &manifest.docs);
    }
    for (name, setting) in manifest.settings.iter() {
        if setting.help.trim().is_empty() {
            let what = format!("setting `{name}` explains nothing");
            findings.find(Rule::HelpMissing, &format!("settings.{name}"), what, "say what it is and where to find it");
        }
    }
    if let Some(api) = &manifest.api {
        match &api.source {
            None if api.sunset.is_some() => {
                let fix = "link the page that says when the version ends under `source:`";
                findings.find(Rule::SourceMissing, "api", "the sunset has no source", fix);
            }
            Some(source) => link(findings, "api", source),
            None => {}
        }
    }
    limits(manifest, findings);
    let own = manifest
        .streams
        .iter()
        .filter_map(|(name, stream)| Some((format!("streams.{name}.auth"), stream.auth.as_ref()?)));
    for (path, auth) in std::iter::once(("http.auth".to_owned(), &manifest.http.auth)).chain(own) {
        for (rule, what, fix) in auth.doubts(manifest) {
            findings.find(rule, &path, what, fix);
        }
    }
}

fn limits(manifest: &Manifest, findings: &mut Findings<'_>) {
    const PATH: &str = "http.limits";
    let sourced = |limits: &[Limit], findings: &mut Findings<'_>| {
        for limit in limits {
            if limit.source.trim().is_empty() {
                let what = format!("the limit of {} has no source", limit.words());
                findings.find(Rule::SourceMissing, PATH, what, "link the page that says the limit under `source:`");
            } else {
                link(findings, PATH, &limit.source);
            }
        }
    };
    match &manifest.http.limits {
        None => {
            let fix =
                "write `limits:` with what the vendor allows, `not_published`, or `assumed` with value and reason";
            findings.find(Rule::LimitsMissing, "http", "nothing is said about limits", fix);
        }
        Some(Fact::NotPublished) => {}
        Some(Fact::Stated(limits)) => sourced(limits, findings),
        Some(Fact::Published { value, source }) => {
            sourced(value, findings);
            link(findings, PATH, source);
        }
        Some(Fact::Assumed { because, .. }) => {
            if because.trim().is_empty() {
                let fix = "say why these limits are safe under `because:`";
                findings.find(Rule::ReasonMissing, PATH, "the limits are assumed without a reason", fix);
            }
        }
    }
    for quota in manifest.http.quota.iter().flat_map(|quotas| quotas.clone().into_vec()) {
        if quota.source.trim().is_empty() {
            let fix = "link the page that names the headers under `source:`";
            findings.find(Rule::SourceMissing, "http.quota", "the quota has no source", fix);
        } else {
            link(findings, "http.quota", &quota.source);
        }
    }
}

/// A source that is there must be one that a reader can open.
fn link(findings: &mut Findings<'_>, path: &str, source: &str) {
    if let Some((rule, what, fix)) = doubt_of_link(source) {
        findings.find(rule, path, what, fix);
    }
}
