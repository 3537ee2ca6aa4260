//! The engine against local servers: each embedded manifest on a server shaped from its vendor's description, and every fault by name.
//!
//! The servers speak plain HTTP/1.1 on loopback, so that they can break it: cut a body, lie about a page, lead elsewhere.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod auth;
mod canary;
mod capabilities;
mod chains;
mod columns;
mod connections;
mod fault_table;
mod faults;
mod files;
mod formats;
mod import_kinds;
mod import_values;
mod imports;
mod jobs;
mod limits;
mod lookups;
mod paging;
mod parents;
mod portions;
mod refusals;
mod requests;
mod safety;
mod server;
mod shapes;
mod slices;
mod streams;
mod vendors;
mod windows;
mod work;
