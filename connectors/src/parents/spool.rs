//! A queue of texts that keeps a bounded part in memory and the rest in a file without a name.
//!
//! A parent's page may hold any number of parents, and their children are asked for only when the page is whole.

use std::collections::VecDeque;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// Bytes that a spool keeps in memory.
pub const SPOOL_BYTES: usize = 4 * 1024 * 1024;

/// Texts, first in first out.
#[derive(Debug, Default)]
pub struct Spool {
    memory: VecDeque<Bytes>,
    bytes: usize,
    overflow: Option<Overflow>,
    bytes_max: Option<usize>,
}

/// What did not fit into memory.
#[derive(Debug)]
struct Overflow {
    writer: BufWriter<std::fs::File>,
    reader: BufReader<std::fs::File>,
    waiting: u64,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Spool {
    /// An empty spool.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty spool that keeps at most so many bytes in memory.
    pub fn within(bytes_max: usize) -> Self {
        Self { bytes_max: Some(bytes_max), ..Self::default() }
    }

    /// Puts a text at the end.
    ///
    /// # Errors
    ///
    /// What the system says of the temporary file.
    pub fn push(&mut self, text: Bytes) -> io::Result<()> {
        let is_full = self.bytes + text.len() > self.bytes_max.unwrap_or(SPOOL_BYTES);
        if self.overflow.is_none() && !is_full {
            self.bytes += text.len();
            self.memory.push_back(text);
            return Ok(());
        }
        let overflow = match &mut self.overflow {
            Some(overflow) => overflow,
            None => self.overflow.insert(Overflow::open()?),
        };
        overflow.push(&text)
    }

    /// Takes the first text.
    ///
    /// # Errors
    ///
    /// What the system says of the temporary file.
    pub fn pop(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(text) = self.memory.pop_front() {
            self.bytes -= text.len();
            return Ok(Some(text));
        }
        let Some(overflow) = &mut self.overflow else { return Ok(None) };
        let text = overflow.pop()?;
        if overflow.waiting == 0 {
            self.overflow = None;
        }
        Ok(text)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.overflow.is_none()
    }
}

impl Overflow {
    fn open() -> io::Result<Self> {
        let (folder, number) = (std::env::temp_dir(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = folder.join(format!("headwater-{}-{number}.spool", std::process::id()));
        // A process before us with the same id may have died with its file.
        if let Err(error) = fs_err::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let options = || {
            let mut options = fs_err::OpenOptions::new();
            options.read(true);
            options
        };
        let writer = options().write(true).create_new(true).open(&path)?.into_file();
        let reader = options().open(&path)?.into_file();
        // An open file without a name is gone when we are; where a system has no such thing the next process clears it.
        drop(fs_err::remove_file(&path));
        Ok(Self { writer: BufWriter::new(writer), reader: BufReader::new(reader), waiting: 0 })
    }

    fn push(&mut self, text: &[u8]) -> io::Result<()> {
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        self.writer.write_all(&length.to_le_bytes())?;
        self.writer.write_all(text)?;
        self.waiting += 1;
        Ok(())
    }

    fn pop(&mut self) -> io::Result<Option<Bytes>> {
        self.writer.flush()?;
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        let mut text = vec![0; usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?];
        self.reader.read_exact(&mut text)?;
        self.waiting -= 1;
        Ok(Some(Bytes::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_in_order_what_went_in_wherever_it_was_kept() {
        for bytes_max in [0, 10, 1_000] {
            let (mut spool, mut next_in, mut next_out) = (Spool::within(bytes_max), 0_u32, 0_u32);
            // Three in, two out, so that memory and file are filled and emptied in every order.
            for _ in 0..200 {
                for _ in 0..3 {
                    spool.push(Bytes::from(next_in.to_string())).unwrap();
                    next_in += 1;
                }
                for _ in 0..2 {
                    assert_eq!(spool.pop().unwrap().unwrap(), next_out.to_string().as_bytes());
                    next_out += 1;
                }
            }
            while let Some(text) = spool.pop().unwrap() {
                assert_eq!(text, next_out.to_string().as_bytes());
                next_out += 1;
            }
            assert_eq!((next_in, spool.is_empty()), (next_out, true));
        }
    }
}
