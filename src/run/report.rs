//! What a run came to, window by window, and the exit code that follows from it.
//!
//! The report is what `run -o json` prints, what the ledger keeps of the run, and what the library returns: one value, three
//! readers.

use chrono::{DateTime, Utc};
use headwater_contract::{ErrorKind, Explain, Slice, StreamName};
use headwater_lake::raw::{Counts, LeftOut};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// An error as data: the five answers that it owes, and its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word.
    pub code: String,
    /// What went wrong, in one line.
    pub message: String,
    /// Where.
    #[serde(rename = "where", default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The chain of causes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
    /// The state of the data.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// The exit code of its kind.
    pub exit_code: u8,
}

impl Problem {
    /// Takes the five answers of an error.
    pub fn of(error: &(impl Explain + ?Sized)) -> Self {
        let mut why = Vec::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            why.push(inner.to_string());
            cause = inner.source();
        }
        why.dedup();
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
            place: error.place(),
            why: why.join(": "),
            fix: error.fix(),
            data: error.committed(),
            exit_code: error.kind().exit_code(),
        }
    }
}

/// How it went with one window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Read, landed and visible.
    Committed,
    /// Read, and nothing had changed.
    Unchanged,
    /// Landed, not visible yet; the next run commits it.
    Landed,
    /// The gate holds it.
    Held {
        /// The gate's words.
        reason: String,
    },
    /// Another reader has it.
    Busy,
    /// Another window with other bounds was committed first.
    Beaten,
    /// It was too large for one reading; its pieces are read in its place.
    Split {
        /// Their names.
        into: Vec<String>,
    },
    /// The quota is used up; read later.
    Parked {
        /// The error.
        problem: Problem,
        /// Not before this instant, where the source said so.
        until: Option<DateTime<Utc>>,
    },
    /// It failed.
    Failed {
        /// The error.
        problem: Problem,
    },
}

/// One window of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowReport {
    /// The slice, empty for an unsliced stream.
    #[serde(default, skip_serializing_if = "Slice::is_whole")]
    pub slice: Slice,
    /// The window's name.
    pub window: String,
    /// Why it was due.
    pub why: String,
    /// The generation that was read, where one landed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// How it went.
    pub outcome: Outcome,
    /// What was counted.
    #[serde(default)]
    pub counts: Counts,
    /// What the manifest's rules kept out of it.
    #[serde(default, skip_serializing_if = "LeftOut::is_nothing")]
    pub left_out: LeftOut,
    /// Requests that were answered.
    #[serde(default)]
    pub requests: u32,
    /// Bytes of bodies.
    #[serde(default)]
    pub bytes: u64,
}

/// One stream of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamReport {
    /// The stream.
    pub stream: StreamName,
    /// Its windows, in the order in which they ended.
    pub windows: Vec<WindowReport>,
    /// What is missing and waits, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// A key that two windows hold, although the kind says that rows do not move: the kind is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What kept the stream from being planned or committed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// One star of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StarReport {
    /// The star.
    pub star: String,
    /// Tables and their rows.
    pub tables: Vec<StarTable>,
    /// What kept it from being built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// One table of a star.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StarTable {
    /// Its name.
    pub table: String,
    /// Rows that it holds now.
    pub rows: u64,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run's id.
    pub run: Ulid,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// Streams that were looked at, by name.
    pub streams: Vec<StreamReport>,
    /// Stars that were built.
    pub stars: Vec<StarReport>,
    /// It was stopped before everything due was read.
    pub was_stopped: bool,
    /// Quarantined records and warnings are an error.
    pub is_strict: bool,
}

impl RunReport {
    /// Every window of every stream.
    pub fn windows(&self) -> impl Iterator<Item = &WindowReport> {
        self.streams.iter().flat_map(|stream| &stream.windows)
    }

    /// Whether nothing was due and nothing was built.
    pub fn is_idle(&self) -> bool {
        self.windows().next().is_none() && self.stars.is_empty() && self.problems().next().is_none()
    }

    /// Everything that failed.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        let of_windows = self.windows().filter_map(|window| match &window.outcome {
            Outcome::Failed { problem } => Some(problem),
            _ => None,
        });
        let of_streams = self.streams.iter().filter_map(|stream| stream.problem.as_ref());
        let of_stars = self.stars.iter().filter_map(|star| star.problem.as_ref());
        of_windows.chain(of_streams).chain(of_stars)
    }

    /// The run's exit code: 0 also with warnings and with quarantined rows within the contract's share (4 when strict); 4 if a window is held;
    /// 3 if some windows committed and some failed; otherwise the first of 77, 78, 65, 69, 4 that occurred; 75 only if nothing
    /// failed.
    pub fn exit_code(&self) -> u8 {
        let is_held = self.windows().any(|window| matches!(window.outcome, Outcome::Held { .. }));
        let has_committed =
            self.windows().any(|window| matches!(window.outcome, Outcome::Committed | Outcome::Unchanged));
        let failed: Vec<u8> = self.problems().map(|problem| problem.exit_code).collect();
        // An error that is itself "wait" is no failure.
        let parked = ErrorKind::Parked.exit_code();
        let is_parked = failed.contains(&parked)
            || self.windows().any(|window| matches!(window.outcome, Outcome::Parked { .. } | Outcome::Busy));
        let failed: Vec<u8> = failed.into_iter().filter(|code| *code != parked).collect();
        if is_held && failed.is_empty() {
            return ErrorKind::Quality.exit_code();
        }
        if !failed.is_empty() && has_committed {
            return ErrorKind::Partial.exit_code();
        }
        if let Some(first) = first_of(failed) {
            return first;
        }
        let has_warned = self.streams.iter().any(|stream| !stream.warnings.is_empty());
        if self.is_strict && (has_warned || self.windows().any(|window| window.counts.quarantined > 0)) {
            return ErrorKind::Quality.exit_code();
        }
        if is_parked { parked } else { 0 }
    }

    /// One word for lists of runs.
    pub fn outcome(&self) -> &'static str {
        match self.exit_code() {
            _ if self.was_stopped => "stopped",
            0 if self.is_idle() => "nothing due",
            0 => "done",
            3 => "partial",
            4 => "held",
            75 => "parked",
            _ => "failed",
        }
    }
}

/// Of several exit codes the one that a reader must act on first: 77, 78, 65, 69, 4, else whichever came first.
pub(crate) fn first_of(codes: impl IntoIterator<Item = u8>) -> Option<u8> {
    let order = [ErrorKind::Access, ErrorKind::Config, ErrorKind::Source, ErrorKind::Unavailable, ErrorKind::Quality];
    let codes: Vec<u8> = codes.into_iter().collect();
    let first = order.into_iter().map(ErrorKind::exit_code).find(|code| codes.contains(code));
    first.or_else(|| codes.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(outcome: Outcome, quarantined: u64) -> WindowReport {
        let counts = Counts { quarantined, ..Counts::default() };
        let (slice, window, why) = (Slice::whole(), "t".into(), "first".into());
        WindowReport {
            slice,
            window,
            why,
            generation: None,
            outcome,
            counts,
            left_out: LeftOut::default(),
            requests: 0,
            bytes: 0,
        }
    }

    fn failed(exit_code: u8) -> WindowReport {
        let problem = Problem {
            code: "x".into(),
            message: String::new(),
            place: String::new(),
            why: String::new(),
            fix: String::new(),
            data: String::new(),
            exit_code,
        };
        window(Outcome::Failed { problem }, 0)
    }

    fn report(windows: Vec<WindowReport>, is_strict: bool) -> RunReport {
        let stream = "shop.orders".parse().unwrap();
        let at = DateTime::UNIX_EPOCH;
        RunReport {
            run: Ulid::nil(),
            started_at: at,
            finished_at: at,
            streams: vec![StreamReport { stream, windows, waiting: vec![], warnings: vec![], problem: None }],
            stars: vec![],
            was_stopped: false,
            is_strict,
        }
    }

    #[test]
    fn a_run_with_several_outcomes_has_the_exit_code_of_the_table() {
        let good = || window(Outcome::Committed, 0);
        let held = || window(Outcome::Held { reason: String::new() }, 0);
        for (windows, strict, code) in [
            (vec![], true, 0),
            (vec![good(), window(Outcome::Committed, 5)], false, 0),
            (vec![good(), window(Outcome::Committed, 5)], true, 4),
            (vec![good(), held()], false, 4),
            (vec![good(), failed(65)], false, 3),
            (vec![good(), held(), failed(77)], false, 3),
            (vec![failed(69), failed(65), failed(77)], false, 77),
            (vec![failed(69), failed(78)], false, 78),
            (vec![failed(69), held()], false, 69),
            (vec![failed(1)], false, 1),
            (vec![good(), window(Outcome::Busy, 0)], false, 75),
            (vec![failed(69), window(Outcome::Busy, 0)], false, 69),
        ] {
            assert_eq!(report(windows.clone(), strict).exit_code(), code, "{windows:?}");
        }
        for (strict, code) in [(false, 0), (true, 4)] {
            let mut warned = report(vec![good()], strict);
            warned.streams[0].warnings.push("2 keys are held by more than one window".into());
            assert_eq!(warned.exit_code(), code);
        }
    }
}
