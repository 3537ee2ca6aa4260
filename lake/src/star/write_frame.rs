//! Writes a frame that is no part of a star, for exploration: the same files, the same statistics.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::Schema;
use headwater_contract::ColumnType;
use polars::prelude::{DataFrame, DataType};
use ulid::Ulid;

use crate::Lake;
use crate::commit::NewFile;
use crate::star::columns::plain;
use crate::star::describe::ColumnRole;
use crate::star::error::StarError;
use crate::star::files;
use crate::star::publish::computing;
use crate::star::types::arrow_schema;
use crate::store::Store;

/// The Arrow schema of a frame of flat columns.
pub(crate) fn schema_of(frame: &DataFrame) -> Arc<Schema> {
    let columns: Vec<_> = frame
        .columns()
        .iter()
        .map(|column| {
            let column_type = match column.dtype() {
                DataType::Int64 => ColumnType::Int64,
                DataType::Float64 => ColumnType::Float64,
                DataType::Boolean => ColumnType::Boolean,
                DataType::Date => ColumnType::Date,
                DataType::Datetime(_, _) => ColumnType::Timestamp,
                DataType::Decimal(precision, scale) => ColumnType::Decimal {
                    precision: u8::try_from(*precision).unwrap_or(38),
                    scale: i8::try_from(*scale).unwrap_or(0),
                },
                _ => ColumnType::String,
            };
            plain(column.name(), column_type, ColumnRole::Attribute)
        })
        .collect();
    arrow_schema(&columns)
}

/// Writes a frame's files into a table's folder, where no log names them yet.
pub(crate) async fn upload(
    lake: &Lake,
    table: &str,
    store: &Store,
    folder: &str,
    id: Ulid,
    frame: DataFrame,
) -> Result<Vec<NewFile>, StarError> {
    let (name, scratch) = (table.to_owned(), lake.scratch.clone());
    let prepared = computing(table, move || files::prepare(&name, &scratch, &frame, &BTreeMap::new())).await?;
    files::upload(table, store, folder, id, prepared).await
}
