//! Expressions over a record: what filters and added fields compute.
//!
//! A field that a record lacks is no error here, as records lack fields: it is none and false. What is no record, item or setting is an
//! error when the manifest is read.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::{Environment, UndefinedBehavior, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use super::names::names_of;
use super::{ExpressionError, FUEL, functions};

/// Largest value of an expression, as JSON.
const VALUE_BYTES_MAX: usize = 1024 * 1024;
/// What an expression over a record may name.
const NAMES: [&str; 5] = ["record", "item", "index", "settings", "given"];
/// What minijinja knows by itself.
const BUILTINS: [&str; 2] = ["dict", "namespace"];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    functions::add(&mut environment);
    environment
});

/// An expression over a record, compiled once.
#[derive(Clone)]
pub struct RecordExpression {
    text: String,
    compiled: Arc<minijinja::Expression<'static, 'static>>,
    settings: Vec<String>,
    given: Vec<String>,
}

impl RecordExpression {
    /// Compiles `text`, and checks what it names.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::Failed`] with the parser's reason, or the name that is not known.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let failed = |reason: String| ExpressionError::Failed { text: text.to_owned(), reason };
        let compiled =
            ENVIRONMENT.compile_expression_owned(text.to_owned()).map_err(|error| failed(error.to_string()))?;
        let (mut settings, mut given) = (Vec::new(), Vec::new());
        for name in names_of(text, &ENVIRONMENT) {
            let root = name.split('.').next().unwrap_or_default();
            if !NAMES.contains(&root) && !BUILTINS.contains(&root) {
                return Err(failed(format!("`{root}` is not known here; known are `{}`", NAMES.join("`, `"))));
            }
            for (root, names) in [("settings.", &mut settings), ("given.", &mut given)] {
                names.extend(name.strip_prefix(root).map(|rest| rest.split('.').next().unwrap_or(rest).to_owned()));
            }
        }
        Ok(Self { text: text.to_owned(), compiled: Arc::new(compiled), settings, given })
    }

    /// The settings that it names.
    pub fn settings(&self) -> &[String] {
        &self.settings
    }

    /// The values of the request that it names.
    pub fn given(&self) -> &[String] {
        &self.given
    }

    /// The expression as written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The fields of the record that it names, as paths of names.
    pub(crate) fn record_fields(&self) -> Vec<Vec<String>> {
        let names = names_of(&self.text, &ENVIRONMENT);
        let field = |name: &String| Some(name.strip_prefix("record.")?.split('.').map(str::to_owned).collect());
        names.iter().filter_map(field).collect()
    }

    /// The value, in the names of `context`.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::Failed`] for wrong types and spent fuel.
    pub fn evaluate(&self, context: Value) -> Result<Value, ExpressionError> {
        self.compiled.eval(context).map_err(|error| self.failed(error.to_string()))
    }

    /// The value as JSON; what is not there is null.
    ///
    /// # Errors
    ///
    /// As [`RecordExpression::evaluate`], and for a value that is too large.
    pub fn json(&self, context: Value) -> Result<String, ExpressionError> {
        let value = self.evaluate(context)?;
        if value.is_undefined() {
            return Ok("null".to_owned());
        }
        let text = serde_json::to_string(&value).map_err(|error| self.failed(error.to_string()))?;
        if text.len() > VALUE_BYTES_MAX {
            return Err(self.failed(format!("its value is larger than {VALUE_BYTES_MAX} bytes")));
        }
        Ok(text)
    }

    fn failed(&self, reason: String) -> ExpressionError {
        ExpressionError::Failed { text: self.text.clone(), reason }
    }
}

impl fmt::Debug for RecordExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecordExpression").field(&self.text).finish()
    }
}

impl PartialEq for RecordExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RecordExpression {}

impl<'de> Deserialize<'de> for RecordExpression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl JsonSchema for RecordExpression {
    fn schema_name() -> Cow<'static, str> {
        "RecordExpression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An expression over `record`, and over `item` and `index` within a list, e.g. record.status != 'draft'" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str, record: &str) -> Result<String, ExpressionError> {
        let record: Value = serde_json::from_str(record).unwrap();
        RecordExpression::parse(text)?.json(Value::from_pairs([("record", record)]))
    }

    #[test]
    fn rejects_names_functions_and_statements_that_are_not_there() {
        for text in
            ["recrod.a", "config.x", "{% if x %}", "record.a | shell", "now()", "record.a +", "open('/etc/passwd')"]
        {
            let outcome = json(text, "{}");
            assert!(outcome.is_err(), "{text}: {outcome:?}");
        }
        assert!(json("'x' * 2000000", "{}").is_err());
        assert!(json("range(9) | list", "{}").is_err());
        assert!(json("record.a | regex_search('(a{500}){500}')", r#"{"a":"x"}"#).is_err());
    }

    #[test]
    fn missing_fields_are_none_and_results_keep_their_types() {
        for (text, expected) in [
            ("record.a.b.c", "null"),
            ("record.x is defined", "false"),
            ("record.n + 1", "8"),
            ("record.n == 7 and not record.gone", "true"),
            ("record.list | map(attribute='id') | list", "[1,2]"),
            ("record.list | selectattr('id', 'gt', 1) | map(attribute='id') | sum", "2"),
            ("record.s | regex_search('a(.)c')", "\"b\""),
            ("record.s | regex_replace('[a-b]', 'x')", "\"xxc\""),
            ("record.s | regex_match('^z')", "false"),
            ("'1/2/2024' | parse_time('%d/%m/%Y')", "\"2024-02-01T00:00:00Z\""),
            ("'2024-02-01T00:00:00Z' | add_seconds(-1) | strftime('%H:%M')", "\"23:59\""),
            ("record.s | sha256 | length", "64"),
            ("record.s | base64_encode | base64_decode", "\"abc\""),
            ("'[1,2]' | from_json | last", "2"),
            ("'camelCase' | snake", "\"camel_case\""),
        ] {
            let record = r#"{"n":7,"s":"abc","list":[{"id":1},{"id":2}]}"#;
            assert_eq!(json(text, record).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(RecordExpression::parse("record.a == settings.region").unwrap().settings(), ["region"]);
    }
}
