//! Nested fields that are lifted up: `address.city` as `address_city`. Two fields that would get one name refuse the record, unless the
//! manifest says that the record stays as it is then, or that the later one's name is longer.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Refusal;
use super::node::Node;
use crate::decoding::{NESTING_MAX, Pointer};

/// How nested fields are lifted up. Lists stay lists unless `lists` says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in manifests")]
pub struct FlattenManifest {
    /// JSON pointer to the object whose fields are lifted into the record; all nested objects when absent.
    pub at: Option<Pointer>,
    /// What stands between the parts of a name.
    pub separator: String,
    /// Whether a lifted field's name begins with the names that led to it.
    pub prefix: bool,
    /// How many levels are lifted; all when absent.
    pub depth: u32,
    /// What is lifted takes the record's place, where `at` holds fields: nothing else of the record stays.
    pub alone: bool,
    /// What is lifted from `at` stays there, too.
    pub keep: bool,
    /// What stands before the name of a lifted field.
    pub before: String,
    /// What stands after the name of a lifted field.
    pub after: String,
    /// The elements of lists are lifted, too, each under the name of its list and its place; needs `clash: lengthen`.
    pub lists: bool,
    /// What is done when two fields would get one name.
    pub clash: Clash,
}

/// What is done when two fields would get one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clash {
    /// The record goes to quarantine.
    #[default]
    Refuse,
    /// The record stays as it is.
    Leave,
    /// The field that is met later has the name of what it stands in before its own; fields are met from the last to the first.
    Lengthen,
}

impl Default for FlattenManifest {
    fn default() -> Self {
        Self {
            at: None,
            separator: "_".to_owned(),
            prefix: true,
            depth: NESTING_MAX,
            alone: false,
            keep: false,
            before: String::new(),
            after: String::new(),
            lists: false,
            clash: Clash::default(),
        }
    }
}

impl FlattenManifest {
    pub(super) fn apply(&self, record: &mut Node<'_>) -> Result<(), Refusal> {
        if self.clash == Clash::Lengthen {
            self.lengthen(record);
            return Ok(());
        }
        let mut flat = Vec::new();
        if let Some(at) = &self.at {
            if self.clash == Clash::Leave && !self.alone && self.would_clash(at, record) {
                return Ok(());
            }
            let lifted = if self.keep && !self.alone {
                record.get(at.segments()).map(|node| node.clone())
            } else {
                record.take(at.segments())
            };
            let Some(members) = record.members() else { return Ok(()) };
            flat.append(members);
            if let Some(mut value) = lifted {
                if value.members().is_none() {
                    // What is no object stays where it was.
                    *members = flat;
                    return if self.keep && !self.alone { Ok(()) } else { record.put(at.segments(), value) };
                }
                if self.alone && value.members().is_some_and(|members| !members.is_empty()) {
                    flat.clear();
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

    /// Whether a field that is lifted has the name of one that the record has already.
    fn would_clash(&self, at: &Pointer, record: &mut Node<'_>) -> bool {
        let Some(mut value) = record.get(at.segments()).map(|node| node.clone()) else { return false };
        if value.members().is_none() {
            return false;
        }
        let mut lifted = Vec::new();
        self.lift(&at.segments().join(&self.separator), value, 1, &mut lifted);
        let known = record.members().map(|members| members.as_slice()).unwrap_or_default();
        lifted.iter().any(|(name, _)| known.iter().any(|(known, _)| known == name))
    }

    /// Lifts everything, the last member first.
    fn lengthen(&self, record: &mut Node<'_>) {
        let mut flat: Vec<(String, Node<'_>)> = Vec::new();
        let mut left = vec![(std::mem::replace(record, Node::null()), String::new())];
        let mut is_in_list = false;
        while let Some((mut value, name)) = left.pop() {
            if let Some(members) = value.members() {
                for (inner, child) in std::mem::take(members) {
                    let is_known = is_in_list || flat.iter().any(|(known, _)| *known == inner);
                    let inner = if is_known { format!("{name}{}{inner}", self.separator) } else { inner };
                    left.push((child, inner));
                }
            } else if let (true, Some(items)) = (self.lists, value.items()) {
                for (place, child) in std::mem::take(items).into_iter().enumerate() {
                    is_in_list = true;
                    left.push((child, format!("{name}{}{place}", self.separator)));
                }
            } else {
                match flat.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, old)) => *old = value,
                    None => flat.push((name, value)),
                }
            }
        }
        *record = Node::Object(flat);
    }

    fn lift<'a>(&self, name: &str, mut value: Node<'a>, level: u32, flat: &mut Vec<(String, Node<'a>)>) {
        let members = if level > self.depth { None } else { value.members().filter(|members| !members.is_empty()) };
        let Some(members) = members else {
            flat.push((name.to_owned(), value));
            return;
        };
        for (inner, child) in std::mem::take(members) {
            let name = if self.prefix { format!("{name}{}{inner}", self.separator) } else { inner };
            let name = if level == 1 { format!("{}{name}{}", self.before, self.after) } else { name };
            self.lift(&name, child, level + 1, flat);
        }
    }
}
