//! The conformance suite: shipped manifests pass it, and it can try every word of the vocabulary.

mod ways;

use headwater_connectors::conformance::{ConformanceOptions, ConformanceReport, conformance};
use headwater_connectors::{Connector, Library};

/// One connector of each shape that the engine was first built for; `headwater connectors test --all` tries them all, which takes longer than
/// a test may.
const TRIED: [&str; 5] = ["datasette", "github", "hubspot", "sandbox", "stripe"];

async fn tried(text: &str) -> ConformanceReport {
    let connector = Connector::parse(text, "tried.yaml").unwrap_or_else(|error| panic!("{error}\n{}", error.snippet()));
    conformance(&connector, ConformanceOptions::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shipped_manifests_pass() {
    for name in TRIED {
        let report = conformance(&Library::embedded().get(name).unwrap(), ConformanceOptions::default()).await;
        assert!(report.is_good(), "{}", report.text(false));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_page_window_chain_slice_parent_job_and_body_passes() {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/conformance/vocabulary.yaml");
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
