//! Where Power BI finds curated: a folder, or a container of ADLS Gen2.
//!
//! Power BI's service refreshes a model only if its sources are literals or parameters, and it asks for credentials of every
//! source that the text names. So the exported text names one connector, the one that fits.

use std::path::Path;

use url::Url;

use crate::powerbi::ExportError;

/// The host of ADLS Gen2 accounts; Power BI's connector takes no other.
const ADLS_HOST: &str = ".dfs.core.windows.net";

/// Where the curated zone lies, as Power BI sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CuratedLocation {
    /// A folder on the machine that Power BI or its gateway runs on.
    Folder(String),
    /// A container of ADLS Gen2. The connector takes no subfolder, so the path within is said apart.
    DataLake {
        /// `https://<account>.dfs.core.windows.net/<container>`.
        container: String,
        /// Folders from the container's root to curated, joined by `/`; empty where curated is the root.
        path: String,
    },
}

impl CuratedLocation {
    /// Reads what a person writes: a folder, `file:///…`, `https://<account>.dfs.core.windows.net/<container>[/path]` or
    /// `abfss://<container>@<account>.dfs.core.windows.net[/path]`.
    ///
    /// # Errors
    ///
    /// [`ExportError::Unreachable`] for other URLs.
    pub fn parse(text: &str) -> Result<Self, ExportError> {
        // `C:\lake` reads as a URL with the scheme `c`; no scheme has one letter.
        match Url::parse(text) {
            Ok(url) if url.scheme().len() > 1 => Self::of_url(&url),
            _ => Ok(Self::Folder(text.trim_end_matches(['/', '\\']).to_owned())),
        }
    }

    /// The location of a zone's URL.
    ///
    /// # Errors
    ///
    /// [`ExportError::Unreachable`] when Power BI has no connector for it.
    pub fn of_url(url: &Url) -> Result<Self, ExportError> {
        let unreachable = |reason| ExportError::Unreachable { location: url.to_string(), reason };
        let host = url.host_str().unwrap_or_default();
        let path = url.path().trim_matches('/');
        match url.scheme() {
            "file" => {
                let folder = url.to_file_path().map_err(|()| unreachable("it is no folder of this machine"))?;
                Self::of_folder(&folder).ok_or_else(|| unreachable("its name is not UTF-8"))
            }
            "https" if host.ends_with(ADLS_HOST) => {
                let (container, path) = path.split_once('/').unwrap_or((path, ""));
                if container.is_empty() {
                    return Err(unreachable("it names no container"));
                }
                Ok(Self::DataLake { container: format!("https://{host}/{container}"), path: path.to_owned() })
            }
            "abfss" | "abfs" if host.ends_with(ADLS_HOST) && !url.username().is_empty() => {
                Ok(Self::DataLake { container: format!("https://{host}/{}", url.username()), path: path.to_owned() })
            }
            "az" | "azure" | "adl" | "abfss" | "abfs" => Err(unreachable("the URL does not say the storage account")),
            "s3" | "s3a" => Err(unreachable("Power BI has no connector for Delta tables on S3")),
            _ => Err(unreachable("Power BI reads Delta tables from folders and ADLS Gen2 only")),
        }
    }

    fn of_folder(folder: &Path) -> Option<Self> {
        Some(Self::Folder(folder.to_str()?.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_power_bi_cannot_read() {
        for text in [
            "s3://lake/curated",
            "az://curated",
            "memory:///curated",
            "https://example.com/curated",
            "https://a.dfs.core.windows.net",
        ] {
            assert!(CuratedLocation::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_folders_and_containers() {
        let folder = |path: &str| CuratedLocation::Folder(path.to_owned());
        let container = |path: &str| CuratedLocation::DataLake {
            container: "https://acct.dfs.core.windows.net/lake".to_owned(),
            path: path.to_owned(),
        };
        for (text, expected) in [
            ("/lake/curated/", folder("/lake/curated")),
            ("file:///lake/curated/", folder("/lake/curated")),
            ("C:\\lake\\curated", folder("C:\\lake\\curated")),
            ("https://acct.dfs.core.windows.net/lake", container("")),
            ("https://acct.dfs.core.windows.net/lake/prod/curated/", container("prod/curated")),
            ("abfss://lake@acct.dfs.core.windows.net/prod/curated", container("prod/curated")),
        ] {
            assert_eq!(CuratedLocation::parse(text).unwrap(), expected, "{text}");
        }
    }
}
