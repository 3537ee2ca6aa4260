//! How a body becomes records, as a manifest writes it: a format, or a list of wrappings that ends in a format.
//!
//! `file` · `json` · `json_lines` · `{ csv: { delimiter: ";" } }` · `[gzip, csv]` · `[{ zip: { members: "*.csv" } }, { charset: utf-16le }, csv]`

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::csv::CsvDialect;
use super::file::FileManifest;
use super::lines::LinesManifest;
use super::wrapping::{CharsetName, ZipManifest};
use super::xml::XmlManifest;

/// The format that records are written in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Decoding {
    /// One JSON text.
    #[default]
    Json,
    /// One JSON text a line.
    JsonLines,
    /// One value a line.
    Lines(LinesManifest),
    /// Rows of cells.
    Csv(Box<CsvDialect>),
    /// Elements of an XML document: RSS, Atom, SOAP and the like.
    Xml(Box<XmlManifest>),
    /// A file that is kept as it came.
    File(FileManifest),
}

/// What the records are packed in, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// gzip, one member or several.
    Gzip,
    /// zlib, or deflate without a header.
    Deflate,
    /// Files of a zip archive.
    Zip(ZipManifest),
    /// A charset other than UTF-8.
    Charset(CharsetName),
}

/// How a body becomes records: what is undone first, and the format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyDecoding {
    /// What is undone first, outermost first.
    pub wrappings: Vec<Wrapping>,
    /// What is left then.
    pub format: Decoding,
}

/// Most wrappings around a format, declared or found.
pub const WRAPPINGS_MAX: usize = 4;

/// One step, as written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// One JSON text.
    Json(Nothing),
    /// One JSON text a line.
    JsonLines(Nothing),
    /// One value a line.
    Lines(LinesManifest),
    /// Rows of cells: CSV, TSV and their dialects.
    Csv(Box<CsvDialect>),
    /// Elements of an XML document: RSS, Atom, SOAP and the like.
    Xml(Box<XmlManifest>),
    /// A file that is kept as it came; its one record says its size and digest.
    File(FileManifest),
    /// gzip; found by its first bytes, so that a body without it passes.
    Gzip(Nothing),
    /// zlib, or deflate without a header.
    Deflate(Nothing),
    /// Files of a zip archive.
    Zip(ZipManifest),
    /// The charset, where neither a byte order mark nor the source says the right one.
    Charset(CharsetName),
}

/// No settings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

const WORDS: [&str; 9] = ["json", "json_lines", "lines", "csv", "xml", "file", "gzip", "deflate", "zip"];

impl Step {
    /// A step that is written as a word.
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "json" => Self::Json(Nothing {}),
            "json_lines" => Self::JsonLines(Nothing {}),
            "lines" => Self::Lines(LinesManifest::default()),
            "csv" => Self::Csv(Box::default()),
            "xml" => Self::Xml(Box::default()),
            "file" => Self::File(FileManifest::default()),
            "gzip" => Self::Gzip(Nothing {}),
            "deflate" => Self::Deflate(Nothing {}),
            "zip" => Self::Zip(ZipManifest::default()),
            _ => return None,
        })
    }

    fn split(self) -> Result<Wrapping, Decoding> {
        match self {
            Self::Json(_) => Err(Decoding::Json),
            Self::JsonLines(_) => Err(Decoding::JsonLines),
            Self::Lines(lines) => Err(Decoding::Lines(lines)),
            Self::Csv(dialect) => Err(Decoding::Csv(dialect)),
            Self::Xml(rules) => Err(Decoding::Xml(rules)),
            Self::File(file) => Err(Decoding::File(file)),
            Self::Gzip(_) => Ok(Wrapping::Gzip),
            Self::Deflate(_) => Ok(Wrapping::Deflate),
            Self::Zip(zip) => Ok(Wrapping::Zip(zip)),
            Self::Charset(name) => Ok(Wrapping::Charset(name)),
        }
    }
}

impl Decoding {
    /// Whether its records are made, and are no spans of the body.
    pub(super) fn derives(&self) -> bool {
        !matches!(self, Self::Json | Self::JsonLines)
    }
}

impl BodyDecoding {
    /// Whether a body that ends too early would be noticed by what it holds.
    pub(crate) fn has_end(&self) -> bool {
        let is_packed = |wrapping: &Wrapping| !matches!(wrapping, Wrapping::Charset(_));
        matches!(self.format, Decoding::Json | Decoding::Xml(_)) || self.wrappings.iter().any(is_packed)
    }

    /// A format without wrappings.
    pub fn plain(format: Decoding) -> Self {
        Self { wrappings: Vec::new(), format }
    }

    fn of_steps(steps: Vec<Step>) -> Result<Self, String> {
        let (mut wrappings, mut format) = (Vec::new(), None);
        for step in steps {
            if format.is_some() {
                return Err("the format stands last: nothing can be undone after it".to_owned());
            }
            match step.split() {
                Ok(wrapping) => wrappings.push(wrapping),
                Err(last) => format = Some(last),
            }
        }
        let format =
            format.ok_or("the last step must be a format: `json`, `json_lines`, `lines`, `csv`, `xml` or `file`")?;
        if matches!(format, Decoding::File(_)) && !wrappings.is_empty() {
            return Err("a file is kept as it came: it has no wrappings".to_owned());
        }
        if wrappings.len() > WRAPPINGS_MAX {
            return Err(format!("a body has at most {WRAPPINGS_MAX} wrappings"));
        }
        if wrappings.iter().filter(|wrapping| matches!(wrapping, Wrapping::Zip(_))).count() > 1 {
            return Err("a body is one zip archive at most".to_owned());
        }
        let charset = wrappings.iter().position(|wrapping| matches!(wrapping, Wrapping::Charset(_)));
        if charset.is_some_and(|at| at + 1 < wrappings.len()) {
            return Err("`charset` stands right before the format".to_owned());
        }
        Ok(Self { wrappings, format })
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word such as `json`, `csv` or `gzip`, or a single-key map such as `csv: { … }`")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Step, E> {
        Step::of_word(word).ok_or_else(|| E::unknown_variant(word, &WORDS))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Step, A::Error> {
        Step::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A step in either form.
struct AnyStep(Step);

impl<'de> Deserialize<'de> for AnyStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor).map(Self)
    }
}

struct ChainVisitor;

impl<'de> Visitor<'de> for ChainVisitor {
    type Value = BodyDecoding;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a format such as `json` or `csv: { … }`, or a list of wrappings and a format such as `[gzip, csv]`",
        )
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<BodyDecoding, E> {
        BodyDecoding::of_steps(vec![StepVisitor.visit_str(word)?]).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BodyDecoding, A::Error> {
        BodyDecoding::of_steps(vec![StepVisitor.visit_map(map)?]).map_err(A::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<BodyDecoding, A::Error> {
        let mut steps = Vec::new();
        while let Some(AnyStep(step)) = seq.next_element()? {
            steps.push(step);
        }
        BodyDecoding::of_steps(steps).map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for BodyDecoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChainVisitor)
    }
}

impl JsonSchema for BodyDecoding {
    fn schema_name() -> Cow<'static, str> {
        "Decoding".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<Step>();
        let step = json_schema!({ "anyOf": [{ "type": "string", "enum": WORDS }, map] });
        json_schema!({ "anyOf": [step, { "type": "array", "minItems": 1, "items": step }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_chains_that_cannot_be() {
        for text in [
            "yaml",
            "gzip",
            "[]",
            "[csv, gzip]",
            "[csv, json]",
            "[gzip, file]",
            "[gzip, gzip, gzip, gzip, gzip, csv]",
            "[zip, zip, csv]",
            "[{ charset: latin1 }, gzip, csv]",
            "{ csv: { delimitor: x } }",
            "{ charset: klingon }",
            "[{ charset: klingon }, csv]",
            "{ zip: { members: \"*.csv\" } }",
        ] {
            assert!(crate::manifest::yaml::from_str::<BodyDecoding>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_words_maps_and_chains() {
        let read = |text: &str| crate::manifest::yaml::from_str::<BodyDecoding>(text).unwrap();
        assert_eq!(read("json"), BodyDecoding::default());
        assert_eq!(read("{ json_lines: {} }").format, Decoding::JsonLines);
        let chain =
            read("[gzip, { zip: { members: \"*.csv\" } }, { charset: latin1 }, { csv: { delimiter: \"\\t\" } }]");
        assert_eq!(chain.wrappings.len(), 3);
        assert!(matches!(chain.format, Decoding::Csv(dialect) if dialect.delimiter == '\t'));
    }
}
