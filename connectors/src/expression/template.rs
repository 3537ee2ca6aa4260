//! Texts with placeholders.
//!
//! RFC 6570 level 2 (<https://datatracker.ietf.org/doc/html/rfc6570>): in a path `{name}` is encoded as one segment, `{+name}` keeps `/`.
//! No value can leave its place: an empty one, `.` and `..` are refused. `{*name}` is a part of an address already: it may be empty, its
//! signs and escapes stay, and only what no path can hold is encoded.

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
    Name { name: String, within: Within },
}

/// What of a path a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// One segment.
    Segment,
    /// Segments with `/` between them.
    Segments,
    /// Any part, written as addresses write it.
    Address,
}

impl Within {
    /// What stays as it is.
    fn kept(self) -> &'static AsciiSet {
        match self {
            Self::Segment => SEGMENT,
            Self::Segments => SEGMENTS,
            Self::Address => ADDRESS,
        }
    }

    /// The value as it stands in a path; nothing for one that would leave its place.
    fn encoded(self, value: &str) -> Option<String> {
        let is_up = |part: &str| part == "." || part == "..";
        let is_bad = |part: &str| part.is_empty() || is_up(part);
        let is_out = match self {
            Self::Segment => is_bad(value),
            Self::Segments => is_bad(value) || value.split('/').any(is_bad),
            // Readers of addresses take an escaped dot for a dot.
            Self::Address => value.split('/').any(|part| is_up(&part.to_ascii_lowercase().replace("%2e", "."))),
        };
        if is_out {
            return None;
        }
        let is_escaped = self != Self::Address || value.split('%').skip(1).all(is_escape);
        let value = if is_escaped { Cow::Borrowed(value) } else { Cow::Owned(value.replace('%', "%25")) };
        Some(utf8_percent_encode(&value, self.kept()).to_string())
    }
}

/// Whether what stands behind a percent sign makes an escape of it.
fn is_escape(behind: &str) -> bool {
    behind.get(..2).is_some_and(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()))
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
/// The same with everything that may stand in a path.
const ADDRESS: &AsciiSet = &SEGMENTS
    .remove(b'!')
    .remove(b'$')
    .remove(b'%')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@')
    .remove(b'[')
    .remove(b']');

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
            let (name, within) = match (inside.strip_prefix('+'), inside.strip_prefix('*')) {
                (Some(name), _) => (name, Within::Segments),
                (_, Some(name)) => (name, Within::Address),
                _ => (inside, Within::Segment),
            };
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(bad());
            }
            pieces.push(Piece::Name { name: name.to_owned(), within });
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
    /// [`ExpressionError::UnknownName`], or [`ExpressionError::LeavesPath`] for a value that cannot stand there: an empty one, `.` and `..`.
    pub fn fill_path(&self, scope: &Scope) -> Result<String, ExpressionError> {
        self.expand(scope, |value, within| within.encoded(&value))
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
        let mut names = BTreeMap::new();
        let fits = unfill(&self.pieces, text, known, is_path, &mut names);
        fits.then_some(names)
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
        encode: impl Fn(String, Within) -> Option<String>,
    ) -> Result<String, ExpressionError> {
        let mut out = String::with_capacity(self.text.len());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Name { name, within } => {
                    let value = encode(self.look_up(scope, name)?.to_string(), *within);
                    let leaves = || ExpressionError::LeavesPath { text: self.text.clone(), name: name.clone() };
                    out.push_str(&value.ok_or_else(leaves)?);
                }
            }
        }
        Ok(out)
    }
}

/// Takes `text` apart as `pieces` put it together; a name takes as little as the pieces behind it allow.
fn unfill(pieces: &[Piece], text: &str, known: &Scope, is_path: bool, names: &mut BTreeMap<String, String>) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    match first {
        Piece::Literal(literal) => {
            text.strip_prefix(literal.as_str()).is_some_and(|text| unfill(rest, text, known, is_path, names))
        }
        Piece::Name { name, within } => {
            if let Some(value) = known.get(name) {
                let value = value.to_string();
                let value = if is_path { utf8_percent_encode(&value, within.kept()).to_string() } else { value };
                return text.strip_prefix(&value).is_some_and(|text| unfill(rest, text, known, is_path, names));
            }
            let most =
                if is_path && *within == Within::Segment { text.find('/').unwrap_or(text.len()) } else { text.len() };
            for end in (0..=most).filter(|end| text.is_char_boundary(*end)) {
                let (value, behind) = text.split_at(end);
                if unfill(rest, behind, known, is_path, names) {
                    let plain = percent_decode_str(value).decode_utf8_lossy();
                    names.insert(name.clone(), if is_path { plain.into_owned() } else { value.to_owned() });
                    return true;
                }
            }
            false
        }
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
