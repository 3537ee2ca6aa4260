//! Bytes that are put aside until all of them are there: in memory while they are few, else in a temporary file.
//!
//! A zip archive says at its end what is in it, so it cannot be read while it arrives. The file has no name once it is open: nothing is
//! left behind when the process dies, and nobody else can open it.

use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err::{File, OpenOptions};

use crate::decoding::DecodeError;

/// Largest archive.
pub const SPOOL_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Archives up to this size stay in memory.
const MEMORY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Names that are tried for a temporary file.
const NAMES_TRIED: u64 = 1_000;

/// Counts the files of this process, so that each has a name of its own.
static FILES: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
enum Place {
    Memory(Cursor<Vec<u8>>),
    File(File),
}

/// Bytes put aside.
#[derive(Debug)]
pub(super) struct Spool {
    place: Place,
    length: u64,
}

impl Default for Spool {
    fn default() -> Self {
        Self { place: Place::Memory(Cursor::new(Vec::new())), length: 0 }
    }
}

fn failed(error: &std::io::Error) -> DecodeError {
    DecodeError::Spool { reason: error.to_string() }
}

impl Spool {
    /// Puts more bytes aside.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.length += bytes.len() as u64;
        if self.length > SPOOL_BYTES_MAX {
            let limit = usize::try_from(SPOOL_BYTES_MAX).unwrap_or(usize::MAX);
            return Err(DecodeError::HeldTooLarge { what: "the bytes of the archive", limit });
        }
        if let Place::Memory(memory) = &mut self.place
            && memory.get_ref().len() + bytes.len() > MEMORY_BYTES_MAX
        {
            let mut file = create().map_err(|error| failed(&error))?;
            file.write_all(memory.get_ref()).map_err(|error| failed(&error))?;
            self.place = Place::File(file);
        }
        match &mut self.place {
            Place::Memory(memory) => memory.get_mut().extend_from_slice(bytes),
            Place::File(file) => file.write_all(bytes).map_err(|error| failed(&error))?,
        }
        Ok(())
    }

    /// How many bytes there are.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Up to `length` bytes from `start`.
    pub(super) fn read_at(&mut self, start: u64, length: usize) -> Result<Vec<u8>, DecodeError> {
        let mut bytes = Vec::with_capacity(length);
        self.seek(SeekFrom::Start(start)).map_err(|error| failed(&error))?;
        self.by_ref().take(length as u64).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        Ok(bytes)
    }
}

impl Read for Spool {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.place {
            Place::Memory(memory) => memory.read(into),
            Place::File(file) => file.read(into),
        }
    }
}

impl Seek for Spool {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match &mut self.place {
            Place::Memory(memory) => memory.seek(to),
            Place::File(file) => file.seek(to),
        }
    }
}

/// A new file that only this process can reach.
fn create() -> std::io::Result<File> {
    let mut tried = 0;
    loop {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("headwater-{}-{number}.spool", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        {
            use fs_err::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        match options.open(&path) {
            Ok(file) => {
                fs_err::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && tried < NAMES_TRIED => tried += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bytes_read_back_as_they_were_put_aside() {
        let mut spool = Spool::default();
        let block: Vec<u8> = (0..=255).cycle().take(1024 * 1024).collect();
        for _ in 0..10 {
            spool.append(&block).unwrap();
        }
        assert!(matches!(spool.place, Place::File(_)));
        assert_eq!(spool.length(), 10 * 1024 * 1024);
        assert_eq!(spool.read_at(5 * 1024 * 1024 - 3, 6).unwrap(), [253, 254, 255, 0, 1, 2]);
        assert_eq!(spool.read_at(10 * 1024 * 1024 - 1, 6).unwrap(), [255]);
    }
}
