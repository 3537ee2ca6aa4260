//! A bound on numbers, exact for every numeric type.
//!
//! A bound is written as a float (`0.01`), a decimal column is not one. So the bound's shortest decimal text is brought to the
//! column's scale as an integer, and a bound between two values of the column becomes the value inside.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use headwater_contract::ColumnType;

use crate::checks::{GateError, not_applicable};

/// Which side of a bound is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Values at or above the bound.
    AtLeast,
    /// Values at or below the bound.
    AtMost,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::AtLeast => "min",
            Self::AtMost => "max",
        }
    }

    fn accepts(self, value: Option<Ordering>) -> bool {
        match self {
            Self::AtLeast => matches!(value, Some(Ordering::Greater | Ordering::Equal)),
            Self::AtMost => matches!(value, Some(Ordering::Less | Ordering::Equal)),
        }
    }
}

/// A bound in the column's own terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    side: Side,
    written: f64,
    value: Scaled,
}

#[derive(Clone, Copy, Debug)]
enum Scaled {
    Float(f64),
    Int(i64),
    Decimal(i128),
}

impl Bound {
    pub(super) fn compile(side: Side, written: f64, column: &str, kind: &ColumnType) -> Result<Self, GateError> {
        if !written.is_finite() {
            return Err(GateError::BadBound { column: column.to_owned(), check: side.name() });
        }
        let value = match kind {
            ColumnType::Float64 => Scaled::Float(written),
            ColumnType::Int64 => {
                let exact = scaled(written, 0, side);
                let edge = if exact < 0 { i64::MIN } else { i64::MAX };
                Scaled::Int(i64::try_from(exact).unwrap_or(edge))
            }
            ColumnType::Decimal { scale, .. } => {
                Scaled::Decimal(scaled(written, usize::from(scale.unsigned_abs()), side))
            }
            other => return Err(not_applicable(column, side.name(), other)),
        };
        Ok(Self { side, written, value })
    }

    pub(super) fn written(&self) -> String {
        self.written.to_string()
    }

    /// Calls `fail` for each value on the wrong side; a value that is not a number is on the wrong side of everything.
    pub(super) fn failures(&self, values: &ArrayRef, fail: &mut dyn FnMut(usize)) -> Option<()> {
        let side = self.side;
        match self.value {
            Scaled::Float(bound) => {
                let values = values.as_primitive_opt::<Float64Type>()?;
                each(values, &values.values()[..], |value| side.accepts(value.partial_cmp(&bound)), fail);
            }
            Scaled::Int(bound) => {
                let values = values.as_primitive_opt::<Int64Type>()?;
                each(values, &values.values()[..], |value| side.accepts(Some(value.cmp(&bound))), fail);
            }
            Scaled::Decimal(bound) => {
                let values = values.as_primitive_opt::<Decimal128Type>()?;
                each(values, &values.values()[..], |value| side.accepts(Some(value.cmp(&bound))), fail);
            }
        }
        Some(())
    }
}

fn each<T>(array: &dyn Array, values: &[T], is_good: impl Fn(&T) -> bool, fail: &mut dyn FnMut(usize)) {
    for (row, value) in values.iter().enumerate() {
        if !is_good(value) && array.is_valid(row) {
            fail(row);
        }
    }
}

/// `written` × 10^`scale` as an integer; what lies between two integers goes to the one on the good side.
fn scaled(written: f64, scale: usize, side: Side) -> i128 {
    // The shortest text that reads back as the same float, never with an exponent: what the author wrote.
    let text = written.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (kept, rest) = fraction.split_at(fraction.len().min(scale));
    let digits = format!("{whole}{kept:0<scale$}");
    let is_negative = written < 0.0;
    let Ok(magnitude) = digits.parse::<i128>() else {
        return if is_negative { i128::MIN } else { i128::MAX };
    };
    let is_between = rest.bytes().any(|digit| digit != b'0');
    let away = is_between && is_negative == (side == Side::AtMost);
    let magnitude = if away { magnitude.saturating_add(1) } else { magnitude };
    if is_negative { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_between_two_values_becomes_the_one_inside() {
        for (written, scale, at_least, at_most) in [
            (0.0, 0, 0, 0),
            (0.01, 2, 1, 1),
            (0.015, 2, 2, 1),
            (-0.015, 2, -1, -2),
            (1.5, 0, 2, 1),
            (-1.5, 0, -1, -2),
            (19.99, 2, 1999, 1999),
            (1e30, 2, 100_000_000_000_000_000_000_000_000_000_000, 100_000_000_000_000_000_000_000_000_000_000),
            (1e300, 0, i128::MAX, i128::MAX),
            (-1e300, 0, i128::MIN, i128::MIN),
        ] {
            assert_eq!(scaled(written, scale, Side::AtLeast), at_least, "{written} at {scale}");
            assert_eq!(scaled(written, scale, Side::AtMost), at_most, "{written} at {scale}");
        }
    }
}
