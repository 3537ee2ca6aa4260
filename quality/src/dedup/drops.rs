//! The positions that a reading leaves out, in ascending order, in bounded memory.
//!
//! A source that sends every page twice drops as many records as it keeps, so this list may outgrow memory like the keys do.

use std::path::PathBuf;

use crate::dedup::DedupError;
use crate::dedup::run::{Merge, Runs};

/// Ascending positions of records that must not be in the table.
#[derive(Debug)]
pub struct Drops {
    memory: Vec<u64>,
    memory_max: usize,
    runs: Runs<u64>,
    count: u64,
}

impl Drops {
    /// An empty list that holds `memory_max` positions in memory.
    pub(super) fn new(memory_max: usize, folder: PathBuf) -> Self {
        Self { memory: Vec::new(), memory_max, runs: Runs::new(folder), count: 0 }
    }

    /// Adds a position, in any order.
    pub(super) fn push(&mut self, position: u64) -> Result<(), DedupError> {
        self.memory.push(position);
        self.count += 1;
        if self.memory.len() >= self.memory_max {
            self.memory.sort_unstable();
            self.runs.add(&self.memory)?;
            self.memory.clear();
        }
        Ok(())
    }

    /// Makes the list ready to be read.
    pub(super) fn sort(&mut self) -> Result<(), DedupError> {
        self.memory.sort_unstable();
        if !self.runs.is_empty() {
            self.runs.add(&self.memory)?;
            self.memory = Vec::new();
        }
        Ok(())
    }

    /// How many positions there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether every record stays.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Walks the positions in ascending order. It can be called again after the walk.
    ///
    /// # Errors
    ///
    /// [`DedupError::Spill`] when positions that were spilled cannot be read.
    pub fn positions(&mut self) -> Result<DropIter<'_>, DedupError> {
        if self.runs.is_empty() {
            Ok(DropIter(Walk::Memory(self.memory.iter())))
        } else {
            self.runs.merge().map(|merge| DropIter(Walk::Disk(merge)))
        }
    }
}

/// Positions in ascending order.
#[derive(Debug)]
pub struct DropIter<'a>(Walk<'a>);

#[derive(Debug)]
enum Walk<'a> {
    Memory(std::slice::Iter<'a, u64>),
    Disk(Merge<'a, u64>),
}

impl Iterator for DropIter<'_> {
    type Item = Result<u64, DedupError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Memory(positions) => positions.next().copied().map(Ok),
            Walk::Disk(merge) => merge.next().transpose(),
        }
    }
}
