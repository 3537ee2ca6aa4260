//! What a conformance run found: check by check, stream by stream, with what was sent and what to do about it.

use serde::Serialize;

/// One of the twelve promises that every connector keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The manifest is complete, and records have the columns that it promises.
    Columns,
    /// A good credential reads, a refused one is named as such.
    Access,
    /// The same streams and slices each time.
    Discovery,
    /// A reading gives every record of its window once, and asks for every page once.
    Pages,
    /// Windows that lie side by side share no record and lose none, also at their bounds.
    Tiling,
    /// A lost connection goes on from the last whole page; a reading that was killed can be done again.
    Resume,
    /// Windows can be read in any order, and one that failed later.
    Gaps,
    /// Too many requests: waited for as long as the source says, and no longer than is bearable.
    Throttle,
    /// A credential that ends within a reading is renewed once.
    Renewal,
    /// Fields that come, go or change their type cost no record, and neither does a record that is broken.
    Drift,
    /// What one query does not give is asked for in parts.
    Overflow,
    /// No answer that is no data is taken for data, and nothing goes on for ever.
    Hostile,
}

impl Check {
    /// All of them, in the order in which they are made.
    pub const ALL: [Self; 12] = [
        Self::Columns,
        Self::Access,
        Self::Discovery,
        Self::Pages,
        Self::Tiling,
        Self::Resume,
        Self::Gaps,
        Self::Throttle,
        Self::Renewal,
        Self::Drift,
        Self::Overflow,
        Self::Hostile,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Access => "access",
            Self::Discovery => "discovery",
            Self::Pages => "pages",
            Self::Tiling => "tiling",
            Self::Resume => "resume",
            Self::Gaps => "gaps",
            Self::Throttle => "throttle",
            Self::Renewal => "renewal",
            Self::Drift => "drift",
            Self::Overflow => "overflow",
            Self::Hostile => "hostile",
        }
    }

    /// What to look at in the manifest when it fails.
    pub(super) fn fix(self) -> &'static str {
        match self {
            Self::Columns => "compare `columns`, `records` and `decoding` with the answer",
            Self::Access => "compare `auth` and `errors` with what the vendor says of credentials",
            Self::Discovery => "look at `slices` and at the stream that lists them",
            Self::Pages => "compare `pagination`, `page_size` and `params` with the vendor's page on lists",
            Self::Tiling => "look at `window.request`: whether its ends are inclusive, and how bounds are written",
            Self::Resume => {
                "look at `pagination`: a page must be asked for by what the page before said, and by nothing else"
            }
            Self::Gaps => "look at `window` and `chain`: a window must not depend on the one before",
            Self::Throttle => "look at `errors`, `limits` and `quota`",
            Self::Renewal => "look at `auth` and at rules of `errors` about 401",
            Self::Drift => "look at `shape`, `records` and `decoding`",
            Self::Overflow => "look at `window.cap` and at rules of `errors` that split windows",
            Self::Hostile => "look at `errors` and `error_in_body`: no rule may turn a refusal into no records",
        }
    }
}

/// What came of one case of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed {
        /// What should have come.
        expected: String,
        /// What came.
        found: String,
        /// The requests that were sent, the last ones.
        sent: Vec<String>,
        /// What to do about it.
        fix: String,
    },
    /// The stream has nothing that it could be held against.
    NotApplicable {
        /// Why.
        because: String,
    },
}

/// One case of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// What was tried.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// One check of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The check.
    pub check: Check,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// What was found of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// The stream.
    pub stream: String,
    /// Whether answers were made of a description of the API. Otherwise they were made of the manifest, which proves the engine on its shape
    /// and nothing about the vendor.
    pub is_described: bool,
    /// What the description does not have although the manifest speaks of it; answers were without it.
    pub left_out: Vec<String>,
    /// The checks.
    pub checks: Vec<CheckReport>,
}

/// What was found of one connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConformanceReport {
    /// The connector.
    pub connector: String,
    /// The description that answers were made of, where there was one.
    pub description: Option<String>,
    /// Its streams.
    pub streams: Vec<StreamReport>,
    /// Why it could not be tested at all.
    pub error: Option<String>,
}

impl CheckReport {
    /// Whether a case failed.
    pub fn has_failed(&self) -> bool {
        self.cases.iter().any(|case| matches!(case.outcome, Outcome::Failed { .. }))
    }

    /// Whether no case could be tried.
    pub fn is_not_applicable(&self) -> bool {
        self.cases.iter().all(|case| matches!(case.outcome, Outcome::NotApplicable { .. }))
    }

    fn word(&self) -> &'static str {
        match (self.has_failed(), self.is_not_applicable()) {
            (true, _) => "FAILED",
            (false, true) => "-",
            (false, false) => "ok",
        }
    }
}

impl ConformanceReport {
    /// Whether every check held.
    pub fn is_good(&self) -> bool {
        self.error.is_none() && !self.streams.iter().flat_map(|stream| &stream.checks).any(CheckReport::has_failed)
    }

    /// The cases that failed, with stream and check.
    pub fn failures(&self) -> Vec<(&str, Check, &Case)> {
        let mut failures = Vec::new();
        for stream in &self.streams {
            for check in &stream.checks {
                let failed = check.cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed { .. }));
                failures.extend(failed.map(|case| (stream.stream.as_str(), check.check, case)));
            }
        }
        failures
    }

    /// How many cases passed, failed and had nothing to try.
    pub fn counts(&self) -> (usize, usize, usize) {
        let cases = || self.streams.iter().flat_map(|stream| &stream.checks).flat_map(|check| &check.cases);
        let count = |is: &dyn Fn(&Outcome) -> bool| cases().filter(|case| is(&case.outcome)).count();
        (
            count(&|outcome| matches!(outcome, Outcome::Passed)),
            count(&|outcome| matches!(outcome, Outcome::Failed { .. })),
            count(&|outcome| matches!(outcome, Outcome::NotApplicable { .. })),
        )
    }

    /// What came of it in a line.
    pub fn line(&self) -> String {
        if let Some(error) = &self.error {
            return format!("{}: could not be tested: {error}", self.connector);
        }
        let (passed, failed, not_applicable) = self.counts();
        let streams = self.streams.len();
        format!(
            "{}: {streams} streams, {passed} passed, {failed} failed, {not_applicable} with nothing to try",
            self.connector
        )
    }

    /// The report as people read it; `all` also says why something had nothing to try.
    pub fn text(&self, all: bool) -> String {
        let mut out = format!("{}\n", self.connector);
        match &self.description {
            Some(title) => line(
                &mut out,
                &format!("  answers are made of the description {title}; what it lacks, of the manifest"),
            ),
            None => line(
                &mut out,
                "  answers are made of the manifest itself: this proves the engine on its shape, and nothing of the manifest (give --spec)",
            ),
        }
        if let Some(error) = &self.error {
            line(&mut out, &format!("  could not be tested: {error}"));
        }
        for stream in &self.streams {
            let words: Vec<String> =
                stream.checks.iter().map(|check| format!("{} {}", check.check.name(), check.word())).collect();
            line(&mut out, &format!("  {}  {}", stream.stream, words.join(" · ")));
            if self.description.is_some() && !stream.is_described {
                line(&mut out, "    the description does not have its operation");
            }
            for left_out in &stream.left_out {
                line(&mut out, &format!("    {left_out}"));
            }
        }
        for (stream, check, case) in self.failures() {
            if let Outcome::Failed { expected, found, sent, fix } = &case.outcome {
                line(&mut out, &format!("\nfailed: {stream} · {} · {}", check.name(), case.name));
                line(&mut out, &format!("  expected  {expected}\n  found     {found}"));
                for request in sent {
                    line(&mut out, &format!("  sent      {request}"));
                }
                line(&mut out, &format!("  fix       {fix}"));
            }
        }
        if all {
            for stream in &self.streams {
                for (check, case) in
                    stream.checks.iter().flat_map(|check| check.cases.iter().map(move |case| (check, case)))
                {
                    if let Outcome::NotApplicable { because } = &case.outcome {
                        line(
                            &mut out,
                            &format!(
                                "not tried: {} · {} · {}: {because}",
                                stream.stream,
                                check.check.name(),
                                case.name
                            ),
                        );
                    }
                }
            }
        }
        let (passed, failed, not_applicable) = self.counts();
        line(&mut out, &format!("{passed} passed, {failed} failed, {not_applicable} with nothing to try"));
        out
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
