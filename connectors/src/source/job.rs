//! The reading of a stream by jobs: order, ask after, download, clean up.
//!
//! The order is written down before it is sent and after it is answered. A kill in between leaves an order of which nobody knows whether
//! the source took it; it is sent again under the same key, and only an API that takes such a key can tell.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use chrono::{DateTime, Utc};
use headwater_contract::{Digest16, Exchange, ReadSummary, TimeRange};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

use super::Inner;
use super::outlet::Outlet;
use super::page::HOLD_BYTES;
use super::request::{Turn, build};
use super::tree::{Errand, Feed, Step};
use crate::error::{Fault, SourceError};
use crate::expression::{Scalar, Scope};
use crate::jobs::{JobError, JobKey, JobPlan, JobState, StoredJob, state_of};
use crate::parents::{Fields, Role, fields_of, scope_with};
use crate::refusal::{Decision, Refusal};
use crate::stream::Stream;
use crate::transport::Request;
use crate::windowing::Wire;

/// How often a job whose downloads are gone is ordered anew within one reading.
const REORDERS_MAX: u32 = 1;

/// An answer to a request beside the data.
struct Told {
    exchange: Exchange,
    value: Value,
}

/// What became of one job.
enum Ended {
    /// Everything came.
    Read,
    /// Its range is too long.
    TooLarge(Fault),
}

/// Why a step gave no answer.
enum Refused {
    /// There is nothing to download.
    Skipped(Fault),
    TooLarge(Fault),
    Failed(Fault),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<JobError> for Refused {
    fn from(error: JobError) -> Self {
        Self::Failed(error.into())
    }
}

/// The reading of one errand by jobs.
pub(super) struct JobRun {
    inner: Arc<Inner>,
    plan: Arc<JobPlan>,
    errand: Errand,
    outlet: Outlet,
    /// The request in flight, without secrets.
    last_request: Option<String>,
}

impl JobRun {
    pub(super) fn new(
        inner: Arc<Inner>,
        plan: Arc<JobPlan>,
        errand: Errand,
        out: mpsc::Sender<Result<Step, SourceError>>,
    ) -> Self {
        Self { inner, plan, errand, outlet: Outlet::new(out), last_request: None }
    }

    fn blame(&self, fault: Fault) -> SourceError {
        let mut error = self.inner.blame(&self.errand.stream, "job", fault);
        error.place.request.clone_from(&self.last_request);
        error
    }

    pub(super) async fn run(&mut self) -> Result<ReadSummary, SourceError> {
        let (window, now) = (self.plan.create.window.as_ref(), self.inner.clock.now());
        let wire = window.map(|window| Wire::new(window, &self.errand.scope, now)).transpose();
        let wire = wire.map_err(|fault| self.blame(fault))?;
        let mut ranges = VecDeque::new();
        for range in std::mem::take(&mut self.errand.ranges) {
            match (&wire, range) {
                (Some(wire), Some(range)) => {
                    let pieces = wire.pieces(range).map_err(|fault| self.blame(fault))?;
                    ranges.extend(pieces.into_iter().map(Some));
                }
                _ => ranges.push_back(range),
            }
        }
        while let Some(range) = ranges.pop_front() {
            let turn = wire.as_ref().zip(range).map(|(wire, range)| order_of(wire, range)).unwrap_or_default();
            if let Ended::TooLarge(fault) = self.read_range(range, turn).await? {
                let cut = wire.as_ref().and_then(|wire| wire.cut(range?));
                let (left, right) = cut.ok_or_else(|| self.blame(fault))?;
                ranges.push_front(Some(right));
                ranges.push_front(Some(left));
            }
        }
        Ok(std::mem::take(&mut self.outlet.summary))
    }

    /// Reads one range by one job; by a second one when the downloads of the first are gone.
    async fn read_range(&mut self, range: Option<TimeRange>, turn: Turn) -> Result<Ended, SourceError> {
        let plan = Arc::clone(&self.plan);
        let permit = plan.slots.acquire().await;
        let _slot = permit.map_err(|error| self.blame(Fault::Internal { facts: error.to_string() }))?;
        let key = self.key(&turn).map_err(|fault| self.blame(fault))?;
        let mut reorders = 0;
        loop {
            let told = match self.completed(&key, &turn).await {
                Ok(told) => told,
                Err(Refused::Skipped(fault)) => {
                    self.outlet.summary.skipped_requests += 1;
                    let reason = self.inner.transport.words(&fault.to_string());
                    tracing::info!(stream = %self.errand.stream.name, reason, "a job has nothing to download");
                    self.forget(&key).await?;
                    return Ok(Ended::Read);
                }
                Err(Refused::TooLarge(fault)) => {
                    self.forget(&key).await?;
                    return Ok(Ended::TooLarge(fault));
                }
                Err(Refused::Failed(fault)) => {
                    // A job that failed is no use to the next run; one that could not be asked after is.
                    if matches!(fault, Fault::Job(_) | Fault::NotFound { .. }) {
                        self.forget(&key).await?;
                    }
                    if matches!(fault, Fault::NotFound { .. }) && reorders < REORDERS_MAX {
                        reorders += 1;
                        continue;
                    }
                    return Err(self.blame(fault));
                }
            };
            let before = self.outlet.summary.requests;
            match self.download(&told, range).await {
                Ok(()) => {
                    let after = Turn { bounds: turn.bounds, ..Turn::default() };
                    self.clean_up(&told.fields, &after).await;
                    self.forget(&key).await?;
                    return Ok(Ended::Read);
                }
                // Links of a job end some day. What was passed on cannot be taken back.
                Err(error)
                    if matches!(*error.fault, Fault::NotFound { .. } | Fault::Forbidden { .. })
                        && self.outlet.summary.requests == before
                        && reorders < REORDERS_MAX =>
                {
                    reorders += 1;
                    self.forget(&key).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What tells one order from another. The order's own key and secrets are not part of it.
    fn key(&self, turn: &Turn) -> Result<JobKey, Fault> {
        let mut scope = (*self.errand.scope).clone();
        scope.insert("job_key".to_owned(), Scalar::Text(String::new()));
        let request = build(&self.inner, &self.plan.create, &scope, turn)?;
        let url = self.inner.transport.redact_url(&request.url);
        let body = request.body.map(|(_, bytes)| bytes).unwrap_or_default();
        let scope: Vec<String> = self.errand.scope.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let scope = scope.join("\n");
        let order = Digest16::of_parts([url.as_bytes(), &body[..], scope.as_bytes()]);
        Ok(JobKey { source: self.inner.name.clone(), stream: self.errand.stream.name.clone(), order })
    }

    async fn forget(&self, key: &JobKey) -> Result<(), SourceError> {
        self.inner.jobs.remove(key).await.map_err(|error| self.blame(error.into()))
    }

    /// Orders a job, or goes on with the one that was ordered, and waits until its downloads are there.
    async fn completed(&mut self, key: &JobKey, turn: &Turn) -> Result<Completed, Refused> {
        let now = self.inner.clock.now();
        let stored = self.inner.jobs.load(key).await.map_err(Fault::from)?;
        let stored = stored.filter(|job| now - job.ordered_at <= self.plan.valid.delta());
        let (ordered_at, fields) = match stored {
            Some(StoredJob { fields: Some(fields), ordered_at, .. }) => (ordered_at, fields),
            other => {
                let job =
                    other.unwrap_or_else(|| StoredJob { job_key: job_key(key, now), ordered_at: now, fields: None });
                self.inner.jobs.save(key, job.clone()).await.map_err(Fault::from)?;
                let ordered_at = job.ordered_at;
                let fields = self.order(&job.job_key, turn).await?;
                let job = StoredJob { fields: Some(fields.clone()), ..job };
                self.inner.jobs.save(key, job).await.map_err(Fault::from)?;
                (ordered_at, fields)
            }
        };
        // The window is in the order already.
        let after = Turn { bounds: turn.bounds, ..Turn::default() };
        let answer = self.wait(ordered_at, &fields, &after).await?;
        Ok(Completed { fields, answer })
    }

    /// Sends the order and gives what its answer says.
    async fn order(&mut self, job_key: &str, turn: &Turn) -> Result<Fields, Refused> {
        let plan = Arc::clone(&self.plan);
        let mut scope = (*self.errand.scope).clone();
        scope.insert("job_key".to_owned(), Scalar::Text(job_key.to_owned()));
        let request = build(&self.inner, &plan.create, &scope, turn)?;
        let told = self.ask(&request, plan.is_order_repeatable()).await?;
        self.outlet.head(told.exchange, &self.errand.fields, Some(Role::Job)).await?;
        let mut fields = Fields::new();
        for (name, pointer) in plan.manifest.create.fields.iter() {
            let found = pointer.find(&told.value).filter(|found| !found.is_null());
            let found = found.ok_or_else(|| JobError::Absent { pointer: pointer.to_string() })?;
            fields.insert(name.to_owned(), found.clone());
        }
        Ok(fields)
    }

    /// Asks after a job until it is done; gives the last answer.
    async fn wait(&mut self, ordered_at: DateTime<Utc>, fields: &Fields, turn: &Turn) -> Result<Value, Refused> {
        let (plan, began) = (Arc::clone(&self.plan), Instant::now());
        let scope = self.scope(fields);
        let wait_max = plan.wait_max.delta();
        loop {
            let request = build(&self.inner, &plan.poll, &scope, turn)?;
            let told = self.ask(&request, true).await?;
            match state_of(&told.value, &plan.manifest.poll, &plan.manifest.states)? {
                JobState::Running => {}
                JobState::Completed => {
                    self.outlet.head(told.exchange, &self.errand.fields, Some(Role::Job)).await?;
                    return Ok(told.value);
                }
                JobState::Skipped => {
                    return Err(Refused::Skipped(JobError::Failed { says: "skipped".to_owned() }.into()));
                }
                JobState::TooLarge { state } => return Err(Refused::TooLarge(JobError::TooLarge { state }.into())),
            }
            let waited = began.elapsed();
            let since_order = self.inner.clock.now() - ordered_at;
            if waited >= wait_max.to_std().unwrap_or_default() || since_order >= wait_max {
                if let Some(cancel) = &plan.cancel {
                    self.beside(cancel, &scope, turn).await;
                }
                return Err(JobError::TimedOut { seconds: waited.as_secs() }.into());
            }
            self.inner.transport.wait(plan.every).await;
        }
    }

    /// Reads the downloads, one after the other.
    async fn download(&mut self, told: &Completed, range: Option<TimeRange>) -> Result<(), SourceError> {
        let plan = Arc::clone(&self.plan);
        let mut above = (*self.errand.fields).clone();
        above.extend(told.fields.clone());
        if let Some(each) = &plan.answer.each
            && each.list.find(&told.answer).is_none()
        {
            return Err(self.blame(JobError::Absent { pointer: each.list.to_string() }.into()));
        }
        let record = told.answer.to_string();
        let downloads = fields_of(&plan.answer, record.as_bytes(), &above, &self.errand.scope);
        let downloads = downloads.map_err(|error| self.blame(error.into()))?;
        for fields in downloads {
            let url = match &plan.manifest.url {
                None => None,
                Some(name) => Some(self.download_url(name, &fields).map_err(|error| self.blame(error.into()))?),
            };
            let errand = Errand {
                stream: Arc::clone(&plan.download),
                scope: Arc::new(scope_with(&self.errand.scope, &fields)),
                fields: Arc::new(fields),
                ranges: VecDeque::from([range]),
                token: None,
                gate: self.errand.gate.clone(),
                url,
                sent: Vec::new(),
            };
            let (mut feed, mut request) = (Feed::relayed(&self.inner, errand), 0);
            loop {
                let step = feed.next().await?;
                if self.outlet.step(step, &mut request).await.map_err(|fault| self.blame(fault))? {
                    break;
                }
            }
        }
        // Whoever reads this as a parent is done with its children before the job goes.
        if let Some(gate) = &self.errand.gate {
            gate.pass().await;
        }
        Ok(())
    }

    fn download_url(&self, name: &str, fields: &Fields) -> Result<Url, JobError> {
        let text = fields.get(name).and_then(Value::as_str);
        let url = text.and_then(|text| self.inner.base.join(text).ok());
        url.ok_or_else(|| JobError::NotAUrl { name: name.to_owned() })
    }

    /// Removes a job at the source. That it stays there costs no data.
    async fn clean_up(&mut self, fields: &Fields, turn: &Turn) {
        if let Some(delete) = self.plan.delete.clone() {
            let scope = self.scope(fields);
            self.beside(&delete, &scope, turn).await;
        }
    }

    /// Sends a request whose answer decides nothing.
    async fn beside(&mut self, stream: &Stream, scope: &Scope, turn: &Turn) {
        let outcome = match build(&self.inner, stream, scope, turn) {
            Ok(request) => self.tell(&request).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = outcome {
            let reason = self.inner.transport.words(&fault.to_string());
            tracing::warn!(stream = %stream.name, reason, "a job was not cleaned up at the source");
        }
    }

    fn scope(&self, fields: &Fields) -> Scope {
        scope_with(&self.errand.scope, fields)
    }

    /// Sends a request until it is answered, and reads the answer.
    async fn ask(&mut self, request: &Request, is_repeatable: bool) -> Result<Told, Refused> {
        let method = request.method_name();
        self.last_request = Some(format!("{method} {}", self.inner.transport.redact_url(&request.url)));
        let mut retries = self.inner.transport.retries();
        loop {
            let refusal = match self.try_ask(request).await {
                Ok(told) => return Ok(told),
                Err(refusal) => refusal,
            };
            match refusal.decision {
                Some(Decision::SkipRequest | Decision::SkipSlice) => return Err(Refused::Skipped(*refusal.fault)),
                Some(Decision::SplitWindow) => return Err(Refused::TooLarge(*refusal.fault)),
                // Nobody knows whether an order whose answer is lost was taken.
                None if !is_repeatable && !matches!(*refusal.fault, Fault::Throttled { .. }) => {
                    return Err(Refused::Failed(*refusal.fault));
                }
                _ => self.inner.transport.pause(&mut retries, refusal).await?,
            }
            self.outlet.summary.retries += 1;
        }
    }

    async fn try_ask(&self, request: &Request) -> Result<Told, Refusal> {
        let mut answer = self.inner.transport.send(request).await?;
        let exchange = Exchange {
            request: 0,
            method: request.method_name().to_owned(),
            url: answer.url.clone(),
            status: answer.status,
            headers: answer.headers.clone(),
            fetched_at: answer.fetched_at,
            source_date: answer.source_date,
        };
        let mut body = BytesMut::new();
        while answer.read(&mut body).await? {
            if body.len() > HOLD_BYTES {
                return Err(Fault::BodyTooLarge { limit: HOLD_BYTES as u64 }.into());
            }
        }
        let value = serde_json::from_slice(&body);
        let value = value.map_err(|error| Fault::from(JobError::NotJson { reason: error.to_string() }))?;
        Ok(Told { exchange, value })
    }

    /// Sends a request whose answer need not be JSON, or anything at all.
    async fn tell(&mut self, request: &Request) -> Result<(), Fault> {
        let mut retries = self.inner.transport.retries();
        loop {
            match self.inner.transport.send(request).await {
                Ok(_) => return Ok(()),
                Err(refusal) => self.inner.transport.pause(&mut retries, refusal).await?,
            }
        }
    }
}

/// A job whose downloads are there.
struct Completed {
    fields: Fields,
    answer: Value,
}

/// What distinguishes the order of one range.
fn order_of(wire: &Wire, range: TimeRange) -> Turn {
    let bounds = wire.bounds(range);
    let window = bounds.map(|bounds| wire.values(bounds)).unwrap_or_default();
    Turn { bounds: Some(bounds.unwrap_or((range.from(), range.until()))), window, ..Turn::default() }
}

/// A text that is the same however often one order is sent, and another one for each order.
fn job_key(key: &JobKey, now: DateTime<Utc>) -> String {
    let now = now.timestamp_micros().to_le_bytes();
    Digest16::of_parts([key.source.as_str().as_bytes(), key.stream.as_bytes(), &key.order.0[..], &now[..]]).to_string()
}
