//! The twelve checks of one stream, each made of cases that are tried one after the other.

mod drift;
mod faults;
mod identity;
mod reading;
mod windows;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headwater_contract::{Explain, ReadEvent, ReadSummary, TimeRange};

use super::report::{Case, Check, CheckReport, Outcome};
use super::stage::{Cast, Stage, slice_of};
use super::vendor::{Amount, Tally, What, World, shown};
use crate::decoding::Pointer;
use crate::error::SourceError;
use crate::expression::Scope;
use crate::source::ReadRequest;
use crate::stream::Stream;
use crate::windowing::read_instant;

/// Records of an owner in a window: three pages.
pub(super) const ROWS: usize = 7;
/// Requests that a report shows of a case that failed.
const SHOWN: usize = 4;
/// How often a window is cut in halves at most.
const CUTS: usize = 6;
/// Longest time of one reading on the machine's clock: it waits for nothing.
const READING: Duration = Duration::from_mins(1);

/// One stream that is tried.
pub(super) struct Trial<'a> {
    pub(super) cast: Cast,
    pub(super) stage: &'a Stage,
    pub(super) stream: Arc<Stream>,
    pub(super) slices: Vec<(String, Scope)>,
    pub(super) windows: Vec<TimeRange>,
    /// The ranges that may be asked for: windows and what they are cut into.
    ranges: Arc<[TimeRange]>,
    /// Worlds by their records: most cases begin in the same one.
    pub(super) worlds: Arc<Mutex<BTreeMap<usize, World>>>,
}

/// What a reading gave.
#[derive(Debug, Default)]
pub(super) struct Got {
    pub(super) records: Tally,
    pub(super) summary: ReadSummary,
}

/// What a case found instead of what it expected.
#[derive(Debug)]
pub(super) struct Miss {
    expected: String,
    found: String,
}

/// What came of a case before it is written down.
pub(super) type Tried = Result<(), Miss>;

pub(super) fn miss(expected: impl Into<String>, found: impl Into<String>) -> Miss {
    Miss { expected: expected.into(), found: found.into() }
}

impl<'a> Trial<'a> {
    /// Of a stream with these slices and windows.
    pub(super) fn new(
        cast: &Cast,
        stage: &'a Stage,
        stream: Arc<Stream>,
        slices: Vec<(String, Scope)>,
        windows: Vec<TimeRange>,
    ) -> Self {
        let ranges = ranges(stage, &stream, &slices, &windows).into();
        Self { cast: cast.clone(), stage, stream, slices, windows, ranges, worlds: Arc::default() }
    }

    /// The same on another stage.
    fn on<'b>(&self, stage: &'b Stage) -> Trial<'b> {
        Trial {
            cast: self.cast.clone(),
            stage,
            stream: Arc::clone(&self.stream),
            slices: self.slices.clone(),
            windows: self.windows.clone(),
            ranges: Arc::clone(&self.ranges),
            worlds: Arc::clone(&self.worlds),
        }
    }
}

impl Trial<'_> {
    /// Makes all checks, each within its time.
    pub(super) async fn run(&self) -> Vec<CheckReport> {
        let mut reports = Vec::new();
        for check in Check::ALL {
            let cases = tokio::time::timeout(self.cast.check_max, self.check(check)).await.unwrap_or_else(|_| {
                let most = self.cast.check_max.as_secs();
                let tried = Err(miss(format!("an end within {most} s"), "it was still at work"));
                vec![self.case(check, "the check ends", tried)]
            });
            reports.push(CheckReport { check, cases });
        }
        reports
    }

    async fn check(&self, check: Check) -> Vec<Case> {
        match check {
            Check::Columns => self.columns(),
            Check::Access => self.access().await,
            Check::Discovery => self.discovery().await,
            Check::Pages => self.pages().await,
            Check::Tiling => self.tiling().await,
            Check::Resume => self.resume().await,
            Check::Gaps => self.gaps().await,
            Check::Throttle => self.throttle().await,
            Check::Renewal => self.renewal().await,
            Check::Drift => self.drift().await,
            Check::Overflow => self.overflow().await,
            Check::Hostile => self.hostile().await,
        }
    }

    /// The window in the middle, where there are windows.
    fn middle(&self) -> Option<TimeRange> {
        self.stream.window.as_ref()?;
        self.windows.get(1).copied()
    }

    /// A world of so many records for each owner, in each window where there are windows.
    pub(super) fn world(&self, rows: usize) -> Result<World, Miss> {
        if let Some(world) = self.worlds.lock().unwrap_or_else(PoisonError::into_inner).get(&rows) {
            return Ok(world.clone());
        }
        let amount = Amount { windows: self.windows.clone(), rows };
        let truth = self
            .stage
            .truth
            .stream_of(&self.stream.name)
            .map_err(|error| miss("the stream", described_error(&error)))?;
        let world = World::build(&self.stage.truth, &truth, &self.slices, &amount);
        let mut world = world.map_err(|error| miss("records of the manifest's shape", error))?;
        world.ranges = Arc::clone(&self.ranges);
        if let Some(described) = &self.cast.described {
            described.fit_world(&mut world).map_err(|error| miss("records where the manifest says", error))?;
        }
        self.worlds.lock().unwrap_or_else(PoisonError::into_inner).insert(rows, world.clone());
        Ok(world)
    }

    /// Puts a world on the stage, with nothing asked of it yet.
    fn begin(&self, world: World) {
        self.stage.vendor.state().begin(world);
    }

    /// Reads to the end.
    async fn read(&self, slice: &str, window: Option<TimeRange>, token: Option<String>) -> Result<Got, SourceError> {
        let mut reading =
            self.stage.source.read(&self.stream.name, ReadRequest { slice: slice_of(slice), bounds: window, token });
        let mut got = Got::default();
        let all = async {
            while let Some(event) = reading.next().await {
                match event? {
                    ReadEvent::Records(records) => {
                        for text in records.texts.iter().filter(|text| self.is_in(text, window)) {
                            *got.records.entry(shown(&self.stream, text)).or_default() += 1;
                        }
                    }
                    ReadEvent::Done(summary) => got.summary = summary,
                    ReadEvent::Exchange(_) | ReadEvent::Chunk(_) => {}
                }
            }
            Ok(())
        };
        let ended = tokio::time::timeout(READING, all).await;
        ended.unwrap_or_else(|_| {
            let facts = format!("a reading that waits for nothing did not end within {} s", READING.as_secs());
            Err(SourceError::new(crate::error::Place::default(), crate::error::Fault::Internal { facts }))
        })?;
        Ok(got)
    }

    /// Whether a record is of this window: an API may send more, and what is outside is cut by whoever lands it.
    fn is_in(&self, text: &[u8], window: Option<TimeRange>) -> bool {
        let Some(window) = window else { return true };
        let contract = self.stage.contract(&self.stream.name);
        let field = contract.and_then(|contract| contract.column(&contract.window.as_ref()?.field));
        let Some(column) = field else { return true };
        let value: Option<serde_json::Value> = serde_json::from_slice(text).ok();
        let value = value.as_ref().and_then(|value| Pointer::parse(&column.pointer).find(value));
        let at = value.and_then(|value| match column.column_type {
            headwater_contract::ColumnType::Date => {
                let format = headwater_contract::TimestampFormat::Pattern {
                    pattern: "%Y-%m-%d".to_owned(),
                    zone: "UTC".to_owned(),
                };
                read_instant(value, &format)
            }
            _ => read_instant(value, &column.format),
        });
        at.is_none_or(|at| window.contains(at))
    }

    /// Reads a window of a slice and holds it against the oracle.
    async fn read_whole(&self, slice: &str, window: Option<TimeRange>) -> Result<Got, Miss> {
        let got = self.read(slice, window, None).await;
        let got = got.map_err(|error| miss("all records of the window", described_error(&error)))?;
        self.compare(&got, slice, window)?;
        Ok(got)
    }

    /// Holds what came against the oracle.
    fn compare(&self, got: &Got, slice: &str, window: Option<TimeRange>) -> Tried {
        let expected = self.expected(slice, window)?;
        self.compare_tally(&got.records, &expected)
    }

    fn expected(&self, slice: &str, window: Option<TimeRange>) -> Result<Arc<Tally>, Miss> {
        let world = self.stage.vendor.state().world.clone();
        let expected = world.expected(&self.stage.truth, slice, window);
        expected.map_err(|error| miss("records that can be decoded", error))
    }

    fn compare_tally(&self, found: &Tally, expected: &Tally) -> Tried {
        let total = |tally: &Tally| tally.values().sum::<usize>();
        // A list that is read from its last record on shows that one twice; who lands it knows it by its key.
        let is_advancing = matches!(self.stream.pagination, crate::pagination::Pagination::AdvancingFrom(_));
        // So does a window that turned out to be too large when a part of it had come.
        let cap = self.stream.window.as_ref().and_then(|window| window.cap.as_ref());
        let may_repeat = is_advancing || cap.is_some_and(|cap| cap.total.is_none());
        let differs = |text: &String, count: usize| {
            let came = found.get(text).copied().unwrap_or(0);
            if may_repeat { came < count } else { came != count }
        };
        let wrong = expected.iter().find(|(text, count)| differs(text, **count)).map(|(text, count)| {
            let came = found.get(text).copied().unwrap_or(0);
            format!("{came} times {}, which is there {count} times", short(text))
        });
        let strange = || {
            let strange = found.keys().find(|text| !expected.contains_key(*text))?;
            Some(format!("{}, which is not of this reading", short(strange)))
        };
        match wrong.or_else(strange) {
            None => Ok(()),
            Some(found_instead) => Err(miss(
                format!("{} records, each as often as it is there", total(expected)),
                format!("{} records; {found_instead}", total(found)),
            )),
        }
    }

    /// Writes down what came of a case.
    fn case(&self, check: Check, name: impl Into<String>, tried: Tried) -> Case {
        let state = self.stage.vendor.state();
        let problems = state.problems();
        let outcome = match tried {
            Ok(()) => Outcome::Passed,
            Err(Miss { expected, found }) => {
                let sent = state.hits.iter().rev().take(SHOWN).rev();
                let sent = sent.map(|hit| format!("{} → {}", hit.request, hit.status)).collect();
                let found = match problems.first() {
                    Some(problem) => format!("{found}; the stand-in vendor refused {problem}"),
                    None => found,
                };
                Outcome::Failed { expected, found, sent, fix: check.fix().to_owned() }
            }
        };
        Case { name: name.into(), outcome }
    }

    /// Rules of the manifest decide about answers of this status in their own way.
    fn has_rule_for(&self, status: u16) -> bool {
        let evidence = crate::refusal::Evidence { status, header: &|_| None, field: &|_| None, text: Some("") };
        self.stream.request.rules.iter().any(|rule| rule.when.holds(&evidence))
    }
}

/// The ranges that may be asked for: whole windows first, then what they are cut into where something cuts them.
fn ranges(stage: &Stage, stream: &Stream, slices: &[(String, Scope)], windows: &[TimeRange]) -> Vec<TimeRange> {
    let Some(plan) = &stream.window else { return Vec::new() };
    let is_cut =
        plan.cap.is_some() || stream.request.rules.iter().any(|rule| rule.then == crate::refusal::Action::SplitWindow);
    let mut ranges: Vec<TimeRange> = Vec::new();
    for (_, scope) in slices {
        let now = headwater_contract::Clock::now(stage.time.as_ref());
        let Ok(wire) = crate::windowing::Wire::new(plan, scope, now) else { continue };
        let pieces = windows.iter().flat_map(|window| wire.pieces(*window).unwrap_or_default());
        let mut open: Vec<TimeRange> = pieces.filter(|piece| !ranges.contains(piece)).collect();
        for _ in 0..=CUTS {
            ranges.extend(open.iter().copied());
            if !is_cut {
                break;
            }
            open = open.iter().filter_map(|range| wire.cut(*range)).flat_map(|(left, right)| [left, right]).collect();
        }
    }
    ranges
}

/// A case that there is nothing to try for.
pub(super) fn skipped(name: impl Into<String>, because: impl Into<String>) -> Case {
    Case { name: name.into(), outcome: Outcome::NotApplicable { because: because.into() } }
}

/// An error as a report shows it.
pub(super) fn described_error(error: &SourceError) -> String {
    format!("error {}: {error}", error.code())
}

/// The beginning of a record.
fn short(text: &str) -> String {
    const SHOWN_CHARS: usize = 160;
    let mut short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
