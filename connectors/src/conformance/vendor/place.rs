//! Puts values at pointers into JSON that may not have been there.

use serde_json::{Map, Value};

/// Puts `value` at a path; what is missing on the way becomes an object, or a list where the path has a number. False where another value
/// stands in the way.
pub(in crate::conformance) fn place(whole: &mut Value, path: &[String], value: Value) -> bool {
    let Some((name, rest)) = path.split_first() else {
        *whole = value;
        return true;
    };
    if whole.is_null() {
        *whole = if name == "0" { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    match whole {
        Value::Object(fields) => place(fields.entry(name.clone()).or_insert(Value::Null), rest, value),
        Value::Array(items) => {
            let Ok(at) = name.parse::<usize>() else { return false };
            if at == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(at).is_some_and(|item| place(item, rest, value))
        }
        _ => false,
    }
}

/// Takes the value at a path away; false where there was none.
pub(in crate::conformance) fn remove(whole: &mut Value, path: &[String]) -> bool {
    let Some((last, above)) = path.split_last() else { return false };
    let holder = above.iter().try_fold(whole, |at, name| match at {
        Value::Object(fields) => fields.get_mut(name),
        Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    });
    match holder {
        Some(Value::Object(fields)) => fields.shift_remove(last).is_some(),
        _ => false,
    }
}

/// Takes the objects above a path away that hold nothing any more.
pub(in crate::conformance) fn prune(whole: &mut Value, path: &[String]) {
    let Some((_, above)) = path.split_last().filter(|(_, above)| !above.is_empty()) else { return };
    let holder = above.iter().try_fold(&*whole, |at, name| at.get(name));
    let is_empty = holder.and_then(Value::as_object).is_some_and(Map::is_empty);
    if is_empty && remove(whole, above) {
        prune(whole, above);
    }
}

/// A value as one text whatever the order of its fields.
pub(in crate::conformance) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            let field = |name: &String| format!("{}:{}", Value::from(name.as_str()), canonical(&fields[name.as_str()]));
            format!("{{{}}}", names.into_iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}

/// A plain value as a request writes it; nothing for lists, objects and null.
pub(in crate::conformance) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn a_value_is_placed_through_objects_and_lists_and_never_through_a_value() {
        let mut whole = Value::Null;
        assert!(place(&mut whole, &path("/a/0/b"), json!(1)) && place(&mut whole, &path("/a/1"), json!(2)));
        assert_eq!(whole, json!({ "a": [{ "b": 1 }, 2] }));
        assert!(!place(&mut whole, &path("/a/1/x"), json!(3)) && !place(&mut whole, &path("/a/9"), json!(3)));
        assert!(remove(&mut whole, &path("/a/0/b")) && !remove(&mut whole, &path("/a/0/b")));
        assert_eq!(canonical(&json!({ "b": [1], "a": null })), r#"{"a":null,"b":[1]}"#);
    }
}
