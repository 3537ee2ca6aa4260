//! Stars: facts and dimensions made from cleansed tables, with keys and history that outlive every rebuild.
//!
//! A model is rows at grain (SQL or a Rust function) plus YAML that says the rest ([`model`]). It compiles to lazy frames, never to
//! SQL. [`describe()`] says what a star is from the model alone; [`build()`] makes it so. Kimball's rules are followed where they
//! apply: <https://www.kimballgroup.com/data-warehouse-business-intelligence-resources/kimball-techniques/dimensional-modeling-techniques/>.

mod build;
mod calendar;
mod check;
mod columns;
mod definition;
mod describe;
mod dimension;
mod error;
mod fact;
mod files;
mod forget;
mod history;
mod inputs;
pub mod model;
mod plan;
mod publish;
mod staging;
mod state;
mod types;
mod verify;
pub(crate) mod write_frame;

pub use build::{BuildOptions, BuildReport, Outcome, TableReport, build, inputs_changed, verify};
pub use columns::describe;
pub use definition::{Rows, RowsFunction, Star};
pub use describe::{
    Additivity, ColumnDescription, ColumnRole, FactKind, MeasureDescription, Relationship, StarDescription,
    TableDescription, TableRole,
};
pub use error::{Problem, StarError};
pub use forget::{forget_members, members_of, reads_any};

#[cfg(test)]
pub(crate) mod tests;
