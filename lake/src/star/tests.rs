//! Whole builds over real Delta tables on a local disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use headwater_contract::{Explain, FixedClock, TableName, Zone};
use polars::prelude::{
    AnyValue, DataFrame, DataType, IntoLazy, LazyFrame, SortMultipleOptions, TimeUnit, TimeZone, col, df,
};
use tempfile::TempDir;
use ulid::Ulid;

use super::build::build_leased;
use super::write_frame;
use super::*;
use crate::Lake;
use crate::commit::{Change, DeltaLog};
use crate::ledger::Ledger;
use crate::read::scan;
use crate::steps::{Step, Steps};
use crate::store::{Store, StoreOptions, ZoneUrl};
use crate::zones::{Zones, layout};

const YAML: &str = "
star: 1
name: shop
title: A small shop
owner: sales
dimensions:
  dim_date: { title: A day, date: {} }
  dim_customer:
    title: A customer
    business_key: [customer_id]
    effective: updated_at
    columns:
      customer_id: { type: string }
      name: { type: string }
      country: { type: string, scd: 2 }
  dim_product:
    title: A product
    business_key: [product_id]
    deletes: { absent: { at: read_at, max_share: 0.5 } }
    columns:
      product_id: { type: string }
      category: { type: string }
    tests: [{ not_null: [product_id] }]
facts:
  fact_sales:
    title: A line of an order
    grain: [order_id, product_key]
    lookups:
      order_date_key: { dimension: dim_date, of: ordered_at }
      ship_date_key: { dimension: dim_date, of: shipped_at }
      customer_key: { dimension: dim_customer, by: [customer_id], as_of: ordered_at, on_missing: infer }
      product_key: { dimension: dim_product, on_missing: infer }
    degenerate:
      order_id: { type: string }
    measures:
      amount: { type: \"decimal(12,2)\" }
      days_to_ship: { type: int64, additivity: non_additive }
    partition: { month_of: ordered_at }
    tests:
      - sum_equals: { column: amount, table: cleansed.shop.lines, of: amount }
      - rows_equal: cleansed.shop.lines
  fact_daily:
    title: A customer's day
    kind: { periodic_snapshot: { period: day, of: day } }
    grain: [customer_key, date_key]
    lookups:
      date_key: { dimension: dim_date, of: day }
      customer_key: { dimension: dim_customer, as_of: day, on_missing: infer }
    measures:
      amount: { type: \"decimal(12,2)\" }
      balance: { type: \"decimal(12,2)\", additivity: semi_additive }
  fact_orders:
    title: An order
    kind:
      accumulating_snapshot:
        milestones: [ordered_key, shipped_key]
        lags: { shipping_days: { from: ordered_at, until: shipped_at } }
    grain: [order_id]
    lookups:
      ordered_key: { dimension: dim_date, of: ordered_at }
      shipped_key: { dimension: dim_date, of: shipped_at }
    degenerate: { order_id: { type: string } }
";

fn queries() -> BTreeMap<String, String> {
    let queries = [
        ("dim_customer", "select id as customer_id, name, country, updated_at from cleansed.shop.customers"),
        ("dim_product", "select id as product_id, category, _read_at as read_at from cleansed.shop.products"),
        ("fact_sales", "select *, 1 as days_to_ship from cleansed.shop.lines"),
        (
            "fact_daily",
            "select customer_id, cast(ordered_at as date) as day, sum(amount) as amount, sum(amount) as balance
             from cleansed.shop.lines group by customer_id, cast(ordered_at as date)",
        ),
        (
            "fact_orders",
            "select order_id, min(ordered_at) as ordered_at, max(shipped_at) as shipped_at from cleansed.shop.lines group by order_id",
        ),
    ];
    queries.map(|(name, sql)| (name.to_owned(), sql.to_owned())).into()
}

fn star() -> Star {
    Star::from_texts(YAML, &queries(), "star.yaml").unwrap()
}

/// Makes `frame` all that a cleansed table of the source `shop` shows.
pub(crate) async fn show(lake: &Lake, table: &str, frame: DataFrame) {
    let name = TableName::new(Zone::Cleansed, "shop", table);
    let (folder, store, now) = (layout::table_path(&name), &lake.zones.cleansed, lake.clock.now());
    let schema = write_frame::schema_of(&frame);
    let adds = write_frame::upload(lake, table, store, &folder, Ulid::new(), frame).await.unwrap();
    let log = DeltaLog::open_or_create(store, &folder, &schema, &[], now).await.unwrap();
    let snapshot = log.snapshot().await.unwrap();
    let removes = snapshot.files.clone();
    log.commit(&snapshot, Change { adds, removes, ..Change::default() }, now).await.unwrap();
}

/// Order, customer, product, ordered at, shipped at, amount.
type Line<'a> = (&'a str, &'a str, &'a str, &'a str, Option<&'a str>, &'a str);

struct Shop {
    lake: Lake,
    /// Deleted with the shop.
    folder: TempDir,
}

/// An empty lake in memory; its scratch folder is in `folder`.
pub(crate) async fn empty_lake(folder: &Path) -> Lake {
    lake_of(folder, |_| Store::memory().unwrap()).await
}

/// An empty lake in a folder of the local disk.
async fn lake_on_disk(folder: &Path) -> Lake {
    let url = |zone: Zone| ZoneUrl::folder(&folder.join(zone.as_str())).unwrap();
    lake_of(folder, |zone| Store::open(&url(zone), &StoreOptions::none()).unwrap()).await
}

async fn lake_of(folder: &Path, store: impl Fn(Zone) -> Store) -> Lake {
    let zones = Zones {
        raw: store(Zone::Raw),
        cleansed: store(Zone::Cleansed),
        curated: store(Zone::Curated),
        exploration: store(Zone::Exploration),
    };
    let clock = Arc::new(FixedClock::at(instant("2024-03-10 00:00")));
    let ledger = Ledger::in_memory(clock.clone()).await.unwrap();
    let scratch = folder.join("scratch");
    Lake { zones, ledger, clock, steps: Steps::run_through(), limits: crate::LakeLimits::default(), scratch }
}

impl Shop {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { lake: empty_lake(folder.path()).await, folder }.filled().await
    }

    async fn on_disk() -> Self {
        let folder = TempDir::new().unwrap();
        Self { lake: lake_on_disk(folder.path()).await, folder }.filled().await
    }

    async fn filled(self) -> Self {
        let shop = self;
        shop.customers(&[("ann", "Ann", "DE", "2024-01-01 00:00"), ("bob", "Bob", "FR", "2024-01-01 00:00")]).await;
        shop.products(&[("tea", "drinks"), ("jam", "food")], "2024-02-01 00:00").await;
        shop.lines(&[
            ("o1", "ann", "tea", "2024-01-05 10:00", Some("2024-01-07 08:00"), "10.50"),
            ("o1", "ann", "jam", "2024-01-05 10:00", Some("2024-01-07 08:00"), "4.25"),
            ("o2", "bob", "tea", "2024-02-03 23:59", None, "3.00"),
        ])
        .await;
        shop
    }

    async fn customers(&self, rows: &[(&str, &str, &str, &str)]) {
        let frame = df!(
            "id" => rows.iter().map(|row| row.0).collect::<Vec<_>>(),
            "name" => rows.iter().map(|row| row.1).collect::<Vec<_>>(),
            "country" => rows.iter().map(|row| row.2).collect::<Vec<_>>(),
            "updated_at" => rows.iter().map(|row| instant(row.3).timestamp_micros()).collect::<Vec<_>>(),
        );
        show(&self.lake, "customers", typed(frame.unwrap().lazy(), &["updated_at"])).await;
    }

    async fn products(&self, rows: &[(&str, &str)], read_at: &str) {
        let frame = df!(
            "id" => rows.iter().map(|row| row.0).collect::<Vec<_>>(),
            "category" => rows.iter().map(|row| row.1).collect::<Vec<_>>(),
            "_read_at" => vec![instant(read_at).timestamp_micros(); rows.len()],
        );
        show(&self.lake, "products", typed(frame.unwrap().lazy(), &["_read_at"])).await;
    }

    async fn lines(&self, rows: &[Line<'_>]) {
        let frame = df!(
            "order_id" => rows.iter().map(|row| row.0).collect::<Vec<_>>(),
            "customer_id" => rows.iter().map(|row| Some(row.1).filter(|id| !id.is_empty())).collect::<Vec<_>>(),
            "product_id" => rows.iter().map(|row| row.2).collect::<Vec<_>>(),
            "ordered_at" => rows.iter().map(|row| instant(row.3).timestamp_micros()).collect::<Vec<_>>(),
            "shipped_at" => rows.iter().map(|row| row.4.map(|at| instant(at).timestamp_micros())).collect::<Vec<_>>(),
            "amount" => rows.iter().map(|row| row.5).collect::<Vec<_>>(),
        );
        let frame = frame.unwrap().lazy().with_column(col("amount").cast(DataType::Decimal(12, 2)));
        show(&self.lake, "lines", typed(frame, &["ordered_at", "shipped_at"])).await;
    }

    /// Builds as a process does that nobody kills.
    async fn build(&self) -> BuildReport {
        build(&self.lake, &star(), BuildOptions::default()).await.unwrap()
    }

    /// Builds until `step`, waits there for ever and is killed; on a slow machine it may be killed before.
    async fn killed_at(&self, step: Step) {
        let (star, lake) = (star(), Lake { steps: Steps::pause_at(step), ..self.lake.clone() });
        let build = build_leased(&lake, &star, BuildOptions::default());
        assert!(tokio::time::timeout(Duration::from_secs(2), build).await.is_err(), "{step} is no step of a build");
    }

    async fn rows_of(&self, zone: Zone, folder: &str) -> DataFrame {
        let store = self.lake.zones.get(zone);
        let log = DeltaLog::open(store, folder).await.unwrap().unwrap();
        let rows = scan(store, folder, &log.snapshot().await.unwrap(), &self.lake.scratch).await.unwrap();
        off(move || rows.collect().unwrap())
    }

    /// The rows of a curated table as lines of text, in the order of their columns.
    async fn curated(&self, table: &str, columns: &[&str]) -> Vec<String> {
        let frame = self.rows_of(Zone::Curated, &format!("shop/{table}")).await;
        let columns: Vec<_> = columns.iter().map(|name| col(*name)).collect();
        let sorted = frame.lazy().select(&columns).sort_by_exprs(&columns, SortMultipleOptions::default());
        let frame = off(move || sorted.collect().unwrap());
        let line = |at| {
            let row = frame.get_row(at).unwrap();
            row.0.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        (0..frame.height()).map(line).collect()
    }

    /// Everything that a build decides, to compare builds by.
    async fn everything(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for table in describe(&star()).tables {
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            all.push(self.curated(&table.name.table, &columns).await);
        }
        all
    }

    async fn files(&self, table: &str) -> Vec<String> {
        let log = DeltaLog::open(&self.lake.zones.curated, &format!("shop/{table}")).await.unwrap().unwrap();
        log.snapshot().await.unwrap().files.into_iter().map(|file| file.path).collect()
    }
}

/// Runs what Polars computes on a thread of its own: it must not block a thread of the runtime.
pub(crate) fn off<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

pub(crate) fn instant(text: &str) -> DateTime<Utc> {
    chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}

fn typed(frame: LazyFrame, instants: &[&str]) -> DataFrame {
    let utc = DataType::Datetime(TimeUnit::Microseconds, None);
    let instants: Vec<_> = instants
        .iter()
        .map(|name| {
            col(*name).cast(utc.clone()).dt().replace_time_zone(
                Some(TimeZone::UTC),
                polars::prelude::lit("raise"),
                polars::prelude::NonExistent::Raise,
            )
        })
        .collect();
    off(move || frame.with_columns(instants).collect().unwrap())
}

fn text(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => "-".to_owned(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Datetime(micros, _, _) | AnyValue::DatetimeOwned(micros, _, _) => {
            DateTime::from_timestamp_micros(*micros).unwrap().format("%Y-%m-%dT%H:%M").to_string()
        }
        other => other.to_string(),
    }
}

const SALES: [&str; 6] = ["order_id", "order_date_key", "ship_date_key", "customer_key", "product_key", "amount"];

#[tokio::test]
async fn facts_refer_to_members_by_key_and_keep_every_cent() {
    let shop = Shop::on_disk().await;
    let report = shop.build().await;
    let rows: Vec<(String, u64)> = report.tables.iter().map(|table| (table.table.table.clone(), table.rows)).collect();
    // 366 days of 2024, two customers, two products, each with its unknown member; ann from her first day on, bob on his.
    let expected = [
        ("dim_date", 367),
        ("dim_customer", 3),
        ("dim_product", 3),
        ("fact_sales", 3),
        ("fact_daily", 31),
        ("fact_orders", 2),
    ];
    assert_eq!(rows, expected.map(|(name, rows)| (name.to_owned(), rows)));
    assert_eq!(
        shop.curated("fact_sales", &SALES).await,
        ["o1 20240105 20240107 1 1 4.25", "o1 20240105 20240107 1 2 10.50", "o2 20240203 -1 2 2 3.00",]
    );
    assert_eq!(
        shop.curated("fact_orders", &["order_id", "ordered_key", "shipped_key", "shipping_days"]).await,
        ["o1 20240105 20240107 2", "o2 20240203 -1 -",]
    );
    let daily = shop.curated("fact_daily", &["customer_key", "date_key", "amount", "balance"]).await;
    assert_eq!(daily.first().unwrap(), "1 20240105 14.75 14.75");
    assert_eq!(daily[1], "1 20240106 0.00 14.75");
    assert_eq!(daily.last().unwrap(), "2 20240203 3.00 3.00");
    let columns = ["customer_key", "customer_id", "name", "valid_from", "valid_to", "is_current"];
    assert_eq!(
        shop.curated("dim_customer", &columns).await,
        [
            "-1 - Unknown 1900-01-01T00:00 9999-12-31T00:00 true",
            "1 ann Ann 1900-01-01T00:00 9999-12-31T00:00 true",
            "2 bob Bob 1900-01-01T00:00 9999-12-31T00:00 true",
        ]
    );
    assert_eq!(
        shop.files("fact_sales").await.iter().map(|path| path.split('/').next().unwrap()).collect::<Vec<_>>(),
        ["month=2024-01", "month=2024-02"]
    );
}

#[tokio::test]
async fn keys_are_not_given_anew_when_the_state_is_gone() {
    let shop = Shop::on_disk().await;
    shop.build().await;
    let keys = shop.curated("dim_customer", &["customer_key", "customer_id"]).await;
    for entry in shop.lake.zones.raw.list("_state").await.unwrap() {
        shop.lake.zones.raw.delete(&entry.path).await.unwrap();
    }
    let error = build(&shop.lake, &star(), BuildOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), "star-state-gone");
    assert_eq!(shop.curated("dim_customer", &["customer_key", "customer_id"]).await, keys);
    build(&shop.lake, &star(), BuildOptions { is_rebuild: true }).await.unwrap();
    shop.build().await;
}

#[tokio::test]
async fn a_build_without_a_change_does_nothing() {
    let shop = Shop::new().await;
    assert!(inputs_changed(&shop.lake, &star()).await.unwrap());
    assert!(shop.build().await.is_changed());
    assert!(!inputs_changed(&shop.lake, &star()).await.unwrap());
    let again = shop.build().await;
    assert!(!again.is_changed(), "{again:?}");
    let log = DeltaLog::open(&shop.lake.zones.curated, "shop/fact_sales").await.unwrap().unwrap();
    assert_eq!(log.snapshot().await.unwrap().version, 1);
}

#[tokio::test]
async fn only_partitions_that_changed_are_written_again() {
    let shop = Shop::new().await;
    shop.build().await;
    let before = shop.files("fact_sales").await;
    shop.lines(&[
        ("o1", "ann", "tea", "2024-01-05 10:00", Some("2024-01-07 08:00"), "10.50"),
        ("o1", "ann", "jam", "2024-01-05 10:00", Some("2024-01-07 08:00"), "4.25"),
        ("o2", "bob", "tea", "2024-02-03 23:59", Some("2024-02-04 00:00"), "3.00"),
    ])
    .await;
    assert!(inputs_changed(&shop.lake, &star()).await.unwrap());
    shop.build().await;
    let after = shop.files("fact_sales").await;
    assert_eq!((before.len(), after.len()), (2, 2));
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}

#[tokio::test]
async fn a_build_killed_at_any_step_is_finished_by_the_next_to_the_same_rows_and_keys() {
    let whole = Shop::new().await;
    whole.build().await;
    let expected = whole.everything().await;
    for step in [Step::StarBegun, Step::StateCommitted, Step::DimensionsCommitted, Step::FactCommitted] {
        let shop = Shop::new().await;
        shop.killed_at(step).await;
        shop.build().await;
        assert_eq!(shop.everything().await, expected, "killed at {step}");
        assert!(!shop.build().await.is_changed(), "killed at {step}");
    }
}

#[tokio::test]
async fn two_builds_at_once_give_what_one_gives() {
    let whole = Shop::new().await;
    whole.build().await;
    let shop = Shop::new().await;
    let star = star();
    // Without the lease, as when it ran out while one of them was asleep.
    let one = build_leased(&shop.lake, &star, BuildOptions::default());
    let other = build_leased(&shop.lake, &star, BuildOptions::default());
    let (one, other) = tokio::join!(one, other);
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert_eq!(shop.everything().await, whole.everything().await);
    verify(&shop.lake, &star).await.unwrap();
}

#[tokio::test]
async fn a_tampered_star_fails_its_verification() {
    let shop = Shop::new().await;
    assert!(matches!(verify(&shop.lake, &star()).await, Err(StarError::InputMissing { .. })));
    shop.build().await;
    verify(&shop.lake, &star()).await.unwrap();
    let log = DeltaLog::open(&shop.lake.zones.curated, "shop/dim_product").await.unwrap().unwrap();
    let snapshot = log.snapshot().await.unwrap();
    let change = Change { removes: snapshot.files.clone(), ..Change::default() };
    log.commit(&snapshot, change, shop.lake.clock.now()).await.unwrap();
    let error = verify(&shop.lake, &star()).await.unwrap_err();
    assert!(error.to_string().contains("every product_key exists: 2 keys have no row"), "{error}");
}

#[tokio::test]
async fn a_product_that_is_sold_before_it_is_known_keeps_its_key_when_it_is() {
    let shop = Shop::new().await;
    shop.lines(&[
        ("o1", "ann", "figs", "2024-01-05 10:00", None, "1.00"),
        ("o2", "", "tea", "2024-01-05 10:00", None, "2.00"),
        ("o3", "eve", "tea", "2024-01-06 10:00", None, "2.00"),
    ])
    .await;
    shop.build().await;
    let products = ["product_key", "product_id", "category", "is_inferred", "is_deleted"];
    assert_eq!(
        shop.curated("dim_product", &products).await,
        ["-1 - Unknown false false", "1 figs Unknown true false", "2 jam food false false", "3 tea drinks false false",]
    );
    let sales = ["order_id", "customer_key", "product_key"];
    assert_eq!(shop.curated("fact_sales", &sales).await, ["o1 1 1", "o2 -1 3", "o3 3 3"]);
    shop.products(&[("tea", "drinks"), ("jam", "food"), ("figs", "fruit")], "2024-02-02 00:00").await;
    shop.build().await;
    assert_eq!(shop.curated("dim_product", &products).await[1], "1 figs fruit false false");
    assert_eq!(shop.curated("fact_sales", &sales).await, ["o1 1 1", "o2 -1 3", "o3 3 3"]);
    shop.products(&[("tea", "drinks"), ("figs", "fruit")], "2024-02-03 00:00").await;
    shop.build().await;
    assert_eq!(shop.curated("dim_product", &products).await[2], "2 jam food false true");
}

#[tokio::test]
async fn facts_find_the_version_of_their_time_also_when_it_comes_late() {
    let shop = Shop::new().await;
    shop.build().await;
    shop.customers(&[("ann", "Ann", "PL", "2024-01-20 00:00"), ("bob", "Bob", "FR", "2024-01-01 00:00")]).await;
    let line = |order, at| (order, "ann", "tea", at, None, "1.00");
    shop.lines(&[line("o1", "2023-05-05 10:00"), line("o2", "2024-01-10 10:00"), line("o3", "2024-01-20 00:00")]).await;
    shop.build().await;
    let sales = ["order_id", "customer_key"];
    assert_eq!(shop.curated("fact_sales", &sales).await, ["o1 1", "o2 1", "o3 3"]);
    // A version between the two shows up late: it gets a key of its own, and the fact of its time moves to it.
    let late = [
        ("ann", "Ann", "IT", "2024-01-09 00:00"),
        ("ann", "Ann", "PL", "2024-01-20 00:00"),
        ("bob", "Bob", "FR", "2024-01-01 00:00"),
    ];
    shop.customers(&late).await;
    shop.build().await;
    assert_eq!(shop.curated("fact_sales", &sales).await, ["o1 1", "o2 4", "o3 3"]);
    let versions =
        shop.curated("dim_customer", &["customer_id", "valid_from", "valid_to", "is_current", "country"]).await;
    assert_eq!(
        versions[1..4],
        [
            "ann 1900-01-01T00:00 2024-01-09T00:00 false DE".to_owned(),
            "ann 2024-01-09T00:00 2024-01-20T00:00 false IT".to_owned(),
            "ann 2024-01-20T00:00 9999-12-31T00:00 true PL".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_rebuild_has_the_same_keys_and_history_although_the_source_forgot_them() {
    let shop = Shop::on_disk().await;
    shop.build().await;
    shop.customers(&[("ann", "Ann", "PL", "2024-01-20 00:00"), ("bob", "Bob", "FR", "2024-01-01 00:00")]).await;
    shop.build().await;
    let expected = shop.everything().await;
    fs_err::remove_dir_all(shop.folder.path().join("curated")).unwrap();
    shop.build().await;
    assert_eq!(shop.everything().await, expected);
    let rebuilt = build(&shop.lake, &star(), BuildOptions { is_rebuild: true }).await.unwrap();
    assert!(rebuilt.tables.iter().all(|table| table.outcome != Outcome::Unchanged));
    assert_eq!(shop.everything().await, expected);
}

#[tokio::test]
async fn a_failing_test_keeps_the_last_good_rows() {
    let shop = Shop::new().await;
    shop.build().await;
    let before = shop.curated("fact_sales", &SALES).await;
    let doubled = ("o1", "ann", "tea", "2024-01-05 10:00", None, "10.50");
    shop.lines(&[doubled, doubled]).await;
    let error = build(&shop.lake, &star(), BuildOptions::default()).await.unwrap_err();
    assert!(matches!(error, StarError::TestFailed { .. }), "{error}");
    assert!(error.to_string().contains("grain [order_id, product_key]"), "{error}");
    assert_eq!(shop.curated("fact_sales", &SALES).await, before);
}

#[tokio::test]
async fn a_star_whose_source_was_never_read_names_the_table() {
    let shop = Shop::on_disk().await;
    fs_err::remove_dir_all(shop.folder.path().join("cleansed/shop/products")).unwrap();
    let error = build(&shop.lake, &star(), BuildOptions::default()).await.unwrap_err();
    assert!(matches!(&error, StarError::InputMissing { input, .. } if input.table == "products"), "{error}");
}

#[tokio::test]
async fn a_column_that_leaves_the_model_stays_in_the_state_and_returns() {
    let shop = Shop::new().await;
    shop.build().await;
    let without = YAML.replace("      name: { type: string }\n", "");
    let smaller = Star::from_texts(&without, &queries(), "star.yaml").unwrap();
    build(&shop.lake, &smaller, BuildOptions::default()).await.unwrap();
    let state = shop.rows_of(Zone::Raw, "_state/shop/dim_customer").await;
    assert!(state.schema().contains("name"));
    assert!(!shop.rows_of(Zone::Curated, "shop/dim_customer").await.schema().contains("name"));
    shop.build().await;
    assert_eq!(shop.curated("dim_customer", &["customer_key", "name"]).await, ["-1 Unknown", "1 Ann", "2 Bob"]);
}

#[test]
fn a_model_that_contradicts_itself_is_refused_with_lines() {
    let broken = YAML
        .replace("as_of: ordered_at, on_missing", "on_missing")
        .replace("grain: [order_id, product_key]", "grain: [order_id, colour]")
        .replace("dimension: dim_product", "dimension: dim_thing");
    let error = Star::from_texts(&broken, &queries(), "star.yaml").unwrap_err();
    let StarError::Unsound { problems, .. } = &error else { panic!("{error}") };
    let places: Vec<(&str, Option<usize>)> =
        problems.iter().map(|problem| (problem.place.as_str(), problem.line)).collect();
    assert_eq!(
        places,
        [
            ("facts.fact_sales.grain", Some(27)),
            ("facts.fact_sales.lookups.customer_key", Some(31)),
            ("facts.fact_sales.lookups.product_key", Some(32)),
        ]
    );
    let unknown = YAML.replace("scd: 2", "scd: 4");
    let error = Star::from_texts(&unknown, &queries(), "star.yaml").unwrap_err();
    let StarError::Syntax { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains("scd type 4 is not known"), "{source}");
    let mistyped = YAML.replace("effective: updated_at", "efective: updated_at");
    let error = Star::from_texts(&mistyped, &queries(), "star.yaml").unwrap_err();
    let StarError::Syntax { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains("efective"), "{source}");
}

#[test]
fn a_star_is_described_from_its_model_alone() {
    let star = describe(&star());
    let sales = star.table("fact_sales").unwrap();
    let columns: Vec<&str> = sales.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        columns,
        [
            "order_date_key",
            "ship_date_key",
            "customer_key",
            "product_key",
            "order_id",
            "amount",
            "days_to_ship",
            "month"
        ]
    );
    let dates: Vec<(&str, bool)> = star
        .relationships
        .iter()
        .filter(|relationship| relationship.from_table == "fact_sales" && relationship.to_table == "dim_date")
        .map(|relationship| (relationship.from_column.as_str(), relationship.is_active))
        .collect();
    assert_eq!(dates, [("order_date_key", true), ("ship_date_key", false)]);
    assert_eq!(star.date_table().unwrap().name.table, "dim_date");
    assert_eq!(sales.measures[0].format, "#,##0.00");
}

/// The folder of an example's star.
fn example(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(path)
}

#[test]
fn the_examples_are_sound() {
    for path in ["retail/stars/retail", "shop/stars/shop"] {
        let star = Star::load(&example(path)).unwrap();
        let described = describe(&star);
        assert!(described.tables.iter().any(TableDescription::is_fact), "{path}");
    }
}

/// Cleansed tables as the sandbox's manifest promises them, with two customers and two orders.
async fn sandbox(folder: &Path) -> Lake {
    let lake = empty_lake(folder).await;
    let at = |text: &str| instant(text).timestamp_micros();
    let customers = df!(
        "id" => ["c1", "c1", "c2"], "name" => ["Ann", "Ann", "Bob"], "email" => ["a@x.org", "a@x.org", "b@x.org"],
        "city" => [Some("Ulm"), Some("Bonn"), None], "country" => ["DE"; 3], "segment" => ["new", "gold", "new"],
        "created_at" => [at("2024-01-01 00:00"); 3],
        "updated_at" => [at("2024-01-01 00:00"), at("2024-02-01 00:00"), at("2024-01-03 00:00")],
        "_read_at" => [at("2024-02-02 00:00"); 3], "_ordinal" => [0_i64, 1, 2],
    );
    let customers = typed(customers.unwrap().lazy(), &["created_at", "updated_at", "_read_at"]);
    show(&lake, "customers__versions", customers).await;
    let keyed = df!("id" => ["c1", "c2"], "_deleted_at" => [None, Some(at("2024-02-10 00:00"))]);
    show(&lake, "customers", typed(keyed.unwrap().lazy(), &["_deleted_at"])).await;
    let products = df!(
        "id" => ["p1"], "name" => ["Tea"], "category" => ["drinks"], "brand" => [None::<&str>], "price_minor" => [1_999_i64],
        "_read_at" => [at("2024-02-02 00:00")],
    );
    show(&lake, "products", typed(products.unwrap().lazy(), &["_read_at"])).await;
    let orders = df!(
        "id" => ["o1", "o2"], "customer_id" => ["c1", "c2"], "status" => ["paid", "placed"], "currency" => ["EUR"; 2],
        "created_at" => [at("2024-01-15 09:00"), at("2024-02-03 10:00")],
    );
    show(&lake, "orders", typed(orders.unwrap().lazy(), &["created_at"])).await;
    let lines = df!(
        "order_id" => ["o1", "o1", "o2"], "line_no" => [1_i64, 2, 1], "product_id" => ["p1", "p9", "p1"],
        "quantity" => [3_i64, 1, 1], "price_minor" => [1_999_i64, 50, 1_999],
    );
    show(&lake, "order_lines", lines.unwrap()).await;
    let payments = df!(
        "id" => ["y1"], "order_id" => ["o1"], "method" => ["card"], "state" => ["captured"], "amount" => ["60.47"],
        "created_at" => [at("2024-01-15 09:01")], "updated_at" => [at("2024-01-16 00:00")],
    );
    let payments = payments.unwrap().lazy().with_column(col("amount").cast(DataType::Decimal(12, 2)));
    show(&lake, "payments", typed(payments, &["created_at", "updated_at"])).await;
    let tickets = df!(
        "id" => ["t1", "t2"], "customer_id" => [None, Some("c2")], "status" => ["open", "closed"],
        "updated_at" => [at("2024-02-05 00:00"); 2], "_deleted_at" => [None, Some(at("2024-02-06 00:00"))],
    );
    show(&lake, "tickets", typed(tickets.unwrap().lazy(), &["updated_at", "_deleted_at"])).await;
    let events = df!(
        "order_id" => [Some("o1"), Some("o1"), Some("o2"), None], "customer_id" => ["c1", "c1", "c2", "c2"],
        "type" => ["order_placed", "order_paid", "order_placed", "customer_registered"],
        "created_at" => [at("2024-01-15 09:00"), at("2024-01-18 09:00"), at("2024-02-03 10:00"), at("2024-01-03 00:00")],
    );
    show(&lake, "events", typed(events.unwrap().lazy(), &["created_at"])).await;
    lake
}

#[tokio::test]
async fn the_sandbox_star_builds_from_the_sandbox_tables() {
    let folder = TempDir::new().unwrap();
    let lake = sandbox(folder.path()).await;
    let star = Star::load(&example("shop/stars/shop")).unwrap();
    let report = build(&lake, &star, BuildOptions::default()).await.unwrap();
    let rows: Vec<(&str, u64)> = report.tables.iter().map(|table| (table.table.table.as_str(), table.rows)).collect();
    assert_eq!(
        rows,
        [
            ("dim_date", 367),
            ("dim_customer", 5),
            ("dim_product", 3),
            ("fact_order_lines", 3),
            ("fact_payments", 1),
            ("fact_tickets", 1),
            ("fact_order_process", 2),
        ]
    );
    let shop = Shop { lake, folder };
    assert_eq!(
        shop.curated("fact_order_lines", &["order_id", "line_no", "customer_key", "product_key", "revenue"]).await,
        ["o1 1 1 1 59.97", "o1 2 1 2 0.50", "o2 1 3 1 19.99"]
    );
    let customers = ["customer_key", "city", "segment", "current_segment", "is_current", "is_deleted"];
    assert_eq!(
        shop.curated("dim_customer", &customers).await,
        [
            "-1 Unknown Unknown Unknown true false",
            "1 Bonn new gold false false",
            "2 Bonn gold gold true false",
            "3 - new new false false",
            "4 - new new true true",
        ]
    );
    assert_eq!(shop.curated("fact_tickets", &["ticket_id", "customer_key"]).await, ["t1 -1"]);
    let process = ["order_id", "placed_date_key", "paid_date_key", "shipped_date_key", "days_to_pay", "days_to_ship"];
    assert_eq!(
        shop.curated("fact_order_process", &process).await,
        ["o1 20240115 20240118 -1 3 -", "o2 20240203 -1 -1 - -"]
    );
}
