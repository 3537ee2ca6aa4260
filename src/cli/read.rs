//! `headwater read`: records of a stream as the source sends them, one JSON text a line, without a lake.

use chrono::{DateTime, Utc};
use headwater_connectors::ReadRequest;
use headwater_contract::{ReadEvent, Slice, StreamContract, TimeRange};

use crate::cli::Desk;
use crate::cli::args::ReadArgs;
use crate::cli::failure::Ended;
use crate::project::ProjectError;

pub(crate) async fn read(desk: &Desk, args: &ReadArgs) -> Ended {
    let house = desk.open_with(None, true).await?;
    let mut shown = 0;
    for open in house.sources(std::slice::from_ref(&args.stream))? {
        let named = args.stream.split_once('.').map(|(_, stream)| stream);
        for stream in &open.streams {
            let contract = &stream.contract;
            if named.is_some_and(|named| named != contract.name.stream()) {
                continue;
            }
            let slices = open.source.slices(contract.name.stream()).await?;
            let wanted = |slice: &&Slice| args.slice.as_ref().is_none_or(|wanted| slice.as_str() == wanted);
            for slice in slices.iter().filter(wanted) {
                let bounds = bounds(contract, (args.from, args.until), desk.clock().now())?;
                let request = ReadRequest { slice: slice.clone(), bounds, token: None };
                let mut reading = open.source.read(contract.name.stream(), request);
                while let Some(event) = reading.next().await {
                    let ReadEvent::Records(records) = event? else { continue };
                    for text in records.texts.iter().take(args.limit.saturating_sub(shown)) {
                        desk.output.line(&String::from_utf8_lossy(text));
                        shown += 1;
                    }
                    if shown >= args.limit {
                        return Ok(0);
                    }
                }
            }
        }
    }
    desk.output.note(format!("{shown} records; that is all there are in this range"));
    Ok(0)
}

/// The range that is asked for: the one that is named, else the last window that has had its time to settle.
pub(crate) fn bounds(
    contract: &StreamContract,
    (from, until): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    now: DateTime<Utc>,
) -> Result<Option<TimeRange>, ProjectError> {
    let Some(policy) = &contract.window else { return Ok(None) };
    let end = contract.end.map_or(now, |end| end.min(now));
    let until = until.unwrap_or_else(|| end - policy.settle.delta());
    let from = from.unwrap_or_else(|| until - policy.length.delta());
    let range = TimeRange::new(from, until);
    range
        .map(Some)
        .map_err(|error| ProjectError::Contradiction { at: "--from, --until".to_owned(), problem: error.to_string() })
}
