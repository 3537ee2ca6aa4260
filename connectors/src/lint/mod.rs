//! What a manifest leaves unsaid or says in vain: it would run, but nobody could rely on it.
//!
//! A finding is one of two things. A *missing fact* is something that only the vendor's pages can tell and nobody wrote down; a draft or an
//! import has many. An *error* is a manifest that would read wrongly, or at the cost of others. `0` is said, not assumed, and `not_published`
//! and `assumed` are answers, which are counted.

mod access;
mod bound;
mod columns;
mod deletes;
mod pages;
mod rule;
mod sent;
mod waiver;
mod window;

use std::fmt;

use serde::Serialize;

use crate::connector::Connector;
use crate::description::Description;
use crate::manifest::{Fact, Manifest, ManifestError, StreamManifest};

pub use rule::{Nature, Rule};

/// One thing that a manifest leaves unsaid, or says in vain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word, e.g. `settle-missing`.
    pub code: &'static str,
    /// Whether a fact is missing, or something is wrong.
    pub nature: Nature,
    /// The manifest's file.
    pub file: String,
    /// Line of the place, or of the block that it belongs into.
    pub line: Option<usize>,
    /// Where, e.g. `streams.charges.window`.
    pub path: String,
    /// What is unsaid or wrong.
    pub what: String,
    /// What comes of it.
    pub why: &'static str,
    /// One thing to do, as an order.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        writeln!(f, "{}[{}]: {}", self.nature, self.code, self.what)?;
        writeln!(f, "  where  {}{line} {}", self.file, self.path)?;
        writeln!(f, "  why    {}", self.why)?;
        write!(f, "  fix    {}", self.fix)
    }
}

/// How much of one or several manifests is wrong, missing, or known not to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Findings that are errors.
    pub errors: usize,
    /// Findings that are missing facts.
    pub missing_facts: usize,
    /// Rules that a manifest does not keep for a reason that it says.
    pub waived: usize,
    /// Facts that the vendor does not publish, and that run on a cautious default.
    pub not_published: usize,
    /// Facts that are assumed, with value and reason.
    pub assumed: usize,
}

impl Totals {
    /// What is wrong with a manifest and how much of it is known not to be known.
    pub fn of(connector: &Connector, findings: &[Finding]) -> Self {
        let manifest = connector.manifest();
        let errors = findings.iter().filter(|finding| finding.nature == Nature::Error).count();
        let all = manifest.streams.iter().chain(manifest.templates.iter());
        let streams: Vec<StreamManifest> = all.map(|(_, own)| connector.with_defaults(own.clone())).collect();
        let (not_published, assumed) = unknowns(manifest, &streams);
        let waived = waiver::all(manifest).count();
        Self { errors, missing_facts: findings.len() - errors, waived, not_published, assumed }
    }

    /// Both sums.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            errors: self.errors + other.errors,
            missing_facts: self.missing_facts + other.missing_facts,
            waived: self.waived + other.waived,
            not_published: self.not_published + other.not_published,
            assumed: self.assumed + other.assumed,
        }
    }

    /// Whether there is nothing to mend.
    pub fn is_clean(self) -> bool {
        self.errors == 0 && self.missing_facts == 0
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} errors, {} missing facts, {} waived; {} facts not published, {} assumed",
            self.errors, self.missing_facts, self.waived, self.not_published, self.assumed
        )
    }
}

/// Finds what a connector leaves unsaid or says in vain, in the order of its manifest.
pub fn lint(connector: &Connector) -> Vec<Finding> {
    find(connector, &[])
}

/// The same, with what the vendor's description says of bounds.
///
/// # Errors
///
/// [`ManifestError`] when a stream is not complete, which a parsed connector's are.
pub fn lint_against(connector: &Connector, description: &Description) -> Result<Vec<Finding>, ManifestError> {
    Ok(find(connector, &bound::page_sizes(connector, description)?))
}

fn find(connector: &Connector, bounds: &[bound::TooSmall]) -> Vec<Finding> {
    let manifest = connector.manifest();
    let mut findings = Findings { connector, found: Vec::new() };
    access::judge(manifest, &mut findings);
    for (name, own) in manifest.streams.iter() {
        let stream = connector.with_defaults(own.clone());
        let mut place = findings.within(format!("streams.{name}"));
        judge_stream(manifest, &stream, false, &mut place);
        for bound in bounds.iter().filter(|bound| bound.stream == name) {
            let (what, fix) = (bound.what(), format!("write `value: {}`", bound.most));
            place.find(Rule::PageSizeBelowMaximum, bound.key, what, fix);
        }
    }
    for (name, own) in manifest.templates.iter() {
        let stream = connector.with_defaults(own.clone());
        judge_stream(manifest, &stream, true, &mut findings.within(format!("templates.{name}")));
    }
    waiver::apply(connector, findings.found)
}

fn judge_stream(manifest: &Manifest, stream: &StreamManifest, is_template: bool, place: &mut Place<'_, '_>) {
    if is_blank(stream.docs.as_deref()) {
        place.find(Rule::DocsMissing, "", "the stream links no page", "link the page that describes it under `docs:`");
    } else if let Some(docs) = &stream.docs {
        place.link("docs", docs);
    }
    let is_internal = stream.internal == Some(true);
    if is_blank(stream.title.as_deref()) && !is_internal {
        place.find(Rule::TitleMissing, "", "the stream has no title", "write one line on what a row is under `title:`");
    }
    for (name, slip) in stream.errata.iter().flat_map(crate::manifest::Ordered::iter) {
        if is_blank(Some(&slip.source)) || is_blank(Some(&slip.because)) {
            let what = format!("nobody can check that the description errs about `{name}`");
            place.find(
                Rule::SourceMissing,
                "errata",
                what,
                "write `because:`, and link the vendor's page under `source:`",
            );
        }
        place.link("errata", &slip.source);
    }
    sent::judge(manifest, stream, place);
    pages::judge(stream, place);
    window::judge(stream, is_template, place);
    if !is_internal {
        deletes::judge(stream, place);
        columns::judge(manifest, stream, is_template, place);
    }
}

/// What was found so far, and the manifest that knows its lines.
struct Findings<'a> {
    connector: &'a Connector,
    found: Vec<Finding>,
}

impl<'a> Findings<'a> {
    fn find(&mut self, rule: Rule, path: &str, what: impl Into<String>, fix: impl Into<String>) {
        let finding = Finding {
            code: rule.code(),
            nature: rule.nature(),
            file: self.connector.origin().to_owned(),
            line: self.connector.line(path),
            path: path.to_owned(),
            what: what.into(),
            why: rule.why(),
            fix: fix.into(),
        };
        // What stands in `defaults` is wrong once, however many streams take it.
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    fn within<'b>(&'b mut self, path: String) -> Place<'a, 'b> {
        Place { findings: self, path }
    }
}

/// A stream in which things are found.
struct Place<'a, 'b> {
    findings: &'b mut Findings<'a>,
    path: String,
}

impl Place<'_, '_> {
    /// Notes a finding at a key of the stream; where the stream takes the key from `defaults`, the place is there.
    fn find(&mut self, rule: Rule, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        let own = if key.is_empty() { self.path.clone() } else { format!("{}.{key}", self.path) };
        let shared = format!("defaults.{key}");
        let connector = self.findings.connector;
        let top = key.split('.').next().unwrap_or_default();
        let has = |path: &str| connector.has_line(path);
        let is_shared = !key.is_empty()
            && !has(&own)
            && (has(&shared) || has(&format!("defaults.{top}")) && !has(&format!("{}.{top}", self.path)));
        self.findings.find(rule, if is_shared { &shared } else { &own }, what, fix);
    }

    /// Notes a source that is there and that no reader can open.
    fn link(&mut self, key: &str, source: &str) {
        if let Some((rule, what, fix)) = doubt_of_link(source) {
            self.find(rule, key, what, fix);
        }
    }
}

/// Why a reader cannot open a source that is there.
fn doubt_of_link(text: &str) -> Option<(Rule, String, &'static str)> {
    if is_blank(Some(text)) {
        return None;
    }
    if is_unfilled(text) {
        let what = format!("`{text}` holds a placeholder that nobody filled in");
        return Some((Rule::LinkUnfilled, what, "open the page, and write its address"));
    }
    (!is_link(text)).then(|| (Rule::SourceNoLink, format!("`{text}` is no link"), "link the page that says it"))
}

/// Whether a text holds what a draft leaves for somebody to fill in: `$SPEC`, `${SPEC}`, `<page>`, `{{page}}`, `…`.
fn is_unfilled(text: &str) -> bool {
    let is_name = |text: &str| {
        let name: String = text.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '_').collect();
        name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    };
    let is_variable = |rest: &str| rest.starts_with('{') || is_name(rest);
    text.split('$').skip(1).any(is_variable) || ["<", "{{", "…", "..."].iter().any(|open| text.contains(open))
}

/// Whether a text that should say something says nothing.
fn is_blank(text: Option<&str>) -> bool {
    text.unwrap_or_default().trim().is_empty()
}

/// Whether a source can be opened by a reader.
fn is_link(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// How many facts of a manifest the vendor does not vouch for: not published, and assumed.
fn unknowns(manifest: &Manifest, streams: &[StreamManifest]) -> (usize, usize) {
    fn count<T>(fact: Option<&Fact<T>>, sum: &mut (usize, usize)) {
        match fact {
            None | Some(Fact::NotPublished) => sum.0 += 1,
            Some(Fact::Assumed { .. }) => sum.1 += 1,
            Some(Fact::Stated(_) | Fact::Published { .. }) => {}
        }
    }
    let mut sum = (0, 0);
    count(manifest.http.limits.as_ref(), &mut sum);
    for stream in streams.iter().filter(|stream| stream.kind.is_some_and(headwater_contract::StreamKind::is_ranged)) {
        let window = stream.window.clone().unwrap_or_default();
        count(window.settle.as_ref(), &mut sum);
        count(window.lookback.as_ref(), &mut sum);
        if let Some(retention) = &window.retention {
            count(Some(retention), &mut sum);
        }
    }
    sum
}

#[cfg(test)]
mod tests;
