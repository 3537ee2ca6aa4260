//! Finding datasets, and showing one with everything that is known of it: words, columns, lineage, freshness.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use headwater_contract::{Classification, TableName, Zone};
use serde::{Deserialize, Serialize};

use crate::classification::find_leaks;
use crate::datasets::Dataset;
use crate::lineage::{Edge, Passage, Place};
use crate::store::{Catalog, CatalogError};
use crate::words::{BusinessWords, Term};

/// Passages that [`Catalog::show`] returns.
const PASSAGES_MAX: u32 = 20;

/// Names that an error offers in place of one that is not there.
const CLOSE_MAX: usize = 3;

/// Which datasets to list. An empty search lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Words that must all stand in the name, the descriptions, the columns, the tags or the terms; any case.
    pub text: Option<String>,
    /// The zone.
    pub zone: Option<Zone>,
    /// A tag.
    pub tag: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// A class that at least one column has.
    pub classification: Option<Classification>,
}

/// A dataset as people see it: recorded facts with business words over them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The dataset.
    pub dataset: Dataset,
    /// Terms of the glossary that it is about.
    pub terms: BTreeMap<String, Term>,
    /// Whether it should have been made current and was not.
    pub is_late: bool,
}

impl Entry {
    fn new(dataset: Dataset, words: &BusinessWords, now: DateTime<Utc>) -> Self {
        let is_late = dataset.freshness.is_late(now);
        let (dataset, terms) = words.apply(dataset);
        Self { dataset, terms, is_late }
    }

    /// Whether it is among what `search` looks for.
    pub fn matches(&self, search: &Search) -> bool {
        let dataset = &self.dataset;
        let has_class = |class| dataset.columns.iter().any(|column| column.classification == Some(class));
        search.zone.is_none_or(|zone| dataset.table.zone == zone)
            && search.tag.as_ref().is_none_or(|tag| dataset.tags.contains(tag))
            && search.owner.as_ref().is_none_or(|owner| dataset.owner.as_ref() == Some(owner))
            && search.classification.is_none_or(has_class)
            && search.text.as_ref().is_none_or(|text| self.contains_words(text))
    }

    fn contains_words(&self, text: &str) -> bool {
        let dataset = &self.dataset;
        let mut everything = format!("{} {}", dataset.table, dataset.title);
        let columns = dataset.columns.iter().flat_map(|column| [Some(&column.name), column.description.as_ref()]);
        let terms = self.terms.iter().flat_map(|(name, term)| {
            [Some(name), Some(&term.title), Some(&term.meaning)].into_iter().chain(term.synonyms.iter().map(Some))
        });
        let own =
            [dataset.description.as_ref(), dataset.owner.as_ref()].into_iter().chain(dataset.tags.iter().map(Some));
        for piece in own.chain(columns).chain(terms).flatten() {
            everything.push(' ');
            everything.push_str(piece);
        }
        let everything = everything.to_lowercase();
        text.to_lowercase().split_whitespace().all(|word| everything.contains(word))
    }
}

/// Everything that is known of one dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// The dataset with business words.
    pub entry: Entry,
    /// What it is made from, with columns.
    pub made_from: Vec<Edge>,
    /// What is made from it, with columns.
    pub used_by: Vec<Edge>,
    /// All that it comes from, however far, by name.
    pub origins: BTreeSet<Place>,
    /// All tables that a change of it reaches, by name.
    pub reach: BTreeSet<TableName>,
    /// The last runs and windows that were carried into it, newest first.
    pub passages: Vec<Passage>,
    /// Columns that hold classified values and are not classified, as sentences.
    pub warnings: Vec<String>,
}

impl Catalog {
    /// Lists the datasets that `search` looks for, by name.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Database`], [`CatalogError::Damaged`].
    pub async fn list(
        &self,
        search: &Search,
        words: &BusinessWords,
        now: DateTime<Utc>,
    ) -> Result<Vec<Entry>, CatalogError> {
        let entries = self.datasets().await?.into_iter().map(|dataset| Entry::new(dataset, words, now));
        Ok(entries.filter(|entry| entry.matches(search)).collect())
    }

    /// Shows everything about one table.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NoTable`] when nobody recorded it, [`CatalogError::Database`], [`CatalogError::Damaged`].
    pub async fn show(
        &self,
        table: &TableName,
        words: &BusinessWords,
        now: DateTime<Utc>,
    ) -> Result<Details, CatalogError> {
        let datasets = self.datasets().await?;
        let Some(dataset) = datasets.iter().find(|dataset| dataset.table == *table) else {
            return Err(CatalogError::NoTable { table: table.clone(), close: close_names(table, &datasets) });
        };
        let edges = self.edges().await?;
        let merged: Vec<Dataset> = datasets.iter().map(|dataset| words.apply(dataset.clone()).0).collect();
        let leaks = find_leaks(&merged, &edges).into_iter().filter(|leak| leak.table == *table);
        let warnings = leaks.map(|leak| {
            let class = crate::classification::classification_name(leak.classification);
            format!(
                "{} takes over {}.{}, which is {class}, and is not classified",
                leak.column, leak.from, leak.from_column
            )
        });
        Ok(Details {
            entry: Entry::new(dataset.clone(), words, now),
            origins: origins(table, &edges),
            reach: reach(table, &edges),
            warnings: warnings.collect(),
            passages: self.passages(table, PASSAGES_MAX).await?,
            made_from: edges.iter().filter(|edge| edge.to == *table).cloned().collect(),
            used_by: edges.into_iter().filter(|edge| edge.from == Place::Table(table.clone())).collect(),
        })
    }
}

/// All places that `table` comes from, however far. A circle ends where it began.
fn origins(table: &TableName, edges: &[Edge]) -> BTreeSet<Place> {
    let (mut found, mut open) = (BTreeSet::new(), vec![table.clone()]);
    while let Some(next) = open.pop() {
        for edge in edges.iter().filter(|edge| edge.to == next) {
            if found.insert(edge.from.clone())
                && let Place::Table(from) = &edge.from
            {
                open.push(from.clone());
            }
        }
    }
    found
}

/// All tables that are made from `table`, however far.
fn reach(table: &TableName, edges: &[Edge]) -> BTreeSet<TableName> {
    let (mut found, mut open) = (BTreeSet::new(), vec![table.clone()]);
    while let Some(next) = open.pop() {
        let next = Place::Table(next);
        for edge in edges.iter().filter(|edge| edge.from == next) {
            if found.insert(edge.to.clone()) {
                open.push(edge.to.clone());
            }
        }
    }
    found
}

/// Tables whose last part is the same, then those whose last part contains it or is contained in it.
fn close_names(table: &TableName, datasets: &[Dataset]) -> Vec<TableName> {
    let names = || datasets.iter().map(|dataset| &dataset.table);
    let same = names().filter(|name| name.table == table.table);
    let alike = names().filter(|name| {
        name.table != table.table && (name.table.contains(&table.table) || table.table.contains(&name.table))
    });
    same.chain(alike).take(CLOSE_MAX).cloned().collect()
}
