//! Writes a manifest as a person would: short things on one line, longer ones as blocks, doubts beside what they are about.

use serde_json::{Map, Value};

use crate::draft::quoted;

/// The longest line of a map or list that stays on one.
const LINE_MAX: usize = 118;
/// The field that holds a remark about the value beside it.
const REMARK: &str = "$remark";
/// The field that holds the value beside a remark.
const REMARKED: &str = "$value";

/// A value with a remark that stands behind it.
pub(super) fn remarked(value: impl Into<Value>, remark: &str) -> Value {
    let mut fields = Map::new();
    fields.insert(REMARKED.to_owned(), value.into());
    fields.insert(REMARK.to_owned(), remark.into());
    Value::Object(fields)
}

/// The value without its remark.
pub(super) fn bare(value: &Value) -> &Value {
    value.get(REMARKED).unwrap_or(value)
}

/// The fields of a map, indented.
pub(super) fn block(value: &Value, indent: usize) -> String {
    let mut out = String::new();
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            field(name, value, indent, &mut out);
        }
    }
    out
}

/// One field.
pub(super) fn field(name: &str, value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    let remark = value.get(REMARK).and_then(Value::as_str);
    let value = bare(value);
    let remark = remark.map(|remark| format!("  # {remark}")).unwrap_or_default();
    let name = quoted(name);
    let inline = flow(value);
    let is_plain = !matches!(value, Value::Object(_) | Value::Array(_));
    if is_plain || (indent + name.len() + 2 + inline.len() <= LINE_MAX && !has_remark(value)) {
        out.push_str(&format!("{pad}{name}: {inline}{remark}\n"));
        return;
    }
    out.push_str(&format!("{pad}{name}:{remark}\n"));
    match value {
        Value::Object(_) => out.push_str(&block(value, indent + 2)),
        Value::Array(items) => {
            for item in items {
                list_item(item, indent + 2, out);
            }
        }
        _ => {}
    }
}

fn list_item(item: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    let inline = flow(item);
    if indent + 2 + inline.len() <= LINE_MAX || !matches!(item, Value::Object(fields) if !fields.is_empty()) {
        out.push_str(&format!("{pad}- {inline}\n"));
        return;
    }
    let inner = block(item, indent + 2);
    out.push_str(&format!("{pad}- {}", inner.trim_start()));
}

fn has_remark(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key(REMARK) || fields.values().any(has_remark),
        Value::Array(items) => items.iter().any(has_remark),
        _ => false,
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match bare(value) {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{}: {}", quoted(name), flow(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let long = "x".repeat(130);
        let value = json!({
            "a": { "b": [1, "two", { "c": null }] },
            "long": { "text": long, "list": [{ "text": long, "n": 1 }, "- x", [1, 2]] },
            "empty": {}, "none": [], "odd name": "a: b # c", "key/é": true,
        });
        let read: Value = serde_saphyr::from_str(&block(&value, 0)).unwrap();
        assert_eq!(read, value);
        let text = block(&json!({ "a": remarked("0", "confirm: it") }), 0);
        assert_eq!(text, "a: \"0\"  # confirm: it\n");
    }
}
