//! A table's columns in the words of the Delta protocol, and what becomes of them when a commit brings others.
//!
//! Columns are only ever added, all nullable; a column that would change its type is refused.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde_json::{Value, json};

use super::error::LogError;

/// The table's columns, then those that only `wanted` has.
pub(super) fn merge(table: &str, held: &SchemaRef, wanted: &SchemaRef) -> Result<SchemaRef, LogError> {
    let mut fields: Vec<Field> = held.fields().iter().map(|field| field.as_ref().clone()).collect();
    for field in wanted.fields() {
        match held.field_with_name(field.name()) {
            Err(_) => fields.push(field.as_ref().clone().with_nullable(true)),
            Ok(known) => {
                let is_same = delta_type(known.data_type()) == delta_type(field.data_type());
                if !is_same {
                    return Err(LogError::ColumnType {
                        table: table.to_owned(),
                        column: field.name().clone(),
                        held: known.data_type().to_string(),
                        wanted: field.data_type().to_string(),
                    });
                }
            }
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

pub(super) fn same_columns(a: &Schema, b: &Schema) -> bool {
    let column = |field: &Arc<Field>| (field.name().clone(), delta_type(field.data_type()), field.is_nullable());
    a.fields().iter().map(column).eq(b.fields().iter().map(column))
}

pub(super) fn delta_schema(table: &str, schema: &Schema) -> Result<Value, LogError> {
    let mut fields = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column_type = delta_type(field.data_type()).ok_or_else(|| LogError::NoDeltaType {
            table: table.to_owned(),
            column: field.name().clone(),
            held: field.data_type().to_string(),
        })?;
        fields.push(delta_field(field, &column_type));
    }
    Ok(json!({ "type": "struct", "fields": fields }))
}

fn delta_field(field: &Field, column_type: &Value) -> Value {
    json!({ "name": field.name(), "type": column_type, "nullable": field.is_nullable(), "metadata": {} })
}

/// The Delta protocol's word for a type. Timestamps without a zone are refused: they force reader version 3.
fn delta_type(data_type: &DataType) -> Option<Value> {
    let name = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
        DataType::Dictionary(_, value) => return delta_type(value),
        DataType::Int64 => "long",
        DataType::Int32 => "integer",
        DataType::Int16 => "short",
        DataType::Int8 => "byte",
        DataType::Float64 => "double",
        DataType::Float32 => "float",
        DataType::Boolean => "boolean",
        DataType::Date32 => "date",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp",
        DataType::Decimal128(precision, scale) => return Some(json!(format!("decimal({precision},{scale})"))),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| Some(delta_field(field, &delta_type(field.data_type())?)));
            return Some(json!({ "type": "struct", "fields": fields.collect::<Option<Vec<_>>>()? }));
        }
        DataType::List(item) | DataType::LargeList(item) => {
            let element = delta_type(item.data_type())?;
            return Some(json!({ "type": "array", "elementType": element, "containsNull": item.is_nullable() }));
        }
        _ => return None,
    };
    Some(json!(name))
}
