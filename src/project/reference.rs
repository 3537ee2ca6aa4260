//! Secrets by reference: `env:NAME` and `file:path`, never the secret itself.
//!
//! The environment is a value that `main.rs` reads once, so that nothing below it depends on the machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use headwater_contract::Secret;

use crate::project::ProjectError;

/// What the process was started with.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, Secret>,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// The operating-system user, for the project's map of users.
    pub user: String,
    /// The running program, which the demo starts once more to have something to kill.
    pub program: PathBuf,
}

impl Environment {
    /// Wraps the variables of the process; their values may be secrets and are never printed.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, folder: PathBuf, user: String) -> Self {
        Self {
            variables: variables.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
            folder,
            user,
            program: PathBuf::new(),
        }
    }

    /// The same, with the path of the running program.
    #[must_use]
    pub fn with_program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// The value of a variable that is no secret.
    pub fn plain(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(Secret::expose).filter(|text| !text.is_empty())
    }
}

/// Where a value that must not stand in the project file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `env:NAME`: a variable of the environment.
    Variable(String),
    /// `file:path`: the content of a file without its last line break; relative to the project.
    File(PathBuf),
}

impl Reference {
    /// Reads a reference, if `text` is one.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("env:") {
            return Some(Self::Variable(name.trim().to_owned()));
        }
        // `file:///…` is a URL of a folder, such as a zone's.
        let path = text.strip_prefix("file:").filter(|path| !path.starts_with("//"))?;
        Some(Self::File(PathBuf::from(path.trim())))
    }

    /// Fetches what it refers to. `at` names the place in the project file.
    ///
    /// # Errors
    ///
    /// [`ProjectError::NoVariable`] and [`ProjectError::NoSecretFile`] when it is not there.
    pub fn resolve(&self, environment: &Environment, project: &Path, at: &str) -> Result<Secret, ProjectError> {
        match self {
            Self::Variable(name) => environment
                .variables
                .get(name)
                .filter(|value| !value.expose().is_empty())
                .cloned()
                .ok_or_else(|| ProjectError::NoVariable { at: at.to_owned(), name: name.clone() }),
            Self::File(path) => {
                let path = project.join(path);
                let text = fs_err::read_to_string(&path)
                    .map_err(|source| ProjectError::NoSecretFile { at: at.to_owned(), source })?;
                Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
            }
        }
    }
}

/// Whether the name of a setting says that its value is a secret.
pub fn looks_secret(name: &str) -> bool {
    const WORDS: [&str; 8] =
        ["secret", "password", "token", "api_key", "access_key", "account_key", "private_key", "sas"];
    let name = name.to_ascii_lowercase();
    // The id of a key is no secret, and a path to a token file is none either.
    let is_harmless = name.ends_with("_id") || name.ends_with("_file") || name.ends_with("_path");
    !is_harmless && WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment::new(
            [("KEY".into(), "s3cret".into()), ("EMPTY".into(), String::new())],
            PathBuf::new(),
            "me".into(),
        )
    }

    #[test]
    fn a_reference_to_nothing_names_its_place() {
        for text in ["env:MISSING", "env:EMPTY", "file:no/such/file"] {
            let error =
                Reference::parse(text).unwrap().resolve(&environment(), Path::new("/"), "sources.shop.settings.key");
            assert!(error.unwrap_err().to_string().contains("sources.shop.settings.key"), "{text}");
        }
    }

    #[test]
    fn a_literal_and_a_folder_url_are_no_references() {
        assert_eq!(Reference::parse("sk_live_123"), None);
        assert_eq!(Reference::parse("file:///data/lake"), None);
    }

    #[test]
    fn a_secret_is_fetched_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("key"), "from a file\n").unwrap();
        let resolve = |text: &str| Reference::parse(text).unwrap().resolve(&environment(), folder.path(), "x").unwrap();
        assert_eq!(resolve("env:KEY").expose(), "s3cret");
        assert_eq!(resolve("file:key").expose(), "from a file");
        assert!(!format!("{:?}", environment()).contains("s3cret"));
    }

    #[test]
    fn names_of_secrets_are_known() {
        assert!(
            ["api_key", "aws_secret_access_key", "azure_storage_account_key", "SAS"]
                .iter()
                .all(|name| looks_secret(name))
        );
        assert!(
            !["aws_access_key_id", "region", "endpoint", "azure_federated_token_file"]
                .iter()
                .any(|name| looks_secret(name))
        );
    }
}
