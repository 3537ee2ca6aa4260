//! A plan over intervals is the plan over the windows that they stand for.

use headwater_contract::{Column, ColumnType, Deletes, Digest16, Span, StreamKind, TimeRange, WindowPolicy};
use headwater_lake::ledger::{Facts, Standing};
use headwater_lake::raw::{Counts, Reason, Verdict};
use proptest::prelude::*;

use super::*;
use crate::run::known::coverage_of;
use crate::run::plan::{Ask, plan};

const DAY: i64 = 86_400;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn contract(settle: u32, lookback: u32, rereads: &[u32]) -> StreamContract {
    StreamContract {
        name: "shop.orders".parse().unwrap(),
        title: String::new(),
        kind: StreamKind::Restating,
        key: vec!["id".into()],
        append_only: false,
        key_is_stream_wide: false,
        version_field: None,
        columns: vec![Column::new("id", ColumnType::Int64)],
        children: Vec::new(),
        window: Some(WindowPolicy {
            field: "created_at".into(),
            granularity: Span::seconds(1),
            length: Span::days(1),
            settle: Span::seconds(settle),
            lookback: Span::seconds(lookback),
            rereads: rereads.iter().map(|age| Span::seconds(*age)).collect(),
            retention: None,
        }),
        every: Span::days(1),
        start: Some(at(0)),
        end: None,
        deletes: Deletes::None,
        key_list_of: None,
        volatile: Vec::new(),
        may_be_empty: false,
        max_removed: 0.2,
        max_quarantined: 0.01,
        best_effort: None,
        json_schema: None,
        manifest_digest: Digest16::default(),
    }
}

/// A day that was read once, so long after its end, and is shown and compared.
fn row(day: i64, age: i64) -> WindowRow {
    let read_at = at((day + 1) * DAY + age);
    let standing = Standing {
        generation: 1,
        attempt: String::new(),
        reason: Reason::First,
        verdict: Verdict::Passed,
        held_times: 0,
        held_at: None,
        data_generation: Some(1),
        read_at,
        passed_read_at: Some(read_at),
        passed_generation: Some(1),
        counts: Counts::default(),
        token_out: None,
        rows: BTreeMap::new(),
        rows_generation: Some(1),
        contract: Digest16::default(),
    };
    let facts = Facts { standing: Some(standing), committed: Some(1), reconciled: Some(1), ..Facts::default() };
    let range = TimeRange::new(at(day * DAY), at((day + 1) * DAY)).unwrap();
    let window = Window::range(Slice::whole(), range);
    WindowRow { stream: "shop.orders".parse().unwrap(), window, state: facts.state(), facts, updated_at: read_at }
}

#[test]
fn a_window_is_finished_a_day_after_its_last_due_reading_and_not_before() {
    let contract = contract(60, 3_600, &[600]);
    let names = |rows: &[WindowRow], now: i64| finished(&contract, rows, at(now)).len();
    let paid = row(0, 3_660);
    let last_said = DAY + 3_660;
    assert_eq!(names(std::slice::from_ref(&paid), last_said + DAY - 1), 0);
    assert_eq!(names(std::slice::from_ref(&paid), last_said + DAY), 1);
    assert_eq!(names(&[row(0, 3_659)], last_said + 9 * DAY), 0, "it was read before its last due time");
    let committed = WindowRow { state: WindowState::Committed, ..paid };
    assert_eq!(names(&[committed], last_said + 9 * DAY), 0, "nobody has compared it");
}

proptest! {
    #[test]
    fn a_plan_over_intervals_is_the_plan_over_their_windows(
        days in proptest::collection::btree_map(0_i64..20, 0_i64..4 * DAY, 0..20),
        (settle, lookback) in (0_u32..7_200, 0_u32..200_000),
        now in 0_i64..40 * DAY,
    ) {
        let contract = contract(settle, lookback, &[600, 90_000]);
        let rows: Vec<WindowRow> = days.into_iter().map(|(day, age)| row(day, age)).collect();
        let folded = finished(&contract, &rows, at(now));
        let kept: Vec<WindowRow> = rows.iter().filter(|row| !folded.contains(&row.window)).cloned().collect();
        let setup = Digest16::default();
        let whole = coverage_of(&rows, &[], &Slice::whole(), setup);
        let mut merged = coverage_of(&kept, &[], &Slice::whole(), setup);
        merged.finished = folded.iter().filter_map(Window::time_range).collect();
        let ask = Ask { now: at(now), ours: at(now), period: None, is_now: false };
        prop_assert_eq!(plan(&contract, &merged, ask).unwrap(), plan(&contract, &whole, ask).unwrap());
    }
}
