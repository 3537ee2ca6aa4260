//! The receipts of a lake: created once, never changed but by an erasure above them, found by listing.
//!
//! Who wins a generation is decided by the object in the store, never by the answer to the put: an answer can be lost, and the
//! same put sent again then says "already exists" about its own bytes. So on any error the object is read back and the attempt
//! id inside decides.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use headwater_contract::{ErrorKind, Explain, SourceName, StreamName, Window};
use thiserror::Error;

use crate::raw::receipt::{RECEIPT_VERSION, Receipt, standing};
use crate::store::{Store, StoreError};
use crate::zones::layout;

/// Receipts fetched at once when many windows are read.
const GETS_AT_ONCE: usize = 16;

/// Why receipts could not be read or written.
#[derive(Debug, Error)]
pub enum ReceiptError {
    /// The store did not do as it was asked.
    #[error("cannot reach the receipts")]
    Store(#[from] StoreError),
    /// The object is no receipt.
    #[error("`{path}` is not a receipt")]
    Unreadable {
        /// Where it lies in raw.
        path: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A newer program wrote it.
    #[error("the receipt `{path}` has version {version}, and this program knows {RECEIPT_VERSION}")]
    Newer {
        /// Where it lies in raw.
        path: String,
        /// Its version.
        version: u32,
    },
    /// What it says of itself is not where it lies.
    #[error("the receipt `{path}` speaks of another window or generation")]
    Misplaced {
        /// Where it lies in raw.
        path: String,
    },
}

impl Explain for ReceiptError {
    fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Unreadable { .. } => "receipt-unreadable",
            Self::Newer { .. } => "receipt-newer",
            Self::Misplaced { .. } => "receipt-misplaced",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Unreadable { .. } | Self::Misplaced { .. } => ErrorKind::Internal,
            Self::Newer { .. } => ErrorKind::Config,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Store(error) => error.place(),
            Self::Unreadable { path, .. } | Self::Newer { path, .. } | Self::Misplaced { path } => path.clone(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Store(error) => error.fix(),
            Self::Unreadable { .. } | Self::Misplaced { .. } => {
                "restore the object from a copy of raw: receipts are never changed, so any copy is good".to_owned()
            }
            Self::Newer { .. } => "run the newer version of headwater that wrote it".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "what was committed before stays; running again is safe".to_owned()
    }
}

/// What became of a receipt that was to be created.
#[derive(Clone, Debug, PartialEq)]
pub enum Landing {
    /// It is the truth of its generation, and this attempt made it.
    Created,
    /// Another attempt was first; its receipt is the truth.
    Lost(Box<Receipt>),
}

/// The receipts in raw.
#[derive(Clone, Debug)]
pub struct Receipts {
    raw: Store,
}

impl Receipts {
    /// The receipts in `raw`.
    pub fn new(raw: &Store) -> Self {
        Self { raw: raw.clone() }
    }

    /// Makes `receipt` the truth of its generation, or tells who was first.
    ///
    /// # Errors
    ///
    /// What the store said, when the receipt can neither be created nor read back. It may be there all the same and counts from
    /// then on: the next listing of its window finds it.
    pub async fn create(&self, receipt: &Receipt) -> Result<Landing, ReceiptError> {
        let window = receipt.window().map_err(|_| ReceiptError::Misplaced { path: receipt.window.clone() })?;
        let path = layout::receipt_path(&receipt.stream, &window, receipt.generation);
        let text = serde_json::to_vec_pretty(receipt)
            .map_err(|source| ReceiptError::Unreadable { path: path.clone(), source })?;
        let refused = match self.raw.put_new(&path, Bytes::from(text)).await {
            Ok(()) => return Ok(Landing::Created),
            Err(error) => error,
        };
        match self.read(&receipt.stream, &path).await {
            Ok(kept) if kept.attempt == receipt.attempt => Ok(Landing::Created),
            Ok(kept) => Ok(Landing::Lost(Box::new(kept))),
            // Not there: the put failed, and its error says why.
            Err(ReceiptError::Store(StoreError::NotFound { .. })) => Err(refused.into()),
            Err(error) => Err(error),
        }
    }

    /// The receipts of a window that count, by generation: those below a complete erasure are left out.
    ///
    /// # Errors
    ///
    /// What the store said, or that an object is no receipt.
    pub async fn of_window(&self, stream: &StreamName, window: &Window) -> Result<Vec<Receipt>, ReceiptError> {
        Ok(standing(self.all_of_window(stream, window).await?))
    }

    /// Every receipt of a window as it lies there, by generation, those that an erasure emptied among them.
    ///
    /// # Errors
    ///
    /// What the store said, or that an object is no receipt.
    pub(crate) async fn all_of_window(
        &self,
        stream: &StreamName,
        window: &Window,
    ) -> Result<Vec<Receipt>, ReceiptError> {
        let entries = self.raw.list(&layout::window_receipts_prefix(stream, window)).await?;
        let paths: Vec<_> = entries
            .into_iter()
            .filter(|entry| layout::parse_receipt_path(stream, &entry.path).is_some_and(|(found, _)| found == *window))
            .map(|entry| entry.path)
            .collect();
        self.read_all(stream, paths).await
    }

    /// The receipt of the window's highest generation.
    ///
    /// # Errors
    ///
    /// What the store said, or that the object is no receipt.
    pub async fn latest(&self, stream: &StreamName, window: &Window) -> Result<Option<Receipt>, ReceiptError> {
        let entries = self.raw.list(&layout::window_receipts_prefix(stream, window)).await?;
        let known = |path: &str| layout::parse_receipt_path(stream, path).filter(|(found, _)| found == window);
        let generation = entries.iter().filter_map(|entry| known(&entry.path)).map(|(_, generation)| generation).max();
        match generation {
            Some(generation) => self.read(stream, &layout::receipt_path(stream, window, generation)).await.map(Some),
            None => Ok(None),
        }
    }

    /// Every window of a stream that has receipts, with their generations in order. One listing, no object is read.
    ///
    /// # Errors
    ///
    /// What the store said.
    pub async fn windows(&self, stream: &StreamName) -> Result<BTreeMap<Window, Vec<u64>>, ReceiptError> {
        let mut windows: BTreeMap<Window, Vec<u64>> = BTreeMap::new();
        for entry in self.raw.list(&layout::receipts_prefix(stream)).await? {
            if let Some((window, generation)) = layout::parse_receipt_path(stream, &entry.path) {
                windows.entry(window).or_default().push(generation);
            }
        }
        for generations in windows.values_mut() {
            generations.sort_unstable();
        }
        Ok(windows)
    }

    /// Every receipt of a stream that counts, by window and generation.
    ///
    /// # Errors
    ///
    /// What the store said, or that an object is no receipt.
    pub async fn of_stream(&self, stream: &StreamName) -> Result<BTreeMap<Window, Vec<Receipt>>, ReceiptError> {
        let all = self.all_of_stream(stream).await?;
        Ok(all.into_iter().map(|(window, receipts)| (window, standing(receipts))).collect())
    }

    /// Every receipt of a stream as it lies there.
    ///
    /// # Errors
    ///
    /// What the store said, or that an object is no receipt.
    pub(crate) async fn all_of_stream(
        &self,
        stream: &StreamName,
    ) -> Result<BTreeMap<Window, Vec<Receipt>>, ReceiptError> {
        let paths = self.windows(stream).await?.into_iter().flat_map(|(window, generations)| {
            generations
                .into_iter()
                .map(|generation| layout::receipt_path(stream, &window, generation))
                .collect::<Vec<_>>()
        });
        let mut windows: BTreeMap<Window, Vec<Receipt>> = BTreeMap::new();
        for receipt in self.read_all(stream, paths.collect()).await? {
            // `read` has compared the receipt with its path, so it names a window.
            if let Ok(window) = receipt.window() {
                windows.entry(window).or_default().push(receipt);
            }
        }
        Ok(windows)
    }

    /// Every stream that has a folder in raw. One listing a source.
    ///
    /// # Errors
    ///
    /// What the store said.
    pub async fn streams(&self) -> Result<Vec<StreamName>, ReceiptError> {
        let mut streams = Vec::new();
        for source in self.raw.folders("").await? {
            // `_headwater` and `_state` are no names of sources.
            let Ok(name) = SourceName::new(source.as_str()) else { continue };
            let names = self.raw.folders(&source).await?;
            streams.extend(names.into_iter().filter_map(|stream| StreamName::new(name.clone(), stream).ok()));
        }
        Ok(streams)
    }

    /// Puts `receipt` in the place of the one that it was made from: an erasure's only, and only below its own receipts.
    ///
    /// # Errors
    ///
    /// What the store said; writing it again is safe.
    pub(crate) async fn replace_emptied(&self, receipt: &Receipt) -> Result<(), ReceiptError> {
        let window = receipt.window().map_err(|_| ReceiptError::Misplaced { path: receipt.window.clone() })?;
        let path = layout::receipt_path(&receipt.stream, &window, receipt.generation);
        let text = serde_json::to_vec_pretty(receipt)
            .map_err(|source| ReceiptError::Unreadable { path: path.clone(), source })?;
        Ok(self.raw.put(&path, Bytes::from(text)).await?)
    }

    async fn read_all(&self, stream: &StreamName, paths: Vec<String>) -> Result<Vec<Receipt>, ReceiptError> {
        let reads = paths.into_iter().map(|path| async move { self.read(stream, &path).await });
        let mut receipts: Vec<Receipt> = futures::stream::iter(reads).buffered(GETS_AT_ONCE).try_collect().await?;
        receipts.sort_by(|a, b| (&a.slice, &a.window, a.generation).cmp(&(&b.slice, &b.window, b.generation)));
        Ok(receipts)
    }

    async fn read(&self, stream: &StreamName, path: &str) -> Result<Receipt, ReceiptError> {
        let text = self.raw.get(path).await?;
        let unreadable = |source| ReceiptError::Unreadable { path: path.to_owned(), source };
        // The version first: a newer receipt need not read as one of ours.
        let Versioned { version } = serde_json::from_slice(&text).map_err(unreadable)?;
        if version > RECEIPT_VERSION {
            return Err(ReceiptError::Newer { path: path.to_owned(), version });
        }
        let receipt: Receipt = serde_json::from_slice(&text).map_err(unreadable)?;
        let said = receipt.window().ok().map(|window| (window, receipt.generation));
        if receipt.stream == *stream && said.is_some() && said == layout::parse_receipt_path(stream, path) {
            Ok(receipt)
        } else {
            Err(ReceiptError::Misplaced { path: path.to_owned() })
        }
    }
}

#[derive(serde::Deserialize)]
struct Versioned {
    version: u32,
}
