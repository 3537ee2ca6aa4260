//! What records are packed in: gzip, deflate, zip, charsets, one around the other.
//!
//! What a body is packed in is told by its first bytes: headers lie, and a file that is compressed today comes plain tomorrow. So a
//! declared wrapping that is not there is passed over, and gzip or zip that nobody declared is undone. Pieces are pulled through the
//! layers, at most [`PIECE_BYTES`] at once, so that memory does not grow with what a body inflates to.

mod archive;
mod charset;
mod inflate;
mod spool;

pub use archive::ZipManifest;
pub use charset::CharsetName;
pub use spool::SPOOL_BYTES_MAX;

use bytes::{Bytes, BytesMut};

use super::DecodeError;
use super::format::{BodyDecoding, Decoding, WRAPPINGS_MAX, Wrapping};
use crate::transport::{BODY_BYTES_MAX, INFLATION_FREE_BYTES, INFLATION_MAX};
use archive::Archive;
use charset::Transcoder;
use inflate::{Gunzip, Inflate};

/// What a layer yields at once, more or less.
const PIECE_BYTES: usize = 256 * 1024;
/// First bytes that tell a wrapping.
const MAGIC_BYTES: usize = 4;

/// What comes out of the layers.
#[derive(Debug)]
pub(super) enum Pulled {
    /// The next piece.
    Piece(Bytes),
    /// What follows is a body of its own: a file of an archive, by its name.
    Member(String),
    /// Nothing before more of the body arrives.
    Wait,
    /// Nothing follows.
    End,
}

/// Bytes in and out of a body so far, for the bound on inflation.
#[derive(Clone, Copy, Debug, Default)]
struct Received(u64);

impl Received {
    fn admit(self, inflated: u64) -> Result<(), DecodeError> {
        let bound = INFLATION_FREE_BYTES.saturating_add(self.0.saturating_mul(INFLATION_MAX)).min(BODY_BYTES_MAX);
        if inflated > bound { Err(DecodeError::Inflates { received: self.0, inflated }) } else { Ok(()) }
    }
}

/// What a slot is for.
#[derive(Clone, Debug)]
enum Purpose {
    /// A wrapping that the manifest names.
    Declared(Wrapping),
    /// Whatever wrapping the first bytes tell.
    Sniffed,
    /// The charset.
    Charset { declared: Option<CharsetName>, content_type: Option<String>, format: charset::Says },
}

#[derive(Debug)]
enum Layer {
    /// Not enough bytes have come to tell.
    Undecided(BytesMut),
    Plain(Bytes),
    Gunzip(Box<Gunzip>),
    Inflate(Box<Inflate>),
    Archive(Box<Archive>),
    Transcoder(Box<Transcoder>),
}

#[derive(Debug)]
struct Slot {
    purpose: Purpose,
    layer: Layer,
    has_input: bool,
    is_ended: bool,
    /// What follows once the layer has given all.
    then: Option<Pulled>,
}

/// Undoes the wrappings of one body.
#[derive(Debug)]
pub(super) struct Unwrapper {
    slots: Vec<Slot>,
    input: Bytes,
    is_ended: bool,
    received: Received,
    /// The layer whose archive named the last file, and whether that one lies within the file that was named before it.
    member: Option<(usize, bool)>,
}

impl Slot {
    fn new(purpose: Purpose) -> Self {
        Self { purpose, layer: Layer::Undecided(BytesMut::new()), has_input: false, is_ended: false, then: None }
    }

    fn reset(&mut self) {
        *self = Self::new(self.purpose.clone());
    }

    fn feed(&mut self, piece: Bytes) -> Result<(), DecodeError> {
        self.has_input = true;
        match &mut self.layer {
            Layer::Undecided(start) => start.extend_from_slice(&piece),
            Layer::Plain(pending) => *pending = piece,
            Layer::Gunzip(layer) => layer.feed(piece),
            Layer::Inflate(layer) => layer.feed(piece),
            Layer::Archive(layer) => layer.feed(&piece)?,
            Layer::Transcoder(layer) => layer.feed(piece),
        }
        Ok(())
    }

    /// Decides what the layer is, once its first bytes tell.
    fn decide(&mut self) -> Result<(), DecodeError> {
        let Layer::Undecided(start) = &mut self.layer else { return Ok(()) };
        let needed = match &self.purpose {
            Purpose::Charset { .. } => charset::START_BYTES,
            _ => MAGIC_BYTES,
        };
        if start.len() < needed && !self.is_ended {
            return Ok(());
        }
        let start = start.split().freeze();
        let layer = match &self.purpose {
            Purpose::Charset { declared, content_type, format } => {
                match charset::encoding(&start, *declared, content_type.as_deref(), *format)? {
                    Some(encoding) => Layer::Transcoder(Box::new(Transcoder::new(encoding))),
                    None => Layer::Plain(Bytes::new()),
                }
            }
            purpose => layer_of(purpose, &start),
        };
        self.layer = layer;
        let (has_input, is_ended) = (self.has_input, self.is_ended);
        self.feed(start)?;
        self.has_input = has_input;
        if is_ended { self.end_layer() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), DecodeError> {
        self.is_ended = true;
        if matches!(self.layer, Layer::Undecided(_)) { self.decide() } else { self.end_layer() }
    }

    fn end_layer(&mut self) -> Result<(), DecodeError> {
        match &mut self.layer {
            Layer::Undecided(_) | Layer::Plain(_) => {}
            Layer::Gunzip(layer) => layer.end()?,
            Layer::Inflate(layer) => layer.end(),
            Layer::Archive(layer) => layer.end()?,
            Layer::Transcoder(layer) => layer.end(),
        }
        Ok(())
    }

    fn produce(&mut self, received: Received) -> Result<Option<Pulled>, DecodeError> {
        self.decide()?;
        let piece = match &mut self.layer {
            Layer::Undecided(_) => None,
            Layer::Plain(pending) => Some(std::mem::take(pending)).filter(|piece| !piece.is_empty()),
            Layer::Gunzip(layer) => layer.produce(received)?,
            Layer::Inflate(layer) => layer.produce(received)?,
            Layer::Archive(layer) => return layer.produce(received),
            Layer::Transcoder(layer) => layer.produce()?,
        };
        Ok(piece.map(Pulled::Piece))
    }
}

/// The layer that the first bytes tell.
fn layer_of(purpose: &Purpose, start: &[u8]) -> Layer {
    let has_gzip_magic = start.starts_with(&[0x1F, 0x8B, 0x08]);
    let has_archive_magic = start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06");
    match purpose {
        Purpose::Declared(Wrapping::Gzip) | Purpose::Sniffed if has_gzip_magic => Layer::Gunzip(Box::default()),
        Purpose::Declared(Wrapping::Zip(rules)) if has_archive_magic => {
            Layer::Archive(Box::new(Archive::new(rules.clone())))
        }
        Purpose::Sniffed if has_archive_magic => Layer::Archive(Box::new(Archive::new(ZipManifest::default()))),
        Purpose::Declared(Wrapping::Deflate) if !has_gzip_magic && !has_archive_magic => {
            Layer::Inflate(Box::new(Inflate::new(inflate::is_zlib(start))))
        }
        _ => Layer::Plain(Bytes::new()),
    }
}

impl Unwrapper {
    /// For one body with this `Content-Type`.
    pub(super) fn new(decoding: &BodyDecoding, content_type: Option<&str>) -> Self {
        let mut slots = Vec::new();
        let mut declared = None;
        for wrapping in &decoding.wrappings {
            match wrapping {
                Wrapping::Charset(name) => declared = Some(*name),
                other => slots.push(Slot::new(Purpose::Declared(other.clone()))),
            }
        }
        // One more than may be found: it finds what is wrapped too often.
        while slots.len() <= WRAPPINGS_MAX {
            slots.push(Slot::new(Purpose::Sniffed));
        }
        let format = says(&decoding.format);
        let content_type = content_type.map(str::to_owned);
        slots.push(Slot::new(Purpose::Charset { declared, content_type, format }));
        Self { slots, input: Bytes::new(), is_ended: false, received: Received::default(), member: None }
    }

    /// Whether a body needs it: something is declared, said of its charset, or told by its first bytes.
    pub(super) fn is_needed(decoding: &BodyDecoding, content_type: Option<&str>, start: &[u8]) -> bool {
        // A file is what it is, packed or not.
        if matches!(decoding.format, Decoding::File(_)) {
            return false;
        }
        let may_be_wrapped = matches!(start.first(), Some(0x00 | 0x1F | b'P' | 0xFE | 0xFF));
        let says = says(&decoding.format);
        !decoding.wrappings.is_empty()
            || may_be_wrapped
            || start.get(1) == Some(&0)
            || says == charset::Says::Declaration
            || charset::is_said(content_type, says)
    }

    /// Takes the next chunk of the body, after the one before was pulled through.
    pub(super) fn feed(&mut self, chunk: Bytes) {
        self.received.0 += chunk.len() as u64;
        self.input = chunk;
    }

    /// Says that no chunk follows.
    pub(super) fn end(&mut self) {
        self.is_ended = true;
    }

    /// Whether the file that was named last lies within the one before, which is an archive itself and has no records of its own.
    pub(super) fn is_within_member(&self) -> bool {
        self.member.is_some_and(|(_, is_within)| is_within)
    }

    /// Whether something of the body waits in a layer for what follows.
    pub(super) fn holds(&self) -> bool {
        self.slots.iter().any(|slot| match &slot.layer {
            Layer::Undecided(start) => !start.is_empty(),
            Layer::Archive(_) => true,
            _ => false,
        })
    }

    /// The next piece out of the last layer.
    pub(super) fn pull(&mut self) -> Result<Pulled, DecodeError> {
        self.pull_after(self.slots.len())
    }

    /// The next piece out of the first `count` layers.
    fn pull_after(&mut self, count: usize) -> Result<Pulled, DecodeError> {
        let Some(at) = count.checked_sub(1) else {
            let piece = std::mem::take(&mut self.input);
            return Ok(match (piece.is_empty(), self.is_ended) {
                (false, _) => Pulled::Piece(piece),
                (true, true) => Pulled::End,
                (true, false) => Pulled::Wait,
            });
        };
        loop {
            let received = self.received;
            let Some(slot) = self.slots.get_mut(at) else { return Ok(Pulled::End) };
            if let Some(pulled) = slot.produce(received)? {
                let is_found = !matches!(slot.layer, Layer::Undecided(_) | Layer::Plain(_));
                if at == WRAPPINGS_MAX && is_found {
                    return Err(DecodeError::TooManyWrappings { limit: WRAPPINGS_MAX });
                }
                if matches!(pulled, Pulled::Member(_)) {
                    self.member = Some((at, self.member.is_some_and(|(before, _)| before < at)));
                }
                return Ok(pulled);
            }
            if let Some(then) = slot.then.take() {
                if matches!(then, Pulled::Member(_)) {
                    slot.reset();
                } else {
                    slot.then = Some(Pulled::End);
                }
                return Ok(then);
            }
            match self.pull_after(at)? {
                Pulled::Wait => return Ok(Pulled::Wait),
                Pulled::Piece(piece) => self.slots.get_mut(at).map_or(Ok(()), |slot| slot.feed(piece))?,
                then => {
                    let Some(slot) = self.slots.get_mut(at) else { return Ok(then) };
                    if slot.has_input {
                        slot.end()?;
                    }
                    slot.then = Some(then);
                }
            }
        }
    }
}

/// Who may say the charset of a format.
fn says(format: &Decoding) -> charset::Says {
    match format {
        Decoding::Json | Decoding::JsonLines | Decoding::File(_) => charset::Says::Nobody,
        Decoding::Lines(_) | Decoding::Csv(_) => charset::Says::ContentType,
        Decoding::Xml(_) => charset::Says::Declaration,
    }
}

#[cfg(test)]
mod tests;
