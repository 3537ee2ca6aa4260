//! The source's clock: the earlier of its `Date` header and ours.
//!
//! What is due is decided by the source's time, because a row that it will still date into a window must not find the window read.
//! A source whose clock was seen to be right is not asked again; one that is far off (or was never seen) is asked before each
//! plan, by one cheap request. What was seen is kept in a small file beside the ledger, and losing it costs one request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::SourceName;
use serde::{Deserialize, Serialize};

/// Within this much a source's clock counts as right: planning waits at least this long for rows to settle in any case.
const FAR_OFF: TimeDelta = TimeDelta::minutes(5);

/// The file's format.
const VERSION: u32 = 1;

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    version: u32,
    sources: BTreeMap<SourceName, Seen>,
}

/// What was seen of one source's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What it showed.
    pub source: DateTime<Utc>,
    /// What ours showed at that moment.
    pub ours: DateTime<Utc>,
}

impl Seen {
    /// Whether the source's clock is so far behind ours that its time must be asked for.
    pub fn is_far_off(self) -> bool {
        self.ours - self.source > FAR_OFF
    }

    /// What the source's clock shows when ours shows `now`, if it goes on as it did; never later than `now`.
    pub fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let behind = (self.ours - self.source).max(TimeDelta::zero());
        // The `Date` header has whole seconds, so a source a second behind is on time.
        if behind <= TimeDelta::seconds(2) { now } else { now - behind }
    }
}

/// What was seen of the sources' clocks.
#[derive(Debug)]
pub struct SourceTimes {
    path: PathBuf,
    seen: Mutex<Kept>,
}

impl SourceTimes {
    /// Reads what was kept; a file that is missing or foreign is as good as none.
    pub fn open(path: &Path) -> Self {
        let kept = fs_err::read(path).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let kept = kept.filter(|kept| kept.version == VERSION).unwrap_or_default();
        Self { path: path.to_owned(), seen: Mutex::new(kept) }
    }

    /// What was seen last of a source's clock.
    pub fn of(&self, source: &SourceName) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).sources.get(source).copied()
    }

    /// Takes a new look at a source's clock.
    pub fn note(&self, source: &SourceName, seen: Seen) {
        let mut kept = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Answers of parallel readings may come in any order.
        if kept.sources.get(source).is_none_or(|before| before.ours <= seen.ours) {
            kept.sources.insert(source.clone(), seen);
        }
    }

    /// Writes what is known; a reader of the file never sees half of it.
    ///
    /// # Errors
    ///
    /// What the file system says; losing the file costs one request a source.
    pub fn keep(&self) -> std::io::Result<()> {
        let mut kept = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.version = VERSION;
        let beside = self.path.with_extension("new");
        fs_err::write(&beside, serde_json::to_vec_pretty(&kept)?)?;
        fs_err::rename(&beside, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_source_is_never_ahead_of_us_and_is_asked_only_when_far_behind() {
        for (source, ours, now, shown, far) in [
            (1_000, 1_000, 5_000, 5_000, false),
            (1_900, 1_000, 5_000, 5_000, false),
            (999, 1_000, 5_000, 5_000, false),
            (900, 1_000, 5_000, 4_900, false),
            (0, 1_000, 5_000, 4_000, true),
        ] {
            let seen = Seen { source: at(source), ours: at(ours) };
            assert_eq!((seen.at(at(now)), seen.is_far_off()), (at(shown), far), "{seen:?}");
        }
    }

    #[test]
    fn what_was_seen_is_kept_and_a_foreign_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source-times.json");
        let shop = SourceName::new("shop").unwrap();
        let times = SourceTimes::open(&path);
        times.note(&shop, Seen { source: at(5), ours: at(9) });
        times.note(&shop, Seen { source: at(4), ours: at(8) });
        times.keep().unwrap();
        assert_eq!(SourceTimes::open(&path).of(&shop), Some(Seen { source: at(5), ours: at(9) }));
        fs_err::write(&path, "{").unwrap();
        assert_eq!(SourceTimes::open(&path).of(&shop), None);
    }
}
