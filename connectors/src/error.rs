//! Why a source could not be read: the fault, and where it happened.
//!
//! Codes are stable words. What a fault asks of its reader follows from its kind: wait, mend the manifest, renew a credential.

mod words;

use chrono::{DateTime, Utc};
use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

use crate::auth::AuthError;
use crate::decoding::DecodeError;
use crate::expression::ExpressionError;
use crate::jobs::{JobError, JobStoreError};
use crate::limits::QuotaStoreError;
use crate::manifest::{ManifestError, SettingError};
use crate::pagination::PaginationError;
use crate::parents::FieldError;
use crate::refusal::FailureClass;
use crate::slicing::SliceError;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The credential is not known.
    #[error("the source does not know this credential (401){}", said(says))]
    Unauthorized {
        /// The source's words.
        says: String,
    },
    /// The credential may not read this.
    #[error("the credential may not read this (403){}", said(says))]
    Forbidden {
        /// The source's words.
        says: String,
    },
    /// Nothing is there.
    #[error("the source has nothing there ({status}){}", said(says))]
    NotFound {
        /// HTTP status.
        status: u16,
        /// The source's words.
        says: String,
    },
    /// The request is not what the source takes.
    #[error("the source refuses the request ({status}){}", said(says))]
    Rejected {
        /// HTTP status.
        status: u16,
        /// The source's words.
        says: String,
    },
    /// Too many requests.
    #[error("the source wants fewer requests ({status}){}", retry_at.map(|at| format!(", and none before {}", at.format("%Y-%m-%dT%H:%M:%SZ"))).unwrap_or_default())]
    Throttled {
        /// HTTP status.
        status: u16,
        /// When it may be asked again, where it says so.
        retry_at: Option<DateTime<Utc>>,
    },
    /// What may be asked is used up, by our own count.
    #[error("what the source allows is used up until {}", until.format("%Y-%m-%dT%H:%M:%SZ"))]
    QuotaSpent {
        /// When it is full again.
        until: DateTime<Utc>,
    },
    /// Nobody knows what may still be asked.
    #[error("{0}")]
    QuotaStore(QuotaStoreError),
    /// The source is broken.
    #[error("the source failed ({status}){}", said(says))]
    ServerError {
        /// HTTP status.
        status: u16,
        /// The source's words.
        says: String,
        /// When it may be asked again, where it says so.
        retry_at: Option<DateTime<Utc>>,
    },
    /// A rule of the manifest names it.
    #[error("{message} ({status}){}", said(says))]
    Declared {
        /// What it asks of its reader.
        class: FailureClass,
        /// HTTP status.
        status: u16,
        /// What the manifest says that it means.
        message: String,
        /// The source's words.
        says: String,
    },
    /// No answer.
    #[error("{origin} cannot be reached: {reason}")]
    Unreachable {
        /// The pinned origin.
        origin: String,
        /// What the system said.
        reason: String,
        /// Whether time ran out.
        timed_out: bool,
    },
    /// Who answers cannot prove to be the source, or speaks no TLS that is safe.
    #[error("no safe connection to {origin}: {reason}")]
    Tls {
        /// The pinned origin.
        origin: String,
        /// What the system said.
        reason: String,
    },
    /// The connection ended within a body.
    #[error("the body was cut after {bytes} bytes: {reason}")]
    BodyCut {
        /// How many came.
        bytes: u64,
        /// What the system said.
        reason: String,
    },
    /// An answer that trickles.
    #[error("the answer was not whole in time; {bytes} bytes of it came")]
    TooSlow {
        /// How many came.
        bytes: u64,
    },
    /// A reading that does not end.
    #[error("the reading took too long; {requests} requests were answered")]
    ReadingTooLong {
        /// How many.
        requests: u32,
    },
    /// The body is not what the manifest says.
    #[error("{0}")]
    Decode(DecodeError),
    /// The body says that the request failed.
    #[error("the source answered 200 with an error: {says}")]
    ErrorInBody {
        /// Its words.
        says: String,
    },
    /// The server contradicts itself about what follows.
    #[error("{0}")]
    Pagination(PaginationError),
    /// A URL leads elsewhere.
    #[error("the source leads to {url}, which is not {pinned}")]
    OriginRefused {
        /// Where it leads, without secrets.
        url: String,
        /// The pinned origin.
        pinned: String,
    },
    /// A host is in the private network.
    #[error("`{host}` is {address}, a private address")]
    PrivateAddress {
        /// The host.
        host: String,
        /// Its address.
        address: String,
    },
    /// A host that would be asked without encryption.
    #[error("`{host}` would be asked over plain HTTP, which anybody on the way can read and change")]
    PlainHttp {
        /// Host and port.
        host: String,
    },
    /// The project's proxy wants another credential.
    #[error("the proxy refuses to pass requests on (407){}", said(says))]
    ProxyRefused {
        /// Its words.
        says: String,
    },
    /// A URL beyond any reason.
    #[error("a URL is longer than {limit} bytes")]
    UrlTooLong {
        /// The bound.
        limit: usize,
    },
    /// Headers beyond any reason.
    #[error("the answer's headers are more than {limit} bytes, or more than 100")]
    HeadTooLarge {
        /// The bound.
        limit: usize,
    },
    /// One redirect after the other.
    #[error("more than {limit} redirects follow one another")]
    TooManyRedirects {
        /// The bound.
        limit: usize,
    },
    /// A body above every bound.
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The bound.
        limit: u64,
    },
    /// A body that inflates like a bomb.
    #[error("{received} bytes inflate to more than {inflated}")]
    Inflates {
        /// Compressed bytes so far.
        received: u64,
        /// Inflated bytes so far.
        inflated: u64,
    },
    /// A body that ends where the connection does, in a format that may end anywhere.
    #[error("the answer does not say how long its body is, so nobody can tell whether all of it came")]
    EndUnknown,
    /// An encoding that was not asked for.
    #[error("the body is encoded as `{encoding}`, which was not asked for")]
    Encoding {
        /// Its name.
        encoding: String,
    },
    /// A header cannot hold the value.
    #[error("header `{name}` cannot hold its value: it has a line break or a character outside Latin")]
    HeaderValue {
        /// The header.
        name: String,
    },
    /// A value could not be computed.
    #[error("{0}")]
    Expression(ExpressionError),
    /// A slice is not there.
    #[error("{0}")]
    Slice(SliceError),
    /// A parent's record does not say what its children need.
    #[error("{0}")]
    Parent(FieldError),
    /// A job gave no data.
    #[error("{0}")]
    Job(JobError),
    /// A job could not be kept.
    #[error("{0}")]
    JobStore(JobStoreError),
    /// What outgrew memory could not be kept on disk.
    #[error("a temporary file cannot be used: {reason}")]
    Spool {
        /// What the system said.
        reason: String,
    },
    /// The request could not be given its credential.
    #[error("{0}")]
    Auth(AuthError),
    /// A setting is missing or wrong.
    #[error("{0}")]
    Setting(SettingError),
    /// The manifest, or the project's words for a stream, cannot be used.
    #[error("{0}")]
    Manifest(ManifestError),
    /// The source has no such stream.
    #[error("the source has no stream `{stream}`; it has {known}")]
    UnknownStream {
        /// What was asked for.
        stream: String,
        /// What there is.
        known: String,
    },
    /// A ranged stream was asked for without a range, or another with one.
    #[error("a stream of kind {kind} is read {}", if *needs_bounds { "by ranges of time" } else { "without a range of time" })]
    Bounds {
        /// The stream's kind.
        kind: headwater_contract::StreamKind,
        /// Whether it needs a range.
        needs_bounds: bool,
    },
    /// Stored bodies do not fit together.
    #[error("stored bodies do not fit together: {reason}")]
    Replay {
        /// How.
        reason: String,
    },
    /// So many parents at once are refused, by the manifest's word.
    #[error("{fault}")]
    BatchRefused {
        /// What the source said.
        fault: Box<Fault>,
    },
    /// A bug of ours.
    #[error("the engine is at fault: {facts}")]
    Internal {
        /// What is known.
        facts: String,
    },
}

fn said(says: &str) -> String {
    if says.is_empty() { String::new() } else { format!(": {says}") }
}

macro_rules! fault_from {
    ($($error:ident => $variant:ident),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}
fault_from!(AuthError => Auth, QuotaStoreError => QuotaStore, DecodeError => Decode, PaginationError => Pagination,
    ExpressionError => Expression, SliceError => Slice,
    FieldError => Parent, JobError => Job, JobStoreError => JobStore,
    SettingError => Setting, ManifestError => Manifest);

impl Fault {
    /// Whether the same request may succeed in a moment.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::ServerError { .. } | Self::Unreachable { .. } | Self::BodyCut { .. } => true,
            Self::Decode(error) => error.is_cut(),
            _ => false,
        }
    }

    /// When the source may be asked again, where it says so.
    pub fn retry_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Throttled { retry_at, .. } | Self::ServerError { retry_at, .. } => *retry_at,
            Self::QuotaSpent { until } => Some(*until),
            _ => None,
        }
    }

    /// The HTTP status that it came with.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unauthorized { .. } => Some(401),
            Self::Forbidden { .. } => Some(403),
            Self::ErrorInBody { .. } => Some(200),
            Self::BatchRefused { fault } => fault.status(),
            Self::NotFound { status, .. }
            | Self::Rejected { status, .. }
            | Self::Throttled { status, .. }
            | Self::ServerError { status, .. }
            | Self::Declared { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether fewer parents in the request may be taken.
    pub(crate) fn is_batch_refused(&self) -> bool {
        match self {
            Self::BatchRefused { .. } | Self::NotFound { .. } => true,
            Self::Rejected { status, .. } => matches!(status, 400 | 413 | 414 | 422),
            _ => false,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::BatchRefused { fault } => fault.code(),
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound { .. } => "not-found",
            Self::Rejected { .. } => "request-rejected",
            Self::Throttled { .. } => "throttled",
            Self::QuotaSpent { .. } => "quota-spent",
            Self::QuotaStore(_) => "quota-store",
            Self::ServerError { .. } => "server-error",
            Self::Declared { .. } => "declared-error",
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } => "tls-failed",
            Self::EndUnknown => "end-unknown",
            Self::BodyCut { .. } => "body-truncated",
            Self::Decode(error) => error.code(),
            Self::TooSlow { .. } => "too-slow",
            Self::ReadingTooLong { .. } => "reading-too-long",
            Self::ErrorInBody { .. } => "error-in-body",
            Self::Pagination(error) => error.code(),
            Self::OriginRefused { .. } => "origin-refused",
            Self::PrivateAddress { .. } => "private-address",
            Self::PlainHttp { .. } => "plain-http",
            Self::ProxyRefused { .. } => "proxy-refused",
            Self::UrlTooLong { .. } => "url-too-long",
            Self::HeadTooLarge { .. } => "head-too-large",
            Self::TooManyRedirects { .. } => "too-many-redirects",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::Inflates { .. } => "body-inflates",
            Self::Encoding { .. } => "encoding-unknown",
            Self::HeaderValue { .. } => "header-value",
            Self::Expression(_) | Self::Parent(FieldError::When(_)) => "expression-failed",
            Self::Slice(_) => "slice-unknown",
            Self::Parent(_) => "parent-field-missing",
            Self::Spool { .. } => "spool-failed",
            Self::Auth(error) => error.code(),
            Self::Job(error) => error.code(),
            Self::JobStore(_) => "job-store-failed",
            Self::Setting(SettingError::Missing { .. }) => "setting-missing",
            Self::Setting(SettingError::InTheOpen { .. }) => "secret-in-the-open",
            Self::Setting(_) => "setting-wrong",
            Self::Manifest(error) => error.code(),
            Self::UnknownStream { .. } => "stream-unknown",
            Self::Bounds { .. } => "bounds-wrong",
            Self::Replay { .. } => "replay-broken",
            Self::Internal { .. } => "internal",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::BatchRefused { fault } => fault.kind(),
            Self::Job(error) if error.may_pass() => ErrorKind::Unavailable,
            Self::Unauthorized { .. } | Self::Forbidden { .. } | Self::ProxyRefused { .. } => ErrorKind::Access,
            Self::Auth(error) => error.kind(),
            Self::Throttled { .. } | Self::QuotaSpent { .. } => ErrorKind::Parked,
            Self::Declared { class, .. } => class.kind(),
            Self::ServerError { .. }
            | Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::BodyCut { .. }
            | Self::TooSlow { .. }
            | Self::Spool { .. }
            | Self::JobStore(_)
            | Self::Pagination(PaginationError::Moved { .. } | PaginationError::PortionsDiffer { .. }) => {
                ErrorKind::Unavailable
            }
            Self::Decode(error) => error.kind(),
            Self::Parent(
                FieldError::NotJson { .. }
                | FieldError::Absent { .. }
                | FieldError::NotAList { .. }
                | FieldError::NotAUrl { .. },
            )
            | Self::Pagination(_)
            | Self::ErrorInBody { .. }
            | Self::OriginRefused { .. }
            | Self::NotFound { .. }
            | Self::Rejected { .. }
            | Self::Job(_)
            | Self::TooManyRedirects { .. }
            | Self::UrlTooLong { .. }
            | Self::HeadTooLarge { .. }
            | Self::BodyTooLarge { .. }
            | Self::ReadingTooLong { .. }
            | Self::Inflates { .. }
            | Self::EndUnknown
            | Self::Encoding { .. }
            | Self::Replay { .. } => ErrorKind::Source,
            Self::PrivateAddress { .. }
            | Self::PlainHttp { .. }
            | Self::QuotaStore(_)
            | Self::HeaderValue { .. }
            | Self::Expression(_)
            | Self::Parent(FieldError::When(_))
            | Self::Slice(_)
            | Self::Setting(_)
            | Self::Manifest(_)
            | Self::UnknownStream { .. } => ErrorKind::Config,
            Self::Bounds { .. } | Self::Internal { .. } => ErrorKind::Internal,
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::BatchRefused { fault } => fault.fix(),
            Self::Unauthorized { .. } => "renew the credential, then run again".to_owned(),
            Self::Auth(error) => error.fix(),
            Self::Forbidden { .. } => "give the credential the right to read this, then run again".to_owned(),
            Self::NotFound { .. } => "check the settings in its path, and `path` in the manifest".to_owned(),
            Self::Rejected { .. } => "compare the request with the page that the manifest links to".to_owned(),
            Self::QuotaStore(error) => format!("check {} and its permissions", error.place),
            Self::Throttled { .. } | Self::QuotaSpent { .. } => {
                "wait; the next run goes on where this one stopped".to_owned()
            }
            Self::ServerError { .. }
            | Self::BodyCut { .. }
            | Self::TooSlow { .. }
            | Self::Declared { class: FailureClass::Unavailable, .. } => "wait; the next run tries again".to_owned(),
            Self::Declared { class: FailureClass::Config, .. } => {
                "mend what the message names, then run again".to_owned()
            }
            Self::Declared { class: FailureClass::Access, .. } => {
                "renew or widen the credential, then run again".to_owned()
            }
            Self::Declared { class: FailureClass::Source, .. } => {
                "compare the request with the page that the manifest links to".to_owned()
            }
            Self::Unreachable { .. } => {
                "check that the source runs and that its address is right, then run again".to_owned()
            }
            Self::Tls { .. } => {
                "check the source's certificate and this machine's clock; an authority of its own goes under `auth: { tls: … }`"
                    .to_owned()
            }
            Self::EndUnknown => {
                "read it over HTTPS, or have the server send `Content-Length` or chunks".to_owned()
            }
            Self::Decode(error) => error.fix().to_owned(),
            Self::ErrorInBody { .. } => "mend what the source complains about, then run again".to_owned(),
            Self::Pagination(error) => error.fix().to_owned(),
            Self::OriginRefused { .. } => {
                "if that origin is the source's own, name it under `http.other_origins`".to_owned()
            }
            Self::PrivateAddress { host, .. } => {
                format!("if that is meant, list `{host}` with its port under `allow_private` in the project")
            }
            Self::PlainHttp { host } => {
                format!("write `https://`; if plain HTTP is meant, list `{host}` under `allow_private` in the project")
            }
            Self::ProxyRefused { .. } => "mend the user and password of the project's proxy".to_owned(),
            Self::UrlTooLong { .. } => "send long values in a body, or fewer at a time".to_owned(),
            Self::HeadTooLarge { .. } => "open the URL: no API that works answers with so many headers".to_owned(),
            Self::TooManyRedirects { .. } => "check `base_url` in the manifest".to_owned(),
            Self::BodyTooLarge { .. } | Self::Inflates { .. } => "ask for smaller pages".to_owned(),
            Self::ReadingTooLong { .. } => "make its windows shorter".to_owned(),
            Self::Encoding { .. } => "ask the vendor why it compresses in a way that was not asked for".to_owned(),
            Self::HeaderValue { name } => format!("mend the setting that header `{name}` is made of"),
            Self::Expression(_) => "mend the value in the manifest".to_owned(),
            Self::Parent(FieldError::When(_)) => "mend `parent.when` in the manifest".to_owned(),
            Self::Parent(_) => "point `parent.fields` at what every parent has, or say `absent: skip`".to_owned(),
            Self::Job(error) => error.fix().to_owned(),
            Self::JobStore(_) => "see to the folder that jobs are kept in, then run again".to_owned(),
            Self::Spool { .. } => "make room in the system's folder for temporary files, then run again".to_owned(),
            Self::Slice(_) | Self::Setting(_) => "mend the source's settings in the project".to_owned(),
            Self::Manifest(error) => error.fix(),
            Self::UnknownStream { .. } => "run `headwater connectors show` to see the streams".to_owned(),
            Self::Replay { .. } => "read the window again".to_owned(),
            Self::Bounds { .. } | Self::Internal { .. } => "report it with this text".to_owned(),
        }
    }
}

/// Where it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `source.stream`, or the source.
    pub stream: String,
    /// Manifest, line and path, e.g. `stripe.yaml:24 streams.charges.pagination`.
    pub manifest: String,
    /// Method and URL without secrets.
    pub request: Option<String>,
}

/// Why a source could not be read, and where that happened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot read `{}`: {fault}", place.stream)]
pub struct SourceError {
    /// Where it happened.
    pub place: Box<Place>,
    /// What went wrong.
    pub fault: Box<Fault>,
}

impl SourceError {
    pub(crate) fn new(place: Place, fault: impl Into<Fault>) -> Self {
        Self { place: Box::new(place), fault: Box::new(fault.into()) }
    }

    /// Whether reading again cannot help until manifest, setting or credential changes. A page for people may be that of an outage, so
    /// it is asked for again and again, although it may as well be that of a login.
    pub fn is_permanent(&self) -> bool {
        let is_page = matches!(self.fault.as_ref(), Fault::Decode(DecodeError::Html { .. }));
        !is_page && !matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Parked)
    }

    /// Tells the same failure from another one, whatever page it happened on.
    pub fn fingerprint(&self) -> String {
        let detail = match self.fault.as_ref() {
            Fault::NotFound { status, .. } | Fault::Rejected { status, .. } | Fault::ServerError { status, .. } => {
                status.to_string()
            }
            Fault::Declared { message, status, .. } => format!("{status} {message}"),
            Fault::Decode(DecodeError::RecordsMissing { pointer, .. }) => pointer.clone(),
            Fault::Setting(error) => error.to_string(),
            Fault::Auth(error) => error.to_string(),
            Fault::Expression(error) => error.to_string(),
            Fault::Manifest(error) => error.to_string(),
            _ => String::new(),
        };
        format!("{}:{detail}", self.code())
    }

    /// When the source may be asked again, where it says so.
    pub fn retry_at(&self) -> Option<DateTime<Utc>> {
        self.fault.retry_at()
    }
}

impl Explain for SourceError {
    fn code(&self) -> &'static str {
        self.fault.code()
    }

    fn kind(&self) -> ErrorKind {
        self.fault.kind()
    }

    fn place(&self) -> String {
        let parts = [Some(self.place.manifest.as_str()), self.place.request.as_deref()];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn fix(&self) -> String {
        self.fault.fix()
    }

    fn committed(&self) -> String {
        "nothing of this reading was committed; running again is safe".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(fault: Fault) -> SourceError {
        SourceError::new(Place::default(), fault)
    }

    #[test]
    fn a_fault_that_time_heals_is_not_permanent() {
        for fault in [
            Fault::Throttled { status: 429, retry_at: None },
            Fault::ServerError { status: 500, says: String::new(), retry_at: None },
            Fault::BodyCut { bytes: 1, reason: String::new() },
            Fault::Decode(DecodeError::Truncated { at: 1 }),
        ] {
            assert!(fault.may_pass() && !error(fault.clone()).is_permanent(), "{fault}");
        }
        for fault in
            [Fault::Unauthorized { says: String::new() }, Fault::Pagination(PaginationError::EmptyPageWithMore)]
        {
            assert!(!fault.may_pass() && error(fault.clone()).is_permanent(), "{fault}");
        }
        let page = Fault::Decode(DecodeError::Html { snippet: String::new() });
        assert!(!page.may_pass() && !error(page).is_permanent());
    }

    #[test]
    fn the_same_failure_on_another_page_has_the_same_fingerprint() {
        let missing = |names: &str| {
            error(Fault::Decode(DecodeError::RecordsMissing { pointer: "/data".into(), names: names.into() }))
        };
        assert_eq!(missing("a").fingerprint(), missing("b").fingerprint());
        let failed = |status| error(Fault::ServerError { status, says: String::new(), retry_at: None });
        assert_ne!(failed(500).fingerprint(), failed(503).fingerprint());
    }
}
