//! A fact about a vendor: known, not published, or assumed with a reason.
//!
//! The two that are not known are counted and shown by `plan`, so that a manifest never hides what it guesses.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

/// What a manifest says about one property of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// The value, without a source of its own: `0`, or a number that is ours and not the vendor's.
    Stated(T),
    /// The value, with the page that says so.
    Published {
        /// The value.
        value: T,
        /// The page that says so.
        source: String,
    },
    /// The vendor says nothing; the engine's cautious default runs.
    NotPublished,
    /// The vendor says nothing and we chose.
    Assumed {
        /// What we chose.
        value: T,
        /// Why.
        because: String,
    },
}

impl<T> Fact<T> {
    /// The value to run with, `default` where the vendor publishes none.
    pub fn value_or(self, default: T) -> T {
        match self {
            Self::Stated(value) | Self::Published { value, .. } | Self::Assumed { value, .. } => value,
            Self::NotPublished => default,
        }
    }

    /// Whether the vendor does not vouch for it.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::NotPublished | Self::Assumed { .. })
    }
}

/// The forms that are single-key maps.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Explained<T> {
    Published { value: T, source: String },
    Assumed { value: T, because: String },
}

struct FactVisitor<T>(PhantomData<T>);

macro_rules! visit_scalar {
    ($($method:ident: $scalar:ty),*) => {$(
        fn $method<E: serde::de::Error>(self, value: $scalar) -> Result<Fact<T>, E> {
            T::deserialize(value.into_deserializer()).map(Fact::Stated)
        }
    )*};
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for FactVisitor<T> {
    type Value = Fact<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, `not_published`, `published: { value, source }` or `assumed: { value, because }`")
    }

    visit_scalar!(visit_bool: bool, visit_u64: u64, visit_i64: i64, visit_f64: f64);

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Fact<T>, E> {
        if text == "not_published" {
            return Ok(Fact::NotPublished);
        }
        T::deserialize(text.into_deserializer()).map(Fact::Stated)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Fact<T>, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(seq)).map(Fact::Stated)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fact<T>, A::Error> {
        Ok(match Explained::deserialize(MapAccessDeserializer::new(map))? {
            Explained::Published { value, source } => Fact::Published { value, source },
            Explained::Assumed { value, because } => Fact::Assumed { value, because },
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fact<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FactVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Fact<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Fact_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({
            "anyOf": [
                value,
                { "const": "not_published" },
                { "type": "object", "additionalProperties": false, "required": ["published"], "properties": { "published": {
                    "type": "object", "additionalProperties": false, "required": ["value", "source"],
                    "properties": { "value": value, "source": { "type": "string" } } } } },
                { "type": "object", "additionalProperties": false, "required": ["assumed"], "properties": { "assumed": {
                    "type": "object", "additionalProperties": false, "required": ["value", "because"],
                    "properties": { "value": value, "because": { "type": "string" } } } } },
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use headwater_contract::Span;

    use super::*;

    fn read(text: &str) -> Result<Fact<Span>, String> {
        #[derive(serde::Deserialize)]
        struct Holder {
            settle: Fact<Span>,
        }
        crate::manifest::yaml::from_str::<Holder>(text).map(|holder| holder.settle).map_err(|error| error.to_string())
    }

    #[test]
    fn rejects_an_assumption_without_a_reason_and_a_number_without_a_unit() {
        assert!(read("settle: { assumed: { value: 1 day } }").unwrap_err().contains("because"));
        assert!(read("settle: { guessed: { value: 1 day } }").unwrap_err().contains("assumed"));
        assert!(read("settle: 5").unwrap_err().contains('5'));
    }

    #[test]
    fn reads_the_four_forms() {
        let day = Span::days(1);
        assert_eq!(read("settle: 1 day"), Ok(Fact::Stated(day)));
        assert_eq!(read("settle: 0"), Ok(Fact::Stated(Span::ZERO)));
        assert_eq!(read("settle: not_published"), Ok(Fact::NotPublished));
        assert_eq!(
            read("settle: { assumed: { value: 1 day, because: why } }"),
            Ok(Fact::Assumed { value: day, because: "why".into() })
        );
        assert_eq!(
            read("settle: { published: { value: 1 day, source: page } }"),
            Ok(Fact::Published { value: day, source: "page".into() })
        );
    }
}
