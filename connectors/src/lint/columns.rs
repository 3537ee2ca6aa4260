//! Columns: times are times, money is exact, keys compare, references lead somewhere.

use headwater_contract::{Classification, ColumnType};

use super::{Place, Rule};
use crate::manifest::{ColumnManifest, Manifest, Ordered, StreamManifest, TypeManifest};

/// Ends of names that say a time.
const TIME_ENDS: [&str; 4] = ["_at", "_date", "_datetime", "_timestamp"];
/// Names that say a time.
const TIME_NAMES: [&str; 8] =
    ["created", "updated", "modified", "timestamp", "date", "datetime", "createdat", "updatedat"];

pub(super) fn judge(manifest: &Manifest, stream: &StreamManifest, is_template: bool, place: &mut Place<'_, '_>) {
    let Some(columns) = &stream.columns else {
        if !is_template && stream.json_schema.is_none() {
            columns_missing(place);
        }
        return;
    };
    if columns.is_empty() {
        columns_missing(place);
    }
    each(manifest, columns, "columns", place);
    for (name, child) in stream.unnest.iter().flat_map(Ordered::iter) {
        each(manifest, &child.columns, &format!("unnest.{name}.columns"), place);
    }
    for name in stream.key.iter().flatten() {
        let typed = columns.get(name).map(|column| &column.column_type);
        let is_inexact = match typed {
            // JSON is compared as its text.
            Some(TypeManifest::Scalar(scalar)) => *scalar == ColumnType::Float64,
            Some(TypeManifest::Struct(_) | TypeManifest::List(_)) => true,
            None => false,
        };
        if is_inexact {
            let fix = "type it as string, int64 or decimal, or name another key";
            place.find(
                Rule::KeyNotExact,
                &format!("columns.{name}"),
                format!("the key `{name}` does not compare exactly"),
                fix,
            );
        }
    }
}

fn columns_missing(place: &mut Place<'_, '_>) {
    place.find(Rule::ColumnsMissing, "", "the stream promises no columns", "write the columns that rows promise");
}

fn each(manifest: &Manifest, columns: &Ordered<ColumnManifest>, at: &str, place: &mut Place<'_, '_>) {
    for (name, column) in columns.iter() {
        let key = format!("{at}.{name}");
        let TypeManifest::Scalar(scalar) = &column.column_type else { continue };
        if *scalar == ColumnType::String && says_a_time(name) {
            let fix = "type it as timestamp or date, with the `format` in which the source writes it";
            place.find(Rule::TimeAsText, &key, format!("`{name}` is a time by its name and a text by its type"), fix);
        }
        if *scalar == ColumnType::Float64 && is_money(column) {
            let fix = "type it as decimal, or as int64 in minor units";
            place.find(Rule::MoneyAsFloat, &key, format!("`{name}` is money and a float"), fix);
        }
        if let Some(target) = &column.refers_to
            && !leads_somewhere(manifest, target)
        {
            let fix = "write `stream.column` of this manifest, or remove it";
            place.find(Rule::ReferenceUnknown, &key, format!("`refers_to: {target}` names nothing here"), fix);
        }
    }
}

fn says_a_time(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TIME_ENDS.iter().any(|end| name.ends_with(end)) || TIME_NAMES.contains(&name.as_str())
}

fn is_money(column: &ColumnManifest) -> bool {
    column.class == Some(Classification::Financial)
        || column.unit.as_deref().is_some_and(|unit| unit == "minor_units" || unit.contains("currency"))
}

fn leads_somewhere(manifest: &Manifest, target: &str) -> bool {
    let Some((stream, column)) = target.split_once('.') else { return false };
    let has = |columns: Option<&Ordered<ColumnManifest>>| columns.is_some_and(|columns| columns.get(column).is_some());
    if let Some(stream) = manifest.streams.get(stream) {
        let shared = || manifest.defaults.as_ref().and_then(|defaults| defaults.columns.as_ref());
        return has(stream.columns.as_ref().or_else(shared));
    }
    let children = manifest.streams.iter().filter_map(|(_, other)| other.unnest.as_ref()?.get(stream));
    children.into_iter().any(|child| has(Some(&child.columns)))
}
