//! What an answer says: a field of the body, a header, a field of the first or last record, or what an expression makes of these.
//!
//! Which fields an expression needs is read off its text, so that they are gathered while the page streams and nothing else is.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{Page, PaginationError};
use crate::decoding::{PageFacts, Pointer};
use crate::expression::Expression;

/// Something that an answer says.
///
/// Written `has_more` or `/paging/next` for a field of the body, `{ header: X-Total }` for a header, `{ first_record: id }` and
/// `{ last_record: id }` for a field of a record, and `{ expression: "count == size and body.next" }` for what must be worked out. An
/// expression knows `body`, `first_record` and `last_record` with the fields it names (null when absent), `headers` by lower-case name,
/// `count` of records on the page, the page's number `page` from 0, `read` records before it, `size` as sent, the `cursor` that asked for it,
/// and under `settings` what the request was made with: settings, the slice, fields of parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A field of the body.
    Body(Pointer),
    /// A header, by lower-case name.
    Header(String),
    /// A field of the first record.
    FirstRecord(Pointer),
    /// A field of the last record.
    LastRecord(Pointer),
    /// What an expression makes of the page.
    Computed(PageExpression),
}

/// An expression over a page, with the fields that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageExpression {
    expression: Expression,
    body: Vec<Pointer>,
    first: Vec<Pointer>,
    last: Vec<Pointer>,
    headers: Vec<String>,
}

/// The names that an expression knows.
const NAMES: [&str; 10] =
    ["body", "first_record", "last_record", "headers", "count", "page", "read", "size", "cursor", "settings"];

impl PageExpression {
    fn parse(text: &str) -> Result<Self, String> {
        let expression = Expression::parse(text).map_err(|error| error.to_string())?;
        let (mut body, mut first, mut last, mut headers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for path in expression.names() {
            let (name, rest) = path.split_once('.').unwrap_or((&path, ""));
            if !NAMES.contains(&name) {
                return Err(format!("`{name}` is not known of a page; known are {}", NAMES.join(", ")));
            }
            let pointer = || pointer_of(rest);
            match name {
                "body" | "first_record" | "last_record" if rest.is_empty() && !fields_below(text, name).is_empty() => {}
                "body" | "first_record" | "last_record" if rest.is_empty() => {
                    return Err(format!("`{name}` is not kept whole: name a field, such as `{name}.id`"));
                }
                "body" => body.push(pointer()),
                "first_record" => first.push(pointer()),
                "last_record" => last.push(pointer()),
                "headers" if !rest.is_empty() => headers.push(rest.to_owned()),
                _ => {}
            }
        }
        body.extend(fields_below(text, "body"));
        first.extend(fields_below(text, "first_record"));
        last.extend(fields_below(text, "last_record"));
        headers.extend(fields_below(text, "headers").iter().filter_map(|header| header.segments().first().cloned()));
        Ok(Self { expression, body, first, last, headers })
    }

    fn facts(&self, facts: PageFacts) -> PageFacts {
        let facts = self.body.iter().fold(facts, PageFacts::body_field);
        let facts = self.first.iter().fold(facts, PageFacts::first_record_field);
        self.last.iter().fold(facts, PageFacts::last_record_field)
    }

    fn value(&self, page: &Page) -> Result<Value, PaginationError> {
        let nest = |pointers: &[Pointer], field: &dyn Fn(&Pointer) -> Option<Value>| {
            let mut whole = Value::Object(Map::new());
            for pointer in pointers {
                place(&mut whole, pointer.segments(), field(pointer).unwrap_or(Value::Null));
            }
            whole
        };
        let names = serde_json::json!({
            "body": nest(&self.body, &|pointer| page.body_field(pointer).cloned()),
            "first_record": nest(&self.first, &|pointer| page.first_record_field(pointer).cloned()),
            "last_record": nest(&self.last, &|pointer| page.last_record_field(pointer).cloned()),
            "headers": page.headers.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect::<Map<_, _>>(),
            "count": page.count(),
            "page": page.number,
            "read": page.read,
            "size": page.size,
            "cursor": page.cursor,
            "settings": page.settings.iter().map(|(name, value)| (name.clone(), value.to_json())).collect::<Map<_, _>>(),
        });
        let computed = self.expression.evaluate_with(&names);
        computed.map_err(|error| PaginationError::Computed { reason: error.to_string() })
    }
}

/// The fields below a name that an expression reads, however they are written: `body.a`, `body['a.b']`.
pub(crate) fn fields_below(text: &str, name: &str) -> Vec<Pointer> {
    static PATHS: std::sync::LazyLock<Option<regex::Regex>> = std::sync::LazyLock::new(|| {
        regex::Regex::new(r"\b(body|first_record|last_record|headers)((?:\.[A-Za-z_]\w*|\['(?:[^'\\]|\\.)*'\])+)").ok()
    });
    static PARTS: std::sync::LazyLock<Option<regex::Regex>> =
        std::sync::LazyLock::new(|| regex::Regex::new(r"\.([A-Za-z_]\w*)|\['((?:[^'\\]|\\.)*)'\]").ok());
    let (Some(paths), Some(parts)) = (&*PATHS, &*PARTS) else { return Vec::new() };
    let mut found = Vec::new();
    for path in paths.captures_iter(text).filter(|path| path.get(1).is_some_and(|root| root.as_str() == name)) {
        let below = path.get(2).map_or("", |below| below.as_str());
        if !below.contains('[') {
            continue;
        }
        let segments = parts.captures_iter(below).filter_map(|part| part.get(1).or_else(|| part.get(2)));
        let segments = segments.map(|part| part.as_str().replace("\\'", "'").replace("\\\\", "\\"));
        let escaped: Vec<String> =
            segments.map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect();
        found.push(Pointer::parse(&escaped.concat()));
    }
    found
}

/// The pointer that a path with dots means.
pub(crate) fn pointer_of(path: &str) -> Pointer {
    let escaped: Vec<_> = path.split('.').map(|part| part.replace('~', "~0").replace('/', "~1")).collect();
    Pointer::parse(&format!("/{}", escaped.join("/")))
}

/// Puts `value` at a path of names below objects; where another value stands in the way, that one stays.
pub(crate) fn place(whole: &mut Value, path: &[String], value: Value) {
    let (Value::Object(fields), Some((name, rest))) = (whole, path.split_first()) else { return };
    if rest.is_empty() {
        fields.insert(name.clone(), value);
        return;
    }
    place(fields.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())), rest, value);
}

impl Seen {
    /// A field of the body, by name or JSON pointer.
    pub fn body(text: &str) -> Self {
        Self::Body(Pointer::parse(text))
    }

    /// `facts` and what this needs of a page.
    pub fn facts(&self, facts: PageFacts) -> PageFacts {
        match self {
            Self::Body(pointer) => facts.body_field(pointer),
            Self::Header(_) => facts,
            Self::FirstRecord(pointer) => facts.first_record_field(pointer),
            Self::LastRecord(pointer) => facts.last_record_field(pointer),
            Self::Computed(expression) => expression.facts(facts),
        }
    }

    /// The fields of the body that it is made of.
    pub fn body_fields(&self) -> Vec<&Pointer> {
        match self {
            Self::Body(pointer) => vec![pointer],
            Self::Computed(expression) => expression.body.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The fields of records that it is made of.
    pub fn record_fields(&self) -> Vec<&Pointer> {
        match self {
            Self::FirstRecord(pointer) | Self::LastRecord(pointer) => vec![pointer],
            Self::Computed(expression) => expression.first.iter().chain(&expression.last).collect(),
            _ => Vec::new(),
        }
    }

    /// The headers that it is made of, by lower-case name.
    pub(crate) fn headers(&self) -> Vec<&str> {
        match self {
            Self::Header(name) => vec![name],
            Self::Computed(expression) => expression.headers.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Its expression, where it is worked out.
    pub(crate) fn expression(&self) -> Option<&str> {
        if let Self::Computed(expression) = self { Some(expression.expression.as_str()) } else { None }
    }

    /// Whether it stands in a record, so that an empty page does not say it.
    pub fn is_of_record(&self) -> bool {
        match self {
            Self::FirstRecord(_) | Self::LastRecord(_) => true,
            Self::Computed(expression) => !expression.first.is_empty() || !expression.last.is_empty(),
            Self::Body(_) | Self::Header(_) => false,
        }
    }

    /// Whether the first record says it.
    pub(crate) fn is_of_first_record(&self) -> bool {
        match self {
            Self::FirstRecord(_) => true,
            Self::Computed(expression) => !expression.first.is_empty() && expression.last.is_empty(),
            Self::Body(_) | Self::Header(_) | Self::LastRecord(_) => false,
        }
    }

    /// What the page says; `None` when it says nothing, or null.
    ///
    /// # Errors
    ///
    /// [`PaginationError::Computed`] when an expression fails on the page.
    pub fn value(&self, page: &Page) -> Result<Option<Value>, PaginationError> {
        Ok(match self {
            Self::Body(pointer) => page.body_field(pointer).cloned(),
            Self::Header(name) => page.header(name).map(Value::from),
            Self::FirstRecord(pointer) => page.first_record_field(pointer).cloned(),
            Self::LastRecord(pointer) => page.last_record_field(pointer).cloned(),
            Self::Computed(expression) => Some(expression.value(page)?).filter(|value| !value.is_null()),
        })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(pointer) => write!(f, "{pointer}"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::FirstRecord(pointer) => write!(f, "{pointer} of the first record"),
            Self::LastRecord(pointer) => write!(f, "{pointer} of the last record"),
            Self::Computed(expression) => f.write_str(expression.expression.as_str()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Elsewhere {
    Header(String),
    FirstRecord(Pointer),
    LastRecord(Pointer),
    Expression(String),
}

struct SeenVisitor;

impl<'de> Visitor<'de> for SeenVisitor {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a field of the body, `{ header: … }`, `{ first_record: … }`, `{ last_record: … }` or `{ expression: … }`",
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Seen, E> {
        let deserializer = serde::de::value::StrDeserializer::<E>::new(text);
        Pointer::deserialize(deserializer).map(Seen::Body)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Seen, A::Error> {
        Ok(match Elsewhere::deserialize(MapAccessDeserializer::new(map))? {
            Elsewhere::Header(name) => Seen::Header(name.to_ascii_lowercase()),
            Elsewhere::FirstRecord(pointer) => Seen::FirstRecord(pointer),
            Elsewhere::LastRecord(pointer) => Seen::LastRecord(pointer),
            Elsewhere::Expression(text) => Seen::Computed(PageExpression::parse(&text).map_err(A::Error::custom)?),
        })
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeenVisitor)
    }
}

impl JsonSchema for Seen {
    fn schema_name() -> Cow<'static, str> {
        "Seen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = |key: &str| {
            serde_json::json!({ "type": "object", "additionalProperties": false, "required": [key],
                "properties": { key: { "type": "string" } } })
        };
        json_schema!({
            "description": "What an answer says: a field of the body, a header, a field of the first or last record, or an expression over these",
            "anyOf": [{ "type": "string" }, one("header"), one("first_record"), one("last_record"), one("expression")]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(yaml: &str) -> Result<Seen, crate::manifest::yaml::YamlError> {
        crate::manifest::yaml::from_str(yaml)
    }

    fn page(seen: &Seen, body: &str) -> Page {
        let mut page = Page::gather(Some("c1"), &seen.facts(PageFacts::new()), "/rows", body.as_bytes()).unwrap();
        page.headers.push(("x-total".into(), "3".into()));
        page.size = Some(2);
        page
    }

    #[test]
    fn refuses_what_an_expression_cannot_know() {
        for yaml in [
            "{ expression: 'token' }",
            "{ expression: 'body' }",
            "{ expression: 'last_record == 3' }",
            "{ expression: '1 +' }",
            "{ cookie: x }",
            "{ header: a, last_record: b }",
            "'/a~2'",
        ] {
            assert!(seen(yaml).is_err(), "{yaml}");
        }
    }

    #[test]
    fn reads_each_place_of_an_answer_and_nothing_where_nothing_is() {
        let body = r#"{"meta":{"next":"n1","gone":null},"rows":[{"id":1},{"id":2,"at":{"s":5}}]}"#;
        for (yaml, expected) in [
            ("/meta/next", Some(Value::from("n1"))),
            ("/meta/gone", None),
            ("nowhere", None),
            ("{ header: X-Total }", Some(Value::from("3"))),
            ("{ header: X-Other }", None),
            ("{ first_record: id }", Some(Value::from(1))),
            ("{ last_record: /at/s }", Some(Value::from(5))),
            ("{ last_record: /at/t }", None),
            ("{ expression: 'body.meta.next ~ last_record.at.s' }", Some(Value::from("n15"))),
            ("{ expression: 'body.meta.gone is none and body.meta.other is none' }", Some(Value::from(true))),
            ("{ expression: \"count == size and headers['x-total'] | int > count\" }", Some(Value::from(true))),
            ("{ expression: 'cursor' }", Some(Value::from("c1"))),
            ("{ expression: 'body.meta.gone' }", None),
        ] {
            let seen = seen(yaml).unwrap();
            assert_eq!(seen.value(&page(&seen, body)), Ok(expected), "{yaml}");
        }
        let failing = seen("{ expression: 'count + body.meta.gone' }").unwrap();
        assert!(matches!(failing.value(&page(&failing, body)), Err(PaginationError::Computed { .. })));
    }

    #[test]
    fn an_empty_page_says_nothing_of_records() {
        for (yaml, is_of_record) in
            [("next", false), ("{ last_record: id }", true), ("{ expression: 'last_record.id' }", true)]
        {
            let seen = seen(yaml).unwrap();
            assert_eq!(seen.is_of_record(), is_of_record, "{yaml}");
            assert_eq!(seen.value(&page(&seen, r#"{"rows":[]}"#)), Ok(None), "{yaml}");
        }
    }
}
