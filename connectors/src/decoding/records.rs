//! Where the records of a body stand, as a manifest writes it.
//!
//! `/data` · `/groups/*/members` · `{ each: { at: /rates/*, key_as: day } }` · `{ each: { at: /data } }` ·
//! `{ table: { rows: /rows, columns: { header: /columns } } }` · `{ zip: { day: /data/days, count: /data/counts } }` ·
//! `{ found: /data }`

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{Decoding, Pointer};
use crate::manifest::{OneOrMany, Ordered};

/// What stands for any name or place in a path to records.
const ANY: &str = "*";

/// Where the records of a body stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordsManifest {
    /// They are the elements of the list at this path, or of all lists where `*` stands for any name or place.
    List(Pointer),
    /// Each value at this path is a record.
    Each(EachManifest),
    /// They are rows of cells under a header.
    Table(Box<TableManifest>),
    /// Lists side by side: the n-th record has the n-th value of each.
    Zip(Ordered<Pointer>),
    /// They are whatever is found at this path: the elements of a list, else the one value; nothing where nothing is.
    Found(Pointer),
}

/// Values that are records, each by itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EachManifest {
    /// JSON pointer to the values; `*` stands for any name or place: `/data` is one object, `/rates/*` is every value of a map.
    pub at: Pointer,
    /// Fields in which a record says the names that stand for the stars of the path; the last is for the last star.
    #[serde(default)]
    pub key_as: Option<OneOrMany<String>>,
    /// The field that holds the value, for values that are no objects.
    #[serde(default)]
    pub wrap_as: Option<String>,
}

/// Rows of cells under a header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableManifest {
    /// JSON pointer to the list of rows.
    pub rows: Pointer,
    /// Where names and cells stand; when absent, a row is a list of cells and the first row is the header. Several where rows have
    /// several lists of cells, each under a header of its own.
    #[serde(default)]
    pub columns: Option<OneOrMany<CellsManifest>>,
}

/// One list of cells in each row, and their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CellsManifest {
    /// JSON pointer, in the body, to the list of names; the first row when absent and no `names` are given.
    pub header: Option<Pointer>,
    /// JSON pointer, in an element of the header, to its name, where it is no text.
    pub name: Option<Pointer>,
    /// The names themselves, where the body does not say them.
    pub names: Vec<String>,
    /// JSON pointer, in a row, to its list of cells, where the row is an object; its other fields stay.
    pub cells: Option<Pointer>,
    /// JSON pointer, in a cell, to its value, where a cell is an object.
    pub value: Option<Pointer>,
}

impl RecordsManifest {
    /// The path of a plain list, which a description of the API can be asked for.
    pub fn plain(&self) -> Option<&Pointer> {
        match self {
            Self::List(pointer) if !Path::of(pointer).has_stars() => Some(pointer),
            _ => None,
        }
    }

    /// The path to the records, for a format that has paths and no lists.
    pub(super) fn path(&self) -> Pointer {
        match self {
            Self::List(pointer) | Self::Found(pointer) => pointer.clone(),
            Self::Each(each) => each.at.clone(),
            Self::Table(_) | Self::Zip(_) => Pointer::parse(""),
        }
    }

    /// What a stream says of its records, if that fits its format.
    pub(crate) fn complete(records: Option<Self>, format: &Decoding) -> Result<Self, &'static str> {
        let whole = Self::List(Pointer::parse(""));
        match (format, records) {
            (Decoding::Json, Some(records)) => Ok(records),
            (Decoding::Json, None) => Err("point it at the list in the answer"),
            (Decoding::Xml(_), Some(Self::List(path) | Self::Found(path))) if !path.segments().is_empty() => {
                Ok(Self::List(path))
            }
            (Decoding::Xml(_), _) => Err("point it at the elements that are records, e.g. `/rss/channel/item`"),
            (_, None) => Ok(whole),
            (_, Some(records)) if records == whole => Ok(whole),
            (_, Some(_)) => Err("lines and rows are records as they come: remove it"),
        }
    }

    /// What is wrong with it, where its parts do not fit together.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Each(each) => {
                let stars = Path::of(&each.at).stars();
                let keys = each.keys().len();
                if keys > stars {
                    return Err(format!("`key_as` names {keys} keys, but the path has {stars} stars"));
                }
                Ok(())
            }
            Self::Zip(lists) if lists.is_empty() => Err("`zip` names no list".to_owned()),
            Self::Table(table) => {
                let all = table.all();
                let from_first_row = |cells: &CellsManifest| cells.header.is_none() && cells.names.is_empty();
                if all.len() > 1 && all.iter().any(from_first_row) {
                    return Err("each of several lists of cells needs a `header` or `names`".to_owned());
                }
                if all.iter().any(|cells| cells.header.is_some() && !cells.names.is_empty()) {
                    return Err("names come from `header` or from `names`, not from both".to_owned());
                }
                Ok(())
            }
            Self::List(_) | Self::Zip(_) | Self::Found(_) => Ok(()),
        }
    }
}

impl EachManifest {
    /// Whether a body is one record.
    pub(crate) fn is_single(&self) -> bool {
        !Path::of(&self.at).has_stars()
    }

    pub(crate) fn keys(&self) -> &[String] {
        self.key_as.as_ref().map(OneOrMany::as_slice).unwrap_or_default()
    }
}

impl TableManifest {
    /// All lists of cells.
    pub(crate) fn all(&self) -> Vec<CellsManifest> {
        self.columns.as_ref().map_or_else(|| vec![CellsManifest::default()], |all| all.as_slice().to_vec())
    }
}

/// A path with stars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Option<String>>);

impl Path {
    pub(super) fn of(pointer: &Pointer) -> Self {
        Self(pointer.segments().iter().map(|part| (part != ANY).then(|| part.clone())).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has_stars(&self) -> bool {
        self.stars() > 0
    }

    pub(super) fn stars(&self) -> usize {
        self.0.iter().filter(|part| part.is_none()).count()
    }

    /// Places of the stars.
    pub(super) fn star_places(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.0.iter().enumerate().filter(|(_, part)| part.is_none()).map(|(at, _)| at)
    }

    /// Whether `path` is what it means.
    pub(super) fn is(&self, path: &[String]) -> bool {
        self.0.len() == path.len() && self.begins(path)
    }

    /// Whether more of it follows after `path`.
    pub(super) fn leads_on(&self, path: &[String]) -> bool {
        self.0.len() > path.len() && self.begins(path)
    }

    /// Whether the next part after `path` is its first star, or its last.
    pub(super) fn has_star_after(&self, path: &[String], last: bool) -> bool {
        let mut places = self.star_places();
        let place = if last { places.next_back() } else { places.next() };
        place == Some(path.len()) && self.begins(path)
    }

    fn begins(&self, path: &[String]) -> bool {
        self.0.iter().zip(path).all(|(part, name)| part.as_ref().is_none_or(|part| part == name))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Forms {
    /// Each value at a path is a record.
    Each(EachManifest),
    /// Rows of cells under a header.
    Table(Box<TableManifest>),
    /// Lists side by side, by the field that each becomes.
    Zip(Ordered<Pointer>),
    /// JSON pointer to a list or to one record, which some answers lack, for APIs that leave empty lists out.
    Found(Pointer),
}

struct RecordsVisitor;

impl<'de> Visitor<'de> for RecordsVisitor {
    type Value = RecordsManifest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON pointer to the list of records, or `each: …`, `table: …`, `zip: …` or `found: …`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RecordsManifest, E> {
        Ok(RecordsManifest::List(Pointer::parse(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RecordsManifest, A::Error> {
        let records = match Forms::deserialize(MapAccessDeserializer::new(map))? {
            Forms::Each(each) => RecordsManifest::Each(each),
            Forms::Table(table) => RecordsManifest::Table(table),
            Forms::Zip(lists) => RecordsManifest::Zip(lists),
            Forms::Found(pointer) => RecordsManifest::Found(pointer),
        };
        records.check().map_err(A::Error::custom)?;
        Ok(records)
    }
}

impl<'de> Deserialize<'de> for RecordsManifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RecordsVisitor)
    }
}

impl JsonSchema for RecordsManifest {
    fn schema_name() -> Cow<'static, str> {
        "Records".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let forms = generator.subschema_for::<Forms>();
        let pointer = json_schema!({ "type": "string", "description": "JSON pointer to the list of records; `*` stands for any name or place" });
        json_schema!({ "anyOf": [pointer, forms] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_records_whose_parts_do_not_fit() {
        for text in [
            "{ each: { at: /data, key_as: id } }",
            "{ each: { at: /a/*, key_as: [x, y] } }",
            "{ zip: {} }",
            "{ table: { rows: /r, columns: [{ header: /h }, {}] } }",
            "{ table: { rows: /r, columns: { header: /h, names: [a] } } }",
            "{ every: /data }",
        ] {
            assert!(crate::manifest::yaml::from_str::<RecordsManifest>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_any_name() {
        let path = Path::of(&Pointer::parse("/groups/*/members/*"));
        let of = |text: &str| Pointer::parse(text).segments().to_vec();
        assert!(path.is(&of("/groups/x/members/0")) && !path.is(&of("/groups/x/members")));
        assert!(path.leads_on(&of("/groups/7")) && !path.leads_on(&of("/group")));
        assert!(path.has_star_after(&of("/groups"), false) && !path.has_star_after(&of("/groups"), true));
        assert!(path.has_star_after(&of("/groups/1/members"), true));
    }
}
