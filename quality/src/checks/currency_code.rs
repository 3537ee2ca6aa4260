//! A text must look like a currency: three letters, in one case.
//!
//! Whether ISO 4217 lists the code today is not asked: the list changes (HRK went, XCG came) and old rows stay true
//! (<https://www.iso.org/iso-4217-currency-codes.html>).

use arrow_array::ArrayRef;
use headwater_contract::ColumnType;

use crate::checks::{GateError, not_applicable, text};

/// The `currency_code` check of one column.
#[derive(Debug)]
pub(super) struct CurrencyCode;

impl CurrencyCode {
    pub(super) fn compile(column: &str, kind: &ColumnType) -> Result<Self, GateError> {
        if *kind == ColumnType::String { Ok(Self) } else { Err(not_applicable(column, "currency_code", kind)) }
    }

    #[expect(clippy::unused_self, reason = "a variant of the family, called as the others are")]
    pub(super) fn failures(&self, values: &ArrayRef, fail: &mut dyn FnMut(usize)) -> Option<()> {
        text::each(values, is_currency, fail)
    }
}

fn is_currency(text: &str) -> bool {
    text.len() == 3
        && (text.bytes().all(|byte| byte.is_ascii_uppercase()) || text.bytes().all(|byte| byte.is_ascii_lowercase()))
}
