//! Fields that are removed: by name, by condition, or because they are null.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::node::Node;
use super::{Refusal, Surroundings, value_of};
use crate::decoding::Pointer;
use crate::expression::RecordExpression;

/// Fields that are removed: a list of JSON pointers, or `{ at: […], when: … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoveManifest {
    at: Vec<Pointer>,
    when: Option<RecordExpression>,
}

/// Fields that are removed under a condition.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Conditional {
    /// JSON pointers to the fields; `*` stands for any name or place, `**` at the end for every plain value at any depth.
    at: Vec<Pointer>,
    /// Removes only the fields for which this is true; `item` is the field's value.
    #[serde(default)]
    when: Option<RecordExpression>,
}

struct RemoveVisitor;

impl<'de> Visitor<'de> for RemoveVisitor {
    type Value = RemoveManifest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of JSON pointers, or `{ at: […], when: … }`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RemoveManifest, E> {
        Ok(RemoveManifest { at: vec![Pointer::parse(text)], when: None })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RemoveManifest, A::Error> {
        let at = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(RemoveManifest { at, when: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RemoveManifest, A::Error> {
        let Conditional { at, when } = Conditional::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RemoveManifest { at, when })
    }
}

impl<'de> Deserialize<'de> for RemoveManifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RemoveVisitor)
    }
}

impl JsonSchema for RemoveManifest {
    fn schema_name() -> Cow<'static, str> {
        "Remove".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let conditional = generator.subschema_for::<Conditional>();
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }, conditional] })
    }
}

impl RemoveManifest {
    pub(super) fn when(&self) -> Option<&RecordExpression> {
        self.when.as_ref()
    }

    pub(super) fn apply(&self, record: &mut Node<'_>, around: &Surroundings<'_>) -> Result<(), Refusal> {
        let whole = self.when.as_ref().map(|_| value_of(record)).transpose()?;
        for pointer in &self.at {
            let is_meant = |node: &Node<'_>| -> Result<bool, Refusal> {
                let (Some(when), Some(whole)) = (&self.when, &whole) else { return Ok(true) };
                let names = around.names(whole, Some((&value_of(node)?, 0)));
                Ok(when.evaluate(names).map_err(|error| error.to_string())?.is_true())
            };
            remove(record, pointer.segments(), &is_meant)?;
        }
        Ok(())
    }
}

/// Removes plain values at any depth. What stands in a list becomes null, so that the others keep their places; at its end it goes.
fn remove_plain(node: &mut Node<'_>, is_meant: &dyn Fn(&Node<'_>) -> Result<bool, Refusal>) -> Result<(), Refusal> {
    if let Some(members) = node.members() {
        let mut at = 0;
        while let Some((_, value)) = members.get_mut(at) {
            if !is_plain(value) {
                remove_plain(value, is_meant)?;
            } else if is_meant(value)? {
                members.remove(at);
                continue;
            }
            at += 1;
        }
    } else if let Some(items) = node.items() {
        for at in (0..items.len()).rev() {
            let is_last = at + 1 == items.len();
            let Some(item) = items.get_mut(at) else { continue };
            if !is_plain(item) {
                remove_plain(item, is_meant)?;
            } else if is_meant(item)? {
                *item = Node::null();
                if is_last {
                    items.pop();
                }
            }
        }
    }
    Ok(())
}

fn is_plain(node: &mut Node<'_>) -> bool {
    node.members().is_none() && node.items().is_none()
}

fn remove(
    node: &mut Node<'_>,
    path: &[String],
    is_meant: &dyn Fn(&Node<'_>) -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    if first == "**" && rest.is_empty() {
        return remove_plain(node, is_meant);
    }
    let is_wanted = |name: &str| first == "*" || first == name;
    if let Some(members) = node.members() {
        let mut at = 0;
        while let Some((name, value)) = members.get_mut(at) {
            let is_here = is_wanted(name);
            if is_here && rest.is_empty() && is_meant(value)? {
                members.remove(at);
                continue;
            }
            if is_here {
                remove(value, rest, is_meant)?;
            }
            at += 1;
        }
    } else if let Some(items) = node.items() {
        for (index, item) in items.iter_mut().enumerate() {
            if is_wanted(&index.to_string()) {
                remove(item, rest, is_meant)?;
            }
        }
    }
    Ok(())
}

/// Removes every field that is null, however deep.
pub(super) fn drop_nulls(node: &mut Node<'_>) {
    if let Some(members) = node.members() {
        members.retain(|(_, value)| !value.is_null());
        for (_, value) in members {
            drop_nulls(value);
        }
    } else if let Some(items) = node.items() {
        items.iter_mut().for_each(drop_nulls);
    }
}
