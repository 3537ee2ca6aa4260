//! One cheap request per stream: is it there, may we read it, does the manifest fit?

use headwater_contract::{ReadEvent, Slice, StreamContract, TimeRange};

use super::{ReadRequest, Source};
use crate::error::SourceError;
use crate::parents::Role;

/// What came of asking each stream once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// One entry a stream, in the order of the contracts.
    pub streams: Vec<StreamCheck>,
}

/// What came of asking one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamCheck {
    /// The stream.
    pub stream: String,
    /// The slice that was asked for, the first where there are several.
    pub slice: Slice,
    /// The range that was asked for.
    pub bounds: Option<TimeRange>,
    /// Records of the first page, or why there was none.
    pub outcome: Result<u64, SourceError>,
}

impl CheckReport {
    /// Whether every stream answered.
    pub fn is_good(&self) -> bool {
        self.streams.iter().all(|stream| stream.outcome.is_ok())
    }
}

pub(super) async fn check(source: &Source) -> CheckReport {
    let mut report = CheckReport::default();
    for contract in source.contracts() {
        let name = contract.name.stream();
        let slice = match source.slices(name).await {
            Ok(slices) => slices.into_iter().next().unwrap_or_default(),
            Err(error) => {
                report.streams.push(StreamCheck {
                    stream: name.to_owned(),
                    slice: Slice::whole(),
                    bounds: None,
                    outcome: Err(error),
                });
                continue;
            }
        };
        let bounds = newest_range(source, contract);
        let outcome = first_page(source, name, ReadRequest { slice: slice.clone(), bounds, token: None }).await;
        report.streams.push(StreamCheck { stream: name.to_owned(), slice, bounds, outcome });
    }
    report
}

/// The newest range that a stream can have: one length before now, or before its end.
fn newest_range(source: &Source, contract: &StreamContract) -> Option<TimeRange> {
    let window = contract.window.as_ref()?;
    let now = source.inner.clock.now();
    let until = contract.end.map_or(now, |end| end.min(now));
    // A whole number of granularities, so that inclusive ends come out right.
    let step = window.granularity.as_millis().max(1);
    let until = chrono::DateTime::from_timestamp_millis(until.timestamp_millis() / step * step)?;
    TimeRange::new(until - window.length.delta(), until).ok()
}

async fn first_page(source: &Source, stream: &str, request: ReadRequest) -> Result<u64, SourceError> {
    let mut reading = source.read(stream, request);
    let (mut seen, mut own) = (0, 0);
    while let Some(event) = reading.next().await {
        match event? {
            ReadEvent::Exchange(_) if own > 0 => break,
            // Before a stream's own first page come those of its parents.
            ReadEvent::Exchange(exchange) => own += u32::from(Role::of(&exchange).is_none()),
            ReadEvent::Records(records) => seen += records.texts.len() as u64,
            ReadEvent::Done(_) => break,
            ReadEvent::Chunk(_) => {}
        }
    }
    Ok(seen)
}
