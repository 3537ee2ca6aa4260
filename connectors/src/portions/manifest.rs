//! The fields that records are asked for with, as a manifest writes them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::decoding::Pointer;
use crate::manifest::OneOrMany;
use crate::pagination::Slot;

/// The fields that records are asked for with, for an API that gives only what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldsManifest {
    /// What carries their names: a query parameter, a JSON pointer into the body, a header, or `{ as: … }` for placeholders.
    pub param: Slot,
    /// Where the names come from; the stream's columns when absent.
    #[serde(default)]
    pub of: FieldNames,
    /// Names that every request asks for, before the others: what tells records apart, and what pages go by.
    #[serde(default)]
    pub always: Vec<String>,
    /// What stands between the names, for an API that takes them as one text; a list when absent.
    #[serde(default)]
    pub separator: Option<String>,
    /// Most that one request asks for. The same page is asked for again with the next names, and its records are laid together by their
    /// key. All names go into one request when absent.
    #[serde(default)]
    pub at_most: Option<MostFields>,
    /// The page that says how many.
    #[serde(default)]
    pub source: Option<String>,
    /// JSON pointers, in a record, to what tells that records of two requests are the same; the stream's key when absent.
    #[serde(default)]
    pub merge_by: Option<OneOrMany<Pointer>>,
    /// What is done when a record did not come with every request of its page; `reread` when absent.
    #[serde(default)]
    pub partial: Partial,
}

/// Where the names of fields come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldNames {
    /// The columns of the stream, `owner.name` for one that stands deeper.
    #[default]
    Columns,
    /// These.
    List(Vec<String>),
    /// The values of a list setting.
    Setting(String),
    /// The records of another stream, for what each account adds of its own.
    Stream(FieldStream),
}

/// A stream that lists the names of fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldStream {
    /// The stream of this connector, read as a whole.
    pub stream: String,
    /// Where the name stands in its record.
    pub field: Pointer,
}

/// How many names one request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MostFields {
    /// So many names, those of `always` included.
    Names(u32),
    /// So many characters, those of `always` included; each name counts three more for what stands before it, as `%2C` does.
    Characters(u32),
}

/// What is done with a record that did not come with every request of its page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partial {
    /// The page is read again, since the list changed between its requests; when that does not help, the reading fails by name.
    #[default]
    Reread,
    /// The record is kept with the fields that came, for an API that leaves out records which have none of the fields.
    Keep,
}

impl FieldsManifest {
    /// What is wrong with it, as far as it can tell alone.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.at_most.is_some_and(|most| matches!(most, MostFields::Names(0) | MostFields::Characters(0))) {
            return Some(("a request of no fields asks for nothing", "write how many one request takes"));
        }
        let is_blank = |name: &String| name.trim().is_empty();
        let listed = if let FieldNames::List(names) = &self.of { names.as_slice() } else { &[] };
        if self.always.iter().chain(listed).any(is_blank) {
            return Some(("a field has no name", "remove it"));
        }
        (matches!(&self.of, FieldNames::List(names) if names.is_empty()) && self.always.is_empty())
            .then_some(("no field is asked for", "name some, or say `of: columns`"))
    }
}
