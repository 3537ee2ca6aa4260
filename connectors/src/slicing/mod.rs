//! Slices: parts of a stream with their own progress, such as accounts or repositories.
//!
//! A slice's text names it in windows, folders and transactions, so it is the value itself and never its place in a list.
//!
//! | key | a slice for each |
//! |---|---|
//! | `setting` | text of a list setting |
//! | `list` | value that stands in the manifest |
//! | `parent` | record of another stream |
//! | `numbers` | step of a range of numbers |
//! | `dates` | stretch of a range of days |
//! | `product` | combination of several of these |
//! | `union` | value of several of these, once |

mod condition;
mod error;
mod listing;
mod manifest;

pub use condition::Condition;
pub use error::SliceError;
pub use listing::{Entry, Listing};
pub(crate) use manifest::check_listed;
pub use manifest::{DatesManifest, NumbersManifest, SlicesManifest};

/// Most slices of a stream: beyond that a stream should be read another way.
pub const SLICES_MAX: usize = 10_000;
