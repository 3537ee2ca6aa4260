//! The shop's world: what happened in it until a moment, made from a seed.
//!
//! The whole life of every row is fixed when the world is made, so the world at any moment is a pure function of that moment.
//! That is what lets a test ask what a reading that began at such a time should have seen. Moments are whole seconds since the
//! shop opened ([`Moment`]); rows beyond the clock exist already and are not shown.

mod customer;
mod event;
mod order;
mod payment;
mod product;
mod ticket;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use self::customer::Customer;
use self::event::Event;
use self::order::Order;
pub(super) use self::ticket::{Operation, TicketChange};
use super::collection::Collection;

/// Seconds since the shop opened.
pub(super) type Moment = u32;

/// The moment that never comes.
const NEVER: Moment = u32::MAX;

const MINUTE: Moment = 60;
const HOUR: Moment = 3_600;
const DAY: Moment = 86_400;

/// How large a world is.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorldSize {
    /// Orders in the first `days`.
    pub(super) orders: u32,
    /// Days that those orders are spread over.
    pub(super) days: u32,
    /// Days after them in which the shop goes on at the same rate.
    pub(super) days_ahead: u32,
}

/// All that ever happens in the shop.
#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    opens: DateTime<Utc>,
    orders: Vec<Order>,
    customers: Vec<Customer>,
    events: Vec<Event>,
    ticket_changes: Vec<TicketChange>,
}

impl World {
    /// Makes the world of `seed`, whose shop opens at `opens`.
    pub(super) fn new(seed: u64, opens: DateTime<Utc>, size: WorldSize) -> Self {
        let days = size.days.max(1);
        let span_days = days.saturating_add(size.days_ahead).min(3_650);
        let scale = |count: u32| {
            let total = u64::from(count) * u64::from(span_days) / u64::from(days);
            u32::try_from(total.min(4_000_000)).unwrap_or(u32::MAX)
        };
        let customers = customer::make(seed, scale(size.orders / 10 + 10), span_days);
        let orders = order::make(seed, scale(size.orders), span_days, &customers);
        let events = event::make(seed, &orders, &customers);
        let ticket_changes = ticket::make(seed, &orders);
        Self { seed, opens, orders, customers, events, ticket_changes }
    }

    /// When the shop opened.
    pub(super) fn opens(&self) -> DateTime<Utc> {
        self.opens
    }

    /// Seconds from the opening to `at`, negative before it.
    pub(super) fn seconds_of(&self, at: DateTime<Utc>) -> i64 {
        (at - self.opens).num_seconds()
    }

    /// The last moment that is not after `at`; the opening for all that is before.
    pub(super) fn moment_of(&self, at: DateTime<Utc>) -> Moment {
        Moment::try_from(self.seconds_of(at).max(0)).unwrap_or(NEVER - 1)
    }

    /// A moment as the API writes it.
    pub(super) fn timestamp(&self, at: Moment) -> String {
        timestamp(self.opens + TimeDelta::seconds(i64::from(at)))
    }

    /// How many rows a collection ever has; their numbers count from 1.
    pub(super) fn count(&self, collection: Collection) -> u32 {
        let length = match collection {
            Collection::Events => self.events.len(),
            Collection::Orders | Collection::Payments => self.orders.len(),
            Collection::Customers => self.customers.len(),
            Collection::Products => return product::COUNT,
            Collection::Tickets => return ticket::count(self.orders.len()),
        };
        u32::try_from(length).unwrap_or(u32::MAX)
    }

    /// The numbers among which all rows lie whose time can be in `[from, until)` seconds.
    pub(super) fn candidates(&self, collection: Collection, from: i64, until: i64) -> std::ops::Range<u32> {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1);
        let by_order = |from: i64, until: i64| {
            let first = self.orders.partition_point(|order| i64::from(order.placed) < from);
            let last = self.orders.partition_point(|order| i64::from(order.placed) < until);
            place(first)..place(last)
        };
        match collection {
            Collection::Orders => by_order(from, until),
            // A payment changes last when its order does.
            Collection::Payments => by_order(from.saturating_sub(i64::from(order::SETTLED_AFTER)), until),
            Collection::Events => {
                let first = self.events.partition_point(|event| i64::from(event.at) < from);
                let last = self.events.partition_point(|event| i64::from(event.at) < until);
                place(first)..place(last)
            }
            _ => 1..self.count(collection).saturating_add(1),
        }
    }

    /// The time by which row `number` is listed, as of a moment; `None` when it is not there then.
    pub(super) fn time_of(&self, collection: Collection, number: u32, as_of: Moment) -> Option<Moment> {
        match collection {
            Collection::Events => self.event(number).filter(|event| event.seen <= as_of).map(|event| event.at),
            Collection::Orders => self.order(number).filter(|order| order.exists(as_of)).map(|order| order.placed),
            Collection::Payments => self.order(number).and_then(|order| payment::updated(order, as_of)),
            Collection::Customers => self.customer(number).and_then(|customer| customer.updated(as_of)),
            Collection::Products => product::is_on_sale(number, as_of).then_some(0),
            Collection::Tickets => None,
        }
    }

    /// Row `number` as JSON, as of a moment at which it is there.
    pub(super) fn render(&self, collection: Collection, number: u32, as_of: Moment) -> Option<String> {
        match collection {
            Collection::Events => self.event(number).map(|event| event::render(self, number, *event)),
            Collection::Orders => self.order(number).map(|order| order::render(self, number, order, as_of)),
            Collection::Payments => self.order(number).and_then(|order| payment::render(self, number, order, as_of)),
            Collection::Customers => self.customer(number).map(|person| customer::render(self, number, person, as_of)),
            Collection::Products => Some(product::render(self.seed, number, as_of)),
            Collection::Tickets => None,
        }
    }

    /// The changes of tickets until a moment, oldest first.
    pub(super) fn ticket_changes(&self, as_of: Moment) -> &[TicketChange] {
        let until = self.ticket_changes.partition_point(|change| change.at <= as_of);
        self.ticket_changes.get(..until).unwrap_or_default()
    }

    /// One change of a ticket as JSON.
    pub(super) fn render_ticket_change(&self, change: &TicketChange) -> String {
        ticket::render(self, change)
    }

    fn order(&self, number: u32) -> Option<&Order> {
        self.orders.get(place_of(number)?)
    }

    fn customer(&self, number: u32) -> Option<&Customer> {
        self.customers.get(place_of(number)?)
    }

    fn event(&self, number: u32) -> Option<&Event> {
        self.events.get(place_of(number)?)
    }
}

fn place_of(number: u32) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

/// An instant as the API writes it: RFC 3339 in UTC with whole seconds.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// JSON text of a row that has string keys and no floats, which always serialises.
fn to_json(row: &impl serde::Serialize) -> String {
    serde_json::to_string(row).unwrap_or_default()
}

#[cfg(test)]
mod tests;
