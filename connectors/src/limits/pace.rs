//! How fast a source may be asked: one pace for all streams of a credential, and of all runners that share its store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Clock, Digest16};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::plan::{Asked, LimitPlan, Measure, Only};
use super::state::{Granted, QuotaChange, Share as Part};
use super::{Patience, QuotaStore, Waiting};
use crate::error::Fault;
use crate::manifest::{Limit, Share};

/// What runs where a vendor publishes no limit: 1 request a second.
const UNPUBLISHED_REQUESTS: u32 = 1;

/// What a request counts as.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// The stream that it is for.
    pub(crate) stream: Arc<str>,
    /// Points that it is thought to cost.
    pub(crate) points: f64,
}

impl Default for Load {
    fn default() -> Self {
        Self { stream: Arc::from(""), points: 1.0 }
    }
}

/// What a pace is made of.
#[derive(Debug)]
pub(crate) struct PaceOptions<'a> {
    /// `None` where the vendor publishes none.
    pub(crate) limits: Option<&'a [Limit]>,
    /// The share of what a day allows that the project wants to use.
    pub(crate) share: Share,
    pub(crate) store: Arc<dyn QuotaStore>,
    /// Connector and host.
    pub(crate) host: String,
    /// Tells the credential from others without showing it.
    pub(crate) credential: Digest16,
    pub(crate) patience: &'a Patience,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) waiting: Arc<dyn Waiting>,
}

/// The pace of one credential.
#[derive(Debug)]
pub(crate) struct Pace {
    plans: Vec<LimitPlan>,
    slots: Vec<(Only, Arc<Semaphore>)>,
    store: Arc<dyn QuotaStore>,
    by_host: String,
    by_credential: String,
    patience: Patience,
    clock: Arc<dyn Clock>,
    waiting: Arc<dyn Waiting>,
    began: (DateTime<Utc>, Instant),
    good_answers: AtomicU32,
}

/// A request's turn; as long as it lives it counts as running.
#[derive(Debug, Default)]
pub(crate) struct Turn(Vec<OwnedSemaphorePermit>);

impl Turn {
    /// Lets the next one run.
    pub(crate) fn end(&mut self) {
        self.0.clear();
    }
}

impl Pace {
    pub(crate) fn new(options: PaceOptions<'_>) -> Self {
        let unpublished = Limit {
            requests: Some(UNPUBLISHED_REQUESTS),
            per: Some(headwater_contract::Span::seconds(1)),
            ..Limit::default()
        };
        let limits = options.limits.map_or_else(|| vec![unpublished], <[Limit]>::to_vec);
        let plans = limits.iter().enumerate().filter_map(|(place, limit)| LimitPlan::new(place, limit, options.share));
        let slots = limits.iter().filter_map(|limit| {
            let slots = usize::try_from(limit.concurrent?).unwrap_or(Semaphore::MAX_PERMITS);
            Some((Only::new(limit), Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS)))))
        });
        Self {
            plans: plans.collect(),
            slots: slots.collect(),
            store: options.store,
            by_credential: format!("{}/{}", options.host, options.credential),
            by_host: options.host,
            patience: options.patience.clone(),
            began: (options.clock.now(), Instant::now()),
            clock: options.clock,
            waiting: options.waiting,
            good_answers: AtomicU32::new(0),
        }
    }

    /// Never goes back, and goes on while a clock is set or stands.
    fn now(&self) -> DateTime<Utc> {
        let (began, since) = self.began;
        let elapsed = TimeDelta::from_std(since.elapsed()).unwrap_or_default();
        self.clock.now().max(began + elapsed)
    }

    /// Waits until one more request may be sent.
    ///
    /// # Errors
    ///
    /// [`Fault::QuotaSpent`] when that is too long to wait, [`Fault::QuotaStore`] when nobody knows.
    pub(crate) async fn permit(&self, load: &Load, path: &str) -> Result<Turn, Fault> {
        let asked = Asked { stream: &load.stream, path };
        let mut turn = Turn::default();
        for (_, slots) in self.slots.iter().filter(|(only, _)| only.is_about(asked)) {
            // Only a semaphore that is closed gives none, and nobody closes these.
            turn.0.extend(Arc::clone(slots).acquire_owned().await.ok());
        }
        self.pass(load, path).await?;
        Ok(turn)
    }

    /// Waits until one more request may be sent, however many run.
    ///
    /// # Errors
    ///
    /// As [`Pace::permit`].
    pub(crate) async fn pass(&self, load: &Load, path: &str) -> Result<(), Fault> {
        let asked = Asked { stream: &load.stream, path };
        for plan in &self.plans {
            let spent = |wait: Duration| Fault::QuotaSpent {
                until: self.now() + TimeDelta::from_std(wait).unwrap_or_default(),
            };
            plan.wait_here(asked, self.patience.turn_max, self.waiting.as_ref()).await.map_err(spent)?;
        }
        for is_by_host in [true, false] {
            let has_any = self.plans.iter().any(|plan| plan.is_by_host == is_by_host);
            if has_any || !is_by_host {
                self.take(load, asked, is_by_host).await?;
            }
        }
        Ok(())
    }

    async fn take(&self, load: &Load, asked: Asked<'_>, is_by_host: bool) -> Result<(), Fault> {
        loop {
            let now = self.now();
            let amount = |measure| match measure {
                Measure::Requests => 1.0,
                Measure::Points => load.points,
                // What an answer weighs is known when it has come; a bucket in debt lets nobody pass until it is out of it.
                Measure::Bytes => 0.0,
            };
            let change = QuotaChange::Take {
                now,
                shares: self.parts(asked, is_by_host, now, amount),
                good_answers: if is_by_host { 0 } else { self.good_answers.swap(0, Ordering::Relaxed) },
                turn_max: self.patience.turn_max,
            };
            match self.change(is_by_host, &change).await? {
                Granted::At(at) => {
                    if at > now {
                        self.waiting.wait((at - now).to_std().unwrap_or_default()).await;
                    }
                    return Ok(());
                }
                Granted::Resting(until) => {
                    let wait = (until - now).to_std().unwrap_or_default();
                    if wait > self.patience.wait_max {
                        return Err(Fault::QuotaSpent { until });
                    }
                    self.waiting.wait(wait).await;
                }
                Granted::Spent { until, .. } => return Err(Fault::QuotaSpent { until }),
            }
        }
    }

    fn parts(
        &self,
        asked: Asked<'_>,
        is_by_host: bool,
        now: DateTime<Utc>,
        amount: impl Fn(Measure) -> f64,
    ) -> Vec<Part> {
        let plans = self.plans.iter().filter(|plan| plan.is_by_host == is_by_host);
        plans.filter_map(|plan| plan.part(asked, amount(plan.measure), now)).collect()
    }

    async fn change(&self, is_by_host: bool, change: &QuotaChange) -> Result<Granted, Fault> {
        let key = if is_by_host { &self.by_host } else { &self.by_credential };
        Ok(self.store.change(key, change).await?)
    }

    /// Takes what an answer turned out to weigh, in bytes, and to cost beyond what was thought, in points.
    pub(crate) async fn settle(&self, load: &Load, path: &str, bytes: u64, points: f64) -> Result<(), Fault> {
        let asked = Asked { stream: &load.stream, path };
        let amount = |measure| match measure {
            Measure::Requests => 0.0,
            Measure::Points => points,
            Measure::Bytes => bytes.to_string().parse().unwrap_or(f64::MAX),
        };
        let now = self.now();
        for is_by_host in [true, false] {
            let mut shares = self.parts(asked, is_by_host, now, amount);
            shares.retain(|share| share.amount.abs() > 0.0);
            if !shares.is_empty() {
                self.change(is_by_host, &QuotaChange::Settle { now, shares }).await?;
            }
        }
        Ok(())
    }

    /// Notes that the source bore a request, which wins back a pace that was slowed down.
    pub(crate) fn note_good(&self) {
        self.good_answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Goes slower from now on, because the source refused for too many requests.
    pub(crate) async fn slow_down(&self) -> Result<(), Fault> {
        self.good_answers.store(0, Ordering::Relaxed);
        self.change(false, &QuotaChange::Slow { now: self.now() }).await.map(drop)
    }

    /// Lets nobody of this credential ask for a while, because the source said so.
    pub(crate) async fn rest(&self, pause: Duration) -> Result<(), Fault> {
        let until = self.now().checked_add_signed(TimeDelta::from_std(pause).unwrap_or(TimeDelta::days(366)));
        self.change(false, &QuotaChange::Rest { until: until.unwrap_or(DateTime::<Utc>::MAX_UTC) }).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use headwater_contract::FixedClock;

    use super::*;
    use crate::limits::MemoryQuotas;

    fn pace(limits: &str) -> Pace {
        let limits: Vec<Limit> = crate::manifest::yaml::from_str(limits).unwrap_or_else(|error| panic!("{error}"));
        Pace::new(PaceOptions {
            limits: Some(&limits),
            share: Share::WHOLE,
            store: Arc::new(MemoryQuotas::default()),
            host: "shop".to_owned(),
            credential: Digest16::of(b"key"),
            patience: &Patience::default(),
            clock: Arc::new(FixedClock::at("2026-11-21T09:00:00Z".parse().unwrap())),
            waiting: Arc::new(crate::limits::RealWaiting),
        })
    }

    #[tokio::test]
    async fn a_turn_holds_back_the_next_until_it_ends() {
        let pace = pace("[{ concurrent: 2, source: x }, { concurrent: 1, path: ^/export, source: x }]");
        let load = Load::default();
        let permit = |path| pace.permit(&load, path);
        let mut export = permit("/export/1").await.unwrap();
        assert!(permit("/export/2").now_or_never().is_none());
        let list = permit("/list").now_or_never().unwrap().unwrap();
        assert!(permit("/list").now_or_never().is_none());
        drop(list);
        export.end();
        assert!(permit("/export/2").now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_long_rest_parks_and_a_queue_that_is_too_long_does_too() {
        let pace = pace("[{ requests: 4, per: 1 day, source: x }]");
        let load = Load::default();
        pace.permit(&load, "/").await.unwrap();
        assert!(matches!(pace.permit(&load, "/").await, Err(Fault::QuotaSpent { .. })));
        let pace = self::pace("[]");
        pace.rest(Duration::from_hours(1)).await.unwrap();
        let Err(Fault::QuotaSpent { until }) = pace.permit(&load, "/").await else { panic!() };
        assert!(until >= "2026-11-21T10:00:00Z".parse::<DateTime<Utc>>().unwrap());
    }
}
