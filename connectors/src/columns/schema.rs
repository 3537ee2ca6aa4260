//! Columns of a JSON Schema: types, formats, null, listed values, bounds, and what stands deeper.
//!
//! What a schema names is taken for all there is, as its authors mean it; a part that admits anything, several types or itself becomes a
//! column of JSON. <https://json-schema.org/draft/2020-12/json-schema-validation>

use headwater_contract::{Check, ColumnType, TimestampFormat};
use serde_json::Value;

use super::{below, name_for};
use crate::decoding::Pointer;
use crate::description::{Node, elements, names_of, types};
use crate::draft::is_money;
use crate::manifest::{ColumnManifest, OneOrMany, Ordered, TypeManifest};

/// Objects and lists within one another that become typed parts; deeper ones are JSON.
const DEPTH_MAX: usize = 4;
/// Listed values that become a check.
const VALUES_MAX: usize = 200;

/// The columns of a record that a schema describes, in its order.
pub fn columns_of(schema: &Value) -> Ordered<ColumnManifest> {
    fields(&[Node::root(schema)], DEPTH_MAX)
}

fn fields(schemas: &[Node<'_>], depth: usize) -> Ordered<ColumnManifest> {
    let required = |field: &str| {
        let listed = schemas.iter().filter_map(|schema| schema.value().get("required")?.as_array());
        listed.flatten().any(|name| name.as_str() == Some(field))
    };
    let mut columns = Ordered::default();
    for (field, schemas) in names_of(schemas).into_iter().filter(|(field, _)| !field.is_empty()) {
        let name = name_for(&field, |name| columns.names().any(|known| known.eq_ignore_ascii_case(name)));
        let mut column = column(&name, &schemas, depth);
        column.nullable |= !required(&field);
        if name != field {
            column.path = Some(Pointer::parse(&below("", &field)));
        }
        columns.put(&name, column);
    }
    columns
}

fn column(name: &str, schemas: &[Node<'_>], depth: usize) -> ColumnManifest {
    let said = types(schemas);
    let has_format = |format: &str| said.formats.iter().any(|known| known == format);
    let mut format = None;
    let kinds: Vec<&str> = said.kinds.iter().map(String::as_str).collect();
    let column_type = match kinds.as_slice() {
        ["string"] if has_format("date-time") => TypeManifest::Scalar(ColumnType::Timestamp),
        ["string"] if has_format("date") => TypeManifest::Scalar(ColumnType::Date),
        ["string"] => TypeManifest::Scalar(ColumnType::String),
        ["integer"] if has_format("unix-time") || has_format("timestamp") => {
            format = Some(TimestampFormat::UnixSeconds);
            TypeManifest::Scalar(ColumnType::Timestamp)
        }
        ["integer"] => TypeManifest::Scalar(ColumnType::Int64),
        // Money is never a float.
        ["number"] | ["integer", "number"] | ["number", "integer"] if is_money(name) => {
            TypeManifest::Scalar(ColumnType::Decimal { precision: 38, scale: 6 })
        }
        ["number"] | ["integer", "number"] | ["number", "integer"] => TypeManifest::Scalar(ColumnType::Float64),
        ["boolean"] => TypeManifest::Scalar(ColumnType::Boolean),
        ["object"] if depth > 0 && !admits_more(schemas) => part(fields(schemas, depth - 1)),
        ["array"] if depth > 0 => list(name, schemas, depth - 1),
        _ => TypeManifest::Scalar(ColumnType::Json),
    };
    let mut checks = Vec::new();
    let listed: Option<Vec<String>> = said.values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    let is = |known: ColumnType| matches!(&column_type, TypeManifest::Scalar(scalar) if *scalar == known);
    if let Some(values) =
        listed.filter(|values| !values.is_empty() && values.len() <= VALUES_MAX && is(ColumnType::String))
    {
        checks.push(Check::OneOf(values));
    }
    if is(ColumnType::Int64) || is(ColumnType::Float64) {
        checks.extend(said.range.0.map(Check::Min));
        checks.extend(said.range.1.map(Check::Max));
    }
    let help = schemas.iter().find_map(|schema| schema.text("description"));
    ColumnManifest {
        nullable: said.is_nullable,
        format,
        check: (!checks.is_empty()).then(|| OneOrMany::from(checks)),
        help: help.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty()),
        ..ColumnManifest::of(column_type)
    }
}

/// Whether an object is a map of anything, or says nothing of what it holds.
fn admits_more(schemas: &[Node<'_>]) -> bool {
    let is_map = |schema: &Node<'_>| {
        let additional = schema.value().get("additionalProperties");
        additional.is_some_and(|additional| *additional == Value::Bool(true) || additional.is_object())
            || schema.get("patternProperties").is_some()
    };
    schemas.iter().any(is_map) || names_of(schemas).is_empty()
}

fn part(fields: Ordered<ColumnManifest>) -> TypeManifest {
    if fields.is_empty() { TypeManifest::Scalar(ColumnType::Json) } else { TypeManifest::Struct(fields) }
}

fn list(name: &str, schemas: &[Node<'_>], depth: usize) -> TypeManifest {
    let items = elements(schemas);
    if items.is_empty() {
        return TypeManifest::Scalar(ColumnType::Json);
    }
    let mut item = column(name, &items, depth);
    // A check speaks of a column's own value, and an element that is missing is null.
    (item.check, item.help, item.nullable) = (None, None, true);
    TypeManifest::List(Box::new(item))
}

#[cfg(test)]
mod tests {
    use headwater_contract::Column;
    use serde_json::json;

    use super::*;

    fn columns(schema: &Value) -> Vec<Column> {
        columns_of(schema).iter().map(|(name, column)| column.to_column(name)).collect()
    }

    fn shown(schema: &Value) -> Vec<String> {
        let null = |column: &Column| if column.nullable { "?" } else { "" };
        columns(schema)
            .iter()
            .map(|column| format!("{}{}: {}", column.name, null(column), column.column_type))
            .collect()
    }

    #[test]
    fn what_says_nothing_or_several_things_is_json() {
        let schema = json!({ "properties": {
            "any": {}, "both": { "type": ["string", "integer"] }, "map": { "type": "object", "additionalProperties": { "type": "string" } },
            "open": { "type": "object" }, "list": { "type": "array" }, "self": { "$ref": "#" }, "away": { "$ref": "https://x.com/y" },
        } });
        let shown = shown(&schema);
        for name in ["any", "both", "map", "open", "list", "away"] {
            assert!(shown.contains(&format!("{name}?: json")), "{name}: {shown:?}");
        }
        // A schema that refers to itself ends.
        assert!(shown.iter().any(|column| column.starts_with("self?: struct<")), "{shown:?}");
        assert!(columns_of(&json!({ "type": "string" })).is_empty());
    }

    #[test]
    fn types_formats_and_null_follow_the_schema() {
        let schema = json!({
            "definitions": { "day": { "type": "string", "format": "date" } },
            "required": ["id", "note"],
            "properties": {
                "id": { "type": "integer" }, "note": { "type": ["null", "string"] }, "at": { "type": "string", "format": "date-time" },
                "seen": { "type": "integer", "format": "unix-time" }, "day": { "$ref": "#/definitions/day" }, "ratio": { "type": "number" },
                "total": { "type": "number" }, "on": { "oneOf": [{ "type": "boolean" }, { "type": "null" }] }, "Id": { "type": "string" },
                "a b": { "type": "string" },
            },
        });
        let expected = [
            "id: int64",
            "note?: string",
            "at?: timestamp",
            "seen?: timestamp",
            "day?: date",
            "ratio?: float64",
            "total?: decimal(38,6)",
            "on?: boolean",
            "Id_2?: string",
            "a_b?: string",
        ];
        assert_eq!(shown(&schema), expected);
        let columns = columns(&schema);
        assert_eq!(columns[3].format, TimestampFormat::UnixSeconds);
        assert_eq!((columns[8].pointer.as_str(), columns[9].pointer.as_str()), ("/Id", "/a b"));
    }

    #[test]
    fn listed_values_bounds_and_words_are_kept_and_parts_are_typed() {
        let schema = json!({ "properties": {
            "state": { "type": "string", "enum": ["open", "done", null], "description": "Where it\n stands" },
            "count": { "type": "integer", "minimum": 0 },
            "owner": { "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" }, "tags": { "type": "array", "items": { "type": "string" } } } },
        } });
        let columns = columns(&schema);
        assert_eq!(columns[0].checks, [Check::OneOf(vec!["open".to_owned(), "done".to_owned()])]);
        assert_eq!(columns[0].description.as_deref(), Some("Where it stands"));
        assert_eq!(columns[1].checks, [Check::Min(0.0)]);
        assert_eq!(columns[2].column_type.to_string(), "struct<id: int64, tags: list<string>>");
    }
}
