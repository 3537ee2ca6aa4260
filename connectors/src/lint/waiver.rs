//! Rules that a manifest does not keep, with the reason: `waive: { page-size-tiny: "the API refuses more than 5" }`.

use super::{Finding, Rule};
use crate::connector::Connector;
use crate::manifest::{Manifest, Ordered};

/// All waivers of a manifest with the paths under which they hold.
pub(super) fn all(manifest: &Manifest) -> impl Iterator<Item = (String, &str, &str)> {
    let streams = manifest.streams.iter().map(|(name, stream)| (format!("streams.{name}"), &stream.waive));
    let templates = manifest.templates.iter().map(|(name, stream)| (format!("templates.{name}"), &stream.waive));
    let shared = manifest.defaults.iter().map(|defaults| (String::new(), &defaults.waive));
    let top = std::iter::once((String::new(), &manifest.waive));
    let holders = top.chain(shared).chain(streams).chain(templates);
    holders.flat_map(|(path, waive)| {
        let waive = waive.iter().flat_map(Ordered::iter);
        waive.map(move |(code, reason)| (path.clone(), code, reason.as_str()))
    })
}

/// Takes out what is waived, and adds what is wrong with the waivers.
pub(super) fn apply(connector: &Connector, findings: Vec<Finding>) -> Vec<Finding> {
    let waivers: Vec<(String, &str, &str)> = all(connector.manifest()).collect();
    let covers = |(path, code, reason): &(String, &str, &str), finding: &Finding| {
        let is_within = path.is_empty()
            || finding.path == *path
            || finding.path.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'))
            // What a stream takes from `defaults` is waived there or by each stream of its own.
            || finding.path.starts_with("defaults");
        finding.code == *code && is_within && !reason.trim().is_empty()
    };
    let mut wrong = super::Findings { connector, found: Vec::new() };
    for waiver in &waivers {
        let (path, code, reason) = waiver;
        let place = if path.is_empty() { "waive".to_owned() } else { format!("{path}.waive") };
        match Rule::of(code).filter(|rule| rule.can_be_waived()) {
            None => {
                let fix = "name the rule by the word in brackets of its finding, or remove the waiver";
                wrong.find(Rule::WaiverUnknown, &place, format!("`{code}` is no rule that can be waived"), fix);
            }
            Some(_) if reason.trim().is_empty() => {
                let what = format!("the waiver of `{code}` has no reason");
                wrong.find(Rule::WaiverWithoutReason, &place, what, "say why the rule cannot be kept");
            }
            Some(_) if !findings.iter().any(|finding| covers(waiver, finding)) && !is_by_description(code) => {
                let what = format!("nothing breaks `{code}` here");
                wrong.find(Rule::WaiverUnneeded, &place, what, "remove the waiver");
            }
            Some(_) => {}
        }
    }
    let mut kept: Vec<Finding> =
        findings.into_iter().filter(|finding| !waivers.iter().any(|waiver| covers(waiver, finding))).collect();
    kept.append(&mut wrong.found);
    kept
}

/// Whether only a description can tell that the rule is broken, so that without one its waiver seems to be unneeded.
fn is_by_description(code: &str) -> bool {
    code == Rule::PageSizeBelowMaximum.code()
}
