//! All connectors that a project can name: those in the binary, and those in its own folder, which win.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::connector::{Connector, ConnectorInfo};
use crate::manifest::ManifestError;

/// The manifests in the binary, which are the files in `manifests/`: file name and text.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/manifests.rs"));

/// All connectors that a project can name.
#[derive(Clone, Debug)]
pub struct Library {
    /// By name: where the manifest comes from, its file's name, its text.
    texts: BTreeMap<String, (String, String)>,
}

impl Library {
    /// The connectors in the binary.
    pub fn embedded() -> Self {
        let texts = EMBEDDED.iter().filter_map(|(file, text)| {
            let name = file.strip_suffix(".yaml")?;
            Some((name.to_owned(), ((*file).to_owned(), (*text).to_owned())))
        });
        Self { texts: texts.collect() }
    }

    /// The file names and texts in the binary, for `lint` and generated pages.
    pub fn embedded_texts() -> impl Iterator<Item = (&'static str, &'static str)> {
        EMBEDDED.iter().copied()
    }

    /// Adds the manifests of a folder; a folder that does not exist adds none. A manifest's file is named after its connector.
    ///
    /// # Errors
    ///
    /// [`ManifestError::File`] when the folder or a file in it cannot be read.
    pub fn with_folder(mut self, folder: &Path) -> Result<Self, ManifestError> {
        let file_error = |path: &Path, error: &std::io::Error| ManifestError::File {
            file: path.display().to_string(),
            reason: error.to_string(),
        };
        if !folder.is_dir() {
            return Ok(self);
        }
        let entries = fs_err::read_dir(folder).map_err(|error| file_error(folder, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| file_error(folder, &error))?.path();
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_yaml) else { continue };
            let text = fs_err::read_to_string(&path).map_err(|error| file_error(&path, &error))?;
            self.texts.insert(name.to_owned(), (path.display().to_string(), text));
        }
        Ok(self)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// All connectors, by name. A manifest that cannot be read is left out; [`Library::get`] says why.
    pub fn list(&self) -> Vec<ConnectorInfo> {
        self.texts.keys().filter_map(|name| self.get(name).ok()).map(|connector| connector.info()).collect()
    }

    /// The manifests that cannot be read, with the reason.
    pub fn broken(&self) -> Vec<ManifestError> {
        self.texts.keys().filter_map(|name| self.get(name).err()).collect()
    }

    /// The connector of this name.
    ///
    /// # Errors
    ///
    /// [`ManifestError::NotFound`], or what is wrong with its manifest.
    pub fn get(&self, name: &str) -> Result<Arc<Connector>, ManifestError> {
        let (origin, text) = self.text(name)?;
        let connector = Connector::parse(text, origin)?;
        if connector.name() != name {
            return Err(ManifestError::Incomplete {
                file: origin.to_owned(),
                path: "connector".to_owned(),
                line: connector.line("connector"),
                reason: format!("it says `{}`, but the file is named after `{name}`", connector.name()),
                fix: "give both the same name".to_owned(),
            });
        }
        Ok(Arc::new(connector))
    }

    /// The file that a manifest is from, and its text.
    ///
    /// # Errors
    ///
    /// [`ManifestError::NotFound`].
    pub fn text(&self, name: &str) -> Result<(&str, &str), ManifestError> {
        let found = self.texts.get(name).map(|(origin, text)| (origin.as_str(), text.as_str()));
        found.ok_or_else(|| ManifestError::NotFound { name: name.to_owned(), nearest: self.nearest(name) })
    }

    /// The name that differs least.
    fn nearest(&self, name: &str) -> Option<String> {
        let near = self.texts.keys().map(|known| (distance(known, name), known));
        near.filter(|(distance, _)| *distance <= 2).min().map(|(_, known)| known.clone())
    }
}

/// How many letters must be added, removed or changed to make one text the other.
pub(crate) fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = at;
        let mut above = at + 1;
        let mut next = vec![above];
        for (other, up) in right.iter().zip(row.iter().skip(1)) {
            above = (diagonal + usize::from(letter != *other)).min(up + 1).min(above + 1);
            diagonal = *up;
            next.push(above);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_nearest_connector() {
        let nearest = |name: &str| match Library::embedded().get(name) {
            Err(ManifestError::NotFound { nearest, .. }) => nearest,
            other => panic!("{name} is a connector: {}", other.is_ok()),
        };
        assert_eq!(nearest("strip").as_deref(), Some("stripe"));
        assert_eq!(nearest("sand_box").as_deref(), Some("sandbox"));
        assert_eq!(nearest("nothing of this kind"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn every_embedded_manifest_is_complete() {
        assert_eq!(Library::embedded().broken(), []);
        assert_eq!(Library::embedded().list().len(), EMBEDDED.len());
    }

    #[test]
    fn a_manifest_of_the_project_wins_and_is_named_after_its_connector() {
        let folder = tempfile::tempdir().unwrap();
        let (_, text) = Library::embedded_texts().find(|(file, _)| *file == "stripe.yaml").unwrap();
        fs_err::write(folder.path().join("stripe.yaml"), text.replace("title: Stripe\n", "title: Our Stripe\n"))
            .unwrap();
        fs_err::write(folder.path().join("other.yaml"), text).unwrap();
        let library = Library::embedded().with_folder(folder.path()).unwrap();
        assert_eq!(library.get("stripe").unwrap().info().title, "Our Stripe");
        assert!(matches!(library.get("other"), Err(ManifestError::Incomplete { path, .. }) if path == "connector"));
        assert_eq!(library.broken().len(), 1);
    }
}
