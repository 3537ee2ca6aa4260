//! Events: what happened, in the order in which it happened.
//!
//! A few are listed up to [`LATE_AT_MOST`] seconds after they happened, so a reader that does not wait for its windows to settle
//! loses them.

use serde::Serialize;

use super::customer::Customer;
use super::order::Order;
use super::{Moment, NEVER, World, to_json};
use crate::sandbox::collection::Collection;
use crate::sandbox::random::Random;

const KIND: u64 = 4;

/// The longest time, in seconds, between an event and its first listing.
pub(super) const LATE_AT_MOST: Moment = 20;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) at: Moment,
    /// When it is first listed.
    pub(super) seen: Moment,
    what: What,
    /// 0 when the event is about no order.
    order: u32,
    customer: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    CustomerRegistered,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    OrderCancelled,
    OrderReturned,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::CustomerRegistered => "customer_registered",
            Self::OrderPlaced => "order_placed",
            Self::OrderPaid => "order_paid",
            Self::OrderShipped => "order_shipped",
            Self::OrderCancelled => "order_cancelled",
            Self::OrderReturned => "order_returned",
        }
    }
}

/// Makes the events of all orders and customers, oldest first.
pub(super) fn make(seed: u64, orders: &[Order], customers: &[Customer]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut happen = |at: Moment, what: What, order: u32, customer: u32| {
        if at != NEVER {
            events.push(Event { at, seen: at, what, order, customer });
        }
    };
    for (number, customer) in (1_u32..).zip(customers) {
        happen(customer.registered, What::CustomerRegistered, 0, number);
    }
    for (number, order) in (1_u32..).zip(orders) {
        happen(order.placed, What::OrderPlaced, number, order.customer);
        happen(order.paid, What::OrderPaid, number, order.customer);
        happen(order.shipped, What::OrderShipped, number, order.customer);
        happen(order.cancelled, What::OrderCancelled, number, order.customer);
        happen(order.returned, What::OrderReturned, number, order.customer);
    }
    events.sort_unstable_by_key(|event| (event.at, event.order, event.customer, event.what));
    for (number, event) in (1_u32..).zip(&mut events) {
        let mut random = Random::of(seed, KIND, number);
        if random.chance(20) {
            event.seen = event.at.saturating_add(random.between(1, LATE_AT_MOST + 1));
        }
    }
    events
}

#[derive(Serialize)]
struct EventRow {
    id: String,
    created_at: String,
    r#type: &'static str,
    order_id: Option<String>,
    customer_id: String,
}

/// The event's row.
pub(super) fn render(world: &World, number: u32, event: Event) -> String {
    to_json(&EventRow {
        id: Collection::Events.id(number),
        created_at: world.timestamp(event.at),
        r#type: event.what.as_str(),
        order_id: (event.order > 0).then(|| Collection::Orders.id(event.order)),
        customer_id: Collection::Customers.id(event.customer),
    })
}
