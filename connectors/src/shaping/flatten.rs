//! Nested fields that are lifted up: `address.city` as `address_city`. Two fields that would get one name refuse the record.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Refusal;
use super::node::Node;
use crate::decoding::{NESTING_MAX, Pointer};

/// How nested fields are lifted up. Lists stay lists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlattenManifest {
    /// JSON pointer to the object whose fields are lifted into the record; all nested objects when absent.
    pub at: Option<Pointer>,
    /// What stands between the parts of a name.
    pub separator: String,
    /// Whether a lifted field's name begins with the names that led to it.
    pub prefix: bool,
    /// How many levels are lifted; all when absent.
    pub depth: u32,
}

impl Default for FlattenManifest {
    fn default() -> Self {
        Self { at: None, separator: "_".to_owned(), prefix: true, depth: NESTING_MAX }
    }
}

impl FlattenManifest {
    pub(super) fn apply(&self, record: &mut Node<'_>) -> Result<(), Refusal> {
        let mut flat = Vec::new();
        if let Some(at) = &self.at {
            let lifted = record.take(at.segments());
            let Some(members) = record.members() else { return Ok(()) };
            flat.append(members);
            if let Some(mut value) = lifted {
                if value.members().is_none() {
                    // What is no object stays where it was.
                    *members = flat;
                    return record.put(at.segments(), value);
                }
                self.lift(&at.segments().join(&self.separator), value, 1, &mut flat);
            }
        } else {
            let Some(members) = record.members() else { return Ok(()) };
            for (name, value) in std::mem::take(members) {
                self.lift(&name, value, 1, &mut flat);
            }
        }
        let mut known = std::collections::HashSet::with_capacity(flat.len());
        if let Some((name, _)) = flat.iter().find(|(name, _)| !known.insert(name.as_str())) {
            return Err(format!("two fields would be called `{name}` once they are flat"));
        }
        *record = Node::Object(flat);
        Ok(())
    }

    fn lift<'a>(&self, name: &str, mut value: Node<'a>, level: u32, flat: &mut Vec<(String, Node<'a>)>) {
        let members = if level > self.depth { None } else { value.members().filter(|members| !members.is_empty()) };
        let Some(members) = members else {
            flat.push((name.to_owned(), value));
            return;
        };
        for (inner, child) in std::mem::take(members) {
            let name = if self.prefix { format!("{name}{}{inner}", self.separator) } else { inner };
            self.lift(&name, child, level + 1, flat);
        }
    }
}
