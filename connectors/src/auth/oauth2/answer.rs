//! An answer with tokens: where its values stand, and when they end.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Secret, Span};
use serde_json::Value;

use super::{ACCESS_TOKEN, Expiry, TokenAnswer};
use crate::auth::renewal::Grant;
use crate::auth::{AuthError, values};
use crate::decoding::Pointer;
use crate::windowing::read_instant;

/// Tokens as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) grant: Grant,
    pub(crate) refresh_token: Option<Secret>,
}

impl TokenAnswer {
    /// Finds the values in a body.
    pub(super) fn read(
        &self,
        at: &str,
        body: &[u8],
        now: DateTime<Utc>,
        lasts: Option<Span>,
    ) -> Result<Answer, AuthError> {
        let body = values::parse(at, body, &self.access_token)?;
        let mut found = BTreeMap::new();
        for (name, pointer) in std::iter::once((ACCESS_TOKEN, &self.access_token)).chain(self.take.iter()) {
            found.insert(name.to_owned(), values::need(at, &body, pointer)?);
        }
        let default = Expiry::InSeconds(Pointer::parse("expires_in"));
        let expires_at = self.expires.as_ref().unwrap_or(&default).read(&body, now);
        let lasts = || lasts.map(|lasts| now + lasts.delta());
        let grant = Grant { values: found, issued_at: now, expires_at: expires_at.or_else(lasts) };
        Ok(Answer { grant, refresh_token: values::find(&body, &self.refresh_token) })
    }
}

impl Expiry {
    /// The instant, where the body says one.
    pub(crate) fn read(&self, body: &Value, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let after = |pointer: &Pointer, unit_millis: i64| {
            let count = number(pointer.find(body)?)?;
            now.checked_add_signed(TimeDelta::try_milliseconds(count.checked_mul(unit_millis)?)?)
        };
        match self {
            Self::InSeconds(pointer) => after(pointer, 1_000),
            Self::InMilliseconds(pointer) => after(pointer, 1),
            Self::InMinutes(pointer) => after(pointer, 60_000),
            Self::At(instant) => read_instant(instant.field.find(body)?, &instant.format),
        }
    }
}

/// A whole number, written as a number or as text; a fraction is cut off.
fn number(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    // What is no number, or beyond all bounds, has no such form.
    format!("{:.0}", number.trunc()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-21T09:00:00Z".parse().unwrap()
    }

    fn read(yaml: &str, body: &str) -> Result<Answer, AuthError> {
        crate::manifest::yaml::from_str::<TokenAnswer>(yaml).unwrap().read("x.com/token", body.as_bytes(), now(), None)
    }

    #[test]
    fn an_answer_without_its_token_is_named_without_its_values() {
        for body in [r#"{"acces_token":"s3cret"}"#, r#"{"access_token":null,"x":"s3cret"}"#, "s3cret", r#"["s3cret"]"#]
        {
            let error = read("{}", body).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        assert!(read("{}", r#"{"acces_token":"s"}"#).unwrap_err().to_string().contains("`acces_token`"));
    }

    #[test]
    fn an_end_is_read_in_every_form_that_vendors_use() {
        let end =
            |yaml: &str, body: &str| read(yaml, body).unwrap().grant.expires_at.map(|end| (end - now()).num_seconds());
        assert_eq!(end("{}", r#"{"access_token":"a","expires_in":3600}"#), Some(3600));
        assert_eq!(end("{}", r#"{"access_token":"a","expires_in":"3599.5"}"#), Some(3599));
        assert_eq!(end("{}", r#"{"access_token":"a"}"#), None);
        assert_eq!(end("{}", r#"{"access_token":"a","expires_in":9e300}"#), None);
        let deep = "{ access_token: /t/v, expires: { at: { field: /t/until, format: unix_seconds } } }";
        assert_eq!(end(deep, r#"{"t":{"v":"a","until":1795255200}}"#), Some(3600));
        let text = "{ expires: { at: { field: exp } } }";
        assert_eq!(end(text, r#"{"access_token":"a","exp":"2026-11-21T10:30:00+01:00"}"#), Some(1800));
        assert_eq!(end("{ expires: { in_minutes: ttl } }", r#"{"access_token":"a","ttl":20}"#), Some(1200));
    }
}
