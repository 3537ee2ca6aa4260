//! Streams that are made of a template: those whose parameters stand in the manifest are written out.

use serde_json::{Map, Value};

use super::jinja::{self, Ast, Piece};
use super::settings::plain_text;
use super::tree::{component, kind, text};

/// The original's name for what fills a template.
const VALUES: &str = "components_values";

/// Writes out what can be, and leaves the rest under `dynamic_streams` with the reason.
pub(super) fn written_out(root: &mut Value) {
    let Value::Object(fields) = root else { return };
    let Some(Value::Array(all)) = fields.shift_remove("dynamic_streams") else { return };
    let (mut made, mut left) = (Vec::new(), Vec::new());
    for mut dynamic in all {
        match streams(&dynamic) {
            Ok(streams) => made.extend(streams),
            Err(reason) => {
                if let Value::Object(fields) = &mut dynamic {
                    fields.insert("$reason".to_owned(), reason.into());
                }
                left.push(dynamic);
            }
        }
    }
    if let Value::Array(streams) = fields.entry("streams").or_insert_with(|| Value::Array(Vec::new())) {
        streams.extend(made);
    }
    if !left.is_empty() {
        fields.insert("dynamic_streams".to_owned(), Value::Array(left));
    }
}

/// The streams of one template.
fn streams(dynamic: &Value) -> Result<Vec<Value>, String> {
    let resolver = component(dynamic, "components_resolver").ok_or("streams that are made of nothing")?;
    let template = component(dynamic, "stream_template").ok_or("streams without a template")?;
    match kind(resolver) {
        "ParametrizedComponentsResolver" => {}
        "HttpComponentsResolver" => return Err("streams that an answer lists while the source runs".to_owned()),
        "ConfigComponentsResolver" => return Err("streams of which each is an object of the settings".to_owned()),
        other => return Err(format!("streams that are made by `{other}`")),
    }
    let list = resolver.pointer("/stream_parameters/list_of_parameters_for_stream").and_then(Value::as_array);
    let mappings: Vec<&Value> =
        resolver.get("components_mapping").and_then(Value::as_array).into_iter().flatten().collect();
    let mut streams = Vec::new();
    for parameters in list.ok_or("streams without parameters")? {
        let mut stream = template.clone();
        for mapping in &mappings {
            if !text(mapping.get("condition")).is_empty() {
                return Err("a template that is filled in under a condition".to_owned());
            }
            let mut path = Vec::new();
            for part in mapping.get("field_path").and_then(Value::as_array).into_iter().flatten() {
                path.push(plain_text(&filled(part, parameters)?));
            }
            let value = filled(mapping.get("value").unwrap_or(&Value::Null), parameters)?;
            let is_text = text(mapping.get("value_type")) == "string";
            let value = if is_text { plain_text(&value).into() } else { value };
            let may_create = mapping.get("create_or_update") == Some(&Value::Bool(true));
            put(&mut stream, &path, &value, may_create);
        }
        streams.push(stream);
    }
    Ok(streams)
}

/// A value of a mapping for these parameters.
fn filled(value: &Value, parameters: &Value) -> Result<Value, String> {
    let Value::String(template) = value else { return Ok(value.clone()) };
    let is_ours = jinja::is_template(template) && template.contains(VALUES);
    if !is_ours {
        return Ok(value.clone());
    }
    let pieces = jinja::template(template)?;
    let mut parts = Vec::new();
    for piece in &pieces {
        parts.push(match piece {
            Piece::Text(text) => Value::from(text.as_str()),
            Piece::Expression(ast) => found(ast, parameters).ok_or_else(|| format!("`{template}` is worked out"))?,
        });
    }
    Ok(match parts.as_slice() {
        // What is put together is a text that is read as what it spells.
        [Value::String(one)] => crate::expression::literal(&Value::from(one.as_str())),
        [one] => one.clone(),
        several => crate::expression::literal(&several.iter().map(plain_text).collect::<String>().into()),
    })
}

fn found(ast: &Ast, parameters: &Value) -> Option<Value> {
    let path = ast.path()?;
    let (root, rest) = path.split_first()?;
    let mut at = (*root == VALUES).then_some(parameters)?;
    for key in rest {
        at = match key {
            Value::Number(place) => at.get(usize::try_from(place.as_u64()?).ok()?)?,
            key => at.get(key.as_str()?)?,
        };
    }
    Some(super::tree::plain(at))
}

/// Puts a value at a path; `*` stands for every place.
fn put(at: &mut Value, path: &[String], value: &Value, may_create: bool) {
    let Some((first, rest)) = path.split_first() else {
        *at = value.clone();
        return;
    };
    match at {
        Value::Object(fields) if first == "*" => {
            fields.values_mut().for_each(|inner| put(inner, rest, value, may_create));
        }
        Value::Object(fields) if fields.contains_key(first) || may_create => {
            let inner = fields.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            put(inner, rest, value, may_create);
        }
        Value::Array(items) if first == "*" => items.iter_mut().for_each(|inner| put(inner, rest, value, may_create)),
        Value::Array(items) => {
            if let Some(inner) = first.parse::<usize>().ok().and_then(|place| items.get_mut(place)) {
                put(inner, rest, value, may_create);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_is_written_out_for_each_of_its_parameters() {
        let mapping = |path: Value, value: &str| json!({ "type": "ComponentMappingDefinition", "field_path": path, "value": value });
        let mut root = json!({ "dynamic_streams": [{
            "stream_template": { "type": "DeclarativeStream", "name": "", "retriever": { "requester": { "path": "", "size": 1 } }, "list": [{ "a": 1 }] },
            "components_resolver": {
                "type": "ParametrizedComponentsResolver",
                "stream_parameters": { "list_of_parameters_for_stream": [{ "name": "a", "path": "/x", "n": 5 }, { "name": "b", "path": "/y", "n": 6 }] },
                "components_mapping": [
                    mapping(json!(["name"]), "all_{{ components_values.name }}"),
                    mapping(json!(["retriever", "requester", "path"]), "{{ components_values['path'] }}"),
                    mapping(json!(["retriever", "requester", "size"]), "{{ components_values['n'] }}"),
                    mapping(json!(["list", "*", "a"]), "{{ components_values['n'] }}"),
                    mapping(json!(["absent", "x"]), "{{ components_values['n'] }}"),
                ],
            },
        }] });
        written_out(&mut root);
        let stream = |name: &str, path: &str, n: i64| json!({ "type": "DeclarativeStream", "name": name, "retriever": { "requester": { "path": path, "size": n } }, "list": [{ "a": n }] });
        assert_eq!(root, json!({ "streams": [stream("all_a", "/x", 5), stream("all_b", "/y", 6)] }));
    }

    #[test]
    fn what_is_known_only_while_it_runs_is_left_with_its_reason() {
        for (kind, reason) in [
            ("HttpComponentsResolver", "an answer lists"),
            ("ConfigComponentsResolver", "an object of the settings"),
            ("CustomResolver", "`CustomResolver`"),
        ] {
            let mut root = json!({ "dynamic_streams": [{ "stream_template": { "name": "x" }, "components_resolver": { "type": kind } }] });
            written_out(&mut root);
            assert!(text(root.pointer("/dynamic_streams/0/$reason")).contains(reason), "{root}");
        }
    }
}
