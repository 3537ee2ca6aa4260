//! Windows never overlap, are never lost and never held twice; who lost a lease is not heard; a rebuilt ledger is equal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Digest16, DigestSum, Explain, FixedClock, Slice, StreamName, TimeRange, Window};
use proptest::prelude::*;
use ulid::Ulid;

use super::*;
use crate::raw::{Counts, Landing, LeftOut, QuarantineList, RECEIPT_VERSION, Reason, Receipt, Receipts, Verdict};
use crate::store::Store;
use crate::store::tests::loses_first_answer;

const LONG: Duration = Duration::from_hours(1);

fn stream() -> StreamName {
    "shop.orders".parse().unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_709_251_200 + seconds, 0).unwrap()
}

fn range(from: i64, until: i64) -> Window {
    Window::range(Slice::whole(), TimeRange::new(at(from), at(until)).unwrap())
}

fn setup(text: &str) -> Digest16 {
    Digest16::of(text.as_bytes())
}

async fn ledger() -> (Ledger, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(at(0)));
    (Ledger::in_memory(clock.clone()).await.unwrap(), clock)
}

async fn lease(ledger: &Ledger, window: &Window) -> Lease {
    ledger.lease(&Unit::window(&stream(), window), LONG).await.unwrap().unwrap()
}

fn receipt(window: &Window, generation: u64, read_at: DateTime<Utc>, verdict: Verdict) -> Receipt {
    Receipt {
        version: RECEIPT_VERSION,
        lake: Ulid::from_parts(1, 0),
        stream: stream(),
        slice: window.slice.clone(),
        window: window.name(),
        generation,
        attempt: Ulid::from_parts(2, u128::from(generation)),
        reason: Reason::First,
        parts_of: None,
        same_as: None,
        read_at,
        finished_at: read_at,
        verdict,
        counts: Counts::default(),
        left_out: LeftOut::default(),
        digest: DigestSum::default(),
        manifest: setup("manifest"),
        contract: setup("contract"),
        token_in: None,
        token_out: None,
        parts: Vec::new(),
        typed: Vec::new(),
        quarantine: QuarantineList::default(),
        erasure: None,
    }
}

fn held() -> Verdict {
    Verdict::Held { reason: "empty".to_owned() }
}

fn failure(fingerprint: &str, permanent: bool) -> Failure {
    Failure {
        code: "unauthorized".to_owned(),
        message: "the source refused".to_owned(),
        fix: "renew the key".to_owned(),
        fingerprint: fingerprint.to_owned(),
        permanent,
        retry_at: None,
    }
}

async fn row(ledger: &Ledger, window: &Window) -> WindowRow {
    ledger.window(&stream(), window).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_unit_is_leased_to_one_and_taken_over_only_when_it_ran_out() {
    let (ledger, _) = ledger().await;
    let unit = Unit::window(&stream(), &range(0, 10));
    let zombie = ledger.lease(&unit, Duration::ZERO).await.unwrap().unwrap();
    let holder = ledger.lease(&unit, LONG).await.unwrap().unwrap();
    assert_ne!(zombie.token(), holder.token());
    assert_eq!(ledger.lease(&unit, LONG).await.unwrap(), None);
    // What the zombie says is not heard, and its release releases nothing.
    for refused in [
        ledger.renew(&zombie, LONG).await,
        ledger.stage(&zombie, Stage::Extracting).await,
        ledger.landed(&zombie, &stream(), &range(0, 10), &[receipt(&range(0, 10), 1, at(0), Verdict::Passed)]).await,
        ledger.committed(&zombie, &stream(), &[(range(0, 10), 1)]).await,
        ledger.beaten(&zombie, &stream(), &range(0, 10)).await,
        ledger.attempt_failed(&zombie, &stream(), &range(0, 10), &failure("f", true), setup("a")).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), "lease-lost");
    }
    assert_eq!(ledger.window(&stream(), &range(0, 10)).await.unwrap(), None);
    ledger.release(zombie).await.unwrap();
    ledger.renew(&holder, LONG).await.unwrap();
    assert!(ledger.longest_lease().await.unwrap() > LONG / 2);
    ledger.release(holder).await.unwrap();
    assert!(ledger.lease(&unit, LONG).await.unwrap().is_some());
}

#[tokio::test]
async fn a_lease_speaks_about_its_unit_only() {
    let (ledger, _) = ledger().await;
    let one = lease(&ledger, &range(0, 10)).await;
    let refused = ledger.committed(&one, &stream(), &[(range(0, 10), 1), (range(10, 20), 1)]).await;
    assert_eq!(refused.unwrap_err().code(), "lease-other");
    let all = ledger.lease(&Unit::stream(&stream()), LONG).await.unwrap().unwrap();
    ledger.committed(&all, &stream(), &[(range(0, 10), 1), (range(10, 20), 1)]).await.unwrap();
    let other: StreamName = "shop.orders_archive".parse().unwrap();
    assert_eq!(ledger.committed(&all, &other, &[(range(0, 10), 1)]).await.unwrap_err().code(), "lease-other");
}

#[tokio::test]
async fn the_state_follows_what_a_runner_does_and_a_dead_one_leaves_none() {
    let (ledger, _) = ledger().await;
    let window = range(0, 10);
    ledger.plan(&stream(), std::slice::from_ref(&window), None).await.unwrap();
    assert_eq!(row(&ledger, &window).await.state, WindowState::Planned);
    let lease = lease(&ledger, &window).await;
    assert_eq!(row(&ledger, &window).await.state, WindowState::Leased);
    ledger.stage(&lease, Stage::Extracting).await.unwrap();
    assert_eq!(row(&ledger, &window).await.state, WindowState::Extracting);
    ledger.renew(&lease, Duration::ZERO).await.unwrap();
    assert_eq!(row(&ledger, &window).await.state, WindowState::Planned);

    let first = receipt(&window, 1, at(20), Verdict::Passed);
    ledger.landed(&lease, &stream(), &window, std::slice::from_ref(&first)).await.unwrap();
    let landed = row(&ledger, &window).await;
    assert!(
        landed.state == WindowState::Landed
            && landed.owes_commit()
            && !landed.is_missing(at(20))
            && landed.is_missing(at(21))
    );
    ledger.committed(&lease, &stream(), &[(window.clone(), 1)]).await.unwrap();
    let committed = row(&ledger, &window).await;
    assert!(committed.state == WindowState::Committed && !committed.owes_commit());
    let agreed = Agreed { window: window.clone(), generation: 1, shown_rows: BTreeMap::new() };
    ledger.reconciled(&lease, &stream(), &[agreed], &[]).await.unwrap();
    assert_eq!(row(&ledger, &window).await.state, WindowState::Reconciled);

    // A re-read that says `same_as` owes nothing; one with parts does.
    let same = Receipt { same_as: Some(1), ..receipt(&window, 2, at(30), Verdict::Passed) };
    ledger.landed(&lease, &stream(), &window, &[first.clone(), same.clone()]).await.unwrap();
    let unchanged = row(&ledger, &window).await;
    assert!(unchanged.state == WindowState::Reconciled && !unchanged.owes_commit());
    assert_eq!(unchanged.passed_read_at(), Some(at(30)));
    let third = receipt(&window, 3, at(40), Verdict::Passed);
    ledger.landed(&lease, &stream(), &window, &[first, same, third]).await.unwrap();
    assert!(row(&ledger, &window).await.owes_commit());
    // A table that was restored to an older version owes a commit again.
    ledger.found(&lease, &stream(), &[(window.clone(), None)]).await.unwrap();
    assert_eq!(row(&ledger, &window).await.state, WindowState::Landed);
}

#[tokio::test]
async fn an_older_listing_does_not_undo_a_newer_one() {
    let (ledger, _) = ledger().await;
    let window = range(0, 10);
    let lease = lease(&ledger, &window).await;
    let [first, second] = [1, 2].map(|generation| receipt(&window, generation, at(20), Verdict::Passed));
    ledger.landed(&lease, &stream(), &window, &[first.clone(), second]).await.unwrap();
    ledger.landed(&lease, &stream(), &window, &[first]).await.unwrap();
    assert_eq!(row(&ledger, &window).await.facts.standing.unwrap().generation, 2);
}

#[tokio::test]
async fn three_equal_permanent_failures_stop_a_window_until_something_changes() {
    let (ledger, clock) = ledger().await;
    let window = range(0, 10);
    let lease = lease(&ledger, &window).await;
    let tell = async |fingerprint: &str, permanent, with: &str| {
        clock.advance(TimeDelta::seconds(1));
        ledger.attempt_failed(&lease, &stream(), &window, &failure(fingerprint, permanent), setup(with)).await.unwrap()
    };
    for (fingerprint, permanent, with, times, stops) in [
        ("a", false, "x", 1, false),
        ("a", false, "x", 2, false),
        ("a", false, "x", 3, false),
        ("a", true, "x", 1, false),
        ("b", true, "x", 1, false),
        ("b", true, "x", 2, false),
        ("b", true, "y", 1, false),
        ("b", true, "y", 2, false),
        ("b", true, "y", 3, true),
    ] {
        let record = tell(fingerprint, permanent, with).await;
        assert_eq!((record.times, record.stops()), (times, stops), "{fingerprint} {permanent} {with}");
    }
    ledger.release(lease.clone()).await.unwrap();
    let stopped = row(&ledger, &window).await;
    assert_eq!(stopped.state, WindowState::Stopped);
    assert_eq!(stopped.blocked(at(1_000_000), setup("y")), Some(Blocked::Stopped));
    assert_eq!(stopped.blocked(at(0), setup("z")), None);
    assert_eq!(stopped.facts.failure.unwrap().first_at, at(7));
}

#[tokio::test]
async fn a_failure_waits_for_its_time_parking_is_none_and_a_landing_clears_both() {
    let (ledger, _) = ledger().await;
    let window = range(0, 10);
    let lease = lease(&ledger, &window).await;
    let throttled = Failure { retry_at: Some(at(60)), ..failure("throttled", false) };
    ledger.attempt_failed(&lease, &stream(), &window, &throttled, setup("x")).await.unwrap();
    let failed = row(&ledger, &window).await;
    assert_eq!(failed.blocked(at(59), setup("x")), Some(Blocked::RetryAt(at(60))));
    assert_eq!(failed.blocked(at(60), setup("x")), None);
    ledger.parked(&lease, &stream(), &window, at(90), "429, Retry-After 90").await.unwrap();
    let parked = row(&ledger, &window).await;
    assert_eq!(parked.blocked(at(61), setup("x")), Some(Blocked::ParkedUntil(at(90))));
    ledger.landed(&lease, &stream(), &window, &[receipt(&window, 1, at(100), Verdict::Passed)]).await.unwrap();
    let landed = row(&ledger, &window).await;
    assert_eq!((landed.blocked(at(1), setup("x")), landed.facts.failure), (None, None));
}

#[tokio::test]
async fn a_held_window_is_read_again_after_an_hour_a_day_a_week_and_then_waits_for_a_person() {
    let (ledger, _) = ledger().await;
    let window = range(0, 10);
    let lease = lease(&ledger, &window).await;
    let mut receipts = vec![receipt(&window, 1, at(0), Verdict::Passed)];
    let day = 86_400;
    for (read_at, again) in [(100, Some(3_600)), (5_000, Some(day)), (2 * day, Some(7 * day)), (10 * day, None)] {
        receipts.push(receipt(&window, receipts.len() as u64 + 1, at(read_at), held()));
        ledger.landed(&lease, &stream(), &window, &receipts).await.unwrap();
        let row = row(&ledger, &window).await;
        let expected = again.map_or(Blocked::HeldForPerson, |again| Blocked::HeldUntil(at(read_at + again)));
        assert_eq!(row.blocked(at(read_at + 1), setup("x")), Some(expected));
        assert!(row.is_missing(at(50)), "a held reading pays nothing");
        assert!(again.is_none_or(|again| row.blocked(at(read_at + again), setup("x")).is_none()));
    }
    // A person who asks again does not wait.
    assert_eq!(ledger.ask_again(&stream(), None, at(11 * day)).await.unwrap(), 1);
    let asked = row(&ledger, &window).await;
    assert!(asked.owes_resync() && asked.blocked(at(11 * day), setup("x")).is_none());
    receipts.push(receipt(&window, 6, at(12 * day), Verdict::Passed));
    ledger.landed(&lease, &stream(), &window, &receipts).await.unwrap();
    assert!(!row(&ledger, &window).await.owes_resync());
}

#[tokio::test]
async fn a_demand_is_met_by_the_next_reading_even_within_the_second_that_a_source_shows() {
    let (ledger, _) = ledger().await;
    let window = range(0, 10);
    let lease = lease(&ledger, &window).await;
    let mut receipts = vec![receipt(&window, 1, at(100), Verdict::Passed)];
    ledger.landed(&lease, &stream(), &window, &receipts).await.unwrap();
    ledger.ask_again(&stream(), None, at(100)).await.unwrap();
    assert!(row(&ledger, &window).await.owes_resync(), "what was read before does not meet it");
    receipts.push(receipt(&window, 2, at(100), held()));
    ledger.landed(&lease, &stream(), &window, &receipts).await.unwrap();
    assert!(row(&ledger, &window).await.owes_resync(), "a held reading pays nothing");
    receipts.push(receipt(&window, 3, at(100), Verdict::Passed));
    ledger.landed(&lease, &stream(), &window, &receipts).await.unwrap();
    assert!(!row(&ledger, &window).await.owes_resync());
}

#[tokio::test]
async fn a_table_that_went_back_owes_again_what_the_ledger_thought_shown() {
    let (ledger, _) = ledger().await;
    let lease = ledger.lease(&Unit::stream(&stream()), LONG).await.unwrap().unwrap();
    let windows = [range(0, 10), range(10, 20), range(20, 30)];
    let lists = [0, 60].map(|second| Window::snapshot(Slice::named("list"), at(second)));
    for window in windows.iter().chain(&lists) {
        ledger.landed(&lease, &stream(), window, &[receipt(window, 1, at(0), Verdict::Passed)]).await.unwrap();
        ledger.committed(&lease, &stream(), &[(window.clone(), 1)]).await.unwrap();
    }
    let newest = |window: &Window| (window.txn_id(), at(60).timestamp_millis());
    let generation = (crate::commit::generation_id(&lists[1]), 1);
    let mut shown = Transactions::from([(windows[0].txn_id(), 1), newest(&lists[1]), generation]);
    shown.extend(windows[1..].iter().map(|window| (window.txn_id(), 1)));
    assert_eq!(ledger.receded(&stream(), &shown).await.unwrap(), []);
    shown.remove(&windows[1].txn_id());
    shown.insert(lists[0].txn_id(), at(0).timestamp_millis());
    let receded = ledger.receded(&stream(), &shown).await.unwrap();
    assert_eq!(receded, [(windows[1].clone(), None), (lists[1].clone(), None)]);
    ledger.found(&lease, &stream(), &receded).await.unwrap();
    assert!(row(&ledger, &windows[1]).await.owes_commit() && !row(&ledger, &windows[0]).await.owes_commit());
}

#[tokio::test]
async fn a_rebuilt_ledger_sees_which_generation_of_a_snapshot_is_shown() {
    let (raw, (live, _), (fresh, _)) = (Store::memory().unwrap(), ledger().await, ledger().await);
    live.claim(&raw).await.unwrap();
    let list = Window::snapshot(Slice::whole(), at(0));
    for generation in 1..=2 {
        Receipts::new(&raw).create(&receipt(&list, generation, at(0), Verdict::Passed)).await.unwrap();
    }
    // The second generation is a replay of the same list; the table still shows the first.
    let shown =
        Transactions::from([(list.txn_id(), at(0).timestamp_millis()), (crate::commit::generation_id(&list), 1)]);
    fresh.rebuild(&raw, &BTreeMap::from([(stream(), shown)])).await.unwrap();
    let row = row(&fresh, &list).await;
    assert!(row.facts.committed == Some(1) && row.owes_commit());
}

#[tokio::test]
async fn a_backfill_asks_for_every_window_that_shares_an_instant_with_its_range() {
    let (ledger, _) = ledger().await;
    let windows = [range(0, 10), range(10, 20), range(20, 30)];
    ledger.plan(&stream(), &windows, None).await.unwrap();
    let asked = ledger.ask_again(&stream(), TimeRange::new(at(9), at(20)).ok(), at(0)).await.unwrap();
    assert_eq!(asked, 2);
    let rows = ledger.coverage(&stream()).await.unwrap();
    let owes: Vec<bool> = rows.iter().map(WindowRow::owes_resync).collect();
    assert_eq!(owes, [true, true, false]);
}

#[tokio::test]
async fn bounds_that_a_receipt_or_a_runner_fixes_refuse_others() {
    let (ledger, _) = ledger().await;
    let (read, running, free) = (range(0, 10), range(10, 20), range(20, 30));
    ledger.plan(&stream(), &[read.clone(), running.clone(), free.clone()], None).await.unwrap();
    let reader = lease(&ledger, &read).await;
    ledger.landed(&reader, &stream(), &read, &[receipt(&read, 1, at(40), Verdict::Passed)]).await.unwrap();
    ledger.release(reader).await.unwrap();
    let runner = lease(&ledger, &running).await;
    let planned =
        ledger.plan(&stream(), &[range(5, 12), range(12, 25), range(21, 25), range(25, 40)], None).await.unwrap();
    assert_eq!(planned.refused, [(range(5, 12), read.clone()), (range(12, 25), running.clone())]);
    assert_eq!(planned.accepted, [range(21, 25), range(25, 40)]);
    assert_eq!(row(&ledger, &free).await.state, WindowState::Superseded);
    // The same bounds again are no news, and a change back is one.
    assert_eq!(ledger.plan(&stream(), &[read, running, free.clone()], Some(&runner)).await.unwrap().refused, []);
    assert_eq!(row(&ledger, &free).await.state, WindowState::Planned);
    assert_eq!(row(&ledger, &range(21, 25)).await.state, WindowState::Superseded);
}

#[tokio::test]
async fn a_split_must_tile_its_window() {
    let (ledger, _) = ledger().await;
    let window = range(0, 10);
    ledger.plan(&stream(), std::slice::from_ref(&window), None).await.unwrap();
    let lease = lease(&ledger, &window).await;
    for pieces in [
        vec![],
        vec![range(0, 10)],
        vec![range(0, 4), range(5, 10)],
        vec![range(0, 6), range(5, 10)],
        vec![range(0, 5), range(5, 11)],
    ] {
        let refused = ledger.split(&lease, &stream(), &window, &pieces).await.unwrap_err();
        assert_eq!(refused.code(), "split-not-tiled");
    }
    ledger.split(&lease, &stream(), &window, &[range(5, 10), range(0, 5)]).await.unwrap();
    let states: Vec<_> = ledger.coverage(&stream()).await.unwrap().into_iter().map(|row| row.facts.state()).collect();
    assert_eq!(states, [WindowState::Planned, WindowState::Split, WindowState::Planned]);
}

#[tokio::test]
async fn a_snapshot_takes_over_the_failures_of_the_unread_one_before_it() {
    let (ledger, clock) = ledger().await;
    let mut times = Vec::new();
    for minute in 0..3 {
        let window = Window::snapshot(Slice::whole(), at(minute * 60));
        let lease = lease(&ledger, &window).await;
        let planned = ledger.plan(&stream(), std::slice::from_ref(&window), Some(&lease)).await.unwrap();
        assert_eq!(planned.accepted.first(), Some(&window));
        let record = ledger.attempt_failed(&lease, &stream(), &window, &failure("a", true), setup("x")).await.unwrap();
        times.push(record.times);
        ledger.release(lease).await.unwrap();
        clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(times, [1, 2, 3]);
    let rows = ledger.coverage(&stream()).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(newest_snapshot(&rows, &Slice::whole()).unwrap().state, WindowState::Stopped);
}

#[tokio::test]
async fn a_table_that_shows_a_snapshot_owes_nothing_to_older_ones() {
    let (ledger, _) = ledger().await;
    let [older, newer] = [0, 60].map(|second| Window::snapshot(Slice::whole(), at(second)));
    let lease = lease(&ledger, &newer).await;
    for window in [&older, &newer] {
        ledger.landed(&lease, &stream(), window, &[receipt(window, 1, at(0), Verdict::Passed)]).await.unwrap();
    }
    ledger.committed(&lease, &stream(), &[(newer.clone(), 1)]).await.unwrap();
    ledger.release(lease).await.unwrap();
    let rows = ledger.coverage(&stream()).await.unwrap();
    assert!(rows.iter().all(|row| row.state == WindowState::Committed && !row.owes_commit()));
    assert_eq!(newest_snapshot(&rows, &Slice::whole()).unwrap().window, newer);
}

#[tokio::test]
async fn the_head_of_a_chain_is_its_last_link_and_the_one_that_was_read() {
    let (ledger, _) = ledger().await;
    let [first, fork, second] =
        [(0, ""), (1, "fork"), (1, "a")].map(|(number, token)| Window::link(Slice::whole(), number, token));
    let lease = lease(&ledger, &first).await;
    let read = |window: &Window, token: &str| Receipt {
        token_out: Some(token.to_owned()),
        ..receipt(window, 1, at(0), Verdict::Passed)
    };
    ledger.landed(&lease, &stream(), &first, &[read(&first, "a")]).await.unwrap();
    ledger.landed(&lease, &stream(), &second, &[read(&second, "b")]).await.unwrap();
    ledger.release(lease).await.unwrap();
    assert_eq!(ledger.plan(&stream(), std::slice::from_ref(&fork), None).await.unwrap().refused, [(fork, second)]);
    let rows = ledger.coverage(&stream()).await.unwrap();
    let head = chain_head(&rows, &Slice::whole()).unwrap();
    assert_eq!(head.facts.standing.as_ref().unwrap().token_out.as_deref(), Some("b"));
}

#[tokio::test]
async fn a_run_ends_once_and_the_newest_is_listed_first() {
    let (ledger, clock) = ledger().await;
    let first = ledger.begin_run("run shop").await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    let second = ledger.begin_run("run").await.unwrap();
    ledger.finish_run(first, "done", &serde_json::json!({ "windows": 3 })).await.unwrap();
    ledger.finish_run(first, "failed", &serde_json::json!({})).await.unwrap();
    let runs = ledger.runs(10).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.run).collect::<Vec<_>>(), [second, first]);
    let kept = ledger.run(first).await.unwrap().unwrap();
    assert_eq!((kept.outcome.as_deref(), kept.finished_at), (Some("done"), Some(at(5))));
    assert_eq!(kept.report, Some(serde_json::json!({ "windows": 3 })));
    assert_eq!(ledger.run(Ulid::from_parts(0, 0)).await.unwrap(), None);
}

#[tokio::test]
async fn a_lake_has_one_owner_and_an_old_ledger_is_refused() {
    let (one, _) = ledger().await;
    let (two, _) = ledger().await;
    for raw in [Store::memory().unwrap(), loses_first_answer()] {
        assert_eq!(one.claim(&raw).await.unwrap().number, 1);
        assert_eq!(one.claim(&raw).await.unwrap(), one.check_owner(&raw).await.unwrap());
        let refused = two.claim(&raw).await.unwrap_err();
        assert_eq!((refused.code(), refused.kind().exit_code()), ("ledger-not-owner", 75));
        assert!(refused.fix().contains("headwater ledger rebuild"));
        assert_eq!(two.take_over(&raw).await.unwrap().number, 2);
        assert_eq!(two.take_over(&raw).await.unwrap().number, 2);
        assert!(one.check_owner(&raw).await.is_err() && one.claim(&raw).await.is_err());
        assert_eq!(one.lake_id(&raw).await.unwrap(), two.lake_id(&raw).await.unwrap());
    }
}

#[tokio::test]
async fn a_receipt_that_the_ledger_lacks_is_taken_over_and_planned_bounds_make_room() {
    let ((ledger, _), raw) = (ledger().await, Store::memory().unwrap());
    let lease = ledger.lease(&Unit::stream(&stream()), LONG).await.unwrap().unwrap();
    let receipts = Receipts::new(&raw);
    let (lost, older, planned) = (range(0, 10), range(10, 20), range(5, 8));
    for (window, generation) in [(&lost, 1), (&older, 1), (&older, 2)] {
        receipts.create(&receipt(window, generation, at(generation.cast_signed()), Verdict::Passed)).await.unwrap();
    }
    ledger.landed(&lease, &stream(), &older, &[receipt(&older, 1, at(1), Verdict::Passed)]).await.unwrap();
    ledger.plan(&stream(), std::slice::from_ref(&planned), Some(&lease)).await.unwrap();
    let found = ledger.catch_up(&raw, &lease, &stream()).await.unwrap();
    assert_eq!((found.landed, found.unreadable.len()), (vec![lost.clone(), older.clone()], 0));
    assert!(row(&ledger, &lost).await.owes_commit());
    assert_eq!(row(&ledger, &older).await.facts.standing.unwrap().generation, 2);
    assert_eq!(row(&ledger, &planned).await.state, WindowState::Superseded);
    assert_eq!(ledger.catch_up(&raw, &lease, &stream()).await.unwrap().landed, []);
}

#[tokio::test]
async fn a_receipt_that_cannot_be_read_keeps_no_other_window_from_being_taken_over() {
    let ((ledger, _), raw) = (ledger().await, Store::memory().unwrap());
    let lease = ledger.lease(&Unit::stream(&stream()), LONG).await.unwrap().unwrap();
    let (torn, whole) = (range(0, 10), range(10, 20));
    raw.put_new(&crate::zones::layout::receipt_path(&stream(), &torn, 1), bytes::Bytes::from_static(b"{"))
        .await
        .unwrap();
    Receipts::new(&raw).create(&receipt(&whole, 1, at(1), Verdict::Passed)).await.unwrap();
    let found = ledger.catch_up(&raw, &lease, &stream()).await.unwrap();
    assert_eq!(found.landed, [whole]);
    let unreadable: Vec<_> = found.unreadable.iter().map(|(window, error)| (window.clone(), error.code())).collect();
    assert_eq!(unreadable, [(torn, "receipt-unreadable")]);
}

#[tokio::test]
async fn a_rebuilt_table_takes_back_commits_that_it_does_not_show_and_names_who_is_beaten() {
    let (ledger, _) = ledger().await;
    let lease = ledger.lease(&Unit::stream(&stream()), LONG).await.unwrap().unwrap();
    let windows = [range(0, 10), range(5, 15), range(20, 30)];
    let receipts: BTreeMap<_, _> =
        windows.iter().map(|window| (window.clone(), vec![receipt(window, 1, at(0), Verdict::Passed)])).collect();
    for (window, all) in &receipts {
        ledger.landed(&lease, &stream(), window, all).await.unwrap();
    }
    // The table showed the second and the third; now it shows the first, which was beaten.
    ledger.committed(&lease, &stream(), &[(windows[1].clone(), 1), (windows[2].clone(), 1)]).await.unwrap();
    ledger.beaten(&lease, &stream(), &windows[0]).await.unwrap();
    let shown = Transactions::from([(windows[0].txn_id(), 1)]);
    ledger.rebuilt(&lease, &stream(), &receipts, &shown).await.unwrap();
    let mut states = Vec::new();
    for window in &windows {
        states.push(row(&ledger, window).await.state);
    }
    assert_eq!(states, [WindowState::Committed, WindowState::Beaten, WindowState::Landed]);
}

#[tokio::test]
async fn a_lake_is_claimed_once_more_only_by_its_owner() {
    let raw = Store::memory().unwrap();
    let ((owner, _), (other, _)) = (ledger().await, ledger().await);
    assert_eq!(owner.claim(&raw).await.unwrap().number, 1);
    assert_eq!(owner.claim_next(&raw).await.unwrap().number, 2);
    assert_eq!(owner.check_owner(&raw).await.unwrap().number, 2);
    assert_eq!(other.claim_next(&raw).await.unwrap_err().code(), "ledger-not-owner");
}

#[tokio::test]
async fn of_many_ledgers_that_claim_a_lake_at_once_one_owns_it() {
    let raw = Store::memory().unwrap();
    let mut claims = Vec::new();
    for _ in 0..8 {
        let ((ledger, _), raw) = (ledger().await, raw.clone());
        claims.push(tokio::spawn(async move { ledger.claim(&raw).await.map(|claim| claim.lake) }));
    }
    let outcomes: Vec<_> = futures::future::join_all(claims).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_and_an_old_one_keeps_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/ledger.db");
    let clock: Arc<FixedClock> = Arc::new(FixedClock::at(at(0)));
    let first = Ledger::open(&path, clock.clone()).await.unwrap();
    let second = Ledger::open(&path, clock.clone()).await.unwrap();
    assert_eq!(first.id(), second.id());
    sqlx::raw_sql("pragma user_version = 99").execute(first.pool()).await.unwrap();
    assert_eq!(Ledger::open(&path, clock).await.unwrap_err().code(), "ledger-newer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runners_on_one_file_share_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let windows: Vec<Window> = (0..40).map(|hour| range(hour * 3_600, (hour + 1) * 3_600)).collect();
    let runners = (0..4).map(|_| {
        let (path, windows) = (path.clone(), windows.clone());
        tokio::spawn(async move {
            // A pool of its own, as another process has.
            let ledger = Ledger::open(&path, Arc::new(FixedClock::at(at(0)))).await.unwrap();
            assert_eq!(ledger.plan(&stream(), &windows, None).await.unwrap().refused, []);
            let mut read = Vec::new();
            for window in &windows {
                let Some(lease) = ledger.lease(&Unit::window(&stream(), window), LONG).await.unwrap() else { continue };
                if row(&ledger, window).await.is_missing(at(0)) {
                    ledger
                        .landed(&lease, &stream(), window, &[receipt(window, 1, at(1), Verdict::Passed)])
                        .await
                        .unwrap();
                    read.push(window.clone());
                }
                ledger.release(lease).await.unwrap();
            }
            read
        })
    });
    let mut read: Vec<_> = futures::future::join_all(runners).await.into_iter().flat_map(Result::unwrap).collect();
    read.sort();
    assert_eq!(read, windows, "each window is read by exactly one runner");
}

/// A lake with readings of every kind, told to a ledger as a runner would.
async fn landed_lake(raw: &Store, live: &Ledger, kinds: &[(i64, u8)]) -> BTreeMap<StreamName, Transactions> {
    let receipts = Receipts::new(raw);
    let all = live.lease(&Unit::stream(&stream()), LONG).await.unwrap().unwrap();
    let mut transactions = Transactions::new();
    for (at_seconds, (slot, kind)) in (0_i64..).zip(kinds) {
        let window = match slot % 4 {
            3 => Window::snapshot(Slice::named("s"), at(*slot)),
            2 => Window::link(Slice::named("c"), u64::try_from(*slot).unwrap(), "token"),
            _ => range(slot * 10, slot * 10 + 10),
        };
        let mut known = receipts.of_window(&stream(), &window).await.unwrap();
        if slot % 4 == 3 && !known.is_empty() {
            continue; // A snapshot is read once: the next reading is another snapshot.
        }
        let verdict = if kind % 3 == 0 { held() } else { Verdict::Passed };
        let new = receipt(&window, known.len() as u64 + 1, at(1_000 + at_seconds), verdict);
        assert_eq!(receipts.create(&new).await.unwrap(), Landing::Created);
        known.push(new);
        live.landed(&all, &stream(), &window, &known).await.unwrap();
        let data = crate::raw::data_generation(&known).map(|receipt| receipt.generation);
        if let (Some(generation), true) = (data, kind % 2 == 0) {
            let version = match &window.bounds {
                headwater_contract::Bounds::Snapshot { read_at } => read_at.timestamp_millis(),
                _ => i64::try_from(generation).unwrap(),
            };
            let shown = transactions.entry(window.txn_id()).or_insert(version);
            *shown = (*shown).max(version);
            if *shown == version && matches!(window.bounds, headwater_contract::Bounds::Snapshot { .. }) {
                let generation = i64::try_from(generation).unwrap();
                transactions.insert(crate::commit::generation_id(&window), generation);
            }
            live.committed(&all, &stream(), &[(window, generation)]).await.unwrap();
        }
    }
    live.release(all).await.unwrap();
    BTreeMap::from([(stream(), transactions)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_rebuilt_ledger_says_what_the_live_one_says(kinds in proptest::collection::vec((0_i64..9, 0_u8..6), 0..24)) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let raw = Store::memory().unwrap();
            let (live, _) = ledger().await;
            live.claim(&raw).await.unwrap();
            let transactions = landed_lake(&raw, &live, &kinds).await;
            let (fresh, _) = ledger().await;
            let report = fresh.rebuild(&raw, &transactions).await.unwrap();
            assert_eq!(report.claim.number, 2);
            let facts = async |ledger: &Ledger| {
                let rows = ledger.coverage(&stream()).await.unwrap();
                rows.into_iter().map(|row| (row.window.clone(), row.owes_commit(), row.state, row.facts)).collect::<Vec<_>>()
            };
            assert_eq!(facts(&fresh).await, facts(&live).await);
            assert!(live.check_owner(&raw).await.is_err());
        });
    }

    /// Against a list of seconds: planning in any order, with readings and leases between, never lets two windows stand for one
    /// second, never moves a second that was read to another window, and refuses only for a reason.
    #[test]
    fn windows_never_overlap_and_are_never_lost(
        steps in proptest::collection::vec((0_i64..30, 1_i64..12, 0_u8..4), 1..30),
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let (ledger, _) = ledger().await;
            let mut read_by: BTreeMap<i64, Window> = BTreeMap::new();
            let mut held: BTreeMap<Window, Lease> = BTreeMap::new();
            for (from, length, act) in steps {
                let window = range(from, from + length);
                let planned = ledger.plan(&stream(), std::slice::from_ref(&window), None).await.unwrap();
                for (_, fixed) in &planned.refused {
                    assert!(held.contains_key(fixed) || read_by.values().any(|read| read == fixed), "refused for nothing");
                }
                let live: Vec<WindowRow> =
                    ledger.coverage(&stream()).await.unwrap().into_iter().filter(|row| !row.is_replaced()).collect();
                for second in 0..45 {
                    let standing: Vec<_> = live.iter().filter(|row| row.range().unwrap().contains(at(second))).collect();
                    assert!(standing.len() <= 1, "second {second} stands in two windows");
                    let read = read_by.get(&second);
                    assert!(read.is_none_or(|read| standing.iter().any(|row| row.window == *read)), "second {second} is lost");
                }
                if !planned.accepted.is_empty() {
                    assert!(live.iter().any(|row| row.window == window), "an accepted window stands");
                }
                if planned.accepted.is_empty() || act == 0 || held.contains_key(&window) {
                    continue;
                }
                let lease = lease(&ledger, &window).await;
                if act == 1 {
                    held.insert(window, lease);
                    continue;
                }
                ledger.landed(&lease, &stream(), &window, &[receipt(&window, 1, at(50), Verdict::Passed)]).await.unwrap();
                ledger.release(lease).await.unwrap();
                read_by.extend((from..from + length).map(|second| (second, window.clone())));
            }
        });
    }
}
