//! Records what is in the lake, where it comes from and who may see it.
//!
//! Technical facts are recorded by whoever writes a table; business words come from a file under version control; both meet in
//! [`Catalog::list`] and [`Catalog::show`]. Access is decided here and enforced by types: `lake::read` takes a [`Permit`], which
//! only [`Audit::admit`] gives, for a [`Decision`], which only [`Policy::decide`] makes.

mod audit;
mod classification;
mod columns;
mod datasets;
mod lineage;
mod listing;
mod policy;
mod query_lineage;
mod registration;
mod roles;
mod store;
mod words;

pub use audit::{Audit, AuditLine, Permit};
pub use classification::{Leak, classification_name, find_leaks, parse_classification};
pub use columns::{DatasetColumn, TRACKING, tracking_columns};
pub use datasets::{Dataset, DatasetKind, Freshness, Stats};
pub use lineage::{ColumnEdge, Edge, How, Passage, Place};
pub use listing::{Details, Entry, Search};
pub use policy::{AccessError, Action, Caller, Decision, Explanation, Policy, PolicyError, RoleAccess};
pub use query_lineage::{ColumnSource, OutputColumn, QueryLineageError, query_lineage};
pub use registration::{Registration, is_tracking};
pub use roles::{ANYBODY, AccessSettings, Grant, RoleName};
pub use store::{Catalog, CatalogError};
pub use words::{BusinessWords, ColumnWords, GroupWords, TableWords, Term, WordsError};
