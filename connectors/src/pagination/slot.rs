//! Where a value goes in a request: the query, the body, a header, or wherever the manifest calls it by a name.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::expression::{ExpressionError, Scope, Template};

/// Where a value goes in a request.
///
/// Written `page` for a query parameter, `/paging/after` for a JSON pointer into the body, `{ header: X-Page }` for a header, and
/// `{ as: page }` for a name by which path, parameters, headers and body call the value: `path: /items/{page}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A query parameter.
    Query(Template),
    /// A JSON pointer into the body.
    Body(Template),
    /// A header.
    Header(Template),
    /// A name for placeholders and expressions; empty until there is a value.
    Name(String),
}

impl Slot {
    /// The name or pointer with its placeholders filled in.
    ///
    /// # Errors
    ///
    /// As [`Template::fill`].
    pub fn fill(&self, scope: &Scope) -> Result<String, ExpressionError> {
        match self {
            Self::Query(template) | Self::Body(template) | Self::Header(template) => template.fill(scope),
            Self::Name(name) => Ok(name.clone()),
        }
    }

    fn parse(text: &str) -> Result<Self, ExpressionError> {
        let template = Template::parse(text)?;
        Ok(if text.starts_with('/') { Self::Body(template) } else { Self::Query(template) })
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(template) | Self::Body(template) => f.write_str(template.as_str()),
            Self::Header(template) => write!(f, "header {}", template.as_str()),
            Self::Name(name) => write!(f, "{{{name}}}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Elsewhere {
    Header(Template),
    As(String),
}

struct SlotVisitor;

impl<'de> Visitor<'de> for SlotVisitor {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a query parameter, a JSON pointer into the body, `{ header: … }` or `{ as: … }`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Slot, E> {
        if text.is_empty() {
            return Err(E::custom("a parameter needs a name"));
        }
        Slot::parse(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Slot, A::Error> {
        match Elsewhere::deserialize(MapAccessDeserializer::new(map))? {
            Elsewhere::Header(name) => Ok(Slot::Header(name)),
            Elsewhere::As(name) if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                Ok(Slot::Name(name))
            }
            Elsewhere::As(name) => Err(A::Error::custom(format!("`{name}` is not a name of letters, digits and `_`"))),
        }
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SlotVisitor)
    }
}

impl JsonSchema for Slot {
    fn schema_name() -> Cow<'static, str> {
        "Slot".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a value goes: a query parameter, a JSON pointer into the body, a header, or a name for placeholders",
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "object", "additionalProperties": false, "required": ["header"],
                  "properties": { "header": { "type": "string" } } },
                { "type": "object", "additionalProperties": false, "required": ["as"],
                  "properties": { "as": { "type": "string", "pattern": "^[A-Za-z0-9_]+$" } } },
            ]
        })
    }
}

#[cfg(test)]
impl From<&str> for Slot {
    fn from(text: &str) -> Self {
        Self::parse(text).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_a_parameter_a_pointer_a_header_or_a_name_and_nothing_else() {
        let slot = |yaml: &str| crate::manifest::yaml::from_str::<Slot>(yaml);
        for yaml in ["''", "{ header: X, as: y }", "{ as: 'a b' }", "{ cookie: x }", "[a]", "7", "'{a'"] {
            assert!(slot(yaml).is_err(), "{yaml}");
        }
        for (yaml, shown) in
            [("page", "page"), ("/a/b", "/a/b"), ("{ header: X-Page }", "header X-Page"), ("{ as: page }", "{page}")]
        {
            assert_eq!(slot(yaml).unwrap().to_string(), shown);
        }
        assert!(matches!(slot("created[gte]"), Ok(Slot::Query(_))));
    }
}
