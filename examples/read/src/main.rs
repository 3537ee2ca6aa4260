//! Reads an API that a manifest describes, in a program of its own: records as they come, progress, where to go on, errors by name. No lake.

mod api;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use headwater_connectors::{Connector, ReadRequest, Resume, Source, SourceOptions};
use headwater_contract::{Explain, Report, Secret, Slice, SourceName, SystemClock, TimeRange};

/// The manifest says everything that is particular to the API.
const MANIFEST: &str = include_str!("desk.yaml");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let desk = api::start().await?;
    let source = open(&desk, api::TOKEN)?;

    // Two windows: the second begins where the first one says, as a program would after a restart that kept the text.
    let day = |day: u32| -> anyhow::Result<DateTime<Utc>> { Ok(format!("2026-03-{day:02}T00:00:00Z").parse()?) };
    let first = ReadRequest { slice: Slice::whole(), bounds: Some(TimeRange::new(day(1)?, day(2)?)?), token: None };
    let (one, resume) = read(&source, "tickets", first).await?;
    let kept = serde_json::to_string(&resume)?;
    println!("kept for the next run: {kept}");
    let resume: Resume = serde_json::from_str(&kept)?;
    let (two, _) = read(&source, "tickets", resume.request(Slice::whole(), day(3)?)?).await?;
    anyhow::ensure!((one, two) == (250, 250), "each day has 250 tickets, not {one} and {two}");

    // Changes follow one another by token: what was read once does not come again.
    let start = ReadRequest { slice: Slice::whole(), bounds: None, token: None };
    let (all, resume) = read(&source, "changes", start).await?;
    let (none, _) = read(&source, "changes", resume.request(Slice::whole(), day(3)?)?).await?;
    anyhow::ensure!((all, none) == (3, 0), "three changes, then none, not {all} and {none}");

    // An error says what, where, why, and what to do.
    let refused = open(&desk, "wrong")?;
    let request = ReadRequest { slice: Slice::whole(), bounds: None, token: None };
    match refused.records("changes", request).next().await {
        Some(Err(error)) => {
            anyhow::ensure!(error.code() == "unauthorized", "another error: {error}");
            println!("{}", Report(&error));
        }
        other => anyhow::bail!("a wrong token was taken: {other:?}"),
    }
    Ok(())
}

fn open(desk: &str, token: &str) -> anyhow::Result<Source> {
    let connector = Arc::new(Connector::parse(&MANIFEST.replace("ORIGIN", desk), "desk.yaml")?);
    let mut options = SourceOptions::new(Arc::new(SystemClock));
    // Private addresses and plain HTTP are refused unless a program lists them.
    options.allow_private = vec![desk.trim_start_matches("http://").to_owned()];
    options.secrets.insert("token".to_owned(), Secret::new(token));
    Ok(Source::open(connector, SourceName::new("desk")?, BTreeMap::new(), options)?)
}

/// Reads one window; gives how many records came and where to go on.
async fn read(source: &Source, stream: &str, request: ReadRequest) -> anyhow::Result<(u64, Resume)> {
    let mut records = source.records(stream, request);
    while let Some(record) = records.next().await {
        let ticket: serde_json::Value = serde_json::from_slice(&record?)?;
        anyhow::ensure!(ticket.get("id").is_some(), "a record without an id");
        let progress = records.progress();
        if progress.records % 100 == 0 {
            let request = progress.last_request.as_deref().unwrap_or_default();
            println!("{stream}: {} records in {} requests, last {request}", progress.records, progress.requests);
        }
    }
    let resume = records.resume().ok_or_else(|| anyhow::anyhow!("the reading has not ended"))?;
    println!("{stream}: {} records; the next reading goes on {resume}", records.progress().records);
    Ok((records.progress().records, resume))
}
