//! Cleaning up: the same answers from fewer files, nothing owed afterwards, and a kill anywhere in between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use headwater::sandbox::{Collection, Edit};
use headwater_lake::steps::Step;
use serde_json::{Value, json};

use crate::harness::{Oracle, Project, Server, object, receipts, strangers, walk};

/// Every row of every cleansed and curated table, without what a reading of the same rows may say otherwise.
fn rows(project: &Project) -> BTreeMap<String, Vec<String>> {
    let mut tables = BTreeMap::new();
    for zone in ["cleansed", "curated"] {
        let entries = project.run(&["catalog", "list", "--zone", zone, "-o", "json"]).ends_with(0).json();
        for entry in entries.as_array().unwrap() {
            let name = entry["dataset"]["table"].as_str().unwrap().to_owned();
            // A star that is built again says when; its rows and keys stay.
            let is_kept = |column: &str| zone == "cleansed" || !column.starts_with('_');
            let text = |row: &serde_json::Map<String, Value>| {
                let fields = row.iter().filter(|(column, _)| is_kept(column));
                fields.map(|(column, value)| format!("{column}={value}")).collect::<Vec<_>>().join(" ")
            };
            let mut rows: Vec<String> = project.query(&format!("select * from {name}")).iter().map(text).collect();
            rows.sort_unstable();
            tables.insert(name, rows);
        }
    }
    tables
}

#[track_caller]
fn same(before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) {
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (table, rows) in before {
        let found = &after[table];
        let different = rows.iter().zip(found).find(|(one, other)| one != other);
        assert!(rows == found, "{table}: {} rows before, {} after; {different:#?}", rows.len(), found.len());
    }
}

/// Data files in the folder of a cleansed table.
fn files(project: &Project, table: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(&project.zone("cleansed").join("shop").join(table), &mut |path| {
        if !path.components().any(|part| part.as_os_str() == "_delta_log") {
            files.push(path.to_owned());
        }
    });
    files
}

fn maintain(project: &Project, server: &Server, more: &[&str]) -> Value {
    project.at_the_time_of(server).run(&[&["maintain", "-o", "json"], more].concat()).ends_with(0).json()
}

/// The entry of a list whose table has this name.
fn of<'a>(report: &'a Value, list: &str, table: &str) -> &'a Value {
    let found = report[list].as_array().unwrap().iter().find(|one| one["table"] == table);
    found.unwrap_or_else(|| panic!("{table} is not in `{list}` of {report:#}"))
}

/// Copies an attempt's parts under another attempt's name: what a runner leaves that lost its generation.
fn leave_parts(project: &Project) -> PathBuf {
    let receipt = receipts(project, "events").into_values().next().unwrap().remove(0);
    let part = project.zone("raw").join(receipt.0["parts"][0]["path"].as_str().unwrap());
    let folder = part.parent().unwrap().parent().unwrap().join(format!("01JNA{:021}", 7));
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..3 {
        std::fs::copy(&part, folder.join(format!("part-{number:05}.parquet"))).unwrap();
    }
    folder
}

fn is_empty(folder: &Path) -> bool {
    let mut count = 0;
    walk(folder, &mut |_| count += 1);
    count == 0
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let left = leave_parts(&project);
    let before = project.files("lake");
    let report = maintain(&project, &server, &["--dry-run"]);
    assert_eq!(project.files("lake"), before);
    assert_eq!(of(&report, "compacted", "shop/events")["files"], 5, "{report:#}");
    assert_eq!(report["parts"][0]["swept"]["files"], 3);
    assert!(!is_empty(&left));
    let ran = project.at_the_time_of(&server).run(&["maintain", "--dry-run"]).ends_with(0);
    ran.says("put together").says("cleansed.shop.events").says("raw.shop.events").says("dry run");
    project.run(&["maintain", "cleansed.shop.nothing"]).ends_with(78).says("cleansed.shop.events");
}

#[test]
fn a_maintained_lake_answers_as_before_and_owes_nothing() {
    let server = Server::start();
    let project = Project::of(&server).with_stars("shop");
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let left = leave_parts(&project);
    let before = rows(&project);
    let report = maintain(&project, &server, &[]);
    assert_eq!(of(&report, "compacted", "shop/events")["into_files"], 1, "{report:#}");
    assert!(of(&report, "compacted", "shop/payments__versions")["version"].is_i64(), "{report:#}");
    assert!(is_empty(&left), "no receipt names them: {report:#}");
    same(&before, &rows(&project));
    Oracle::new(&project, &server).agrees();
    strangers_read_the_same(&project);
    // Right after: no request, and no reading.
    let asked = server.requests();
    let landed = receipts(&project, "events");
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    assert_eq!((server.requests(), receipts(&project, "events").len()), (asked, landed.len()));
    same(&before, &rows(&project));
    assert_eq!(maintain(&project, &server, &[])["compacted"], json!([]));
    // The files that it hid are there for a week, then they go.
    let held = files(&project, "events").len();
    server.pass_hours(6 * 24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    maintain(&project, &server, &[]);
    assert!(files(&project, "events").len() >= held);
    server.pass_hours(2 * 24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let report = maintain(&project, &server, &["cleansed.shop.events"]);
    let vacuumed = &of(&report, "tables", "cleansed.shop.events")["vacuum"];
    assert_eq!(vacuumed["swept"]["files"], 5, "{report:#}");
    assert_eq!(report["tables"].as_array().unwrap().len(), 1, "only what was named: {report:#}");
    Oracle::new(&project, &server).agrees();
    strangers_read_the_same(&project);
}

/// `DuckDB` and `deltalake` count the same rows.
fn strangers_read_the_same(project: &Project) {
    for table in ["events", "payments__versions", "payments"] {
        let ours = project.value(&format!("select count(distinct id) as n from cleansed.shop.{table}"));
        let folder = project.zone("cleansed").join("shop").join(table);
        let theirs = strangers(
            &folder,
            "print(connection.execute(f'select count(distinct id) from {delta}').fetchone()[0])",
            "print(len(pc.unique(delta.to_pyarrow_table(columns=['id'])['id'])))",
        );
        for theirs in theirs.into_iter().flatten() {
            assert_eq!(theirs, ours, "{table}");
        }
    }
}

#[test]
fn a_window_of_a_compacted_file_is_read_again_like_any_other() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    server.pass_hours(5 * 24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let report = maintain(&project, &server, &[]);
    assert_eq!(of(&report, "compacted", "shop/orders")["into_files"], 1, "{report:#}");
    let orders = server.rows(Collection::Orders);
    let of_second_day = |order: &&serde_json::Map<String, Value>| {
        order["created_at"].as_str().unwrap().starts_with("2025-03-02") && order["lines"].as_array().unwrap().len() > 1
    };
    let id = orders.iter().find(of_second_day).unwrap()["id"].as_str().unwrap().to_owned();
    server.edit(Edit::RemoveLine { id: id.clone(), line_no: 1 });
    server.set(Collection::Orders, &id, json!({ "total_minor": 4_712 }));
    let row = object(json!({ "created_at": "2025-03-02T12:00:00Z", "total_minor": 4_711 }));
    let late = server.edit(Edit::Insert { collection: Collection::Orders, row }).id.unwrap();
    let range = ["--from", "2025-03-02", "--until", "2025-03-03"];
    project.at_the_time_of(&server).run(&[&["backfill", "shop.orders"][..], &range].concat()).ends_with(0);
    for (id, total) in [(id, "4712"), (late, "4711")] {
        assert_eq!(project.value(&format!("select total_minor from cleansed.shop.orders where id = '{id}'")), total);
    }
    Oracle::new(&project, &server).agrees();
    project.run(&["rebuild", "cleansed", "shop.orders"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_kill_at_any_step_of_a_maintenance_changes_no_row_and_the_next_one_goes_on() {
    let server = Server::start();
    let project = Project::of(&server);
    for _ in 0..2 {
        project.at_the_time_of(&server).run(&["run"]).ends_with(0);
        server.pass_hours(24);
    }
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    maintain(&project, &server, &[]);
    for _ in 0..8 {
        server.pass_hours(25);
        project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    }
    let left = leave_parts(&project);
    let before = rows(&project);
    let mut failures = Vec::new();
    for step in Step::MAINTENANCE {
        let killed = project.at_the_time_of(&server).kill_at(&["maintain"], step.as_str());
        let mut wrong: Vec<String> = killed.err().into_iter().collect();
        let ran = project.at_the_time_of(&server).run(&["run"]);
        if ran.code != Some(0) {
            wrong.push(format!("the next run ended with {:?}:\n{}", ran.code, ran.both()));
        }
        wrong.extend(Oracle::new(&project, &server).differences());
        eprintln!("maintenance, killed at {step}: {}", if wrong.is_empty() { "healed" } else { "wrong" });
        failures.extend(wrong.into_iter().map(|why| format!("{step}: {why}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    maintain(&project, &server, &[]);
    assert!(is_empty(&left));
    same(&before, &rows(&project));
    let again = maintain(&project, &server, &[]);
    assert_eq!([&again["compacted"], &again["tables"], &again["parts"]], [&json!([]), &json!([]), &json!([])]);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_schedule_cleans_up_once_a_day() {
    let server = Server::start();
    let project = Project::of(&server);
    let maintained = || {
        let runs = project.run(&["runs", "list", "-o", "json"]).ends_with(0).json();
        runs.as_array().unwrap().iter().filter(|run| run["command"] == "maintain").count()
    };
    project.at_the_time_of(&server).run(&["schedule", "--once"]).ends_with(0).says("put together");
    assert_eq!(maintained(), 1);
    server.pass_hours(12);
    project.at_the_time_of(&server).run(&["schedule", "--once"]).ends_with(0);
    assert_eq!(maintained(), 1);
    server.pass_hours(13);
    project.at_the_time_of(&server).run(&["schedule", "--once"]).ends_with(0);
    assert_eq!(maintained(), 2);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_sample_past_its_end_date_goes_and_others_stay() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    for (name, until) in [("short", "2025-03-08"), ("long", "2025-04-01")] {
        let create = ["explore", "create", name, "--owner", "ann", "--until", until];
        let sql = ["--sql", "select id, created_at from cleansed.shop.events"];
        project.at_the_time_of(&server).run(&[&create[..], &sql].concat()).ends_with(0);
    }
    assert_eq!(maintain(&project, &server, &[])["dropped"], json!([]));
    server.pass_hours(24);
    assert_eq!(maintain(&project, &server, &["--dry-run"])["dropped"], json!(["exploration.ann.short"]));
    assert_eq!(maintain(&project, &server, &[])["dropped"], json!(["exploration.ann.short"]));
    let listed = project.run(&["explore", "list", "-o", "json"]).ends_with(0).json();
    let names: Vec<&Value> = listed.as_array().unwrap().iter().map(|made| &made["table"]).collect();
    assert_eq!(names, [&json!("exploration.ann.long")]);
    let catalog = project.run(&["catalog", "list", "--zone", "exploration", "-o", "json"]).ends_with(0);
    assert!(!catalog.stdout.contains("short"), "{}", catalog.stdout);
}

#[test]
fn a_stream_that_the_project_forgot_keeps_its_readings_and_loses_what_never_landed() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let left = leave_parts(&project);
    // The same attempt, at a generation that nobody read.
    let reading = left.parent().unwrap().file_name().unwrap().to_str().unwrap().replace(".g1", ".g2");
    let open = left.parent().unwrap().parent().unwrap().join(reading).join(left.file_name().unwrap());
    std::fs::create_dir_all(open.parent().unwrap()).unwrap();
    std::fs::rename(&left, &open).unwrap();
    assert_eq!(maintain(&project, &server, &[])["parts"], json!([]), "somebody may still read that generation");
    let text = Project::text_of(&server, "2025-03-01", "");
    project.rewrite(&text.replace("  shop:\n", "  other:\n"));
    let report = maintain(&project, &server, &[]);
    let parts = report["parts"].as_array().unwrap().iter().find(|one| one["stream"] == "shop.events");
    let parts = parts.unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!((&parts["voided"], &parts["swept"]["files"]), (&json!(1), &json!(3)));
    assert!(is_empty(&open));
    project.rewrite(&text);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    project.run(&["rebuild", "cleansed", "shop.events"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}
