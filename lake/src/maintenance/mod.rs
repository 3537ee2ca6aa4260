//! Cleaning up: what nothing names is deleted, small files become large ones, logs stay short.
//!
//! Every rule here can run beside runners that read and commit, and can be killed anywhere: what decides is in the receipts and
//! in the logs, never in an age of a file (ARCHITECTURE.md § The protocol). A dry run tells what would be done and does nothing.

mod compact;
mod error;
mod log;
mod parts;
mod scratch;
mod sweep;
mod vacuum;

pub use compact::{Compaction, compact};
pub use error::MaintenanceError;
pub use log::{LOG_KEPT_DAYS, LogTidied, tidy_log};
pub use parts::{clean_parts, void_abandoned};
pub use scratch::{SCRATCH_KEPT_DAYS, clean_scratch, clean_unfinished, clear_scratch};
pub use sweep::Swept;
pub use vacuum::{KEPT_DAYS, Vacuumed, vacuum};

#[cfg(test)]
mod tests;
