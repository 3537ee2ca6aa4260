//! Properties of the made world that readers and tests of readers rely on.

use super::*;

fn world() -> World {
    let opens = DateTime::from_timestamp(1_740_787_200, 0).unwrap();
    World::new(7, opens, WorldSize { orders: 5_000, days: 20, days_ahead: 5 })
}

#[test]
fn rows_are_in_the_order_of_their_time() {
    let world = world();
    assert!(world.orders.is_sorted_by_key(|order| order.placed));
    assert!(world.events.is_sorted_by_key(|event| event.at));
    assert!(world.customers.is_sorted_by_key(|customer| customer.registered));
    assert!(world.ticket_changes.is_sorted_by_key(|change| change.at));
    assert_eq!(world.orders.len(), 6_250);
    let first_days = world.orders.iter().filter(|order| order.placed < 20 * DAY).count();
    assert!((4_990..=5_010).contains(&first_days), "{first_days}");
}

#[test]
fn an_order_never_changes_after_it_settled() {
    let world = world();
    for (number, order) in (1_u32..).zip(&world.orders) {
        let settled = order.placed + order::SETTLED_AFTER;
        assert_eq!(order.exists(settled), order.exists(NEVER - 1));
        assert_eq!(order::render(&world, number, order, settled), order::render(&world, number, order, NEVER - 1));
    }
}

#[test]
fn every_kind_of_change_happens() {
    let world = world();
    let count = |holds: fn(&Order) -> bool| world.orders.iter().filter(|order| holds(order)).count();
    assert!(count(|order| order.shortened != NEVER) > 20);
    assert!(count(|order| !order.exists(NEVER - 1)) > 5);
    assert!(count(|order| order.returned != NEVER) > 100);
    assert!(world.customers.iter().any(|customer| !customer.exists(NEVER - 1)));
    assert!(world.ticket_changes.iter().any(|change| change.operation == Operation::Delete));
    assert!(world.events.iter().any(|event| event.seen > event.at));
}

#[test]
fn candidates_hold_every_row_of_a_range() {
    let world = world();
    let as_of = 12 * DAY + 345;
    for collection in [Collection::Events, Collection::Orders, Collection::Payments, Collection::Customers] {
        for (from, until) in [(0, i64::from(DAY)), (5 * 86_400, 5 * 86_400 + 3_600), (0, i64::MAX)] {
            let inside = |number: &u32| {
                let time = world.time_of(collection, *number, as_of);
                time.is_some_and(|time| (from..until).contains(&i64::from(time)))
            };
            let all: Vec<u32> = (1..=world.count(collection)).filter(inside).collect();
            let found: Vec<u32> = world.candidates(collection, from, until).filter(inside).collect();
            assert_eq!(found, all, "{collection} from {from} until {until}");
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let (one, two) = (world(), world());
    for collection in Collection::ALL {
        for number in (1..=one.count(collection)).step_by(97) {
            assert_eq!(one.render(collection, number, 9 * DAY), two.render(collection, number, 9 * DAY));
        }
    }
}

#[test]
fn a_payment_is_the_price_of_the_lines() {
    let world = world();
    let order: serde_json::Value =
        serde_json::from_str(&world.render(Collection::Orders, 40, 9 * DAY).unwrap()).unwrap();
    let payment: serde_json::Value =
        serde_json::from_str(&world.render(Collection::Payments, 40, 9 * DAY).unwrap()).unwrap();
    let minor = order["total_minor"].as_i64().unwrap();
    assert_eq!(payment["amount"].as_str().unwrap(), format!("{}.{:02}", minor / 100, minor % 100));
    let lines: i64 = order["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["quantity"].as_i64().unwrap() * l["price_minor"].as_i64().unwrap())
        .sum();
    assert_eq!(lines, minor);
}
