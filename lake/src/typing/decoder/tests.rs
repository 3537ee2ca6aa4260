//! Every type with what fits it and what does not, nested values, child rows, records that are no JSON.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use headwater_contract::{ChildTable, Deletes, Span, StreamKind, TimestampFormat};
use serde_json::{Value, json};

use super::*;

pub(crate) fn contract(columns: Vec<Column>) -> StreamContract {
    StreamContract {
        name: "shop.orders".parse().unwrap(),
        title: "One row for each order".to_owned(),
        kind: StreamKind::Restating,
        key: Vec::new(),
        append_only: true,
        key_is_stream_wide: false,
        version_field: None,
        columns,
        children: Vec::new(),
        window: None,
        every: Span::days(1),
        start: None,
        end: None,
        deletes: Deletes::None,
        key_list_of: None,
        volatile: Vec::new(),
        may_be_empty: false,
        max_removed: 0.2,
        max_quarantined: 0.01,
        best_effort: None,
        json_schema: None,
        manifest_digest: Digest16::default(),
    }
}

fn column(name: &str, column_type: &str) -> Column {
    Column::new(name, column_type.parse().unwrap()).nullable()
}

fn at(pointer: &str, mut column: Column) -> Column {
    pointer.clone_into(&mut column.pointer);
    column
}

fn decode(contract: &StreamContract, texts: &[&str]) -> TypedBatch {
    let mut decoder = Decoder::new(contract).unwrap();
    for (place, text) in texts.iter().enumerate() {
        decoder.push(place as u64, &Bytes::copy_from_slice(text.as_bytes()));
    }
    decoder.finish().unwrap()
}

fn rescued(batch: &TypedBatch, row: usize) -> Value {
    if batch.rescued.is_null(row) { Value::Null } else { serde_json::from_str(batch.rescued.value(row)).unwrap() }
}

/// Types one value as `column` and returns whether it is null and what was rescued, as text.
fn one(column: Column, value: &str) -> (bool, Option<String>) {
    let batch = decode(&contract(vec![column]), &[&format!("{{\"v\":{value}}}")]);
    assert!(batch.undecodable.is_empty(), "{value}");
    let rescued = batch.rescued.is_valid(0).then(|| batch.rescued.value(0).to_owned());
    (batch.rows.column(0).is_null(0), rescued)
}

#[test]
fn a_misfit_is_null_and_rescued_as_it_was_sent() {
    for (column_type, values) in [
        ("string", vec!["1", "true", "{}", "[\"a\"]"]),
        ("int64", vec!["1.5", "\"a\"", "true", "9223372036854775808", "\"\"", "[1]"]),
        ("float64", vec!["\"nan\"", "1e999", "false"]),
        ("boolean", vec!["0", "\"yes\"", "\"TRUE\""]),
        ("decimal(6,2)", vec!["1.005", "10000", "\"1,5\"", "{}"]),
        ("date", vec!["\"2024-02-30\"", "20240301", "\"2024-03-01T00:00:00Z\""]),
        ("timestamp", vec!["1709251200", "\"2024-03-01\"", "\"2024-03-01T00:00:00\""]),
    ] {
        for value in values {
            let expected = (true, Some(format!("{{\"v\":{value}}}")));
            assert_eq!(one(column("v", column_type), value), expected, "{column_type} {value}");
        }
    }
}

#[test]
fn every_type_takes_its_values() {
    for (column_type, values) in [
        ("string", vec!["\"a\"", "\"\"", "\"\\u00e4\\n\""]),
        ("int64", vec!["1", "-1.0", "\"42\"", "1e3"]),
        ("float64", vec!["1", "-1.5e3", "\"2.5\""]),
        ("boolean", vec!["true", "\"false\""]),
        ("decimal(6,2)", vec!["1", "1.50", "\"-3.07\"", "1e2"]),
        ("date", vec!["\"2024-02-29\""]),
        ("timestamp", vec!["\"2024-03-01T00:00:00Z\"", "\"2024-03-01T00:00:00+01:00\""]),
        ("json", vec!["1", "\"a\"", "{\"a\":[1]}", "[]"]),
    ] {
        for value in values {
            assert_eq!(one(column("v", column_type), value), (false, None), "{column_type} {value}");
        }
        assert_eq!(one(column("v", column_type), "null"), (true, None), "{column_type} null");
    }
    let unix = Column { format: TimestampFormat::UnixSeconds, ..column("v", "timestamp") };
    assert_eq!(one(unix, "1709251200"), (false, None));
}

#[test]
fn money_never_passes_through_a_float() {
    let batch =
        decode(&contract(vec![column("v", "decimal(20,2)")]), &["{\"v\":123456789012345678.07}", "{\"v\":0.07}"]);
    let values = batch.rows.column(0).as_primitive::<Decimal128Type>();
    assert_eq!((values.value(0), values.value(1)), (12_345_678_901_234_567_807, 7));
}

#[test]
fn nested_values_are_flattened_and_what_nobody_names_is_rescued() {
    let columns = vec![
        column("id", "int64"),
        at("/customer/id", column("customer_id", "int64")),
        at("/items/1", column("second", "string")),
        at("/raw", column("raw", "json")),
        at("/raw/x", column("x", "int64")),
    ];
    let batch = decode(
        &contract(columns),
        &[
            r#"{"customer":{"name":"Ann","id":7},"id":1,"note":"n","items":["a","b"],"raw":{"x":3,"y":4}}"#,
            r#"{"id":2}"#,
            r#"{"id":3,"customer":"gone","items":[],"extra":null}"#,
            r#"{"\u0069d":4,"customer":null}"#,
        ],
    );
    let int = |column: usize| batch.rows.column(column).as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
    assert_eq!(int(0), [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!((int(1), int(4)), (vec![Some(7), None, None, None], vec![Some(3), None, None, None]));
    assert_eq!(batch.rows.column(2).as_string::<i32>().value(0), "b");
    assert_eq!(batch.rows.column(3).as_string::<i32>().value(0), r#"{"x":3,"y":4}"#);
    assert_eq!(rescued(&batch, 0), json!({ "/customer/name": "Ann", "note": "n", "items": ["a", "b"] }));
    assert_eq!(rescued(&batch, 1), Value::Null);
    assert_eq!(rescued(&batch, 2), json!({ "customer": "gone", "extra": null }));
}

#[test]
fn records_that_are_not_json_do_not_stop_the_others() {
    let texts = ["{\"v\":1}", "{\"v\":", "", "{\"v\":2} x", "{\"v\":tru}", "{\"v\":3}\n", "7"];
    let mut decoder = Decoder::new(&contract(vec![column("v", "int64")])).unwrap();
    for (place, text) in texts.iter().enumerate() {
        decoder.push(place as u64, &Bytes::copy_from_slice(text.as_bytes()));
    }
    decoder.push(99, &Bytes::from_static(b"{\"v\":\"\xff\"}"));
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.positions, [0, 5, 6]);
    assert_eq!(batch.undecodable.iter().map(|bad| bad.position).collect::<Vec<_>>(), [1, 2, 3, 4, 99]);
    assert_eq!(rescued(&batch, 2), json!({ "": 7 }));
}

#[test]
fn structs_and_lists_are_taken_whole_or_not_at_all() {
    let address = ColumnType::Struct(vec![column("city", "string"), Column::new("zip", ColumnType::Int64)]);
    let tags = ColumnType::List(Box::new(Column::new("tag", ColumnType::String)));
    let columns = vec![Column::new("address", address).nullable(), Column::new("tags", tags).nullable()];
    let batch = decode(
        &contract(columns),
        &[
            r#"{"address":{"city":"Bonn","zip":53111},"tags":["a","b"]}"#,
            r#"{"address":{"city":5,"zip":1},"tags":["a",1]}"#,
            r#"{"address":{"city":"Köln"},"tags":[]}"#,
            r#"{"address":{"zip":1,"street":"x"},"tags":[null]}"#,
            r"{}",
        ],
    );
    let (address, tags) = (batch.rows.column(0).as_struct(), batch.rows.column(1).as_list::<i32>());
    assert_eq!((0..5).map(|row| address.is_null(row)).collect::<Vec<_>>(), [false, true, true, false, true]);
    assert_eq!((0..5).map(|row| tags.is_null(row)).collect::<Vec<_>>(), [false, true, false, true, true]);
    assert_eq!((tags.value_length(0), tags.value_length(2)), (2, 0));
    assert_eq!(rescued(&batch, 1), json!({ "address": { "city": 5, "zip": 1 }, "tags": ["a", 1] }));
    assert_eq!(rescued(&batch, 3), json!({ "address": { "zip": 1, "street": "x" }, "tags": [null] }));
    assert_eq!(rescued(&batch, 4), Value::Null);
}

#[test]
fn children_come_from_the_same_pass_with_their_parent_and_line() {
    let mut contract = contract(vec![column("id", "int64")]);
    contract.children.push(ChildTable {
        name: "order_lines".to_owned(),
        pointer: "/lines".to_owned(),
        parent_columns: vec![("order_id".to_owned(), "id".to_owned())],
        key: vec!["sku".to_owned()],
        columns: vec![column("sku", "string"), at("/price/net", column("net", "decimal(8,2)"))],
    });
    let batch = decode(
        &contract,
        &[
            r#"{"id":1,"lines":[{"sku":"a","price":{"net":1.5}},{"sku":"b","price":{"net":"x"},"new":1}]}"#,
            r#"{"id":2,"lines":[]}"#,
            r#"{"id":3}"#,
            r#"{"id":4,"lines":{"sku":"c"}}"#,
            r#"{"id":5,"lines":[{"sku":"d"}]}"#,
        ],
    );
    let child = &batch.children[0];
    assert_eq!((&child.parents[..], &child.lines[..]), (&[0, 0, 4][..], &[0, 1, 0][..]));
    let skus: Vec<_> = child.rows.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(skus, ["a", "b", "d"]);
    let of_child: Value = serde_json::from_str(child.rescued.value(1)).unwrap();
    assert_eq!(of_child, json!({ "net": "x", "new": 1 }));
    assert_eq!(rescued(&batch, 3), json!({ "/lines": { "sku": "c" } }));
}

#[test]
fn refuses_contracts_that_contradict_themselves() {
    let twice = contract(vec![column("id", "int64"), column("id", "string")]);
    let ours = contract(vec![column("_window", "int64")]);
    let no_pointer = contract(vec![at("id", column("id", "int64"))]);
    let no_key = StreamContract { key: vec!["id".to_owned()], ..contract(vec![column("v", "int64")]) };
    for (contract, code) in
        [(twice, "column-twice"), (ours, "column-twice"), (no_pointer, "column-pointer"), (no_key, "column-missing")]
    {
        assert_eq!(headwater_contract::Explain::code(&Decoder::new(&contract).unwrap_err()), code);
    }
}

#[test]
fn keys_are_of_typed_values_and_absent_where_null() {
    let contract = StreamContract { key: vec!["id".to_owned()], ..contract(vec![column("id", "int64")]) };
    let batch = decode(&contract, &["{\"id\":1}", "{\"id\":\"1\"}", "{\"id\":2}", "{\"id\":null}", "{\"id\":\"x\"}"]);
    assert_eq!(batch.keys[0], batch.keys[1]);
    assert_ne!(batch.keys[0], batch.keys[2]);
    assert_eq!((batch.keys[3], batch.keys[4]), (None, None));
    assert_ne!(batch.hashes[0], batch.hashes[1]);
}

#[test]
fn a_batch_begins_anew_after_each_finish() {
    let contract = contract(vec![Column { format: TimestampFormat::UnixMillis, ..column("at", "timestamp") }]);
    let mut decoder = Decoder::new(&contract).unwrap();
    for round in 1..3_u64 {
        decoder.push(round, &Bytes::from(format!("{{\"at\":{round}}}")));
        assert_eq!(decoder.rows(), 1);
        let batch = decoder.finish().unwrap();
        assert_eq!(
            batch.rows.column(0).as_primitive::<TimestampMicrosecondType>().value(0),
            i64::try_from(round).unwrap() * 1000
        );
        assert_eq!((batch.positions, decoder.rows(), decoder.bytes()), (vec![round], 0, 0));
    }
}
