//! Raw: what the source sent, as it sent it, and the receipts that say which of it is true.
//!
//! Parts are written while a reading goes on and mean nothing by themselves. A [`Receipt`], created once, makes one attempt's
//! parts the truth of (window, generation). Raw with its receipts is enough to rebuild everything else.
//!
//! A receipt is never changed, with one exception that the law makes: an [`erasure`](crate::erasure) empties those below it.

mod error;
mod part;
mod pieces;
mod reader;
mod receipt;
mod receipts;
mod records;

pub use error::RawError;
pub use part::{PartWriter, RawPosition};
pub use reader::{PartReader, RawChunk, read_parts};
pub use receipt::{
    Counts, ErasureMark, LeftOut, PartFile, QuarantineList, QuarantinedRow, RECEIPT_VERSION, Reason, Receipt,
    TypedFile, Verdict, data_generation, data_of,
};
pub(crate) use receipt::{floor, is_unfinished};
pub use receipts::{Landing, ReceiptError, Receipts};
pub(crate) use records::{RecordParts, StoredRecords, contiguous, is_of_records};

#[cfg(test)]
mod tests;
