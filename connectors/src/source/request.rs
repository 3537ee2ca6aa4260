//! Builds the requests of a reading: path, parameters, body, window bounds, page.

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use super::parts::Parts;
use super::{Inner, selection};
use crate::error::Fault;
use crate::expression::{Scalar, Scope};
use crate::manifest::{AgeManifest, Method, Ordered};
use crate::stream::{RequestPlan, Stream};
use crate::transport::Request;
use crate::windowing::write_instant;

/// What distinguishes one request of a reading from the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Bounds as they are sent.
    pub(super) bounds: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// One parameter that pagination or the chain's token sets.
    pub(super) param: Option<(String, String)>,
    /// The URL that the server gave; everything else is in it already.
    pub(super) url: Option<Url>,
}

/// The request of one turn.
pub(super) fn build(inner: &Inner, stream: &Stream, scope: &Scope, turn: &Turn) -> Result<Request, Fault> {
    let plan = &stream.request;
    let mut scope = scope.clone();
    scope.extend(plan.with.clone());
    if let Some(window) = &stream.window {
        scope.insert("field".to_owned(), Scalar::Text(window.policy.field.clone()));
    }
    if let Some((from, until)) = turn.bounds {
        scope.insert("from".to_owned(), Scalar::Text(from.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()));
        scope.insert("until".to_owned(), Scalar::Text(until.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()));
    }
    name_columns(plan, &mut scope);
    let headers = headers(inner, stream, &scope)?;
    let auth = stream.auth.as_ref().unwrap_or(&inner.connector.manifest().http.auth);
    let caller = inner.authenticators.caller(auth, &scope)?;
    if let Some(url) = &turn.url {
        return Ok(Request {
            method: plan.method,
            url: url.clone(),
            headers,
            body: None,
            rules: plan.rules.clone(),
            caller,
        });
    }
    let young = young_way(plan, turn, inner.clock.now());
    let path = young.and_then(|young| young.path.as_ref()).unwrap_or(&plan.path);
    let mut url = inner.base.clone();
    url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), path.fill_path(&scope)?));
    let mut parts = Parts::new(plan.body.as_ref(), &scope)?;
    let params =
        plan.params.iter().chain(young.and_then(|young| young.params.as_ref()).into_iter().flat_map(Ordered::iter));
    for (name, value) in params {
        parts.set_named(name, value.value(&scope)?, &scope)?;
    }
    if let Some(size) = &plan.page_size {
        parts.set(&size.param, size.value.to_json())?;
    }
    if let (Some((from, until)), Some(window)) = (turn.bounds, &stream.window)
        && let Some(request) = &window.request
    {
        let write = |at| {
            write_instant(at, &window.sent_format)
                .ok_or_else(|| Fault::Internal { facts: "the window's zone is unknown".to_owned() })
        };
        parts.set(&request.from.fill(&scope)?, write(from)?)?;
        if let Some(param) = &request.until {
            parts.set(&param.fill(&scope)?, write(until)?)?;
        }
    }
    if let Some((param, value)) = &turn.param {
        parts.set(param, Value::String(value.clone()))?;
    }
    let style = plan.query.as_ref().unwrap_or(&inner.connector.manifest().http.query);
    let body = parts.finish(&mut url, style);
    let method = if body.is_some() && plan.method == Method::Get { Method::Post } else { plan.method };
    Ok(Request { method, url, headers, body, rules: plan.rules.clone(), caller })
}

/// The way that the window of a turn takes instead of the stream's, when it is young enough.
fn young_way<'a>(plan: &'a RequestPlan, turn: &Turn, now: DateTime<Utc>) -> Option<&'a AgeManifest> {
    let (from, _) = turn.bounds?;
    plan.by_age.iter().find(|way| now - from < way.younger_than.delta())
}

/// Names for query texts that ask for the stream's columns.
fn name_columns(plan: &RequestPlan, scope: &mut Scope) {
    for (name, text) in [("columns", selection::list(&plan.columns)), ("selection", selection::graphql(&plan.columns))]
    {
        scope.entry(name.to_owned()).or_insert(Scalar::Text(text));
    }
}

fn headers(inner: &Inner, stream: &Stream, scope: &Scope) -> Result<Vec<(String, String)>, Fault> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let shared = inner.connector.manifest().http.headers.iter();
    for (name, value) in shared.chain(stream.request.headers.iter()) {
        let name = name.to_ascii_lowercase();
        headers.retain(|(known, _)| *known != name);
        if let Some(text) = value.text(scope)? {
            headers.push((name, text));
        }
    }
    Ok(headers)
}
