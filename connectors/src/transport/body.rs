//! A body as it arrives: inflated where it was compressed, within bounds.
//!
//! Compression is undone here and not by the client, because only here the compressed size is known: a small body that inflates a
//! thousandfold is an attack or an accident, never data. What a body begins with counts more than what its header says: some servers
//! name a compression and send plain text, and `deflate` means two things (RFC 9110 § 8.4.1.2).

use std::io::Write;

use bytes::{Bytes, BytesMut};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::error::Fault;

/// Largest body of a streamed format, inflated.
pub const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// Beyond the first bytes a body may inflate by this factor and no more.
pub const INFLATION_MAX: u64 = 200;
/// The bytes that may inflate as they like.
pub const INFLATION_FREE_BYTES: u64 = 16 * 1024 * 1024;
/// Compressed bytes that are inflated before the bounds are checked again: at most 8 MiB come of them.
const STEP_BYTES: usize = 8 * 1024;
/// What a gzip stream begins with (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Gzip,
    Deflate,
}

#[derive(Debug)]
enum Coding {
    Plain,
    /// Not enough bytes came to tell.
    Undecided(Said, BytesMut),
    Gzip(MultiGzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
    Deflate(DeflateDecoder<Vec<u8>>),
}

/// Counts what arrives and inflates it.
#[derive(Debug)]
pub(crate) struct Inflater {
    coding: Coding,
    received: u64,
    inflated: u64,
}

impl Inflater {
    /// For a body with this `Content-Encoding`.
    pub(crate) fn new(encoding: Option<&str>) -> Result<Self, Fault> {
        let named = encoding.unwrap_or_default().split(',').map(|name| name.trim().to_ascii_lowercase());
        let named: Vec<String> = named.filter(|name| !name.is_empty() && name != "identity").collect();
        let coding = match named.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => Coding::Plain,
            ["gzip" | "x-gzip"] => Coding::Undecided(Said::Gzip, BytesMut::new()),
            ["deflate"] => Coding::Undecided(Said::Deflate, BytesMut::new()),
            // One after the other would multiply what a bomb inflates to, and nobody asked for it.
            _ => return Err(Fault::Encoding { encoding: encoding.unwrap_or_default().to_owned() }),
        };
        Ok(Self { coding, received: 0, inflated: 0 })
    }

    /// Appends what `piece` inflates to.
    pub(crate) fn take(&mut self, piece: &Bytes, into: &mut BytesMut) -> Result<(), Fault> {
        for step in piece.chunks(STEP_BYTES) {
            self.received += step.len() as u64;
            if let Coding::Undecided(said, head) = &mut self.coding {
                head.extend_from_slice(step);
                let Some(coding) = decide(*said, head) else { continue };
                let head = std::mem::take(head);
                self.coding = coding;
                self.inflate(&head, into)?;
            } else {
                self.inflate(step, into)?;
            }
            self.check()?;
        }
        Ok(())
    }

    fn inflate(&mut self, step: &[u8], into: &mut BytesMut) -> Result<(), Fault> {
        let before = into.len();
        let written = match &mut self.coding {
            Coding::Plain | Coding::Undecided(..) => {
                into.extend_from_slice(step);
                Ok(())
            }
            Coding::Gzip(decoder) => pass(decoder.write_all(step), decoder.get_mut(), into),
            Coding::Zlib(decoder) => pass(decoder.write_all(step), decoder.get_mut(), into),
            Coding::Deflate(decoder) => pass(decoder.write_all(step), decoder.get_mut(), into),
        };
        self.inflated += (into.len() - before) as u64;
        written.map_err(|error| Fault::BodyCut { bytes: self.inflated, reason: error.to_string() })
    }

    /// Ends the body; a compressed one must have ended by its own word.
    pub(crate) fn finish(&mut self, into: &mut BytesMut) -> Result<(), Fault> {
        let before = into.len();
        let ended = match std::mem::replace(&mut self.coding, Coding::Plain) {
            Coding::Plain => Ok(()),
            Coding::Undecided(_, head) => {
                into.extend_from_slice(&head);
                Ok(())
            }
            Coding::Gzip(mut decoder) => pass(decoder.try_finish(), decoder.get_mut(), into),
            Coding::Zlib(mut decoder) => pass(decoder.try_finish(), decoder.get_mut(), into),
            Coding::Deflate(mut decoder) => pass(decoder.try_finish(), decoder.get_mut(), into),
        };
        self.inflated += (into.len() - before) as u64;
        ended.map_err(|error| Fault::BodyCut { bytes: self.inflated, reason: error.to_string() })?;
        self.check()
    }

    fn check(&self) -> Result<(), Fault> {
        if self.inflated > BODY_BYTES_MAX {
            return Err(Fault::BodyTooLarge { limit: BODY_BYTES_MAX });
        }
        let is_inflated = !matches!(self.coding, Coding::Plain | Coding::Undecided(..));
        if is_inflated && self.inflated > INFLATION_FREE_BYTES + self.received.saturating_mul(INFLATION_MAX) {
            return Err(Fault::Inflates { received: self.received, inflated: self.inflated });
        }
        Ok(())
    }
}

/// What a body is by its first bytes; `None` while they are too few.
fn decide(said: Said, head: &[u8]) -> Option<Coding> {
    let &[first, second, ..] = head else { return None };
    let is_zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
    Some(match said {
        Said::Gzip if [first, second] == GZIP_MAGIC => Coding::Gzip(MultiGzDecoder::new(Vec::new())),
        Said::Gzip => Coding::Plain,
        Said::Deflate if is_zlib => Coding::Zlib(ZlibDecoder::new(Vec::new())),
        Said::Deflate if [first, second] == GZIP_MAGIC => Coding::Gzip(MultiGzDecoder::new(Vec::new())),
        Said::Deflate => Coding::Deflate(DeflateDecoder::new(Vec::new())),
    })
}

/// Passes on what was inflated so far, whether or not the last step failed.
fn pass(outcome: std::io::Result<()>, inflated: &mut Vec<u8>, into: &mut BytesMut) -> std::io::Result<()> {
    into.extend_from_slice(inflated);
    inflated.clear();
    outcome
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(encoding: &str, body: &[u8], step: usize) -> Result<Bytes, Fault> {
        let (mut inflater, mut into) = (Inflater::new(Some(encoding)).unwrap(), BytesMut::new());
        for piece in body.chunks(step) {
            inflater.take(&Bytes::copy_from_slice(piece), &mut into)?;
        }
        inflater.finish(&mut into)?;
        Ok(into.freeze())
    }

    #[test]
    fn refuses_a_bomb_a_cut_body_and_an_unknown_encoding() {
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        assert!(matches!(inflate("gzip", &bomb, 1024), Err(Fault::Inflates { .. })));
        // In one piece too, and then no more comes of it than a step's worth beyond the bound.
        let (mut inflater, mut into) = (Inflater::new(Some("gzip")).unwrap(), BytesMut::new());
        assert!(matches!(inflater.take(&Bytes::from(bomb), &mut into), Err(Fault::Inflates { .. })));
        assert!(into.len() < 32 * 1024 * 1024, "{}", into.len());
        let whole = gzip(b"hello hello hello hello");
        assert!(matches!(inflate("gzip", &whole[..whole.len() - 6], 4), Err(Fault::BodyCut { .. })));
        for encoding in ["br", "zstd", "gzip, gzip", "deflate, gzip", "chunked"] {
            assert!(matches!(Inflater::new(Some(encoding)), Err(Fault::Encoding { .. })), "{encoding}");
        }
    }

    #[test]
    fn a_body_above_every_bound_is_refused_by_name() {
        let mut inflater = Inflater { coding: Coding::Plain, received: 0, inflated: BODY_BYTES_MAX };
        let refused = inflater.take(&Bytes::from_static(b"x"), &mut BytesMut::new());
        assert_eq!(refused, Err(Fault::BodyTooLarge { limit: BODY_BYTES_MAX }));
    }

    #[test]
    fn inflates_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        let (mut zlib, mut raw) =
            (ZlibEncoder::new(Vec::new(), Compression::fast()), DeflateEncoder::new(Vec::new(), Compression::fast()));
        zlib.write_all(&text).unwrap();
        raw.write_all(&text).unwrap();
        let (zlib, raw) = (zlib.finish().unwrap(), raw.finish().unwrap());
        let twice = [gzip(&text[..5_000]), gzip(&text[5_000..])].concat();
        for step in [1, 7, 4096, 1 << 20] {
            for (encoding, body) in
                [("gzip", &gzip(&text)), ("X-GZIP", &twice), ("deflate", &zlib), ("deflate", &raw), ("identity", &text)]
            {
                assert_eq!(inflate(encoding, body, step).unwrap(), text, "{encoding} by {step}");
            }
        }
    }

    #[test]
    fn a_body_that_is_not_compressed_is_taken_as_it_is() {
        for encoding in ["gzip", "", "identity, identity"] {
            for body in ["{\"a\":1}", "[]", "", "{"] {
                assert_eq!(inflate(encoding, body.as_bytes(), 1).unwrap(), body, "{encoding} {body}");
            }
        }
    }
}
