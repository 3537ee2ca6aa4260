//! gzip, zlib and bare deflate, a piece at a time.

use std::io::Write;

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::{PIECE_BYTES, Received};
use crate::decoding::DecodeError;

/// Compressed bytes that are inflated at once: deflate makes at most about a thousand of one.
const STEP_BYTES: usize = 4 * 1024;

/// Undoes gzip; members that follow one another are one body.
#[derive(Debug)]
pub(super) struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    pending: Bytes,
    inflated: u64,
    taken: u64,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), pending: Bytes::new(), inflated: 0, taken: 0 }
    }
}

impl Gunzip {
    pub(super) fn feed(&mut self, piece: Bytes) {
        self.pending = piece;
    }

    pub(super) fn produce(&mut self, received: Received) -> Result<Option<Bytes>, DecodeError> {
        while !self.pending.is_empty() && self.decoder.get_ref().len() < PIECE_BYTES {
            let step = self.pending.split_to(self.pending.len().min(STEP_BYTES));
            self.taken += step.len() as u64;
            self.decoder
                .write_all(&step)
                .map_err(|error| DecodeError::NotInflatable { at: self.inflated, reason: error.to_string() })?;
        }
        let piece = std::mem::take(self.decoder.get_mut());
        self.inflated += piece.len() as u64;
        received.admit(self.inflated)?;
        Ok(Some(Bytes::from(piece)).filter(|piece| !piece.is_empty()))
    }

    /// The stream must have ended by its own word, with its own checksum.
    pub(super) fn end(&mut self) -> Result<(), DecodeError> {
        self.decoder.try_finish().map_err(|_| DecodeError::Truncated { at: self.taken })
    }
}

/// Whether a body begins like zlib (RFC 1950 § 2.2).
pub(super) fn is_zlib(start: &[u8]) -> bool {
    match start {
        [method, flags, ..] => {
            method & 0x0F == 8 && method >> 4 <= 7 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// Undoes zlib or bare deflate.
#[derive(Debug)]
pub(super) struct Inflate {
    inner: Decompress,
    pending: Bytes,
    has_ended: bool,
    /// Nothing more is fed.
    is_last: bool,
}

impl Inflate {
    pub(super) fn new(is_zlib: bool) -> Self {
        Self { inner: Decompress::new(is_zlib), pending: Bytes::new(), has_ended: false, is_last: false }
    }

    pub(super) fn feed(&mut self, piece: Bytes) {
        self.pending = piece;
    }

    pub(super) fn produce(&mut self, received: Received) -> Result<Option<Bytes>, DecodeError> {
        let mut piece = Vec::new();
        while piece.is_empty() && !self.has_ended {
            piece.reserve(PIECE_BYTES);
            let before = self.inner.total_in();
            let status =
                self.inner.decompress_vec(&self.pending, &mut piece, FlushDecompress::None).map_err(|error| {
                    DecodeError::NotInflatable { at: self.inner.total_out(), reason: error.to_string() }
                })?;
            let taken = usize::try_from(self.inner.total_in() - before).unwrap_or(usize::MAX);
            self.pending.advance(taken.min(self.pending.len()));
            self.has_ended = status == Status::StreamEnd;
            if taken == 0 && piece.is_empty() && !self.has_ended {
                break;
            }
        }
        received.admit(self.inner.total_out())?;
        if self.has_ended && !self.pending.is_empty() {
            let reason = "something follows its end".to_owned();
            return Err(DecodeError::NotInflatable { at: self.inner.total_out(), reason });
        }
        if self.is_last && piece.is_empty() && !self.has_ended {
            return Err(DecodeError::Truncated { at: self.inner.total_in() });
        }
        Ok(Some(Bytes::from(piece)).filter(|piece| !piece.is_empty()))
    }

    /// Whether all that was fed is used up.
    pub(super) fn is_hungry(&self) -> bool {
        self.pending.is_empty() && !self.has_ended
    }

    /// Says that nothing more is fed.
    pub(super) fn end(&mut self) {
        self.is_last = true;
    }
}
