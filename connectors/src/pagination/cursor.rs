//! Cursor pagination by several values at once, or by values that stand elsewhere than in the body.
//!
//! Such as a session with a page number (Mixpanel's `engage`), the sort values of the last record (Elasticsearch's `search_after`), or a
//! page of rows after (time, id) of the last one. `body_token` and `last_record_cursor` say the two plain cases in one line.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::page::cursor_text;
use super::{Next, Page, PaginationError, Seen, Slot};
use crate::decoding::PageFacts;
use crate::expression::Scalar;

/// Settings of the `cursor` variant. The list ends by `more`, else by `short_page`, else when a page names none of the values.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The values that ask for the next page, all of them.
    pub send: Vec<CursorValue>,
    /// Where the answer says whether more pages exist.
    #[serde(default)]
    pub more: Option<Seen>,
    /// A page with fewer records than `page_size` is the last: only where the API promises full pages.
    #[serde(default)]
    pub short_page: bool,
    /// The values stand for the whole request: later pages are asked for without parameters, page size and window bounds.
    #[serde(default)]
    pub alone: bool,
}

/// One value of a cursor.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CursorValue {
    /// What carries it.
    pub param: Slot,
    /// Where the answer says it.
    pub value: Seen,
    /// Its value for the first page, such as `*`; left out of the first request when absent.
    #[serde(default)]
    pub first: Option<Scalar>,
}

impl Cursor {
    /// The facts that it needs of a page.
    pub fn facts(&self) -> PageFacts {
        let seen = self.send.iter().map(|send| &send.value).chain(&self.more);
        seen.fold(PageFacts::new(), |facts, seen| seen.facts(facts))
    }

    /// What the first page is asked for with.
    pub fn first(&self) -> Vec<(Slot, Value)> {
        let given = self.send.iter().filter_map(|send| Some((send.param.clone(), send.first.as_ref()?.to_json())));
        given.collect()
    }

    /// Returns what to request after `page`.
    ///
    /// # Errors
    ///
    /// When the flag is absent, more is promised without the values that lead there, only some of them came, or they did not move.
    pub fn next(&self, page: &Page) -> Result<Next, PaginationError> {
        let more = self.more.as_ref().map(|more| page.flag(more)).transpose()?;
        if more == Some(false) || (more.is_none() && self.short_page && page.is_short()) {
            return Ok(Next::Done);
        }
        let mut set = Vec::new();
        let mut missing = None;
        for send in &self.send {
            // Records that came must have the field; that none came is the end, unless more is promised.
            if send.value.is_of_record() && page.count() == 0 {
                return if more.is_some() { Err(PaginationError::EmptyPageWithMore) } else { Ok(Next::Done) };
            }
            match send.value.value(page)?.filter(is_usable) {
                Some(value) => set.push((send.param.clone(), value)),
                None => missing = Some(send),
            }
        }
        if let Some(missing) = missing {
            let is_end = set.is_empty() && more.is_none() && !missing.value.is_of_record();
            let field = missing.value.to_string();
            return if is_end { Ok(Next::Done) } else { Err(PaginationError::NoCursor { field }) };
        }
        let cursor = cursor_text(&set);
        if page.cursor() == Some(cursor.as_str()) {
            return Err(PaginationError::CursorStuck { cursor });
        }
        Ok(Next::Request(set))
    }
}

/// What can be sent back: no empty text, no empty list.
fn is_usable(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cursor(yaml: &str) -> Cursor {
        crate::manifest::yaml::from_str(yaml).unwrap()
    }

    fn step(cursor: &Cursor, asked: Option<&str>, body: &str) -> Result<Next, PaginationError> {
        cursor.next(&Page::gather(asked, &cursor.facts(), "/rows", body.as_bytes()).unwrap())
    }

    fn keyset() -> Cursor {
        cursor(
            "send: [{ param: after_time, value: { last_record: at } }, { param: /after/id, value: { last_record: id } }]",
        )
    }

    fn session() -> Cursor {
        cursor(
            "send: [{ param: session_id, value: session_id }, { param: page, value: { expression: 'body.page + 1' } }]\n\
             more: { expression: 'count > 0' }",
        )
    }

    #[test]
    fn rejects_values_that_are_absent_stand_still_or_came_in_part() {
        let no_cursor = |field: &str| Err(PaginationError::NoCursor { field: field.into() });
        assert_eq!(step(&keyset(), None, r#"{"rows":[{"at":5}]}"#), no_cursor("/id of the last record"));
        assert_eq!(step(&keyset(), None, r#"{"rows":[{"id":5}]}"#), no_cursor("/at of the last record"));
        let stuck = PaginationError::CursorStuck { cursor: "5\u{1f}7".into() };
        assert_eq!(step(&keyset(), Some("5\u{1f}7"), r#"{"rows":[{"at":5,"id":7}]}"#), Err(stuck));
        assert_eq!(step(&session(), None, r#"{"page":0,"rows":[{}]}"#), no_cursor("/session_id"));
        let flagged = Cursor { more: Some(Seen::body("more")), ..keyset() };
        assert_eq!(step(&flagged, None, r#"{"rows":[],"more":true}"#), Err(PaginationError::EmptyPageWithMore));
        assert!(matches!(step(&flagged, None, r#"{"rows":[]}"#), Err(PaginationError::NoMoreFlag { .. })));
    }

    #[test]
    fn sends_all_values_with_their_types_and_ends_with_an_empty_page() {
        let set = vec![(Slot::from("after_time"), json!("t5")), (Slot::from("/after/id"), json!(7))];
        assert_eq!(
            step(&keyset(), None, r#"{"rows":[{"at":"t1","id":1},{"at":"t5","id":7}]}"#),
            Ok(Next::Request(set))
        );
        assert_eq!(step(&keyset(), Some("x"), r#"{"rows":[]}"#), Ok(Next::Done));
        let set = vec![(Slot::from("session_id"), json!("s")), (Slot::from("page"), json!(3))];
        assert_eq!(
            step(&session(), Some("s\u{1f}2"), r#"{"session_id":"s","page":2,"rows":[{}]}"#),
            Ok(Next::Request(set))
        );
        assert_eq!(step(&session(), Some("s\u{1f}2"), r#"{"session_id":"s","page":3,"rows":[]}"#), Ok(Next::Done));
    }

    #[test]
    fn begins_with_the_first_values_and_ends_where_none_comes() {
        let solr = cursor("send: [{ param: cursorMark, value: next, first: '*' }]");
        assert_eq!(solr.first(), [(Slot::from("cursorMark"), json!("*"))]);
        assert_eq!(step(&solr, None, r#"{"rows":[],"next":"a"}"#), Ok(Next::request(&"cursorMark".into(), "a")));
        assert_eq!(step(&solr, Some("a"), r#"{"rows":[{}],"next":""}"#), Ok(Next::Done));
    }
}
