//! MD5 (RFC 1321, <https://datatracker.ietf.org/doc/html/rfc1321>), for columns that others made with it. It protects nothing.

/// How far each step rotates, four by four.
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The integer part of 2^32 times the sine of a step's number, in radians.
fn constant(step: u32) -> u32 {
    let scaled = (f64::from(step + 1).sin().abs() * 4_294_967_296.0).floor();
    // It is whole and below 2^32, so its text is that of a `u32`.
    format!("{scaled:.0}").parse().unwrap_or_default()
}

/// The digest of some bytes.
pub(super) fn digest(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    let bits = (bytes.len() as u64).wrapping_mul(8);
    padded.extend_from_slice(&bits.to_le_bytes());
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let words: Vec<u32> = block
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes(<[u8; 4]>::try_from(four).unwrap_or_default()))
            .collect();
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64_u32 {
            let (mixed, place) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let word = words.get(place as usize).copied().unwrap_or_default();
            let rotation = ROTATIONS.get((step / 16) as usize).and_then(|four| four.get((step % 4) as usize));
            let sum = a.wrapping_add(mixed).wrapping_add(constant(step)).wrapping_add(word);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(rotation.copied().unwrap_or_default()));
        }
        for (known, more) in state.iter_mut().zip([a, b, c, d]) {
            *known = known.wrapping_add(more);
        }
    }
    state.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_rfc() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            let hex: String =
                digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
            assert_eq!(hex, expected);
        }
    }
}
