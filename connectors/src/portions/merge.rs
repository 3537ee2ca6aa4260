//! Lays what the portions of a page say of a record together, by its key. What no portion changes stays the text that the source wrote.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Partial, Portion};
use crate::decoding::{DecodeError, Pointer};
use crate::error::Fault;
use crate::pagination::PaginationError;
use crate::shaping::Node;

/// Bytes of the records of one page.
const PAGE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of records that are passed on at once, more or less.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// What stands between the parts of a key.
const BETWEEN: char = '\u{1f}';

/// What the parts of a key say in a record; nothing when one is absent, null or no plain value.
fn key_of(record: &mut Node<'_>, by: &[Pointer]) -> Option<String> {
    let parts: Option<Vec<String>> = by.iter().map(|part| record.get(part.segments())?.plain()).collect();
    parts.map(|parts| parts.join(&BETWEEN.to_string()))
}

/// A record, as far as it came.
#[derive(Debug)]
struct Merged {
    text: Bytes,
    /// The last portion that had it.
    last: usize,
    /// In how many portions it came.
    came: usize,
}

/// The records of one page, portion by portion.
#[derive(Debug)]
pub(crate) struct Merger {
    by: Vec<Pointer>,
    partial: Partial,
    portion: Portion,
    rows: Vec<Merged>,
    places: HashMap<String, usize>,
    bytes: usize,
    /// A record of some portion has no key.
    has_keyless: bool,
}

impl Merger {
    /// A merger by these parts of a record.
    pub(crate) fn new(by: &[Pointer], partial: Partial) -> Self {
        Self {
            by: by.to_vec(),
            partial,
            portion: Portion { at: 0, of: 1 },
            rows: Vec::new(),
            places: HashMap::new(),
            bytes: 0,
            has_keyless: false,
        }
    }

    /// Says which portion comes next; the first one forgets the page before.
    pub(crate) fn begin(&mut self, portion: Portion) {
        if portion.at == 0 {
            self.rows.clear();
            self.places.clear();
            (self.bytes, self.has_keyless) = (0, false);
        }
        self.portion = portion;
    }

    /// Takes records of the portion.
    pub(crate) fn take(&mut self, texts: Vec<Bytes>) -> Result<(), Fault> {
        for text in texts {
            self.bytes += text.len();
            if self.bytes > PAGE_BYTES_MAX {
                return Err(DecodeError::RecordTooLarge { limit: PAGE_BYTES_MAX }.into());
            }
            self.take_one(text);
        }
        Ok(())
    }

    fn take_one(&mut self, text: Bytes) {
        let Portion { at, of } = self.portion;
        let key = {
            let record = std::str::from_utf8(&text).ok().and_then(Node::record);
            record.and_then(|mut record| key_of(&mut record, &self.by))
        };
        let Some(key) = key else {
            // What is no record, or has no key, cannot be laid on anything; whoever types it refuses it.
            self.has_keyless |= of > 1;
            self.rows.push(Merged { text, last: at, came: of });
            return;
        };
        let place = self.places.get(&key).copied();
        let Some(row) = place.and_then(|place| self.rows.get_mut(place)) else {
            self.places.insert(key, self.rows.len());
            self.rows.push(Merged { text, last: at, came: 1 });
            return;
        };
        if let Some(laid) = laid(&row.text, &text) {
            row.text = laid;
        }
        row.came += usize::from(row.last != at);
        row.last = at;
    }

    /// The page's records in batches, after its last portion; nothing when one of them came in some portions only and the page is to be
    /// read again.
    pub(crate) fn finish(&mut self) -> Result<Option<Vec<Vec<Bytes>>>, PaginationError> {
        if self.partial == Partial::Reread {
            if self.has_keyless {
                let field = self.by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                return Err(PaginationError::KeylessPortion { field });
            }
            if self.rows.iter().any(|row| row.came < self.portion.of) {
                return Ok(None);
            }
        }
        self.places.clear();
        self.bytes = 0;
        let (mut batches, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
        for row in std::mem::take(&mut self.rows) {
            bytes += row.text.len();
            batch.push(row.text);
            if bytes >= BATCH_BYTES {
                batches.push(std::mem::take(&mut batch));
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        Ok(Some(batches))
    }
}

/// One record over another: objects are laid over each other, any other value of `above` replaces that below.
fn laid(below: &Bytes, above: &Bytes) -> Option<Bytes> {
    let mut record = Node::record(std::str::from_utf8(below).ok()?)?;
    let above = Node::record(std::str::from_utf8(above).ok()?)?;
    lay(&mut record, above);
    let mut text = Vec::with_capacity(below.len());
    record.write(&mut text);
    Some(text.into())
}

fn lay<'a>(below: &mut Node<'a>, mut above: Node<'a>) {
    let are_objects = below.members().is_some() && above.members().is_some();
    match (below, above) {
        (Node::Object(fields), Node::Object(members)) if are_objects => {
            for (name, value) in members {
                match fields.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, old)) => lay(old, value),
                    None => fields.push((name, value)),
                }
            }
        }
        (below, above) => *below = above,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Merges pages of portions and gives the records of each.
    fn merged(partial: Partial, portions: &[&[&'static str]]) -> Result<Option<Vec<String>>, PaginationError> {
        let mut merger = Merger::new(&[Pointer::parse("id")], partial);
        for (at, portion) in portions.iter().enumerate() {
            merger.begin(Portion { at, of: portions.len() });
            merger.take(portion.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()).unwrap();
        }
        let texts = |batches: Vec<Vec<Bytes>>| {
            batches.concat().iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
        };
        Ok(merger.finish()?.map(texts))
    }

    #[test]
    fn a_record_that_some_portions_lack_makes_the_page_doubtful_unless_it_may_be_partial() {
        let portions: [&[&str]; 2] = [&[r#"{"id":1,"a":1}"#, r#"{"id":2,"a":2}"#], &[r#"{"id":1,"b":1}"#]];
        assert_eq!(merged(Partial::Reread, &portions), Ok(None));
        let kept = merged(Partial::Keep, &portions).unwrap().unwrap();
        assert_eq!(kept, [r#"{"id":1,"a":1,"b":1}"#, r#"{"id":2,"a":2}"#]);
        // The same record twice in one portion is not a record of two.
        let twice: [&[&str]; 2] = [&[r#"{"id":1,"a":1}"#, r#"{"id":1,"a":2}"#], &[]];
        assert_eq!(merged(Partial::Reread, &twice), Ok(None));
    }

    #[test]
    fn a_record_without_its_key_cannot_be_laid_together() {
        let portions: [&[&str]; 2] = [&[r#"{"id":null,"a":1}"#], &[r#"{"b":1}"#]];
        let error = merged(Partial::Reread, &portions).unwrap_err();
        assert_eq!(error.code(), "portion-keyless");
        assert_eq!(merged(Partial::Keep, &portions).unwrap().unwrap(), [r#"{"id":null,"a":1}"#, r#"{"b":1}"#]);
        assert_eq!(merged(Partial::Reread, &[&["5"]]).unwrap().unwrap(), ["5"]);
    }

    #[test]
    fn portions_are_laid_together_and_numbers_keep_their_digits() {
        let portions: [&[&str]; 3] = [
            &[r#"{"id":1,"p":{"a":0.10,"deep":{"x":1}},"l":[1]}"#, r#"{"id":"2","p":{}}"#],
            &[r#"{"id":"2","p":{"b":1e400}}"#, r#"{"id":1,"p":{"b":null,"deep":{"y":2}},"l":[2,3]}"#],
            &[r#"{"id":1,"p":7}"#, r#"{"id":"2","p":{"b":2}}"#],
        ];
        let two = merged(Partial::Reread, &portions[..2]).unwrap().unwrap();
        let first = r#"{"id":1,"p":{"a":0.10,"deep":{"x":1,"y":2},"b":null},"l":[2,3]}"#;
        assert_eq!(two, [first, r#"{"id":"2","p":{"b":1e400}}"#]);
        let three = merged(Partial::Reread, &portions).unwrap().unwrap();
        assert_eq!(three, [r#"{"id":1,"p":7,"l":[2,3]}"#, r#"{"id":"2","p":{"b":2}}"#]);
    }
}
