//! What the lake remembers of an erasure: digests, never values.
//!
//! The record is written before anything is deleted and stays: a later reading, a replay or a backfill asks it and leaves the
//! person's records out. The digests are keyed with a secret of the lake that lies beside them, so they say something only to who
//! can read raw, and nothing to who has a copy of a record alone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use headwater_contract::{Digest16, StreamContract, StreamName};
use ring::rand::{SecureRandom, SystemRandom};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::error::ErasureError;
use super::subject::{Matcher, Subject};
use crate::Lake;
use crate::steps::Step;
use crate::store::{Store, StoreError};
use crate::zones::layout;

/// The version of the objects below.
const VERSION: u32 = 1;
/// Records fetched at once.
const GETS_AT_ONCE: usize = 16;

/// The secret that digests of erased values are keyed with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The lake's key; `None` when nobody was ever erased.
    pub(crate) async fn find(raw: &Store) -> Result<Option<Self>, ErasureError> {
        match read::<StoredKey>(raw, layout::ERASURE_KEY).await {
            Ok(stored) => stored.key().map(Some),
            Err(ErasureError::Store(StoreError::NotFound { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A key that is forgotten with the process.
    pub(crate) fn random() -> Result<Self, ErasureError> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).map_err(|_| ErasureError::NoSecret)?;
        Ok(Self(key))
    }

    /// The digest of `parts`, so that moving a byte from one to the next gives another.
    pub(crate) fn digest<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Digest16 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut short = [0; 16];
        hasher.finalize_xof().fill(&mut short);
        Digest16(short)
    }
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    version: u32,
    key: Vec<u8>,
}

impl StoredKey {
    fn key(self) -> Result<Key, ErasureError> {
        let length = self.key.len();
        let finding = || ErasureError::Damaged {
            path: layout::ERASURE_KEY.to_owned(),
            finding: format!("the key has {length} bytes"),
        };
        self.key.try_into().map(Key).map_err(|_| finding())
    }
}

/// A value of a column, as the lake remembers it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Remembered {
    /// The stream.
    pub stream: StreamName,
    /// The column.
    pub column: String,
    /// The keyed digest of the value.
    pub digest: Digest16,
}

/// Members of a dimension that only the person's rows make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ForgottenMembers {
    /// The star.
    pub star: String,
    /// The dimension.
    pub dimension: String,
    /// Keyed digests of their business keys.
    pub digests: Vec<Digest16>,
}

/// One erasure, as the lake remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureRecord {
    /// The version of this format.
    pub version: u32,
    /// Its id.
    pub id: Ulid,
    /// When it began.
    pub at: DateTime<Utc>,
    /// The user who asked for it.
    pub by: String,
    /// By what the person is known.
    pub subjects: Vec<Remembered>,
    /// Members that the states of stars must forget.
    #[serde(default)]
    pub members: Vec<ForgottenMembers>,
}

/// What stands in an erasure's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The version of this format.
    pub version: u32,
    /// The erasure.
    pub id: Ulid,
    /// When it was done.
    pub finished_at: DateTime<Utc>,
    /// What was done, without values.
    pub report: serde_json::Value,
    /// The digest of the erasure's record.
    pub record: Digest16,
}

/// Makes the digests of an erasure, under the lake's key.
#[derive(Clone, Debug)]
pub struct Digester {
    key: Key,
    /// Whether the lake has the key already; else it is written with the first erasure.
    is_kept: bool,
}

impl Digester {
    /// With the lake's key; with a fresh one when nobody was ever erased. Nothing is written.
    ///
    /// # Errors
    ///
    /// [`ErasureError`] when the store fails or there is no randomness.
    pub async fn of(lake: &Lake) -> Result<Self, ErasureError> {
        Ok(match Key::find(&lake.zones.raw).await? {
            Some(key) => Self { key, is_kept: true },
            None => Self { key: Key::random()?, is_kept: false },
        })
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Writes a fresh key down.
    async fn keep(&self, raw: &Store) -> Result<(), ErasureError> {
        if self.is_kept {
            return Ok(());
        }
        let stored = StoredKey { version: VERSION, key: self.key.0.to_vec() };
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| unreadable(layout::ERASURE_KEY, &error))?;
        let put = raw.put_new(layout::ERASURE_KEY, Bytes::from(text)).await;
        // What the store holds is the key, whatever the put answered; another erasure may have been first.
        match (Key::find(raw).await?, put) {
            (Some(key), _) if key == self.key => Ok(()),
            (Some(_), _) => Err(ErasureError::Overtaken { window: "the first erasure of the lake".to_owned() }),
            (None, Err(refused)) => Err(refused.into()),
            (None, Ok(())) => Err(ErasureError::NoSecret),
        }
    }

    /// The digest of texts that are one value together.
    pub(crate) fn digest<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Digest16 {
        self.key.digest(texts.into_iter().map(str::as_bytes))
    }

    fn remember(&self, subjects: &[Subject]) -> Vec<Remembered> {
        let remembered = |subject: &Subject| Remembered {
            stream: subject.stream.clone(),
            column: subject.column.clone(),
            digest: subject.digest(&self.key),
        };
        let mut all: Vec<Remembered> = subjects.iter().map(remembered).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// The erasure of just these values that began and was never finished.
///
/// # Errors
///
/// [`ErasureError`] when records cannot be read.
pub async fn unfinished(lake: &Lake, subjects: &[Subject]) -> Result<Option<ErasureRecord>, ErasureError> {
    newest(lake, subjects, false).await
}

/// The last finished erasure of just these values.
///
/// # Errors
///
/// [`ErasureError`] when records cannot be read.
pub async fn finished(lake: &Lake, subjects: &[Subject]) -> Result<Option<ErasureRecord>, ErasureError> {
    newest(lake, subjects, true).await
}

async fn newest(lake: &Lake, subjects: &[Subject], is_finished: bool) -> Result<Option<ErasureRecord>, ErasureError> {
    let raw = &lake.zones.raw;
    let Some(key) = Key::find(raw).await? else { return Ok(None) };
    let wanted = Digester { key, is_kept: true }.remember(subjects);
    let found = records(raw).await?.into_iter().rev();
    let mut found = found.filter(|(record, is_done)| record.subjects == wanted && *is_done == is_finished);
    Ok(found.next().map(|(record, _)| record.as_ref().clone()))
}

/// Writes down whom to erase, before anything is: from now on no reading shows the person.
///
/// # Errors
///
/// [`ErasureError`] when the lake is not ours or the store fails; nothing is erased then.
pub async fn note(
    lake: &Lake,
    digester: &Digester,
    subjects: &[Subject],
    by: &str,
    members: Vec<ForgottenMembers>,
) -> Result<ErasureRecord, ErasureError> {
    let raw = &lake.zones.raw;
    lake.ledger.check_owner(raw).await?;
    digester.keep(raw).await?;
    let at = lake.clock.now();
    let id = Ulid::from_datetime(at.into());
    let (by, subjects) = (by.to_owned(), digester.remember(subjects));
    let record = ErasureRecord { version: VERSION, id, at, by, subjects, members };
    let path = layout::erasure_path(id);
    let text = serde_json::to_vec_pretty(&record).map_err(|error| unreadable(&path, &error))?;
    raw.put_new(&path, Bytes::from(text)).await?;
    lake.steps.reached(Step::ErasureNoted).await;
    Ok(record)
}

/// Writes the certificate of a finished erasure. Writing it again changes nothing.
///
/// # Errors
///
/// [`ErasureError`] when the store fails.
pub async fn finish(
    lake: &Lake,
    record: &ErasureRecord,
    report: serde_json::Value,
) -> Result<Certificate, ErasureError> {
    let raw = &lake.zones.raw;
    let path = layout::certificate_path(record.id);
    let digest = Digest16::of(&serde_json::to_vec(record).map_err(|error| unreadable(&path, &error))?);
    let certificate =
        Certificate { version: VERSION, id: record.id, finished_at: lake.clock.now(), report, record: digest };
    let text = serde_json::to_vec_pretty(&certificate).map_err(|error| unreadable(&path, &error))?;
    match raw.put_new(&path, Bytes::from(text)).await {
        Err(error) if error.is_already_exists() => read(raw, &path).await,
        other => {
            other?;
            Ok(certificate)
        }
    }
}

/// Tells which records of a stream belong to persons who were erased; `None` when nobody was.
///
/// # Errors
///
/// [`ErasureError`] when the records cannot be read: then nothing may be landed.
pub(crate) async fn erased(lake: &Lake, contract: &StreamContract) -> Result<Option<Matcher>, ErasureError> {
    let raw = &lake.zones.raw;
    let records = records(raw).await?;
    let of_stream = |named: &&Remembered| named.stream == contract.name;
    let wanted: Vec<(String, Digest16)> = records
        .iter()
        .flat_map(|(record, _)| &record.subjects)
        .filter(of_stream)
        .map(|named| (named.column.clone(), named.digest))
        .collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let key = Key::find(raw).await?.ok_or(ErasureError::NoSecret)?;
    Ok(Matcher::new(contract, &key, &wanted)?)
}

/// Records never change, so a process reads each once.
static KNOWN: LazyLock<Mutex<BTreeMap<Ulid, Arc<ErasureRecord>>>> = LazyLock::new(Mutex::default);

/// Every erasure of the lake, oldest first, and whether it is finished. One listing, and one request for each new one.
async fn records(raw: &Store) -> Result<Vec<(Arc<ErasureRecord>, bool)>, ErasureError> {
    let entries = raw.list(layout::ERASURES).await?;
    let is_done = |id: Ulid| {
        let certificate = layout::certificate_path(id);
        entries.iter().any(|entry| entry.path == certificate)
    };
    let ids = entries.iter().filter_map(|entry| layout::parse_erasure_path(&entry.path));
    let reads = ids.map(|id| async move { Ok::<_, ErasureError>((record(raw, id).await?, is_done(id))) });
    futures::stream::iter(reads.collect::<Vec<_>>()).buffered(GETS_AT_ONCE).try_collect().await
}

async fn record(raw: &Store, id: Ulid) -> Result<Arc<ErasureRecord>, ErasureError> {
    if let Some(known) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Ok(Arc::clone(known));
    }
    let path = layout::erasure_path(id);
    let record: ErasureRecord = read(raw, &path).await?;
    if record.version > VERSION {
        let finding = format!("it has version {}, and this program knows {VERSION}", record.version);
        return Err(ErasureError::Damaged { path, finding });
    }
    let record = Arc::new(record);
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&record));
    Ok(record)
}

async fn read<T: DeserializeOwned>(raw: &Store, path: &str) -> Result<T, ErasureError> {
    let text = raw.get(path).await?;
    serde_json::from_slice(&text).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &str, error: &serde_json::Error) -> ErasureError {
    ErasureError::Damaged { path: path.to_owned(), finding: error.to_string() }
}
