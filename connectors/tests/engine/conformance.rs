//! The conformance suite: every shipped manifest passes it, every word of the vocabulary can be tried by it, and it can fail.

use headwater_connectors::conformance::{ConformanceOptions, ConformanceReport, conformance};
use headwater_connectors::{Connector, Library};

async fn tried(text: &str) -> ConformanceReport {
    let connector = Connector::parse(text, "tried.yaml").unwrap_or_else(|error| panic!("{error}\n{}", error.snippet()));
    conformance(&connector, ConformanceOptions::default()).await
}

/// Connectors are tried side by side: a run waits for nothing but its own requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_shipped_manifest_passes() {
    let library = Library::embedded();
    let connectors: Vec<_> = library.names().map(|name| library.get(name).unwrap()).collect();
    let tried = connectors.into_iter().map(|connector| {
        tokio::spawn(async move { conformance(&connector, ConformanceOptions::default()).await })
    });
    let mut failed = String::new();
    for report in futures::future::join_all(tried).await {
        let report = report.unwrap();
        if !report.is_good() {
            failed.push_str(&report.text(false));
        }
    }
    assert!(failed.is_empty(), "{failed}");
}
