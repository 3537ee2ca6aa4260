//! Columns: what a JSON Schema says of a record's fields, in words of ours.

use serde_json::{Map, Value, json};

use super::settings::type_of;
use super::tree;

/// The properties that schemas declare for a record.
pub(super) fn properties(loader: Option<&Value>) -> Map<String, Value> {
    let loaders: Vec<&Value> = match loader {
        Some(Value::Array(loaders)) => loaders.iter().collect(),
        Some(loader) => vec![loader],
        None => Vec::new(),
    };
    let mut all = Map::new();
    for loader in loaders {
        let schema = loader.get("schema").unwrap_or(&Value::Null);
        for (name, property) in schema.get("properties").into_iter().flat_map(tree::fields) {
            all.insert(name.clone(), property.clone());
        }
    }
    all
}

/// The columns: those of the schema, the key's and the window's.
pub(super) fn columns(properties: &Map<String, Value>, key: &[Key], window: Option<(&str, Value)>) -> Value {
    let mut columns = Map::new();
    for (name, property) in properties {
        columns.insert(name.clone(), json!({ "type": column_type(property), "nullable": true }));
    }
    for one in key {
        let known = columns.get(&one.name).and_then(|column| column.get("type")).cloned();
        // A key is compared, so it is a plain value or its text.
        let kind = known.filter(|kind| kind != "float64").unwrap_or_else(|| "json".into());
        let mut column = json!({ "type": kind });
        if let (Some(path), Value::Object(fields)) = (&one.path, &mut column) {
            fields.insert("path".to_owned(), path.clone().into());
        }
        columns.insert(one.name.clone(), column);
    }
    if let Some((field, formats)) = window {
        let is_key = key.iter().any(|one| one.name == field);
        let mut column = json!({ "type": "timestamp" });
        if let Value::Object(fields) = &mut column {
            if !is_key {
                fields.insert("nullable".to_owned(), true.into());
            }
            // One format only says how a time is read; several would write it anew.
            match formats.as_array().map(Vec::as_slice) {
                Some([]) | None => {}
                Some(several) if several.contains(&"rfc3339".into()) => {}
                Some([one, ..]) if *one == "unix_micros" => {
                    fields.insert("formats".to_owned(), json!([one]));
                }
                Some([one, ..]) => {
                    fields.insert("format".to_owned(), one.clone());
                }
            }
            if let Some(path) = columns.get(field).and_then(|column| column.get("path")) {
                fields.insert("path".to_owned(), path.clone());
            } else if field.contains('/') {
                fields.insert("path".to_owned(), field.into());
            }
        }
        columns.insert(field.to_owned(), column);
    }
    Value::Object(columns)
}

/// A column of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) name: String,
    /// Where it stands, when not under its name.
    pub(super) path: Option<String>,
}

/// The key's columns.
pub(super) fn key(primary_key: Option<&Value>) -> Vec<Key> {
    let one = |path: &[Value]| -> Option<Key> {
        let parts: Vec<&str> = path.iter().filter_map(Value::as_str).filter(|part| !part.is_empty()).collect();
        let name = parts.join("_");
        let escaped: Vec<String> = parts.iter().map(|part| part.replace('~', "~0").replace('/', "~1")).collect();
        let path = (parts.len() > 1).then(|| format!("/{}", escaped.join("/")));
        (!parts.is_empty()).then_some(Key { name, path })
    };
    match primary_key {
        Some(Value::String(name)) if !name.is_empty() && !name.contains("{{") => {
            vec![Key { name: name.clone(), path: None }]
        }
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| match part {
                Value::Array(path) => one(path),
                part => one(std::slice::from_ref(part)),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn column_type(property: &Value) -> &'static str {
    let kinds: Vec<&str> = match property.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        _ => vec![type_of(property)],
    };
    match kinds.as_slice() {
        ["string"] => "string",
        ["integer"] => "int64",
        ["number"] | ["integer", "number"] | ["number", "integer"] => "float64",
        ["boolean"] => "boolean",
        _ => "json",
    }
}
