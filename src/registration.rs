//! What the catalog records of a star: its tables with columns and owners, and lineage from the inputs' columns to its own.
//!
//! Everything comes from the model and the SQL of its rows; sizes and times are recorded when a build has written them.

use std::collections::{BTreeMap, BTreeSet};

use headwater_catalog::{
    ColumnEdge, Dataset, DatasetColumn, DatasetKind, Edge, How, OutputColumn, Registration, query_lineage,
};
use headwater_contract::TableName;
use headwater_lake::star::model::{DimensionFile, FactFile, FactKindFile, LookupFile, PartitionFile};
use headwater_lake::star::{
    ColumnDescription, ColumnRole, Relationship, Rows, Star, StarDescription, TableDescription, TableRole, describe,
};

/// Datasets and edges of a star. `known` are the datasets of its inputs, whose columns tell names of a join apart; `location_of`
/// gives the URL of a table.
pub(crate) fn of_star(star: &Star, known: &[Dataset], location_of: impl Fn(&TableName) -> String) -> Registration {
    let description = describe(star);
    let mut registration = Registration { datasets: Vec::new(), edges: Vec::new() };
    for table in &description.tables {
        let location = location_of(&table.name);
        registration.datasets.push(Dataset { location, ..dataset_of(&description, table) });
        registration.edges.extend(edges_of(star, &description, table, known));
    }
    registration
}

fn dataset_of(star: &StarDescription, table: &TableDescription) -> Dataset {
    let kind = if table.is_fact() { DatasetKind::Fact } else { DatasetKind::Dimension };
    let mut dataset = Dataset::new(table.name.clone(), kind, &table.title);
    dataset.description.clone_from(&table.description);
    dataset.owner.clone_from(&table.owner);
    dataset.tags = star.tags.iter().chain(&table.tags).cloned().collect();
    dataset.key = match &table.role {
        TableRole::Fact { grain, .. } => grain.clone(),
        _ => table.key().map(|key| key.name.clone()).into_iter().collect(),
    };
    dataset.columns = table.columns.iter().map(|column| column_of(star, table, column)).collect();
    dataset
}

fn column_of(star: &StarDescription, table: &TableDescription, column: &ColumnDescription) -> DatasetColumn {
    let is_reference = |known: &&Relationship| known.from_table == table.name.table && known.from_column == column.name;
    let reference = star.relationships.iter().find(is_reference);
    DatasetColumn {
        name: column.name.clone(),
        column_type: column.column_type.to_string(),
        is_nullable: column.is_nullable,
        description: column.description.clone(),
        classification: column.classification,
        unit: None,
        refers_to: reference.map(|known| format!("{}.{}", known.to_table, known.to_column)),
    }
}

/// Edges into one table: from each input of its rows, and from each dimension that a fact refers to.
fn edges_of(star: &Star, description: &StarDescription, table: &TableDescription, known: &[Dataset]) -> Vec<Edge> {
    let name = &table.name.table;
    let columns_of = |wanted: &TableName| {
        let dataset = known.iter().find(|dataset| dataset.table == *wanted)?;
        Some(dataset.columns.iter().map(|column| column.name.clone()).collect())
    };
    // A query that cannot be traced, or a Rust function, leaves lineage between tables without columns.
    let rows = match star.rows(name) {
        Some(Rows::Sql { text, .. }) => query_lineage(text, &columns_of).unwrap_or_default(),
        Some(Rows::Function { .. }) | None => Vec::new(),
    };
    let mut by_input: BTreeMap<&TableName, BTreeSet<ColumnEdge>> =
        table.inputs.iter().map(|input| (input, BTreeSet::new())).collect();
    for column in &table.columns {
        for (from, how) in made_from(star, table, column) {
            let sources =
                rows.iter().filter(|output| output.name == from).flat_map(|output: &OutputColumn| &output.sources);
            for source in sources {
                if let Some(edges) = by_input.get_mut(&source.table) {
                    edges.insert(ColumnEdge::new(&source.column, &column.name, how.max(source.how)));
                }
            }
        }
    }
    let from_inputs = by_input.into_iter().map(|(input, columns)| Edge {
        columns: columns.into_iter().collect(),
        ..Edge::new(input.clone(), table.name.clone())
    });

    let mut by_dimension: BTreeMap<&str, Vec<ColumnEdge>> = BTreeMap::new();
    for reference in description.relationships.iter().filter(|reference| reference.from_table == *name) {
        let edge = ColumnEdge::new(&reference.to_column, &reference.from_column, How::Identity);
        by_dimension.entry(&reference.to_table).or_default().push(edge);
    }
    let from_dimensions = by_dimension.into_iter().filter_map(|(dimension, columns)| {
        let from = description.table(dimension)?.name.clone();
        Some(Edge { columns, ..Edge::new(from, table.name.clone()) })
    });
    from_inputs.chain(from_dimensions).collect()
}

/// The columns of the rows that a column of the table is made from.
fn made_from(star: &Star, table: &TableDescription, column: &ColumnDescription) -> Vec<(String, How)> {
    let (facts, dimensions) = (&star.file().facts.0, &star.file().dimensions.0);
    if let Some((_, fact)) = facts.iter().find(|(name, _)| *name == table.name.table) {
        return made_in_fact(fact, dimensions, column);
    }
    let dimension = dimensions.iter().find(|(name, _)| *name == table.name.table);
    dimension.map(|(_, dimension)| made_in_dimension(dimension, column)).unwrap_or_default()
}

fn made_in_fact(
    fact: &FactFile,
    dimensions: &[(String, DimensionFile)],
    column: &ColumnDescription,
) -> Vec<(String, How)> {
    if let Some((_, lookup)) = fact.lookups.0.iter().find(|(role, _)| *role == column.name) {
        let dimension = dimensions.iter().find(|(name, _)| *name == lookup.dimension).map(|(_, dimension)| dimension);
        return looked_up_by(lookup, dimension).into_iter().map(|name| (name, How::Transformation)).collect();
    }
    if column.role == ColumnRole::Partition {
        let Some(PartitionFile::MonthOf(of)) = &fact.partition else { return Vec::new() };
        return vec![(of.clone(), How::Transformation)];
    }
    if let FactKindFile::AccumulatingSnapshot(snapshot) = &fact.kind
        && let Some((_, lag)) = snapshot.lags.0.iter().find(|(name, _)| *name == column.name)
    {
        return vec![(lag.from.clone(), How::Transformation), (lag.until.clone(), How::Transformation)];
    }
    vec![(column.name.clone(), How::Identity)]
}

/// The columns of the rows by which a member is found.
fn looked_up_by(lookup: &LookupFile, dimension: Option<&DimensionFile>) -> Vec<String> {
    let own_names = dimension.map(|dimension| dimension.business_key.clone()).unwrap_or_default();
    let by = if lookup.by.is_empty() && lookup.of.is_none() { own_names } else { lookup.by.clone() };
    by.into_iter().chain(lookup.of.clone()).chain(lookup.as_of.clone()).collect()
}

fn made_in_dimension(dimension: &DimensionFile, column: &ColumnDescription) -> Vec<(String, How)> {
    match column.role {
        ColumnRole::SurrogateKey => {
            dimension.business_key.iter().map(|name| (name.clone(), How::Transformation)).collect()
        }
        ColumnRole::Validity if column.name.starts_with("valid_") => {
            dimension.effective.iter().map(|name| (name.clone(), How::Transformation)).collect()
        }
        _ => {
            // `previous_x` and `current_x` hold values of `x` from other versions.
            let is_declared = |name: &str| dimension.columns.0.iter().any(|(known, _)| known == name);
            let base = ["previous_", "current_"].iter().find_map(|prefix| column.name.strip_prefix(prefix));
            match base.filter(|base| !is_declared(&column.name) && is_declared(base)) {
                Some(base) => vec![(base.to_owned(), How::Transformation)],
                None => vec![(column.name.clone(), How::Identity)],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAR: &str = "
star: 1
name: shop
title: Sales of the shop
owner: sales-team
tags: [sales]
dimensions:
  dim_date: { title: A day, date: {} }
  dim_customer:
    title: A customer
    business_key: [customer_id]
    effective: changed_at
    columns:
      customer_id: { type: string }
      city: { type: string, scd: 6, classification: pii }
facts:
  fact_sales:
    title: An order
    grain: [order_id]
    lookups:
      order_date_key: { dimension: dim_date, of: placed_at, zone: UTC }
      customer_key: { dimension: dim_customer, as_of: placed_at }
    degenerate: { order_id: { type: string } }
    measures: { net: { type: 'decimal(12,2)' } }
    partition: { month_of: placed_at }
";

    fn registration() -> Registration {
        let queries = [
            (
                "dim_customer",
                "select id as customer_id, upper(city) as city, updated_at as changed_at from cleansed.shop.customers__versions",
            ),
            (
                "fact_sales",
                "select o.id as order_id, o.customer_id, o.placed_at, o.total - o.tax as net from cleansed.shop.orders o",
            ),
        ];
        let queries = queries.map(|(name, sql)| (name.to_owned(), sql.to_owned())).into();
        let star = Star::from_texts(STAR, &queries, "star.yaml").unwrap();
        of_star(&star, &[], |table| format!("file:///lake/{}", table.table))
    }

    fn edges(registration: &Registration, to: &str) -> Vec<String> {
        let into = registration.edges.iter().filter(|edge| edge.to.table == to);
        let lines = into.flat_map(|edge| {
            edge.columns.iter().map(move |pair| {
                format!("{}.{} -> {} ({})", edge.from, pair.from_column, pair.to_column, pair.how.as_str())
            })
        });
        lines.collect()
    }

    #[test]
    fn a_fact_is_traced_to_its_inputs_and_dimensions() {
        assert_eq!(
            edges(&registration(), "fact_sales"),
            [
                "cleansed.shop.orders.customer_id -> customer_key (transformation)",
                "cleansed.shop.orders.id -> order_id (identity)",
                "cleansed.shop.orders.placed_at -> customer_key (transformation)",
                "cleansed.shop.orders.placed_at -> month (transformation)",
                "cleansed.shop.orders.placed_at -> order_date_key (transformation)",
                "cleansed.shop.orders.tax -> net (transformation)",
                "cleansed.shop.orders.total -> net (transformation)",
                "curated.shop.dim_customer.customer_key -> customer_key (identity)",
                "curated.shop.dim_date.date_key -> order_date_key (identity)",
            ]
        );
    }

    #[test]
    fn a_dimension_is_traced_through_its_history() {
        assert_eq!(
            edges(&registration(), "dim_customer"),
            [
                "cleansed.shop.customers__versions.city -> city (transformation)",
                "cleansed.shop.customers__versions.city -> current_city (transformation)",
                "cleansed.shop.customers__versions.id -> customer_id (identity)",
                "cleansed.shop.customers__versions.id -> customer_key (transformation)",
                "cleansed.shop.customers__versions.updated_at -> valid_from (transformation)",
                "cleansed.shop.customers__versions.updated_at -> valid_to (transformation)",
            ]
        );
    }

    #[test]
    fn a_dataset_has_the_words_of_the_model() {
        let registration = registration();
        let fact = registration.datasets.iter().find(|dataset| dataset.table.table == "fact_sales").unwrap();
        assert_eq!(
            (fact.kind, fact.owner.as_deref(), fact.key.as_slice()),
            (DatasetKind::Fact, Some("sales-team"), ["order_id".to_owned()].as_slice())
        );
        assert_eq!(fact.column("customer_key").unwrap().refers_to.as_deref(), Some("dim_customer.customer_key"));
        assert_eq!(fact.location, "file:///lake/fact_sales");
    }
}
