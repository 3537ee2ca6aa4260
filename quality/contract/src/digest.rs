//! 16-byte digests of keys and records, and a sum of them that does not depend on order.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The first 16 bytes of a BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest16(pub [u8; 16]);

impl Digest16 {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        // `blake3::hash` is made for long texts, and slower than this for a record.
        Self::short(blake3::Hasher::new().update(bytes).finalize())
    }

    /// Hashes `parts` so that moving a byte from one part to the next gives another digest.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self::short(hasher.finalize())
    }

    fn short(hash: blake3::Hash) -> Self {
        let [short @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *hash.as_bytes();
        Self(short)
    }
}

impl fmt::Display for Digest16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest16 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest16 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0_u8; 16];
        if text.len() != 32 || !text.is_ascii() {
            return Err(serde::de::Error::custom("a digest has 32 hexadecimal digits"));
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(serde::de::Error::custom)?;
            *byte = u8::from_str_radix(pair, 16).map_err(serde::de::Error::custom)?;
        }
        Ok(Self(bytes))
    }
}

/// An order-free digest of a multiset of (key, hash) pairs: their digests added modulo 2^128, and their count.
///
/// Two readings with equal sums and counts hold the same pairs, but for a chance of 2^-128 on data nobody chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DigestSum {
    /// The sum, little-endian.
    pub sum: Digest16,
    /// How many pairs were added.
    pub count: u64,
}

impl DigestSum {
    /// Adds one pair of key digest and record hash.
    pub fn add(&mut self, key: Digest16, hash: Digest16) {
        let pair = Digest16::of_parts([&key.0[..], &hash.0[..]]);
        let total = u128::from_le_bytes(self.sum.0).wrapping_add(u128::from_le_bytes(pair.0));
        self.sum = Digest16(total.to_le_bytes());
        self.count += 1;
    }

    /// Takes out a pair that was added before.
    pub fn remove(&mut self, key: Digest16, hash: Digest16) {
        let pair = Digest16::of_parts([&key.0[..], &hash.0[..]]);
        let total = u128::from_le_bytes(self.sum.0).wrapping_sub(u128::from_le_bytes(pair.0));
        self.sum = Digest16(total.to_le_bytes());
        self.count = self.count.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_does_not_depend_on_order_and_a_removal_undoes_an_addition() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| Digest16::of(bytes));
        let (mut one, mut two) = (DigestSum::default(), DigestSum::default());
        one.add(a, b);
        one.add(b, c);
        two.add(b, c);
        two.add(c, a);
        two.add(a, b);
        assert_ne!(one, two);
        two.remove(c, a);
        assert_eq!(one, two);
    }

    #[test]
    fn a_moved_byte_gives_another_digest() {
        assert_ne!(Digest16::of_parts([&b"ab"[..], b"c"]), Digest16::of_parts([&b"a"[..], b"bc"]));
    }
}
