//! What puts a credential on a request: built once from the manifest and the settings.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::authenticator::{Signed, Surroundings};
use super::placement::{self, Place};
use super::renewal::{Issuer, Renewal};
use super::{Auth, AuthError, Basic, HeaderKey, Keyring, OAuth2Client, Words, jwt, oauth2};
use crate::error::Fault;
use crate::transport::Prepared;

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
}

impl Signer {
    /// Builds what `auth` says. An optional secret that was not given sends nothing, unless `is_chosen`: what somebody chose must work.
    pub(super) fn build(auth: &Auth, around: &Surroundings<'_>, is_chosen: bool) -> Result<Self, Fault> {
        if let Some(missing) = missing(auth, around) {
            return if is_chosen { Err(AuthError::Missing { name: missing }.into()) } else { Ok(Self::None) };
        }
        Ok(match auth {
            Auth::None => Self::None,
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
                };
                let bearer = Auth::Bearer(Words::name(oauth2::ACCESS_TOKEN));
                let send = manifest.send.as_deref().unwrap_or(&bearer);
                Self::renewal(auth, Issuer::OAuth2(Arc::new(client)), send, around)?
            }
            Auth::Jwt(manifest) => {
                let bearer = Auth::Bearer(Words::name(jwt::JWT));
                let send = manifest.send.as_deref().unwrap_or(&bearer);
                Self::renewal(auth, Issuer::Jwt(manifest.clone()), send, around)?
            }
        })
    }

    fn renewal(auth: &Auth, issuer: Issuer, send: &Auth, around: &Surroundings<'_>) -> Result<Self, Fault> {
        // What `send` names is yielded later, so nothing is missing now.
        let send = Self::build(send, &around.within(auth), false)?;
        let outside = around.outside(auth);
        Ok(Self::Renewal(Box::new(Renewal::new(issuer, outside, Arc::clone(around.transport), send))))
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
                Self::Query(param, value) => Place::Query(param).put(request, &keyring.need(value)?),
                Self::Cookie(name, value) => Place::Cookie(name).put(request, &keyring.need(value)?),
                Self::Body(field, value) => Place::Body(field).put(request, &keyring.need(value)?),
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
