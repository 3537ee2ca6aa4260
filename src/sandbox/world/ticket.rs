//! Support tickets: a chain of changes in which a ticket opens, waits, closes and is sometimes deleted.

use serde::Serialize;

use super::order::Order;
use super::{DAY, HOUR, Moment, World, to_json};
use crate::sandbox::collection::Collection;
use crate::sandbox::random::Random;

const KIND: u64 = 6;
/// One order in so many leads to a ticket.
const ORDERS_PER_TICKET: usize = 25;

const SUBJECTS: [&str; 6] = [
    "Where is my order?",
    "The parcel is damaged",
    "Please change the address",
    "I would like to return this",
    "The invoice is missing",
    "A part is missing",
];

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sandbox) enum Operation {
    /// The ticket is there now, with these values.
    Upsert,
    /// The ticket is gone.
    Delete,
}

/// One change of one ticket.
#[derive(Clone, Copy, Debug)]
pub(in crate::sandbox) struct TicketChange {
    pub(in crate::sandbox) at: Moment,
    pub(in crate::sandbox) ticket: u32,
    pub(in crate::sandbox) operation: Operation,
    pub(in crate::sandbox) status: &'static str,
    customer: u32,
}

/// How many tickets `orders` lead to.
pub(super) fn count(orders: usize) -> u32 {
    u32::try_from(orders / ORDERS_PER_TICKET).unwrap_or(u32::MAX)
}

/// Makes all changes of all tickets, oldest first.
pub(super) fn make(seed: u64, orders: &[Order]) -> Vec<TicketChange> {
    let mut changes = Vec::new();
    for (ticket, order) in (1_u32..).zip(orders.iter().skip(ORDERS_PER_TICKET - 1).step_by(ORDERS_PER_TICKET)) {
        let mut random = Random::of(seed, KIND, ticket);
        let mut at = order.placed.saturating_add(random.between(HOUR, 2 * DAY));
        let mut change = |at: Moment, operation: Operation, status: &'static str| {
            changes.push(TicketChange { at, ticket, operation, status, customer: order.customer });
        };
        change(at, Operation::Upsert, "open");
        if random.chance(500) {
            at = at.saturating_add(random.between(HOUR, 2 * DAY));
            change(at, Operation::Upsert, "waiting");
        }
        if random.chance(850) {
            at = at.saturating_add(random.between(HOUR, 4 * DAY));
            change(at, Operation::Upsert, "closed");
            if random.chance(120) {
                at = at.saturating_add(random.between(DAY, 6 * DAY));
                change(at, Operation::Delete, "closed");
            }
        }
    }
    changes.sort_unstable_by_key(|change| (change.at, change.ticket));
    changes
}

#[derive(Serialize)]
struct TicketRow {
    op: Operation,
    id: String,
    customer_id: Option<String>,
    subject: Option<&'static str>,
    status: Option<&'static str>,
    updated_at: String,
}

/// One change as the API writes it; a deleted ticket has nothing but its id left.
pub(super) fn render(world: &World, change: &TicketChange) -> String {
    let is_there = change.operation == Operation::Upsert;
    to_json(&TicketRow {
        op: change.operation,
        id: Collection::Tickets.id(change.ticket),
        customer_id: is_there.then(|| Collection::Customers.id(change.customer)),
        subject: is_there.then(|| Random::of(world.seed, KIND + 100, change.ticket).pick(&SUBJECTS)),
        status: is_there.then_some(change.status),
        updated_at: world.timestamp(change.at),
    })
}
