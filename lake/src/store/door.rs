//! The `ObjectStore` that everything passes: rooted at the zone, right about offsets.
//!
//! Azurite ignores `startFrom` and answers the whole list (<https://github.com/Azure/Azurite/issues/2619>), which a reader of a
//! Delta log would take for commits that are already in its checkpoint. So the offset is applied here once more, on every store.
//!
//! What refuses a deletion names the request's URL, in which a shared access signature stands; every other request of the client
//! leaves the URL of such a request out. So signatures are taken out here.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// A store whose root is the zone's.
#[derive(Debug)]
pub(crate) struct Door {
    inner: Arc<dyn ObjectStore>,
}

impl Door {
    /// Roots `inner` at `folder`.
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, folder: &str) -> Self {
        if folder.is_empty() { Self { inner } } else { Self { inner: Arc::new(PrefixStore::new(inner, folder)) } }
    }
}

/// What a store said, with the signature left out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// The error without the signature that stands in a URL of it.
fn without_signature(error: Error) -> Error {
    match error {
        Error::Generic { store, source } => {
            let text = source.to_string();
            let source = if text.contains(SIGNATURE) { Box::new(Said(unsigned(&text))) } else { source };
            Error::Generic { store, source }
        }
        // Any other kind, and who knows what it holds: the text alone goes on.
        other if other.to_string().contains(SIGNATURE) => {
            Error::Generic { store: "store", source: Box::new(Said(unsigned(&other.to_string()))) }
        }
        other => other,
    }
}

/// What a signature in a query follows.
const SIGNATURE: &str = "sig=";

fn unsigned(text: &str) -> String {
    let mut parts = text.split(SIGNATURE);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c == '&' || c.is_whitespace()).unwrap_or(part.len());
        out.push_str(SIGNATURE);
        out.push('…');
        out.push_str(part.get(end..).unwrap_or_default());
    }
    out
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zone in {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Door {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations).map_err(without_signature).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let after = offset.clone();
        self.inner
            .list_with_offset(prefix, offset)
            .try_filter(move |entry| std::future::ready(entry.location > after))
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_signature_is_repeated() {
        let text =
            "POST http://x/raw?comp=batch&sig=abc%2Fdef%3D&se=1 in 2 s: POST http://x/raw?sig=abc%2Fdef%3D failed";
        let error = Error::Generic { store: "MicrosoftAzure", source: text.into() };
        let shown = format!("{} {:?}", without_signature(error), unsigned(text));
        assert!(
            !shown.contains("abc") && shown.contains("sig=…&se=1 in 2 s") && shown.contains("sig=… failed"),
            "{shown}"
        );
        let error = Error::Generic { store: "MicrosoftAzure", source: "no more than this".into() };
        assert!(without_signature(error).to_string().ends_with("no more than this"));
    }
}
