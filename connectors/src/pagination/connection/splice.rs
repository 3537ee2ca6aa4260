//! Changes one value inside a JSON text and leaves every other byte as the source sent it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

/// The text with the value at `path` replaced by what `with` makes of it; `None` when there is no such value.
pub(super) fn edit(text: &str, path: &[String], with: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    let mut value = text.trim();
    for name in path {
        value = if value.starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(value).ok()?;
            items.get(name.parse::<usize>().ok()?)?.get()
        } else {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(value).ok()?;
            members.get(name.as_str())?.get()
        };
    }
    let start = value.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let (before, rest) = text.split_at_checked(start)?;
    let after = rest.get(value.len()..)?;
    Some(format!("{before}{}{after}", with(value)?))
}

/// A list with further rows at its end.
pub(super) fn extended(list: &str, rows: &[Bytes]) -> Option<String> {
    let inside = list.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut out = String::with_capacity(list.len() + rows.iter().map(|row| row.len() + 1).sum::<usize>());
    out.push('[');
    out.push_str(inside);
    for row in rows {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(std::str::from_utf8(row).ok()?);
    }
    out.push(']');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').skip(1).map(str::to_owned).collect()
    }

    fn added(text: &str, at: &str, rows: &[&'static str]) -> Option<String> {
        let rows: Vec<Bytes> = rows.iter().map(|row| Bytes::from_static(row.as_bytes())).collect();
        edit(text, &path(at), |list| extended(list, &rows))
    }

    #[test]
    fn what_is_not_there_or_no_list_is_not_changed() {
        for (text, at) in [
            (r#"{"a":1}"#, "/b"),
            (r#"{"a":1}"#, "/a"),
            (r#"{"a":{"b":null}}"#, "/a/b"),
            (r#"{"a":[1]}"#, "/a/7"),
            ("{", "/a"),
        ] {
            assert_eq!(added(text, at, &["2"]), None, "{text} {at}");
        }
    }

    #[test]
    fn rows_are_added_and_nothing_else_changes() {
        assert_eq!(
            added(r#" {"x": 1.10, "a":{"b":[ {"c":1e3} ]} , "b":[]}"#, "/a/b", &[r#"{"c":2.0}"#, "3"]).unwrap(),
            r#" {"x": 1.10, "a":{"b":[{"c":1e3},{"c":2.0},3]} , "b":[]}"#
        );
        assert_eq!(added(r#"{"b":[ ]}"#, "/b", &["1", "2"]).unwrap(), r#"{"b":[1,2]}"#);
        assert_eq!(added(r#"{"b":[[0],[1]]}"#, "/b/1", &["2"]).unwrap(), r#"{"b":[[0],[1,2]]}"#);
        assert_eq!(added(r#"{"b":[1]}"#, "/b", &[]).unwrap(), r#"{"b":[1]}"#);
        assert_eq!(edit(r#"{"m":true}"#, &path("/m"), |_| Some("false".into())).unwrap(), r#"{"m":false}"#);
    }
}
