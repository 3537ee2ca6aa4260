//! The windows of one reading: which ranges are asked for, and what is written into their requests.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use headwater_contract::TimeRange;
use serde_json::Value;

use super::{Calendar, Clockface, End, halves, sent_bounds, zone_of};
use crate::error::Fault;
use crate::expression::Scope;
use crate::pagination::Slot;
use crate::stream::WindowPlan;

/// The windows of one reading, with formats and zones that are known.
#[derive(Debug)]
pub(crate) struct Wire {
    plan: WindowPlan,
    sent: Clockface,
    read: Vec<Clockface>,
    calendar: Option<(Calendar, Tz)>,
    now: DateTime<Utc>,
}

impl Wire {
    pub(crate) fn new(plan: &WindowPlan, scope: &Scope, now: DateTime<Utc>) -> Result<Self, Fault> {
        let sent = plan.sent_format.with_zone(scope)?;
        let read = plan.read_formats.iter().map(|format| format.with_zone(scope)).collect::<Result<_, _>>()?;
        let calendar = match plan.request.as_ref().and_then(|request| request.calendar.as_ref()) {
            Some(calendar) => {
                let zone = calendar.zone.as_ref().map_or(Ok(sent.zone()), |zone| zone_of(zone, scope))?;
                Some((calendar.clone(), zone))
            }
            None => None,
        };
        Ok(Self { plan: plan.clone(), sent, read, calendar, now })
    }

    /// The ranges to ask for, one after the other, so that all of `range` is read.
    pub(crate) fn pieces(&self, range: TimeRange) -> Result<Vec<TimeRange>, Fault> {
        let whole = match &self.calendar {
            None => vec![range],
            Some((calendar, zone)) => {
                let too_many = || Fault::Internal { facts: format!("{range} has too many units of a calendar") };
                let units = calendar.unit.cover(range, *zone).ok_or_else(too_many)?;
                if calendar.each { units } else { spanning(&units).into_iter().collect() }
            }
        };
        let span = self.plan.request.as_ref().and_then(|request| request.max_span);
        let Some(span) = span.map(|span| span.delta().max(TimeDelta::milliseconds(1))) else { return Ok(whole) };
        let mut pieces = Vec::new();
        for piece in whole {
            let mut from = piece.from();
            while let Ok(next) = TimeRange::new(from, piece.until().min(from + span)) {
                pieces.push(next);
                from = next.until();
            }
        }
        Ok(pieces)
    }

    /// Both parts of a piece that is too large for one query; `None` when it cannot be cut.
    pub(crate) fn cut(&self, piece: TimeRange) -> Option<(TimeRange, TimeRange)> {
        // A list that is not asked for by bounds is the same list whatever they are.
        let request = self.plan.request.as_ref()?;
        let Some((calendar, zone)) = &self.calendar else {
            return match request.until {
                // Without an end each half would be as large as the whole.
                None => None,
                Some(_) => halves(piece, self.plan.policy.granularity),
            };
        };
        let units = calendar.unit.cover(piece, *zone)?;
        let (left, right) = units.split_at(units.len() / 2);
        Some((spanning(left)?, spanning(right)?))
    }

    /// The instants that a request for `piece` sends.
    pub(crate) fn bounds(&self, piece: TimeRange) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let request = self.plan.request.as_ref()?;
        Some(sent_bounds(piece, request, self.plan.policy.granularity))
    }

    /// The same with another start: rows of that instant come too.
    pub(crate) fn bounds_from(&self, from: DateTime<Utc>, piece: TimeRange) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let (_, until) = self.bounds(piece)?;
        let later = TimeRange::new(from, piece.until().max(from + TimeDelta::milliseconds(1))).ok()?;
        Some((self.bounds(later)?.0, until))
    }

    /// The bounds as they are written, with where they go.
    pub(crate) fn values(&self, (from, until): (DateTime<Utc>, DateTime<Utc>)) -> Vec<(Slot, Value)> {
        let Some(request) = &self.plan.request else { return Vec::new() };
        // Units of a calendar begin and end where their names do.
        let (from, until) = match self.calendar {
            Some(_) => (from, until),
            None => (self.sent.bound(from, End::From), self.sent.bound(until, End::Until)),
        };
        let mut values = vec![(request.from.clone(), self.sent.write(from, End::From, self.now))];
        if let Some(slot) = &request.until {
            values.push((slot.clone(), self.sent.write(until, End::Until, self.now)));
        }
        if let Some(length) = &request.length {
            let unit = length.unit.as_millis().max(1);
            let units = (self.sent.length(from, until).num_milliseconds() + unit - 1) / unit;
            values.push((length.param.clone(), Value::from(units)));
        }
        values
    }

    /// Reads the window's field of a record.
    pub(crate) fn read(&self, value: &Value) -> Option<DateTime<Utc>> {
        self.read.iter().find_map(|format| format.read(value))
    }
}

fn spanning(units: &[TimeRange]) -> Option<TimeRange> {
    TimeRange::new(units.first()?.from(), units.last()?.until()).ok()
}
