//! How fast a source may be asked: one pace for all streams of a credential.
//!
//! A vendor's "N per period" may be a fixed or a sliding window; the pace keeps N within every period of that length, wherever it
//! begins: a burst of a quarter at once, the rest evenly spread.

mod backoff;
mod moment;
mod patience;
mod retry_after;
mod wall_clock;

pub use backoff::Backoff;
pub use moment::MomentFormat;
pub use patience::{Again, Patience, Retries};
pub use retry_after::parse_retry_after;
pub use wall_clock::{TimeOfDay, WallClock, ZoneName};

pub(crate) use backoff::jitter;

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::Instant;

use crate::manifest::Limit;

/// The pace of one credential.
#[derive(Debug)]
pub struct Pace {
    limiters: Vec<DefaultDirectRateLimiter>,
    rest_until: Mutex<Option<Instant>>,
}

/// What runs where a vendor publishes no limit: 1 request a second.
const UNPUBLISHED: (u32, Duration) = (1, Duration::from_secs(1));

/// Burst and spacing that keep `requests` within every `per`.
fn spread(requests: u32, per: Duration) -> Option<(NonZeroU32, Duration)> {
    let burst = NonZeroU32::new((requests / 4).max(1)).filter(|_| requests > 0)?;
    let rest = (requests - burst.get()).max(1);
    Some((burst, per / rest))
}

impl Pace {
    /// A pace within `limits`; `None` where the vendor publishes none.
    pub fn new(limits: Option<&[Limit]>) -> Self {
        let limiter = |requests: u32, per: Duration| {
            let (burst, spacing) = spread(requests, per)?;
            Some(RateLimiter::direct(Quota::with_period(spacing)?.allow_burst(burst)))
        };
        let limiters = match limits {
            None => limiter(UNPUBLISHED.0, UNPUBLISHED.1).into_iter().collect(),
            Some(limits) => limits
                .iter()
                .filter_map(|limit| limiter(limit.requests, limit.per.delta().to_std().unwrap_or_default()))
                .collect(),
        };
        Self { limiters, rest_until: Mutex::new(None) }
    }

    /// Waits until one more request may be sent.
    pub async fn permit(&self) {
        for limiter in &self.limiters {
            limiter.until_ready().await;
        }
        loop {
            let until = *self.rest_until.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Lets nobody of this credential ask for a while, because the source said so.
    pub fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut rest_until = self.rest_until.lock().unwrap_or_else(PoisonError::into_inner);
        if rest_until.is_none_or(|known| known < until) {
            *rest_until = Some(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_limit_in_any_period() {
        let per = Duration::from_mins(1);
        for requests in 2..500 {
            let (burst, spacing) = spread(requests, per).unwrap();
            // The first request of a period may meet a full burst; then one a spacing.
            let most = u128::from(burst.get()) + per.as_nanos() / spacing.as_nanos();
            assert!(most <= u128::from(requests), "{requests} allowed, {most} possible");
        }
        assert_eq!(spread(0, per), None);
    }

    #[test]
    fn a_shorter_rest_does_not_shorten_a_longer_one() {
        let pace = Pace::new(Some(&[]));
        let began = Instant::now();
        pace.rest(Duration::from_secs(30));
        pace.rest(Duration::from_secs(5));
        let until = pace.rest_until.lock().unwrap().unwrap();
        assert!(until >= began + Duration::from_secs(30));
    }
}
