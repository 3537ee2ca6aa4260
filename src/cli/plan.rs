//! `headwater plan`: what is due and not read, and why.

use crate::cli::args::PlanArgs;
use crate::cli::failure::Ended;
use crate::cli::output::{number, table};
use crate::cli::{Desk, run};
use crate::run::plan::{Unit, Work};
use crate::run::{RunOptions, StreamDue, why_text};

/// Units of a stream that are named one by one; the rest is counted.
const UNITS_SHOWN: usize = 5;

pub(crate) async fn plan(desk: &Desk, args: &PlanArgs) -> Ended {
    let options = RunOptions { select: args.selection.streams.clone(), is_now: args.now, ..RunOptions::default() };
    show(desk, &options).await
}

/// Plans without writing, and shows it.
pub(crate) async fn show(desk: &Desk, options: &RunOptions) -> Ended {
    let house = desk.open_with(None, true).await?;
    let due = house.plan(options).await?;
    desk.output.data(&due, || text(&due));
    let problems = due.iter().filter_map(|stream| stream.problem.as_ref());
    run::tell(desk, problems.clone());
    if due.iter().all(|stream| stream.units.is_empty()) {
        desk.output.note("nothing is due");
    }
    Ok(problems.map(|problem| problem.exit_code).next().unwrap_or(0))
}

fn text(due: &[StreamDue]) -> String {
    let mut rows = vec![["stream", "slice", "window", "why"].map(String::from).to_vec()];
    for stream in due {
        let name = stream.stream.to_string();
        for unit in stream.units.iter().take(UNITS_SHOWN) {
            rows.push(vec![name.clone(), unit.slice.to_string(), window_text(unit), why_text(unit.why).to_owned()]);
        }
        if stream.units.len() > UNITS_SHOWN {
            let more = number((stream.units.len() - UNITS_SHOWN) as u64);
            rows.push(vec![name.clone(), String::new(), format!("and {more} more"), String::new()]);
        }
        rows.extend(
            stream.waiting.iter().map(|waiting| vec![name.clone(), String::new(), waiting.clone(), "waits".into()]),
        );
    }
    if rows.len() == 1 { String::new() } else { table(&rows) }
}

fn window_text(unit: &Unit) -> String {
    match &unit.work {
        Work::Window(window) => window.time_range().map_or_else(|| window.name(), |range| range.to_string()),
        Work::Snapshot => "the whole list".to_owned(),
        Work::Link { number, .. } => format!("link {number}"),
    }
}
