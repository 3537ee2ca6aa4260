//! Why a star cannot be exported.

use std::path::PathBuf;

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

/// Why a star cannot be exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Power BI has no connector for where the tables lie.
    #[error("Power BI cannot read curated tables at {location}")]
    Unreachable {
        /// Where they lie.
        location: String,
        /// What stands in the way.
        reason: &'static str,
    },
    /// A column is not flat.
    #[error("column `{column}` of `{table}` has the type {column_type}, which Power BI has no word for")]
    NotFlat {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        column_type: String,
    },
    /// The folder cannot be written.
    #[error("cannot write {path}", path = path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Explain for ExportError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "powerbi-unreachable",
            Self::NotFlat { .. } => "powerbi-not-flat",
            Self::Unwritable { .. } => "powerbi-unwritable",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }

    fn place(&self) -> String {
        match self {
            Self::Unreachable { location, reason } => format!("{location}: {reason}"),
            Self::NotFlat { table, column, .. } => format!("{table}.{column}"),
            Self::Unwritable { path, .. } => path.display().to_string(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "give a folder, or `https://<account>.dfs.core.windows.net/<container>`, that holds a copy of curated"
                    .to_owned()
            }
            Self::NotFlat { column, .. } => format!("give `{column}` a flat type in the star's model"),
            Self::Unwritable { .. } => "choose a folder that can be written".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "the lake is not touched; exporting again is safe".to_owned()
    }
}
