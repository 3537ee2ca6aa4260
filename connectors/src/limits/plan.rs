//! Declared limits as the state knows them.
//!
//! A vendor's "N per period" may be a fixed or a sliding window; a limit with `per` keeps N within every period of that length, wherever it
//! begins: a burst of a quarter at once, the rest evenly spread.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::state::{Allowance, Share as Part};
use super::{Waiting, WallClock};
use crate::manifest::{Limit, Share, SharedBy};
use crate::refusal::Pattern;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Requests,
    Points,
    Bytes,
}

/// A limit per period.
#[derive(Clone, Debug)]
pub(super) struct LimitPlan {
    pub(super) measure: Measure,
    pub(super) is_by_host: bool,
    name: String,
    only: Only,
    fills: Fills,
    /// Requests of this runner wait here first, so that none of them reserves a turn far ahead that another runner could take.
    local: Option<Arc<DefaultDirectRateLimiter>>,
}

/// Which requests a limit is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Only {
    streams: Option<Vec<String>>,
    path: Option<Pattern>,
}

#[derive(Clone, Debug)]
enum Fills {
    Steadily { spacing: Duration, burst: f64 },
    AtOnce { clock: WallClock, units: f64 },
}

/// What a limit looks at of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) stream: &'a str,
    pub(super) path: &'a str,
}

/// Burst and spacing that keep `units` within every `per`.
fn spread(units: f64, per: Duration) -> Option<(f64, Duration)> {
    if !units.is_finite() || units <= 0.0 {
        return None;
    }
    let burst = (units / 4.0).floor().max(1.0);
    let rest = (units - burst).max(1.0);
    Some((burst, Duration::try_from_secs_f64(per.as_secs_f64() / rest).ok()?))
}

fn local_limiter(fills: &Fills) -> Option<DefaultDirectRateLimiter> {
    let Fills::Steadily { spacing, burst } = fills else { return None };
    let burst = NonZeroU32::new(burst.to_string().parse().ok()?)?;
    Some(RateLimiter::direct(Quota::with_period(*spacing)?.allow_burst(burst)))
}

impl Only {
    pub(super) fn new(limit: &Limit) -> Self {
        Self { streams: limit.streams.clone(), path: limit.path.clone() }
    }

    pub(super) fn is_about(&self, asked: Asked<'_>) -> bool {
        self.streams.as_ref().is_none_or(|streams| streams.iter().any(|stream| stream == asked.stream))
            && self.path.as_ref().is_none_or(|path| path.is_in(asked.path))
    }
}

impl LimitPlan {
    /// The `place`-th declared limit; `None` for one that is no limit per period. `share` is what the project wants to use of the
    /// allowance of a day or more.
    pub(super) fn new(place: usize, limit: &Limit, share: Share) -> Option<Self> {
        let (measure, units) = match (limit.requests, limit.points, limit.bytes) {
            (Some(requests), ..) => (Measure::Requests, f64::from(requests)),
            (_, Some(points), _) => (Measure::Points, points),
            (.., Some(bytes)) => (Measure::Bytes, bytes.to_string().parse().unwrap_or(f64::MAX)),
            (None, None, None) => return None,
        };
        let units = units * limit.use_at_most.unwrap_or(Share::WHOLE).get();
        let fills = match (&limit.resets, limit.per) {
            (Some(clock), _) => Fills::AtOnce { clock: clock.clone(), units: units * share.get() },
            (None, per) => {
                let per = per.unwrap_or_default();
                let is_a_day = per >= headwater_contract::Span::days(1);
                let units = if is_a_day { units * share.get() } else { units };
                let (burst, spacing) = spread(units, per.delta().to_std().ok()?)?;
                Fills::Steadily { spacing, burst }
            }
        };
        let is_by_host = limit.shared_by == SharedBy::Host;
        let local = local_limiter(&fills).filter(|_| measure == Measure::Requests).map(Arc::new);
        Some(Self { measure, is_by_host, name: format!("{place} {measure:?}"), only: Only::new(limit), fills, local })
    }

    /// Waits for a turn within this runner; gives the wait back when it is longer than `turn_max`.
    pub(super) async fn wait_here(
        &self,
        asked: Asked<'_>,
        turn_max: Duration,
        waiting: &dyn Waiting,
    ) -> Result<(), Duration> {
        // This one only keeps turns from being reserved far ahead, and counts by the machine's time.
        let local = self.local.as_ref().filter(|_| waiting.is_real() && self.only.is_about(asked));
        let Some(local) = local else { return Ok(()) };
        while let Err(not_yet) = local.check() {
            let wait = not_yet.wait_time_from(DefaultClock::default().now());
            if wait > turn_max {
                return Err(wait);
            }
            waiting.wait(wait).await;
        }
        Ok(())
    }

    /// What a request takes of it.
    pub(super) fn part(&self, asked: Asked<'_>, amount: f64, now: DateTime<Utc>) -> Option<Part> {
        if !self.only.is_about(asked) {
            return None;
        }
        let allowance = match &self.fills {
            Fills::Steadily { spacing, burst } => Allowance::Spread { spacing: *spacing, burst: *burst },
            Fills::AtOnce { clock, units } => {
                Allowance::Period { began: clock.last(now)?, ends: clock.next(now)?, units: *units }
            }
        };
        Some(Part { limit: self.name.clone(), amount, allowance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_limit_in_any_period() {
        let per = Duration::from_mins(1);
        for requests in 2..500_u32 {
            let (burst, spacing) = spread(f64::from(requests), per).unwrap();
            // The first request of a period may meet a full burst; then one a spacing.
            let most = burst + (per.as_secs_f64() / spacing.as_secs_f64() + 1e-6).floor();
            assert!(most <= f64::from(requests), "{requests} allowed, {most} possible");
        }
        for units in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(spread(units, per), None);
        }
    }

    #[test]
    fn a_limit_is_about_the_requests_that_it_names() {
        let limit: Limit = crate::manifest::yaml::from_str(
            "{ requests: 8, per: 1 second, streams: [a], path: '^/search', source: x }",
        )
        .unwrap();
        let plan = LimitPlan::new(0, &limit, Share::WHOLE).unwrap();
        let part = |stream, path| plan.part(Asked { stream, path }, 1.0, DateTime::UNIX_EPOCH);
        assert!(part("a", "/search/x").is_some() && part("b", "/search").is_none() && part("a", "/list").is_none());
    }

    #[test]
    fn a_project_takes_its_share_of_a_day_and_no_less_of_a_second() {
        let burst = |yaml: &str| {
            let limit: Limit = crate::manifest::yaml::from_str(yaml).unwrap();
            let part = LimitPlan::new(0, &limit, Share::parse("40 %").unwrap())?;
            match part.part(Asked { stream: "", path: "" }, 1.0, DateTime::UNIX_EPOCH)?.allowance {
                Allowance::Spread { burst, .. } => Some(burst),
                Allowance::Period { units, .. } => Some(units),
            }
        };
        let near = |yaml: &str, expected: f64| assert!((burst(yaml).unwrap() - expected).abs() < 1e-6, "{yaml}");
        near("{ requests: 100, per: 1 second, source: x }", 25.0);
        near("{ requests: 100, per: 1 day, source: x }", 10.0);
        near("{ requests: 100, resets: { time: '00:00', zone: UTC }, use_at_most: 50 %, source: x }", 20.0);
    }
}
