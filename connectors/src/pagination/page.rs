//! The nouns that every pagination shares: a page's facts, what follows it, and how a server contradicts itself.

use chrono::{DateTime, Utc};
use headwater_contract::Digest16;
use serde_json::Value;
use thiserror::Error;

use crate::decoding::{BodyFacts, DecodeError, Decoder, Decoding, PageFacts, Pointer};

/// What is known of one page after it has streamed by. Its records are not kept.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What the body said.
    pub facts: BodyFacts,
    /// The value that asked for this page; `None` for the first.
    pub cursor: Option<String>,
    /// The URL that the server gave for this page, where it gave one.
    pub url: Option<String>,
    /// URLs of the `Link` header with their relations.
    pub links: Vec<(String, String)>,
    /// Pages of this pass before this one.
    pub number: u32,
    /// How many records the first page of this pass said there are.
    pub first_total: Option<u64>,
    /// Lower bound that the request sent, for paginations that move it.
    pub from: Option<DateTime<Utc>>,
    /// Upper bound of the window.
    pub until: Option<DateTime<Utc>>,
    /// Time of the last record, by the window's field.
    pub last_time: Option<DateTime<Utc>>,
}

impl Page {
    /// Decodes a whole JSON body and gathers `facts` of it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the body is not what it should be.
    pub fn gather(cursor: Option<&str>, facts: &PageFacts, records: &str, body: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(Decoding::Json, &Pointer::parse(records), facts);
        decoder.push(&bytes::Bytes::copy_from_slice(body))?;
        let ended = decoder.finish()?;
        ended.found?;
        Ok(Self { facts: ended.facts, cursor: cursor.map(str::to_owned), ..Self::default() })
    }

    /// Records on the page.
    pub fn count(&self) -> u64 {
        self.facts.count
    }

    /// The value that asked for this page.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The body's field at `pointer`; `None` when it is absent or null.
    pub fn body_field(&self, pointer: &Pointer) -> Option<&Value> {
        self.facts.body_field(pointer)
    }

    /// The last record's field at `pointer`; `None` when it is absent or null.
    pub fn last_record_field(&self, pointer: &Pointer) -> Option<&Value> {
        self.facts.last_record_field(pointer)
    }

    /// Tells it from the page before.
    pub fn digest(&self) -> Digest16 {
        self.facts.digest
    }

    /// The body's field at `pointer` as a text or number that may be sent back.
    pub(super) fn body_token(&self, pointer: &Pointer) -> Option<String> {
        as_token(self.body_field(pointer))
    }

    /// The body's field at `pointer` as a count.
    pub(super) fn body_count(&self, pointer: &Pointer) -> Result<u64, PaginationError> {
        let field = self.body_field(pointer);
        let number = field.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        number.ok_or_else(|| PaginationError::NotANumber { field: pointer.to_string() })
    }

    /// The body's field at `pointer` as a flag.
    pub(super) fn body_flag(&self, pointer: &Pointer) -> Result<bool, PaginationError> {
        let flag = self.body_field(pointer).and_then(Value::as_bool);
        flag.ok_or_else(|| PaginationError::NoMoreFlag { field: pointer.to_string() })
    }
}

/// A text or number that can be sent back; nothing for `""` and other kinds.
pub(super) fn as_token(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What follows a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: that was all.
    Done,
    /// The same request with one parameter set.
    Request {
        /// Query parameter, or JSON pointer into the body.
        param: String,
        /// Its value.
        value: String,
    },
    /// The URL that the server gave, absolute or relative.
    Url(String),
    /// The first page once more, because the list moved while it was read. What was read twice is known by its key.
    Restart,
    /// The first page of the same request with a later lower bound.
    From(DateTime<Utc>),
}

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
    /// More pages than a reading may have.
    #[error("more than {limit} pages follow one another")]
    TooManyPages {
        /// The bound.
        limit: u32,
    },
    /// More records match than one query gives, and the range cannot be cut further.
    #[error("{total} records match, one query gives {cap} at most, and the range cannot be cut further")]
    Capped {
        /// Records that match.
        total: u64,
        /// Records that a query gives.
        cap: u64,
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
            Self::NotAscending { .. } => "not-ascending",
            Self::TooManyPages { .. } => "too-many-pages",
            Self::Capped { .. } => "result-capped",
        }
    }
}
