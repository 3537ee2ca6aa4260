//! References to a field: a plain name, or a JSON pointer (RFC 6901, <https://datatracker.ietf.org/doc/html/rfc6901>).

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// Where a value stands: `id` and `/id` are the same, `/paging/next/after` is deeper, `""` is the whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    text: String,
    segments: Vec<String>,
}

impl Pointer {
    /// Reads a plain name or a JSON pointer.
    pub fn parse(text: &str) -> Self {
        let pointer = if text.is_empty() || text.starts_with('/') {
            text.to_owned()
        } else {
            format!("/{}", text.replace('~', "~0").replace('/', "~1"))
        };
        let segments = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
        Self { text: pointer, segments }
    }

    /// Its parts, unescaped; empty for the whole.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The pointer as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value in `of` that it points at.
    pub fn find<'a>(&self, of: &'a Value) -> Option<&'a Value> {
        of.pointer(&self.text)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let pointer = Self::parse(&text);
        let is_escaped_well =
            pointer.text.split('~').skip(1).all(|rest| rest.starts_with('0') || rest.starts_with('1'));
        if is_escaped_well {
            Ok(pointer)
        } else {
            Err(D::Error::custom(format!("`{text}` is not a JSON pointer: `~` is written `~0`")))
        }
    }
}

impl JsonSchema for Pointer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pointer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A field's name, or a JSON pointer such as /paging/next" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_a_field_at_the_top() {
        assert_eq!(Pointer::parse("has_more"), Pointer::parse("/has_more"));
        assert_eq!(Pointer::parse("/a~1b/~0c").segments(), ["a/b", "~c"]);
        assert!(Pointer::parse("").segments().is_empty());
    }
}
