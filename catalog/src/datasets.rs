//! Datasets: the tables of the lake as their writers describe them.
//!
//! What stands here is recorded by whoever writes a table and is never edited by hand; words for people are in
//! [`crate::BusinessWords`].

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use headwater_contract::{Span, StreamKind, TableName};
use serde::{Deserialize, Serialize};

use crate::columns::DatasetColumn;

/// What the rows of a dataset are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetKind {
    /// Bodies as a source sent them, with receipts.
    Parts,
    /// Typed rows of an events stream.
    Events,
    /// Typed rows of a restating stream.
    Restating,
    /// Typed rows of a snapshot stream.
    Snapshot,
    /// Every version of the rows of a mutable or chain stream.
    Versions,
    /// The newest version of each key of a mutable or chain stream.
    Keyed,
    /// The keys that a source says exist.
    KeyList,
    /// A dimension of a star.
    Dimension,
    /// A fact of a star.
    Fact,
    /// A sample, join or feature table of one person, with an end date.
    Exploration,
}

impl DatasetKind {
    /// The kind of the table that windows of such a stream commit to.
    pub fn of_window_table(kind: StreamKind) -> Self {
        match kind {
            StreamKind::Events => Self::Events,
            StreamKind::Restating => Self::Restating,
            StreamKind::Snapshot => Self::Snapshot,
            StreamKind::Mutable | StreamKind::Chain => Self::Versions,
        }
    }

    /// The kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parts => "parts",
            Self::Events => "events",
            Self::Restating => "restating",
            Self::Snapshot => "snapshot",
            Self::Versions => "versions",
            Self::Keyed => "keyed",
            Self::KeyList => "key_list",
            Self::Dimension => "dimension",
            Self::Fact => "fact",
            Self::Exploration => "exploration",
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much a dataset holds, as of one version of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Rows; of parts, the records received.
    pub rows: u64,
    /// Live files.
    pub files: u64,
    /// Bytes of the live files.
    pub size_bytes: u64,
    /// Version of the Delta table; none for parts.
    pub version: Option<u64>,
}

/// How new a dataset is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// When its rows last changed.
    pub written_at: Option<DateTime<Utc>>,
    /// When a run last made it current or found that it was.
    pub checked_at: Option<DateTime<Utc>>,
    /// The instant up to which it is complete, for datasets whose rows have a time.
    pub complete_until: Option<DateTime<Utc>>,
    /// How often it should be made current.
    pub every: Option<Span>,
}

impl Freshness {
    /// Whether it should have been made current by `now` and was not.
    ///
    /// A dataset is late after twice its period, so that one run that is slow or retried raises no alarm. Without a period or a
    /// run nothing is promised, so nothing is late.
    pub fn is_late(&self, now: DateTime<Utc>) -> bool {
        match (self.checked_at, self.every) {
            (Some(checked), Some(every)) if !every.is_zero() => now - checked > every.delta() * 2,
            _ => false,
        }
    }
}

/// A table of the lake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// Its name, as SQL and grants write it.
    pub table: TableName,
    /// What its rows are.
    pub kind: DatasetKind,
    /// One line on what a row is.
    pub title: String,
    /// More about it.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Words to find it by.
    pub tags: BTreeSet<String>,
    /// Columns that identify a row.
    pub key: Vec<String>,
    /// Its columns, in table order.
    pub columns: Vec<DatasetColumn>,
    /// Why the promise of exactly once cannot be kept for it.
    pub best_effort: Option<String>,
    /// Where it lies, as a URL.
    pub location: String,
    /// When it ends, for exploration tables.
    pub ends_at: Option<DateTime<Utc>>,
    /// How much it holds.
    pub stats: Stats,
    /// How new it is.
    pub freshness: Freshness,
}

impl Dataset {
    /// A dataset about which nothing is known yet but its name, its kind and what a row is.
    pub fn new(table: TableName, kind: DatasetKind, title: impl Into<String>) -> Self {
        Self {
            table,
            kind,
            title: title.into(),
            description: None,
            owner: None,
            tags: BTreeSet::new(),
            key: Vec::new(),
            columns: Vec::new(),
            best_effort: None,
            location: String::new(),
            ends_at: None,
            stats: Stats::default(),
            freshness: Freshness::default(),
        }
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&DatasetColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_begins_after_twice_the_period_and_never_without_one() {
        let at = |hour: u32| DateTime::from_timestamp(i64::from(hour) * 3_600, 0).unwrap();
        let hourly = |checked| Freshness { checked_at: checked, every: Some(Span::hours(1)), ..Freshness::default() };
        assert!(!hourly(Some(at(10))).is_late(at(12)));
        assert!(hourly(Some(at(10))).is_late(at(13)));
        assert!(!hourly(None).is_late(at(13)));
        assert!(!Freshness { checked_at: Some(at(0)), ..Freshness::default() }.is_late(at(1_000)));
    }
}
