//! What is used of the limits of one credential, and how it changes: pure, so that any store can keep it.
//!
//! A limit over any stretch of time is kept as the moment at which its bucket would be empty again (the generic cell rate algorithm, ITU-T
//! I.371): taking moves that moment on, and whoever finds it too far ahead waits his turn. A limit that is full again at a time of day
//! is a count since then.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Least pace that throttling leads to, as a share of what is declared.
const PACE_MIN: f64 = 1.0 / 64.0;
/// What a good answer adds to a pace that was slowed down.
const PACE_STEP: f64 = 0.02;
/// Refusals within this time of each other slow down once: requests that were under way know nothing of the first.
const SLOWED_ONCE: TimeDelta = TimeDelta::seconds(1);
/// Pause between requests at full pace where a source that throttles declares no limit.
const SPACING_UNDECLARED: Duration = Duration::from_millis(50);
/// A moment further ahead was written by a clock that was wrong, and is forgotten.
const BELIEVED_MAX: TimeDelta = TimeDelta::days(366);
/// A clock that is behind the last change by more was set back, as after a run of a machine whose clock was ahead. Processes that share a
/// state differ by less.
const SET_BACK_MIN: TimeDelta = TimeDelta::minutes(5);
/// The bucket of that pause.
const UNDECLARED: &str = "undeclared";

/// What is used of the limits that one credential or host shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotaState {
    /// Nobody asks before.
    pub rest_until: Option<DateTime<Utc>>,
    /// Share of the declared pace that the source has shown to bear.
    pub pace: f64,
    /// When it was last slowed down.
    pub slowed_at: Option<DateTime<Utc>>,
    /// When the bucket of each limit is empty again.
    pub empty_at: BTreeMap<String, DateTime<Utc>>,
    /// Use of each limit that is full again at a time of day: since when, and how much.
    pub used: BTreeMap<String, (DateTime<Utc>, f64)>,
    /// When it was last changed, by the clock of whoever did.
    #[serde(default)]
    pub changed_at: Option<DateTime<Utc>>,
}

impl Default for QuotaState {
    fn default() -> Self {
        Self {
            rest_until: None,
            pace: 1.0,
            slowed_at: None,
            empty_at: BTreeMap::new(),
            used: BTreeMap::new(),
            changed_at: None,
        }
    }
}

/// One limit's part in a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Tells the limit from the others.
    pub limit: String,
    /// How much is taken of it.
    pub amount: f64,
    /// How it fills up.
    pub allowance: Allowance,
}

/// How a limit fills up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Allowance {
    /// Steadily.
    Spread {
        /// Time for one unit.
        spacing: Duration,
        /// Units that may be taken at once.
        burst: f64,
    },
    /// At once, at a time of day.
    Period {
        /// When the present period began.
        began: DateTime<Utc>,
        /// When the next one begins.
        ends: DateTime<Utc>,
        /// Units of a period.
        units: f64,
    },
}

/// A change of what is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum QuotaChange {
    /// Takes a turn: all shares, or none of them.
    Take {
        /// Now.
        now: DateTime<Utc>,
        /// What is taken of each limit.
        shares: Vec<Share>,
        /// Good answers since the last turn was taken.
        good_answers: u32,
        /// Longest wait for a turn.
        turn_max: Duration,
    },
    /// Takes what turned out to be used beyond, or gives back, where negative, what was not.
    Settle {
        /// Now.
        now: DateTime<Utc>,
        /// What is taken of each limit.
        shares: Vec<Share>,
    },
    /// Lets nobody ask before a moment.
    Rest {
        /// The moment.
        until: DateTime<Utc>,
    },
    /// Slows down, because the source refused for too many requests.
    Slow {
        /// Now.
        now: DateTime<Utc>,
    },
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Granted {
    /// The turn is at this moment.
    At(DateTime<Utc>),
    /// Nothing was taken: the source rests until then.
    Resting(DateTime<Utc>),
    /// Nothing was taken: the limit has nothing left until then.
    Spent {
        /// The limit.
        limit: String,
        /// When it has.
        until: DateTime<Utc>,
    },
}

impl QuotaState {
    /// Makes a change, and says what came of it.
    pub fn apply(&mut self, change: &QuotaChange) -> Granted {
        if let QuotaChange::Take { now, .. } | QuotaChange::Settle { now, .. } | QuotaChange::Slow { now } = change {
            self.follow(*now);
        }
        match change {
            QuotaChange::Take { now, shares, good_answers, turn_max } => {
                self.pace = (self.pace + PACE_STEP * f64::from(*good_answers)).clamp(PACE_MIN, 1.0);
                self.take(*now, shares, *turn_max)
            }
            QuotaChange::Settle { now, shares } => {
                for share in shares {
                    self.add(*now, share);
                }
                Granted::At(*now)
            }
            QuotaChange::Rest { until } => {
                self.rest_until = self.rest_until.max(Some(*until));
                Granted::Resting(*until)
            }
            QuotaChange::Slow { now } => {
                if self.slowed_at.is_none_or(|slowed| (*now - slowed).abs() >= SLOWED_ONCE) {
                    self.pace = (self.pace / 2.0).max(PACE_MIN);
                    self.slowed_at = Some(*now);
                }
                Granted::At(*now)
            }
        }
    }

    /// Moves what is kept along with a clock that was set back: what is due in a minute is due in a minute.
    fn follow(&mut self, now: DateTime<Utc>) {
        let back = self.changed_at.map_or(TimeDelta::zero(), |changed| changed - now);
        if back < SET_BACK_MIN {
            self.changed_at = self.changed_at.max(Some(now));
            return;
        }
        let moved = |at: DateTime<Utc>| at.checked_sub_signed(back).unwrap_or(now);
        self.rest_until = self.rest_until.map(moved);
        self.slowed_at = self.slowed_at.map(moved);
        for at in self.empty_at.values_mut() {
            *at = moved(*at);
        }
        self.used.retain(|_, (since, _)| *since <= now);
        self.changed_at = Some(now);
    }

    fn take(&mut self, now: DateTime<Utc>, shares: &[Share], turn_max: Duration) -> Granted {
        let is_ahead = |until: &DateTime<Utc>| *until > now && *until - now < BELIEVED_MAX;
        if let Some(until) = self.rest_until.filter(is_ahead) {
            return Granted::Resting(until);
        }
        let mut all = shares.to_vec();
        let is_spread = |share: &Share| matches!(share.allowance, Allowance::Spread { .. });
        if self.pace < 1.0 && !all.iter().any(is_spread) {
            let allowance = Allowance::Spread { spacing: SPACING_UNDECLARED, burst: 1.0 };
            all.push(Share { limit: UNDECLARED.to_owned(), amount: 1.0, allowance });
        }
        let mut turn = now;
        for share in &all {
            match &share.allowance {
                Allowance::Period { began, ends, units } => {
                    if self.used_since(&share.limit, *began) + share.amount > *units {
                        return Granted::Spent { limit: share.limit.clone(), until: *ends };
                    }
                }
                Allowance::Spread { spacing, burst } => {
                    let empty_at = self.empty_from(&share.limit, now);
                    turn = turn.max(empty_at - self.length(*spacing, burst - share.amount));
                }
            }
        }
        let wait = (turn - now).to_std().unwrap_or_default();
        if let Some(share) = all.iter().find(|share| is_spread(share)).filter(|_| wait > turn_max) {
            return Granted::Spent { limit: share.limit.clone(), until: turn };
        }
        for share in &all {
            self.add(now, share);
        }
        Granted::At(turn)
    }

    fn add(&mut self, now: DateTime<Utc>, share: &Share) {
        match &share.allowance {
            Allowance::Period { began, .. } => {
                let used = (self.used_since(&share.limit, *began) + share.amount).max(0.0);
                self.used.insert(share.limit.clone(), (*began, used));
            }
            Allowance::Spread { spacing, .. } => {
                let empty_at = self.empty_from(&share.limit, now);
                let moved = empty_at + self.length(*spacing, share.amount);
                self.empty_at.insert(share.limit.clone(), moved.max(now));
            }
        }
    }

    /// When a bucket is empty again, at the earliest now.
    fn empty_from(&self, limit: &str, now: DateTime<Utc>) -> DateTime<Utc> {
        let known = self.empty_at.get(limit).copied().filter(|at| *at - now < BELIEVED_MAX);
        known.unwrap_or(now).max(now)
    }

    fn used_since(&self, limit: &str, began: DateTime<Utc>) -> f64 {
        self.used.get(limit).filter(|(since, _)| *since >= began).map_or(0.0, |(_, used)| *used)
    }

    /// The time that `units` take at the present pace.
    fn length(&self, spacing: Duration, units: f64) -> TimeDelta {
        let seconds = spacing.as_secs_f64() / self.pace * units.abs();
        let length = Duration::try_from_secs_f64(seconds).ok().and_then(|length| TimeDelta::from_std(length).ok());
        let length = length.unwrap_or(TimeDelta::days(366));
        if units < 0.0 { -length } else { length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_251_600 + seconds, 0).unwrap()
    }

    fn spread(amount: f64, seconds: u64, burst: f64) -> Share {
        let allowance = Allowance::Spread { spacing: Duration::from_secs(seconds), burst };
        Share { limit: "spread".into(), amount, allowance }
    }

    fn day(amount: f64, began: i64, units: f64) -> Share {
        let allowance = Allowance::Period { began: at(began), ends: at(began + 86_400), units };
        Share { limit: "day".into(), amount, allowance }
    }

    fn take(state: &mut QuotaState, now: i64, shares: &[Share]) -> Granted {
        let turn_max = Duration::from_mins(1);
        state.apply(&QuotaChange::Take { now: at(now), shares: shares.to_vec(), good_answers: 0, turn_max })
    }

    #[test]
    fn what_is_spent_takes_nothing_of_the_other_limits() {
        let mut state = QuotaState::default();
        let shares = [spread(1.0, 1, 1.0), day(6.0, 0, 10.0)];
        assert_eq!(take(&mut state, 0, &shares), Granted::At(at(0)));
        let before = state.clone();
        assert_eq!(take(&mut state, 5, &shares), Granted::Spent { limit: "day".into(), until: at(86_400) });
        assert_eq!((&state.empty_at, &state.used), (&before.empty_at, &before.used));
        let next_day = [spread(1.0, 1, 1.0), day(6.0, 86_400, 10.0)];
        assert_eq!(take(&mut state, 86_400, &next_day), Granted::At(at(86_400)));
    }

    #[test]
    fn turns_come_one_after_the_other_and_too_long_a_queue_is_spent() {
        let mut state = QuotaState::default();
        let turns: Vec<_> = (0..5).map(|_| take(&mut state, 0, &[spread(1.0, 20, 2.0)])).collect();
        let expected = [0, 0, 20, 40, 60].map(|turn| Granted::At(at(turn)));
        assert_eq!(turns, expected);
        assert!(matches!(take(&mut state, 0, &[spread(1.0, 20, 2.0)]), Granted::Spent { .. }));
        assert_eq!(take(&mut state, 200, &[spread(1.0, 20, 2.0)]), Granted::At(at(200)));
    }

    #[test]
    fn points_weigh_and_settle() {
        let mut state = QuotaState::default();
        assert_eq!(take(&mut state, 0, &[spread(10.0, 1, 10.0)]), Granted::At(at(0)));
        assert_eq!(take(&mut state, 0, &[spread(5.0, 1, 10.0)]), Granted::At(at(5)));
        // The second cost two points less than thought, so the next one's turn comes earlier.
        state.apply(&QuotaChange::Settle { now: at(0), shares: vec![spread(-2.0, 1, 10.0)] });
        assert_eq!(take(&mut state, 0, &[spread(1.0, 1, 10.0)]), Granted::At(at(4)));
        state.apply(&QuotaChange::Settle { now: at(0), shares: vec![day(7.0, 0, 10.0), day(-9.0, 0, 10.0)] });
        assert_eq!(state.used["day"], (at(0), 0.0));
    }

    #[test]
    fn a_rest_holds_everybody_and_a_shorter_one_does_not_shorten_it() {
        let mut state = QuotaState::default();
        state.apply(&QuotaChange::Rest { until: at(30) });
        state.apply(&QuotaChange::Rest { until: at(5) });
        assert_eq!(take(&mut state, 29, &[]), Granted::Resting(at(30)));
        assert_eq!(take(&mut state, 30, &[]), Granted::At(at(30)));
    }

    #[test]
    fn what_a_wrong_clock_wrote_holds_nobody_for_years() {
        let mut state = QuotaState::default();
        let years = 10 * 366 * 86_400;
        state.empty_at.insert("spread".into(), at(years));
        state.apply(&QuotaChange::Rest { until: at(years) });
        assert_eq!(take(&mut state, 0, &[spread(1.0, 20, 1.0)]), Granted::At(at(0)));
        assert_eq!(take(&mut state, 0, &[spread(1.0, 20, 1.0)]), Granted::At(at(20)));
    }

    #[test]
    fn a_clock_that_was_set_back_finds_its_waits_as_long_as_they_were() {
        for ahead in [3_600, 86_400, 365 * 86_400] {
            let mut state = QuotaState::default();
            take(&mut state, ahead, &[spread(1.0, 20, 1.0), day(6.0, ahead, 10.0)]);
            assert_eq!(take(&mut state, 0, &[spread(1.0, 20, 1.0), day(6.0, 0, 10.0)]), Granted::At(at(20)), "{ahead}");
            state.apply(&QuotaChange::Slow { now: at(ahead) });
            state.apply(&QuotaChange::Rest { until: at(ahead + 30) });
            assert_eq!(take(&mut state, 0, &[]), Granted::Resting(at(30)), "{ahead}");
        }
        // Runs that share a state ask at about one time: the one that comes a little late gives nothing back.
        let mut state = QuotaState::default();
        take(&mut state, 1, &[spread(1.0, 20, 1.0)]);
        assert_eq!(take(&mut state, 0, &[spread(1.0, 20, 1.0)]), Granted::At(at(21)));
    }

    #[test]
    fn a_state_that_says_not_when_it_was_changed_is_read() {
        let text = r#"{"rest_until":null,"pace":1.0,"slowed_at":null,"empty_at":{},"used":{}}"#;
        assert_eq!(serde_json::from_str::<QuotaState>(text).unwrap(), QuotaState::default());
    }

    #[test]
    fn throttling_halves_the_pace_once_and_good_answers_win_it_back() {
        let mut state = QuotaState::default();
        for _ in 0..10 {
            state.apply(&QuotaChange::Slow { now: at(0) });
        }
        assert!((state.pace - 0.5).abs() < 1e-9);
        state.apply(&QuotaChange::Slow { now: at(2) });
        assert!((state.pace - 0.25).abs() < 1e-9);
        // At a quarter of the pace a second is four; where nothing is declared a pause of its own holds back.
        take(&mut state, 10, &[spread(1.0, 1, 1.0)]);
        assert_eq!(take(&mut state, 10, &[spread(1.0, 1, 1.0)]), Granted::At(at(14)));
        take(&mut state, 20, &[]);
        assert_eq!(take(&mut state, 20, &[]), Granted::At(at(20) + TimeDelta::milliseconds(200)));
        let turn_max = Duration::from_mins(1);
        state.apply(&QuotaChange::Take { now: at(90), shares: vec![], good_answers: 100, turn_max });
        assert!((state.pace - 1.0).abs() < 1e-9);
        for second in 100..200 {
            state.apply(&QuotaChange::Slow { now: at(second) });
        }
        assert!(state.pace >= PACE_MIN);
    }

    #[test]
    fn a_state_reads_back_as_it_was_written() {
        let mut state = QuotaState::default();
        take(&mut state, 0, &[spread(1.0, 1, 1.0), day(1.0, 0, 5.0)]);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<QuotaState>(&text).unwrap(), state);
    }
}
