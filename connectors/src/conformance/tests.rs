//! The suite can fail: a vendor of one manifest, read by another that is wrong in one place, or by an engine without patience.

use std::time::Duration;

use super::checks::Got;
use super::report::{Case, Check, CheckReport, Outcome};
use super::stage::{Cast, Player, Stage};
use super::trial;
use crate::connector::Connector;

const SHOP: &str = r"
manifest: 1
connector: shop
title: Shop
docs: none
settings: { key: { secret: true, help: h } }
http:
  base_url: https://shop.example.com/v1
  auth: { session: { steps: [{ url: /login, body: { json: { key: '{key}' } }, take: { sid: { field: /sid } } }], send: { header: { name: X-Session, value: sid } } } }
  limits: [{ requests: 100, per: 1 second, source: none }]
defaults:
  records: /data
  key: [id]
  deletes: none
  columns: { id: { type: int64 }, name: { type: string, nullable: true }, at: { type: timestamp } }
streams:
  orders:
    title: orders
    path: /orders
    kind: events
    pagination: { offset: { param: skip, total: /total } }
    page_size: { param: limit, value: 100, source: none }
    window: { field: at, length: 1 day, settle: 1 minute, lookback: 0, request: { from: from, until: until }, cap: { records: 1000, total: /total, source: none } }
  items:
    title: items
    path: /items
    kind: snapshot
    pagination: { last_record_cursor: { param: after, field: id, more: has_more } }
  changes:
    title: changes
    path: /changes
    kind: chain
    chain: { param: token, next: /next, more: /more }
  shops:
    title: shops
    path: /shops
    kind: snapshot
    pagination: { next_url: { url: /links/next } }
  visits:
    title: visits
    path: /shops/{shop}/visits
    kind: snapshot
    slices: { parent: { stream: shops, fields: { shop: id } }, as: shop }
  profile:
    title: profile
    path: /profile
    records: { each: { at: '' } }
    kind: snapshot
  notes:
    title: notes
    path: /notes
    kind: snapshot
    decoding: { lines: { wrap_as: name } }
    records: ''
    key: [name]
    columns: { name: { type: string } }
";

fn cast(wrong: &str, right: &str) -> Cast {
    let truth = Connector::parse(SHOP, "shop.yaml").unwrap();
    let text = SHOP.replacen(right, wrong, 1);
    assert!(right.is_empty() || text != SHOP, "{right} is not there");
    let text = if right.is_empty() { SHOP.to_owned() } else { text };
    let tried = Connector::parse(&text, "shop.yaml").unwrap_or_else(|error| panic!("{error}"));
    Cast { truth: Some(Player::new(&truth)), ..Cast::new(&tried, None) }
}

async fn reports(cast: &Cast, stream: &str) -> Vec<CheckReport> {
    let stage = Stage::open(cast, Some(stream)).await.unwrap();
    trial(cast, &stage, stream).await.unwrap().run().await
}

/// The checks that fail of a stream.
async fn failing(cast: &Cast, stream: &str) -> Vec<Check> {
    let reports = reports(cast, stream).await;
    reports.iter().filter(|report| report.has_failed()).map(|report| report.check).collect()
}

/// The cases that fail of a check of a stream.
async fn failing_cases(cast: &Cast, stream: &str, check: Check) -> Vec<String> {
    let reports = reports(cast, stream).await;
    let cases = reports.into_iter().filter(|report| report.check == check).flat_map(|report| report.cases);
    cases.filter(|case| matches!(case.outcome, Outcome::Failed { .. })).map(|case| case.name).collect()
}

fn has_failed(cases: &[Case]) -> bool {
    cases.iter().any(|case| matches!(case.outcome, Outcome::Failed { .. }))
}

#[tokio::test]
async fn the_manifest_that_the_vendor_is_made_of_passes() {
    for stream in ["orders", "items", "changes", "shops", "visits", "profile", "notes"] {
        assert_eq!(failing(&cast("", ""), stream).await, [], "{stream}");
    }
}

/// Each wrong place is found by the check that is there for it.
#[tokio::test]
async fn a_manifest_that_is_wrong_in_one_place_is_caught() {
    for (check, stream, right, wrong) in [
        (Check::Columns, "items", "id: { type: int64 }, name", "id: { type: int64, path: /ident }, name"),
        (Check::Columns, "items", "name: { type: string, nullable: true }", "name: { type: int64 }"),
        (Check::Access, "items", "name: X-Session", "name: X-Token"),
        (
            Check::Pages,
            "orders",
            "offset: { param: skip, total: /total }",
            "offset: { param: skip, start: 1, total: /total }",
        ),
        (
            Check::Pages,
            "orders",
            "pagination: { offset: { param: skip, total: /total } }",
            "pagination: { offset: { param: skip, total: /limit } }",
        ),
        (Check::Pages, "orders", "pagination: { offset: { param: skip, total: /total } }", "pagination: none"),
        (Check::Pages, "items", "param: after, field: id", "param: before, field: id"),
        (Check::Pages, "items", "field: id, more: has_more", "field: name, more: has_more"),
        (Check::Pages, "items", "path: /items", "path: /item"),
        (Check::Pages, "items", "records: /data", "records: /items"),
        (Check::Tiling, "orders", "until: until }", "until: until, until_is_inclusive: true }"),
        (Check::Tiling, "orders", "from: from, until: until", "from: until, until: from"),
        (Check::Gaps, "changes", "next: /next, more: /more", "next: /last, more: /more"),
        (
            Check::Renewal,
            "items",
            "  limits: [{",
            "  errors: [{ when: { status: 401 }, then: { fail: { class: source } } }]\n  limits: [{",
        ),
        (Check::Drift, "items", "    path: /items", "    path: /items\n    shape: [{ keep: 'record.name is string' }]"),
        (Check::Overflow, "orders", "records: 1000, total: /total", "records: 1000, total: /count"),
    ] {
        let failing = failing(&cast(wrong, right), stream).await;
        assert!(failing.contains(&check), "{check:?} {wrong}: {failing:?}");
    }
}

/// What only an engine can do wrong.
#[tokio::test]
async fn an_engine_without_patience_is_caught() {
    let mut never_again = cast("", "");
    never_again.patience.retries_max = 0;
    assert!(failing(&never_again, "items").await.contains(&Check::Resume));
    let mut never_waits = cast("", "");
    never_waits.patience.wait_max = Duration::ZERO;
    assert!(failing(&never_waits, "items").await.contains(&Check::Throttle));
}

/// No answer that is no data is taken for data: each place that lets one through is found by the case that is there for it.
#[tokio::test]
async fn whoever_is_taken_in_by_a_hostile_vendor_is_caught() {
    let mut gives_up = cast("", "");
    gives_up.patience.retries_max = 0;
    let mut gullible = cast("", "");
    gullible.is_gullible = true;
    let shrugs = cast("  errors: [{ when: { status: 503 }, then: accept }]\n  limits: [{", "  limits: [{");
    let lenient = cast("records: { found: /data }", "records: /data");
    let blind = cast("records: { found: '' }", "records: { each: { at: '' } }");
    for (cast, stream, case) in [
        (&lenient, "shops", "an answer without its list is no data"),
        (&blind, "profile", "an answer without its list is no data"),
        (&gives_up, "items", "a failure that passes is not seen"),
        (&shrugs, "notes", "a failure that stays is named"),
        (&gullible, "shops", "a next page elsewhere is refused"),
        (&gullible, "items", "a redirect to another origin is refused, and nothing is sent there"),
    ] {
        let failing = failing_cases(cast, stream, Check::Hostile).await;
        assert!(failing.iter().any(|known| known == case), "{case}: {failing:?}");
    }
}

/// A contract or slices that are others the next time a source is opened.
#[tokio::test]
async fn whoever_discovers_something_else_the_second_time_is_caught() {
    let cast = cast("", "");
    let stage = Stage::open(&cast, Some("visits")).await.unwrap();
    let mut promises_otherwise = trial(&cast, &stage, "visits").await.unwrap();
    assert!(!has_failed(&promises_otherwise.discovery().await));
    promises_otherwise.cast = self::cast("name: { type: string }", "name: { type: string, nullable: true }");
    assert!(has_failed(&promises_otherwise.discovery().await), "another contract is not seen");

    let lists_otherwise = trial(&cast, &stage, "visits").await.unwrap();
    let mut world = lists_otherwise.world(0).unwrap();
    let shops = world.tables.iter().position(|table| table.stream.name == "shops").unwrap();
    world.change(shops, |table| table.rows.iter_mut().for_each(|row| row.value["id"] = (row.number + 7_000).into()));
    lists_otherwise.worlds.lock().unwrap().insert(0, world);
    assert!(has_failed(&lists_otherwise.discovery().await), "other slices are not seen");
}

/// A check that does not end in its time fails by name, and the next one is made all the same.
#[tokio::test]
async fn a_check_that_goes_on_for_ever_is_a_failure() {
    let cast = Cast { check_max: Duration::ZERO, ..cast("", "") };
    let reports = reports(&cast, "items").await;
    assert_eq!(reports.len(), Check::ALL.len());
    let pages = reports.iter().find(|report| report.check == Check::Pages).unwrap();
    assert_eq!(pages.cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["the check ends"]);
    assert!(pages.has_failed());
}

#[tokio::test]
async fn what_comes_of_nothing_is_no_success() {
    let cast = cast("", "");
    let stage = Stage::open(&cast, Some("items")).await.unwrap();
    let trial = trial(&cast, &stage, "items").await.unwrap();
    trial.columns();
    assert!(trial.named(Ok(Got::default())).is_err(), "no records are taken for success");
    assert!(!CheckReport { check: Check::Hostile, cases: Vec::new() }.has_failed());
}
