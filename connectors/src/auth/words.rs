//! The texts that auth sends: the name of a setting, a text with placeholders, a text as it stands, or what is worked out of settings.
//!
//! A bare word is always a name, so a credential that somebody writes into a manifest by mistake is an unknown setting and not a secret
//! in the open.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::expression::{Expression, Template};

/// A text that auth sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// The value of a setting, a slice or something that a session yielded.
    Name(String),
    /// A text such as `{email}/token`.
    Template(Template),
    /// `{ text: … }`: a text as it stands.
    Text(String),
    /// `{ first: […] }`: the first of these settings that is given.
    First(Vec<String>),
    /// `{ expression: … }`: what is worked out of settings, secret ones among them, and of `now`; nothing is sent where it is null.
    Computed(Box<ComputedWords>),
}

/// An expression in whose scope secrets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputedWords {
    pub(crate) expression: Expression,
    /// The settings that it names.
    names: Vec<String>,
}

impl ComputedWords {
    fn parse(text: &str) -> Result<Self, crate::expression::ExpressionError> {
        let expression = Expression::parse(text)?;
        let root = |path: &String| path.split('.').next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = expression.names().iter().map(root).filter(|name| name != NOW).collect();
        names.dedup();
        Ok(Self { expression, names })
    }
}

/// The time at which a request is signed.
pub(super) const NOW: &str = "now";

impl Words {
    /// The names whose values it needs.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Name(name) => vec![name],
            Self::Template(template) => template.names().collect(),
            Self::Text(_) => Vec::new(),
            Self::First(names) => names.iter().map(String::as_str).collect(),
            Self::Computed(computed) => computed.names.iter().map(String::as_str).collect(),
        }
    }

    /// The settings that hold nothing but a credential.
    pub(super) fn credentials(&self) -> Vec<&str> {
        if matches!(self, Self::Computed(_)) { Vec::new() } else { self.names() }
    }

    /// The value of this name.
    pub(crate) fn name(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Text(String),
    First(Vec<String>),
    Expression(String),
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a setting, a text such as `{email}/token`, `{ text: … }`, `{ first: […] }` or `{ expression: … }`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Words, E> {
        if text.contains(['{', '}']) {
            return Template::parse(text).map(Words::Template).map_err(E::custom);
        }
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Ok(Words::Name(text.to_owned()));
        }
        Err(E::custom("this is no name of a setting; a text as it stands is written `{ text: … }`"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Words, A::Error> {
        Ok(match Said::deserialize(MapAccessDeserializer::new(map))? {
            Said::Text(text) => Words::Text(text),
            Said::First(names) => Words::First(names),
            Said::Expression(text) => {
                ComputedWords::parse(&text).map(|words| Words::Computed(Box::new(words))).map_err(A::Error::custom)?
            }
        })
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

impl JsonSchema for Words {
    fn schema_name() -> Cow<'static, str> {
        "Words".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "description": "The name of a setting, or a text such as {email}/token" },
            { "type": "object", "additionalProperties": false, "required": ["text"],
              "properties": { "text": { "type": "string" } }, "description": "A text as it stands" },
            { "type": "object", "additionalProperties": false, "required": ["first"],
              "properties": { "first": { "type": "array", "items": { "type": "string" } } },
              "description": "The first of these settings that is given" },
            { "type": "object", "additionalProperties": false, "required": ["expression"],
              "properties": { "expression": { "type": "string" } },
              "description": "What is worked out of settings, secret ones among them; nothing is sent where it is null" },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_word_is_a_name_and_a_credential_in_the_open_is_refused() {
        for text in ["sk-live-123", "a b", "''", "'{a'"] {
            let error = crate::manifest::yaml::from_str::<Words>(text).unwrap_err();
            assert!(!error.to_string().is_empty(), "{text}");
        }
        assert_eq!(crate::manifest::yaml::from_str::<Words>("api_key").unwrap(), Words::name("api_key"));
        assert_eq!(crate::manifest::yaml::from_str::<Words>("'{email}/token'").unwrap().names(), ["email"]);
        assert_eq!(crate::manifest::yaml::from_str::<Words>("{ text: X-1 }").unwrap(), Words::Text("X-1".into()));
        let computed = "{ expression: \"(key ~ ':' ~ region) | base64_encode ~ (now | unix_seconds)\" }";
        assert_eq!(crate::manifest::yaml::from_str::<Words>(computed).unwrap().names(), ["key", "region"]);
    }
}
