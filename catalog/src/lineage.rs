//! Lineage: which table, and which column of it, another is made from; and which run did it for which window.
//!
//! An edge points the way that data walks. Edges are facts of the declared way (a contract, a star); [`Passage`]s are facts of
//! runs: this run carried this window along this edge.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use headwater_contract::{NameError, StreamName, TableName};
use serde::{Deserialize, Serialize};

/// Where data comes from or goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// The API behind a stream, written `api:shop.orders`.
    Api(StreamName),
    /// A table of the lake.
    Table(TableName),
}

impl From<TableName> for Place {
    fn from(table: TableName) -> Self {
        Self::Table(table)
    }
}

impl FromStr for Place {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix("api:") {
            Some(stream) => stream.parse().map(Self::Api),
            None => text.parse().map(Self::Table),
        }
    }
}

impl TryFrom<String> for Place {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(stream) => write!(f, "api:{stream}"),
            Self::Table(table) => write!(f, "{table}"),
        }
    }
}

/// How a column's values become another's, in the words of `OpenLineage`'s column lineage facet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The same values.
    Identity,
    /// Computed from one row: typed, cut, looked up.
    Transformation,
    /// Computed from several rows: summed, counted.
    Aggregation,
}

impl How {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Transformation => "transformation",
            Self::Aggregation => "aggregation",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Identity, Self::Transformation, Self::Aggregation].into_iter().find(|how| how.as_str() == text)
    }
}

/// One column made from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnEdge {
    /// The column it is made from; of an API a JSON pointer into the record.
    pub from_column: String,
    /// The column that is made.
    pub to_column: String,
    /// How.
    pub how: How,
}

impl ColumnEdge {
    /// An edge between two columns.
    pub fn new(from_column: impl Into<String>, to_column: impl Into<String>, how: How) -> Self {
        Self { from_column: from_column.into(), to_column: to_column.into(), how }
    }
}

/// One table made from another, with the columns as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// What it is made from.
    pub from: Place,
    /// What is made.
    pub to: TableName,
    /// Columns made from columns.
    pub columns: Vec<ColumnEdge>,
}

impl Edge {
    /// An edge whose columns are not known.
    pub fn new(from: impl Into<Place>, to: TableName) -> Self {
        Self { from: from.into(), to, columns: Vec::new() }
    }
}

/// A run carried a window along an edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Passage {
    /// The table that was written.
    pub to: TableName,
    /// `<slice>/<window>` of a stream; the version of the table for a star.
    pub window: String,
    /// Its generation; 0 for a star.
    pub generation: u64,
    /// The run.
    pub run: String,
    /// When.
    pub at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_a_foreign_text_is_refused() {
        for text in ["api:shop.orders", "cleansed.shop.orders"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in ["", "api:", "api:shop", "shop.orders", "http://x"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
