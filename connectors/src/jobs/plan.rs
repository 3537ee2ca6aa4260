//! The requests of a job, complete: what the manifest says of each, over what it says of the stream.

use std::sync::Arc;
use std::time::Duration;

use headwater_contract::{Span, StreamKind};
use tokio::sync::Semaphore;

use super::{JobManifest, StepManifest};
use crate::manifest::{ManifestError, Method};
use crate::pagination::Pagination;
use crate::parents::ParentManifest;
use crate::stream::{Blame, Stream};

/// Jobs of a stream that run at a time where the manifest does not say.
const JOBS_MAX: u32 = 2;
/// How often a job is asked after where the manifest does not say.
const EVERY: Span = Span::seconds(5);
/// How long a job may take where the manifest does not say.
const WAIT_MAX: Span = Span::hours(2);
/// How long a job is gone on with where the manifest does not say.
const VALID: Span = Span::days(1);

/// How a stream is read by jobs.
#[derive(Clone, Debug)]
pub(crate) struct JobPlan {
    pub(crate) manifest: JobManifest,
    /// Requests are those of streams without records, so that they are built as all others are.
    pub(crate) create: Arc<Stream>,
    pub(crate) poll: Arc<Stream>,
    pub(crate) delete: Option<Arc<Stream>>,
    pub(crate) cancel: Option<Arc<Stream>>,
    pub(crate) download: Arc<Stream>,
    /// The last answer to `poll`, read as a parent's record.
    pub(crate) answer: ParentManifest,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) every: Duration,
    pub(crate) wait_max: Span,
    pub(crate) valid: Span,
}

impl JobPlan {
    /// The plan of a stream whose own request is that of the download.
    pub(crate) fn complete(stream: &Stream, manifest: JobManifest, blame: &Blame<'_>) -> Result<Self, ManifestError> {
        let wrong = |reason: &str, fix: &str| Err(blame.incomplete("job", reason, fix));
        if stream.kind == StreamKind::Chain {
            return wrong("a chain is not read by jobs", "choose another kind");
        }
        let states = &manifest.states;
        if states.completed.is_empty() || states.running.is_empty() {
            return wrong(
                "`states` does not say when a job goes on and when it is done",
                "name `running` and `completed`",
            );
        }
        if !states.too_large.is_empty() && stream.window.is_none() {
            return wrong("a stream without windows has no range to cut", "remove `too_large`");
        }
        if manifest.jobs_max == Some(0) {
            return wrong("no job could run", "write 1 or more under `jobs_max`");
        }
        let answer = ParentManifest::of_answer(manifest.fields.clone(), manifest.each.clone());
        let known = |name: &str| answer.has_field(name) || manifest.create.fields.get(name).is_some();
        if let Some(unknown) = manifest.url.as_ref().filter(|name| !known(name)) {
            return wrong(&format!("`url: {unknown}` is no field of an answer"), "name it under `fields`");
        }
        let create = &manifest.create;
        let create = StepManifest {
            method: create.method,
            path: create.path.clone(),
            params: create.params.clone(),
            headers: create.headers.clone(),
            body: create.body.clone(),
        };
        let poll = &manifest.poll;
        let poll = StepManifest {
            method: poll.method,
            path: poll.path.clone(),
            params: poll.params.clone(),
            headers: poll.headers.clone(),
            body: poll.body.clone(),
        };
        let step = |step: &StepManifest| Arc::new(step_of(&without_bounds(stream), step));
        let mut download = without_bounds(stream);
        download.parent = None;
        let jobs_max = usize::try_from(manifest.jobs_max.unwrap_or(JOBS_MAX)).unwrap_or(1);
        Ok(Self {
            create: Arc::new(step_of(stream, &create)),
            poll: step(&poll),
            delete: manifest.delete.as_ref().map(step),
            cancel: manifest.cancel.as_ref().map(step),
            download: Arc::new(download),
            answer,
            slots: Arc::new(Semaphore::new(jobs_max)),
            every: manifest.poll.every.unwrap_or(EVERY).delta().to_std().unwrap_or_default(),
            wait_max: manifest.poll.wait_max.unwrap_or(WAIT_MAX),
            valid: manifest.valid.unwrap_or(VALID),
            manifest,
        })
    }

    /// The requests beside the download.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Stream> {
        [Some(&self.create), Some(&self.poll), self.delete.as_ref(), self.cancel.as_ref()]
            .into_iter()
            .flatten()
            .map(AsRef::as_ref)
    }

    /// Whether the requests of a download see a value of this name.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        self.manifest.create.fields.get(name).is_some() || self.answer.has_field(name)
    }

    /// Whether the order carries a key, so that it may be sent twice.
    pub(crate) fn is_order_repeatable(&self) -> bool {
        let create = &self.manifest.create;
        // A name in a text stands in braces, in an expression it stands by itself.
        format!("{:?}{:?}{:?}{:?}", create.path, create.params, create.headers, create.body).contains("job_key")
    }
}

/// The stream whose window is in its job's order already.
fn without_bounds(stream: &Stream) -> Stream {
    let mut stream = stream.clone();
    if let Some(window) = &mut stream.window {
        window.request = None;
    }
    stream
}

fn step_of(stream: &Stream, step: &StepManifest) -> Stream {
    let mut stream = stream.clone();
    stream.parent = None;
    stream.given = Vec::new();
    stream.pagination = Pagination::None;
    stream.request.method = step.method;
    stream.request.path = step.path.clone();
    stream.request.params = step.params.clone();
    stream.request.body.clone_from(&step.body);
    stream.request.page_size = None;
    if let Some(headers) = &step.headers {
        stream.request.headers = headers.clone();
    }
    if step.method == Method::Get && step.body.is_none() {
        stream.request.body = None;
    }
    stream
}
