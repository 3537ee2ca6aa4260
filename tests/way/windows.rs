//! What the source changes after a window was read, and what a re-read then finds.

use headwater::sandbox::{Collection, Edit};
use serde_json::{Value, json};

use crate::harness::{Oracle, Project, Receipt, Server, object, receipts};

/// A shop and a project that has read it once.
fn loaded() -> (Server, Project) {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
    (server, project)
}

fn latest(project: &Project, stream: &str, window: &str) -> Receipt {
    receipts(project, stream)[window].last().unwrap().clone()
}

/// The window of a day.
fn day(of_march: u32) -> String {
    format!("t_202503{of_march:02}T000000Z_202503{:02}T000000Z", of_march + 1)
}

#[test]
fn a_second_run_right_after_asks_nothing_writes_nothing_and_says_so() {
    let (server, project) = loaded();
    let (requests, files) = (server.requests(), project.files("lake"));
    let ran = project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    assert_eq!(server.requests(), requests, "{}", ran.both());
    assert_eq!(project.files("lake"), files);
    ran.says("nothing");
}

#[test]
fn a_row_that_moves_to_a_later_window_shows_once_also_after_the_earlier_is_read_again() {
    let (server, project) = loaded();
    let old = server.rows(Collection::Payments).into_iter().find(|row| row["state"] == "captured").unwrap();
    let id = old["id"].as_str().unwrap().to_owned();
    server.set(Collection::Payments, &id, json!({ "state": "refunded" }));
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
    let state = format!("select state from cleansed.shop.payments where id = '{id}'");
    assert_eq!(project.value(&state), "refunded");
    let range = ["--from", "2025-03-01", "--until", "2025-03-04"];
    project.at_the_time_of(&server).run(&[&["backfill", "shop.payments"][..], &range].concat()).ends_with(0);
    Oracle::new(&project, &server).agrees();
    assert_eq!(project.value(&state), "refunded", "the earlier window no longer has the row, and takes nothing away");
    let versions = project.query(&format!("select state from cleansed.shop.payments__versions where id = '{id}'"));
    assert!(versions.len() >= 2, "every version stays: {versions:?}");
}

#[test]
fn an_order_that_loses_a_line_loses_it_here_too() {
    let (server, project) = loaded();
    let orders = server.rows(Collection::Orders);
    let young = |order: &&serde_json::Map<String, Value>| order["created_at"].as_str().unwrap() > "2025-03-06";
    let order = orders.iter().filter(young).find(|order| order["lines"].as_array().unwrap().len() > 1).unwrap();
    let id = order["id"].as_str().unwrap().to_owned();
    let count = format!("select count(*) as lines from cleansed.shop.order_lines where order_id = '{id}'");
    let lines = order["lines"].as_array().unwrap().len();
    assert_eq!(project.value(&count), lines.to_string());
    server.edit(Edit::RemoveLine { id, line_no: 1 });
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    assert_eq!(project.value(&count), (lines - 1).to_string());
    Oracle::new(&project, &server).agrees();
}

#[test]
fn an_unchanged_reading_names_the_one_before_and_brings_no_parts() {
    let (server, project) = loaded();
    let range = ["--from", "2025-03-02", "--until", "2025-03-04"];
    project.at_the_time_of(&server).run(&[&["backfill", "shop.events"][..], &range].concat()).ends_with(0);
    for window in [day(2), day(3)] {
        let receipt = latest(&project, "events", &window);
        assert_eq!((receipt.generation(), receipt.same_as()), (2, Some(1)), "{window}");
        assert_eq!(receipt.0["parts"], json!([]));
    }
    assert_eq!(receipts(&project, "events")[&day(4)].len(), 1, "only the range is read again");
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_reading_that_lost_a_little_is_taken() {
    let (server, project) = loaded();
    server.hide(Collection::Orders, "2025-03-06T00:00:00Z", "2025-03-07T00:00:00Z", 8);
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let receipt = latest(&project, "orders", &day(6));
    assert!(receipt.is_passed() && receipt.generation() == 2, "{:?}", receipt.0);
    Oracle::new(&project, &server).agrees();
}

/// A re-read that lost `percent` of a day is held; the rows of before stay until the next reading is whole again.
fn is_held(percent: u8) {
    let (server, project) = loaded();
    server.hide(Collection::Orders, "2025-03-06T00:00:00Z", "2025-03-07T00:00:00Z", percent);
    server.pass_hours(24);
    let ran = project.at_the_time_of(&server).run(&["run"]).ends_with(4);
    ran.says("held");
    assert!(latest(&project, "orders", &day(6)).is_held());
    Oracle::new(&project, &server).agrees();
    project.at_the_time_of(&server).run(&["status"]).says(&day(6)).says("held");
    project.run(&["quarantine", "list"]).ends_with(0).says(&day(6));
    server.edit(Edit::Show { collection: Collection::Orders });
    server.pass_hours(2);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let receipt = latest(&project, "orders", &day(6));
    assert!(receipt.is_passed() && receipt.generation() == 3, "{:?}", receipt.0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_reading_that_lost_much_is_held() {
    is_held(60);
}

#[test]
fn an_empty_reading_is_held() {
    is_held(100);
}

#[test]
fn a_held_window_that_a_person_accepts_shows_what_was_read() {
    let (server, project) = loaded();
    server.hide(Collection::Orders, "2025-03-06T00:00:00Z", "2025-03-07T00:00:00Z", 60);
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(4);
    let requests = server.requests();
    project.run(&["quarantine", "accept", "shop.orders", &day(6)]).ends_with(0);
    assert_eq!(server.requests(), requests, "the bytes are there already");
    let receipt = latest(&project, "orders", &day(6));
    assert_eq!((receipt.is_passed(), receipt.0["reason"].as_str()), (true, Some("accept")));
    let of_the_day = format!("select count(*) as orders from cleansed.shop.orders where _window = '{}'", day(6));
    let shown = project.value(&of_the_day);
    assert_eq!(shown, receipt.count("loaded").to_string());
    let text = server.shop().truth(
        Collection::Orders,
        Some(crate::harness::at("2025-03-06T00:00:00Z")),
        Some(crate::harness::at("2025-03-07T00:00:00Z")),
        None,
    );
    assert_eq!(shown, text.lines().count().to_string(), "what the shop still shows, and no more");
}

#[test]
fn a_first_reading_that_is_unexpectedly_empty_is_held() {
    let server = Server::start();
    let project = Project::of(&server);
    server.pass_hours(-24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    server.hide(Collection::Events, "2025-03-06T00:00:00Z", "2025-03-07T00:00:00Z", 100);
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(4).says("held");
    assert!(latest(&project, "events", &day(6)).is_held());
    server.edit(Edit::Show { collection: Collection::Events });
    server.pass_hours(2);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_deleted_customer_is_flagged_and_a_deleted_ticket_too() {
    let (server, project) = loaded();
    let customer = server.rows(Collection::Customers)[3]["id"].as_str().unwrap().to_owned();
    let ticket = server.rows(Collection::Tickets)[3]["id"].as_str().unwrap().to_owned();
    server.edit(Edit::Delete { collection: Collection::Customers, id: customer.clone() });
    server.edit(Edit::Delete { collection: Collection::Tickets, id: ticket.clone() });
    server.pass_hours(25);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
    for (table, id) in [("customers", customer), ("tickets", ticket)] {
        let row = project.query(&format!("select id, _deleted_at from cleansed.shop.{table} where id = '{id}'"));
        assert_eq!(row.len(), 1, "{table} keeps the row");
        assert!(!row[0]["_deleted_at"].is_null(), "{table}: {row:?}");
    }
}

#[test]
fn a_late_row_comes_with_the_next_reading_of_its_window() {
    let (server, project) = loaded();
    let row = object(json!({ "created_at": "2025-03-06T12:00:00Z", "total_minor": 4_711 }));
    let late = server.edit(Edit::Insert { collection: Collection::Orders, row }).id.unwrap();
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let total = project.value(&format!("select total_minor from cleansed.shop.orders where id = '{late}'"));
    assert_eq!(total, "4711");
    Oracle::new(&project, &server).agrees();
}

#[test]
fn another_length_shapes_only_what_has_no_receipt() {
    let server = Server::start();
    let project = Project::with(&Project::text_of(&server, "2025-03-04", ""));
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let before = receipts(&project, "orders");
    let longer = "    overrides:\n      orders: { length: 3 days }\n      payments: { length: 2 days }\n";
    project.rewrite(&Project::text_of(&server, "2025-03-01", longer));
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let after = receipts(&project, "orders");
    for (window, generations) in &before {
        assert_eq!(after[window].len(), generations.len(), "{window} was not due");
    }
    assert!(after.contains_key("t_20250301T000000Z_20250304T000000Z"), "{:?}", after.keys());
    Oracle::new(&project, &server).agrees();
}

#[test]
fn an_earlier_start_reads_only_what_is_missing() {
    let server = Server::start();
    let project = Project::with(&Project::text_of(&server, "2025-03-03", ""));
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let seen = server.shop().recent_requests().len();
    project.rewrite(&Project::text_of(&server, "2025-03-01", ""));
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let requests = server.shop().recent_requests();
    let new = &requests[seen..];
    assert!(!new.is_empty());
    for request in new {
        let from =
            request.query.split('&').find(|part| part.contains("_from=")).unwrap_or_else(|| panic!("{request:?}"));
        assert!(from.contains("2025-03-01") || from.contains("2025-03-02"), "{request:?} was there already");
    }
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_week_of_downtime_is_caught_up_in_one_run() {
    let (server, project) = loaded();
    server.pass_hours(7 * 24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_reading_that_landed_behind_the_ledgers_back_is_shown_without_a_request_though_nothing_is_due() {
    let (server, project) = loaded();
    server.hide(Collection::Orders, "2025-03-06T00:00:00Z", "2025-03-07T00:00:00Z", 60);
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(4);
    // What a `quarantine accept` leaves that is killed right after it created its receipt.
    let held = latest(&project, "orders", &day(6));
    let mut accepted = held.0.clone();
    let generation = held.generation() + 1;
    accepted["generation"] = json!(generation);
    accepted["reason"] = json!("accept");
    accepted["verdict"] = json!("passed");
    accepted["parts_of"] = held.0["attempt"].clone();
    accepted["attempt"] = json!("01JNZZZZZZZZZZZZZZZZZZZZZZ");
    let folder = project.zone("raw").join("shop/orders/_receipts").join(day(6));
    std::fs::write(folder.join(format!("g{generation}.json")), accepted.to_string()).unwrap();
    let asked = server.requests();
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    assert_eq!(server.requests(), asked, "the reading is there already");
    let of_the_day = format!("select count(*) as orders from cleansed.shop.orders where _window = '{}'", day(6));
    assert_eq!(project.value(&of_the_day), held.count("loaded").to_string());
    project.at_the_time_of(&server).run(&["run"]).ends_with(0).says("nothing");
}

#[test]
fn a_window_that_was_asked_for_again_and_landed_is_not_read_once_more() {
    let (server, project) = loaded();
    let range = ["--from", "2025-03-02", "--until", "2025-03-05"];
    let backfill = [&["backfill", "shop.events"][..], &range].concat();
    project.at_the_time_of(&server).kill_at(&backfill, "landed").unwrap();
    let landed = receipts(&project, "events").values().flatten().filter(|receipt| receipt.generation() == 2).count();
    assert!(landed > 0);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let readings = receipts(&project, "events");
    for of_march in 2..5 {
        assert_eq!(readings[&day(of_march)].len(), 2, "each day of the range is read again once");
    }
    project.at_the_time_of(&server).run(&["run"]).ends_with(0).says("nothing");
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_window_that_is_too_large_is_split_before_it_is_read_and_never_after() {
    let server = Server::start();
    let limits =
        |records: u32| Project::text_of(&server, "2025-03-01", "") + &format!("limits:\n  window_records: {records}\n");
    let project = Project::with(&limits(120));
    let ran = project.at_the_time_of(&server).run(&["run"]).ends_with(0).says("split");
    Oracle::new(&project, &server).agrees();
    let before = receipts(&project, "orders");
    assert!(before.len() > 6, "{:?}", before.keys());
    for receipt in before.values().flatten() {
        assert!(receipt.count("received") <= 120, "{:?}", receipt.0);
    }
    drop(ran);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0).says("nothing");
    // A smaller bound changes nothing for what was read: the pieces are read again under their receipts.
    project.rewrite(&limits(10));
    let backfill = ["backfill", "shop.orders", "--from", "2025-03-01", "--until", "2025-03-07"];
    project.at_the_time_of(&server).run(&backfill).ends_with(0);
    let after = receipts(&project, "orders");
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(after.values().all(|generations| generations.len() == 2));
    Oracle::new(&project, &server).agrees();
}

/// What `status` says of a stream.
fn status_of(project: &Project, stream: &str) -> Value {
    let all = project.run(&["status", "-o", "json"]).ends_with(0).json();
    all.as_array().unwrap().iter().find(|status| status["stream"] == stream).unwrap().clone()
}

#[test]
fn finished_windows_are_folded_and_come_back_when_they_are_asked_for() {
    let (server, project) = loaded();
    server.pass_hours(5 * 24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    server.pass_hours(48);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    for stream in ["orders", "payments"] {
        let status = status_of(&project, &format!("shop.{stream}"));
        let shown = receipts(&project, stream).len();
        assert!(status["finished_windows"].as_u64().unwrap() >= 6, "{status}");
        assert_eq!(status["visible_windows"], json!(shown), "{status}");
        assert_eq!(status["reconciled_windows"], json!(shown), "{status}");
    }
    Oracle::new(&project, &server).agrees();
    let asked = server.requests();
    project.at_the_time_of(&server).run(&["run"]).ends_with(0).says("nothing");
    assert_eq!(server.requests(), asked);
    let id = server.rows(Collection::Orders)[3]["id"].as_str().unwrap().to_owned();
    server.set(Collection::Orders, &id, json!({ "total_minor": 4_712 }));
    let range = ["--from", "2025-03-01", "--until", "2025-03-03"];
    project.at_the_time_of(&server).run(&[&["backfill", "shop.orders"][..], &range].concat()).ends_with(0);
    let readings = receipts(&project, "orders");
    let first = readings[&day(1)].last().unwrap();
    assert_eq!(first.0["reason"], json!("resync"));
    Oracle::new(&project, &server).agrees();
    assert_eq!(status_of(&project, "shop.orders")["visible_windows"], json!(readings.len()));
    project.at_the_time_of(&server).run(&["run"]).ends_with(0).says("nothing");
    // A lost ledger knows nothing of intervals; what it makes says the same.
    for file in std::fs::read_dir(project.path(".headwater")).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("ledger") {
            std::fs::remove_file(path).unwrap();
        }
    }
    project.run(&["ledger", "rebuild"]).ends_with(0);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    assert_eq!(receipts(&project, "orders").len(), readings.len(), "what was read is known");
    Oracle::new(&project, &server).agrees();
}
