//! The conformance suite: every shipped manifest passes it, it can try every word of the vocabulary, and a description is held to its word.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr, reason = "helpers of tests")]

mod described;
mod ways;

use std::time::Duration;

use headwater_connectors::conformance::{
    ConformanceOptions, ConformanceReport, Outcome, conformance, conformance_of_all,
};
use headwater_connectors::{Connector, Library};

/// Connectors that are tried at a time: as many as the machines that this runs on have processors.
const AT_ONCE: usize = 2;
/// Longest time that a connector may take before it is named among the slow ones.
const SLOW: Duration = Duration::from_secs(10);

async fn tried(text: &str) -> ConformanceReport {
    let connector = Connector::parse(text, "tried.yaml").unwrap_or_else(|error| panic!("{error}\n{}", error.snippet()));
    conformance(&connector, ConformanceOptions::default()).await
}

/// Everything that failed of a connector, a line each: connector, stream, check, case, and why.
fn failures(report: &ConformanceReport) -> Vec<String> {
    let name = &report.connector;
    let mut lines: Vec<String> = report.error.iter().map(|error| format!("{name} · not tried: {error}")).collect();
    for (stream, check, case) in report.failures() {
        if let Outcome::Failed { expected, found, sent, .. } = &case.outcome {
            let check = check.name();
            lines.push(format!(
                "{name} · {stream} · {check} · {}: expected {expected}; found {found}; sent {sent:?}",
                case.name
            ));
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shipped_manifest_passes() {
    let library = Library::embedded();
    let only = std::env::var_os("ONLY").map(|only| only.to_string_lossy().into_owned()).unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    let connectors: Vec<_> = library.names().filter(|name| only.is_empty() || only.contains(name)).map(|name| library.get(name).unwrap()).collect();
    let total = connectors.len();
    let reports = conformance_of_all(connectors, ConformanceOptions::default(), AT_ONCE, |report, took| {
        if took > Duration::ZERO {
            eprintln!("SLOW: {}, {:.1} s", report.line(), took.as_secs_f64());
        }
    })
    .await;
    let failures: Vec<String> = reports.iter().flat_map(failures).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(reports.len(), total);
    let untried: Vec<&str> =
        reports.iter().filter(|report| report.counts().0 == 0).map(|report| report.connector.as_str()).collect();
    assert!(untried.is_empty(), "nothing was tried of {untried:?}");
}

/// A manifest that cannot pass is named, and so is one that cannot even be opened; others are tried all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_named_by_connector_stream_and_check() {
    let good = ways::manifest("", "none");
    let bad =
        good.replace("connector: way", "connector: wrong").replace("more: /more", "more: { expression: '1 > 2' }");
    let closed = good
        .replace("connector: way", "connector: closed")
        .replace("https://api.example.com/v2", "https://{gone}.example.com");
    let parse = |text: &str| Connector::parse(text, "tried.yaml").unwrap_or_else(|error| panic!("{error}")).into();
    let connectors = [&bad, &closed, &good].map(|text| parse(text)).to_vec();
    let mut heard = 0;
    let reports = conformance_of_all(connectors, ConformanceOptions::default(), AT_ONCE, |_, _| heard += 1).await;
    assert_eq!(heard, 3);
    let failures: Vec<Vec<String>> = reports.iter().map(failures).collect();
    assert!(failures[0].iter().any(|line| line.starts_with("wrong · things · pages · ")), "{failures:?}");
    assert!(failures[1].iter().all(|line| line.starts_with("closed · ")) && !failures[1].is_empty(), "{failures:?}");
    assert!(failures[2].is_empty(), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_page_window_chain_slice_parent_job_and_body_passes() {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/vocabulary.yaml");
    let report = tried(&fs_err::read_to_string(text).unwrap()).await;
    assert!(report.is_good(), "{}", report.text(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_prove_who_asks_passes() {
    for (name, text) in ways::all() {
        let report = tried(&text).await;
        assert!(report.is_good(), "{name}: {}", report.text(false));
    }
}
