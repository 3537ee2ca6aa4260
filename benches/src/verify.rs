//! Compares written rows with the source's, field by field, each order exactly once.
//!
//! The live files of a table are read from its Delta log with nothing of ours in between.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::Fallible;
use crate::order::{Line, Order, Shape};

/// The files that a table's log names and has not removed.
pub(crate) fn live_files(table: &Path) -> Fallible<Vec<PathBuf>> {
    let mut versions = Vec::new();
    for entry in fs_err::read_dir(table.join("_delta_log"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            versions.push(path);
        }
    }
    versions.sort();
    let mut live = BTreeSet::new();
    for version in versions {
        for line in fs_err::read(version)?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let action: Value = serde_json::from_slice(line)?;
            if let Some(path) = action.pointer("/add/path").and_then(Value::as_str) {
                live.insert(table.join(path));
            }
            if let Some(path) = action.pointer("/remove/path").and_then(Value::as_str) {
                live.remove(&table.join(path));
            }
        }
    }
    Ok(live.into_iter().collect())
}

/// Fails unless `files` hold every order of the source once, and no other row.
pub(crate) fn files(files: &[PathBuf], shape: Shape) -> Fallible<()> {
    let mut seen = vec![false; shape.records];
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs_err::File::open(file)?.into_parts().0)?.build()?;
        for batch in reader {
            rows(&batch?, shape, &mut seen)?;
        }
    }
    let missing = seen.iter().filter(|is_seen| !**is_seen).count();
    if missing > 0 { Err(format!("{missing} of {} orders are missing", shape.records).into()) } else { Ok(()) }
}

fn rows(batch: &RecordBatch, shape: Shape, seen: &mut [bool]) -> Fallible<()> {
    for row in 0..batch.num_rows() {
        let found = read(batch, row)?;
        let number = usize::try_from(found.number)?;
        let place = seen.get_mut(number).ok_or_else(|| format!("order {number} is not the source's"))?;
        if std::mem::replace(place, true) {
            return Err(format!("order {number} is there twice").into());
        }
        let expected = Order::at(number, shape);
        if found != expected {
            return Err(format!("order {number} differs\n  source {expected:?}\n  table  {found:?}").into());
        }
    }
    Ok(())
}

fn column<'a>(columns: Option<&'a ArrayRef>, name: &str) -> Fallible<&'a ArrayRef> {
    columns.ok_or_else(|| format!("column {name} is missing").into())
}

fn text(values: &ArrayRef, row: usize) -> Option<&str> {
    let values = values.as_string_opt::<i32>()?;
    values.is_valid(row).then(|| values.value(row))
}

fn number(values: &ArrayRef, row: usize) -> Option<i64> {
    values.as_primitive_opt::<Int64Type>().filter(|values| values.is_valid(row)).map(|values| values.value(row))
}

fn cents(values: &ArrayRef, row: usize) -> Option<i128> {
    values.as_primitive_opt::<Decimal128Type>().filter(|values| values.is_valid(row)).map(|values| values.value(row))
}

/// Reads a row back into the order that it came from; words that no order has become empty, which no order is.
fn read(batch: &RecordBatch, row: usize) -> Fallible<Order> {
    let get = |name: &str| column(batch.column_by_name(name), name);
    let inner = |name: &str, field: &str| -> Fallible<ArrayRef> {
        let parent = get(name)?.as_struct_opt().ok_or("not a struct")?;
        column(parent.column_by_name(field), field).cloned()
    };
    let owned = |values: &ArrayRef| text(values, row).unwrap_or_default().to_owned();
    let known = |values: &ArrayRef, words: &[&'static str]| {
        text(values, row).and_then(|text| words.iter().copied().find(|word| *word == text))
    };
    let created =
        get("created_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or("created_at is no instant")?;
    let lines = get("lines")?.as_list_opt::<i32>().ok_or("lines is no list")?.value(row);
    let tags = get("tags")?.as_list_opt::<i32>().ok_or("tags is no list")?.value(row);
    Ok(Order {
        id: owned(get("id")?),
        number: number(get("number")?, row).unwrap_or(-1),
        created_seconds: u64::try_from(created.value(row) / 1_000_000)?,
        status: known(get("status")?, &["placed", "paid", "shipped", "cancelled", "returned"]).unwrap_or_default(),
        currency: known(get("currency")?, &["EUR", "USD", "GBP"]).unwrap_or_default(),
        total_cents: cents(get("total")?, row).unwrap_or(-1),
        tax_cents: cents(get("tax")?, row).unwrap_or(-1),
        is_gift: get("is_gift")?.as_boolean_opt().is_some_and(|flags| flags.value(row)),
        channel: known(get("channel")?, &["web", "app", "store"]),
        customer_id: owned(&inner("customer", "id")?),
        email: owned(&inner("customer", "email")?),
        city: known(&inner("shipping_address", "city")?, &["Lyon", "Porto", "Leeds", "Graz", "Ghent", "Turku"])
            .unwrap_or_default(),
        postcode: owned(&inner("shipping_address", "postcode")?),
        lines: read_lines(lines.as_struct_opt().ok_or("lines hold no structs")?)?,
        tags: (0..tags.len())
            .map(|at| {
                text(&tags, at)
                    .and_then(|text| ["vip", "first", "repeat", "fragile"].into_iter().find(|tag| *tag == text))
            })
            .map(Option::unwrap_or_default)
            .collect(),
        note: owned(get("note")?),
    })
}

fn read_lines(lines: &StructArray) -> Fallible<Vec<Line>> {
    let get = |name: &str| column(lines.column_by_name(name), name);
    let (line_no, sku, title) = (get("line_no")?, get("sku")?, get("title")?);
    let (quantity, price) = (get("quantity")?, get("price")?);
    let line = |at: usize| Line {
        line_no: number(line_no, at).unwrap_or(-1),
        sku: text(sku, at).unwrap_or_default().to_owned(),
        title: text(title, at).unwrap_or_default().to_owned(),
        quantity: number(quantity, at).unwrap_or(-1),
        price_cents: cents(price, at).unwrap_or(-1),
    };
    Ok((0..lines.len()).map(line).collect())
}
