//! Products: a price that rises every few weeks, a few that come late, and two that leave the list.

use serde::Serialize;

use super::{DAY, Moment, to_json};
use crate::sandbox::collection::Collection;
use crate::sandbox::random::Random;

const KIND: u64 = 5;

/// Products that are ever on sale.
pub(super) const COUNT: u32 = 240;
/// The last few come on sale at day 20.
const LATECOMERS: u32 = 5;
/// The first few leave at day 40.
const LEAVERS: u32 = 2;

const CATEGORIES: [&str; 6] = ["kitchen", "garden", "office", "travel", "sports", "toys"];
const MATERIALS: [&str; 8] = ["Oak", "Steel", "Linen", "Copper", "Cork", "Wool", "Glass", "Bamboo"];
const THINGS: [&str; 12] =
    ["bowl", "lamp", "bag", "chair", "bottle", "board", "clock", "basket", "mug", "tray", "hook", "case"];
const BRANDS: [&str; 5] = ["Alder", "Brook", "Cove", "Delta", "Elm"];

/// Whether a product is listed at a moment.
pub(super) fn is_on_sale(number: u32, as_of: Moment) -> bool {
    let has_come = number <= COUNT - LATECOMERS || as_of >= 20 * DAY;
    let has_left = number <= LEAVERS && as_of >= 40 * DAY;
    (1..=COUNT).contains(&number) && has_come && !has_left
}

/// A product that is on sale at `at`.
pub(super) fn choose(random: &mut Random, at: Moment) -> u32 {
    let last = if at >= 20 * DAY { COUNT } else { COUNT - LATECOMERS };
    let first = if at >= 40 * DAY { LEAVERS } else { 0 };
    random.between(first, last) + 1
}

/// What a product costs at a moment, in minor units of whatever is paid in.
pub(super) fn price(seed: u64, number: u32, as_of: Moment) -> i64 {
    let mut random = Random::of(seed, KIND, number);
    let first = i64::from(random.between(199, 19_999));
    let rises = i64::from((as_of + random.below(14) * DAY) / (14 * DAY));
    first + first * rises / 50
}

#[derive(Serialize)]
struct ProductRow {
    id: String,
    name: String,
    category: &'static str,
    brand: Option<&'static str>,
    currency: &'static str,
    price_minor: i64,
}

/// The product's row as of a moment.
pub(super) fn render(seed: u64, number: u32, as_of: Moment) -> String {
    let mut random = Random::of(seed, KIND + 100, number);
    let (category, material, thing) = (random.pick(&CATEGORIES), random.pick(&MATERIALS), random.pick(&THINGS));
    let brand = random.pick(&BRANDS);
    to_json(&ProductRow {
        id: Collection::Products.id(number),
        name: format!("{material} {thing} {number}"),
        category,
        brand: (!random.chance(100)).then_some(brand),
        currency: "EUR",
        price_minor: price(seed, number, as_of),
    })
}
