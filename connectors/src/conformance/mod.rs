//! Holds any manifest against twelve promises, on a server of this machine.
//!
//! | check | what it tries |
//! |---|---|
//! | `columns` | records have the columns that are promised, and keys that tell them apart |
//! | `access` | a good credential reads; 401 and 403 are named |
//! | `discovery` | contract and slices are the same each time |
//! | `pages` | every record once, every page asked for once; an empty window |
//! | `tiling` | three windows side by side, with records at their bounds and right outside |
//! | `resume` | the connection lost in each page, the reading killed after each |
//! | `gaps` | windows 1 and 3, then 2, which failed at first; the links of a chain |
//! | `throttle` | 429 with and without a word on time, and with one that is too long |
//! | `renewal` | a token that ends within a reading |
//! | `drift` | a field new, gone, of another type; a record that is broken |
//! | `overflow` | more than one query gives |
//! | `hostile` | failures, HTML, nothing, half of a body, circles, other origins, headers and nesting without end |
//!
//! The server is made of the compiled manifest: it holds records of the manifest's shape and answers what its requests say. So without a
//! description of the API a run proves the engine on the manifest's shape, and nothing about the vendor; with one, answers have only what the
//! vendor says that they have, and requests may say only what the vendor takes. Time passes only where the engine waits, at once.

mod all;
mod checks;
mod described;
mod report;
mod server;
mod settings;
mod stage;
mod time;
mod vendor;

#[cfg(test)]
mod tests;

pub use all::conformance_of_all;
pub use report::{Case, Check, CheckReport, ConformanceReport, Outcome, StreamReport};

use std::sync::Arc;

use crate::connector::Connector;
use crate::description::Description;
use crate::stream::Purpose;
use checks::Trial;
use described::Described;
use stage::{Cast, Stage, sizes};

/// What a run may be told.
#[derive(Clone, Debug, Default)]
pub struct ConformanceOptions {
    /// The API's description, of which answers are made.
    pub description: Option<Description>,
    /// Streams that are tried; all when empty.
    pub streams: Vec<String>,
}

/// Tries every stream of a connector.
pub async fn conformance(connector: &Connector, options: ConformanceOptions) -> ConformanceReport {
    let mut report = ConformanceReport {
        connector: connector.name().to_owned(),
        description: None,
        streams: Vec::new(),
        error: None,
    };
    match Box::pin(run(connector, options, &mut report)).await {
        Ok(()) => report,
        Err(error) => ConformanceReport { error: Some(error), ..report },
    }
}

async fn run(connector: &Connector, options: ConformanceOptions, report: &mut ConformanceReport) -> Result<(), String> {
    let described = match options.description {
        None => None,
        Some(description) => {
            let described = Described::new(connector, description).map_err(|error| error.to_string())?;
            Some(Arc::new(described.with_sizes(sizes(connector))))
        }
    };
    report.description = described.as_ref().map(|described| described.title());
    let cast = Cast::new(connector, described.clone());
    let stage = Stage::open(&cast, None).await?;
    let names: Vec<String> =
        stage.source.contracts().iter().map(|contract| contract.name.stream().to_owned()).collect();
    let is_asked_for = |name: &&String| options.streams.is_empty() || options.streams.contains(*name);
    for name in names.iter().filter(is_asked_for) {
        let is_described = described.as_ref().is_some_and(|described| described.covers(name));
        let checks = stream(&cast, name).await.map_err(|error| format!("stream `{name}`: {error}"))?;
        let left_out = described.as_ref().map(|described| described.left_out(name)).unwrap_or_default();
        report.streams.push(StreamReport { stream: name.clone(), is_described, left_out, checks });
    }
    if report.streams.is_empty() {
        return Err("no stream is there to be tried".to_owned());
    }
    Ok(())
}

async fn stream(cast: &Cast, name: &str) -> Result<Vec<CheckReport>, String> {
    let stage = Stage::open(cast, Some(name)).await?;
    Ok(trial(cast, &stage, name).await?.run().await)
}

/// Everything that the checks of a stream need.
async fn trial<'a>(cast: &Cast, stage: &'a Stage, name: &str) -> Result<Trial<'a>, String> {
    let stream = stage.source.stream_of(name).map_err(|error| error.to_string())?;
    if stream.purpose != Purpose::Itself {
        return Err("it is not read by itself".to_owned());
    }
    let windows = stage.windows(&stream);
    let amount = vendor::Amount { windows: windows.clone(), rows: 0 };
    let truth = stage.truth.stream_of(name).map_err(|error| error.to_string())?;
    let listing = vendor::World::build(&stage.truth, &truth, &[], &amount)?;
    stage.vendor.state().begin(listing);
    let slices = stage.slices(&stream).await?;
    Ok(Trial::new(cast, stage, stream, slices, windows))
}
