//! Cursor pagination: the next page starts after the last record of this one.
//!
//! Used by APIs that answer `has_more`, such as Stripe (<https://docs.stripe.com/api/pagination>).

use schemars::JsonSchema;
use serde::Deserialize;

use super::page::as_token;
use super::{Next, Page, PaginationError};
use crate::decoding::{PageFacts, Pointer};

/// Settings of the `last_record_cursor` variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LastRecordCursor {
    /// Parameter that carries the cursor, e.g. `starting_after`.
    pub param: String,
    /// Field of the last record that becomes the cursor, e.g. `id`.
    pub field: Pointer,
    /// Boolean in the body that says more pages exist, e.g. `has_more`.
    pub more: Pointer,
}

impl LastRecordCursor {
    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        PageFacts::new().body_field(&self.more).last_record_field(&self.field)
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When the flag is absent, a page that promises more is empty, or its last record has no usable cursor or the same again.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        if !page.body_flag(&self.more)? {
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
        Ok(Next::Request { param: self.param.clone(), value: cursor })
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
            more: Pointer::parse("has_more"),
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
                    Next::Request { value, .. } => Some(value),
                    _ => None,
                };
            }
            assert_eq!((seen, cursor), (all, None), "total {total}, page size {size}");
        }
    }
}
