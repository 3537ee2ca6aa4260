//! Who owns the lake: a lost ledger, two runners on one ledger, a runner with a ledger of its own.

use headwater::sandbox::Collection;
use serde_json::json;

use crate::harness::{Oracle, Project, Server, finish};

fn lose_the_ledger(project: &Project) {
    for file in std::fs::read_dir(project.path(".headwater")).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("ledger") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_run_without_its_ledger_refuses_and_a_rebuild_heals() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    lose_the_ledger(&project);
    let files = project.files("lake");
    project.at_the_time_of(&server).run(&["run"]).ends_with(75).says("headwater ledger rebuild");
    assert_eq!(project.files("lake"), files, "a runner that does not own the lake writes nothing");
    project.run(&["ledger", "rebuild"]).ends_with(0);
    let asked = server.requests();
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    assert_eq!(server.requests(), asked, "the receipts know what was read");
    Oracle::new(&project, &server).agrees();
    let id = server.rows(Collection::Payments)[30]["id"].as_str().unwrap().to_owned();
    server.set(Collection::Payments, &id, json!({ "state": "failed" }));
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn two_runners_on_one_ledger_share_the_work() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server);
    let children = [project.spawn(&["run"]), project.spawn(&["run"])];
    let ran = children.map(finish);
    for one in &ran {
        // 75 says that another runner had some of the windows.
        assert!(matches!(one.code, Some(0 | 75)), "{:?}: {}", one.code, one.both());
    }
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_runner_with_a_ledger_of_its_own_is_refused() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let zones: String = ["raw", "cleansed", "curated", "exploration"]
        .map(|zone| format!("  {zone}: {}\n", project.zone(zone).display()))
        .concat();
    let text = Project::text_of(&server, "2025-03-01", "").replace("sources:\n", &format!("zones:\n{zones}sources:\n"));
    let other = Project::with(&text);
    let files = project.files("lake");
    server.pass_hours(24);
    other.at_the_time_of(&server).run(&["run"]).ends_with(75).says("headwater ledger rebuild");
    assert_eq!(project.files("lake"), files);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn an_old_backup_of_the_ledger_is_harmless() {
    let server = Server::start();
    let project = Project::of(&server);
    server.pass_hours(-48);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let backup = project.path("backup");
    copy(&project.path(".headwater"), &backup);
    server.pass_hours(48);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    std::fs::remove_dir_all(project.path(".headwater")).unwrap();
    copy(&backup, &project.path(".headwater"));
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
