//! The table of faults: each is injected on a server of its own, and `FAULTS.md` says what came of it.
//!
//! The page is written from what the test saw (`UPDATE=1`), so nobody can claim an error that does not come. No line ends in a success
//! that is none: either the reading fails by name, or exactly the good records came and what was left out is counted.

mod access;
mod answers;
mod bodies;
mod pages;
pub(crate) mod row;
mod shown;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt};
use headwater_connectors::{Fault, Place, SourceError};
use headwater_contract::{ErrorKind, Explain, ReadEvent};
use serde_json::Value;

use crate::capabilities::{files_of, folder};
use row::{Ends, Ran, Row};
use shown::{shown_by, unshown};

const ONCE: &str = "fails at once";
const AGAIN: &str = "asks again three times, then fails";
const SLOWER: &str = "asks again eight times, more slowly, then parks";
const PARKS: &str = "parks until the time that the source names";
const GOES_ON: &str = "goes on";
const UNSEEN: &str = "asks again; nobody sees it";

/// Readings at a time.
const AT_ONCE: usize = 8;
/// A line that asks as often as it has time for.
const OFTEN: usize = usize::MAX;

/// Files in which codes of faults are declared.
const CODES: [&str; 6] = [
    "src/error.rs",
    "src/decoding/error.rs",
    "src/pagination/error.rs",
    "src/auth/error.rs",
    "src/jobs/state.rs",
    "src/manifest/error.rs",
];

/// All lines, by what they are about.
pub(crate) fn table() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("What HTTP says", answers::statuses()),
        ("Connections and heads", answers::connections()),
        ("Where a source leads", answers::places()),
        ("Good statuses, bad bodies", bodies::lies()),
        ("Records", bodies::records()),
        ("Bombs and packings", bodies::bombs()),
        ("Tables, lines, XML", bodies::formats()),
        ("Pages", pages::pages()),
        ("Chains, sessions, windows, parents", pages::lists()),
        ("Jobs", pages::jobs()),
        ("Limits and files of ours", pages::limits()),
        ("Logins", access::logins()),
        ("Settings and secrets", access::settings()),
    ]
}

/// What a line says of an error, by its kind.
fn data(error: &SourceError) -> &'static str {
    match error.kind() {
        ErrorKind::Parked => "waits",
        _ if error.is_permanent() => "open, stops",
        _ => "open",
    }
}

/// Checks what came of a line and gives its cells.
fn judged(row: &Row, ran: &Ran) -> Vec<String> {
    let (fault, yielded) = (row.fault, &ran.yielded);
    let is_done = yielded.events.iter().any(|event| matches!(event, ReadEvent::Done(_)));
    let asked = ran.server.asked().len();
    if row.asked == OFTEN {
        assert!(asked > 2, "{fault}: {asked} requests");
    } else {
        assert_eq!(asked, row.asked, "{fault}: {:?}", yielded.error);
    }
    let number = |text: &bytes::Bytes| serde_json::from_slice::<Value>(text).ok()?.get("id")?.as_i64();
    let numbers: Vec<Option<i64>> = yielded.texts.iter().map(number).collect();
    let good = |until: i64| {
        let mut found: Vec<i64> = numbers.iter().flatten().copied().filter(|id| (1..=until).contains(id)).collect();
        found.sort_unstable();
        assert_eq!(found, (1..=until).collect::<Vec<_>>(), "{fault}: {:?}", yielded.error);
        assert!(is_done && yielded.summary.records == yielded.texts.len() as u64, "{fault}: {:?}", yielded.error);
    };
    match row.ends {
        Ends::Fails(code) => {
            let error =
                yielded.error.as_ref().unwrap_or_else(|| panic!("{fault}: a success that is none, {numbers:?}"));
            assert_eq!(error.code(), code, "{fault}: {error}");
            assert!(!is_done, "{fault}: an error after the end");
            assert!(
                !error.to_string().is_empty() && !error.fix().is_empty() && !error.committed().is_empty(),
                "{fault}"
            );
            assert!(
                ran.source.is_none() || !error.place().is_empty() || code == "stream-unknown",
                "{fault}: {error:?}"
            );
            let exit = error.kind().exit_code();
            [fault, &format!("`{code}`"), row.does, &exit.to_string(), data(error)].map(str::to_owned).to_vec()
        }
        ends => {
            let left = match ends {
                Ends::Reads(until) => {
                    good(until);
                    assert_eq!(yielded.texts.len(), usize::try_from(until).unwrap(), "{fault}: {:?}", yielded.texts);
                    assert_eq!((yielded.summary.skipped_requests, yielded.summary.dropped), (0, 0), "{fault}");
                    "all of it lands"
                }
                Ends::Spoils(until, spoiled) => {
                    good(until);
                    assert_eq!(yielded.texts.len(), usize::try_from(until).unwrap() + spoiled, "{fault}");
                    "the good records land"
                }
                Ends::Skips(requests) => {
                    good(0);
                    assert_eq!((yielded.texts.len(), yielded.summary.skipped_requests), (0, requests), "{fault}");
                    "lands without it, counted in the receipt"
                }
                Ends::Fails(_) => unreachable!("judged above"),
            };
            [fault, "none", row.does, "0", left].map(str::to_owned).to_vec()
        }
    }
}

/// Injects every line, and gives their cells, or the faults that ended otherwise; why is on stderr.
async fn lines(rows: Vec<Row>) -> Result<Vec<Vec<String>>, Vec<&'static str>> {
    let judge = |row: Row| async move {
        let tried = AssertUnwindSafe(async { judged(&row, &row.run(None).await) }).catch_unwind();
        tried.await.map_err(|_| row.fault)
    };
    let tried: Vec<Result<_, _>> = futures::stream::iter(rows).map(judge).buffered(AT_ONCE).collect().await;
    let (good, bad): (Vec<_>, Vec<_>) = tried.into_iter().partition(Result::is_ok);
    if bad.is_empty() {
        Ok(good.into_iter().flatten().collect())
    } else {
        Err(bad.into_iter().filter_map(Result::err).collect())
    }
}

fn markdown(heads: &[&str], lines: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
    };
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rule = format!("|{}\n", "---|".repeat(heads.len()));
    line(&heads) + &rule + &lines.iter().map(|cells| line(cells)).collect::<String>()
}

/// The cells of a fault that other tests show, or none.
fn told(fault: &Fault) -> (SourceError, [String; 3]) {
    let error = SourceError { place: Box::new(Place::default()), fault: Box::new(fault.clone()) };
    let cells = [format!("`{}`", error.code()), error.kind().exit_code().to_string(), data(&error).to_owned()];
    (error, cells)
}

#[tokio::test]
async fn every_fault_ends_as_the_page_says_and_none_in_a_success_that_is_none() {
    let (mut page, mut codes, mut wrong) = (include_str!("page.md").to_owned(), BTreeSet::new(), Vec::new());
    for (title, rows) in table() {
        codes.extend(rows.iter().filter_map(|row| if let Ends::Fails(code) = row.ends { Some(code) } else { None }));
        let lines = match lines(rows).await {
            Ok(lines) => lines,
            Err(others) => {
                wrong.extend(others);
                continue;
            }
        };
        page += &format!("\n## {title}\n\n");
        page += &markdown(&["what is wrong", "error", "what the engine does", "exit", "data"], &lines);
    }
    assert!(wrong.is_empty(), "these end in another way: {wrong:#?}");
    let mut lines = Vec::new();
    for (what, fault, test) in shown_by() {
        let (error, [code, exit, data]) = told(&fault);
        let (module, name) = test.rsplit_once("::").unwrap();
        assert!(files_of(module).iter().any(|text| text.contains(&format!("fn {name}("))), "there is no test `{test}`");
        codes.insert(error.code());
        lines.push(vec![what.to_owned(), code, exit, data, format!("`{test}`")]);
    }
    page += "\n## Shown by other tests\n\n";
    page += &markdown(&["what is wrong", "error", "exit", "data", "test"], &lines);
    let mut lines = Vec::new();
    for (what, fault, why) in unshown() {
        let (error, [code, exit, data]) = told(&fault);
        codes.insert(error.code());
        lines.push(vec![what.to_owned(), code, exit, data, why.to_owned()]);
    }
    page += "\n## Never injected\n\n";
    page += &markdown(&["what is wrong", "error", "exit", "data", "why not"], &lines);
    let declared = declared();
    let missing: Vec<&String> = declared.iter().filter(|code| !codes.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "no line injects {missing:?}");
    let file = folder().join("FAULTS.md");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs_err::write(&file, &page).unwrap();
    }
    let written = fs_err::read_to_string(&file).unwrap_or_default();
    assert!(written == page, "FAULTS.md is not what the faults come to; run this test with UPDATE=1");
}

/// Every code that an error of a source can have.
fn declared() -> BTreeSet<String> {
    let is_code = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    };
    let mut codes = BTreeSet::new();
    for file in CODES {
        let text = fs_err::read_to_string(folder().join(file)).unwrap();
        let found = text.split("=> \"").skip(1).filter_map(|rest| rest.split_once("\",")).map(|(code, _)| code);
        let before = codes.len();
        codes.extend(found.filter(|code| is_code(code)).map(str::to_owned));
        assert!(codes.len() > before + 3, "{file} declares its codes in another way");
    }
    codes
}
