//! Starts and stops the shop on 127.0.0.1, and lets faults befall its answers.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, StreamExt};
use headwater_contract::{Clock, Secret, SystemClock};
use serde_json::json;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::connection::{CuttableListener, Knife};
use super::faults::{Endpoint, FaultKind};
use super::shop::{ReceivedRequest, Shop};
use super::world::WorldSize;
use super::{api, control};

/// The largest body that a fault takes apart; a page of the shop is far smaller.
const BODY_BYTES_MAX: usize = 64 << 20;

/// The token that requests bear unless the sandbox is started with another. It is no secret, but no plain word either: what it says
/// is taken out of messages like any token.
pub const TOKEN: &str = "teaching-shop-token";

/// What the sandbox is made of.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Makes the world; the same seed makes the same one.
    pub seed: u64,
    /// Orders in the first `days`.
    pub orders: u32,
    /// Days from the opening to the clock's start, over which the orders are spread.
    pub days: u32,
    /// Days after them in which the shop goes on at the same rate.
    pub days_ahead: u32,
    /// Where to listen on 127.0.0.1; 0 takes any free port.
    pub port: u16,
    /// When the shop opened.
    pub opens: DateTime<Utc>,
    /// What its clock shows at the start; `days` after the opening when absent. Never ahead of ours.
    pub clock_start: Option<DateTime<Utc>>,
    /// Seconds of the shop in one of ours; 0 stands still.
    pub pace: u32,
    /// The token that requests must bear.
    pub token: Secret,
    /// Our clock.
    pub clock: Arc<dyn Clock>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            seed: 7,
            orders: 50_000,
            days: 60,
            days_ahead: 10,
            port: 8787,
            opens: DateTime::from_timestamp(1_740_787_200, 0).unwrap_or_default(), // 2025-03-01T00:00:00Z
            clock_start: None,
            pace: 0,
            token: Secret::new(TOKEN),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Why the sandbox cannot start.
#[derive(Debug, Error)]
#[error("the sandbox cannot listen on 127.0.0.1:{port}")]
pub struct SandboxError {
    /// The port that was asked for.
    pub port: u16,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

/// What a request handler holds.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) shop: Arc<Shop>,
    pub(super) origin: String,
    token: Secret,
}

/// A running shop. It stops when this is dropped; [`Sandbox::stop`] waits until it has.
#[derive(Debug)]
pub struct Sandbox {
    origin: String,
    port: u16,
    shop: Arc<Shop>,
    knife: Knife,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<io::Result<()>>,
}

impl Sandbox {
    /// Makes the world and serves it.
    ///
    /// # Errors
    ///
    /// [`SandboxError`] when the port cannot be had.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let now = options.clock_start.unwrap_or(options.opens + TimeDelta::days(i64::from(options.days)));
        let size = WorldSize { orders: options.orders, days: options.days, days_ahead: options.days_ahead };
        let shop = Shop::new((options.seed, options.opens, size), Arc::clone(&options.clock), now, options.pace);
        Self::serve(Arc::new(shop), options.port, options.token).await
    }

    /// Serves a shop that another sandbox served before: same rows, same edits, same clock.
    ///
    /// # Errors
    ///
    /// [`SandboxError`] when the port cannot be had.
    pub async fn serve(shop: Arc<Shop>, port: u16, token: Secret) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let origin = format!("http://127.0.0.1:{port}");
        let service = Arc::new(Service { shop: Arc::clone(&shop), origin: origin.clone(), token });
        let knife = Knife::default();
        let listener = CuttableListener { listener, knife: knife.clone() };
        let (sender, asked) = oneshot::channel::<()>();
        let app = router(service).into_make_service_with_connect_info::<Knife>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
            // A dropped sender says the same as a sent word.
            let _said = asked.await;
        });
        let served = tokio::spawn(serving.into_future());
        Ok(Self { origin, port, shop, knife, stop: Some(sender), served })
    }

    /// Where it listens, e.g. `http://127.0.0.1:8787`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The shop and its switches.
    pub fn shop(&self) -> &Arc<Shop> {
        &self.shop
    }

    /// Stops listening and breaks the connections that are open. The shop lives on for [`Sandbox::serve`].
    pub async fn stop(mut self) -> Arc<Shop> {
        self.knife.cut_all();
        drop(self.stop.take());
        // An error of the server that is being thrown away is of no use to anybody.
        let _ended = (&mut self.served).await;
        Arc::clone(&self.shop)
    }
}

fn router(service: Arc<Service>) -> Router {
    let shop = Router::new()
        .route(Endpoint::Events.path(), get(api::events))
        .route(Endpoint::Orders.path(), get(api::orders))
        .route(Endpoint::Payments.path(), get(api::payments))
        .route(Endpoint::Customers.path(), get(api::customers))
        .route(Endpoint::CustomerIds.path(), get(api::customer_ids))
        .route(Endpoint::Products.path(), get(api::products))
        .route(Endpoint::Tickets.path(), get(api::tickets))
        .route("/", get(async || "The Headwater sandbox: a small shop. Its API is under /v1, its switches are under /_sandbox.\n"))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), answer));
    let switches = Router::new()
        .route("/_sandbox/clock", get(control::clock).post(control::turn_clock))
        .route("/_sandbox/faults", get(control::faults).post(control::add_fault).delete(control::clear_faults))
        .route("/_sandbox/edits", post(control::edit))
        .route("/_sandbox/requests", get(control::requests))
        .route("/_sandbox/truth/{collection}", get(control::truth));
    shop.merge(switches).layer(middleware::from_fn_with_state(Arc::clone(&service), date)).with_state(service)
}

/// Dates every answer by the shop's clock.
async fn date(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let text = service.shop.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::DATE, value);
    }
    response
}

/// Checks the token, lets a fault befall the answer, and notes the request.
async fn answer(
    State(service): State<Arc<Service>>,
    ConnectInfo(knife): ConnectInfo<Knife>,
    request: Request,
    next: Next,
) -> Response {
    let Some(endpoint) = Endpoint::at(request.uri().path()) else {
        if service.shop.is_down() {
            knife.cut();
        }
        return next.run(request).await;
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let note = |status: u16| service.shop.note_request(ReceivedRequest { endpoint, query: query.clone(), status });
    let expected = format!("Bearer {}", service.token.expose());
    let borne = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    if borne != Some(expected.as_bytes()) {
        note(401);
        return refusal(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
    }
    let fault = service.shop.befall(endpoint);
    let response = match fault {
        None => next.run(request).await,
        Some(FaultKind::Down) => {
            knife.cut();
            note(0);
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        Some(FaultKind::Status { status, retry_after }) => refused(status, retry_after),
        Some(FaultKind::Html) => {
            Html("<!doctype html><title>Shop</title><p>We are back in a minute.</p>").into_response()
        }
        Some(FaultKind::Slow { millis }) => {
            tokio::time::sleep(Duration::from_millis(millis.into())).await;
            next.run(request).await
        }
        Some(FaultKind::Truncated) => truncated(next.run(request).await, knife).await,
        Some(FaultKind::WrongPath) => renamed(next.run(request).await, endpoint).await,
    };
    note(response.status().as_u16());
    response
}

fn refusal(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

fn refused(status: u16, retry_after: Option<u32>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = refusal(status, "the shop was told to answer this");
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Sends the head and half of the body, then breaks the connection.
async fn truncated(response: Response, knife: Knife) -> Response {
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, "the page is too large to be cut");
    };
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let half = bytes.slice(..bytes.len() / 2);
    let cut = stream::once(async move {
        // The half that is sent must leave the buffers before the connection breaks.
        tokio::time::sleep(Duration::from_millis(20)).await;
        knife.cut();
        Err::<Bytes, io::Error>(io::ErrorKind::ConnectionReset.into())
    });
    Response::from_parts(head, Body::from_stream(stream::once(async { Ok(half) }).chain(cut)))
}

/// Gives the list of rows another name.
async fn renamed(response: Response, endpoint: Endpoint) -> Response {
    let (mut head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.replacen(&format!("{{\"{}\":", endpoint.rows_field()), "{\"items\":", 1);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(text))
}

#[cfg(test)]
mod tests;
