//! Pauses between the tries of a request: constant, growing evenly, or doubling.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::Patience;

/// The shape of the pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// Always the same.
    Constant(Duration),
    /// One step longer each time, up to the second.
    Linear(Duration, Duration),
    /// Twice as long each time, up to the second.
    Exponential(Duration, Duration),
}

/// The pauses of one request, one after the other, with jitter of up to the pause itself for growing ones and a tenth for constant ones.
#[derive(Debug)]
pub(super) enum Pauses {
    Even { backoff: Backoff, taken: u32 },
    Doubling(ExponentialBackoff),
}

impl Backoff {
    /// What runs where nothing is declared.
    pub(super) fn usual(patience: &Patience) -> Self {
        Self::Exponential(patience.pause_min, patience.pause_max)
    }

    pub(super) fn pauses(self) -> Pauses {
        match self {
            Self::Exponential(first, longest) => {
                let builder = ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest);
                Pauses::Doubling(builder.without_max_times().with_jitter().build())
            }
            backoff => Pauses::Even { backoff, taken: 0 },
        }
    }
}

impl Pauses {
    pub(super) fn take(&mut self) -> Duration {
        match self {
            Self::Doubling(pauses) => pauses.next().unwrap_or_default(),
            Self::Even { backoff, taken } => {
                *taken = taken.saturating_add(1);
                match *backoff {
                    Backoff::Linear(step, longest) => {
                        let pause = step.saturating_mul(*taken).min(longest);
                        pause + jitter(pause)
                    }
                    Backoff::Constant(pause) | Backoff::Exponential(pause, _) => pause + jitter(pause / 10),
                }
            }
        }
    }
}

/// Some time up to `most`, so that those who were refused together do not come back together.
pub(crate) fn jitter(most: Duration) -> Duration {
    let share = RandomState::new().hash_one(()) >> 32;
    let nanos = most.as_nanos() * u128::from(share) / u128::from(u32::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_have_their_shape_and_never_less_than_declared() {
        let second = Duration::from_secs;
        for (backoff, expected) in [
            (Backoff::Constant(second(5)), [5, 5, 5, 5]),
            (Backoff::Linear(second(5), second(12)), [5, 10, 12, 12]),
            (Backoff::Exponential(second(1), second(6)), [1, 2, 4, 6]),
        ] {
            let mut pauses = backoff.pauses();
            for base in expected {
                let pause = pauses.take();
                assert!(pause >= second(base) && pause <= second(base) * 2, "{backoff:?}: {pause:?} for {base}");
            }
        }
        assert!((0..100).all(|_| jitter(second(1)) <= second(1)));
    }
}
