//! Errors about one stream, with the line of the key that is to blame.

use crate::manifest::ManifestError;

/// Builds errors about one stream.
#[derive(Clone, Copy)]
pub(crate) struct Blame<'a> {
    pub(crate) file: &'a str,
    pub(crate) path: &'a str,
    pub(crate) line: &'a dyn Fn(&str) -> Option<usize>,
}

impl Blame<'_> {
    pub(crate) fn incomplete(&self, key: &str, reason: impl Into<String>, fix: impl Into<String>) -> ManifestError {
        let path = if key.is_empty() { self.path.to_owned() } else { format!("{}.{key}", self.path) };
        ManifestError::Incomplete {
            file: self.file.to_owned(),
            line: (self.line)(&path),
            path,
            reason: reason.into(),
            fix: fix.into(),
        }
    }

    pub(super) fn need<T>(&self, key: &str, value: Option<T>, fix: &str) -> Result<T, ManifestError> {
        value.ok_or_else(|| self.incomplete(key, format!("`{key}` is missing"), fix))
    }
}
