//! A lookup as a manifest writes it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::decoding::Pointer;
use crate::pagination::Slot;

/// What another request says of each record, put into the field that this stands under.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupManifest {
    /// The internal stream whose requests take the ids and whose records are looked up.
    pub stream: String,
    /// JSON pointer, in the record, to its id or to a list of ids; without one nothing is asked for.
    pub on: Pointer,
    /// What carries the ids in the request: a query parameter, a JSON pointer into the body, a header, or `{ as: … }` for placeholders.
    pub param: Slot,
    /// Most ids of one request, for an API that takes many; one request an id when absent.
    #[serde(default)]
    pub ids: Option<u32>,
    /// Most bytes of all ids put together, for an API that takes them in its URL.
    #[serde(default)]
    pub bytes: Option<u32>,
    /// What stands between the ids, for an API that takes them as one text; a list when absent.
    #[serde(default)]
    pub separator: Option<String>,
    /// Each id goes as an object with this one field, as in `{"inputs":[{"id":"7"}]}`.
    #[serde(default)]
    pub wrap: Option<String>,
    /// JSON pointer, in a looked-up record, to the id that it belongs to; needed where one request takes many.
    #[serde(default)]
    pub key: Option<Pointer>,
    /// All looked-up records of an id are put in, as a list; the first one alone when absent. Where nothing is found it is `[]` or null.
    #[serde(default)]
    pub all: bool,
}

impl LookupManifest {
    /// Most ids of one request.
    pub(super) fn most_ids(&self) -> usize {
        self.ids.and_then(|most| usize::try_from(most).ok()).unwrap_or(1).max(1)
    }

    /// The value that carries these ids.
    pub(crate) fn value(&self, ids: &[Value]) -> Value {
        let wrapped = |id: &Value| match &self.wrap {
            Some(field) => Value::Object(Map::from_iter([(field.clone(), id.clone())])),
            None => id.clone(),
        };
        match (self.ids, &self.separator, ids) {
            (None, _, [id]) => wrapped(id),
            (_, Some(separator), _) => Value::String(ids.iter().map(text_of).collect::<Vec<_>>().join(separator)),
            _ => Value::Array(ids.iter().map(wrapped).collect()),
        }
    }

    /// What is wrong with it, as far as it can tell alone.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.ids == Some(0) || self.bytes == Some(0) {
            return Some(("a request of no ids asks for nothing", "write how many one request takes"));
        }
        if self.ids.is_some() && self.key.is_none() {
            return Some(("nothing says which record belongs to which id", "write `key`"));
        }
        if self.ids.is_none() && (self.bytes.is_some() || self.separator.is_some()) {
            return Some(("one id a request is neither counted in bytes nor separated", "write `ids`, or remove them"));
        }
        (self.wrap.is_some() && self.separator.is_some())
            .then_some(("an object does not stand in a text", "remove `wrap` or `separator`"))
    }
}

/// An id as text, which tells it from others whatever its type.
pub(super) fn text_of(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
