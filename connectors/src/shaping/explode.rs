//! One record for each element of a list in a record, with what is taken along from the record.
//!
//! Several levels are several steps, or a path with stars. The elements' rows are records of the stream itself; a table of their own is
//! `unnest`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Refusal;
use super::node::Node;
use crate::decoding::Pointer;
use crate::manifest::{OneOrMany, Ordered};

/// How a record becomes many.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplodeManifest {
    /// JSON pointer to the list in the record; `*` stands for any name or place on the way: `/lines`, `/groups/*/members`, `/history/*`.
    pub at: Pointer,
    /// Fields taken along: name in each new record, JSON pointer in the old one.
    #[serde(default)]
    pub parent: Ordered<Pointer>,
    /// Takes all other fields of the old record along.
    #[serde(default)]
    pub whole_parent: bool,
    /// Fields that say the names which stand for the stars of the path; the last is for the last star.
    #[serde(default)]
    pub key_as: Option<OneOrMany<String>>,
    /// The field that says the element's place in its list, from 0.
    #[serde(default)]
    pub index_as: Option<String>,
    /// The field that holds the element; when absent, the element's own fields are the new record's.
    #[serde(default)]
    pub wrap_as: Option<String>,
    /// What becomes of a record without elements; it is dropped and counted when absent.
    #[serde(default)]
    pub when_empty: WhenEmpty,
    /// What is done when an element has a field of a name that is taken along.
    #[serde(default)]
    pub clash: Winner,
}

/// Which of two values of one name stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    /// Neither: the record goes to quarantine.
    #[default]
    Refuse,
    /// The element's own.
    Element,
    /// What is taken along.
    Parent,
}

/// What becomes of a record without elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenEmpty {
    /// Nothing; it is counted.
    #[default]
    Drop,
    /// One record with what is taken along and no element.
    Keep,
    /// The record itself, as it was.
    Whole,
    /// It goes to quarantine.
    Refuse,
}

/// What was found for a path: the keys at its stars, and the value.
type Found<'a> = (Vec<Node<'a>>, Node<'a>);

impl ExplodeManifest {
    fn keys(&self) -> &[String] {
        self.key_as.as_ref().map(OneOrMany::as_slice).unwrap_or_default()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let stars = self.at.segments().iter().filter(|part| *part == "*").count();
        if self.keys().len() > stars {
            return Err(format!("`key_as` names {} keys, but the path has {stars} stars", self.keys().len()));
        }
        if self.at.segments().is_empty() {
            return Err("`at` must point at a list within the record".to_owned());
        }
        Ok(())
    }

    /// The records that become of one.
    pub(super) fn rows<'a>(&self, mut record: Node<'a>) -> Result<Vec<Node<'a>>, Refusal> {
        let whole = (self.when_empty == WhenEmpty::Whole).then(|| record.clone());
        let mut taken = Vec::new();
        for (name, pointer) in self.parent.iter() {
            let value = record.get(pointer.segments()).map_or(Node::null(), |node| node.clone());
            taken.push((name.to_owned(), value));
        }
        let mut found = Vec::new();
        collect(&mut record, self.at.segments(), &mut Vec::new(), &mut found);
        if self.whole_parent {
            record.take(self.at.segments().get(..1).unwrap_or_default());
            taken.extend(record.members().into_iter().flat_map(std::mem::take));
        }
        let mut rows = Vec::new();
        for (keys, mut value) in found {
            if value.is_null() {
                continue;
            }
            let keys: Vec<(String, Node<'a>)> = self.key_members(&keys);
            match value.items() {
                Some(items) => {
                    for (index, item) in std::mem::take(items).into_iter().enumerate() {
                        rows.push(self.row(&taken, &keys, Some(index), item)?);
                    }
                }
                None => rows.push(self.row(&taken, &keys, None, value)?),
            }
        }
        match (rows.is_empty(), self.when_empty) {
            (true, WhenEmpty::Whole) => Ok(whole.into_iter().collect()),
            (true, WhenEmpty::Keep) => Ok(vec![Node::Object(taken)]),
            (true, WhenEmpty::Refuse) => Err(format!("`{}` holds nothing", self.at)),
            _ => Ok(rows),
        }
    }

    fn key_members<'a>(&self, keys: &[Node<'a>]) -> Vec<(String, Node<'a>)> {
        let skipped = keys.len().saturating_sub(self.keys().len());
        self.keys().iter().cloned().zip(keys.iter().skip(skipped).cloned()).collect()
    }

    fn row<'a>(
        &self,
        taken: &[(String, Node<'a>)],
        keys: &[(String, Node<'a>)],
        index: Option<usize>,
        mut item: Node<'a>,
    ) -> Result<Node<'a>, Refusal> {
        let mut members: Vec<(String, Node<'a>)> = taken.to_vec();
        members.extend_from_slice(keys);
        if let (Some(name), Some(index)) = (&self.index_as, index) {
            members.push((name.clone(), Node::json(index.to_string())));
        }
        let own = if let Some(name) = &self.wrap_as {
            vec![(name.clone(), item)]
        } else {
            let no_object =
                || format!("an element of `{}` is no object: name the field that holds it under `wrap_as`", self.at);
            std::mem::take(item.members().ok_or_else(no_object)?)
        };
        for (name, value) in own {
            match (members.iter_mut().find(|(known, _)| *known == name), self.clash) {
                (None, _) => members.push((name, value)),
                (Some((_, known)), Winner::Element) => *known = value,
                (Some(_), Winner::Parent) => {}
                (Some(_), Winner::Refuse) => {
                    return Err(format!("`{name}` is in an element of `{}` and is taken along too", self.at));
                }
            }
        }
        Ok(Node::Object(members))
    }
}

/// Takes the values at a path with stars out of a record, with the keys that led to them.
fn collect<'a>(node: &mut Node<'a>, path: &[String], keys: &mut Vec<Node<'a>>, found: &mut Vec<Found<'a>>) {
    let Some((first, rest)) = path.split_first() else {
        found.push((keys.clone(), std::mem::replace(node, Node::null())));
        return;
    };
    if first != "*" {
        if let Some(child) = node.get(std::slice::from_ref(first)) {
            collect(child, rest, keys, found);
        }
        return;
    }
    if let Some(members) = node.members() {
        for (name, child) in members {
            keys.push(Node::string(name));
            collect(child, rest, keys, found);
            keys.pop();
        }
    } else if let Some(items) = node.items() {
        for (index, child) in items.iter_mut().enumerate() {
            keys.push(Node::json(index.to_string()));
            collect(child, rest, keys, found);
            keys.pop();
        }
    }
}
