//! The whole run: plan every stream, read what is due, build the stars whose inputs changed, report.
//!
//! A run with nothing due writes nothing and says so. Streams are worked on side by side; a key list waits for its stream, so that
//! the list begins after the readings that it judges.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use headwater_connectors::SourceError;
use headwater_contract::{SourceName, StreamContract, StreamName, TimeRange};
use serde::Serialize;
use ulid::Ulid;

use crate::Lakehouse;
use crate::run::debts::Debts;
use crate::run::error::RunError;
use crate::run::event::{Listener, RunEvent};
use crate::run::fold::unfold;
use crate::run::order::order;
use crate::run::plan::{Ask, Unit};
use crate::run::report::{Problem, RunReport, StreamReport};
use crate::run::shared_keys::known_shared_keys;
use crate::run::source::{OpenSource, OpenStream};
use crate::run::source_time::Seen;
use crate::run::stop::Stop;
use crate::run::stream::{StreamWork, Ways, plan_stream, waiting_text};

/// A source whose clock is further behind ours cannot be planned by ours.
const NEAR: TimeDelta = TimeDelta::days(1);

/// How far the `Date` of an answer may lie behind the time that a plan is made by: headers have whole seconds, and a source that
/// is two seconds behind counts as on time. A demand bears this earlier time, else the reading that meets it would seem older.
const DATE_BEHIND: TimeDelta = TimeDelta::seconds(3);

/// Streams whose tables are looked at together before a run that may have nothing to do.
const LOOKS_AT_ONCE: usize = 8;

/// What a run is asked to do.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Sources and streams; all when empty.
    pub select: Vec<String>,
    /// Read lists and chains although they are not due, and try what waits or was stopped.
    pub is_now: bool,
    /// Build no star.
    pub is_without_stars: bool,
    /// Quarantined records and warnings are an error.
    pub is_strict: bool,
    /// Read every window of this range again.
    pub again: Option<TimeRange>,
}

/// What is due in one stream, for people and schedulers.
#[derive(Clone, Debug, Serialize)]
pub struct StreamDue {
    /// The stream.
    pub stream: StreamName,
    /// What will be read, in that order.
    pub units: Vec<Unit>,
    /// What is missing and waits, in words.
    pub waiting: Vec<String>,
    /// What keeps the stream from being planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// One source with the time that its plans are made by.
pub(crate) struct Timed {
    pub(crate) open: OpenSource,
    pub(crate) ask: Ask,
    /// The source did not tell its time.
    pub(crate) problem: Option<SourceError>,
}

impl Lakehouse {
    /// Shows what a run would read. Sends nothing but, to a source whose clock is far off or unknown, a request for its time.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the project is not right. What is wrong with single streams is in the result.
    pub async fn plan(&self, options: &RunOptions) -> Result<Vec<StreamDue>, RunError> {
        let mut due = Vec::new();
        for timed in self.timed(options).await? {
            for stream in &timed.open.streams {
                let planned = plan_stream(&self.lake.ledger, &timed.open, stream, timed.ask).await;
                let name = stream.contract.name.clone();
                let told = timed.problem.as_ref().map(Problem::of);
                due.push(match planned {
                    Ok(plan) => StreamDue {
                        stream: name,
                        units: order(plan.units().cloned().collect(), timed.ask.now),
                        waiting: plan.waiting().map(waiting_text).collect(),
                        problem: told,
                    },
                    Err(error) => {
                        StreamDue { stream: name, units: vec![], waiting: vec![], problem: Some(Problem::of(&error)) }
                    }
                });
            }
        }
        Ok(due)
    }

    /// Reads what is due, then builds the stars whose inputs changed. `listener` hears of everything; `stop` ends it in good order.
    ///
    /// # Errors
    ///
    /// [`RunError`] when nothing could be begun. What went wrong with windows and stars is in the report.
    pub async fn run(&self, options: &RunOptions, listener: Arc<Listener>, stop: &Stop) -> Result<RunReport, RunError> {
        stop.heed();
        let started_at = self.lake.clock.now();
        let sources = self.timed(options).await?;
        let stars = if options.is_without_stars { Vec::new() } else { self.stars(&[])? };
        let mut presence = None;
        if let Some(range) = options.again {
            presence = Some(self.begin_to_write().await?);
            self.ask_again(&sources, range).await?;
        }
        let is_told = sources.iter().any(|timed| timed.problem.is_some());
        let has_work = is_told || self.has_work(&sources).await || self.any_star_due(&stars).await;
        let mut report = RunReport {
            run: Ulid::nil(),
            started_at,
            finished_at: started_at,
            streams: Vec::new(),
            stars: Vec::new(),
            was_stopped: false,
            is_strict: options.is_strict,
        };
        if !has_work {
            report.streams = self.idle_streams(&sources).await;
            report.finished_at = self.lake.clock.now();
            listener(&RunEvent::Finished { report: Box::new(report.clone()) });
            return Ok(report);
        }
        let presence = match presence {
            Some(presence) => presence,
            None => self.begin_to_write().await?,
        };
        report.run = self.lake.ledger.begin_run(&command(options)).await?;
        let ways = Ways {
            windows_at_once: self.file.limits.windows_at_once,
            listener: Arc::clone(&listener),
            stop: stop.clone(),
            run: report.run,
        };
        let told = tell_when_stopping(&listener, stop);
        report.streams = self.work(&sources, &ways).await;
        if !stop.is_asked() {
            report.stars = self.build_due(&stars, &ways, false).await;
        }
        told.abort();
        report.was_stopped = stop.is_asked();
        report.finished_at = self.lake.clock.now();
        // A file that cannot be written costs one request per source next time.
        if let Err(error) = self.times.keep() {
            tracing::warn!(%error, "the sources' times could not be kept");
        }
        let text = serde_json::to_value(&report).unwrap_or_default();
        self.lake.ledger.finish_run(report.run, report.outcome(), &text).await?;
        drop(presence);
        listener(&RunEvent::Finished { report: Box::new(report.clone()) });
        Ok(report)
    }

    /// Opens the selected sources and finds the time that each is planned by.
    pub(crate) async fn timed(&self, options: &RunOptions) -> Result<Vec<Timed>, RunError> {
        let mut out = Vec::new();
        for open in self.sources(&options.select)? {
            let ours = self.lake.clock.now();
            let seen = self.times.of(&open.name);
            let (seen, problem) = match seen {
                Some(seen) if !seen.is_far_off() => (Some(seen), None),
                before => match open.source.clock().await {
                    Ok(Some(source)) => {
                        let seen = Seen { source, ours };
                        self.times.note(&open.name, seen);
                        (Some(seen), None)
                    }
                    // A source that never dates its answers is planned by our clock.
                    Ok(None) => (before, None),
                    // Its time is at most ours, so a plan by ours finds all that can be missing, and the readings say what is wrong.
                    // Only where the source is known to live in another age would such a plan be nonsense.
                    Err(error) if before.is_some_and(|seen| ours - seen.at(ours) > NEAR) => (before, Some(error)),
                    Err(_) => (None, None),
                },
            };
            let now = seen.map_or(ours, |seen| seen.at(ours));
            let ask = Ask { now, ours, period: open.period, is_now: options.is_now };
            out.push(Timed { open, ask, problem });
        }
        Ok(out)
    }

    /// Marks every window of the range, by the sources' time, so that a run that dies half-way leaves the rest due.
    async fn ask_again(&self, sources: &[Timed], range: TimeRange) -> Result<(), RunError> {
        for timed in sources {
            for stream in &timed.open.streams {
                unfold(&self.lake, &stream.contract, |interval| {
                    interval.range().is_some_and(|finished| finished.overlaps(&range))
                })
                .await?;
                self.lake.ledger.ask_again(&stream.contract.name, Some(range), timed.ask.now - DATE_BEHIND).await?;
            }
        }
        Ok(())
    }

    /// Whether any stream has anything due, or its tables show less than its receipts say, whatever the ledger thinks.
    async fn has_work(&self, sources: &[Timed]) -> bool {
        let streams = sources.iter().flat_map(|timed| timed.open.streams.iter().map(move |stream| (timed, stream)));
        let looks = futures::stream::iter(streams).map(|(timed, stream)| async move {
            let planned = plan_stream(&self.lake.ledger, &timed.open, stream, timed.ask).await;
            let is_due = timed.problem.is_none() && planned.is_ok_and(|plan| plan.units().next().is_some());
            // What cannot be looked at is told by the run that tries.
            is_due || Debts::of(&self.lake, &stream.contract).await.map_or(true, |debts| debts.is_any())
        });
        let mut looks = looks.buffer_unordered(LOOKS_AT_ONCE);
        while let Some(has_work) = looks.next().await {
            if has_work {
                return true;
            }
        }
        false
    }

    /// What an idle run has to tell of each stream: what waits, and what cannot be planned.
    async fn idle_streams(&self, sources: &[Timed]) -> Vec<StreamReport> {
        let mut out = Vec::new();
        for timed in sources {
            for stream in &timed.open.streams {
                out.push(self.idle_stream(timed, stream).await);
            }
        }
        out
    }

    async fn idle_stream(&self, timed: &Timed, stream: &OpenStream) -> StreamReport {
        let stream_name = stream.contract.name.clone();
        let mut report =
            StreamReport { stream: stream_name, windows: vec![], waiting: vec![], warnings: vec![], problem: None };
        match plan_stream(&self.lake.ledger, &timed.open, stream, timed.ask).await {
            Ok(plan) => report.waiting = plan.waiting().map(waiting_text).collect(),
            Err(error) => report.problem = Some(Problem::of(&error)),
        }
        match known_shared_keys(&self.lake.ledger, &stream.contract).await {
            Ok(warning) => report.warnings.extend(warning),
            Err(error) => report.problem = Some(Problem::of(&error)),
        }
        if let Some(error) = &timed.problem {
            report.problem = Some(Problem::of(error));
        }
        report
    }

    async fn work(&self, sources: &[Timed], ways: &Ways) -> Vec<StreamReport> {
        let groups: Vec<(&Timed, Vec<&OpenStream>)> = sources
            .iter()
            .flat_map(|timed| grouped(&timed.open.streams).into_iter().map(move |group| (timed, group)))
            .collect();
        let at_once = self.file.limits.streams_at_once.max(1);
        let reports: Vec<Vec<StreamReport>> = futures::stream::iter(groups)
            .map(|(timed, group)| async move {
                let mut reports = Vec::new();
                for stream in group {
                    if ways.stop.is_asked() || timed.problem.is_some() {
                        reports.push(self.idle_stream(timed, stream).await);
                        continue;
                    }
                    let work = StreamWork { house: self, open: &timed.open, stream, ask: timed.ask, ways };
                    reports.push(Box::pin(work.run()).await);
                }
                reports
            })
            .buffer_unordered(at_once)
            .collect()
            .await;
        let by_name: BTreeMap<StreamName, StreamReport> =
            reports.into_iter().flatten().map(|report| (report.stream.clone(), report)).collect();
        by_name.into_values().collect()
    }

    /// The sources that a schedule reads, by name.
    pub(crate) fn scheduled(&self) -> BTreeMap<SourceName, crate::schedule::Schedule> {
        let of = |name: &SourceName| Some((name.clone(), self.file.schedule_of(name)?.clone()));
        self.file.sources.keys().filter_map(of).collect()
    }
}

/// Streams that can be worked on side by side: each with the key lists that wait for it.
fn grouped(streams: &[OpenStream]) -> Vec<Vec<&OpenStream>> {
    let is_list_of = |list: &StreamContract, of: &StreamContract| list.key_list_of.as_deref() == Some(of.name.stream());
    let heads = streams.iter().filter(|stream| stream.contract.key_list_of.is_none());
    let mut groups: Vec<Vec<&OpenStream>> = heads
        .map(|head| {
            let lists = streams.iter().filter(|stream| is_list_of(&stream.contract, &head.contract));
            std::iter::once(head).chain(lists).collect()
        })
        .collect();
    // A list whose stream was not selected stands alone.
    let grouped: Vec<&StreamName> = groups.iter().flatten().map(|stream| &stream.contract.name).collect();
    let alone: Vec<_> = streams.iter().filter(|stream| !grouped.contains(&&stream.contract.name)).collect();
    groups.extend(alone.into_iter().map(|stream| vec![stream]));
    groups
}

/// The command line that a run stands for, in the list of runs.
fn command(options: &RunOptions) -> String {
    let day = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut words = match options.again {
        Some(range) => {
            vec!["backfill".to_owned(), "--from".into(), day(range.from()), "--until".into(), day(range.until())]
        }
        None => vec!["run".to_owned()],
    };
    words.extend(options.select.iter().cloned());
    if options.is_now {
        words.push("--now".to_owned());
    }
    words.join(" ")
}

/// Tells the listener when a stop is asked for.
fn tell_when_stopping(listener: &Arc<Listener>, stop: &Stop) -> tokio::task::JoinHandle<()> {
    let (listener, stop) = (Arc::clone(listener), stop.clone());
    tokio::spawn(async move {
        stop.asked().await;
        listener(&RunEvent::Stopping);
    })
}
