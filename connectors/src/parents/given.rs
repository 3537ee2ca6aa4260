//! What a row takes from its request instead of from the answer, and how raw keeps it.
//!
//! The values stand in each record under `/_given` and, as JSON, in a header of the stored exchange that no source sends. So a replay
//! needs neither the parents nor the request to give the same records, and a reader of raw sees them beside the body.

use bytes::{Bytes, BytesMut};
use headwater_contract::Exchange;
use serde_json::{Map, Value};

use super::Fields;
use crate::expression::{Scalar, Scope};

/// The object of a record that holds its given values.
pub const GIVEN: &str = "_given";
/// The stored header with the values that every record of a body was given.
pub const GIVEN_HEADER: &str = "headwater-given";
/// The stored header that says what a body is, where it is not the stream's own.
pub const ROLE_HEADER: &str = "headwater-role";

/// What a stored body is, where it is not the stream's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Records of a parent.
    Parent,
    /// What was said of a job, without the answer itself: it may hold links that open what they lead to.
    Job,
    /// The rest of a list inside a record.
    Connection,
    /// What was looked up for the records of a page.
    Lookup,
}

impl Role {
    /// The role as raw keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Job => "job",
            Self::Connection => "connection",
            Self::Lookup => "lookup",
        }
    }

    /// Marks an exchange, unless it was marked further down.
    pub fn mark(self, exchange: &mut Exchange) {
        exchange.headers.retain(|(name, _)| name != GIVEN_HEADER);
        if Self::of(exchange).is_none() {
            exchange.headers.push((ROLE_HEADER.to_owned(), self.as_str().to_owned()));
        }
    }

    /// The text of an exchange's role; `None` for the stream's own bodies.
    pub fn of(exchange: &Exchange) -> Option<&str> {
        header(exchange, ROLE_HEADER)
    }
}

fn header<'a>(exchange: &'a Exchange, wanted: &str) -> Option<&'a str> {
    exchange.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
}

/// The values that every record of one request is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// All of them, which raw keeps beside the body.
    json: String,
    /// Those that stand in every record.
    written: Option<String>,
}

impl Given {
    /// The named values: a parent's field, else what the request's names hold. `columns` stand in every record, `others` are for those who
    /// shape records. `None` when nobody takes any.
    pub fn new(columns: &[String], others: &[&str], fields: &Fields, scope: &Scope, with: &Scope) -> Option<Self> {
        if columns.is_empty() && others.is_empty() {
            return None;
        }
        let value = |name: &str| {
            let plain = || with.get(name).or_else(|| scope.get(name)).map(Scalar::to_json);
            fields.get(name).cloned().or_else(plain)
        };
        let all = columns.iter().map(String::as_str).chain(others.iter().copied());
        let values: Map<String, Value> = all.filter_map(|name| Some((name.to_owned(), value(name)?))).collect();
        Some(Self::of(columns, values))
    }

    fn of(columns: &[String], values: Map<String, Value>) -> Self {
        let written = (!columns.is_empty()).then(|| {
            let of_columns = values.iter().filter(|(name, _)| columns.contains(name));
            let of_columns: Map<String, Value> =
                of_columns.map(|(name, value)| (name.clone(), value.clone())).collect();
            Value::Object(of_columns).to_string()
        });
        Self { json: Value::Object(values).to_string(), written }
    }

    /// What an exchange was stored with; `columns` stand in every record.
    pub fn stored(exchange: &Exchange, columns: &[String]) -> Option<Self> {
        let values = serde_json::from_str(header(exchange, GIVEN_HEADER)?).ok()?;
        Some(Self::of(columns, values))
    }

    /// The values as expressions see them.
    pub fn value(&self) -> minijinja::Value {
        serde_json::from_str(&self.json).unwrap_or_default()
    }

    /// The header to store.
    pub fn header(&self) -> (String, String) {
        (GIVEN_HEADER.to_owned(), self.json.clone())
    }

    /// Writes the values into every record.
    pub fn write_into_all(&self, records: &mut [Bytes]) {
        if self.written.is_none() {
            return;
        }
        for record in records {
            *record = self.write_into(record);
        }
    }

    /// The record with its given values; what is no object stays as it is, for whoever types it to refuse.
    pub fn write_into(&self, record: &Bytes) -> Bytes {
        let (Some(rest), Some(written)) = (record.strip_prefix(b"{"), &self.written) else { return record.clone() };
        let is_empty = rest.trim_ascii_start().first() == Some(&b'}');
        let mut text = BytesMut::with_capacity(record.len() + written.len() + GIVEN.len() + 5);
        text.extend_from_slice(b"{\"");
        text.extend_from_slice(GIVEN.as_bytes());
        text.extend_from_slice(b"\":");
        text.extend_from_slice(written.as_bytes());
        if !is_empty {
            text.extend_from_slice(b",");
        }
        text.extend_from_slice(rest);
        text.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Given {
        let fields = Fields::from([("issue".to_owned(), Value::from(5))]);
        let scope = Scope::from([("repository".to_owned(), Scalar::Text("a/\"b\"".to_owned()))]);
        let names = ["issue", "repository", "unknown"].map(str::to_owned);
        Given::new(&names, &[], &fields, &scope, &Scope::new()).unwrap()
    }

    #[test]
    fn a_record_that_is_no_object_stays_as_it_is() {
        for text in ["5", "[1]", "\"x\"", ""] {
            assert_eq!(given().write_into(&Bytes::from(text)), text.as_bytes());
        }
        assert_eq!(Given::new(&[], &[], &Fields::new(), &Scope::new(), &Scope::new()), None);
    }

    #[test]
    fn a_record_has_its_given_values_beside_its_own() {
        let values = r#"{"issue":5,"repository":"a/\"b\""}"#;
        for (text, whole) in [
            ("{}", format!(r#"{{"_given":{values}}}"#)),
            ("{ }", format!(r#"{{"_given":{values} }}"#)),
            (r#"{ "id": 1 }"#, format!(r#"{{"_given":{values}, "id": 1 }}"#)),
        ] {
            let written = given().write_into(&Bytes::copy_from_slice(text.as_bytes()));
            assert_eq!(written, whole.as_bytes());
            assert!(serde_json::from_slice::<Value>(&written).is_ok());
        }
    }
}
