//! How often and how long a request is tried before it counts as failed.

use std::time::Duration;

use super::backoff::{Backoff, Pauses};

/// Bounds of trying again, and of waiting at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often a request is sent again after it failed.
    pub retries_max: u32,
    /// How often it is sent again because the source wanted fewer requests; waiting is not an error, so there are more of them.
    pub throttles_max: u32,
    /// Pause before the first retry; each next one is twice as long, with jitter.
    pub pause_min: Duration,
    /// Longest of these pauses.
    pub pause_max: Duration,
    /// Longest wait that a source asks for and that is waited out; a longer one parks the work.
    pub wait_max: Duration,
    /// Longest wait for one's turn within a declared limit; a longer one parks the work.
    pub turn_max: Duration,
    /// Longest time to connect.
    pub connect_max: Duration,
    /// Longest silence within an answer.
    pub silence_max: Duration,
    /// Longest time for a whole answer, however steadily it trickles.
    pub answer_max: Duration,
    /// Longest time for a whole reading.
    pub reading_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retries_max: 3,
            throttles_max: 8,
            pause_min: Duration::from_millis(500),
            pause_max: Duration::from_secs(30),
            wait_max: Duration::from_mins(1),
            turn_max: Duration::from_mins(10),
            connect_max: Duration::from_secs(15),
            silence_max: Duration::from_mins(2),
            // 16 GiB, the largest body, at a little over 1 MiB a second.
            answer_max: Duration::from_hours(4),
            reading_max: Duration::from_hours(24),
        }
    }
}

/// Why a request is sent again. Each class has a budget of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// It failed: by a fault of the source, or of the network.
    Failed,
    /// The source wants fewer requests.
    Throttled,
    /// A rule of the manifest says so; its place in the list tells its budget from those of other rules.
    Declared {
        /// Which rule.
        rule: usize,
        /// Its pauses, the usual ones when it says none.
        backoff: Option<Backoff>,
        /// Its number of tries, that of failures when it says none.
        times: Option<u32>,
    },
}

/// The tries that one request still has.
#[derive(Debug)]
pub struct Retries {
    patience: Patience,
    budgets: Vec<(Again, u32, Pauses)>,
    used: u32,
}

impl Retries {
    /// All tries of one request.
    pub fn new(patience: &Patience) -> Self {
        Self { patience: patience.clone(), budgets: Vec::new(), used: 0 }
    }

    /// Takes one try of the class and returns the pause before it; `None` when all of the class are used.
    pub fn take(&mut self, again: &Again) -> Option<Duration> {
        let usual = Backoff::usual(&self.patience);
        let (most, backoff) = match again {
            Again::Failed => (self.patience.retries_max, usual),
            Again::Throttled => (self.patience.throttles_max, usual),
            Again::Declared { backoff, times, .. } => {
                (times.unwrap_or(self.patience.retries_max), backoff.unwrap_or(usual))
            }
        };
        if !self.budgets.iter().any(|(known, ..)| known == again) {
            self.budgets.push((again.clone(), 0, backoff.pauses()));
        }
        let (_, taken, pauses) = self.budgets.iter_mut().find(|(known, ..)| known == again)?;
        if *taken >= most {
            return None;
        }
        *taken += 1;
        self.used += 1;
        Some(pauses.take())
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
    fn each_class_has_a_budget_of_its_own() {
        let declared = |rule, times| Again::Declared { rule, backoff: None, times };
        let mut retries = Retries::new(&Patience { retries_max: 2, throttles_max: 3, ..Patience::default() });
        for (again, expected) in [
            (Again::Failed, 2),
            (Again::Throttled, 3),
            (declared(0, None), 2),
            (declared(1, Some(5)), 5),
            (declared(2, Some(0)), 0),
        ] {
            assert_eq!(std::iter::from_fn(|| retries.take(&again)).count(), expected, "{again:?}");
        }
        assert_eq!(retries.used(), 12);
    }

    #[test]
    fn gives_as_many_tries_as_allowed_with_growing_pauses() {
        let patience = Patience::default();
        let mut retries = Retries::new(&patience);
        let pauses: Vec<Duration> = std::iter::from_fn(|| retries.take(&Again::Failed)).collect();
        assert_eq!((pauses.len(), retries.used()), (3, 3));
        for (nth, pause) in (0_u32..).zip(pauses) {
            let base = patience.pause_min * 2_u32.pow(nth);
            assert!(pause >= base && pause <= base * 2, "{pause:?}");
        }
    }
}
