//! Names of sources, streams, slices, zones and tables, and how a name becomes a path segment.
//!
//! Names are in paths on every store, so [`encode_segment`] leaves only letters, digits, `_` and `-` (and `.` inside) as they are.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Empty, too long, or with a character outside `a-z 0-9 _`.
    #[error("`{text}` is not a name: use 1 to 64 of `a-z`, `0-9` and `_`, beginning with a letter")]
    NotAName {
        /// What was written.
        text: String,
    },
    /// A stream is written as `source.stream`.
    #[error("`{text}` is not a stream: write `source.stream`")]
    NotAStream {
        /// What was written.
        text: String,
    },
    /// A table is written as `zone.schema.table`.
    #[error(
        "`{text}` is not a table: write `zone.schema.table`, with raw, cleansed, curated or exploration as the zone"
    )]
    NotATable {
        /// What was written.
        text: String,
    },
}

fn check_name(text: &str) -> Result<(), NameError> {
    let begins_well = text.starts_with(|c: char| c.is_ascii_lowercase());
    let is_plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if begins_well && is_plain && text.len() <= 64 {
        Ok(())
    } else {
        Err(NameError::NotAName { text: text.to_owned() })
    }
}

/// A source of a project, e.g. `shop`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);

impl SourceName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    ///
    /// [`NameError::NotAName`] when it has other characters than `a-z`, `0-9` and `_`.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        check_name(&text).map(|()| Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SourceName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<SourceName> for String {
    fn from(name: SourceName) -> Self {
        name.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stream of a source, written `source.stream`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName {
    source: SourceName,
    stream: String,
}

impl StreamName {
    /// Checks and joins the two names.
    ///
    /// # Errors
    ///
    /// [`NameError::NotAName`] when `stream` has other characters than `a-z`, `0-9` and `_`.
    pub fn new(source: SourceName, stream: impl Into<String>) -> Result<Self, NameError> {
        let stream = stream.into();
        check_name(&stream).map(|()| Self { source, stream })
    }

    /// The source's name.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// The stream's name within its source.
    pub fn stream(&self) -> &str {
        &self.stream
    }
}

impl FromStr for StreamName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (source, stream) = text.split_once('.').ok_or_else(|| NameError::NotAStream { text: text.to_owned() })?;
        Self::new(SourceName::new(source)?, stream)
    }
}

impl TryFrom<String> for StreamName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.source, self.stream)
    }
}

/// A declared part of a stream with its own progress; [`Slice::whole`] where a stream has none.
///
/// Its text comes from the source (an account id, a repository), so it may hold any character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Slice(String);

impl Slice {
    /// The only slice of a stream that declares none.
    pub fn whole() -> Self {
        Self(String::new())
    }

    /// A named slice.
    pub fn named(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the stream is not sliced.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// The slice's text; empty for the whole stream.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the four zones of a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Zone {
    /// Bodies as sent, with receipts.
    Raw,
    /// Typed tables, one or two a stream.
    Cleansed,
    /// Facts and dimensions.
    Curated,
    /// Samples and features with an owner and an end date.
    Exploration,
}

impl Zone {
    /// All zones, in the order that data walks.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Cleansed, Self::Curated, Self::Exploration];

    /// The zone's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Cleansed => "cleansed",
            Self::Curated => "curated",
            Self::Exploration => "exploration",
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A table as SQL, grants and lineage name it: `zone.schema.table`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    /// The zone that holds it.
    pub zone: Zone,
    /// The source in raw and cleansed, the star in curated, the owner in exploration.
    pub schema: String,
    /// The table within the schema.
    pub table: String,
}

impl TableName {
    /// Joins the three parts.
    pub fn new(zone: Zone, schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { zone, schema: schema.into(), table: table.into() }
    }
}

impl FromStr for TableName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || NameError::NotATable { text: text.to_owned() };
        let mut parts = text.split('.');
        let (Some(zone), Some(schema), Some(table), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(error());
        };
        let zone = Zone::ALL.into_iter().find(|known| known.as_str() == zone).ok_or_else(error)?;
        check_name(schema).map_err(|_| error())?;
        check_name(table).map_err(|_| error())?;
        Ok(Self::new(zone, schema, table))
    }
}

impl TryFrom<String> for TableName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.zone, self.schema, self.table)
    }
}

/// Percent-encodes `text` so that it is one segment of a path on every store.
pub fn encode_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || (byte == b'.' && at > 0);
        if is_plain {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 0x0F] {
                out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    out
}

/// Undoes [`encode_segment`]; `None` when `segment` was not made by it.
pub fn decode_segment(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_names_that_would_leave_their_folder() {
        for text in ["", "..", "a/b", "A", "1a", "a-b", "a b", "ä", &"a".repeat(65)] {
            assert!(SourceName::new(text).is_err(), "{text}");
        }
        assert!("shop".parse::<StreamName>().is_err());
        assert!("gold.shop.orders".parse::<TableName>().is_err());
        assert!("curated.shop".parse::<TableName>().is_err());
    }

    #[test]
    fn a_segment_keeps_no_separator_and_reads_back() {
        for text in ["", "a", "..", ".", "a/b\\c", "owner/repo", "50% off", "ä€", "a.b"] {
            let segment = encode_segment(text);
            assert!(!segment.contains(['/', '\\', ' ']) && segment != "." && segment != "..", "{segment}");
            assert_eq!(decode_segment(&segment).as_deref(), Some(text));
        }
    }
}
