//! What a stream's contract says about the tables that it fills: their datasets, and lineage from the API to each column.

use headwater_contract::{ChildTable, Column, ColumnType, Deletes, StreamContract, TableName, Zone};

use crate::columns::{DatasetColumn, TRACKING, tracking_columns};
use crate::datasets::{Dataset, DatasetKind};
use crate::lineage::{ColumnEdge, Edge, How, Place};

/// The datasets of a stream, and the edges between them, without sizes and times, which the runner adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Raw parts, then each cleansed table.
    pub datasets: Vec<Dataset>,
    /// From the API to raw, from raw to the table that windows commit to, from there to the keyed table.
    pub edges: Vec<Edge>,
}

impl Registration {
    /// Reads a contract.
    pub fn of_contract(contract: &StreamContract) -> Self {
        let source = contract.name.source().as_str();
        let raw = TableName::new(Zone::Raw, source, contract.name.stream());
        let parts = Dataset {
            description: Some(format!("Bodies as the source sent them: {}", contract.title)),
            columns: part_columns(),
            ..stream_dataset(contract, raw.clone(), DatasetKind::Parts)
        };
        let mut registration =
            Self { datasets: vec![parts], edges: vec![Edge::new(Place::Api(contract.name.clone()), raw.clone())] };

        registration.add_tables(contract, &raw, contract.name.stream(), &contract.key, &contract.columns, None);
        for child in &contract.children {
            let columns = child_columns(contract, child);
            let mut key: Vec<String> = child.parent_columns.iter().map(|(name, _)| name.clone()).collect();
            key.extend(child.key.iter().cloned());
            registration.add_tables(contract, &raw, &child.name, &key, &columns, Some(child));
        }
        registration
    }

    /// Adds the table that windows commit to and, for versioned streams, the keyed table beside it.
    fn add_tables(
        &mut self,
        contract: &StreamContract,
        raw: &TableName,
        name: &str,
        key: &[String],
        columns: &[Column],
        child: Option<&ChildTable>,
    ) {
        let source = contract.name.source().as_str();
        let is_versioned = contract.kind.is_versioned();
        let written = if is_versioned { format!("{name}__versions") } else { name.to_owned() };
        let written = TableName::new(Zone::Cleansed, source, written);
        let kind = match contract.key_list_of {
            Some(_) => DatasetKind::KeyList,
            None => DatasetKind::of_window_table(contract.kind),
        };
        let title = match child {
            None => contract.title.clone(),
            Some(child) => format!("Rows of {} in: {}", child.pointer, contract.title),
        };
        let mut described: Vec<DatasetColumn> = columns.iter().map(DatasetColumn::from).collect();
        described.extend(tracking_columns(child.is_some()));
        let dataset =
            Dataset { title, key: key.to_vec(), columns: described, ..stream_dataset(contract, written.clone(), kind) };
        let pointers = columns.iter().map(|column| ColumnEdge::new(&column.pointer, &column.name, reading(column)));
        self.edges.push(Edge { columns: pointers.collect(), ..Edge::new(raw.clone(), written.clone()) });

        if is_versioned {
            let keyed = TableName::new(Zone::Cleansed, source, name);
            let mut keyed_dataset = Dataset { table: keyed.clone(), kind: DatasetKind::Keyed, ..dataset.clone() };
            let deleted = DatasetColumn::new("_deleted_at", "timestamp").nullable();
            keyed_dataset
                .columns
                .push(deleted.meaning("when the source was seen to have deleted the row; null while it is there"));
            let same = dataset.columns.iter().map(|column| ColumnEdge::new(&column.name, &column.name, How::Identity));
            let mut edge = Edge { columns: same.collect(), ..Edge::new(written, keyed.clone()) };
            // A child's rows go and come with their parent's.
            match &contract.deletes {
                Deletes::Flag { column, .. } if child.is_none() => {
                    edge.columns.push(ColumnEdge::new(column, "_deleted_at", How::Transformation));
                }
                Deletes::KeyList { stream } if child.is_none() => {
                    let from_key = key.iter().map(|name| ColumnEdge::new(name, "_deleted_at", How::Transformation));
                    let list = TableName::new(Zone::Cleansed, source, stream);
                    self.edges.push(Edge { columns: from_key.collect(), ..Edge::new(list, keyed) });
                }
                Deletes::Flag { .. } | Deletes::KeyList { .. } | Deletes::None => {}
            }
            self.edges.push(edge);
            self.datasets.push(dataset);
            self.datasets.push(keyed_dataset);
        } else {
            self.datasets.push(dataset);
        }
    }
}

fn stream_dataset(contract: &StreamContract, table: TableName, kind: DatasetKind) -> Dataset {
    let mut dataset = Dataset::new(table, kind, contract.title.clone());
    dataset.best_effort.clone_from(&contract.best_effort);
    dataset.freshness.every = Some(contract.every);
    dataset
}

/// Columns of a child table: the parent's, which it repeats, then its own.
///
/// A parent's pointer starts at the record and a child's at the list's element; `/*` stands for any element of the list.
fn child_columns(contract: &StreamContract, child: &ChildTable) -> Vec<Column> {
    let from_parent = child.parent_columns.iter().filter_map(|(name, parent)| {
        let column = contract.column(parent)?;
        Some(Column { name: name.clone(), ..column.clone() })
    });
    let own = child.columns.iter().map(|column| {
        let pointer = format!("{}/*{}", child.pointer, column.pointer);
        Column { pointer, ..column.clone() }
    });
    from_parent.chain(own).collect()
}

/// Text and booleans are taken as they are; other types are read from text or numbers.
fn reading(column: &Column) -> How {
    match column.column_type {
        ColumnType::String | ColumnType::Boolean | ColumnType::Json => How::Identity,
        _ => How::Transformation,
    }
}

/// What people ask of a part; the file has more columns for replay.
fn part_columns() -> Vec<DatasetColumn> {
    [
        ("attempt", "string", "the try at reading the window"),
        ("request", "int64", "number of the request within the attempt"),
        ("ordinal", "int64", "number of the chunk within the body"),
        ("url", "string", "what was asked, without secrets"),
        ("status", "int64", "what the server answered"),
        ("fetched_at", "timestamp", "when the answer came"),
        ("body", "binary", "bytes of the body, as sent"),
    ]
    .into_iter()
    .map(|(name, column_type, meaning)| DatasetColumn::new(name, column_type).meaning(meaning))
    .collect()
}

/// Whether a column is one of those that the lake adds to say where a row comes from.
pub fn is_tracking(name: &str) -> bool {
    matches!(name, "_line" | "_deleted_at") || TRACKING.iter().any(|(known, ..)| *known == name)
}

#[cfg(test)]
mod tests {
    use headwater_contract::{Digest16, SourceName, Span, StreamKind, StreamName};

    use super::*;

    fn contract(kind: StreamKind) -> StreamContract {
        let child = ChildTable {
            name: "order_lines".to_owned(),
            pointer: "/lines".to_owned(),
            parent_columns: vec![("order_id".to_owned(), "id".to_owned())],
            key: vec!["line".to_owned()],
            columns: vec![Column::new("line", ColumnType::Int64)],
        };
        StreamContract {
            name: StreamName::new(SourceName::new("shop").unwrap(), "orders").unwrap(),
            title: "One row an order".to_owned(),
            kind,
            key: vec!["id".to_owned()],
            append_only: false,
            key_is_stream_wide: true,
            version_field: None,
            columns: vec![Column::new("id", ColumnType::String), Column::new("total", ColumnType::Int64)],
            children: vec![child],
            window: None,
            every: Span::hours(1),
            start: None,
            end: None,
            deletes: Deletes::None,
            key_list_of: None,
            volatile: Vec::new(),
            may_be_empty: false,
            max_removed: 0.1,
            max_quarantined: 0.1,
            best_effort: Some("offset paging".to_owned()),
            json_schema: None,
            manifest_digest: Digest16::default(),
        }
    }

    fn tables(kind: StreamKind) -> Vec<String> {
        let registration = Registration::of_contract(&contract(kind));
        registration.datasets.iter().map(|dataset| format!("{} {}", dataset.table, dataset.kind)).collect()
    }

    #[test]
    fn an_events_stream_fills_raw_and_a_table_for_each_list() {
        let expected = ["raw.shop.orders parts", "cleansed.shop.orders events", "cleansed.shop.order_lines events"];
        assert_eq!(tables(StreamKind::Events), expected);
    }

    #[test]
    fn a_mutable_stream_has_versions_beside_each_keyed_table() {
        let expected = [
            "raw.shop.orders parts",
            "cleansed.shop.orders__versions versions",
            "cleansed.shop.orders keyed",
            "cleansed.shop.order_lines__versions versions",
            "cleansed.shop.order_lines keyed",
        ];
        assert_eq!(tables(StreamKind::Mutable), expected);
    }

    #[test]
    fn a_delete_is_traced_to_what_shows_it() {
        let into_deleted_at = |deletes| {
            let registration = Registration::of_contract(&StreamContract { deletes, ..contract(StreamKind::Mutable) });
            let edges = registration.edges.iter().flat_map(|edge| {
                let columns = edge.columns.iter().filter(|pair| pair.to_column == "_deleted_at");
                columns.map(|pair| format!("{}.{} -> {}", edge.from, pair.from_column, edge.to))
            });
            edges.collect::<Vec<_>>()
        };
        assert!(into_deleted_at(Deletes::None).is_empty());
        let flag = Deletes::Flag { column: "total".to_owned(), values: Vec::new() };
        assert_eq!(into_deleted_at(flag), ["cleansed.shop.orders__versions.total -> cleansed.shop.orders"]);
        let list = Deletes::KeyList { stream: "orders__keys".to_owned() };
        assert_eq!(into_deleted_at(list), ["cleansed.shop.orders__keys.id -> cleansed.shop.orders"]);
    }

    #[test]
    fn a_column_is_traced_to_its_pointer_in_the_record() {
        let registration = Registration::of_contract(&contract(StreamKind::Events));
        let lines = registration.edges.iter().find(|edge| edge.to.table == "order_lines").unwrap();
        assert_eq!(
            lines.columns,
            [
                ColumnEdge::new("/id", "order_id", How::Identity),
                ColumnEdge::new("/lines/*/line", "line", How::Transformation)
            ]
        );
        let dataset = &registration.datasets[2];
        assert_eq!(dataset.key, ["order_id", "line"]);
        assert!(dataset.column("_line").is_some() && dataset.best_effort.is_some());
    }
}
