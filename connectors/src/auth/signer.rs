//! What puts a credential on a request: built once from the manifest and the settings.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::authenticator::{Signed, Surroundings};
use super::encoding::nonce;
use super::placement::{self, Place};
use super::renewal::{Issuer, Renewal};
use super::tokens::{self, Pool};
use super::{
    Auth, AuthError, AwsSigV4, Basic, HeaderKey, Hmac, Keyring, OAuth1, OAuth2Client, Session, SessionLogin, Words,
    jwt, oauth2,
};
use crate::error::Fault;
use crate::transport::{Prepared, Transport};

/// What puts a credential on a request.
#[derive(Debug)]
pub(crate) enum Signer {
    None,
    Bearer(Words),
    Header(HeaderKey),
    Query(String, Words),
    Cookie(String, Words),
    Body(String, Words),
    Basic(Basic),
    All(Vec<Signer>),
    Renewal(Box<Renewal>),
    Pool(Arc<Pool>),
    AwsSigV4(AwsSigV4, Arc<Transport>),
    OAuth1(OAuth1, Arc<Transport>),
    Hmac(Box<HmacSigner>),
}

/// A signature with what goes on before it and with it.
#[derive(Debug)]
pub(crate) struct HmacSigner {
    hmac: Hmac,
    before: Signer,
    send: Signer,
    transport: Arc<Transport>,
}

impl Signer {
    /// Builds what `auth` says. An optional secret that was not given sends nothing, unless `is_chosen`: what somebody chose must work.
    pub(super) fn build(auth: &Auth, around: &Surroundings<'_>, is_chosen: bool) -> Result<Self, Fault> {
        if let Some(missing) = missing(auth, around) {
            return if is_chosen { Err(AuthError::Missing { name: missing }.into()) } else { Ok(Self::None) };
        }
        Ok(match auth {
            // A certificate is the client's, which is built beside.
            Auth::None | Auth::Tls(_) => Self::None,
            Auth::Bearer(token) => Self::Bearer(token.clone()),
            Auth::Header(header) => Self::Header(header.clone()),
            Auth::Query(query) => Self::Query(query.param.clone(), query.value.clone()),
            Auth::Cookie(cookie) => Self::Cookie(cookie.name.clone(), cookie.value.clone()),
            Auth::Body(body) => Self::Body(body.field.clone(), body.value.clone()),
            Auth::Basic(basic) => Self::Basic(basic.clone()),
            Auth::All(all) => {
                let parts = all.iter().map(|part| Self::build(part, around, is_chosen));
                Self::All(parts.collect::<Result<_, _>>()?)
            }
            Auth::Choose(choose) => Self::build(choose.chosen(around.settings)?, around, true)?,
            Auth::OAuth2(manifest) => {
                let client = OAuth2Client {
                    manifest: manifest.as_ref().clone(),
                    source: around.source.clone(),
                    base: around.base.clone(),
                    store: Arc::clone(around.store),
                    transport: Arc::clone(around.transport),
                    outside: around.outside(auth),
                    client: around.client.clone(),
                };
                let issuer = Issuer::OAuth2(Arc::new(client));
                Self::renewal(auth, issuer, manifest.send.as_deref(), oauth2::ACCESS_TOKEN, around)?
            }
            Auth::Jwt(manifest) => {
                Self::renewal(auth, Issuer::Jwt(manifest.clone()), manifest.send.as_deref(), jwt::JWT, around)?
            }
            Auth::Session(session) => {
                let issuer = Issuer::Session(Box::new(Self::login(session, around)?));
                Self::renewal(auth, issuer, Some(&session.send), "", around)?
            }
            Auth::Tokens(tokens) => {
                let send = Self::send(auth, tokens.send.as_deref(), tokens::TOKEN, around)?;
                let base = around.base.path();
                Self::Pool(Arc::new(Pool::new(tokens.clone(), Arc::clone(around.transport), base, send)))
            }
            Auth::AwsSigV4(aws) => Self::AwsSigV4(aws.clone(), Arc::clone(around.transport)),
            Auth::OAuth1(oauth1) => Self::OAuth1(oauth1.clone(), Arc::clone(around.transport)),
            Auth::Hmac(hmac) => Self::Hmac(Box::new(HmacSigner {
                hmac: hmac.as_ref().clone(),
                before: Self::build(hmac.before.as_deref().unwrap_or(&Auth::None), &around.within(auth), false)?,
                send: Self::build(&hmac.send, &around.within(auth), false)?,
                transport: Arc::clone(around.transport),
            })),
        })
    }

    /// The steps of a login with their own credentials.
    fn login(session: &Session, around: &Surroundings<'_>) -> Result<SessionLogin, Fault> {
        let mut known = around.clone();
        let mut steps = Vec::new();
        for step in &session.steps {
            let signer = step.auth.as_deref().map(|auth| Self::build(auth, &known, false)).transpose()?;
            known.yielded.extend(step.take.names().map(str::to_owned));
            steps.push((step.clone(), signer.unwrap_or(Self::None)));
        }
        Ok(SessionLogin {
            steps,
            lasts: session.lasts,
            base: around.base.clone(),
            transport: Arc::clone(around.transport),
            client: around.client.clone(),
        })
    }

    /// What puts on what `auth` yields: as the manifest says, else as a bearer token.
    fn send(auth: &Auth, send: Option<&Auth>, bearer: &str, around: &Surroundings<'_>) -> Result<Self, Fault> {
        let bearer = Auth::Bearer(Words::name(bearer));
        Self::build(send.unwrap_or(&bearer), &around.within(auth), false)
    }

    fn renewal(
        auth: &Auth,
        issuer: Issuer,
        send: Option<&Auth>,
        bearer: &str,
        around: &Surroundings<'_>,
    ) -> Result<Self, Fault> {
        let send = Self::send(auth, send, bearer, around)?;
        let outside = around.outside(auth);
        Ok(Self::Renewal(Box::new(Renewal::new(issuer, outside, Arc::clone(around.transport), send))))
    }

    /// The first part of it that people log in for.
    pub(super) fn consent(&self) -> Option<&Arc<OAuth2Client>> {
        match self {
            Self::All(all) => all.iter().find_map(Self::consent),
            Self::Renewal(renewal) => renewal.consent(),
            _ => None,
        }
    }

    /// Puts the credential on.
    pub(super) fn sign<'a>(
        &'a self,
        request: &'a mut Prepared,
        keyring: &'a Keyring,
        signed: &'a mut Signed,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match self {
                Self::None => Ok(()),
                Self::Bearer(token) => placement::bearer(request, &keyring.need(token)?),
                Self::Header(header) => header.put(request, keyring),
                Self::Query(param, value) => Place::Query(param).put_words(request, keyring, value),
                Self::Cookie(name, value) => Place::Cookie(name).put_words(request, keyring, value),
                Self::Body(field, value) => Place::Body(field).put_words(request, keyring, value),
                Self::Basic(basic) => basic.put(request, keyring),
                Self::All(all) => {
                    for part in all {
                        part.sign(request, keyring, signed).await?;
                    }
                    Ok(())
                }
                Self::Renewal(renewal) => {
                    let (values, stamp) = renewal.values(keyring).await?;
                    signed.stamps.push(stamp);
                    let mut keyring = keyring.clone();
                    keyring.put_all(&values);
                    renewal.send.sign(request, &keyring, signed).await
                }
                Self::Pool(pool) => {
                    let (token, drawn) = pool.draw(keyring, request.url.path()).await?;
                    request.learn(token.clone());
                    signed.drawn = Some(drawn);
                    let mut keyring = keyring.clone();
                    keyring.put(tokens::TOKEN, &token);
                    pool.send.sign(request, &keyring, signed).await
                }
                Self::AwsSigV4(aws, transport) => aws.sign(request, keyring, transport.now()),
                Self::OAuth1(oauth1, transport) => oauth1.sign(request, keyring, transport.now(), &nonce()?),
                Self::Hmac(own) => {
                    let keyring = own.hmac.mark(keyring, own.transport.now(), nonce()?);
                    own.before.sign(request, &keyring, signed).await?;
                    let keyring = own.hmac.sign(request, keyring)?;
                    own.send.sign(request, &keyring, signed).await
                }
            }
        })
    }
}

/// The setting without which a simple variant sends nothing.
fn missing(auth: &Auth, around: &Surroundings<'_>) -> Option<String> {
    let essential = match auth {
        Auth::Bearer(value) => value,
        Auth::Header(header) => &header.value,
        Auth::Query(query) => &query.value,
        Auth::Cookie(cookie) => &cookie.value,
        Auth::Body(body) => &body.value,
        Auth::Basic(basic) => &basic.user,
        _ => return None,
    };
    essential.names().into_iter().find(|name| around.is_absent(name)).map(str::to_owned)
}
