//! Who may ask what, exit codes, dry runs, and the demo.

use headwater::sandbox::{Fault, FaultKind};

use crate::harness::{Project, Server, walk};

fn loaded() -> (Server, Project) {
    let server = Server::start();
    let project = Project::of(&server).with_stars("shop");
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    (server, project)
}

#[test]
fn a_role_reads_its_zones_and_no_other() {
    let (_server, project) = loaded();
    let tables = project.run(&["catalog", "list", "--zone", "curated", "-o", "json"]).ends_with(0).json();
    let curated = tables[0]["dataset"]["table"].as_str().unwrap().to_owned();
    let cases = [
        ("data_engineer", "cleansed.shop.orders", true),
        ("data_engineer", curated.as_str(), true),
        ("data_scientist", "cleansed.shop.orders", true),
        ("data_scientist", curated.as_str(), true),
        ("analyst", "cleansed.shop.orders", false),
        ("analyst", curated.as_str(), true),
        ("business", "cleansed.shop.orders", false),
        ("business", curated.as_str(), false),
    ];
    for (role, table, is_allowed) in cases {
        let ran = project.run(&["query", &format!("select count(*) as n from {table}"), "--as", role]);
        let expected = if is_allowed { Some(0) } else { Some(77) };
        assert_eq!(ran.code, expected, "{role} and {table}: {}", ran.both());
        if !is_allowed {
            assert!(ran.stdout.is_empty() && ran.stderr.contains(table), "{}", ran.both());
        }
    }
}

#[test]
fn each_decision_is_in_the_audit_log_also_the_denied_one() {
    let (_server, project) = loaded();
    project.run(&["query", "select count(*) as n from cleansed.shop.events", "--as", "analyst"]).ends_with(77);
    project.run(&["query", "select count(*) as n from cleansed.shop.events"]).ends_with(0);
    let mut logs = Vec::new();
    walk(&project.path(".headwater"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            logs.push(std::fs::read_to_string(path).unwrap());
        }
    });
    let lines = logs.concat();
    let lines = lines
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines: Vec<_> = lines.filter(|line| line["table"] == "cleansed.shop.events").collect();
    let [.., denied, allowed] = lines.as_slice() else { panic!("{logs:?}") };
    assert_eq!((denied["allowed"].as_bool(), denied["role"].as_str()), (Some(false), Some("analyst")));
    assert_eq!((allowed["allowed"].as_bool(), allowed["role"].as_str()), (Some(true), Some("data_engineer")));
    assert!(allowed["what"].as_str().unwrap().contains("select count(*)"), "{allowed}");
}

#[test]
fn a_role_only_narrows_and_a_stranger_reads_nothing() {
    let (server, project) = loaded();
    let as_user = |user: &str, role: &str| {
        let text = Project::text_of(&server, "2025-03-01", "");
        project.rewrite(&text.replace("\"*\": data_engineer", &format!("\"{user}\": {role}")));
    };
    as_user("*", "analyst");
    let ask = ["query", "select count(*) as n from cleansed.shop.orders"];
    project.run(&ask).ends_with(77);
    project.run(&[&ask[..], &["--as", "data_engineer"]].concat()).ends_with(77);
    as_user("nobody-of-this-name", "data_engineer");
    project.run(&ask).ends_with(77);
}

#[test]
fn a_dry_run_and_a_plan_write_nothing() {
    let server = Server::start();
    let project = Project::of(&server);
    let files = project.files(".");
    project.at_the_time_of(&server).run(&["run", "--dry-run"]).ends_with(0).says("shop.orders");
    assert_eq!(project.files("."), files, "before the first run");
    project.at_the_time_of(&server).run(&["plan"]).ends_with(0).says("shop.orders");
    assert_eq!(project.files("."), files, "a plan is as dry");
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    server.pass_hours(24);
    let files = project.files("lake");
    project.at_the_time_of(&server).run(&["run", "--dry-run"]).ends_with(0).says("shop.orders");
    assert_eq!(project.files("lake"), files, "after it");
}

#[test]
fn exit_codes_say_what_to_do_next() {
    let server = Server::start();
    let project = Project::of(&server);
    project.run(&["run", "--no-such-flag"]).ends_with(2);
    project.at_the_time_of(&server).run(&["run", "shop.parcels"]).ends_with(78).says("parcels");
    let good = Project::text_of(&server, "2025-03-01", "");
    project.rewrite(&good.replace("env:SHOP_TOKEN", "hunter2"));
    let ran = project.at_the_time_of(&server).run(&["run"]).ends_with(78);
    assert!(!ran.both().contains("hunter2"), "a secret is never printed: {}", ran.both());
    project.rewrite(&good.replace("schedule: daily", "shedule: daily"));
    project.at_the_time_of(&server).run(&["run"]).ends_with(78).says("schedule");
    project.rewrite(&good.replace(&format!("[\"127.0.0.1:{}\"]", server.port()), "[]"));
    project.at_the_time_of(&server).run(&["run"]).says("127.0.0.1");
    project.rewrite(&good);
    server.fault(Fault::lasting(None, FaultKind::Status { status: 401, retry_after: None }));
    project.at_the_time_of(&server).run(&["run"]).ends_with(77);
    server.shop().clear_faults();
    project.at_the_time_of(&server).run(&["run", "--now"]).ends_with(0);
}

#[test]
fn a_literal_secret_and_an_unset_one_are_errors() {
    let server = Server::start();
    let project = Project::of(&server);
    let good = Project::text_of(&server, "2025-03-01", "");
    project.rewrite(&good.replace("SHOP_TOKEN", "NO_SUCH_VARIABLE"));
    project.at_the_time_of(&server).run(&["run"]).ends_with(78).says("NO_SUCH_VARIABLE");
}

#[test]
fn the_demo_runs_from_nothing() {
    let empty = Project::with("");
    std::fs::remove_file(empty.path("headwater.yaml")).unwrap();
    let folder = empty.path("demo");
    let ran = empty.run(&["demo", folder.to_str().unwrap()]).ends_with(0);
    ran.says("curated");
    assert!(folder.join("lake/curated").is_dir());
}
