//! Finds the few bytes of JSON that matter, eight at a time.
//!
//! Splitting needs to see quotes, braces and brackets only, so most bytes are never looked at one by one. The zero-byte test is the one
//! of "Bit Twiddling Hacks" (<https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>): its lowest hit is always true.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
/// `[` and `{`, `]` and `}` differ in this bit alone.
const CASE: u64 = 0x2020_2020_2020_2020;

#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

#[inline]
const fn equals(word: u64, byte: u8) -> u64 {
    zero_bytes(word ^ (ONES.wrapping_mul(byte as u64)))
}

#[inline]
fn find(bytes: &[u8], in_word: impl Fn(u64) -> u64, in_byte: impl Fn(u8) -> bool) -> Option<usize> {
    let mut words = bytes.chunks_exact(8);
    let mut at = 0;
    for word in words.by_ref() {
        let hits = in_word(u64::from_le_bytes(<[u8; 8]>::try_from(word).unwrap_or_default()));
        if hits != 0 {
            return Some(at + (hits.trailing_zeros() >> 3) as usize);
        }
        at += 8;
    }
    words.remainder().iter().position(|byte| in_byte(*byte)).map(|rest| at + rest)
}

/// Where the next quote or backslash stands, which ends or escapes inside a string.
#[inline]
pub(super) fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    find(bytes, |word| equals(word, b'"') | equals(word, b'\\'), |byte| matches!(byte, b'"' | b'\\'))
}

/// Where the next quote, brace or bracket stands, which changes depth or begins a string.
#[inline]
pub(super) fn quote_or_bracket(bytes: &[u8]) -> Option<usize> {
    find(
        bytes,
        |word| {
            let folded = word | CASE;
            equals(word, b'"') | equals(folded, b'{') | equals(folded, b'}')
        },
        |byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_plain_search_finds() {
        let mut seed = 7_u64;
        for length in 0..200_usize {
            for _ in 0..50 {
                let bytes: Vec<u8> = (0..length)
                    .map(|_| {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let roll = (seed >> 33) as u32;
                        if roll.is_multiple_of(29) {
                            b"\"\\{}[]\x80\xff"[(roll / 29) as usize % 8]
                        } else {
                            (roll >> 8) as u8
                        }
                    })
                    .collect();
                assert_eq!(quote_or_backslash(&bytes), bytes.iter().position(|b| b"\"\\".contains(b)));
                assert_eq!(quote_or_bracket(&bytes), bytes.iter().position(|b| b"\"{}[]".contains(b)));
            }
        }
    }
}
