//! The authorization code with PKCE (RFC 6749 § 4.1, RFC 7636), whose answer comes to a port of this machine.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use headwater_contract::Secret;
use ring::digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{LoginPrompt, Tell, failed};
use crate::auth::encoding::random;
use crate::auth::oauth2::{Answer, Consent, Fields, OAuth2Client};
use crate::auth::{AuthError, Keyring, login_url};
use crate::error::Fault;

/// How long a person has to agree.
const AGREE_MAX: Duration = Duration::from_mins(10);
/// Longest head of a browser's request.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a browser may take to send it.
const HEAD_MAX: Duration = Duration::from_secs(10);

pub(super) async fn login(
    client: &Arc<OAuth2Client>,
    consent: &Consent,
    keyring: &Keyring,
    tell: Tell<'_>,
) -> Result<Answer, Fault> {
    let page = consent.authorize_url.as_ref().ok_or_else(|| failed("the manifest names no `authorize_url`"))?;
    let mut page = login_url(page, keyring, &client.base)?;
    let port = consent.redirect_port.unwrap_or(0);
    let busy = |error: std::io::Error| failed(format!("port {port} of this machine cannot be listened on: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(busy)?;
    let port = listener.local_addr().map_err(busy)?.port();
    let path = consent.redirect_path.as_deref().unwrap_or("/callback");
    let redirect = format!("http://{}:{port}{path}", consent.redirect_host.as_deref().unwrap_or("127.0.0.1"));
    let state = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let verifier = Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()?));
    let is_bound = consent.pkce.unwrap_or(true);
    let id = client.manifest.client.as_ref().map(|client| keyring.need(&client.id)).transpose()?;
    {
        let mut query = page.query_pairs_mut();
        query.append_pair("response_type", "code").append_pair("redirect_uri", &redirect).append_pair("state", &state);
        if let Some(id) = &id {
            query.append_pair(&client.manifest.names.client_id, id.expose());
        }
        if let Some(scope) = client.manifest.scope(keyring)? {
            query.append_pair(&client.manifest.names.scope, &scope);
        }
        if is_bound {
            query.append_pair("code_challenge", &challenge(&verifier)).append_pair("code_challenge_method", "S256");
        }
        for (name, value) in keyring.values(&consent.params)? {
            query.append_pair(&name, value.expose());
        }
    }
    tell(LoginPrompt::OpenUrl { url: page.as_str() });
    let waited = tokio::time::timeout(AGREE_MAX, answer(&listener, path, &state)).await;
    let code = waited.map_err(|_| failed("nobody agreed within ten minutes"))??;
    let mut fields = Fields::default();
    fields.put(&client.manifest.names.grant_type, "authorization_code");
    fields.put_secret("code", code);
    fields.put("redirect_uri", redirect);
    if is_bound {
        fields.put_secret("code_verifier", verifier);
    }
    client.exchange(fields, keyring).await
}

/// The digest of the verifier that the login's page is given (RFC 7636 § 4.2).
fn challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.expose().as_bytes()))
}

/// Waits for the browser to come back with the code.
async fn answer(listener: &TcpListener, path: &str, state: &str) -> Result<Secret, AuthError> {
    loop {
        let accepted = listener.accept().await;
        let (mut stream, _) = accepted.map_err(|error| failed(format!("the browser cannot be heard: {error}")))?;
        // A browser also asks for icons, and other programs may knock: only the redirect's own path is an answer.
        let Some(target) = target(&mut stream).await.filter(|target| target.path() == path) else {
            reply(&mut stream, "404 Not Found", "Nothing is here.").await;
            continue;
        };
        match read(&target, state) {
            Some(Ok(code)) => {
                reply(&mut stream, "200 OK", "You are logged in. This window can be closed.").await;
                return Ok(code);
            }
            Some(Err(reason)) => {
                reply(&mut stream, "200 OK", "The login did not end well. The command line says why.").await;
                return Err(failed(reason));
            }
            // Somebody else's answer must neither be taken nor end the login of whoever began it.
            None => reply(&mut stream, "400 Bad Request", "This is not the answer to the login that was begun.").await,
        }
    }
}

/// The code, or why there is none; `None` when the answer is not to our question.
fn read(target: &Url, state: &str) -> Option<Result<Secret, String>> {
    let find = |name: &str| target.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    if find("state").as_deref() != Some(state) {
        return None;
    }
    if let Some(error) = find("error") {
        let more = find("error_description").map(|more| format!(": {more}")).unwrap_or_default();
        let said: String = format!("{error}{more}").chars().filter(|c| !c.is_control()).take(300).collect();
        return Some(Err(format!("the vendor says {said}")));
    }
    let code = find("code").filter(|code| !code.is_empty());
    Some(code.map(Secret::new).ok_or_else(|| "the vendor sent no code".to_owned()))
}

/// What a browser asks for.
async fn target(stream: &mut TcpStream) -> Option<Url> {
    let mut head = Vec::new();
    let read = async {
        while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
            if stream.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        Some(())
    };
    tokio::time::timeout(HEAD_MAX, read).await.ok()??;
    let line = std::str::from_utf8(&head).ok()?.lines().next()?.to_owned();
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    Url::parse("http://127.0.0.1").ok()?.join(target).ok()
}

async fn reply(stream: &mut TcpStream, status: &str, text: &str) {
    let page = format!("<!doctype html><meta charset=utf-8><title>Headwater</title><p>{text}</p>");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
        page.len()
    );
    // A browser that is gone has nothing to see, and the login goes on without it.
    drop(stream.write_all(format!("{head}{page}").as_bytes()).await);
    drop(stream.shutdown().await);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    #[test]
    fn makes_the_challenge_of_the_rfc() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn takes_an_answer_to_its_own_question_only() {
        let read = |query: &str| read(&Url::parse(&format!("http://127.0.0.1/callback?{query}")).unwrap(), "st4te");
        assert_eq!(read("code=c"), None);
        assert_eq!(read("code=c&state=other"), None);
        assert_eq!(read("error=access_denied"), None);
        assert_eq!(read("code=c&state=st4te"), Some(Ok(Secret::new("c"))));
        assert!(read("code=&state=st4te").unwrap().is_err());
        let denied = read("error=access_denied&error_description=no%0Away&state=st4te").unwrap().unwrap_err();
        assert_eq!(denied, "the vendor says access_denied: noway");
    }
}
