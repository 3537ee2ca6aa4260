//! One request of a login: to an origin that the manifest names, with nothing of its answer ever printed but what it says of an error.
//!
//! Redirects are not followed, because a login's body is its secret and would travel along.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::Instant;

use super::body::Inflater;
use super::{Prepared, Transport, build_client, client_builder, plain, text_of};
use crate::auth::AuthError;
use crate::error::Fault;
use crate::limits::{Load, http_date, parse_retry_after};

/// Largest answer of a login: a token is some kilobytes at most.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Longest time for an answer that is so small.
const ANSWER_MAX: Duration = Duration::from_mins(5);
/// Fields in which login endpoints say what is wrong (RFC 6749 § 5.2 and what vendors made of it).
const SAYING: [&str; 8] =
    ["error", "error_description", "error_message", "message", "detail", "title", "error_code", "errorCode"];

/// A login's answer. It holds secrets, so it has no `Debug`.
pub(crate) struct Reply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Transport {
    /// Sends one request of a login.
    pub(crate) async fn exchange(&self, request: Prepared, client: Option<&reqwest::Client>) -> Result<Reply, Fault> {
        let at = self.redactor.text(&request.place());
        self.admit_address(&request.url)?;
        if self.pins.allows(&request.url) {
            // Without a slot of its own: the request that needs this login holds one.
            self.pace.pass(&Load::default(), request.url.path()).await?;
        }
        let mut response = self.dispatch(client.unwrap_or(&self.client), request).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut inflater = Inflater::new(text_of(&headers, "content-encoding").as_deref())?;
        let (mut body, deadline) = (BytesMut::new(), Instant::now() + ANSWER_MAX.min(self.patience.answer_max));
        loop {
            let piece = tokio::time::timeout_at(deadline, response.chunk()).await;
            match piece.map_err(|_| Fault::TooSlow { bytes: body.len() as u64 })? {
                Ok(Some(piece)) => inflater.take(&piece, &mut body)?,
                Ok(None) => break,
                Err(error) => return Err(Fault::BodyCut { bytes: body.len() as u64, reason: plain(&error) }),
            }
            if body.len() > ANSWER_BYTES_MAX {
                return Err(Fault::BodyTooLarge { limit: ANSWER_BYTES_MAX as u64 });
            }
        }
        inflater.finish(&mut body)?;
        if (200..300).contains(&status) {
            return Ok(Reply { headers, body: body.freeze() });
        }
        let now = self.clock.now();
        let date = text_of(&headers, "date").and_then(|date| http_date(&date));
        let retry_after = text_of(&headers, "retry-after").and_then(|text| parse_retry_after(&text, date, now));
        let retry_at = retry_after.and_then(|pause| now.checked_add_signed(chrono::TimeDelta::from_std(pause).ok()?));
        let says = self.short(&saying(&body));
        Err(match status {
            300..400 => AuthError::Redirected { at, status }.into(),
            429 => Fault::Throttled { status, retry_at },
            408 | 500..=599 => Fault::ServerError { status, says: format!("at {at} {says}"), retry_at },
            _ if body_error(&body).as_deref() == Some("invalid_grant") => AuthError::Expired { at, says }.into(),
            _ => AuthError::Refused { at, status, says }.into(),
        })
    }

    /// Remembers secrets, so that nothing repeats them.
    pub(crate) fn learn(&self, secrets: &[headwater_contract::Secret]) {
        self.redactor.learn(secrets);
    }

    /// A client with a certificate or an authority of its own.
    pub(crate) fn client_with(
        &self,
        change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<reqwest::Client, Fault> {
        build_client(change(client_builder(self.allowed_hosts.clone(), self.proxy.as_ref(), &self.patience)))
    }

    /// How long a credential that rests is waited for.
    pub(crate) fn wait_max(&self) -> Duration {
        self.patience.wait_max
    }

    /// The instant by the source's clock.
    pub(crate) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }
}

/// The `error` field of a JSON body.
fn body_error(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("error")?.as_str().map(str::to_owned)
}

/// What a refusal says of itself: the texts of some known fields, never the whole, which may repeat what was sent.
fn saying(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let said = SAYING.iter().filter_map(|name| match body.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(inner) => inner.get("message")?.as_str().map(str::to_owned),
        _ => None,
    });
    said.collect::<Vec<_>>().join(": ")
}
