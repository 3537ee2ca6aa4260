//! Where a zone lies: a folder, or the URL of a container or bucket with an optional folder in it.
//!
//! Every zone has a URL of its own, so that grants can be given per container.

use std::fmt;
use std::path::Path;

use url::Url;

use crate::store::error::StoreError;

/// What kind of store a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    File,
    Memory,
    Azure,
    S3,
}

/// The URL of a zone's root, without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneUrl(Url);

impl ZoneUrl {
    /// Reads a folder (relative to `base`, which must be absolute) or a URL.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadUrl`] for a scheme that we do not know, a URL with a password or query, or one without container.
    pub fn parse(text: &str, base: &Path) -> Result<Self, StoreError> {
        let bad = |reason: &str| StoreError::BadUrl { url: text.to_owned(), reason: reason.to_owned() };
        if !text.contains("://") {
            if text.is_empty() {
                return Err(bad("it is empty"));
            }
            let folder = base.join(text);
            let url =
                Url::from_directory_path(&folder).map_err(|()| bad("a relative folder needs an absolute base"))?;
            return Ok(Self(url));
        }
        let mut url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        if url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            // The text is not repeated: what stands there is likely a secret.
            return Err(StoreError::BadUrl {
                url: format!("{}://…", url.scheme()),
                reason: "credentials and parameters belong under `options`, by reference".to_owned(),
            });
        }
        let scheme = scheme(&url).ok_or_else(|| bad("its scheme is none of file, abfss, az, s3 and memory"))?;
        if matches!(scheme, Scheme::Azure | Scheme::S3) && url.host_str().is_none_or(str::is_empty) {
            return Err(bad("it names no container or bucket"));
        }
        if scheme == Scheme::File && url.host_str().is_some_and(|host| !host.is_empty()) {
            return Err(bad("a file URL has three slashes: file:///folder"));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }

    /// The URL of a folder on the local disk.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadUrl`] when `folder` is not absolute.
    pub fn folder(folder: &Path) -> Result<Self, StoreError> {
        let url = Url::from_directory_path(folder).map_err(|()| StoreError::BadUrl {
            url: folder.display().to_string(),
            reason: "the folder must be absolute".to_owned(),
        })?;
        Ok(Self(url))
    }

    /// The URL, which ends in a slash.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether the zone lies on the local disk.
    pub fn is_local(&self) -> bool {
        self.scheme() == Scheme::File
    }

    pub(crate) fn scheme(&self) -> Scheme {
        scheme(&self.0).unwrap_or(Scheme::File)
    }

    /// The folder within the container or bucket; empty at its root.
    pub(crate) fn folder_in_container(&self) -> String {
        self.0.path().trim_matches('/').to_owned()
    }
}

fn scheme(url: &Url) -> Option<Scheme> {
    Some(match url.scheme() {
        "file" => Scheme::File,
        "memory" => Scheme::Memory,
        "abfss" | "abfs" | "az" | "azure" => Scheme::Azure,
        "s3" | "s3a" => Scheme::S3,
        _ => return None,
    })
}

impl fmt::Display for ZoneUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, StoreError> {
        ZoneUrl::parse(text, Path::new("/srv/project")).map(|url| url.to_string())
    }

    #[test]
    fn rejects_what_names_no_store() {
        for text in ["", "ftp://host/x", "s3:///x", "az:///x", "file://host/x"] {
            assert!(matches!(parse(text), Err(StoreError::BadUrl { .. })), "{text}");
        }
    }

    #[test]
    fn never_repeats_a_secret_that_stands_in_the_url() {
        for text in ["s3://key:hunter2@bucket/x", "az://raw/?sig=hunter2", "az://raw/#hunter2"] {
            let message = parse(text).unwrap_err().to_string();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_folder_is_taken_from_the_project_and_every_root_ends_in_a_slash() {
        for (text, url) in [
            ("lake/raw", "file:///srv/project/lake/raw/"),
            ("/data/my lake", "file:///data/my%20lake/"),
            ("file:///data/raw", "file:///data/raw/"),
            ("memory:///raw", "memory:///raw/"),
            ("s3://bucket", "s3://bucket/"),
            ("s3://bucket/a/b", "s3://bucket/a/b/"),
            ("abfss://raw@acct.dfs.core.windows.net/x", "abfss://raw@acct.dfs.core.windows.net/x/"),
        ] {
            assert_eq!(parse(text).unwrap(), url);
        }
    }
}
