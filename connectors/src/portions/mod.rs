//! Fields that are asked for by name, in as many requests a page as the API needs for all of them.
//!
//! An API that gives only the fields that it is asked for, and takes so many names at once, is asked for the same page several times: each
//! request is a *portion*. What the portions say of a record is laid together by its key before anything else sees it.
//!
//! ```text
//! names ─▶ portions (by count or by characters) ─▶ a request each, same page ─▶ records by key ─▶ one record with all fields
//! ```

mod check;
mod cut;
mod manifest;
mod merge;

pub(crate) use check::check_fields;
pub(crate) use cut::cut;
pub use manifest::{FieldNames, FieldStream, FieldsManifest, MostFields, Partial};
pub(crate) use merge::Merger;

use headwater_contract::Exchange;

/// The stored header that says which portion of a page a body is, such as `2/3`.
pub const PORTION_HEADER: &str = "headwater-portion";

/// Most portions of one page.
pub const PORTIONS_MAX: usize = 1000;

/// Which of its page's portions a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portion {
    /// From 0.
    pub(crate) at: usize,
    pub(crate) of: usize,
}

impl Portion {
    /// Whether it is the page's last.
    pub(crate) fn is_last(self) -> bool {
        self.at + 1 == self.of
    }

    /// The header to store.
    pub(crate) fn header(self) -> (String, String) {
        (PORTION_HEADER.to_owned(), format!("{}/{}", self.at + 1, self.of))
    }

    /// What an exchange was stored with.
    pub(crate) fn stored(exchange: &Exchange) -> Option<Self> {
        let (_, text) = exchange.headers.iter().find(|(name, _)| name == PORTION_HEADER)?;
        let (at, of) = text.split_once('/')?;
        let (at, of) = (at.parse::<usize>().ok()?.checked_sub(1)?, of.parse().ok()?);
        (at < of).then_some(Self { at, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> Option<Portion> {
        let headers = vec![(PORTION_HEADER.to_owned(), text.to_owned())];
        let exchange = Exchange {
            request: 0,
            method: "GET".to_owned(),
            url: String::new(),
            status: 200,
            headers,
            fetched_at: chrono::DateTime::UNIX_EPOCH,
            source_date: None,
        };
        Portion::stored(&exchange)
    }

    #[test]
    fn a_portion_is_read_back_as_it_was_stored() {
        for text in ["", "1", "0/3", "4/3", "a/b", "1/0"] {
            assert_eq!(stored(text), None, "{text}");
        }
        for portion in [Portion { at: 0, of: 1 }, Portion { at: 2, of: 3 }] {
            assert_eq!(stored(&portion.header().1), Some(portion));
        }
        assert!(!Portion { at: 1, of: 3 }.is_last() && Portion { at: 2, of: 3 }.is_last());
    }
}
