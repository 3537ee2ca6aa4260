//! Columns as a contract promises them: type, format, checks, meaning.
//!
//! Types are the contract's: a value that does not fit goes to `_rescued`, never to another type. Money is `decimal` or `int64`
//! in minor units, never a float.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// UTF-8 text. A number or boolean where text is promised is a misfit.
    String,
    /// 64-bit signed integer.
    Int64,
    /// 64-bit float; never for money.
    Float64,
    /// True or false.
    Boolean,
    /// Exact decimal, read from a JSON number or a numeric string without passing through a float.
    Decimal {
        /// All digits, at most 38.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// Calendar date without a zone.
    Date,
    /// Instant, microseconds in UTC.
    Timestamp,
    /// Any JSON value, kept as its text.
    Json,
    /// A record with typed fields.
    Struct(Vec<Column>),
    /// A list of values of one type.
    List(Box<Column>),
}

impl FromStr for ColumnType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "string" => Self::String,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "json" => Self::Json,
            other => {
                let inner = other.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')'));
                let pair = inner.and_then(|inner| inner.split_once(','));
                let parsed = pair.and_then(|(p, s)| Some((p.trim().parse::<u8>().ok()?, s.trim().parse::<i8>().ok()?)));
                match parsed {
                    Some((precision @ 1..=38, scale)) if scale >= 0 && scale.unsigned_abs() <= precision => {
                        Self::Decimal { precision, scale }
                    }
                    _ => {
                        return Err(format!(
                            "`{other}` is not a type: write string, int64, float64, boolean, decimal(12,2), date, timestamp or json"
                        ));
                    }
                }
            }
        })
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("string"),
            Self::Int64 => f.write_str("int64"),
            Self::Float64 => f.write_str("float64"),
            Self::Boolean => f.write_str("boolean"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Json => f.write_str("json"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (at, field) in fields.iter().enumerate() {
                    write!(f, "{}{}: {}", if at > 0 { ", " } else { "" }, field.name, field.column_type)?;
                }
                f.write_str(">")
            }
            Self::List(item) => write!(f, "list<{}>", item.column_type),
        }
    }
}

/// How a source writes a timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimestampFormat {
    /// RFC 3339 text, with `Z` or an offset.
    #[default]
    Rfc3339,
    /// Whole seconds since 1970 in UTC.
    UnixSeconds,
    /// Milliseconds since 1970 in UTC.
    UnixMillis,
    /// Text in a `strftime` pattern without an offset, in the zone named beside it.
    Pattern {
        /// The pattern, e.g. `%Y-%m-%d %H:%M:%S`.
        pattern: String,
        /// The IANA zone that the text is in, e.g. `UTC`.
        zone: String,
    },
}

/// How sensitive a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Classification {
    /// Tells who a person is.
    Pii,
    /// Money of a person or the company.
    Financial,
}

/// What a value must be. A row that fails goes to quarantine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// At least this number.
    Min(f64),
    /// At most this number.
    Max(f64),
    /// One of these texts.
    OneOf(Vec<String>),
    /// Matches this regular expression, anywhere in the text.
    Matches(String),
    /// At most this many characters.
    MaxLength(u32),
    /// Three letters, upper or lower case, as ISO 4217 writes currencies.
    CurrencyCode,
    /// No two rows of a window have the same value. Judged on the whole window, which is held when it fails.
    Unique,
}

/// One column of a contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in tables.
    pub name: String,
    /// JSON pointer to its value in the record, e.g. `/customer/id`.
    pub pointer: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether a missing or null value is good.
    pub nullable: bool,
    /// How a timestamp is written; ignored for other types.
    #[serde(default)]
    pub format: TimestampFormat,
    /// Unit of the value, e.g. `minor_units`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What each value must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// `stream.column` that it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refers_to: Option<String>,
    /// How sensitive it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// One sentence on what it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Column {
    /// A non-null column that stands at the top of the record under its own name.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        let name = name.into();
        Self {
            pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            name,
            column_type,
            nullable: false,
            format: TimestampFormat::default(),
            unit: None,
            checks: Vec::new(),
            refers_to: None,
            classification: None,
            description: None,
        }
    }

    /// The same column, which may be null.
    #[must_use]
    pub fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_types_that_cannot_be() {
        for text in ["", "money", "decimal", "decimal(39,2)", "decimal(4,5)", "decimal(4,-1)", "decimal(0,0)", "Int64"]
        {
            assert!(text.parse::<ColumnType>().is_err(), "{text}");
        }
    }

    #[test]
    fn scalar_types_read_back() {
        for text in ["string", "int64", "float64", "boolean", "decimal(12,2)", "date", "timestamp", "json"] {
            assert_eq!(text.parse::<ColumnType>().unwrap().to_string(), text);
        }
    }
}
