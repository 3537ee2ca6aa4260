//! How the columns of a manifest differ from what a source has.

use std::fmt;

use headwater_contract::{Column, ColumnType, StreamContract};
use serde::Serialize;

use super::{ColumnListManifest, FoundColumn, Sample, name_for};
use crate::decoding::Pointer;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The source has a field that no column takes; its values are in `_rescued`.
    New(FoundColumn),
    /// The source does not list the field of a column any more.
    Gone {
        /// The column.
        column: String,
    },
    /// Values do not fit a column's type.
    Type {
        /// The column.
        column: String,
        /// Its type.
        from: ColumnType,
        /// The type that takes what was found, and what fitted before.
        to: ColumnType,
    },
    /// A column that is never null was.
    Null {
        /// The column.
        column: String,
    },
}

impl Change {
    /// The column that it is about.
    pub fn column(&self) -> &str {
        match self {
            Self::New(found) => &found.name,
            Self::Gone { column } | Self::Type { column, .. } | Self::Null { column } => column,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(found) => write!(f, "new   {}: {}", found.name, found.written()),
            Self::Gone { column } => write!(f, "gone  {column}: the source does not list it any more"),
            Self::Type { column, from, to } => write!(f, "type  {column}: {from} does not fit; {to} does"),
            Self::Null { column } => write!(f, "null  {column}: it is null in some records"),
        }
    }
}

/// The differences between what a stream promises and what its source lists and sends, in the order of the columns, new ones last.
pub fn compare(
    contract: &StreamContract,
    listed: Option<(&ColumnListManifest, &[FoundColumn])>,
    sample: Option<&Sample>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let at = |pointer: &str| Pointer::parse(pointer);
    for column in &contract.columns {
        let name = || column.name.clone();
        if let Some((list, fields)) = listed.filter(|(list, _)| list.covers(&at(&column.pointer))) {
            match fields.iter().find(|field| at(&field.pointer) == at(&column.pointer)) {
                // A key comes with every record, listed or not.
                None if contract.key.contains(&column.name) => {}
                None => changes.push(Change::Gone { column: name() }),
                Some(field) if differs(column, field, list) => changes.push(Change::Type {
                    column: name(),
                    from: column.column_type.clone(),
                    to: field.column_type.clone(),
                }),
                Some(_) => {}
            }
        }
        let known = |changes: &[Change]| changes.iter().any(|change| change.column() == column.name);
        if let Some((fits, was_null)) = sample.and_then(|sample| sample.judge(column)) {
            if let (false, Some(sample)) = (fits || known(&changes), sample) {
                changes.push(Change::Type {
                    column: name(),
                    from: column.column_type.clone(),
                    to: sample.widened(column),
                });
            }
            if was_null && !column.nullable {
                changes.push(Change::Null { column: name() });
            }
        }
    }
    let fields = listed.map(|(_, fields)| fields.to_vec()).unwrap_or_default();
    let mut new: Vec<FoundColumn> = Vec::new();
    for mut field in fields.into_iter().chain(sample.map(Sample::columns).unwrap_or_default()) {
        let place = at(&field.pointer);
        let is_known = contract.columns.iter().map(|column| &column.pointer).chain(new.iter().map(|one| &one.pointer));
        if is_known.into_iter().any(|known| at(known) == place) {
            continue;
        }
        let names = || contract.columns.iter().map(|column| &column.name).chain(new.iter().map(|one| &one.name));
        let own = place.segments().last().cloned().unwrap_or_default();
        field.name = name_for(&own, |name| names().any(|known| known.eq_ignore_ascii_case(name)));
        new.push(field);
    }
    changes.extend(new.into_iter().map(Change::New));
    changes
}

/// Whether the source lists another type; a word that the manifest gives no meaning lists none.
fn differs(column: &Column, field: &FoundColumn, list: &ColumnListManifest) -> bool {
    list.type_at.is_some() && field.column_type != ColumnType::Json && field.column_type != column.column_type
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Connector;

    fn contract() -> StreamContract {
        let text = concat!(
            "manifest: 1\nconnector: x\ntitle: X\ndocs: d\nhttp: { base_url: https://x.com }\nstreams:\n  rows:\n    title: t\n",
            "    kind: snapshot\n    path: /rows\n    records: /rows\n    key: [id]\n    columns:\n      id: { type: int64 }\n",
            "      size: { type: int64, path: /properties/size }\n      color: { type: string, path: /properties/color, nullable: true }\n",
        );
        let connector = Connector::parse(text, "x.yaml").unwrap();
        let stream = connector.complete(&std::collections::BTreeMap::new()).unwrap().remove(0);
        let source = headwater_contract::SourceName::new("x").unwrap();
        stream.contract(&source, None, None, connector.digest()).unwrap()
    }

    fn shown(list: &[(&str, &str)], records: &[&str]) -> Vec<String> {
        let yaml = "{ stream: f, name: name, path: '/properties/{name}', type: type, types: { n: int64, t: string, f: float64 } }";
        let manifest: ColumnListManifest = serde_saphyr::from_str(yaml).unwrap();
        let fields: Vec<_> =
            list.iter().map(|(name, kind)| serde_json::json!({ "name": name, "type": kind })).collect();
        let fields = manifest.columns(&fields).unwrap();
        let mut sample = Sample::new(&contract());
        for record in records {
            sample.take(record.as_bytes());
        }
        let listed = (!list.is_empty()).then_some((&manifest, fields.as_slice()));
        compare(&contract(), listed, Some(&sample)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_fits_is_no_difference() {
        assert_eq!(shown(&[("size", "n"), ("color", "?")], &[r#"{"id":1,"properties":{"size":2}}"#]), [""; 0]);
        // A sample that lacks a field proves nothing, and a null says nothing of types.
        assert_eq!(shown(&[], &[r#"{"id":1,"extra":null}"#, "[1]"]), [""; 0]);
    }

    #[test]
    fn a_list_shows_what_is_gone_new_and_of_another_type() {
        let expected = [
            "type  size: int64 does not fit; float64 does",
            "gone  color: the source does not list it any more",
            "new   Color: { type: string, path: /properties/Color, nullable: true }",
            "new   weight: { type: json, path: /properties/weight, nullable: true }",
        ];
        let shown = shown(&[("size", "f"), ("Color", "t"), ("weight", "kg")], &[]);
        assert_eq!(shown[..2], expected[..2]);
        // `Color` is taken as a name by `color`, as tables see it.
        assert_eq!(shown[2], expected[2].replace("Color: {", "Color_2: {"));
        assert_eq!(shown[3], expected[3]);
    }

    #[test]
    fn records_show_what_does_not_fit_what_is_null_and_what_nobody_takes() {
        let records = [
            r#"{"id":1,"properties":{"size":2.5,"day":"2024-03-01"},"note":"a"}"#,
            r#"{"id":2,"properties":{"size":null,"color":7}}"#,
        ];
        let expected = [
            "type  size: int64 does not fit; float64 does",
            "null  size: it is null in some records",
            "type  color: string does not fit; json does",
            "new   day: { type: date, path: /properties/day, nullable: true }",
            "new   note: { type: string, nullable: true }",
        ];
        assert_eq!(shown(&[], &records), expected);
    }
}
