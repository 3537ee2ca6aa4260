//! Reads a vendor's own description of its API: `OpenAPI` 3.0, 3.1 and Swagger 2.0, in JSON or YAML.
//!
//! Some 15 % of published descriptions break their own standard, so nothing here refuses a document for a slip: what cannot be read is
//! absent, and an absent statement neither proves nor refutes anything. <https://spec.openapis.org/oas/v3.1.1.html>

mod document;
mod node;
mod operation;
mod schema;

pub(crate) use document::segments as path_segments;
pub use document::{Description, DescriptionError, Document, PathEntry, Provenance};
pub use node::Node;
pub use operation::{Answer, Location, Operation, Parameter, RequestBody};
pub use schema::{Reached, Types, elements, names_of, reach, types};
