//! A parent as a manifest writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::BatchManifest;
use crate::decoding::Pointer;
use crate::manifest::Ordered;
use crate::slicing::Condition;

/// The stream under whose records another one is read: one request for each of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParentManifest {
    /// The stream of this connector whose records are the parents; it may have a parent itself.
    pub stream: String,
    /// Names for this stream's request and `given` columns, each with its place in the parent's record.
    pub fields: Ordered<Pointer>,
    /// A list inside the parent's record: one request for each of its elements instead of one for the record.
    #[serde(default)]
    pub each: Option<EachManifest>,
    /// The field that is the whole URL of a child's first request, in place of `path`.
    #[serde(default)]
    pub url: Option<String>,
    /// Leaves out parents for which this is false, e.g. `comments > 0`; it sees `fields`, settings and the slice.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Which parents are asked for, where the parent is read by ranges of time.
    #[serde(default)]
    pub range: ParentRange,
    /// What to do with a parent in which a field is absent or null.
    #[serde(default)]
    pub absent: Lack,
    /// Names of `fields` that a parent may lack; they are null then.
    #[serde(default)]
    pub nullable: Vec<String>,
    /// Puts many parents into one request. A batch that the source refuses (400, 404, 413, 414, 422), or of which a rule says
    /// `split_batch`, is asked for in halves.
    #[serde(default)]
    pub batch: Option<BatchManifest>,
    /// How many parents' children are read at a time, 1 to 16; 4 when absent. Their order stays that of the parents.
    #[serde(default)]
    pub parallel: Option<u32>,
}

impl ParentManifest {
    /// An answer that is read as a parent's record.
    pub(crate) fn of_answer(fields: Ordered<Pointer>, each: Option<EachManifest>) -> Self {
        Self {
            stream: "job".to_owned(),
            fields,
            each,
            url: None,
            when: None,
            range: ParentRange::All,
            absent: Lack::Fail,
            nullable: Vec::new(),
            batch: None,
            parallel: None,
        }
    }

    /// The records of a stream that list a value each, under this name.
    pub(crate) fn listing(stream: &str, name: &str, field: &Pointer) -> Self {
        let mut fields = Ordered::default();
        fields.put(name, field.clone());
        Self { stream: stream.to_owned(), ..Self::of_answer(fields, None) }
    }

    /// Whether it gives a request a field of this name; what goes along in a list has no name of its own any more.
    pub fn has_field(&self, name: &str) -> bool {
        if let Some(batch) = self.batch.as_ref().filter(|batch| name == batch.name || name == batch.field) {
            return name == batch.name;
        }
        self.fields.get(name).is_some() || self.each.as_ref().is_some_and(|each| each.fields.get(name).is_some())
    }
}

/// A list inside a parent's record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EachManifest {
    /// Where the list stands in the parent's record; absent and null are an empty one.
    pub list: Pointer,
    /// More names, each with its place in an element of the list; `""` is the element itself.
    pub fields: Ordered<Pointer>,
    /// A value in place of the list counts as a list of it alone.
    #[serde(default)]
    pub may_be_one: bool,
}

/// Which parents are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParentRange {
    /// All, from the parent's `start` on.
    #[default]
    All,
    /// Those whose time is within this stream's window: only what changed. This stream's `window.field` is then best a `given` column.
    Window,
}

/// What to do with something that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// The reading fails by name.
    #[default]
    Fail,
    /// It is left out and counted.
    Skip,
}
