//! Splits a body of plain lines: each line that is not blank is one value, which becomes a record under a name.

use bytes::{Bytes, BytesMut};
use schemars::JsonSchema;
use serde::Deserialize;

use super::DecodeError;
use super::derived::write_bytes;
use super::json::{RECORD_BYTES_MAX, html, json_object, snippet};

/// Plain lines, as written in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinesManifest {
    /// The field that holds a line's text; `value` when absent.
    pub wrap_as: String,
}

impl Default for LinesManifest {
    fn default() -> Self {
        Self { wrap_as: "value".to_owned() }
    }
}

/// Splits one body into its lines.
#[derive(Debug)]
pub(super) struct TextSplitter {
    wrap_as: String,
    carry: BytesMut,
    has_begun: bool,
}

impl TextSplitter {
    pub(super) fn new(manifest: &LinesManifest) -> Self {
        Self { wrap_as: manifest.wrap_as.clone(), carry: BytesMut::new(), has_begun: false }
    }

    /// Takes the next chunk and appends the lines that end in it.
    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            if self.carry.is_empty() {
                self.line(line, out)?;
            } else {
                self.carry.extend_from_slice(line);
                let whole = self.carry.split();
                self.line(&whole, out)?;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        if self.carry.len() + rest.len() > RECORD_BYTES_MAX {
            return Err(DecodeError::RecordTooLarge { limit: RECORD_BYTES_MAX });
        }
        self.carry.extend_from_slice(rest);
        Ok(())
    }

    /// Ends the body; a last line needs no line break.
    pub(super) fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let last = self.carry.split();
        self.line(&last, out)
    }

    pub(super) fn is_within_record(&self) -> bool {
        !self.carry.is_empty()
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let text = line.strip_prefix(b"\xEF\xBB\xBF").filter(|_| !self.has_begun).unwrap_or(line).trim_ascii();
        if text.is_empty() {
            return Ok(());
        }
        if !self.has_begun && html(text) {
            return Err(DecodeError::Html { snippet: snippet(text) });
        }
        if !self.has_begun && json_object(text) {
            return Err(DecodeError::NotATable { snippet: snippet(text) });
        }
        self.has_begun = true;
        let mut record = Vec::with_capacity(text.len() + self.wrap_as.len() + 8);
        record.push(b'{');
        write_bytes(&mut record, self.wrap_as.as_bytes());
        record.push(b':');
        write_bytes(&mut record, text);
        record.push(b'}');
        out.push(record.into());
        Ok(())
    }
}
