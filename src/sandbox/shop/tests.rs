//! Edits, truth and time of the shop, without HTTP.

use headwater_contract::SystemClock;
use serde_json::json;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn shop() -> Shop {
    let opens = at("2025-03-01T00:00:00Z");
    let size = WorldSize { orders: 2_000, days: 10, days_ahead: 5 };
    Shop::new((7, opens, size), Arc::new(SystemClock), at("2025-03-09T01:00:00Z"), 0)
}

fn rows(shop: &Shop, collection: Collection, as_of: Option<DateTime<Utc>>) -> BTreeMap<String, Value> {
    let text = shop.truth(collection, None, None, as_of);
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect()
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { panic!("{value} is no object") }
}

#[test]
fn refuses_edits_of_what_is_not_there() {
    let shop = shop();
    let missing = Edit::Delete { collection: Collection::Orders, id: "ord_8000000".to_owned() };
    assert!(matches!(shop.edit(missing), Err(EditError::NoSuchRow { .. })));
    let line = Edit::RemoveLine { id: Collection::Orders.id(10), line_no: 77 };
    assert!(matches!(shop.edit(line), Err(EditError::NoSuchLine { .. })));
    let fields = object(json!({ "created_at": "2025-03-02T00:00:00Z" }));
    let moved = Edit::Set { collection: Collection::Orders, id: Collection::Orders.id(10), fields };
    assert_eq!(shop.edit(moved), Err(EditError::FixedField { field: "created_at".to_owned() }));
}

#[test]
fn an_edit_shows_from_its_second_on_and_not_before() {
    let shop = shop();
    let before = shop.now();
    let id = Collection::Payments.id(30);
    let was = rows(&shop, Collection::Payments, None)[&id].clone();
    let fields = object(json!({ "state": "refunded" }));
    let edited = shop.edit(Edit::Set { collection: Collection::Payments, id: id.clone(), fields }).unwrap();
    let is = rows(&shop, Collection::Payments, None)[&id].clone();
    assert_eq!(rows(&shop, Collection::Payments, Some(before))[&id], was);
    assert_eq!(is["state"], "refunded");
    assert_eq!(is["updated_at"], timestamp(edited.at));
    assert_ne!(is["updated_at"], was["updated_at"]);
}

#[test]
fn a_removed_line_lowers_the_total() {
    let shop = shop();
    let orders = rows(&shop, Collection::Orders, None);
    let order = orders.values().find(|order| order["lines"].as_array().unwrap().len() > 1).unwrap();
    let id = order["id"].as_str().unwrap().to_owned();
    shop.edit(Edit::RemoveLine { id: id.clone(), line_no: 1 }).unwrap();
    let shorter = rows(&shop, Collection::Orders, None)[&id].clone();
    assert_eq!(shorter["lines"].as_array().unwrap().len() + 1, order["lines"].as_array().unwrap().len());
    assert!(shorter["total_minor"].as_i64() < order["total_minor"].as_i64());
}

#[test]
fn late_rows_deletes_and_hiding_change_the_list() {
    let shop = shop();
    let range = (at("2025-03-03T00:00:00Z"), at("2025-03-04T00:00:00Z"));
    let count = |shop: &Shop| shop.truth(Collection::Orders, Some(range.0), Some(range.1), None).lines().count();
    let all = count(&shop);
    let row = object(json!({ "created_at": "2025-03-03T12:00:00Z", "total_minor": 5 }));
    let late = shop.edit(Edit::Insert { collection: Collection::Orders, row }).unwrap().id.unwrap();
    assert_eq!(
        (count(&shop), rows(&shop, Collection::Orders, None)[&late]["total_minor"].as_i64()),
        (all + 1, Some(5))
    );
    shop.edit(Edit::Delete { collection: Collection::Orders, id: late }).unwrap();
    assert_eq!(count(&shop), all);
    let hide = |percent| Edit::Hide { collection: Collection::Orders, from: range.0, until: range.1, percent };
    shop.edit(hide(10)).unwrap();
    let some = count(&shop);
    assert!(some < all && some * 10 > all * 8, "{some} of {all}");
    shop.edit(hide(100)).unwrap();
    assert_eq!(count(&shop), 0);
    shop.edit(Edit::Show { collection: Collection::Orders }).unwrap();
    assert_eq!(count(&shop), all);
}

#[test]
fn the_chain_of_ticket_changes_only_grows() {
    let shop = shop();
    let now = shop.moment();
    let (before, total) = shop.ticket_changes(now, 0..usize::MAX);
    assert!(total > 50);
    let id = rows(&shop, Collection::Tickets, None).into_keys().next().unwrap();
    shop.edit(Edit::Delete { collection: Collection::Tickets, id: id.clone() }).unwrap();
    shop.edit(Edit::Insert { collection: Collection::Tickets, row: object(json!({ "subject": "Hello" })) }).unwrap();
    shop.advance(TimeDelta::days(2));
    let (after, _) = shop.ticket_changes(shop.moment(), 0..usize::MAX);
    assert_eq!(after[..before.len()], before[..]);
    assert!(after.len() > before.len() + 2, "two edits and what two days brought");
    let tickets = rows(&shop, Collection::Tickets, None);
    assert!(!tickets.contains_key(&id));
    assert!(tickets.values().any(|ticket| ticket["subject"] == "Hello"));
}
