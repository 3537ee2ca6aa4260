//! A job as a manifest writes it.

use headwater_contract::Span;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::decoding::Pointer;
use crate::expression::{Template, ValueManifest};
use crate::manifest::{BodyManifest, Method, Ordered};
use crate::parents::EachManifest;

/// An export that a stream is read from: the stream's own `path`, `records`, `decoding` and `pagination` are those of the download.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobManifest {
    /// The request that orders it; the window's bounds go into it.
    pub create: CreateManifest,
    /// The request that asks after it.
    pub poll: PollManifest,
    /// What its states mean; one that is not named here is an error.
    pub states: StatesManifest,
    /// Names for the download's request and `given` columns, each with its place in the last answer to `poll`.
    #[serde(default)]
    pub fields: Ordered<Pointer>,
    /// A list in that answer: one download for each of its elements.
    #[serde(default)]
    pub each: Option<EachManifest>,
    /// The field that is the whole URL of a download, in place of `path`. Another origin must be named under `other_origins`.
    #[serde(default)]
    pub url: Option<String>,
    /// The request that removes it when its downloads are in.
    #[serde(default)]
    pub delete: Option<StepManifest>,
    /// The request that stops it when it takes too long.
    #[serde(default)]
    pub cancel: Option<StepManifest>,
    /// How many of this stream's jobs run at a time; 2 when absent.
    #[serde(default)]
    pub jobs_max: Option<u32>,
    /// How long after its order a job is gone on with after a restart; 1 day when absent.
    #[serde(default)]
    pub valid: Option<Span>,
}

/// The request that orders a job. `{job_key}` is the same text however often one job is ordered, for APIs that take such a key.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateManifest {
    /// The request's method; `post` when absent.
    #[serde(default = "post")]
    pub method: Method,
    /// The path after `base_url`.
    pub path: Template,
    /// Query parameters.
    #[serde(default)]
    pub params: Ordered<ValueManifest>,
    /// Headers; those of the stream when absent.
    #[serde(default)]
    pub headers: Option<Ordered<ValueManifest>>,
    /// The body.
    #[serde(default)]
    pub body: Option<BodyManifest>,
    /// Names for the requests that follow, each with its place in the answer, e.g. `{ job: id }`.
    pub fields: Ordered<Pointer>,
}

fn post() -> Method {
    Method::Post
}

/// The request that asks after a job.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PollManifest {
    /// The request's method; `get` when absent.
    #[serde(default)]
    pub method: Method,
    /// The path after `base_url`.
    pub path: Template,
    /// Query parameters.
    #[serde(default)]
    pub params: Ordered<ValueManifest>,
    /// Headers; those of the stream when absent.
    #[serde(default)]
    pub headers: Option<Ordered<ValueManifest>>,
    /// The body.
    #[serde(default)]
    pub body: Option<BodyManifest>,
    /// Where the answer says its state.
    pub state: Pointer,
    /// Where the answer says why a job failed.
    #[serde(default)]
    pub message: Option<Pointer>,
    /// How often it is asked after; 5 seconds when absent.
    #[serde(default)]
    pub every: Option<Span>,
    /// How long a job may take; 2 hours when absent.
    #[serde(default)]
    pub wait_max: Option<Span>,
}

/// What the words for a job's state mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatesManifest {
    /// It goes on.
    pub running: Vec<String>,
    /// Its downloads are there.
    pub completed: Vec<String>,
    /// It came to nothing; the window is read again later.
    pub failed: Vec<String>,
    /// There is nothing to download: no records.
    pub skipped: Vec<String>,
    /// The range is too long: each half has a job of its own.
    pub too_large: Vec<String>,
}

/// One request beside the data.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepManifest {
    /// The request's method.
    pub method: Method,
    /// The path after `base_url`.
    pub path: Template,
    /// Query parameters.
    #[serde(default)]
    pub params: Ordered<ValueManifest>,
    /// Headers; those of the stream when absent.
    #[serde(default)]
    pub headers: Option<Ordered<ValueManifest>>,
    /// The body.
    #[serde(default)]
    pub body: Option<BodyManifest>,
}
