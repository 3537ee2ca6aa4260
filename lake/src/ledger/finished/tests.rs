//! Folding loses nothing: what an interval stands for is there, counted, and comes back as it was.

use std::sync::Arc;
use std::time::Duration;

use headwater_contract::{Digest16, DigestSum, FixedClock};
use proptest::prelude::*;
use ulid::Ulid;

use super::*;
use crate::ledger::{Agreed, Unit};
use crate::raw::{Counts, Landing, LeftOut, QuarantineList, RECEIPT_VERSION, Reason, TypedFile, Verdict};

fn stream() -> StreamName {
    "shop.orders".parse().unwrap()
}

fn hour(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_709_251_200 + hours * 3_600, 0).unwrap()
}

fn window(number: i64) -> Window {
    Window::range(Slice::whole(), TimeRange::new(hour(number), hour(number + 1)).unwrap())
}

fn receipt(window: &Window, generation: u64, rows: u64) -> Receipt {
    let file = TypedFile {
        table: "orders".to_owned(),
        path: String::new(),
        rows,
        size: 1,
        hash: String::new(),
        stats: serde_json::Value::Null,
    };
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
        read_at: hour(1_000_000),
        finished_at: hour(1_000_000),
        verdict: Verdict::Passed,
        counts: Counts::default(),
        left_out: LeftOut::default(),
        digest: DigestSum::default(),
        manifest: Digest16::default(),
        contract: Digest16::default(),
        token_in: None,
        token_out: None,
        parts: Vec::new(),
        typed: vec![file],
        quarantine: QuarantineList::default(),
        erasure: None,
    }
}

struct World {
    raw: Store,
    ledger: Ledger,
    lease: Lease,
    receipts: BTreeMap<Window, Vec<Receipt>>,
    shown: Transactions,
}

/// A ledger with windows of so many generations and rows each, all of them compared.
async fn world(windows: &[(i64, u64, u64)], is_in_raw: bool) -> World {
    let raw = Store::memory().unwrap();
    let ledger = Ledger::in_memory(Arc::new(FixedClock::at(hour(0)))).await.unwrap();
    ledger.claim(&raw).await.unwrap();
    let lease = ledger.lease(&Unit::stream(&stream()), Duration::from_hours(1)).await.unwrap().unwrap();
    let (mut receipts, mut shown) = (BTreeMap::new(), Transactions::new());
    for (number, generations, rows) in windows {
        let window = window(*number);
        let all: Vec<Receipt> = (1..=*generations).map(|generation| receipt(&window, generation, *rows)).collect();
        for receipt in all.iter().filter(|_| is_in_raw) {
            assert_eq!(Receipts::new(&raw).create(receipt).await.unwrap(), Landing::Created);
        }
        shown.insert(window.txn_id(), i64::try_from(*generations).unwrap());
        receipts.insert(window, all);
    }
    ledger.rebuilt(&lease, &stream(), &receipts, &shown).await.unwrap();
    let world = World { raw, ledger, lease, receipts, shown };
    world.compare().await;
    world
}

impl World {
    async fn compare(&self) {
        let rows = self.ledger.coverage(&stream()).await.unwrap();
        let agreed: Vec<Agreed> = rows
            .into_iter()
            .map(|row| Agreed {
                generation: row.facts.committed.unwrap(),
                window: row.window,
                shown_rows: BTreeMap::new(),
            })
            .collect();
        self.ledger.reconciled(&self.lease, &stream(), &agreed, &[]).await.unwrap();
    }

    async fn fold(&self, numbers: impl IntoIterator<Item = i64>) -> usize {
        let windows: Vec<Window> = numbers.into_iter().map(window).collect();
        self.ledger.fold(&self.lease, &stream(), &windows, |_| true).await.unwrap()
    }

    async fn rows(&self) -> BTreeMap<Window, crate::ledger::Facts> {
        let rows = self.ledger.coverage(&stream()).await.unwrap();
        rows.into_iter().map(|row| (row.window, row.facts)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against the rows themselves: in any order and any number of steps, every window is a row or in exactly one interval, the sums
    /// are those of the rows, nothing can be planned over them, and unfolding brings back what was there.
    #[test]
    fn folding_loses_nothing(
        windows in proptest::collection::btree_map(0_i64..40, (1_u64..4, 0_u64..9), 1..30),
        steps in proptest::collection::vec(proptest::collection::vec(0_i64..40, 0..20), 1..4),
        robbed in 0_i64..40,
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let all: Vec<(i64, u64, u64)> =
                windows.iter().map(|(number, (generations, rows))| (*number, *generations, *rows)).collect();
            let world = world(&all, true).await;
            let before = world.rows().await;
            for step in steps {
                world.fold(step).await;
                let (rows, finished) = (world.rows().await, world.ledger.finished(&stream()).await.unwrap());
                for (number, ..) in &all {
                    let standing = finished.iter().filter(|interval| interval.covers(&window(*number))).count();
                    let is_row = rows.contains_key(&window(*number));
                    assert_eq!(standing + usize::from(is_row), 1, "window {number}");
                }
                for number in (0..40).filter(|number| !windows.contains_key(number)) {
                    assert!(finished.iter().all(|interval| !interval.overlaps(&window(number))), "nobody read {number}");
                }
                for interval in &finished {
                    let of: Vec<_> = all.iter().filter(|(number, ..)| interval.covers(&window(*number))).collect();
                    assert_eq!(interval.windows, of.len() as u64);
                    assert_eq!(interval.receipts, of.iter().map(|(_, generations, _)| generations).sum::<u64>());
                    assert_eq!(interval.rows.get("orders").copied(), Some(of.iter().map(|(.., rows)| rows).sum::<u64>()));
                    let refused = world.ledger.plan(&stream(), &[window(of[0].0)], None).await.unwrap().refused;
                    assert_eq!(refused.len(), 1, "a finished range is not planned again");
                }
                assert!(!world.ledger.is_behind(&world.raw, &stream()).await.unwrap());
                assert_eq!(world.ledger.lapsed(&stream(), &world.shown).await.unwrap(), []);
            }
            let finished = world.ledger.finished(&stream()).await.unwrap();
            let mut robbed_of = world.shown.clone();
            robbed_of.remove(&window(robbed).txn_id());
            let lapsed = world.ledger.lapsed(&stream(), &robbed_of).await.unwrap();
            assert_eq!(lapsed.len(), finished.iter().filter(|interval| interval.covers(&window(robbed))).count());
            world.ledger.unfold(&world.raw, &stream(), &finished, Some(&world.shown)).await.unwrap();
            world.compare().await;
            assert_eq!(world.rows().await, before);
            assert_eq!(world.ledger.finished(&stream()).await.unwrap(), []);
        });
    }
}

#[tokio::test]
async fn what_is_still_owed_is_not_folded() {
    let world = world(&[(0, 1, 1), (1, 1, 1), (2, 1, 1)], true).await;
    let range = TimeRange::new(hour(1), hour(2)).ok();
    world.ledger.ask_again(&stream(), range, hour(2_000_000)).await.unwrap();
    world.ledger.found(&world.lease, &stream(), &[(window(2), None)]).await.unwrap();
    assert_eq!(world.fold(0..3).await, 1);
    assert_eq!(world.rows().await.into_keys().collect::<Vec<_>>(), [window(1), window(2)]);
}

#[tokio::test]
async fn a_receipt_that_a_finished_window_gained_brings_its_interval_back() {
    let world = world(&[(0, 1, 1), (1, 1, 1), (5, 1, 1)], true).await;
    assert_eq!(world.fold([0, 1, 5]).await, 3);
    Receipts::new(&world.raw).create(&receipt(&window(1), 2, 7)).await.unwrap();
    assert!(world.ledger.is_behind(&world.raw, &stream()).await.unwrap());
    world.ledger.catch_up(&world.raw, &world.lease, &stream()).await.unwrap();
    let rows = world.rows().await;
    assert_eq!(rows.keys().cloned().collect::<Vec<_>>(), [window(0), window(1)], "the other interval stays");
    assert_eq!(rows[&window(1)].standing.as_ref().unwrap().generation, 2);
    assert!(!world.ledger.is_behind(&world.raw, &stream()).await.unwrap());
    // What is said about a window that an interval stands for is known already.
    world.ledger.committed(&world.lease, &stream(), &[(window(5), 1)]).await.unwrap();
    world.ledger.landed(&world.lease, &stream(), &window(5), &world.receipts[&window(5)]).await.unwrap();
    assert!(!world.rows().await.contains_key(&window(5)));
}

#[tokio::test]
async fn ten_years_of_hours_are_a_few_hundred_rows() {
    let hours = 10 * 366 * 24;
    let windows: Vec<(i64, u64, u64)> = (0..hours).map(|number| (number, 1, 3)).collect();
    let world = world(&windows, false).await;
    assert_eq!(world.fold(0..hours - 48).await, usize::try_from(hours).unwrap() - 48);
    let finished = world.ledger.finished(&stream()).await.unwrap();
    assert!(finished.len() < 350, "{} intervals", finished.len());
    assert_eq!(world.rows().await.len(), 48);
    assert_eq!(finished.iter().map(|interval| interval.windows).sum::<u64>(), u64::try_from(hours).unwrap() - 48);
    assert_eq!(world.ledger.lapsed(&stream(), &world.shown).await.unwrap(), []);
}
