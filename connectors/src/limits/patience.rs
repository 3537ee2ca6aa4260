//! How often and how long a request is tried before it counts as failed.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Bounds of trying again, and of waiting at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often a request is sent again after its first failure.
    pub retries_max: usize,
    /// Pause before the first of them; each next one is twice as long, with jitter.
    pub pause_min: Duration,
    /// Longest of these pauses.
    pub pause_max: Duration,
    /// Longest `Retry-After` that is waited out; a longer one parks the work.
    pub wait_max: Duration,
    /// Longest time to connect.
    pub connect_max: Duration,
    /// Longest silence within an answer.
    pub silence_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retries_max: 3,
            pause_min: Duration::from_millis(500),
            pause_max: Duration::from_secs(30),
            wait_max: Duration::from_mins(1),
            connect_max: Duration::from_secs(15),
            silence_max: Duration::from_mins(2),
        }
    }
}

/// The tries that one request still has.
#[derive(Debug)]
pub struct Retries {
    pauses: ExponentialBackoff,
    used: u32,
}

impl Retries {
    /// All tries of one request.
    pub fn new(patience: &Patience) -> Self {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(patience.pause_min)
            .with_max_delay(patience.pause_max)
            .with_max_times(patience.retries_max)
            .with_jitter();
        Self { pauses: pauses.build(), used: 0 }
    }

    /// Takes one try and returns the pause before it; `None` when all are used.
    pub fn take(&mut self) -> Option<Duration> {
        let pause = self.pauses.next()?;
        self.used += 1;
        Some(pause)
    }

    /// How many were taken.
    pub fn used(&self) -> u32 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_as_many_tries_as_allowed_with_growing_pauses() {
        let patience = Patience::default();
        let mut retries = Retries::new(&patience);
        let pauses: Vec<Duration> = std::iter::from_fn(|| retries.take()).collect();
        assert_eq!((pauses.len(), retries.used()), (3, 3));
        for (nth, pause) in (0_u32..).zip(pauses) {
            let base = patience.pause_min * 2_u32.pow(nth);
            assert!(pause >= base && pause <= base * 2, "{pause:?}");
        }
    }
}
