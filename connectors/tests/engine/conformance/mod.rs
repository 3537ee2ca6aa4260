//! The conformance suite: every shipped manifest passes it, it can try every word of the vocabulary, and it can fail.

mod ways;

use headwater_connectors::conformance::{ConformanceOptions, ConformanceReport, conformance};
use headwater_connectors::{Connector, Library};

async fn tried(text: &str, streams: &[&str]) -> ConformanceReport {
    let connector = Connector::parse(text, "tried.yaml").unwrap_or_else(|error| panic!("{error}\n{}", error.snippet()));
    let streams = streams.iter().map(|stream| (*stream).to_owned()).collect();
    conformance(&connector, ConformanceOptions { streams, ..ConformanceOptions::default() }).await
}

/// The text of every report that is not good.
fn failures(reports: impl IntoIterator<Item = ConformanceReport>) -> String {
    reports.into_iter().filter(|report| !report.is_good()).map(|report| report.text(false)).collect()
}

/// Connectors are tried side by side: a run waits for nothing but its own requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shipped_manifest_passes() {
    let library = Library::embedded();
    let connectors: Vec<_> = library.names().map(|name| library.get(name).unwrap()).collect();
    let tried = connectors
        .into_iter()
        .map(|connector| tokio::spawn(async move { conformance(&connector, ConformanceOptions::default()).await }));
    let reports = futures::future::join_all(tried).await.into_iter().map(Result::unwrap);
    let failed = failures(reports);
    assert!(failed.is_empty(), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_page_window_chain_slice_parent_job_and_body_passes() {
    let text = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/conformance/vocabulary.yaml"));
    let report = tried(&text.unwrap(), &[]).await;
    assert!(report.is_good(), "{}", report.text(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_prove_who_asks_passes() {
    for (name, text) in ways::all() {
        let report = tried(&text, &[]).await;
        assert!(report.is_good(), "{name}: {}", report.text(false));
    }
}
