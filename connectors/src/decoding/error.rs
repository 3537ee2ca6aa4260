//! Why a body did not become records: each way has a name, a fix, and says whether asking again may help.

use headwater_contract::ErrorKind;
use thiserror::Error;

/// Why a body did not become records.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A page for people came instead.
    #[error("the body is HTML, not data: it begins with `{snippet}`")]
    Html {
        /// Its first characters.
        snippet: String,
    },
    /// Not JSON.
    #[error("the body is not JSON at byte {at}: {reason}")]
    NotJson {
        /// Place in the body.
        at: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Not XML.
    #[error("the body is not XML at byte {at}: {reason}")]
    NotXml {
        /// Place in the body.
        at: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Nothing but white space.
    #[error("the body is empty")]
    Empty,
    /// The body ends before it is closed.
    #[error("the body is cut off at byte {at}")]
    Truncated {
        /// How many bytes came.
        at: u64,
    },
    /// Something follows the end.
    #[error("something follows the end of the body at byte {at}")]
    Trailing {
        /// Place in the body.
        at: u64,
    },
    /// The list of records is not where the manifest says.
    #[error("the body has no list of records at `{pointer}`; its fields are `{names}`")]
    RecordsMissing {
        /// Where it should be.
        pointer: String,
        /// What stands at the top.
        names: String,
    },
    /// One object stands for the record, and it is another one.
    #[error("the body has no record at `{pointer}`: none of the stream's fields is in it; its fields are `{names}`")]
    RecordForeign {
        /// Where the record should be.
        pointer: String,
        /// What is there.
        names: String,
    },
    /// Something else stands where the list should.
    #[error("the body has {found} at `{pointer}`, where records should be")]
    RecordsNotAList {
        /// Where it should be.
        pointer: String,
        /// What is there.
        found: &'static str,
    },
    /// A record is larger than we take.
    #[error("a record is larger than {limit} bytes")]
    RecordTooLarge {
        /// The bound.
        limit: usize,
    },
    /// Braces in braces in braces.
    #[error("the body is nested deeper than {limit}")]
    TooDeep {
        /// The bound.
        limit: u32,
    },
    /// What must be held of one body until its records are complete does not fit.
    #[error("{what} of one body take more than {limit} bytes")]
    HeldTooLarge {
        /// What is held.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A body that inflates like a bomb.
    #[error("{received} bytes inflate to more than {inflated}")]
    Inflates {
        /// Compressed bytes so far.
        received: u64,
        /// Inflated bytes so far.
        inflated: u64,
    },
    /// Compressed data that cannot be inflated.
    #[error("the body cannot be inflated after {at} bytes: {reason}")]
    NotInflatable {
        /// Inflated bytes so far.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// An archive in an archive in an archive.
    #[error("the body is wrapped more than {limit} times")]
    TooManyWrappings {
        /// The bound.
        limit: usize,
    },
    /// A zip archive that cannot be read, or that no exporter would write.
    #[error("the zip archive cannot be used: {reason}")]
    Archive {
        /// What is wrong.
        reason: String,
    },
    /// No file in a zip archive has the name that the manifest asks for, or several do.
    #[error("the zip archive has {count} files that match `{pattern}`; it holds {names}")]
    Members {
        /// How many match.
        count: usize,
        /// What was asked for.
        pattern: String,
        /// What is in it.
        names: String,
    },
    /// The archive could not be put aside.
    #[error("an archive cannot be put aside in the temporary folder: {reason}")]
    Spool {
        /// What the system said.
        reason: String,
    },
    /// Bytes that the charset does not have.
    #[error("the body is not {charset}: what stands near byte {at} is no character")]
    NotInCharset {
        /// The charset.
        charset: String,
        /// Place in the body.
        at: u64,
    },
    /// A charset that nobody knows.
    #[error("the source says that its body is `{label}`, which is no charset")]
    UnknownCharset {
        /// Its name.
        label: String,
    },
    /// JSON came where rows or lines were promised, mostly an error under a good status.
    #[error("the body is JSON, and neither rows nor lines: it begins with `{snippet}`")]
    NotATable {
        /// Its first characters.
        snippet: String,
    },
    /// A table whose rows have more or fewer cells than its header.
    #[error("row {row} has {found} cells, its header {expected}")]
    Ragged {
        /// Number of the row, from 1, header not counted.
        row: u64,
        /// Cells in it.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// Two columns of one name.
    #[error("the header names `{name}` twice")]
    HeaderTwice {
        /// The name.
        name: String,
    },
    /// More columns than a table has.
    #[error("a row has more than {limit} cells")]
    TooManyCells {
        /// The bound.
        limit: usize,
    },
    /// The lists of a columnar answer do not fit together.
    #[error("a columnar answer does not fit together: {reason}")]
    Columnar {
        /// How.
        reason: String,
    },
}

impl DecodeError {
    /// The same error for a place that was counted from `offset`.
    pub(super) fn shifted(self, offset: u64) -> Self {
        match self {
            Self::NotJson { at, reason } => Self::NotJson { at: at + offset, reason },
            other => other,
        }
    }

    /// Whether a body that was cut on its way would look like this, so that asking again may help.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::Empty)
    }

    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } | Self::Empty => "body-truncated",
            Self::Html { .. } | Self::NotJson { .. } | Self::Trailing { .. } => "not-json",
            Self::NotXml { .. } => "not-xml",
            Self::RecordsMissing { .. } | Self::RecordForeign { .. } | Self::RecordsNotAList { .. } => {
                "records-missing"
            }
            Self::RecordTooLarge { .. } => "record-too-large",
            Self::TooDeep { .. } => "nested-too-deep",
            Self::HeldTooLarge { .. } => "page-too-large",
            Self::Inflates { .. } => "body-inflates",
            Self::NotInflatable { .. } => "not-inflatable",
            Self::TooManyWrappings { .. } => "wrapped-too-often",
            Self::Archive { .. } | Self::Members { .. } => "archive-broken",
            Self::Spool { .. } => "spool-failed",
            Self::NotInCharset { .. } | Self::UnknownCharset { .. } => "charset-wrong",
            Self::NotATable { .. }
            | Self::Ragged { .. }
            | Self::HeaderTwice { .. }
            | Self::TooManyCells { .. }
            | Self::Columnar { .. } => "table-broken",
        }
    }

    /// What its reader must do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Truncated { .. } | Self::Empty | Self::Spool { .. } => ErrorKind::Unavailable,
            _ => ErrorKind::Source,
        }
    }

    /// One thing to do, as an order.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Truncated { .. } | Self::Empty => "wait; the next run tries again",
            Self::Html { .. } => "open the URL: a login or an error page stands where data should",
            Self::RecordsMissing { .. } | Self::RecordForeign { .. } | Self::RecordsNotAList { .. } => {
                "point `records` in the manifest at the list in the answer"
            }
            Self::HeldTooLarge { .. } | Self::Inflates { .. } => "ask for smaller pages",
            Self::Spool { .. } => "make room in the temporary folder, then run again",
            Self::Members { .. } => "name the file under `decoding: [{ zip: { members: … } }, …]`",
            Self::NotInCharset { .. } | Self::UnknownCharset { .. } => {
                "write the right one under `decoding: [{ charset: … }, …]`"
            }
            Self::Ragged { .. } | Self::HeaderTwice { .. } => {
                "write the columns under `names`, and under `ragged` what becomes of such rows"
            }
            _ => "look at the answer: it is not what `decoding` says",
        }
    }
}
