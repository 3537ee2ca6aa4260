//! Cleansed tables as a whole: what they look like, how they are made again from raw, whether they say what the receipts say.

mod rebuild;
mod reconcile;
mod shared_keys;
mod tables;

pub use rebuild::{RebuildReport, rebuild_cleansed};
pub use reconcile::{Difference, ReconcileReport, reconcile};
pub use shared_keys::{SharedKeys, shared_keys};
pub use tables::{CleansedTable, TableRole, tables};

#[cfg(test)]
pub(crate) mod tests;
