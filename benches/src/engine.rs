//! The engine alone beside the least that a reader of such pages must do: fetch, split, type, and write nothing.
//!
//! Both type with arrow-json, by the same schema, in batches of the same size, on a runtime of one thread; so what differs is fetching
//! and splitting. The engine reads by the manifest of the whole way; the other program knows the source and splits with `RawValue`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_json::reader::{Decoder, ReaderBuilder};
use chrono::{DateTime, Utc};
use headwater_connectors::{Connector, ReadRequest, SettingValue, Source, SourceOptions};
use headwater_contract::{ReadEvent, Slice, SourceName, SystemClock, TimeRange};

use crate::light::{BATCH_ROWS, for_each_page, schema};
use crate::measure::{Cost, Processors};
use crate::order::{Shape, date};
use crate::{Fallible, measure, ours};

/// Which program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The engine.
    Engine,
    /// What nobody can leave out.
    Light,
}

impl Reader {
    /// Its name, also as an argument.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine-reads",
            Self::Light => "light-reads",
        }
    }

    /// Runs it in a process of its own, which fails unless it typed every order once.
    pub(crate) fn measure(self, origin: &str, shape: Shape, processors: Processors) -> Fallible<Cost> {
        let [records, page, days] = [shape.records, shape.page, shape.days].map(|number| number.to_string());
        let arguments = [self.name(), origin, &records, &page, &days];
        measure::run(&std::env::current_exe()?, &arguments, Path::new("."), processors)
    }

    /// The program itself.
    pub(crate) fn run(self, origin: &str, shape: Shape) -> Fallible<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut rows = Rows::new()?;
        match self {
            Self::Engine => runtime.block_on(read(origin, shape, &mut rows))?,
            Self::Light => {
                let client = reqwest::Client::new();
                for day in 0..shape.days {
                    for_each_page(&runtime, &client, (origin, day), |_, records| {
                        records.iter().try_for_each(|record| rows.push(record.get().as_bytes()))
                    })?;
                }
            }
        }
        rows.close(shape)
    }
}

async fn read(origin: &str, shape: Shape, rows: &mut Rows) -> Fallible<()> {
    let until = date(u64::try_from(shape.days)?);
    let connector = Arc::new(Connector::parse(&ours::manifest(shape, &until), "bench.yaml")?);
    let mut options = SourceOptions::new(Arc::new(SystemClock));
    options.allow_private = vec![origin.trim_start_matches("http://").to_owned()];
    let settings = BTreeMap::from([("origin".to_owned(), SettingValue::Text(origin.to_owned()))]);
    let source = Source::open(connector, SourceName::new("bench")?, settings, options)?;
    for day in 0..u64::try_from(shape.days)? {
        let [from, until] = [day, day + 1].map(|day| format!("{}T00:00:00Z", date(day)).parse::<DateTime<Utc>>());
        let bounds = Some(TimeRange::new(from?, until?)?);
        let mut reading = source.read("orders", ReadRequest { slice: Slice::whole(), bounds, token: None });
        while let Some(event) = reading.next().await {
            if let ReadEvent::Records(records) = event? {
                records.texts.iter().try_for_each(|record| rows.push(record))?;
            }
        }
    }
    Ok(())
}

/// Rows that are typed, counted and let go.
struct Rows {
    decoder: Decoder,
    waiting: usize,
    typed: usize,
    /// Of the orders' numbers, which are those from 0 on.
    sum: i64,
}

impl Rows {
    fn new() -> Fallible<Self> {
        let decoder = ReaderBuilder::new(schema()).with_batch_size(BATCH_ROWS).build_decoder()?;
        Ok(Self { decoder, waiting: 0, typed: 0, sum: 0 })
    }

    fn push(&mut self, record: &[u8]) -> Fallible<()> {
        self.decoder.decode(record)?;
        self.waiting += 1;
        if self.waiting >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Fallible<()> {
        self.waiting = 0;
        if let Some(batch) = self.decoder.flush()? {
            let numbers = batch.column_by_name("number").and_then(|column| column.as_primitive_opt::<Int64Type>());
            self.sum += numbers.ok_or("no numbers")?.iter().flatten().sum::<i64>();
            self.typed += batch.num_rows();
        }
        Ok(())
    }

    fn close(mut self, shape: Shape) -> Fallible<()> {
        self.flush()?;
        let all = i64::try_from(shape.records)?;
        if (self.typed, self.sum) == (shape.records, all * (all - 1) / 2) {
            return Ok(());
        }
        Err(format!("typed {} of {} orders, or another one twice", self.typed, shape.records).into())
    }
}
