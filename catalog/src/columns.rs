//! Columns of datasets: the contract's, those that a table adds, and those of a star.

use headwater_contract::{Classification, Column};
use serde::{Deserialize, Serialize};

/// A column of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetColumn {
    /// Its name in the table.
    pub name: String,
    /// Its type, as contracts write it, e.g. `decimal(12,2)`.
    pub column_type: String,
    /// Whether it can be null.
    pub is_nullable: bool,
    /// What it means.
    pub description: Option<String>,
    /// How sensitive it is.
    pub classification: Option<Classification>,
    /// Unit of the value.
    pub unit: Option<String>,
    /// What it refers to: `stream.column` in cleansed, `table.column` in curated.
    pub refers_to: Option<String>,
}

impl DatasetColumn {
    /// A column that is never null and about which nothing else is known.
    pub fn new(name: impl Into<String>, column_type: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            column_type: column_type.into(),
            is_nullable: false,
            description: None,
            classification: None,
            unit: None,
            refers_to: None,
        }
    }

    /// The same column, which can be null.
    #[must_use]
    pub fn nullable(mut self) -> Self {
        self.is_nullable = true;
        self
    }

    /// The same column with a meaning.
    #[must_use]
    pub fn meaning(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

impl From<&Column> for DatasetColumn {
    fn from(column: &Column) -> Self {
        Self {
            name: column.name.clone(),
            column_type: column.column_type.to_string(),
            is_nullable: column.nullable,
            description: column.description.clone(),
            classification: column.classification,
            unit: column.unit.clone(),
            refers_to: column.refers_to.clone(),
        }
    }
}

/// What each tracking column of a cleansed table says: name, type, meaning. All are never null but `_rescued`.
pub const TRACKING: [(&str, &str, &str); 10] = [
    ("_source", "string", "source that the row was read from"),
    ("_slice", "string", "slice of the stream; empty where it has none"),
    ("_window", "string", "window that the row was read in"),
    ("_generation", "int64", "how many times the window had been read before"),
    ("_attempt", "string", "the try at reading the window that succeeded"),
    ("_ordinal", "int64", "place of the record in the reading: request, then record"),
    ("_read_at", "timestamp", "when the reading of the window began"),
    ("_landed_at", "timestamp", "when the attempt that landed the row began"),
    ("_row_hash", "string", "hash of the record, without its volatile fields"),
    ("_rescued", "json", "fields that the contract does not name and values that do not fit their type"),
];

/// The tracking columns of a cleansed table; child tables also have the place of the row in its list.
pub fn tracking_columns(is_child: bool) -> impl Iterator<Item = DatasetColumn> {
    let line = is_child.then(|| DatasetColumn::new("_line", "int64").meaning("place of the row in its parent's list"));
    let tracking = TRACKING.iter().map(|(name, column_type, meaning)| DatasetColumn {
        is_nullable: *name == "_rescued",
        ..DatasetColumn::new(*name, *column_type).meaning(*meaning)
    });
    tracking.chain(line)
}
