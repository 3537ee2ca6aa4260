//! Where the records of a page wait for what is looked up: says which ids to ask for, takes what came, gives the records back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::manifest::text_of;
use super::{Lookup, LookupManifest};
use crate::decoding::DecodeError;
use crate::error::Fault;
use crate::shaping::Node;

/// Bytes of records that wait, and of what was looked up for them.
const WAITING_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of records that are given back at once, more or less.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// The records of one page, and what was looked up for them.
#[derive(Debug)]
pub(crate) struct Desk {
    lookups: Arc<[Lookup]>,
    waiting: Vec<Bytes>,
    /// What came, by lookup and id.
    found: Vec<HashMap<String, Vec<Bytes>>>,
    bytes: usize,
}

impl Desk {
    /// A desk for one reading; `None` where nothing is looked up.
    pub(crate) fn new(lookups: &Arc<[Lookup]>) -> Option<Self> {
        let found = lookups.iter().map(|_| HashMap::new()).collect();
        (!lookups.is_empty()).then(|| Self { lookups: Arc::clone(lookups), waiting: Vec::new(), found, bytes: 0 })
    }

    /// The lookups, in order.
    pub(crate) fn lookups(&self) -> &Arc<[Lookup]> {
        &self.lookups
    }

    /// Whether records wait.
    pub(crate) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Keeps records until their page is looked up.
    pub(crate) fn hold(&mut self, texts: Vec<Bytes>) -> Result<(), Fault> {
        self.bytes += texts.iter().map(Bytes::len).sum::<usize>();
        self.waiting.extend(texts);
        self.check_bytes()
    }

    /// The ids to ask for, each once, in the requests that the lookup takes.
    pub(crate) fn ask(&self, lookup: &LookupManifest) -> Vec<Vec<Value>> {
        let (mut known, mut requests, mut ids, mut bytes) = (HashSet::new(), Vec::new(), Vec::new(), 0_usize);
        let most_bytes = lookup.bytes.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        for record in &self.waiting {
            let record: Option<Value> = serde_json::from_slice(record).ok();
            for id in record.as_ref().map(|record| ids_of(record, lookup)).unwrap_or_default() {
                let text = text_of(id);
                let length = text.len() + lookup.separator.as_ref().map_or(1, String::len);
                if !known.insert(text) {
                    continue;
                }
                if ids.len() >= lookup.most_ids() || (!ids.is_empty() && bytes + length > most_bytes) {
                    requests.push(std::mem::take(&mut ids));
                    bytes = 0;
                }
                ids.push(id.clone());
                bytes += length;
            }
        }
        if !ids.is_empty() {
            requests.push(ids);
        }
        requests
    }

    /// Takes records that a lookup's request gave; `id` is the one that it was for, where they do not say it themselves.
    pub(crate) fn give(&mut self, at: usize, id: Option<&str>, texts: Vec<Bytes>) -> Result<(), Fault> {
        let Some((_, lookup)) = self.lookups.get(at) else { return Ok(()) };
        for text in texts {
            let said = || {
                let mut record = std::str::from_utf8(&text).ok().and_then(Node::record)?;
                record.get(lookup.key.as_ref()?.segments())?.plain()
            };
            // What belongs to no id that was asked for is nobody's.
            let Some(id) = said().or_else(|| id.map(str::to_owned)) else { continue };
            self.bytes += text.len();
            if let Some(found) = self.found.get_mut(at) {
                found.entry(id).or_default().push(text);
            }
        }
        self.check_bytes()
    }

    /// The records with what was looked up, in batches; the next page begins anew.
    pub(crate) fn release(&mut self) -> Vec<Vec<Bytes>> {
        let (mut batches, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
        for text in std::mem::take(&mut self.waiting) {
            let text = self.joined(&text).unwrap_or(text);
            bytes += text.len();
            batch.push(text);
            if bytes >= BATCH_BYTES {
                batches.push(std::mem::take(&mut batch));
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        self.found.iter_mut().for_each(HashMap::clear);
        self.bytes = 0;
        batches
    }

    /// A record with its fields; nothing for what is no record, which whoever types it refuses.
    fn joined(&self, text: &Bytes) -> Option<Bytes> {
        let whole: Value = serde_json::from_slice(text).ok()?;
        let mut record = Node::record(std::str::from_utf8(text).ok()?)?;
        for ((name, lookup), found) in self.lookups.iter().zip(&self.found) {
            let of = |id: &Value| found.get(&text_of(id)).map(Vec::as_slice).unwrap_or_default();
            let value = match lookup.on.find(&whole) {
                Some(Value::Array(ids)) if lookup.all => list(ids.iter().flat_map(of)),
                Some(Value::Array(ids)) => Node::List(ids.iter().map(|id| first(of(id))).collect()),
                Some(id) if lookup.all => list(of(id)),
                Some(id) => first(of(id)),
                None if lookup.all => Node::List(Vec::new()),
                None => Node::null(),
            };
            record.put(std::slice::from_ref(name), value).ok()?;
        }
        let mut out = Vec::with_capacity(text.len());
        record.write(&mut out);
        Some(out.into())
    }

    fn check_bytes(&self) -> Result<(), Fault> {
        if self.bytes > WAITING_BYTES_MAX {
            return Err(DecodeError::RecordTooLarge { limit: WAITING_BYTES_MAX }.into());
        }
        Ok(())
    }
}

/// The ids of a record: one, or those of a list; null and containers are none.
fn ids_of<'a>(record: &'a Value, lookup: &LookupManifest) -> Vec<&'a Value> {
    let is_plain = |id: &&Value| !(id.is_null() || id.is_object() || id.is_array() || id.as_str() == Some(""));
    match lookup.on.find(record) {
        Some(Value::Array(ids)) => ids.iter().filter(is_plain).collect(),
        id => id.into_iter().filter(is_plain).collect(),
    }
}

fn node(text: &Bytes) -> Node<'static> {
    // What was found was split out of JSON, which is UTF-8.
    Node::json(String::from_utf8_lossy(text).into_owned())
}

fn first(texts: &[Bytes]) -> Node<'static> {
    texts.first().map_or_else(Node::null, node)
}

fn list<'a>(texts: impl IntoIterator<Item = &'a Bytes>) -> Node<'static> {
    Node::List(texts.into_iter().map(node).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(yaml: &str) -> LookupManifest {
        serde_saphyr::from_str(&format!("stream: s\nparam: p\n{yaml}")).unwrap()
    }

    /// A desk with these records before it.
    fn desk(yaml: &str, records: &[&'static str]) -> Desk {
        let lookups: Arc<[Lookup]> = [("found".to_owned(), lookup(yaml))].into();
        let mut desk = Desk::new(&lookups).unwrap();
        desk.hold(texts(records)).unwrap();
        desk
    }

    fn texts(records: &[&'static str]) -> Vec<Bytes> {
        records.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
    }

    fn asked(yaml: &str, records: &[&'static str]) -> Vec<String> {
        let asked = desk(yaml, records).ask(&lookup(yaml));
        asked.iter().map(|ids| lookup(yaml).value(ids).to_string()).collect()
    }

    fn released(desk: &mut Desk) -> Vec<String> {
        desk.release().concat().iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_lookup_that_cannot_say_whose_its_records_are_is_refused() {
        for (yaml, says) in [
            ("on: id\nids: 5", "which record belongs"),
            ("on: id\nids: 0\nkey: id", "no ids"),
            ("on: id\nseparator: ','", "one id a request"),
            ("on: id\nids: 5\nkey: id\nwrap: id\nseparator: ','", "stand in a text"),
        ] {
            assert!(lookup(yaml).fault().unwrap().0.contains(says), "{yaml}");
        }
        assert_eq!(lookup("on: id").fault(), None);
    }

    #[test]
    fn each_id_is_asked_for_once_and_nothing_for_a_record_without_one() {
        let records =
            [r#"{"id":1}"#, r#"{"id":null}"#, r#"{"id":1}"#, r#"{"id":"b"}"#, r#"{"x":1}"#, "5", r#"{"id":[7,1,{}]}"#];
        assert_eq!(asked("on: id", &records), ["1", "\"b\"", "7"]);
        assert_eq!(asked("on: id\nids: 2\nkey: k", &records), [r#"[1,"b"]"#, "[7]"]);
        assert_eq!(asked("on: id\nids: 9\nkey: k\nseparator: ';'", &records), [r#""1;b;7""#]);
        assert_eq!(asked("on: id\nids: 9\nkey: k\nwrap: id", &records), [r#"[{"id":1},{"id":"b"},{"id":7}]"#]);
        assert_eq!(asked("on: id\nids: 9\nkey: k\nbytes: 4", &records), [r#"[1,"b"]"#, "[7]"]);
    }

    #[test]
    fn what_was_found_is_put_into_each_record_that_has_its_id() {
        let records = [r#"{"id":1,"n":1.0}"#, r#"{"id":2}"#, r#"{"ids":[1,3]}"#, "5"];
        let mut one = desk("on: id\nids: 9\nkey: /of", &records);
        one.give(0, None, texts(&[r#"{"of":"1","v":1e0}"#, r#"{"of":1,"v":2}"#, r#"{"v":3}"#])).unwrap();
        let expected = [
            r#"{"id":1,"n":1.0,"found":{"of":"1","v":1e0}}"#,
            r#"{"id":2,"found":null}"#,
            r#"{"ids":[1,3],"found":null}"#,
            "5",
        ];
        assert_eq!(released(&mut one), expected);
        assert!(released(&mut one).is_empty(), "the next page begins anew");
        let mut all = desk("on: id\nall: true", &records[..2]);
        all.give(0, Some("1"), texts(&["{\"v\":1}", "{\"v\":2}"])).unwrap();
        assert_eq!(released(&mut all), [r#"{"id":1,"n":1.0,"found":[{"v":1},{"v":2}]}"#, r#"{"id":2,"found":[]}"#]);
        let mut lists = desk("on: ids\nids: 9\nkey: of", &records[2..3]);
        lists.give(0, None, texts(&[r#"{"of":3}"#])).unwrap();
        assert_eq!(released(&mut lists), [r#"{"ids":[1,3],"found":[null,{"of":3}]}"#]);
    }
}
