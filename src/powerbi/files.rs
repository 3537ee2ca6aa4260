//! The files of a project, and how they are written over an earlier export.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::powerbi::ExportError;
use crate::powerbi::model::TABLE_ANNOTATION;

/// A project as texts by path, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    name: String,
    files: BTreeMap<String, String>,
    notes: Vec<String>,
}

/// What [`Project::write`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file to open in Power BI Desktop.
    pub pbip: PathBuf,
    /// How many files were written.
    pub files: usize,
    /// The report was there already and was left as it is.
    pub kept_report: bool,
}

impl Project {
    pub(super) fn new(name: String) -> Self {
        Self { name, files: BTreeMap::new(), notes: Vec::new() }
    }

    /// The name of the model and report, and of their folders.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every file: its path within the project, with `/`, and its text.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// What of the star the project does not show, as sentences for the user.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The folder of the model.
    pub(super) fn model_folder(&self) -> String {
        format!("{}.SemanticModel", self.name)
    }

    /// The folder of the report.
    pub(super) fn report_folder(&self) -> String {
        format!("{}.Report", self.name)
    }

    pub(super) fn add(&mut self, path: String, text: String) {
        self.files.insert(path, text);
    }

    pub(super) fn add_json(&mut self, path: String, value: &Value) {
        self.add(path, format!("{value:#}\n"));
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Writes the project into `folder`.
    ///
    /// The model is replaced, tables that the star no longer has included. A report that is there is the user's work and stays.
    ///
    /// # Errors
    ///
    /// [`ExportError::Unwritable`].
    pub fn write(&self, folder: &Path) -> Result<Written, ExportError> {
        let report = format!("{}/", self.report_folder());
        let kept_report = folder.join(&report).join("definition.pbir").exists();
        self.remove_stale_tables(folder)?;
        let mut files = 0;
        for (path, text) in self.files.iter().filter(|(path, _)| !(kept_report && path.starts_with(&report))) {
            let path = folder.join(path);
            let failed = |source| ExportError::Unwritable { path: path.clone(), source };
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent).map_err(failed)?;
            }
            fs_err::write(&path, text).map_err(failed)?;
            files += 1;
        }
        Ok(Written { pbip: folder.join(format!("{}.pbip", self.name)), files, kept_report })
    }

    /// Takes away tables of an earlier export. A table that somebody added by hand has not our annotation and stays.
    fn remove_stale_tables(&self, folder: &Path) -> Result<(), ExportError> {
        let tables = format!("{}/definition/tables", self.model_folder());
        let at = folder.join(&tables);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ExportError::Unwritable { path, source }
        };
        if !at.exists() {
            return Ok(());
        }
        for entry in fs_err::read_dir(&at).map_err(failed(&at))? {
            let path = entry.map_err(failed(&at))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_table = path.extension().is_some_and(|extension| extension == "tmdl");
            if !is_table || self.files.contains_key(&format!("{tables}/{name}")) {
                continue;
            }
            if fs_err::read_to_string(&path).map_err(failed(&path))?.contains(TABLE_ANNOTATION) {
                fs_err::remove_file(&path).map_err(failed(&path))?;
            }
        }
        Ok(())
    }
}
