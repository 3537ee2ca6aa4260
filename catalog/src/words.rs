//! Words for people: owners, descriptions, tags and the glossary, from `catalog.yaml` under version control.
//!
//! They are laid over what the runner recorded: an owner or description here wins, tags add up, and a classification here is
//! added or replaced. Words about tables that are not there are reported, not dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use headwater_contract::{Classification, ErrorKind, Explain, TableName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::datasets::Dataset;
use crate::roles::Grant;

/// Version of the vocabulary.
const VERSION: u32 = 1;

/// Why a file of business words cannot be used.
#[derive(Debug, Error)]
pub enum WordsError {
    /// It cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It does not say what it may say.
    #[error("{origin} is not a catalog file: {reason}")]
    Invalid {
        /// The file.
        origin: String,
        /// What is wrong, with line and column.
        reason: String,
    },
}

impl Explain for WordsError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "catalog-unreadable",
            Self::Invalid { .. } => "catalog-invalid",
        }
    }
    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }
    fn place(&self) -> String {
        match self {
            Self::Unreadable { path, .. } => path.display().to_string(),
            Self::Invalid { origin, .. } => origin.clone(),
        }
    }
    fn fix(&self) -> String {
        match self {
            Self::Unreadable { .. } => "make the file readable, or take it away".to_owned(),
            Self::Invalid { .. } => "mend the line that is named".to_owned(),
        }
    }
    fn committed(&self) -> String {
        "nothing was changed".to_owned()
    }
}

/// A word that the business uses, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The word as people write it.
    pub title: String,
    /// What it means.
    pub meaning: String,
    /// Who decides what it means.
    #[serde(default)]
    pub owner: Option<String>,
    /// Other words for it.
    #[serde(default)]
    pub synonyms: Vec<String>,
}

/// What people say about a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnWords {
    /// What it means.
    #[serde(default)]
    pub description: Option<String>,
    /// How sensitive it is.
    #[serde(default)]
    pub classification: Option<Classification>,
    /// The glossary's word for it.
    #[serde(default)]
    pub term: Option<String>,
}

/// What people say about a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableWords {
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// What it is.
    #[serde(default)]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// The glossary's words that it is about.
    #[serde(default)]
    pub terms: BTreeSet<String>,
    /// What people say about its columns.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnWords>,
}

/// What people say about every table of a zone or schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupWords {
    /// Who answers for tables that name nobody else.
    #[serde(default)]
    pub owner: Option<String>,
    /// Words to find them by.
    #[serde(default)]
    pub tags: BTreeSet<String>,
}

/// `catalog.yaml`.
///
/// ```yaml
/// catalog: 1
/// glossary:
///   net_sales: { title: Net sales, meaning: What customers paid after discounts, owner: finance }
/// groups:
///   curated.retail: { owner: retail-analytics, tags: [retail] }
/// tables:
///   curated.retail.fact_sales:
///     description: One row a basket line
///     terms: [net_sales]
///     columns:
///       sales_value: { term: net_sales, classification: financial }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessWords {
    /// Version of the vocabulary; 1.
    pub catalog: u32,
    /// Words and their meaning, by a short name.
    #[serde(default)]
    pub glossary: BTreeMap<String, Term>,
    /// Words for all tables of a zone (`curated`) or schema (`curated.retail`).
    #[serde(default)]
    pub groups: BTreeMap<Grant, GroupWords>,
    /// Words for one table.
    #[serde(default)]
    pub tables: BTreeMap<TableName, TableWords>,
}

impl Default for BusinessWords {
    fn default() -> Self {
        Self { catalog: VERSION, glossary: BTreeMap::new(), groups: BTreeMap::new(), tables: BTreeMap::new() }
    }
}

impl BusinessWords {
    /// Reads the file at `path`; a file that is not there says nothing.
    ///
    /// # Errors
    ///
    /// [`WordsError`] when it is there and cannot be read or understood.
    pub fn load(path: &Path) -> Result<Self, WordsError> {
        match fs_err::read_to_string(path) {
            Ok(text) => Self::parse(&text, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(WordsError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// Reads the text of a file; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// [`WordsError::Invalid`] for unknown keys, names and versions, and for words that the glossary does not have.
    pub fn parse(text: &str, origin: &str) -> Result<Self, WordsError> {
        let invalid = |reason: String| WordsError::Invalid { origin: origin.to_owned(), reason };
        let words: Self = headwater_contract::yaml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        if words.catalog != VERSION {
            return Err(invalid(format!("version {} is not known; write `catalog: {VERSION}`", words.catalog)));
        }
        for (table, said) in &words.tables {
            let of_columns = said.columns.values().filter_map(|column| column.term.as_ref());
            if let Some(term) = said.terms.iter().chain(of_columns).find(|term| !words.glossary.contains_key(*term)) {
                return Err(invalid(format!(
                    "tables.{table} uses the term `{term}`, which `glossary` does not explain"
                )));
            }
        }
        Ok(words)
    }

    /// Lays the words over a recorded dataset and returns it with the glossary's terms that it is about.
    pub fn apply(&self, mut dataset: Dataset) -> (Dataset, BTreeMap<String, Term>) {
        let whole = Grant::Table(dataset.table.clone());
        // Zones come before schemas, so that the nearest owner is set last.
        let mut group_owner = None;
        for (_, group) in self.groups.iter().filter(|(group, _)| group.covers(&whole)) {
            dataset.tags.extend(group.tags.iter().cloned());
            group_owner = group.owner.clone().or(group_owner);
        }
        dataset.owner = dataset.owner.or(group_owner);
        let Some(said) = self.tables.get(&dataset.table) else { return (dataset, BTreeMap::new()) };
        dataset.tags.extend(said.tags.iter().cloned());
        if said.owner.is_some() {
            dataset.owner.clone_from(&said.owner);
        }
        if said.description.is_some() {
            dataset.description.clone_from(&said.description);
        }
        let mut names = said.terms.clone();
        for column in &mut dataset.columns {
            let Some(about) = said.columns.get(&column.name) else { continue };
            let meaning = about.term.as_ref().and_then(|term| self.glossary.get(term)).map(|term| &term.meaning);
            if let Some(description) =
                about.description.as_ref().or(column.description.is_none().then_some(meaning).flatten())
            {
                column.description = Some(description.clone());
            }
            if about.classification.is_some() {
                column.classification = about.classification;
            }
            names.extend(about.term.clone());
        }
        let terms = names.into_iter().filter_map(|name| Some((name.clone(), self.glossary.get(&name)?.clone())));
        (dataset, terms.collect())
    }

    /// Words about tables and columns that are not among `datasets`, as `table` or `table.column`.
    pub fn unmatched(&self, datasets: &[Dataset]) -> Vec<String> {
        let mut unmatched = Vec::new();
        for (table, said) in &self.tables {
            match datasets.iter().find(|dataset| dataset.table == *table) {
                None => unmatched.push(table.to_string()),
                Some(dataset) => {
                    let missing = said.columns.keys().filter(|column| dataset.column(column).is_none());
                    unmatched.extend(missing.map(|column| format!("{table}.{column}")));
                }
            }
        }
        unmatched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::DatasetColumn;
    use crate::datasets::DatasetKind;

    const RETAIL: &str = "
catalog: 1
glossary:
  net_sales: { title: Net sales, meaning: What customers paid, owner: finance, synonyms: [turnover] }
groups:
  curated: { owner: platform, tags: [bi] }
  curated.retail: { owner: retail-analytics, tags: [retail] }
tables:
  curated.retail.fact_sales:
    description: One row a basket line
    columns:
      sales_value: { term: net_sales, classification: financial }
      gone: { description: nothing }
  curated.retail.gone: {}
";

    fn fact() -> Dataset {
        let mut fact = Dataset::new("curated.retail.fact_sales".parse().unwrap(), DatasetKind::Fact, "Sales");
        fact.columns = vec![DatasetColumn::new("sales_value", "decimal(12,2)")];
        fact
    }

    #[test]
    fn rejects_unknown_keys_terms_and_versions() {
        for text in [
            "catalog: 2",
            "{}",
            "catalog: 1\nowners: {}",
            "catalog: 1\ntables: {fact_sales: {}}",
            "catalog: 1\ntables: {curated.a.b: {terms: [nothing]}}",
            "catalog: 1\ntables: {curated.a.b: {columns: {x: {classification: secret}}}}",
            "catalog: 1\ngroups: {gold: {}}",
        ] {
            assert!(BusinessWords::parse(text, "catalog.yaml").is_err(), "{text}");
        }
    }

    #[test]
    fn the_nearest_words_win_and_tags_add_up() {
        let words = BusinessWords::parse(RETAIL, "catalog.yaml").unwrap();
        let (merged, terms) = words.apply(fact());
        assert_eq!(merged.owner.as_deref(), Some("retail-analytics"));
        assert_eq!(merged.description.as_deref(), Some("One row a basket line"));
        assert_eq!(merged.tags.iter().map(String::as_str).collect::<Vec<_>>(), ["bi", "retail"]);
        assert_eq!(merged.columns[0].classification, Some(Classification::Financial));
        assert_eq!(merged.columns[0].description.as_deref(), Some("What customers paid"));
        assert_eq!(terms["net_sales"].title, "Net sales");
        let owned = Dataset { owner: Some("sales".to_owned()), ..fact() };
        assert_eq!(
            words.apply(owned).0.owner.as_deref(),
            Some("sales"),
            "a group's owner is for tables that name nobody"
        );
    }

    #[test]
    fn reports_words_about_what_is_not_there() {
        let words = BusinessWords::parse(RETAIL, "catalog.yaml").unwrap();
        assert_eq!(words.unmatched(&[fact()]), ["curated.retail.fact_sales.gone", "curated.retail.gone"]);
    }

    #[test]
    fn a_missing_file_says_nothing() {
        assert_eq!(BusinessWords::load(Path::new("/nowhere/catalog.yaml")).unwrap(), BusinessWords::default());
    }
}
