//! Columns of a draft: a column for each field that the description names, of the type it names, and the key among them.

use crate::description::{Node, names_of, types};

use super::naming::{free, is_money, is_personal, singular, snake};
use super::writing::quoted;

/// Columns of one stream; what a vendor adds beyond them goes to `_rescued`.
const COLUMNS_MAX: usize = 150;

/// One column of a draft.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) field: String,
    pub(super) typed: String,
    /// The format of a timestamp where it is not RFC 3339.
    pub(super) format: Option<&'static str>,
    pub(super) is_nullable: bool,
    /// The description says that it may be null, which is more than not saying that it is always there.
    is_said_to_be_null: bool,
    /// What a person must confirm.
    pub(super) doubt: Option<String>,
}

impl Column {
    pub(super) fn is_time(&self) -> bool {
        self.typed == "timestamp" || self.typed == "date"
    }

    /// A key and a window's time are never null, whatever the description admits.
    pub(super) fn must_not_be_null(&mut self) {
        self.is_nullable = false;
        if self.is_said_to_be_null {
            self.doubt = Some("that it is never null; the description admits null".to_owned());
        }
    }

    /// Whether it can be a key, and whether text of an unsaid format may be a time.
    fn is_plain(&self) -> bool {
        matches!(self.typed.as_str(), "string" | "int64")
    }

    /// The column as a manifest writes it.
    pub(super) fn line(&self) -> String {
        let mut parts = vec![format!("type: {}", quoted(&self.typed))];
        if self.name != self.field {
            parts.push(format!("path: {}", quoted(&format!("/{}", self.field.replace('~', "~0").replace('/', "~1")))));
        }
        parts.extend(self.format.map(|format| format!("format: {format}")));
        if self.is_nullable {
            parts.push("nullable: true".to_owned());
        }
        if is_personal(&self.name) && self.typed == "string" {
            parts.push("class: pii".to_owned());
        }
        let comment = self.doubt.as_ref().map(|doubt| format!("  # confirm: {doubt}")).unwrap_or_default();
        format!("{}: {{ {} }}{comment}", quoted(&self.name), parts.join(", "))
    }
}

/// The columns of a record.
pub(super) fn columns(record: &[Node<'_>]) -> Vec<Column> {
    let required: Vec<&str> = record
        .iter()
        .flat_map(|schema| schema.value().get("required").and_then(serde_json::Value::as_array).into_iter().flatten())
        .filter_map(serde_json::Value::as_str)
        .collect();
    let mut columns: Vec<Column> = Vec::new();
    for (field, schemas) in names_of(record).into_iter().take(COLUMNS_MAX) {
        if field.is_empty() {
            continue;
        }
        let name = free(&snake(&field), |name| columns.iter().any(|column| column.name == name));
        columns.push(column(name, field, &schemas, &required));
    }
    columns
}

fn column(name: String, field: String, schemas: &[Node<'_>], required: &[&str]) -> Column {
    let kinds = types(schemas);
    let has_format = |format: &str| kinds.formats.iter().any(|known| known == format);
    let is_one = kinds.kinds.len() == 1;
    let (mut format, mut doubt) = (None, None);
    let typed = match kinds.kinds.first().map(String::as_str).filter(|_| is_one) {
        Some("string") if has_format("date-time") => "timestamp",
        Some("string") if has_format("date") => "date",
        Some("string") => "string",
        Some("integer") if has_format("unix-time") || has_format("timestamp") => {
            format = Some("unix_seconds");
            "timestamp"
        }
        Some("integer") => "int64",
        Some("number") if is_money(&name) => {
            doubt = Some("digits before and after the point".to_owned());
            "decimal(38,6)"
        }
        Some("number") => "float64",
        Some("boolean") => "boolean",
        _ => "json",
    };
    let is_nullable = kinds.is_nullable || !required.contains(&field.as_str());
    let is_said_to_be_null = kinds.is_nullable;
    Column { name, field, typed: typed.to_owned(), format, is_nullable, is_said_to_be_null, doubt }
}

/// The field that looks most like a key: its place among the columns, and what a person must confirm.
pub(super) fn key(stream: &str, columns: &[Column]) -> Option<(usize, Option<&'static str>)> {
    let one = singular(stream.rsplit('_').next().unwrap_or(stream));
    let at = |name: &str| columns.iter().position(|column| column.name == name && column.is_plain());
    if let Some(at) = at("id") {
        return Some((at, None));
    }
    let doubt = Some("that it identifies a row");
    for name in [format!("{one}_id"), "uuid".into(), "guid".into(), "gid".into(), "sid".into(), format!("{one}_uuid")] {
        if let Some(at) = at(&name) {
            return Some((at, doubt));
        }
    }
    for name in ["key", "code", "slug", "number", "token", "name"] {
        if let Some(at) = at(name) {
            return Some((at, doubt));
        }
    }
    let ends_in_id: Vec<usize> = (0..columns.len())
        .filter(|at| columns.get(*at).is_some_and(|column| column.name.ends_with("_id") && column.is_plain()))
        .collect();
    match ends_in_id.as_slice() {
        [sole] => Some((*sole, doubt)),
        _ => None,
    }
}
