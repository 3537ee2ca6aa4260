//! Files of a zip archive, one after the other.
//!
//! The `zip` crate reads the directory; the bytes of a file are inflated here, because a reader of the crate holds on to the archive and
//! cannot wait for whoever takes the records. Names of files are compared and reported, never used as paths.

use std::collections::VecDeque;

use bytes::Bytes;
use flate2::Crc;
use schemars::JsonSchema;
use serde::Deserialize;
use zip::{CompressionMethod, ZipArchive};

use super::inflate::Inflate;
use super::spool::Spool;
use super::{PIECE_BYTES, Pulled, Received};
use crate::decoding::DecodeError;

/// Most files in an archive.
const FILES_MAX: usize = 10_000;
/// Names that an error shows.
const NAMES_SHOWN: usize = 12;

/// Which files of a zip archive are read, as written in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ZipManifest {
    /// Names of the files that are read, in the archive's order: `*` stands for any characters, `?` for one. When absent, the archive must
    /// hold one file and no more.
    pub members: Option<String>,
    /// The field in which each record says the name of its file.
    pub member_as: Option<String>,
}

#[derive(Debug)]
struct Member {
    name: String,
    start: u64,
    compressed: u64,
    size: u64,
    checksum: u32,
    is_stored: bool,
}

#[derive(Debug)]
struct Open {
    member: Member,
    /// Compressed bytes that were taken.
    taken: u64,
    given: u64,
    checksum: Crc,
    inflate: Inflate,
}

/// One archive.
#[derive(Debug)]
pub(super) struct Archive {
    rules: ZipManifest,
    spool: Spool,
    members: VecDeque<Member>,
    open: Option<Open>,
    inflated: u64,
}

fn broken(reason: impl Into<String>) -> DecodeError {
    DecodeError::Archive { reason: reason.into() }
}

impl Archive {
    pub(super) fn new(rules: ZipManifest) -> Self {
        Self { rules, spool: Spool::default(), members: VecDeque::new(), open: None, inflated: 0 }
    }

    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<(), DecodeError> {
        self.spool.append(piece)
    }

    /// All of the archive is there: reads its directory.
    pub(super) fn end(&mut self) -> Result<(), DecodeError> {
        let count = directory_count(&mut self.spool)?;
        if count > FILES_MAX as u64 {
            return Err(broken(format!("it holds {count} files; at most {FILES_MAX} are read")));
        }
        let length = self.spool.length();
        let mut archive = ZipArchive::new(&mut self.spool).map_err(|error| broken(error.to_string()))?;
        if archive.has_duplicate_names()
            || archive.has_overlapping_entries().map_err(|error| broken(error.to_string()))?
        {
            return Err(broken("files in it overlap or share a name"));
        }
        let (mut members, mut names) = (Vec::new(), Vec::new());
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index).map_err(|error| broken(error.to_string()))?;
            let name = String::from_utf8_lossy(file.name_raw()).into_owned();
            if file.is_dir() {
                continue;
            }
            names.push(name.clone());
            let is_asked_for =
                self.rules.members.as_deref().is_none_or(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
            if !is_asked_for {
                continue;
            }
            if file.encrypted() {
                return Err(broken(format!("`{name}` is encrypted")));
            }
            let is_stored = match file.compression() {
                CompressionMethod::Stored => true,
                CompressionMethod::Deflated => false,
                other => return Err(broken(format!("`{name}` is compressed by {other:?}"))),
            };
            let start = file.data_start().ok_or_else(|| broken(format!("`{name}` has no place")))?;
            let (compressed, size, checksum) = (file.compressed_size(), file.size(), file.crc32());
            if start.saturating_add(compressed) > length {
                return Err(broken(format!("`{name}` ends after the archive")));
            }
            members.push(Member { name, start, compressed, size, checksum, is_stored });
        }
        if members.is_empty() || (self.rules.members.is_none() && members.len() > 1) {
            let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
            let names = if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") };
            let pattern = self.rules.members.clone().unwrap_or_else(|| "*".to_owned());
            return Err(DecodeError::Members { count: members.len(), pattern, names });
        }
        self.members = members.into();
        Ok(())
    }

    pub(super) fn produce(&mut self, received: Received) -> Result<Option<Pulled>, DecodeError> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(member) = self.members.pop_front() else { return Ok(None) };
                let name = member.name.clone();
                let inflate = Inflate::new(false);
                self.open = Some(Open { member, taken: 0, given: 0, checksum: Crc::new(), inflate });
                return Ok(Some(Pulled::Member(name)));
            };
            let piece = open.next(&mut self.spool, received)?;
            if let Some(piece) = piece {
                self.inflated += piece.len() as u64;
                received.admit(self.inflated)?;
                return Ok(Some(Pulled::Piece(piece)));
            }
            open.check()?;
            self.open = None;
        }
    }
}

impl Open {
    fn next(&mut self, spool: &mut Spool, received: Received) -> Result<Option<Bytes>, DecodeError> {
        loop {
            let piece = if self.member.is_stored {
                let piece = self.compressed(spool)?;
                Some(Bytes::from(piece)).filter(|piece| !piece.is_empty())
            } else {
                if self.inflate.is_hungry() && self.taken < self.member.compressed {
                    let piece = self.compressed(spool)?;
                    self.inflate.feed(piece.into());
                    if self.taken >= self.member.compressed {
                        self.inflate.end();
                    }
                }
                self.inflate.produce(received)?
            };
            match piece {
                Some(piece) => {
                    self.checksum.update(&piece);
                    self.given += piece.len() as u64;
                    return Ok(Some(piece));
                }
                None if self.taken >= self.member.compressed => return Ok(None),
                None => {}
            }
        }
    }

    fn compressed(&mut self, spool: &mut Spool) -> Result<Vec<u8>, DecodeError> {
        let left = usize::try_from(self.member.compressed - self.taken).unwrap_or(usize::MAX);
        let bytes = spool.read_at(self.member.start + self.taken, left.min(PIECE_BYTES))?;
        if bytes.is_empty() && left > 0 {
            return Err(broken(format!("`{}` is cut", self.member.name)));
        }
        self.taken += bytes.len() as u64;
        Ok(bytes)
    }

    /// A file is what the directory says of it.
    fn check(&self) -> Result<(), DecodeError> {
        if self.given == self.member.size && self.checksum.sum() == self.member.checksum {
            return Ok(());
        }
        Err(broken(format!("`{}` is not what the directory says of it", self.member.name)))
    }
}

/// How many files the directory says there are, before anything is made of it (APPNOTE § 4.3.14, 4.3.16,
/// <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>).
fn directory_count(spool: &mut Spool) -> Result<u64, DecodeError> {
    const END_BYTES: u64 = 22;
    const COMMENT_BYTES_MAX: u64 = 65_535;
    let length = spool.length();
    let from = length.saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
    let tail = spool.read_at(from, usize::try_from(END_BYTES + COMMENT_BYTES_MAX).unwrap_or_default())?;
    let at = tail.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or(DecodeError::Truncated { at: length })?;
    let short = |at: usize| tail.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_le_bytes);
    let count = short(at + 10).ok_or(DecodeError::Truncated { at: length })?;
    if count < u16::MAX {
        return Ok(u64::from(count));
    }
    let locator =
        at.checked_sub(20).and_then(|start| tail.get(start..at)).filter(|locator| locator.starts_with(b"PK\x06\x07"));
    let Some(place) = locator.and_then(|locator| locator.get(8..16)?.try_into().ok()).map(u64::from_le_bytes) else {
        return Ok(u64::from(count));
    };
    let end = spool.read_at(place, 56)?;
    let total = end.get(32..40).and_then(|eight| eight.try_into().ok()).map(u64::from_le_bytes);
    total.filter(|_| end.starts_with(b"PK\x06\x06")).ok_or_else(|| broken("its directory is not where it says"))
}

/// Whether a name is what a pattern with `*` and `?` means.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place, mut star) = (0, 0, None);
    while place < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(byte) if *byte == b'?' || Some(byte) == name.get(place) => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((star_at, star_place)) => {
                    at = star_at + 1;
                    place = star_place + 1;
                    star = Some((star_at, star_place + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, is_match) in [
            ("*", "", true),
            ("*.csv", "a/b.csv", true),
            ("*.csv", "a.csv.bak", false),
            ("a?c*", "abcd", true),
            ("a?c*", "ac", false),
            ("*a*b", "xaxbxab", true),
            ("*a*b", "xaxbx", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), is_match, "{pattern} {name}");
        }
    }
}
