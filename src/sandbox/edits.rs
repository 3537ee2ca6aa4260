//! Changes that a person makes to the shop's rows: what no seed would do at just the right moment.
//!
//! An edit is dated, and never undone: the shop still knows what it showed before. So a test can ask what a reading that began
//! earlier should have seen.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::collection::Collection;
use super::world::Moment;

/// The first number of rows that an edit inserts.
pub(super) const FIRST_INSERTED: u32 = 9_000_001;

/// One change of the shop's rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Gives a row other values. A payment's or customer's `updated_at` moves; a ticket's change joins the chain.
    Set {
        /// The collection.
        collection: Collection,
        /// The row.
        id: String,
        /// Fields and their values; any JSON, also what the contract refuses.
        fields: Map<String, Value>,
    },
    /// Takes a row out of its collection.
    Delete {
        /// The collection.
        collection: Collection,
        /// The row.
        id: String,
    },
    /// Strikes a line off an order, whose total falls.
    RemoveLine {
        /// The order.
        id: String,
        /// The line.
        line_no: i64,
    },
    /// Adds a row, which may bear an earlier time: a late row. What `row` does not say is as in the collection's first row.
    Insert {
        /// The collection.
        collection: Collection,
        /// Its fields; the id is given by the shop.
        row: Map<String, Value>,
    },
    /// Leaves rows out of the lists, as a source does that is not quite well.
    Hide {
        /// The collection.
        collection: Collection,
        /// The first instant of the rows' time that is hidden.
        from: DateTime<Utc>,
        /// The first instant that is not hidden any more.
        until: DateTime<Utc>,
        /// How many of a hundred rows are hidden; always the same ones.
        percent: u8,
    },
    /// Ends all hiding in a collection.
    Show {
        /// The collection.
        collection: Collection,
    },
}

/// Why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize)]
pub enum EditError {
    /// No row has this id now.
    #[error("{collection} has no row `{id}` now")]
    NoSuchRow {
        /// The collection.
        collection: Collection,
        /// The id.
        id: String,
    },
    /// The field fixes a row's place and cannot be changed.
    #[error("`{field}` cannot be changed")]
    FixedField {
        /// The field.
        field: String,
    },
    /// The time of the new row is no RFC 3339 instant.
    #[error("`{field}` must be an RFC 3339 instant, such as 2025-03-04T05:06:07Z")]
    NotAnInstant {
        /// The field.
        field: String,
    },
    /// Only orders have lines.
    #[error("order `{id}` has no line {line_no} now")]
    NoSuchLine {
        /// The order.
        id: String,
        /// The line.
        line_no: i64,
    },
}

/// What an edit did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// The shop's time from which on it shows.
    pub at: DateTime<Utc>,
    /// The row, where it is about one.
    pub id: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Patch {
    Set(Map<String, Value>),
    Delete,
    RemoveLine(i64),
}

#[derive(Clone, Debug)]
pub(super) struct Inserted {
    /// When it came.
    pub(super) at: Moment,
    /// Seconds from the opening to the time by which it is listed.
    pub(super) time: i64,
    pub(super) row: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub(super) struct Hiding {
    pub(super) collection: Collection,
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) percent: u32,
    pub(super) at: Moment,
    pub(super) ended: Option<Moment>,
}

/// All edits so far.
#[derive(Debug, Default)]
pub(super) struct Edits {
    pub(super) patches: BTreeMap<(Collection, u32), Vec<(Moment, Patch)>>,
    pub(super) inserted: BTreeMap<(Collection, u32), Inserted>,
    pub(super) hidings: Vec<Hiding>,
    /// Changes of tickets as the API writes them, oldest first.
    pub(super) ticket_changes: Vec<(Moment, Map<String, Value>)>,
    /// Counts the edits.
    pub(super) version: u64,
}

impl Edits {
    /// The patches of a row that were made by `as_of`.
    pub(super) fn patches_of(&self, collection: Collection, number: u32, as_of: Moment) -> &[(Moment, Patch)] {
        if self.patches.is_empty() {
            return &[];
        }
        let patches = self.patches.get(&(collection, number)).map(Vec::as_slice).unwrap_or_default();
        patches.get(..patches.partition_point(|(at, _)| *at <= as_of)).unwrap_or_default()
    }

    /// Numbers of rows that an edit moved or inserted, which the world alone may not list.
    pub(super) fn touched(&self, collection: Collection) -> impl Iterator<Item = u32> {
        let range = (collection, 0)..=(collection, u32::MAX);
        let patched = self.patches.range(range.clone()).map(|((_, number), _)| *number);
        patched.chain(self.inserted.range(range).map(|((_, number), _)| *number))
    }

    /// Whether a row of that time is hidden as of a moment.
    pub(super) fn hides(&self, collection: Collection, number: u32, time: i64, as_of: Moment) -> bool {
        // Numbers are spread by a multiplication, so that a percentage of any stretch of rows is hidden.
        let place = (number.wrapping_mul(2_654_435_761) >> 16) % 100;
        self.hidings.iter().any(|hiding| {
            hiding.collection == collection
                && hiding.at <= as_of
                && hiding.ended.is_none_or(|ended| as_of < ended)
                && (hiding.from..hiding.until).contains(&time)
                && place < hiding.percent
        })
    }

    /// The number of the next row that is inserted.
    pub(super) fn next_number(&self, collection: Collection) -> u32 {
        let last = self.inserted.range((collection, 0)..=(collection, u32::MAX)).next_back();
        last.map_or(FIRST_INSERTED, |((_, number), _)| number + 1)
    }

    /// Notes a patch.
    pub(super) fn patch(&mut self, collection: Collection, number: u32, at: Moment, patch: Patch) {
        self.patches.entry((collection, number)).or_default().push((at, patch));
    }

    /// Ends all hiding in `collection`.
    pub(super) fn show(&mut self, collection: Collection, at: Moment) {
        for hiding in &mut self.hidings {
            if hiding.collection == collection && hiding.ended.is_none() {
                hiding.ended = Some(at);
            }
        }
    }
}

/// Applies one patch to a row; `None` when that deletes it.
pub(super) fn apply(patch: &Patch, mut row: Map<String, Value>) -> Option<Map<String, Value>> {
    match patch {
        Patch::Delete => return None,
        Patch::Set(fields) => row.extend(fields.clone()),
        Patch::RemoveLine(line_no) => {
            if let Some(Value::Array(lines)) = row.get_mut("lines") {
                lines.retain(|line| line.get("line_no").and_then(Value::as_i64) != Some(*line_no));
                let cost = |line: &Value| Some(line.get("quantity")?.as_i64()? * line.get("price_minor")?.as_i64()?);
                let total: i64 = lines.iter().filter_map(cost).sum();
                row.insert("total_minor".to_owned(), Value::from(total));
            }
        }
    }
    Some(row)
}
