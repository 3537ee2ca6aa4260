//! What a stream promises: key, columns, checks, window.
//!
//! A contract is the resolved form of what a manifest and a project say; every default is filled in, so that its digest changes
//! exactly when the promise does.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::column::Column;
use crate::digest::Digest16;
use crate::duration::Span;
use crate::kind::StreamKind;
use crate::name::StreamName;

/// How a ranged stream is cut into windows and when a window is final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowPolicy {
    /// The column whose time decides the window of a row.
    pub field: String,
    /// The finest step of that column at the source, e.g. one second.
    pub granularity: Span,
    /// The longest window; the newest edge is cut by the schedule's period where that is shorter.
    pub length: Span,
    /// How long after its end a window is first read.
    pub settle: Span,
    /// How long after its end a window can still change.
    pub lookback: Span,
    /// Ages, after `until + settle`, at which a window is read again; those at or above `lookback` are left out and one at
    /// `lookback` itself is added.
    pub rereads: Vec<Span>,
    /// How long the source keeps rows; older windows cannot be read any more.
    pub retention: Option<Span>,
}

/// How the source tells that a row is gone.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// Rows are never deleted, or a re-read or the next snapshot shows it.
    #[default]
    None,
    /// A column of the row's last version says so.
    Flag {
        /// The column.
        column: String,
        /// Its values, as text, that mean deleted; when empty, any value but null and false does.
        values: Vec<String>,
    },
    /// A list of the keys that exist, read as a snapshot stream of its own.
    KeyList {
        /// That stream's name within the source, e.g. `customers__keys`.
        stream: String,
    },
}

/// A table of rows unnested from each record of a stream, e.g. the lines of an order.
///
/// Its rows belong to their parent's version: the table holds exactly the rows of each parent's latest version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildTable {
    /// The table's name within the source, e.g. `order_lines`.
    pub name: String,
    /// JSON pointer, in the parent's record, to the list of rows.
    pub pointer: String,
    /// Columns taken from the parent: their names in the child table and in the parent's columns, in order.
    pub parent_columns: Vec<(String, String)>,
    /// Key columns of the child; with the parent's they identify a row.
    pub key: Vec<String>,
    /// Columns of the row itself; pointers start at the list's element.
    pub columns: Vec<Column>,
}

/// What a stream promises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamContract {
    /// Source and stream.
    pub name: StreamName,
    /// One line on what a row is.
    pub title: String,
    /// What a commit does to the table.
    pub kind: StreamKind,
    /// Key columns; empty only for `append_only` streams.
    pub key: Vec<String>,
    /// The stream has no key, and nothing in a reading of it counts as a duplicate.
    pub append_only: bool,
    /// A key is unique in the whole stream and not only within its slice.
    pub key_is_stream_wide: bool,
    /// The column that orders versions of a key (mutable streams; the window's field unless the manifest says another).
    pub version_field: Option<String>,
    /// Promised columns, in table order. Other fields go to `_rescued`.
    pub columns: Vec<Column>,
    /// Tables of unnested rows.
    pub children: Vec<ChildTable>,
    /// Windows of a ranged stream; `None` for snapshots and chains.
    pub window: Option<WindowPolicy>,
    /// How often a snapshot or chain is read when the schedule does not say.
    pub every: Span,
    /// First instant that is required.
    pub start: Option<DateTime<Utc>>,
    /// First instant that is not required any more; open when absent.
    pub end: Option<DateTime<Utc>>,
    /// How deletes show.
    pub deletes: Deletes,
    /// The stream whose keys this one lists.
    pub key_list_of: Option<String>,
    /// Fields whose change alone is no change of the record.
    pub volatile: Vec<String>,
    /// An empty window is never suspicious.
    pub may_be_empty: bool,
    /// Share of a window's rows that a re-read may remove before it is held.
    pub max_removed: f64,
    /// Share of a window's rows that may fail the gate before it is held.
    pub max_quarantined: f64,
    /// Why the promise cannot be kept for this stream (offset paging over moving rows, no stable key).
    pub best_effort: Option<String>,
    /// A JSON Schema that every record must satisfy.
    pub json_schema: Option<serde_json::Value>,
    /// Digest of the manifest it comes from.
    pub manifest_digest: Digest16,
}

impl StreamContract {
    /// The digest of the contract, which receipts record.
    pub fn digest(&self) -> Digest16 {
        // A contract has string keys and finite numbers only, so it always serialises.
        let text = serde_json::to_vec(self).unwrap_or_default();
        Digest16::of(&text)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The name of the table that windows commit to: `<stream>`, or `<stream>__versions`.
    pub fn window_table(&self) -> String {
        if self.kind.is_versioned() {
            format!("{}__versions", self.name.stream())
        } else {
            self.name.stream().to_owned()
        }
    }
}
