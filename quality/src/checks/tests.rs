//! The gate against rows that break each promise, and against a model that judges value by value.

use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, Decimal128Array, Float64Array, Int64Array, PrimitiveArray, StringArray};
use arrow_schema::{DataType, Field};
use headwater_contract::{Deletes, Digest16, Span, StreamKind};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn contract(columns: Vec<Column>) -> StreamContract {
    StreamContract {
        name: "shop.orders".parse().unwrap(),
        title: "Orders".to_owned(),
        kind: StreamKind::Snapshot,
        key: vec!["id".to_owned()],
        append_only: false,
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

fn id() -> Column {
    Column::new("id", ColumnType::Int64)
}

fn checked(name: &str, kind: ColumnType, check: Check) -> Column {
    let mut column = Column::new(name, kind).nullable();
    column.checks.push(check);
    column
}

fn ids(rows: usize) -> (&'static str, ArrayRef, bool) {
    ("id", Arc::new(PrimitiveArray::<Int64Type>::from_iter_values((0_i64..).take(rows))), true)
}

/// Judges one column beside good ids and returns the failing rows with their reasons as text.
fn judge(column: Column, values: ArrayRef) -> Vec<(usize, String)> {
    let name = column.name.clone();
    let batch = RecordBatch::try_from_iter_with_nullable([ids(values.len()), (name.as_str(), values, true)]).unwrap();
    let judgement = Gate::compile(&contract(vec![id(), column])).unwrap().judge(&batch).unwrap();
    for row in 0..batch.num_rows() {
        assert_eq!(judgement.good.value(row), !judgement.reasons.iter().any(|(bad, _)| *bad == row), "row {row}");
    }
    judgement.reasons.into_iter().map(|(row, reason)| (row, reason.to_string())).collect()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringArray>())
}

#[test]
fn rejects_a_check_that_has_no_meaning_for_its_column() {
    for (kind, check) in [
        (ColumnType::String, Check::Min(1.0)),
        (ColumnType::Timestamp, Check::Max(1.0)),
        (ColumnType::Int64, Check::MaxLength(3)),
        (ColumnType::Float64, Check::OneOf(vec!["1.5".to_owned()])),
        (ColumnType::Int64, Check::OneOf(vec!["many".to_owned()])),
        (ColumnType::Boolean, Check::Matches("t".to_owned())),
        (ColumnType::Date, Check::CurrencyCode),
        (ColumnType::Json, Check::Unique),
    ] {
        let gate = Gate::compile(&contract(vec![id(), checked("x", kind.clone(), check.clone())]));
        assert!(matches!(gate, Err(GateError::NotApplicable { .. })), "{check:?} on {kind}: {gate:?}");
    }
}

#[test]
fn rejects_what_cannot_be_compiled() {
    let gate = |column| Gate::compile(&contract(vec![id(), column])).unwrap_err();
    let pattern = gate(checked("x", ColumnType::String, Check::Matches("(".to_owned())));
    assert!(matches!(pattern, GateError::BadPattern { .. }), "{pattern}");
    let bound = gate(checked("x", ColumnType::Float64, Check::Min(f64::NAN)));
    assert!(matches!(bound, GateError::BadBound { .. }), "{bound}");
    let item = checked("item", ColumnType::Int64, Check::Min(0.0));
    let list = gate(Column::new("x", ColumnType::List(Box::new(item))));
    assert_eq!(list, GateError::InsideList { column: "x".to_owned() });
    let no_key = Gate::compile(&contract(vec![Column::new("other", ColumnType::Int64)])).unwrap_err();
    assert_eq!(no_key.to_string(), "column `id` is used as a key but is not among the columns");
    let schema = StreamContract { json_schema: Some(json!({ "type": 5 })), ..contract(vec![id()]) };
    assert!(matches!(Gate::compile(&schema), Err(GateError::BadSchema { .. })));
}

#[test]
fn refuses_a_batch_that_is_not_the_contracts() {
    let gate = Gate::compile(&contract(vec![id(), checked("x", ColumnType::Int64, Check::Min(0.0))])).unwrap();
    let missing = RecordBatch::try_from_iter_with_nullable([ids(1)]).unwrap();
    let other = RecordBatch::try_from_iter_with_nullable([ids(1), ("x", texts(&[Some("1")]), true)]).unwrap();
    for batch in [missing, other] {
        assert_eq!(gate.judge(&batch).unwrap_err(), GateError::BatchMismatch { column: "x".to_owned() });
    }
}

#[test]
fn a_row_without_key_or_promised_value_fails_with_its_first_reason() {
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(3), None])) as ArrayRef, true),
        ("name", texts(&[Some("a"), Some("b"), None, None]), true),
    ]);
    let gate = Gate::compile(&contract(vec![id(), Column::new("name", ColumnType::String)])).unwrap();
    let judgement = gate.judge(&batch.unwrap()).unwrap();
    let reasons: Vec<_> = judgement.reasons.iter().map(|(row, reason)| (*row, reason.code())).collect();
    assert_eq!(reasons, [(1, "key-missing"), (2, "missing"), (3, "key-missing")]);
}

#[test]
fn each_check_names_the_rows_that_fail_it_and_spares_nulls() {
    let money = ColumnType::Decimal { precision: 12, scale: 2 };
    let prices = Decimal128Array::from(vec![Some(1), Some(0), None]).with_precision_and_scale(12, 2).unwrap();
    assert_eq!(
        judge(checked("price", money, Check::Min(0.01)), Arc::new(prices)),
        [(1, "`price` is below 0.01".to_owned())]
    );
    let ratios = Float64Array::from(vec![Some(0.5), Some(f64::NAN), Some(1.5), None]);
    assert_eq!(
        judge(checked("ratio", ColumnType::Float64, Check::Max(1.0)), Arc::new(ratios)),
        [(1, "`ratio` is above 1".to_owned()), (2, "`ratio` is above 1".to_owned())]
    );
    let allowed = Check::OneOf(vec!["open".to_owned(), "done".to_owned()]);
    assert_eq!(
        judge(checked("status", ColumnType::String, allowed), texts(&[Some("open"), Some("Open"), None, Some("")])),
        [(1, "`status` is none of open, done".to_owned()), (3, "`status` is none of open, done".to_owned())]
    );
    let flags = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
    assert_eq!(judge(checked("ok", ColumnType::Boolean, Check::OneOf(vec!["true".to_owned()])), flags).len(), 1);
    assert_eq!(
        judge(
            checked("code", ColumnType::String, Check::Matches("^[a-z]+$".to_owned())),
            texts(&[Some("ab"), Some("a1")])
        ),
        [(1, "`code` does not match `^[a-z]+$`".to_owned())]
    );
    assert_eq!(
        judge(checked("name", ColumnType::String, Check::MaxLength(3)), texts(&[Some("äöü"), Some("abcd"), None])),
        [(1, "`name` has more than 3 characters".to_owned())]
    );
    let currencies = texts(&[Some("EUR"), Some("eur"), Some("Eur"), Some("EURO"), Some("€"), None]);
    let failing: Vec<usize> = judge(checked("currency", ColumnType::String, Check::CurrencyCode), currencies)
        .into_iter()
        .map(|(row, _)| row)
        .collect();
    assert_eq!(failing, [2, 3, 4]);
}

#[test]
fn a_reason_never_quotes_the_value() {
    let mut stream = contract(vec![id()]);
    stream.json_schema = Some(json!({ "properties": { "email": { "format": "email", "maxLength": 5 } } }));
    let gate = Gate::compile(&stream).unwrap();
    assert_eq!(gate.judge_text(br#"{"email":"a@b.c"}"#), Ok(()));
    let reason = gate.judge_text(br#"{"email":"ada@example.org"}"#).unwrap_err();
    assert!(reason.to_string().starts_with("`/email` breaks the JSON Schema: "), "{reason}");
    assert!(!reason.to_string().contains("ada"), "{reason}");
    assert_eq!(gate.judge_text(b"{").unwrap_err().code(), "undecodable");
}

#[test]
fn fields_of_a_struct_are_judged_where_the_struct_is() {
    let fields = vec![checked("lat", ColumnType::Float64, Check::Max(90.0)), Column::new("lon", ColumnType::Float64)];
    let place = Column::new("place", ColumnType::Struct(fields)).nullable();
    let lat: ArrayRef = Arc::new(Float64Array::from(vec![Some(91.0), Some(1.0), None, Some(91.0)]));
    let lon: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.0), None, None, Some(0.0)]));
    let field = |name| Arc::new(Field::new(name, DataType::Float64, true));
    let validity = arrow_array::BooleanArray::from(vec![true, true, false, false]).values().clone();
    let values = StructArray::new(vec![field("lat"), field("lon")].into(), vec![lat, lon], Some(validity.into()));
    assert_eq!(
        judge(place, Arc::new(values)),
        [(0, "`place.lat` is above 90".to_owned()), (1, "`place.lon` must have a value of its type".to_owned())]
    );
}

#[test]
fn a_deleted_row_owes_nothing_but_its_key() {
    let flag = Column::new("removed", ColumnType::Boolean).nullable();
    let columns = vec![id(), Column::new("name", ColumnType::String), flag];
    let deletes = Deletes::Flag { column: "removed".to_owned(), values: vec![] };
    let gate = Gate::compile(&StreamContract { deletes, ..contract(columns) }).unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)])) as ArrayRef, true),
        ("name", texts(&[None, None, None, Some("d")]), true),
        ("removed", Arc::new(BooleanArray::from(vec![Some(true), Some(true), Some(false), None])), true),
    ]);
    let reasons = gate.judge(&batch.unwrap()).unwrap().reasons;
    let codes: Vec<_> = reasons.iter().map(|(row, reason)| (*row, reason.code())).collect();
    assert_eq!(codes, [(1, "key-missing"), (2, "missing")]);
}

#[test]
fn a_delete_flag_knows_its_values() {
    let columns = vec![id(), Column::new("op", ColumnType::String)];
    let deletes = Deletes::Flag { column: "op".to_owned(), values: vec!["D".to_owned(), "X".to_owned()] };
    let flag = DeleteFlag::compile(&StreamContract { deletes, ..contract(columns) }).unwrap().unwrap();
    let batch =
        RecordBatch::try_from_iter_with_nullable([("op", texts(&[Some("D"), Some("U"), None, Some("X")]), true)]);
    assert_eq!(flag.mask(&batch.unwrap()).unwrap(), BooleanArray::from(vec![true, false, false, true]));
}

#[test]
fn a_child_is_judged_by_its_own_columns_and_key() {
    let child = ChildTable {
        name: "order_lines".to_owned(),
        pointer: "/lines".to_owned(),
        parent_columns: vec![("order_id".to_owned(), "id".to_owned())],
        key: vec!["order_id".to_owned(), "line".to_owned()],
        columns: vec![Column::new("line", ColumnType::Int64), checked("quantity", ColumnType::Int64, Check::Min(1.0))],
    };
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("line", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef, true),
        ("quantity", Arc::new(Int64Array::from(vec![Some(1), Some(1), Some(0)])), true),
    ]);
    let reasons = Gate::compile_child(&child).unwrap().judge(&batch.unwrap()).unwrap().reasons;
    let codes: Vec<_> = reasons.iter().map(|(row, reason)| (*row, reason.code())).collect();
    assert_eq!(codes, [(1, "key-missing"), (2, "below-min")]);
}

#[test]
fn a_record_sent_twice_shares_its_value_with_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::compile(&contract(vec![id(), checked("email", ColumnType::String, Check::Unique)])).unwrap();
    let run = |emails: &[Option<&str>], keys: &[u8]| {
        let batch = RecordBatch::try_from_iter_with_nullable([("email", texts(emails), true)]).unwrap();
        let keys: Vec<Digest16> = keys.iter().map(|key| Digest16::of(&[*key])).collect();
        let mut uniques = Uniques::new(&gate, 0, folder.path());
        uniques.observe(&batch, &keys).unwrap();
        uniques.observe(&batch, &keys).unwrap();
        uniques.finish().unwrap()
    };
    assert_eq!(run(&[Some("a"), Some("b"), None, None], &[1, 2, 3, 4]), []);
    let shared = run(&[Some("a"), Some("b"), Some("a")], &[1, 2, 3]);
    assert_eq!(shared.len(), 1);
    assert_eq!(shared[0].column, "email");
}

#[test]
fn a_reason_reads_back_from_a_receipt() {
    let inner = Arc::new(Reason::TooLong { column: "sku".into(), characters_max: 9 });
    let reason = Reason::Child { table: "order_lines".into(), line: 2, reason: inner };
    let text = serde_json::to_string(&reason).unwrap();
    assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), reason);
    assert_eq!(reason.to_string(), "row 2 of `order_lines`: `sku` has more than 9 characters");
}

proptest! {
    /// A batch is judged as each of its values would be alone.
    #[test]
    fn agrees_with_a_model_that_judges_value_by_value(
        rows in proptest::collection::vec((proptest::option::of(-20_i64..20), proptest::option::of("[a-c]{0,3}")), 0..60),
        (min, max) in (-20_i64..20, -20_i64..20), most in 0_u32..4,
    ) {
        let mut number = checked("number", ColumnType::Int64, Check::Min(f64::from(i32::try_from(min).unwrap())));
        number.checks.push(Check::Max(f64::from(i32::try_from(max).unwrap())));
        let mut word = Column::new("word", ColumnType::String);
        word.checks = vec![Check::MaxLength(most), Check::Matches("^a*b".to_owned())];
        let batch = RecordBatch::try_from_iter_with_nullable([
            ids(rows.len()),
            ("number", Arc::new(rows.iter().map(|(number, _)| *number).collect::<Int64Array>()) as ArrayRef, true),
            ("word", Arc::new(rows.iter().map(|(_, word)| word.as_deref()).collect::<StringArray>()), true),
        ]).unwrap();
        let judgement = Gate::compile(&contract(vec![id(), number, word])).unwrap().judge(&batch).unwrap();
        for (row, (number, word)) in rows.iter().enumerate() {
            let number_is_good = number.is_none_or(|number| min <= number && number <= max);
            let word_is_good = word.as_ref().is_some_and(|word| {
                word.len() <= usize::try_from(most).unwrap() && word.trim_start_matches('a').starts_with('b')
            });
            prop_assert_eq!(judgement.good.value(row), number_is_good && word_is_good, "row {}", row);
        }
    }
}
