//! What an answer must look like for a rule to speak of it.
//!
//! A closed set of tests instead of an expression: a test can say which fields of a body it needs, so it works on bodies that stream by.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::Value;

use super::Pattern;
use super::expression::AnswerExpression;
use crate::decoding::Pointer;
use crate::expression::Scalar;
use crate::manifest::OneOrMany;

/// What is known of an answer when rules are asked about it.
pub(crate) struct Evidence<'a> {
    /// HTTP status.
    pub(crate) status: u16,
    /// A response header's value by its name.
    pub(crate) header: &'a dyn Fn(&str) -> Option<String>,
    /// A field of the body.
    pub(crate) field: &'a dyn Fn(&Pointer) -> Option<Value>,
    /// The beginning of a refusal's text, or of a body that is not what `decoding` says.
    pub(crate) text: Option<&'a str>,
}

/// A test of one answer.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The status is one of these: `404`, `4xx`, `[429, 5xx]`.
    Status(OneOrMany<StatusTest>),
    /// A response header.
    Header(HeaderTest),
    /// A field of a JSON body, also of an answer with a good status.
    Field(FieldTest),
    /// A regular expression found in the text of a refusal, or of a body that is not what `decoding` says.
    Message(Pattern),
    /// An expression over the answer, e.g. `status == 400 and 'expired' in body.error`: `status`, `headers` by lower-case name, fields of
    /// `body` (null when absent), and the `text` of a refusal.
    Expression(AnswerExpression),
    /// Every one of these.
    All(Vec<Condition>),
    /// At least one of these.
    Any(Vec<Condition>),
    /// The contrary.
    Not(Box<Condition>),
}

/// A status, or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusTest {
    /// This status.
    Code(u16),
    /// All statuses of a class: 4 for `4xx`.
    Class(u16),
}

/// A test of a response header; without `is` and `matches` the header must be there.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderTest {
    /// Its name, in any case.
    pub name: String,
    /// Its value is one of these.
    #[serde(default)]
    pub is: Option<OneOrMany<Scalar>>,
    /// Its value matches.
    #[serde(default)]
    pub matches: Option<Pattern>,
}

/// A test of a body's field. Without any test the field must mean something: it is not absent, null, false, `""`, `[]` or `{}`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldTest {
    /// Where it stands.
    pub at: Pointer,
    /// Its value is one of these; a number and its digits as text are the same.
    #[serde(default)]
    pub is: Option<OneOrMany<Scalar>>,
    /// Its text matches.
    #[serde(default)]
    pub matches: Option<Pattern>,
    /// It is a number above this.
    #[serde(default)]
    pub above: Option<f64>,
    /// It is a number below this.
    #[serde(default)]
    pub below: Option<f64>,
}

impl Condition {
    /// Whether the answer passes the test.
    pub(crate) fn holds(&self, of: &Evidence<'_>) -> bool {
        match self {
            Self::Status(tests) => tests.iter().any(|test| test.holds(of.status)),
            Self::Header(test) => (of.header)(&test.name).is_some_and(|value| test.holds(&value)),
            Self::Field(test) => test.holds((of.field)(&test.at).as_ref()),
            Self::Message(pattern) => of.text.is_some_and(|text| pattern.is_in(text)),
            Self::Expression(expression) => expression.holds(of),
            Self::All(tests) => tests.iter().all(|test| test.holds(of)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(of)),
            Self::Not(test) => !test.holds(of),
        }
    }

    /// Whether an answer with a good status could pass it.
    pub(crate) fn may_be_good(&self) -> bool {
        match self {
            Self::Status(tests) => tests.iter().any(|test| test.may_be_good()),
            Self::All(tests) => tests.iter().all(Self::may_be_good),
            Self::Any(tests) => tests.iter().any(Self::may_be_good),
            Self::Header(_) | Self::Field(_) | Self::Message(_) | Self::Expression(_) | Self::Not(_) => true,
        }
    }

    /// The body's fields that it looks at.
    pub(crate) fn fields(&self) -> Vec<&Pointer> {
        match self {
            Self::Field(test) => vec![&test.at],
            Self::All(tests) | Self::Any(tests) => tests.iter().flat_map(Self::fields).collect(),
            Self::Not(test) => test.fields(),
            Self::Expression(expression) => expression.fields(),
            Self::Status(_) | Self::Header(_) | Self::Message(_) => Vec::new(),
        }
    }
}

impl StatusTest {
    fn holds(self, status: u16) -> bool {
        match self {
            Self::Code(code) => status == code,
            Self::Class(class) => status / 100 == class,
        }
    }

    fn may_be_good(self) -> bool {
        matches!(self, Self::Class(2) | Self::Code(200..=299))
    }
}

impl HeaderTest {
    fn holds(&self, value: &str) -> bool {
        self.is.as_ref().is_none_or(|is| is.iter().any(|one| one.to_string() == value.trim()))
            && self.matches.as_ref().is_none_or(|pattern| pattern.is_in(value))
    }
}

impl FieldTest {
    fn holds(&self, field: Option<&Value>) -> bool {
        let is_bare = self.is.is_none() && self.matches.is_none() && self.above.is_none() && self.below.is_none();
        let Some(field) = field else { return false };
        if is_bare {
            return is_meant(field);
        }
        let text = text_of(field);
        let number = field.as_f64().or_else(|| text.parse().ok());
        self.is.as_ref().is_none_or(|is| is.iter().any(|one| one.to_string() == text))
            && self.matches.as_ref().is_none_or(|pattern| pattern.is_in(&text))
            && self.above.is_none_or(|bound| number.is_some_and(|number| number > bound))
            && self.below.is_none_or(|bound| number.is_some_and(|number| number < bound))
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a field that stands for an error means one.
pub(crate) fn is_meant(field: &Value) -> bool {
    match field {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = StatusTest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status from 100 to 599, or a class such as `4xx`")
    }

    fn visit_u64<E: Error>(self, code: u64) -> Result<StatusTest, E> {
        match u16::try_from(code) {
            Ok(code @ 100..=599) => Ok(StatusTest::Code(code)),
            _ => Err(E::custom(format!("`{code}` is no status: write 100 to 599, or a class such as `4xx`"))),
        }
    }

    fn visit_i64<E: Error>(self, code: i64) -> Result<StatusTest, E> {
        self.visit_u64(u64::try_from(code).unwrap_or_default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StatusTest, E> {
        match text.strip_suffix("xx").map(str::parse) {
            Some(Ok(class @ 1..=5)) => Ok(StatusTest::Class(class)),
            _ => self.visit_u64(text.parse().unwrap_or_default()),
        }
    }
}

impl<'de> Deserialize<'de> for StatusTest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

impl JsonSchema for StatusTest {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^[1-5]xx$" },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(yaml: &str) -> Condition {
        crate::manifest::yaml::from_str(yaml).unwrap_or_else(|error| panic!("{error}"))
    }

    fn holds(yaml: &str, status: u16, body: &Value) -> bool {
        let text = body.to_string();
        condition(yaml).holds(&Evidence {
            status,
            header: &|name| (name.eq_ignore_ascii_case("x-left")).then(|| "0".to_owned()),
            field: &|pointer| pointer.find(body).cloned(),
            text: Some(&text),
        })
    }

    #[test]
    fn refuses_what_is_no_status() {
        for text in ["status: 42", "status: 6xx", "status: often", "status: [200, -1]", "stat: 4"] {
            assert!(crate::manifest::yaml::from_str::<Condition>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_test_that_does_not_fit_does_not_hold() {
        let body = json!({ "ok": true, "error": "", "code": 3, "list": [], "text": "Rate exceeded" });
        for yaml in [
            "status: [404, 5xx]",
            "header: { name: X-Right }",
            "header: { name: X-Left, is: 1 }",
            "field: { at: /none }",
            "field: { at: /error }",
            "field: { at: /list }",
            "field: { at: /ok, is: false }",
            "field: { at: /code, is: [1, 2] }",
            "field: { at: /code, above: 3 }",
            "field: { at: /text, below: 3 }",
            "message: quota",
            "all: [{ status: 403 }, { message: quota }]",
            "any: [{ status: 404 }, { field: { at: /none } }]",
            "not: { status: 4xx }",
        ] {
            assert!(!holds(yaml, 403, &body), "{yaml}");
        }
    }

    #[test]
    fn each_test_holds_where_it_should() {
        let body = json!({ "ok": false, "code": "3", "errors": [{ "reason": "userRateLimitExceeded" }] });
        for yaml in [
            "status: 403",
            "status: [4xx]",
            "header: { name: x-left, is: 0, matches: '^0$' }",
            "field: { at: /ok, is: false }",
            "field: { at: /code, is: 3 }",
            "field: { at: /code, above: 2, below: 4 }",
            "field: { at: /errors/0/reason, matches: RateLimit }",
            "message: '(?i)ratelimit'",
            "all: [{ status: 4xx }, { not: { status: 404 } }]",
            "any: [{ status: 500 }, { field: { at: /errors } }]",
        ] {
            assert!(holds(yaml, 403, &body), "{yaml}");
        }
    }

    #[test]
    fn knows_which_fields_a_good_answer_must_show() {
        assert!(!condition("all: [{ status: 4xx }, { field: { at: /code } }]").may_be_good());
        let either = condition("any: [{ status: 4xx }, { field: { at: /code } }]");
        assert!(either.may_be_good());
        assert_eq!(either.fields(), [&Pointer::parse("/code")]);
    }
}
