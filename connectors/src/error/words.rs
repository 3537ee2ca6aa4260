//! The words of a source within faults: where they stand, so that secrets can be taken out of all of them.
//!
//! A source may repeat what it was sent wherever it speaks: in the first characters of a page, as the name of a field, in the next
//! cursor. What it says of a refusal is cleaned where it is read; here nothing is left that a person or a log could see.

use super::Fault;
use crate::auth::AuthError;
use crate::decoding::DecodeError;
use crate::expression::ExpressionError;
use crate::jobs::JobError;
use crate::pagination::PaginationError;
use crate::parents::FieldError;
use crate::slicing::SliceError;

impl Fault {
    /// The fault with every text of the source's passed through `clean`.
    pub(crate) fn with_words(mut self, clean: &dyn Fn(&str) -> String) -> Self {
        for word in self.words() {
            *word = clean(word);
        }
        self
    }

    fn words(&mut self) -> Vec<&mut String> {
        match self {
            Self::Unauthorized { says: word }
            | Self::Forbidden { says: word }
            | Self::NotFound { says: word, .. }
            | Self::Rejected { says: word, .. }
            | Self::ServerError { says: word, .. }
            | Self::Declared { says: word, .. }
            | Self::ErrorInBody { says: word }
            | Self::ProxyRefused { says: word }
            | Self::Unreachable { reason: word, .. }
            | Self::Tls { reason: word, .. }
            | Self::BodyCut { reason: word, .. }
            | Self::Spool { reason: word }
            | Self::Replay { reason: word }
            | Self::OriginRefused { url: word, .. }
            | Self::PrivateAddress { host: word, .. }
            | Self::PlainHttp { host: word }
            | Self::Encoding { encoding: word }
            | Self::Internal { facts: word } => vec![word],
            Self::Decode(error) => of_decoding(error),
            Self::Pagination(error) => of_pages(error),
            Self::Job(error) => of_job(error),
            Self::Auth(error) => of_login(error),
            Self::Parent(FieldError::NotJson { reason, .. }) => vec![reason],
            Self::Expression(error)
            | Self::Parent(FieldError::When(error))
            | Self::Slice(SliceError::Expression(error)) => of_expression(error),
            Self::BatchRefused { fault } => fault.words(),
            // Our own words, the manifest's, and the project's settings in the open.
            Self::Throttled { .. }
            | Self::QuotaSpent { .. }
            | Self::QuotaStore(_)
            | Self::TooSlow { .. }
            | Self::ReadingTooLong { .. }
            | Self::UrlTooLong { .. }
            | Self::HeadTooLarge { .. }
            | Self::TooManyRedirects { .. }
            | Self::BodyTooLarge { .. }
            | Self::EndUnknown
            | Self::Inflates { .. }
            | Self::HeaderValue { .. }
            | Self::Slice(_)
            | Self::Parent(_)
            | Self::JobStore(_)
            | Self::Setting(_)
            | Self::Manifest(_)
            | Self::UnknownStream { .. }
            | Self::Bounds { .. } => Vec::new(),
        }
    }
}

fn of_decoding(error: &mut DecodeError) -> Vec<&mut String> {
    match error {
        DecodeError::Html { snippet: word }
        | DecodeError::NotATable { snippet: word }
        | DecodeError::NotJson { reason: word, .. }
        | DecodeError::NotXml { reason: word, .. }
        | DecodeError::RecordsMissing { names: word, .. }
        | DecodeError::RecordForeign { names: word, .. }
        | DecodeError::NotInflatable { reason: word, .. }
        | DecodeError::Archive { reason: word }
        | DecodeError::Members { names: word, .. }
        | DecodeError::Spool { reason: word }
        | DecodeError::UnknownCharset { label: word }
        | DecodeError::HeaderTwice { name: word }
        | DecodeError::Columnar { reason: word } => vec![word],
        DecodeError::Empty
        | DecodeError::Truncated { .. }
        | DecodeError::Trailing { .. }
        | DecodeError::RecordsNotAList { .. }
        | DecodeError::RecordTooLarge { .. }
        | DecodeError::TooDeep { .. }
        | DecodeError::HeldTooLarge { .. }
        | DecodeError::Inflates { .. }
        | DecodeError::TooManyWrappings { .. }
        | DecodeError::NotInCharset { .. }
        | DecodeError::Ragged { .. }
        | DecodeError::TooManyCells { .. } => Vec::new(),
    }
}

fn of_pages(error: &mut PaginationError) -> Vec<&mut String> {
    match error {
        PaginationError::CursorStuck { cursor: word } | PaginationError::Computed { reason: word } => vec![word],
        _ => Vec::new(),
    }
}

fn of_job(error: &mut JobError) -> Vec<&mut String> {
    match error {
        JobError::NotJson { reason: word }
        | JobError::UnknownState { state: word, .. }
        | JobError::Failed { says: word }
        | JobError::TooLarge { state: word } => vec![word],
        JobError::Absent { .. } | JobError::TimedOut { .. } | JobError::NotAUrl { .. } => Vec::new(),
    }
}

fn of_login(error: &mut AuthError) -> Vec<&mut String> {
    match error {
        AuthError::Refused { at, says, .. } | AuthError::Expired { at, says } => vec![at, says],
        AuthError::NoValue { at, names, .. } => vec![at, names],
        AuthError::NotJson { at, .. } | AuthError::Redirected { at, .. } => vec![at],
        AuthError::BadUrl { reason, .. }
        | AuthError::BadKey { reason, .. }
        | AuthError::Unsignable { reason }
        | AuthError::LoginFailed { reason } => vec![reason],
        AuthError::Missing { .. }
        | AuthError::UnknownChoice { .. }
        | AuthError::NotLoggedIn { .. }
        | AuthError::Busy { .. }
        | AuthError::Store(_)
        | AuthError::NoRandomness => Vec::new(),
    }
}

fn of_expression(error: &mut ExpressionError) -> Vec<&mut String> {
    if let ExpressionError::Failed { reason, .. } = error { vec![reason] } else { Vec::new() }
}
