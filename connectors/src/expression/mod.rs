//! Values that a manifest computes: placeholders in texts, and expressions where a value must be worked out.
//!
//! An expression is minijinja's, with typed results, strict about unknown names, on a budget of fuel; there are no loops and no includes in
//! it. Secrets are never in scope: only `auth` sends them.

mod functions;
mod md5;
mod names;
mod python;
mod record;
mod scalar;
mod template;

pub(crate) use functions::{regex, snake};
pub(crate) use python::literal_of as literal;
pub(crate) use python::text as python_text;
pub use record::RecordExpression;
pub use scalar::{Scalar, Scope};
pub use template::Template;

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use thiserror::Error as ThisError;

use scalar::ScalarVisitor;

/// Why a value could not be computed.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum ExpressionError {
    /// A brace has no partner, or its content is no name.
    #[error("`{text}` has a placeholder that is not `{{name}}` or `{{+name}}`")]
    BadPlaceholder {
        /// The template.
        text: String,
    },
    /// A placeholder names nothing in scope.
    #[error("`{{{name}}}` in `{text}` is not known here; known are {known}")]
    UnknownName {
        /// The template.
        text: String,
        /// The name in braces.
        name: String,
        /// What is in scope.
        known: String,
    },
    /// The value would change the path's structure.
    #[error("the value of `{{{name}}}` in `{text}` would leave its place in the path")]
    LeavesPath {
        /// The template.
        text: String,
        /// The name in braces.
        name: String,
    },
    /// The expression does not parse, or failed on its values.
    #[error("expression `{text}` failed: {reason}")]
    Failed {
        /// The expression.
        text: String,
        /// What the evaluator said.
        reason: String,
    },
}

/// An expression that computes one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression(String);

/// Steps that one evaluation may take; a sane expression needs some tens.
const FUEL: u64 = 10_000;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    functions::add(&mut environment);
    environment
});

impl Expression {
    /// Checks that `text` parses.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::Failed`] with the parser's reason.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        match ENVIRONMENT.compile_expression(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(ExpressionError::Failed { text: text.to_owned(), reason: error.to_string() }),
        }
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names that it uses, with the fields after them: `body.meta.next`, sorted.
    pub fn names(&self) -> Vec<String> {
        names::names_of(&self.0, &ENVIRONMENT)
    }

    /// Computes the value.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::Failed`] for unknown names, wrong types and spent fuel.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, ExpressionError> {
        let names: serde_json::Map<String, Value> =
            scope.iter().map(|(name, value)| (name.clone(), value.to_json())).collect();
        self.evaluate_with(&Value::Object(names))
    }

    /// Computes the value over an object of names.
    ///
    /// # Errors
    ///
    /// As [`Expression::evaluate`].
    pub fn evaluate_with(&self, names: &Value) -> Result<Value, ExpressionError> {
        let failed = |reason: String| ExpressionError::Failed { text: self.0.clone(), reason };
        let expression = ENVIRONMENT.compile_expression(&self.0).map_err(|error| failed(error.to_string()))?;
        let value = expression.eval(minijinja::value::Serde(names)).map_err(|error| failed(error.to_string()))?;
        if value.is_undefined() {
            return Err(failed("it has no value".to_owned()));
        }
        serde_json::to_value(&value).map_err(|error| failed(error.to_string()))
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl JsonSchema for Expression {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An expression, e.g. from | unix_seconds" })
    }
}

/// A value of a parameter, header or body: written out, or computed.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueManifest {
    /// A number or boolean.
    Plain(Scalar),
    /// Text with placeholders.
    Text(Template),
    /// `{ expression: … }`.
    Computed(Expression),
    /// A list of these; parts that are null are left out.
    List(Vec<Self>),
}

impl ValueManifest {
    /// The value with its type.
    ///
    /// # Errors
    ///
    /// As [`Template::value`] and [`Expression::evaluate`].
    pub fn value(&self, scope: &Scope) -> Result<Value, ExpressionError> {
        match self {
            Self::Plain(scalar) => Ok(scalar.to_json()),
            Self::Text(template) => template.value(scope),
            Self::Computed(expression) => expression.evaluate(scope),
            Self::List(items) => {
                let values = items.iter().map(|item| item.value(scope)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::Array(values.into_iter().filter(|value| !value.is_null()).collect()))
            }
        }
    }

    /// The value as text, a list with commas; `None` for null, which leaves the parameter out.
    ///
    /// # Errors
    ///
    /// As [`ValueManifest::value`].
    pub fn text(&self, scope: &Scope) -> Result<Option<String>, ExpressionError> {
        Ok(match self.value(scope)? {
            Value::Null => None,
            Value::Array(items) => {
                let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                Some(items.iter().map(text).collect::<Vec<_>>().join(","))
            }
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        })
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
struct Computed {
    expression: String,
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = ValueManifest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a boolean, a list of these, or `{ expression: … }`")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<ValueManifest, E> {
        ScalarVisitor.visit_bool(flag).map(ValueManifest::Plain)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<ValueManifest, E> {
        ScalarVisitor.visit_i64(number).map(ValueManifest::Plain)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<ValueManifest, E> {
        ScalarVisitor.visit_u64(number).map(ValueManifest::Plain)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<ValueManifest, E> {
        ScalarVisitor.visit_f64(number).map(ValueManifest::Plain)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ValueManifest, E> {
        Template::parse(text).map(ValueManifest::Text).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ValueManifest, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(ValueManifest::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ValueManifest, A::Error> {
        let computed = Computed::deserialize(MapAccessDeserializer::new(map))?;
        Expression::parse(&computed.expression).map(ValueManifest::Computed).map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ValueManifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl JsonSchema for ValueManifest {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": ["string", "number", "boolean", "array"] },
            { "type": "object", "additionalProperties": false, "required": ["expression"],
              "properties": { "expression": { "type": "string" } } },
        ] })
    }
}

/// The value of an expression that names nothing.
pub(crate) fn literal_json(text: &str) -> Option<Value> {
    let expression = Expression::parse(text).ok()?;
    if !expression.names().is_empty() {
        return None;
    }
    expression.evaluate_with(&Value::Object(serde_json::Map::new())).ok()
}

/// The value without the fields of its objects that are null.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, field)| !field.is_null());
            Value::Object(kept.map(|(name, field)| (name, without_nulls(field))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        plain => plain,
    }
}

/// Fills in the placeholders of every text in a JSON value; a text that is one placeholder keeps the value's type.
///
/// # Errors
///
/// As [`Template::value`].
pub fn fill_json(value: &Value, scope: &Scope) -> Result<Value, ExpressionError> {
    Ok(match value {
        Value::String(text) => Template::parse(text)?.value(scope)?,
        Value::Array(items) => Value::Array(items.iter().map(|item| fill_json(item, scope)).collect::<Result<_, _>>()?),
        Value::Object(fields) => {
            let filled = fields.iter().map(|(name, field)| Ok((name.clone(), fill_json(field, scope)?)));
            Value::Object(filled.collect::<Result<_, ExpressionError>>()?)
        }
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let text = |text: &str| Scalar::Text(text.to_owned());
        [
            ("repository", text("rust-lang/rust")),
            ("table", text("a b/ü")),
            ("up", text("..")),
            ("from", text("2024-03-01T00:00:00Z")),
            ("size", Scalar::Integer(5)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    #[test]
    fn rejects_braces_that_hold_no_name() {
        for text in ["{", "}", "{}", "{a b}", "a}b{c}", "{a", "{+}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rejects_values_that_would_leave_the_path() {
        for text in ["/x/{up}", "/x/{+up}", "/x/{unknown}"] {
            assert!(Template::parse(text).unwrap().fill_path(&scope()).is_err(), "{text}");
        }
    }

    #[test]
    fn encodes_a_segment_and_keeps_slashes_only_where_asked() {
        let path = |text: &str| Template::parse(text).unwrap().fill_path(&scope()).unwrap();
        assert_eq!(path("/repos/{+repository}/issues"), "/repos/rust-lang/rust/issues");
        assert_eq!(path("/repos/{repository}"), "/repos/rust-lang%2Frust");
        assert_eq!(path("/{table}.json"), "/a%20b%2F%C3%BC.json");
    }

    #[test]
    fn a_part_of_an_address_keeps_its_signs_and_escapes() {
        let path = |value: &str| {
            let scope = [("x".to_owned(), Scalar::Text(value.to_owned()))].into_iter().collect();
            Template::parse("/a{*x}/b").unwrap().fill_path(&scope).ok()
        };
        for (value, expected) in [
            ("", Some("/a/b")),
            ("/v2:run", Some("/a/v2:run/b")),
            ("%2Fx", Some("/a%2Fx/b")),
            ("5% of", Some("/a5%25%20of/b")),
            ("?y#z", Some("/a%3Fy%23z/b")),
            ("/../x", None),
            ("/%2e%2E/x", None),
            ("/.%2E", None),
            ("/%2e", None),
            ("/%2e%2ex", Some("/a/%2e%2ex/b")),
        ] {
            assert_eq!(path(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn an_expression_is_typed_strict_and_bounded() {
        let value = |text: &str| Expression::parse(text).unwrap().evaluate(&scope());
        assert_eq!(value("from | unix_seconds"), Ok(Value::from(1_709_251_200)));
        assert_eq!(value("size + 1"), Ok(Value::from(6)));
        assert_eq!(value(r#""a'b\\c" | quote_backslash"#), Ok(Value::from(r"'a\'b\\c'")));
        assert_eq!(value(r#""a'b" | quote_doubled"#), Ok(Value::from("'a''b'")));
        assert_eq!(value("'x' if size > 3 else 'y'"), Ok(Value::from("x")));
        assert!(value("unknown").is_err());
        assert!(value("from | strftime").is_err());
        assert!(Expression::parse("{% for x in y %}").is_err());
    }

    #[test]
    fn a_body_keeps_the_types_of_whole_placeholders() {
        let body = serde_json::json!({ "limit": "{size}", "note": "at most {size}", "deep": [{ "from": "{from}" }] });
        let filled =
            serde_json::json!({ "limit": 5, "note": "at most 5", "deep": [{ "from": "2024-03-01T00:00:00Z" }] });
        assert_eq!(fill_json(&body, &scope()), Ok(filled));
    }
}
