//! Sessions: one request or several that log in, each of which may take values for the next and for those that follow.
//!
//! A session's answers are never shown, and its values end like any token: after the time that the answer or the manifest says, or when
//! the source refuses them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use headwater_contract::{Secret, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::authenticator::Signed;
use super::renewal::Grant;
use super::{Auth, AuthError, Expiry, Keyring, Signer, login_url, values};
use crate::decoding::Pointer;
use crate::error::Fault;
use crate::expression::{Template, ValueManifest};
use crate::manifest::{BodyManifest, Ordered};
use crate::transport::{Prepared, Reply, Transport};

/// Most steps of a login.
pub(crate) const STEPS_MAX: usize = 16;

/// Settings of the `session` variant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The requests that log in, in this order.
    pub steps: Vec<Step>,
    /// How long the session is good when no answer says; until it is refused when absent.
    #[serde(default)]
    pub lasts: Option<Span>,
    /// How requests carry what the steps took.
    pub send: Box<Auth>,
}

/// One request of a login.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The method; `post` with a body and `get` without when absent.
    #[serde(default)]
    pub method: Option<StepMethod>,
    /// A URL, whose origin is thereby allowed for logins, or a path after `base_url`.
    pub url: Template,
    /// Query parameters.
    #[serde(default)]
    pub params: Ordered<ValueManifest>,
    /// Headers.
    #[serde(default)]
    pub headers: Ordered<ValueManifest>,
    /// The body; texts may name settings, secrets and what earlier steps took.
    #[serde(default)]
    pub body: Option<BodyManifest>,
    /// How the step itself proves who sends it.
    #[serde(default)]
    pub auth: Option<Box<Auth>>,
    /// What is taken of the answer, by name.
    #[serde(default)]
    pub take: Ordered<Taken>,
    /// When what was taken ends.
    #[serde(default)]
    pub expires: Option<Expiry>,
}

/// The method of a login's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepMethod {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

/// Where a value stands in a login's answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// A field of the JSON body.
    Field(Pointer),
    /// A response header.
    Header(String),
    /// A cookie that the answer sets.
    Cookie(String),
    /// The whole body, as text.
    Text,
}

impl Session {
    /// The names that its steps need and do not take themselves.
    pub(super) fn names(&self) -> Vec<String> {
        let (mut names, mut taken): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
        for step in &self.steps {
            let fresh = step.names().into_iter().filter(|name| !taken.contains(&name.as_str()));
            names.extend(fresh.collect::<Vec<_>>());
            taken.extend(step.take.names());
        }
        names
    }

    /// What `send` may name beside settings.
    pub(super) fn yields(&self) -> Vec<&str> {
        self.steps.iter().flat_map(|step| step.take.names()).collect()
    }
}

impl Step {
    fn names(&self) -> Vec<String> {
        let mut names: Vec<&str> = self.url.names().collect();
        names.extend(self.params.iter().chain(self.headers.iter()).flat_map(|(_, value)| super::value_names(value)));
        match &self.body {
            Some(BodyManifest::Json(json)) => names.extend(super::json_names([json])),
            Some(BodyManifest::Form(fields)) => {
                names.extend(fields.iter().flat_map(|(_, value)| super::value_names(value)));
            }
            Some(BodyManifest::Text(text)) => names.extend(super::value_names(&text.content)),
            Some(BodyManifest::Graphql(graphql)) => names.extend(super::json_names(&graphql.variables)),
            // An expression's names are its own business: it sees plain settings only, and says what it lacks.
            Some(BodyManifest::Computed(_)) | None => {}
        }
        let own = names.into_iter().map(str::to_owned);
        own.chain(self.auth.iter().flat_map(|auth| auth.names())).collect()
    }

    fn prepare(&self, keyring: &Keyring, base: &Url) -> Result<Prepared, Fault> {
        let usual = if self.body.is_some() { StepMethod::Post } else { StepMethod::Get };
        let method = match self.method.unwrap_or(usual) {
            StepMethod::Get => reqwest::Method::GET,
            StepMethod::Post => reqwest::Method::POST,
            StepMethod::Put => reqwest::Method::PUT,
        };
        let mut request = Prepared::new(method, login_url(&self.url, keyring, base)?);
        request.set_header("accept", "application/json")?;
        request.set_header("accept-encoding", "gzip")?;
        match &self.body {
            Some(BodyManifest::Json(json)) => {
                request.set_header("content-type", "application/json")?;
                request.body = keyring.json(json)?.to_string().into();
            }
            Some(BodyManifest::Form(fields)) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in keyring.values(fields)? {
                    form.append_pair(&name, value.expose());
                }
                request.set_header("content-type", "application/x-www-form-urlencoded")?;
                request.body = form.finish().into();
            }
            Some(BodyManifest::Text(text)) => {
                request.set_header("content-type", text.content_type.as_deref().unwrap_or("text/plain"))?;
                request.body =
                    keyring.value(&text.content)?.map(|text| text.expose().to_owned()).unwrap_or_default().into();
            }
            Some(BodyManifest::Graphql(graphql)) => {
                let variables = graphql.variables.as_ref().map(|variables| keyring.json(variables)).transpose()?;
                request.set_header("content-type", "application/json")?;
                request.body = json!({ "query": graphql.query, "variables": variables }).to_string().into();
            }
            Some(BodyManifest::Computed(expression)) => {
                request.set_header("content-type", "application/json")?;
                request.body = keyring.computed(expression)?.to_string().into();
            }
            None => {}
        }
        for (name, value) in keyring.values(&self.params)? {
            request.url.query_pairs_mut().append_pair(&name, value.expose());
        }
        for (name, value) in keyring.values(&self.headers)? {
            request.set_secret_header(&name, &value)?;
        }
        Ok(request)
    }
}

impl Taken {
    fn find(&self, at: &str, reply: &Reply) -> Result<Secret, AuthError> {
        let missing =
            |field: String, names: &str| AuthError::NoValue { at: at.to_owned(), field, names: names.to_owned() };
        match self {
            Self::Field(pointer) => values::need(at, &values::parse(at, &reply.body, pointer)?, pointer),
            Self::Header(name) => {
                let value = reply.headers.get(name).and_then(|value| value.to_str().ok());
                value.map(Secret::new).ok_or_else(|| missing(name.clone(), "other headers"))
            }
            Self::Cookie(name) => {
                let set = reply.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
                let mut pairs = set.filter_map(|cookie| cookie.split(';').next()?.trim().split_once('='));
                let found = pairs.find(|(known, _)| known == name).map(|(_, value)| Secret::new(value));
                found.ok_or_else(|| missing(name.clone(), "other cookies"))
            }
            Self::Text => {
                let text = std::str::from_utf8(&reply.body).map(str::trim).unwrap_or_default();
                if text.is_empty() { Err(missing("the body".to_owned(), "no text")) } else { Ok(Secret::new(text)) }
            }
        }
    }
}

/// Logs in.
#[derive(Debug)]
pub(crate) struct SessionLogin {
    pub(crate) steps: Vec<(Step, Signer)>,
    pub(crate) lasts: Option<Span>,
    pub(crate) base: Url,
    pub(crate) transport: Arc<Transport>,
    pub(crate) client: Option<reqwest::Client>,
}

impl SessionLogin {
    pub(super) async fn issue(&self, keyring: &Keyring) -> Result<Grant, Fault> {
        let mut keyring = keyring.clone();
        let now = self.transport.now();
        let mut grant = Grant { values: std::collections::BTreeMap::new(), issued_at: now, expires_at: None };
        for (step, signer) in &self.steps {
            let request = step.prepare(&keyring, &self.base)?;
            let at = self.transport.redact(&request.place());
            let reply = self.ask(step, signer, &keyring, request).await?;
            for (name, taken) in step.take.iter() {
                let value = taken.find(&at, &reply)?;
                self.transport.learn(std::slice::from_ref(&value));
                keyring.put(name, &value);
                grant.values.insert(name.to_owned(), value);
            }
            if let Some(end) = step.end(&reply, now) {
                grant.expires_at = Some(grant.expires_at.map_or(end, |known| known.min(end)));
            }
        }
        grant.expires_at = grant.expires_at.or_else(|| self.lasts.map(|lasts| now + lasts.delta()));
        Ok(grant)
    }

    /// Sends one step; a token of its own that is refused is renewed once.
    async fn ask(&self, step: &Step, own: &Signer, keyring: &Keyring, request: Prepared) -> Result<Reply, Fault> {
        let mut signed = Signed::default();
        let refused = match self.send(own, keyring, request, &mut signed).await {
            Err(Fault::Auth(error @ AuthError::Refused { status: 401, .. })) if !signed.stamps.is_empty() => error,
            outcome => return outcome,
        };
        tracing::debug!(%refused, "renewing the token of a login's own request");
        for stamp in signed.stamps {
            stamp.refuse().await;
        }
        let request = step.prepare(keyring, &self.base)?;
        self.send(own, keyring, request, &mut Signed::default()).await
    }

    async fn send(
        &self,
        own: &Signer,
        keyring: &Keyring,
        mut request: Prepared,
        signed: &mut Signed,
    ) -> Result<Reply, Fault> {
        own.sign(&mut request, keyring, signed).await?;
        self.transport.exchange(request, self.client.as_ref()).await
    }
}

impl Step {
    fn end(&self, reply: &Reply, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let body: Value = serde_json::from_slice(&reply.body).ok()?;
        self.expires.as_ref()?.read(&body, now)
    }
}
