//! What rows promise: columns, key, tables of unnested rows, and how deletes show.

use std::sync::Arc;

use headwater_contract::{Column, Deletes};

use super::Blame;
use crate::columns::{ColumnListManifest, columns_of};
use crate::decoding::{BodyDecoding, Decoding, Pointer};
use crate::manifest::{ColumnManifest, DeletesManifest, KeyListManifest, ManifestError, Ordered, StreamManifest};
use crate::parents::GIVEN;
use crate::shaping::{Shape, StepManifest};

/// The columns that the manifest writes, else those of its JSON Schema.
pub(super) fn own_columns(
    manifest: &mut StreamManifest,
    blame: &Blame<'_>,
) -> Result<Ordered<ColumnManifest>, ManifestError> {
    if let Some(reason) = manifest.column_list.as_ref().and_then(ColumnListManifest::fault) {
        return Err(blame.incomplete("column_list", reason, "mend it as the reason says"));
    }
    if let Some(columns) = manifest.columns.take() {
        return Ok(columns);
    }
    let columns = manifest.json_schema.as_ref().map(columns_of);
    if columns.as_ref().is_some_and(Ordered::is_empty) {
        return Err(blame.incomplete("json_schema", "it names no fields", "write `columns`, or its `properties`"));
    }
    blame.need("columns", columns, "write the columns that rows promise")
}

/// The names of the values that columns take from their requests.
pub(super) fn given_names(columns: &[Column]) -> Vec<String> {
    columns.iter().filter_map(given_name).map(str::to_owned).collect()
}

/// The name under which a column's value was given to the request; `None` when it stands in the record.
pub(crate) fn given_name(column: &Column) -> Option<&str> {
    column.pointer.strip_prefix('/')?.strip_prefix(GIVEN)?.strip_prefix('/')
}

/// Where the columns stand in a record; not those that were given to the request.
pub(super) fn named_columns(columns: &[Column]) -> Vec<Pointer> {
    columns.iter().filter(|column| given_name(column).is_none()).map(|column| Pointer::parse(&column.pointer)).collect()
}

pub(super) fn complete_shape(
    steps: Option<Vec<StepManifest>>,
    columns: &Ordered<ColumnManifest>,
    decoding: Option<&BodyDecoding>,
    blame: &Blame<'_>,
) -> Result<Option<Arc<Shape>>, ManifestError> {
    let mut normals = Vec::new();
    for (name, column) in columns.iter() {
        let key = format!("columns.{name}");
        column.check().map_err(|reason| blame.incomplete(&key, reason, "mend the column"))?;
        if let Some(normal) = column.normal() {
            normals.push((Pointer::parse(&column.to_column(name).pointer), normal));
        }
    }
    let Some(shape) = Shape::new(steps.unwrap_or_default(), normals) else {
        return Ok(None);
    };
    shape.check().map_err(|reason| blame.incomplete("shape", reason, "mend the step"))?;
    let is_json = decoding.is_none_or(|decoding| decoding.format == Decoding::Json);
    if shape.includes().next().is_some() && !is_json {
        return Err(blame.incomplete("shape", "only JSON bodies hold objects to include", "remove the step"));
    }
    Ok(Some(Arc::new(shape)))
}

pub(super) fn complete_key(
    key: Option<Vec<String>>,
    append_only: bool,
    columns: &[Column],
    blame: &Blame<'_>,
) -> Result<Vec<String>, ManifestError> {
    match (key.unwrap_or_default(), append_only) {
        (key, true) if key.is_empty() => Ok(key),
        (_, true) => Err(blame.incomplete("key", "an append-only stream has no key", "remove `key` or `append_only`")),
        (key, false) if key.is_empty() => Err(blame.incomplete(
            "key",
            "`key` is missing",
            "name the columns that identify a row, or say `append_only: true`",
        )),
        (key, false) => {
            for name in &key {
                match columns.iter().find(|column| column.name == *name) {
                    None => {
                        return Err(blame.incomplete(
                            "key",
                            format!("`{name}` is no column"),
                            "name columns of this stream",
                        ));
                    }
                    Some(column) if column.nullable => {
                        return Err(blame.incomplete(
                            "key",
                            format!("`{name}` may be null"),
                            "a key column is never null",
                        ));
                    }
                    Some(_) => {}
                }
            }
            Ok(key)
        }
    }
}

pub(super) fn complete_children(
    unnest: Option<&Ordered<crate::manifest::ChildManifest>>,
    columns: &[Column],
    blame: &Blame<'_>,
) -> Result<Vec<headwater_contract::ChildTable>, ManifestError> {
    let mut children = Vec::new();
    for (name, child) in unnest.into_iter().flat_map(Ordered::iter) {
        let key = format!("unnest.{name}");
        for (_, parent) in child.parent.iter() {
            if !columns.iter().any(|column| column.name == *parent) {
                return Err(blame.incomplete(
                    &key,
                    format!("`{parent}` is no column of the parent"),
                    "name a column of this stream",
                ));
            }
        }
        let knows = |name: &String| child.columns.get(name).is_some() || child.parent.get(name).is_some();
        if let Some(unknown) = child.key.iter().find(|name| !knows(name)) {
            return Err(blame.incomplete(
                &key,
                format!("`{unknown}` is no column of `{name}`"),
                "name columns of the child",
            ));
        }
        children.push(child.to_table(name));
    }
    Ok(children)
}

pub(super) fn complete_deletes(
    name: &str,
    manifest: Option<DeletesManifest>,
    columns: &[Column],
    key: &[String],
    blame: &Blame<'_>,
) -> Result<(Deletes, Option<Box<KeyListManifest>>), ManifestError> {
    match manifest {
        None | Some(DeletesManifest::None) => Ok((Deletes::None, None)),
        Some(DeletesManifest::Flag(flag)) => {
            if !columns.iter().any(|column| column.name == flag.column) {
                let reason = format!("`{}` is no column", flag.column);
                return Err(blame.incomplete("deletes", reason, "name a column of this stream"));
            }
            Ok((Deletes::Flag { column: flag.column, values: flag.values }, None))
        }
        Some(DeletesManifest::KeyList(list)) => {
            if list.key != key {
                return Err(blame.incomplete("deletes", "the key list has another key", "list the stream's whole key"));
            }
            Ok((Deletes::KeyList { stream: format!("{name}__keys") }, Some(list)))
        }
    }
}
