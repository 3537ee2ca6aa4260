//! Writes and reads the zones of the lake.
//!
//! The one crate that writes zone data. Data walks forward only: [`raw`] parts and receipts, [`cleanse`]d Delta tables, the
//! [`star`] in curated, [`exploration`] beside it. Bytes pass one door ([`store`]), Delta logs another ([`commit`]).

pub mod attempt;
pub mod cleanse;
pub mod commit;
pub mod erasure;
pub mod exploration;
pub mod ledger;
pub mod maintenance;
pub mod quarantine;
pub mod raw;
pub mod read;
pub mod star;
pub mod steps;
pub mod store;
pub mod typing;
pub mod zones;

use std::path::PathBuf;
use std::sync::Arc;

use headwater_contract::Clock;

use crate::ledger::Ledger;
use crate::steps::Steps;
use crate::zones::Zones;

/// Bounds of memory and size, in bytes, that do not grow with the data.
#[derive(Clone, Debug)]
pub struct LakeLimits {
    /// A raw part is closed at this many bytes of bodies.
    pub part_bytes: usize,
    /// Rows that are typed, judged and encoded together.
    pub batch_rows: usize,
    /// A row group of a typed file is flushed at about this many encoded bytes.
    pub row_group_bytes: usize,
    /// Key digests of one open window kept in memory before they are spilled.
    pub key_bytes: usize,
}

impl Default for LakeLimits {
    fn default() -> Self {
        Self { part_bytes: 32 << 20, batch_rows: 4_096, row_group_bytes: 4 << 20, key_bytes: 8 << 20 }
    }
}

/// An opened lake: its zones, the ledger that owns it, and what it needs to work.
#[derive(Clone, Debug)]
pub struct Lake {
    /// The four zones.
    pub zones: Zones,
    /// States of windows; a cache that can be rebuilt.
    pub ledger: Ledger,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Where a test stops the process.
    pub steps: Steps,
    /// Bounds of memory and size.
    pub limits: LakeLimits,
    /// Folder on a local disk for spilled keys and files on their way.
    pub scratch: PathBuf,
}
