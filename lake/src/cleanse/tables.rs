//! The tables that a stream has in cleansed.

use arrow_schema::SchemaRef;
use headwater_contract::{StreamContract, TableName, Zone};

use crate::attempt::child_table;
use crate::typing::{LINE, child_schema, keyed_schema, stream_schema};

/// What the rows of a cleansed table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableRole {
    /// The rows of the stream, one a key or event.
    Rows,
    /// Every version of each row.
    Versions,
}

/// A cleansed table as a contract says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleansedTable {
    /// Its name.
    pub name: TableName,
    /// What its rows are.
    pub role: TableRole,
    /// The child table that it belongs to; `None` for the stream's own.
    pub child: Option<String>,
    /// Its columns.
    pub schema: SchemaRef,
    /// The columns that tell its rows apart; empty where nothing does.
    pub key: Vec<String>,
}

/// The tables of a stream: its own, then each child's; of a versioned stream first the rows, then the versions.
pub fn tables(contract: &StreamContract) -> Vec<CleansedTable> {
    let mut tables = Vec::new();
    let mut key: Vec<String> = contract.key.clone();
    if !contract.key_is_stream_wide && !key.is_empty() {
        key.insert(0, "_slice".to_owned());
    }
    push(&mut tables, contract, None, &stream_schema(contract), &key);
    for child in &contract.children {
        let key = vec![
            "_slice".to_owned(),
            "_window".to_owned(),
            "_generation".to_owned(),
            "_ordinal".to_owned(),
            LINE.to_owned(),
        ];
        push(&mut tables, contract, Some(&child.name), &child_schema(contract, child), &key);
    }
    tables
}

fn push(
    tables: &mut Vec<CleansedTable>,
    contract: &StreamContract,
    child: Option<&str>,
    schema: &SchemaRef,
    key: &[String],
) {
    let source = contract.name.source().as_str();
    let table = |name: &str, role, schema: SchemaRef, key: &[String]| CleansedTable {
        name: TableName::new(Zone::Cleansed, source, name),
        role,
        child: child.map(str::to_owned),
        schema,
        key: key.to_vec(),
    };
    let rows = child.unwrap_or_else(|| contract.name.stream());
    if contract.kind.is_versioned() {
        let versions = child.map_or_else(|| contract.window_table(), |child| child_table(contract, child));
        if !contract.key.is_empty() {
            tables.push(table(rows, TableRole::Rows, keyed_schema(schema), key));
        }
        tables.push(table(&versions, TableRole::Versions, SchemaRef::clone(schema), &[]));
    } else {
        tables.push(table(rows, TableRole::Rows, SchemaRef::clone(schema), key));
    }
}
