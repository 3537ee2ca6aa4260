//! Fields that are renamed by rule. Two fields that would get one name refuse the record: nothing is overwritten.

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::Refusal;
use super::node::Node;
use crate::decoding::Pointer;
use crate::expression::{regex, snake};
use crate::manifest::Ordered;

/// How fields are renamed: first `names`, then `replace`, then `case`, then `prefix` and `suffix`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RenameManifest {
    /// JSON pointer to the object whose fields are renamed; the record when absent.
    pub at: Option<Pointer>,
    /// Also renames the fields of objects within.
    pub deep: bool,
    /// What stands in lists keeps its names, however deep the rule goes.
    pub skip_lists: bool,
    /// New names by old ones; what they name takes part in no other rule.
    pub names: Ordered<String>,
    /// Replacements by regular expression, in order.
    pub replace: Vec<ReplaceManifest>,
    /// The case of all names.
    pub case: Option<Case>,
    /// What stands before all names.
    pub prefix: String,
    /// What stands after all names.
    pub suffix: String,
}

/// The case of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// `someName` as `somename`.
    Lower,
    /// `someName` as `SOMENAME`.
    Upper,
    /// `someName` as `some_name`.
    Snake,
}

/// A replacement in names.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceManifest {
    /// A regular expression.
    #[serde(deserialize_with = "pattern")]
    #[schemars(with = "String")]
    pub pattern: Regex,
    /// What its matches become; `$1` stands for the first group.
    pub with: String,
}

impl PartialEq for ReplaceManifest {
    fn eq(&self, other: &Self) -> bool {
        self.pattern.as_str() == other.pattern.as_str() && self.with == other.with
    }
}

fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    regex(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

impl RenameManifest {
    pub(super) fn check(&self) -> Result<(), String> {
        let says_nothing = self.names.is_empty()
            && self.replace.is_empty()
            && self.case.is_none()
            && self.prefix.is_empty()
            && self.suffix.is_empty();
        if says_nothing { Err("`rename` says no rule".to_owned()) } else { Ok(()) }
    }

    pub(super) fn apply(&self, record: &mut Node<'_>) -> Result<(), Refusal> {
        let path = self.at.as_ref().map(Pointer::segments).unwrap_or_default();
        record.get(path).map_or(Ok(()), |node| self.rename(node))
    }

    fn rename(&self, node: &mut Node<'_>) -> Result<(), Refusal> {
        if let Some(members) = node.members() {
            let mut known = std::collections::HashSet::with_capacity(members.len());
            for (name, value) in members.iter_mut() {
                let renamed = self.name(name);
                if !known.insert(renamed.clone()) {
                    return Err(format!("two fields would be called `{renamed}`, one of them is `{name}`"));
                }
                *name = renamed;
                if self.deep {
                    self.rename(value)?;
                }
            }
        } else if self.deep
            && !self.skip_lists
            && let Some(items) = node.items()
        {
            items.iter_mut().try_for_each(|item| self.rename(item))?;
        }
        Ok(())
    }

    fn name(&self, name: &str) -> String {
        if let Some(new) = self.names.get(name) {
            return new.clone();
        }
        let mut text = name.to_owned();
        for replace in &self.replace {
            text = replace.pattern.replace_all(&text, replace.with.as_str()).into_owned();
        }
        text = match self.case {
            Some(Case::Lower) => text.to_lowercase(),
            Some(Case::Upper) => text.to_uppercase(),
            Some(Case::Snake) => snake(&text),
            None => text,
        };
        format!("{}{text}{}", self.prefix, self.suffix)
    }
}
