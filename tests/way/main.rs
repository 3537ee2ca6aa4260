//! The whole way, as a user goes it: the binary, a project, real servers on 127.0.0.1, and an oracle that asks the source.
//!
//! Timing never decides: a process is stopped where it says it is, and a server answers what it was told to answer.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed test panics"
)]
#![expect(clippy::disallowed_methods, reason = "a test reads the disk and the environment as a user does")]

mod access;
mod erase;
mod faults;
mod gate;
mod harness;
mod kills;
mod maintenance;
mod owners;
mod rebuild;
mod retail;
mod secrets;
mod stores;
mod tools;
mod windows;
