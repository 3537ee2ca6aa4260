//! Connections: lists inside a record that have pages of their own, as GraphQL and expanded REST objects have them.
//!
//! A record whose list goes on waits until the rest of it was asked for, and is then one record with the whole list, of which `unnest` makes a
//! table. What is asked for next follows from the bodies alone, so a replay weaves the same records from the same bodies.

mod splice;
mod weaver;

pub(crate) use weaver::Weaver;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Seen, Slot};
use crate::decoding::{PageFacts, Pointer};
use crate::expression::Template;
use crate::expression::ValueManifest;
use crate::manifest::{BodyManifest, Method, Ordered};
use crate::stream::RequestPlan;

/// A list inside each record that goes on in pages of its own.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionManifest {
    /// JSON pointer, in the record, to the list; the rest of its rows is added there.
    pub records: Pointer,
    /// Where the record says whether the list goes on; without it, a list that is whole has no cursor.
    #[serde(default)]
    pub more: Option<Pointer>,
    /// Where the record says the cursor of the list's next page, or `{ last_record: id }` for a field of the list's last row.
    pub cursor: Seen,
    /// What carries the cursor; absent when it is the whole URL of the next page.
    #[serde(default)]
    pub param: Option<Slot>,
    /// Fields of the record, by the names that path, parameters and body of the request call them.
    #[serde(default)]
    pub names: Ordered<Pointer>,
    /// The request's method; the stream's when absent.
    #[serde(default)]
    pub method: Option<Method>,
    /// The path after `base_url`; the stream's when absent.
    #[serde(default)]
    pub path: Option<Template>,
    /// Query parameters of the request.
    #[serde(default)]
    pub params: Option<Ordered<ValueManifest>>,
    /// The body of a `post`.
    #[serde(default)]
    pub body: Option<BodyManifest>,
    /// Where the answer has the next rows.
    pub answer: ConnectionAnswer,
}

/// Where the answer to a connection's request has what.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionAnswer {
    /// JSON pointer to the next rows.
    pub records: Pointer,
    /// Where the body says whether more rows follow.
    #[serde(default)]
    pub more: Option<Pointer>,
    /// Where the body says the next cursor, or `{ last_record: id }`.
    pub cursor: Seen,
}

impl ConnectionManifest {
    /// What is wrong with it, as far as it can tell alone.
    pub fn fault(&self) -> Option<&'static str> {
        let is_said = |seen: &Seen| matches!(seen, Seen::Body(_) | Seen::LastRecord(_));
        if !is_said(&self.cursor) || !is_said(&self.answer.cursor) {
            return Some("a cursor is a field of the body, or `{ last_record: … }`");
        }
        let is_open = |cursor: &Seen, more: &Option<Pointer>| cursor.is_of_record() && more.is_none();
        if is_open(&self.cursor, &self.more) || is_open(&self.answer.cursor, &self.answer.more) {
            return Some("every row has the field of a cursor, so `more` must say whether the list goes on");
        }
        (self.param.is_none() && self.cursor.is_of_record()).then_some("a field of a row is no URL: write `param`")
    }

    /// The facts that it needs of an answer.
    pub(crate) fn facts(&self) -> PageFacts {
        let facts = self.answer.cursor.facts(PageFacts::new());
        self.answer.more.iter().fold(facts, PageFacts::body_field)
    }

    /// The stream's request with this one's parts.
    pub(crate) fn plan(&self, stream: &RequestPlan) -> RequestPlan {
        let is_own = self.path.is_some() || self.params.is_some() || self.body.is_some();
        RequestPlan {
            method: self.method.unwrap_or(if is_own { Method::Get } else { stream.method }),
            path: self.path.clone().unwrap_or_else(|| stream.path.clone()),
            params: self.params.clone().unwrap_or_default(),
            body: self.body.clone(),
            page_size: None,
            ..stream.clone()
        }
    }
}
