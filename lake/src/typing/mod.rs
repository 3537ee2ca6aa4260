//! Types records: from one JSON text each to columns of the contract's types, in one pass over the bytes.
//!
//! The reader is made for a contract and reads only that: it notes where each promised value lies, then converts it exactly, so
//! a number never passes through a float on its way to a decimal, and a value that does not fit is known one by one. A reader of
//! a whole batch (arrow-json) refuses the batch for one misfit, truncates `1.5` to `1` where integers are promised, and drops
//! unknown fields silently.

mod cells;
mod decoder;
mod error;
mod hash;
mod json;
mod number;
mod schema;
mod shape;
mod time;

pub use decoder::{ChildBatch, Decoder, TypedBatch, Undecodable};
pub use error::TypingError;
pub use hash::RowHasher;
pub(crate) use hash::key_digests;
pub use schema::{
    DELETED_AT, LINE, TRACKING, Tracking, child_schema, column_schema, data_type, keyed_schema, stream_schema,
};
