//! The reading, in a process of its own, so that its peak of memory is the engine's and nobody else's.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;

use futures::StreamExt;
use headwater_connectors::{Connector, ReadRequest, Source, SourceOptions};
use headwater_contract::{Report, Slice, SourceName, SystemClock};

use crate::work::Work;
use crate::{Fallible, source};

/// What a reading took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Largest resident set.
    pub(crate) peak_kib: u64,
    /// User and system time of all threads.
    pub(crate) cpu_seconds: f64,
}

/// Reads `work` in a process of its own and fails unless it gave every record, in order, as the source has it.
pub(crate) fn measure(work: Work) -> Fallible<Cost> {
    let origin = source::start(work)?;
    let program = std::env::current_exe()?;
    let child = Command::new(program).args(["read", &work.to_string(), &origin]).stderr(Stdio::inherit()).output()?;
    let said = String::from_utf8(child.stdout)?;
    if !child.status.success() {
        return Err(format!("reading {work} failed ({}): {said}", child.status).into());
    }
    let mut words = said.split_whitespace();
    let mut next = || words.next().ok_or("the reading did not say what it took");
    Ok(Cost { peak_kib: next()?.parse()?, cpu_seconds: next()?.parse()? })
}

/// The process itself; gives what it is to print.
pub(crate) fn run(work: Work, origin: &str) -> Fallible<String> {
    tokio::runtime::Runtime::new()?.block_on(read(work, origin))?;
    // Clock ticks are hundredths of a second on every architecture that Linux runs on (`man 5 proc`).
    let stat = fs_err::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(')').ok_or("no process")?;
    let ticks: Vec<f64> = rest.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    let status = fs_err::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak")?;
    Ok(format!("{} {:.2}", peak.trim().trim_end_matches("kB").trim(), ticks.iter().sum::<f64>() / 100.0))
}

async fn read(work: Work, origin: &str) -> Fallible<()> {
    let connector = Arc::new(Connector::parse(&Work::manifest(origin), "large.yaml")?);
    let mut options = SourceOptions::new(Arc::new(SystemClock));
    options.allow_private = vec![origin.trim_start_matches("http://").to_owned()];
    let source = Source::open(connector, SourceName::new("large")?, BTreeMap::new(), options)?;
    let request = ReadRequest { slice: Slice::whole(), bounds: None, token: None };
    let mut records = source.records(work.stream(), request);
    let (mut number, mut expected) = (0, Vec::new());
    while let Some(record) = records.next().await {
        let record = record.map_err(|error| Report(&error).to_string())?;
        expected.clear();
        work.write_given(number, &mut expected);
        if record != expected {
            return Err(format!("record {number} is not the source's: {}", String::from_utf8_lossy(&record)).into());
        }
        number += 1;
    }
    let came = (number, u64::from(records.progress().requests));
    let all = (work.records(), work.requests());
    if came == all { Ok(()) } else { Err(format!("(records, requests) are {came:?}, not {all:?}").into()) }
}
