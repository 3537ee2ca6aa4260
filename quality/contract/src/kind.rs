//! The five kinds of stream: what a commit of one window does to the table.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the rows of a stream are, and so what a commit does to its cleansed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// Rows by creation time that never change. A reading replaces every live row of its window.
    Events,
    /// Rows by creation time that change later. As `events`: what a re-read no longer shows is gone.
    Restating,
    /// Rows by update time. `<stream>__versions` gains rows, `<stream>` shows the newest of each key.
    Mutable,
    /// A list without a filter. A reading replaces the rows of the slice.
    Snapshot,
    /// Change tokens, one link after the other. `<stream>__versions` gains the link's operations.
    Chain,
}

impl StreamKind {
    /// Whether windows of this kind are ranges of time.
    pub fn is_ranged(self) -> bool {
        matches!(self, Self::Events | Self::Restating | Self::Mutable)
    }

    /// Whether the stream keeps a `__versions` table with a keyed table beside it.
    pub fn is_versioned(self) -> bool {
        matches!(self, Self::Mutable | Self::Chain)
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "events",
            Self::Restating => "restating",
            Self::Mutable => "mutable",
            Self::Snapshot => "snapshot",
            Self::Chain => "chain",
        })
    }
}
