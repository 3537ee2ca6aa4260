//! Payments: one for each order, whose state follows the order's life.

use serde::Serialize;

use super::order::{self, Order};
use super::{Moment, World, to_json};
use crate::sandbox::collection::Collection;
use crate::sandbox::random::Random;

const KIND: u64 = 3;

const METHODS: [&str; 4] = ["card", "card", "transfer", "wallet"];

/// When the payment's row last changed; `None` before it is there.
pub(super) fn updated(order: &Order, as_of: Moment) -> Option<Moment> {
    let changes = [order.placed, order.paid, order.cancelled, order.returned, order.shortened];
    changes.into_iter().filter(|at| *at <= as_of).max()
}

fn state(order: &Order, as_of: Moment) -> &'static str {
    let is_paid = order.paid <= as_of;
    let is_undone = order.cancelled <= as_of || order.returned <= as_of;
    match (is_paid, is_undone) {
        (true, true) => "refunded",
        (true, false) => "captured",
        (false, true) => "failed",
        (false, false) => "authorized",
    }
}

#[derive(Serialize)]
struct PaymentRow {
    id: String,
    order_id: String,
    amount: String,
    method: &'static str,
    state: &'static str,
    created_at: String,
    updated_at: String,
}

/// The payment's row as of a moment; `None` before it is there.
pub(super) fn render(world: &World, number: u32, order: &Order, as_of: Moment) -> Option<String> {
    let updated = updated(order, as_of)?;
    let minor = order::total_minor(&order::lines(world, number, order, as_of));
    Some(to_json(&PaymentRow {
        id: Collection::Payments.id(number),
        order_id: Collection::Orders.id(number),
        amount: format!("{}.{:02}", minor / 100, minor % 100),
        method: Random::of(world.seed, KIND, number).pick(&METHODS),
        state: state(order, as_of),
        created_at: world.timestamp(order.placed),
        updated_at: world.timestamp(updated),
    }))
}
