//! Runs a program and tells what it cost, by what Linux says of the process while it lives.
//!
//! The kernel keeps the largest resident set of a process (`VmHWM`) and its CPU time in `/proc`; both are read until it ends, so what
//! is missed is less than the pause between two looks. No crate is needed for it, so the bench builds with the dependencies that the
//! product has anyway.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Fallible;

/// Between two looks at a running process.
const PAUSE: Duration = Duration::from_millis(5);
/// Clock ticks in a second: Linux has told programs this number on every architecture since 2.6 (`man 5 proc`, `man 3 sysconf`).
const TICKS_A_SECOND: f64 = 100.0;

/// Which processors a measured program may use.
///
/// On most rented machines two processors are two threads of one core: together they do less than twice the work of one, and CPU seconds
/// of a program that uses both count more than those of a program that uses one. On one processor both programs are measured alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processors {
    /// Whatever there is, as users run it: for records a second and peak memory.
    All,
    /// The last one: for CPU seconds.
    One,
}

impl Processors {
    fn command(self, program: &Path) -> Fallible<Command> {
        if self == Self::All {
            return Ok(Command::new(program));
        }
        let last = std::thread::available_parallelism()?.get() - 1;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &last.to_string()]).arg(program);
        Ok(command)
    }
}

/// What a program took.
#[derive(Clone, Copy, Debug)]
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

/// Runs `program` in `folder` until it ends.
pub(crate) fn run(program: &Path, arguments: &[&str], folder: &Path, processors: Processors) -> Fallible<Cost> {
    let start = Instant::now();
    let mut command = processors.command(program)?;
    let mut child = command.args(arguments).current_dir(folder).stdout(Stdio::null()).spawn()?;
    let process = format!("/proc/{}", child.id());
    let mut cost = Cost { wall_seconds: 0.0, cpu_seconds: 0.0, peak_megabytes: 0.0 };
    let status = loop {
        // A process that has ended and was not waited for still tells its CPU time, so the last look misses nothing of it.
        let (memory, times) = (text(&format!("{process}/status")), text(&format!("{process}/stat")));
        cost.peak_megabytes = peak_megabytes(&memory).unwrap_or(cost.peak_megabytes);
        cost.cpu_seconds = cpu_seconds(&times).unwrap_or(cost.cpu_seconds);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(PAUSE);
    };
    cost.wall_seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("{} {}: {status}", program.display(), arguments.join(" ")).into());
    }
    if cost.peak_megabytes <= 0.0 {
        return Err("this system tells nothing of a process in /proc: measure on Linux".into());
    }
    Ok(cost)
}

/// What stands there now; nothing once the process is gone.
fn text(path: &str) -> String {
    fs_err::read_to_string(path).unwrap_or_default()
}

/// `VmHWM:   12345 kB`.
fn peak_megabytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u32 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(f64::from(kibibytes) * 1_024.0 / 1e6)
}

/// The 14th and 15th word; the second, the program's name, may hold blanks and ends with the last parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((f64::from(user) + f64::from(system)) / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(peak_megabytes("VmPeak:\t  99 kB\nVmHWM:\t  250000 kB\n"), Some(256.0));
        assert_eq!(peak_megabytes("State:\tZ (zombie)\n"), None);
        let stat = "4242 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 4 0 12345";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds(""), None);
    }
}
