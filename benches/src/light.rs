//! The speed of light: what every program must do that keeps what it read and types it, and nothing else.
//!
//! It fetches the same pages with the same HTTP library, compresses each body at the level of raw parts, cuts it into records
//! without parsing them, decodes these with a known schema and writes typed Parquet. It keeps no windows, receipts, keys or
//! hashes, checks nothing, and a crash loses everything.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_json::reader::{Decoder, ReaderBuilder};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use reqwest::Client;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::Runtime;

use crate::measure::{Cost, Processors};
use crate::order::{Shape, date};
use crate::{Fallible, measure};

/// The level of raw parts.
const ZSTD_LEVEL: i32 = 1;
/// Rows that are typed and encoded together, as ours.
pub(crate) const BATCH_ROWS: usize = 8_192;
/// Encoded bytes of a row group, as ours.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// Runs the program in a process of its own.
pub(crate) fn measure(origin: &str, shape: Shape, folder: &Path, processors: Processors) -> Fallible<Cost> {
    let [records, page, days] = [shape.records, shape.page, shape.days].map(|number| number.to_string());
    let out = folder.join("light");
    fs_err::create_dir_all(&out)?;
    let folder = out.to_string_lossy().into_owned();
    let arguments = ["light", origin, &records, &page, &days, &folder];
    measure::run(&std::env::current_exe()?, &arguments, &out, processors)
}

/// The typed files that it wrote.
pub(crate) fn files(folder: &Path) -> Fallible<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder.join("light"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    Ok(files)
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    next: Option<String>,
}

/// The program itself.
pub(crate) fn run(origin: &str, shape: Shape, folder: &Path) -> Fallible<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new();
    for day in 0..shape.days {
        let mut raw = fs_err::File::create(folder.join(format!("{day}.json.zst")))?;
        let mut typed = Typed::create(&folder.join(format!("{day}.parquet")))?;
        for_each_page(&runtime, &client, (origin, day), |body, records| {
            raw.write_all(&zstd::bulk::compress(body, ZSTD_LEVEL)?)?;
            records.iter().try_for_each(|record| typed.push(record.get().as_bytes()))
        })?;
        typed.close()?;
    }
    Ok(())
}

/// Fetches the pages of a day one after the other and cuts each into records.
pub(crate) fn for_each_page(
    runtime: &Runtime,
    client: &Client,
    (origin, day): (&str, usize),
    mut take: impl FnMut(&[u8], &[&RawValue]) -> Fallible<()>,
) -> Fallible<()> {
    let mut cursor: Option<String> = None;
    loop {
        let from = date(u64::try_from(day)?);
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let url = format!("{origin}/orders?created_from={from}{after}");
        let body = runtime.block_on(async { client.get(url).send().await?.error_for_status()?.bytes().await })?;
        let page: Page<'_> = serde_json::from_slice(&body)?;
        take(&body, &page.data)?;
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

struct Typed {
    decoder: Decoder,
    rows: usize,
    writer: ArrowWriter<File>,
}

impl Typed {
    fn create(path: &Path) -> Fallible<Self> {
        let compression = Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?);
        let properties = WriterProperties::builder().set_compression(compression).build();
        let file = fs_err::File::create(path)?.into_parts().0;
        let decoder = ReaderBuilder::new(schema()).with_batch_size(BATCH_ROWS).build_decoder()?;
        Ok(Self { decoder, rows: 0, writer: ArrowWriter::try_new(file, schema(), Some(properties))? })
    }

    fn push(&mut self, record: &[u8]) -> Fallible<()> {
        self.decoder.decode(record)?;
        self.rows += 1;
        if self.rows >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Fallible<()> {
        self.rows = 0;
        if let Some(batch) = self.decoder.flush()? {
            self.writer.write(&batch)?;
        }
        if self.writer.in_progress_size() > ROW_GROUP_BYTES {
            self.writer.flush()?;
        }
        Ok(())
    }

    fn close(mut self) -> Fallible<()> {
        self.flush()?;
        self.writer.close()?;
        Ok(())
    }
}

/// The typed schema, which is that of the manifest's columns.
pub(crate) fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let money = |name: &str| Field::new(name, DataType::Decimal128(12, 2), true);
    let record = |fields: Vec<Field>| DataType::Struct(Fields::from(fields));
    let list = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
    let line = record(vec![number("line_no"), text("sku"), text("title"), number("quantity"), money("price")]);
    Arc::new(Schema::new(vec![
        text("id"),
        number("number"),
        Field::new("created_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        text("status"),
        text("currency"),
        money("total"),
        money("tax"),
        Field::new("is_gift", DataType::Boolean, true),
        text("channel"),
        Field::new("customer", record(vec![text("id"), text("email")]), true),
        Field::new("shipping_address", record(vec![text("city"), text("postcode")]), true),
        Field::new("lines", list(line), true),
        Field::new("tags", list(DataType::Utf8), true),
        text("note"),
    ]))
}
