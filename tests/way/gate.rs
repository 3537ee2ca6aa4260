//! Records that break the contract: in quarantine with reason and bytes, and back by replay with a mended contract.

use headwater::sandbox::{Collection, Endpoint};
use serde_json::json;

use crate::harness::{Oracle, Project, Server, receipts};

const WINDOW: &str = "t_20250305T000000Z_20250306T000000Z";

/// Ids of orders of one day.
fn orders_of_the_fifth(server: &Server) -> Vec<String> {
    let rows = server.rows(Collection::Orders).into_iter();
    let rows = rows.filter(|row| row["created_at"].as_str().unwrap().starts_with("2025-03-05"));
    rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// The manifest with one more status, as a project's own connector that wins over ours.
fn mend(project: &Project) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/connectors/manifests/sandbox.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let mended = text.replace("[placed, paid, shipped,", "[placed, paid, lost, shipped,");
    assert_ne!(text, mended);
    std::fs::create_dir_all(project.path("connectors")).unwrap();
    std::fs::write(project.path("connectors/sandbox.yaml"), mended).unwrap();
}

#[test]
fn a_record_that_breaks_the_contract_is_quarantined_and_comes_back_by_replay() {
    let server = Server::start();
    let project = Project::of(&server);
    let broken = orders_of_the_fifth(&server)[7].clone();
    server.set(Collection::Orders, &broken, json!({ "status": "lost" }));
    let ran = project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    ran.says("quarantin");
    Oracle::new(&project, &server).refusing(&broken).agrees();
    let shown = project.run(&["quarantine", "show", "shop.orders", WINDOW]).ends_with(0);
    shown.says("status").says(&broken).says("lost");

    mend(&project);
    let asked = server.requests();
    project.at_the_time_of(&server).run(&["quarantine", "replay", "shop.orders", WINDOW]).ends_with(0);
    assert_eq!(server.requests(), asked, "a replay sends no request");
    let generations = &receipts(&project, "orders")[WINDOW];
    let last = generations.last().unwrap();
    assert_eq!((last.generation(), last.0["reason"].as_str(), last.count("quarantined")), (2, Some("replay"), 0));
    assert_eq!(last.read_at(), generations[0].read_at(), "a replay read nothing later");
    Oracle::new(&project, &server).agrees();
    // The window's lookback has not passed, so it is read again in its time, under the mended contract.
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_window_with_too_many_broken_records_is_held_and_a_replay_releases_it() {
    let server = Server::start();
    let project = Project::of(&server);
    let all = orders_of_the_fifth(&server);
    for id in all.iter().step_by(20) {
        server.set(Collection::Orders, id, json!({ "status": "lost" }));
    }
    project.at_the_time_of(&server).run(&["run"]).ends_with(4).says("held");
    assert!(receipts(&project, "orders")[WINDOW].last().unwrap().is_held());
    let count = format!("select count(*) as orders from cleansed.shop.orders where _window = '{WINDOW}'");
    assert_eq!(project.value(&count), "0", "nothing of a held reading is visible");
    mend(&project);
    let asked = server.requests();
    project.at_the_time_of(&server).run(&["quarantine", "replay", "shop.orders", WINDOW]).ends_with(0);
    assert_eq!(server.requests(), asked);
    assert_eq!(project.value(&count), all.len().to_string());
    Oracle::new(&project, &server).agrees();
}

#[test]
fn strict_says_4_for_a_single_record() {
    let server = Server::start();
    let project = Project::of(&server);
    let broken = orders_of_the_fifth(&server)[7].clone();
    server.set(Collection::Orders, &broken, json!({ "status": "lost" }));
    project.at_the_time_of(&server).run(&["run", "--strict"]).ends_with(4);
}

#[test]
fn an_unknown_field_and_a_misfit_are_rescued_and_not_lost() {
    let server = Server::start();
    let project = Project::of(&server);
    let payments = server.rows(Collection::Payments);
    let id = payments[20]["id"].as_str().unwrap().to_owned();
    server.set(Collection::Payments, &id, json!({ "note": "by hand" }));
    let customer = server.rows(Collection::Customers)[4]["id"].as_str().unwrap().to_owned();
    server.set(Collection::Customers, &customer, json!({ "city": 17 }));
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let rescued = project.value(&format!("select _rescued from cleansed.shop.payments where id = '{id}'"));
    assert!(rescued.contains("note") && rescued.contains("by hand"), "{rescued}");
    let row = &project.query(&format!("select city, _rescued from cleansed.shop.customers where id = '{customer}'"))[0];
    assert!(row["city"].is_null() && row["_rescued"].as_str().unwrap().contains("17"), "{row:?}");
    assert!(server.shop().request_counts()[&Endpoint::Payments] > 0);
}

/// The manifest without the lines of orders, as a project's own connector that wins over ours.
fn without_lines(project: &Project) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/connectors/manifests/sandbox.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once("    unnest:\n      order_lines:\n").unwrap();
    let (_, tail) = rest.split_once("\n\n").unwrap();
    std::fs::create_dir_all(project.path("connectors")).unwrap();
    std::fs::write(project.path("connectors/sandbox.yaml"), format!("{head}\n{tail}")).unwrap();
}

#[test]
fn a_child_table_that_is_declared_later_is_filled_without_a_request() {
    let server = Server::start();
    let project = Project::of(&server);
    without_lines(&project);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    assert!(!project.zone("cleansed/shop/order_lines").exists());
    std::fs::remove_file(project.path("connectors/sandbox.yaml")).unwrap();
    let asked = server.requests();
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    assert_eq!(server.requests(), asked, "raw has the lines");
    let lines = project.value("select count(*) as lines from cleansed.shop.order_lines");
    assert!(lines.parse::<u64>().unwrap() > 100, "{lines}");
    project.at_the_time_of(&server).run(&["run"]).ends_with(0).says("nothing");
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    project.at_the_time_of(&server).run(&["status"]).ends_with(0);
}

#[test]
fn rows_that_move_in_a_stream_that_says_they_do_not_are_warned_of() {
    let server = Server::start();
    let project = Project::of(&server);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/connectors/manifests/sandbox.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, payments) = text.split_once("  payments:\n").unwrap();
    let wrong = format!("{head}  payments:\n{}", payments.replacen("kind: mutable", "kind: restating", 1));
    std::fs::create_dir_all(project.path("connectors")).unwrap();
    std::fs::write(project.path("connectors/sandbox.yaml"), wrong).unwrap();
    let first = project.at_the_time_of(&server).run(&["run", "--strict"]).ends_with(0);
    assert!(!first.both().contains("held by more than one window"), "{}", first.both());
    let id = server.rows(Collection::Payments)[20]["id"].as_str().unwrap().to_owned();
    server.set(Collection::Payments, &id, json!({ "state": "refunded" }));
    server.pass_hours(24);
    let said = "held by more than one window";
    project.at_the_time_of(&server).run(&["run"]).ends_with(0).says("shop.payments warns: ").says(said);
    // It is said again as long as it is so, and an error to who asked for one.
    project.at_the_time_of(&server).run(&["run"]).ends_with(0).says(said);
    project.at_the_time_of(&server).run(&["run", "--strict"]).ends_with(4);
    project.at_the_time_of(&server).run(&["status"]).ends_with(0).says(said);
}

#[test]
fn status_warns_when_the_vendor_ends_the_version_that_a_manifest_is_written_for() {
    let server = Server::start();
    let project = Project::of(&server);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/connectors/manifests/sandbox.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::create_dir_all(project.path("connectors")).unwrap();
    let today = server.now().date_naive();
    for (days, says) in [(-1, "ended on"), (30, "in 30 days"), (200, "")] {
        let end = today + chrono::TimeDelta::days(days);
        let api =
            format!("docs: src/sandbox/mod.rs\napi: {{ version: v1, sunset: {end}, source: src/sandbox/mod.rs }}");
        std::fs::write(project.path("connectors/sandbox.yaml"), text.replacen("docs: src/sandbox/mod.rs", &api, 1))
            .unwrap();
        let status = project.at_the_time_of(&server).run(&["status"]).ends_with(0);
        assert_eq!(
            status.stdout.matches("version v1 of the API").count(),
            usize::from(!says.is_empty()),
            "{}",
            status.stdout
        );
        assert!(status.stdout.contains(says), "{}", status.stdout);
    }
}
