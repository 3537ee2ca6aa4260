//! The conformance suite: every shipped manifest passes it, it can try every word of the vocabulary, and a description is held to its word.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "helpers of tests")]

mod described;
mod ways;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
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

/// Connectors that may fail for now, each with the first thing that fails; `UPDATE=1` writes the file anew from what does.
fn owed_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/owed.txt")
}

/// The names in the file.
fn owed() -> BTreeSet<String> {
    let text = fs_err::read_to_string(owed_file()).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

/// The file of these reports.
fn owed_text(reports: &[ConformanceReport]) -> String {
    let mut text =
        "# Connectors that do not pass the conformance suite yet, and what fails first. Every other one must pass.\n\
                    # UPDATE=1 cargo test -p headwater-connectors --test conformance every_shipped writes it anew.\n"
            .to_owned();
    for report in reports {
        if let Some(first) = failures(report).first() {
            let why: Vec<&str> = first.split(" · ").skip(1).take(3).collect();
            let why = why.join(" · ");
            text.push_str(&format!("{}  {}\n", report.connector, why.split(": expected").next().unwrap_or_default()));
        }
    }
    text
}

/// Every manifest but those that are owed; one that is owed and passes is said, so that it is taken off. `HEADWATER_CONNECTORS=a,b` tries
/// only these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shipped_manifest_passes() {
    let library = Library::embedded();
    let only = std::env::var_os("HEADWATER_CONNECTORS").map(|only| only.to_string_lossy().into_owned());
    let is_asked_for = |name: &&str| only.as_ref().is_none_or(|only| only.split(',').any(|one| one == *name));
    let names: BTreeSet<String> = library.names().filter(is_asked_for).map(str::to_owned).collect();
    let connectors = names.iter().map(|name| library.get(name).unwrap()).collect();
    let reports = conformance_of_all(connectors, ConformanceOptions::default(), AT_ONCE, |report, took| {
        if took > SLOW || only.is_some() {
            eprintln!("slow: {}, {:.1} s", report.line(), took.as_secs_f64());
        }
    })
    .await;
    assert_eq!(reports.iter().map(|report| report.connector.clone()).collect::<BTreeSet<_>>(), names);
    if only.is_none() && std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs_err::write(owed_file(), owed_text(&reports)).unwrap();
        return;
    }
    let owed = owed();
    let gone: Vec<&String> = owed.iter().filter(|name| library.text(name).is_err()).collect();
    assert!(gone.is_empty(), "{gone:?} is owed and no connector");
    for report in reports.iter().filter(|report| owed.contains(&report.connector)) {
        let first = failures(report).into_iter().next();
        eprintln!("owed: {}", first.unwrap_or_else(|| format!("{} passes: take it off the list", report.connector)));
    }
    let mut reports: Vec<ConformanceReport> =
        reports.into_iter().filter(|report| !owed.contains(&report.connector)).collect();
    // Readings side by side on a machine that is busy may come between a wait and its end: what fails is tried again, alone.
    for report in reports.iter_mut().filter(|report| !failures(report).is_empty()) {
        eprintln!("again: {}", failures(report).join("\n"));
        *report = conformance(&library.get(&report.connector).unwrap(), ConformanceOptions::default()).await;
    }
    let due = || reports.iter();
    let failures: Vec<String> = due().flat_map(failures).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    let untried: Vec<&String> = due().filter(|report| report.counts().0 == 0).map(|report| &report.connector).collect();
    assert!(untried.is_empty(), "nothing was tried of {untried:?}");
}

/// A manifest that cannot pass is named, and the others are tried all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_named_by_connector_stream_and_check() {
    let good = ways::manifest("", "none");
    let bad =
        good.replace("connector: way", "connector: wrong").replace("more: /more", "more: { expression: '1 > 2' }");
    let parse = |text: &String| Connector::parse(text, "tried.yaml").unwrap_or_else(|error| panic!("{error}")).into();
    let connectors = [&bad, &good].map(parse).to_vec();
    let mut heard = 0;
    let reports = conformance_of_all(connectors, ConformanceOptions::default(), AT_ONCE, |_, _| heard += 1).await;
    assert_eq!(heard, 2);
    let failures: Vec<Vec<String>> = reports.iter().map(failures).collect();
    assert!(failures[0].iter().any(|line| line.starts_with("wrong · things · pages · ")), "{failures:?}");
    assert!(failures[1].is_empty(), "{failures:?}");
    assert!(
        owed_text(&reports).ends_with("\nwrong  things · access · a good credential reads\n"),
        "{}",
        owed_text(&reports)
    );
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
