//! Finds the operation that a stream calls, among templates, base paths and versions.
//!
//! A path counts as absent only when its neighbours are described: an old or partial description that stops short of a part of the API
//! says nothing about that part.

use super::facts::{Base, StreamFacts};
use crate::description::{Description, Document, Operation, PathEntry, Reached, reach, types};
use crate::library::distance;

/// A described path that fits a stream's.
#[derive(Clone, Debug)]
pub(super) struct PathMatch<'a> {
    pub(super) document: &'a Document,
    pub(super) entry: &'a PathEntry,
    /// How loosely it fits, 0 best.
    rank: u8,
    /// The template stands where the stream has a fixed word.
    pub(super) is_by_template: bool,
}

/// What a description says of a path.
#[derive(Debug)]
pub(super) enum PathFound<'a> {
    /// These fit equally well.
    At(Vec<PathMatch<'a>>),
    /// Its neighbours are described, and it is not.
    Absent(String),
    /// Nobody knows.
    Unsaid(String),
}

/// Where the paths of a document start.
#[derive(Clone, Debug)]
struct Start {
    host: Option<String>,
    segments: Vec<String>,
}

/// Looks for the path of a stream in all documents.
pub(super) fn find<'a>(facts: &StreamFacts, description: &'a Description) -> PathFound<'a> {
    let ours: Vec<String> = facts.base.segments.iter().chain(&facts.path).cloned().collect();
    let mut matches: Vec<PathMatch<'a>> = Vec::new();
    let mut covering = None;
    for document in &description.documents {
        let starts = starts(&document.servers());
        for entry in document.paths() {
            if !may_end_alike(&ours, &entry.segments) {
                continue;
            }
            let own = own_starts(document, entry);
            for start in own.as_ref().unwrap_or(&starts) {
                let Some((rank, fit)) = align(&ours, facts, start, entry) else { continue };
                if fit == Fit::LastByTemplate {
                    if document.operations(entry).iter().any(|operation| may_be_ours(operation, facts)) {
                        covering = Some(entry.key.clone());
                    }
                    continue;
                }
                let away = u8::from(is_elsewhere(&facts.base, start));
                let rank = rank + away + if fit == Fit::ByTemplate { 4 } else { 0 };
                matches.push(PathMatch { document, entry, rank, is_by_template: fit == Fit::ByTemplate });
            }
        }
    }
    if let Some(best) = matches.iter().map(|found| found.rank).min() {
        matches.retain(|found| found.rank == best);
        matches.dedup_by(|a, b| std::ptr::eq(a.entry, b.entry));
        return PathFound::At(matches);
    }
    if let Some(template) = covering {
        return PathFound::Unsaid(format!("only `{template}` would cover it"));
    }
    absent(&ours, facts, description)
}

/// Whether an operation that a template covers could be what the stream calls: of its method, with its list in the answer.
fn may_be_ours(operation: &Operation<'_>, facts: &StreamFacts) -> bool {
    let may_hold_the_list = || match (&facts.records, operation.answer().and_then(|answer| answer.schema)) {
        (Some(records), Some(schema)) => match reach(vec![schema], records.pointer.segments()) {
            Reached::At(nodes) => {
                let kinds = types(&nodes);
                !kinds.is_known() || kinds.has("array") || records.is_each
            }
            Reached::Closed { .. } => false,
            Reached::Unsaid { .. } => true,
        },
        _ => true,
    };
    operation.method == facts.method && may_hold_the_list()
}

fn absent<'a>(ours: &[String], facts: &StreamFacts, description: &'a Description) -> PathFound<'a> {
    if description.provenance.is_partial() {
        return PathFound::Unsaid("the description was gathered from parts and does not list it".to_owned());
    }
    let entries = description.documents.iter().flat_map(Document::paths);
    if let Some(entry) = entries.into_iter().find(|entry| fit(&facts.path, &entry.segments) == Some(Fit::Exact)) {
        return PathFound::Unsaid(format!("the description has `{}` at another address or version", entry.key));
    }
    let parent = ours.get(..ours.len().saturating_sub(1)).unwrap_or_default();
    let mut siblings: Vec<&str> = Vec::new();
    for document in &description.documents {
        let starts = starts(&document.servers());
        for entry in document.paths() {
            let is_sibling = starts.iter().filter(|start| !is_elsewhere(&facts.base, start)).any(|start| {
                let theirs: Vec<&String> = start.segments.iter().chain(&entry.segments).collect();
                let parent = if start.segments.is_empty() && theirs.len() <= facts.path.len() {
                    facts.path.get(..facts.path.len().saturating_sub(1)).unwrap_or_default()
                } else {
                    parent
                };
                theirs.len() > parent.len() && begins_with(&theirs, parent)
            });
            if is_sibling {
                siblings.push(&entry.key);
            }
        }
    }
    // One neighbour at the top of an API is no sign that its top is described.
    let needed = if facts.path.len() > 1 { 1 } else { 3 };
    if siblings.len() < needed {
        return PathFound::Unsaid("the description has no path near it".to_owned());
    }
    let nearest =
        siblings.iter().min_by_key(|key| (distance(key, &facts.path_text), **key)).copied().unwrap_or_default();
    PathFound::Absent(format!("no such path among {} beside it, the nearest being `{nearest}`", siblings.len()))
}

fn begins_with(theirs: &[&String], parent: &[String]) -> bool {
    let theirs: Vec<String> = theirs.iter().map(|segment| (*segment).clone()).collect();
    (1..=theirs.len())
        .any(|length| fit(parent, theirs.get(..length).unwrap_or_default()).is_some_and(|fit| fit == Fit::Exact))
        || parent.is_empty()
}

fn starts(servers: &[String]) -> Vec<Start> {
    let of_url = |url: &String| {
        let (host, path) = match url.split_once("://") {
            Some((_, rest)) => match rest.split_once('/') {
                Some((host, path)) => (Some(host), path),
                None => (Some(rest), ""),
            },
            None => (None, url.as_str()),
        };
        let host = host.filter(|host| !host.is_empty() && !host.contains('{')).map(str::to_owned);
        Start { host, segments: crate::description::path_segments(path) }
    };
    if servers.is_empty() {
        return vec![Start { host: None, segments: Vec::new() }];
    }
    servers.iter().map(of_url).collect()
}

/// Servers that an operation of the path has for itself.
fn own_starts(document: &Document, entry: &PathEntry) -> Option<Vec<Start>> {
    let own: Vec<String> = document.operations(entry).iter().flat_map(Operation::servers).collect();
    (!own.is_empty()).then(|| starts(&own))
}

fn is_elsewhere(base: &Base, start: &Start) -> bool {
    matches!((&base.host, &start.host), (Some(ours), Some(theirs)) if !ours.eq_ignore_ascii_case(theirs) && !base.is_movable)
}

/// Rejects most paths by their last segments, before any operation is looked at.
fn may_end_alike(ours: &[String], theirs: &[String]) -> bool {
    let mut pairs = ours.iter().rev().zip(theirs.iter().rev());
    // A name with slashes in it may stand for any number of theirs.
    pairs.by_ref().take_while(|(ours, _)| *ours != "{+}").all(|(ours, theirs)| ours == theirs || theirs.contains("{}"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    ByTemplate,
    LastByTemplate,
}

/// How a described path fits ours, with the rank of its base.
fn align(ours: &[String], facts: &StreamFacts, start: &Start, entry: &PathEntry) -> Option<(u8, Fit)> {
    let theirs: Vec<String> = start.segments.iter().chain(&entry.segments).cloned().collect();
    if let Some(fit) = fit(ours, &theirs) {
        return Some((0, fit));
    }
    let says_no_base = start.segments.is_empty();
    // The description leaves the base out: what is before must look like one.
    if says_no_base && entry.segments.len() < ours.len() {
        let (before, rest) = ours.split_at(ours.len() - entry.segments.len());
        let is_base =
            before.len() <= facts.base.segments.len() || before.iter().all(|segment| looks_like_a_base(segment));
        if let Some(fit) = fit(rest, &entry.segments).filter(|_| is_base) {
            return Some((2, fit));
        }
    }
    if facts.base.is_movable || facts.base.host.is_none() {
        let fit = fit(&facts.path, &theirs).or_else(|| fit(&facts.path, &entry.segments));
        return fit.map(|fit| (2, fit));
    }
    None
}

fn looks_like_a_base(segment: &str) -> bool {
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    matches!(segment, "api" | "rest" | "public" | "{}") || is_number(segment.strip_prefix('v').unwrap_or(segment))
}

/// How `theirs` fits `ours`, segment by segment.
fn fit(ours: &[String], theirs: &[String]) -> Option<Fit> {
    match (ours.split_first(), theirs.split_first()) {
        (None, None) => Some(Fit::Exact),
        (Some((first, rest)), Some((their_first, their_rest))) => {
            if first == "{+}" {
                // A name with slashes in it is two or more of theirs.
                return (2..=theirs.len())
                    .take_while(|length| theirs.iter().take(*length).all(|segment| segment.contains("{}")))
                    .filter_map(|length| fit(rest, theirs.get(length..).unwrap_or_default()))
                    .min();
            }
            if first == their_first {
                return fit(rest, their_rest);
            }
            let is_covered = !first.contains("{}") && covers(their_first, first);
            if !is_covered {
                return None;
            }
            let below = fit(rest, their_rest)?;
            Some(if rest.is_empty() { Fit::LastByTemplate } else { below.max(Fit::ByTemplate) })
        }
        _ => None,
    }
}

/// Whether a template such as `{}.json` covers a word.
fn covers(template: &str, word: &str) -> bool {
    let Some((before, after)) = template.split_once("{}") else { return false };
    word.strip_prefix(before).is_some_and(|rest| {
        after.is_empty() || (!after.contains("{}") && rest.len() > after.len() && rest.ends_with(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(path: &str) -> Vec<String> {
        path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn segments_fit_by_word_template_or_span() {
        for (ours, theirs, fitting) in [
            ("/v1/charges", "/v1/charges", Some(Fit::Exact)),
            ("/v1/charges", "/v1/refunds", None),
            ("/v1/charges", "/v1", None),
            ("/repos/{+}/issues", "/repos/{}/{}/issues", Some(Fit::Exact)),
            ("/repos/{+}/issues", "/repos/issues", None),
            ("/repos/{+}", "/repos/{}/{}/issues", None),
            ("/repos/{+}/issues", "/repos/{}/issues", None),
            ("/objects/contacts/search", "/objects/{}/search", Some(Fit::ByTemplate)),
            ("/objects/contacts", "/objects/{}", Some(Fit::LastByTemplate)),
            ("/{}/rows.json", "/{}/{}.json", Some(Fit::LastByTemplate)),
            ("/objects/{}", "/objects/contacts", None),
        ] {
            assert_eq!(fit(&cut(ours), &cut(theirs)), fitting, "{ours} {theirs}");
        }
    }
}
