//! Why a manifest cannot be used, with the place in its text.

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

use headwater_contract::yaml::YamlError;

/// Why a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// The text does not fit the vocabulary.
    #[error("cannot read `{file}`: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Line, from 1; 0 when unknown.
        line: u64,
        /// Column, from 1; 0 when unknown.
        column: u64,
        /// What is wrong, with the allowed names.
        reason: String,
        /// The lines around it.
        snippet: String,
    },
    /// Written for another version of the vocabulary.
    #[error("`{file}` is written in version {found} of the vocabulary; this engine reads version {}", super::VERSION)]
    Version {
        /// The file.
        file: String,
        /// Its version.
        found: u32,
        /// Line of the version.
        line: Option<usize>,
    },
    /// A stream lacks something or contradicts itself.
    #[error("`{path}` in `{file}` is not complete: {reason}")]
    Incomplete {
        /// The file.
        file: String,
        /// Where, e.g. `streams.charges.window`.
        path: String,
        /// Line of that place.
        line: Option<usize>,
        /// What is missing or contradictory.
        reason: String,
        /// What to write.
        fix: String,
    },
    /// A project's words for a stream do not fit.
    #[error("stream `{stream}` of the project does not fit connector `{connector}`: {reason}")]
    ProjectStream {
        /// The connector.
        connector: String,
        /// The stream.
        stream: String,
        /// What does not fit.
        reason: String,
    },
    /// No connector has this name.
    #[error("there is no connector `{name}`")]
    NotFound {
        /// What was asked for.
        name: String,
        /// The nearest name there is.
        nearest: Option<String>,
    },
    /// A file of the project's folder could not be read.
    #[error("cannot read a connector from `{file}`: {reason}")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        reason: String,
    },
}

impl ManifestError {
    pub(crate) fn unreadable(error: YamlError, file: &str) -> Self {
        let YamlError { line, column, reason, snippet } = error;
        Self::Unreadable { file: file.to_owned(), line, column, reason, snippet }
    }

    /// The lines around the place, ready to print; empty when there is none.
    pub fn snippet(&self) -> &str {
        if let Self::Unreadable { snippet, .. } = self { snippet } else { "" }
    }
}

impl Explain for ManifestError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "manifest-unreadable",
            Self::Version { .. } => "manifest-version",
            Self::Incomplete { .. } => "manifest-incomplete",
            Self::ProjectStream { .. } => "project-stream",
            Self::NotFound { .. } => "connector-not-found",
            Self::File { .. } => "connector-file",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }

    fn place(&self) -> String {
        match self {
            Self::Unreadable { file, line, column, .. } if *line > 0 => format!("{file}:{line}:{column}"),
            Self::Incomplete { file, path, line: Some(line), .. } => format!("{file}:{line} {path}"),
            Self::Version { file, line: Some(line), .. } => format!("{file}:{line}"),
            Self::Unreadable { file, .. }
            | Self::Version { file, .. }
            | Self::Incomplete { file, .. }
            | Self::File { file, .. } => file.clone(),
            Self::ProjectStream { stream, .. } => format!("headwater.yaml, streams.{stream}"),
            Self::NotFound { .. } => String::new(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Unreadable { .. } => "mend the line; the message names what may stand there".to_owned(),
            Self::Version { .. } => {
                format!("write `manifest: {}`, or use an engine that reads that version", super::VERSION)
            }
            Self::Incomplete { fix, .. } => fix.clone(),
            Self::ProjectStream { .. } => "mend the stream in the project file".to_owned(),
            Self::NotFound { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`? `headwater connectors list` shows all")
            }
            Self::NotFound { nearest: None, .. } => "run `headwater connectors list` to see all".to_owned(),
            Self::File { .. } => "check the file and its permissions".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing was read or written".to_owned()
    }
}
