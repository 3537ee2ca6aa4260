//! Decides whether a window may land, before its receipt is written.
//!
//! A window is held when its first reading is unexpectedly empty, when a re-read would remove too much of what the table holds,
//! when too many of its records failed the gate, or when a check on the whole fails. Holding costs nothing but time: everything is
//! kept and a person may release it. So the rules err on the side of holding, and their reasons are sentences with numbers.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{StreamContract, TimeRange};
use serde::{Deserialize, Serialize};

use crate::checks::NotUnique;
use crate::reconcile::Counts;

/// How far back counterparts are looked for: a week, so that each weekday has its own among them.
pub const COUNTERPART_DAYS: i64 = 7;

/// What a contract says about holding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// An empty window is never suspicious.
    pub may_be_empty: bool,
    /// Share of the rows that the table holds of a window which a re-read may remove.
    pub max_removed: f64,
    /// Share of a window's records that may fail the gate.
    pub max_quarantined: f64,
}

impl From<&StreamContract> for Policy {
    fn from(contract: &StreamContract) -> Self {
        Self {
            may_be_empty: contract.may_be_empty,
            max_removed: contract.max_removed,
            max_quarantined: contract.max_quarantined,
        }
    }
}

/// What a reading came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Where its records went.
    pub counts: Counts,
    /// No reading of this window has passed before.
    pub is_first: bool,
    /// Records of each counterpart in the last days: see [`counterparts`] and [`recent`].
    pub counterparts: Vec<u64>,
    /// Rows that the table holds of what this commit would replace.
    pub rows_now: u64,
    /// Of these: rows whose key the reading does not show.
    pub rows_removed: u64,
    /// Columns whose values are not unique in the window.
    pub not_unique: Vec<NotUnique>,
}

/// Why a window is held. Its text is a full sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The first reading has no records though its counterparts all had some.
    UnexpectedlyEmpty {
        /// How many counterparts there are.
        counterparts: u64,
        /// The fewest records among them.
        fewest: u64,
    },
    /// A re-read would remove too much.
    RemovesTooMuch {
        /// Rows that would go.
        removed: u64,
        /// Rows that the table holds.
        rows_now: u64,
        /// The share that may go.
        max_removed: f64,
    },
    /// Too many records failed the gate.
    QuarantinesTooMuch {
        /// Records that failed.
        quarantined: u64,
        /// Records within the window's bounds.
        records: u64,
        /// The share that may fail.
        max_quarantined: f64,
    },
    /// A check on the whole window failed.
    NotUnique(NotUnique),
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedlyEmpty { counterparts: 1, fewest } => write!(
                f,
                "The first reading has no records, but its counterpart in the last {COUNTERPART_DAYS} days had {fewest}."
            ),
            Self::UnexpectedlyEmpty { counterparts, fewest } => write!(
                f,
                "The first reading has no records, but its {counterparts} counterparts in the last {COUNTERPART_DAYS} days \
                 had {fewest} or more each."
            ),
            Self::RemovesTooMuch { removed, rows_now, max_removed } => write!(
                f,
                "The re-read would remove {removed} of {rows_now} rows ({}), more than the {} that `max_removed` allows.",
                Percent(share(*removed, *rows_now)),
                Percent(*max_removed)
            ),
            Self::QuarantinesTooMuch { quarantined, records, max_quarantined } => write!(
                f,
                "{quarantined} of {records} records failed the gate ({}), more than the {} that `max_quarantined` allows.",
                Percent(share(*quarantined, *records)),
                Percent(*max_quarantined)
            ),
            Self::NotUnique(NotUnique { column, records }) => write!(
                f,
                "{records} {} a value of the unique column `{column}` with an earlier one.",
                if *records == 1 { "record shares" } else { "records share" }
            ),
        }
    }
}

/// Whether a window may land.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may.
    Passed,
    /// It may not, for these reasons; never empty.
    Held(Vec<Hold>),
}

impl Verdict {
    /// Whether the window may land.
    pub fn is_passed(&self) -> bool {
        *self == Self::Passed
    }

    /// All reasons as one text, `None` when the window passed.
    pub fn reason(&self) -> Option<String> {
        let Self::Held(holds) = self else { return None };
        Some(holds.iter().map(Hold::to_string).collect::<Vec<_>>().join(" "))
    }
}

/// Decides on a reading. Pure: the same numbers always give the same verdict.
pub fn decide(policy: &Policy, reading: &Reading) -> Verdict {
    let mut holds = Vec::new();
    let records = reading.counts.received.saturating_sub(reading.counts.outside);
    if reading.is_first
        && records == 0
        && !policy.may_be_empty
        && let Some(fewest) = reading.counterparts.iter().copied().min().filter(|fewest| *fewest > 0)
    {
        let counterparts = u64::try_from(reading.counterparts.len()).unwrap_or(u64::MAX);
        holds.push(Hold::UnexpectedlyEmpty { counterparts, fewest });
    }
    let Reading { rows_removed: removed, rows_now, .. } = *reading;
    if share(removed, rows_now) > policy.max_removed {
        holds.push(Hold::RemovesTooMuch { removed, rows_now, max_removed: policy.max_removed });
    }
    let quarantined = reading.counts.quarantined;
    if share(quarantined, records) > policy.max_quarantined {
        holds.push(Hold::QuarantinesTooMuch { quarantined, records, max_quarantined: policy.max_quarantined });
    }
    holds.extend(reading.not_unique.iter().cloned().map(Hold::NotUnique));
    if holds.is_empty() { Verdict::Passed } else { Verdict::Held(holds) }
}

/// The records of each counterpart of `range` in the last days: the same time of day, one to seven days before.
///
/// `known` are windows of the same slice with the records that they loaded. A window longer than `range` says nothing about it (a
/// day has records though its nights are empty), and neither does one that overlaps `range`. Pieces of a day are added up.
pub fn counterparts(range: TimeRange, known: &[(TimeRange, u64)]) -> Vec<u64> {
    let length = range.until() - range.from();
    let is_comparable = |window: &TimeRange| window.until() - window.from() <= length && !window.overlaps(&range);
    let of_day = |days: i64| {
        let back = TimeDelta::days(days);
        let day = TimeRange::new(range.from() - back, range.until() - back).ok()?;
        let pieces = known.iter().filter(|(window, _)| is_comparable(window) && window.overlaps(&day));
        pieces.map(|(_, records)| *records).reduce(u64::saturating_add)
    };
    (1..=COUNTERPART_DAYS).filter_map(of_day).collect()
}

/// The records of each snapshot or link that was read in the days before `read_at`: what counterparts are to streams without ranges.
pub fn recent(read_at: DateTime<Utc>, known: &[(DateTime<Utc>, u64)]) -> Vec<u64> {
    let earliest = read_at - TimeDelta::days(COUNTERPART_DAYS);
    known.iter().filter(|(at, _)| (earliest..read_at).contains(at)).map(|(_, records)| *records).collect()
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

/// The nearest float; counts above 2^53 lose their last digits, which no share shows.
fn float(count: u64) -> f64 {
    let half = |bits: u64| f64::from(u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX));
    half(count >> 32) * 4_294_967_296.0 + half(count)
}

/// A share as a person writes it: `20 %`, `0.5 %`, `33.3 %`.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.1}", self.0 * 100.0);
        write!(f, "{} %", text.strip_suffix(".0").unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy { may_be_empty: false, max_removed: 0.2, max_quarantined: 0.01 };

    fn received(received: u64, quarantined: u64) -> Counts {
        Counts { received, quarantined, loaded: received - quarantined, ..Counts::default() }
    }

    fn reason(policy: &Policy, reading: &Reading) -> String {
        decide(policy, reading).reason().unwrap_or_default()
    }

    fn hours(from: i64, until: i64) -> TimeRange {
        let at = |hour: i64| DateTime::from_timestamp(1_709_251_200 + hour * 3_600, 0).unwrap();
        TimeRange::new(at(from), at(until)).unwrap()
    }

    #[test]
    fn holds_a_first_reading_that_is_empty_against_its_counterparts() {
        let empty = Reading { is_first: true, counterparts: vec![40, 7, 51], ..Reading::default() };
        assert_eq!(
            reason(&POLICY, &empty),
            "The first reading has no records, but its 3 counterparts in the last 7 days had 7 or more each."
        );
        let outside = Reading { counts: Counts { received: 9, outside: 9, ..Counts::default() }, ..empty.clone() };
        assert!(!decide(&POLICY, &outside).is_passed(), "records outside the bounds do not fill a window");
        for passes in [
            Reading { counterparts: vec![40, 0], ..empty.clone() },
            Reading { counterparts: vec![], ..empty.clone() },
            Reading { is_first: false, ..empty.clone() },
            Reading { counts: received(1, 0), ..empty.clone() },
        ] {
            assert!(decide(&POLICY, &passes).is_passed(), "{passes:?}");
        }
        assert!(decide(&Policy { may_be_empty: true, ..POLICY }, &empty).is_passed());
    }

    #[test]
    fn holds_a_reread_that_removes_more_than_its_share() {
        let reread =
            |rows_removed| Reading { rows_now: 100, rows_removed, counts: received(80, 0), ..Reading::default() };
        assert!(decide(&POLICY, &reread(20)).is_passed());
        assert_eq!(
            reason(&POLICY, &reread(21)),
            "The re-read would remove 21 of 100 rows (21 %), more than the 20 % that `max_removed` allows."
        );
    }

    #[test]
    fn holds_a_window_of_which_too_much_failed_and_says_every_reason() {
        let bad = |quarantined| Reading { counts: received(1_000, quarantined), ..Reading::default() };
        assert!(decide(&POLICY, &bad(10)).is_passed());
        let not_unique = vec![NotUnique { column: "email".to_owned(), records: 1 }];
        assert_eq!(
            reason(&POLICY, &Reading { not_unique, ..bad(15) }),
            "15 of 1000 records failed the gate (1.5 %), more than the 1 % that `max_quarantined` allows. \
             1 record shares a value of the unique column `email` with an earlier one."
        );
    }

    #[test]
    fn counterparts_are_windows_of_the_same_hours_and_no_longer() {
        let known = [
            (hours(-24, -23), 5),
            (hours(-48, -24), 900),
            (hours(-72, -71), 0),
            (hours(-23, -22), 77),
            (hours(-8 * 24, -8 * 24 + 1), 3),
            (hours(0, 1), 1),
        ];
        assert_eq!(counterparts(hours(0, 1), &known), [5, 0]);
        assert_eq!(counterparts(hours(0, 24), &known), [82, 900, 0], "pieces of a day are added up");
    }

    #[test]
    fn recent_leaves_out_what_is_older_than_a_week_and_the_reading_itself() {
        let at = |hour: i64| hours(hour, hour + 1).from();
        assert_eq!(recent(at(0), &[(at(-7 * 24 - 1), 1), (at(-7 * 24), 2), (at(-1), 3), (at(0), 4)]), [2, 3]);
    }

    proptest! {
        /// A looser policy never holds what a stricter one passes.
        #[test]
        fn a_looser_policy_never_holds_more(
            rows_now in 0_u64..50, removed in 0_u64..50, good in 0_u64..50, quarantined in 0_u64..50,
            strict in 0.0_f64..1.0, looser in 0.0_f64..1.0,
        ) {
            let reading = Reading { counts: received(good + quarantined, quarantined), rows_now, rows_removed: removed.min(rows_now), ..Reading::default() };
            let policy = |share| Policy { may_be_empty: false, max_removed: share, max_quarantined: share };
            if decide(&policy(strict), &reading).is_passed() {
                prop_assert!(decide(&policy(strict.max(looser)), &reading).is_passed());
            }
        }
    }
}
