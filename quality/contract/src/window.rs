//! Windows: what is read and committed as one, and how a window is named.
//!
//! A name is unique within its slice and says the bounds, so that receipts, Delta transactions and folders need no table of ids:
//! `t_20240301T000000Z_20240302T000000Z` for a range, `c_12_<hash of the token it starts from>` for a link of a chain,
//! `s_20240301T000000.000Z` for a snapshot.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Timelike, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Digest16;
use crate::name::{Slice, encode_segment};

/// Why a text or a pair of instants is not a window.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WindowError {
    /// A range must have a length.
    #[error("the range from {from} until {until} is empty: `until` must be later than `from`")]
    Empty {
        /// Its inclusive start.
        from: DateTime<Utc>,
        /// Its exclusive end.
        until: DateTime<Utc>,
    },
    /// The text is no window name.
    #[error("`{text}` is not a window: expected `t_<from>_<until>`, `c_<number>_<hash>` or `s_<read at>`")]
    NotAName {
        /// What was given.
        text: String,
    },
}

/// A half-open range of time in UTC: `from` is inside, `until` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl TimeRange {
    /// Checks and builds a range.
    ///
    /// # Errors
    ///
    /// [`WindowError::Empty`] unless `from < until`.
    pub fn new(from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Self, WindowError> {
        if from < until { Ok(Self { from, until }) } else { Err(WindowError::Empty { from, until }) }
    }

    /// The first instant inside.
    pub fn from(&self) -> DateTime<Utc> {
        self.from
    }

    /// The first instant after it.
    pub fn until(&self) -> DateTime<Utc> {
        self.until
    }

    /// Whether `at` is inside.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether the two share an instant.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.from < other.until && other.from < self.until
    }

    /// What both share, if anything.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.until.min(other.until)).ok()
    }

    /// What of `self` none of `covered` covers, in order. `covered` may be in any order and may overlap.
    pub fn minus(&self, covered: &[Self]) -> Vec<Self> {
        let mut sorted: Vec<Self> = covered.iter().filter(|range| range.overlaps(self)).copied().collect();
        sorted.sort_unstable();
        let (mut gaps, mut at) = (Vec::new(), self.from);
        for range in sorted {
            if let Ok(gap) = Self::new(at, range.from.min(self.until)) {
                gaps.push(gap);
            }
            at = at.max(range.until);
        }
        gaps.extend(Self::new(at, self.until));
        gaps
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.from.format("%Y-%m-%dT%H:%M:%S%.fZ"), self.until.format("%Y-%m-%dT%H:%M:%S%.fZ"))
    }
}

/// What a window spans, by kind of stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bounds {
    /// Events, restating and mutable streams: a range of time.
    Range(TimeRange),
    /// Chain streams: one link, which starts from the token with this hash.
    Link {
        /// Its place in the chain, from 0.
        number: u64,
        /// The first 8 bytes of the hash of the token it starts from, in hexadecimal.
        token_hash: String,
    },
    /// Snapshot streams: the whole list as it was at this instant.
    Snapshot {
        /// When its reading began, to the millisecond.
        read_at: DateTime<Utc>,
    },
}

/// What is read and committed as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The slice it belongs to.
    pub slice: Slice,
    /// What it spans.
    pub bounds: Bounds,
}

impl Window {
    /// A range of a ranged stream.
    pub fn range(slice: Slice, range: TimeRange) -> Self {
        Self { slice, bounds: Bounds::Range(range) }
    }

    /// Link `number` of a chain, which starts from `token` (empty for the first).
    pub fn link(slice: Slice, number: u64, token: &str) -> Self {
        let mut token_hash = Digest16::of(token.as_bytes()).to_string();
        token_hash.truncate(16);
        Self { slice, bounds: Bounds::Link { number, token_hash } }
    }

    /// A snapshot whose reading began at `read_at`, cut to the millisecond.
    pub fn snapshot(slice: Slice, read_at: DateTime<Utc>) -> Self {
        let millis = read_at.nanosecond() / 1_000_000 * 1_000_000;
        Self { slice, bounds: Bounds::Snapshot { read_at: read_at.with_nanosecond(millis).unwrap_or(read_at) } }
    }

    /// Its name, unique within the slice.
    pub fn name(&self) -> String {
        match &self.bounds {
            Bounds::Range(range) => format!("t_{}_{}", basic(range.from), basic(range.until)),
            Bounds::Link { number, token_hash } => format!("c_{number}_{token_hash}"),
            Bounds::Snapshot { read_at } => format!("s_{}", read_at.format("%Y%m%dT%H%M%S%.3fZ")),
        }
    }

    /// The app id of its Delta transaction: `<slice>/<window>`; a snapshot's is `<slice>/snapshot`, with `read_at` as version.
    pub fn txn_id(&self) -> String {
        let slice = encode_segment(self.slice.as_str());
        match self.bounds {
            Bounds::Snapshot { .. } => format!("{slice}/snapshot"),
            _ => format!("{slice}/{}", self.name()),
        }
    }

    /// Reads a window back from its slice and name.
    ///
    /// # Errors
    ///
    /// [`WindowError::NotAName`] when [`Window::name`] cannot have written `name`.
    pub fn parse(slice: Slice, name: &str) -> Result<Self, WindowError> {
        let error = || WindowError::NotAName { text: name.to_owned() };
        let (kind, rest) = name.split_once('_').ok_or_else(error)?;
        let bounds = match kind {
            "t" => {
                let (from, until) = rest.split_once('_').ok_or_else(error)?;
                let range = TimeRange::new(instant(from).ok_or_else(error)?, instant(until).ok_or_else(error)?);
                Bounds::Range(range.map_err(|_| error())?)
            }
            "c" => {
                let (number, hash) = rest.split_once('_').ok_or_else(error)?;
                Bounds::Link { number: u64::from_str(number).map_err(|_| error())?, token_hash: hash.to_owned() }
            }
            "s" => Bounds::Snapshot { read_at: instant(rest).ok_or_else(error)? },
            _ => return Err(error()),
        };
        Ok(Self { slice, bounds })
    }

    /// The range of a ranged window.
    pub fn time_range(&self) -> Option<TimeRange> {
        if let Bounds::Range(range) = self.bounds { Some(range) } else { None }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.slice.is_whole() {
            write!(f, "{}/", self.slice)?;
        }
        f.write_str(&self.name())
    }
}

/// Basic ISO 8601 in UTC, with a fraction only where there is one.
fn basic(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%S%.fZ").to_string()
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S%.fZ").ok().map(|naive| naive.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_709_251_200 + seconds, 0).unwrap()
    }

    fn range(from: i64, until: i64) -> TimeRange {
        TimeRange::new(at(from), at(until)).unwrap()
    }

    #[test]
    fn rejects_an_empty_range_and_a_foreign_name() {
        assert!(TimeRange::new(at(5), at(5)).is_err());
        for name in ["", "t_", "t_20240301T000000Z", "t_20240302T000000Z_20240301T000000Z", "x_1_2", "c_a_b", "s_now"] {
            assert!(Window::parse(Slice::whole(), name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_reads_back_as_the_same_window() {
        let millis = DateTime::from_timestamp_millis(1_709_251_200_123).unwrap();
        for window in [
            Window::range(Slice::whole(), range(0, 86_400)),
            Window::range(Slice::named("owner/repo"), TimeRange::new(at(0), millis).unwrap()),
            Window::link(Slice::whole(), 12, "abc"),
            Window::snapshot(Slice::whole(), millis),
        ] {
            assert_eq!(Window::parse(window.slice.clone(), &window.name()), Ok(window.clone()));
        }
        assert_eq!(Window::range(Slice::whole(), range(0, 86_400)).name(), "t_20240301T000000Z_20240302T000000Z");
    }

    #[test]
    fn subtraction_leaves_exactly_the_seconds_that_nothing_covers() {
        let whole = range(0, 10);
        for mask in 0_u32..(1 << 5) {
            let pieces = [range(0, 2), range(1, 4), range(4, 6), range(7, 8), range(8, 12)];
            let chosen = pieces.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
            let covered: Vec<_> = chosen.map(|(_, piece)| *piece).collect();
            let gaps = whole.minus(&covered);
            for second in 0..10 {
                let is_covered = covered.iter().any(|range| range.contains(at(second)));
                let in_gap = gaps.iter().filter(|gap| gap.contains(at(second))).count();
                assert_eq!(in_gap, usize::from(!is_covered), "second {second} of mask {mask:b}");
            }
        }
    }
}
