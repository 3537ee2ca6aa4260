//! Many connectors, several at a time: a run of one waits for nothing, so it is the processors that bound how many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};

use super::{ConformanceOptions, ConformanceReport, conformance};
use crate::connector::Connector;

/// Tries connectors, `at_once` of them at a time, and tells of each when it has ended, with the time that it took. The reports are in the
/// order of the connectors.
///
/// It needs a runtime with as many threads as are to work at a time.
pub async fn conformance_of_all(
    connectors: Vec<Arc<Connector>>,
    options: ConformanceOptions,
    at_once: usize,
    mut heard: impl FnMut(&ConformanceReport, Duration),
) -> Vec<ConformanceReport> {
    let tried = connectors.into_iter().enumerate().map(|(at, connector)| {
        let options = options.clone();
        async move {
            let (name, began) = (connector.name().to_owned(), Instant::now());
            let run = tokio::spawn(async move { conformance(&connector, options).await });
            // What breaks off the suite itself is a failure of this connector's run, and of no other one's.
            let report = run.await.unwrap_or_else(|error| ConformanceReport {
                connector: name,
                description: None,
                streams: Vec::new(),
                error: Some(format!("the suite broke off: {error}")),
            });
            (at, report, began.elapsed())
        }
    });
    let mut tried = stream::iter(tried).buffer_unordered(at_once.max(1));
    let mut reports = Vec::new();
    while let Some((at, report, took)) = tried.next().await {
        heard(&report, took);
        reports.push((at, report));
    }
    reports.sort_by_key(|(at, _)| *at);
    reports.into_iter().map(|(_, report)| report).collect()
}
