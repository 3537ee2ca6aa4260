//! How a body becomes records: one decoder a format, fed by chunks, with the facts that pagination needs gathered on the way.
//!
//! | variant | body |
//! |---|---|
//! | `json` | one JSON text; records are the elements of the list at `records` |
//! | `json_lines` | one JSON text a line |
//! | `lines` | one plain value a line |
//! | `csv` | rows of cells, in any dialect |
//! | `xml` | elements at the path `records` |
//!
//! A format may be wrapped (`[gzip, csv]`); what a body is really wrapped in is told by its first bytes. A decoder yields one JSON text
//! for each record: a span of a chunk where it is one, else derived bytes. Memory grows neither with a body nor with what it inflates to.

mod body;
mod columnar;
mod csv;
mod decoder;
mod derived;
mod error;
mod facts;
mod file;
mod format;
mod json;
mod json_lines;
mod lines;
mod pointer;
mod records;
mod scan;
mod skip;
mod wrapping;
mod xml;

pub use body::{BodyReader, WholeBody};
pub use columnar::HELD_BYTES_MAX;
pub use csv::{CELLS_MAX, CsvDialect, Mark, Ragged};
pub use decoder::Decoder;
pub(crate) use derived::write_text;
pub use derived::{Named, add_fields, refused, wrap};
pub use error::DecodeError;
pub use facts::{BodyFacts, Ended, PageFacts};
pub use file::FileManifest;
pub use format::{BodyDecoding, Decoding, WRAPPINGS_MAX, Wrapping};
pub use json::{Aside, Dressing, JsonSplitter, NESTING_MAX, RECORD_BYTES_MAX, Target};
pub use json_lines::LineSplitter;
pub use lines::LinesManifest;
pub use pointer::Pointer;
pub use records::{CellsManifest, EachManifest, RecordsManifest, TableManifest};
pub use wrapping::{CharsetName, SPOOL_BYTES_MAX, ZipManifest};
pub use xml::{Namespaces, XmlManifest};

#[cfg(test)]
mod tests;
