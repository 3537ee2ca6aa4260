//! A body as it arrives: inflated where it was compressed, within bounds.
//!
//! Compression is undone here and not by the client, because only here the compressed size is known: a small body that inflates a
//! thousandfold is an attack or an accident, never data.

use std::io::Write;

use bytes::{Bytes, BytesMut};
use flate2::write::GzDecoder;

use crate::error::Fault;

/// Largest body of a streamed format, inflated.
pub const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// Beyond the first bytes a body may inflate by this factor and no more.
pub const INFLATION_MAX: u64 = 200;
/// The bytes that may inflate as they like.
pub const INFLATION_FREE_BYTES: u64 = 16 * 1024 * 1024;

/// Counts what arrives and inflates it.
#[derive(Debug)]
pub(crate) struct Inflater {
    gzip: Option<GzDecoder<Vec<u8>>>,
    received: u64,
    inflated: u64,
}

impl Inflater {
    /// For a body with this `Content-Encoding`.
    pub(crate) fn new(encoding: Option<&str>) -> Result<Self, Fault> {
        let gzip = match encoding.map(str::trim) {
            None | Some("" | "identity") => None,
            Some("gzip" | "x-gzip") => Some(GzDecoder::new(Vec::new())),
            Some(other) => return Err(Fault::Encoding { encoding: other.to_owned() }),
        };
        Ok(Self { gzip, received: 0, inflated: 0 })
    }

    /// Appends what `piece` inflates to.
    pub(crate) fn take(&mut self, piece: &Bytes, into: &mut BytesMut) -> Result<(), Fault> {
        self.received += piece.len() as u64;
        let before = into.len();
        if let Some(gzip) = &mut self.gzip {
            gzip.write_all(piece)
                .map_err(|error| Fault::BodyCut { bytes: self.inflated, reason: error.to_string() })?;
            into.extend_from_slice(gzip.get_ref());
            gzip.get_mut().clear();
        } else {
            into.extend_from_slice(piece);
        }
        self.inflated += (into.len() - before) as u64;
        self.check()
    }

    /// Ends the body; a compressed one must have ended by its own word.
    pub(crate) fn finish(&mut self, into: &mut BytesMut) -> Result<(), Fault> {
        if let Some(mut gzip) = self.gzip.take()
            && self.received > 0
        {
            gzip.try_finish().map_err(|error| Fault::BodyCut { bytes: self.inflated, reason: error.to_string() })?;
            self.inflated += gzip.get_ref().len() as u64;
            into.extend_from_slice(gzip.get_ref());
        }
        self.check()
    }

    fn check(&self) -> Result<(), Fault> {
        if self.inflated > BODY_BYTES_MAX {
            return Err(Fault::BodyTooLarge { limit: BODY_BYTES_MAX });
        }
        if self.gzip.is_some() && self.inflated > INFLATION_FREE_BYTES + self.received.saturating_mul(INFLATION_MAX) {
            return Err(Fault::Inflates { received: self.received, inflated: self.inflated });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn inflate(body: &Bytes, step: usize) -> Result<Bytes, Fault> {
        let (mut inflater, mut into) = (Inflater::new(Some("gzip")).unwrap(), BytesMut::new());
        for start in (0..body.len()).step_by(step) {
            inflater.take(&body.slice(start..body.len().min(start + step)), &mut into)?;
        }
        inflater.finish(&mut into)?;
        Ok(into.freeze())
    }

    #[test]
    fn refuses_a_bomb_a_cut_body_and_an_unknown_encoding() {
        let bomb = compressed(&vec![0; 64 * 1024 * 1024]);
        assert!(matches!(inflate(&bomb, 1024), Err(Fault::Inflates { .. })));
        let whole = compressed(b"hello hello hello hello");
        assert!(matches!(inflate(&whole.slice(..whole.len() - 6), 4), Err(Fault::BodyCut { .. })));
        assert!(matches!(Inflater::new(Some("br")), Err(Fault::Encoding { .. })));
    }

    #[test]
    fn inflates_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        for step in [1, 7, 4096, 1 << 20] {
            assert_eq!(inflate(&compressed(&text), step).unwrap(), text);
        }
    }
}
