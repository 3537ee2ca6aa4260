//! The life of a dimension's members: late versions, deletes, returns, inferred members.

use polars::prelude::{NamedFrom, Series, df};

use super::*;
use crate::star::model::StarFile;

const YAML: &str = "
star: 1
name: shop
title: Shop
dimensions:
  dim_customer:
    title: A customer
    business_key: [id]
    effective: updated
    deletes: DELETES
    columns:
      id: { type: string }
      name: { type: string, scd: 1 }
      country: { type: string, scd: 2 }
      first: { type: string, scd: 0 }
      tier: { type: string, scd: 3 }
      segment: { type: string, scd: 6 }
";

fn members(deletes: &str) -> Members {
    let file: StarFile = headwater_contract::yaml::from_str(&YAML.replace("DELETES", deletes)).unwrap();
    Members::new("shop.dim_customer".into(), &file.dimensions.0[0].1)
}

fn flat(deletes: &str) -> Members {
    let yaml = YAML.replace("DELETES", deletes).replace("scd: 2", "scd: 1").replace("scd: 6", "scd: 1");
    let file: StarFile = headwater_contract::yaml::from_str(&yaml.replace("    effective: updated\n", "")).unwrap();
    Members::new("shop.dim_customer".into(), &file.dimensions.0[0].1)
}

/// Rows of (id, country, since day, deleted on day): the other attributes follow the country.
fn rows(rows: &[(&str, &str, i64, Option<i64>)]) -> LazyFrame {
    let text = |value: &dyn Fn(&str) -> String| rows.iter().map(|row| value(row.1)).collect::<Vec<_>>();
    let day = 86_400_000_000_i64;
    let instant = |name: &str, days: Vec<Option<i64>>| {
        let micros: Vec<Option<i64>> = days.into_iter().map(|days| days.map(|days| days * day)).collect();
        Series::new(name.into(), micros)
    };
    let frame = df!(
        "id" => rows.iter().map(|row| row.0.to_owned()).collect::<Vec<_>>(),
        "name" => text(&|country| format!("n-{country}")),
        "country" => text(&str::to_owned),
        "first" => text(&|country| format!("f-{country}")),
        "tier" => text(&|country| format!("t-{country}")),
        "segment" => text(&|country| format!("s-{country}")),
    );
    let mut frame = frame.unwrap();
    frame.with_column(instant("updated", rows.iter().map(|row| Some(row.2)).collect()).into()).unwrap();
    frame.with_column(instant("deleted_at", rows.iter().map(|row| row.3).collect()).into()).unwrap();
    frame.with_column(instant("read_at", rows.iter().map(|row| Some(row.2 + 10)).collect()).into()).unwrap();
    let utc = |name: &str| {
        col(name).cast(DataType::Datetime(polars::prelude::TimeUnit::Microseconds, None)).dt().replace_time_zone(
            Some(polars::prelude::TimeZone::UTC),
            lit("raise"),
            polars::prelude::NonExistent::Raise,
        )
    };
    frame.lazy().with_columns([utc("updated"), utc("deleted_at"), utc("read_at")])
}

fn keys(ids: &[&str]) -> LazyFrame {
    df!("id" => ids).unwrap().lazy()
}

/// One line a version: `key id country@day`, with flags, ordered by key.
fn show(state: &DataFrame) -> Vec<String> {
    let text = |name: &str, at: usize| match state.column(name).unwrap().get(at).unwrap() {
        AnyValue::Null => "-".to_owned(),
        AnyValue::String(text) => text.to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        other => other.to_string(),
    };
    let day = |at: usize| match state.column(AT).unwrap().get(at).unwrap() {
        AnyValue::Datetime(micros, _, _) | AnyValue::DatetimeOwned(micros, _, _) => {
            (micros / 86_400_000_000).to_string()
        }
        _ => "-".to_owned(),
    };
    let flag =
        |name: &str, at: usize, word: &str| if text(name, at) == "true" { format!(" {word}") } else { String::new() };
    (0..state.height())
        .map(|at| {
            let (inferred, deleted) = (flag(INFERRED, at, "inferred"), flag(DELETED, at, "deleted"));
            format!("{} {} {}@{}{inferred}{deleted}", text(KEY, at), text("id", at), text("country", at), day(at))
        })
        .collect()
}

fn column(state: &DataFrame, name: &str) -> Vec<String> {
    let column = state.column(name).unwrap();
    (0..column.len())
        .map(|at| match column.get(at).unwrap() {
            AnyValue::Null => "-".to_owned(),
            AnyValue::String(text) => text.to_owned(),
            AnyValue::StringOwned(text) => text.to_string(),
            other => other.to_string(),
        })
        .collect()
}

/// Merges and checks that merging the same rows again changes nothing.
fn step(members: &Members, state: &DataFrame, shown: LazyFrame, named: Option<LazyFrame>) -> DataFrame {
    let once = members.merge(state, shown.clone(), named.clone()).unwrap().state;
    let twice = members.merge(&once, shown, named).unwrap().state;
    assert!(is_same_state(&once, &twice), "{:?} became {:?}", show(&once), show(&twice));
    once
}

#[test]
fn refuses_rows_without_a_key_or_time_and_members_that_come_twice() {
    let versioned = members("keep");
    let lacking = rows(&[("a", "DE", 1, None)]).with_column(lit(NULL).cast(DataType::String).alias("id"));
    let error = versioned.merge(&versioned.empty_state(), lacking, None).unwrap_err();
    assert!(matches!(error, StarError::MemberWithoutKey { count: 1, .. }), "{error}");
    let plain = flat("keep");
    let twice = rows(&[("a", "DE", 1, None), ("a", "FR", 2, None)]);
    let error = plain.merge(&plain.empty_state(), twice, None).unwrap_err();
    assert!(matches!(error, StarError::MemberTwice { count: 1, .. }), "{error}");
}

#[test]
fn an_empty_source_does_not_delete_everybody() {
    let members = members("{ absent: { at: read_at } }");
    let state = step(&members, &members.empty_state(), rows(&[("a", "DE", 1, None), ("b", "FR", 1, None)]), None);
    let error = members.merge(&state, rows(&[]), None).unwrap_err();
    assert!(matches!(error, StarError::TooManyDeleted { deleted: 2, present: 2, .. }), "{error}");
}

#[test]
fn a_change_begins_a_version_and_keys_are_dense_in_order_of_the_business_key() {
    let members = members("keep");
    let first = step(&members, &members.empty_state(), rows(&[("b", "FR", 3, None), ("a", "DE", 1, None)]), None);
    assert_eq!(show(&first), ["1 a DE@1", "2 b FR@3"]);
    let second =
        step(&members, &first, rows(&[("b", "FR", 3, None), ("a", "PL", 5, None), ("c", "IT", 1, None)]), None);
    assert_eq!(show(&second), ["1 a DE@1", "2 b FR@3", "3 a PL@5", "4 c IT@1"]);
    // Type 0 keeps its first value, 1 shows the newest, 3 remembers one, 6 changes with its version.
    assert_eq!(column(&second, "first"), ["f-DE", "f-FR", "f-DE", "f-IT"]);
    assert_eq!(column(&second, "name"), ["n-PL", "n-FR", "n-PL", "n-IT"]);
    assert_eq!(column(&second, "tier"), ["t-PL", "t-FR", "t-PL", "t-IT"]);
    assert_eq!(column(&second, "previous_tier"), ["t-DE", "-", "t-DE", "-"]);
    assert_eq!(column(&second, "segment"), ["s-DE", "s-FR", "s-PL", "s-IT"]);
}

#[test]
fn an_update_that_changes_no_versioned_column_begins_no_version() {
    let members = members("keep");
    let first = step(&members, &members.empty_state(), rows(&[("a", "DE", 1, None)]), None);
    let renamed = rows(&[("a", "DE", 4, None)]).with_column(lit("new").alias("name"));
    let second = step(&members, &first, renamed, None);
    assert_eq!((show(&second), column(&second, "name")), (vec!["1 a DE@1".to_owned()], vec!["new".to_owned()]));
}

#[test]
fn a_whole_history_at_once_gives_the_versions_of_one_build_after_the_other() {
    let members = members("keep");
    let history = [("a", "DE", 1, None), ("a", "DE", 2, None), ("a", "PL", 5, None), ("a", "DE", 9, None)];
    let at_once = step(&members, &members.empty_state(), rows(&history), None);
    let mut state = members.empty_state();
    for row in history {
        state = step(&members, &state, rows(&[row]), None);
    }
    assert_eq!(show(&at_once), ["1 a DE@1", "2 a PL@5", "3 a DE@9"]);
    assert_eq!(show(&state), show(&at_once));
    assert_eq!(column(&state, "previous_tier"), column(&at_once, "previous_tier"));
}

#[test]
fn a_late_version_gets_a_key_of_its_own_and_the_others_keep_theirs() {
    let members = members("keep");
    let state = step(&members, &members.empty_state(), rows(&[("a", "DE", 1, None), ("a", "PL", 9, None)]), None);
    let late = step(&members, &state, rows(&[("a", "IT", 5, None), ("a", "PL", 9, None)]), None);
    assert_eq!(show(&late), ["1 a DE@1", "2 a PL@9", "3 a IT@5"]);
    let earlier = step(&members, &late, rows(&[("a", "ES", 0, None)]), None);
    assert_eq!(show(&earlier), ["1 a DE@1", "2 a PL@9", "3 a IT@5", "4 a ES@0"]);
    assert_eq!(column(&earlier, "name"), ["n-PL"; 4]);
}

#[test]
fn an_inferred_member_is_enriched_under_its_key() {
    let members = members("keep");
    let state = step(&members, &members.empty_state(), rows(&[("b", "DE", 3, None)]), Some(keys(&["x", "b", "x"])));
    assert_eq!(show(&state), ["1 b DE@3", "2 x -@- inferred"]);
    let known = step(
        &members,
        &state,
        rows(&[("b", "DE", 3, None), ("x", "FR", 5, None), ("x", "IT", 7, None)]),
        Some(keys(&["x"])),
    );
    assert_eq!(show(&known), ["1 b DE@3", "2 x FR@5", "3 x IT@7"]);
    assert_eq!(column(&known, "first"), ["f-DE", "f-FR", "f-FR"]);
    let plain = flat("keep");
    let state = step(&plain, &plain.empty_state(), rows(&[]), Some(keys(&["x"])));
    let known = step(&plain, &state, rows(&[("x", "FR", 5, None)]), Some(keys(&["x"])));
    assert_eq!(show(&known), ["1 x FR@-"]);
}

#[test]
fn a_deleted_member_keeps_its_attributes_and_can_return() {
    let members = members("{ flag: { column: deleted_at, max_share: 1 } }");
    let state = step(&members, &members.empty_state(), rows(&[("a", "DE", 1, None), ("b", "FR", 1, None)]), None);
    let gone = step(&members, &state, rows(&[("a", "DE", 1, Some(4)), ("b", "FR", 1, None)]), None);
    assert_eq!(show(&gone), ["1 a DE@1", "2 b FR@1", "3 a DE@4 deleted"]);
    // A tombstone without attributes.
    let bare = rows(&[("b", "FR", 6, Some(6))]).with_columns([lit(NULL).cast(DataType::String).alias("country")]);
    let gone = step(&members, &gone, bare, None);
    assert_eq!(show(&gone), ["1 a DE@1", "2 b FR@1", "3 a DE@4 deleted", "4 b FR@6 deleted"]);
    let back = step(&members, &gone, rows(&[("a", "DE", 8, None), ("b", "FR", 6, Some(6))]), None);
    assert_eq!(show(&back), ["1 a DE@1", "2 b FR@1", "3 a DE@4 deleted", "4 b FR@6 deleted", "5 a DE@8"]);
}

#[test]
fn a_lifted_flag_without_a_later_time_takes_the_deletion_back() {
    let members = members("{ flag: { column: deleted_at, max_share: 1 } }");
    let state = step(&members, &members.empty_state(), rows(&[("a", "DE", 1, Some(4))]), None);
    assert_eq!(show(&state), ["1 a DE@1", "2 a DE@4 deleted"]);
    let lifted = step(&members, &state, rows(&[("a", "DE", 1, None)]), None);
    assert_eq!(show(&lifted), ["1 a DE@1", "2 a DE@4"]);
}

#[test]
fn an_absent_member_is_deleted_when_the_rows_were_read_and_returns() {
    let members = members("{ absent: { at: read_at, max_share: 0.5 } }");
    let state = step(&members, &members.empty_state(), rows(&[("a", "DE", 1, None), ("b", "FR", 1, None)]), None);
    let merged = members.merge(&state, rows(&[("b", "FR", 2, None)]), None).unwrap();
    assert_eq!(merged.deleted, 1);
    let gone = step(&members, &state, rows(&[("b", "FR", 2, None)]), None);
    assert_eq!(show(&gone), ["1 a DE@1", "2 b FR@1", "3 a DE@12 deleted"]);
    let back = step(&members, &gone, rows(&[("a", "DE", 1, None), ("b", "FR", 30, None)]), None);
    assert_eq!(show(&back), ["1 a DE@1", "2 b FR@1", "3 a DE@12"], "nobody knows a later time");
    let later = step(&members, &gone, rows(&[("a", "DE", 30, None), ("b", "FR", 30, None)]), None);
    assert_eq!(show(&later), ["1 a DE@1", "2 b FR@1", "3 a DE@12 deleted", "4 a DE@30"]);
}

#[test]
fn members_without_history_are_flagged_and_returned_in_place() {
    let plain = flat("{ absent: { at: read_at, max_share: 1 } }");
    let state = step(&plain, &plain.empty_state(), rows(&[("a", "DE", 1, None), ("b", "FR", 1, None)]), None);
    let gone = step(&plain, &state, rows(&[("b", "IT", 2, None)]), None);
    assert_eq!(show(&gone), ["1 a DE@- deleted", "2 b IT@-"]);
    assert_eq!(column(&gone, "previous_tier"), ["-", "t-FR"]);
    let back = step(&plain, &gone, rows(&[("a", "PL", 3, None), ("b", "IT", 2, None)]), None);
    assert_eq!(show(&back), ["1 a PL@-", "2 b IT@-"]);
    assert_eq!(column(&back, "first"), ["f-DE", "f-FR"]);
}
