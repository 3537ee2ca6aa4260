//! Turns the ledger's rows into the value that the planner reads.

use chrono::TimeDelta;
use headwater_contract::{Bounds, Digest16, Slice};
use headwater_lake::ledger::{Facts, Finished, WindowRow, WindowState};

use crate::run::coverage::{Coverage, Failure, Held, Known, Resync};

/// Codes of what is wrong with one window alone: the same bytes give the same error, and no sibling has it.
const FAULTS_OF_WINDOW: [&str; 8] = [
    "batch-mismatch",
    "part-order",
    "part-parquet",
    "reading-unbalanced",
    "receipt-misplaced",
    "receipt-newer",
    "receipt-unreadable",
    "typed-parquet",
];

/// Whether an error of this code is its window's own: its siblings go on, and after three times it waits for a change.
pub(crate) fn is_of_window(code: &str) -> bool {
    FAULTS_OF_WINDOW.contains(&code)
}

/// What is known of one slice. A failure under another manifest, setting or credential is forgotten: `setup` digests the present
/// ones.
pub(crate) fn coverage_of(rows: &[WindowRow], finished: &[Finished], slice: &Slice, setup: Digest16) -> Coverage {
    let of_slice: Vec<&WindowRow> = rows.iter().filter(|row| row.window.slice == *slice).collect();
    let mut windows: Vec<Known> = of_slice.iter().filter_map(|row| known(row, setup)).collect();
    count_held_snapshots(&mut windows);
    let resyncs = of_slice.iter().filter_map(|row| demand(row, &of_slice)).collect();
    let finished = finished.iter().filter(|interval| interval.slice == *slice).filter_map(Finished::range).collect();
    Coverage { slice: slice.clone(), windows, finished, resyncs, are_keys_stale: false }
}

/// What a person asked of a window, unless a later reading paid it.
fn demand(row: &WindowRow, of_slice: &[&WindowRow]) -> Option<Resync> {
    let asked_at = row.facts.resync_asked_at?;
    // A list is not read again under its name, a link neither once it passed: a later one pays.
    let pays = |other: &&WindowRow| {
        other.window.bounds > row.window.bounds && other.passed_read_at().is_some_and(|passed| passed >= asked_at)
    };
    let is_met = !row.owes_resync() || (row.range().is_none() && of_slice.iter().copied().any(|other| pays(&other)));
    if is_met {
        return None;
    }
    // A reading from before the demand may bear the same second.
    let before = row.facts.standing.as_ref().filter(|standing| Some(standing.generation) <= row.facts.resync_above);
    let before = before.map(|standing| standing.read_at + TimeDelta::milliseconds(1));
    Some(Resync { range: row.range(), asked_at: asked_at.max(before.unwrap_or(asked_at)) })
}

fn known(row: &WindowRow, setup: Digest16) -> Option<Known> {
    let is_beaten = row.facts.closed == Some(WindowState::Beaten);
    if row.is_replaced() && !is_beaten {
        return None;
    }
    let standing = row.facts.standing.as_ref();
    let held = standing.and_then(|standing| {
        let reason = match &standing.verdict {
            headwater_lake::raw::Verdict::Held { reason } => reason.clone(),
            _ => return None,
        };
        Some(Held { read_at: standing.held_at?, times: standing.held_times, reason })
    });
    Some(Known {
        window: row.window.clone(),
        has_receipt: row.has_receipt(),
        read_at: row.passed_read_at(),
        held,
        is_visible: !row.owes_commit(),
        is_piece: row.facts.is_piece,
        is_beaten,
        failure: failure(&row.facts, setup),
        token_out: standing.and_then(|standing| standing.token_out.clone()),
    })
}

fn failure(facts: &Facts, setup: Digest16) -> Option<Failure> {
    if let Some(parked) = &facts.parked {
        let (code, message) = ("parked".to_owned(), parked.because.clone());
        return Some(Failure { code, message, is_permanent: false, times: 0, retry_at: Some(parked.until) });
    }
    let record = facts.failure.as_ref().filter(|record| record.setup == setup)?;
    Some(Failure {
        code: record.code.clone(),
        message: record.message.clone(),
        is_permanent: record.permanent || is_of_window(&record.code),
        times: record.times,
        retry_at: record.retry_at,
    })
}

/// Every reading of a list is a window of its own, so how often it was held in a row is counted over windows.
fn count_held_snapshots(windows: &mut [Known]) {
    windows.sort_by(|one, other| one.window.bounds.cmp(&other.window.bounds));
    let mut in_a_row = 0;
    for known in windows.iter_mut().filter(|known| matches!(known.window.bounds, Bounds::Snapshot { .. })) {
        match &mut known.held {
            Some(held) => {
                in_a_row += held.times;
                held.times = in_a_row;
            }
            None if known.has_receipt => in_a_row = 0,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use headwater_contract::Window;
    use headwater_lake::ledger::FailureRecord;

    use super::*;

    #[test]
    fn a_fault_of_ones_own_stops_its_window_after_three_times_and_a_passing_one_never() {
        let setup = Digest16::of(b"setup");
        for (code, is_stopped) in
            [("reading-unbalanced", true), ("receipt-unreadable", true), ("ledger-database", false)]
        {
            let at = DateTime::UNIX_EPOCH;
            let failure = FailureRecord {
                code: code.into(),
                message: "m".into(),
                fix: "f".into(),
                fingerprint: code.into(),
                permanent: false,
                times: 3,
                first_at: at,
                last_at: at,
                retry_at: None,
                setup,
            };
            let facts = Facts { failure: Some(failure), ..Facts::default() };
            let window = Window::snapshot(Slice::whole(), at);
            let stream = "shop.orders".parse().unwrap();
            let row = WindowRow { stream, window, state: facts.state(), facts, updated_at: at };
            let coverage = coverage_of(&[row], &[], &Slice::whole(), setup);
            let failure = coverage.windows[0].failure.clone().unwrap();
            assert_eq!(failure.is_stopped(), is_stopped, "{code}");
        }
    }
}
