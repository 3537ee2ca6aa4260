//! Describes what landed: rows, nulls, smallest and largest value of each column, for the catalog.
//!
//! Columns that are classified get no smallest and largest value: a catalog is read by more people than the table. Distinct counts
//! are left out on purpose: hashing every value costs more than all the rest of the gate.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};
use headwater_contract::Column;
use serde::{Deserialize, Serialize};

/// A longer text is cut here when it is a smallest or largest value.
const TEXT_CHARACTERS_MAX: usize = 64;

/// One column of what landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// The column.
    pub name: String,
    /// Rows.
    pub count: u64,
    /// Rows without a value.
    pub nulls: u64,
    /// The smallest value as text; absent for classified and nested columns and where there is none.
    pub min: Option<String>,
    /// The largest value as text; absent as `min` is.
    pub max: Option<String>,
}

/// Gathers the profile of a table, batch by batch.
#[derive(Debug)]
pub struct Profiler {
    columns: Vec<Progress>,
}

#[derive(Debug)]
struct Progress {
    name: String,
    is_open: bool,
    count: u64,
    nulls: u64,
    least: Option<Extreme>,
    most: Option<Extreme>,
}

/// A value that can be compared with others of its column, and its text.
#[derive(Clone, Debug)]
struct Extreme {
    rank: Rank,
    text: String,
}

#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Rank {
    Integer(i128),
    Float(f64),
    Text(String),
}

impl Profiler {
    /// Begins a table with these columns.
    pub fn new(columns: &[Column]) -> Self {
        let progress = |column: &Column| Progress {
            name: column.name.clone(),
            is_open: column.classification.is_none(),
            count: 0,
            nulls: 0,
            least: None,
            most: None,
        };
        Self { columns: columns.iter().map(progress).collect() }
    }

    /// Adds the rows of a batch. A column that it lacks counts as null in every row.
    pub fn observe(&mut self, batch: &RecordBatch) {
        let rows = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        for column in &mut self.columns {
            column.count += rows;
            match batch.column_by_name(&column.name) {
                Some(values) => column.observe(values),
                None => column.nulls += rows,
            }
        }
    }

    /// The profile of each column, in order.
    pub fn finish(self) -> Vec<ColumnProfile> {
        let done = |column: Progress| ColumnProfile {
            name: column.name,
            count: column.count,
            nulls: column.nulls,
            min: column.least.map(|least| least.text),
            max: column.most.map(|most| most.text),
        };
        self.columns.into_iter().map(done).collect()
    }
}

impl Progress {
    fn observe(&mut self, values: &ArrayRef) {
        self.nulls += u64::try_from(values.null_count()).unwrap_or(u64::MAX);
        if !self.is_open {
            return;
        }
        let Some((least, most)) = extremes(values) else { return };
        let options = FormatOptions::default();
        let Ok(texts) = ArrayFormatter::try_new(values.as_ref(), &options) else { return };
        let extreme = |(row, rank): (usize, Rank)| Extreme {
            rank,
            text: texts.value(row).to_string().chars().take(TEXT_CHARACTERS_MAX).collect(),
        };
        if self.least.as_ref().is_none_or(|known| least.1 < known.rank) {
            self.least = Some(extreme(least));
        }
        if self.most.as_ref().is_none_or(|known| most.1 > known.rank) {
            self.most = Some(extreme(most));
        }
    }
}

/// The rows of the smallest and largest value; `None` when there is no value or the type has no order worth showing.
fn extremes(values: &ArrayRef) -> Option<((usize, Rank), (usize, Rank))> {
    match values.data_type() {
        DataType::Int64 => primitive::<Int64Type>(values, |value| Some(Rank::Integer(value.into()))),
        DataType::Date32 => primitive::<Date32Type>(values, |value| Some(Rank::Integer(value.into()))),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            primitive::<TimestampMicrosecondType>(values, |value| Some(Rank::Integer(value.into())))
        }
        DataType::Decimal128(..) => primitive::<Decimal128Type>(values, |value| Some(Rank::Integer(value))),
        DataType::Float64 => primitive::<Float64Type>(values, |value| (!value.is_nan()).then_some(Rank::Float(value))),
        DataType::Utf8 => {
            let texts = values.as_string_opt::<i32>()?;
            let known = || texts.iter().enumerate().filter_map(|(row, text)| Some((text?, row)));
            let (least, most) = (known().min()?, known().max()?);
            let ranked = |(text, row): (&str, usize)| (row, Rank::Text(text.to_owned()));
            Some((ranked(least), ranked(most)))
        }
        _ => None,
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: &ArrayRef,
    rank: impl Fn(T::Native) -> Option<Rank>,
) -> Option<((usize, Rank), (usize, Rank))> {
    let mut found: Option<((usize, Rank), (usize, Rank))> = None;
    for (row, value) in values.as_primitive_opt::<T>()?.iter().enumerate() {
        let Some(rank) = value.and_then(&rank) else { continue };
        match &mut found {
            Some((least, _)) if rank < least.1 => *least = (row, rank),
            Some((_, most)) if rank > most.1 => *most = (row, rank),
            Some(_) => {}
            None => found = Some(((row, rank.clone()), (row, rank))),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Decimal128Array, Float64Array, Int64Array, StringArray};
    use headwater_contract::{Classification, ColumnType};

    use super::*;

    fn batch(ids: Vec<Option<i64>>, names: Vec<Option<&str>>) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from(ids));
        let names: ArrayRef = Arc::new(StringArray::from(names));
        RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("name", names, true)]).unwrap()
    }

    #[test]
    fn a_classified_column_shows_no_value() {
        let mut name = Column::new("name", ColumnType::String).nullable();
        name.classification = Some(Classification::Pii);
        let mut profiler = Profiler::new(&[Column::new("id", ColumnType::Int64), name]);
        profiler.observe(&batch(vec![Some(3), Some(-1)], vec![Some("Ada"), None]));
        profiler.observe(&batch(vec![Some(7), None], vec![Some("Bob"), Some("Cy")]));
        let told = profiler.finish();
        let flat = |column: &ColumnProfile| (column.count, column.nulls, column.min.clone(), column.max.clone());
        assert_eq!(flat(&told[0]), (4, 1, Some("-1".to_owned()), Some("7".to_owned())));
        assert_eq!(flat(&told[1]), (4, 1, None, None));
    }

    #[test]
    fn extremes_are_of_values_not_of_their_texts() {
        let prices = Decimal128Array::from(vec![999, 10_000, -5]).with_precision_and_scale(12, 2).unwrap();
        let floats = Float64Array::from(vec![f64::NAN, 9.5, 10.0]);
        let columns: [(&str, ArrayRef); 2] = [("price", Arc::new(prices)), ("ratio", Arc::new(floats))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let price = Column::new("price", ColumnType::Decimal { precision: 12, scale: 2 });
        let mut profiler = Profiler::new(&[price, Column::new("ratio", ColumnType::Float64)]);
        profiler.observe(&batch);
        let told = profiler.finish();
        assert_eq!((told[0].min.as_deref(), told[0].max.as_deref()), (Some("-0.05"), Some("100.00")));
        assert_eq!((told[1].min.as_deref(), told[1].max.as_deref()), (Some("9.5"), Some("10.0")));
    }

    #[test]
    fn a_long_text_is_cut_and_a_missing_column_is_null() {
        let long = "x".repeat(200);
        let mut profiler =
            Profiler::new(&[Column::new("name", ColumnType::String), Column::new("gone", ColumnType::Int64)]);
        profiler.observe(&batch(vec![None], vec![Some(&long)]));
        let told = profiler.finish();
        assert_eq!(told[0].max.as_ref().map(String::len), Some(64));
        assert_eq!((told[1].count, told[1].nulls, &told[1].min), (1, 1, &None));
    }
}
