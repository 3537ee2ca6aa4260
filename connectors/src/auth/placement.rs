//! Where a credential stands in a request: a header, the query, a cookie, or a field of the body.

use bytes::Bytes;
use headwater_contract::Secret;
use reqwest::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{AuthError, Keyring, Words};
use crate::error::Fault;
use crate::transport::Prepared;

/// A header of the API's own, such as `X-Api-Key`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderKey {
    /// The header, e.g. `X-Api-Key`.
    pub name: String,
    /// The secret setting that holds the key, or a text such as `Token {key}`.
    pub value: Words,
    /// Text before the key, e.g. `Token ` with its space.
    #[serde(default)]
    pub prefix: String,
}

/// A query parameter. Servers log URLs, so a header is better wherever the API offers one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryKey {
    /// The parameter, e.g. `api_key`.
    pub param: String,
    /// The secret setting that holds the key.
    pub value: Words,
}

/// A cookie, beside those of the request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CookieKey {
    /// The cookie, e.g. `session_id`.
    pub name: String,
    /// The secret setting that holds its value.
    pub value: Words,
}

/// A field of the body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BodyKey {
    /// A JSON pointer such as `/auth/key`, or the name of a form's field, e.g. `api_key`; `""` is the whole body, as a text.
    pub field: String,
    /// The secret setting that holds the key.
    pub value: Words,
}

/// Where to put which secret.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Header(&'a str),
    Query(&'a str),
    Cookie(&'a str),
    Body(&'a str),
}

impl Place<'_> {
    /// Puts what the words say into the request, where they say anything.
    pub(super) fn put_words(self, request: &mut Prepared, keyring: &Keyring, words: &Words) -> Result<(), Fault> {
        keyring.sent(words)?.map_or(Ok(()), |value| self.put(request, &value))
    }

    /// Puts `value` into the request.
    pub(crate) fn put(self, request: &mut Prepared, value: &Secret) -> Result<(), Fault> {
        match self {
            Self::Header(name) => request.set_secret_header(name, value),
            Self::Query(param) => {
                request.set_query(param, value.expose());
                Ok(())
            }
            Self::Cookie(name) => put_cookie(request, name, value),
            Self::Body(field) => put_into_body(request, field, value),
        }
    }
}

pub(super) fn bearer(request: &mut Prepared, token: &Secret) -> Result<(), Fault> {
    request.set_secret_header("authorization", &Secret::new(format!("Bearer {}", token.expose())))
}

impl HeaderKey {
    pub(super) fn put(&self, request: &mut Prepared, keyring: &Keyring) -> Result<(), Fault> {
        let Some(value) = keyring.sent(&self.value)? else { return Ok(()) };
        Place::Header(&self.name).put(request, &Secret::new(format!("{}{}", self.prefix, value.expose())))
    }
}

fn put_cookie(request: &mut Prepared, name: &str, value: &Secret) -> Result<(), Fault> {
    let known = request.headers.get("cookie").map(HeaderValue::to_str);
    let known = match known {
        Some(Ok(known)) => format!("{known}; "),
        None => String::new(),
        Some(Err(_)) => return Err(Fault::HeaderValue { name: "cookie".to_owned() }),
    };
    request.learn(value.clone());
    request.set_secret_header("cookie", &Secret::new(format!("{known}{name}={}", value.expose())))
}

fn put_into_body(request: &mut Prepared, field: &str, value: &Secret) -> Result<(), Fault> {
    if field.is_empty() {
        request.body = Bytes::from(value.expose().to_owned());
        request.learn(value.clone());
        return Ok(());
    }
    let (content_type, bytes) = if field.starts_with('/') {
        ("application/json", in_json(&request.body, field, value)?)
    } else {
        ("application/x-www-form-urlencoded", in_form(request, field, value)?)
    };
    request.body = bytes;
    request.learn(value.clone());
    if !request.headers.contains_key("content-type") {
        request.headers.insert("content-type", HeaderValue::from_static(content_type));
    }
    Ok(())
}

fn in_json(body: &Bytes, pointer: &str, value: &Secret) -> Result<Bytes, Fault> {
    let unsignable = |reason: &str| Fault::from(AuthError::Unsignable { reason: reason.to_owned() });
    let mut json = if body.is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(body).map_err(|_| unsignable("its body is no JSON, so a JSON pointer leads nowhere"))?
    };
    let mut slot = &mut json;
    for segment in crate::decoding::Pointer::parse(pointer).segments() {
        if slot.is_null() {
            *slot = Value::Object(serde_json::Map::new());
        }
        slot = match slot {
            Value::Object(fields) => fields.entry(segment.clone()).or_insert(Value::Null),
            _ => return Err(unsignable("a JSON pointer leads through a value that holds nothing")),
        };
    }
    *slot = Value::String(value.expose().to_owned());
    Ok(Bytes::from(json.to_string()))
}

fn in_form(request: &Prepared, field: &str, value: &Secret) -> Result<Bytes, Fault> {
    let is_form = request
        .headers
        .get("content-type")
        .is_none_or(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/x-www-form-urlencoded")));
    if !is_form {
        let reason = format!("its body is no form, so it has no field `{field}`; in JSON it is `/{field}`");
        return Err(AuthError::Unsignable { reason }.into());
    }
    let kept = url::form_urlencoded::parse(&request.body).filter(|(name, _)| name != field);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(kept).append_pair(field, value.expose());
    Ok(Bytes::from(form.finish()))
}
