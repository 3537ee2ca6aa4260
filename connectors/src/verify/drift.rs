//! What changed between two descriptions of one API, as far as the streams of a manifest go.
//!
//! A change is *ours* when the manifest uses what changed: a column that is read, a parameter that is sent. The others are worth knowing,
//! such as a new field.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::facts::{StreamFacts, Way, facts};
use super::path::{PathFound, find};
use crate::connector::Connector;
use crate::description::{Description, Operation, Reached, elements, names_of, reach, types};
use crate::manifest::{Manifest, ManifestError};

/// What happened to something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is of another type.
    Retyped {
        /// The type before.
        before: String,
        /// The type now.
        now: String,
    },
    /// The vendor will take it away.
    Deprecated,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => f.write_str("added"),
            Self::Removed => f.write_str("removed"),
            Self::Retyped { before, now } => write!(f, "retyped from {before} to {now}"),
            Self::Deprecated => f.write_str("deprecated"),
        }
    }
}

/// One change that touches a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The stream.
    pub stream: String,
    /// What changed: `operation`, `field /id`, `parameter limit`.
    pub subject: String,
    /// What happened to it.
    pub change: Change,
    /// Whether the manifest uses it.
    pub is_ours: bool,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = if self.is_ours { "  (ours)" } else { "" };
        write!(f, "{:<24} {:<32} {}{ours}", self.stream, self.subject, self.change)
    }
}

/// What changed for the streams of `connector`, in their order; within a stream what is ours comes first.
///
/// # Errors
///
/// [`ManifestError`] when a stream is not complete, which a parsed connector's are.
pub fn drift(connector: &Connector, before: &Description, now: &Description) -> Result<Vec<Drift>, ManifestError> {
    let mut all = Vec::new();
    for stream in facts(connector)? {
        let mut changes = compare(&stream, Picture::of(&stream, before).as_ref(), Picture::of(&stream, now).as_ref());
        changes.sort_by_key(|drift| !drift.is_ours);
        all.extend(changes);
    }
    Ok(all)
}

/// What a description shows of a stream: each subject with its type, and whether it is going away.
#[derive(Debug, Default, PartialEq)]
struct Picture {
    subjects: BTreeMap<String, (String, bool)>,
    is_deprecated: bool,
}

impl Picture {
    fn of(facts: &StreamFacts, description: &Description) -> Option<Self> {
        let PathFound::At(matches) = find(facts, description) else { return None };
        let operations = matches.iter().flat_map(|found| found.document.operations(found.entry));
        // Of several documents, the one that shows most.
        let pictures =
            operations.filter(|operation| operation.method == facts.method).map(|one| Self::new(facts, &one));
        pictures.max_by_key(|picture| picture.subjects.len())
    }

    fn new(facts: &StreamFacts, operation: &Operation<'_>) -> Self {
        let mut picture = Self { is_deprecated: operation.is_deprecated(), ..Self::default() };
        for parameter in operation.parameters() {
            let takes = types(std::slice::from_ref(&parameter.schema));
            let word = format!("parameter {}", parameter.name);
            let is_deprecated = parameter.node.says("deprecated") || takes.is_deprecated;
            picture.subjects.insert(word, (takes.kinds.join(" or "), is_deprecated));
        }
        let schema = operation.answer().and_then(|answer| answer.schema);
        let records = facts.records.as_ref().zip(schema);
        let Some((records, schema)) = records else { return picture };
        let Reached::At(found) = reach(vec![schema], records.pointer.segments()) else { return picture };
        let record = if records.is_each { found } else { elements(&found) };
        for (name, schemas) in names_of(&record) {
            let kinds = types(&schemas);
            let mut text = kinds.kinds.join(" or ");
            if !kinds.formats.is_empty() {
                text.push_str(&format!(" ({})", kinds.formats.join(", ")));
            }
            picture.subjects.insert(format!("field /{name}"), (text, kinds.is_deprecated));
        }
        picture
    }
}

fn compare(facts: &StreamFacts, before: Option<&Picture>, now: Option<&Picture>) -> Vec<Drift> {
    let drift = |subject: &str, change: Change, is_ours: bool| Drift {
        stream: facts.stream.clone(),
        subject: subject.to_owned(),
        change,
        is_ours,
    };
    let (before, now) = match (before, now) {
        (None, None) => return Vec::new(),
        (None, Some(_)) => return vec![drift("operation", Change::Added, true)],
        (Some(_), None) => return vec![drift("operation", Change::Removed, true)],
        (Some(before), Some(now)) => (before, now),
    };
    let mut all = Vec::new();
    if now.is_deprecated && !before.is_deprecated {
        all.push(drift("operation", Change::Deprecated, true));
    }
    for (subject, (kind, is_deprecated)) in &before.subjects {
        let is_ours = is_used(facts, subject);
        match now.subjects.get(subject) {
            None => all.push(drift(subject, Change::Removed, is_ours)),
            Some((now, _)) if now != kind && !now.is_empty() && !kind.is_empty() => {
                let change = Change::Retyped { before: kind.clone(), now: now.clone() };
                all.push(drift(subject, change, is_ours));
            }
            Some((_, true)) if !is_deprecated => all.push(drift(subject, Change::Deprecated, is_ours)),
            Some(_) => {}
        }
    }
    let new = now.subjects.keys().filter(|subject| !before.subjects.contains_key(*subject));
    all.extend(new.map(|subject| drift(subject, Change::Added, is_used(facts, subject))));
    all
}

/// Whether the manifest sends a parameter or reads a field.
fn is_used(facts: &StreamFacts, subject: &str) -> bool {
    match subject.split_once(' ') {
        Some(("parameter", name)) => facts.sent.iter().any(|sent| {
            let root = sent.name.split('[').next().unwrap_or_default();
            !matches!(sent.way, Way::Body(_)) && (sent.name == name || root == name)
        }),
        Some(("field", pointer)) => {
            let name = pointer.strip_prefix('/').unwrap_or(pointer);
            let read = facts.columns.iter().filter_map(|fact| fact.pointer.as_ref());
            read.filter_map(|pointer| pointer.segments().first()).any(|first| first == name)
        }
        _ => false,
    }
}

/// A version of an API that ends or has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sunset {
    /// The connector.
    pub connector: String,
    /// The version.
    pub version: String,
    /// The first day without it.
    pub on: NaiveDate,
    /// Days until then; none or negative when it is past.
    pub days_left: i64,
}

impl fmt::Display for Sunset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connector, version, on, days_left } = self;
        if *days_left <= 0 {
            write!(f, "{connector}: version {version} of the API ended on {on}: write its streams for a newer one")
        } else {
            write!(f, "{connector}: version {version} of the API ends on {on}, in {days_left} days")
        }
    }
}

/// Whether the version of the API that a manifest is written for has ended, or ends within `notice_days`.
pub fn sunset(manifest: &Manifest, today: NaiveDate, notice_days: i64) -> Option<Sunset> {
    let api = manifest.api.as_ref()?;
    let on = api.sunset?;
    let days_left = on.signed_duration_since(today).num_days();
    (days_left <= notice_days).then(|| Sunset {
        connector: manifest.connector.clone(),
        version: api.version.clone(),
        on,
        days_left,
    })
}
