//! Which windows there are, and where each stands: what planning and `status` read.
//!
//! Windows that stand for a range never overlap here. Bounds that a receipt fixes, and those that a runner holds, refuse others;
//! bounds that neither fixes make room, so that new settings shape only ranges that nobody read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use headwater_contract::{Bounds, Slice, StreamName, TimeRange, Window};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, Sqlite, Transaction};

use crate::ledger::lease::{Lease, Stage, Unit};
use crate::ledger::window::{Facts, WindowRow, WindowState};
use crate::ledger::{Ledger, LedgerError};

/// A row of `windows` as the database gives it.
pub(crate) struct StoredRow {
    stream: String,
    slice: String,
    window: String,
    facts: String,
    updated_ms: i64,
}

impl FromRow<'_, SqliteRow> for StoredRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            stream: row.try_get("stream")?,
            slice: row.try_get("slice")?,
            window: row.try_get("window")?,
            facts: row.try_get("facts")?,
            updated_ms: row.try_get("updated_ms")?,
        })
    }
}

/// What became of windows that were to be planned.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Planned {
    /// Stand for their range now, or did before.
    pub accepted: Vec<Window>,
    /// Overlap a window whose bounds are fixed, which stands beside each.
    pub refused: Vec<(Window, Window)>,
}

/// The newest snapshot of a slice, whether it was read or is only planned.
pub fn newest_snapshot<'a>(rows: &'a [WindowRow], slice: &Slice) -> Option<&'a WindowRow> {
    let read_at = |row: &WindowRow| match row.window.bounds {
        Bounds::Snapshot { read_at } => Some(read_at),
        _ => None,
    };
    let of_slice = rows.iter().filter(|row| row.window.slice == *slice && !row.is_replaced());
    of_slice.filter(|row| read_at(row).is_some()).max_by_key(|row| read_at(row))
}

/// The last link of a slice's chain, whether it was read or is only planned. The next link starts from its `token_out`.
pub fn chain_head<'a>(rows: &'a [WindowRow], slice: &Slice) -> Option<&'a WindowRow> {
    let number = |row: &WindowRow| match row.window.bounds {
        Bounds::Link { number, .. } => Some(number),
        _ => None,
    };
    let of_slice = rows.iter().filter(|row| row.window.slice == *slice && !row.is_replaced());
    // Of two links of one number the one that was read is the chain.
    of_slice.filter(|row| number(row).is_some()).max_by_key(|row| (number(row), row.has_receipt()))
}

impl Ledger {
    /// Every window of a stream, in order of slice and bounds, replaced ones included.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn coverage(&self, stream: &StreamName) -> Result<Vec<WindowRow>, LedgerError> {
        let leased: BTreeMap<Unit, Stage> = self.leased().await?.into_iter().collect();
        let stored: Vec<StoredRow> =
            sqlx::query_as("select stream, slice, window, facts, updated_ms from windows where stream = ?1")
                .bind(stream.to_string())
                .fetch_all(self.pool())
                .await
                .map_err(self.failed("read windows"))?;
        let mut rows = stored.iter().map(|row| self.row(row)).collect::<Result<Vec<_>, _>>()?;
        for row in &mut rows {
            overlay(row, &leased);
        }
        rows.sort_by(|a, b| a.window.cmp(&b.window));
        Ok(rows)
    }

    /// One window, if the ledger knows it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn window(&self, stream: &StreamName, window: &Window) -> Result<Option<WindowRow>, LedgerError> {
        let leased: BTreeMap<Unit, Stage> = self.leased().await?.into_iter().collect();
        let stored: Option<StoredRow> = sqlx::query_as(
            "select stream, slice, window, facts, updated_ms from windows where stream = ?1 and slice = ?2 and window = ?3",
        )
        .bind(stream.to_string())
        .bind(window.slice.as_str())
        .bind(window.name())
        .fetch_optional(self.pool())
        .await
        .map_err(self.failed("read a window"))?;
        let mut row = stored.as_ref().map(|row| self.row(row)).transpose()?;
        if let Some(row) = &mut row {
            overlay(row, &leased);
        }
        Ok(row)
    }

    /// Every stream that the ledger knows windows of.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn streams(&self) -> Result<Vec<StreamName>, LedgerError> {
        let names: Vec<String> =
            sqlx::query_scalar("select stream from windows union select stream from finished order by stream")
                .fetch_all(self.pool())
                .await
                .map_err(self.failed("read streams"))?;
        let parse = |name: String| name.parse().map_err(|_| self.corrupt(format!("`{name}` is no stream")));
        names.into_iter().map(parse).collect()
    }

    /// Makes `windows` stand for their ranges.
    ///
    /// Windows that overlap one that has a receipt or is held by another are refused; those without a receipt make room. A snapshot
    /// takes over what was noted of an unread one of its slice, so that its failures are counted through. `holding` is the lease
    /// of the caller, which does not stand in its own way.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn plan(
        &self,
        stream: &StreamName,
        windows: &[Window],
        holding: Option<&Lease>,
    ) -> Result<Planned, LedgerError> {
        let mut change = self.change("plan").await?;
        let held = self.held_by_others(&mut change, holding).await?;
        let mut rows = self.rows_in(&mut change, stream).await?;
        let finished = self.finished_in(&mut change, stream).await?;
        let mut planned = Planned::default();
        for window in windows {
            if let Some(fixed) = finished.values().find(|interval| interval.overlaps(window)) {
                let range = fixed.range().map(|range| Window::range(window.slice.clone(), range));
                planned.refused.push((window.clone(), range.unwrap_or_else(|| window.clone())));
                continue;
            }
            let is_held = |row: &WindowRow| held.iter().any(|unit| unit.covers(&Unit::window(stream, &row.window)));
            let rivals: Vec<Window> = rows
                .values()
                .filter(|row| row.window != *window && stands_in_the_way(row, window))
                .map(|row| row.window.clone())
                .collect();
            let fixed =
                rivals.iter().find(|rival| rows.get(*rival).is_some_and(|row| row.has_receipt() || is_held(row)));
            if let Some(fixed) = fixed {
                planned.refused.push((window.clone(), fixed.clone()));
                continue;
            }
            let mut facts = rows.get(window).map(|row| row.facts.clone()).unwrap_or_default();
            if facts.closed == Some(WindowState::Superseded) {
                facts.closed = None;
            }
            for rival in &rivals {
                let Some(row) = rows.get_mut(rival) else { continue };
                if matches!(rival.bounds, Bounds::Snapshot { .. }) {
                    facts.failure = facts.failure.take().or(row.facts.failure.clone());
                    facts.parked = facts.parked.take().or(row.facts.parked.clone());
                    facts.resync_asked_at = facts.resync_asked_at.max(row.facts.resync_asked_at);
                    facts.resync_above = facts.resync_above.max(row.facts.resync_above);
                    self.forget(&mut change, stream, rival).await?;
                    rows.remove(rival);
                } else {
                    row.facts.closed = Some(WindowState::Superseded);
                    self.write(&mut change, stream, rival, &row.facts).await?;
                }
            }
            if rows.get(window).is_none_or(|row| row.facts != facts) {
                self.write(&mut change, stream, window, &facts).await?;
            }
            rows.insert(window.clone(), self.fresh_row(stream, window, facts));
            planned.accepted.push(window.clone());
        }
        change.commit().await.map_err(self.failed("plan"))?;
        Ok(planned)
    }

    /// Asks for every window again that shares an instant with `range`; of snapshots and chains for the newest of each slice.
    ///
    /// `asked_at` is now by the source's clock, as `read_at` is. Ranges that were never read are missing anyway. Returns how many
    /// windows were asked for.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn ask_again(
        &self,
        stream: &StreamName,
        range: Option<TimeRange>,
        asked_at: DateTime<Utc>,
    ) -> Result<usize, LedgerError> {
        let mut change = self.change("ask for windows again").await?;
        let rows: Vec<WindowRow> = self.rows_in(&mut change, stream).await?.into_values().collect();
        let is_newest = |row: &WindowRow| {
            let newest = newest_snapshot(&rows, &row.window.slice).or_else(|| chain_head(&rows, &row.window.slice));
            newest.is_some_and(|newest| newest.window == row.window)
        };
        let mut asked = 0;
        for row in rows.iter().filter(|row| !row.is_replaced()) {
            let wanted = match (row.range(), range) {
                (Some(own), Some(range)) => own.overlaps(&range),
                (Some(_), None) => true,
                (None, _) => is_newest(row),
            };
            if wanted {
                let resync_above = row.facts.standing.as_ref().map(|standing| standing.generation);
                let facts = Facts { resync_asked_at: Some(asked_at), resync_above, ..row.facts.clone() };
                self.write(&mut change, stream, &row.window, &facts).await?;
                asked += 1;
            }
        }
        change.commit().await.map_err(self.failed("ask for windows again"))?;
        Ok(asked)
    }

    async fn held_by_others(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        holding: Option<&Lease>,
    ) -> Result<Vec<Unit>, LedgerError> {
        let own = holding.map(|lease| lease.token().to_string()).unwrap_or_default();
        let units: Vec<String> = sqlx::query_scalar(
            "select unit from leases where token <> ?1 and expires_ms > cast(unixepoch('subsec') * 1000 as integer)",
        )
        .bind(own)
        .fetch_all(&mut **change)
        .await
        .map_err(self.failed("read leases"))?;
        Ok(units.into_iter().map(Unit::stored).collect())
    }

    /// The windows of a stream, within a change.
    pub(crate) async fn rows_in(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        stream: &StreamName,
    ) -> Result<BTreeMap<Window, WindowRow>, LedgerError> {
        let stored: Vec<StoredRow> =
            sqlx::query_as("select stream, slice, window, facts, updated_ms from windows where stream = ?1")
                .bind(stream.to_string())
                .fetch_all(&mut **change)
                .await
                .map_err(self.failed("read windows"))?;
        stored.iter().map(|row| self.row(row).map(|row| (row.window.clone(), row))).collect()
    }

    /// The facts of a window within a change; empty when the ledger does not know it.
    pub(crate) async fn facts_in(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        stream: &StreamName,
        window: &Window,
    ) -> Result<Facts, LedgerError> {
        let facts: Option<String> =
            sqlx::query_scalar("select facts from windows where stream = ?1 and slice = ?2 and window = ?3")
                .bind(stream.to_string())
                .bind(window.slice.as_str())
                .bind(window.name())
                .fetch_optional(&mut **change)
                .await
                .map_err(self.failed("read a window"))?;
        facts.map_or_else(|| Ok(Facts::default()), |text| self.parse_facts(&text))
    }

    /// Writes what is known of a window, within a change.
    pub(crate) async fn write(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        stream: &StreamName,
        window: &Window,
        facts: &Facts,
    ) -> Result<(), LedgerError> {
        let range = window.time_range();
        let text = serde_json::to_string(facts).map_err(|error| self.corrupt(error.to_string()))?;
        sqlx::query(
            "insert into windows (stream, slice, window, from_ms, until_ms, state, facts, updated_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             on conflict (stream, slice, window) do update
             set state = excluded.state, facts = excluded.facts, updated_ms = excluded.updated_ms",
        )
        .bind(stream.to_string())
        .bind(window.slice.as_str())
        .bind(window.name())
        .bind(range.map(|range| range.from().timestamp_millis()))
        .bind(range.map(|range| range.until().timestamp_millis()))
        .bind(facts.state().as_str())
        .bind(text)
        .bind(self.now().timestamp_millis())
        .execute(&mut **change)
        .await
        .map(drop)
        .map_err(self.failed("write a window"))
    }

    pub(crate) async fn forget(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        stream: &StreamName,
        window: &Window,
    ) -> Result<(), LedgerError> {
        sqlx::query("delete from windows where stream = ?1 and slice = ?2 and window = ?3")
            .bind(stream.to_string())
            .bind(window.slice.as_str())
            .bind(window.name())
            .execute(&mut **change)
            .await
            .map(drop)
            .map_err(self.failed("write a window"))
    }

    fn fresh_row(&self, stream: &StreamName, window: &Window, facts: Facts) -> WindowRow {
        let state = facts.state();
        WindowRow { stream: stream.clone(), window: window.clone(), state, facts, updated_at: self.now() }
    }

    fn parse_facts(&self, text: &str) -> Result<Facts, LedgerError> {
        serde_json::from_str(text).map_err(|error| self.corrupt(format!("facts of a window: {error}")))
    }

    fn row(&self, stored: &StoredRow) -> Result<WindowRow, LedgerError> {
        let stream = stored.stream.parse().map_err(|_| self.corrupt(format!("`{}` is no stream", stored.stream)))?;
        let window = Window::parse(Slice::named(stored.slice.as_str()), &stored.window)
            .map_err(|error| self.corrupt(error.to_string()))?;
        let facts = self.parse_facts(&stored.facts)?;
        let updated_at = DateTime::from_timestamp_millis(stored.updated_ms).unwrap_or(DateTime::<Utc>::UNIX_EPOCH);
        Ok(WindowRow { stream, window, state: facts.state(), facts, updated_at })
    }
}

/// Shows what a runner is doing with the window right now.
fn overlay(row: &mut WindowRow, leased: &BTreeMap<Unit, Stage>) {
    // A slice's unit stands for its newest snapshot or link; the ones before it are not being read.
    if (row.window.time_range().is_none() && row.has_receipt()) || row.is_replaced() {
        return;
    }
    match leased.get(&Unit::window(&row.stream, &row.window)) {
        Some(Stage::Leased) => row.state = WindowState::Leased,
        Some(Stage::Extracting) => row.state = WindowState::Extracting,
        None => {}
    }
}

/// Whether only one of the two can stand for what they share.
fn stands_in_the_way(known: &WindowRow, planned: &Window) -> bool {
    !known.is_replaced()
        && known.window.slice == planned.slice
        && match (&known.window.bounds, &planned.bounds) {
            (Bounds::Range(known), Bounds::Range(planned)) => known.overlaps(planned),
            (Bounds::Link { number: known, .. }, Bounds::Link { number: planned, .. }) => known == planned,
            // A snapshot that was read is history.
            (Bounds::Snapshot { .. }, Bounds::Snapshot { .. }) => !known.has_receipt(),
            _ => false,
        }
}
