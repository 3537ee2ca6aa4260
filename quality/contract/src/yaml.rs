//! YAML as a tree that knows where each part stands, and values that are read from it.
//!
//! Types are read from the tree and not from the parser: so the parser is compiled once, and not once for each of the vocabulary's
//! types, which took longer than all the rest of the crate.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, Unexpected,
    VariantAccess, Visitor,
};
use serde_saphyr::{Location, Spanned};

/// Lines that a snippet shows before and after the one that is wrong.
const LINES_AROUND: usize = 2;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// Counted from 1; 0 where no place is known.
    pub line: u64,
    /// Counted from 1; 0 where no place is known.
    pub column: u64,
    /// In one line.
    pub reason: String,
    /// The lines around the place with a mark below it; empty where no place is known.
    pub snippet: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(&self.reason);
        }
        write!(f, "line {}, column {}: {}\n{}", self.line, self.column, self.reason, self.snippet)
    }
}

impl std::error::Error for YamlError {}

/// Reads a value from a YAML text.
///
/// # Errors
///
/// [`YamlError`] when the text is no YAML, or not what `T` is read from.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    let node: Node = serde_saphyr::from_str(text).map_err(|error| {
        let at = error.location();
        let plain = error.without_snippet().to_string();
        let reason = plain.lines().next().unwrap_or_default().trim().to_owned();
        error_at(text, at, reason)
    })?;
    T::deserialize(Reader { node: &node, text }).map_err(|misfit| error_at(text, misfit.at, misfit.reason))
}

fn error_at(text: &str, at: Option<Location>, reason: String) -> YamlError {
    let (line, column) = at.map_or((0, 0), |at| (at.line(), at.column()));
    // Where nothing stands, the parser is past the end.
    let last = u64::try_from(text.lines().count()).unwrap_or(u64::MAX).max(1);
    let (line, column) = if line > last { (last, 1) } else { (line, column) };
    YamlError { line, column, reason, snippet: snippet(text, line, column) }
}

/// The lines around a place, numbered, with a mark below it.
fn snippet(text: &str, line: u64, column: u64) -> String {
    let (Ok(line), Ok(column)) = (usize::try_from(line), usize::try_from(column)) else { return String::new() };
    if line == 0 {
        return String::new();
    }
    let first = line.saturating_sub(LINES_AROUND).max(1);
    let width = (line + LINES_AROUND).to_string().len();
    let mut out = String::new();
    for (number, content) in (1..).zip(text.lines()).skip(first - 1).take(line + LINES_AROUND + 1 - first) {
        out.push_str(&format!("{number:>width$} | {content}\n"));
        if number == line {
            out.push_str(&format!("{:>width$} | {:>column$}\n", "", "^"));
        }
    }
    out
}

/// A part of a text.
#[derive(Debug)]
struct Node {
    at: Location,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { at: spanned.referenced, value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("YAML")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Boolean(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Unsigned(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Float(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.to_owned()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Value::List(list))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Value::Map(map))
            }
        }
        deserializer.deserialize_any(Parts)
    }
}

/// Why a part of a text is not what a type asks for. The innermost place is the one that is said.
#[derive(Debug)]
struct Misfit {
    reason: String,
    at: Option<Location>,
}

impl Misfit {
    fn at(self, at: Location) -> Self {
        Self { at: self.at.or(Some(at)), ..self }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self { reason: reason.to_string(), at: None }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("expected {}, found {}", shape_expected(&expected.to_string()), shape_found(found)))
    }
}

/// What a type asks for, in words of YAML and not of Rust.
fn shape_expected(words: &str) -> &str {
    match words {
        "u8" | "u16" | "u32" | "u64" | "usize" | "a nonzero u32" | "a nonzero u64" => "a whole number, not below 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" | "a borrowed string" => "a text",
        "a sequence" => "a list",
        "unit" => "nothing",
        other if other.starts_with("struct ") => "a map, `name: value` a line",
        other => other,
    }
}

/// What stands there instead.
fn shape_found(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

/// Gives a node to whatever type asks for it.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn of(self, node: &'a Node) -> Self {
        Self { node, ..self }
    }

    /// A scalar as it was written, which is what a type that asks for text gets: `1.0` is no `1`.
    fn written(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Boolean(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) => {
                let span = self.node.at.span();
                let from = usize::try_from(span.byte_offset()?).ok()?;
                let length = usize::try_from(span.byte_len()?).ok()?;
                self.text.get(from..from.checked_add(length)?)
            }
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What only YAML 1.1 takes for a number or a boolean, and everybody else for a text: `NO`, `on`, `y`, `010`, `1_000`.
    fn legacy(self) -> Option<&'a str> {
        let written = self.written()?;
        let is_legacy = match self.node.value {
            Value::Boolean(_) => !["true", "false"].contains(&written.to_ascii_lowercase().as_str()),
            Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) => {
                let digits = written.trim_start_matches(['+', '-']).as_bytes();
                written.contains('_') || matches!(digits, [b'0', b'0'..=b'9', ..])
            }
            Value::Null | Value::Text(_) | Value::List(_) | Value::Map(_) => false,
        };
        is_legacy.then_some(written)
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.written() {
            Some(text) => visitor.visit_str(text).map_err(|misfit: Misfit| misfit.at(self.node.at)),
            None => self.deserialize_any(visitor),
        }
    }
}

impl<'a, 'de> Deserializer<'de> for Reader<'a> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if let Some(text) = self.legacy() {
            return visitor.visit_str(text).map_err(|misfit: Misfit| misfit.at(self.node.at));
        }
        let read = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_str(text),
            // What a type leaves unread is too much, and said so.
            Value::List(items) => {
                let mut items = SeqDeserializer::new(items.iter().map(|item| self.of(item)));
                visitor.visit_seq(&mut items).and_then(|value| items.end().map(|()| value))
            }
            Value::Map(entries) => {
                let key = |key: &'a Spanned<String>| Key { text: &key.value, at: key.referenced };
                let mut entries = MapDeserializer::new(entries.iter().map(|(name, value)| (key(name), self.of(value))));
                visitor.visit_map(&mut entries).and_then(|value| entries.end().map(|()| value))
            }
        };
        read.map_err(|misfit: Misfit| misfit.at(self.node.at))
    }

    /// Where nothing else can be meant, `yes` and `off` are welcome.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.node.value {
            Value::Boolean(value) => visitor.visit_bool(value),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if matches!(self.node.value, Value::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self).map_err(|misfit: Misfit| misfit.at(self.node.at))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let variant = match (&self.node.value, self.written()) {
            (Value::Map(entries), _) => match entries.as_slice() {
                [(key, value)] => {
                    Variant { key: Key { text: &key.value, at: key.referenced }, value: Some(self.of(value)) }
                }
                _ => {
                    return Err(de::Error::invalid_length(entries.len(), &"a map of one key"))
                        .map_err(|misfit: Misfit| misfit.at(self.node.at));
                }
            },
            (_, Some(text)) => Variant { key: Key { text, at: self.node.at }, value: None },
            _ => return self.deserialize_any(visitor),
        };
        visitor.visit_enum(variant).map_err(|misfit: Misfit| misfit.at(self.node.at))
    }

    /// Fields have names: a list of values alone is none of it.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        if matches!(self.node.value, Value::List(_)) {
            let misfit: Misfit = de::Error::invalid_type(Unexpected::Seq, &visitor);
            return Err(misfit.at(self.node.at));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.text(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.text(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.text(visitor)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bytes byte_buf unit unit_struct seq tuple tuple_struct map ignored_any
    }
}

impl IntoDeserializer<'_, Misfit> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The key of a map, which says where it stands when nobody knows it.
#[derive(Clone, Copy)]
struct Key<'a> {
    text: &'a str,
    at: Location,
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_str(self.text).map_err(|misfit: Misfit| misfit.at(self.at))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let name: StrDeserializer<'_, Misfit> = self.text.into_deserializer();
        visitor.visit_enum(name).map_err(|misfit: Misfit| misfit.at(self.at))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.text.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => visitor.visit_str(self.text),
        }
        .map_err(|misfit: Misfit| misfit.at(self.at))
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_u64(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Misfit> for Key<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// One of several: its name, with or without a value.
struct Variant<'a> {
    key: Key<'a>,
    value: Option<Reader<'a>>,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Misfit;
    type Variant = Content<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'a>), Misfit> {
        Ok((seed.deserialize(self.key)?, Content { at: self.key.at, value: self.value }))
    }
}

struct Content<'a> {
    at: Location,
    value: Option<Reader<'a>>,
}

impl<'a> Content<'a> {
    fn value(self) -> Result<Reader<'a>, Misfit> {
        let lacks = || Misfit { reason: "a value is missing: write `name: value`".to_owned(), at: Some(self.at) };
        self.value.ok_or_else(lacks)
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        match self.value {
            None => Ok(()),
            Some(value) => <()>::deserialize(value),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Misfit> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.value()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Misfit> {
        self.value()?.deserialize_any(visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shop {
        name: String,
        #[serde(default)]
        open: Option<bool>,
        #[serde(default)]
        share: f64,
        #[serde(default)]
        rooms: Vec<Room>,
        #[serde(default)]
        codes: BTreeMap<u16, String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Room {
        Kitchen,
        Floor(i8),
        Hall { seats: u32 },
    }

    fn shop(text: &str) -> Result<Shop, YamlError> {
        from_str(text)
    }

    #[test]
    fn every_shape_is_read() {
        let text = "name: x\nopen: true\nshare: 1\nrooms: [kitchen, { floor: -1 }, { hall: { seats: 3 } }]\ncodes: { 404: gone }\n";
        let read = shop(text).unwrap();
        assert_eq!((read.name.as_str(), read.open, read.share), ("x", Some(true), 1.0));
        assert_eq!(read.rooms, [Room::Kitchen, Room::Floor(-1), Room::Hall { seats: 3 }]);
        assert_eq!(read.codes, BTreeMap::from([(404, "gone".to_owned())]));
        assert_eq!(shop("name: x\nopen: ~\n").unwrap().open, None);
    }

    #[test]
    fn text_is_what_was_written() {
        for (written, expected) in
            [("2.0", "2.0"), ("007", "007"), ("2024-06-20", "2024-06-20"), ("'1'", "1"), ("yes", "yes"), ("1e3", "1e3")]
        {
            assert_eq!(shop(&format!("share: 0.5\nname: {written}\n")).unwrap().name, expected);
        }
    }

    #[test]
    fn what_only_yaml_1_1_takes_for_something_else_is_text() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(untagged)]
        enum Any {
            Flag(bool),
            Number(f64),
            Text(String),
        }
        let read: Vec<Any> = from_str("[NO, on, y, 010, -007, 1_000, true, False, 10, 0.5, 0]").unwrap();
        let text = |text: &str| Any::Text(text.to_owned());
        let texts = ["NO", "on", "y", "010", "-007", "1_000"].map(text);
        assert_eq!(read[..6], texts);
        let rest = [Any::Flag(true), Any::Flag(false), Any::Number(10.0), Any::Number(0.5), Any::Number(0.0)];
        assert_eq!(read[6..], rest);
        assert_eq!(shop("name: x\nopen: yes\n").unwrap().open, Some(true));
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_place() {
        for (text, line, column, word) in [
            ("name: x\nopne: true\n", 2, 1, "`open`"),
            ("name: x\nshare: [1]\n", 2, 8, "expected a number, found a list"),
            ("name: [x]\n", 1, 7, "expected a text, found a list"),
            ("open: true\n", 1, 1, "`name`"),
            ("name: x\nrooms:\n  - kitchn\n", 3, 5, "`kitchen`"),
            ("name: x\nrooms:\n  - hall: { seats: many }\n", 3, 20, "expected a whole number"),
            ("name: x\nrooms: [hall]\n", 2, 9, "missing"),
            ("name: x\nrooms: [{ floor: 1, hall: 2 }]\n", 2, 9, "one key"),
            ("name: x\nrooms: [{ kitchen: 1 }]\n", 2, 20, "expected nothing, found the number 1"),
            ("name: x\ncodes: { many: x }\n", 2, 10, "expected a whole number"),
            ("name: x\nshare: .nan\n", 2, 8, "non-finite"),
            ("name: x\nname: y\n", 2, 1, "name"),
            ("name: x\n  y: [\n", 2, 4, ""),
            ("- x\n", 1, 1, "expected a map, `name: value` a line, found a list"),
            ("# nothing yet\n", 1, 1, "expected a map, `name: value` a line, found nothing"),
        ] {
            let error = shop(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.reason.contains(word), "{text}: {error}");
            assert!(error.snippet.contains('^'), "{error}");
        }
    }
}
