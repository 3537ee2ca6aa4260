//! The request for a token: which fields it has, and how they are sent.

use headwater_contract::Secret;
use serde_json::{Map, Value};
use url::Url;

use super::{Client, ClientSentAs, Grant, OAuth2, SentAs};
use crate::auth::{AuthError, Keyring, basic};
use crate::error::Fault;
use crate::transport::Prepared;

/// The kind of a signed token in place of a client's secret (RFC 7523 § 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Named values in the order in which they are sent. It has no `Debug`, because some are secrets.
#[derive(Default)]
pub(crate) struct Fields {
    values: Vec<(String, String)>,
    secrets: Vec<Secret>,
}

impl Fields {
    /// Sets a field in place of one of the same name; an empty name leaves it out.
    pub(crate) fn put(&mut self, name: &str, value: impl Into<String>) {
        if name.is_empty() {
            return;
        }
        self.values.retain(|(known, _)| known != name);
        self.values.push((name.to_owned(), value.into()));
    }

    /// Sets a field that must not be printed.
    pub(crate) fn put_secret(&mut self, name: &str, value: Secret) {
        self.put(name, value.expose());
        self.secrets.push(value);
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn form(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.pairs()).finish()
    }

    /// The request that sends them.
    pub(crate) fn send(&self, url: Url, sent_as: SentAs) -> Result<Prepared, Fault> {
        let method = if sent_as == SentAs::GetQuery { reqwest::Method::GET } else { reqwest::Method::POST };
        let mut request = Prepared::new(method, url);
        request.set_header("accept", "application/json")?;
        request.set_header("accept-encoding", "gzip")?;
        match sent_as {
            SentAs::Form => {
                request.set_header("content-type", "application/x-www-form-urlencoded")?;
                request.body = self.form().into();
            }
            SentAs::Json => {
                let fields = self.pairs().map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())));
                request.set_header("content-type", "application/json")?;
                request.body = Value::Object(fields.collect::<Map<_, _>>()).to_string().into();
            }
            SentAs::Query | SentAs::GetQuery => {
                request.url.query_pairs_mut().extend_pairs(self.pairs());
            }
        }
        for secret in &self.secrets {
            request.learn(secret.clone());
        }
        Ok(request)
    }
}

impl OAuth2 {
    /// The request for a token; `refresh_token` is sent where one is the grant.
    pub(super) fn token_request(
        &self,
        url: Url,
        keyring: &Keyring,
        refresh_token: Option<&Secret>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Prepared, Fault> {
        let names = &self.names;
        let mut fields = Fields::default();
        fields.put(&names.grant_type, self.grant_type());
        let audience = url.as_str().to_owned();
        match &self.grant {
            Grant::ClientCredentials => {}
            Grant::RefreshToken(_) => {
                let token = refresh_token.ok_or_else(|| AuthError::Missing { name: names.refresh_token.clone() })?;
                fields.put_secret(&names.refresh_token, token.clone());
            }
            Grant::Password(grant) => {
                fields.put(&names.user, keyring.need(&grant.user)?.expose());
                fields.put_secret(&names.password, keyring.need(&grant.password)?);
            }
            Grant::JwtBearer(jwt) => fields.put_secret(&names.assertion, jwt.sign(keyring, now, &[])?),
            Grant::ServiceAccount(account) => {
                let scope = self.scope(keyring)?;
                fields.put_secret(&names.assertion, account.sign(keyring, now, &audience, scope.as_deref())?);
            }
        }
        if !matches!(self.grant, Grant::ServiceAccount(_))
            && let Some(scope) = self.scope(keyring)?
        {
            fields.put(&names.scope, scope);
        }
        self.finish(fields, url, keyring, now)
    }

    /// Adds the client and whatever the manifest adds, and makes the request.
    pub(crate) fn finish(
        &self,
        mut fields: Fields,
        url: Url,
        keyring: &Keyring,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Prepared, Fault> {
        let mut authorization = None;
        if let Some(client) = &self.client {
            authorization = self.put_client(client, &mut fields, &url, keyring, now)?;
        }
        for (name, value) in keyring.values(&self.fields)? {
            fields.put(&name, value.expose());
        }
        let mut request = fields.send(url, self.sent_as)?;
        if let Some(authorization) = authorization {
            request.set_secret_header("authorization", &authorization)?;
        }
        for (name, value) in keyring.values(&self.headers)? {
            request.set_secret_header(&name, &value)?;
        }
        Ok(request)
    }

    fn put_client(
        &self,
        client: &Client,
        fields: &mut Fields,
        url: &Url,
        keyring: &Keyring,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Option<Secret>, Fault> {
        let id = keyring.need(&client.id)?;
        let secret = client.secret.as_ref().map(|secret| keyring.text(secret)).transpose()?.flatten();
        if client.sent_as == ClientSentAs::Basic {
            // RFC 6749 § 2.3.1 form-encodes both first. Few vendors undo that, and client ids have nothing to encode.
            return Ok(Some(basic::header(&id, secret.as_ref())));
        }
        fields.put(&self.names.client_id, id.expose());
        if let Some(secret) = secret {
            fields.put_secret(&self.names.client_secret, secret);
        }
        if let Some(assertion) = &client.assertion {
            let defaults = [("iss", id.expose()), ("sub", id.expose()), ("aud", url.as_str())];
            fields.put("client_assertion_type", ASSERTION_TYPE);
            fields.put_secret("client_assertion", assertion.sign(keyring, now, &defaults)?);
        }
        Ok(None)
    }

    /// The scopes in one text.
    pub(crate) fn scope(&self, keyring: &Keyring) -> Result<Option<String>, Fault> {
        if self.scopes.is_empty() {
            return Ok(None);
        }
        let scopes: Result<Vec<String>, Fault> =
            self.scopes.iter().map(|scope| Ok(keyring.fill(scope)?.expose().to_owned())).collect();
        Ok(Some(scopes?.join(self.scope_separator.as_deref().unwrap_or(" "))))
    }
}
