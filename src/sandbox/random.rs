//! Numbers that look random and are the same on every machine.
//!
//! `SplitMix64` is enough for a teaching shop and small enough to read: every row draws from a generator of its own, seeded by
//! what the row is, so a row does not depend on the order in which rows are made. After
//! <https://prng.di.unimi.it/splitmix64.c>.

/// A generator that is seeded by what it is for.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The generator of row `number` of `kind` in the world of `seed`.
    pub(super) fn of(seed: u64, kind: u64, number: u32) -> Self {
        let mut random = Self(seed ^ kind.rotate_left(40) ^ u64::from(number).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 when there is none.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(((self.next() >> 32) * u64::from(bound)) >> 32).unwrap_or(0)
    }

    /// A number from `from` on and below `until`.
    pub(super) fn between(&mut self, from: u32, until: u32) -> u32 {
        from + self.below(until.saturating_sub(from))
    }

    /// True in `per_mille` of a thousand cases.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of `texts`, empty when there are none.
    pub(super) fn pick(&mut self, texts: &[&'static str]) -> &'static str {
        let at = self.below(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        usize::try_from(at).ok().and_then(|at| texts.get(at)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_row_draws_the_same_numbers_and_another_row_others() {
        let draw = |seed, kind, number| {
            let mut random = Random::of(seed, kind, number);
            [random.below(1_000_000), random.below(1_000_000), random.below(1_000_000)]
        };
        assert_eq!(draw(7, 1, 5), draw(7, 1, 5));
        assert_ne!(draw(7, 1, 5), draw(7, 1, 6));
        assert_ne!(draw(7, 1, 5), draw(7, 2, 5));
        assert_ne!(draw(7, 1, 5), draw(8, 1, 5));
    }

    #[test]
    fn numbers_stay_in_bounds_and_spread() {
        let mut random = Random::of(1, 2, 3);
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            seen[random.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.between(5, 5), 5);
    }
}
