//! Builds the requests of a reading: path, parameters, body, window bounds, page.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use super::parts::Parts;
use super::{Inner, query, selection};
use crate::error::Fault;
use crate::expression::{ExpressionError, Scalar, Scope};
use crate::limits::Load;
use crate::manifest::{AgeManifest, Method, Ordered};
use crate::pagination::Slot;
use crate::stream::{RequestPlan, Stream};
use crate::transport::Request;

/// What distinguishes one request of a reading from the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Bounds that are sent.
    pub(super) bounds: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The bounds as they are written, with where they go; of a chain, what opens its link.
    pub(super) window: Vec<(Slot, Value)>,
    /// Values that every request of the reading carries, such as the names of fields.
    pub(super) sent: Vec<(Slot, Value)>,
    /// Values that pagination or the chain's token sets.
    pub(super) set: Vec<(Slot, Value)>,
    /// The URL that the server gave, which stands in place of path and parameters.
    pub(super) url: Option<Url>,
    /// The cursor stands for parameters, page size and window bounds.
    pub(super) is_alone: bool,
    /// Another request than the stream's own, such as that of a session's next page.
    pub(super) plan: Option<Arc<RequestPlan>>,
}

/// The values of a turn with their slots: page size, bounds, and what pagination or the chain's token sets.
fn values(plan: &RequestPlan, turn: &Turn) -> Vec<(Slot, Value)> {
    let mut values = Vec::new();
    if !turn.is_alone {
        values.extend(plan.page_size.as_ref().and_then(|size| Some((size.param.clone()?, size.value.to_json()))));
        values.extend(turn.window.iter().cloned());
        values.extend(turn.sent.iter().cloned());
    }
    values.extend(turn.set.iter().cloned());
    values
}

/// What the requests of a stream may name, before any page was read.
pub(super) fn names_of(stream: &Stream, scope: &Scope, turn: &Turn, now: DateTime<Utc>) -> Result<Scope, Fault> {
    names(stream, &stream.request, scope, turn, &values(&stream.request, turn), now)
}

/// What path, parameters, headers and body may name.
fn names(
    stream: &Stream,
    plan: &RequestPlan,
    scope: &Scope,
    turn: &Turn,
    values: &[(Slot, Value)],
    now: DateTime<Utc>,
) -> Result<Scope, Fault> {
    let mut scope = scope.clone();
    scope.insert("now".to_owned(), Scalar::Text(now.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()));
    scope.extend(plan.with.clone());
    if let Some(window) = &stream.window {
        scope.insert("field".to_owned(), Scalar::Text(window.policy.field.clone()));
    }
    if let Some((from, until)) = turn.bounds {
        scope.insert("from".to_owned(), Scalar::Text(from.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()));
        scope.insert("until".to_owned(), Scalar::Text(until.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()));
    }
    let token = stream.chain.as_ref().and_then(|chain| chain.param.as_ref());
    for slot in stream.pagination.slots().into_iter().chain(token) {
        if let Slot::Name(name) = slot {
            scope.insert(name.clone(), Scalar::Text(String::new()));
        }
    }
    for (slot, value) in values {
        if let Slot::Name(name) = slot {
            scope.insert(name.clone(), listed(value).unwrap_or_else(|| Scalar::from_json(value)));
        }
    }
    name_columns(plan, &mut scope);
    for (name, value) in plan.values.iter() {
        let value = value.value(&scope)?;
        scope.insert(name.to_owned(), Scalar::from_json(&value));
    }
    Ok(scope)
}

/// What of it is the same in every request of a stream under one parent and slice.
pub(crate) fn standing_names(stream: &Stream, plan: &RequestPlan, scope: &Scope) -> Scope {
    let mut scope = scope.clone();
    scope.extend(plan.with.clone());
    if let Some(window) = &stream.window {
        scope.insert("field".to_owned(), Scalar::Text(window.policy.field.clone()));
    }
    name_columns(plan, &mut scope);
    scope
}

/// A list of texts, as placeholders see it.
fn listed(value: &Value) -> Option<Scalar> {
    let items = value.as_array()?.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
    Some(Scalar::List(items.collect()))
}

/// Names of query parameters that this request says itself, whatever a URL of the server says.
fn own_names(turn: &Turn, scope: &Scope) -> Result<Vec<String>, ExpressionError> {
    let slots = turn.sent.iter().map(|(slot, _)| slot);
    slots.filter(|slot| matches!(slot, Slot::Query(_))).map(|slot| slot.fill(scope)).collect()
}

/// The request of one turn.
pub(super) fn build(inner: &Inner, stream: &Stream, scope: &Scope, turn: &Turn) -> Result<Request, Fault> {
    let plan = turn.plan.as_deref().unwrap_or(&stream.request);
    let values = values(plan, turn);
    let scope = names(stream, plan, scope, turn, &values, inner.clock.now())?;
    let load = load(inner, stream, &scope)?;
    let mut headers = headers(inner, stream, &scope)?;
    let auth = stream.auth.as_ref().unwrap_or(&inner.connector.manifest().http.auth);
    let caller = inner.authenticators.caller(auth, &scope)?;
    let young = young_way(plan, turn, inner.clock.now());
    let mut parts = Parts::new(plan.body.as_ref(), &scope)?;
    let params =
        plan.params.iter().chain(young.and_then(|young| young.params.as_ref()).into_iter().flat_map(Ordered::iter));
    for (name, value) in params.filter(|_| !turn.is_alone) {
        parts.set_named(name, value.value(&scope)?, &scope)?;
    }
    for (slot, value) in values {
        let name = slot.fill(&scope)?;
        match slot {
            Slot::Name(_) => {}
            Slot::Query(_) | Slot::Body(_) => parts.set(&name, value)?,
            Slot::Header(_) => set_header(&mut headers, &name, &value),
        }
    }
    let mut url = if let Some(given) = &turn.url {
        let known: Vec<String> = given.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let adds_params = stream.pagination.adds_params();
        let own = own_names(turn, &scope)?;
        parts.keep_query(|name| {
            own.iter().any(|own| own == name) || adds_params && !known.iter().any(|known| known == name)
        });
        query::without(given, &own)
    } else {
        let path = young.and_then(|young| young.path.as_ref()).unwrap_or(&plan.path);
        let base = inner.base_of(plan);
        let (mut url, path) = (base.clone(), path.fill_path(&scope)?);
        // Without a path the base is the whole address, with its last slash.
        if !path.is_empty() {
            url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        }
        url
    };
    let style = plan.query.as_ref().unwrap_or(&inner.connector.manifest().http.query);
    let body = parts.finish(&mut url, style);
    let method = if body.is_some() && plan.method == Method::Get { Method::Post } else { plan.method };
    Ok(Request { method, url, headers, body, rules: plan.rules.clone(), load, caller })
}

/// What a request counts as within the limits.
fn load(inner: &Inner, stream: &Stream, scope: &Scope) -> Result<Load, Fault> {
    let shared = inner.connector.manifest().http.cost.as_ref().and_then(|cost| cost.estimate.as_ref());
    let points = match stream.request.cost.as_ref().or(shared) {
        None => 1.0,
        Some(cost) => {
            let value = cost.value(scope)?;
            let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            let wrong =
                || ExpressionError::Failed { text: "cost".to_owned(), reason: format!("`{value}` is no number") };
            number.filter(|points| points.is_finite() && *points >= 0.0).ok_or_else(wrong)?
        }
    };
    Ok(Load { stream: Arc::from(stream.name.as_str()), points })
}

fn set_header(headers: &mut Vec<(String, String)>, name: &str, value: &Value) {
    let name = name.to_ascii_lowercase();
    headers.retain(|(known, _)| *known != name);
    match value {
        Value::Null => {}
        Value::String(text) => headers.push((name, text.clone())),
        other => headers.push((name, other.to_string())),
    }
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
