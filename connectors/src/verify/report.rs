//! What verifying a manifest yields: a verdict on every fact, and from these the standing of each stream.

use std::fmt;

use headwater_contract::Digest16;
use serde::{Deserialize, Serialize};

use crate::description::Provenance;

/// What a description says of one fact of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It says the same.
    Found,
    /// It says otherwise.
    Contradicted,
    /// It does not say.
    NotCovered,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Found => "found",
            Self::Contradicted => "contradicted",
            Self::NotCovered => "not covered",
        })
    }
}

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// The path of the request.
    Path,
    /// Its method.
    Method,
    /// A parameter that carries a bound of a window.
    Window,
    /// A parameter that asks for a page, or for the next link of a chain.
    Paging,
    /// The parameter that says how large a page is, and its value.
    PageSize,
    /// A parameter that every request sends, and its value.
    Filter,
    /// A header that every request sends.
    Header,
    /// Where the list of records stands in the answer.
    Records,
    /// A column of the key.
    Key,
    /// The field whose time decides the window.
    Cursor,
    /// How that field is written.
    CursorType,
    /// Where the answer says what the next page is.
    PagingAnswer,
    /// A column: that it exists, its type, whether it may be null.
    Column,
}

impl FactKind {
    /// Whether a stream is verified only when facts of this kind are found; the others must not be contradicted.
    pub fn must_be_found(self) -> bool {
        !matches!(self, Self::Header | Self::CursorType | Self::PagingAnswer | Self::Column)
    }
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "path",
            Self::Method => "method",
            Self::Window => "window",
            Self::Paging => "paging",
            Self::PageSize => "page size",
            Self::Filter => "filter",
            Self::Header => "header",
            Self::Records => "records",
            Self::Key => "key",
            Self::Cursor => "cursor",
            Self::CursorType => "cursor type",
            Self::PagingAnswer => "paging answer",
            Self::Column => "column",
        })
    }
}

/// The verdict on one fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactReport {
    /// What it is about.
    pub kind: FactKind,
    /// The fact as the manifest says it, e.g. `created[gte]`.
    pub fact: String,
    /// What the description says of it.
    pub verdict: Verdict,
    /// Where in the description, as a URI fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Why; empty where the place says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How well a stream is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing vouches for it, or the manifest changed since it was verified.
    Unverified,
    /// Written from the vendor's documentation, which is linked.
    Documented,
    /// Every fact is found in a description that others wrote or keep.
    CrossChecked,
    /// Every fact is found in the vendor's own description.
    Verified,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unverified => "unverified",
            Self::Documented => "documented",
            Self::CrossChecked => "cross-checked",
            Self::Verified => "verified",
        })
    }
}

/// The document in which a stream was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentInfo {
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: String,
    /// Its date, or `undated`.
    pub date: String,
    /// Where it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// How many facts got each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Facts that the description says too.
    pub found: usize,
    /// Facts of which it says otherwise.
    pub contradicted: usize,
    /// Facts of which it says nothing.
    pub not_covered: usize,
}

impl Counts {
    /// Counts verdicts.
    pub fn of<'a>(facts: impl IntoIterator<Item = &'a FactReport>) -> Self {
        facts.into_iter().fold(Self::default(), |mut counts, fact| {
            match fact.verdict {
                Verdict::Found => counts.found += 1,
                Verdict::Contradicted => counts.contradicted += 1,
                Verdict::NotCovered => counts.not_covered += 1,
            }
            counts
        })
    }

    /// The sum of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            found: self.found + other.found,
            contradicted: self.contradicted + other.contradicted,
            not_covered: self.not_covered + other.not_covered,
        }
    }
}

/// The verdicts on one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReport {
    /// The stream; a list of keys is called after its stream, with `__keys`.
    pub stream: String,
    /// How well it is known.
    pub standing: Standing,
    /// The document that has its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentInfo>,
    /// Whether the vendor says that it will take the operation away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deprecated: bool,
    /// The facts, in the order of a request and its answer.
    pub facts: Vec<FactReport>,
}

impl StreamReport {
    /// How many facts got each verdict.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.facts)
    }
}

/// What a description says of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// The connector.
    pub connector: String,
    /// Digest of the manifest.
    pub manifest: Digest16,
    /// Whose description it is.
    pub vendor: String,
    /// Who vouches for it.
    pub provenance: Provenance,
    /// Digest of the description.
    pub description: Digest16,
    /// The streams, in the manifest's order.
    pub streams: Vec<StreamReport>,
}

impl VerifyReport {
    /// How many facts got each verdict.
    pub fn counts(&self) -> Counts {
        self.streams.iter().map(StreamReport::counts).fold(Counts::default(), Counts::and)
    }

    /// The report as a table for people; found columns are only counted unless `all` is asked for.
    pub fn table(&self, all: bool) -> String {
        let mut text = format!("{}: {} ({})\n", self.connector, self.vendor, self.provenance);
        for stream in &self.streams {
            text.push_str(&format!("\n{}  {}", stream.stream, stream.standing));
            if let Some(document) = &stream.document {
                text.push_str(&format!("  by {} {}, {}", document.title, document.version, document.date));
            }
            if stream.is_deprecated {
                text.push_str("  deprecated by the vendor");
            }
            text.push('\n');
            let is_shown = |fact: &&FactReport| all || fact.kind != FactKind::Column || fact.verdict != Verdict::Found;
            for fact in stream.facts.iter().filter(is_shown) {
                let kind = fact.kind.to_string();
                let verdict = fact.verdict.to_string();
                let detail = match (&fact.place, fact.reason.as_str()) {
                    (Some(place), "") => place.clone(),
                    (Some(place), reason) => format!("{reason} ({place})"),
                    (None, reason) => reason.to_owned(),
                };
                text.push_str(&format!("  {kind:<13} {verdict:<12} {:<32} {detail}\n", fact.fact));
            }
            let columns: Vec<_> = stream.facts.iter().filter(|fact| fact.kind == FactKind::Column).collect();
            let found = columns.iter().filter(|fact| fact.verdict == Verdict::Found).count();
            if !all && !columns.is_empty() {
                text.push_str(&format!("  columns       found        {found} of {}\n", columns.len()));
            }
        }
        let counts = self.counts();
        text.push_str(&format!(
            "\n{} found, {} contradicted, {} not covered\n",
            counts.found, counts.contradicted, counts.not_covered
        ));
        text
    }
}
