//! Objects that stand elsewhere in the same body and are joined to the records by key: the `included` of JSON:API
//! (<https://jsonapi.org/format/#document-compound-documents>), lists of users beside a list of issues, tables by id.
//!
//! They may stand before or after the records, so the records of a page wait for its end; both together are bounded.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Refusal;
use super::node::Node;
use crate::decoding::Pointer;
use crate::manifest::OneOrMany;

/// What stands between the parts of a key.
const BETWEEN: char = '\u{1f}';

/// How objects beside the records are joined to them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncludeManifest {
    /// JSON pointer, in the body, to the list of objects, or with a last `*` to the values of a map, e.g. `/included`, `/users/*`.
    pub from: Pointer,
    /// JSON pointers, in an object, to the parts of its key; the name in the map when absent.
    #[serde(default)]
    pub key: Option<OneOrMany<Pointer>>,
    /// JSON pointers, in the record or in an element of `each`, to the same parts.
    pub on: OneOrMany<Pointer>,
    /// JSON pointer, in the record, to a list of references: then a list of objects is joined.
    #[serde(default)]
    pub each: Option<Pointer>,
    /// The field that holds what is joined; null where nothing is found.
    #[serde(rename = "as")]
    pub name: String,
}

/// A table of objects by key.
pub(crate) type Lookup = HashMap<String, String>;

/// How an object's key is found.
#[derive(Clone, Debug)]
pub(crate) enum LookupKey {
    /// Where its parts stand in the object.
    Parts(Vec<Pointer>),
    /// It is the object's name in its map.
    Name,
}

impl LookupKey {
    /// The key of an object that stands under `name` in its map; nothing for one that lacks a part.
    pub(crate) fn of(&self, object: &str, name: Option<&str>) -> Option<String> {
        match self {
            Self::Name => name.map(str::to_owned),
            Self::Parts(parts) => key(&mut Node::record(object)?, parts),
        }
    }
}

fn key(node: &mut Node<'_>, parts: &[Pointer]) -> Option<String> {
    let parts: Option<Vec<String>> = parts.iter().map(|part| node.get(part.segments())?.plain()).collect();
    parts.map(|parts| parts.join(&BETWEEN.to_string()))
}

impl IncludeManifest {
    fn is_map(&self) -> bool {
        self.from.segments().last().is_some_and(|last| last == "*")
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let stars = self.from.segments().iter().filter(|part| *part == "*").count();
        let keys = self.key.as_ref().map_or(1, |key| key.as_slice().len());
        if self.from.segments().is_empty() {
            Err("`from` must point at a list or at the values of a map in the body".to_owned())
        } else if stars > usize::from(self.is_map()) {
            Err("`from` may end in one star".to_owned())
        } else if self.key.is_none() && !self.is_map() {
            Err("objects of a list need a `key`".to_owned())
        } else if keys != self.on.as_slice().len() {
            Err("`on` has as many parts as `key`".to_owned())
        } else {
            Ok(())
        }
    }

    pub(crate) fn lookup_key(&self) -> LookupKey {
        self.key.as_ref().map_or(LookupKey::Name, |key| LookupKey::Parts(key.as_slice().to_vec()))
    }

    /// Whether its objects are the values at the path, and not the elements of the list there.
    pub(crate) fn takes_values(&self) -> bool {
        self.is_map()
    }

    pub(super) fn join(&self, record: &mut Node<'_>, lookup: Option<&Lookup>) -> Result<(), Refusal> {
        let on = self.on.as_slice();
        let find = |node: &mut Node<'_>| Some(Node::json(lookup?.get(&key(node, on)?)?.clone()));
        let joined = match &self.each {
            None => find(record).unwrap_or(Node::null()),
            Some(each) => match record.get(each.segments()).filter(|list| !list.is_null()) {
                None => Node::List(Vec::new()),
                Some(list) => {
                    let items = list.items().ok_or_else(|| format!("`{each}` is no list of references"))?;
                    Node::List(items.iter_mut().map(|item| find(item).unwrap_or(Node::null())).collect())
                }
            },
        };
        record.put(Pointer::parse(&self.name).segments(), joined)
    }
}
