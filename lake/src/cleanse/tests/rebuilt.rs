//! Tables made again from raw are the same tables.

use super::*;
use crate::cleanse::rebuild_cleansed;
use crate::commit::{commit_windows, is_lagging};
use crate::typing::TRACKING;

const COLUMNS: [&str; 3] = ["id", "at", "v"];

fn everything(columns: &[&'static str]) -> Vec<&'static str> {
    columns.iter().copied().chain(TRACKING).collect()
}

/// All rows of all tables of `contract`, tracking columns with them.
async fn all(world: &World, contract: &StreamContract) -> Vec<Vec<String>> {
    let mut tables = vec![world.rows(contract, "orders", &everything(&COLUMNS)).await];
    tables.push(world.rows(contract, "order_lines", &everything(&["order_id", "sku", "n", "_line"])).await);
    if contract.kind.is_versioned() {
        tables.push(world.rows(contract, "orders__versions", &everything(&COLUMNS)).await);
        tables
            .push(world.rows(contract, "order_lines__versions", &everything(&["order_id", "sku", "n", "_line"])).await);
    }
    tables
}

async fn filled(world: &World, contract: &Arc<StreamContract>) {
    world
        .read_and_commit(contract, &day(0), &[order(1, 1, "a", &[("p", 1), ("q", 2)]), order(2, 2, "b", &[("p", 3)])])
        .await;
    world.read_and_commit(contract, &day(1), &[order(3, 25, "c", &[]), order(4, 26, "d", &[("r", 1)])]).await;
    world.read_and_commit(contract, &day(0), &[order(1, 1, "a2", &[("p", 1)]), order(2, 2, "b", &[("p", 3)])]).await;
    world.read_and_commit(contract, &day(2), &[order(1, 50, "moved", &[("z", 1)])]).await;
    world.read_and_commit(contract, &day(1), &[order(3, 25, "c", &[]), order(4, 26, "d", &[("r", 1)])]).await;
}

#[tokio::test]
async fn raw_alone_gives_the_same_tables() {
    for kind in [StreamKind::Restating, StreamKind::Mutable] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        filled(&world, &contract).await;
        let before = all(&world, &contract).await;
        assert!(before.iter().all(|rows| !rows.is_empty()));
        // On top of the log, from the typed files.
        rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
        assert_eq!(all(&world, &contract).await, before, "{kind} on top of its log");
        // Everything but raw is deleted.
        for entry in world.lake.zones.cleansed.list("").await.unwrap() {
            world.lake.zones.cleansed.delete(&entry.path).await.unwrap();
        }
        let report = rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
        assert_eq!((report.windows, report.beaten.len()), (3, 0));
        assert_eq!(all(&world, &contract).await, before, "{kind} from raw alone");
        assert!(!world.commit(&contract, &[day(0), day(1), day(2)]).await.has_written());
    }
}

#[tokio::test]
async fn a_column_that_the_contract_gains_is_filled_from_raw() {
    let (world, contract) = (World::new().await, Arc::new(orders(StreamKind::Events)));
    let line = r#"{"id":1,"at":"2024-03-01T01:00:00Z","v":"a","extra":5}"#.to_owned();
    world.read_and_commit(&contract, &day(0), &[line]).await;
    assert_eq!(world.rows(&contract, "orders", &["id", "_rescued"]).await, [r#"1|{"extra":5}"#]);
    let mut wider = (*contract).clone();
    wider.columns.push(Column::new("extra", ColumnType::Int64).nullable());
    let wider = Arc::new(wider);
    rebuild_cleansed(&world.lake, &wider, &Lines).await.unwrap();
    assert_eq!(world.rows(&wider, "orders", &["id", "extra", "_rescued"]).await, ["1|5|-"]);
}

#[tokio::test]
async fn of_overlapping_windows_the_newest_reading_is_shown_and_the_rest_is_cut_where_the_source_forgot() {
    let mut contract = orders(StreamKind::Events);
    contract.window.as_mut().unwrap().retention = Some(Span::days(30));
    let (world, contract) = (World::new().await, Arc::new(contract));
    // Two ledgers read overlapping windows; the table is lost.
    world.read(&contract, &hours(0, 24), &[order(1, 1, "first", &[("p", 1)]), order(2, 20, "both", &[])]).await;
    world.read(&contract, &hours(12, 36), &[order(2, 20, "both, later", &[]), order(3, 30, "second", &[])]).await;
    let report = rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
    assert_eq!((report.beaten, report.cut), (vec![hours(0, 24)], vec![hours(0, 12)]));
    assert_eq!(world.rows(&contract, "orders", &["id", "v"]).await, ["1|first", "2|both, later", "3|second"]);
    assert_eq!(world.rows(&contract, "order_lines", &["order_id", "sku"]).await, ["1|p"]);
}

#[tokio::test]
async fn the_whole_way_on_a_local_disk() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [StreamKind::Restating, StreamKind::Mutable] {
        let world = World::on_disk(&folder.path().join(kind.to_string())).await;
        let contract = Arc::new(orders(kind));
        filled(&world, &contract).await;
        let before = all(&world, &contract).await;
        let window = Window { slice: Slice::named("owner/repo 50%"), ..day(0) };
        world.read_and_commit(&contract, &window, &[order(1, 1, "sliced", &[("s", 1)])]).await;
        assert_eq!(all(&world, &contract).await[0].len(), before[0].len() + 1);
        let shown = all(&world, &contract).await;
        rebuild_cleansed(&world.lake, &contract, &Lines).await.unwrap();
        assert_eq!(all(&world, &contract).await, shown);
    }
}

#[tokio::test]
async fn a_child_table_that_the_contract_gains_is_filled_from_raw_without_a_reading() {
    for kind in [StreamKind::Restating, StreamKind::Mutable] {
        let (world, full) = (World::new().await, orders(kind));
        let mut childless = StreamContract { children: Vec::new(), ..full.clone() };
        childless.columns[2].checks.push(headwater_contract::Check::OneOf(vec!["a".to_owned(), "b".to_owned()]));
        let (childless, full) = (Arc::new(childless), Arc::new(full));
        let first =
            [order(1, 1, "a", &[("p", 1), ("q", 2)]), order(2, 2, "refused", &[("x", 1)]), order(4, 2, "a", &[])];
        world.read_and_commit(&childless, &day(0), &first).await;
        world.read_and_commit(&childless, &day(1), &[order(3, 25, "b", &[("r", 1)])]).await;
        assert!(!is_lagging(&world.lake, &childless).await.unwrap());
        assert!(is_lagging(&world.lake, &full).await.unwrap(), "{kind}");
        assert!(
            commit_windows(&world.lake, &full, &[]).await.is_err(),
            "who cannot type does not say that there are none"
        );
        world.commit(&full, &[]).await;
        // Of the order that is in quarantine nothing shows, although the wider contract would take it.
        assert_eq!(
            world.rows(&full, "order_lines", &["order_id", "sku", "n"]).await,
            ["1|p|1", "1|q|2", "3|r|1"],
            "{kind}"
        );
        assert!(!is_lagging(&world.lake, &full).await.unwrap() && !world.commit(&full, &[]).await.has_written());
    }
}

#[tokio::test]
async fn a_reread_under_a_mended_contract_is_never_unchanged() {
    for kind in [StreamKind::Events, StreamKind::Restating, StreamKind::Mutable] {
        let (world, contract) = (World::new().await, Arc::new(orders(kind)));
        let line = r#"{"id":1,"at":"2024-03-01T01:00:00Z","v":"a","extra":5}"#.to_owned();
        world.read_and_commit(&contract, &day(0), std::slice::from_ref(&line)).await;
        let mut wider = (*contract).clone();
        wider.columns.push(Column::new("extra", ColumnType::Int64).nullable());
        let wider = Arc::new(wider);
        let receipt = world.read(&wider, &day(0), std::slice::from_ref(&line)).await.receipt;
        assert_eq!((receipt.same_as, receipt.generation), (None, 2), "{kind}: the same bytes, and another contract");
        world.commit(&wider, &[day(0)]).await;
        assert_eq!(world.rows(&wider, "orders", &["id", "extra", "_rescued"]).await, ["1|5|-"], "{kind}");
        // Under one contract it is.
        let receipt = world.read(&wider, &day(0), std::slice::from_ref(&line)).await.receipt;
        assert_eq!(receipt.same_as, Some(2), "{kind}");
    }
}

/// The contract with a check that only `good` values pass.
fn strict(kind: StreamKind, max_quarantined: f64) -> Arc<StreamContract> {
    let mut contract = StreamContract { max_quarantined, max_removed: 1.0, ..orders(kind) };
    contract.columns[2].checks.push(headwater_contract::Check::OneOf(vec!["good".to_owned()]));
    Arc::new(contract)
}

#[tokio::test]
async fn a_rebuild_under_another_contract_passes_its_gate() {
    for kind in [StreamKind::Restating, StreamKind::Mutable] {
        let (world, loose) = (World::new().await, Arc::new(orders(kind)));
        let lines = [order(1, 1, "good", &[("p", 1)]), order(2, 2, "bad", &[("q", 1)]), order(3, 3, "good", &[])];
        world.read_and_commit(&loose, &day(0), &lines).await;
        world.read_and_commit(&loose, &day(1), &[order(4, 25, "good", &[("r", 1)])]).await;
        let strict = strict(kind, 0.5);
        let report = rebuild_cleansed(&world.lake, &strict, &Lines).await.unwrap();
        assert_eq!((report.replayed, report.quarantined), (2, vec![(day(0), 1)]), "{kind}");
        assert_eq!(world.rows(&strict, "orders", &["id"]).await, ["1", "3", "4"], "{kind}");
        assert_eq!(world.rows(&strict, "order_lines", &["order_id", "sku"]).await, ["1|p", "4|r"], "{kind}");
        let rows = crate::quarantine::records(&world.lake, &strict.name, &day(0), 10).await.unwrap();
        assert!(rows.len() == 1 && rows[0].record.contains("bad"), "the row that fails is listed with its bytes");
        assert!(!world.commit(&strict, &[day(0), day(1)]).await.has_written());
        let again = rebuild_cleansed(&world.lake, &strict, &Lines).await.unwrap();
        assert_eq!((again.replayed, again.quarantined.len()), (0, 0), "{kind}: one contract, one replay");
        // The contract is mended again: nothing was lost.
        rebuild_cleansed(&world.lake, &loose, &Lines).await.unwrap();
        assert_eq!(world.rows(&loose, "orders", &["id"]).await, ["1", "2", "3", "4"], "{kind}");
    }
}

#[tokio::test]
async fn a_rebuild_that_a_gate_holds_leaves_the_table_until_a_person_decides() {
    let (world, loose) = (World::new().await, Arc::new(orders(StreamKind::Restating)));
    let lines = [order(1, 1, "good", &[]), order(2, 2, "bad", &[("q", 1)])];
    world.read_and_commit(&loose, &day(0), &lines).await;
    world.read_and_commit(&loose, &day(1), &[order(4, 25, "good", &[])]).await;
    let strict = strict(StreamKind::Restating, 0.1);
    for _ in 0..2 {
        let error = rebuild_cleansed(&world.lake, &strict, &Lines).await.unwrap_err();
        assert_eq!(
            (headwater_contract::Explain::code(&error), error.to_string().contains(&day(0).name())),
            ("rebuild-held", true)
        );
        assert_eq!(world.rows(&loose, "orders", &["id", "v"]).await, ["1|good", "2|bad", "4|good"]);
        assert_eq!(world.rows(&loose, "order_lines", &["order_id", "sku"]).await, ["2|q"]);
    }
    crate::quarantine::accept(&world.lake, &strict, &day(0)).await.unwrap();
    rebuild_cleansed(&world.lake, &strict, &Lines).await.unwrap();
    assert_eq!(world.rows(&strict, "orders", &["id", "v"]).await, ["1|good", "4|good"]);
}
