//! How sensitive a dataset is: the classes of its columns, and of what they are made from.

use std::collections::{BTreeMap, BTreeSet};

use headwater_contract::{Classification, TableName};

use crate::datasets::Dataset;
use crate::lineage::{Edge, How, Place};

/// The word for a classification, as YAML writes it.
pub fn classification_name(classification: Classification) -> &'static str {
    match classification {
        Classification::Pii => "pii",
        Classification::Financial => "financial",
    }
}

/// Reads the word for a classification.
pub fn parse_classification(text: &str) -> Option<Classification> {
    [Classification::Pii, Classification::Financial].into_iter().find(|known| classification_name(*known) == text)
}

/// A column that carries what another one is classified for and is not classified itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// The table.
    pub table: TableName,
    /// Its column.
    pub column: String,
    /// What the column that it is made from is classified as.
    pub classification: Classification,
    /// Where that column is.
    pub from: TableName,
    /// That column.
    pub from_column: String,
}

/// Finds columns that take over values of a classified column without being classified.
///
/// Only edges that keep values count: a sum of payments names no payer.
pub fn find_leaks(datasets: &[Dataset], edges: &[Edge]) -> Vec<Leak> {
    let by_name: BTreeMap<&TableName, &Dataset> = datasets.iter().map(|dataset| (&dataset.table, dataset)).collect();
    let mut leaks = BTreeSet::new();
    for edge in edges {
        let Place::Table(from) = &edge.from else { continue };
        let (Some(source), Some(target)) = (by_name.get(from), by_name.get(&edge.to)) else { continue };
        for pair in edge.columns.iter().filter(|pair| matches!(pair.how, How::Identity | How::Transformation)) {
            let classified = source.column(&pair.from_column).and_then(|column| column.classification);
            let bare = target.column(&pair.to_column).is_some_and(|column| column.classification.is_none());
            if let (Some(classification), true) = (classified, bare) {
                leaks.insert(Leak {
                    table: edge.to.clone(),
                    column: pair.to_column.clone(),
                    classification,
                    from: from.clone(),
                    from_column: pair.from_column.clone(),
                });
            }
        }
    }
    leaks.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use headwater_contract::Zone;

    use super::*;
    use crate::columns::DatasetColumn;
    use crate::datasets::DatasetKind;
    use crate::lineage::ColumnEdge;

    #[test]
    fn finds_a_column_that_takes_over_a_classified_one_and_spares_sums() {
        let [from, to] = [Zone::Cleansed, Zone::Curated].map(|zone| TableName::new(zone, "shop", "t"));
        let mut source = Dataset::new(from.clone(), DatasetKind::Events, "");
        let classified = |name: &str| DatasetColumn {
            classification: Some(Classification::Pii),
            ..DatasetColumn::new(name, "string")
        };
        source.columns = vec![classified("email"), DatasetColumn::new("id", "string")];
        let mut target = Dataset::new(to.clone(), DatasetKind::Dimension, "");
        target.columns = ["contact", "id", "emails"].map(|name| DatasetColumn::new(name, "string")).to_vec();
        target.columns.push(classified("email"));
        let mut edge = Edge::new(from, to);
        edge.columns = vec![
            ColumnEdge::new("email", "contact", How::Transformation),
            ColumnEdge::new("email", "email", How::Identity),
            ColumnEdge::new("email", "emails", How::Aggregation),
            ColumnEdge::new("id", "id", How::Identity),
        ];
        let leaks = find_leaks(&[source, target], &[edge]);
        assert_eq!(leaks.iter().map(|leak| leak.column.as_str()).collect::<Vec<_>>(), ["contact"]);
    }
}
