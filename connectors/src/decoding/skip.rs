//! Runs over one JSON value without looking into it: only where it ends matters.
//!
//! A value may end in a later chunk than it began in, so the run keeps what it needs to go on.

use super::DecodeError;
use super::json::NESTING_MAX;
use super::scan;

/// What kind of token a value is, and how far into it the last chunk came.
#[derive(Clone, Copy, Debug)]
enum Inside {
    /// A brace or bracket with its nesting; the lowest bit is 1 when the innermost is an object.
    Container {
        depth: u32,
        kinds: u128,
        in_string: bool,
    },
    String,
    Scalar,
}

/// A run over one value.
#[derive(Debug)]
pub(super) struct Skip {
    inside: Inside,
    is_escaped: bool,
}

/// Where a value ended, if it did.
pub(super) enum Skipped {
    /// One past its last byte.
    Until(usize),
    /// The chunk ended first.
    Unfinished,
}

impl Skip {
    /// A run over the value that begins with `byte`; `None` when no value does.
    pub(super) fn begin(byte: u8) -> Option<Self> {
        let inside = match byte {
            b'{' => Inside::Container { depth: 1, kinds: 1, in_string: false },
            b'[' => Inside::Container { depth: 1, kinds: 0, in_string: false },
            b'"' => Inside::String,
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Inside::Scalar,
            _ => return None,
        };
        Some(Self { inside, is_escaped: false })
    }

    /// Runs to the end of the value; `base` is the nesting around it.
    pub(super) fn run_to_end(&mut self, chunk: &[u8], at: usize, base: u32) -> Result<Skipped, DecodeError> {
        match self.inside {
            Inside::String => Ok(self.string_end(chunk, at).map_or(Skipped::Unfinished, Skipped::Until)),
            Inside::Scalar => scalar_end(chunk, at),
            Inside::Container { depth, kinds, in_string } => {
                self.container_end(chunk, at, base, (depth, kinds, in_string))
            }
        }
    }

    /// One past the closing quote of the string around `at`.
    #[inline]
    fn string_end(&mut self, chunk: &[u8], mut at: usize) -> Option<usize> {
        if self.is_escaped {
            if at >= chunk.len() {
                return None;
            }
            self.is_escaped = false;
            at += 1;
        }
        loop {
            at += scan::quote_or_backslash(chunk.get(at..)?)?;
            if chunk.get(at) == Some(&b'"') {
                return Some(at + 1);
            }
            at += 2;
            if at > chunk.len() {
                self.is_escaped = true;
                return None;
            }
        }
    }

    fn container_end(
        &mut self,
        chunk: &[u8],
        mut at: usize,
        base: u32,
        (mut depth, mut kinds, mut in_string): (u32, u128, bool),
    ) -> Result<Skipped, DecodeError> {
        loop {
            if in_string {
                let Some(end) = self.string_end(chunk, at) else { break };
                (at, in_string) = (end, false);
            }
            let Some(next) = scan::quote_or_bracket(chunk.get(at..).unwrap_or_default()) else { break };
            at += next;
            match chunk.get(at).copied().unwrap_or_default() {
                b'"' => in_string = true,
                byte @ (b'{' | b'[') => {
                    depth += 1;
                    if depth + base > NESTING_MAX {
                        return Err(DecodeError::TooDeep { limit: NESTING_MAX });
                    }
                    kinds = (kinds << 1) | u128::from(byte == b'{');
                }
                byte => {
                    if (kinds & 1 == 1) != (byte == b'}') {
                        let reason = format!("`{}` closes what it did not open", char::from(byte));
                        return Err(DecodeError::NotJson { at: at as u64, reason });
                    }
                    kinds >>= 1;
                    depth -= 1;
                    if depth == 0 {
                        return Ok(Skipped::Until(at + 1));
                    }
                }
            }
            at += 1;
        }
        self.inside = Inside::Container { depth, kinds, in_string };
        Ok(Skipped::Unfinished)
    }
}

/// The end of a number, `true`, `false` or `null`, which whatever follows ends.
fn scalar_end(chunk: &[u8], at: usize) -> Result<Skipped, DecodeError> {
    let rest = chunk.get(at..).unwrap_or_default();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let Some(length) = rest.iter().position(|byte| !is_part(byte)) else { return Ok(Skipped::Unfinished) };
    match rest.get(length) {
        Some(b',' | b'}' | b']') => Ok(Skipped::Until(at + length)),
        Some(byte) if byte.is_ascii_whitespace() => Ok(Skipped::Until(at + length)),
        _ => Err(DecodeError::NotJson { at: (at + length) as u64, reason: "a number or word does not end".to_owned() }),
    }
}
