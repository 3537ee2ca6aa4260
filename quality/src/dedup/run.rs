//! Sorted runs of fixed-size records on the local disk, and their merge.
//!
//! Every run is a temporary file that is unlinked at birth. At most [`FAN_IN`] runs are open: one more, and all become one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use headwater_contract::Digest16;

use crate::dedup::DedupError;

/// Runs that are merged at once; with their buffers they cost [`FAN_IN`] × [`BUFFER_BYTES`] = 2 MiB.
const FAN_IN: usize = 32;
const BUFFER_BYTES: usize = 64 << 10;

/// A record of fixed size that has an order.
pub(super) trait Fixed: Copy + Ord {
    /// Its bytes on disk.
    type Bytes: AsRef<[u8]> + AsMut<[u8]> + Default;
    /// Writes it.
    fn to_bytes(self) -> Self::Bytes;
    /// Reads it back.
    fn from_bytes(bytes: &Self::Bytes) -> Self;
}

/// A record of the reading: the digest of its key, its hash and its position. Ordered by key, then position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    key: [u64; 2],
    /// Where the record stands in the reading.
    pub(super) position: u64,
    hash: [u64; 2],
}

impl Entry {
    /// Joins the three.
    pub(super) fn new(key: Digest16, hash: Digest16, position: u64) -> Self {
        Self { key: split(key), position, hash: split(hash) }
    }

    /// The digest of the key.
    pub(super) fn key(&self) -> Digest16 {
        join(self.key)
    }

    /// The hash of the record.
    pub(super) fn hash(&self) -> Digest16 {
        join(self.hash)
    }

    /// Whether the two have one key.
    pub(super) fn has_key_of(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Eight evenly distributed bytes of the key.
    pub(super) fn bucket(&self) -> u64 {
        let [low, _] = self.key;
        low
    }

    /// Whether the two have one hash.
    pub(super) fn has_hash_of(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

fn split(digest: Digest16) -> [u64; 2] {
    let whole = u128::from_le_bytes(digest.0);
    [low_half(whole), low_half(whole >> 64)]
}

fn low_half(whole: u128) -> u64 {
    u64::try_from(whole & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

fn join([low, high]: [u64; 2]) -> Digest16 {
    Digest16((u128::from(low) | u128::from(high) << 64).to_le_bytes())
}

/// The bytes of an entry; arrays above 32 have no `Default`.
#[derive(Debug)]
pub(super) struct EntryBytes([u8; 40]);

impl Default for EntryBytes {
    fn default() -> Self {
        Self([0; 40])
    }
}

impl AsRef<[u8]> for EntryBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for EntryBytes {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Fixed for Entry {
    type Bytes = EntryBytes;

    fn to_bytes(self) -> EntryBytes {
        let mut bytes = EntryBytes::default();
        let [key, more] = self.key;
        let [hash, rest] = self.hash;
        for (place, word) in bytes.0.chunks_exact_mut(8).zip([key, more, self.position, hash, rest]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &EntryBytes) -> Self {
        let mut words = [0_u64; 5];
        for (word, place) in words.iter_mut().zip(bytes.0.chunks_exact(8)) {
            *word = u64::from_le_bytes(place.try_into().unwrap_or_default());
        }
        let [key, more, position, hash, rest] = words;
        Self { key: [key, more], position, hash: [hash, rest] }
    }
}

impl Fixed for u64 {
    type Bytes = [u8; 8];

    fn to_bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }

    fn from_bytes(bytes: &[u8; 8]) -> Self {
        Self::from_le_bytes(*bytes)
    }
}

/// Sorted runs in one folder.
#[derive(Debug)]
pub(super) struct Runs<T> {
    folder: PathBuf,
    files: Vec<File>,
    written: u64,
    kind: std::marker::PhantomData<T>,
}

impl<T: Fixed> Runs<T> {
    /// No runs yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, files: Vec::new(), written: 0, kind: std::marker::PhantomData }
    }

    /// Where the files are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether nothing was spilled.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many runs were added.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Writes `sorted` as one run; an empty one is left out.
    pub(super) fn add(&mut self, sorted: &[T]) -> Result<(), DedupError> {
        if sorted.is_empty() {
            return Ok(());
        }
        if self.files.len() >= FAN_IN {
            self.join()?;
        }
        let file = self.write(sorted.iter().copied().map(Ok))?;
        self.files.push(file);
        self.written += 1;
        Ok(())
    }

    /// Reads all runs in order. One merge at a time: runs share their place in the file with it.
    pub(super) fn merge(&mut self) -> Result<Merge<'_, T>, DedupError> {
        let folder = &self.folder;
        let mut readers = Vec::with_capacity(self.files.len());
        for file in &mut self.files {
            file.seek(SeekFrom::Start(0)).map_err(|source| DedupError::Spill { folder: folder.clone(), source })?;
            readers.push(BufReader::with_capacity(BUFFER_BYTES, &*file));
        }
        let mut merge = Merge { folder, readers, heads: BinaryHeap::new() };
        for run in 0..merge.readers.len() {
            merge.refill(run)?;
        }
        Ok(merge)
    }

    /// Makes one run of all.
    fn join(&mut self) -> Result<(), DedupError> {
        let folder = self.folder.clone();
        let mut merge = self.merge()?;
        let file = write_run(&folder, std::iter::from_fn(|| merge.next().transpose()))?;
        drop(merge);
        self.files = vec![file];
        Ok(())
    }

    fn write(&self, records: impl Iterator<Item = Result<T, DedupError>>) -> Result<File, DedupError> {
        write_run(&self.folder, records)
    }
}

fn write_run<T: Fixed>(
    folder: &Path,
    records: impl Iterator<Item = Result<T, DedupError>>,
) -> Result<File, DedupError> {
    let spill = |source| DedupError::Spill { folder: folder.to_owned(), source };
    let file = tempfile::tempfile_in(folder).map_err(spill)?;
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, file);
    for record in records {
        writer.write_all(record?.to_bytes().as_ref()).map_err(spill)?;
    }
    writer.into_inner().map_err(|error| spill(error.into_error()))
}

/// All records of several runs, in order.
#[derive(Debug)]
pub(super) struct Merge<'a, T> {
    folder: &'a Path,
    readers: Vec<BufReader<&'a File>>,
    heads: BinaryHeap<Reverse<(T, usize)>>,
}

impl<T: Fixed> Merge<'_, T> {
    /// The next record, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<T>, DedupError> {
        let Some(Reverse((record, run))) = self.heads.pop() else { return Ok(None) };
        self.refill(run)?;
        Ok(Some(record))
    }

    fn refill(&mut self, run: usize) -> Result<(), DedupError> {
        let Some(reader) = self.readers.get_mut(run) else { return Ok(()) };
        let mut bytes = T::Bytes::default();
        match read_whole(reader, bytes.as_mut()) {
            Ok(true) => self.heads.push(Reverse((T::from_bytes(&bytes), run))),
            Ok(false) => {}
            Err(source) => return Err(DedupError::Spill { folder: self.folder.to_owned(), source }),
        }
        Ok(())
    }
}

/// Fills `bytes`, or says that the end is reached. An end in the middle of a record is an error.
fn read_whole(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
