//! `headwater run`: reads what is due, then builds the stars whose inputs changed.

use std::sync::Arc;

use crate::Lakehouse;
use crate::cli::args::RunArgs;
use crate::cli::failure::Ended;
use crate::cli::output::{number, table};
use crate::cli::progress::Progress;
use crate::cli::{Desk, plan};
use crate::run::{Outcome, Problem, RunOptions, RunReport, StreamReport};

pub(crate) async fn run(desk: &Desk, args: &RunArgs) -> Ended {
    let options = RunOptions {
        select: args.selection.streams.clone(),
        is_now: args.now,
        is_without_stars: args.no_star,
        is_strict: args.strict,
        again: None,
    };
    if args.dry_run {
        return plan::show(desk, &options).await;
    }
    let house = desk.open_with(args.pause_at, false).await?;
    go(desk, &house, &options).await
}

/// Runs, shows progress and report, and returns the exit code.
pub(crate) async fn go(desk: &Desk, house: &Lakehouse, options: &RunOptions) -> Ended {
    let report = go_quietly(desk, house, options).await?;
    desk.output.data(&with_exit_code(&report), || text(&report));
    tell_problems(desk, &report);
    Ok(desk.stop.code().unwrap_or_else(|| report.exit_code()))
}

/// Runs with progress on stderr and nothing on stdout.
pub(crate) async fn go_quietly(
    desk: &Desk,
    house: &Lakehouse,
    options: &RunOptions,
) -> Result<RunReport, crate::cli::failure::Failure> {
    let progress = Arc::new(Progress::new(desk.output));
    let listener = {
        let progress = Arc::clone(&progress);
        Arc::new(move |event: &_| progress.hear(event))
    };
    let report = house.run(options, listener, &desk.stop).await;
    progress.close();
    let report = report?;
    if report.is_idle() {
        desk.output.note("nothing is due: nothing was asked for, nothing was written");
    }
    Ok(report)
}

/// The report as JSON, with the two facts that follow from it.
pub(crate) fn with_exit_code(report: &RunReport) -> serde_json::Value {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("outcome".into(), report.outcome().into());
        fields.insert("exit_code".into(), report.exit_code().into());
    }
    value
}

/// Says each thing that went wrong once, with the number of windows that it befell.
pub(crate) fn tell_problems(desk: &Desk, report: &RunReport) {
    tell(desk, report.problems());
}

/// Says each of these once, with how often it came.
pub(crate) fn tell<'a>(desk: &Desk, problems: impl Iterator<Item = &'a Problem>) {
    let mut said: Vec<(String, String, usize)> = Vec::new();
    for problem in problems {
        let text = format!("error[{}]: {}", problem.code, problem.message);
        let mut more = String::new();
        let answers =
            [("where", &problem.place), ("why", &problem.why), ("fix", &problem.fix), ("data", &problem.data)];
        for (label, answer) in answers.into_iter().filter(|(_, answer)| !answer.is_empty()) {
            more.push_str(&format!("\n  {label:<6} {answer}"));
        }
        match said.iter_mut().find(|(same, ..)| *same == text) {
            Some((_, _, times)) => *times += 1,
            None => said.push((text, more, 1)),
        }
    }
    for (text, more, times) in said {
        let times = if times > 1 { format!(" ({times} times)") } else { String::new() };
        desk.output.always(format!("{text}{times}{more}"));
    }
}

/// The report for people: a row a stream, then stars.
pub(crate) fn text(report: &RunReport) -> String {
    let mut rows =
        vec![["stream", "windows", "records", "loaded", "quarantined", "requests", ""].map(String::from).to_vec()];
    rows.extend(report.streams.iter().filter(|stream| !stream.windows.is_empty()).map(stream_row));
    let mut out = if rows.len() > 1 { table(&rows) } else { String::new() };
    let waiting =
        report.streams.iter().flat_map(|stream| stream.waiting.iter().map(move |text| (&stream.stream, text)));
    for (stream, text) in waiting {
        out.push_str(&format!("{stream} waits: {text}\n"));
    }
    let warnings =
        report.streams.iter().flat_map(|stream| stream.warnings.iter().map(move |text| (&stream.stream, text)));
    for (stream, text) in warnings {
        out.push_str(&format!("{stream} warns: {text}\n"));
    }
    let stars = report.stars.iter().filter(|star| star.problem.is_none());
    let mut rows = vec![["star table", "rows"].map(String::from).to_vec()];
    for star in stars {
        rows.extend(star.tables.iter().map(|table| vec![table.table.clone(), number(table.rows)]));
    }
    if rows.len() > 1 {
        out.push('\n');
        out.push_str(&table(&rows));
    }
    out
}

fn stream_row(stream: &StreamReport) -> Vec<String> {
    let sum = |of: fn(&crate::run::WindowReport) -> u64| number(stream.windows.iter().map(of).sum());
    let count = |is: fn(&Outcome) -> bool| stream.windows.iter().filter(|window| is(&window.outcome)).count();
    let left_out = stream.windows.iter().map(|window| window.left_out);
    let (requests, records) = left_out.fold((0, 0), |sum, one| (sum.0 + u64::from(one.requests), sum.1 + one.records));
    let kinds: [(&str, usize); 8] = [
        ("unchanged", count(|outcome| matches!(outcome, Outcome::Unchanged))),
        ("held", count(|outcome| matches!(outcome, Outcome::Held { .. }))),
        ("failed", count(|outcome| matches!(outcome, Outcome::Failed { .. }))),
        ("parked", count(|outcome| matches!(outcome, Outcome::Parked { .. }))),
        ("busy", count(|outcome| matches!(outcome, Outcome::Busy))),
        ("split", count(|outcome| matches!(outcome, Outcome::Split { .. }))),
        ("beaten", count(|outcome| matches!(outcome, Outcome::Beaten))),
        ("not visible yet", count(|outcome| matches!(outcome, Outcome::Landed))),
    ];
    let mut said: Vec<String> =
        kinds.iter().filter(|(_, times)| *times > 0).map(|(kind, times)| format!("{times} {kind}")).collect();
    let of_counts = |of: fn(&crate::run::WindowReport) -> u64| stream.windows.iter().map(of).sum();
    let by_rule = [
        ("refused requests skipped", requests),
        ("records dropped by the manifest", records),
        ("records outside their window", of_counts(|window| window.counts.outside)),
        ("rows with misfits or unknown fields in _rescued", of_counts(|window| window.counts.rescued)),
    ];
    said.extend(
        by_rule.iter().filter(|(_, times)| *times > 0).map(|(what, times)| format!("{} {what}", number(*times))),
    );
    vec![
        stream.stream.to_string(),
        number(stream.windows.len() as u64),
        sum(|window| window.counts.received),
        sum(|window| window.counts.loaded),
        sum(|window| window.counts.quarantined),
        sum(|window| u64::from(window.requests)),
        said.join(", "),
    ]
}
