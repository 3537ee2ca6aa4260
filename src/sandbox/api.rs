//! The shop's public API: seven lists, five ways of paging.
//!
//! A parameter that the API does not know is refused, because a filter that a source ignores is how readers lose rows.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::collection::Collection;
use super::faults::Endpoint;
use super::server::Service;
use super::shop::Row;

type Parameters = Query<BTreeMap<String, String>>;

/// A request that the API refuses.
#[derive(Debug)]
pub(super) struct BadRequest(String);

impl IntoResponse for BadRequest {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": self.0 }))).into_response()
    }
}

/// The parameters of one request, all of them known by name.
struct Asked<'a>(&'a BTreeMap<String, String>);

impl<'a> Asked<'a> {
    fn only(parameters: &'a Parameters, known: &[&str]) -> Result<Self, BadRequest> {
        match parameters.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(BadRequest(format!("unknown parameter `{name}`: use {}", known.join(", ")))),
            None => Ok(Self(&parameters.0)),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str, default: usize, range: Range<usize>) -> Result<usize, BadRequest> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| BadRequest(format!("`{name}` must be from {} to {}", range.start, range.end - 1)))
    }

    /// The seconds from the opening that two parameters span, half-open.
    fn seconds(&self, service: &Service, from: &str, until: &str) -> Result<Range<i64>, BadRequest> {
        let read = |name: &str| -> Result<Option<i64>, BadRequest> {
            let Some(text) = self.text(name) else { return Ok(None) };
            let at = text.parse::<DateTime<Utc>>();
            let at = at.map_err(|_| BadRequest(format!("`{name}` must be an RFC 3339 instant, not `{text}`")))?;
            Ok(Some(service.shop.seconds_of(at)))
        };
        Ok(read(from)?.unwrap_or(i64::MIN)..read(until)?.unwrap_or(i64::MAX))
    }

    /// The number in an id that a page starts after; 0 when absent.
    fn after(&self, name: &str, collection: Collection) -> Result<u32, BadRequest> {
        let Some(id) = self.text(name) else { return Ok(0) };
        collection.number(id).ok_or_else(|| BadRequest(format!("`{name}` must be an id of {collection}, not `{id}`")))
    }
}

/// `{"<field>":[rows],<rest>}`: the rows come first, so that a reader meets them before what says whether there are more.
fn body(endpoint: Endpoint, rows: impl IntoIterator<Item = impl AsRef<str>>, rest: &str) -> Response {
    let mut text = format!("{{\"{}\":[", endpoint.rows_field());
    for (place, row) in rows.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(row.as_ref());
    }
    text.push(']');
    text.push_str(rest);
    text.push('}');
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn texts(rows: &[Row]) -> impl Iterator<Item = &str> {
    rows.iter().map(|row| row.text.as_str())
}

/// A token as a JSON value, null when there is no further page.
fn token(next: Option<String>) -> String {
    next.map_or_else(|| "null".to_owned(), |token| format!("\"{token}\""))
}

/// `GET /v1/events`: pages by an opaque cursor in the body.
pub(super) async fn events(State(service): State<Arc<Service>>, asked: Parameters) -> Result<Response, BadRequest> {
    let asked = Asked::only(&asked, &["created_from", "created_until", "limit", "cursor"])?;
    let seconds = asked.seconds(&service, "created_from", "created_until")?;
    let limit = asked.number("limit", 100, 1..1_001)?;
    let rows = service.shop.listing(Collection::Events, &seconds);
    let first = match asked.text("cursor") {
        None => 0,
        Some(cursor) => {
            let place = cursor.split_once('-').and_then(|(time, number)| {
                Some((i64::from_str_radix(time, 16).ok()?, u32::from_str_radix(number, 16).ok()?))
            });
            let place =
                place.ok_or_else(|| BadRequest(format!("`cursor` must be the `next` of a page, not `{cursor}`")))?;
            rows.partition_point(|row| (row.time, row.number) <= place)
        }
    };
    let rest = rows.get(first..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    let next = page.last().filter(|_| page.len() < rest.len()).map(|row| format!("{:x}-{:x}", row.time, row.number));
    Ok(body(Endpoint::Events, texts(page), &format!(",\"next\":{}", token(next))))
}

/// `GET /v1/orders`: pages start after the last id of the page before.
pub(super) async fn orders(State(service): State<Arc<Service>>, asked: Parameters) -> Result<Response, BadRequest> {
    let asked = Asked::only(&asked, &["created_from", "created_until", "limit", "after"])?;
    let seconds = asked.seconds(&service, "created_from", "created_until")?;
    let limit = asked.number("limit", 100, 1..501)?;
    let after = asked.after("after", Collection::Orders)?;
    let rows = service.shop.listing(Collection::Orders, &seconds);
    let rest = rows.get(rows.partition_point(|row| row.number <= after)..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    Ok(body(Endpoint::Orders, texts(page), &format!(",\"has_more\":{}", page.len() < rest.len())))
}

/// `GET /v1/payments`: numbered pages.
pub(super) async fn payments(State(service): State<Arc<Service>>, asked: Parameters) -> Result<Response, BadRequest> {
    numbered(&service, &asked, Collection::Payments, Endpoint::Payments)
}

/// `GET /v1/customers`: numbered pages.
pub(super) async fn customers(State(service): State<Arc<Service>>, asked: Parameters) -> Result<Response, BadRequest> {
    numbered(&service, &asked, Collection::Customers, Endpoint::Customers)
}

fn numbered(
    service: &Service,
    asked: &Parameters,
    collection: Collection,
    endpoint: Endpoint,
) -> Result<Response, BadRequest> {
    let asked = Asked::only(asked, &["updated_from", "updated_until", "page", "per_page"])?;
    let seconds = asked.seconds(service, "updated_from", "updated_until")?;
    let page = asked.number("page", 1, 1..1_000_001)?;
    let size = asked.number("per_page", 100, 1..501)?;
    let rows = service.shop.listing(collection, &seconds);
    let (total, pages) = (rows.len(), rows.len().div_ceil(size).max(1));
    let first = (page - 1).saturating_mul(size).min(total);
    let rest = rows.get(first..).unwrap_or_default();
    let shown = rest.get(..size).unwrap_or(rest);
    Ok(body(endpoint, texts(shown), &format!(",\"page\":{page},\"pages\":{pages},\"total\":{total}")))
}

/// `GET /v1/customers/ids`: the ids of all customers there are.
pub(super) async fn customer_ids(
    State(service): State<Arc<Service>>,
    asked: Parameters,
) -> Result<Response, BadRequest> {
    let asked = Asked::only(&asked, &["limit", "cursor"])?;
    let limit = asked.number("limit", 1_000, 1..5_001)?;
    let after = asked.after("cursor", Collection::Customers)?;
    let rows = service.shop.listing(Collection::Customers, &(i64::MIN..i64::MAX));
    let mut numbers: Vec<u32> = rows.iter().map(|row| row.number).filter(|number| *number > after).collect();
    numbers.sort_unstable();
    let page = numbers.get(..limit).unwrap_or(&numbers);
    let next = page.last().filter(|_| page.len() < numbers.len()).map(|number| Collection::Customers.id(*number));
    let rows = page.iter().map(|number| format!("{{\"id\":\"{}\"}}", Collection::Customers.id(*number)));
    Ok(body(Endpoint::CustomerIds, rows, &format!(",\"next\":{}", token(next))))
}

/// `GET /v1/products`: the next page's address is in the `Link` header.
pub(super) async fn products(State(service): State<Arc<Service>>, asked: Parameters) -> Result<Response, BadRequest> {
    let asked = Asked::only(&asked, &["limit", "after"])?;
    let limit = asked.number("limit", 50, 1..101)?;
    let after = asked.after("after", Collection::Products)?;
    let rows = service.shop.listing(Collection::Products, &(i64::MIN..i64::MAX));
    let rest = rows.get(rows.partition_point(|row| row.number <= after)..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    let mut response = body(Endpoint::Products, texts(page), "");
    if let Some(last) = page.last().filter(|_| page.len() < rest.len()) {
        let mut link = format!("<{}{}", service.origin, Endpoint::Products.path());
        let _written = write!(link, "?limit={limit}&after={}>; rel=\"next\"", Collection::Products.id(last.number));
        if let Ok(value) = link.parse() {
            response.headers_mut().insert(header::LINK, value);
        }
    }
    Ok(response)
}

/// `GET /v1/tickets/changes`: a chain of changes, continued from the token of the page before.
pub(super) async fn tickets(State(service): State<Arc<Service>>, asked: Parameters) -> Result<Response, BadRequest> {
    let asked = Asked::only(&asked, &["limit", "token"])?;
    let limit = asked.number("limit", 100, 1..501)?;
    let first = match asked.text("token") {
        None => 0,
        Some(text) => {
            let place = text.strip_prefix("after-").and_then(|place| place.parse::<usize>().ok());
            place.ok_or_else(|| BadRequest(format!("`token` must be the `next_token` of a page, not `{text}`")))?
        }
    };
    let (rows, total) = service.shop.ticket_changes(service.shop.moment(), first..first.saturating_add(limit));
    let next = first + rows.len();
    Ok(body(Endpoint::Tickets, rows, &format!(",\"next_token\":\"after-{next}\",\"more\":{}", next < total)))
}
