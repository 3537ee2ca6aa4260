//! The shop behind the API: the world, the edits on top of it, the clock, the faults and a log of requests.
//!
//! Every question is asked *as of* a moment. The API asks as of now; an oracle may ask as of the moment at which a reading began.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::Clock;
use serde::Serialize;
use serde_json::{Map, Value};

use super::clock::ShopClock;
use super::collection::Collection;
use super::edits::{self, Edit, EditError, Edited, Edits, FIRST_INSERTED, Hiding, Inserted, Patch};
use super::faults::{Endpoint, Fault, FaultKind, Faults};
use super::world::{Moment, Operation, World, WorldSize, timestamp};

/// Requests that the log keeps.
const LOG_LENGTH: usize = 5_000;

/// A row as a list shows it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) number: u32,
    /// Seconds from the opening to the time by which it is listed.
    pub(super) time: i64,
    pub(super) text: String,
}

/// One request that the shop received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceivedRequest {
    /// Where to.
    pub endpoint: Endpoint,
    /// Its query, as sent.
    pub query: String,
    /// The status that it was answered with; 0 when the connection was broken.
    pub status: u16,
}

#[derive(Debug, Default)]
struct RequestLog {
    counts: BTreeMap<Endpoint, u64>,
    recent: std::collections::VecDeque<ReceivedRequest>,
}

/// What the last listing of a collection was asked for, and its rows: the next page is asked for the same.
#[derive(Debug)]
struct LastListing {
    seconds: Range<i64>,
    as_of: Moment,
    edits: u64,
    rows: Arc<Vec<Row>>,
}

/// The shop and all its switches. What [`super::Sandbox`] serves; a test in the same process may also hold it directly.
#[derive(Debug)]
pub struct Shop {
    world: World,
    clock: ShopClock,
    edits: Mutex<Edits>,
    faults: Mutex<Faults>,
    requests: Mutex<RequestLog>,
    listings: Mutex<BTreeMap<Collection, LastListing>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shop {
    pub(super) fn new(
        world: (u64, DateTime<Utc>, WorldSize),
        ours: Arc<dyn Clock>,
        now: DateTime<Utc>,
        pace: u32,
    ) -> Self {
        let (seed, opens, size) = world;
        Self {
            world: World::new(seed, opens, size),
            clock: ShopClock::new(ours, now, pace),
            edits: Mutex::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            listings: Mutex::default(),
        }
    }

    /// When the shop opened: nothing is older.
    pub fn opens(&self) -> DateTime<Utc> {
        self.world.opens()
    }

    /// The shop's time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Sets the shop's clock; ours bounds it.
    pub fn set_clock(&self, to: DateTime<Utc>) {
        self.clock.set(to);
    }

    /// Moves the shop's clock by `step`; ours bounds it.
    pub fn advance(&self, step: TimeDelta) {
        self.clock.advance(step);
    }

    /// Lets so many of the shop's seconds pass in one of ours; 0 stands still.
    pub fn set_pace(&self, pace: u32) {
        self.clock.set_pace(pace);
    }

    /// Switches a fault on.
    pub fn add_fault(&self, fault: Fault) {
        locked(&self.faults).add(fault);
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        locked(&self.faults).clear();
    }

    /// The faults that are on.
    pub fn faults(&self) -> Vec<Fault> {
        locked(&self.faults).list().to_vec()
    }

    /// How many requests each endpoint has received.
    pub fn request_counts(&self) -> BTreeMap<Endpoint, u64> {
        locked(&self.requests).counts.clone()
    }

    /// The latest requests, oldest first.
    pub fn recent_requests(&self) -> Vec<ReceivedRequest> {
        locked(&self.requests).recent.iter().cloned().collect()
    }

    pub(super) fn note_request(&self, request: ReceivedRequest) {
        let mut log = locked(&self.requests);
        *log.counts.entry(request.endpoint).or_default() += 1;
        if log.recent.len() == LOG_LENGTH {
            log.recent.pop_front();
        }
        log.recent.push_back(request);
    }

    pub(super) fn befall(&self, endpoint: Endpoint) -> Option<FaultKind> {
        locked(&self.faults).befall(endpoint)
    }

    pub(super) fn is_down(&self) -> bool {
        locked(&self.faults).are_total()
    }

    pub(super) fn moment(&self) -> Moment {
        self.world.moment_of(self.now())
    }

    pub(super) fn moment_of(&self, at: DateTime<Utc>) -> Moment {
        self.world.moment_of(at)
    }

    pub(super) fn seconds_of(&self, at: DateTime<Utc>) -> i64 {
        self.world.seconds_of(at)
    }

    /// The rows of a collection whose time lies in `seconds`, as of now, in the order in which the API lists them.
    pub(super) fn listing(&self, collection: Collection, seconds: &Range<i64>) -> Arc<Vec<Row>> {
        let (as_of, version) = (self.moment(), locked(&self.edits).version);
        if let Some(last) = locked(&self.listings).get(&collection)
            && (&last.seconds, last.as_of, last.edits) == (seconds, as_of, version)
        {
            return Arc::clone(&last.rows);
        }
        let rows = Arc::new(self.rows(collection, seconds, as_of));
        let last = LastListing { seconds: seconds.clone(), as_of, edits: version, rows: Arc::clone(&rows) };
        locked(&self.listings).insert(collection, last);
        rows
    }

    /// The rows of a collection whose time lies in `seconds`, as of a moment: orders and products by id, others by time and id.
    pub(super) fn rows(&self, collection: Collection, seconds: &Range<i64>, as_of: Moment) -> Vec<Row> {
        let edits = locked(&self.edits);
        let candidates = self.world.candidates(collection, seconds.start, seconds.end);
        let mut numbers: Vec<u32> = edits.touched(collection).filter(|number| !candidates.contains(number)).collect();
        numbers.extend(candidates);
        let rows = numbers.into_iter().filter_map(|number| self.row(&edits, collection, number, seconds, as_of));
        let mut rows: Vec<Row> = rows.collect();
        match collection {
            Collection::Orders | Collection::Products => rows.sort_unstable_by_key(|row| row.number),
            _ => rows.sort_unstable_by_key(|row| (row.time, row.number)),
        }
        rows
    }

    fn row(
        &self,
        edits: &Edits,
        collection: Collection,
        number: u32,
        seconds: &Range<i64>,
        as_of: Moment,
    ) -> Option<Row> {
        let patches = edits.patches_of(collection, number, as_of);
        let inserted = edits.inserted.get(&(collection, number)).filter(|inserted| inserted.at <= as_of);
        let mut time = match inserted {
            Some(inserted) => inserted.time,
            None => i64::from(self.world.time_of(collection, number, as_of)?),
        };
        let is_moved = collection.moving_field().filter(|_| !patches.is_empty());
        if is_moved.is_some() {
            time = patches.iter().map(|(at, _)| i64::from(*at)).fold(time, i64::max);
        }
        if !seconds.contains(&time) || edits.hides(collection, number, time, as_of) {
            return None;
        }
        if inserted.is_none() && patches.is_empty() {
            return Some(Row { number, time, text: self.world.render(collection, number, as_of)? });
        }
        let mut row = match inserted {
            Some(inserted) => inserted.row.clone(),
            None => serde_json::from_str(&self.world.render(collection, number, as_of)?).ok()?,
        };
        for (_, patch) in patches {
            row = edits::apply(patch, row)?;
        }
        if let Some(field) = is_moved {
            let moment = Moment::try_from(time).unwrap_or_default();
            row.insert(field.to_owned(), Value::from(self.world.timestamp(moment)));
        }
        Some(Row { number, time, text: Value::Object(row).to_string() })
    }

    /// All changes of tickets as of a moment, as the API writes them, oldest first. What stands here never moves.
    pub(super) fn ticket_changes(&self, as_of: Moment, range: Range<usize>) -> (Vec<String>, usize) {
        let edits = locked(&self.edits);
        let made = self.world.ticket_changes(as_of);
        let edited: Vec<&(Moment, Map<String, Value>)> =
            edits.ticket_changes.iter().filter(|(at, _)| *at <= as_of).collect();
        let mut places: Vec<(Moment, bool, usize)> = made.iter().enumerate().map(|(n, c)| (c.at, false, n)).collect();
        places.extend(edited.iter().enumerate().map(|(n, (at, _))| (*at, true, n)));
        places.sort_unstable();
        let total = places.len();
        let wanted = places.into_iter().skip(range.start).take(range.end.saturating_sub(range.start));
        let texts = wanted.filter_map(|(_, is_edited, n)| {
            if is_edited {
                edited.get(n).map(|(_, row)| Value::Object(row.clone()).to_string())
            } else {
                made.get(n).map(|change| self.world.render_ticket_change(change))
            }
        });
        (texts.collect(), total)
    }

    /// Whether tickets were changed at all as of a moment, and the current row of each that is still there.
    fn current_tickets(&self, as_of: Moment) -> Vec<Map<String, Value>> {
        let (changes, _) = self.ticket_changes(as_of, 0..usize::MAX);
        let mut tickets: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for text in changes {
            let Ok(row) = serde_json::from_str::<Map<String, Value>>(&text) else { continue };
            let Some(id) = row.get("id").and_then(Value::as_str).map(str::to_owned) else { continue };
            if row.get("op").and_then(Value::as_str) == Some("delete") {
                tickets.remove(&id);
            } else {
                tickets.insert(id, row);
            }
        }
        tickets.into_values().collect()
    }

    /// What a complete reader shows: every row with its values as of `as_of` (now when absent) whose time lies in the range, as
    /// JSON, one row a line. For collections without a time the range says nothing.
    pub fn truth(
        &self,
        collection: Collection,
        from: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
        as_of: Option<DateTime<Utc>>,
    ) -> String {
        let as_of = as_of.map_or_else(|| self.moment(), |at| self.moment_of(at));
        let mut lines = String::new();
        let mut add = |text: &str| {
            lines.push_str(text);
            lines.push('\n');
        };
        match collection {
            Collection::Tickets => {
                for ticket in self.current_tickets(as_of) {
                    add(&Value::Object(ticket).to_string());
                }
            }
            Collection::Products => {
                self.rows(collection, &(i64::MIN..i64::MAX), as_of).iter().for_each(|row| add(&row.text));
            }
            _ => {
                let from = from.map_or(i64::MIN, |at| self.seconds_of(at));
                let until = until.map_or(i64::MAX, |at| self.seconds_of(at));
                self.rows(collection, &(from..until), as_of).iter().for_each(|row| add(&row.text));
            }
        }
        lines
    }

    /// Makes an edit. The shop's clock moves on by one second first, so that what was shown before stays distinct.
    ///
    /// # Errors
    ///
    /// [`EditError`] when there is no such row or line, or a fixed field would change.
    pub fn edit(&self, edit: Edit) -> Result<Edited, EditError> {
        self.advance(TimeDelta::seconds(1));
        let now = self.now();
        let at = self.world.moment_of(now);
        let id = match edit {
            Edit::Set { collection, id, fields } => Some(self.set(collection, id, fields, at)?),
            Edit::Delete { collection, id } => Some(self.delete(collection, id, at)?),
            Edit::RemoveLine { id, line_no } => {
                let row = self.current(Collection::Orders, &id, at)?;
                let lines = row.get("lines").and_then(Value::as_array);
                let has = |line: &Value| line.get("line_no").and_then(Value::as_i64) == Some(line_no);
                if !lines.is_some_and(|lines| lines.iter().any(has)) {
                    return Err(EditError::NoSuchLine { id, line_no });
                }
                let number = Collection::Orders.number(&id).unwrap_or_default();
                locked(&self.edits).patch(Collection::Orders, number, at, Patch::RemoveLine(line_no));
                Some(id)
            }
            Edit::Insert { collection, row } => Some(self.insert(collection, row, at)?),
            Edit::Hide { collection, from, until, percent } => {
                let (from, until) = (self.seconds_of(from), self.seconds_of(until));
                let hiding = Hiding { collection, from, until, percent: u32::from(percent), at, ended: None };
                locked(&self.edits).hidings.push(hiding);
                None
            }
            Edit::Show { collection } => {
                locked(&self.edits).show(collection, at);
                None
            }
        };
        locked(&self.edits).version += 1;
        Ok(Edited { at: now, id })
    }

    fn current(&self, collection: Collection, id: &str, at: Moment) -> Result<Map<String, Value>, EditError> {
        let missing = || EditError::NoSuchRow { collection, id: id.to_owned() };
        if collection == Collection::Tickets {
            let is_it = |row: &Map<String, Value>| row.get("id").and_then(Value::as_str) == Some(id);
            return self.current_tickets(at).into_iter().find(is_it).ok_or_else(missing);
        }
        let number = collection.number(id).ok_or_else(missing)?;
        let edits = locked(&self.edits);
        let row = self.row(&edits, collection, number, &(i64::MIN..i64::MAX), at).ok_or_else(missing)?;
        serde_json::from_str(&row.text).map_err(|_| missing())
    }

    fn set(
        &self,
        collection: Collection,
        id: String,
        fields: Map<String, Value>,
        at: Moment,
    ) -> Result<String, EditError> {
        let mut row = self.current(collection, &id, at)?;
        if let Some(field) = ["id", "created_at", "updated_at"].into_iter().find(|field| fields.contains_key(*field)) {
            return Err(EditError::FixedField { field: field.to_owned() });
        }
        if collection == Collection::Tickets {
            row.extend(fields);
            row.insert("updated_at".to_owned(), Value::from(self.world.timestamp(at)));
            locked(&self.edits).ticket_changes.push((at, row));
        } else {
            locked(&self.edits).patch(collection, collection.number(&id).unwrap_or_default(), at, Patch::Set(fields));
        }
        Ok(id)
    }

    fn delete(&self, collection: Collection, id: String, at: Moment) -> Result<String, EditError> {
        let mut row = self.current(collection, &id, at)?;
        if collection == Collection::Tickets {
            row.iter_mut().filter(|(field, _)| *field != "id").for_each(|(_, value)| *value = Value::Null);
            row.insert("op".to_owned(), serde_json::to_value(Operation::Delete).unwrap_or_default());
            row.insert("updated_at".to_owned(), Value::from(self.world.timestamp(at)));
            locked(&self.edits).ticket_changes.push((at, row));
        } else {
            locked(&self.edits).patch(collection, collection.number(&id).unwrap_or_default(), at, Patch::Delete);
        }
        Ok(id)
    }

    fn insert(&self, collection: Collection, fields: Map<String, Value>, at: Moment) -> Result<String, EditError> {
        let field = collection.moving_field().unwrap_or("created_at");
        let time = match fields.get(field) {
            None => i64::from(at),
            Some(text) => {
                let parsed = text.as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
                self.seconds_of(parsed.ok_or_else(|| EditError::NotAnInstant { field: field.to_owned() })?)
            }
        };
        let first = self.world.render(collection, 1, at).unwrap_or_else(|| "{}".to_owned());
        let mut row: Map<String, Value> = serde_json::from_str(&first).unwrap_or_default();
        row.extend(fields);
        let mut edits = locked(&self.edits);
        if collection == Collection::Tickets {
            let id = collection.id(FIRST_INSERTED.saturating_add(u32::try_from(edits.version).unwrap_or_default()));
            row.insert("op".to_owned(), serde_json::to_value(Operation::Upsert).unwrap_or_default());
            row.insert("id".to_owned(), Value::from(id.clone()));
            row.insert("updated_at".to_owned(), Value::from(self.world.timestamp(at)));
            edits.ticket_changes.push((at, row));
            return Ok(id);
        }
        let number = edits.next_number(collection);
        let id = collection.id(number);
        row.insert("id".to_owned(), Value::from(id.clone()));
        if collection != Collection::Products {
            let listed = self.world.opens() + TimeDelta::seconds(time);
            row.insert(field.to_owned(), Value::from(timestamp(listed)));
        }
        edits.inserted.insert((collection, number), Inserted { at, time, row });
        Ok(id)
    }
}

#[cfg(test)]
mod tests;
