//! Delta statistics of a file, from what the Parquet writer counted.
//!
//! Bounds may be wider than the values, never narrower: texts are cut to 32 bytes with a maximum that stays above, instants are
//! widened to milliseconds. <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics>

use arrow_schema::{DataType, Schema};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

/// Readers expect statistics of the first columns only.
const COLUMNS_MAX: usize = 32;
/// Digits up to which a JSON number is exact for every reader.
const EXACT_DIGITS: u8 = 15;

/// The statistics of a whole file.
pub(crate) fn delta_stats(schema: &Schema, metadata: &ParquetMetaData) -> Value {
    let rows: i64 = metadata.row_groups().iter().map(parquet::file::metadata::RowGroupMetaData::num_rows).sum();
    let (mut least, mut most, mut nulls) = (Map::new(), Map::new(), Map::new());
    for field in schema.fields().iter().take(COLUMNS_MAX) {
        let columns: Option<Vec<&Statistics>> = metadata
            .row_groups()
            .iter()
            .map(|group| {
                let column = group.columns().iter().find(|column| {
                    let parts = column.column_path().parts();
                    parts.len() == 1 && parts.first() == Some(field.name())
                })?;
                column.statistics()
            })
            .collect();
        let Some(columns) = columns.filter(|columns| !columns.is_empty()) else { continue };
        let counts: Option<u64> = columns.iter().map(|column| column.null_count_opt()).sum();
        let Some(count) = counts else { continue };
        nulls.insert(field.name().clone(), json!(count));
        let bounds: Option<Vec<(Bound, Bound)>> = columns
            .iter()
            .filter(|column| column.min_bytes_opt().is_some())
            .map(|column| bounds(field.data_type(), column))
            .collect();
        let Some(bounds) = bounds.filter(|bounds| !bounds.is_empty()) else { continue };
        let min = bounds.iter().map(|(min, _)| min).min_by(|a, b| a.cmp(b));
        let max = bounds.iter().map(|(_, max)| max).max_by(|a, b| a.cmp(b));
        let written = min
            .zip(max)
            .and_then(|(min, max)| Some((min.write(field.data_type(), false)?, max.write(field.data_type(), true)?)));
        if let Some((min, max)) = written {
            least.insert(field.name().clone(), min);
            most.insert(field.name().clone(), max);
        }
    }
    json!({ "numRecords": rows, "minValues": least, "maxValues": most, "nullCount": nulls })
}

enum Bound {
    Int(i128),
    Float(f64),
    Text(String),
}

impl Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => std::cmp::Ordering::Equal,
        }
    }

    fn write(&self, data_type: &DataType, is_max: bool) -> Option<Value> {
        Some(match (self, data_type) {
            (Self::Int(value), DataType::Timestamp(..)) => {
                let millis = value.div_euclid(1_000) + i128::from(is_max && value.rem_euclid(1_000) != 0);
                let at = DateTime::from_timestamp_millis(i64::try_from(millis).ok()?)?;
                json!(at.to_rfc3339_opts(SecondsFormat::Millis, true))
            }
            (Self::Int(value), DataType::Date32) => {
                let days = i32::try_from(*value).ok()?.checked_add(719_163)?;
                json!(NaiveDate::from_num_days_from_ce_opt(days)?.to_string())
            }
            (Self::Int(value), DataType::Decimal128(precision, scale)) if *precision <= EXACT_DIGITS => {
                let scale = usize::try_from(*scale).ok()?;
                let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                let sign = if *value < 0 { "-" } else { "" };
                let text = if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
                serde_json::from_str(&text).ok()?
            }
            (Self::Int(value), DataType::Int64 | DataType::Int32) => json!(i64::try_from(*value).ok()?),
            (Self::Float(value), DataType::Float64) => json!(*value),
            (Self::Text(text), DataType::Utf8) => json!(text),
            _ => return None,
        })
    }
}

fn bounds(data_type: &DataType, statistics: &Statistics) -> Option<(Bound, Bound)> {
    match statistics {
        Statistics::Int32(values) => {
            Some((Bound::Int((*values.min_opt()?).into()), Bound::Int((*values.max_opt()?).into())))
        }
        Statistics::Int64(values) => {
            Some((Bound::Int((*values.min_opt()?).into()), Bound::Int((*values.max_opt()?).into())))
        }
        Statistics::Double(values) => {
            let (min, max) = (*values.min_opt()?, *values.max_opt()?);
            (min.is_finite() && max.is_finite()).then_some((Bound::Float(min), Bound::Float(max)))
        }
        Statistics::ByteArray(values) if *data_type == DataType::Utf8 => {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|text| Bound::Text(text.to_owned()));
            Some((text(values.min_opt()?.data())?, text(values.max_opt()?.data())?))
        }
        _ => None,
    }
}
