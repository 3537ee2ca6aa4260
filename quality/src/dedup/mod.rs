//! Finds records with a repeated key in one reading of a window, in bounded memory.
//!
//! Of records with equal key and equal hash the first stays; of unequal ones the later position wins, which is how a page that
//! moved under the reader shows. Only digests are kept: a reading of any size costs the memory that the tracker was given, and
//! what does not fit goes to sorted runs on the local disk. A run has no name in the file system, so a killed process leaves none.

mod drops;
mod run;
mod table;

use std::path::PathBuf;

use headwater_contract::{Digest16, DigestSum, ErrorKind, Explain};
use thiserror::Error;

pub use drops::{DropIter, Drops};

use run::{Entry, Runs};
use table::{Put, Table};

/// Memory of a tracker when the lake's settings say nothing.
pub const MEMORY_BYTES_DEFAULT: usize = 64 << 20;

/// Why keys could not be tracked.
#[derive(Debug, Error)]
pub enum DedupError {
    /// A run could not be written or read back.
    #[error("cannot keep the keys of a window in `{}`", folder.display())]
    Spill {
        /// The folder on the local disk.
        folder: PathBuf,
        /// What the disk said.
        source: std::io::Error,
    },
    /// Positions must ascend, else "the later one wins" has no meaning.
    #[error("record {position} came after record {last} of the same reading")]
    OutOfOrder {
        /// Position of the offending record.
        position: u64,
        /// Position of the record before it.
        last: u64,
    },
}

impl Explain for DedupError {
    fn code(&self) -> &'static str {
        match self {
            Self::Spill { .. } => "key-spill-failed",
            Self::OutOfOrder { .. } => "records-out-of-order",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Spill { .. } => ErrorKind::Unavailable,
            Self::OutOfOrder { .. } => ErrorKind::Internal,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Spill { folder, .. } => folder.display().to_string(),
            Self::OutOfOrder { .. } => String::new(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Spill { .. } => {
                "free space in that folder or choose another scratch folder, then run again".to_owned()
            }
            Self::OutOfOrder { .. } => "report it with the code and the run id".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing of this window was committed; running again is safe".to_owned()
    }
}

/// What the tracker knows of a record when it comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// No record with this key is in memory. One may be on disk: [`KeyTracker::finish`] knows.
    First,
    /// The newest record with this key has the same hash: leave this one out. It is counted and not among the drops.
    EqualDuplicate,
    /// It takes the place of the record at this position, which will be among the drops.
    Replaces(u64),
}

/// Remembers the keys of one open window. Keys come from one slice, as keys are unique within it.
#[derive(Debug)]
pub struct KeyTracker {
    table: Table,
    superseded: Vec<Entry>,
    superseded_max: usize,
    drops_max: usize,
    runs: Runs<Entry>,
    last: Option<u64>,
    equal: u64,
}

/// What a whole reading came to.
#[derive(Debug)]
pub struct KeyOutcome {
    /// Positions of records that must not be in the table. Those that [`Seen::EqualDuplicate`] announced are not repeated here.
    pub drops: Drops,
    /// Records left out because an equal one stays.
    pub equal_duplicates: u64,
    /// Records left out because a later, unequal one stays.
    pub unequal_duplicates: u64,
    /// Order-free digest of the (key, hash) pairs that stay; its count is the number of records that stay.
    pub digest: DigestSum,
}

impl KeyTracker {
    /// Creates a tracker that holds `memory_bytes` of keys and spills the rest to files in `spill_dir`, which must exist by then.
    pub fn new(memory_bytes: usize, spill_dir: impl Into<PathBuf>) -> Self {
        let table = Table::within(memory_bytes);
        let rest = memory_bytes.saturating_sub(table.bytes_max());
        Self {
            table,
            superseded: Vec::new(),
            superseded_max: (rest / size_of::<Entry>()).max(16),
            drops_max: (memory_bytes / size_of::<u64>()).max(16),
            runs: Runs::new(spill_dir.into()),
            last: None,
            equal: 0,
        }
    }

    /// Remembers a record by the digest of its key and its hash, at a position that ascends from call to call.
    ///
    /// # Errors
    ///
    /// [`DedupError::Spill`] when the disk refuses, [`DedupError::OutOfOrder`] when `position` does not ascend.
    pub fn insert(&mut self, key: Digest16, hash: Digest16, position: u64) -> Result<Seen, DedupError> {
        if let Some(last) = self.last.filter(|last| position <= *last) {
            return Err(DedupError::OutOfOrder { position, last });
        }
        self.last = Some(position);
        let seen = match self.table.put(Entry::new(key, hash, position)) {
            Put::New => Seen::First,
            Put::Equal => {
                self.equal += 1;
                Seen::EqualDuplicate
            }
            Put::Replaced(older) => {
                self.superseded.push(older);
                Seen::Replaces(older.position)
            }
        };
        if self.table.is_full() || self.superseded.len() >= self.superseded_max {
            self.spill()?;
        }
        Ok(seen)
    }

    /// How many runs were written to disk so far.
    pub fn runs_spilled(&self) -> u64 {
        self.runs.written()
    }

    /// Settles every key and says which records stay.
    ///
    /// # Errors
    ///
    /// [`DedupError::Spill`] when the disk refuses.
    pub fn finish(mut self) -> Result<KeyOutcome, DedupError> {
        let mut outcome = KeyOutcome {
            drops: Drops::new(self.drops_max, self.runs.folder().to_owned()),
            equal_duplicates: self.equal,
            unequal_duplicates: 0,
            digest: DigestSum::default(),
        };
        if self.runs.is_empty() {
            for entry in self.table.entries() {
                outcome.keep(entry);
            }
            for entry in &self.superseded {
                outcome.unequal_duplicates += 1;
                outcome.drops.push(entry.position)?;
            }
        } else {
            self.spill()?;
            // From here on the merge holds the memory that the table held.
            drop(self.table);
            outcome.settle(&mut self.runs)?;
        }
        outcome.drops.sort()?;
        Ok(outcome)
    }

    fn spill(&mut self) -> Result<(), DedupError> {
        self.runs.add(self.table.sorted())?;
        self.table.clear();
        self.superseded.sort_unstable();
        self.runs.add(&self.superseded)?;
        self.superseded.clear();
        Ok(())
    }
}

impl KeyOutcome {
    fn keep(&mut self, entry: &Entry) {
        self.digest.add(entry.key(), entry.hash());
    }

    /// Walks all entries by (key, position), as if the records of a key had come one after the other.
    fn settle(&mut self, runs: &mut Runs<Entry>) -> Result<(), DedupError> {
        let mut kept: Option<Entry> = None;
        let mut merge = runs.merge()?;
        while let Some(entry) = merge.next()? {
            match kept {
                Some(older) if older.has_key_of(&entry) => {
                    if older.hash() == entry.hash() {
                        self.equal_duplicates += 1;
                        self.drops.push(entry.position)?;
                    } else {
                        self.unequal_duplicates += 1;
                        self.drops.push(older.position)?;
                        kept = Some(entry);
                    }
                }
                _ => {
                    if let Some(settled) = kept.replace(entry) {
                        self.keep(&settled);
                    }
                }
            }
        }
        if let Some(settled) = kept {
            self.keep(&settled);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
