//! What `headwater init` writes: a project that runs as it is, on the sandbox, and says what each line is for.

use std::path::{Path, PathBuf};

use crate::project::{PROJECT_FILE, ProjectError};

/// A first project; `{user}` becomes the person who made it, `{sources}` what is read.
pub const NEW_PROJECT: &str = "\
headwater: 1

# Where the lake is: a folder, or a URL for each zone (file, abfss, az, s3). Without this block: ./lake/<zone>.
# zones:
#   raw: abfss://raw@ACCOUNT.dfs.core.windows.net/
#   cleansed: abfss://cleansed@ACCOUNT.dfs.core.windows.net/
#   curated: abfss://curated@ACCOUNT.dfs.core.windows.net/
#   exploration: abfss://exploration@ACCOUNT.dfs.core.windows.net/
# store:
#   options: { azure_storage_account_key: env:AZURE_STORAGE_KEY }

# What is read. `headwater connectors list` shows what there is, `headwater connectors show NAME` what it asks for.
# Secrets stand here by reference only: env:NAME or file:path.
sources:
{sources}
# When `headwater schedule` reads: hourly, daily, or { cron: { at: \"15 6 * * *\", zone: Europe/Zurich } }.
schedule: hourly

# A proxy for all requests to sources; with credentials as env:NAME. The environment's own proxy variables are not used.
# proxy: http://proxy.example.com:3128

# Who may read which zone. The roles data_engineer, data_scientist, analyst and business are there already.
access:
  users:
    {user}: data_engineer
";

/// Writes a new project into `folder`: the project file with the given sources, `connectors/`, `stars/` and what git should not keep.
///
/// # Errors
///
/// [`ProjectError::Exists`] when there is a project already; nothing is ever overwritten.
pub fn new_project(folder: &Path, user: &str, sources: &str, is_sandbox: bool) -> Result<Vec<PathBuf>, ProjectError> {
    let file = folder.join(PROJECT_FILE);
    if file.exists() {
        return Err(ProjectError::Exists { path: file.display().to_string() });
    }
    let private = if is_sandbox { SANDBOX_PRIVATE } else { "" };
    let user = if user.is_empty() { "\"*\"" } else { user };
    let text = NEW_PROJECT.replace("{sources}", sources).replace("{user}", user) + private;
    let mut written = vec![file.clone()];
    for below in ["connectors", "stars"] {
        fs_err::create_dir_all(folder.join(below))?;
        written.push(folder.join(below));
    }
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs_err::write(&ignore, "/.headwater\n/lake\n")?;
        written.push(ignore);
    }
    fs_err::write(&file, text)?;
    Ok(written)
}

const SANDBOX_PRIVATE: &str = "
# Sources on private addresses are refused unless they are named here.
allow_private: [\"127.0.0.1:8787\"]
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::ProjectFile;

    #[test]
    fn a_new_project_reads_back_and_is_never_overwritten() {
        let source = "  shop:\n    connector: sandbox\n";
        let folder = tempfile::tempdir().unwrap();
        new_project(folder.path(), "alice", source, true).unwrap();
        let project = ProjectFile::read(folder.path()).unwrap();
        assert_eq!((project.sources.len(), project.allow_private.len()), (1, 1));
        assert_eq!(project.access.users.keys().collect::<Vec<_>>(), ["alice"]);
        assert!(matches!(new_project(folder.path(), "bob", source, true), Err(ProjectError::Exists { .. })));
        let nobody = tempfile::tempdir().unwrap();
        new_project(nobody.path(), "", source, false).unwrap();
        let project = ProjectFile::read(nobody.path()).unwrap();
        assert!(project.access.users.contains_key("*") && project.allow_private.is_empty());
    }
}
