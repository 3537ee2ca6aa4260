//! Holds the records whose lists go on, says what to ask for next, and gives them back whole.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use headwater_contract::{Digest16, Records};
use serde_json::Value;

use super::ConnectionManifest;
use super::splice::{edit, extended};
use crate::decoding::{BodyFacts, DecodeError, Pointer};
use crate::error::Fault;
use crate::expression::{Scalar, Scope};
use crate::pagination::{PaginationError, Seen, as_token};

/// Bytes of records and rows that wait at a time.
const WAITING_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Pages of one list of one record.
const PAGES_MAX: usize = 10_000;

/// A record of which one list goes on.
#[derive(Debug)]
struct Waiting {
    text: Bytes,
    /// Which connection goes on.
    at: usize,
    cursor: String,
    /// The rows that came since.
    rows: Vec<Bytes>,
    /// Digests of the cursors that were sent.
    asked: HashSet<Digest16>,
    names: Scope,
}

/// What to ask for next.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) connection: &'a ConnectionManifest,
    pub(crate) cursor: &'a str,
    /// Fields of the record, by name.
    pub(crate) names: &'a Scope,
}

/// Weaves the rest of lists into their records.
#[derive(Debug)]
pub(crate) struct Weaver {
    connections: Arc<[ConnectionManifest]>,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The request whose records were passed on last, and how many.
    passed: (u32, u32),
}

impl Weaver {
    /// A weaver for one reading; `None` where no list goes on.
    pub(crate) fn new(connections: &Arc<[ConnectionManifest]>) -> Option<Self> {
        let connections = Arc::clone(connections);
        (!connections.is_empty()).then(|| Self { connections, waiting: VecDeque::new(), bytes: 0, passed: (0, 0) })
    }

    /// Keeps the records whose lists go on and gives the others back, numbered anew.
    pub(crate) fn take(&mut self, mut records: Records) -> Result<Option<Records>, Fault> {
        let mut whole = Vec::with_capacity(records.texts.len());
        for text in records.texts {
            match self.begin(text, 0)? {
                Ok(text) => whole.push(text),
                Err(waiting) => {
                    self.bytes += waiting.text.len();
                    self.check_bytes()?;
                    self.waiting.push_back(waiting);
                }
            }
        }
        let count = u32::try_from(whole.len()).unwrap_or(u32::MAX);
        let before = if self.passed.0 == records.request { self.passed.1 } else { 0 };
        self.passed = (records.request, before.saturating_add(count));
        (records.texts, records.first_ordinal) = (whole, before);
        Ok((count > 0).then_some(records))
    }

    /// What to ask for next, while any list goes on.
    pub(crate) fn ask(&self) -> Option<Ask<'_>> {
        let first = self.waiting.front()?;
        let connection = self.connections.get(first.at)?;
        Some(Ask { connection, cursor: &first.cursor, names: &first.names })
    }

    /// Takes the answer to what was asked for; gives the record when all its lists are whole.
    pub(crate) fn give(
        &mut self,
        request: u32,
        chunks: u32,
        rows: Vec<Bytes>,
        facts: &BodyFacts,
    ) -> Result<Option<Records>, Fault> {
        let Some(mut first) = self.waiting.pop_front() else { return Ok(None) };
        let connections = Arc::clone(&self.connections);
        let Some(connection) = connections.get(first.at) else { return Ok(None) };
        let answer = &connection.answer;
        let more = answer.more.as_ref().map(|more| flag(facts.body_field(more), more)).transpose()?;
        let cursor = match &answer.cursor {
            Seen::LastRecord(pointer) => as_token(facts.last_record_field(pointer)),
            Seen::Body(pointer) => as_token(facts.body_field(pointer)),
            _ => None,
        };
        let came = rows.len();
        self.bytes += rows.iter().map(Bytes::len).sum::<usize>();
        first.rows.extend(rows);
        self.check_bytes()?;
        if let Some(cursor) = goes_on(more, cursor, || answer.cursor.to_string())? {
            if came == 0 {
                return Err(PaginationError::EmptyPageWithMore.into());
            }
            first.move_to(cursor)?;
            self.waiting.push_front(first);
            return Ok(None);
        }
        self.bytes -= first.text.len() + first.rows.iter().map(Bytes::len).sum::<usize>();
        let woven = first.woven(connection).ok_or_else(|| missing(&connection.records))?;
        match self.begin(woven, first.at + 1)? {
            Ok(text) => {
                self.passed = (request, 1);
                let chunks = (0, chunks.saturating_sub(1));
                Ok(Some(Records { request, chunks, first_ordinal: 0, texts: vec![text] }))
            }
            Err(waiting) => {
                self.bytes += waiting.text.len();
                self.waiting.push_front(waiting);
                Ok(None)
            }
        }
    }

    /// The record itself when its lists from the `at`th on are whole, else what it waits for.
    fn begin(&self, text: Bytes, at: usize) -> Result<Result<Bytes, Waiting>, Fault> {
        // What is no JSON is for whoever types it to refuse.
        let Ok(record) = serde_json::from_slice::<Value>(&text) else { return Ok(Ok(text)) };
        for (at, connection) in self.connections.iter().enumerate().skip(at) {
            let Some(rows) = connection.records.find(&record).and_then(Value::as_array) else { continue };
            let said = |pointer: &Pointer| pointer.find(&record).filter(|value| !value.is_null());
            let more = connection.more.as_ref().map(|more| flag(said(more), more)).transpose()?;
            let cursor = match &connection.cursor {
                Seen::LastRecord(pointer) => as_token(rows.last().and_then(|row| pointer.find(row))),
                Seen::Body(pointer) => as_token(said(pointer)),
                _ => None,
            };
            let Some(cursor) = goes_on(more, cursor, || connection.cursor.to_string())? else { continue };
            let name = |(name, pointer): (&str, &Pointer)| {
                let value = said(pointer).ok_or_else(|| PaginationError::NoCursor { field: pointer.to_string() })?;
                Ok((name.to_owned(), Scalar::from_json(value)))
            };
            let names = connection.names.iter().map(name).collect::<Result<Scope, PaginationError>>()?;
            let asked = HashSet::from([Digest16::of(cursor.as_bytes())]);
            return Ok(Err(Waiting { text, at, cursor, rows: Vec::new(), asked, names }));
        }
        Ok(Ok(text))
    }

    fn check_bytes(&self) -> Result<(), Fault> {
        if self.bytes > WAITING_BYTES_MAX {
            return Err(DecodeError::RecordTooLarge { limit: WAITING_BYTES_MAX }.into());
        }
        Ok(())
    }
}

impl Waiting {
    fn move_to(&mut self, cursor: String) -> Result<(), PaginationError> {
        if !self.asked.insert(Digest16::of(cursor.as_bytes())) {
            return Err(PaginationError::CursorStuck { cursor });
        }
        if self.asked.len() > PAGES_MAX {
            return Err(PaginationError::TooManyPages { limit: u32::try_from(PAGES_MAX).unwrap_or(u32::MAX) });
        }
        self.cursor = cursor;
        Ok(())
    }

    /// The record with all rows of the list, which says of itself that it is whole.
    fn woven(&self, connection: &ConnectionManifest) -> Option<Bytes> {
        let text = std::str::from_utf8(&self.text).ok()?;
        let woven = edit(text, connection.records.segments(), |list| extended(list, &self.rows))?;
        let more = connection.more.as_ref().map(Pointer::segments);
        let said = more.and_then(|more| edit(&woven, more, |_| Some("false".to_owned())));
        Some(Bytes::from(said.unwrap_or(woven)))
    }
}

fn flag(value: Option<&Value>, pointer: &Pointer) -> Result<bool, PaginationError> {
    value.and_then(Value::as_bool).ok_or_else(|| PaginationError::NoMoreFlag { field: pointer.to_string() })
}

fn goes_on(
    more: Option<bool>,
    cursor: Option<String>,
    field: impl Fn() -> String,
) -> Result<Option<String>, PaginationError> {
    match (more, cursor) {
        (Some(false), _) | (None, None) => Ok(None),
        (_, Some(cursor)) => Ok(Some(cursor)),
        (Some(true), None) => Err(PaginationError::NoCursor { field: field() }),
    }
}

fn missing(pointer: &Pointer) -> Fault {
    DecodeError::RecordsMissing { pointer: pointer.to_string(), names: String::new() }.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pagination::Page;

    fn weaver() -> Weaver {
        let connection: ConnectionManifest = crate::manifest::yaml::from_str(
            "{ records: /tags/nodes, more: /tags/page/more, cursor: /tags/page/end, param: /after, names: { id: /id }, \
             answer: { records: /nodes, more: more, cursor: end } }",
        )
        .unwrap();
        Weaver::new(&[connection].into()).unwrap()
    }

    fn record(id: i64, tags: &[i64], end: Option<&str>) -> Bytes {
        let page = json!({ "more": end.is_some(), "end": end });
        json!({ "id": id, "tags": { "nodes": tags, "page": page } }).to_string().into()
    }

    fn batch(texts: Vec<Bytes>) -> Records {
        Records { request: 0, chunks: (0, 0), first_ordinal: 0, texts }
    }

    fn answer(weaver: &mut Weaver, request: u32, body: &Value) -> Result<Option<Records>, Fault> {
        let facts = weaver.ask().unwrap().connection.facts();
        let page = Page::gather(None, &facts, "/nodes", body.to_string().as_bytes()).unwrap();
        let rows = body["nodes"].as_array().unwrap().iter().map(|row| row.to_string().into()).collect();
        weaver.give(request, 1, rows, &page.facts)
    }

    fn tags(records: &Records) -> Vec<Value> {
        records.texts.iter().map(|text| serde_json::from_slice::<Value>(text).unwrap()["tags"].clone()).collect()
    }

    #[test]
    fn a_record_waits_until_its_list_is_whole_and_the_others_do_not() {
        let mut weaver = weaver();
        let texts = vec![record(1, &[1], Some("a")), record(2, &[], None), record(3, &[5], Some("b"))];
        let passed = weaver.take(batch(texts)).unwrap().unwrap();
        assert_eq!((passed.first_ordinal, passed.texts), (0, vec![record(2, &[], None)]));
        // A later batch of the same body goes on counting.
        assert_eq!(weaver.take(batch(vec![record(4, &[], None)])).unwrap().unwrap().first_ordinal, 1);
        let ask = weaver.ask().unwrap();
        assert_eq!((ask.cursor, &ask.names["id"]), ("a", &Scalar::Integer(1)));
        let more = json!({ "nodes": [2], "more": true, "end": "a2" });
        assert_eq!(answer(&mut weaver, 1, &more), Ok(None));
        assert_eq!(weaver.ask().unwrap().cursor, "a2");
        let last = answer(&mut weaver, 2, &json!({ "nodes": [3], "more": false, "end": null })).unwrap().unwrap();
        assert_eq!((last.request, last.chunks, last.first_ordinal), (2, (0, 0), 0));
        assert_eq!(tags(&last), [json!({ "nodes": [1, 2, 3], "page": { "more": false, "end": "a" } })]);
        assert_eq!(weaver.ask().unwrap().cursor, "b");
        answer(&mut weaver, 3, &json!({ "nodes": [6], "more": false })).unwrap().unwrap();
        assert!(weaver.ask().is_none() && weaver.bytes == 0);
    }

    #[test]
    fn a_list_that_contradicts_itself_is_an_error() {
        let begun = || {
            let mut weaver = weaver();
            assert_eq!(weaver.take(batch(vec![record(1, &[1], Some("a"))])), Ok(None));
            weaver
        };
        for (body, error) in [
            (json!({ "nodes": [2] }), PaginationError::NoMoreFlag { field: "/more".into() }),
            (json!({ "nodes": [2], "more": true }), PaginationError::NoCursor { field: "/end".into() }),
            (json!({ "nodes": [], "more": true, "end": "b" }), PaginationError::EmptyPageWithMore),
            (json!({ "nodes": [2], "more": true, "end": "a" }), PaginationError::CursorStuck { cursor: "a".into() }),
        ] {
            assert_eq!(answer(&mut begun(), 1, &body), Err(error.into()), "{body}");
        }
        let unsaid = json!({ "id": 1, "tags": { "nodes": [1] } }).to_string().into();
        assert!(weaver().take(batch(vec![unsaid])).is_err());
        let absent = json!({ "id": 1, "tags": null }).to_string().into();
        assert_eq!(weaver().take(batch(vec![absent])).unwrap().unwrap().texts.len(), 1);
    }
}
