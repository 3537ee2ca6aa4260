//! Customers: they register, change segment, move house and sometimes ask to be forgotten.

use serde::Serialize;

use super::{DAY, HOUR, Moment, NEVER, World, to_json};
use crate::sandbox::collection::Collection;
use crate::sandbox::random::Random;

const KIND: u64 = 1;

const FIRST_NAMES: [&str; 16] = [
    "Ada", "Bela", "Cleo", "Davit", "Elif", "Finn", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Mona", "Nils",
    "Olga", "Piet",
];
const LAST_NAMES: [&str; 16] = [
    "Abel", "Brandt", "Costa", "Dunn", "Eriksen", "Fischer", "Garcia", "Horvat", "Ivanov", "Janssen", "Keller",
    "Lopez", "Moreau", "Novak", "Okafor", "Pereira",
];
/// Cities with their country.
const CITIES: [&str; 12] = [
    "Vienna/AT",
    "Graz/AT",
    "Berlin/DE",
    "Hamburg/DE",
    "Munich/DE",
    "Lyon/FR",
    "Paris/FR",
    "London/GB",
    "Leeds/GB",
    "Boston/US",
    "Denver/US",
    "Austin/US",
];

/// The life of one customer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Customer {
    pub(super) registered: Moment,
    promoted: Moment,
    moved: Moment,
    deleted: Moment,
}

impl Customer {
    /// Whether the customer is known at a moment.
    pub(super) fn exists(&self, as_of: Moment) -> bool {
        self.registered <= as_of && as_of < self.deleted
    }

    /// When the customer's row last changed; `None` while there is none.
    pub(super) fn updated(&self, as_of: Moment) -> Option<Moment> {
        let changes = [self.registered, self.promoted, self.moved];
        self.exists(as_of).then(|| changes.into_iter().filter(|at| *at <= as_of).max().unwrap_or(self.registered))
    }
}

/// Makes `count` customers: a third registers in the first hour, the rest over all the days.
pub(super) fn make(seed: u64, count: u32, span_days: u32) -> Vec<Customer> {
    let early = (count / 3).max(1);
    let span = u64::from(span_days) * u64::from(DAY);
    let mut customers = Vec::new();
    for number in 1..=count {
        let mut random = Random::of(seed, KIND, number);
        let place = u64::from(number - 1);
        let registered = if number <= early {
            place * u64::from(HOUR) / u64::from(early)
        } else {
            let later = u64::from(number - early);
            u64::from(HOUR) + later * (span - u64::from(HOUR)) / u64::from(count - early + 1)
        };
        let registered = Moment::try_from(registered).unwrap_or(NEVER - 1);
        let mut after = |per_mille: u32, from_days: u32, until_days: u32| {
            let wait = random.between(from_days * DAY, until_days * DAY);
            if random.chance(per_mille) { registered.saturating_add(wait) } else { NEVER }
        };
        let promoted = after(400, 2, 40);
        let moved = after(150, 5, 50);
        let deleted = after(30, 10, 60);
        customers.push(Customer { registered, promoted, moved, deleted });
    }
    customers
}

/// A customer who exists at `at`, as far as a few tries find one; the first one otherwise.
pub(super) fn choose(random: &mut Random, customers: &[Customer], at: Moment) -> u32 {
    let known = customers.partition_point(|customer| customer.registered <= at);
    let known = u32::try_from(known).unwrap_or(u32::MAX).max(1);
    for _try in 0..8 {
        let number = random.below(known) + 1;
        let exists = super::place_of(number).and_then(|place| customers.get(place)).is_some_and(|c| c.exists(at));
        if exists {
            return number;
        }
    }
    1
}

#[derive(Serialize)]
struct CustomerRow {
    id: String,
    name: String,
    email: Option<String>,
    city: &'static str,
    country: &'static str,
    segment: Option<&'static str>,
    created_at: String,
    updated_at: String,
}

/// The customer's row as of a moment.
pub(super) fn render(world: &World, number: u32, customer: &Customer, as_of: Moment) -> String {
    let mut random = Random::of(world.seed, KIND + 100, number);
    let (first, last) = (random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
    let has_email = !random.chance(40);
    let (first_home, second_home) = (random.pick(&CITIES), random.pick(&CITIES));
    let home = if customer.moved <= as_of { second_home } else { first_home };
    let (city, country) = home.split_once('/').unwrap_or((home, ""));
    let is_vip = random.chance(200);
    let segment = match (customer.promoted <= as_of, is_vip) {
        (true, true) => Some("vip"),
        (true, false) => Some("regular"),
        (false, _) => None,
    };
    let updated = customer.updated(as_of).unwrap_or(customer.registered);
    to_json(&CustomerRow {
        id: Collection::Customers.id(number),
        name: format!("{first} {last}"),
        email: has_email.then(|| format!("{}.{}.{number}@example.com", first.to_lowercase(), last.to_lowercase())),
        city,
        country,
        segment,
        created_at: world.timestamp(customer.registered),
        updated_at: world.timestamp(updated),
    })
}

/// The currency that a customer pays in, by where the customer lived first.
pub(super) fn currency(seed: u64, number: u32) -> &'static str {
    let mut random = Random::of(seed, KIND + 100, number);
    random.pick(&FIRST_NAMES);
    random.pick(&LAST_NAMES);
    random.chance(40);
    let home = random.pick(&CITIES);
    match home.split_once('/') {
        Some((_, "GB")) => "GBP",
        Some((_, "US")) => "USD",
        _ => "EUR",
    }
}
