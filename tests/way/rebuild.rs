//! Raw with its receipts and `_state` is enough to make everything else again, without a request.

use headwater::sandbox::{Collection, Edit};
use serde_json::json;

use crate::harness::{Oracle, Project, Server};

/// The tables of a zone.
fn tables(project: &Project, zone: &str) -> Vec<String> {
    let entries = project.run(&["catalog", "list", "--zone", zone, "-o", "json"]).ends_with(0).json();
    let names = entries.as_array().unwrap().iter().map(|entry| entry["dataset"]["table"].as_str().unwrap().to_owned());
    names.collect()
}

/// Every row of these tables, without what names files.
fn rows(project: &Project, tables: &[String]) -> Vec<String> {
    let mut rows = Vec::new();
    for name in tables {
        for row in project.query(&format!("select * from {name}")) {
            let fields = row.iter().filter(|(column, _)| !matches!(column.as_str(), "_attempt" | "_landed_at"));
            let fields: Vec<String> = fields.map(|(column, value)| format!("{column}={value}")).collect();
            rows.push(format!("{name}: {}", fields.join(" ")));
        }
    }
    rows.sort_unstable();
    rows
}

#[test]
fn raw_alone_rebuilds_ledger_cleansed_and_curated_equal() {
    let server = Server::start();
    let project = Project::of(&server).with_stars("shop");
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let payment = server.rows(Collection::Payments)[12]["id"].as_str().unwrap().to_owned();
    server.set(Collection::Payments, &payment, json!({ "state": "refunded" }));
    let customer = server.rows(Collection::Customers)[9]["id"].as_str().unwrap().to_owned();
    server.edit(Edit::Delete { collection: Collection::Customers, id: customer });
    server.pass_hours(25);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let names = ["cleansed", "curated"].map(|zone| tables(&project, zone));
    let [cleansed, curated] = names.each_ref().map(|names| rows(&project, names));
    assert!(cleansed.len() > 5_000 && !curated.is_empty(), "{} and {} rows", cleansed.len(), curated.len());

    for gone in ["lake/cleansed", "lake/curated", ".headwater"] {
        std::fs::remove_dir_all(project.path(gone)).unwrap();
    }
    let asked = server.requests();
    project.run(&["ledger", "rebuild"]).ends_with(0);
    project.run(&["rebuild", "cleansed"]).ends_with(0);
    project.run(&["rebuild", "curated"]).ends_with(0);
    assert_eq!(server.requests(), asked, "a rebuild sends no request");
    same("cleansed", &cleansed, &rows(&project, &names[0]));
    same("curated", &curated, &rows(&project, &names[1]));
    assert_eq!(["cleansed", "curated"].map(|zone| tables(&project, zone)), names, "the catalog knows them again");
    Oracle::new(&project, &server).agrees();
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[track_caller]
fn same(zone: &str, before: &[String], after: &[String]) {
    let different: Vec<_> = before.iter().zip(after).filter(|(one, other)| one != other).take(3).collect();
    assert!(before == after, "{zone}: {} rows before, {} after; {different:#?}", before.len(), after.len());
}

#[test]
fn a_log_that_somebody_deleted_is_refused_by_name_until_its_table_is_rebuilt() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    for table in ["orders", "payments__versions", "customers"] {
        std::fs::remove_dir_all(project.zone("cleansed").join("shop").join(table).join("_delta_log")).unwrap();
    }
    let (asked, files) = (server.requests(), project.files("lake"));
    // Nothing is due, and what is wrong is told all the same.
    let ran = project.at_the_time_of(&server).run(&["run"]).ends_with(78);
    for stream in ["orders", "payments", "customers"] {
        assert!(ran.both().contains(&format!("headwater rebuild cleansed shop.{stream}")), "{}", ran.both());
    }
    assert_eq!(
        (server.requests(), project.files("lake")),
        (asked, files),
        "nothing is asked for, nothing begins a log"
    );
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run", "shop.orders"]).ends_with(78).says("log-gone");
    for stream in ["shop.orders", "shop.payments", "shop.customers"] {
        project.run(&["rebuild", "cleansed", stream]).ends_with(0);
    }
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

/// Takes the last change of a table back as a RESTORE does, which leaves the transactions as they are.
fn restore(project: &Project, table: &str) {
    let log = project.zone("cleansed").join("shop").join(table).join("_delta_log");
    let version = |number: usize| log.join(format!("{number:020}.json"));
    let last = (0..1_000).take_while(|number| version(*number).is_file()).last().unwrap();
    let mut undone = String::new();
    for line in std::fs::read_to_string(version(last)).unwrap().lines() {
        let action: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(added) = action.get("add") {
            let remove = json!({ "path": added["path"], "dataChange": true, "deletionTimestamp": 1 });
            undone += &format!("{}\n", json!({ "remove": remove }));
        } else if let Some(removed) = action.get("remove") {
            let add = added_before(&log, removed["path"].as_str().unwrap());
            undone += &format!("{}\n", json!({ "add": add }));
        }
    }
    assert!(!undone.is_empty());
    std::fs::write(version(last + 1), undone).unwrap();
}

/// The action that showed a file first.
fn added_before(log: &std::path::Path, path: &str) -> serde_json::Value {
    let mut commits: Vec<_> = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    commits.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    let texts = commits.iter().map(|path| std::fs::read_to_string(path).unwrap());
    let actions =
        texts.flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>());
    let added = actions.filter_map(|action: serde_json::Value| action.get("add").cloned());
    added.into_iter().find(|add| add["path"] == path).unwrap()
}

#[test]
fn a_table_that_somebody_restored_is_told_until_it_is_rebuilt() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let states = project.at_the_time_of(&server).run(&["status", "-o", "json"]).ends_with(0).json();
    for stream in states.as_array().unwrap() {
        assert_eq!(stream["reconciled_windows"], stream["visible_windows"], "{stream}");
    }
    restore(&project, "orders");
    restore(&project, "payments");
    let asked = server.requests();
    for _ in 0..2 {
        for command in ["status", "run"] {
            let ran = project.at_the_time_of(&server).run(&[command]).ends_with(4).says("rows-differ");
            for stream in ["orders", "payments"] {
                assert!(ran.both().contains(&format!("headwater rebuild cleansed shop.{stream}")), "{}", ran.both());
            }
        }
    }
    project.run(&["rebuild", "cleansed", "shop.orders", "shop.payments"]).ends_with(0);
    assert_eq!(server.requests(), asked);
    Oracle::new(&project, &server).agrees();
    project.at_the_time_of(&server).run(&["run"]).ends_with(0).says("nothing");
    project.at_the_time_of(&server).run(&["status"]).ends_with(0);
}
