//! One reading: extract → gate → land. Lease, attempt, events, receipt.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use headwater_connectors::{ReadRequest, Source, SourceError};
use headwater_contract::{Digest16, ErrorKind, Explain, ReadEvent, StreamContract, Window};
use headwater_lake::Lake;
use headwater_lake::attempt::{Attempt, Landed};
use headwater_lake::ledger::{Failure, Lease};
use headwater_lake::raw::{Counts, LeftOut, Reason, Receipts};
use headwater_lake::steps::Step;

use crate::run::error::RunError;
use crate::run::event::{Listener, RunEvent};
use crate::run::known::is_of_window;
use crate::run::plan::{Why, halves};
use crate::run::report::{Outcome, Problem, WindowReport};
use crate::run::source_time::{Seen, SourceTimes};

/// The listener hears of a window's progress at most once for so many records.
const PROGRESS_EVERY: u64 = 2_000;

/// What every reading of one stream shares.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) lake: Lake,
    pub(crate) source: Source,
    pub(crate) contract: Arc<StreamContract>,
    pub(crate) setup: Digest16,
    pub(crate) lease: Lease,
    pub(crate) times: Arc<SourceTimes>,
    pub(crate) listener: Arc<Listener>,
    /// A first reading of more records is given up, and its window split.
    pub(crate) records_max: u64,
}

/// Codes of answers that are too large for one request of a window: a shorter window asks for less.
const TOO_LARGE: [&str; 4] = ["window-too-large", "page-too-large", "body-too-large", "too-many-pages"];

/// One reading that is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) window: Window,
    pub(crate) why: Why,
    /// The token that a chain's link starts from.
    pub(crate) token: Option<String>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) window: Window,
    pub(crate) report: WindowReport,
    /// The receipt that counts, where the reading came to one.
    pub(crate) landed: Option<Landed>,
    /// The kind of the error, where there was one.
    pub(crate) error: Option<ErrorKind>,
}

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    requests: u32,
    bytes: u64,
    records: u64,
}

impl Reader {
    /// Reads one window up to its receipt, and tells the ledger.
    pub(crate) async fn read(&self, order: &Order) -> Read {
        let mut traffic = Traffic::default();
        let outcome = self.attempt(order, &mut traffic).await;
        let mut report = WindowReport {
            slice: order.window.slice.clone(),
            window: order.window.name(),
            why: why_text(order.why).to_owned(),
            generation: None,
            outcome: Outcome::Landed,
            counts: Counts::default(),
            left_out: LeftOut::default(),
            requests: traffic.requests,
            bytes: traffic.bytes,
        };
        let window = order.window.clone();
        match outcome {
            Ok(landed) => {
                report.generation = Some(landed.receipt.generation);
                report.counts = landed.receipt.counts;
                report.left_out = landed.receipt.left_out;
                report.outcome = match &landed.receipt.verdict {
                    headwater_lake::raw::Verdict::Held { reason } => Outcome::Held { reason: reason.clone() },
                    _ if landed.receipt.same_as.is_some() => Outcome::Unchanged,
                    _ => Outcome::Landed,
                };
                Read { window, report, landed: Some(landed), error: None }
            }
            Err(error) => {
                report.outcome = self.failed(&window, &error).await;
                Read { window, report, landed: None, error: Some(error.kind()) }
            }
        }
    }

    async fn attempt(&self, order: &Order, traffic: &mut Traffic) -> Result<Landed, RunError> {
        let reason = match order.why {
            Why::Resync => Reason::Resync,
            Why::First => Reason::First,
            _ => Reason::Reread,
        };
        let mut attempt =
            Attempt::begin(&self.lake, &self.contract, &order.window, reason, order.token.clone()).await?;
        if let Err(error) = self.extract(order, &mut attempt, traffic).await {
            attempt.abandon().await;
            return Err(error);
        }
        let landed = attempt.finish().await?;
        let name = &self.contract.name;
        let receipts = Receipts::new(&self.lake.zones.raw).of_window(name, &order.window).await?;
        self.lake.ledger.landed(&self.lease, name, &order.window, &receipts).await?;
        self.lake.steps.reached(Step::Landed).await;
        Ok(landed)
    }

    async fn extract(&self, order: &Order, attempt: &mut Attempt, traffic: &mut Traffic) -> Result<(), RunError> {
        let request = ReadRequest {
            slice: order.window.slice.clone(),
            bounds: order.window.time_range(),
            token: order.token.clone(),
        };
        let mut reading = self.source.read(self.contract.name.stream(), request);
        let mut said = 0;
        while let Some(event) = reading.next().await {
            let event = event?;
            match &event {
                ReadEvent::Exchange(exchange) => {
                    traffic.requests += 1;
                    if let Some(source) = exchange.source_date {
                        self.times.note(self.contract.name.source(), Seen { source, ours: exchange.fetched_at });
                    }
                }
                ReadEvent::Chunk(chunk) => traffic.bytes += chunk.body.len() as u64,
                ReadEvent::Records(records) => traffic.records += records.texts.len() as u64,
                ReadEvent::Done(_) => {}
            }
            // A range with a receipt keeps its bounds, however large it has grown.
            if traffic.records > self.records_max && attempt.generation() == 1 && order.window.time_range().is_some() {
                let window = format!("{} {}", self.contract.name, order.window);
                return Err(RunError::WindowTooLarge { window, records_max: self.records_max });
            }
            attempt.event(event).await?;
            if traffic.records >= said + PROGRESS_EVERY {
                said = traffic.records;
                (self.listener)(&RunEvent::Progressed {
                    stream: self.contract.name.clone(),
                    window: order.window.clone(),
                    records: traffic.records,
                    bytes: traffic.bytes,
                });
            }
        }
        Ok(())
    }

    /// Tells the ledger what went wrong. Only the source's faults are the window's: a store that is full stops no window for good.
    async fn failed(&self, window: &Window, error: &RunError) -> Outcome {
        let problem = Problem::of(error);
        let name = &self.contract.name;
        if let Some(pieces) = self.pieces(window, &problem.code) {
            // A window that has a receipt is refused here, and fails as any other.
            if self.lake.ledger.split(&self.lease, name, window, &pieces).await.is_ok() {
                return Outcome::Split { into: pieces.iter().map(Window::name).collect() };
            }
        }
        let told = if let Some(until) = parked_until(error, self.lake.clock.now()) {
            let told = self.lake.ledger.parked(&self.lease, name, window, until, &problem.message).await;
            if told.is_ok() {
                return Outcome::Parked { problem, until: Some(until) };
            }
            told
        } else {
            let failure = failure_of(error, &problem);
            self.lake.ledger.attempt_failed(&self.lease, name, window, &failure, self.setup).await.map(drop)
        };
        if let Err(ledger) = told {
            // The window is read again in any case; what is lost is the count of its failures.
            tracing::warn!(%name, %window, error = %ledger, "the ledger could not take a failure down");
        }
        Outcome::Failed { problem }
    }
}

impl Reader {
    /// The halves of a window that is too large for one reading.
    fn pieces(&self, window: &Window, code: &str) -> Option<Vec<Window>> {
        let range = window.time_range().filter(|_| TOO_LARGE.contains(&code))?;
        let granularity = self.contract.window.as_ref()?.granularity;
        let pieces = halves(range, granularity)?;
        Some(pieces.into_iter().map(|piece| Window::range(window.slice.clone(), piece)).collect())
    }
}

/// Until when the source asked to wait.
fn parked_until(error: &RunError, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let RunError::Source(source) = error else { return None };
    source.retry_at().filter(|at| *at > now)
}

fn failure_of(error: &RunError, problem: &Problem) -> Failure {
    let source: Option<&SourceError> = if let RunError::Source(source) = error { Some(source) } else { None };
    Failure {
        code: problem.code.clone(),
        message: if problem.why.is_empty() {
            problem.message.clone()
        } else {
            format!("{}: {}", problem.message, problem.why)
        },
        fix: problem.fix.clone(),
        fingerprint: source.map_or_else(|| problem.code.clone(), SourceError::fingerprint),
        // The same bytes give the same error, whoever reads them.
        permanent: source.is_some_and(SourceError::is_permanent) || is_of_window(&problem.code),
        retry_at: None,
    }
}

/// The word for a reason in reports.
pub(crate) fn why_text(why: Why) -> &'static str {
    match why {
        Why::First => "first",
        Why::Uncommitted => "uncommitted",
        Why::Reread => "re-read",
        Why::Resync => "re-sync",
        Why::Held => "held before",
        Why::Every => "every",
        Why::KeysStale => "keys stale",
    }
}

#[cfg(test)]
mod tests {
    use headwater_lake::attempt::AttemptError;
    use headwater_lake::store::StoreError;

    use super::*;

    #[test]
    fn a_fault_that_is_the_windows_own_is_permanent_and_a_store_that_is_down_is_not() {
        let window = || "shop.orders t".to_owned();
        let unbalanced = AttemptError::Unbalanced { window: window(), finding: "3 are not 4".to_owned() };
        let down = AttemptError::Store {
            window: window(),
            source: StoreError::NotFound { url: "memory:///".to_owned(), path: "x".to_owned() },
        };
        for (error, permanent) in [(unbalanced, true), (down, false)] {
            let error = RunError::from(error);
            let failure = failure_of(&error, &Problem::of(&error));
            assert_eq!(failure.permanent, permanent, "{}", failure.code);
        }
    }
}
