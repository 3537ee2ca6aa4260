//! Charsets other than UTF-8, by the label of the WHATWG (<https://encoding.spec.whatwg.org/#names-and-labels>).
//!
//! A byte order mark wins over every word. JSON is UTF-8 whatever a server says (RFC 8259 § 8.1), unless it says UTF-16; many say
//! `ISO-8859-1` of UTF-8. Bytes that a charset does not have are an error and never replaced.

use std::borrow::Cow;

use bytes::{Buf, Bytes};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use super::PIECE_BYTES;
use crate::decoding::DecodeError;
use crate::decoding::json::{html, snippet};

/// First bytes that tell a charset: a byte order mark, or an XML declaration.
pub(super) const START_BYTES: usize = 256;

/// A charset as a manifest names it, e.g. `latin1` or `utf-16le`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CharsetName(&'static Encoding);

impl CharsetName {
    /// The text in this charset.
    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        // The web never writes UTF-16, so the library does not either.
        match self.0 {
            encoding if encoding == UTF_16LE => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            encoding if encoding == UTF_16BE => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            encoding => encoding.encode(text).0.into_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for CharsetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let label = String::deserialize(deserializer)?;
        let unknown =
            || D::Error::custom(format!("`{label}` is no charset; write e.g. `latin1`, `windows-1252` or `utf-16le`"));
        Encoding::for_label(label.as_bytes()).map(Self).ok_or_else(unknown)
    }
}

impl JsonSchema for CharsetName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Charset".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A charset by its web name, e.g. latin1, windows-1252, utf-16le, shift_jis" })
    }
}

/// Who may say the charset of a body that has no byte order mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Nobody but UTF-16: the format has one charset.
    Nobody,
    /// The header.
    ContentType,
    /// The header, or the declaration at the body's beginning.
    Declaration,
}

/// The charset in a `Content-Type`, as written.
fn label(content_type: Option<&str>) -> Option<&str> {
    let params = content_type?.split(';').skip(1);
    let charset =
        params.filter_map(|param| param.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charset.map(|(_, label)| label.trim().trim_matches('"').trim_matches('\'')).filter(|label| !label.is_empty())
}

/// Whether a header says another charset than UTF-8 of a format that takes its word.
pub(super) fn is_said(content_type: Option<&str>, says: Says) -> bool {
    let Some(label) = label(content_type) else { return false };
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) if says == Says::Nobody => encoding == UTF_16LE || encoding == UTF_16BE,
        Some(encoding) => encoding != UTF_8,
        None => says != Says::Nobody,
    }
}

/// The charset that a body is in; `None` for UTF-8.
pub(super) fn encoding(
    start: &[u8],
    declared: Option<CharsetName>,
    content_type: Option<&str>,
    says: Says,
) -> Result<Option<&'static Encoding>, DecodeError> {
    // In a charset of two bytes a page of HTML would be some letters of Chinese, and no record.
    if html(start) {
        return Err(DecodeError::Html { snippet: snippet(start) });
    }
    let found = if let Some((encoding, _)) = Encoding::for_bom(start) {
        encoding
    } else if let Some(CharsetName(encoding)) = declared {
        encoding
    } else if is_said(content_type, says) {
        let label = label(content_type).unwrap_or_default();
        Encoding::for_label(label.as_bytes()).ok_or_else(|| DecodeError::UnknownCharset { label: label.to_owned() })?
    } else {
        match declaration(start).filter(|_| says == Says::Declaration) {
            Some(label) => Encoding::for_label(label.as_bytes()).ok_or(DecodeError::UnknownCharset { label })?,
            None => UTF_8,
        }
    };
    Ok(Some(found).filter(|found| *found != UTF_8))
}

/// The charset in an XML declaration.
fn declaration(start: &[u8]) -> Option<String> {
    let start = start.trim_ascii_start();
    let inside = start.strip_prefix(b"<?xml")?;
    let end = inside.windows(2).position(|pair| pair == b"?>")?;
    let text = String::from_utf8_lossy(inside.get(..end)?).into_owned();
    let (_, after) = text.split_once("encoding")?;
    let quoted = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Some(quoted.get(1..)?.split(quote).next()?.to_owned())
}

/// Turns bytes of a charset into UTF-8.
#[derive(Debug)]
pub(super) struct Transcoder {
    encoding: &'static Encoding,
    decoder: Box<Decoder>,
    pending: Bytes,
    read: u64,
    is_ended: bool,
    is_done: bool,
}

impl Transcoder {
    pub(super) fn new(encoding: &'static Encoding) -> Self {
        let decoder = Box::new(encoding.new_decoder_with_bom_removal());
        Self { encoding, decoder, pending: Bytes::new(), read: 0, is_ended: false, is_done: false }
    }

    pub(super) fn feed(&mut self, piece: Bytes) {
        self.pending = piece;
    }

    /// Says that nothing more is fed.
    pub(super) fn end(&mut self) {
        self.is_ended = true;
    }

    pub(super) fn produce(&mut self) -> Result<Option<Bytes>, DecodeError> {
        if self.is_done || (self.pending.is_empty() && !self.is_ended) {
            return Ok(None);
        }
        let mut text = vec![0; PIECE_BYTES];
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(&self.pending, &mut text, self.is_ended);
        self.pending.advance(read);
        self.read += read as u64;
        match result {
            DecoderResult::Malformed(..) => {
                return Err(DecodeError::NotInCharset { charset: self.encoding.name().to_owned(), at: self.read });
            }
            DecoderResult::InputEmpty => self.is_done = self.is_ended,
            DecoderResult::OutputFull => {}
        }
        text.truncate(written);
        Ok(Some(Bytes::from(text)).filter(|text| !text.is_empty()))
    }
}
