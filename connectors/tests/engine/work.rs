//! Opens sources and reads them to the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use headwater_connectors::{
    Connector, Library, Patience, ReadRequest, SettingValue, Source, SourceError, SourceOptions,
};
use headwater_contract::{Exchange, FixedClock, ReadEvent, ReadSummary, Secret, Slice, SourceName, TimeRange};
use serde_json::Value;

use crate::server::Server;

/// The secret of every test's source.
pub(crate) const SECRET: &str = "s3cret-token";

/// The embedded manifest of this name.
pub(crate) fn embedded(name: &str) -> String {
    let file = format!("{name}.yaml");
    Library::embedded_texts().find(|(known, _)| *known == file).unwrap().1.to_owned()
}

pub(crate) fn options(private: &[String]) -> SourceOptions {
    let mut options = SourceOptions::new(Arc::new(FixedClock::at("2026-11-21T09:00:00Z".parse().unwrap())));
    options.allow_private = private.to_vec();
    let pause = Duration::from_millis(1);
    options.patience = Patience { pause_min: pause, pause_max: pause, ..Patience::default() };
    options
}

/// Opens a manifest's text as source `source`, with the secret under `secret`.
pub(crate) fn open(text: &str, server: &Server, secret: &str, settings: &[(&str, SettingValue)]) -> Source {
    try_open(text, &[server.address()], secret, settings).unwrap()
}

pub(crate) fn try_open(
    text: &str,
    private: &[String],
    secret: &str,
    settings: &[(&str, SettingValue)],
) -> Result<Source, SourceError> {
    let connector =
        Arc::new(Connector::parse(text, "test.yaml").unwrap_or_else(|error| panic!("{error}\n{}", error.snippet())));
    let mut options = options(private);
    if !secret.is_empty() {
        options.secrets.insert(secret.to_owned(), Secret::new(SECRET));
    }
    let settings: BTreeMap<String, SettingValue> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Source::open(connector, SourceName::new("source").unwrap(), settings, options)
}

pub(crate) fn text(text: &str) -> SettingValue {
    SettingValue::Text(text.to_owned())
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn day(text: &str) -> TimeRange {
    let from = at(&format!("{text}T00:00:00Z"));
    TimeRange::new(from, from + chrono::TimeDelta::days(1)).unwrap()
}

pub(crate) fn range(bounds: TimeRange) -> ReadRequest {
    ReadRequest { slice: Slice::whole(), bounds: Some(bounds), token: None }
}

pub(crate) fn whole() -> ReadRequest {
    ReadRequest { slice: Slice::whole(), bounds: None, token: None }
}

/// Everything that a reading yielded.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) records: Vec<Value>,
    pub(crate) texts: Vec<bytes::Bytes>,
    pub(crate) events: Vec<ReadEvent>,
    pub(crate) summary: ReadSummary,
}

/// Reads to the end; checks on the way that events come in the order that the contract promises.
pub(crate) async fn read(source: &Source, stream: &str, request: ReadRequest) -> Result<Got, SourceError> {
    let mut reading = source.read(stream, request);
    let mut got = Got::default();
    let mut chunks_of_request = 0;
    while let Some(event) = reading.next().await {
        let event = event?;
        got.events.push(event.clone());
        match event {
            ReadEvent::Exchange(exchange) => {
                assert_eq!(exchange.request as usize, got.exchanges.len());
                assert!(!exchange.url.contains(SECRET), "{}", exchange.url);
                got.exchanges.push(exchange);
                chunks_of_request = 0;
            }
            ReadEvent::Chunk(chunk) => {
                assert_eq!((chunk.request as usize + 1, chunk.ordinal), (got.exchanges.len(), chunks_of_request));
                chunks_of_request += 1;
            }
            ReadEvent::Records(records) => {
                assert!(records.chunks.1 < chunks_of_request, "records precede a chunk they came from");
                got.records.extend(records.texts.iter().map(|text| serde_json::from_slice::<Value>(text).unwrap()));
                got.texts.extend(records.texts);
            }
            ReadEvent::Done(summary) => got.summary = summary,
        }
    }
    assert_eq!(got.summary.records, got.records.len() as u64);
    assert_eq!(got.summary.requests as usize, got.exchanges.len());
    Ok(got)
}

/// The values of one field, sorted.
pub(crate) fn sorted(records: &[Value], pointer: &str) -> Vec<String> {
    let mut values: Vec<String> = records.iter().map(|record| record.pointer(pointer).unwrap().to_string()).collect();
    values.sort();
    values
}

/// The records that a replay gives of what a reading yielded, with the summary's count and the places checked against it.
pub(crate) fn replayed(source: &Source, stream: &str, got: &Got) -> Vec<bytes::Bytes> {
    let (mut replayer, mut again) = (source.replay(stream).unwrap(), Vec::new());
    for event in &got.events {
        match event {
            ReadEvent::Exchange(exchange) => again.extend(replayer.exchange(exchange).unwrap()),
            ReadEvent::Chunk(chunk) => again.extend(replayer.chunk(chunk.clone()).unwrap()),
            ReadEvent::Records(_) | ReadEvent::Done(_) => {}
        }
    }
    let (rest, summary) = replayer.finish().unwrap();
    again.extend(rest);
    assert_eq!((summary.records, summary.dropped), (got.summary.records, got.summary.dropped));
    let place = |records: &headwater_contract::Records| (records.request, records.chunks, records.first_ordinal);
    let live = got
        .events
        .iter()
        .filter_map(|event| if let ReadEvent::Records(records) = event { Some(place(records)) } else { None });
    assert_eq!(again.iter().map(place).collect::<Vec<_>>(), live.collect::<Vec<_>>());
    again.into_iter().flat_map(|records| records.texts).collect()
}
