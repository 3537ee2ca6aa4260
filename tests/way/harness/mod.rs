//! What the whole-way tests stand on: a project in a folder of its own, a shop on a free port, and an oracle.
//!
//! The binary is run as a user runs it, a new process each time. Nothing here knows how Headwater works inside: what lies on the
//! disk is read by code of its own, so that a mistake of ours cannot prove itself right.

mod delta;
mod oracle;
mod project;
mod secrets;
mod server;
mod service;
mod strangers;

pub(crate) use oracle::{Oracle, Receipt, receipts};
pub(crate) use project::{Project, Ran, finish, tools, walk};
pub(crate) use secrets::written;
pub(crate) use server::{Server, at, object};
pub(crate) use service::Service;
pub(crate) use strangers::strangers;
