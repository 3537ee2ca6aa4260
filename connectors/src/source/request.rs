//! Builds the requests of a reading: path, parameters, body, window bounds, page.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use super::Inner;
use crate::error::Fault;
use crate::expression::{Scalar, Scope, fill_json};
use crate::manifest::{BodyManifest, Method};
use crate::stream::Stream;
use crate::transport::Request;
use crate::windowing::write_instant;

/// What distinguishes one request of a reading from the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Bounds as they are sent.
    pub(super) bounds: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// One parameter that pagination or the chain's token sets.
    pub(super) param: Option<(String, String)>,
    /// The URL that the server gave; everything else is in it already.
    pub(super) url: Option<Url>,
}

/// Names and values that go into the query, or by JSON pointer into the body.
struct Parts {
    query: Vec<(String, String)>,
    body: Option<Value>,
}

impl Parts {
    fn set(&mut self, param: &str, value: Value) -> Result<(), Fault> {
        if param.starts_with('/') {
            let body = self.body.get_or_insert_with(|| Value::Object(serde_json::Map::new()));
            return put(body, param, value)
                .ok_or_else(|| Fault::Internal { facts: format!("`{param}` leads nowhere in the body") });
        }
        let text = match value {
            Value::Null => return Ok(()),
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.query.retain(|(name, _)| name != param);
        self.query.push((param.to_owned(), text));
        Ok(())
    }
}

/// Sets the value at a JSON pointer; a text or number that stands there already decides the type.
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
    *slot = match (&*slot, value) {
        (Value::String(_), Value::Number(number)) => Value::String(number.to_string()),
        (Value::Number(_), Value::String(text)) => text.parse::<i64>().map_or(Value::String(text), Value::from),
        (_, value) => value,
    };
    Some(())
}

/// The request of one turn.
pub(super) fn build(inner: &Inner, stream: &Stream, scope: &Scope, turn: &Turn) -> Result<Request, Fault> {
    let plan = &stream.request;
    let mut scope = scope.clone();
    scope.extend(plan.with.clone());
    if let Some(window) = &stream.window {
        scope.insert("field".to_owned(), Scalar::Text(window.policy.field.clone()));
    }
    if let Some((from, until)) = turn.bounds {
        scope.insert("from".to_owned(), Scalar::Text(from.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()));
        scope.insert("until".to_owned(), Scalar::Text(until.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()));
    }
    let headers = headers(inner, stream, &scope)?;
    if let Some(url) = &turn.url {
        return Ok(Request { method: plan.method, url: url.clone(), headers, body: None, rules: plan.rules.clone() });
    }
    let mut url = inner.base.clone();
    let path = format!("{}{}", url.path().trim_end_matches('/'), plan.path.fill_path(&scope)?);
    url.set_path(&path);
    let mut parts = Parts { query: Vec::new(), body: None };
    let mut form = None;
    match &plan.body {
        Some(BodyManifest::Json(json)) => parts.body = Some(fill_json(json, &scope)?),
        Some(BodyManifest::Form(fields)) => {
            let mut encoder = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields.iter() {
                if let Some(text) = value.text(&scope)? {
                    encoder.append_pair(name, &text);
                }
            }
            form = Some(encoder.finish());
        }
        None => {}
    }
    for (name, value) in plan.params.iter() {
        let name = crate::expression::Template::parse(name)?.fill(&scope)?;
        parts.set(&name, value.value(&scope)?)?;
    }
    if let Some(size) = &plan.page_size {
        parts.set(&size.param, size.value.to_json())?;
    }
    if let (Some((from, until)), Some(window)) = (turn.bounds, &stream.window)
        && let Some(request) = &window.request
    {
        let write = |at| {
            write_instant(at, &window.sent_format)
                .ok_or_else(|| Fault::Internal { facts: "the window's zone is unknown".to_owned() })
        };
        parts.set(&request.from.fill(&scope)?, write(from)?)?;
        if let Some(param) = &request.until {
            parts.set(&param.fill(&scope)?, write(until)?)?;
        }
    }
    if let Some((param, value)) = &turn.param {
        parts.set(param, Value::String(value.clone()))?;
    }
    if !parts.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&parts.query);
    }
    let body = match (parts.body, form) {
        (Some(json), _) => Some(("application/json", Bytes::from(json.to_string()))),
        (None, Some(form)) => Some(("application/x-www-form-urlencoded", Bytes::from(form))),
        (None, None) => None,
    };
    let method = if body.is_some() { Method::Post } else { plan.method };
    Ok(Request { method, url, headers, body, rules: plan.rules.clone() })
}

fn headers(inner: &Inner, stream: &Stream, scope: &Scope) -> Result<Vec<(String, String)>, Fault> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let shared = inner.connector.manifest().http.headers.iter();
    for (name, value) in shared.chain(stream.request.headers.iter()) {
        let name = name.to_ascii_lowercase();
        headers.retain(|(known, _)| *known != name);
        if let Some(text) = value.text(scope)? {
            headers.push((name, text));
        }
    }
    Ok(headers)
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
        let mut body = json!({ "filters": [{ "value": "" }], "page": 1 });
        put(&mut body, "/filters/0/value", json!(1_700_000_000_000_i64)).unwrap();
        put(&mut body, "/page", json!("2")).unwrap();
        put(&mut body, "/paging/after", json!("x")).unwrap();
        assert_eq!(body, json!({ "filters": [{ "value": "1700000000000" }], "page": 2, "paging": { "after": "x" } }));
    }
}
