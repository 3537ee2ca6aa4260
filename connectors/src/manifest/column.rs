//! Columns and unnested tables as a manifest writes them, and how they become columns of a contract.

use std::borrow::Cow;
use std::fmt;

use headwater_contract::{Check, ChildTable, Classification, Column, ColumnType, TimestampFormat};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::decoding::Pointer;
use crate::expression::{Scalar, Scope};
use crate::manifest::ordered::{OneOrMany, Ordered};
use crate::parents::GIVEN;
use crate::shaping::Normal;
use crate::windowing::TimeFormat;

/// One column that a stream promises. Any other field goes to `_rescued` and is reported.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnManifest {
    /// `string`, `int64`, `float64`, `boolean`, `decimal(12,2)`, `date`, `timestamp`, `json`, or `{ struct: … }`, `{ list: … }`.
    #[serde(rename = "type")]
    pub column_type: TypeManifest,
    /// Whether a missing or null value is good.
    #[serde(default)]
    pub nullable: bool,
    /// JSON pointer to the value in the record; the column's own name at the top when absent.
    #[serde(default)]
    pub path: Option<Pointer>,
    /// The name of a value that the request was made with: a field of a parent, the slice, a setting or a parameter. The record
    /// itself does not hold it.
    #[serde(default)]
    pub given: Option<String>,
    /// How a timestamp is written; RFC 3339 when absent.
    #[serde(default)]
    pub format: Option<TimestampFormat>,
    /// Ways in which a date or timestamp is written, tried in order, where the source knows more than one or one that `format` lacks.
    #[serde(default)]
    pub formats: Vec<TimeFormat>,
    /// Values that mean null, such as `0000-00-00`.
    #[serde(default)]
    pub null_if: Vec<Scalar>,
    /// Whether a blank text means null.
    #[serde(default)]
    pub empty_is_null: bool,
    /// Values that mean true, beside `true`, for a boolean.
    #[serde(default)]
    pub true_if: Vec<Scalar>,
    /// Values that mean false, beside `false`, for a boolean.
    #[serde(default)]
    pub false_if: Vec<Scalar>,
    /// Unit of the value, e.g. `minor_units`.
    #[serde(default)]
    pub unit: Option<String>,
    /// What each value must be; a row that fails goes to quarantine.
    #[serde(default)]
    pub check: Option<OneOrMany<Check>>,
    /// `stream.column` that the value refers to.
    #[serde(default)]
    pub refers_to: Option<String>,
    /// How sensitive the value is.
    #[serde(default)]
    pub class: Option<Classification>,
    /// One sentence on what it means.
    #[serde(default)]
    pub help: Option<String>,
}

impl ColumnManifest {
    /// A column that is never null and says nothing but its type.
    pub fn of(column_type: TypeManifest) -> Self {
        Self {
            column_type,
            nullable: false,
            path: None,
            given: None,
            format: None,
            formats: Vec::new(),
            null_if: Vec::new(),
            empty_is_null: false,
            true_if: Vec::new(),
            false_if: Vec::new(),
            unit: None,
            check: None,
            refers_to: None,
            class: None,
            help: None,
        }
    }

    /// The column of the contract.
    pub fn to_column(&self, name: &str) -> Column {
        let mut column = Column::new(name, self.column_type.to_type());
        if let Some(path) = &self.path {
            column.pointer = path.to_string();
        }
        if let Some(given) = &self.given {
            column.pointer = format!("/{GIVEN}/{given}");
        }
        column.nullable = self.nullable;
        // A value in one of several formats is written anew as RFC 3339 before it is typed.
        column.format = self.format.clone().filter(|_| self.formats.is_empty()).unwrap_or_default();
        column.unit.clone_from(&self.unit);
        column.checks = self.check.clone().map(OneOrMany::into_vec).unwrap_or_default();
        column.refers_to.clone_from(&self.refers_to);
        column.classification = self.class;
        column.description.clone_from(&self.help);
        column
    }
}

impl ColumnManifest {
    /// What is done to its values before they are typed; nothing when it asks for nothing.
    pub fn normal(&self) -> Option<Normal> {
        let normal = Normal {
            null_if: self.null_if.clone(),
            empty_is_null: self.empty_is_null,
            formats: self.formats.clone(),
            // A zone that a setting gives is not known yet.
            clocks: self.formats.iter().filter_map(|format| format.with_zone(&Scope::new()).ok()).collect(),
            is_date: matches!(self.column_type, TypeManifest::Scalar(ColumnType::Date)),
            words: (self.true_if.clone(), self.false_if.clone()),
        };
        Some(normal).filter(|normal| !normal.is_nothing())
    }

    /// Looks for what contradicts itself.
    ///
    /// # Errors
    ///
    /// The contradiction, in words for the manifest's author.
    pub fn check(&self) -> Result<(), String> {
        let is =
            |types: &[ColumnType]| matches!(&self.column_type, TypeManifest::Scalar(known) if types.contains(known));
        if !self.formats.is_empty() && !is(&[ColumnType::Date, ColumnType::Timestamp]) {
            return Err("only a date or timestamp has `formats`".to_owned());
        }
        if !self.formats.is_empty() && self.format.is_some() {
            return Err("it has `format` and `formats`: write one of them".to_owned());
        }
        let has_words = !self.true_if.is_empty() || !self.false_if.is_empty();
        if has_words && !is(&[ColumnType::Boolean]) {
            return Err("only a boolean has `true_if` and `false_if`".to_owned());
        }
        let null_is_possible = self.empty_is_null || !self.null_if.is_empty();
        if null_is_possible && !self.nullable {
            return Err("values of it mean null, so it needs `nullable: true`".to_owned());
        }
        if self.formats.iter().any(|format| matches!(format, TimeFormat::Ago(_))) {
            return Err("`ago` is a way to ask for a time, not to write one".to_owned());
        }
        self.formats.iter().find_map(TimeFormat::fault).map_or(Ok(()), Err)
    }
}

/// A table of rows unnested from each record, e.g. the lines of an order.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChildManifest {
    /// One line on what a row is.
    #[serde(default)]
    pub title: Option<String>,
    /// JSON pointer, in the parent's record, to the list of rows.
    pub records: Pointer,
    /// Columns taken from the parent: name in the child table, name in the parent.
    pub parent: Ordered<String>,
    /// Key columns of the child; with the parent's they identify a row.
    pub key: Vec<String>,
    /// The child's own columns; paths start at the list's element.
    pub columns: Ordered<ColumnManifest>,
}

impl ChildManifest {
    /// The child table of the contract.
    pub fn to_table(&self, name: &str) -> ChildTable {
        ChildTable {
            name: name.to_owned(),
            pointer: self.records.to_string(),
            parent_columns: self.parent.iter().map(|(child, parent)| (child.to_owned(), parent.clone())).collect(),
            key: self.key.clone(),
            columns: self.columns.iter().map(|(name, column)| column.to_column(name)).collect(),
        }
    }
}

/// The type of a column: a word, or a single-key map for nested ones.
#[derive(Clone, Debug)]
pub enum TypeManifest {
    /// A type without parts.
    Scalar(ColumnType),
    /// A record with typed fields.
    Struct(Ordered<ColumnManifest>),
    /// A list of values of one type.
    List(Box<ColumnManifest>),
}

impl TypeManifest {
    fn to_type(&self) -> ColumnType {
        match self {
            Self::Scalar(scalar) => scalar.clone(),
            Self::Struct(fields) => {
                ColumnType::Struct(fields.iter().map(|(name, field)| field.to_column(name)).collect())
            }
            Self::List(item) => ColumnType::List(Box::new(item.to_column("item"))),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Nested {
    Struct(Ordered<ColumnManifest>),
    List(Box<ColumnManifest>),
}

struct TypeVisitor;

impl<'de> Visitor<'de> for TypeVisitor {
    type Value = TypeManifest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type such as `string`, or `struct: { … }`, or `list: { type: … }`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TypeManifest, E> {
        text.parse().map(TypeManifest::Scalar).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TypeManifest, A::Error> {
        Ok(match Nested::deserialize(MapAccessDeserializer::new(map))? {
            Nested::Struct(fields) => TypeManifest::Struct(fields),
            Nested::List(item) => TypeManifest::List(item),
        })
    }
}

impl<'de> Deserialize<'de> for TypeManifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TypeVisitor)
    }
}

impl JsonSchema for TypeManifest {
    fn schema_name() -> Cow<'static, str> {
        "Type".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let column = generator.subschema_for::<ColumnManifest>();
        let scalar = r"^(string|int64|float64|boolean|date|timestamp|json|decimal\([0-9]+, ?[0-9]+\))$";
        json_schema!({ "anyOf": [
            { "type": "string", "pattern": scalar },
            { "type": "object", "additionalProperties": false, "required": ["struct"],
              "properties": { "struct": { "type": "object", "additionalProperties": column } } },
            { "type": "object", "additionalProperties": false, "required": ["list"], "properties": { "list": column } },
        ] })
    }
}
