//! Texts with placeholders.
//!
//! RFC 6570 level 2 (<https://datatracker.ietf.org/doc/html/rfc6570>): in a path `{name}` is encoded as one segment, `{+name}` keeps `/`.
//! No value can leave its place: an empty one, `.` and `..` are refused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use super::{ExpressionError, Scalar, Scope};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Name { name: String, keeps_slashes: bool },
}

/// A text with placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

/// What stays as it is in one segment of a path: the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same with `/`.
const SEGMENTS: &AsciiSet = &SEGMENT.remove(b'/');

impl Template {
    /// Reads a text with placeholders.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::BadPlaceholder`] when braces do not hold a name.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let bad = || ExpressionError::BadPlaceholder { text: text.to_owned() };
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            if before.contains('}') {
                return Err(bad());
            }
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.to_owned()));
            }
            let (inside, after) = after.split_once('}').ok_or_else(bad)?;
            let (name, keeps_slashes) = inside.strip_prefix('+').map_or((inside, false), |name| (name, true));
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(bad());
            }
            pieces.push(Piece::Name { name: name.to_owned(), keeps_slashes });
            rest = after;
        }
        if rest.contains('}') {
            return Err(bad());
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self { text: text.to_owned(), pieces })
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names in its placeholders.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces
            .iter()
            .filter_map(|piece| if let Piece::Name { name, .. } = piece { Some(name.as_str()) } else { None })
    }

    /// Fills in the names without encoding, for parameters and headers.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::UnknownName`].
    pub fn fill(&self, scope: &Scope) -> Result<String, ExpressionError> {
        self.expand(scope, |value, _| Some(value))
    }

    /// Fills in the names, percent-encoded as parts of a path.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::UnknownName`], or [`ExpressionError::LeavesPath`] for an empty value, `.` and `..`.
    pub fn fill_path(&self, scope: &Scope) -> Result<String, ExpressionError> {
        self.expand(scope, |value, keeps_slashes| {
            let is_bad = |part: &str| part.is_empty() || part == "." || part == "..";
            if is_bad(&value) || (keeps_slashes && value.split('/').any(is_bad)) {
                return None;
            }
            Some(utf8_percent_encode(&value, if keeps_slashes { SEGMENTS } else { SEGMENT }).to_string())
        })
    }

    /// The value of a template that is one placeholder and nothing else, with its type.
    ///
    /// # Errors
    ///
    /// [`ExpressionError::UnknownName`].
    pub fn value(&self, scope: &Scope) -> Result<Value, ExpressionError> {
        if let [Piece::Name { name, .. }] = self.pieces.as_slice() {
            return Ok(self.look_up(scope, name)?.to_json());
        }
        self.fill(scope).map(Value::String)
    }

    /// Reads the names out of a text that this template was filled in to, percent-encoded or not. Names in `known` must stand there with
    /// their values; nothing when the text is of another template.
    pub(crate) fn unfill(&self, text: &str, known: &Scope, is_path: bool) -> Option<BTreeMap<String, String>> {
        let mut pattern = String::from("(?s)^");
        let mut unknown = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => pattern.push_str(&regex::escape(literal)),
                Piece::Name { name, keeps_slashes } => match known.get(name) {
                    Some(value) => {
                        let set = if *keeps_slashes { SEGMENTS } else { SEGMENT };
                        let value = value.to_string();
                        let value = if is_path { utf8_percent_encode(&value, set).to_string() } else { value };
                        pattern.push_str(&regex::escape(&value));
                    }
                    None => {
                        unknown.push(name.clone());
                        pattern.push_str(if is_path && !keeps_slashes { "([^/]*)" } else { "(.*)" });
                    }
                },
            }
        }
        pattern.push('$');
        let found = super::regex(&pattern).ok()?.captures(text)?;
        let value = |at: usize| {
            let text = found.get(at + 1).map_or("", |group| group.as_str());
            if is_path { percent_decode_str(text).decode_utf8_lossy().into_owned() } else { text.to_owned() }
        };
        Some(unknown.into_iter().enumerate().map(|(at, name)| (name, value(at))).collect())
    }

    /// How many characters of it stand as they are.
    pub(crate) fn literal_length(&self) -> usize {
        self.pieces.iter().map(|piece| if let Piece::Literal(text) = piece { text.len() } else { 0 }).sum()
    }

    fn look_up<'a>(&self, scope: &'a Scope, name: &str) -> Result<&'a Scalar, ExpressionError> {
        scope.get(name).ok_or_else(|| ExpressionError::UnknownName {
            text: self.text.clone(),
            name: name.to_owned(),
            known: scope.keys().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", "),
        })
    }

    fn expand(
        &self,
        scope: &Scope,
        encode: impl Fn(String, bool) -> Option<String>,
    ) -> Result<String, ExpressionError> {
        let mut out = String::with_capacity(self.text.len());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Name { name, keeps_slashes } => {
                    let value = encode(self.look_up(scope, name)?.to_string(), *keeps_slashes);
                    let leaves = || ExpressionError::LeavesPath { text: self.text.clone(), name: name.clone() };
                    out.push_str(&value.ok_or_else(leaves)?);
                }
            }
        }
        Ok(out)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl JsonSchema for Template {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "Text; `{name}` stands for a setting, a slice or a parameter" })
    }
}
