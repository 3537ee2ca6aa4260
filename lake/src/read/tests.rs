//! Questions over real tables, with and without leave.

use std::path::Path;
use std::sync::Arc;

use headwater_catalog::{Action, Audit, Permit, Policy};
use headwater_contract::{FixedClock, TableName};
use polars::prelude::{DataType, IntoLazy, col, df};
use tempfile::TempDir;

use super::*;
use crate::Lake;
use crate::star::tests::{empty_lake, instant, off, show};

/// Leave to read `tables` for an analyst of cleansed data, as the audit log gives it.
pub(crate) fn leave(folder: &Path, tables: &[&str]) -> Vec<Permit> {
    let settings = headwater_contract::yaml::from_str("users: { ann: data_scientist }").unwrap();
    let policy = Policy::new(&settings).unwrap();
    let caller = policy.caller("ann", None).unwrap();
    let audit = Audit::open(folder.join("audit.jsonl"), Arc::new(FixedClock::at(instant("2024-03-10 00:00"))));
    let admit =
        |table: &&str| audit.admit(policy.decide(&caller, Action::Read, &table.parse().unwrap()), "test").unwrap();
    tables.iter().map(admit).collect()
}

/// A lake with a table of two orders.
pub(crate) async fn two_orders(folder: &Path) -> Lake {
    let lake = empty_lake(folder).await;
    let frame = df!("id" => ["o1", "o2"], "customer" => ["ann", "bob"], "amount" => ["10.50", "3.00"]).unwrap();
    let frame = frame.lazy().with_column(col("amount").cast(DataType::Decimal(12, 2)));
    show(&lake, "orders", off(move || frame.collect().unwrap())).await;
    lake
}

fn names(tables: &[&str]) -> Vec<TableName> {
    tables.iter().map(|table| table.parse().unwrap()).collect()
}

#[tokio::test]
async fn refuses_a_table_without_leave_whether_it_exists_or_not() {
    let folder = TempDir::new().unwrap();
    let lake = two_orders(folder.path()).await;
    let permits = leave(folder.path(), &["cleansed.shop.customers"]);
    for table in ["cleansed.shop.orders", "cleansed.shop.nothing"] {
        let sql = format!("select * from {table}");
        let error = query(&lake, &permits, &sql, &names(&["cleansed.shop.orders"])).await.unwrap_err();
        assert_eq!(error.to_string(), format!("there is no leave to read `{table}`"));
    }
    let error = query(&lake, &permits, "select * from orders", &[]).await.unwrap_err();
    assert!(matches!(error, ReadError::Query { .. }), "{error:?}");
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_with_its_neighbours() {
    let folder = TempDir::new().unwrap();
    let lake = two_orders(folder.path()).await;
    let permits = leave(folder.path(), &["cleansed.shop.order"]);
    let visible = names(&["cleansed.shop.orders", "curated.shop.dim_date"]);
    let error = query(&lake, &permits, "select * from cleansed.shop.order", &visible).await.unwrap_err();
    let ReadError::NoSuchTable { near, .. } = &error else { panic!("{error}") };
    assert_eq!(near, &names(&["cleansed.shop.orders"]));
}

#[tokio::test]
async fn a_question_is_answered_to_the_cent() {
    let folder = TempDir::new().unwrap();
    let lake = two_orders(folder.path()).await;
    let permits = leave(folder.path(), &["cleansed.shop.orders"]);
    let sql = "with big as (select * from cleansed.shop.orders where amount > 1)
               select count(*) as orders, sum(b.amount) as total from big as b join Cleansed.shop.Orders as o on b.id = o.id";
    let answer = query(&lake, &permits, sql, &[]).await.unwrap();
    assert_eq!(as_json(&answer).to_string(), r#"[{"orders":2,"total":"13.50"}]"#);
}
