//! The switches under `/_sandbox/`: clock, faults, edits, requests, and the truth that a test compares a lake with.
//!
//! They ask for no token: whoever reaches the port may turn them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;

use super::collection::Collection;
use super::edits::Edit;
use super::faults::Fault;
use super::server::Service;
use super::world::timestamp;

/// What `POST /_sandbox/clock` may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockOrder {
    set: Option<DateTime<Utc>>,
    advance_seconds: Option<i64>,
    pace: Option<u32>,
}

/// `GET /_sandbox/clock`
pub(super) async fn clock(State(service): State<Arc<Service>>) -> Response {
    Json(json!({ "now": timestamp(service.shop.now()), "opens": timestamp(service.shop.opens()) })).into_response()
}

/// `POST /_sandbox/clock`
pub(super) async fn turn_clock(State(service): State<Arc<Service>>, Json(order): Json<ClockOrder>) -> Response {
    if let Some(to) = order.set {
        service.shop.set_clock(to);
    }
    if let Some(step) = order.advance_seconds.and_then(TimeDelta::try_seconds) {
        service.shop.advance(step);
    }
    if let Some(pace) = order.pace {
        service.shop.set_pace(pace);
    }
    clock(State(service)).await
}

/// `GET /_sandbox/faults`
pub(super) async fn faults(State(service): State<Arc<Service>>) -> Response {
    Json(service.shop.faults()).into_response()
}

/// `POST /_sandbox/faults`
pub(super) async fn add_fault(State(service): State<Arc<Service>>, Json(fault): Json<Fault>) -> Response {
    service.shop.add_fault(fault);
    faults(State(service)).await
}

/// `DELETE /_sandbox/faults`
pub(super) async fn clear_faults(State(service): State<Arc<Service>>) -> Response {
    service.shop.clear_faults();
    faults(State(service)).await
}

/// `POST /_sandbox/edits`
pub(super) async fn edit(State(service): State<Arc<Service>>, Json(edit): Json<Edit>) -> Response {
    match service.shop.edit(edit) {
        Ok(edited) => Json(edited).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": error.to_string() }))).into_response(),
    }
}

/// `GET /_sandbox/requests`
pub(super) async fn requests(State(service): State<Arc<Service>>) -> Response {
    let (counts, recent) = (service.shop.request_counts(), service.shop.recent_requests());
    Json(json!({ "counts": counts, "recent": recent })).into_response()
}

/// `GET /_sandbox/truth/<collection>?from=&until=&as_of=`
pub(super) async fn truth(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    Query(asked): Query<BTreeMap<String, DateTime<Utc>>>,
) -> Response {
    let Some(collection) = Collection::named(&name) else {
        return (StatusCode::NOT_FOUND, format!("there is no collection `{name}`\n")).into_response();
    };
    let at = |name: &str| asked.get(name).copied();
    let lines = service.shop.truth(collection, at("from"), at("until"), at("as_of"));
    ([(header::CONTENT_TYPE, "application/jsonl")], lines).into_response()
}
