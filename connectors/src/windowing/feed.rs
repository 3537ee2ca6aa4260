//! Feeds: lists that the API cannot filter by time, read until the window is behind us.
//!
//! A feed that comes newest first is read down to the window's start, if its order holds. Every record is looked at, because order that is
//! only said and not seen would lose rows: at the first record that stands out of order the whole list is read, and a warning says so.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use headwater_contract::TimeRange;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::wire::Wire;
use crate::decoding::Pointer;

/// The order of a list that is not, or not wholly, filtered by the window's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// The newest comes first: reading stops at the window's start.
    NewestFirst,
    /// The oldest comes first: reading stops at the window's end.
    OldestFirst,
    /// No order: the whole list is read for each window, so windows should be long.
    Whole,
}

impl Feed {
    /// What is read for each window.
    pub fn reads(self) -> &'static str {
        match self {
            Self::NewestFirst => "read down to the window's start",
            Self::OldestFirst => "read up to the window's end",
            Self::Whole => "all of it is read for each window",
        }
    }
}

/// Watches the order of one pass over a feed.
#[derive(Debug)]
pub(crate) struct Watch {
    feed: Feed,
    pointer: Pointer,
    range: TimeRange,
    last: Option<DateTime<Utc>>,
    is_broken: bool,
}

impl Watch {
    pub(crate) fn new(feed: Feed, pointer: Pointer, range: TimeRange) -> Self {
        Self { feed, pointer, range, last: None, is_broken: false }
    }

    /// Looks at records in the order in which they came; true when one of them breaks an order that held so far.
    pub(crate) fn see(&mut self, texts: &[Bytes], wire: &Wire) -> bool {
        if self.is_broken || self.feed == Feed::Whole {
            return false;
        }
        for text in texts {
            let record: Option<Value> = serde_json::from_slice(text).ok();
            // A record without a time is kept and counted where it lands; it proves nothing.
            let time = record.as_ref().and_then(|record| self.pointer.find(record)).and_then(|value| wire.read(value));
            let Some(time) = time else { continue };
            let is_in_order = self.last.is_none_or(|last| match self.feed {
                Feed::NewestFirst => time <= last,
                _ => time >= last,
            });
            if !is_in_order {
                self.is_broken = true;
                return true;
            }
            self.last = Some(time);
        }
        false
    }

    /// Whether what follows lies behind the window.
    pub(crate) fn is_past(&self) -> bool {
        let is_past = |last: DateTime<Utc>| match self.feed {
            Feed::NewestFirst => last < self.range.from(),
            Feed::OldestFirst => last >= self.range.until(),
            Feed::Whole => false,
        };
        !self.is_broken && self.last.is_some_and(is_past)
    }
}
