//! Columns of the fields that a source itself lists, as an endpoint for the custom fields of an account does.

use headwater_contract::{ColumnType, TimestampFormat};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{FoundColumn, name_for};
use crate::decoding::Pointer;
use crate::expression::{ExpressionError, Scalar, Scope, Template};
use crate::manifest::Ordered;

/// Where a source lists the fields of a stream, with their types.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnListManifest {
    /// The stream of this connector whose records are the fields; it is read as a whole.
    pub stream: String,
    /// Where the name stands in its record.
    pub name: Pointer,
    /// Where the field stands in a record of this stream, e.g. `/properties/{name}`; `/{name}` when absent.
    #[serde(default)]
    pub path: Option<Template>,
    /// Where the vendor's word for the type stands.
    #[serde(default, rename = "type")]
    pub type_at: Option<Pointer>,
    /// What the vendor's words for types mean, e.g. `number: float64`, `datetime: timestamp`; what is not listed here is JSON.
    #[serde(default)]
    pub types: Ordered<String>,
    /// Where the field's meaning is told.
    #[serde(default)]
    pub help: Option<Pointer>,
}

impl ColumnListManifest {
    /// What is wrong with it, as far as it can tell alone.
    pub(crate) fn fault(&self) -> Option<String> {
        let wrong = |(word, text): (&str, &String)| match text.parse::<ColumnType>() {
            Ok(_) => None,
            Err(reason) => Some(format!("`{word}`: {reason}")),
        };
        let unknown = self.path.iter().flat_map(Template::names).find(|name| *name != "name");
        let unknown = unknown.map(|name| format!("`{{{name}}}` is not known here: the field is `{{name}}`"));
        unknown.or_else(|| self.types.iter().find_map(wrong))
    }

    /// The columns that records of the listing stream tell of, in their order.
    ///
    /// # Errors
    ///
    /// [`ExpressionError`] when a place cannot be made of a name.
    pub(crate) fn columns(&self, records: &[Value]) -> Result<Vec<FoundColumn>, ExpressionError> {
        let mut columns: Vec<FoundColumn> = Vec::new();
        for record in records {
            let text = |pointer: &Pointer| pointer.find(record).and_then(Value::as_str).map(str::trim);
            let Some(field) = text(&self.name).filter(|field| !field.is_empty()) else { continue };
            let escaped = field.replace('~', "~0").replace('/', "~1");
            let pointer = match &self.path {
                Some(path) => path.fill(&Scope::from([("name".to_owned(), Scalar::Text(escaped))]))?,
                None => format!("/{escaped}"),
            };
            let word = self.type_at.as_ref().and_then(&text).unwrap_or_default();
            let column_type = self.types.get(word).and_then(|text| text.parse().ok()).unwrap_or(ColumnType::Json);
            let name = name_for(field, |name| columns.iter().any(|known| known.name.eq_ignore_ascii_case(name)));
            let help = self.help.as_ref().and_then(&text).filter(|help| !help.is_empty());
            columns.push(FoundColumn {
                name,
                pointer,
                column_type,
                format: TimestampFormat::default(),
                nullable: true,
                help: help.map(|help| help.split_whitespace().collect::<Vec<_>>().join(" ")),
            });
        }
        Ok(columns)
    }

    /// Whether a column is one of those that the source lists: it stands right where they do.
    pub(crate) fn covers(&self, pointer: &Pointer) -> bool {
        let path = self.path.as_ref().map_or("/{name}", Template::as_str);
        let level = Pointer::parse(path.rsplit_once('/').map_or("", |(level, _)| level));
        pointer.segments().split_last().is_some_and(|(_, above)| above == level.segments())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(yaml: &str) -> ColumnListManifest {
        serde_saphyr::from_str(&format!("stream: fields\nname: name\n{yaml}")).unwrap()
    }

    #[test]
    fn words_that_mean_no_type_and_unknown_names_are_refused() {
        assert!(manifest("types: { number: float }").fault().unwrap().contains("`number`"));
        assert!(manifest("path: '/properties/{field}'").fault().unwrap().contains("{field}"));
        assert_eq!(manifest("path: '/properties/{name}'\ntypes: { number: float64 }").fault(), None);
    }

    #[test]
    fn each_field_is_a_column_where_the_manifest_says_that_it_stands() {
        let manifest =
            manifest("path: '/properties/{name}'\ntype: type\ntypes: { number: float64, text: string }\nhelp: label");
        let records = [
            json!({ "name": "Size", "type": "number", "label": "How\nlarge" }),
            json!({ "name": "size", "type": "text" }),
            json!({ "name": "a/b c", "type": "blob" }),
            json!({ "name": null }),
        ];
        let written: Vec<String> = manifest
            .columns(&records)
            .unwrap()
            .iter()
            .map(|column| format!("{}: {}", column.name, column.written()))
            .collect();
        let expected = [
            "Size: { type: float64, path: /properties/Size, nullable: true, help: How large }",
            "size_2: { type: string, path: /properties/size, nullable: true }",
            "a_b_c: { type: json, path: \"/properties/a~1b c\", nullable: true }",
        ];
        assert_eq!(written, expected);
        assert!(manifest.covers(&Pointer::parse("/properties/x")) && !manifest.covers(&Pointer::parse("/x")));
    }
}
