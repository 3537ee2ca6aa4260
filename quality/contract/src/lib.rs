//! The nouns that every part of Headwater shares, and nothing else.
//!
//! `connectors` reads what a [`StreamContract`] describes, `lake` lands it by [`Window`], `quality` judges it, `catalog` records
//! it. None of them knows the others' types, so what travels between them stands here. Nothing in this crate does I/O; the one
//! look at the machine is [`SystemClock`]. [`yaml`] reads the files that people write, for all who read one.

mod clock;
mod column;
mod digest;
mod duration;
mod explain;
mod kind;
mod name;
mod record;
mod secret;
mod stream;
mod window;
pub mod yaml;

pub use clock::{Clock, FixedClock, SystemClock};
pub use column::{Check, Classification, Column, ColumnType, TimestampFormat};
pub use digest::{Digest16, DigestSum};
pub use duration::{DurationError, Span};
pub use explain::{ErrorKind, Explain, Report};
pub use kind::StreamKind;
pub use name::{NameError, Slice, SourceName, StreamName, TableName, Zone, decode_segment, encode_segment};
pub use record::{Chunk, Exchange, ReadEvent, ReadSummary, Records, SkippedRequest};
pub use secret::Secret;
pub use stream::{ChildTable, Deletes, StreamContract, WindowPolicy};
pub use window::{Bounds, TimeRange, Window, WindowError};
