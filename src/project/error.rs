//! What can be wrong with a project file. Every error is the user's to mend, so each has the same exit code.

use std::io;

use headwater_contract::yaml::YamlError;
use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

/// Why a project cannot be used.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// There is no project file where one was looked for.
    #[error("no project here: {source}")]
    NotFound {
        /// What the file system said; names the file.
        source: io::Error,
    },
    /// The file is not what a project file is.
    #[error("cannot read the project file `{path}`")]
    Invalid {
        /// The file.
        path: String,
        /// Where in it, e.g. `headwater.yaml:12:5`.
        place: String,
        /// The parser's words, with the lines around the place.
        source: YamlError,
    },
    /// The vocabulary is of another version.
    #[error("this project file is of version {found}, this program reads version 1")]
    Version {
        /// What the file says.
        found: u32,
    },
    /// A secret stands in the file itself.
    #[error("`{at}` holds a secret as plain text")]
    LiteralSecret {
        /// Place in the file.
        at: String,
    },
    /// A reference to a variable that is not set.
    #[error("`{at}` refers to the environment variable `{name}`, which is not set")]
    NoVariable {
        /// Place in the file.
        at: String,
        /// The variable.
        name: String,
    },
    /// A reference to a file that cannot be read.
    #[error("`{at}` refers to a file that cannot be read")]
    NoSecretFile {
        /// Place in the file.
        at: String,
        /// What the file system said.
        source: io::Error,
    },
    /// A name that the project does not have.
    #[error("the project has no {what} `{name}`")]
    Unknown {
        /// `source`, `stream`, `star`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Something that contradicts itself, in words.
    #[error("`{at}`: {problem}")]
    Contradiction {
        /// Place in the file.
        at: String,
        /// What is wrong.
        problem: String,
    },
    /// A file that is there is never written over.
    #[error("`{path}` is already there")]
    Exists {
        /// The file.
        path: String,
    },
    /// A file of the project cannot be written or read.
    #[error("a file of the project cannot be used")]
    Io {
        /// What the file system said; names the file.
        #[from]
        source: io::Error,
    },
}

impl Explain for ProjectError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "no-project",
            Self::Invalid { .. } => "project-invalid",
            Self::Version { .. } => "project-version",
            Self::LiteralSecret { .. } => "literal-secret",
            Self::NoVariable { .. } => "no-variable",
            Self::NoSecretFile { .. } => "no-secret-file",
            Self::Unknown { .. } => "unknown-name",
            Self::Contradiction { .. } => "contradiction",
            Self::Exists { .. } => "exists",
            Self::Io { .. } => "project-files",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }

    fn place(&self) -> String {
        match self {
            Self::Invalid { place, .. } => place.clone(),
            Self::LiteralSecret { at }
            | Self::NoVariable { at, .. }
            | Self::NoSecretFile { at, .. }
            | Self::Contradiction { at, .. } => format!("headwater.yaml, {at}"),
            _ => String::new(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::NotFound { .. } => "run `headwater init`, or name the project with `--project FOLDER`".into(),
            Self::Invalid { .. } => "mend the line that is marked".into(),
            Self::Version { .. } => "write `headwater: 1`, or use the release that made this file".into(),
            Self::LiteralSecret { .. } => {
                "put it into the environment or a file and write `env:NAME` or `file:path`; renew the secret if the file was shared"
                    .into()
            }
            Self::NoVariable { name, .. } => format!("set `{name}`, then run again"),
            Self::NoSecretFile { .. } => "create the file, or mend the path".into(),
            Self::Unknown { what, known, .. } if known.is_empty() => format!("add a {what} to the project"),
            Self::Unknown { known, .. } => format!("write one of: {}", known.join(", ")),
            Self::Contradiction { .. } => "mend the setting".into(),
            Self::Exists { .. } => "choose another place, or move it away first".into(),
            Self::Io { .. } => "check the path and its permissions".into(),
        }
    }

    fn committed(&self) -> String {
        "nothing was read or written".into()
    }
}
