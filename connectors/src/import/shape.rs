//! What is done to records: filters and transformations, as steps.

mod fit;

pub(super) use fit::fit;

use serde_json::{Map, Value, json};

use super::convert::Convert;
use super::expression::{Names, Place};
use super::tree::{self, component, is_true, kind, text};

/// A JSON pointer of parts.
pub(super) fn pointer(parts: &[String]) -> String {
    parts.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect::<Vec<_>>().concat()
}

/// The steps of a selector and a stream.
pub(super) fn steps(convert: &mut Convert<'_>, stream: &Value, selector: &Value, names: &Names) -> Vec<Value> {
    let mut steps = Vec::new();
    expander(convert, selector, &mut steps);
    let filter = filter(convert, selector, names);
    let mut transformed = Vec::new();
    for holder in [stream, selector] {
        for transformation in holder.get("transformations").and_then(Value::as_array).into_iter().flatten() {
            transform(convert, transformation, names, &mut transformed);
        }
    }
    if is_true(selector.get("transform_before_filtering")) {
        steps.extend(transformed);
        steps.extend(filter);
    } else {
        steps.extend(filter);
        steps.extend(transformed);
    }
    steps
}

fn filter(convert: &mut Convert<'_>, selector: &Value, names: &Names) -> Option<Value> {
    let filter = component(selector, "record_filter")?;
    if kind(filter) != "RecordFilter" && !kind(filter).is_empty() {
        convert.custom(filter, kind(filter), "a filter of records");
        return None;
    }
    let condition = match filter.get("condition") {
        Some(Value::String(condition)) => condition.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ => return None,
    };
    // An empty condition is false in the original, and drops everything.
    match convert.translate(filter, names, Place::Record, |translator| translator.as_condition(&condition)) {
        Ok(code) => Some(json!({ "keep": code.text })),
        Err(reason) => {
            convert.notes.impossible(filter, format!("a filter of records: {reason}"));
            None
        }
    }
}

fn expander(convert: &mut Convert<'_>, selector: &Value, steps: &mut Vec<Value>) {
    let Some(expander) = component(selector, "extractor").and_then(|extractor| component(extractor, "record_expander"))
    else {
        return;
    };
    let path = texts(convert, expander, expander.get("expand_records_from_field"));
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        convert.notes.impossible(expander, "the path of a record expander");
        return;
    };
    let mut explode = Map::new();
    explode.insert("at".to_owned(), pointer(&path).into());
    if is_true(expander.get("merge_parent")) {
        explode.insert("whole_parent".to_owned(), true.into());
    }
    if is_true(expander.get("remain_original_record")) {
        explode.insert("parent".to_owned(), json!({ "original_record": "" }));
    }
    let mut parents = Map::new();
    for field in expander.get("parent_fields").and_then(Value::as_array).into_iter().flatten() {
        let from = texts(convert, expander, field.get("parent_path")).unwrap_or_default();
        let to = texts(convert, expander, field.get("record_path")).unwrap_or_default();
        let [name] = to.as_slice() else {
            convert.notes.impossible(expander, "a parent's field that is put below another");
            return;
        };
        parents.insert(name.clone(), pointer(&from).into());
    }
    if !parents.is_empty() {
        explode.insert("parent".to_owned(), Value::Object(parents));
    }
    if component(expander, "truncated_list_retriever").is_some() {
        convert.notes.impossible(expander, "lists whose rest another request gives");
        return;
    }
    if text(expander.get("on_no_records")) == "emit_parent" {
        explode.insert("when_empty".to_owned(), "whole".into());
    }
    match (is_true(expander.get("merge_parent")), explode.contains_key("parent")) {
        (true, false) => drop(explode.insert("clash".to_owned(), "element".into())),
        (false, true) => drop(explode.insert("clash".to_owned(), "parent".into())),
        _ => {}
    }
    steps.push(json!({ "explode": explode }));
}

/// Texts that are known, or none.
pub(super) fn texts(convert: &mut Convert<'_>, node: &Value, list: Option<&Value>) -> Option<Vec<String>> {
    let Some(Value::Array(parts)) = list else {
        return list.and_then(Value::as_str).map(|one| vec![one.to_owned()]);
    };
    parts
        .iter()
        .map(|part| match part {
            Value::String(text) => convert.constant(node, text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect()
}

fn transform(convert: &mut Convert<'_>, node: &Value, names: &Names, steps: &mut Vec<Value>) {
    match kind(node) {
        "AddFields" => add(convert, node, names, steps),
        "RemoveFields" => remove(convert, node, names, steps),
        "KeysToLower" => steps.push(json!({ "rename": { "case": "lower" } })),
        "KeysToSnakeCase" => {
            convert.notes.approximated(
                node,
                "names in snake case: letters beyond ASCII part words, and are not spelled in ASCII",
            );
            let rules = [
                ("[^a-zA-Z0-9]+", "_"),
                ("([a-z])([A-Z])", "${1}_${2}"),
                ("([a-zA-Z])([0-9])", "${1}_${2}"),
                ("([0-9])([a-zA-Z])", "${1}_${2}"),
                ("^([0-9])", "_${1}"),
            ];
            let rules: Vec<Value> =
                rules.iter().map(|(pattern, with)| json!({ "pattern": pattern, "with": with })).collect();
            let rename = json!({ "deep": true, "skip_lists": true, "replace": rules, "case": "lower" });
            steps.push(json!({ "rename": rename }));
        }
        "KeysReplace" => {
            let (old, new) = (convert.constant_text(node, "old"), convert.constant_text(node, "new"));
            let (Some(old), Some(new)) = (old, new) else {
                convert.notes.impossible(node, "a replacement in names that is computed");
                return;
            };
            let rule = json!([{ "pattern": regex::escape(&old), "with": new.replace('$', "$$") }]);
            steps.push(json!({ "rename": { "deep": true, "skip_lists": true, "replace": rule } }));
        }
        "FlattenFields" => {
            let mut flatten = json!({ "prefix": false, "separator": ".", "clash": "lengthen" });
            if let (true, Value::Object(fields)) =
                (node.get("flatten_lists") != Some(&Value::Bool(false)), &mut flatten)
            {
                fields.insert("lists".to_owned(), true.into());
            }
            steps.push(json!({ "flatten": flatten }));
        }
        "DpathFlattenFields" => lift(convert, node, steps),
        other => convert.custom(node, other, "a transformation"),
    }
}

fn lift(convert: &mut Convert<'_>, node: &Value, steps: &mut Vec<Value>) {
    const COPY: &str = "__lifted";
    let Some(path) = texts(convert, node, node.get("field_path")).filter(|path| !path.is_empty()) else {
        convert.notes.impossible(node, "a path of fields to flatten that is computed");
        return;
    };
    let (is_alone, is_moved) = (is_true(node.get("replace_record")), is_true(node.get("delete_origin_value")));
    let keys = component(node, "key_transformation");
    let [before, after] = ["prefix", "suffix"].map(|name| keys.and_then(|keys| convert.constant_text(keys, name)));
    let flatten = |at: &str, is_kept: bool| {
        let mut fields = Map::from_iter([("at".to_owned(), Value::from(at)), ("prefix".to_owned(), false.into())]);
        fields.insert("depth".to_owned(), 1.into());
        for (name, is_so) in [("alone", is_alone), ("keep", is_kept && !is_alone)] {
            if is_so {
                fields.insert(name.to_owned(), true.into());
            }
        }
        for (name, text) in [("before", &before), ("after", &after)] {
            if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                fields.insert(name.to_owned(), text.clone().into());
            }
        }
        fields.insert("clash".to_owned(), "leave".into());
        json!({ "flatten": fields })
    };
    let has_star = path.iter().any(|part| part == "*");
    if !has_star {
        steps.push(flatten(&pointer(&path), !is_moved));
        return;
    }
    let stars = path.iter().filter(|part| *part == "*").count();
    if stars > 1 || path.last().is_none_or(|last| last != "*") {
        convert.notes.impossible(node, "fields that are lifted from the first of several places");
        return;
    }
    // What is lifted from a copy leaves the original where it is.
    let above = path.get(..path.len() - 1).unwrap_or_default();
    let of = above.iter().map(|part| ["[", &super::expression::quoted(part), "]"].concat()).collect::<String>();
    let copied = json!({ "expression": format!("(record{of} | items | first | last) if record{of} is mapping else (record{of} | first if record{of} is sequence else none)") });
    steps.push(json!({ "add": { COPY: copied } }));
    steps.push(flatten(&format!("/{COPY}"), false));
    let mut left = vec![format!("/{COPY}")];
    if is_moved && !is_alone {
        convert.notes.approximated(
            node,
            "fields that are lifted from one of several: the original goes even where a name is taken",
        );
        left.push(pointer(&path));
    }
    steps.push(json!({ "remove": left }));
}

fn add(convert: &mut Convert<'_>, node: &Value, names: &Names, steps: &mut Vec<Value>) {
    let mut fields = Map::new();
    for field in node.get("fields").and_then(Value::as_array).into_iter().flatten() {
        let Some(path) = texts(convert, field, field.get("path")).filter(|path| !path.is_empty()) else {
            convert.notes.impossible(field, "a field whose place is computed");
            continue;
        };
        let wanted = text(field.get("value_type"));
        let made = match field.get("value") {
            Some(Value::String(value)) => convert.translate(field, names, Place::Record, |translator| match wanted {
                "string" => translator.as_text(value),
                "" => translator.as_value(value),
                wanted => translator.as_value_of(value, wanted),
            }),
            Some(value) => super::expression::constant(&tree::plain(value)),
            None => Err("it has no value".to_owned()),
        };
        let mut one = Map::new();
        match made {
            Ok(code) => {
                one.insert("expression".to_owned(), code.text.into());
            }
            Err(reason) => {
                convert.notes.impossible(field, format!("the field `{}`: {reason}", path.join(".")));
                continue;
            }
        }
        let condition = text(node.get("condition"));
        if !condition.is_empty() {
            match convert.translate(node, names, Place::Record, |translator| translator.as_condition(condition)) {
                Ok(code) => {
                    one.insert("when".to_owned(), code.text.into());
                }
                Err(reason) => convert.notes.impossible(node, format!("a condition of added fields: {reason}")),
            }
        }
        let name = if let [name] = path.as_slice()
            && !name.starts_with('/')
        {
            name.clone()
        } else {
            pointer(&path)
        };
        // A later field may be made of an earlier one of the same name.
        if fields.contains_key(&name) {
            steps.push(json!({ "add": std::mem::take(&mut fields) }));
        }
        fields.insert(name, Value::Object(one));
    }
    if !fields.is_empty() {
        steps.push(json!({ "add": fields }));
    }
}

fn remove(convert: &mut Convert<'_>, node: &Value, names: &Names, steps: &mut Vec<Value>) {
    let mut pointers = Vec::new();
    for path in node.get("field_pointers").and_then(Value::as_array).into_iter().flatten() {
        let Some(path) = texts(convert, node, Some(path)) else {
            convert.notes.impossible(node, "a field to remove that is computed");
            return;
        };
        pointers.push(path);
    }
    let condition = text(node.get("condition"));
    if condition.is_empty() {
        if pointers.iter().any(|path| path.iter().any(|part| part == "**") && path.len() != 1) {
            convert.notes.impossible(node, "fields to remove at any depth");
            return;
        }
        let place = |path: &Vec<String>| if path == &["**"] { "/*".to_owned() } else { pointer(path) };
        steps.push(json!({ "remove": pointers.iter().map(place).collect::<Vec<_>>() }));
        return;
    }
    if pointers.is_empty() {
        return;
    }
    match convert.translate(node, names, Place::Record, |translator| translator.as_condition(condition)) {
        // Under a condition the original looks at every plain value of the record, whatever the pointers say.
        Ok(code) => steps.push(json!({ "remove": { "at": ["/**"], "when": code.text } })),
        Err(reason) => convert.notes.impossible(node, format!("a condition of removed fields: {reason}")),
    }
}
