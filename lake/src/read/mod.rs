//! Reads tables for people and programs, each with leave that the catalog gave.
//!
//! A [`Permit`](headwater_catalog::Permit) is the only way in: it cannot be made but by a decision that was written to the audit
//! log, so no read escapes policy. [`tables_of`] says which tables a query needs leave for.

mod error;
mod query;
mod render;
mod scan;
mod sql;

pub use error::ReadError;
pub use query::{near, query, table};
pub use render::{as_csv, as_json, as_text};
pub(crate) use scan::scan;
pub use sql::{Query, SqlError, registered_name, tables_of};

#[cfg(test)]
pub(crate) mod tests;
