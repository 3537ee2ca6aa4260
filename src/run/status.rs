//! Where every stream stands: coverage, gaps with their cause, held windows, best effort.

use chrono::{DateTime, Utc};
use headwater_connectors::verify::sunset;
use headwater_contract::{Slice, StreamKind, StreamName, TimeRange, Window};
use headwater_lake::ledger::{WindowRow, WindowState};
use serde::Serialize;

use crate::Lakehouse;
use crate::run::debts::Debts;
use crate::run::error::RunError;
use crate::run::plan::{Unit, Why, Work};
use crate::run::report::Problem;
use crate::run::runner::{RunOptions, Timed};
use crate::run::shared_keys::known_shared_keys;
use crate::run::source::OpenStream;
use crate::run::stream::{StreamPlan, complete_until, plan_stream, wait_text};

/// How long before a vendor ends an API version its streams' status says so: a quarter, as releases are planned.
const SUNSET_NOTICE_DAYS: i64 = 90;

/// A range that is required and not visible, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// The slice.
    #[serde(skip_serializing_if = "Slice::is_whole")]
    pub slice: Slice,
    /// The range; `None` for a list or chain as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<TimeRange>,
    /// Why it is missing, in words.
    pub cause: String,
}

/// Where one stream stands.
#[derive(Clone, Debug, Serialize)]
pub struct StreamStatus {
    /// The stream.
    pub stream: StreamName,
    /// Its kind.
    pub kind: StreamKind,
    /// Why the promise of exactly once cannot be kept for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_effort: Option<String>,
    /// What is required by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<TimeRange>,
    /// Complete up to this instant: nothing before it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_until: Option<DateTime<Utc>>,
    /// When it was read last, by the source's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_at: Option<DateTime<Utc>>,
    /// Windows that are visible.
    pub visible_windows: usize,
    /// Of these, windows whose rows were compared with their receipts and agree.
    pub reconciled_windows: usize,
    /// Of the visible ones, windows of which nothing is due any more: the ledger keeps intervals of them.
    pub finished_windows: usize,
    /// Windows that the gate holds.
    pub held_windows: usize,
    /// Windows that are read and due again.
    pub due_again: usize,
    /// What is missing.
    pub gaps: Vec<Gap>,
    /// What is wrong with the stream and loses nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What keeps the stream from being planned, or is wrong with its tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl Gap {
    /// The name of its window, or what it is a gap of.
    pub fn name(&self) -> String {
        let range = self.range.map(|range| Window::range(self.slice.clone(), range).to_string());
        range.unwrap_or_else(|| if self.slice.is_whole() { "the whole".to_owned() } else { self.slice.to_string() })
    }
}

impl Lakehouse {
    /// Shows where every selected stream stands. Sends nothing but, to a source whose clock is far off, a request for its time.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the project is not right. What is wrong with single streams is in the result.
    pub async fn status(&self, select: &[String]) -> Result<Vec<StreamStatus>, RunError> {
        let options = RunOptions { select: select.to_vec(), ..RunOptions::default() };
        let mut out = Vec::new();
        for timed in self.timed(&options).await? {
            let first = out.len();
            for stream in &timed.open.streams {
                out.push(self.status_of(&timed, stream).await);
            }
            // The vendor ends an API for all of its streams: said once.
            let manifest = timed.open.source.connector().manifest();
            if let (Some(end), Some(status)) =
                (sunset(manifest, timed.ask.now.date_naive(), SUNSET_NOTICE_DAYS), out.get_mut(first))
            {
                status.warnings.push(end.to_string());
            }
        }
        Ok(out)
    }

    async fn status_of(&self, timed: &Timed, stream: &OpenStream) -> StreamStatus {
        let mut status = StreamStatus {
            stream: stream.contract.name.clone(),
            kind: stream.contract.kind,
            best_effort: stream.contract.best_effort.clone(),
            required: None,
            complete_until: None,
            read_at: None,
            visible_windows: 0,
            reconciled_windows: 0,
            finished_windows: 0,
            held_windows: 0,
            due_again: 0,
            gaps: Vec::new(),
            warnings: Vec::new(),
            problem: timed.problem.as_ref().map(Problem::of),
        };
        match plan_stream(&self.lake.ledger, &timed.open, stream, timed.ask).await {
            Ok(plan) => fill(&mut status, &plan),
            Err(error) => status.problem = Some(Problem::of(&error)),
        }
        // What is wrong with the tables is worse than what is wrong with the source.
        match known_shared_keys(&self.lake.ledger, &stream.contract).await {
            Ok(warning) => status.warnings.extend(warning),
            Err(error) => status.problem = Some(Problem::of(&error)),
        }
        let debts = Debts::of(&self.lake, &stream.contract).await;
        if let Err(error) = debts.and_then(|debts| debts.check(&stream.contract)) {
            status.problem = Some(Problem::of(&error));
        }
        status
    }
}

fn fill(status: &mut StreamStatus, plan: &StreamPlan) {
    let is_visible = |row: &&WindowRow| row.facts.committed.is_some() && !row.is_replaced();
    status.visible_windows = plan.rows.iter().filter(is_visible).count();
    let is_reconciled = |row: &&WindowRow| row.state == WindowState::Reconciled;
    status.reconciled_windows = plan.rows.iter().filter(is_reconciled).count();
    status.held_windows = plan.rows.iter().filter(|row| row.state == WindowState::Held).count();
    // Windows that are finished are kept as intervals: shown, and compared with their receipts.
    let finished: u64 = plan.finished.iter().map(|interval| interval.windows).sum();
    let finished = usize::try_from(finished).unwrap_or(usize::MAX);
    status.finished_windows = finished;
    status.visible_windows = status.visible_windows.saturating_add(finished);
    status.reconciled_windows = status.reconciled_windows.saturating_add(finished);
    let read_at = plan.rows.iter().filter_map(WindowRow::passed_read_at);
    status.read_at = read_at.chain(plan.finished.iter().map(|interval| interval.read_at)).max();
    status.required = plan.slices.iter().find_map(|(_, slice)| slice.required);
    for unit in plan.units() {
        if matches!(unit.why, Why::Reread | Why::Resync | Why::KeysStale)
            || (unit.why == Why::Every && status.read_at.is_some())
        {
            status.due_again += 1;
            continue;
        }
        status.gaps.push(Gap { slice: unit.slice.clone(), range: range_of(unit), cause: cause_of(unit, &plan.rows) });
    }
    for waiting in plan.waiting() {
        status.gaps.push(Gap { slice: waiting.slice.clone(), range: waiting.range, cause: wait_text(&waiting.wait) });
    }
    status.gaps.sort_by(|one, other| (&one.slice, one.range).cmp(&(&other.slice, other.range)));
    status.complete_until = complete_until(plan);
}

fn range_of(unit: &Unit) -> Option<TimeRange> {
    if let Work::Window(window) = &unit.work { window.time_range() } else { None }
}

/// Why a unit that is due was not read: the last failure of whatever overlaps it, else that nobody has tried.
fn cause_of(unit: &Unit, rows: &[WindowRow]) -> String {
    if unit.why == Why::Uncommitted {
        return "landed, not visible yet".to_owned();
    }
    let range = range_of(unit);
    let touches = |row: &&WindowRow| {
        let overlaps = match (range, row.range()) {
            (Some(one), Some(other)) => one.overlaps(&other),
            (None, None) => true,
            _ => false,
        };
        row.window.slice == unit.slice && overlaps && !row.has_receipt()
    };
    let failed = rows.iter().filter(touches).filter_map(|row| row.facts.failure.as_ref());
    match failed.max_by_key(|failure| failure.last_at) {
        Some(failure) => {
            let times = if failure.times > 1 { format!(", {} times", failure.times) } else { String::new() };
            format!("failed [{}]{times}: {}", failure.code, failure.message)
        }
        None => "not read yet".to_owned(),
    }
}
