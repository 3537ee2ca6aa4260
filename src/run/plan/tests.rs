//! The planner against tables of cases and against a bitmap that knows nothing of intervals.

use headwater_contract::{Column, ColumnType, Deletes, Digest16};
use proptest::prelude::*;

use super::*;
use crate::run::coverage::{Failure, Held, Resync};

const DAY: i64 = 86_400;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn range(from: i64, until: i64) -> TimeRange {
    TimeRange::new(at(from), at(until)).unwrap()
}

fn policy(length: u32, settle: u32, lookback: u32, rereads: &[u32]) -> WindowPolicy {
    WindowPolicy {
        field: "created_at".into(),
        granularity: Span::seconds(1),
        length: Span::seconds(length),
        settle: Span::seconds(settle),
        lookback: Span::seconds(lookback),
        rereads: rereads.iter().map(|age| Span::seconds(*age)).collect(),
        retention: None,
    }
}

fn contract(kind: StreamKind, window: Option<WindowPolicy>) -> StreamContract {
    StreamContract {
        name: "shop.orders".parse().unwrap(),
        title: String::new(),
        kind,
        key: vec!["id".into()],
        append_only: false,
        key_is_stream_wide: false,
        version_field: None,
        columns: vec![Column::new("id", ColumnType::Int64)],
        children: Vec::new(),
        window,
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

fn known(from: i64, until: i64, read_at: Option<i64>) -> Known {
    Known {
        window: Window::range(Slice::whole(), range(from, until)),
        has_receipt: true,
        read_at: read_at.map(at),
        held: None,
        is_visible: true,
        is_piece: false,
        is_beaten: false,
        failure: None,
        token_out: None,
    }
}

fn failure(times: u32, is_permanent: bool, retry_at: Option<i64>) -> Failure {
    Failure { code: "x".into(), message: "m".into(), is_permanent, times, retry_at: retry_at.map(at) }
}

fn ask(now: i64, period: Option<u32>) -> Ask {
    Ask { now: at(now), ours: at(now), period: period.map(Span::seconds), is_now: false }
}

fn run(policy: WindowPolicy, windows: Vec<Known>, ask: Ask) -> SlicePlan {
    plan(&contract(StreamKind::Restating, Some(policy)), &Coverage { windows, ..Coverage::default() }, ask).unwrap()
}

/// `from-until why` of each unit, in seconds.
fn shown(out: &SlicePlan) -> Vec<String> {
    let show = |unit: &Unit| {
        let range = range_of(unit).unwrap();
        format!("{}-{} {:?}", range.from().timestamp(), range.until().timestamp(), unit.why)
    };
    out.units.iter().map(show).collect()
}

#[test]
fn nothing_is_due_before_it_has_settled() {
    assert_eq!(shown(&run(policy(3_600, 60, 0, &[]), vec![], ask(3_659, None))), [""; 0]);
    assert_eq!(shown(&run(policy(3_600, 60, 0, &[]), vec![], ask(3_660, None))), ["0-3600 First"]);
}

#[test]
fn a_range_is_halved_where_the_source_can_cut_and_no_finer() {
    let cut = |from, until, step| {
        halves(range(from, until), Span::seconds(step))
            .map(|both| both.map(|half| (half.from().timestamp(), half.until().timestamp())))
    };
    assert_eq!(cut(0, 1, 1), None);
    assert_eq!(cut(0, 60, 60), None);
    assert_eq!(cut(30, 60, 60), None);
    assert_eq!(cut(0, 2, 1), Some([(0, 1), (1, 2)]));
    assert_eq!(cut(0, DAY, 3_600), Some([(0, DAY / 2), (DAY / 2, DAY)]));
    assert_eq!(cut(0, 180, 60), Some([(0, 60), (60, 180)]));
    assert_eq!(cut(50, 130, 60), Some([(50, 60), (60, 130)]));
}

#[test]
fn pieces_of_a_window_that_was_too_large_keep_their_bounds_until_they_are_read() {
    let piece = |from, until| Known { has_receipt: false, read_at: None, is_piece: true, ..known(from, until, None) };
    let out = run(policy(3_600, 0, 0, &[]), vec![piece(0, 900), piece(900, 3_600)], ask(7_200, None));
    assert_eq!(shown(&out), ["0-900 First", "900-3600 First", "3600-7200 First"]);
    let read = Known { has_receipt: true, read_at: Some(at(7_200)), ..piece(0, 900) };
    let out = run(policy(3_600, 0, 0, &[]), vec![read, piece(900, 3_600)], ask(7_200, None));
    assert_eq!(shown(&out), ["900-3600 First", "3600-7200 First"]);
}

#[test]
fn a_stream_without_a_start_has_no_plan() {
    let mut contract = contract(StreamKind::Events, Some(policy(60, 0, 0, &[])));
    contract.start = None;
    assert!(plan(&contract, &Coverage::default(), ask(1_000, None)).is_err());
}

#[test]
fn history_is_read_in_long_windows_and_the_newest_edge_by_the_schedule() {
    let out = run(policy(86_400, 0, 0, &[]), vec![], ask(2 * DAY + 7_300, Some(3_600)));
    assert_eq!(shown(&out), ["0-86400 First", "86400-172800 First", "172800-180000 First"]);
    let read = vec![known(0, 2 * DAY, Some(9 * DAY)), known(2 * DAY, 2 * DAY + 7_200, Some(9 * DAY))];
    let out = run(policy(86_400, 0, 0, &[]), read, ask(2 * DAY + 10_900, Some(3_600)));
    assert_eq!(shown(&out), ["180000-183600 First"]);
}

#[test]
fn a_second_plan_right_after_a_run_is_empty() {
    let read = vec![known(0, DAY, Some(DAY + 70)), known(DAY, DAY + 3_600, Some(DAY + 3_700))];
    assert_eq!(run(policy(86_400, 60, 7 * 86_400, &[86_400]), read, ask(DAY + 3_701, None)).units, []);
}

#[test]
fn an_earlier_start_reads_only_what_is_missing_and_new_settings_leave_read_windows_alone() {
    let out = run(policy(1_000, 0, 0, &[]), vec![known(2_500, 9_000, Some(10_000))], ask(10_800, None));
    assert_eq!(shown(&out), ["0-1000 First", "1000-2000 First", "2000-2500 First", "9000-10000 First"]);
}

#[test]
fn each_reread_pays_for_all_earlier_ones() {
    let policy = || policy(100, 10, 1_000, &[300, 2_000]);
    // Due at 110 (first), 410 (reread 300) and 1110 (lookback); 2,000 lies beyond the lookback and is left out.
    for (read, now, due) in [
        (110, 409, false),
        (110, 410, true),
        (410, 1_109, false),
        (409, 5_000, true),
        (1_109, 1_110, true),
        (1_110, 99_999, false),
    ] {
        let mut contract = contract(StreamKind::Restating, Some(policy()));
        contract.end = Some(at(100));
        let coverage = Coverage { windows: vec![known(0, 100, Some(read))], ..Coverage::default() };
        let out = plan(&contract, &coverage, ask(now, None)).unwrap();
        assert_eq!(!out.units.is_empty(), due, "read at {read}, now {now}");
    }
}

#[test]
fn a_landed_reading_that_no_commit_shows_asks_only_for_the_commit() {
    let mut landed = known(0, 100, Some(150));
    landed.is_visible = false;
    assert_eq!(shown(&run(policy(100, 0, 0, &[]), vec![landed], ask(150, Some(100)))), ["0-100 Uncommitted"]);
}

#[test]
fn a_held_window_is_tried_after_an_hour_a_day_a_week_and_then_waits_for_a_person() {
    for (times, after, due) in [
        (1, 3_599, false),
        (1, 3_600, true),
        (2, DAY - 1, false),
        (2, DAY, true),
        (3, 7 * DAY, true),
        (4, 99 * DAY, false),
    ] {
        let mut held = known(0, 100, None);
        held.held = Some(Held { read_at: at(1_000), times, reason: "empty".into() });
        let mut contract = contract(StreamKind::Restating, Some(policy(100, 0, 0, &[])));
        contract.end = Some(at(100));
        let coverage = Coverage { windows: vec![held], ..Coverage::default() };
        let out = plan(&contract, &coverage, ask(1_000 + after, None)).unwrap();
        assert_eq!((out.units.len(), out.waiting.len()), if due { (1, 0) } else { (0, 1) }, "{times} times, {after} s");
    }
}

#[test]
fn the_third_equal_permanent_failure_stops_the_window_and_its_siblings_go_on() {
    let mut stopped = known(0, 100, None);
    stopped.has_receipt = false;
    stopped.failure = Some(failure(3, true, None));
    let out = run(policy(200, 0, 0, &[]), vec![stopped.clone()], ask(400, Some(100)));
    assert_eq!(shown(&out), ["100-200 First", "200-400 First"]);
    assert!(matches!(out.waiting[0].wait, Wait::Stopped { .. }));
    stopped.failure = Some(failure(2, true, None));
    let out = run(policy(200, 0, 0, &[]), vec![stopped], ask(400, Some(100)));
    assert_eq!(shown(&out), ["0-100 First", "100-200 First", "200-400 First"]);
}

#[test]
fn a_passing_failure_leaves_its_range_to_be_cut_anew() {
    let mut failed = known(0, 100, None);
    failed.has_receipt = false;
    failed.failure = Some(failure(9, false, None));
    assert_eq!(shown(&run(policy(400, 0, 0, &[]), vec![failed], ask(400, Some(100)))), ["0-400 First"]);
}

#[test]
fn what_the_source_forgot_is_named_and_a_half_forgotten_window_is_not_read_again() {
    let mut policy = policy(100, 0, 5_000, &[]);
    policy.retention = Some(Span::seconds(1_000));
    let out = run(policy, vec![known(4_000, 4_200, Some(4_200))], ask(5_150, Some(100)));
    // Forgotten until 4,150, which cuts the first whole step at 4,200.
    assert_eq!(
        out.waiting[0],
        Waiting { slice: Slice::whole(), range: Some(range(0, 4_000)), wait: Wait::ExpiredAtSource }
    );
    assert_eq!(shown(&out).first().map(String::as_str), Some("4200-4300 First"));
    assert_eq!(out.units[0].deadline, Some(at(5_200)));
}

#[test]
fn a_resync_asks_for_every_window_of_its_range() {
    let windows = vec![known(0, 100, Some(500)), known(100, 200, Some(500)), known(200, 300, Some(900))];
    let coverage = Coverage {
        windows,
        resyncs: vec![Resync { range: Some(range(50, 300)), asked_at: at(800) }],
        ..Coverage::default()
    };
    let mut contract = contract(StreamKind::Events, Some(policy(100, 0, 0, &[])));
    contract.end = Some(at(300));
    assert_eq!(shown(&plan(&contract, &coverage, ask(1_000, None)).unwrap()), ["0-100 Resync", "100-200 Resync"]);
}

#[test]
fn a_list_is_read_each_period_or_now_or_when_its_keys_are_stale() {
    let snapshot = |read: i64| Known { window: Window::snapshot(Slice::whole(), at(read)), ..known(0, 1, Some(read)) };
    let contract = contract(StreamKind::Snapshot, None);
    let plan =
        |coverage: &Coverage, ask: Ask| plan(&contract, coverage, ask).unwrap().units.first().map(|unit| unit.why);
    let mut coverage = Coverage::default();
    assert_eq!(plan(&coverage, ask(0, None)), Some(Why::First));
    coverage.windows = vec![snapshot(0)];
    assert_eq!(plan(&coverage, ask(DAY - 1, None)), None);
    assert_eq!(plan(&coverage, ask(DAY, None)), Some(Why::Every));
    assert_eq!(
        plan(&coverage, ask(3_590, Some(3_600))),
        Some(Why::Every),
        "a tick that comes a little early still counts"
    );
    assert_eq!(plan(&coverage, Ask { is_now: true, ..ask(5, None) }), Some(Why::Every));
    coverage.are_keys_stale = true;
    assert_eq!(plan(&coverage, ask(5, None)), Some(Why::KeysStale));
}

#[test]
fn a_chain_goes_on_from_the_token_of_its_last_link() {
    let link = |number: u64, token: &str, out: &str| Known {
        window: Window::link(Slice::whole(), number, token),
        token_out: Some(out.into()),
        ..known(0, 1, Some(100))
    };
    let contract = contract(StreamKind::Chain, None);
    let coverage = Coverage { windows: vec![link(1, "b", "c"), link(0, "", "b")], ..Coverage::default() };
    let out = plan(&contract, &coverage, ask(100 + DAY, None)).unwrap();
    assert_eq!(out.units[0].work, Work::Link { number: 2, token: Some("c".into()) });
    assert_eq!(plan(&contract, &coverage, ask(101, None)).unwrap().units, []);
    let first = plan(&contract, &Coverage::default(), ask(0, None)).unwrap();
    assert_eq!(first.units[0].work, Work::Link { number: 0, token: None });
}

#[test]
fn a_resync_of_a_chain_reads_its_next_link_before_its_time_and_once() {
    let link =
        Known { window: Window::link(Slice::whole(), 0, ""), token_out: Some("b".into()), ..known(0, 1, Some(100)) };
    let contract = contract(StreamKind::Chain, None);
    let resyncs = |asked| vec![Resync { range: None, asked_at: at(asked) }];
    let mut coverage = Coverage { windows: vec![link], resyncs: resyncs(150), ..Coverage::default() };
    let out = plan(&contract, &coverage, ask(200, None)).unwrap();
    assert_eq!(out.units[0].work, Work::Link { number: 1, token: Some("b".into()) });
    assert_eq!(out.units[0].why, Why::Resync);
    coverage.resyncs = resyncs(99);
    assert_eq!(plan(&contract, &coverage, ask(200, None)).unwrap().units, []);
}

#[test]
fn a_resync_of_what_the_source_forgot_is_answered() {
    let mut policy = policy(100, 0, 0, &[]);
    policy.retention = Some(Span::seconds(1_000));
    let mut contract = contract(StreamKind::Events, Some(policy));
    contract.end = Some(at(100));
    let mut coverage = Coverage { windows: vec![known(0, 100, Some(500))], ..Coverage::default() };
    assert_eq!(plan(&contract, &coverage, ask(1_050, None)).unwrap().waiting, []);
    coverage.resyncs = vec![Resync { range: Some(range(0, 50)), asked_at: at(1_040) }];
    let out = plan(&contract, &coverage, ask(1_050, None)).unwrap();
    let expired = Waiting { slice: Slice::whole(), range: Some(range(0, 100)), wait: Wait::ExpiredAtSource };
    assert_eq!((shown(&out), out.waiting), (vec![], vec![expired]));
}

/// A window of the random history: disjoint, in order, read at some time or never.
#[derive(Clone, Debug)]
struct Piece {
    gap: i64,
    length: i64,
    read: Option<i64>,
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = (0_i64..40, 1_i64..50, proptest::option::weighted(0.8, 0_i64..700));
    proptest::collection::vec(piece.prop_map(|(gap, length, read)| Piece { gap, length, read }), 0..8)
}

proptest! {
    /// Second by second: what is planned is exactly what is required and owed, once.
    #[test]
    fn units_tile_what_a_bitmap_says_is_missing(
        pieces in pieces(), length in 1_u32..90, settle in 0_u32..30, lookback in 0_u32..200, reread in 1_u32..150,
        period in proptest::option::of(1_u32..60), now in 0_i64..600, start in 0_i64..100,
        resync in proptest::option::of((0_i64..300, 1_i64..100, 0_i64..700)),
    ) {
        let policy = policy(length, settle, lookback, &[reread]);
        let (mut windows, mut from) = (Vec::new(), 0);
        for piece in &pieces {
            from += piece.gap;
            windows.push(known(from, from + piece.length, piece.read));
            from += piece.length;
        }
        let mut contract = contract(StreamKind::Restating, Some(policy.clone()));
        contract.start = Some(at(start));
        let resyncs: Vec<_> =
            resync.iter().map(|(from, length, asked)| Resync { range: Some(range(*from, from + length)), asked_at: at(*asked) }).collect();
        let coverage = Coverage { windows: windows.clone(), resyncs: resyncs.clone(), ..Coverage::default() };
        let out = plan(&contract, &coverage, ask(now, period)).unwrap();

        let step = i64::from(period.unwrap_or(3_600).min(length));
        let edge = (now - i64::from(settle)).div_euclid(step) * step;
        for second in 0..800_i64 {
            let holder = windows.iter().find(|known| known.window.time_range().unwrap().contains(at(second)));
            let is_owed = match holder {
                None => start <= second && second < edge,
                Some(known) => {
                    let bounds = known.window.time_range().unwrap();
                    let (from, until) = (bounds.from().timestamp(), bounds.until().timestamp());
                    let mut dues = vec![until + i64::from(settle), until + i64::from(settle + lookback)];
                    if reread < lookback {
                        dues.push(until + i64::from(settle + reread));
                    }
                    dues.retain(|due| *due <= now);
                    dues.extend(resyncs.iter().filter(|resync| resync.range.unwrap().overlaps(&bounds)).map(|resync| resync.asked_at.timestamp()));
                    let is_required = from < edge && start < until && start < edge;
                    is_required && dues.iter().max().is_some_and(|due| known.read_at.is_none_or(|read| read < at(*due)))
                }
            };
            let planned = out.units.iter().filter(|unit| range_of(unit).unwrap().contains(at(second))).count();
            prop_assert_eq!(planned, usize::from(is_owed), "second {} of {:?}", second, out);
        }
        for unit in out.units.iter().filter(|unit| unit.why == Why::First) {
            let range = range_of(unit).unwrap();
            prop_assert!((range.until() - range.from()).num_seconds() <= i64::from(length), "{range}");
        }
    }
}
