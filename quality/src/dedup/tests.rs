//! Properties of the tracker against a model that remembers everything.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn digest(of: u8) -> Digest16 {
    Digest16::of(&[of])
}

/// What a reading must come to, by the rule read aloud: first of equals, last of unequals.
#[derive(Debug, Default, PartialEq)]
struct Model {
    kept: BTreeMap<u8, (u8, u64)>,
    dropped: Vec<u64>,
    equal: u64,
    unequal: u64,
}

impl Model {
    fn of(records: &[(u8, u8)]) -> Self {
        let mut model = Self::default();
        for (position, (key, hash)) in (0_u64..).zip(records) {
            match model.kept.get(key).copied() {
                Some((same, _)) if same == *hash => {
                    model.equal += 1;
                    model.dropped.push(position);
                    continue;
                }
                Some((_, older)) => {
                    model.unequal += 1;
                    model.dropped.push(older);
                }
                None => {}
            }
            model.kept.insert(*key, (*hash, position));
        }
        model.dropped.sort_unstable();
        model
    }

    fn digest(&self) -> DigestSum {
        let mut sum = DigestSum::default();
        self.kept.iter().for_each(|(key, (hash, _))| sum.add(digest(*key), digest(*hash)));
        sum
    }
}

/// Runs the tracker and returns the dropped positions with those announced at once, the counts, the digest and the runs.
fn track(memory_bytes: usize, records: &[(u8, u8)]) -> (Vec<u64>, u64, u64, DigestSum, u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut tracker = KeyTracker::new(memory_bytes, folder.path());
    let mut dropped = Vec::new();
    for (position, (key, hash)) in (0_u64..).zip(records) {
        if tracker.insert(digest(*key), digest(*hash), position).unwrap() == Seen::EqualDuplicate {
            dropped.push(position);
        }
    }
    let runs = tracker.runs_spilled();
    let mut outcome = tracker.finish().unwrap();
    let listed: Vec<u64> = outcome.drops.positions().unwrap().map(Result::unwrap).collect();
    assert!(listed.is_sorted(), "{listed:?}");
    assert_eq!(outcome.drops.len(), u64::try_from(listed.len()).unwrap());
    let again: Vec<u64> = outcome.drops.positions().unwrap().map(Result::unwrap).collect();
    assert_eq!(listed, again);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a run has no name");
    dropped.extend(listed);
    dropped.sort_unstable();
    (dropped, outcome.equal_duplicates, outcome.unequal_duplicates, outcome.digest, runs)
}

#[test]
fn rejects_a_position_that_does_not_ascend() {
    let mut tracker = KeyTracker::new(1 << 20, std::env::temp_dir());
    tracker.insert(digest(1), digest(1), 7).unwrap();
    for position in [7, 6] {
        let error = tracker.insert(digest(2), digest(2), position).unwrap_err();
        assert!(matches!(error, DedupError::OutOfOrder { last: 7, .. }), "{error}");
    }
}

#[test]
fn names_the_folder_that_cannot_take_a_run() {
    let mut tracker = KeyTracker::new(0, "/nowhere/at/all");
    let error = (0..=255).find_map(|key| tracker.insert(digest(key), digest(key), key.into()).err()).unwrap();
    assert_eq!(error.to_string(), "cannot keep the keys of a window in `/nowhere/at/all`");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[test]
fn says_at_once_what_memory_knows() {
    let mut tracker = KeyTracker::new(1 << 20, std::env::temp_dir());
    assert_eq!(tracker.insert(digest(1), digest(1), 0).unwrap(), Seen::First);
    assert_eq!(tracker.insert(digest(1), digest(1), 1).unwrap(), Seen::EqualDuplicate);
    assert_eq!(tracker.insert(digest(1), digest(2), 2).unwrap(), Seen::Replaces(0));
    assert_eq!(tracker.insert(digest(1), digest(1), 3).unwrap(), Seen::Replaces(2));
}

#[test]
fn many_runs_are_joined_and_still_exact() {
    let records: Vec<(u8, u8)> =
        (0_u32..20_000).map(|n| (u8::try_from(n * 7 % 251).unwrap(), u8::try_from(n / 5_000).unwrap())).collect();
    let (dropped, equal, unequal, sum, runs) = track(0, &records);
    let model = Model::of(&records);
    assert!(runs > 64, "only {runs} runs");
    assert_eq!((dropped, equal, unequal, sum), (model.dropped.clone(), model.equal, model.unequal, model.digest()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the memory, the outcome is that of the model; the smallest memory spills.
    #[test]
    fn agrees_with_a_model_that_remembers_everything(
        records in proptest::collection::vec((0_u8..40, 0_u8..3), 0..200),
        memory_bytes in prop_oneof![Just(0_usize), 0_usize..4_000, Just(1 << 20)],
    ) {
        let (dropped, equal, unequal, sum, runs) = track(memory_bytes, &records);
        let model = Model::of(&records);
        prop_assert_eq!(&dropped, &model.dropped);
        prop_assert_eq!((equal, unequal), (model.equal, model.unequal));
        prop_assert_eq!(sum, model.digest());
        prop_assert!(runs > 0 || memory_bytes > 0 || model.kept.len() < 12);
    }

    /// The digest of what stays does not depend on the order in which a source sends it.
    #[test]
    fn the_digest_does_not_depend_on_order(mut keys in proptest::collection::btree_set(0_u8..200, 0..60)
        .prop_map(|set| set.into_iter().map(|key| (key, key)).collect::<Vec<_>>())) {
        let (_, _, _, forward, _) = track(0, &keys);
        keys.reverse();
        let (_, _, _, backward, _) = track(0, &keys);
        prop_assert_eq!(forward, backward);
    }
}
