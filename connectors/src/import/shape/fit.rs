//! Values that are made to fit the schema, at every place that it names.

use serde_json::{Map, Value, json};

use super::pointer;
use crate::import::convert::Convert;
use crate::import::settings::plain_text;
use crate::import::tree::{self, component, kind};

/// The types of plain values.
const PLAIN: [&str; 5] = ["string", "number", "integer", "boolean", "null"];

/// The step that fits values, where the selector asks for it.
pub(in crate::import) fn fit(convert: &mut Convert<'_>, selector: &Value, stream: &Value) -> Option<Value> {
    match selector.get("schema_normalization") {
        Some(Value::String(kind)) if kind == "Default" => {}
        Some(node @ Value::Object(_)) => {
            convert.custom(node, kind(node), "a normalisation");
            return None;
        }
        _ => return None,
    }
    let loaders: Vec<&Value> = match stream.get("schema_loader") {
        Some(Value::Array(loaders)) => loaders.iter().collect(),
        Some(loader @ Value::Object(_)) => vec![loader],
        _ => Vec::new(),
    };
    let mut fields = Map::new();
    for loader in loaders {
        if kind(loader) != "InlineSchemaLoader" {
            let what = "values are made to fit a schema that does not stand in the manifest: they stay as they come";
            convert.notes.approximated(selector, what);
            continue;
        }
        if let Some(schema) = component(loader, "schema") {
            properties(schema, &mut Vec::new(), &mut fields);
        }
    }
    (!fields.is_empty()).then(|| json!({ "fit": fields }))
}

fn properties(schema: &Value, path: &mut Vec<String>, fields: &mut Map<String, Value>) {
    for (name, property) in schema.get("properties").into_iter().flat_map(tree::fields) {
        path.push(name.clone());
        value(property, path, fields);
        path.pop();
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        path.push("*".to_owned());
        value(items, path, fields);
        path.pop();
    }
}

fn value(schema: &Value, path: &mut Vec<String>, fields: &mut Map<String, Value>) {
    let kinds = kinds(schema);
    let fit = match kinds.as_slice() {
        [one] => match one.as_str() {
            "string" => Some("string"),
            "number" => Some("float64"),
            "integer" => Some("int64"),
            "boolean" => Some("boolean"),
            "array" => {
                let items = schema.get("items").map(all_kinds).unwrap_or_default();
                items.iter().all(|kind| PLAIN.contains(&kind.as_str())).then_some("list")
            }
            _ => None,
        },
        _ => None,
    };
    if let Some(fit) = fit {
        let name = match path.as_slice() {
            [name] if !name.starts_with('/') => name.clone(),
            path => pointer(path),
        };
        fields.insert(name, fit.into());
    }
    properties(schema, path, fields);
}

fn all_kinds(schema: &Value) -> Vec<String> {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().map(plain_text).collect(),
        Some(kind) => vec![plain_text(kind)],
        None => Vec::new(),
    }
}

fn kinds(schema: &Value) -> Vec<String> {
    all_kinds(schema).into_iter().filter(|kind| kind != "null").collect()
}
