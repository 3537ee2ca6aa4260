//! Makes a stream's cleansed tables again from raw: one commit on top of each log, before any other.
//!
//! A reading that was typed by another contract is run again under the present one first, as its window's next generation, so
//! that no row passes a gate that it was never shown to. What a table shows afterwards is decided by receipts alone. Where windows overlap, those that the log already shows stay, then
//! the newest reading wins; what stays uncovered and the source no longer keeps is cut from the parts of those that lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_contract::{Bounds, StreamContract, StreamKind, TimeRange, Window};

use crate::Lake;
use crate::attempt::{Decoders, Parts, Target, begin_replay, targets};
use crate::commit::{
    Change, CommitError, DeltaLog, Files, LiveFile, NewFile, TableSnapshot, generation_id, is_reading, new_file,
    rebuild_keyed, reopen, shown_generation, unchanged_rows, windows_of,
};
use crate::raw::{Reason, Receipt, Receipts, TypedFile, Verdict, data_generation, data_of};

/// A commit is tried so often before the runner gives way.
const TRIES_MAX: u32 = 8;

/// What a rebuild did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Windows that the tables show now.
    pub windows: usize,
    /// Windows that overlap others and are not shown.
    pub beaten: Vec<Window>,
    /// Windows cut from the parts of beaten ones.
    pub cut: Vec<Window>,
    /// Windows whose readings were run again, because another contract had typed them.
    pub replayed: usize,
    /// Of these, windows of which more records are in quarantine than before, with how many more.
    pub quarantined: Vec<(Window, u64)>,
    /// Rows of readings that are not the latest of their window, and that the present contract refuses.
    pub left_out: u64,
    /// Rows of the stream's own table.
    pub rows: u64,
    /// The new version of each table.
    pub versions: BTreeMap<String, i64>,
}

/// A window with the readings that it shows, in the order in which they came.
type Chosen = Vec<(Window, Vec<Receipt>)>;

/// Makes the tables of a stream again from its receipts and parts; asks nothing of the source.
///
/// # Errors
///
/// [`CommitError`]; each table shows either what it showed or the whole of what it should. Running again is safe.
pub async fn rebuild_cleansed(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    decoders: &dyn Decoders,
) -> Result<RebuildReport, CommitError> {
    let mut report = RebuildReport::default();
    let targets = targets(lake, contract);
    let Some((parent, children)) = targets.split_first() else { return Ok(report) };
    let mut files = Files { lake, contract, decoders: Some(decoders), made: BTreeMap::new() };
    let log = reopen(lake, contract, parent).await?;
    let snapshot = log.snapshot().await?;
    report.cut = cut(lake, contract, decoders, &snapshot).await?;
    replay_foreign(lake, contract, decoders, &snapshot, &mut report).await?;
    let mut tries = 0..TRIES_MAX;
    loop {
        let snapshot = log.snapshot().await?;
        let (chosen, beaten) = choose(lake, contract, &snapshot).await?;
        let adds = gather(contract, &mut files, &chosen, parent, &snapshot, None).await?;
        if let Some(version) = show(lake, log.log(), &snapshot, parent, &adds, &chosen).await? {
            report.rows = adds.iter().map(|file| file.rows).sum();
            report.left_out = left_out(contract, &files, &chosen, parent);
            report.versions.insert(parent.table.clone(), version);
            report.windows = chosen.len();
            report.beaten = beaten;
            break;
        }
        next_try(&mut tries, parent)?;
    }
    for child in children {
        let below = reopen(lake, contract, child).await?;
        let mut tries = 0..TRIES_MAX;
        loop {
            // The child's snapshot before the parent's: whoever shows a window in both, in between, makes this commit conflict, so no
            // row of a window that was not looked at is taken away.
            let snapshot = below.snapshot().await?;
            let parents = log.snapshot().await?;
            let chosen = shown_by(lake, contract, &parents).await?;
            let adds = gather(contract, &mut files, &chosen, child, &snapshot, Some((&parents, parent))).await?;
            if let Some(version) = show(lake, below.log(), &snapshot, child, &adds, &chosen).await? {
                report.versions.insert(child.table.clone(), version);
                break;
            }
            next_try(&mut tries, child)?;
        }
    }
    report.versions.extend(rebuild_keyed(lake, contract).await?);
    Ok(report)
}

/// Runs the readings again, as next generations, that another contract has typed. The gate judges them: what fails it is in
/// quarantine and listed, and a window that it holds keeps the table as it is until a person decides.
async fn replay_foreign(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    decoders: &dyn Decoders,
    snapshot: &TableSnapshot,
    report: &mut RebuildReport,
) -> Result<(), CommitError> {
    let digest = contract.digest();
    let store = Receipts::new(&lake.zones.raw);
    let mut held: Vec<(Window, String)> = Vec::new();
    for (window, readings) in choose(lake, contract, snapshot).await?.0 {
        let receipts = store.of_window(&contract.name, &window).await?;
        let (Some(latest), Some(shown)) = (receipts.last().cloned(), readings.last()) else { continue };
        if let Verdict::Held { reason } = &latest.verdict {
            // What was held under the present contract waits for a person. What another one held says nothing of this one.
            if latest.reason == Reason::Replay && latest.contract == digest {
                held.push((window, reason.clone()));
            }
            continue;
        }
        if shown.contract == digest || shown.parts.is_empty() {
            continue;
        }
        let parts = Parts { receipt: shown, files: &shown.parts };
        let landed = begin_replay(lake, contract, &window, receipts, parts, decoders).await?.receipt;
        report.replayed += 1;
        if let Verdict::Held { reason } = &landed.verdict {
            held.push((window, reason.clone()));
        } else if let Some(more) =
            landed.counts.quarantined.checked_sub(shown.counts.quarantined).filter(|more| *more > 0)
        {
            report.quarantined.push((window, more));
        }
    }
    let Some((first, reason)) = held.first() else { return Ok(()) };
    Err(CommitError::WouldBeHeld {
        stream: contract.name.clone(),
        windows: held.len(),
        first: first.to_string(),
        reason: reason.clone(),
    })
}

/// Rows of earlier readings that the present contract refuses: those that were typed again and came to fewer.
fn left_out(contract: &StreamContract, files: &Files<'_>, chosen: &Chosen, target: &Target) -> u64 {
    let digest = contract.digest();
    let readings = chosen.iter().flat_map(|(window, readings)| readings.iter().map(move |reading| (window, reading)));
    let lost = readings.filter(|(_, reading)| reading.contract != digest).filter_map(|(window, reading)| {
        let made = files.made.get(&(window.clone(), reading.generation))?;
        let rows: u64 = made.iter().filter(|file| file.table == target.table).map(|file| file.rows).sum();
        reading.counts.loaded.checked_sub(rows)
    });
    lost.sum()
}

fn next_try(tries: &mut std::ops::Range<u32>, target: &Target) -> Result<(), CommitError> {
    let busy = || CommitError::Busy { table: target.folder.clone(), tries: TRIES_MAX };
    tries.next().map(drop).ok_or_else(busy)
}

/// The readings that the stream's own table shows: what its child tables must show, no more and no less.
async fn shown_by(lake: &Lake, contract: &StreamContract, parents: &TableSnapshot) -> Result<Chosen, CommitError> {
    let all = Receipts::new(&lake.zones.raw).of_stream(&contract.name).await?;
    let mut chosen: Chosen = Vec::new();
    for (window, receipts) in all {
        let Some(shown) = shown_generation(&window, &parents.txns) else { continue };
        let Some(data) = data_of(&receipts, shown).cloned() else { continue };
        let readings = if contract.kind == StreamKind::Mutable {
            receipts.into_iter().filter(|receipt| is_reading(receipt) && receipt.generation <= shown).collect()
        } else {
            vec![data]
        };
        chosen.push((window, readings));
    }
    chosen.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(chosen)
}

/// The windows that the table shall show, and those that lost to another.
async fn choose(
    lake: &Lake,
    contract: &StreamContract,
    snapshot: &TableSnapshot,
) -> Result<(Chosen, Vec<Window>), CommitError> {
    let all = Receipts::new(&lake.zones.raw).of_stream(&contract.name).await?;
    let shown = windows_of(snapshot);
    let passed = all.into_iter().filter_map(|(window, receipts)| {
        let data = data_generation(&receipts)?.clone();
        Some((window, receipts, data))
    });
    let mut candidates: Vec<(Window, Vec<Receipt>, Receipt)> = passed.collect();
    // What the log names as shown keeps refusing what overlaps it, so it comes first; then the newest reading.
    candidates
        .sort_by_key(|(window, _, data)| (!shown.contains(window), std::cmp::Reverse(data.read_at), window.clone()));
    let (mut chosen, mut beaten): (Chosen, Vec<Window>) = Default::default();
    for (window, receipts, data) in candidates {
        let is_beaten = match &window.bounds {
            Bounds::Range(range) => chosen.iter().any(|(other, _)| {
                other.slice == window.slice && other.time_range().is_some_and(|theirs| theirs.overlaps(range))
            }),
            Bounds::Snapshot { .. } => {
                chosen.iter().any(|(other, _)| other.slice == window.slice && other.bounds > window.bounds)
            }
            Bounds::Link { .. } => false,
        };
        if is_beaten {
            beaten.push(window);
            continue;
        }
        if matches!(window.bounds, Bounds::Snapshot { .. }) {
            chosen.retain(|(other, _)| other.slice != window.slice);
        }
        let readings = if contract.kind == StreamKind::Mutable {
            let mut readings: Vec<Receipt> = receipts.into_iter().filter(is_reading).collect();
            readings.sort_by_key(|receipt| receipt.generation);
            readings
        } else {
            vec![data]
        };
        chosen.push((window, readings));
    }
    chosen.sort_by(|(a, _), (b, _)| a.cmp(b));
    if contract.kind == StreamKind::Chain {
        chosen = in_chain(chosen);
    }
    Ok((chosen, beaten))
}

/// The links of each slice from the first one on, as far as each follows from the one before.
fn in_chain(links: Chosen) -> Chosen {
    let mut chain: Chosen = Vec::new();
    for (window, readings) in links {
        let Bounds::Link { number, .. } = &window.bounds else { continue };
        let follows = *number == 0
            || chain.iter().rev().find(|(other, _)| other.slice == window.slice).is_some_and(|(_, before)| {
                let token = before.last().and_then(|receipt| receipt.token_out.as_deref());
                token.is_some_and(|token| Window::link(window.slice.clone(), *number, token) == window)
            });
        if follows {
            chain.push((window, readings));
        }
    }
    chain
}

/// Lands, as windows of their own, the ranges that only beaten readings cover and the source no longer keeps.
async fn cut(
    lake: &Lake,
    contract: &Arc<StreamContract>,
    decoders: &dyn Decoders,
    snapshot: &TableSnapshot,
) -> Result<Vec<Window>, CommitError> {
    let mut cut = Vec::new();
    let Some(retention) = contract.window.as_ref().and_then(|policy| policy.retention) else { return Ok(cut) };
    let kept_from = lake.clock.now() - retention.delta();
    let receipts = Receipts::new(&lake.zones.raw);
    let (chosen, beaten) = choose(lake, contract, snapshot).await?;
    let mut covered: Vec<(Window, TimeRange)> =
        chosen.into_iter().filter_map(|(window, _)| window.time_range().map(|range| (window, range))).collect();
    for window in beaten {
        let Some(range) = window.time_range() else { continue };
        let of_slice: Vec<TimeRange> =
            covered.iter().filter(|(other, _)| other.slice == window.slice).map(|(_, range)| *range).collect();
        let all = receipts.of_window(&contract.name, &window).await?;
        let Some(data) = data_generation(&all) else { continue };
        for gap in range.minus(&of_slice).into_iter().filter(|gap| gap.until() <= kept_from) {
            let piece = Window::range(window.slice.clone(), gap);
            let before = receipts.of_window(&contract.name, &piece).await?;
            let parts = Parts { receipt: data, files: &data.parts };
            begin_replay(lake, contract, &piece, before, parts, decoders).await?;
            covered.push((piece.clone(), gap));
            cut.push(piece);
        }
    }
    Ok(cut)
}

/// The files of one table for all chosen readings; of a mutable stream without rows that say nothing new.
async fn gather(
    contract: &Arc<StreamContract>,
    files: &mut Files<'_>,
    chosen: &Chosen,
    target: &Target,
    snapshot: &TableSnapshot,
    parents: Option<(&TableSnapshot, &Target)>,
) -> Result<Vec<TypedFile>, CommitError> {
    let digest = contract.digest();
    let mut gathered: Vec<TypedFile> = Vec::new();
    let mut live: Vec<LiveFile> = Vec::new();
    for (window, readings) in chosen {
        for receipt in readings {
            if receipt.contract != digest {
                files.make(window, receipt).await?;
            }
            let mut found = files.of(window, receipt, target, snapshot).await?;
            if contract.kind == StreamKind::Mutable {
                found = if let Some((parents, parent)) = parents {
                    files.of_shown_parents(window, receipt, found, target, parents, Some(parent)).await?
                } else {
                    let same = unchanged_rows(contract, target, &found, window, &live).await?;
                    files.without(window, receipt, found, target, &same).await?
                };
            }
            live.extend(found.iter().map(|file| LiveFile {
                path: file.path.clone(),
                size: file.size,
                rows: Some(file.rows),
                stats: Some(file.stats.to_string()),
                partition: BTreeMap::new(),
            }));
            gathered.extend(found);
        }
    }
    Ok(gathered)
}

/// Replaces everything that the table shows. `None` when another writer was first.
async fn show(
    lake: &Lake,
    log: &DeltaLog,
    snapshot: &TableSnapshot,
    target: &Target,
    files: &[TypedFile],
    chosen: &Chosen,
) -> Result<Option<i64>, CommitError> {
    let mut txns = Vec::new();
    for (window, readings) in chosen {
        let Some(last) = readings.last() else { continue };
        let generation = i64::try_from(last.generation).unwrap_or(i64::MAX);
        if let Bounds::Snapshot { read_at } = &window.bounds {
            txns.push((window.txn_id(), read_at.timestamp_millis()));
            txns.push((generation_id(window), generation));
        } else {
            txns.push((window.txn_id(), generation));
        }
    }
    let adds: Vec<NewFile> = files.iter().map(new_file).collect();
    // A file that is shown and stays shown is named by neither list: an action of each kind for one path is no Delta commit.
    let is_kept = |path: &str| adds.iter().any(|add| add.path == path);
    let removes = snapshot.files.iter().filter(|file| !is_kept(&file.path)).cloned().collect();
    let is_shown = |path: &str| snapshot.files.iter().any(|file| file.path == path);
    let change = Change {
        adds: adds.iter().filter(|add| !is_shown(&add.path)).cloned().collect(),
        removes,
        txns,
        schema: Some(Arc::clone(&target.schema)),
        replaces_schema: true,
        info: BTreeMap::from([("rebuild".to_owned(), serde_json::Value::Bool(true))]),
    };
    lake.ledger.check_owner(&lake.zones.raw).await?;
    match log.commit(snapshot, change, lake.clock.now()).await {
        Ok(version) => Ok(Some(version)),
        Err(error) if error.asks_again() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
