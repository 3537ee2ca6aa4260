//! The sandbox: a small shop with an API, to learn, to show and to test with.
//!
//! It is an explicit teaching source, not a copy of any vendor's API. It listens on 127.0.0.1 only, makes its rows from a seed
//! (about 50,000 orders over 60 days), and keeps its own clock, which is never ahead of ours and stands still unless it is told
//! to run. `connectors/manifests/sandbox.yaml` reads it.
//!
//! # The API
//!
//! Every request bears `Authorization: Bearer` with [`TOKEN`] (or the token it was started with). Times are RFC 3339 in UTC with whole
//! seconds; ranges are half-open; an unknown parameter is a 400. The `Date` header shows the shop's clock. Readers are asked for
//! at most 500 requests a second.
//!
//! | request | answer | what it teaches |
//! |---|---|---|
//! | `GET /v1/events?created_from=&created_until=&limit=&cursor=` | `{"events": […], "next": "…" or null}`, limit ≤ 1000 | rows that never change; a few are listed up to 20 s late |
//! | `GET /v1/orders?created_from=&created_until=&limit=&after=<id>` | `{"data": […], "has_more": true}`, limit ≤ 500 | rows by creation that change for 3 days, with lines; some are taken back |
//! | `GET /v1/payments?updated_from=&updated_until=&page=&per_page=` | `{"payments": […], "page": 1, "pages": 2, "total": 600}`, `per_page` ≤ 500 | rows by their last change, which move |
//! | `GET /v1/customers?updated_from=&updated_until=&page=&per_page=` | the same under `customers` | rows that move, and are deleted |
//! | `GET /v1/customers/ids?limit=&cursor=` | `{"ids": [{"id": "…"}], "next": "…" or null}`, limit ≤ 5000 | deletes that only a list of keys shows |
//! | `GET /v1/products?limit=&after=` | `{"products": […]}` and a `Link` header with `rel="next"`, limit ≤ 100 | a list without a filter |
//! | `GET /v1/tickets/changes?limit=&token=` | `{"changes": […], "next_token": "…", "more": false}`, limit ≤ 500 | a chain of change tokens |
//!
//! `GET /` says what this is and asks for no token; its `Date` header tells a reader the shop's time.
//!
//! While the clock runs, numbered pages of a range whose rows move can skip a row, as with every such API; the shop's clock
//! therefore stands still by default.
//!
//! # The switches
//!
//! | request | does |
//! |---|---|
//! | `GET`, `POST /_sandbox/clock` | shows the clock; `{"set": "…"}`, `{"advance_seconds": 3600}`, `{"pace": 60}` turn it |
//! | `GET`, `POST`, `DELETE /_sandbox/faults` | shows, adds ([`Fault`]), clears faults |
//! | `POST /_sandbox/edits` | changes rows ([`Edit`]) |
//! | `GET /_sandbox/requests` | how many requests each endpoint received, and the latest ones |
//! | `GET /_sandbox/truth/<collection>?from=&until=&as_of=` | what a complete reader shows, as JSON lines |

mod api;
mod clock;
mod collection;
mod connection;
mod control;
mod edits;
mod faults;
mod random;
mod server;
mod shop;
mod world;

pub use collection::Collection;
pub use edits::{Edit, EditError, Edited};
pub use faults::{Endpoint, Fault, FaultKind};
pub use server::{Sandbox, SandboxError, SandboxOptions, TOKEN};
pub use shop::{ReceivedRequest, Shop};
