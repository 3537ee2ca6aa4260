//! `headwater schedule`: keeps reading by the project's schedules, until it is stopped.
//!
//! One process, one run at a time. What is due follows from coverage, so a process that was down for days has nothing to catch up
//! with but the gap itself.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use headwater_contract::SourceName;

use crate::Lakehouse;
use crate::cli::args::ScheduleArgs;
use crate::cli::failure::{Ended, Failure};
use crate::cli::{Desk, maintain, run};
use crate::project::ProjectError;
use crate::run::{RunOptions, RunReport};
use crate::schedule::{Schedule, Tick, next_wake, tick};

/// A sleep is cut at this, so that a machine that was suspended notices.
const SLEEP_MAX: Duration = Duration::from_mins(1);

pub(crate) async fn schedule(desk: &Desk, args: ScheduleArgs) -> Ended {
    desk.stop.heed();
    let house = desk.open().await?;
    let sources = house.scheduled();
    if sources.is_empty() {
        let problem = "no source has a schedule".to_owned();
        return Err(ProjectError::Contradiction { at: "schedule".to_owned(), problem }.into());
    }
    if args.once {
        let report = look(desk, &house, &sources.keys().cloned().collect::<Vec<_>>()).await?;
        clean_up(desk, &house).await;
        return Ok(desk.stop.code().unwrap_or_else(|| report.exit_code()));
    }
    for (name, schedule) in &sources {
        let next = schedule.next_after(desk.clock().now()).map_or_else(|| "never".to_owned(), |at| at.to_rfc3339());
        desk.output.note(format!("{name}: now, then next at {next}"));
    }
    let mut states: BTreeMap<SourceName, Tick> = BTreeMap::new();
    while !desk.stop.is_asked() {
        let now = desk.clock().now();
        let due = tick(&sources, &states, now);
        if due.is_empty() {
            wait(desk, &sources, &states, now).await;
            continue;
        }
        let failed = match look(desk, &house, &due).await {
            Ok(report) => report.exit_code() != 0,
            Err(failure) => {
                desk.output.error(&failure);
                true
            }
        };
        for name in due {
            let state = states.entry(name).or_default();
            let failures = if failed { state.failures.saturating_add(1) } else { 0 };
            *state = Tick { last: Some(now), failures };
        }
        clean_up(desk, &house).await;
    }
    Ok(desk.stop.code().unwrap_or(0))
}

/// One run over the sources whose time has come.
async fn look(desk: &Desk, house: &Lakehouse, sources: &[SourceName]) -> Result<RunReport, Failure> {
    let options = RunOptions { select: sources.iter().map(ToString::to_string).collect(), ..RunOptions::default() };
    let report = run::go_quietly(desk, house, &options).await?;
    desk.output.data(&run::with_exit_code(&report), || run::text(&report));
    run::tell_problems(desk, &report);
    Ok(report)
}

/// Cleans up once a day. What fails is said and tried again with the next look; reading goes on.
async fn clean_up(desk: &Desk, house: &Lakehouse) {
    if desk.stop.is_asked() {
        return;
    }
    if let Err(failure) = maintain::daily(desk, house).await {
        desk.output.error(&failure);
    }
}

/// Sleeps until the next source's time, a stop, or a minute.
async fn wait(
    desk: &Desk,
    sources: &BTreeMap<SourceName, Schedule>,
    states: &BTreeMap<SourceName, Tick>,
    now: DateTime<Utc>,
) {
    let fresh = Tick::default();
    let wakes =
        sources.iter().filter_map(|(name, schedule)| next_wake(schedule, states.get(name).unwrap_or(&fresh), now));
    let until = wakes.min().map_or(SLEEP_MAX, |at| (at - now).to_std().unwrap_or(Duration::ZERO));
    tokio::select! {
        () = tokio::time::sleep(until.min(SLEEP_MAX)) => {}
        () = desk.stop.asked() => {}
    }
}
