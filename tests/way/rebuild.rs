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
