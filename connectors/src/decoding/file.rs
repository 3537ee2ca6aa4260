//! A body that is a file: it is kept as it came, and is one record that says how large it is and what it digests to.
//!
//! The bytes themselves are the body's chunks, which land in raw like those of any other body; a reader of the table finds them by
//! request and proves them by the digest.

use std::fmt;

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::DecodeError;
use super::json::{html, snippet};

/// A file, as written in a manifest. Its record has `size_bytes`, `sha256` in hexadecimal, and `content_type` where the source says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileManifest {
    /// Files may be HTML pages; otherwise one is taken for a login or error page, and the reading fails.
    pub may_be_html: bool,
}

/// Takes in one file.
pub(super) struct FileSplitter {
    may_be_html: bool,
    size: u64,
    digest: Context,
}

impl fmt::Debug for FileSplitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSplitter").field("size", &self.size).finish_non_exhaustive()
    }
}

impl FileSplitter {
    pub(super) fn new(manifest: &FileManifest) -> Self {
        Self { may_be_html: manifest.may_be_html, size: 0, digest: Context::new(&SHA256) }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), DecodeError> {
        let start = piece.trim_ascii_start();
        if self.size == 0 && !self.may_be_html && html(start) {
            return Err(DecodeError::Html { snippet: snippet(start) });
        }
        self.size += piece.len() as u64;
        self.digest.update(piece);
        Ok(())
    }

    /// The record of the whole file.
    pub(super) fn finish(&self, content_type: Option<&str>) -> Bytes {
        let digest = self.digest.clone().finish();
        let sha256 = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let mut record = json!({ "size_bytes": self.size, "sha256": sha256 });
        if let (Some(content_type), Some(fields)) = (content_type, record.as_object_mut()) {
            fields.insert("content_type".to_owned(), content_type.into());
        }
        record.to_string().into()
    }

    pub(super) fn is_within_record(&self) -> bool {
        self.size > 0
    }
}
