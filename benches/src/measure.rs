//! Runs a program as the only child of a process that then tells what the child cost.
//!
//! The kernel adds up the costs of waited-for children and keeps the largest memory among them. So each measured program gets a
//! parent of its own, this very binary called with `measured`, whose children are that program and nothing else.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

use crate::Fallible;

/// What a program took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall_seconds: f64,
    /// User and system time on all threads.
    pub(crate) cpu_seconds: f64,
    /// Largest resident set.
    pub(crate) peak_megabytes: f64,
}

impl Cost {
    /// The median CPU seconds of several rounds.
    pub(crate) fn median(rounds: &[Self]) -> Option<f64> {
        let mut seconds: Vec<f64> = rounds.iter().map(|cost| cost.cpu_seconds).collect();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied()
    }
}

/// Runs `program` in `folder` under a parent of its own.
pub(crate) fn run(program: &Path, arguments: &[&str], folder: &Path) -> Fallible<Cost> {
    let report = folder.join("cost.json");
    let status = Command::new(std::env::current_exe()?)
        .arg("measured")
        .arg(&report)
        .arg(program)
        .args(arguments)
        .current_dir(folder)
        .status()?;
    if !status.success() {
        return Err(format!("{} {}: {status}", program.display(), arguments.join(" ")).into());
    }
    Ok(serde_json::from_slice(&fs_err::read(report)?)?)
}

/// The parent's part: runs the program, waits, writes down what it cost.
pub(crate) fn measured(report: &str, program: &str, arguments: &[&str]) -> Fallible<()> {
    let start = Instant::now();
    let status = Command::new(program).args(arguments).stdout(std::process::Stdio::null()).status()?;
    let wall_seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("{program}: {status}").into());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let cost = Cost {
        wall_seconds,
        cpu_seconds: std::time::Duration::from_micros(microseconds.try_into()?).as_secs_f64(),
        // Linux counts kilobytes, macOS bytes; benches run on Linux.
        peak_megabytes: f64::from(u32::try_from(usage.max_rss())?) / 1_000.0,
    };
    fs_err::write(report, serde_json::to_vec(&cost)?)?;
    Ok(())
}
