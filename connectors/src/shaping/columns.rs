//! What a column asks for before its value is typed: which values mean null, in which of several ways a time is written, which words are
//! true and false.
//!
//! The lake reads one format a column; a value in another is written anew here, and one that fits none stays as it is, so that typing
//! rescues and counts it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::node::Node;
use crate::decoding::Pointer;
use crate::expression::{ExpressionError, Scalar, Scope};
use crate::windowing::{Clockface, TimeFormat};

/// What a column asks for before its value is typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normal {
    /// Values that mean null.
    pub null_if: Vec<Scalar>,
    /// Whether a blank text means null.
    pub empty_is_null: bool,
    /// Ways in which a time is written, in the order in which they are tried.
    pub formats: Vec<TimeFormat>,
    /// The same with their zones; those whose zone a setting gives are added when the source is opened.
    pub clocks: Vec<Clockface>,
    /// Whether the column is a date, so that a time is cut to its day in UTC.
    pub is_date: bool,
    /// Values that mean true, and values that mean false.
    pub words: (Vec<Scalar>, Vec<Scalar>),
}

impl Normal {
    /// Whether it asks for nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self { is_date: self.is_date, ..Self::default() }
    }

    /// Puts the zones that settings give into its formats.
    ///
    /// # Errors
    ///
    /// [`ExpressionError`] when a placeholder is unknown, or what it stands for is no zone.
    pub fn fill_zones(&mut self, scope: &Scope) -> Result<(), ExpressionError> {
        self.clocks = self.formats.iter().map(|format| format.with_zone(scope)).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The instant of a text in the first format that fits.
    fn instant(&self, plain: &str) -> Option<DateTime<Utc>> {
        let value = Value::String(plain.trim().to_owned());
        self.clocks.iter().find_map(|clock| clock.read(&value))
    }

    fn apply(&self, node: &mut Node<'_>) {
        let Some(plain) = node.plain() else { return };
        let means = |scalars: &[Scalar]| scalars.iter().any(|scalar| scalar.to_string() == plain);
        if means(&self.null_if) || (self.empty_is_null && plain.trim().is_empty()) {
            *node = Node::null();
        } else if means(&self.words.0) {
            *node = Node::json("true".to_owned());
        } else if means(&self.words.1) {
            *node = Node::json("false".to_owned());
        } else if let Some(instant) = self.instant(&plain) {
            *node = Node::string(&if self.is_date {
                instant.format("%Y-%m-%d").to_string()
            } else {
                instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
            });
        }
    }
}

/// Writes the values of the columns that ask for it as the lake reads them.
pub(super) fn normalise(columns: &[(Pointer, Normal)], record: &mut Node<'_>) {
    for (pointer, normal) in columns {
        if let Some(node) = record.get(pointer.segments()) {
            normal.apply(node);
        }
    }
}
