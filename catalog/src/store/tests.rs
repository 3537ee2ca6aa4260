//! What two processes record is read back whole.

use chrono::TimeDelta;
use headwater_contract::{Classification, Span, Zone};

use super::*;
use crate::columns::DatasetColumn;
use crate::datasets::{Dataset, DatasetKind, Freshness, Stats};
use crate::lineage::{ColumnEdge, Edge, How, Passage, Place};
use crate::listing::Search;
use crate::words::BusinessWords;

fn now() -> chrono::DateTime<chrono::Utc> {
    "2026-11-21T09:00:00.123456Z".parse().unwrap()
}

fn table(text: &str) -> TableName {
    text.parse().unwrap()
}

fn orders() -> Dataset {
    let mut dataset = Dataset::new(table("cleansed.shop.orders"), DatasetKind::Keyed, "One row an order");
    dataset.columns = vec![
        DatasetColumn::new("id", "string").meaning("the order's number"),
        DatasetColumn { classification: Some(Classification::Pii), ..DatasetColumn::new("email", "string").nullable() },
    ];
    dataset.key = vec!["id".to_owned()];
    dataset.tags = ["sales".to_owned()].into();
    dataset.best_effort = Some("offset paging over moving rows".to_owned());
    dataset.location = "file:///lake/cleansed/shop/orders".to_owned();
    dataset.stats = Stats { rows: 5, files: 2, size_bytes: 1_000, version: Some(3) };
    dataset.freshness = Freshness {
        written_at: Some(now()),
        checked_at: Some(now()),
        complete_until: Some(now() - TimeDelta::hours(1)),
        every: Some(Span::hours(1)),
    };
    dataset
}

async fn catalog(folder: &tempfile::TempDir) -> Catalog {
    Catalog::open(&folder.path().join("state/catalog.db")).await.unwrap()
}

#[tokio::test]
async fn refuses_a_catalog_of_a_newer_program() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(&folder).await;
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&catalog.pool).await.unwrap();
    let error = Catalog::open(catalog.path()).await.unwrap_err();
    assert_eq!(error.code(), "catalog-too-new");
}

#[tokio::test]
async fn names_a_damaged_value_and_an_unknown_table() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(&folder).await;
    catalog.record_dataset(&orders(), now()).await.unwrap();
    let words = BusinessWords::default();
    let error = catalog.show(&table("curated.shop.orders"), &words, now()).await.unwrap_err();
    assert_eq!(error.fix(), "did you mean cleansed.shop.orders?");
    let missing = catalog.record_state(&table("raw.shop.orders"), &Stats::default(), &Freshness::default()).await;
    assert!(matches!(missing, Err(CatalogError::NoTable { .. })));
    sqlx::raw_sql("UPDATE dataset SET kind = 'heap'").execute(&catalog.pool).await.unwrap();
    assert_eq!(catalog.datasets().await.unwrap_err().code(), "catalog-damaged");
}

#[tokio::test]
async fn a_dataset_reads_back_as_it_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    catalog(&folder).await.record_dataset(&orders(), now()).await.unwrap();
    assert_eq!(catalog(&folder).await.datasets().await.unwrap(), [orders()]);
}

#[tokio::test]
async fn a_check_moves_freshness_on_and_keeps_when_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(&folder).await;
    catalog.record_dataset(&orders(), now()).await.unwrap();
    let later = now() + TimeDelta::hours(5);
    let search = Search::default();
    let words = BusinessWords::default();
    assert!(catalog.list(&search, &words, later).await.unwrap()[0].is_late);
    let checked = Freshness { checked_at: Some(later), ..Freshness::default() };
    let same = Dataset { freshness: checked.clone(), ..orders() };
    for is_whole in [true, false] {
        if is_whole {
            catalog.record_dataset(&same, later).await.unwrap();
        } else {
            catalog.record_state(&orders().table, &orders().stats, &checked).await.unwrap();
        }
        let entry = catalog.list(&search, &words, later).await.unwrap().remove(0);
        assert_eq!((entry.is_late, entry.dataset.freshness.written_at), (false, Some(now())));
    }
}

#[tokio::test]
async fn lineage_reaches_from_the_api_to_the_fact_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(&folder).await;
    let [raw, cleansed, fact] = ["raw.shop.orders", "cleansed.shop.orders", "curated.shop.fact_sales"].map(table);
    catalog.record_dataset(&orders(), now()).await.unwrap();
    let mut typed = Edge::new(raw.clone(), cleansed.clone());
    typed.columns = vec![ColumnEdge::new("/id", "id", How::Identity)];
    let edges = [
        Edge::new(Place::Api("shop.orders".parse().unwrap()), raw.clone()),
        typed.clone(),
        Edge::new(cleansed.clone(), fact.clone()),
        Edge::new(table("cleansed.shop.lines"), fact.clone()),
    ];
    catalog.record_lineage(&edges, "run1", now()).await.unwrap();
    // The model no longer reads the lines.
    catalog.record_lineage(&edges[2..3], "run2", now()).await.unwrap();
    let passage = |window: &str, hour| Passage {
        to: cleansed.clone(),
        window: window.to_owned(),
        generation: 0,
        run: "run1".to_owned(),
        at: now() + TimeDelta::hours(hour),
    };
    catalog.record_passages(&[passage("_/w1", 0), passage("_/w2", 1), passage("_/w1", 0)]).await.unwrap();

    let shown = catalog.show(&cleansed, &BusinessWords::default(), now()).await.unwrap();
    assert_eq!(shown.made_from, [typed]);
    assert_eq!(
        shown.origins.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["api:shop.orders", "raw.shop.orders"]
    );
    assert_eq!(shown.reach.iter().collect::<Vec<_>>(), [&fact]);
    assert_eq!(shown.passages.iter().map(|passage| passage.window.as_str()).collect::<Vec<_>>(), ["_/w2", "_/w1"]);
    assert_eq!(catalog.edges().await.unwrap().len(), 3);
    catalog.forget(&fact).await.unwrap();
    assert_eq!(catalog.edges().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_search_finds_by_every_word_people_use() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog(&folder).await;
    catalog.record_dataset(&orders(), now()).await.unwrap();
    let yaml = "catalog: 1\nglossary: {basket: {title: Basket, meaning: One visit, synonyms: [cart]}}\n\
                tables: {cleansed.shop.orders: {owner: sales-team, terms: [basket]}}";
    let words = BusinessWords::parse(yaml, "catalog.yaml").unwrap();
    let text = |text: &str| Search { text: Some(text.to_owned()), ..Search::default() };
    for (search, found) in [
        (Search::default(), true),
        (text("ORDERS email"), true),
        (text("cart"), true),
        (text("visit sales-team"), true),
        (text("orders refunds"), false),
        (Search { zone: Some(Zone::Curated), ..Search::default() }, false),
        (Search { tag: Some("sales".to_owned()), ..Search::default() }, true),
        (Search { tag: Some("sale".to_owned()), ..Search::default() }, false),
        (Search { owner: Some("sales-team".to_owned()), ..Search::default() }, true),
        (Search { classification: Some(Classification::Pii), ..Search::default() }, true),
        (Search { classification: Some(Classification::Financial), ..Search::default() }, false),
    ] {
        assert_eq!(catalog.list(&search, &words, now()).await.unwrap().len(), usize::from(found), "{search:?}");
    }
}

/// Two pools stand for two processes: `SQLite`'s locks are between connections, whoever owns them.
#[tokio::test]
async fn two_writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = tokio::join!(catalog(&folder), catalog(&folder));
    let write = |catalog: Catalog, name: &'static str| {
        tokio::spawn(async move {
            for number in 0..20 {
                let table = TableName::new(Zone::Curated, name, format!("t{number}"));
                let dataset = Dataset::new(table.clone(), DatasetKind::Fact, "A fact");
                catalog.record_dataset(&dataset, now()).await.unwrap();
                catalog.record_lineage(&[Edge::new(orders().table, table)], name, now()).await.unwrap();
            }
        })
    };
    let (first, second) = tokio::join!(write(one.clone(), "one"), write(two, "two"));
    first.unwrap();
    second.unwrap();
    assert_eq!((one.datasets().await.unwrap().len(), one.edges().await.unwrap().len()), (40, 40));
}
