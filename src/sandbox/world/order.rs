//! Orders: placed, paid, shipped; some cancelled, returned, shortened by a line, or taken back.
//!
//! Nothing happens to an order later than [`SETTLED_AFTER`] its placing, which is the lookback that the manifest states.

use serde::Serialize;

use super::customer::{self, Customer};
use super::{DAY, HOUR, MINUTE, Moment, NEVER, World, product, to_json};
use crate::sandbox::collection::Collection;
use crate::sandbox::random::Random;

const KIND: u64 = 2;

/// Seconds after which an order does not change any more.
pub(super) const SETTLED_AFTER: Moment = 3 * DAY;

/// How busy each hour of the day is.
const BUSY: [u32; 24] = [2, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 8, 9, 8, 7, 7, 7, 8, 9, 10, 10, 8, 6, 4];

/// The life of one order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) placed: Moment,
    pub(super) customer: u32,
    pub(super) paid: Moment,
    pub(super) shipped: Moment,
    pub(super) cancelled: Moment,
    pub(super) returned: Moment,
    /// When its last line was struck off.
    pub(super) shortened: Moment,
    /// When it was taken back, after which no list shows it.
    taken_back: Moment,
}

impl Order {
    /// Whether a list shows the order at a moment.
    pub(super) fn exists(&self, as_of: Moment) -> bool {
        self.placed <= as_of && as_of < self.taken_back
    }

    fn status(&self, as_of: Moment) -> &'static str {
        match self {
            Self { cancelled, .. } if *cancelled <= as_of => "cancelled",
            Self { returned, .. } if *returned <= as_of => "returned",
            Self { shipped, .. } if *shipped <= as_of => "shipped",
            Self { paid, .. } if *paid <= as_of => "paid",
            _ => "placed",
        }
    }
}

/// Makes `count` orders in the order of their placing.
pub(super) fn make(seed: u64, count: u32, span_days: u32, customers: &[Customer]) -> Vec<Order> {
    let span = u64::from(span_days) * u64::from(DAY);
    let step = span / u64::from(count.max(1));
    let mut orders = Vec::new();
    for number in 1..=count {
        let mut random = Random::of(seed, KIND, number);
        let even = u64::from(number - 1) * span / u64::from(count.max(1));
        let jitter = random.below(u32::try_from(step).unwrap_or(u32::MAX));
        let placed = busy_hours(Moment::try_from(even).unwrap_or(NEVER - 1).saturating_add(jitter));
        let customer = customer::choose(&mut random, customers, placed);
        orders.push(live(&mut random, placed, customer));
    }
    orders
}

/// Moves an even moment to where the day is busy; later moments stay later.
fn busy_hours(even: Moment) -> Moment {
    let (day, second) = (even / DAY, u64::from(even % DAY));
    let total: u64 = BUSY.iter().map(|weight| u64::from(*weight)).sum();
    let mut rest = second * total;
    for (hour, weight) in (0_u32..).zip(BUSY) {
        let share = u64::from(weight) * u64::from(DAY);
        if rest < share {
            let within = Moment::try_from(rest * u64::from(HOUR) / share).unwrap_or(0);
            return day * DAY + hour * HOUR + within;
        }
        rest -= share;
    }
    even
}

fn live(random: &mut Random, placed: Moment, customer: u32) -> Order {
    let mut order = Order {
        placed,
        customer,
        paid: NEVER,
        shipped: NEVER,
        cancelled: NEVER,
        returned: NEVER,
        shortened: NEVER,
        taken_back: NEVER,
    };
    if random.chance(50) {
        order.cancelled = placed + random.between(HOUR, DAY);
        if random.chance(100) {
            order.taken_back = order.cancelled + 6 * HOUR;
        }
        return order;
    }
    order.paid = placed + random.between(MINUTE, 30 * MINUTE);
    if random.chance(15) {
        order.shortened = order.paid + random.between(MINUTE, 3 * HOUR);
    }
    if random.chance(60) {
        order.cancelled = order.paid + random.between(4 * HOUR, 20 * HOUR);
        return order;
    }
    order.shipped = order.paid + random.between(4 * HOUR, 40 * HOUR);
    if random.chance(50) {
        order.returned = order.shipped + random.between(8 * HOUR, 28 * HOUR);
    }
    order
}

/// One product of an order.
#[derive(Serialize)]
pub(super) struct Line {
    #[serde(rename = "line_no")]
    number: u32,
    product_id: String,
    quantity: u32,
    price_minor: i64,
}

/// The lines of an order as of a moment.
pub(super) fn lines(world: &World, number: u32, order: &Order, as_of: Moment) -> Vec<Line> {
    let mut random = Random::of(world.seed, KIND + 100, number);
    let count = 1 + random.below(4);
    let kept = if order.shortened <= as_of { (count - 1).max(1) } else { count };
    let mut lines = Vec::new();
    for line_no in 1..=kept {
        let product = product::choose(&mut random, order.placed);
        lines.push(Line {
            number: line_no,
            product_id: Collection::Products.id(product),
            quantity: 1 + random.below(3),
            price_minor: product::price(world.seed, product, order.placed),
        });
    }
    lines
}

/// What the lines cost.
pub(super) fn total_minor(lines: &[Line]) -> i64 {
    lines.iter().map(|line| line.price_minor * i64::from(line.quantity)).sum()
}

#[derive(Serialize)]
struct OrderRow {
    id: String,
    created_at: String,
    customer_id: String,
    status: &'static str,
    currency: &'static str,
    total_minor: i64,
    lines: Vec<Line>,
}

/// The order's row as of a moment.
pub(super) fn render(world: &World, number: u32, order: &Order, as_of: Moment) -> String {
    let lines = lines(world, number, order, as_of);
    to_json(&OrderRow {
        id: Collection::Orders.id(number),
        created_at: world.timestamp(order.placed),
        customer_id: Collection::Customers.id(order.customer),
        status: order.status(as_of),
        currency: customer::currency(world.seed, order.customer),
        total_minor: total_minor(&lines),
        lines,
    })
}
