//! The nouns that every pagination shares: a page's facts, and what follows it.

use chrono::{DateTime, Utc};
use headwater_contract::Digest16;
use serde_json::Value;

use super::{PaginationError, Seen, Slot};
use crate::decoding::{BodyFacts, DecodeError, Decoder, Decoding, PageFacts, Pointer};

/// What is known of one page after it has streamed by. Its records are not kept.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What the body said.
    pub facts: BodyFacts,
    /// The value that asked for this page; `None` for the first.
    pub cursor: Option<String>,
    /// The URL that the server gave for this page, where it gave one.
    pub url: Option<String>,
    /// URLs of the `Link` header with their relations.
    pub links: Vec<(String, String)>,
    /// Headers of the answer, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// Pages of this pass before this one.
    pub number: u32,
    /// Records of this pass before this page.
    pub read: u64,
    /// How many records a page was asked to hold.
    pub size: Option<u64>,
    /// How many records the first page of this pass said there are.
    pub first_total: Option<u64>,
    /// Lower bound that the request sent, for paginations that move it.
    pub from: Option<DateTime<Utc>>,
    /// Upper bound of the window.
    pub until: Option<DateTime<Utc>>,
    /// Time of the last record, by the window's field.
    pub last_time: Option<DateTime<Utc>>,
    /// What the request was made with: settings, the slice, fields of parents.
    pub settings: std::sync::Arc<crate::expression::Scope>,
}

impl Page {
    /// Decodes a whole JSON body and gathers `facts` of it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the body is not what it should be.
    pub fn gather(cursor: Option<&str>, facts: &PageFacts, records: &str, body: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(Decoding::Json, &Pointer::parse(records), facts);
        decoder.push(&bytes::Bytes::copy_from_slice(body))?;
        let ended = decoder.finish()?;
        ended.found?;
        Ok(Self { facts: ended.facts, cursor: cursor.map(str::to_owned), ..Self::default() })
    }

    /// The facts of a page that was asked for in portions: what follows it is what the later portion says, where it says anything.
    pub(crate) fn joined(self, later: Self) -> Self {
        let mut page = Self { last_time: later.last_time.or(self.last_time), ..later };
        page.facts.count = page.facts.count.max(self.facts.count);
        let (before, facts) = (self.facts, &mut page.facts);
        for (known, fresh) in
            [(before.body, &mut facts.body), (before.first, &mut facts.first), (before.last, &mut facts.last)]
        {
            for ((_, old), (_, new)) in known.into_iter().zip(fresh.iter_mut()) {
                if new.is_none() {
                    *new = old;
                }
            }
        }
        page
    }

    /// Records on the page.
    pub fn count(&self) -> u64 {
        self.facts.count
    }

    /// The value that asked for this page.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The body's field at `pointer`; `None` when it is absent or null.
    pub fn body_field(&self, pointer: &Pointer) -> Option<&Value> {
        self.facts.body_field(pointer)
    }

    /// The last record's field at `pointer`; `None` when it is absent or null.
    pub fn last_record_field(&self, pointer: &Pointer) -> Option<&Value> {
        self.facts.last_record_field(pointer)
    }

    /// The first record's field at `pointer`; `None` when it is absent or null.
    pub fn first_record_field(&self, pointer: &Pointer) -> Option<&Value> {
        self.facts.first_record_field(pointer)
    }

    /// The header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// Whether it has fewer records than were asked for.
    pub fn is_short(&self) -> bool {
        self.is_less(self.count())
    }

    /// Whether `count` records are fewer than were asked for.
    pub(super) fn is_less(&self, count: u64) -> bool {
        self.size.is_some_and(|size| count < size)
    }

    /// Whether it is the last, with `count` records, by the `total` that it tells and what was `received` of it. A total that was passed
    /// ends nothing while pages are full.
    pub(super) fn is_last_by(&self, total: u64, received: u64, count: u64) -> bool {
        received == total || (received > total && (count == 0 || self.is_less(count)))
    }

    /// Tells it from the page before.
    pub fn digest(&self) -> Digest16 {
        self.facts.digest
    }

    /// What it says, as a text or number that may be sent back.
    pub(crate) fn token(&self, seen: &Seen) -> Result<Option<String>, PaginationError> {
        let found = seen.value(self)?;
        let is_nothing = match &found {
            None | Some(Value::Null | Value::Bool(false)) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Object(fields)) => fields.is_empty(),
            Some(Value::Bool(true) | Value::Number(_)) => false,
        };
        let token = as_token(found.as_ref());
        // What is there and cannot be sent back is no end: the place is wrong, or the token is larger than any.
        if token.is_none() && !is_nothing {
            return Err(PaginationError::NoCursor { field: seen.to_string() });
        }
        Ok(token)
    }

    /// What it says, as a count.
    pub(crate) fn tell(&self, seen: &Seen) -> Result<u64, PaginationError> {
        let field = seen.value(self)?;
        let number = field.and_then(|value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok()));
        number.ok_or_else(|| PaginationError::NotANumber { field: seen.to_string() })
    }

    /// What it says, as a flag; a header says it as text.
    pub(crate) fn flag(&self, seen: &Seen) -> Result<bool, PaginationError> {
        let flag = match (seen, seen.value(self)?) {
            (_, Some(Value::Bool(flag))) => Some(flag),
            (Seen::Header(_), Some(Value::String(text))) => match text.trim() {
                "true" | "True" | "TRUE" | "1" => Some(true),
                "false" | "False" | "FALSE" | "0" | "" => Some(false),
                _ => None,
            },
            // A computed nothing is a no: `body.next and count > 0`.
            (Seen::Computed(_), value) => value.map_or(Some(false), |value| is_meant(&value)),
            _ => None,
        };
        flag.ok_or_else(|| PaginationError::NoMoreFlag { field: seen.to_string() })
    }
}

/// Whether a computed value is a yes, where it is plain enough to be one.
fn is_meant(value: &Value) -> Option<bool> {
    match value {
        Value::String(text) => Some(!text.is_empty()),
        Value::Number(number) => number.as_f64().map(|number| number.abs() > 0.0),
        _ => None,
    }
}

/// A text or number that can be sent back; nothing for `""` and other kinds.
pub(crate) fn as_token(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What follows a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: that was all.
    Done,
    /// The same request with these values set.
    Request(Vec<(Slot, Value)>),
    /// The URL that the server gave, absolute or relative.
    Url(String),
    /// The first page once more, because the list moved while it was read. What was read twice is known by its key.
    Restart,
    /// The first page of the same request with a later lower bound.
    From(DateTime<Utc>),
}

impl Next {
    /// The same request with one value set.
    pub fn request(slot: &Slot, value: impl Into<Value>) -> Self {
        Self::Request(vec![(slot.clone(), value.into())])
    }
}

/// One text for the values that ask for a page, to tell it from other pages.
pub(crate) fn cursor_text(set: &[(Slot, Value)]) -> String {
    let text = |value: &Value| as_token(Some(value)).unwrap_or_else(|| value.to_string());
    set.iter().map(|(_, value)| text(value)).collect::<Vec<_>>().join("\u{1f}")
}
