//! Splits a body of JSON lines (<https://jsonlines.org>): each line that is not blank is a record.

use bytes::{Bytes, BytesMut};

use super::DecodeError;
use super::json::{RECORD_BYTES_MAX, snippet};

/// Splits one body into its lines.
#[derive(Debug, Default)]
pub struct LineSplitter {
    carry: BytesMut,
    has_begun: bool,
}

impl LineSplitter {
    /// Takes the next chunk and appends the lines that end in it to `out`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Html`] or [`DecodeError::NotJson`] when the first line is no JSON, [`DecodeError::RecordTooLarge`].
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let mut rest = chunk.clone();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end + 1);
            if self.carry.is_empty() {
                self.line(&line.slice(..end), out)?;
            } else {
                self.carry.extend_from_slice(&line);
                let whole = self.carry.split().freeze();
                self.line(&whole, out)?;
            }
        }
        if self.carry.len() + rest.len() > RECORD_BYTES_MAX {
            return Err(DecodeError::RecordTooLarge { limit: RECORD_BYTES_MAX });
        }
        self.carry.extend_from_slice(&rest);
        Ok(())
    }

    /// Ends the body; a last line needs no line break.
    ///
    /// # Errors
    ///
    /// As [`LineSplitter::push`]; [`DecodeError::Truncated`] when the last line is cut.
    pub fn finish(&mut self, at: u64, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let last = self.carry.split().freeze();
        self.look(last.trim_ascii())?;
        if serde_json::from_slice::<serde::de::IgnoredAny>(&last).is_err() && !last.trim_ascii().is_empty() {
            return Err(DecodeError::Truncated { at });
        }
        self.line(&last, out)
    }

    /// Whether the last chunk ended within a line.
    pub fn is_within_record(&self) -> bool {
        !self.carry.is_empty()
    }

    fn line(&mut self, line: &Bytes, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let text = line.trim_ascii();
        if text.is_empty() {
            return Ok(());
        }
        self.look(text)?;
        out.push(line.slice_ref(text));
        Ok(())
    }

    /// Looks at the first line, whether it can be JSON at all.
    fn look(&mut self, text: &[u8]) -> Result<(), DecodeError> {
        if self.has_begun {
            return Ok(());
        }
        match text.first() {
            None => Ok(()),
            Some(b'{' | b'[') => {
                self.has_begun = true;
                Ok(())
            }
            Some(b'<') => Err(DecodeError::Html { snippet: snippet(text) }),
            Some(_) => Err(DecodeError::NotJson { at: 0, reason: format!("it begins with `{}`", snippet(text)) }),
        }
    }
}
