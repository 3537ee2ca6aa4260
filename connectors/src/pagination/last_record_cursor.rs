//! Cursor pagination: the next page starts after the last record of this one.
//!
//! Used by APIs that answer `has_more`, such as Stripe (<https://docs.stripe.com/api/pagination>), and by those that filter by a rising
//! field, whose list ends with an empty page.

use schemars::JsonSchema;
use serde::Deserialize;

use super::page::as_token;
use super::{Next, Page, PaginationError, Seen, Slot};
use crate::decoding::{PageFacts, Pointer};

/// Settings of the `last_record_cursor` variant. The list ends by `more`, else by `short_page`, else with an empty page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LastRecordCursor {
    /// What carries the cursor, e.g. `starting_after`.
    pub param: Slot,
    /// Field of the last record that becomes the cursor, e.g. `id`.
    pub field: Pointer,
    /// Where the answer says whether more pages exist, e.g. `has_more`.
    #[serde(default)]
    pub more: Option<Seen>,
    /// A page with fewer records than `page_size` is the last: only where the API promises full pages.
    #[serde(default)]
    pub short_page: bool,
}

impl LastRecordCursor {
    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        let facts = PageFacts::new().last_record_field(&self.field);
        self.more.iter().fold(facts, |facts, more| more.facts(facts))
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When the flag is absent, a page that promises more is empty, or its last record has no usable cursor or the same again.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let is_last = match &self.more {
            Some(more) => !page.flag(more)?,
            None => page.count() == 0 || (self.short_page && page.is_short()),
        };
        if is_last {
            return Ok(Next::Done);
        }
        if page.count() == 0 {
            return Err(PaginationError::EmptyPageWithMore);
        }
        let cursor = as_token(page.last_record_field(&self.field));
        let cursor = cursor.ok_or_else(|| PaginationError::NoCursor { field: self.field.to_string() })?;
        if page.cursor() == Some(cursor.as_str()) {
            return Err(PaginationError::CursorStuck { cursor });
        }
        Ok(Next::request(&self.param, cursor))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stripe() -> LastRecordCursor {
        LastRecordCursor {
            param: "starting_after".into(),
            field: Pointer::parse("id"),
            more: Some(Seen::body("has_more")),
            short_page: false,
        }
    }

    /// Runs the strategy on one page and returns what it decided.
    fn step(cursor: Option<&str>, more: &Value, records: &[Value]) -> Result<Next, PaginationError> {
        let body = json!({ "has_more": more, "data": records }).to_string();
        stripe().next(&Page::gather(cursor, &stripe().facts(), "/data", body.as_bytes()).unwrap())
    }

    #[test]
    fn stops_when_the_server_says_so() {
        assert_eq!(step(None, &json!(false), &[json!({ "id": "ch_1" })]), Ok(Next::Done));
    }

    #[test]
    fn rejects_a_body_that_does_not_say_whether_more_follows() {
        for more in [json!(null), json!("true"), json!(1)] {
            assert_eq!(
                step(None, &more, &[json!({ "id": "ch_1" })]),
                Err(PaginationError::NoMoreFlag { field: "/has_more".into() })
            );
        }
    }

    #[test]
    fn rejects_an_empty_page_that_promises_more() {
        assert_eq!(step(Some("ch_2"), &json!(true), &[]), Err(PaginationError::EmptyPageWithMore));
    }

    #[test]
    fn rejects_a_cursor_that_does_not_move() {
        let stuck = PaginationError::CursorStuck { cursor: "ch_2".into() };
        assert_eq!(step(Some("ch_2"), &json!(true), &[json!({ "id": "ch_2" })]), Err(stuck));
    }

    #[test]
    fn rejects_a_last_record_without_a_cursor() {
        for last in [json!({}), json!({ "id": null }), json!({ "id": "" }), json!({ "id": [1] })] {
            let missing = PaginationError::NoCursor { field: "/id".into() };
            assert_eq!(step(None, &json!(true), &[json!({ "id": "a" }), last]), Err(missing));
        }
    }

    #[test]
    fn without_a_flag_an_empty_page_ends_the_list() {
        let rising = LastRecordCursor { more: None, ..stripe() };
        let step =
            |cursor, body: &str| rising.next(&Page::gather(cursor, &rising.facts(), "/data", body.as_bytes()).unwrap());
        assert_eq!(step(None, r#"{"data":[{"id":7}]}"#), Ok(Next::request(&"starting_after".into(), "7")));
        assert_eq!(step(Some("7"), r#"{"data":[]}"#), Ok(Next::Done));
        let stuck = PaginationError::CursorStuck { cursor: "7".into() };
        assert_eq!(step(Some("7"), r#"{"data":[{"id":7}]}"#), Err(stuck));
    }

    /// Against a server of `total` records in pages of `size`, every record is read once, in order, in the expected requests.
    #[test]
    fn reads_every_record_exactly_once() {
        for (total, size) in (0..12_usize).flat_map(|total| (1..5).map(move |size| (total, size))) {
            let all: Vec<Value> = (0..total).map(|id| json!({ "id": id })).collect();
            let (mut seen, mut cursor) = (Vec::new(), None::<String>);
            for _request in 0..total.div_ceil(size).max(1) {
                let from = cursor.as_ref().map_or(0, |last| last.parse::<usize>().unwrap() + 1);
                let until = total.min(from + size);
                seen.extend_from_slice(&all[from..until]);
                cursor = match step(cursor.as_deref(), &json!(until < total), &all[from..until]).unwrap() {
                    Next::Request(set) => Some(crate::pagination::page::cursor_text(&set)),
                    _ => None,
                };
            }
            assert_eq!((seen, cursor), (all, None), "total {total}, page size {size}");
        }
    }
}
