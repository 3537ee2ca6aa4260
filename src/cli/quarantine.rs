//! `headwater quarantine`: what failed the gate: seen, released, run again.

use serde_json::json;

use crate::cli::Desk;
use crate::cli::args::{QuarantineCommand, WindowArgs};
use crate::cli::failure::Ended;
use crate::cli::output::{number, table};
use crate::cli::runs::at;
use crate::run::{Decision, Outcome};

pub(crate) async fn quarantine(desk: &Desk, command: &QuarantineCommand) -> Ended {
    match command {
        QuarantineCommand::List(selection) => list(desk, &selection.streams).await,
        QuarantineCommand::Show { window, limit } => show(desk, window, *limit).await,
        QuarantineCommand::Accept { window } => Box::pin(decide(desk, window, Decision::Accept)).await,
        QuarantineCommand::Replay { window } => Box::pin(decide(desk, window, Decision::Replay)).await,
    }
}

async fn list(desk: &Desk, select: &[String]) -> Ended {
    let house = desk.open_with(None, true).await?;
    let entries = house.quarantined(select).await?;
    let values: Vec<_> = entries
        .iter()
        .map(|entry| json!({
            "stream": entry.stream, "slice": entry.window.slice, "window": entry.window.name(), "generation": entry.generation,
            "read_at": entry.read_at, "held": entry.held, "counts": entry.counts,
        }))
        .collect();
    desk.output.data(&values, || {
        let mut rows = vec![["stream", "window", "read at", "records", "quarantined", ""].map(String::from).to_vec()];
        rows.extend(entries.iter().map(|entry| {
            let held = entry.held.as_ref().map(|reason| format!("held: {reason}")).unwrap_or_default();
            vec![
                entry.stream.to_string(),
                entry.window.to_string(),
                at(entry.read_at),
                number(entry.counts.received),
                number(entry.counts.quarantined),
                held,
            ]
        }));
        if rows.len() > 1 { table(&rows) } else { String::new() }
    });
    if entries.is_empty() {
        desk.output.note("nothing is in quarantine");
    }
    Ok(0)
}

async fn show(desk: &Desk, window: &WindowArgs, limit: usize) -> Ended {
    let house = desk.open().await?;
    let records = house.quarantined_records(&window.stream, &window.slice, &window.window, limit).await?;
    desk.output.data(&records, || {
        let line = |record: &headwater_lake::raw::QuarantinedRow| {
            format!("request {} record {}: {}\n  {}", record.request, record.ordinal, record.reason, record.record)
        };
        records.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(0)
}

async fn decide(desk: &Desk, window: &WindowArgs, decision: Decision) -> Ended {
    let house = desk.open().await?;
    let (landed, outcome) = house.decide(&window.stream, &window.slice, &window.window, decision).await?;
    let receipt = &landed.receipt;
    let value = json!({
        "stream": receipt.stream, "window": receipt.window, "generation": receipt.generation, "counts": receipt.counts,
        "outcome": outcome,
    });
    desk.output.data(&value, || {
        let (loaded, kept) = (number(receipt.counts.loaded), number(receipt.counts.quarantined));
        format!(
            "{} {} g{}: {loaded} records loaded, {kept} in quarantine",
            receipt.stream, receipt.window, receipt.generation
        )
    });
    Ok(match outcome {
        Outcome::Held { reason } => {
            desk.output.note(format!("held again: {reason}"));
            headwater_contract::ErrorKind::Quality.exit_code()
        }
        _ => 0,
    })
}
