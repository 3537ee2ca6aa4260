//! Decides what is due and not read: the one place where work begins.
//!
//! A window is missing while its last passed reading began before its latest due time, or while its table shows less than its
//! latest receipt. Nothing else triggers work, so a first load, a daily run, days of downtime, a crash, an earlier start and
//! late data are one path (ARCHITECTURE.md § Windows). Everything here is a pure function of its arguments.

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Bounds, Slice, Span, StreamContract, StreamKind, TimeRange, Window, WindowPolicy};
use serde::Serialize;
use thiserror::Error;

use crate::run::coverage::{Coverage, Known};

/// What a plan is made from, beside contract and coverage.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The source's clock: the earlier of its `Date` header and ours.
    pub now: DateTime<Utc>,
    /// Our clock, by which a wait that the source asked for is measured.
    pub ours: DateTime<Utc>,
    /// The schedule's period, where there is a schedule.
    pub period: Option<Span>,
    /// Read snapshots and chains although they are not due, and try what waits or was stopped.
    pub is_now: bool,
}

/// Why a unit is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It was never read.
    First,
    /// The table shows less than the receipt: only a commit is missing, nothing is requested.
    Uncommitted,
    /// Its re-read schedule says so.
    Reread,
    /// A re-sync was asked for.
    Resync,
    /// Its last reading was held.
    Held,
    /// A list or chain whose period has passed.
    Every,
    /// Rows were committed that its list of keys is too old for.
    KeysStale,
}

/// What a unit reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A window whose bounds are known.
    Window(Window),
    /// The list as it will be when the reading begins.
    Snapshot,
    /// The next link of the chain.
    Link {
        /// Its number.
        number: u64,
        /// The token that it starts from; `None` at the very start.
        token: Option<String>,
    },
}

/// One reading (or commit) that is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// The slice that it belongs to.
    pub slice: Slice,
    /// What is read.
    pub work: Work,
    /// Why.
    pub why: Why,
    /// Since when.
    pub due_at: DateTime<Utc>,
    /// When the source begins to forget it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DateTime<Utc>>,
}

/// Why something that is missing is not a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Held by the gate; tried again at this instant.
    Held {
        /// When, or `None` when it waits for a person.
        until: Option<DateTime<Utc>>,
        /// The gate's words.
        reason: String,
    },
    /// The quota is used up, or the source asked to come back later.
    Parked {
        /// When.
        until: DateTime<Utc>,
        /// The error's first line.
        message: String,
    },
    /// Failed the same way three times; waits for a change of manifest, setting or credential.
    Stopped {
        /// The error's code.
        code: String,
        /// The error's first line.
        message: String,
    },
    /// The source does not keep it any more.
    ExpiredAtSource,
}

/// Something missing that nothing is done about now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The slice that it belongs to.
    pub slice: Slice,
    /// The window or range; `None` for a list or chain as a whole.
    pub range: Option<TimeRange>,
    /// Why.
    pub wait: Wait,
}

/// What is to be done about one slice of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlicePlan {
    /// What is required by now, for ranged streams.
    pub required: Option<TimeRange>,
    /// What is due, by time.
    pub units: Vec<Unit>,
    /// What is missing and waits.
    pub waiting: Vec<Waiting>,
}

/// Why no plan can be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A ranged stream must say where it begins.
    #[error("`{stream}` has no start: nothing says from when its rows are required")]
    NoStart {
        /// The stream.
        stream: String,
    },
}

/// Without a schedule the newest edge is an hour fresh.
const PERIOD_DEFAULT: Span = Span::hours(1);

/// Decides what is due in one slice of a stream.
///
/// # Errors
///
/// [`PlanError::NoStart`] when a ranged stream has no start.
pub fn plan(contract: &StreamContract, coverage: &Coverage, ask: Ask) -> Result<SlicePlan, PlanError> {
    match (contract.kind, &contract.window) {
        (StreamKind::Snapshot, _) => Ok(plan_snapshot(contract, coverage, ask)),
        (StreamKind::Chain, _) | (_, None) => Ok(plan_chain(contract, coverage, ask)),
        (_, Some(policy)) => {
            let start = contract.start.ok_or_else(|| PlanError::NoStart { stream: contract.name.to_string() })?;
            Ok(plan_ranges(policy, start, contract.end, coverage, ask))
        }
    }
}

/// The instants at which a window is due: first at `until + settle`, then at each step below `lookback`, once at `lookback`.
pub fn due_times(policy: &WindowPolicy, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let settled = until + policy.settle.delta();
    let mut ages: Vec<Span> = policy.rereads.iter().copied().filter(|age| *age < policy.lookback).collect();
    ages.push(policy.lookback);
    ages.push(Span::ZERO);
    ages.sort_unstable();
    ages.dedup();
    ages.into_iter().map(|age| settled + age.delta()).collect()
}

fn plan_ranges(
    policy: &WindowPolicy,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
    coverage: &Coverage,
    ask: Ask,
) -> SlicePlan {
    let edge = edge_step(policy, ask.period);
    // The end of a stream is final, so only a moving edge is cut at the schedule's steps.
    let settled = ask.now - policy.settle.delta();
    let until = match end {
        Some(end) if end <= settled => end,
        _ => floor(settled, edge),
    };
    let Ok(required) = TimeRange::new(start, until) else {
        return SlicePlan { units: uncommitted(coverage), ..SlicePlan::default() };
    };
    let horizon = policy.retention.map(|kept| ask.now - kept.delta());
    let mut out = SlicePlan { required: Some(required), units: uncommitted(coverage), waiting: Vec::new() };

    let kept = coverage.windows.iter().filter(|known| known.has_receipt && !known.is_beaten);
    let mut covered = coverage.finished.clone();
    for known in kept {
        let Some(range) = known.window.time_range() else { continue };
        covered.push(range);
        if range.overlaps(&required) {
            debts_of(policy, known, range, horizon, coverage, ask, &mut out);
        }
    }

    for gap in required.minus(&covered) {
        plan_gap(policy, gap, edge, horizon, coverage, ask, &mut out);
    }
    out.units.sort_by_key(|unit| (range_of(unit), unit.why));
    out
}

/// Commits that are missing: a reading landed and its runner died.
fn uncommitted(coverage: &Coverage) -> Vec<Unit> {
    let landed = coverage.windows.iter().filter(|known| known.has_receipt && !known.is_beaten && !known.is_visible);
    landed
        .map(|known| Unit {
            slice: coverage.slice.clone(),
            work: Work::Window(known.window.clone()),
            why: Why::Uncommitted,
            due_at: known.read_at.unwrap_or(DateTime::UNIX_EPOCH),
            deadline: None,
        })
        .collect()
}

/// What a window with a receipt owes: a re-read, a re-sync, or another try after it was held.
fn debts_of(
    policy: &WindowPolicy,
    known: &Known,
    range: TimeRange,
    horizon: Option<DateTime<Utc>>,
    coverage: &Coverage,
    ask: Ask,
    out: &mut SlicePlan,
) {
    let asked = coverage
        .resyncs
        .iter()
        .filter(|resync| resync.range.is_none_or(|asked| asked.overlaps(&range)))
        .map(|resync| resync.asked_at)
        .max();
    let scheduled = due_times(policy, range.until()).into_iter().rfind(|due| *due <= ask.now);
    let Some(due_at) = scheduled.max(asked) else { return };
    if known.read_at.is_some_and(|read_at| read_at >= due_at) {
        return;
    }
    // A range that the source forgets in part must not be read again: what it no longer shows would look deleted.
    if horizon.is_some_and(|horizon| range.from() < horizon) {
        // A demand to read again is answered too: it can never be met.
        let is_asked = asked.is_some_and(|asked| known.read_at.is_none_or(|read_at| read_at < asked));
        if known.read_at.is_none() || is_asked {
            out.waiting.push(waiting(coverage, Some(range), Wait::ExpiredAtSource));
        }
        return;
    }
    let asked_since = |instant: DateTime<Utc>| asked.is_some_and(|asked| asked > instant);
    let mut why = if asked.is_some_and(|asked| asked >= due_at) { Why::Resync } else { Why::Reread };
    if let Some(held) = &known.held {
        let is_due = ask.is_now || asked_since(held.read_at) || held.retry_at().is_some_and(|at| at <= ask.now);
        if !is_due {
            let wait = Wait::Held { until: held.retry_at(), reason: held.reason.clone() };
            out.waiting.push(waiting(coverage, Some(range), wait));
            return;
        }
        why = Why::Held;
    }
    if let Some(wait) = blocked(known, ask) {
        out.waiting.push(waiting(coverage, Some(range), wait));
        return;
    }
    out.units.push(unit(coverage, range, why, due_at, policy));
}

/// Cuts a range without a receipt into windows.
fn plan_gap(
    policy: &WindowPolicy,
    gap: TimeRange,
    edge: Span,
    horizon: Option<DateTime<Utc>>,
    coverage: &Coverage,
    ask: Ask,
    out: &mut SlicePlan,
) {
    let mut from = gap.from();
    if let Some(horizon) = horizon.filter(|horizon| *horizon > from) {
        let readable_from = ceil(horizon, edge).min(gap.until());
        if let Ok(expired) = TimeRange::new(from, readable_from) {
            out.waiting.push(waiting(coverage, Some(expired), Wait::ExpiredAtSource));
        }
        from = readable_from;
    }
    let Ok(readable) = TimeRange::new(from, gap.until()) else { return };

    // A window that failed for good keeps its bounds while the settings stand, so that three equal failures are seen as such
    // although the newest edge moves; a piece of one that was too large keeps them, else it would be put together again.
    let mut failed: Vec<&Known> = coverage.windows.iter().filter(|known| keeps_bounds(known, readable)).collect();
    failed.sort_by_key(|known| known.window.time_range());
    let mut taken: Vec<TimeRange> = Vec::new();
    for known in failed {
        let Some(range) = known.window.time_range().filter(|range| !taken.iter().any(|other| other.overlaps(range)))
        else {
            continue;
        };
        taken.push(range);
        match blocked(known, ask) {
            Some(wait) => out.waiting.push(waiting(coverage, Some(range), wait)),
            None => out.units.push(unit(coverage, range, Why::First, range.until() + policy.settle.delta(), policy)),
        }
    }
    for piece in readable.minus(&taken).into_iter().flat_map(|free| split(free, policy.length)) {
        let same = coverage.windows.iter().find(|known| known.window.time_range() == Some(piece));
        match same.and_then(|known| blocked(known, ask)) {
            Some(wait) => out.waiting.push(waiting(coverage, Some(piece), wait)),
            None => out.units.push(unit(coverage, piece, Why::First, piece.until() + policy.settle.delta(), policy)),
        }
    }
}

fn keeps_bounds(known: &Known, gap: TimeRange) -> bool {
    let is_permanent = known.failure.as_ref().is_some_and(|failure| failure.is_permanent);
    let is_inside =
        known.window.time_range().is_some_and(|range| gap.from() <= range.from() && range.until() <= gap.until());
    !known.has_receipt && (is_permanent || known.is_piece) && is_inside
}

fn plan_snapshot(contract: &StreamContract, coverage: &Coverage, ask: Ask) -> SlicePlan {
    let mut out = SlicePlan { units: uncommitted(coverage), ..SlicePlan::default() };
    let last = coverage.windows.iter().filter(|known| !known.is_beaten).filter_map(|known| known.read_at).max();
    let due_at = last.map_or(DateTime::UNIX_EPOCH, |last| last + every(contract, ask.period));
    let asked = unmet_resync(coverage, last);
    let why = match last {
        None => Why::First,
        Some(_) if asked.is_some() => Why::Resync,
        Some(_) if coverage.are_keys_stale => Why::KeysStale,
        Some(_) => Why::Every,
    };
    if due_at > ask.now && why == Why::Every && !ask.is_now {
        return out;
    }
    let newest = coverage.windows.iter().max_by_key(|known| known.window.bounds.clone());
    if let Some(wait) = newest.and_then(|known| held_or_blocked(known, asked, ask)) {
        out.waiting.push(waiting(coverage, None, wait));
        return out;
    }
    out.units.push(Unit {
        slice: coverage.slice.clone(),
        work: Work::Snapshot,
        why,
        due_at: due_at.min(ask.now),
        deadline: None,
    });
    out
}

fn plan_chain(contract: &StreamContract, coverage: &Coverage, ask: Ask) -> SlicePlan {
    let mut out = SlicePlan { units: uncommitted(coverage), ..SlicePlan::default() };
    let number_of =
        |known: &Known| if let Bounds::Link { number, .. } = known.window.bounds { Some(number) } else { None };
    let landed = coverage.windows.iter().filter(|known| known.has_receipt && !known.is_beaten);
    let last = landed.filter_map(|known| Some((number_of(known)?, known))).max_by_key(|(number, _)| *number);
    // A held link is read again at its own place: the next link has nothing to start from.
    let (number, token, read_at) = match last {
        None => (0, None, None),
        Some((number, known)) if known.held.is_some() && known.read_at.is_none() => {
            let before = coverage.windows.iter().find(|other| number > 0 && number_of(other) == Some(number - 1));
            (number, before.and_then(|known| known.token_out.clone()), None)
        }
        Some((number, known)) => (number + 1, known.token_out.clone(), known.read_at),
    };
    let due_at = read_at.map_or(DateTime::UNIX_EPOCH, |last| last + every(contract, ask.period));
    // What was read stays read: a re-sync of a chain asks for its next link before its time.
    let asked = unmet_resync(coverage, read_at);
    if due_at > ask.now && !ask.is_now && asked.is_none() {
        return out;
    }
    let same = coverage.windows.iter().find(|known| number_of(known) == Some(number));
    if let Some(wait) = same.and_then(|known| held_or_blocked(known, asked, ask)) {
        out.waiting.push(waiting(coverage, None, wait));
        return out;
    }
    let why = match same {
        Some(known) if known.held.is_some() => Why::Held,
        _ if number == 0 => Why::First,
        _ if asked.is_some() => Why::Resync,
        _ => Why::Every,
    };
    let work = Work::Link { number, token };
    out.units.push(Unit { slice: coverage.slice.clone(), work, why, due_at: due_at.min(ask.now), deadline: None });
    out
}

/// When a list or chain was asked for again, if nothing was read of it since.
fn unmet_resync(coverage: &Coverage, last: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    let asked = coverage.resyncs.iter().map(|resync| resync.asked_at).max();
    asked.filter(|asked| last.is_none_or(|last| last < *asked))
}

/// How long after a reading the next is due. A schedule's ticks are never exact, so a tenth of its period is forgiven.
fn every(contract: &StreamContract, period: Option<Span>) -> TimeDelta {
    period.map_or_else(
        || contract.every.delta(),
        |period| period.delta() - (period.delta() / 10).min(TimeDelta::minutes(10)),
    )
}

/// What keeps a window from being tried again now.
fn blocked(known: &Known, ask: Ask) -> Option<Wait> {
    let failure = known.failure.as_ref()?;
    if ask.is_now {
        return None;
    }
    if failure.is_stopped() {
        return Some(Wait::Stopped { code: failure.code.clone(), message: failure.message.clone() });
    }
    let until = failure.retry_at.filter(|retry_at| *retry_at > ask.ours)?;
    Some(Wait::Parked { until, message: failure.message.clone() })
}

fn held_or_blocked(known: &Known, asked: Option<DateTime<Utc>>, ask: Ask) -> Option<Wait> {
    if let Some(held) = &known.held {
        let is_due = ask.is_now
            || asked.is_some_and(|asked| asked > held.read_at)
            || held.retry_at().is_some_and(|at| at <= ask.now);
        if !is_due {
            return Some(Wait::Held { until: held.retry_at(), reason: held.reason.clone() });
        }
    }
    blocked(known, ask)
}

fn unit(coverage: &Coverage, range: TimeRange, why: Why, due_at: DateTime<Utc>, policy: &WindowPolicy) -> Unit {
    Unit {
        slice: coverage.slice.clone(),
        work: Work::Window(Window::range(coverage.slice.clone(), range)),
        why,
        due_at,
        deadline: policy.retention.map(|kept| range.from() + kept.delta()),
    }
}

fn waiting(coverage: &Coverage, range: Option<TimeRange>, wait: Wait) -> Waiting {
    Waiting { slice: coverage.slice.clone(), range, wait }
}

fn range_of(unit: &Unit) -> Option<TimeRange> {
    if let Work::Window(window) = &unit.work { window.time_range() } else { None }
}

/// The step at which the newest edge is cut: the schedule's period where that is shorter than a window, never finer than the
/// source's own granularity.
fn edge_step(policy: &WindowPolicy, period: Option<Span>) -> Span {
    period.unwrap_or(PERIOD_DEFAULT).min(policy.length).max(policy.granularity).max(Span::seconds(1))
}

/// Cuts a range in two where the source can; `None` when it is as short as the source can ask for.
pub(crate) fn halves(range: TimeRange, granularity: Span) -> Option<[TimeRange; 2]> {
    let granularity = granularity.max(Span::seconds(1));
    let middle = floor(range.from() + (range.until() - range.from()) / 2, granularity);
    let middle = if middle <= range.from() { floor(range.from(), granularity) + granularity.delta() } else { middle };
    Some([TimeRange::new(range.from(), middle).ok()?, TimeRange::new(middle, range.until()).ok()?])
}

/// Cuts a range at the multiples of `length` since 1970, so that the same gap is always cut at the same places.
fn split(range: TimeRange, length: Span) -> Vec<TimeRange> {
    let length = length.max(Span::seconds(1));
    let (mut pieces, mut from) = (Vec::new(), range.from());
    while from < range.until() {
        let until = (floor(from, length) + length.delta()).min(range.until());
        pieces.extend(TimeRange::new(from, until));
        from = until;
    }
    pieces
}

/// The last multiple of `step` since 1970 at or before `at`.
fn floor(at: DateTime<Utc>, step: Span) -> DateTime<Utc> {
    let micros = step.as_millis().max(1).saturating_mul(1_000);
    at - TimeDelta::microseconds(at.timestamp_micros().rem_euclid(micros)) - TimeDelta::nanoseconds(sub_micro(at))
}

fn ceil(at: DateTime<Utc>, step: Span) -> DateTime<Utc> {
    let below = floor(at, step);
    if below == at { at } else { below + step.delta() }
}

fn sub_micro(at: DateTime<Utc>) -> i64 {
    i64::from(at.timestamp_subsec_nanos() % 1_000)
}

#[cfg(test)]
mod tests;
