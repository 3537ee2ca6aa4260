//! Connectors against the real software: what they load equals what the software itself holds.
//!
//! Each software is installed from a package registry, filled through its own API or client, and served on 127.0.0.1 on a clock that
//! the test moves, so that days pass in seconds. The lake is then held against the software's own database or client, never against the
//! API that the connector reads. `UPDATE=1 tests/live/run` writes what was proved to `connectors/live.json`; nobody types it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed test panics"
)]
#![expect(clippy::disallowed_methods, reason = "a test reads the environment and the clock as a user does")]

mod ecommerce;
mod project;
mod proof;
mod record;
mod software;
mod table;
