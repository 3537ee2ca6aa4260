//! An upload in pieces, for files that are written while they are made.
//!
//! It replaces what stands under its name, so it is only for names that carry an attempt's ULID and are never contended.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWrite;

/// Bytes of a piece. S3 wants at least 5 MiB; a file below this is one put.
const PIECE_BYTES: usize = 5 << 20;
/// Pieces under way at once, which bounds memory at about three pieces.
const PIECES_AT_ONCE: usize = 2;

/// A file on its way to the store. It is there when `shutdown` has returned, and not before.
pub struct Upload {
    writer: BufWriter,
}

impl Upload {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self { writer: BufWriter::with_capacity(store, path, PIECE_BYTES).with_max_concurrency(PIECES_AT_ONCE) }
    }

    /// Gives the upload up. What the store keeps of it is no object and goes by the store's own rules.
    pub async fn abort(&mut self) {
        // An upload that is too small to have begun refuses to be aborted, and leaves nothing.
        drop(self.writer.abort().await);
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.writer, f)
    }
}

/// The store's error inside an I/O error, where there is one.
pub(crate) fn as_store_error(error: io::Error) -> object_store::Error {
    match error.downcast::<object_store::Error>() {
        Ok(inner) => inner,
        Err(error) => object_store::Error::Generic { store: "upload", source: Box::new(error) },
    }
}

impl AsyncWrite for Upload {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(context)
    }
}
