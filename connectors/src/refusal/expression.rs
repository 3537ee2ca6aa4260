//! A test of an answer that an expression makes, where no plain test says it.
//!
//! Which fields of the body it needs is read off its text, so that they are gathered while the body streams.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value};

use super::condition::{Evidence, is_meant};
use crate::decoding::Pointer;
use crate::expression::Expression;
use crate::pagination::{fields_below, place, pointer_of};

/// What an expression over an answer may name.
const NAMES: [&str; 4] = ["status", "headers", "body", "text"];

/// An expression over an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerExpression {
    expression: Expression,
    body: Vec<Pointer>,
    headers: Vec<String>,
}

impl AnswerExpression {
    /// Reads an expression, and which fields and headers it needs.
    fn parse(text: &str) -> Result<Self, String> {
        let expression = Expression::parse(text).map_err(|error| error.to_string())?;
        let (mut body, mut headers) = (Vec::new(), Vec::new());
        for path in expression.names() {
            let (name, rest) = path.split_once('.').unwrap_or((&path, ""));
            match name {
                "body" if rest.is_empty() && !fields_below(text, "body").is_empty() => {}
                "body" if rest.is_empty() => {
                    return Err("`body` is not kept whole: name a field, such as `body.code`".to_owned());
                }
                "body" => body.push(pointer_of(rest)),
                "headers" if rest.is_empty() => {
                    let quoted = text.split("headers['").skip(1).filter_map(|rest| rest.split_once('\''));
                    headers.extend(quoted.map(|(name, _)| name.to_ascii_lowercase()));
                }
                "headers" => headers.push(rest.to_ascii_lowercase()),
                known if NAMES.contains(&known) => {}
                other => return Err(format!("`{other}` is not known of an answer; known are {}", NAMES.join(", "))),
            }
        }
        body.extend(fields_below(text, "body"));
        Ok(Self { expression, body, headers })
    }

    /// Whether it is true of the answer; an expression that fails on it is not.
    pub(super) fn holds(&self, of: &Evidence<'_>) -> bool {
        let mut body = Value::Object(Map::new());
        for pointer in &self.body {
            place(&mut body, pointer.segments(), (of.field)(pointer).unwrap_or(Value::Null));
        }
        let headers = self.headers.iter().filter(|name| !name.is_empty());
        let headers: Map<String, Value> =
            headers.map(|name| (name.clone(), (of.header)(name).map_or(Value::Null, Value::from))).collect();
        let names = serde_json::json!({
            "status": of.status, "headers": headers, "body": body, "text": of.text.unwrap_or_default(),
        });
        match self.expression.evaluate_with(&names) {
            Ok(Value::Number(number)) => number.as_f64().is_some_and(|number| number.abs() > 0.0),
            Ok(value) => is_meant(&value),
            Err(_) => {
                // Why may repeat what the answer says, and that what was sent.
                tracing::debug!(expression = self.expression.as_str(), "an expression over an answer failed");
                false
            }
        }
    }

    /// The body's fields that it looks at.
    pub(super) fn fields(&self) -> Vec<&Pointer> {
        self.body.iter().collect()
    }
}

impl<'de> Deserialize<'de> for AnswerExpression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for AnswerExpression {
    fn schema_name() -> Cow<'static, str> {
        "AnswerExpression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An expression over `status`, `headers`, fields of `body` and `text`" })
    }
}
