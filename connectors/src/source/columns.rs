//! Looks at what columns a stream really has: those that the source lists, and those of some of its records.

use std::sync::Arc;

use headwater_contract::{ReadEvent, StreamContract};
use serde_json::Value;

use super::begin::ReadRequest;
use super::tree::{Errand, Feed, ranges_of};
use super::{Inner, Source};
use crate::columns::{Change, FoundColumn, Sample, compare};
use crate::error::SourceError;
use crate::slicing::{SLICES_MAX, SliceError};
use crate::stream::Stream;

/// What was seen of a stream's columns.
#[derive(Clone, Debug)]
pub struct Observed {
    /// How the stream's columns differ from what was seen.
    pub changes: Vec<Change>,
    /// The fields that the source lists, where the manifest says where.
    pub listed: Option<Vec<FoundColumn>>,
    /// What the records were.
    pub sample: Sample,
}

pub(super) async fn observe(
    source: &Source,
    name: &str,
    request: ReadRequest,
    records: u64,
) -> Result<Observed, SourceError> {
    let inner = &source.inner;
    let stream = inner.stream(name)?;
    let unknown = || {
        inner.blame(&stream, "", crate::error::Fault::UnknownStream { stream: name.to_owned(), known: known(inner) })
    };
    let contract = inner.contracts.iter().find(|contract| contract.name.stream() == name).ok_or_else(unknown)?;
    let listed = match &stream.column_list {
        None => None,
        Some(list) => {
            let records = inner.whole_list(&list.stream).await?;
            let columns = list.columns(&records);
            Some(columns.map_err(|error| inner.blame(&stream, "column_list", error))?)
        }
    };
    let sample = sample(source, contract, request, records).await?;
    let by_list = stream.column_list.as_ref().zip(listed.as_deref());
    Ok(Observed { changes: compare(contract, by_list, Some(&sample)), listed, sample })
}

fn known(inner: &Inner) -> String {
    let names = inner.contracts.iter().map(|contract| format!("`{}`", contract.name.stream()));
    names.collect::<Vec<_>>().join(", ")
}

/// Reads until there are so many records, or no more.
async fn sample(
    source: &Source,
    contract: &StreamContract,
    request: ReadRequest,
    records: u64,
) -> Result<Sample, SourceError> {
    let mut sample = Sample::new(contract);
    if records == 0 {
        return Ok(sample);
    }
    let mut reading = source.read(contract.name.stream(), request);
    while let Some(event) = reading.next().await {
        let ReadEvent::Records(batch) = event? else { continue };
        for record in &batch.texts {
            sample.take(record);
            if sample.records() >= records {
                return Ok(sample);
            }
        }
    }
    Ok(sample)
}

impl Inner {
    /// All records of a stream that lists something for others.
    async fn whole_list(self: &Arc<Self>, name: &str) -> Result<Vec<Value>, SourceError> {
        let stream: Arc<Stream> = self.stream(name)?;
        let ranges = ranges_of(self, &stream, None).map_err(|fault| self.blame(&stream, "", fault))?;
        let errand = Errand {
            stream: Arc::clone(&stream),
            scope: Arc::new(self.scope.clone()),
            fields: Arc::default(),
            ranges,
            token: None,
            gate: None,
            url: None,
            sent: Vec::new(),
        };
        let (mut feed, mut all) = (Feed::begin(self, errand), Vec::new());
        loop {
            match feed.next().await?.event {
                ReadEvent::Records(records) => {
                    all.extend(records.texts.iter().filter_map(|text| serde_json::from_slice::<Value>(text).ok()));
                    if all.len() > SLICES_MAX {
                        let from = format!("stream `{name}`");
                        return Err(self.blame(&stream, "", SliceError::TooMany { from }));
                    }
                }
                ReadEvent::Done(_) => return Ok(all),
                ReadEvent::Exchange(_) | ReadEvent::Chunk(_) => {}
            }
        }
    }
}
