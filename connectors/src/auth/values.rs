//! Values out of a login's answer, whose other content is never shown.

use headwater_contract::Secret;
use serde_json::Value;

use super::AuthError;
use crate::decoding::Pointer;

/// Reads a body; `field` is what was to be found in it, for the error.
pub(super) fn parse(at: &str, body: &[u8], field: &Pointer) -> Result<Value, AuthError> {
    serde_json::from_slice(body).map_err(|_| AuthError::NotJson { at: at.to_owned(), field: field.to_string() })
}

/// The text at `pointer`; `None` where there is none, or an empty one.
pub(super) fn find(body: &Value, pointer: &Pointer) -> Option<Secret> {
    match pointer.find(body)? {
        Value::String(text) if !text.is_empty() => Some(Secret::new(text.clone())),
        Value::Number(number) => Some(Secret::new(number.to_string())),
        _ => None,
    }
}

/// The text at `pointer`, which must be there.
pub(super) fn need(at: &str, body: &Value, pointer: &Pointer) -> Result<Secret, AuthError> {
    find(body, pointer).ok_or_else(|| AuthError::NoValue {
        at: at.to_owned(),
        field: pointer.to_string(),
        names: names(body),
    })
}

/// The names of a body's fields, of which no secret is made.
fn names(body: &Value) -> String {
    match body {
        Value::Object(fields) if fields.is_empty() => "no fields".to_owned(),
        Value::Object(fields) => fields.keys().take(20).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        Value::Array(_) => "a list".to_owned(),
        _ => "a bare value".to_owned(),
    }
}
