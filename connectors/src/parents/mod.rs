//! Parents: streams whose records are asked for under each record of another stream.
//!
//! A parent has no progress of its own: within one reading of a window the children of every parent record are read, and the window is
//! good only when all of them came. What a request needs of its parents goes along as [`Fields`]; what a row needs is written
//! into it under `/_given` and beside its body in raw, so that a replay knows it without the parents.

mod batch;
mod check;
mod fields;
mod given;
mod manifest;
mod spool;

pub(crate) use batch::Batch;
pub use batch::BatchManifest;
pub(crate) use check::check_parents;
pub use fields::{FieldError, Fields, fields_of, scope_with};
pub use given::{GIVEN, GIVEN_HEADER, Given, ROLE_HEADER, Role};
pub use manifest::{EachManifest, Lack, ParentManifest, ParentRange};
pub use spool::{SPOOL_BYTES, Spool};

/// Most levels of parents above a stream.
pub const LEVELS_MAX: usize = 8;
/// Children that are read at a time where the manifest does not say.
pub const PARALLEL: usize = 4;
/// Most children that are read at a time; each may hold a page.
pub const PARALLEL_MAX: usize = 16;
