//! Secrets in no output: every way in, under success and every fault of the table, and against servers that repeat all they are told.
//!
//! Collected is whatever the engine can print, log, return or keep beside its store of tokens. Bodies stand in raw as they were sent, so
//! what a source puts into them of our secrets is its own doing; everything else must be clean.

mod keeper;
mod ways;

use std::error::Error;
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use headwater_connectors::jobs::FileJobStore;
use headwater_connectors::{FileQuotas, Source, SourceError};
use headwater_contract::{Explain, ReadEvent};
use serde_json::{Value, json};

use crate::fault_table::row::{Ends, Ran, Row, Way, good, take};
use crate::fault_table::table;
use crate::server::{Asked, Reply};
use crate::work::whole;
use keeper::Keeper;
use ways::{needles, ways};

/// What every secret of these tests begins with; twelve characters, some of which are written otherwise in URLs, JSON and logs.
const CANARY: &str = "c4nary/k3\"y+";
/// Readings at a time.
const AT_ONCE: usize = 8;
/// Ways in which bodies are read that are large.
const WAYS_OF_LARGE: usize = 2;
/// Of the ways in, one in so many meets every server that repeats what it is told: each such reading is long.
const EVERY_NTH_WAY: usize = 7;

fn canary(name: &str) -> String {
    format!("{CANARY}{name}~9f27d0")
}

/// What is printed of a value.
fn both(what: &impl Debug) -> String {
    format!("{what:?}\n{what:#?}\n")
}

/// Everything that an error says, with the chain of its causes.
fn said(error: &SourceError) -> String {
    let mut text = format!(
        "{error} {} {} {} {} {} ",
        both(error),
        error.place(),
        error.fix(),
        error.committed(),
        error.fingerprint()
    );
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!("{inner} {inner:?} ");
        cause = inner.source();
    }
    text
}

/// An event without the source's own bytes.
fn shown(event: &ReadEvent) -> String {
    match event {
        ReadEvent::Exchange(exchange) => both(exchange) + &serde_json::to_string(exchange).unwrap(),
        ReadEvent::Chunk(chunk) => format!("{} {} ", chunk.request, chunk.ordinal),
        ReadEvent::Records(records) => format!("{:?} {:?} ", records.chunks, records.first_ordinal),
        ReadEvent::Done(summary) => both(summary) + &serde_json::to_string(summary).unwrap(),
    }
}

/// All files of a folder, with their names.
fn files(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        text += &format!("{} ", path.display());
        if path.is_dir() {
            text += &files(&path);
        } else {
            text += &String::from_utf8_lossy(&fs_err::read(&path).unwrap());
        }
    }
    text
}

/// Everything that a reading leaves behind; with the bodies where the server repeats nothing.
fn left(ran: &Ran, with_bodies: bool) -> String {
    let mut text = format!("{:?}\n{:?}\n", ran.options, ran.source);
    text.extend(ran.yielded.events.iter().map(shown));
    text.extend(ran.yielded.error.iter().map(said));
    text += &both(&ran.yielded.summary);
    if with_bodies {
        text.extend(ran.yielded.texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()));
        text.extend(ran.yielded.events.iter().filter_map(|event| match event {
            ReadEvent::Chunk(chunk) if chunk.body.len() < 100_000 => {
                Some(String::from_utf8_lossy(&chunk.body).into_owned())
            }
            _ => None,
        }));
    }
    text
}

/// What the other doors of a source show: the check, the clock, records one by one, what was observed, the replay.
async fn other_doors(source: &Source) -> String {
    let mut text = both(&source.check().await) + &both(&source.clock().await);
    let mut records = source.records("rows", whole());
    text += &format!("{records:?}");
    while let Some(record) = records.next().await {
        if let Err(error) = record {
            text += &said(&error);
        }
        text += &both(records.progress());
    }
    text += &format!("{records:?}");
    text += &records.resume().map(|resume| format!("{resume} {resume:?}")).unwrap_or_default();
    text += &source.observe("rows", whole(), 10).await.map_or_else(|error| said(&error), |seen| both(&seen.changes));
    text += &both(&source.slices("rows").await);
    text += &format!("{:?}", source.contracts());
    let mut replayer = source.replay("rows").unwrap();
    text += &format!("{replayer:?}");
    for event in take(source, "rows", whole()).await.events {
        let outcome = match event {
            ReadEvent::Exchange(exchange) => replayer.exchange(&exchange).map(|_| ()),
            ReadEvent::Chunk(chunk) => replayer.chunk(chunk).map(|_| ()),
            ReadEvent::Records(_) | ReadEvent::Done(_) => Ok(()),
        };
        text.extend(outcome.err().iter().map(said));
    }
    text + &replayer.finish().map_or_else(|error| said(&error), |(_, summary)| both(&summary))
}

/// What was sent and must not come back: the last word of each credential, however it was made.
fn sent(ran: &Ran) -> Vec<String> {
    let is_credential = |name: &str| ["authorization", "cookie", "x-api-key"].contains(&name);
    let asked = ran.server.asked();
    let headers = asked.iter().flat_map(|asked| asked.headers.iter().filter(|(name, _)| is_credential(name)));
    let words = headers.filter_map(|(_, value)| value.split_whitespace().next_back());
    let signs = asked.iter().filter_map(|asked| asked.get("sign"));
    words.chain(signs).filter(|word| word.len() >= 8).map(str::to_owned).collect()
}

/// Runs a row in a way, with stores that lie on the disk, and fails where anything shows a secret.
async fn shows_nothing(row: &Row, way: &Way, keeper: &Keeper, repeats: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_owned();
    let row = row.clone().with(move |scene| {
        scene.options.patience.wait_max = std::time::Duration::from_millis(1);
        scene.options.quotas = Arc::new(FileQuotas::new(place.join("quotas")));
        scene.options.jobs = Arc::new(FileJobStore::new(place.join("jobs")));
        if scene.text.contains("/auth/key") {
            scene.replace("defaults:\n", "defaults:\n  method: post\n  body: { json: { q: 1 } }\n");
        }
        if scene.text.contains("by: way") {
            scene.replace("  word: {", "  way: { default: a, help: h }\n  word: {");
        }
    });
    let ran = row.run(Some(way)).await;
    let mut text = left(&ran, !repeats);
    if let Some(source) = ran.source.as_ref().filter(|_| repeats) {
        text += &other_doors(source).await;
    }
    text += &files(folder.path());
    text += &keeper.take();
    for needle in needles().iter().chain(&sent(&ran)) {
        if let Some(at) = text.find(needle.as_str()) {
            let from = text.floor_char_boundary(at.saturating_sub(200));
            let until = text.ceil_char_boundary((at + 200).min(text.len()));
            panic!("{} under `{}` shows {needle}: …{}…", way.auth, row.fault, &text[from..until]);
        }
    }
    text.len()
}

async fn all(cases: Vec<(Row, Way)>, repeats: bool) {
    let keeper = Keeper::default();
    let _guard = tracing::subscriber::set_default(keeper.clone());
    let run = |(row, way): (Row, Way)| {
        let keeper = keeper.clone();
        async move {
            let tried = AssertUnwindSafe(shows_nothing(&row, &way, &keeper, repeats)).catch_unwind();
            tried.await.map_err(|_| format!("{} under `{}`", way.auth, row.fault))
        }
    };
    let tried: Vec<Result<usize, String>> =
        futures::stream::iter(cases).map(run).buffer_unordered(AT_ONCE).collect().await;
    let wrong: Vec<&String> = tried.iter().filter_map(|tried| tried.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{} of {} show a secret: {wrong:#?}", wrong.len(), tried.len());
    assert!(tried.iter().flatten().all(|length| *length > 1_000), "nothing was collected");
}

#[tokio::test]
async fn no_secret_of_any_way_in_shows_under_any_fault() {
    let mut cases = Vec::new();
    let success = Row::new("success", |_| good()).ends(Ends::Reads(3), 1, "");
    let rows: Vec<Row> = table().into_iter().flat_map(|(_, rows)| rows).chain([success]).collect();
    for (place, way) in ways().into_iter().enumerate() {
        // A fault of a way of its own is read in that one, once.
        // One way in of several is refused before it is read when its secret is missing: another fault, which the table has.
        let is_one_of_several = way.auth.contains("choose");
        let fits = |row: &&Row| {
            (!row.is_large || place < WAYS_OF_LARGE)
                && (!row.has_own_way() || place == 0)
                && !(is_one_of_several && row.fault == "a secret is missing")
        };
        cases.extend(rows.iter().filter(fits).map(|row| (row.clone(), way.clone())));
    }
    all(cases, false).await;
}

/// All that a request said, as a server sees it.
fn repeated(asked: &Asked) -> String {
    format!("{:?} {:?} {} {}", asked.headers, asked.query, asked.target, asked.text)
}

fn parrot(fault: &'static str, say: impl Fn(&Asked, String) -> Reply + Send + Sync + 'static) -> Row {
    Row::new(fault, move |asked| {
        let all = repeated(asked);
        // A header takes no line breaks.
        let line: String = all.chars().filter(|c| !c.is_control()).take(8_000).collect();
        say(asked, all).header("x-request-id", &line).header("etag", &line)
    })
}

/// Servers that put what they were told wherever a source speaks.
fn parrots() -> Vec<Row> {
    let refusals = [400, 401, 403, 404, 409, 429, 451, 500]
        .map(|status| parrot("a refusal", move |_, all| Reply::text(status, &all).header("retry-after", "0")));
    let mut rows = refusals.to_vec();
    rows.extend([
        parrot("good rows", |_, _| good()),
        parrot("a page of HTML", |_, all| Reply::text(200, &format!("<html>{all}"))),
        parrot("a text", |_, all| Reply::text(200, &all)),
        parrot("each credential at the beginning of a text", |asked, _| {
            let value = ["authorization", "cookie", "x-api-key"].iter().find_map(|name| asked.headers.get(*name));
            Reply::text(200, value.map_or(asked.target.as_str(), String::as_str))
        }),
        parrot("the name of a field", |_, all| Reply::json(&Value::from_iter([(all, 1)]))),
        parrot("an error in a body", |_, all| Reply::json(&json!({ "error": { "text": all } }))),
        parrot("a cursor that stands still", |asked, all| {
            Reply::json(&json!({ "data": [{ "id": asked.number }], "next": all }))
        }),
        parrot("a next page that stands still", |asked, _| {
            Reply::json(&json!({ "data": [{ "id": asked.number }], "next": asked.target }))
        })
        .on("linked"),
        parrot("a next page elsewhere", |asked, all| {
            let next = format!("https://evil.example/{}?{}", all.replace(['?', '#'], ""), asked.target);
            Reply::json(&json!({ "data": [{ "id": 1 }], "next": next }))
        })
        .on("linked"),
        parrot("a redirect elsewhere", |asked, _| {
            Reply::text(302, "").header("Location", &format!("https://evil.example{}", asked.target))
        }),
        parrot("the token of a chain", |asked, _| {
            Reply::json(&json!({ "data": [{ "id": 1 }], "next": asked.target, "more": false }))
        })
        .on("linked")
        .with(|scene| {
            scene.replace(
                "    pagination: { next_url: { url: /next } }\n",
                "    kind: chain\n    chain: { next: /next, more: /more }\n",
            );
        }),
        parrot("the state of a job", |asked, all| match asked.path.as_str() {
            "/api/exports" => Reply::json(&json!({ "id": "e1" })),
            _ => Reply::json(&json!({ "state": all, "why": all })),
        })
        .on("exported"),
        parrot("why a job failed", |asked, all| match asked.path.as_str() {
            "/api/exports" => Reply::json(&json!({ "id": "e1" })),
            _ => Reply::json(&json!({ "state": "failed", "why": all })),
        })
        .on("exported"),
        parrot("a charset", |_, all| {
            let label: String = all.chars().filter(|c| !c.is_control() && *c != ';').collect();
            Reply::text(200, "id\n1\n").header("Content-Type", &format!("text/csv; charset='{label}'"))
        })
        .on("table"),
        parrot("an encoding", |_, all| {
            let label: String = all.chars().filter(|c| !c.is_control() && *c != ',').collect();
            Reply::text(200, "").header("Content-Encoding", &label)
        }),
        parrot("a column's name", |_, all| {
            let name = all.replace(['"', '\n', ','], "");
            Reply::text(200, &format!("{name},{name}\n1,2\n"))
        })
        .on("table"),
        parrot("a JSON error in place of a table", |_, all| Reply::json(&json!({ "error": all }))).on("table"),
        parrot("XML with names of its own", |_, all| {
            let name: String = all.chars().filter(|c| c.is_alphanumeric() || "/+~".contains(*c)).collect();
            Reply::text(200, &format!("<{name}></x>"))
        })
        .on("feed"),
    ]);
    rows
}

#[tokio::test]
async fn no_secret_shows_where_a_source_repeats_all_that_it_is_told() {
    let mut cases = Vec::new();
    for (place, way) in ways().into_iter().enumerate() {
        // What is repeated is cleaned at one door, whatever the way in: some of them pass it with every parrot, all with a login's.
        if place % EVERY_NTH_WAY == 0 {
            cases.extend(parrots().into_iter().map(|row| (row, way.clone())));
        }
        // A login that repeats what it is told.
        let login = Arc::new(|asked: &Asked| {
            let all = repeated(asked);
            let body = if asked.number.is_multiple_of(2) {
                json!({ "error": all, "message": all })
            } else {
                Value::from_iter([(all, 1)])
            };
            let reply = Reply::json(&body);
            if asked.number.is_multiple_of(2) { Reply { status: 400, ..reply } } else { reply }
        });
        cases.push((Row::new("a login that repeats", |_| good()), Way { login, ..way }));
    }
    all(cases, true).await;
}
