//! The work of one run on one stream: plan under a lease, read, commit, until nothing is due or a stop is asked for.
//!
//! One runner works on a stream at a time; its windows are read side by side and committed together, because a commit's price is
//! that of a log, not of a window. Killed anywhere, the next run finds what is landed and not visible, and commits it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use headwater_contract::{Bounds, ErrorKind, Explain, Slice, Window};
use headwater_lake::ledger::{Finished, Lease, Ledger, LedgerError, Unit as LeaseUnit, WindowRow};
use headwater_lake::steps::Step;
use tokio::task::{JoinHandle, JoinSet};

use crate::Lakehouse;
use crate::run::commit::Committer;
use crate::run::debts::{Debts, Listed};
use crate::run::error::RunError;
use crate::run::event::{Listener, RunEvent};
use crate::run::fold::fold;
use crate::run::known::{coverage_of, is_of_window};
use crate::run::order::order;
use crate::run::plan::{Ask, SlicePlan, Unit, Wait, Waiting, Why, Work, plan};
use crate::run::report::{Outcome, Problem, StreamReport, WindowReport};
use crate::run::shared_keys::look_for_shared_keys;
use crate::run::source::{OpenSource, OpenStream};
use crate::run::stop::Stop;
use crate::run::window::{Order, Read, Reader, why_text};

/// How long a lease lasts without being renewed. A killed runner's is freed at once by the next one on the same machine.
pub(crate) const LEASE: Duration = Duration::from_mins(2);

/// How often a lease is renewed.
const RENEW: Duration = Duration::from_secs(30);

/// How soon a renewal that failed is tried again: a database that is busy for a moment must not cost the lease.
const RENEW_AGAIN: Duration = Duration::from_secs(5);

/// So many landed windows are committed together.
const COMMIT_WINDOWS: usize = 16;

/// A landed window waits at most this long for others.
const COMMIT_EVERY: Duration = Duration::from_secs(5);

/// After so many failures in a row a source counts as down, and the rest of the stream waits for the next run.
const FAILURES_IN_A_ROW_MAX: u32 = 3;

/// A window is halved at most so often: a second is a hundred-millionth part of four years.
const SPLITS_MAX: usize = 27;

/// What a run asks of every stream.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) windows_at_once: usize,
    pub(crate) listener: Arc<Listener>,
    pub(crate) stop: Stop,
    /// The run that all this belongs to, for lineage.
    pub(crate) run: ulid::Ulid,
}

/// What is due in one stream.
#[derive(Debug)]
pub(crate) struct StreamPlan {
    pub(crate) slices: Vec<(Slice, SlicePlan)>,
    pub(crate) rows: Vec<WindowRow>,
    pub(crate) finished: Vec<Finished>,
}

impl StreamPlan {
    pub(crate) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.slices.iter().flat_map(|(_, plan)| &plan.units)
    }

    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.slices.iter().flat_map(|(_, plan)| &plan.waiting)
    }
}

/// Plans one stream from what the ledger knows now.
pub(crate) async fn plan_stream(
    ledger: &Ledger,
    open: &OpenSource,
    stream: &OpenStream,
    ask: Ask,
) -> Result<StreamPlan, RunError> {
    let rows = ledger.coverage(&stream.contract.name).await?;
    let finished = ledger.finished(&stream.contract.name).await?;
    let are_keys_stale = match &stream.contract.key_list_of {
        Some(of) => keys_are_stale(ledger, stream, of, &rows).await?,
        None => false,
    };
    let mut slices = Vec::new();
    for slice in open.source.slices(stream.contract.name.stream()).await? {
        let mut coverage = coverage_of(&rows, &finished, &slice, stream.setup);
        coverage.are_keys_stale = are_keys_stale;
        slices.push((slice, plan(&stream.contract, &coverage, ask)?));
    }
    wait_for_quota(&mut slices);
    Ok(StreamPlan { slices, rows, finished })
}

/// A used-up quota is the credential's, not the window's: while one window is parked, none of the stream is asked for.
fn wait_for_quota(slices: &mut [(Slice, SlicePlan)]) {
    let is_parked = |waiting: &&Waiting| matches!(waiting.wait, Wait::Parked { .. });
    let parked = slices.iter().flat_map(|(_, plan)| &plan.waiting).find(is_parked).map(|waiting| waiting.wait.clone());
    let Some(parked) = parked else { return };
    for (_, plan) in slices {
        let (kept, asking) = plan.units.drain(..).partition(|unit| unit.why == Why::Uncommitted);
        plan.units = kept;
        let asking: Vec<Unit> = asking;
        plan.waiting.extend(asking.into_iter().map(|unit| {
            let range = window_of(&unit).and_then(Window::time_range);
            Waiting { slice: unit.slice, range, wait: parked.clone() }
        }));
    }
}

/// Whether rows were committed, after the newest list of their keys, whose reading began before that list.
async fn keys_are_stale(ledger: &Ledger, list: &OpenStream, of: &str, rows: &[WindowRow]) -> Result<bool, RunError> {
    let committed = rows.iter().filter(|row| row.facts.committed.is_some());
    let Some(newest) = committed.max_by_key(|row| row.passed_read_at()) else { return Ok(false) };
    let name = &list.contract.name;
    let Ok(parent) = headwater_contract::StreamName::new(name.source().clone(), of) else { return Ok(false) };
    let rows = ledger.coverage(&parent).await?;
    let is_older =
        |row: &WindowRow| row.passed_read_at() < newest.passed_read_at() && row.updated_at > newest.updated_at;
    Ok(rows.iter().any(|row| row.facts.committed.is_some() && is_older(row)))
}

/// What waits, and why, in words.
pub(crate) fn waiting_text(waiting: &Waiting) -> String {
    let slice = if waiting.slice.is_whole() { "the next reading".to_owned() } else { waiting.slice.to_string() };
    let what = waiting.range.map_or(slice, |range| Window::range(waiting.slice.clone(), range).to_string());
    format!("{what}: {}", wait_text(&waiting.wait))
}

/// Why something waits, in words.
pub(crate) fn wait_text(wait: &Wait) -> String {
    let at = |at: &DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%SZ").to_string();
    match wait {
        Wait::Held { until: Some(until), reason } => format!("held: {reason}; read again at {}", at(until)),
        Wait::Held { until: None, reason } => format!("held: {reason}; waits for a person"),
        Wait::Parked { until, message } => format!("parked until {}: {message}", at(until)),
        Wait::Stopped { code, message } => {
            format!("stopped after failing the same way three times [{code}]: {message}")
        }
        Wait::ExpiredAtSource => "the source does not keep it any more".to_owned(),
    }
}

/// Keeps a lease while it lives.
pub(crate) struct Keeper(JoinHandle<()>);

impl Keeper {
    pub(crate) fn of(ledger: Ledger, lease: Lease) -> Self {
        Self(tokio::spawn(async move {
            let mut wait = Some(RENEW);
            while let Some(pause) = wait {
                tokio::time::sleep(pause).await;
                wait = next_renewal(&ledger.renew(&lease, LEASE).await);
            }
        }))
    }
}

/// When a lease is renewed next; `None` when it is lost. Who lost it is told by the next thing that it says to the ledger.
fn next_renewal(renewed: &Result<(), LedgerError>) -> Option<Duration> {
    match renewed {
        Ok(()) => Some(RENEW),
        Err(LedgerError::LeaseLost { .. }) => None,
        Err(_) => Some(RENEW_AGAIN),
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One stream's share of a run.
pub(crate) struct StreamWork<'a> {
    pub(crate) house: &'a Lakehouse,
    pub(crate) open: &'a OpenSource,
    pub(crate) stream: &'a OpenStream,
    pub(crate) ask: Ask,
    pub(crate) ways: &'a Ways,
}

impl StreamWork<'_> {
    /// Does all that is due.
    pub(crate) async fn run(&self) -> StreamReport {
        let name = self.stream.contract.name.clone();
        let mut report =
            StreamReport { stream: name.clone(), windows: vec![], waiting: vec![], warnings: vec![], problem: None };
        if let Err(error) = self.leased(&mut report).await {
            report.problem = Some(Problem::of(&error));
        }
        (self.ways.listener)(&RunEvent::StreamEnded { stream: name });
        report
    }

    async fn leased(&self, report: &mut StreamReport) -> Result<(), RunError> {
        let ledger = &self.house.lake.ledger;
        let name = &self.stream.contract.name;
        let Some(lease) = ledger.lease(&LeaseUnit::stream(name), LEASE).await? else {
            report.windows.push(unread("*", Why::First, Outcome::Busy));
            return Ok(());
        };
        let keeper = Keeper::of(ledger.clone(), lease.clone());
        self.house.lake.steps.reached(Step::Leased).await;
        let outcome = self.work(&lease, report).await;
        drop(keeper);
        ledger.release(lease).await?;
        outcome
    }

    async fn work(&self, lease: &Lease, report: &mut StreamReport) -> Result<(), RunError> {
        let lake = &self.house.lake;
        let debts = Debts::of(lake, &self.stream.contract).await?;
        let listed = Listed::of(lake, self.open, &self.stream.contract).await?;
        let unusable = self.adopt(lease, report).await?;
        debts.unfold(lake, &self.stream.contract).await?;
        if !debts.receded.is_empty() {
            lake.ledger.found(lease, &self.stream.contract.name, &debts.receded).await?;
        }
        let planned = plan_stream(&self.house.lake.ledger, self.open, self.stream, self.ask).await?;
        let units = order(planned.units().cloned().collect(), self.ask.now);
        (self.ways.listener)(&RunEvent::Planned { stream: self.stream.contract.name.clone(), windows: units.len() });
        let reader = Arc::new(Reader {
            lake: self.house.lake.clone(),
            source: self.open.source.clone(),
            contract: Arc::clone(&self.stream.contract),
            setup: self.stream.setup,
            lease: lease.clone(),
            times: Arc::clone(&self.house.times),
            listener: Arc::clone(&self.ways.listener),
            records_max: self.house.file.limits.window_records.max(1),
        });
        let committer = Committer::new(&reader, self.open, self.ways.run);
        let mut desk = Desk {
            report: &mut *report,
            committer,
            waiting: Vec::new(),
            since: Instant::now(),
            listener: &self.ways.listener,
        };
        let owed = units.iter().filter(|unit| unit.why == Why::Uncommitted);
        let owed: Vec<Window> = owed.filter_map(|unit| window_of(unit).cloned()).collect();
        desk.owed(&owed).await?;
        if debts.is_lagging {
            desk.committer.commit(&[]).await?;
        }
        let is_free = |unit: &Unit| {
            let range = window_of(unit).and_then(Window::time_range);
            let of_slice = unusable.iter().filter(|window| window.slice == unit.slice);
            !of_slice.filter_map(Window::time_range).any(|taken| range.is_some_and(|range| range.overlaps(&taken)))
        };
        let due = |units: Vec<Unit>| {
            units.into_iter().filter(|unit| unit.why != Why::Uncommitted && is_free(unit)).collect::<Vec<Unit>>()
        };
        let orders = self.orders(lease, &planned.rows, due(units)).await?;
        let mut splits = self.read_all(&reader, &planned.rows, orders, &mut desk).await?;
        let mut after = plan_stream(&lake.ledger, self.open, self.stream, self.ask).await?;
        // The pieces of windows that were too large, and the pieces of those.
        for _ in 0..SPLITS_MAX {
            if splits == 0 || self.ways.stop.is_asked() {
                break;
            }
            let is_piece = |unit: &Unit| is_piece(unit, &after.rows);
            let pieces: Vec<Unit> = order(after.units().cloned().collect(), self.ask.now);
            let pieces = due(pieces.into_iter().filter(is_piece).collect());
            let orders = self.orders(lease, &after.rows, pieces).await?;
            splits = self.read_all(&reader, &after.rows, orders, &mut desk).await?;
            after = plan_stream(&lake.ledger, self.open, self.stream, self.ask).await?;
        }
        desk.committer.record(self.house, complete_until(&after)).await?;
        let shown = desk.committer.committed();
        report.waiting.extend(after.waiting().map(waiting_text));
        report.warnings.extend(look_for_shared_keys(lake, &self.stream.contract, lease, &shown).await?);
        if let Some(listed) = listed {
            listed.settle(lake, lease).await?;
        }
        debts.settle(lake, &self.stream.contract, lease).await?;
        fold(lake, &self.stream.contract, lease).await
    }

    /// Tells the ledger of readings that landed and whose runner died before it could: they are not read again. Returns the windows
    /// whose receipts cannot be used; nothing may be read in their place.
    async fn adopt(&self, lease: &Lease, report: &mut StreamReport) -> Result<Vec<Window>, RunError> {
        let lake = &self.house.lake;
        let found = lake.ledger.catch_up(&lake.zones.raw, lease, &self.stream.contract.name).await?;
        report
            .warnings
            .extend(found.unreadable.iter().map(|(window, error)| format!("{window} cannot be used: {error}")));
        Ok(found.unreadable.into_iter().map(|(window, _)| window).collect())
    }

    /// Names the windows of the units and enters them in the ledger. What another runner's bounds refuse is planned anew next time.
    async fn orders(&self, lease: &Lease, rows: &[WindowRow], units: Vec<Unit>) -> Result<Vec<Order>, RunError> {
        let orders: Vec<Order> = units
            .into_iter()
            .map(|unit| match unit.work {
                Work::Window(window) => Order { window, why: unit.why, token: None },
                Work::Snapshot => {
                    Order { window: next_snapshot(rows, &unit.slice, self.ask.now), why: unit.why, token: None }
                }
                Work::Link { number, token } => {
                    let window = Window::link(unit.slice, number, token.as_deref().unwrap_or_default());
                    Order { window, why: unit.why, token }
                }
            })
            .collect();
        let windows: Vec<Window> =
            orders.iter().filter(|order| !is_list(order)).map(|order| order.window.clone()).collect();
        if windows.is_empty() {
            return Ok(orders);
        }
        let planned = self.house.lake.ledger.plan(&self.stream.contract.name, &windows, Some(lease)).await?;
        let accepted: BTreeSet<Window> = planned.accepted.into_iter().collect();
        Ok(orders.into_iter().filter(|order| is_list(order) || accepted.contains(&order.window)).collect())
    }

    /// Names a list when its own reading begins, by the source's clock. Named by the run's start it would count as older than
    /// what other readings brought since, and judge none of it.
    async fn begun(&self, lease: &Lease, rows: &[WindowRow], order: Order) -> Result<Option<Order>, RunError> {
        if !is_list(&order) {
            return Ok(Some(order));
        }
        let ours = self.house.lake.clock.now();
        let now = self.house.times.of(&self.open.name).map_or(ours, |seen| seen.at(ours));
        let window = next_snapshot(rows, &order.window.slice, now);
        let name = &self.stream.contract.name;
        let planned = self.house.lake.ledger.plan(name, std::slice::from_ref(&window), Some(lease)).await?;
        Ok(planned.accepted.contains(&window).then_some(Order { window, ..order }))
    }

    /// Reads, and commits what was read. Returns how many windows were too large and are split now.
    async fn read_all(
        &self,
        reader: &Arc<Reader>,
        rows: &[WindowRow],
        orders: Vec<Order>,
        desk: &mut Desk<'_>,
    ) -> Result<usize, RunError> {
        let mut splits = 0;
        let mut left = orders.into_iter();
        let mut in_flight: JoinSet<Read> = JoinSet::new();
        let mut failures = 0_u32;
        loop {
            while in_flight.len() < self.ways.windows_at_once.max(1) && !self.ways.stop.is_asked() && !is_down(failures)
            {
                let Some(order) = left.next() else { break };
                let Some(order) = self.begun(&reader.lease, rows, order).await? else { continue };
                (self.ways.listener)(&RunEvent::Started {
                    stream: self.stream.contract.name.clone(),
                    window: order.window.clone(),
                });
                let reader = Arc::clone(reader);
                in_flight.spawn(async move { reader.read(&order).await });
            }
            let Some(read) = in_flight.join_next().await else { break };
            let read =
                read.map_err(|source| RunError::Task { stream: self.stream.contract.name.to_string(), source })?;
            if matches!(read.report.outcome, Outcome::Split { .. }) {
                splits += 1;
            } else {
                failures = failures_after(failures, read.error, code_of(&read.report.outcome));
            }
            desk.take(read).await?;
        }
        desk.flush().await?;
        let untried = left.count();
        if untried > 0 && is_down(failures) {
            let windows =
                if untried == 1 { "1 more window was".to_owned() } else { format!("{untried} more windows were") };
            desk.report.waiting.push(format!("{windows} not tried: they would fail the same way"));
        }
        Ok(splits)
    }
}

/// The instant before which nothing of any slice is missing.
pub(crate) fn complete_until(plan: &StreamPlan) -> Option<DateTime<Utc>> {
    let missing = plan.units().filter(|unit| matches!(unit.why, Why::First | Why::Held | Why::Uncommitted));
    let missing = missing.filter_map(|unit| window_of(unit)?.time_range());
    let waiting = plan.waiting().filter(|waiting| !is_read_before(waiting, &plan.rows));
    let waiting = waiting.filter_map(|waiting| waiting.range);
    let first = missing.chain(waiting).map(|range| range.from()).min();
    let required = plan.slices.iter().filter_map(|(_, slice)| slice.required).map(|range| range.until()).min()?;
    Some(first.map_or(required, |first| first.min(required)))
}

/// Whether what waits is only another reading of a range that was read, and that the source no longer gives.
fn is_read_before(waiting: &Waiting, rows: &[WindowRow]) -> bool {
    let is_read = |row: &WindowRow| {
        row.window.slice == waiting.slice && row.range() == waiting.range && row.passed_read_at().is_some()
    };
    waiting.wait == Wait::ExpiredAtSource && waiting.range.is_some() && rows.iter().any(is_read)
}

/// How many failures in a row there are after a reading.
fn failures_after(failures: u32, error: Option<ErrorKind>, code: &str) -> u32 {
    match error {
        None => 0,
        Some(_) if is_of_window(code) => failures,
        Some(kind) if ends_stream(kind, code) => FAILURES_IN_A_ROW_MAX,
        Some(ErrorKind::Unavailable | ErrorKind::Config | ErrorKind::Internal) => failures + 1,
        Some(_) => failures,
    }
}

/// Whether every window would fail the same way: a credential that is refused, a quota that is used up, a lake that is not ours
/// or a store that does not answer. An object that is missing is missed by one window.
fn ends_stream(kind: ErrorKind, code: &str) -> bool {
    let is_store = code.starts_with("store-") && code != "store-object-missing";
    is_store || matches!(kind, ErrorKind::Access | ErrorKind::Parked)
}

fn code_of(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { problem } | Outcome::Parked { problem, .. } => &problem.code,
        _ => "",
    }
}

fn is_list(order: &Order) -> bool {
    matches!(order.window.bounds, Bounds::Snapshot { .. })
}

fn is_down(failures: u32) -> bool {
    failures >= FAILURES_IN_A_ROW_MAX
}

fn window_of(unit: &Unit) -> Option<&Window> {
    if let Work::Window(window) = &unit.work { Some(window) } else { None }
}

/// Whether a unit reads a piece of a window that was too large.
fn is_piece(unit: &Unit, rows: &[WindowRow]) -> bool {
    window_of(unit).is_some_and(|window| rows.iter().any(|row| row.facts.is_piece && row.window == *window))
}

/// The name of the list that is read now. Where the source's clock stands still, a millisecond tells it from the one before.
fn next_snapshot(rows: &[WindowRow], slice: &Slice, now: DateTime<Utc>) -> Window {
    let read = rows.iter().filter(|row| row.window.slice == *slice && row.has_receipt());
    let last = read
        .filter_map(|row| if let Bounds::Snapshot { read_at } = row.window.bounds { Some(read_at) } else { None })
        .max();
    let at = last.map_or(now, |last| now.max(last + chrono::TimeDelta::milliseconds(1)));
    Window::snapshot(slice.clone(), at)
}

fn unread(window: &str, why: Why, outcome: Outcome) -> WindowReport {
    WindowReport {
        slice: Slice::whole(),
        window: window.to_owned(),
        why: why_text(why).to_owned(),
        generation: None,
        outcome,
        counts: headwater_lake::raw::Counts::default(),
        left_out: headwater_lake::raw::LeftOut::default(),
        requests: 0,
        bytes: 0,
    }
}

/// Where readings are put down until they are committed.
struct Desk<'a> {
    report: &'a mut StreamReport,
    committer: Committer,
    waiting: Vec<Read>,
    since: Instant,
    listener: &'a Arc<Listener>,
}

impl Desk<'_> {
    /// Commits what earlier runs landed and did not show.
    async fn owed(&mut self, windows: &[Window]) -> Result<(), RunError> {
        if windows.is_empty() {
            return Ok(());
        }
        let (outcomes, ended) = self.commit(windows).await;
        for (window, outcome) in outcomes {
            let report =
                WindowReport { slice: window.slice.clone(), ..unread(&window.name(), Why::Uncommitted, outcome) };
            self.end(report);
        }
        ended.map_or(Ok(()), Err)
    }

    /// Commits windows together, and where that fails each alone, so that one that cannot be shown keeps no other from it. An
    /// error is one that ends the stream: what is not among the outcomes was not tried after it.
    async fn commit(&mut self, windows: &[Window]) -> (Vec<(Window, Outcome)>, Option<RunError>) {
        match self.committer.commit(windows).await {
            Ok(outcomes) => return (outcomes, None),
            Err(error) if ends_stream(error.kind(), error.code()) => return (Vec::new(), Some(error)),
            Err(error) => {
                tracing::info!(stream = %self.report.stream, %error, "windows are committed one by one");
            }
        }
        let mut alone = windows.to_vec();
        // A link shows only after the one before it.
        alone.sort_unstable();
        let mut outcomes = Vec::new();
        for window in alone {
            match self.committer.commit(std::slice::from_ref(&window)).await {
                Ok(outcome) => outcomes.extend(outcome),
                Err(error) if ends_stream(error.kind(), error.code()) => return (outcomes, Some(error)),
                Err(error) => outcomes.push((window, Outcome::Failed { problem: Problem::of(&error) })),
            }
        }
        (outcomes, None)
    }

    async fn take(&mut self, read: Read) -> Result<(), RunError> {
        self.committer.count(&read);
        if read.landed.is_none() || matches!(read.report.outcome, Outcome::Held { .. }) {
            self.end(read.report);
            return Ok(());
        }
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.push(read);
        if self.waiting.len() >= COMMIT_WINDOWS || self.since.elapsed() >= COMMIT_EVERY {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), RunError> {
        let landed = std::mem::take(&mut self.waiting);
        if landed.is_empty() {
            return Ok(());
        }
        let windows: Vec<Window> = landed.iter().map(|read| read.window.clone()).collect();
        let (outcomes, ended) = self.commit(&windows).await;
        let outcome_of = |window: &Window| {
            let found = outcomes.iter().find(|(other, _)| other == window).map(|(_, outcome)| outcome.clone());
            found.or_else(|| Some(Outcome::Failed { problem: Problem::of(ended.as_ref()?) }))
        };
        for mut read in landed {
            match outcome_of(&read.window) {
                // A reading that shows nothing new says so, although its receipt is committed like any other.
                Some(Outcome::Committed) if read.report.outcome == Outcome::Unchanged => {}
                Some(outcome) => read.report.outcome = outcome,
                None => {}
            }
            self.end(read.report);
        }
        ended.map_or(Ok(()), Err)
    }

    fn end(&mut self, window: WindowReport) {
        (self.listener)(&RunEvent::Ended { stream: self.report.stream.clone(), window: Box::new(window.clone()) });
        self.report.windows.push(window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_one_window_stops_no_sibling_and_one_of_all_stops_them_at_once() {
        for (kind, code, after) in [
            (ErrorKind::Internal, "reading-unbalanced", 1),
            (ErrorKind::Internal, "part-order", 1),
            (ErrorKind::Config, "receipt-newer", 1),
            (ErrorKind::Internal, "ledger-corrupt", 2),
            (ErrorKind::Config, "setting", 2),
            (ErrorKind::Unavailable, "store-object-missing", 2),
            (ErrorKind::Unavailable, "store-unavailable", FAILURES_IN_A_ROW_MAX),
            (ErrorKind::Access, "unauthorized", FAILURES_IN_A_ROW_MAX),
            (ErrorKind::Parked, "ledger-not-owner", FAILURES_IN_A_ROW_MAX),
            (ErrorKind::Source, "page-empty", 1),
        ] {
            assert_eq!(failures_after(1, Some(kind), code), after, "{code}");
        }
        assert_eq!(failures_after(2, None, ""), 0);
    }

    #[test]
    fn only_a_lost_lease_is_no_longer_renewed() {
        let busy = LedgerError::NotTiled { window: "any other error".into() };
        assert_eq!(next_renewal(&Ok(())), Some(RENEW));
        assert_eq!(next_renewal(&Err(busy)), Some(RENEW_AGAIN));
        assert_eq!(next_renewal(&Err(LedgerError::LeaseLost { unit: "shop.orders".into() })), None);
    }
}
