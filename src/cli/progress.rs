//! What a person sees of a run: bars on a terminal, plain lines elsewhere.
//!
//! Bars are one a stream, drawn to stderr. Lines say what ended, at most one every few seconds per stream, so that a log of a
//! year's load stays readable.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use headwater_contract::StreamName;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output::{Output, number, size};
use crate::run::{Outcome, RunEvent, WindowReport};

/// Elsewhere than on a terminal, a stream says how far it is at most this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows a run as it goes.
pub(crate) struct Progress {
    output: Output,
    bars: Option<MultiProgress>,
    streams: Mutex<BTreeMap<StreamName, Stream>>,
}

/// What is shown of one stream.
struct Stream {
    bar: ProgressBar,
    due: usize,
    ended: usize,
    records: u64,
    bytes: u64,
    said_at: Instant,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("is_terminal", &self.bars.is_some()).finish_non_exhaustive()
    }
}

impl Progress {
    /// Bars when a person watches stderr, lines when not, nothing when they asked for silence.
    pub(crate) fn new(output: Output) -> Self {
        let is_drawn = Output::is_watched() && !output.is_quiet;
        let bars = is_drawn.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { output, bars, streams: Mutex::new(BTreeMap::new()) }
    }

    /// Shows one event.
    pub(crate) fn hear(&self, event: &RunEvent) {
        match event {
            RunEvent::Planned { stream, windows } => self.planned(stream, *windows),
            RunEvent::Progressed { stream, records, .. } => self.with(stream, |shown| {
                shown.bar.set_message(format!("{} records", number(shown.records + records)));
            }),
            RunEvent::Ended { stream, window } => self.ended(stream, window),
            RunEvent::StreamEnded { stream } => self.stream_ended(stream),
            RunEvent::StarStarted { star } => self.say(&format!("star {star}: building")),
            RunEvent::StarEnded { star } => {
                if let Some(problem) = &star.problem {
                    self.say(&format!("star {}: failed: {}", star.star, problem.message));
                } else {
                    let tables: Vec<_> =
                        star.tables.iter().map(|table| format!("{} {}", table.table, number(table.rows))).collect();
                    self.say(&format!("star {}: {}", star.star, tables.join(", ")));
                }
            }
            RunEvent::Noted { note } => self.say(note),
            RunEvent::Stopping => self.say("stopping: finishing what is in flight (once more to abort)"),
            RunEvent::Started { .. } | RunEvent::Finished { .. } => {}
        }
    }

    fn planned(&self, stream: &StreamName, windows: usize) {
        if windows == 0 {
            return;
        }
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = streams.entry(stream.clone()).or_insert_with(|| Stream {
            bar: self.bar(stream),
            due: 0,
            ended: 0,
            records: 0,
            bytes: 0,
            said_at: Instant::now(),
        });
        shown.due += windows;
        shown.bar.set_length(shown.due as u64);
    }

    fn bar(&self, stream: &StreamName) -> ProgressBar {
        let Some(bars) = &self.bars else { return ProgressBar::hidden() };
        let bar = bars.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("{prefix:28} {bar:24} {pos:>5}/{len:<5} {msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_prefix(stream.to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn ended(&self, stream: &StreamName, window: &WindowReport) {
        let words = match &window.outcome {
            Outcome::Held { reason } => Some(format!("held: {reason}")),
            Outcome::Failed { problem } => Some(format!("failed: {}", problem.message)),
            Outcome::Parked { problem, .. } => Some(format!("parked: {}", problem.message)),
            Outcome::Beaten => Some("beaten: another window was committed first".to_owned()),
            Outcome::Split { into } => Some(format!("too large for one reading: split into {}", into.join(" and "))),
            Outcome::Committed | Outcome::Unchanged | Outcome::Landed | Outcome::Busy => None,
        };
        if let Some(words) = words {
            self.say(&format!("{stream} {}: {words}", window.window));
        }
        let mut line = None;
        self.with(stream, |shown| {
            shown.ended += 1;
            shown.records += window.counts.received;
            shown.bytes += window.bytes;
            shown.bar.inc(1);
            shown.bar.set_message(format!("{} records", number(shown.records)));
            if shown.said_at.elapsed() >= LINE_EVERY {
                shown.said_at = Instant::now();
                line = Some(format!(
                    "{stream}: {} of {} windows, {} records",
                    shown.ended,
                    shown.due,
                    number(shown.records)
                ));
            }
        });
        if let Some(line) = line.filter(|_| self.bars.is_none()) {
            self.output.note(line);
        }
    }

    fn stream_ended(&self, stream: &StreamName) {
        let mut line = None;
        self.with(stream, |shown| {
            let records = format!("{} records, {}", number(shown.records), size(shown.bytes));
            shown.bar.finish_with_message(records.clone());
            let windows = if shown.ended == 1 { "1 window".to_owned() } else { format!("{} windows", shown.ended) };
            line = Some(format!("{stream}: {windows}, {records}"));
        });
        if let Some(line) = line.filter(|_| self.bars.is_none()) {
            self.output.note(line);
        }
    }

    fn with(&self, stream: &StreamName, act: impl FnOnce(&mut Stream)) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = streams.get_mut(stream) {
            act(shown);
        }
    }

    /// One line, above the bars where there are bars.
    fn say(&self, line: &str) {
        match &self.bars {
            // A terminal that has gone is no error of ours.
            Some(bars) => drop(bars.println(line)),
            None => self.output.note(line),
        }
    }

    /// Leaves the bars as they are and gives the terminal back.
    pub(crate) fn close(&self) {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for shown in streams.values().filter(|shown| !shown.bar.is_finished()) {
            shown.bar.abandon();
        }
    }
}
