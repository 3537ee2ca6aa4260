//! What is done about an answer that a rule speaks of.

use headwater_contract::ErrorKind;
use schemars::JsonSchema;
use serde::Deserialize;

use super::wait::Wait;

/// What is done about an answer, as written in a manifest.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is good, whatever its status says, and its records are read.
    Accept,
    /// Send the request again: the source failed for a moment.
    Retry(RetryAction),
    /// Send it again later, and let nobody of this credential ask before: the source wants fewer requests.
    Throttle(ThrottleAction),
    /// Renew the credential once, then send it again.
    RenewCredential,
    /// The request has no records and its list ends there. It is counted, and shown with the reading.
    SkipRequest,
    /// The slice has no records in this reading, as long as none of it was read. It is shown with the reading.
    SkipSlice,
    /// The range is too large for one request: read it in halves.
    SplitWindow,
    /// The request asks for too many ids at once: ask for half of them.
    SplitBatch,
    /// The list must be read from its first page: a page token has expired.
    Restart,
    /// Stop for now: the next run goes on.
    Park(ParkAction),
    /// Stop with an error.
    Fail(FailAction),
}

/// Send the request again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryAction {
    /// The pause before; the usual ones when absent. A long one parks the work.
    pub wait: Option<Wait>,
    /// How often at most; 3 when absent.
    pub times: Option<u32>,
}

/// Send the request again later.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottleAction {
    /// How long; by `Retry-After` or the usual pauses when absent. A long one parks the work.
    pub wait: Option<Wait>,
}

/// Stop for now.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ParkAction {
    /// When it can go on, where that is known.
    pub wait: Option<Wait>,
}

/// Stop with an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FailAction {
    /// What the reader must do about it; by the status when absent.
    pub class: Option<FailureClass>,
    /// What it means, for people; the source's own words follow.
    pub message: Option<String>,
}

/// What a failure asks of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Edit a setting or the manifest.
    Config,
    /// Renew or widen the credential.
    Access,
    /// The source broke its own contract: mend the connector.
    Source,
    /// Wait: the next run tries again.
    Unavailable,
}

impl FailureClass {
    /// The kind of error that it is.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::Config => ErrorKind::Config,
            Self::Access => ErrorKind::Access,
            Self::Source => ErrorKind::Source,
            Self::Unavailable => ErrorKind::Unavailable,
        }
    }
}

impl Action {
    pub(crate) fn wait(&self) -> Option<&Wait> {
        match self {
            Self::Retry(action) => action.wait.as_ref(),
            Self::Throttle(action) => action.wait.as_ref(),
            Self::Park(action) => action.wait.as_ref(),
            _ => None,
        }
    }
}
