//! Closed, open and silent schemas, through compositions and circles.

use serde_json::{Value, json};

use super::*;

/// How `pointer` ends in `schema`: the word for the outcome, and the types where it leads somewhere.
fn look(schema: &Value, pointer: &str) -> (&'static str, Vec<String>) {
    let root = json!({ "s": schema, "defs": {
        "node": { "type": "object", "properties": { "next": { "$ref": "#/defs/node" }, "id": { "type": "integer" } } },
        "loop": { "allOf": [{ "$ref": "#/defs/loop" }] },
    } });
    let start = Node::root(&root).child("s").unwrap();
    let segments: Vec<String> = pointer.split('/').skip(1).map(str::to_owned).collect();
    match reach(vec![start], &segments) {
        Reached::At(nodes) => ("at", types(&nodes).kinds),
        Reached::Closed { .. } => ("closed", Vec::new()),
        Reached::Unsaid { .. } => ("unsaid", Vec::new()),
    }
}

#[test]
fn only_a_list_of_names_without_a_door_is_closed() {
    let id = json!({ "id": { "type": "string" } });
    for (schema, outcome) in [
        (json!({ "properties": id }), "closed"),
        (json!({ "properties": id, "additionalProperties": false }), "closed"),
        (json!({ "type": "string" }), "closed"),
        (json!({ "type": "array", "items": { "properties": id } }), "closed"),
        (json!({ "allOf": [{ "properties": id }, { "type": "object" }] }), "closed"),
        (json!({ "oneOf": [{ "properties": id }, { "type": "string" }] }), "closed"),
        (json!({ "properties": id, "additionalProperties": true }), "unsaid"),
        (json!({ "properties": id, "additionalProperties": { "type": "string" } }), "unsaid"),
        (json!({ "properties": id, "patternProperties": {} }), "unsaid"),
        (json!({ "type": "object" }), "unsaid"),
        (json!({ "properties": {} }), "unsaid"),
        (json!({}), "unsaid"),
        (json!({ "oneOf": [{ "properties": id }, { "type": "object" }] }), "unsaid"),
        (json!({ "allOf": [{ "properties": id }, { "additionalProperties": true }] }), "unsaid"),
        (json!({ "$ref": "other.yaml#/x" }), "unsaid"),
        (json!({ "$ref": "#/defs/loop" }), "unsaid"),
    ] {
        assert_eq!(look(&schema, "/name").0, outcome, "{schema}");
    }
}

#[test]
fn a_field_is_found_through_compositions_and_circles() {
    let user = json!({ "properties": { "user": { "anyOf": [{ "type": "string" }, { "$ref": "#/defs/node" }] } } });
    for (schema, pointer, kinds) in [
        (json!({ "$ref": "#/defs/node" }), "/next/next/next/id", vec!["integer"]),
        (user.clone(), "/user/id", vec!["integer"]),
        (user, "/user", vec!["string", "object"]),
        (json!({ "allOf": [{ "type": "object" }, { "$ref": "#/defs/node" }] }), "/id", vec!["integer"]),
        (json!({ "type": "array", "items": { "$ref": "#/defs/node" } }), "/0/id", vec!["integer"]),
        (json!({ "type": "array", "items": { "$ref": "#/defs/node" } }), "/*/id", vec!["integer"]),
        (json!({ "additionalProperties": { "$ref": "#/defs/node" } }), "/*/id", vec!["integer"]),
    ] {
        assert_eq!(
            look(&schema, pointer),
            ("at", kinds.iter().map(ToString::to_string).collect()),
            "{schema} {pointer}"
        );
    }
}

#[test]
fn null_is_said_in_four_ways() {
    for schema in [
        json!({ "type": ["string", "null"] }),
        json!({ "type": "string", "nullable": true }),
        json!({ "type": "string", "enum": ["a", null] }),
        json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
    ] {
        let types = types(&[Node::root(&schema)]);
        assert!(types.is_nullable && types.has("string") && types.kinds.len() == 1, "{schema}");
    }
    assert!(!types(&[Node::root(&json!({ "type": "string" }))]).is_nullable);
}
