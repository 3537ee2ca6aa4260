//! A place in a document: a value, and the JSON pointer that leads to it.
//!
//! References are followed when a value is used and never expanded, so a description whose schemas refer to themselves costs nothing.

use serde_json::Value;

/// References that are followed one after another before a chain counts as a circle.
const REFERENCES_MAX: usize = 32;

/// A value of a document, with its place.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    root: &'a Value,
    value: &'a Value,
    place: String,
}

impl<'a> Node<'a> {
    /// The whole document.
    pub fn root(root: &'a Value) -> Self {
        Self { root, value: root, place: "#".to_owned() }
    }

    /// The value itself.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The place as a URI fragment with a JSON pointer, e.g. `#/paths/~1charges/get`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The member of an object or the element of a list under `key`.
    pub fn get(&self, key: &str) -> Option<Self> {
        let value = match self.value {
            Value::Object(fields) => fields.get(key)?,
            Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
            _ => return None,
        };
        Some(self.below(key, value))
    }

    /// The member under `key`, references followed.
    pub fn child(&self, key: &str) -> Option<Self> {
        self.get(key).map(Self::followed)
    }

    /// The text under `key`.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.value.get(key)?.as_str()
    }

    /// Whether `key` says true.
    pub fn says(&self, key: &str) -> bool {
        self.value.get(key).and_then(Value::as_bool) == Some(true)
    }

    /// The members of an object, in order.
    pub fn members(&self) -> Vec<(&'a str, Self)> {
        let fields = self.value.as_object().into_iter().flatten();
        fields.map(|(key, value)| (key.as_str(), self.below(key, value))).collect()
    }

    /// The elements of a list, references followed.
    pub fn elements(&self) -> Vec<Self> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(at, value)| self.below(&at.to_string(), value).followed()).collect()
    }

    /// What a chain of references ends in; the node itself where it is none, or where the chain leads nowhere.
    #[must_use]
    pub fn followed(self) -> Self {
        let mut at = self;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = at.text("$ref") else { return at };
            let Some(pointer) = reference.strip_prefix('#') else { return at };
            let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
            let Some(value) = at.root.pointer(&pointer) else { return at };
            at = Self { root: at.root, value, place: format!("#{pointer}") };
        }
        at
    }

    fn below(&self, key: &str, value: &'a Value) -> Self {
        Self { root: self.root, value, place: format!("{}/{}", self.place, key.replace('~', "~0").replace('/', "~1")) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_circle_of_references_ends() {
        let root = json!({ "a": { "$ref": "#/b" }, "b": { "$ref": "#/a" }, "c": { "$ref": "#/none" } });
        for key in ["a", "c"] {
            assert!(Node::root(&root).child(key).unwrap().text("$ref").is_some(), "{key}");
        }
    }

    #[test]
    fn a_reference_is_followed_to_its_place() {
        let root = json!({ "x": { "$ref": "#/paths/~1a~1%7Bid%7D" }, "paths": { "/a/{id}": { "get": 1 } } });
        let node = Node::root(&root).child("x").unwrap();
        assert_eq!((node.place(), node.value()), ("#/paths/~1a~1{id}", &json!({ "get": 1 })));
        assert_eq!(node.get("get").unwrap().place(), "#/paths/~1a~1{id}/get");
    }
}
