//! How a server contradicts itself about what follows a page.

use thiserror::Error;

/// How a server contradicts itself about what follows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PaginationError {
    /// The flag that says whether more follows is absent.
    #[error("the body does not say `{field}` as true or false")]
    NoMoreFlag {
        /// The flag.
        field: String,
    },
    /// More is promised after an empty page.
    #[error("the server promises more pages but sent no records")]
    EmptyPageWithMore,
    /// More is promised, but nothing leads there.
    #[error("more pages follow, but `{field}` has no value to ask for them")]
    NoCursor {
        /// Where it should be.
        field: String,
    },
    /// The next request would be one that was sent before.
    #[error("the next page would be asked for with `{cursor}`, which was sent before")]
    CursorStuck {
        /// The cursor.
        cursor: String,
    },
    /// The page before came again.
    #[error("page {page} is the page before once more")]
    PageRepeated {
        /// Its number, from 1.
        page: u32,
    },
    /// A count is absent or no number.
    #[error("the body does not say `{field}` as a number")]
    NotANumber {
        /// The count.
        field: String,
    },
    /// The list moved at every attempt to read it through.
    #[error("the list changed while it was read, {times} times in a row")]
    Moved {
        /// How often.
        times: u32,
    },
    /// Records come in another order than the pagination needs.
    #[error("records are not in ascending order of `{field}`")]
    NotAscending {
        /// The field.
        field: String,
    },
    /// As many records as one query gives share one instant, so that a bound of time cannot lead past them.
    #[error("{records} records share one instant, more follow, and one query gives no more")]
    OneInstant {
        /// Records of that query.
        records: u64,
    },
    /// An expression over a page failed.
    #[error("what follows the page cannot be worked out: {reason}")]
    Computed {
        /// What the evaluator said.
        reason: String,
    },
    /// More pages than a reading may have.
    #[error("more than {limit} pages follow one another")]
    TooManyPages {
        /// The bound.
        limit: u32,
    },
    /// A record of a page that is asked for in portions cannot be laid together.
    #[error("a record has no `{field}` by which the requests for a page's fields could be laid together")]
    KeylessPortion {
        /// What should tell records apart.
        field: String,
    },
    /// More requests for one page than a reading makes.
    #[error("the fields of a page take more than {limit} requests")]
    TooManyPortions {
        /// The bound.
        limit: usize,
    },
    /// The requests for a page's fields had other records at every attempt.
    #[error("the requests for the fields of a page had different records, {times} times in a row")]
    PortionsDiffer {
        /// How often.
        times: u32,
    },
    /// More records match than one query gives, and the range cannot be cut further.
    #[error("{total} records match, one query gives {cap} at most, and the range cannot be cut further")]
    Capped {
        /// Records that match.
        total: u64,
        /// Records that a query gives.
        cap: u64,
    },
    /// A query gave all that it can, and the range cannot be cut further.
    #[error("a query gave {records} records, which is all that one gives, and the range cannot be cut further")]
    CapReached {
        /// Records that it gave.
        records: u64,
    },
}

impl PaginationError {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoMoreFlag { .. } => "more-flag-missing",
            Self::EmptyPageWithMore => "page-empty",
            Self::NoCursor { .. } => "cursor-missing",
            Self::CursorStuck { .. } => "cursor-stuck",
            Self::PageRepeated { .. } => "page-repeated",
            Self::NotANumber { .. } => "count-missing",
            Self::Moved { .. } => "list-moved",
            Self::KeylessPortion { .. } => "portion-keyless",
            Self::TooManyPortions { .. } => "too-many-portions",
            Self::PortionsDiffer { .. } => "portions-differ",
            Self::NotAscending { .. } => "not-ascending",
            Self::OneInstant { .. } => "one-instant",
            Self::Computed { .. } => "next-page-unknown",
            Self::TooManyPages { .. } => "too-many-pages",
            Self::Capped { .. } | Self::CapReached { .. } => "result-capped",
        }
    }

    /// One thing to do, as an order.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Moved { .. } | Self::PortionsDiffer { .. } => "wait; the next run tries again",
            Self::Capped { .. } | Self::CapReached { .. } => {
                "narrow the stream, e.g. by slices, or shorten its windows (`length`) where its rows have no key"
            }
            Self::KeylessPortion { .. } => {
                "name what tells records apart under `fields.always`, or where it stands under `fields.merge_by`"
            }
            Self::TooManyPortions { .. } => "ask for fewer fields, or for more of them at once with `fields.at_most`",
            _ => "compare `pagination` and `records` in the manifest with the answer",
        }
    }
}
