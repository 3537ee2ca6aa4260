//! A hash table of entries that can be sorted where it stands.
//!
//! Open addressing with linear probing: the standard map would have to be copied before it is sorted, which doubles the memory
//! just when there is none left. Keys are BLAKE3 digests, so eight of their bytes are the hash and nobody can choose collisions.

use crate::dedup::run::Entry;

const SLOTS_MIN: usize = 16;
/// No record has this position: a reading would need 2^32 requests.
const EMPTY: u64 = u64::MAX;

/// What [`Table::put`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// No entry with this key.
    New,
    /// The entry with this key has the same hash and stays.
    Equal,
    /// The entry with this key had another hash; this was it.
    Replaced(Entry),
}

/// One entry a key, the newest.
#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Entry>,
    used: usize,
    slots_max: usize,
}

impl Table {
    /// A table that never holds more than `memory_bytes`, but for a floor of 16 entries.
    pub(super) fn within(memory_bytes: usize) -> Self {
        let fitting = (memory_bytes / size_of::<Entry>()).max(SLOTS_MIN);
        let slots_max = if fitting.is_power_of_two() { fitting } else { fitting.next_power_of_two() / 2 };
        Self { slots: empty(SLOTS_MIN), used: 0, slots_max }
    }

    /// The bytes of its largest form.
    pub(super) fn bytes_max(&self) -> usize {
        self.slots_max * size_of::<Entry>()
    }

    /// Whether the next entry may find no place.
    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= self.slots_max && is_crowded(self.used, self.slots.len())
    }

    /// The entries, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().filter(|slot| slot.position != EMPTY)
    }

    /// Puts `entry` in its place unless an equal one is there.
    pub(super) fn put(&mut self, entry: Entry) -> Put {
        if self.slots.len() < self.slots_max && is_crowded(self.used, self.slots.len()) {
            self.grow();
        }
        let found = self.place_of(&entry).and_then(|at| self.slots.get_mut(at));
        // `place_of` fails only on a table without an empty slot, which `is_full` prevents.
        let Some(slot) = found else { return Put::New };
        if slot.position == EMPTY {
            *slot = entry;
            self.used += 1;
            Put::New
        } else if slot.has_hash_of(&entry) {
            Put::Equal
        } else {
            Put::Replaced(std::mem::replace(slot, entry))
        }
    }

    /// Sorts the entries in place. Until [`Table::clear`] the table can only be read.
    pub(super) fn sorted(&mut self) -> &[Entry] {
        let mut kept = 0;
        for at in 0..self.slots.len() {
            if self.slots.get(at).is_some_and(|slot| slot.position != EMPTY) {
                self.slots.swap(kept, at);
                kept += 1;
            }
        }
        let entries = self.slots.get_mut(..kept).unwrap_or_default();
        entries.sort_unstable();
        entries
    }

    /// Empties the table, which keeps its memory.
    pub(super) fn clear(&mut self) {
        self.slots.fill(blank());
        self.used = 0;
    }

    fn grow(&mut self) {
        let larger = empty((self.slots.len() * 2).min(self.slots_max));
        let old = std::mem::replace(&mut self.slots, larger);
        for entry in old.into_iter().filter(|slot| slot.position != EMPTY) {
            if let Some(slot) = self.place_of(&entry).and_then(|at| self.slots.get_mut(at)) {
                *slot = entry;
            }
        }
    }

    /// The slot that holds the key of `entry`, else the empty one where it belongs.
    fn place_of(&self, entry: &Entry) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let start = usize::try_from(entry.bucket() & u64::try_from(mask).unwrap_or(u64::MAX)).unwrap_or(0);
        let is_place = |slot: &Entry| slot.position == EMPTY || slot.has_key_of(entry);
        (0..self.slots.len()).map(|step| (start + step) & mask).find(|at| self.slots.get(*at).is_some_and(is_place))
    }
}

/// Three quarters full: beyond that, linear probing slows down.
fn is_crowded(used: usize, slots: usize) -> bool {
    used * 4 >= slots * 3
}

fn blank() -> Entry {
    Entry::new(headwater_contract::Digest16::default(), headwater_contract::Digest16::default(), EMPTY)
}

fn empty(slots: usize) -> Vec<Entry> {
    vec![blank(); slots]
}
