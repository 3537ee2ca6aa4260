//! A code for another device (RFC 8628, <https://datatracker.ietf.org/doc/html/rfc8628>): for machines that no browser runs on.

use std::sync::Arc;
use std::time::Duration;

use headwater_contract::Secret;
use serde_json::Value;

use super::{LoginPrompt, Tell, failed};
use crate::auth::oauth2::{Answer, Consent, Fields, OAuth2Client};
use crate::auth::{AuthError, Keyring, login_url, values};
use crate::decoding::Pointer;
use crate::error::Fault;

/// What a token is asked for with while a person agrees elsewhere.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How often to ask where the vendor does not say (RFC 8628 § 3.2).
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How long a person has to agree, whatever the vendor says.
const AGREE_MAX: Duration = Duration::from_mins(30);

pub(super) async fn login(
    client: &Arc<OAuth2Client>,
    consent: &Consent,
    keyring: &Keyring,
    tell: Tell<'_>,
) -> Result<Answer, Fault> {
    let url = consent.device_url.as_ref().ok_or_else(|| failed("the manifest names no `device_url`"))?;
    let url = login_url(url, keyring, &client.base)?;
    let at = client.transport.redact(&format!("{}{}", url.origin().ascii_serialization(), url.path()));
    let mut fields = Fields::default();
    if let Some(scope) = client.manifest.scope(keyring)? {
        fields.put(&client.manifest.names.scope, scope);
    }
    let request = client.manifest.finish(fields, url, keyring, client.transport.now())?;
    let reply = client.transport.exchange(request, client.client.as_ref()).await?;
    let body = values::parse(&at, &reply.body, &Pointer::parse("device_code"))?;
    let device_code = values::need(&at, &body, &Pointer::parse("device_code"))?;
    let user_code = values::need(&at, &body, &Pointer::parse("user_code"))?;
    let page = values::find(&body, &Pointer::parse("verification_uri"));
    let page = match page {
        Some(page) => page,
        // Google's name for it, older than the RFC.
        None => values::need(&at, &body, &Pointer::parse("verification_url"))?,
    };
    let complete = values::find(&body, &Pointer::parse("verification_uri_complete"));
    tell(LoginPrompt::EnterCode {
        url: page.expose(),
        code: user_code.expose(),
        complete_url: complete.as_ref().map(Secret::expose),
    });
    let agree = poll(client, keyring, &device_code, interval(&body));
    let waited = tokio::time::timeout(AGREE_MAX, agree).await;
    waited.map_err(|_| failed("nobody agreed in time"))?
}

fn interval(body: &Value) -> Duration {
    body.get("interval").and_then(Value::as_u64).map_or(ASK_EVERY, Duration::from_secs)
}

/// Asks for the token until somebody has agreed or refused.
async fn poll(
    client: &Arc<OAuth2Client>,
    keyring: &Keyring,
    device_code: &Secret,
    mut pause: Duration,
) -> Result<Answer, Fault> {
    loop {
        tokio::time::sleep(pause).await;
        let mut fields = Fields::default();
        fields.put(&client.manifest.names.grant_type, GRANT);
        fields.put_secret("device_code", device_code.clone());
        match client.exchange(fields, keyring).await {
            Err(Fault::Auth(AuthError::Refused { says, .. })) if says.starts_with("authorization_pending") => {}
            Err(Fault::Auth(AuthError::Refused { says, .. })) if says.starts_with("slow_down") => pause += ASK_EVERY,
            Err(Fault::Auth(AuthError::Refused { says, .. })) => {
                return Err(failed(format!("the vendor says {says}")).into());
            }
            // A network that is away for a moment is no refusal.
            Err(fault) if fault.may_pass() => pause = (pause * 2).clamp(Duration::from_secs(1), AGREE_MAX),
            outcome => return outcome,
        }
    }
}
