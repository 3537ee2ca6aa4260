//! Holds a manifest against the vendor's own description of its API, fact by fact.
//!
//! *Contradicted* is said only where the description really says otherwise: a path that is missing among its described neighbours, a
//! parameter that a list leaves out, a field that a closed schema does not name. Everything else that is not found is *not covered*.

mod answer;
mod bound;
mod drift;
mod error;
mod evidence;
mod facts;
mod live;
mod meaning;
mod path;
mod report;
mod request;

pub(crate) use bound::declared_maxima;
pub use drift::{Change, Drift, Sunset, drift, sunset};
pub use error::VerifyError;
#[cfg(test)]
pub(crate) use evidence::description_file;
pub use evidence::{ConnectorEvidence, Evidence, StreamEvidence, VerifiedAll, verify_all};
pub use live::{LiveConnector, LiveEvidence, LiveStream};
pub use report::{Counts, DocumentInfo, FactKind, FactReport, Standing, StreamReport, Verdict, VerifyReport};

use crate::connector::Connector;
use crate::description::{Description, Operation, Provenance};
use crate::manifest::ManifestError;
use facts::StreamFacts;
use path::{PathFound, PathMatch};
use request::Finding;

/// Judges every fact of every stream of `connector` by `description`.
///
/// # Errors
///
/// [`ManifestError`] when a stream is not complete, which a parsed connector's are.
pub fn verify(connector: &Connector, description: &Description) -> Result<VerifyReport, ManifestError> {
    let streams = facts::facts(connector)?.iter().map(|facts| verify_stream(facts, description)).collect();
    Ok(VerifyReport {
        connector: connector.name().to_owned(),
        manifest: connector.digest(),
        vendor: description.vendor.clone(),
        provenance: description.provenance.clone(),
        description: description.digest,
        streams,
    })
}

fn verify_stream(facts: &StreamFacts, description: &Description) -> StreamReport {
    let without = |finding: Finding| {
        let reason = "no operation to look in";
        let mut reports = vec![finding.of(FactKind::Path, facts.path_text.clone())];
        reports.push(Finding::unsaid(reason).of(FactKind::Method, facts.method));
        reports.extend(facts.sent.iter().map(|sent| Finding::unsaid(reason).of(sent.kind, sent.name.clone())));
        reports.extend(answer::unsaid(facts, reason));
        report(facts, None, reports, &description.provenance)
    };
    let matches = match path::find(facts, description) {
        PathFound::Absent(reason) => return without(Finding::contradicted("#/paths", reason)),
        PathFound::Unsaid(reason) => return without(Finding::unsaid(reason)),
        PathFound::At(matches) => matches,
    };
    let judged = matches.iter().map(|found| judge(facts, found, description));
    // Several documents can describe one path; the one that knows the stream best speaks for it.
    let best = judged.min_by_key(|report| {
        let counts = report.counts();
        let date = report.document.as_ref().map(|document| document.date.clone()).unwrap_or_default();
        (std::cmp::Reverse(counts.found), counts.contradicted, std::cmp::Reverse(date))
    });
    best.unwrap_or_else(|| without(Finding::unsaid("the description has no path near it")))
}

fn judge(facts: &StreamFacts, found: &PathMatch<'_>, description: &Description) -> StreamReport {
    let operations = found.document.operations(found.entry);
    let place = format!("#/paths/{}", found.entry.key.replace('~', "~0").replace('/', "~1"));
    let path =
        if found.is_by_template { by_template(facts, found, &operations, &place) } else { Finding::found(&place) };
    let mut reports = vec![path.of(FactKind::Path, facts.path_text.clone())];
    let Some(operation) = operations.iter().find(|operation| operation.method == facts.method) else {
        let known: Vec<&str> = operations.iter().map(|operation| operation.method).collect();
        let finding = if known.is_empty() {
            Finding::unsaid("the path describes no method")
        } else {
            Finding::contradicted(&place, format!("it has {} only", known.join(", ")))
        };
        let reason = "no operation to look in";
        reports.push(finding.of(FactKind::Method, facts.method));
        reports.extend(facts.sent.iter().map(|sent| Finding::unsaid(reason).of(sent.kind, sent.name.clone())));
        reports.extend(answer::unsaid(facts, reason));
        return report(facts, Some((found, None)), reports, &description.provenance);
    };
    let judged = judge_operation(operation, facts);
    let better = operations
        .iter()
        .filter(|other| other.method != facts.method)
        .find(|other| is_rather(&judged, &judge_operation(other, facts)));
    let method = match better {
        Some(other) => Finding::contradicted(
            operation.node().place(),
            format!("what is sent and read belongs to {}, which the path has too", other.method),
        ),
        None => Finding::found(operation.node().place()),
    };
    reports.push(method.of(FactKind::Method, facts.method));
    reports.extend(judged);
    report(facts, Some((found, Some(operation))), reports, &description.provenance)
}

/// Judges what is sent and read by one operation.
fn judge_operation(operation: &Operation<'_>, facts: &StreamFacts) -> Vec<FactReport> {
    let mut reports = request::judge(operation, &facts.sent);
    reports.extend(answer::judge(operation, facts));
    reports
}

/// Whether another method of the path has all that this one has and more, and refutes nothing.
fn is_rather(ours: &[FactReport], other: &[FactReport]) -> bool {
    let found = |all: &[FactReport]| all.iter().map(|fact| fact.verdict == Verdict::Found).collect::<Vec<_>>();
    let (ours, theirs) = (found(ours), found(other));
    let has_more = ours.iter().zip(&theirs).any(|(ours, theirs)| !ours && *theirs);
    let has_all = ours.iter().zip(&theirs).all(|(ours, theirs)| !ours || *theirs);
    has_more && has_all && !other.iter().any(|fact| fact.verdict == Verdict::Contradicted)
}

/// A template covers the path; where it lists its words, ours must be among them.
fn by_template(facts: &StreamFacts, found: &PathMatch<'_>, operations: &[Operation<'_>], place: &str) -> Finding {
    let words: Vec<String> = operations
        .iter()
        .flat_map(Operation::parameters)
        .filter(|parameter| parameter.location == crate::description::Location::Path)
        .flat_map(|parameter| crate::description::types(&[parameter.schema]).values)
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect();
    if words.iter().any(|word| facts.path.contains(word)) {
        return Finding::found(place);
    }
    Finding::unsaid(format!("the template `{}` covers it and does not list its words", found.entry.key)).at(place)
}

fn report(
    facts: &StreamFacts,
    found: Option<(&PathMatch<'_>, Option<&Operation<'_>>)>,
    mut reports: Vec<FactReport>,
    provenance: &Provenance,
) -> StreamReport {
    for fact in reports.iter_mut().filter(|fact| fact.verdict == Verdict::Contradicted) {
        let is_it =
            |name: &str| fact.fact.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        // Who knows better than the description says so with a link; nobody vouches for the fact then, and it counts as covered by nothing.
        if let Some((_, why)) = facts.errata.iter().find(|(name, _)| is_it(name)) {
            fact.verdict = Verdict::NotCovered;
            fact.reason.clone_from(why);
        }
    }
    let document = found.map(|(found, _)| DocumentInfo {
        title: found.document.title.clone(),
        version: found.document.version.clone(),
        date: found.document.date.clone().unwrap_or_else(|| "undated".to_owned()),
        source: found.document.source.clone(),
    });
    let is_missing = |fact: &FactReport| fact.kind.must_be_found() && fact.verdict != Verdict::Found;
    let is_whole = !reports.iter().any(|fact| fact.verdict == Verdict::Contradicted || is_missing(fact));
    let standing = match (is_whole, provenance.is_of_the_vendor(), facts.has_docs) {
        (true, true, _) => Standing::Verified,
        (true, false, _) => Standing::CrossChecked,
        (false, _, true) => Standing::Documented,
        (false, _, false) => Standing::Unverified,
    };
    StreamReport {
        stream: facts.stream.clone(),
        standing,
        document,
        is_deprecated: found.and_then(|(_, operation)| operation).is_some_and(Operation::is_deprecated),
        facts: reports,
    }
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
pub(crate) use corpus::specs as specs_of_tests;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tests;

/// Where a stream's operation stands: the document, the path in it, the method.
pub(crate) type Place = (usize, usize, &'static str);

/// The operation that each stream calls, where the description has it.
pub(crate) fn operations(
    connector: &Connector,
    description: &Description,
) -> Result<std::collections::BTreeMap<String, Place>, ManifestError> {
    let mut places = std::collections::BTreeMap::new();
    for facts in facts::facts(connector)? {
        let PathFound::At(matches) = path::find(&facts, description) else { continue };
        let best = matches.iter().min_by_key(|found| {
            let counts = judge(&facts, found, description).counts();
            (std::cmp::Reverse(counts.found), counts.contradicted)
        });
        let Some(found) = best else { continue };
        let document = description.documents.iter().position(|document| std::ptr::eq(document, found.document));
        let path = found.document.paths().iter().position(|path| std::ptr::eq(path, found.entry));
        if let Some((document, path)) = document.zip(path) {
            places.insert(facts.stream.clone(), (document, path, facts.method));
        }
    }
    Ok(places)
}
