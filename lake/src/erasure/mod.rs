//! Erases a person: every record of theirs, in every reading, table and log.
//!
//! A window that holds the person is written again as its next generations, without the person ([`rewrite`]); what lay below is
//! deleted, and its receipts are emptied ([`empty_receipts`]): the one change that a receipt ever sees. Tables lose at once what they
//! do not show any more ([`purge`]). Before all of that a record is written ([`note`]) that names the person by a keyed digest: it
//! keeps them out of later readings, and tells whoever finds an erasure unfinished that it is.

mod error;
mod purge;
mod record;
mod rewrite;
mod search;
mod subject;

pub use error::ErasureError;
pub use purge::purge;
pub use record::{
    Certificate, Digester, ErasureRecord, ForgottenMembers, Remembered, finish, finished, note, unfinished,
};
pub use rewrite::{Rewritten, empty_receipts, erased_windows, rewrite};
pub use search::{Found, FoundWindow, search};
pub use subject::Subject;

pub(crate) use record::erased;
pub(crate) use subject::Matcher;

#[cfg(test)]
mod tests;
