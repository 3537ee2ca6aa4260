//! Tables that somebody changed behind our back are found by their rows, and a rebuild makes them agree again.

use std::collections::BTreeMap;

use headwater_contract::Explain;

use super::*;
use crate::cleanse::{Difference, ReconcileReport, rebuild_cleansed, reconcile};
use crate::commit::{Change, NewFile, Outcome, TableSnapshot, transactions};
use crate::ledger::{Unit, WindowState};
use crate::raw::Receipts;

const LONG: std::time::Duration = std::time::Duration::from_hours(1);

impl World {
    /// Commits windows and tells the ledger, as a run does. Returns what the comparison after it found.
    pub(crate) async fn show(&self, contract: &Arc<StreamContract>, windows: &[Window]) -> ReconcileReport {
        let ledger = &self.lake.ledger;
        let lease = ledger.lease(&Unit::stream(&contract.name), LONG).await.unwrap().unwrap();
        ledger.catch_up(&self.lake.zones.raw, &lease, &contract.name).await.unwrap();
        let before = reconcile(&self.lake, contract, None).await.unwrap();
        let report = self.commit(contract, windows).await;
        let shown: Vec<(Window, u64)> = report
            .outcomes
            .into_iter()
            .filter_map(|(window, outcome)| match outcome {
                Outcome::Committed { generation, .. } | Outcome::Already { generation } => Some((window, generation)),
                _ => None,
            })
            .collect();
        ledger.committed(&lease, &contract.name, &shown).await.unwrap();
        let after = reconcile(&self.lake, contract, Some(&before)).await.unwrap();
        ledger.reconciled(&lease, &contract.name, &after.agreed, &after.versions).await.unwrap();
        ledger.release(lease).await.unwrap();
        after
    }

    /// Rebuilds and tells the ledger, as `headwater rebuild cleansed` does.
    async fn mend(&self, contract: &Arc<StreamContract>) {
        let ledger = &self.lake.ledger;
        rebuild_cleansed(&self.lake, contract, &Lines).await.unwrap();
        let lease = ledger.lease(&Unit::stream(&contract.name), LONG).await.unwrap().unwrap();
        let receipts = Receipts::new(&self.lake.zones.raw).of_stream(&contract.name).await.unwrap();
        let shown = transactions(&self.lake, contract).await.unwrap();
        ledger.rebuilt(&lease, &contract.name, &receipts, &shown).await.unwrap();
        let after = reconcile(&self.lake, contract, None).await.unwrap();
        assert_eq!(after.differences, []);
        ledger.reconciled(&lease, &contract.name, &after.agreed, &after.versions).await.unwrap();
        ledger.release(lease).await.unwrap();
    }

    async fn states(&self, contract: &StreamContract) -> Vec<WindowState> {
        self.lake.ledger.coverage(&contract.name).await.unwrap().into_iter().map(|row| row.state).collect()
    }

    async fn snapshot(&self, contract: &StreamContract, table: &str) -> TableSnapshot {
        log(self, contract, table).snapshot().await.unwrap()
    }
}

fn log(world: &World, contract: &StreamContract, table: &str) -> DeltaLog {
    DeltaLog::at(&world.lake.zones.cleansed, &table_folder(contract, table)).unwrap()
}

/// What a Delta RESTORE does: the files of an older version are shown again, transactions stay.
async fn restore(world: &World, contract: &StreamContract, table: &str, old: &TableSnapshot) {
    let now = world.snapshot(contract, table).await;
    let is_in = |files: &TableSnapshot, path: &str| files.files.iter().any(|file| file.path == path);
    let adds = old.files.iter().filter(|file| !is_in(&now, &file.path)).map(|file| NewFile {
        path: file.path.clone(),
        size: file.size,
        stats: serde_json::from_str(file.stats.as_deref().unwrap()).unwrap(),
        partition: BTreeMap::default(),
    });
    let removes = now.files.iter().filter(|file| !is_in(old, &file.path)).cloned().collect();
    let change = Change { adds: adds.collect(), removes, ..Change::default() };
    log(world, contract, table).commit(&now, change, hour(0)).await.unwrap();
}

/// Two days of orders of which the first was read again, with the state of each table before that.
async fn filled(kind: StreamKind) -> (World, Arc<StreamContract>, BTreeMap<String, TableSnapshot>) {
    let (world, contract) = (World::new().await, Arc::new(orders(kind)));
    world.read(&contract, &day(0), &[order(1, 1, "a", &[("p", 1)]), order(2, 2, "b", &[("q", 1)])]).await;
    world.read(&contract, &day(1), &[order(3, 25, "c", &[("r", 1)])]).await;
    world.show(&contract, &[day(0), day(1)]).await;
    let mut before = BTreeMap::new();
    for table in crate::cleanse::tables(&contract) {
        let name = table.name.table;
        before.insert(name.clone(), world.snapshot(&contract, &name).await);
    }
    // As many rows as before, and as many children: only the rows are others.
    world.read(&contract, &day(0), &[order(1, 1, "a2", &[("p", 2)]), order(2, 2, "b", &[("q", 1)])]).await;
    let after = world.show(&contract, &[day(0)]).await;
    assert_eq!(after.differences, [], "{kind}");
    assert!(world.states(&contract).await.iter().all(|state| *state == WindowState::Reconciled), "{kind}");
    (world, contract, before)
}

#[tokio::test]
async fn what_agrees_is_reconciled_and_compared_once() {
    for kind in [StreamKind::Events, StreamKind::Restating, StreamKind::Mutable] {
        let (world, contract, _) = filled(kind).await;
        let again = reconcile(&world.lake, &contract, None).await.unwrap();
        assert_eq!((again.agreed.len(), again.differences.len(), again.is_new), (0, 0, false), "{kind}");
        again.check(&contract).unwrap();
        world.read(&contract, &day(2), &[order(9, 50, "new", &[])]).await;
        world.lake.ledger.plan(&contract.name, &[day(2)], None).await.unwrap();
        let after = world.show(&contract, &[day(2)]).await;
        assert_eq!(after.agreed.len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn every_table_that_was_restored_to_an_older_version_differs_until_a_rebuild() {
    for kind in [StreamKind::Restating, StreamKind::Mutable] {
        let tables: Vec<String> =
            crate::cleanse::tables(&orders(kind)).into_iter().map(|table| table.name.table).collect();
        for table in tables {
            let (world, contract, before) = filled(kind).await;
            restore(&world, &contract, &table, &before[&table]).await;
            let found = reconcile(&world.lake, &contract, None).await.unwrap();
            assert!(!found.differences.is_empty(), "{kind} {table}");
            assert!(
                found.differences.iter().all(|difference| difference.table() == format!("shop/{table}")),
                "{table}: {:?}",
                found.differences
            );
            let error = found.check(&contract).unwrap_err();
            assert_eq!((error.code(), error.kind().exit_code()), ("rows-differ", 4));
            assert!(error.to_string().contains(&format!("shop/{table}")), "{error}");
            assert!(error.fix().contains("headwater rebuild cleansed shop.orders"));
            // It is found again as long as it is so.
            let after = world.show(&contract, &[]).await;
            assert!(!after.differences.is_empty(), "{kind} {table}");
            world.mend(&contract).await;
            assert!(world.states(&contract).await.iter().all(|state| *state == WindowState::Reconciled));
            assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|a2", "2|b", "3|c"], "{kind} {table}");
            assert_eq!(
                world.rows(&contract, "order_lines", &["order_id", "sku", "n"]).await,
                ["1|p|2", "2|q|1", "3|r|1"],
                "{kind} {table}"
            );
        }
    }
}

#[tokio::test]
async fn a_file_that_was_deleted_by_hand_is_missed() {
    for kind in [StreamKind::Events, StreamKind::Mutable] {
        let tables: Vec<String> =
            crate::cleanse::tables(&orders(kind)).into_iter().map(|table| table.name.table).collect();
        for table in tables {
            let (world, contract, _) = filled(kind).await;
            let path = world.snapshot(&contract, &table).await.files[0].path.clone();
            world.lake.zones.cleansed.delete(&format!("shop/{table}/{path}")).await.unwrap();
            let found = reconcile(&world.lake, &contract, None).await.unwrap().differences;
            let expected = Difference::FilesGone { table: format!("shop/{table}"), files: 1, first: path };
            assert_eq!(found, [expected], "{kind}");
            world.mend(&contract).await;
        }
    }
}

#[tokio::test]
async fn of_lists_only_the_newest_shows_rows_and_of_a_chain_every_link_does() {
    let (world, contract) =
        (World::new().await, Arc::new(StreamContract { max_removed: 1.0, ..orders(StreamKind::Snapshot) }));
    let lists = [0, 1].map(|hours| Window::snapshot(Slice::whole(), hour(24 * 100 + hours)));
    let mut before = None;
    for (rows, list) in (3..).zip(&lists) {
        world.read(&contract, list, &plain(0..rows, 1)).await;
        assert_eq!(world.show(&contract, std::slice::from_ref(list)).await.differences, []);
        before = before.or(Some(world.snapshot(&contract, "orders").await));
    }
    restore(&world, &contract, "orders", &before.unwrap()).await;
    let found = reconcile(&world.lake, &contract, None).await.unwrap().differences;
    let rows = |window: &Window, expected, found| Difference::Rows {
        table: "shop/orders".to_owned(),
        window: window.clone(),
        least: expected,
        most: expected,
        found,
    };
    assert_eq!(found, [rows(&lists[0], 0, 3), rows(&lists[1], 4, 0)]);
    world.mend(&contract).await;

    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Chain)));
    let links = [(0, ""), (1, "a")].map(|(number, token)| Window::link(Slice::whole(), number, token));
    let mut before = None;
    for (link, token) in links.iter().zip(["a", "b"]) {
        let sent = plain(0..2, 1);
        let attempt = world.begin(&contract, link, &sent, Some(token)).await;
        world.finish(attempt, &sent, Some(token)).await;
        assert_eq!(world.show(&contract, std::slice::from_ref(link)).await.differences, []);
        before = before.or(Some(world.snapshot(&contract, "orders__versions").await));
    }
    restore(&world, &contract, "orders__versions", &before.unwrap()).await;
    assert!(reconcile(&world.lake, &contract, None).await.unwrap().check(&contract).is_err());
}
