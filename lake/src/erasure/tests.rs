//! A person is planted in every kind of stream, erased, and looked for byte by byte.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use chrono::TimeDelta;
use headwater_contract::{Slice, StreamContract, StreamKind, Window};

use super::*;
use crate::attempt::{read_rows, targets};
use crate::cleanse::rebuild_cleansed;
use crate::cleanse::tests::{Lines, World, day, hour, order, orders};
use crate::commit::{keyed_targets, refresh_keyed};
use crate::maintenance::clean_parts;
use crate::quarantine;
use crate::raw::{Reason, Receipts, Verdict, data_generation};
use crate::store::Store;

/// What stands in the person's records and nowhere else.
const CANARY: &str = "ada.lovelace@example.com";
/// The person's line of an order.
const SKU: &str = "sku-of-ada-lovelace";
const PERSON: i64 = 7_777_777;

fn of_person(at: i64, generation: i64) -> String {
    order(PERSON, at, &format!("{CANARY} {generation}"), &[(SKU, generation)])
}

/// Everything that a zone holds, decoded, as text.
async fn texts(store: &Store) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in store.list("").await.unwrap() {
        let bytes = store.get(&entry.path).await.unwrap();
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if entry.path.ends_with(".parquet") {
            for batch in read_rows(store, &entry.path, None).await.unwrap() {
                let batch = batch.unwrap();
                for column in batch.columns() {
                    if let Some(bodies) = column.as_binary_opt::<i32>() {
                        bodies.iter().flatten().for_each(|body| text += &String::from_utf8_lossy(body));
                        continue;
                    }
                    let options = FormatOptions::default();
                    let cells = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
                    (0..column.len()).for_each(|row| text += &format!("{} ", cells.value(row)));
                }
            }
        }
        all.push((entry.path, text));
    }
    all
}

/// The objects of raw and cleansed that hold anything of the person.
async fn traces(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for store in [&world.lake.zones.raw, &world.lake.zones.cleansed] {
        for (path, text) in texts(store).await {
            for canary in [CANARY, SKU, &PERSON.to_string()] {
                if text.contains(canary) {
                    found.push(format!("{path}: {canary}"));
                }
            }
        }
    }
    found
}

fn subjects(contract: &StreamContract) -> Vec<Subject> {
    vec![Subject::new(contract, "id", &PERSON.to_string()).unwrap()]
}

/// Erases the person from a stream; stops before `until`, where a runner was killed.
async fn erase_until(world: &World, contract: &Arc<StreamContract>, until: usize) -> Option<Found> {
    let (lake, subjects) = (&world.lake, subjects(contract));
    let tick = || world.clock.advance(TimeDelta::seconds(1));
    let digester = Digester::of(lake).await.unwrap();
    let found = search(lake, contract, &digester, &subjects, None, &Lines).await.unwrap();
    let record = match unfinished(lake, &subjects).await.unwrap() {
        Some(record) => record,
        None => note(lake, &digester, &subjects, "ann", Vec::new()).await.unwrap(),
    };
    let mut steps = 0..until;
    for (window, here) in &found.windows {
        steps.next()?;
        tick();
        rewrite(lake, contract, window, (&record, &digester, &subjects), here, &Lines).await.unwrap();
    }
    let windows = erased_windows(lake, contract, &record).await.unwrap();
    steps.next()?;
    world.commit(contract, &windows).await;
    steps.next()?;
    clean_parts(lake, &contract.name, false).await.unwrap();
    steps.next()?;
    empty_receipts(lake, contract).await.unwrap();
    for target in targets(lake, contract) {
        steps.next()?;
        tick();
        purge(lake, &target.store, &target.folder).await.unwrap();
    }
    for target in keyed_targets(lake, contract) {
        steps.next()?;
        tick();
        refresh_keyed(lake, contract).await.unwrap();
        purge(lake, &target.store, &target.folder).await.unwrap();
    }
    refresh_keyed(lake, contract).await.unwrap();
    tick();
    finish(lake, &record, serde_json::json!({})).await.unwrap();
    Some(found)
}

async fn erase(world: &World, contract: &Arc<StreamContract>) -> Found {
    erase_until(world, contract, usize::MAX).await.unwrap()
}

/// Every row of every table, but for which generation and attempt wrote it.
async fn rows(world: &World, contract: &StreamContract) -> Vec<String> {
    let tables: Vec<_> =
        targets(&world.lake, contract).into_iter().chain(keyed_targets(&world.lake, contract)).collect();
    let mut all = Vec::new();
    for target in tables {
        let is_written = |name: &str| ["_generation", "_attempt", "_landed_at"].contains(&name);
        let names = target.schema.fields().iter().map(|field| field.name().as_str());
        let names: Vec<&str> = names.filter(|name| !is_written(name)).collect();
        let rows = world.rows(contract, &target.table, &names).await;
        all.extend(rows.into_iter().map(|row| format!("{}: {row}", target.table)));
    }
    all
}

fn others(rows: &[String]) -> Vec<String> {
    let is_others = |row: &&String| ![CANARY, SKU, &PERSON.to_string()].iter().any(|canary| row.contains(canary));
    rows.iter().filter(is_others).cloned().collect()
}

fn windows(kind: StreamKind) -> [Window; 2] {
    match kind {
        StreamKind::Snapshot => [0, 24].map(|at| Window::snapshot(Slice::whole(), hour(at))),
        StreamKind::Chain => [Window::link(Slice::whole(), 0, ""), Window::link(Slice::whole(), 1, "next")],
        _ => [day(0), day(1)],
    }
}

/// Two windows that hold the person and others, the first of them read twice where its kind is read again.
async fn filled(world: &World, contract: &Arc<StreamContract>) {
    let [first, second] = windows(contract.kind);
    let one = [order(1, 1, "a", &[("p", 1)]), of_person(2, 1), order(2, 3, "b", &[("q", 2), ("r", 3)])];
    let two = [of_person(30, 3), order(3, 31, "c", &[("s", 1)]), order(1, 32, "later", &[])];
    if contract.kind == StreamKind::Chain {
        for (window, lines, tokens) in [(&first, &one, (None, "next")), (&second, &two, (Some("next"), "last"))] {
            let attempt = world.begin(contract, window, lines, tokens.0).await;
            world.finish(attempt, lines, Some(tokens.1)).await;
            world.commit(contract, std::slice::from_ref(window)).await;
        }
        return;
    }
    world.read_and_commit(contract, &first, &one).await;
    if contract.kind.is_ranged() {
        let again = [order(1, 1, "a2", &[("p", 1)]), of_person(2, 2), order(2, 3, "b", &[("q", 2), ("r", 3)])];
        world.read_and_commit(contract, &first, &again).await;
    }
    world.read_and_commit(contract, &second, &two).await;
}

const KINDS: [StreamKind; 5] =
    [StreamKind::Events, StreamKind::Restating, StreamKind::Mutable, StreamKind::Snapshot, StreamKind::Chain];

#[tokio::test]
async fn nothing_of_the_person_is_left_and_nobody_else_loses_a_row() {
    for kind in KINDS {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        filled(&world, &contract).await;
        let before = rows(&world, &contract).await;
        assert!(!traces(&world).await.is_empty() && others(&before).len() < before.len());
        let found = erase(&world, &contract).await;
        assert_eq!(found.windows.len(), 2, "{kind}");
        assert_eq!(traces(&world).await, Vec::<String>::new(), "{kind}");
        assert_eq!(rows(&world, &contract).await, others(&before), "{kind}");
        // What lies in raw gives the same tables.
        for entry in world.lake.zones.cleansed.list("").await.unwrap() {
            world.lake.zones.cleansed.delete(&entry.path).await.unwrap();
        }
        rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
        assert_eq!(rows(&world, &contract).await, others(&before), "{kind} from raw");
    }
}

#[tokio::test]
async fn a_source_that_still_shows_the_person_does_not_bring_them_back() {
    for kind in [StreamKind::Restating, StreamKind::Mutable, StreamKind::Snapshot] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        filled(&world, &contract).await;
        erase(&world, &contract).await;
        let before = rows(&world, &contract).await;
        let window = if kind == StreamKind::Snapshot { Window::snapshot(Slice::whole(), hour(48)) } else { day(1) };
        let lines = [of_person(30, 3), order(3, 31, "c", &[("s", 1)]), order(1, 32, "later", &[])];
        let landed = world.read(&contract, &window, &lines).await.receipt;
        assert_eq!((landed.counts.received, landed.counts.loaded), (2, 2), "{kind}");
        assert_eq!(landed.same_as.is_some(), kind != StreamKind::Snapshot, "{kind}: nothing new, but for the person");
        world.commit(&contract, std::slice::from_ref(&window)).await;
        let new = [of_person(40, 4), order(5, 41, "new", &[])];
        let landed = world.read(&contract, &if kind == StreamKind::Snapshot { window } else { day(2) }, &new).await;
        assert_eq!(landed.receipt.counts.received, 1);
        assert_eq!(traces(&world).await, Vec::<String>::new(), "{kind}");
        if kind != StreamKind::Snapshot {
            assert_eq!(rows(&world, &contract).await, before, "{kind}");
        }
    }
}

#[tokio::test]
async fn an_erasure_that_was_stopped_anywhere_is_finished_by_the_next() {
    for kind in [StreamKind::Restating, StreamKind::Mutable] {
        for until in 0.. {
            let (world, contract) = (World::new().await, Arc::new(orders(kind)));
            filled(&world, &contract).await;
            let before = others(&rows(&world, &contract).await);
            let is_done = erase_until(&world, &contract, until).await.is_some();
            assert_eq!(unfinished(&world.lake, &subjects(&contract)).await.unwrap().is_none(), is_done);
            // Whoever comes next may commit first: what counts is never less than what was there of others.
            world.commit(&contract, &[day(0), day(1)]).await;
            assert_eq!(others(&rows(&world, &contract).await), before, "{kind}, stopped before step {until}");
            erase(&world, &contract).await;
            assert_eq!(traces(&world).await, Vec::<String>::new(), "{kind}, stopped before step {until}");
            assert_eq!(rows(&world, &contract).await, before, "{kind}, stopped before step {until}");
            if is_done {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_held_reading_and_quarantined_records_lose_the_person_and_stay_decidable() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    let all = |more: &[String]| {
        let mut lines: Vec<String> = (1..=10).map(|id| order(id, 1, "x", &[])).collect();
        lines.extend(more.iter().cloned());
        lines
    };
    // Without its key it is quarantined; its bytes hold the canary.
    let broken = format!(r#"{{"id":{PERSON},"at":null,"v":"{CANARY}"}}"#);
    let unreadable = format!("{{ \"id\": {PERSON}, \"v\": \"{CANARY}\"");
    let others_broken = r#"{"id":55,"at":null,"v":"somebody"}"#.to_owned();
    let first = all(&[of_person(2, 1), broken, unreadable, others_broken]);
    let landed = world.read(&contract, &day(0), &first).await.receipt;
    assert_eq!((landed.verdict.clone(), landed.counts.quarantined), (Verdict::Passed, 3));
    world.commit(&contract, &[day(0)]).await;
    // Most rows are gone in the next reading, which holds it.
    let held = world.read(&contract, &day(0), &[of_person(2, 2), order(1, 1, "y", &[])]).await.receipt;
    assert!(held.verdict.is_held());
    erase(&world, &contract).await;
    assert_eq!(traces(&world).await, Vec::<String>::new());
    let receipts = Receipts::new(&world.lake.zones.raw).of_window(&contract.name, &day(0)).await.unwrap();
    let reasons: Vec<Reason> = receipts.iter().map(|receipt| receipt.reason).collect();
    assert_eq!(reasons, [Reason::Erasure, Reason::Erasure]);
    assert!(receipts[1].verdict.is_held() && receipts[1].read_at == held.read_at);
    let shown = data_generation(&receipts).unwrap();
    assert_eq!((shown.counts.loaded, shown.counts.quarantined), (10, 1));
    let rows = quarantine::records(&world.lake, &contract.name, &day(0), 10).await.unwrap();
    assert_eq!(rows.len(), 0, "those of the held reading");
    assert_eq!(shown.quarantine.rows[0].record, r#"{"id":55,"at":null,"v":"somebody"}"#);
    let released = quarantine::accept(&world.lake, &contract, &day(0)).await.unwrap().receipt;
    assert_eq!((released.reason, released.erasure), (Reason::Accept, None));
    world.commit(&contract, &[day(0)]).await;
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|y"]);
}

#[tokio::test]
async fn a_receipt_below_an_erasure_is_empty_and_says_so_and_the_counts_stay() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    filled(&world, &contract).await;
    let store = Receipts::new(&world.lake.zones.raw);
    let before = store.all_of_window(&contract.name, &day(0)).await.unwrap();
    erase(&world, &contract).await;
    let after = store.all_of_window(&contract.name, &day(0)).await.unwrap();
    assert_eq!(after.len(), 4);
    for (old, new) in before.iter().zip(&after) {
        assert_eq!((new.generation, new.counts, new.read_at), (old.generation, old.counts, old.read_at));
        assert!(new.parts.is_empty() && new.typed.is_empty() && new.quarantine.rows.is_empty());
        assert_eq!(new.erasure.map(|mark| (mark.from, mark.is_last)), Some((3, false)));
    }
    // Their bytes may go even where somebody lost the generation, and those above stay.
    let again = clean_parts(&world.lake, &contract.name, false).await.unwrap();
    assert!(again.is_nothing());
    assert!(empty_receipts(&world.lake, &contract).await.unwrap() == 0);
    for receipt in &after[2..] {
        for part in &receipt.parts {
            assert!(world.lake.zones.raw.exists(&part.path).await.unwrap());
        }
    }
}

#[tokio::test]
async fn two_persons_one_after_the_other_are_both_gone() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Mutable)));
    filled(&world, &contract).await;
    let before = others(&rows(&world, &contract).await);
    erase(&world, &contract).await;
    // The second is found in what the first erasure left.
    let lake = &world.lake;
    let second = [Subject::new(&contract, "id", "1").unwrap()];
    let digester = Digester::of(lake).await.unwrap();
    let found = search(lake, &contract, &digester, &second, None, &Lines).await.unwrap();
    assert_eq!((found.windows.len(), found.records()), (2, 3));
    let record = note(lake, &digester, &second, "ann", Vec::new()).await.unwrap();
    for (window, here) in &found.windows {
        rewrite(lake, &contract, window, (&record, &digester, &second), here, &Lines).await.unwrap();
    }
    world.commit(&contract, &[day(0), day(1)]).await;
    let is_first = |row: &&String| row.contains("|p|") || row.contains(": 1|");
    let expected: BTreeSet<String> = before.iter().filter(|row| !is_first(row)).cloned().collect();
    assert_eq!(rows(&world, &contract).await.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn whom_to_erase_must_be_a_text_or_a_number_of_a_column() {
    use headwater_contract::Explain;
    let contract = orders(StreamKind::Restating);
    for (column, value, code) in [
        ("nobody", "1", "erase-column"),
        ("at", "2024-03-01T00:00:00Z", "erase-column-type"),
        ("id", "ada", "erase-value"),
        ("v", "", "erase-value"),
    ] {
        let error = Subject::new(&contract, column, value).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(!format!("{error} {} {}", error.place(), error.fix()).contains("ada"), "no value in a message");
    }
    let same = Subject::new(&contract, "id", " 0042 ").unwrap();
    assert_eq!(same.value(), "42");
    assert!(!format!("{same:?}").contains("42"));
}
