//! A part on its way, in pieces: a conditional put takes an object whole, so a part is kept until it is closed, and a single buffer
//! that grows by doubling would hold it nearly twice.

use std::io::{self, Write};

use bytes::Bytes;
use object_store::PutPayload;

/// Bytes of a piece.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes in the order in which they were written.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    full: Vec<Bytes>,
    open: Vec<u8>,
}

impl Pieces {
    /// All bytes, as a store takes them.
    pub(super) fn into_payload(mut self) -> PutPayload {
        self.full.push(self.open.into());
        self.full.into_iter().collect()
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.capacity() == 0 {
            self.open.reserve_exact(PIECE_BYTES);
        }
        let taken = bytes.len().min(PIECE_BYTES - self.open.len());
        self.open.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.open.len() >= PIECE_BYTES {
            self.full.push(std::mem::take(&mut self.open).into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_out_whole_and_in_order() {
        for sizes in [vec![], vec![1], vec![PIECE_BYTES], vec![PIECE_BYTES - 1, 2, PIECE_BYTES * 3 + 7, 0, 5]] {
            let (mut pieces, mut whole) = (Pieces::default(), Vec::new());
            for (number, size) in (0_u8..).zip(sizes) {
                let bytes = vec![number; size];
                pieces.write_all(&bytes).unwrap();
                whole.extend(bytes);
            }
            assert_eq!(pieces.into_payload().iter().flat_map(|piece| piece.to_vec()).collect::<Vec<_>>(), whole);
        }
    }
}
