//! What is said of a body beside its records, gathered while it streams: what pagination sees of a page.

use headwater_contract::Digest16;
use serde_json::Value;

use super::{DecodeError, Pointer};

/// What is to be gathered while a body streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageFacts {
    pub(super) body: Vec<Pointer>,
    pub(super) first: Vec<Pointer>,
    pub(super) last: Vec<Pointer>,
    /// Fields of which a body that is one record has some, where any object would stand for one.
    pub(super) some_of: Vec<String>,
}

impl PageFacts {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also the body's field at `pointer`. One that holds another of the fields is not read whole: it is `true` when anything is in it.
    #[must_use]
    pub fn body_field(mut self, pointer: &Pointer) -> Self {
        if !self.body.contains(pointer) {
            self.body.push(pointer.clone());
        }
        self
    }

    /// Also the field at `pointer` of the first record.
    #[must_use]
    pub fn first_record_field(mut self, pointer: &Pointer) -> Self {
        if !self.first.contains(pointer) {
            self.first.push(pointer.clone());
        }
        self
    }

    /// Also the field at `pointer` of the last record.
    #[must_use]
    pub fn last_record_field(mut self, pointer: &Pointer) -> Self {
        if !self.last.contains(pointer) {
            self.last.push(pointer.clone());
        }
        self
    }

    /// Also: a body that is one record is none of the stream's without any of these fields.
    #[must_use]
    pub fn some_of(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.some_of.extend(names);
        self
    }

    /// What is to be gathered of the first and last record.
    pub(crate) fn record_fields(&self) -> impl Iterator<Item = &Pointer> {
        self.first.iter().chain(&self.last)
    }

    /// Whether a body that is one record is known by its fields.
    pub(crate) fn know_the_record(&self) -> bool {
        !self.some_of.is_empty()
    }
}

/// What a whole body said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BodyFacts {
    /// Records in it, as the source sent them: before any was filtered, unnested or joined.
    pub count: u64,
    /// Records that a step of the manifest dropped.
    pub dropped: u64,
    /// The body's fields that were asked for; absent ones are `None`.
    pub body: Vec<(Pointer, Option<Value>)>,
    /// The first record's fields that were asked for, as the source sent it.
    pub first: Vec<(Pointer, Option<Value>)>,
    /// The last record's fields that were asked for, as the source sent it.
    pub last: Vec<(Pointer, Option<Value>)>,
    /// Tells one page from another: count, first and last record. A digest of all bytes would cost as much as splitting them.
    pub digest: Digest16,
}

impl BodyFacts {
    /// The body's field at `pointer`; `None` when it is absent or null.
    pub fn body_field(&self, pointer: &Pointer) -> Option<&Value> {
        find(&self.body, pointer)
    }

    /// The first record's field at `pointer`; `None` when it is absent or null.
    pub fn first_record_field(&self, pointer: &Pointer) -> Option<&Value> {
        find(&self.first, pointer)
    }

    /// The last record's field at `pointer`; `None` when it is absent or null.
    pub fn last_record_field(&self, pointer: &Pointer) -> Option<&Value> {
        find(&self.last, pointer)
    }
}

/// A body that has ended whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended<T> {
    /// Records that only the end completed.
    pub records: T,
    /// What the body said.
    pub facts: BodyFacts,
    /// Whether the list of records came. It stands beside the facts, because a body without the list may say why.
    pub found: Result<(), DecodeError>,
}

fn find<'a>(fields: &'a [(Pointer, Option<Value>)], pointer: &Pointer) -> Option<&'a Value> {
    let (_, value) = fields.iter().find(|(known, _)| known == pointer)?;
    value.as_ref().filter(|value| !value.is_null())
}
