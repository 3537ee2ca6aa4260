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
//! | `cursor` | several values, or values that stand elsewhere |
//! | `scroll` | a session |
//! | `advancing_from` | a later lower bound of the window |

mod advancing_from;
mod body_token;
mod connection;
mod cursor;
mod error;
mod last_record_cursor;
mod next_link;
mod offset;
mod page;
mod page_number;
mod scroll;
mod seen;
mod slot;

pub use advancing_from::AdvancingFrom;
pub use body_token::BodyToken;
pub(crate) use connection::Weaver;
pub use connection::{ConnectionAnswer, ConnectionManifest};
pub use cursor::{Cursor, CursorValue};
pub use error::PaginationError;
pub use last_record_cursor::LastRecordCursor;
pub use next_link::{NextLink, NextUrl, parse_link_header};
pub(crate) use next_link::{resolve, resolve_below};
pub use offset::Offset;
pub use page::{Next, Page};
pub(crate) use page::{as_token, cursor_text};
pub use page_number::PageNumber;
pub use scroll::{Scroll, ScrollRequest};
pub use seen::{PageExpression, Seen};
pub(crate) use seen::{fields_below, place, pointer_of};
pub use slot::Slot;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::decoding::PageFacts;

/// How the next page is asked for, as written in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
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
    /// By a URL in the body or a header.
    NextUrl(NextUrl),
    /// By an opaque token in the body.
    BodyToken(BodyToken),
    /// By several values, or values that stand elsewhere.
    Cursor(Cursor),
    /// By a session.
    Scroll(Box<Scroll>),
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
            Self::Cursor(strategy) => strategy.facts(),
            Self::Scroll(strategy) => strategy.facts(),
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
            Self::Cursor(strategy) => strategy.next(page),
            Self::Scroll(strategy) => strategy.next(page),
            Self::AdvancingFrom(strategy) => strategy.next(page),
        }
    }

    /// Where the answer says how many records there are, for variants that notice when it changes.
    pub fn total(&self) -> Option<&Seen> {
        match self {
            Self::PageNumber(strategy) => strategy.total.as_ref(),
            Self::Offset(strategy) => strategy.total.as_ref(),
            Self::AdvancingFrom(strategy) => strategy.pages.total(),
            _ => None,
        }
    }

    /// What the first page is asked for with.
    pub fn first(&self) -> Vec<(Slot, Value)> {
        match self {
            Self::PageNumber(strategy) if !strategy.first_is_silent => {
                vec![(strategy.param.clone(), strategy.first.to_string().into())]
            }
            Self::Offset(strategy) if !strategy.first_is_silent => {
                vec![(strategy.param.clone(), strategy.start.to_string().into())]
            }
            Self::BodyToken(BodyToken { param, first: Some(first), .. }) => vec![(param.clone(), first.to_json())],
            Self::Cursor(strategy) => strategy.first(),
            Self::AdvancingFrom(strategy) => strategy.pages.first(),
            _ => Vec::new(),
        }
    }

    /// Where the values go that ask for a page.
    pub fn slots(&self) -> Vec<&Slot> {
        match self {
            Self::None | Self::NextLink(_) | Self::NextUrl(_) => Vec::new(),
            Self::LastRecordCursor(strategy) => vec![&strategy.param],
            Self::PageNumber(strategy) => vec![&strategy.param],
            Self::Offset(strategy) => vec![&strategy.param],
            Self::BodyToken(strategy) => vec![&strategy.param],
            Self::Cursor(strategy) => strategy.send.iter().map(|send| &send.param).collect(),
            Self::Scroll(strategy) => vec![&strategy.param],
            Self::AdvancingFrom(strategy) => strategy.pages.slots(),
        }
    }

    /// Whether a later page is asked for by its cursor alone, without parameters, page size and window bounds.
    pub fn is_alone(&self) -> bool {
        match self {
            Self::BodyToken(strategy) => strategy.alone,
            Self::Cursor(strategy) => strategy.alone,
            _ => false,
        }
    }

    /// Whether the next page's URL stands below the base.
    pub fn from_base(&self) -> bool {
        match self {
            Self::NextUrl(strategy) => strategy.from_base,
            Self::AdvancingFrom(strategy) => strategy.pages.from_base(),
            _ => false,
        }
    }

    /// Whether parameters of ours are added to the URL that the server gives.
    pub fn adds_params(&self) -> bool {
        match self {
            Self::NextLink(strategy) => strategy.adds_params,
            Self::NextUrl(strategy) => strategy.adds_params,
            Self::AdvancingFrom(strategy) => strategy.pages.adds_params(),
            _ => false,
        }
    }

    /// Whether it ends with a short page, which needs to know the size that was asked for.
    pub fn needs_page_size(&self) -> bool {
        match self {
            Self::LastRecordCursor(strategy) => strategy.short_page,
            Self::PageNumber(strategy) => strategy.short_page,
            Self::Offset(strategy) => strategy.short_page,
            Self::Cursor(strategy) => strategy.short_page,
            Self::AdvancingFrom(strategy) => strategy.pages.needs_page_size(),
            _ => false,
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

#[cfg(test)]
mod tests;
