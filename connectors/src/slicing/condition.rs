//! A claim that a manifest makes about settings, slices and parents' fields: what it is false for is left out.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use crate::expression::{Expression, ExpressionError, Scope};

/// An expression that is true or false, e.g. `comments > 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(Expression);

impl Condition {
    /// The expression as written.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is true; `false`, null, 0 and empty texts and lists are not.
    ///
    /// # Errors
    ///
    /// As [`Expression::evaluate`].
    pub fn holds(&self, scope: &Scope) -> Result<bool, ExpressionError> {
        Ok(match self.0.evaluate(scope)? {
            Value::Null => false,
            Value::Bool(flag) => flag,
            Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() > 0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
        })
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Expression::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for Condition {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An expression that is true or false, e.g. `comments > 0`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Scalar;

    #[test]
    fn holds_for_what_is_true_and_fails_for_what_is_unknown() {
        let scope = Scope::from([
            ("comments".to_owned(), Scalar::Integer(3)),
            ("region".to_owned(), Scalar::Text(String::new())),
        ]);
        let holds = |text: &str| serde_json::from_value::<Condition>(text.into()).unwrap().holds(&scope);
        assert!(holds("unknown > 3").is_err());
        for text in ["comments > 3", "region", "0", "none", "unknown is defined"] {
            assert_eq!(holds(text), Ok(false), "{text}");
        }
        for text in ["comments", "comments > 2 and not region", "'x'", "1.5"] {
            assert_eq!(holds(text), Ok(true), "{text}");
        }
        assert!(serde_json::from_value::<Condition>("{% if x %}".into()).is_err());
    }
}
