//! Why a request could not be given its credential.

use headwater_contract::ErrorKind;
use thiserror::Error;

use super::TokenStoreError;

/// Why a request could not be given its credential.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    /// The variant that was chosen needs a setting that was not given.
    #[error("`{name}` was not given, and the way in that was chosen needs it")]
    Missing {
        /// The setting.
        name: String,
    },
    /// A setting chooses a variant that there is not.
    #[error("setting `{setting}` is `{value}`; it is one of {known}")]
    UnknownChoice {
        /// The setting.
        setting: String,
        /// Its value.
        value: String,
        /// What there is.
        known: String,
    },
    /// A login endpoint said no.
    #[error("the login at {at} was refused ({status}){}", if says.is_empty() { String::new() } else { format!(": {says}") })]
    Refused {
        /// The URL without query.
        at: String,
        /// HTTP status.
        status: u16,
        /// Its words, without secrets.
        says: String,
    },
    /// The refresh token is used up, revoked or expired.
    #[error("the refresh token is no longer taken by {at}{}", if says.is_empty() { String::new() } else { format!(": {says}") })]
    Expired {
        /// The URL without query.
        at: String,
        /// Its words, without secrets.
        says: String,
    },
    /// Nobody has logged in yet.
    #[error("there is no token yet: {wants}")]
    NotLoggedIn {
        /// What would give one.
        wants: String,
    },
    /// A login's answer lacks what it should hold.
    #[error("the answer of {at} has no `{field}`; it has {names}")]
    NoValue {
        /// The URL without query.
        at: String,
        /// Where the value should stand.
        field: String,
        /// What there is instead.
        names: String,
    },
    /// A login's answer is no JSON, where a value of its body was asked for.
    #[error("the answer of {at} is not JSON, so `{field}` cannot be found in it")]
    NotJson {
        /// The URL without query.
        at: String,
        /// Where the value should stand.
        field: String,
    },
    /// A login endpoint leads elsewhere.
    #[error("the login at {at} answers with a redirect ({status}), which is not followed with credentials")]
    Redirected {
        /// The URL without query.
        at: String,
        /// HTTP status.
        status: u16,
    },
    /// A login URL is none, or is relative where nothing is known that it could be relative to.
    #[error("`{template}` does not give a URL to log in at: {reason}")]
    BadUrl {
        /// As it stands in the manifest.
        template: String,
        /// What is wrong.
        reason: String,
    },
    /// A key cannot be used.
    #[error("the key in `{name}` cannot be used: {reason}")]
    BadKey {
        /// The setting.
        name: String,
        /// What is wrong, without the key.
        reason: String,
    },
    /// The request cannot be signed as the manifest says.
    #[error("the request cannot be signed: {reason}")]
    Unsignable {
        /// Why.
        reason: String,
    },
    /// Another process renews the token and does not end.
    #[error("another process has been renewing the token of `{source_name}` for {seconds} seconds")]
    Busy {
        /// The source.
        source_name: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Tokens cannot be kept.
    #[error("{0}")]
    Store(TokenStoreError),
    /// The login in the browser or on another device did not end well.
    #[error("the login did not end well: {reason}")]
    LoginFailed {
        /// What happened.
        reason: String,
    },
    /// The system has no randomness.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

impl From<TokenStoreError> for AuthError {
    fn from(error: TokenStoreError) -> Self {
        Self::Store(error)
    }
}

impl AuthError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "setting-missing",
            Self::UnknownChoice { .. } => "setting-wrong",
            Self::Refused { .. } => "login-refused",
            Self::Expired { .. } => "login-expired",
            Self::NotLoggedIn { .. } => "not-logged-in",
            Self::NoValue { .. } | Self::NotJson { .. } => "login-value-missing",
            Self::Redirected { .. } => "login-redirected",
            Self::BadUrl { .. } => "login-url",
            Self::BadKey { .. } => "key-unusable",
            Self::Unsignable { .. } => "request-unsignable",
            Self::Busy { .. } => "token-busy",
            Self::Store(_) => "token-store",
            Self::LoginFailed { .. } => "login-failed",
            Self::NoRandomness => "no-randomness",
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { .. } | Self::Expired { .. } | Self::NotLoggedIn { .. } | Self::LoginFailed { .. } => {
                ErrorKind::Access
            }
            Self::NoValue { .. } | Self::NotJson { .. } | Self::Redirected { .. } => ErrorKind::Source,
            Self::Missing { .. }
            | Self::UnknownChoice { .. }
            | Self::BadUrl { .. }
            | Self::BadKey { .. }
            | Self::Unsignable { .. } => ErrorKind::Config,
            Self::Busy { .. } | Self::Store(_) | Self::NoRandomness => ErrorKind::Unavailable,
        }
    }

    pub(crate) fn fix(&self) -> String {
        match self {
            Self::Missing { name } => format!("give `{name}` under the source's settings, or choose another way in"),
            Self::UnknownChoice { setting, .. } => format!("set `{setting}` to one of them"),
            Self::Refused { .. } => "check the settings that the login is made of, then run again".to_owned(),
            Self::Expired { .. } | Self::NotLoggedIn { .. } | Self::LoginFailed { .. } => {
                "log in again: `headwater auth login SOURCE`, or give a new refresh token".to_owned()
            }
            Self::NoValue { .. } | Self::NotJson { .. } => {
                "compare what `auth` in the manifest takes from the answer with what the vendor documents".to_owned()
            }
            Self::Redirected { .. } | Self::BadUrl { .. } => "mend the login's URL in the manifest".to_owned(),
            Self::BadKey { name, .. } => format!("give `{name}` as the vendor issued it, e.g. by `file:key.pem`"),
            Self::Unsignable { .. } => "mend `auth` in the manifest".to_owned(),
            Self::Busy { .. } => "wait; the next run tries again".to_owned(),
            Self::Store(_) => "make the folder of the token store writable, then run again".to_owned(),
            Self::NoRandomness => "check the system".to_owned(),
        }
    }
}
