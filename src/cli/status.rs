//! `headwater status`: coverage, gaps with their cause, held windows, best effort.

use headwater_contract::ErrorKind;

use crate::cli::args::Selection;
use crate::cli::failure::Ended;
use crate::cli::output::{number, table};
use crate::cli::runs::at;
use crate::cli::{Desk, run};
use crate::run::{StreamStatus, first_of};

/// Gaps of a stream that are shown; the rest is counted.
const GAPS_SHOWN: usize = 10;

pub(crate) async fn status(desk: &Desk, selection: &Selection) -> Ended {
    let house = desk.open_with(None, true).await?;
    let streams = house.status(&selection.streams).await?;
    desk.output.data(&streams, || text(&streams));
    run::tell(desk, streams.iter().filter_map(|stream| stream.problem.as_ref()));
    let is_held = streams.iter().any(|stream| stream.held_windows > 0);
    let worst = first_of(streams.iter().filter_map(|stream| stream.problem.as_ref()).map(|problem| problem.exit_code));
    Ok(if is_held { ErrorKind::Quality.exit_code() } else { worst.unwrap_or(0) })
}

fn text(streams: &[StreamStatus]) -> String {
    let mut rows =
        vec![["stream", "kind", "windows", "held", "complete until", "last read", ""].map(String::from).to_vec()];
    for stream in streams {
        let mut notes = Vec::new();
        if stream.due_again > 0 {
            notes.push(format!("{} due again", stream.due_again));
        }
        if stream.best_effort.is_some() {
            notes.push("best effort".to_owned());
        }
        rows.push(vec![
            stream.stream.to_string(),
            stream.kind.to_string(),
            number(stream.visible_windows as u64),
            stream.held_windows.to_string(),
            stream.complete_until.map(at).unwrap_or_default(),
            stream.read_at.map(at).unwrap_or_default(),
            notes.join(", "),
        ]);
    }
    let mut out = table(&rows);
    for stream in streams.iter().filter(|stream| !stream.gaps.is_empty()) {
        out.push_str(&format!("\n{} is missing:\n", stream.stream));
        for gap in stream.gaps.iter().take(GAPS_SHOWN) {
            out.push_str(&format!("  {}  {}\n", gap.name(), gap.cause));
        }
        if stream.gaps.len() > GAPS_SHOWN {
            out.push_str(&format!("  and {} more\n", number((stream.gaps.len() - GAPS_SHOWN) as u64)));
        }
    }
    for stream in streams {
        for warning in &stream.warnings {
            out.push_str(&format!("\n{} warns: {warning}\n", stream.stream));
        }
        if let Some(reason) = &stream.best_effort {
            out.push_str(&format!("\n{} is best effort: {reason}\n", stream.stream));
        }
    }
    out
}
