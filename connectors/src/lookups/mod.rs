//! Lookups: what other requests say of the records of a page, asked for by their ids and put into each record.
//!
//! The requests are those of an internal stream, so it has paging, rules and shape like any other. Records wait until the lookups of their
//! page are in. What is asked for follows from the records alone, so a replay joins the same bodies without asking anybody.
//!
//! ```text
//! page ─▶ ids of its records, each once ─▶ a reading for so many ids ─▶ records by id ─▶ a field of each record
//! ```

mod check;
mod desk;
mod manifest;

pub(crate) use check::check_lookups;
pub(crate) use desk::Desk;
pub use manifest::LookupManifest;

use headwater_contract::Exchange;
use serde_json::{Value, json};

/// The stored header that says which lookup a body answers, and for which id where the body does not say it.
pub const LOOKUP_HEADER: &str = "headwater-lookup";

/// A lookup of a stream, with the field that it fills.
pub(crate) type Lookup = (String, LookupManifest);

/// Marks an exchange as the answer of a lookup; `id` is that of a request for one id.
pub(crate) fn mark(exchange: &mut Exchange, name: &str, id: Option<&str>) {
    let text = match id {
        Some(id) => json!({ "name": name, "id": id }),
        None => json!({ "name": name }),
    };
    exchange.headers.push((LOOKUP_HEADER.to_owned(), text.to_string()));
}

/// The lookup and the id that an exchange was stored with.
pub(crate) fn stored(exchange: &Exchange) -> Option<(String, Option<String>)> {
    let (_, text) = exchange.headers.iter().find(|(name, _)| name == LOOKUP_HEADER)?;
    let value: Value = serde_json::from_str(text).ok()?;
    let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
    Some((value.get("name")?.as_str()?.to_owned(), id))
}
