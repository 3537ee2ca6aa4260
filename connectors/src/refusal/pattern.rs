//! A regular expression of a manifest: checked when the manifest is read, linear in the text whatever it says.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

/// Bytes that a compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// A regular expression (syntax of the `regex` crate, <https://docs.rs/regex>): it matches anywhere unless it says `^` or `$`.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    ///
    /// The compiler's words when the text is no pattern, or one too large to compile.
    pub fn parse(text: &str) -> Result<Self, String> {
        let compiled = RegexBuilder::new(text).size_limit(COMPILED_BYTES_MAX).build();
        compiled.map(Self).map_err(|error| format!("`{text}` is not a regular expression: {error}"))
    }

    /// Whether it is found in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// What its first group matched, or the whole match where it has no group.
    pub fn first_group<'a>(&self, text: &'a str) -> Option<&'a str> {
        let found = self.0.captures(text)?;
        found.get(1).or_else(|| found.get(0)).map(|found| found.as_str())
    }

    /// What its first two groups matched.
    pub fn two_groups<'a>(&self, text: &'a str) -> Option<(&'a str, &'a str)> {
        let found = self.0.captures(text)?;
        Some((found.get(1)?.as_str(), found.get(2)?.as_str()))
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Pattern {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "regex", "description": "A regular expression" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_pattern_or_grows_too_large() {
        for text in ["(", "a{2000}{2000}{2000}", "(?<=x)y"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn gives_its_groups() {
        let pattern = Pattern::parse(r"(\d+)/(\d+)").unwrap();
        assert_eq!(pattern.two_groups("api-usage=18/5000"), Some(("18", "5000")));
        assert_eq!(pattern.first_group("18/5000"), Some("18"));
        assert_eq!(Pattern::parse(r"\d+").unwrap().first_group("in 7 s"), Some("7"));
    }
}
