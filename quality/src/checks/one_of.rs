//! A value must be one of a few.
//!
//! The list is walked for each value: an enumeration of a contract is short, and comparing lengths first beats hashing.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use headwater_contract::ColumnType;

use crate::checks::{GateError, Reason, not_applicable, text};

/// The `one_of` check of one column.
#[derive(Debug)]
pub(super) struct OneOf {
    allowed: Allowed,
    listed: Arc<str>,
}

#[derive(Debug)]
enum Allowed {
    Texts(Vec<String>),
    Integers(Vec<i64>),
    Booleans(Vec<bool>),
}

impl OneOf {
    pub(super) fn compile(allowed: &[String], column: &str, kind: &ColumnType) -> Result<Self, GateError> {
        let error = || not_applicable(column, "one_of", kind);
        let listed = allowed.join(", ").into();
        let allowed = match kind {
            ColumnType::String => Allowed::Texts(allowed.to_vec()),
            ColumnType::Int64 => Allowed::Integers(parsed(allowed).ok_or_else(error)?),
            ColumnType::Boolean => Allowed::Booleans(parsed(allowed).ok_or_else(error)?),
            _ => return Err(error()),
        };
        Ok(Self { allowed, listed })
    }

    pub(super) fn failures(&self, values: &ArrayRef, fail: &mut dyn FnMut(usize)) -> Option<()> {
        match &self.allowed {
            Allowed::Texts(allowed) => text::each(values, |text| allowed.iter().any(|one| one == text), fail),
            Allowed::Integers(allowed) => {
                let values = values.as_primitive_opt::<Int64Type>()?;
                let is_bad = |row: &usize| values.is_valid(*row) && !allowed.contains(&values.value(*row));
                (0..values.len()).filter(is_bad).for_each(fail);
                Some(())
            }
            Allowed::Booleans(allowed) => {
                let values = values.as_boolean_opt()?;
                let is_bad = |row: &usize| values.is_valid(*row) && !allowed.contains(&values.value(*row));
                (0..values.len()).filter(is_bad).for_each(fail);
                Some(())
            }
        }
    }

    pub(super) fn reason(&self, column: Arc<str>) -> Reason {
        Reason::NotOneOf { column, allowed: self.listed.clone() }
    }
}

fn parsed<T: std::str::FromStr>(texts: &[String]) -> Option<Vec<T>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}
