//! The parts of a request while values are laid over one another: what the manifest says, then the page size, the window, the page.
//!
//! A value that replaces another one stays in its place, because some APIs sign or check the order of parameters.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::query;
use crate::error::Fault;
use crate::expression::{Scope, Template, fill_json, without_nulls};
use crate::manifest::{BodyManifest, QueryManifest};

/// Names and values that go into the query, and by JSON pointer into the body.
#[derive(Debug, Default)]
pub(super) struct Parts {
    query: Vec<(String, Value)>,
    body: Option<Body>,
}

#[derive(Debug)]
enum Body {
    Json(Value),
    Form(Vec<(String, Value)>),
    Text { content_type: String, text: String },
}

/// A content type and the bytes of a body.
pub(super) type Content = (Cow<'static, str>, Bytes);

impl Parts {
    /// The body that the manifest says, with its placeholders filled in.
    pub(super) fn new(body: Option<&BodyManifest>, scope: &Scope) -> Result<Self, Fault> {
        let body = match body {
            None => None,
            Some(BodyManifest::Json(json)) => Some(Body::Json(fill_json(json, scope)?)),
            Some(BodyManifest::Form(fields)) => {
                let mut form = Vec::new();
                for (name, value) in fields.iter() {
                    replace(&mut form, name, value.value(scope)?);
                }
                Some(Body::Form(form))
            }
            Some(BodyManifest::Text(text)) => {
                let content_type = text.content_type.clone().unwrap_or_else(|| "text/plain".to_owned());
                Some(Body::Text { content_type, text: text.content.text(scope)?.unwrap_or_default() })
            }
            Some(BodyManifest::Graphql(graphql)) => {
                let mut json = serde_json::Map::new();
                json.insert("query".to_owned(), Value::String(graphql.query_with(scope)));
                let variables = graphql.variables.as_ref().map(|variables| fill_json(variables, scope)).transpose()?;
                json.insert("variables".to_owned(), variables.unwrap_or_else(|| Value::Object(serde_json::Map::new())));
                Some(Body::Json(Value::Object(json)))
            }
            Some(BodyManifest::Computed(expression)) => Some(Body::Json(without_nulls(expression.evaluate(scope)?))),
        };
        Ok(Self { query: Vec::new(), body })
    }

    /// Sets a query parameter, or by JSON pointer a value in the body; in a form `/name` is the field `name`.
    pub(super) fn set(&mut self, param: &str, value: Value) -> Result<(), Fault> {
        let nowhere = || Fault::Internal { facts: format!("`{param}` leads nowhere in the body") };
        if !param.starts_with('/') {
            replace(&mut self.query, param, value);
            return Ok(());
        }
        match self.body.get_or_insert_with(|| Body::Json(Value::Object(serde_json::Map::new()))) {
            Body::Json(json) => put(json, param, value).ok_or_else(nowhere),
            Body::Form(form) => {
                replace(form, param.trim_start_matches('/'), value);
                Ok(())
            }
            Body::Text { .. } => Err(nowhere()),
        }
    }

    /// The name and value of one parameter of the manifest.
    pub(super) fn set_named(&mut self, name: &str, value: Value, scope: &Scope) -> Result<(), Fault> {
        let name = Template::parse(name)?.fill(scope)?;
        self.set(&name, value)
    }

    /// Leaves out the query parameters that are not kept.
    pub(super) fn keep_query(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.query.retain(|(name, _)| is_kept(name));
    }

    /// Writes the query into the URL and gives the body.
    pub(super) fn finish(self, url: &mut Url, style: &QueryManifest) -> Option<Content> {
        let query = query::encode(&self.query, style);
        if !query.is_empty() {
            let before = url.query().filter(|before| !before.is_empty());
            let whole = before.map_or(query.clone(), |before| format!("{before}&{query}"));
            url.set_query(Some(&whole));
        }
        match self.body? {
            Body::Json(json) => Some((Cow::Borrowed("application/json"), Bytes::from(json.to_string()))),
            Body::Form(form) => {
                let form = query::encode(&form, &QueryManifest { keep: None, ..style.clone() });
                Some((Cow::Borrowed("application/x-www-form-urlencoded"), Bytes::from(form)))
            }
            Body::Text { content_type, text } => Some((Cow::Owned(content_type), Bytes::from(text))),
        }
    }
}

/// Puts a value in place of the one of this name, or at the end; null leaves everything as it is.
fn replace(pairs: &mut Vec<(String, Value)>, name: &str, value: Value) {
    if value.is_null() {
        return;
    }
    match pairs.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => pairs.push((name.to_owned(), value)),
    }
}

/// Sets the value at a JSON pointer; a text or number that stands there already decides the type, and objects are laid over each other.
fn put(body: &mut Value, pointer: &str, value: Value) -> Option<()> {
    let (above, last) = pointer.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    if !above.is_empty() && body.pointer(above).is_none() {
        put(body, above, Value::Object(serde_json::Map::new()))?;
    }
    let holder = body.pointer_mut(above)?;
    let slot = match holder {
        Value::Object(fields) => fields.entry(last).or_insert(Value::Null),
        Value::Array(items) => items.get_mut(last.parse::<usize>().ok()?)?,
        _ => return None,
    };
    lay(slot, value);
    Some(())
}

fn lay(slot: &mut Value, value: Value) {
    match (&mut *slot, value) {
        (Value::Object(fields), Value::Object(above)) => {
            for (name, value) in above {
                lay(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::String(_), Value::Number(number)) => *slot = Value::String(number.to_string()),
        (Value::Number(_), Value::String(text)) => {
            *slot = text.parse::<i64>().map_or(Value::String(text), Value::from);
        }
        (_, value) => *slot = value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_pointer_that_leads_through_a_value_sets_nothing() {
        for pointer in ["/a/b", "/list/7", "/list/x"] {
            assert_eq!(put(&mut json!({ "a": 1, "list": [1] }), pointer, json!(2)), None, "{pointer}");
        }
    }

    #[test]
    fn a_value_in_the_body_takes_the_type_that_stands_there() {
        let mut body = json!({ "filters": [{ "value": "" }], "page": 1, "paging": { "limit": 5 } });
        put(&mut body, "/filters/0/value", json!(1_700_000_000_000_i64)).unwrap();
        put(&mut body, "/page", json!("2")).unwrap();
        put(&mut body, "/paging/after", json!("x")).unwrap();
        put(&mut body, "/paging", json!({ "limit": 10 })).unwrap();
        let expected = json!({
            "filters": [{ "value": "1700000000000" }], "page": 2, "paging": { "limit": 10, "after": "x" }
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn what_replaces_a_value_stays_in_its_place() {
        let mut parts = Parts::default();
        for (name, value) in [("a", json!(1)), ("b", json!(2)), ("a", json!(3)), ("c", Value::Null)] {
            parts.set(name, value).unwrap();
        }
        let mut url = Url::parse("https://x.com/p").unwrap();
        assert_eq!(parts.finish(&mut url, &QueryManifest::default()), None);
        assert_eq!(url.as_str(), "https://x.com/p?a=3&b=2");
    }

    #[test]
    fn a_pointer_into_a_form_is_a_field_of_it() {
        let form: BodyManifest = crate::manifest::yaml::from_str("form: { kind: a b, page: 1 }").unwrap();
        let mut parts = Parts::new(Some(&form), &Scope::new()).unwrap();
        parts.set("/page", json!("2")).unwrap();
        let content = parts.finish(&mut Url::parse("https://x.com").unwrap(), &QueryManifest::default()).unwrap();
        assert_eq!(content, ("application/x-www-form-urlencoded".into(), Bytes::from_static(b"kind=a+b&page=2")));
    }
}
