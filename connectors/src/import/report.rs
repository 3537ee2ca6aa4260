//! What became of each part of an imported manifest.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::tree;

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It means the same.
    Converted,
    /// It means nearly the same: requests and records are those of the original, something beside them is not.
    Approximated,
    /// Nothing here says it: the stream, or the manifest, is not the original.
    Impossible,
}

/// One part of an imported manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// What became of it.
    pub outcome: Outcome,
    /// The line of the original.
    pub line: Option<usize>,
    /// Where, e.g. `orders`; empty for the manifest as a whole.
    pub stream: String,
    /// What it is and what became of it.
    pub what: String,
}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Converted => "converted",
            Outcome::Approximated => "approximated",
            Outcome::Impossible => "impossible",
        };
        let line = self.line.map_or_else(String::new, |line| format!("line {line}: "));
        let stream = if self.stream.is_empty() { String::new() } else { format!("{}: ", self.stream) };
        write!(f, "{outcome}  {line}{stream}{}", self.what)
    }
}

/// What became of a manifest's parts, in the order of the original.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// The parts.
    pub parts: Vec<Noted>,
}

impl ImportReport {
    /// How many parts came to this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.parts.iter().filter(|part| part.outcome == outcome).count()
    }

    /// The parts that came to this.
    pub fn of(&self, outcome: Outcome) -> impl Iterator<Item = &Noted> {
        self.parts.iter().filter(move |part| part.outcome == outcome)
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            writeln!(f, "{part}")?;
        }
        let counts =
            [Outcome::Converted, Outcome::Approximated, Outcome::Impossible].map(|outcome| self.count(outcome));
        let [converted, approximated, impossible] = counts;
        write!(f, "{converted} converted, {approximated} approximated, {impossible} impossible")
    }
}

/// Notes what becomes of parts while they are converted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) report: ImportReport,
    /// The stream that is converted.
    pub(super) stream: String,
}

impl Notes {
    fn note(&mut self, outcome: Outcome, node: &Value, what: String) {
        let noted = Noted { outcome, line: tree::line(node), stream: self.stream.clone(), what };
        if !self.report.parts.contains(&noted) {
            self.report.parts.push(noted);
        }
    }

    pub(super) fn converted(&mut self, node: &Value, what: impl Into<String>) {
        self.note(Outcome::Converted, node, what.into());
    }

    pub(super) fn approximated(&mut self, node: &Value, what: impl Into<String>) {
        self.note(Outcome::Approximated, node, what.into());
    }

    pub(super) fn impossible(&mut self, node: &Value, what: impl Into<String>) {
        self.note(Outcome::Impossible, node, what.into());
    }
}
