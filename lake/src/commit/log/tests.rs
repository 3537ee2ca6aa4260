//! The log by itself: conflicts, creation, schema, transactions behind checkpoints.

use arrow_schema::{DataType, Field, TimeUnit};
use headwater_contract::Explain;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::*;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("money", DataType::Decimal128(12, 2), true),
    ]))
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_709_251_200, 0).unwrap()
}

fn file(path: &str) -> NewFile {
    NewFile { path: path.to_owned(), size: 10, stats: json!({ "numRecords": 3 }), partition: BTreeMap::new() }
}

async fn table() -> DeltaLog {
    let store = Store::memory().unwrap();
    DeltaLog::open_or_create(&store, "shop/orders", &schema(), &[], now()).await.unwrap()
}

fn adds(paths: &[&str], txn: (&str, i64)) -> Change {
    Change {
        adds: paths.iter().map(|path| file(path)).collect(),
        txns: vec![(txn.0.to_owned(), txn.1)],
        ..Change::default()
    }
}

#[tokio::test]
async fn a_commit_from_an_old_snapshot_is_refused_whatever_it_does() {
    let log = table().await;
    let old = log.snapshot().await.unwrap();
    log.commit(&old, adds(&["a"], ("/w1", 1)), now()).await.unwrap();
    let stale = log.snapshot().await.unwrap();
    let [first, second] = ["b", "c"].map(|path| Change { removes: stale.files.clone(), ..adds(&[path], ("/w1", 2)) });
    log.commit(&stale, first, now()).await.unwrap();
    let error = log.commit(&stale, second, now()).await.unwrap_err();
    assert!(matches!(error, LogError::Conflict { .. }) && error.asks_again(), "{error:?}");
    let error = log.commit(&old, adds(&["d"], ("/w2", 1)), now()).await.unwrap_err();
    assert!(matches!(error, LogError::Conflict { .. }), "{error:?}");
    let paths: Vec<_> = log.snapshot().await.unwrap().files.into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["b"]);
}

#[tokio::test]
async fn refuses_a_column_that_changes_its_type_and_a_timestamp_without_a_zone() {
    let log = table().await;
    let snapshot = log.snapshot().await.unwrap();
    for (data_type, code) in
        [(DataType::Utf8, "column-type"), (DataType::Timestamp(TimeUnit::Microsecond, None), "column-type")]
    {
        let schema = Some(Arc::new(Schema::new(vec![Field::new("id", data_type, true)])));
        let error = log.commit(&snapshot, Change { schema, ..Change::default() }, now()).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
    let store = Store::memory().unwrap();
    let naive = Arc::new(Schema::new(vec![Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true)]));
    let error = DeltaLog::open_or_create(&store, "shop/orders", &naive, &[], now()).await.unwrap_err();
    assert_eq!(error.code(), "column-no-type");
}

#[tokio::test]
async fn creation_is_the_same_for_all_who_race_for_it() {
    let store = Store::memory().unwrap();
    let one = DeltaLog::at(&store, "shop/orders").unwrap();
    one.create(&schema(), &[], now()).await.unwrap();
    one.create(&schema(), &[], now()).await.unwrap();
    let snapshot = one.snapshot().await.unwrap();
    assert_eq!((snapshot.version, snapshot.files.len()), (0, 0));
    assert!(DeltaLog::open(&store, "shop/payments").await.unwrap().is_none());
}

#[tokio::test]
async fn a_column_that_is_new_joins_the_table() {
    let log = table().await;
    let mut fields: Vec<_> = schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(Field::new("note", DataType::Utf8, false));
    let snapshot = log.snapshot().await.unwrap();
    let change = Change { schema: Some(Arc::new(Schema::new(fields))), ..adds(&["a"], ("/w", 1)) };
    log.commit(&snapshot, change, now()).await.unwrap();
    let after = log.snapshot().await.unwrap();
    assert_eq!(after.table_id, snapshot.table_id);
    assert!(after.schema.field_with_name("note").unwrap().is_nullable());
}

#[tokio::test]
async fn transactions_and_files_survive_checkpoints_and_odd_paths() {
    let log = table().await;
    let odd = "owner%2Frepo/t 1=2.parquet";
    for number in 0..50_i64 {
        let snapshot = log.snapshot().await.unwrap();
        let path = if number == 3 { odd.to_owned() } else { format!("f{number}") };
        let change = adds(&[path.as_str()], (&format!("owner%2Frepo/w{number}"), number));
        log.commit(&snapshot, change, now()).await.unwrap();
    }
    let checkpoint = Path::from("_delta_log/00000000000000000039.checkpoint.parquet");
    log.objects().head(&checkpoint).await.unwrap();
    // The log before a checkpoint may be cleaned up: everything must come from the checkpoint.
    for version in 0..=30 {
        log.objects().delete(&Path::from(format!("_delta_log/{version:020}.json"))).await.unwrap();
    }
    let snapshot = log.snapshot().await.unwrap();
    assert_eq!((snapshot.version, snapshot.txns.len(), snapshot.rows()), (50, 50, Some(150)));
    assert!((0..50).all(|number| snapshot.txn(&format!("owner%2Frepo/w{number}")) == Some(number)));
    assert!(snapshot.files.iter().any(|file| file.path == odd));
    let older = log.snapshot_at(Some(45)).await.unwrap();
    assert_eq!((older.version, older.files.len(), older.txns.len()), (45, 45, 45));
}
