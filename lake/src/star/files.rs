//! Writes a frame as the Parquet files of a Delta table.
//!
//! A file's name holds the digest of its bytes: what a build computes again without a change has the same digest, so the file that
//! is there already stays, and readers that follow the log see only what is new.

use std::collections::BTreeMap;
use std::path::Path;

use headwater_contract::Digest16;
use polars::prelude::{AnyValue, Column, DataFrame, DataType, ParquetCompression, ParquetWriter, StatisticsOptions};
use serde_json::{Map, Value, json};
use ulid::Ulid;

use crate::commit::{LiveFile, NewFile};
use crate::star::error::StarError;
use crate::store::Store;

/// Rows of a row group at most. Direct Lake of Power BI limits row groups a table, so they are large.
const ROW_GROUP_ROWS: usize = 1_000_000;
/// Bytes of a frame that become one file: three to four times what the file will have.
const FILE_FRAME_BYTES: usize = 512 << 20;
/// Columns that get statistics, as Delta writers do by default.
const STATS_COLUMNS: usize = 32;
/// Characters of a text in statistics; a longer one gets none, because a cut maximum would be too small.
const STATS_TEXT: usize = 32;

/// Decimal digits that a 64-bit float always keeps.
const EXACT_DIGITS: usize = 15;

/// A file that is written to scratch and not yet in the zone.
#[derive(Debug)]
pub(crate) struct Prepared {
    file: tempfile::NamedTempFile,
    digest: Digest16,
    size: u64,
    stats: Value,
    partition: BTreeMap<String, Option<String>>,
}

/// Writes `frame` to scratch files of one partition. An empty frame has no file.
pub(crate) fn prepare(
    table: &str,
    scratch: &Path,
    frame: &DataFrame,
    partition: &BTreeMap<String, Option<String>>,
) -> Result<Vec<Prepared>, StarError> {
    fs_err::create_dir_all(scratch).map_err(StarError::scratch(table))?;
    let rows = frame.height();
    let pieces = frame.estimated_size().div_ceil(FILE_FRAME_BYTES).max(1);
    let length = rows.div_ceil(pieces).max(1);
    let mut files = Vec::new();
    let mut from = 0;
    while from < rows {
        let offset = i64::try_from(from).unwrap_or(i64::MAX);
        let mut piece = frame.slice(offset, length);
        // One chunk a column: the same rows give the same bytes, however they were computed.
        piece.rechunk_mut();
        files.push(prepare_one(table, scratch, &mut piece, partition)?);
        from += length;
    }
    Ok(files)
}

fn prepare_one(
    table: &str,
    scratch: &Path,
    frame: &mut DataFrame,
    partition: &BTreeMap<String, Option<String>>,
) -> Result<Prepared, StarError> {
    let mut file = tempfile::NamedTempFile::new_in(scratch).map_err(StarError::scratch(table))?;
    ParquetWriter::new(std::io::BufWriter::new(file.as_file_mut()))
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::default())
        .with_row_group_size(Some(ROW_GROUP_ROWS))
        .finish(frame)
        .map_err(StarError::compute(table))?;
    let bytes = fs_err::read(file.path()).map_err(StarError::scratch(table))?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let (digest, stats) = (Digest16::of(&bytes), stats_of(frame));
    Ok(Prepared { file, digest, size, stats, partition: partition.clone() })
}

/// The digest in a file's name.
fn digest_in(path: &str) -> Option<&str> {
    path.rsplit('/').next()?.strip_suffix(".parquet")?.rsplit('-').next()
}

/// Sorts what a build made against what the table shows: files to upload, and files to hide.
///
/// A prepared file whose digest is live in the same partition is already there.
pub(crate) fn changes(prepared: Vec<Prepared>, live: &[LiveFile]) -> (Vec<Prepared>, Vec<LiveFile>) {
    let mut kept: Vec<&LiveFile> = Vec::new();
    let mut uploads = Vec::new();
    for file in prepared {
        let digest = file.digest.to_string();
        let same = live.iter().find(|known| {
            digest_in(&known.path) == Some(digest.as_str())
                && known.partition == file.partition
                && !kept.iter().any(|taken| taken.path == known.path)
        });
        match same {
            Some(known) => kept.push(known),
            None => uploads.push(file),
        }
    }
    let hidden = live.iter().filter(|known| !kept.iter().any(|taken| taken.path == known.path)).cloned().collect();
    (uploads, hidden)
}

/// Uploads files into a table's folder under the build's id.
pub(crate) async fn upload(
    table: &str,
    store: &Store,
    folder: &str,
    build: Ulid,
    prepared: Vec<Prepared>,
) -> Result<Vec<NewFile>, StarError> {
    let mut files = Vec::with_capacity(prepared.len());
    for (number, file) in prepared.into_iter().enumerate() {
        let mut folders = String::new();
        for (name, value) in &file.partition {
            folders.extend([name.as_str(), "=", value.as_deref().unwrap_or("__HIVE_DEFAULT_PARTITION__"), "/"]);
        }
        let path = format!("{folders}{build}-{number:05}-{}.parquet", file.digest);
        store.upload_file(&format!("{folder}/{path}"), file.file.path()).await.map_err(StarError::lake(table))?;
        files.push(NewFile { path, size: file.size, stats: file.stats, partition: file.partition });
    }
    Ok(files)
}

/// Delta statistics of a frame.
pub(crate) fn stats_of(frame: &DataFrame) -> Value {
    let (mut min, mut max, mut nulls) = (Map::new(), Map::new(), Map::new());
    for column in frame.columns().iter().take(STATS_COLUMNS) {
        let name = column.name().to_string();
        nulls.insert(name.clone(), json!(column.null_count()));
        if let Some((low, high)) = bounds_of(column) {
            min.insert(name.clone(), low);
            max.insert(name, high);
        }
    }
    json!({ "numRecords": frame.height(), "minValues": min, "maxValues": max, "nullCount": nulls })
}

fn bounds_of(column: &Column) -> Option<(Value, Value)> {
    if matches!(column.dtype(), DataType::Boolean | DataType::Binary | DataType::Null)
        || column.null_count() == column.len()
    {
        return None;
    }
    let low = column.min_reduce().ok()?;
    let high = column.max_reduce().ok()?;
    Some((value_of(&low.as_any_value(), false)?, value_of(&high.as_any_value(), true)?))
}

fn value_of(value: &AnyValue<'_>, is_upper: bool) -> Option<Value> {
    let text = match value {
        AnyValue::Int64(number) => return Some(json!(number)),
        AnyValue::Int32(number) => return Some(json!(number)),
        AnyValue::Float64(number) => return number.is_finite().then(|| json!(number)),
        AnyValue::Decimal(_, _, _) => {
            // Beyond its digits a JSON number is rounded, and a bound that is rounded inwards would hide rows.
            let text = value.to_string();
            let is_exact = text.chars().filter(char::is_ascii_digit).count() <= EXACT_DIGITS;
            return if is_exact { text.parse().ok().map(Value::Number) } else { None };
        }
        AnyValue::Datetime(micros, _, _) => {
            // Statistics have milliseconds: an upper bound is rounded up, so that no row lies beyond it.
            let millis = if is_upper { -((-micros).div_euclid(1_000)) } else { micros.div_euclid(1_000) };
            return chrono::DateTime::from_timestamp_millis(millis)
                .map(|at| json!(at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()));
        }
        AnyValue::DatetimeOwned(micros, unit, _) => {
            return value_of(&AnyValue::Datetime(*micros, *unit, None), is_upper);
        }
        AnyValue::Date(_) => value.to_string(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        _ => return None,
    };
    (text.chars().count() <= STATS_TEXT).then(|| json!(text))
}
