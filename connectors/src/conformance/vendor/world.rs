//! What a stand-in vendor holds: the records of one stream, and of all streams that it is read under.
//!
//! ```text
//! slices ─▶ owners: one for each slice, or for each record of the parent within it ─▶ records of each owner
//! ```
//!
//! The world is the oracle: what a reading must give is decoded from it at one go, without pages, windows or parents.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Chunk, Exchange, TimeRange};
use serde_json::Value;

use super::asks::{Ask, asks};
use super::body::{Written, write};
use super::lists::shared_bound;
use super::place::{canonical, place, prune, remove};
use super::row::{RowMaker, choices, cursor_fields, words};
use crate::decoding::{Decoding, Pointer, RecordsManifest};
use crate::expression::{Scalar, Scope};
use crate::pagination::{Pagination, Seen, Slot};
use crate::parents::{Fields, GIVEN, Given, ParentManifest, ParentRange, fields_of, scope_with};
use crate::source::Source;
use crate::stream::{Stream, WindowPlan};
use crate::windowing::{Feed, Wire};

/// Records of a parent under one of its own owners.
const PARENTS: usize = 3;

/// How the URL begins that a parent's record gives for its children.
const CHILD: &str = "/hw-child/";

/// How much there is.
#[derive(Clone, Debug)]
pub(in crate::conformance) struct Amount {
    /// Windows that are read; records lie in each of them, at its bounds, and right outside.
    pub(in crate::conformance) windows: Vec<TimeRange>,
    /// Records of an owner: in each window, or at all where there are none.
    pub(in crate::conformance) rows: usize,
}

/// One record.
#[derive(Clone, Debug)]
pub(in crate::conformance) struct Row {
    pub(in crate::conformance) value: Value,
    /// Its text, where that is not the value's.
    pub(in crate::conformance) text: Option<String>,
    pub(in crate::conformance) at: Option<DateTime<Utc>>,
    pub(in crate::conformance) number: u64,
}

/// Whose records a request asks for: a slice's, or those under one parent within it.
#[derive(Clone, Debug)]
pub(in crate::conformance) struct Owner {
    pub(in crate::conformance) slice: String,
    pub(in crate::conformance) scope: Scope,
    pub(in crate::conformance) fields: Fields,
    /// Its records, by place in the table.
    pub(in crate::conformance) rows: Vec<usize>,
}

/// An owner, with the time of the parent that it is.
type Dated = (Owner, Option<DateTime<Utc>>);

/// All records of one stream.
#[derive(Clone, Debug)]
pub(in crate::conformance) struct Table {
    pub(in crate::conformance) stream: Arc<Stream>,
    pub(in crate::conformance) rows: Vec<Row>,
    pub(in crate::conformance) owners: Vec<Owner>,
    asks: OnceLock<Arc<[Ask]>>,
}

/// Everything that the vendor holds; the first table is that of the stream that is read. It is cheap to copy.
#[derive(Clone, Debug, Default)]
pub(in crate::conformance) struct World {
    pub(in crate::conformance) tables: Vec<Arc<Table>>,
    /// Ranges that may be asked for.
    pub(in crate::conformance) ranges: Arc<[TimeRange]>,
    numbers: u64,
    /// What was worked out of what readings must give.
    oracle: Oracle,
}

/// What readings must give, by slice and window.
type Oracle = Arc<Mutex<BTreeMap<(String, Option<(DateTime<Utc>, DateTime<Utc>)>), Arc<Tally>>>>;

/// How often each record comes, by its canonical text.
pub(in crate::conformance) type Tally = BTreeMap<String, usize>;

impl World {
    /// The records of `target` and of all streams above it, within these slices.
    pub(in crate::conformance) fn build(
        source: &Source,
        target: &Arc<Stream>,
        slices: &[(String, Scope)],
        amount: &Amount,
    ) -> Result<Self, String> {
        let mut world = Self::default();
        for listing in target.slices.iter().flat_map(|slices| slices.listing_streams()) {
            let stream = source.stream_of(&listing.stream).map_err(|error| error.to_string())?;
            world.add(source, &stream, &[(String::new(), source.scope().clone())], &[listing], amount)?;
        }
        if !slices.is_empty() {
            let at = world.add(source, target, slices, &[], amount)?;
            world.tables.swap(0, at);
        }
        Ok(world)
    }

    /// Adds the table of a stream, after those above it; `below` are the streams that are read under it.
    fn add(
        &mut self,
        source: &Source,
        stream: &Arc<Stream>,
        slices: &[(String, Scope)],
        below: &[&ParentManifest],
        amount: &Amount,
    ) -> Result<usize, String> {
        let mut owners: Vec<Dated> = Vec::new();
        match &stream.parent {
            None => owners.extend(slices.iter().map(|(slice, scope)| {
                let owner =
                    Owner { slice: slice.clone(), scope: scope.clone(), fields: Fields::new(), rows: Vec::new() };
                (owner, None)
            })),
            Some(parent) => {
                let above = source.stream_of(&parent.stream).map_err(|error| error.to_string())?;
                let at = self.add(source, &above, slices, &[parent], amount)?;
                owners = self.children(source, at, parent)?;
            }
        }
        let is_target = below.is_empty();
        let mut table =
            Table { stream: Arc::clone(stream), rows: Vec::new(), owners: Vec::new(), asks: OnceLock::new() };
        for (mut owner, parent_at) in owners {
            let maker = RowMaker::new(stream, below, &owner.scope);
            let by_parent = stream.parent.as_ref().is_some_and(|parent| parent.range == ParentRange::Window);
            let wanted = if is_target { amount.rows } else { parents_of(stream) };
            let times = times_of(stream, &amount.windows, wanted, if by_parent { parent_at } else { None });
            for at in times {
                self.numbers += 1;
                let mut row = Row { value: maker.row(self.numbers, at), text: None, at, number: self.numbers };
                for parent in below {
                    coax(parent, &mut row, &owner);
                }
                owner.rows.push(table.rows.len());
                table.rows.push(row);
            }
            table.owners.push(owner);
        }
        self.tables.push(Arc::new(table));
        Ok(self.tables.len() - 1)
    }

    /// The owners that the records of a table are for the stream below it.
    fn children(&self, source: &Source, at: usize, parent: &ParentManifest) -> Result<Vec<Dated>, String> {
        let Some(table) = self.tables.get(at) else { return Ok(Vec::new()) };
        let mut owners = Vec::new();
        for above in &table.owners {
            for row in above.rows.iter().filter_map(|row| table.rows.get(*row)) {
                for text in decoded(source, &table.stream, above, &[row])? {
                    let all =
                        fields_of(parent, &text, &above.fields, &above.scope).map_err(|error| error.to_string())?;
                    for fields in all {
                        let scope = scope_with(&above.scope, &fields);
                        let owner = Owner { slice: above.slice.clone(), scope, fields, rows: Vec::new() };
                        owners.push((owner, row.at));
                    }
                }
            }
        }
        if owners.is_empty() {
            return Err(format!("no record of `{}` that could be made has children", table.stream.name));
        }
        Ok(owners)
    }

    /// The table of the stream that is read.
    pub(in crate::conformance) fn target(&self) -> Option<&Table> {
        self.tables.first().map(|table| &**table)
    }

    /// Changes a table.
    pub(in crate::conformance) fn change(&mut self, at: usize, change: impl FnOnce(&mut Table)) {
        if let Some(table) = self.tables.get_mut(at) {
            change(Arc::make_mut(table));
            self.oracle = Oracle::default();
        }
    }

    /// What a reading of this slice must give, of this window where there are windows.
    pub(in crate::conformance) fn expected(
        &self,
        source: &Source,
        slice: &str,
        window: Option<TimeRange>,
    ) -> Result<Arc<Tally>, String> {
        let key = (slice.to_owned(), window.map(|window| (window.from(), window.until())));
        if let Some(tally) = self.oracle.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(tally));
        }
        let tally = Arc::new(self.counted(source, slice, window)?);
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&tally));
        Ok(tally)
    }

    fn counted(&self, source: &Source, slice: &str, window: Option<TimeRange>) -> Result<Tally, String> {
        let mut tally = Tally::new();
        let Some(table) = self.target() else { return Ok(tally) };
        for owner in table.owners.iter().filter(|owner| owner.slice == slice) {
            let rows = owner.rows.iter().filter_map(|row| table.rows.get(*row));
            let is_in = |row: &&Row| window.is_none_or(|window| row.at.is_some_and(|at| window.contains(at)));
            let rows: Vec<&Row> = rows.filter(is_in).collect();
            // A body that is one record holds no more.
            let is_single = is_single(&table.stream);
            for (owner, rows) in self.asked_apart(&table.stream, owner, rows) {
                let pages: Vec<&[&Row]> = if is_single { rows.chunks(1).collect() } else { vec![&rows[..]] };
                for page in pages.into_iter().filter(|page| !page.is_empty()) {
                    for text in decoded(source, &table.stream, &owner, page)? {
                        *tally.entry(shown(&table.stream, &text)).or_default() += 1;
                    }
                }
            }
        }
        Ok(tally)
    }
}

impl World {
    /// Records by the requests that ask for them, where what a request says of its window stands in them.
    fn asked_apart<'a>(&self, stream: &Stream, owner: &Owner, rows: Vec<&'a Row>) -> Vec<(Owner, Vec<&'a Row>)> {
        let window = stream.window.as_ref().filter(|window| says_window(stream, window));
        let wire = window.and_then(|window| Wire::new(window, &owner.scope, DateTime::UNIX_EPOCH).ok());
        let Some(wire) = wire else { return vec![(owner.clone(), rows)] };
        let mut apart: BTreeMap<DateTime<Utc>, (Owner, Vec<&Row>)> = BTreeMap::new();
        for row in rows {
            let range = self.ranges.iter().find(|range| row.at.is_some_and(|at| range.contains(at)));
            let Some(bounds) = range.and_then(|range| wire.bounds(*range)) else { continue };
            let named = || {
                let mut owner = owner.clone();
                let values = wire.values(bounds).into_iter();
                owner.scope.extend(values.filter_map(|(slot, value)| match slot {
                    Slot::Name(name) => Some((name, Scalar::from_json(&value))),
                    _ => None,
                }));
                (owner, Vec::new())
            };
            apart.entry(bounds.0).or_insert_with(named).1.push(row);
        }
        apart.into_values().collect()
    }
}

/// Whether records take a bound of the window from their request.
fn says_window(stream: &Stream, window: &WindowPlan) -> bool {
    let Some(shape) = &stream.shape else { return false };
    let slots = window.request.iter().flat_map(|request| request.slots());
    let names = slots.filter_map(|slot| if let Slot::Name(name) = slot { Some(name.as_str()) } else { None });
    names.into_iter().any(|name| shape.given().contains(&name))
}

/// Whether a body of the stream is one record.
pub(super) fn is_single(stream: &Stream) -> bool {
    let is_file = matches!(stream.decoding.format, Decoding::File(_));
    is_file || matches!(&stream.records, RecordsManifest::Each(each) if each.is_single())
}

/// One record as readings are compared: without what only says how the rest of a list is asked for.
pub(in crate::conformance) fn shown(stream: &Stream, text: &[u8]) -> String {
    let Ok(mut value) = serde_json::from_slice::<Value>(text) else {
        return String::from_utf8_lossy(text).into_owned();
    };
    for connection in stream.connections.iter() {
        let told = connection.more.iter().chain(match &connection.cursor {
            Seen::Body(pointer) => Some(pointer),
            _ => None,
        });
        for pointer in told {
            remove(&mut value, pointer.segments());
            prune(&mut value, pointer.segments());
        }
    }
    canonical(&value)
}

/// What the engine makes of a body with these records.
pub(super) fn decoded(source: &Source, stream: &Stream, owner: &Owner, rows: &[&Row]) -> Result<Vec<Bytes>, String> {
    let written: Vec<Written<'_>> =
        rows.iter().map(|row| Written { value: &row.value, text: row.text.as_deref() }).collect();
    let (content_type, body) = write(&stream.decoding, &stream.records, &written, &[])?;
    let others = stream.shape.as_ref().map(|shape| shape.given()).unwrap_or_default();
    let given = Given::new(&stream.given, &others, &owner.fields, &owner.scope, &stream.request.with);
    let exchange = Exchange {
        request: 0,
        method: "GET".to_owned(),
        url: String::new(),
        status: 200,
        headers: std::iter::once(("content-type".to_owned(), content_type.to_owned()))
            .chain(given.as_ref().map(Given::header))
            .collect(),
        fetched_at: DateTime::UNIX_EPOCH,
        source_date: None,
    };
    let mut replayer = source.replay(&stream.name).map_err(|error| error.to_string())?;
    let chunk = Chunk { request: 0, ordinal: 0, body: Bytes::from(body) };
    let mut records = replayer.exchange(&exchange).map_err(|error| error.to_string())?;
    records.extend(replayer.chunk(chunk).map_err(|error| error.to_string())?);
    let (last, _) = replayer.finish().map_err(|error| error.to_string())?;
    records.extend(last);
    Ok(records.into_iter().flat_map(|records| records.texts).collect())
}

/// Changes a parent's record until it has children, where a condition decides.
fn coax(parent: &ParentManifest, row: &mut Row, owner: &Owner) {
    let number = row.number;
    let row = &mut row.value;
    let is_url = |name: &str| parent.url.as_deref() == Some(name);
    if let Some(each) = &parent.each {
        let item = |place_in_list: u64| {
            let mut item = Value::Null;
            for (name, pointer) in each.fields.iter() {
                let value = if is_url(name) {
                    Value::from(format!("{CHILD}{number}-{place_in_list}"))
                } else {
                    Value::from(number * 100 + place_in_list)
                };
                place(&mut item, pointer.segments(), value);
            }
            item
        };
        let items = Value::Array(vec![item(1), item(2)]);
        place(row, each.list.segments(), items);
    }
    if let Some(pointer) = parent.url.as_ref().and_then(|url| parent.fields.get(url)) {
        place(row, pointer.segments(), Value::from(format!("{CHILD}{number}")));
    }
    let Some(when) = &parent.when else { return };
    let holds = |row: &Value| {
        fields_of(parent, row.to_string().as_bytes(), &owner.fields, &owner.scope).is_ok_and(|all| !all.is_empty())
    };
    let fields: Vec<&Pointer> = parent.fields.iter().map(|(_, pointer)| pointer).collect();
    for choice in choices(fields.len(), &words(when.as_str())) {
        let mut tried = row.clone();
        for (field, word) in fields.iter().zip(choice) {
            if !word.is_null() {
                place(&mut tried, field.segments(), word);
            }
        }
        if holds(&tried) {
            *row = tried;
            return;
        }
    }
}

/// Records of a stream for those below it. Levels and windows multiply, and two tell one parent from another as well as many do.
fn parents_of(stream: &Stream) -> usize {
    let levels = usize::from(stream.parent.is_some()) + usize::from(stream.window.is_some());
    PARENTS.saturating_sub(levels)
}

/// The times of an owner's records; nothing but their number where there are no windows.
fn times_of(
    stream: &Stream,
    windows: &[TimeRange],
    rows: usize,
    parent_at: Option<DateTime<Utc>>,
) -> Vec<Option<DateTime<Utc>>> {
    let is_single = is_single(stream);
    let Some(window) = stream.window.as_ref().filter(|_| !windows.is_empty()) else {
        return vec![None; if is_single { 1 } else { rows }];
    };
    if let Some(at) = parent_at {
        return vec![Some(at); rows];
    }
    let step = window.policy.granularity.delta().max(TimeDelta::milliseconds(1));
    let is_unique = cursor_fields(&stream.pagination).contains(&window.pointer) || is_known_by_time(stream);
    let mut times = Vec::new();
    for range in windows {
        let steps = ((range.until() - range.from()).num_milliseconds() / step.num_milliseconds()).max(1);
        let count = i64::try_from(rows).unwrap_or(i64::MAX);
        let count = if is_unique { count.min(steps) } else { count };
        for number in 0..count {
            // The first is at the bound, the last right before the other one, and two share one instant.
            let place = match number {
                number if number + 1 == count && count > 1 => steps - 1,
                2 if !is_unique && count > 3 => steps / count,
                number => number * steps / count,
            };
            times.push(Some(range.from() + TimeDelta::milliseconds(step.num_milliseconds() * place)));
        }
    }
    if let (Some(first), Some(last)) = (windows.first(), windows.last()) {
        times.extend([Some(first.from() - step), Some(last.until())]);
    }
    times
}

/// Whether records of an owner are told apart by their time alone: a row for each day.
fn is_known_by_time(stream: &Stream) -> bool {
    let Some(window) = &stream.window else { return false };
    let key = stream.columns().iter().filter(|column| stream.key().contains(&column.name));
    let mut own = key.filter(|column| !column.pointer.starts_with(&format!("/{GIVEN}/")));
    !stream.is_append_only()
        && own.next().is_some_and(|column| Pointer::parse(&column.pointer) == window.pointer)
        && own.next().is_none()
}

impl Table {
    /// Every request that may come for it.
    pub(super) fn asks(&self) -> &Arc<[Ask]> {
        self.asks.get_or_init(|| asks(self).into())
    }

    /// Places of records in the order in which the vendor lists them.
    pub(in crate::conformance) fn ordered(&self, mut rows: Vec<usize>) -> Vec<usize> {
        let at = |row: &usize| self.rows.get(*row).and_then(|row| row.at);
        let number = |row: &usize| self.rows.get(*row).map_or(0, |row| row.number);
        let feed = self.stream.window.as_ref().and_then(|window| window.feed);
        let by_time = self.stream.window.as_ref().is_some_and(|window| {
            cursor_fields(&self.stream.pagination).contains(&window.pointer)
                || matches!(self.stream.pagination, Pagination::AdvancingFrom(_))
        });
        match (&self.stream.chain, feed) {
            (Some(chain), _) if chain.next.is_of_first_record() => {
                rows.sort_by_key(|row| std::cmp::Reverse(number(row)));
            }
            (Some(_), _) => rows.sort_by_key(number),
            (None, Some(Feed::NewestFirst)) => rows.sort_by_key(|row| std::cmp::Reverse((at(row), number(row)))),
            (None, Some(Feed::OldestFirst)) => rows.sort_by_key(|row| (at(row), number(row))),
            _ if shared_bound(&self.stream).is_some() => {
                rows.sort_by_key(|row| std::cmp::Reverse((at(row), number(row))));
            }
            _ if by_time => rows.sort_by_key(|row| (at(row), number(row))),
            // No order that nobody promised.
            _ => rows.sort_by_key(|row| number(row).wrapping_mul(2_654_435_761) % 1_021),
        }
        rows
    }
}
