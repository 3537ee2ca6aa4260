//! The columns that a source really has: by a JSON Schema, by what the source itself lists, or by its records.
//!
//! A manifest's columns are a contract, so nothing here changes them by itself: what was found is compared with them, and a person accepts
//! a difference into the manifest's text, whose comments stay.
//!
//! | file | what it does |
//! |---|---|
//! | `schema` | makes columns of a JSON Schema |
//! | `sample` | makes columns of records |
//! | `listing` | makes columns of the fields that an endpoint lists |
//! | `change` | says how columns differ from what was found |
//! | `accept` | writes a difference into a manifest |

mod accept;
mod change;
mod flow;
mod listing;
mod sample;
mod schema;

pub use accept::{AcceptError, accept};
pub use change::{Change, compare};
pub use listing::ColumnListManifest;
pub use sample::{SAMPLE_RECORDS, Sample};
pub use schema::columns_of;

use headwater_contract::{ColumnType, TimestampFormat};
use serde::Serialize;

use crate::decoding::Pointer;
use crate::draft::{free, quoted, snake};

/// A column that a source has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundColumn {
    /// A name for it.
    pub name: String,
    /// Where its value stands in a record.
    pub pointer: String,
    /// The type that takes all values of it.
    pub column_type: ColumnType,
    /// How a timestamp is written.
    pub format: TimestampFormat,
    /// Whether null was seen, or nothing promises that there is none.
    pub nullable: bool,
    /// What the source says that it means.
    pub help: Option<String>,
}

impl FoundColumn {
    /// What a manifest writes for it, e.g. `{ type: string, nullable: true }`.
    pub fn written(&self) -> String {
        let mut parts = vec![format!("type: {}", quoted(&self.column_type.to_string()))];
        if Pointer::parse(&self.name) != Pointer::parse(&self.pointer) {
            parts.push(format!("path: {}", quoted(&self.pointer)));
        }
        match self.format {
            TimestampFormat::UnixSeconds => parts.push("format: unix_seconds".to_owned()),
            TimestampFormat::UnixMillis => parts.push("format: unix_millis".to_owned()),
            TimestampFormat::Rfc3339 | TimestampFormat::Pattern { .. } => {}
        }
        if self.nullable {
            parts.push("nullable: true".to_owned());
        }
        if let Some(help) = &self.help {
            parts.push(format!("help: {}", quoted(help)));
        }
        format!("{{ {} }}", parts.join(", "))
    }
}

/// A name for a field among those that are taken, whatever their case: tables do not tell `Id` from `id`.
fn name_for(field: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let is_plain = field.starts_with(|c: char| c.is_ascii_alphabetic())
        && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    free(&if is_plain { field.to_owned() } else { snake(field) }, is_taken)
}

/// One name as the last part of a JSON pointer.
fn below(above: &str, field: &str) -> String {
    format!("{above}/{}", field.replace('~', "~0").replace('/', "~1"))
}
