//! What a person does about the lake as a whole: a new ledger, tables made again from raw, quarantine decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_contract::{Slice, StreamName, TableName, Window, Zone};
use headwater_lake::Lake;
use headwater_lake::attempt::Landed;
use headwater_lake::cleanse::{self, rebuild_cleansed};
use headwater_lake::commit::{CommitError, check_logs, transactions};
use headwater_lake::ledger::{self, Lease, Unit, WindowRow};
use headwater_lake::quarantine;
use headwater_lake::raw::{QuarantinedRow, Reason, Receipt, Receipts, data_generation};
use ulid::Ulid;

use crate::Lakehouse;
use crate::run::commit::Committer;
use crate::run::debts::{Debts, settle};
use crate::run::decode::SourceDecoders;
use crate::run::error::RunError;
use crate::run::fold::unfold;
use crate::run::record::{StreamRecord, record_stream};
use crate::run::report::Outcome;
use crate::run::source::{OpenSource, OpenStream};
use crate::run::stream::{Keeper, LEASE};
use crate::run::window::Reader;

/// What to do with a window in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Release it as it is.
    Accept,
    /// Run its stored bodies again under the present contract.
    Replay,
}

impl Lakehouse {
    /// Makes the ledger from receipts and Delta logs, and claims the lake with it.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the lake cannot be read, or another ledger claims it at the same time.
    pub async fn rebuild_ledger(&self) -> Result<ledger::RebuildReport, RunError> {
        let shown = self.transactions().await?;
        Ok(self.lake.ledger.rebuild(&self.lake.zones.raw, &shown).await?)
    }

    /// What the tables of the project's streams show, by stream.
    async fn transactions(&self) -> Result<BTreeMap<StreamName, BTreeMap<String, i64>>, RunError> {
        let mut shown = BTreeMap::new();
        for open in self.sources(&[])? {
            for stream in &open.streams {
                shown.insert(stream.contract.name.clone(), transactions(&self.lake, &stream.contract).await?);
            }
        }
        Ok(shown)
    }

    /// Makes the cleansed tables of the selected streams again from raw. Sends nothing to any source.
    ///
    /// # Errors
    ///
    /// [`RunError`]; what is rebuilt by then stays, and running again is safe.
    pub async fn rebuild_cleansed(
        &self,
        select: &[String],
    ) -> Result<Vec<(StreamName, cleanse::RebuildReport)>, RunError> {
        let presence = self.begin_to_write().await?;
        let run = self.lake.ledger.begin_run("rebuild cleansed").await?;
        let mut out = Vec::new();
        for open in self.sources(select)? {
            let decoders = SourceDecoders::of([&open]);
            // Lists of keys come first: the keyed table of their stream reads them.
            let (lists, others): (Vec<&OpenStream>, Vec<&OpenStream>) =
                open.streams.iter().partition(|stream| stream.contract.key_list_of.is_some());
            for stream in lists.into_iter().chain(others) {
                self.make_way(stream).await?;
                let lease = self.lease(stream).await?;
                let keeper = Keeper::of(self.lake.ledger.clone(), lease.clone());
                let rebuilt = self.rebuild_stream(&lease, stream, &decoders, run).await;
                drop(keeper);
                self.lake.ledger.release(lease).await?;
                out.push((stream.contract.name.clone(), rebuilt?));
            }
        }
        let report = serde_json::json!({ "streams": out.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>() });
        self.lake.ledger.finish_run(run, "done", &report).await?;
        drop(presence);
        Ok(out)
    }

    /// Before the log of a table that somebody deleted restarts at its URL: claims the lake anew and waits until nobody who held
    /// a lease at that moment can still write there.
    async fn make_way(&self, stream: &OpenStream) -> Result<(), RunError> {
        let raw = &self.lake.zones.raw;
        match check_logs(&self.lake, &stream.contract).await {
            Err(CommitError::LogGone { .. }) => {}
            other => return Ok(other?),
        }
        self.lake.ledger.claim_next(raw).await?;
        let wait = self.lake.ledger.longest_lease().await?;
        if !wait.is_zero() {
            let seconds = wait.as_secs();
            tracing::info!(stream = %stream.contract.name, seconds, "waiting until the last lease has run out");
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Makes the tables of one stream again, and tells the ledger and the catalog what they show now: no more and no less.
    async fn rebuild_stream(
        &self,
        lease: &Lease,
        stream: &OpenStream,
        decoders: &SourceDecoders,
        run: Ulid,
    ) -> Result<cleanse::RebuildReport, RunError> {
        let name = &stream.contract.name;
        let rebuilt = match rebuild_cleansed(&self.lake, &stream.contract, decoders).await {
            Ok(rebuilt) => rebuilt,
            Err(error) => {
                // Windows that are held now are listed by `status`.
                self.lake.ledger.catch_up(&self.lake.zones.raw, lease, name).await?;
                return Err(error.into());
            }
        };
        let shown = transactions(&self.lake, &stream.contract).await?;
        let receipts = Receipts::new(&self.lake.zones.raw).of_stream(name).await?;
        self.lake.ledger.rebuilt(lease, name, &receipts, &shown).await?;
        let of_window = |(window, receipts): (&Window, &Vec<Receipt>)| {
            data_generation(receipts).map(|receipt| (window.clone(), receipt.generation))
        };
        let windows: Vec<(Window, u64)> = receipts.iter().filter_map(of_window).collect();
        let record =
            StreamRecord { contract: &stream.contract, run, windows: &windows, received: (0, 0), complete_until: None };
        record_stream(&self.lake, &self.catalog, &record).await?;
        settle(&self.lake, &stream.contract, lease, None).await?;
        Ok(rebuilt)
    }

    /// Held windows, and those that show a reading of which some records are in quarantine.
    ///
    /// # Errors
    ///
    /// [`RunError`] when a name is unknown or receipts cannot be read.
    pub async fn quarantined(&self, select: &[String]) -> Result<Vec<quarantine::Entry>, RunError> {
        let mut out = Vec::new();
        for open in self.sources(select)? {
            for stream in &open.streams {
                out.extend(quarantine::list(&self.lake, &stream.contract.name).await?);
            }
        }
        Ok(out)
    }

    /// The records in quarantine of one window.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the window does not exist or its receipt cannot be read.
    pub async fn quarantined_records(
        &self,
        stream: &str,
        slice: &str,
        window: &str,
        limit: usize,
    ) -> Result<Vec<QuarantinedRow>, RunError> {
        let (open, at) = self.one_stream(stream)?;
        let stream = &open.streams.get(at).ok_or_else(|| no_window(stream, window))?.contract.name;
        self.permit(&raw_table(stream), "quarantine show")?;
        let window = self.window(stream, slice, window).await?;
        Ok(quarantine::records(&self.lake, stream, &window, limit).await?)
    }

    /// Decides what becomes of a window in quarantine, and shows it.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the window does not exist, nothing of it is in quarantine, or it cannot be decoded or committed.
    pub async fn decide(
        &self,
        stream: &str,
        slice: &str,
        window: &str,
        decision: Decision,
    ) -> Result<(Landed, Outcome), RunError> {
        let presence = self.begin_to_write().await?;
        let (open, at) = self.one_stream(stream)?;
        let stream = open.streams.get(at).ok_or_else(|| no_window(stream, window))?;
        let name = &stream.contract.name;
        self.permit(&raw_table(name), "quarantine decision")?;
        let window = self.window(name, slice, window).await?;
        let lease = self.lease(stream).await?;
        let keeper = Keeper::of(self.lake.ledger.clone(), lease.clone());
        let decided = self.decide_leased(&lease, &open, stream, &window, decision).await;
        drop(keeper);
        self.lake.ledger.release(lease).await?;
        drop(presence);
        decided
    }

    async fn decide_leased(
        &self,
        lease: &Lease,
        open: &OpenSource,
        stream: &OpenStream,
        window: &Window,
        decision: Decision,
    ) -> Result<(Landed, Outcome), RunError> {
        let Lake { ledger, zones, .. } = &self.lake;
        let name = &stream.contract.name;
        // What an earlier decision landed before its runner was killed counts first.
        ledger.catch_up(&zones.raw, lease, name).await?;
        unfold(&self.lake, &stream.contract, |interval| interval.covers(window)).await?;
        let landed = match (decision, self.accepted_before(name, window).await?) {
            (Decision::Accept, Some(landed)) => landed,
            (Decision::Accept, None) => quarantine::accept(&self.lake, &stream.contract, window).await?,
            (Decision::Replay, _) => {
                quarantine::replay(&self.lake, &stream.contract, window, &SourceDecoders::of([open])).await?
            }
        };
        let receipts = Receipts::new(&zones.raw).of_window(name, window).await?;
        ledger.landed(lease, name, window, &receipts).await?;
        let outcome = match &landed.receipt.verdict {
            headwater_lake::raw::Verdict::Held { reason } => Outcome::Held { reason: reason.clone() },
            _ => self.show(open, stream, lease, window).await?,
        };
        Ok((landed, outcome))
    }

    /// The acceptance that an earlier runner landed and did not show.
    async fn accepted_before(&self, stream: &StreamName, window: &Window) -> Result<Option<Landed>, RunError> {
        let Some(row) = self.lake.ledger.window(stream, window).await?.filter(WindowRow::owes_commit) else {
            return Ok(None);
        };
        if row.facts.standing.is_none_or(|standing| standing.reason != Reason::Accept) {
            return Ok(None);
        }
        let latest = Receipts::new(&self.lake.zones.raw).latest(stream, window).await?;
        Ok(latest.map(|receipt| Landed { receipt, created_by_us: false }))
    }

    async fn show(
        &self,
        open: &OpenSource,
        stream: &OpenStream,
        lease: &Lease,
        window: &Window,
    ) -> Result<Outcome, RunError> {
        let reader = Arc::new(Reader {
            lake: self.lake.clone(),
            source: open.source.clone(),
            contract: Arc::clone(&stream.contract),
            setup: stream.setup,
            lease: lease.clone(),
            times: Arc::clone(&self.times),
            listener: Arc::new(|_: &crate::run::RunEvent| {}),
            records_max: self.file.limits.window_records,
        });
        let debts = Debts::of(&self.lake, &stream.contract).await?;
        let run = self.lake.ledger.begin_run(&format!("quarantine {} {window}", stream.contract.name)).await?;
        let mut committer = Committer::new(&reader, open, run);
        let outcomes = committer.commit(std::slice::from_ref(window)).await?;
        committer.record(self, None).await?;
        let outcome = outcomes.into_iter().next().map_or(Outcome::Landed, |(_, outcome)| outcome);
        let report = serde_json::json!({ "window": window.name(), "outcome": outcome });
        self.lake.ledger.finish_run(run, "done", &report).await?;
        debts.settle(&self.lake, &stream.contract, lease).await?;
        Ok(outcome)
    }

    /// Takes the lease of a whole stream.
    pub(crate) async fn lease(&self, stream: &OpenStream) -> Result<Lease, RunError> {
        let name = &stream.contract.name;
        let lease = self.lake.ledger.lease(&Unit::stream(name), LEASE).await?;
        lease.ok_or_else(|| RunError::Busy { stream: name.to_string() })
    }

    /// Opens the source of one stream and finds the stream in it.
    fn one_stream(&self, stream: &str) -> Result<(OpenSource, usize), RunError> {
        let name: StreamName = stream.parse().map_err(|_| no_window(stream, "…"))?;
        let open =
            self.sources(&[name.source().to_string()])?.into_iter().next().ok_or_else(|| no_window(stream, "…"))?;
        let at = open.streams.iter().position(|known| known.contract.name == name);
        let known = || open.streams.iter().map(|known| known.contract.name.to_string()).collect::<Vec<_>>();
        let at = at.ok_or_else(|| crate::run::unknown("stream", stream, known()))?;
        Ok((open, at))
    }

    /// The window of this name that has a receipt.
    async fn window(&self, stream: &StreamName, slice: &str, window: &str) -> Result<Window, RunError> {
        let slice = if slice.is_empty() { Slice::whole() } else { Slice::named(slice) };
        let found = Window::parse(slice, window).map_err(|_| no_window(&stream.to_string(), window))?;
        let receipts = Receipts::new(&self.lake.zones.raw).of_window(stream, &found).await?;
        if receipts.is_empty() { Err(no_window(&stream.to_string(), window)) } else { Ok(found) }
    }
}

/// The bodies of a stream: who may see and decide about what the gate held.
/// The table that stands for a stream's raw files.
pub(crate) fn raw_table(stream: &StreamName) -> TableName {
    TableName::new(Zone::Raw, stream.source().as_str(), stream.stream())
}

fn no_window(stream: &str, window: &str) -> RunError {
    RunError::NoWindow { stream: stream.to_owned(), window: window.to_owned() }
}
