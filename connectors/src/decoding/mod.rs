//! How a body becomes records: one decoder a format, fed by chunks, with the facts that pagination needs gathered on the way.
//!
//! | variant | body |
//! |---|---|
//! | `json` | one JSON text; records are the elements of the list at `records` |
//! | `json_lines` | one JSON text a line |
//!
//! A decoder yields one JSON text for each record: a span of a chunk where it is one, else derived bytes. So formats without JSON
//! inside (CSV, XML) become variants here and nothing else changes.

mod body;
mod json;
mod json_lines;
mod pointer;
mod scan;
mod skip;

pub use body::BodyReader;
pub use json::{JsonSplitter, NESTING_MAX, RECORD_BYTES_MAX};
pub use json_lines::LineSplitter;
pub use pointer::Pointer;

use bytes::Bytes;
use headwater_contract::Digest16;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// How a body becomes records, as written in a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// One JSON text.
    #[default]
    Json,
    /// One JSON text a line.
    JsonLines,
}

/// Why a body did not become records.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A page for people came instead.
    #[error("the body is HTML, not data: it begins with `{snippet}`")]
    Html {
        /// Its first characters.
        snippet: String,
    },
    /// Not JSON.
    #[error("the body is not JSON at byte {at}: {reason}")]
    NotJson {
        /// Place in the body.
        at: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Nothing but white space.
    #[error("the body is empty")]
    Empty,
    /// The body ends before it is closed.
    #[error("the body is cut off at byte {at}")]
    Truncated {
        /// How many bytes came.
        at: u64,
    },
    /// Something follows the end.
    #[error("something follows the end of the body at byte {at}")]
    Trailing {
        /// Place in the body.
        at: u64,
    },
    /// The list of records is not where the manifest says.
    #[error("the body has no list of records at `{pointer}`; its fields are `{names}`")]
    RecordsMissing {
        /// Where it should be.
        pointer: String,
        /// What stands at the top.
        names: String,
    },
    /// Something else stands where the list should.
    #[error("the body has {found} at `{pointer}`, not a list of records")]
    RecordsNotAList {
        /// Where it should be.
        pointer: String,
        /// What is there.
        found: &'static str,
    },
    /// A record is larger than we take.
    #[error("a record is larger than {limit} bytes")]
    RecordTooLarge {
        /// The bound.
        limit: usize,
    },
    /// Braces in braces in braces.
    #[error("the body is nested deeper than {limit}")]
    TooDeep {
        /// The bound.
        limit: u32,
    },
}

impl DecodeError {
    /// The same error for a place that was counted from `offset`.
    fn shifted(self, offset: u64) -> Self {
        match self {
            Self::NotJson { at, reason } => Self::NotJson { at: at + offset, reason },
            other => other,
        }
    }

    /// Whether a body that was cut on its way would look like this, so that asking again may help.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::Empty)
    }
}

/// What is to be gathered while a body streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageFacts {
    body: Vec<Pointer>,
    last: Vec<Pointer>,
}

impl PageFacts {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also the body's field at `pointer`. One that holds another of the fields is not read whole: it is `true` when anything is in it.
    #[must_use]
    pub fn body_field(mut self, pointer: &Pointer) -> Self {
        if !self.body.contains(pointer) {
            self.body.push(pointer.clone());
        }
        self
    }

    /// Also the field at `pointer` of the last record.
    #[must_use]
    pub fn last_record_field(mut self, pointer: &Pointer) -> Self {
        if !self.last.contains(pointer) {
            self.last.push(pointer.clone());
        }
        self
    }
}

/// What a whole body said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BodyFacts {
    /// Records in it.
    pub count: u64,
    /// The body's fields that were asked for; absent ones are `None`.
    pub body: Vec<(Pointer, Option<Value>)>,
    /// The last record's fields that were asked for.
    pub last: Vec<(Pointer, Option<Value>)>,
    /// Tells one page from another: count, first and last record. A digest of all bytes would cost as much as splitting them.
    pub digest: Digest16,
}

impl BodyFacts {
    /// The body's field at `pointer`; `None` when it is absent or null.
    pub fn body_field(&self, pointer: &Pointer) -> Option<&Value> {
        find(&self.body, pointer)
    }

    /// The last record's field at `pointer`; `None` when it is absent or null.
    pub fn last_record_field(&self, pointer: &Pointer) -> Option<&Value> {
        find(&self.last, pointer)
    }
}

/// A body that has ended whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended<T> {
    /// Records that only the end completed.
    pub records: T,
    /// What the body said.
    pub facts: BodyFacts,
    /// Whether the list of records came. It stands beside the facts, because a body without the list may say why.
    pub found: Result<(), DecodeError>,
}

fn find<'a>(fields: &'a [(Pointer, Option<Value>)], pointer: &Pointer) -> Option<&'a Value> {
    let (_, value) = fields.iter().find(|(known, _)| known == pointer)?;
    value.as_ref().filter(|value| !value.is_null())
}

#[derive(Debug)]
enum Splitter {
    Json(Box<JsonSplitter>),
    Lines(LineSplitter),
}

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder {
    splitter: Splitter,
    wanted: PageFacts,
    bytes: u64,
    count: u64,
    first: Option<Bytes>,
    last: Option<Bytes>,
}

impl Decoder {
    /// A decoder for one body.
    pub fn new(decoding: Decoding, records: &Pointer, wanted: &PageFacts) -> Self {
        let splitter = match decoding {
            Decoding::Json => Splitter::Json(Box::new(JsonSplitter::new(records.clone(), wanted.body.clone()))),
            Decoding::JsonLines => Splitter::Lines(LineSplitter::default()),
        };
        Self { splitter, wanted: wanted.clone(), bytes: 0, count: 0, first: None, last: None }
    }

    /// Takes the next chunk and returns the records that end in it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as soon as the body cannot be what the manifest says.
    pub fn push(&mut self, chunk: &Bytes) -> Result<Vec<Bytes>, DecodeError> {
        let mut texts = Vec::new();
        match &mut self.splitter {
            Splitter::Json(json) => json.push(chunk, &mut texts)?,
            Splitter::Lines(lines) => lines.push(chunk, &mut texts)?,
        }
        self.bytes += chunk.len() as u64;
        self.remember(&texts);
        Ok(texts)
    }

    /// Whether the last chunk ended within a record.
    pub fn is_within_record(&self) -> bool {
        match &self.splitter {
            Splitter::Json(json) => json.is_within_record(),
            Splitter::Lines(lines) => lines.is_within_record(),
        }
    }

    fn remember(&mut self, texts: &[Bytes]) {
        self.count += texts.len() as u64;
        if self.first.is_none() {
            self.first = texts.first().cloned();
        }
        if let Some(last) = texts.last() {
            self.last = Some(last.clone());
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the body is not whole.
    pub fn finish(mut self) -> Result<Ended<Vec<Bytes>>, DecodeError> {
        let mut texts = Vec::new();
        if let Splitter::Lines(lines) = &mut self.splitter {
            lines.finish(self.bytes, &mut texts)?;
            self.remember(&texts);
        }
        let (body, found) = match self.splitter {
            Splitter::Lines(_) => (Vec::new(), Ok(())),
            Splitter::Json(json) => {
                let found = json.found_records();
                (json.finish()?, found)
            }
        };
        let digest = Digest16::of_parts([
            &self.count.to_le_bytes()[..],
            self.first.as_deref().unwrap_or_default(),
            self.last.as_deref().unwrap_or_default(),
        ]);
        let last: Option<Value> = match &self.last {
            Some(text) if !self.wanted.last.is_empty() => serde_json::from_slice(text).ok(),
            _ => None,
        };
        let field = |pointer: &Pointer| last.as_ref().and_then(|record| pointer.find(record)).cloned();
        let last = self.wanted.last.iter().map(|pointer| (pointer.clone(), field(pointer))).collect();
        Ok(Ended { records: texts, facts: BodyFacts { count: self.count, body, last, digest }, found })
    }
}

#[cfg(test)]
mod tests;
