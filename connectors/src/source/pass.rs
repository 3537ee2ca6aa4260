//! One pass over a list, from its first page on: what was asked for and what came, so that no page is taken twice.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use headwater_contract::Digest16;

use super::refusal::Ruled;
use super::request::Turn;
use crate::decoding::BodyFacts;
use crate::error::Fault;
use crate::pagination::{Page, PaginationError};

/// The state of one pass over a list.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) turn: Turn,
    pub(super) cursor: Option<String>,
    pub(super) number: u32,
    /// Records of the pages before.
    pub(super) read: u64,
    pub(super) first_total: Option<u64>,
    previous: Option<Digest16>,
    /// Lower bound of the rows that are asked for, before it is made fit for the API.
    pub(super) from: Option<DateTime<Utc>>,
    /// Digests of every cursor and URL of the pass: a circle of pages is found wherever it closes.
    asked: HashSet<Digest16>,
    /// Digests of its pages that have records: a circle without cursors is found as well.
    pages: HashSet<Digest16>,
}

/// What came of a page.
pub(super) enum Outcome {
    Page(Page),
    /// More records match than one query gives; nothing of the page was passed on.
    Capped {
        total: u64,
        cap: u64,
    },
    /// The query gave all that one gives; nothing of its last page was passed on.
    Full {
        records: u64,
    },
    /// A rule of the manifest says what its refusal means.
    Ruled(Ruled),
}

impl Pass {
    /// Refuses a cursor that was sent before in this pass.
    pub(super) fn remember(&mut self, cursor: &str) -> Result<(), Fault> {
        if self.asked.insert(Digest16::of(cursor.as_bytes())) {
            return Ok(());
        }
        Err(PaginationError::CursorStuck { cursor: cursor.to_owned() }.into())
    }

    /// Refuses a page that came before in this pass; rows without a key may look alike, but not a page right after its like.
    pub(super) fn meet(&mut self, facts: &BodyFacts, is_append_only: bool) -> Result<(), Fault> {
        let is_again = self.previous == Some(facts.digest) || (!is_append_only && !self.pages.insert(facts.digest));
        if facts.count > 0 && is_again {
            return Err(PaginationError::PageRepeated { page: self.number + 1 }.into());
        }
        self.previous = Some(facts.digest);
        Ok(())
    }
}
