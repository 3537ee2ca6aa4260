//! Proves that memory does not grow with what one window holds: a large document, many pages, a request under each of many parents.
//!
//! ```text
//! cargo test  -p headwater-connectors --bench memory                      small sizes, each beside one four times as large
//! cargo bench -p headwater-connectors --bench memory -- document=5000000000 pages=100000 parents=1000000
//! ```
//!
//! A process of its own reads, so that `VmHWM` is the engine's; the source is in this one and makes what it sends. Every record is
//! compared with the source's. What grows is sixteen bytes for each page, by which a circle of pages is known.

#![expect(clippy::print_stdout, reason = "a program whose output is its result")]

mod reading;
mod source;
mod work;

use std::error::Error;
use std::process::ExitCode;

use crate::reading::Cost;
use crate::work::Work;

/// What goes wrong here ends the measurement; nobody handles it.
type Fallible<T> = Result<T, Box<dyn Error>>;

/// The most memory that a reading may take, however much it reads.
const PEAK_KIB_MAX: u64 = 256 * 1024;
/// How much more a reading of four times as many pages or parents may take: far less than these send.
const GROWTH_KIB_MAX: u64 = 8 * 1024;
/// The same for a document: one reading differs from the next by some of its pieces of 8 MiB, on their way or freed and not given back.
const PIECES_KIB_MAX: u64 = 96 * 1024;
/// What a debug build reads less, so that a test takes seconds there too.
const SHARE: u64 = if cfg!(debug_assertions) { 2 } else { 1 };

/// What is checked, by name.
const CHECKS: [(&str, Work); 4] = [
    ("memory_does_not_grow_with_a_document", Work::Document(128_000_000 / SHARE)),
    ("memory_does_not_grow_with_the_records_of_a_document", Work::Crumbs(24_000_000 / SHARE)),
    ("memory_does_not_grow_with_pages", Work::Pages(4_000 / SHARE)),
    ("memory_does_not_grow_with_parents", Work::Parents(8_000 / SHARE)),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["read", work, origin] => {
            work.parse::<Work>().and_then(|work| reading::run(work, origin)).map(|said| println!("{said}"))
        }
        _ if words.iter().any(|word| word.contains('=')) => words.iter().try_for_each(|word| report(word.parse()?)),
        _ => check(&words),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads one work and says what it took.
fn report(work: Work) -> Fallible<()> {
    let Cost { peak_kib, cpu_seconds } = reading::measure(work)?;
    let (records, requests) = (work.records(), work.requests());
    println!("{work}: {records} records in {requests} requests, peak {} MiB, {cpu_seconds:.1} CPU s", peak_kib / 1024);
    if peak_kib > PEAK_KIB_MAX { Err(format!("more than {} MiB", PEAK_KIB_MAX / 1024).into()) } else { Ok(()) }
}

/// Runs the checks whose names have one of these words in them, and says what came of them as other tests do.
fn check(words: &[&str]) -> Fallible<()> {
    let is_meant = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let (mut passed, mut failed) = (0, 0);
    for (name, work) in CHECKS.into_iter().filter(|(name, _)| is_meant(name)) {
        match grows_not(work) {
            Ok(said) => {
                passed += 1;
                println!("test {name} ... ok ({said})");
            }
            Err(error) => {
                failed += 1;
                println!("test {name} ... FAILED: {error}");
            }
        }
    }
    println!("\ntest result: {}. {passed} passed; {failed} failed", if failed == 0 { "ok" } else { "FAILED" });
    if failed == 0 { Ok(()) } else { Err("memory grows".into()) }
}

/// Reads a work and one four times as large.
fn grows_not(work: Work) -> Fallible<String> {
    let larger = work.of(work.size() * 4);
    let [small, large] = [reading::measure(work)?.peak_kib, reading::measure(larger)?.peak_kib];
    let said = format!("{work}: {small} KiB, {larger}: {large} KiB");
    let growth = if work.requests() == 1 { PIECES_KIB_MAX } else { GROWTH_KIB_MAX };
    if large > PEAK_KIB_MAX || large > small + growth { Err(said.into()) } else { Ok(said) }
}
