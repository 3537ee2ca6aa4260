//! What follows a page. Each variant is a pure function of one page's facts: no I/O, no state, so a lost connection goes on from the last
//! whole page.
//!
//! | variant | the next page is asked for by |
//! |---|---|
//! | `none` | nothing: one page is all |
//! | `last_record_cursor` | a field of the last record |
//! | `page_number` | the page's number |
//! | `offset` | the number of records read |
//! | `next_link` | the `Link` header |
//! | `next_url` | a URL in the body |
//! | `body_token` | an opaque token in the body |
//! | `advancing_from` | a later lower bound of the window |

mod advancing_from;
mod body_token;
mod last_record_cursor;
mod next_link;
mod offset;
mod page;
mod page_number;

pub use advancing_from::AdvancingFrom;
pub use body_token::BodyToken;
pub use last_record_cursor::LastRecordCursor;
pub use next_link::{NextLink, NextUrl, parse_link_header};
pub use offset::Offset;
pub use page::{Next, Page, PaginationError};
pub use page_number::PageNumber;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::decoding::{PageFacts, Pointer};

/// How the next page is asked for, as written in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pagination {
    /// One page is all.
    #[default]
    None,
    /// By a field of the last record.
    LastRecordCursor(LastRecordCursor),
    /// By the page's number.
    PageNumber(PageNumber),
    /// By the number of records read.
    Offset(Offset),
    /// By the `Link` header.
    NextLink(NextLink),
    /// By a URL in the body.
    NextUrl(NextUrl),
    /// By an opaque token in the body.
    BodyToken(BodyToken),
    /// By a later lower bound of the window.
    AdvancingFrom(AdvancingFrom),
}

impl Pagination {
    /// The facts that it needs of a page, gathered while the page streams.
    pub fn facts(&self) -> PageFacts {
        match self {
            Self::None | Self::NextLink(_) => PageFacts::new(),
            Self::LastRecordCursor(strategy) => strategy.facts(),
            Self::PageNumber(strategy) => strategy.facts(),
            Self::Offset(strategy) => strategy.facts(),
            Self::NextUrl(strategy) => strategy.facts(),
            Self::BodyToken(strategy) => strategy.facts(),
            Self::AdvancingFrom(strategy) => strategy.facts(),
        }
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// [`PaginationError`] when the server contradicts itself.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        match self {
            Self::None => Ok(Next::Done),
            Self::LastRecordCursor(strategy) => strategy.next(page),
            Self::PageNumber(strategy) => strategy.next(page),
            Self::Offset(strategy) => strategy.next(page),
            Self::NextLink(strategy) => strategy.next(page),
            Self::NextUrl(strategy) => strategy.next(page),
            Self::BodyToken(strategy) => strategy.next(page),
            Self::AdvancingFrom(strategy) => strategy.next(page),
        }
    }

    /// Where the body says how many records there are, for variants that notice when it changes.
    pub fn total(&self) -> Option<&Pointer> {
        match self {
            Self::PageNumber(strategy) => strategy.total.as_ref(),
            Self::Offset(strategy) => strategy.total.as_ref(),
            Self::AdvancingFrom(strategy) => strategy.pages.total(),
            _ => None,
        }
    }

    /// The parameter of the first page, for variants that send one.
    pub fn first(&self) -> Option<(&str, String)> {
        match self {
            Self::PageNumber(strategy) => Some((&strategy.param, strategy.first.to_string())),
            Self::Offset(strategy) => Some((&strategy.param, "0".to_owned())),
            Self::AdvancingFrom(strategy) => strategy.pages.first(),
            _ => None,
        }
    }

    /// Whether rows that move while the list is read can be missed, so that the stream is best effort at most.
    pub fn loses_moving_rows(&self) -> bool {
        match self {
            Self::PageNumber(strategy) => strategy.total.is_none(),
            Self::Offset(strategy) => strategy.total.is_none(),
            _ => false,
        }
    }
}
