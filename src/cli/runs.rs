//! `headwater runs`: what was done, when, and how it ended.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::cli::args::RunsCommand;
use crate::cli::failure::Ended;
use crate::cli::output::table;
use crate::cli::{Desk, run};
use crate::run::{RunReport, unknown};

/// Runs among which one is looked for by its id.
const RUNS_MAX: u32 = 10_000;

pub(crate) async fn runs(desk: &Desk, command: &RunsCommand) -> Ended {
    let house = desk.open().await?;
    match command {
        RunsCommand::List { limit } => {
            let runs = house.lake().ledger.runs(*limit).await.map_err(crate::run::RunError::from)?;
            let values: Vec<_> = runs
                .iter()
                .map(|run| json!({
                    "run": run.run, "command": run.command, "started_at": run.started_at, "finished_at": run.finished_at,
                    "outcome": run.outcome,
                }))
                .collect();
            desk.output.data(&values, || {
                let mut rows = vec![["run", "started", "took", "outcome", "command"].map(String::from).to_vec()];
                rows.extend(runs.iter().map(|run| {
                    let took = run
                        .finished_at
                        .map_or_else(|| "-".to_owned(), |end| format!("{} s", (end - run.started_at).num_seconds()));
                    let outcome = run.outcome.clone().unwrap_or_else(|| "killed, or still at work".to_owned());
                    vec![run.run.to_string(), at(run.started_at), took, outcome, run.command.clone()]
                }));
                table(&rows)
            });
            Ok(0)
        }
        RunsCommand::Show { run: wanted } => {
            let runs = house.lake().ledger.runs(RUNS_MAX).await.map_err(crate::run::RunError::from)?;
            let found = runs.iter().find(|run| wanted == "last" || run.run.to_string().eq_ignore_ascii_case(wanted));
            let found = found.ok_or_else(|| unknown("run", wanted, runs.iter().take(5).map(|run| run.run)))?;
            let report: Option<RunReport> = found.report.clone().and_then(|report| serde_json::from_value(report).ok());
            let other = json!({ "run": found.run, "command": found.command, "report": found.report });
            let value = report.as_ref().map_or_else(|| other, run::with_exit_code);
            desk.output.data(&value, || match (&report, &found.report) {
                (Some(report), _) => format!("{}\n{}\n{}", found.command, windows(report), run::text(report)),
                // What is no run over streams says what it did in words of its own.
                (None, Some(report)) => {
                    format!("{}\n{}", found.command, serde_json::to_string_pretty(report).unwrap_or_default())
                }
                (None, None) => {
                    format!("{}\nended without a report: it was killed, or is still at work", found.command)
                }
            });
            if let Some(report) = &report {
                run::tell_problems(desk, report);
            }
            Ok(0)
        }
    }
}

fn windows(report: &RunReport) -> String {
    let mut rows = vec![["stream", "window", "why", "outcome", "records", "loaded"].map(String::from).to_vec()];
    for stream in &report.streams {
        for window in &stream.windows {
            let outcome = serde_json::to_value(&window.outcome).unwrap_or_default();
            let word = outcome.as_str().map(str::to_owned).or_else(|| outcome.as_object()?.keys().next().cloned());
            let slice = if window.slice.is_whole() { String::new() } else { format!("{}/", window.slice) };
            rows.push(vec![
                stream.stream.to_string(),
                format!("{slice}{}", window.window),
                window.why.clone(),
                word.unwrap_or_default(),
                window.counts.received.to_string(),
                window.counts.loaded.to_string(),
            ]);
        }
    }
    if rows.len() > 1 { table(&rows) } else { String::new() }
}

pub(crate) fn at(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M:%SZ").to_string()
}
