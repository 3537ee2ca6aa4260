//! Merged intervals for finished windows, so that a ledger of ten years stays small.
//!
//! A window is finished when nothing is due of it any more and its rows were compared. What is kept of many of them is what planning,
//! `status` and comparisons ask for: the range, how many windows and receipts there are, how many rows each table shows. Should
//! any of that not be so any more, the interval is unfolded: its windows come back from their receipts, one by one.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Bounds, Slice, StreamName, TimeRange, Window};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, Sqlite, Transaction};

use crate::commit::txn_windows;
use crate::ledger::rebuild::facts_of;
use crate::ledger::{Lease, Ledger, LedgerError, Transactions, WindowRow, WindowState};
use crate::raw::{Receipt, Receipts};
use crate::store::Store;

/// So many windows are merged at most: what must be read again when one of them is not as it was.
const WINDOWS_MAX: u64 = 256;

/// What the positions of windows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// Microseconds since 1970.
    Range,
    /// Numbers of links.
    Link,
    /// Microseconds since 1970 at which lists were read.
    List,
}

impl Shape {
    const ALL: [Self; 3] = [Self::Range, Self::Link, Self::List];

    fn as_str(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Link => "link",
            Self::List => "list",
        }
    }
}

/// Windows of a slice that are finished, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The slice.
    pub slice: Slice,
    shape: Shape,
    first: i64,
    until: i64,
    /// How many windows there are.
    pub windows: u64,
    /// How many receipts they have.
    pub receipts: u64,
    /// Rows that each table shows of them.
    pub rows: BTreeMap<String, u64>,
    /// When the last reading of any of them began.
    pub read_at: DateTime<Utc>,
    /// How long after its end each range was read at least: a schedule that asks for a later reading finds them lacking.
    age: TimeDelta,
}

/// A row of `finished` as the database gives it.
struct StoredInterval {
    slice: String,
    shape: String,
    first: i64,
    until: i64,
    windows: i64,
    receipts: i64,
    rows: String,
    read_ms: i64,
    age_ms: i64,
}

impl FromRow<'_, SqliteRow> for StoredInterval {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            slice: row.try_get("slice")?,
            shape: row.try_get("shape")?,
            first: row.try_get("first")?,
            until: row.try_get("until")?,
            windows: row.try_get("windows")?,
            receipts: row.try_get("receipts")?,
            rows: row.try_get("rows")?,
            read_ms: row.try_get("read_ms")?,
            age_ms: row.try_get("age_ms")?,
        })
    }
}

/// Where a window lies among those of its slice; `None` where its bounds are finer than a position.
fn place(window: &Window) -> Option<(Shape, i64, i64)> {
    let micros = |at: DateTime<Utc>| {
        let micros = at.timestamp_micros();
        (DateTime::from_timestamp_micros(micros) == Some(at)).then_some(micros)
    };
    match &window.bounds {
        Bounds::Range(range) => Some((Shape::Range, micros(range.from())?, micros(range.until())?)),
        Bounds::Link { number, .. } => {
            let number = i64::try_from(*number).ok()?;
            Some((Shape::Link, number, number.checked_add(1)?))
        }
        Bounds::Snapshot { read_at } => {
            let at = micros(*read_at)?;
            Some((Shape::List, at, at.checked_add(1)?))
        }
    }
}

impl Finished {
    /// A window as an interval of its own; `None` unless nothing more can be said of it.
    fn of(row: &WindowRow, is_shown: bool) -> Option<Self> {
        let standing = row.facts.standing.as_ref()?;
        let passed = standing.passed_read_at?;
        let is_quiet = row.facts.state() == WindowState::Reconciled && !row.owes_commit() && !row.owes_resync();
        let (shape, first, until) = place(&row.window).filter(|_| is_quiet)?;
        let rows = match (is_shown, row.facts.shown_rows.is_empty()) {
            (false, _) => BTreeMap::new(),
            (true, false) => row.facts.shown_rows.clone(),
            (true, true) => standing.rows.iter().map(|(table, rows)| (table.clone(), rows.shown)).collect(),
        };
        Some(Self {
            slice: row.window.slice.clone(),
            shape,
            first,
            until,
            windows: 1,
            receipts: standing.generation,
            rows,
            read_at: passed,
            age: row.range().map_or(TimeDelta::zero(), |range| passed - range.until()),
        })
    }

    /// How long after its end each range was read at least; `None` of links and lists.
    pub fn age(&self) -> Option<TimeDelta> {
        (self.shape == Shape::Range).then_some(self.age)
    }

    /// The range of time, for windows that are ranges.
    pub fn range(&self) -> Option<TimeRange> {
        let at = DateTime::from_timestamp_micros;
        TimeRange::new(at(self.first)?, at(self.until)?).ok().filter(|_| self.shape == Shape::Range)
    }

    /// Whether the interval stands for the window.
    pub fn covers(&self, window: &Window) -> bool {
        let is_in = |(shape, first, until)| shape == self.shape && self.first <= first && until <= self.until;
        window.slice == self.slice && place(window).is_some_and(is_in)
    }

    /// Whether the window and the interval share an instant.
    pub fn overlaps(&self, window: &Window) -> bool {
        let meets = |(shape, first, until)| shape == self.shape && self.first < until && first < self.until;
        window.slice == self.slice && place(window).is_some_and(meets)
    }

    /// Its name for people.
    pub fn name(&self) -> String {
        let slice = if self.slice.is_whole() { String::new() } else { format!("{}/", self.slice) };
        match (self.range(), self.shape) {
            (Some(range), _) => Window::range(self.slice.clone(), range).to_string(),
            (None, Shape::Link) => format!("{slice}links {} to {}", self.first, self.until - 1),
            (None, _) => format!("{slice}lists before the newest"),
        }
    }

    /// Both as one, where nothing lies between them.
    fn joined(&self, next: &Self) -> Option<Self> {
        // Between two lists nothing can be: every one of them was folded in order.
        let is_next = self.until == next.first || (self.shape == Shape::List && self.until <= next.first);
        let is_alike = self.slice == next.slice && self.shape == next.shape;
        let windows = self.windows + next.windows;
        if !is_next || !is_alike || windows > WINDOWS_MAX {
            return None;
        }
        let mut rows = self.rows.clone();
        for (table, more) in &next.rows {
            *rows.entry(table.clone()).or_default() += more;
        }
        Some(Self {
            until: next.until,
            windows,
            receipts: self.receipts + next.receipts,
            rows,
            read_at: self.read_at.max(next.read_at),
            age: self.age.min(next.age),
            ..self.clone()
        })
    }

    fn key(&self) -> (Slice, Shape, i64) {
        (self.slice.clone(), self.shape, self.first)
    }
}

pub(crate) type Intervals = BTreeMap<(Slice, Shape, i64), Finished>;

/// Adds an interval and joins it with its neighbours.
fn insert(intervals: &mut Intervals, mut new: Finished) {
    let before = intervals.range(..new.key()).next_back().map(|(_, before)| before.clone());
    if let Some((before, joined)) = before.and_then(|before| Some((before.key(), before.joined(&new)?))) {
        intervals.remove(&before);
        new = joined;
    }
    let after = intervals.range(new.key()..).next().map(|(_, after)| after.clone());
    if let Some((after, joined)) = after.and_then(|after| Some((after.key(), new.joined(&after)?))) {
        intervals.remove(&after);
        new = joined;
    }
    intervals.insert(new.key(), new);
}

impl Ledger {
    /// The intervals of a stream's finished windows, by slice and place.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn finished(&self, stream: &StreamName) -> Result<Vec<Finished>, LedgerError> {
        let mut look = self.pool().begin().await.map_err(self.failed("read finished windows"))?;
        Ok(self.finished_in(&mut look, stream).await?.into_values().collect())
    }

    /// Merges windows into intervals that are reconciled and of which nothing is due any more, which the caller knows.
    ///
    /// Windows that something is still owed of are left as they are. `is_shown` tells of a window whether tables show its rows:
    /// they do not of lists before the newest. Returns how many were merged.
    ///
    /// # Errors
    ///
    /// [`LedgerError::LeaseLost`], [`LedgerError::Database`].
    pub async fn fold(
        &self,
        lease: &Lease,
        stream: &StreamName,
        windows: &[Window],
        is_shown: impl Fn(&Window) -> bool,
    ) -> Result<usize, LedgerError> {
        let mut change = self.fenced(lease, stream, windows).await?;
        let mut rows = self.rows_in(&mut change, stream).await?;
        let before = self.finished_in(&mut change, stream).await?;
        let mut after = before.clone();
        let mut folded = 0;
        for window in windows {
            // Taken out, so that a window that is named twice counts once.
            let row = rows.remove(window);
            let Some(new) = row.and_then(|row| Finished::of(&row, is_shown(window))) else { continue };
            insert(&mut after, new);
            self.forget(&mut change, stream, window).await?;
            folded += 1;
        }
        for key in before.keys().filter(|key| before.get(*key) != after.get(*key)) {
            self.forget_interval(&mut change, stream, key).await?;
        }
        for interval in after.values().filter(|interval| before.get(&interval.key()) != Some(*interval)) {
            self.write_interval(&mut change, stream, interval).await?;
        }
        change.commit().await.map_err(self.failed("fold windows"))?;
        Ok(folded)
    }

    /// Makes windows of intervals again, from their receipts. What tables show of them is what `shown` says; without it they owe
    /// a commit, which asks the tables.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Receipts`] when a receipt cannot be read; then nothing changes. Else what the database said.
    pub async fn unfold(
        &self,
        raw: &Store,
        stream: &StreamName,
        intervals: &[Finished],
        shown: Option<&Transactions>,
    ) -> Result<(), LedgerError> {
        if intervals.is_empty() {
            return Ok(());
        }
        let receipts = Receipts::new(raw);
        let mut read: BTreeMap<Window, Vec<Receipt>> = BTreeMap::new();
        for window in receipts.windows(stream).await?.into_keys() {
            if intervals.iter().any(|interval| interval.covers(&window)) {
                let all = receipts.of_window(stream, &window).await?;
                read.insert(window, all);
            }
        }
        let none = Transactions::new();
        let mut change = self.change("unfold windows").await?;
        let known = self.rows_in(&mut change, stream).await?;
        for (window, facts) in facts_of(&read, shown.unwrap_or(&none)) {
            if !known.contains_key(&window) {
                self.write(&mut change, stream, &window, &facts).await?;
            }
        }
        for interval in intervals {
            self.forget_interval(&mut change, stream, &interval.key()).await?;
        }
        change.commit().await.map_err(self.failed("unfold windows"))
    }

    /// The intervals of which a table with these transactions shows fewer windows than there are.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`], [`LedgerError::Corrupt`].
    pub async fn lapsed(&self, stream: &StreamName, shown: &Transactions) -> Result<Vec<Finished>, LedgerError> {
        let finished = self.finished(stream).await?;
        if finished.is_empty() {
            return Ok(finished);
        }
        let windows = txn_windows(shown);
        let found = Folded::of(&finished).tally(windows.iter().map(|window| (window, 1)));
        let is_lapsed =
            |(interval, found): &(Finished, u64)| interval.shape != Shape::List && *found < interval.windows;
        Ok(finished.into_iter().zip(found).filter(is_lapsed).map(|(interval, _)| interval).collect())
    }

    /// Within a change, whether an interval stands for the window.
    pub(crate) async fn is_finished(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        stream: &StreamName,
        window: &Window,
    ) -> Result<bool, LedgerError> {
        let Some((shape, first, until)) = place(window) else { return Ok(false) };
        let found: i64 = sqlx::query_scalar(
            "select count(*) from finished
             where stream = ?1 and slice = ?2 and shape = ?3 and first <= ?4 and until >= ?5",
        )
        .bind(stream.to_string())
        .bind(window.slice.as_str())
        .bind(shape.as_str())
        .bind(first)
        .bind(until)
        .fetch_one(&mut **change)
        .await
        .map_err(self.failed("read finished windows"))?;
        Ok(found > 0)
    }

    /// The intervals of a stream, within a change.
    pub(crate) async fn finished_in(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        stream: &StreamName,
    ) -> Result<Intervals, LedgerError> {
        let stored: Vec<StoredInterval> = sqlx::query_as(
            "select slice, shape, first, until, windows, receipts, rows, read_ms, age_ms
             from finished where stream = ?1",
        )
        .bind(stream.to_string())
        .fetch_all(&mut **change)
        .await
        .map_err(self.failed("read finished windows"))?;
        let mut intervals = Intervals::new();
        for row in stored {
            let shape = Shape::ALL.into_iter().find(|shape| shape.as_str() == row.shape);
            let shape = shape.ok_or_else(|| self.corrupt(format!("`{}` is no shape of windows", row.shape)))?;
            let interval = Finished {
                slice: Slice::named(row.slice),
                shape,
                first: row.first,
                until: row.until,
                windows: u64::try_from(row.windows).unwrap_or_default(),
                receipts: u64::try_from(row.receipts).unwrap_or_default(),
                rows: serde_json::from_str(&row.rows).map_err(|error| self.corrupt(error.to_string()))?,
                read_at: DateTime::from_timestamp_millis(row.read_ms).unwrap_or(DateTime::<Utc>::UNIX_EPOCH),
                age: TimeDelta::milliseconds(row.age_ms),
            };
            intervals.insert(interval.key(), interval);
        }
        Ok(intervals)
    }

    async fn write_interval(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        stream: &StreamName,
        interval: &Finished,
    ) -> Result<(), LedgerError> {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let rows = serde_json::to_string(&interval.rows).map_err(|error| self.corrupt(error.to_string()))?;
        sqlx::query(
            "insert or replace into finished (stream, slice, shape, first, until, windows, receipts, rows, read_ms, age_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .bind(stream.to_string())
        .bind(interval.slice.as_str())
        .bind(interval.shape.as_str())
        .bind(interval.first)
        .bind(interval.until)
        .bind(whole(interval.windows))
        .bind(whole(interval.receipts))
        .bind(rows)
        .bind(interval.read_at.timestamp_millis())
        .bind(interval.age.num_milliseconds())
        .execute(&mut **change)
        .await
        .map(drop)
        .map_err(self.failed("write finished windows"))
    }

    async fn forget_interval(
        &self,
        change: &mut Transaction<'static, Sqlite>,
        stream: &StreamName,
        (slice, shape, first): &(Slice, Shape, i64),
    ) -> Result<(), LedgerError> {
        sqlx::query("delete from finished where stream = ?1 and slice = ?2 and shape = ?3 and first = ?4")
            .bind(stream.to_string())
            .bind(slice.as_str())
            .bind(shape.as_str())
            .bind(first)
            .execute(&mut **change)
            .await
            .map(drop)
            .map_err(self.failed("write finished windows"))
    }
}

/// Finds the interval that stands for a window.
pub(crate) struct Folded<'a> {
    finished: &'a [Finished],
    places: BTreeMap<(Slice, Shape, i64), usize>,
}

impl<'a> Folded<'a> {
    /// Of intervals that do not overlap.
    pub(crate) fn of(finished: &'a [Finished]) -> Self {
        let places = finished.iter().enumerate().map(|(at, interval)| (interval.key(), at)).collect();
        Self { finished, places }
    }

    /// The place of the interval that stands for the window.
    pub(crate) fn place(&self, window: &Window) -> Option<usize> {
        let (shape, first, _) = place(window)?;
        let at = *self.places.range(..=(window.slice.clone(), shape, first)).next_back()?.1;
        self.finished.get(at).filter(|interval| interval.covers(window)).map(|_| at)
    }

    /// For each interval the sum of what is counted of the windows that it stands for.
    pub(crate) fn tally<'b>(&self, counted: impl IntoIterator<Item = (&'b Window, u64)>) -> Vec<u64> {
        let mut sums = vec![0; self.finished.len()];
        for (window, count) in counted {
            if let Some(sum) = self.place(window).and_then(|at| sums.get_mut(at)) {
                *sum += count;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests;
