//! SIGKILL from outside at every named step of the protocol, and at random moments. The next run is a new process without flags.

use std::time::{Duration, Instant};

use headwater::sandbox::{Collection, Edit};
use headwater_lake::steps::Step;
use serde_json::json;

use crate::harness::{Oracle, Project, Server, finish, object};

/// The steps of a star's build; all others, but those of a maintenance, are of a window's protocol, which every run passes.
const STAR_STEPS: [Step; 4] = [Step::StarBegun, Step::StateCommitted, Step::DimensionsCommitted, Step::FactCommitted];

fn window_steps() -> impl Iterator<Item = Step> {
    Step::ALL
        .into_iter()
        .filter(|step| !STAR_STEPS.contains(step) && !Step::MAINTENANCE.contains(step) && !Step::ERASURE.contains(step))
}

/// What changed in the shop since the first load: a bit of everything that a reading must not lose or double.
fn live_a_day(server: &Server) {
    let orders = server.rows(Collection::Orders);
    let long = orders.iter().rev().find(|order| order["lines"].as_array().unwrap().len() > 2).unwrap();
    let id = long["id"].as_str().unwrap().to_owned();
    server.edit(Edit::RemoveLine { id, line_no: 2 });
    let payment = server.rows(Collection::Payments)[10]["id"].as_str().unwrap().to_owned();
    server.set(Collection::Payments, &payment, json!({ "state": "refunded" }));
    let customer = server.rows(Collection::Customers)[5]["id"].as_str().unwrap().to_owned();
    server.edit(Edit::Delete { collection: Collection::Customers, id: customer });
    let row = object(json!({ "created_at": "2025-03-06T03:04:05Z", "total_minor": 77 }));
    server.edit(Edit::Insert { collection: Collection::Orders, row });
    server.pass_hours(24);
}

/// Fails with a table of all that went wrong.
#[track_caller]
fn report(failures: &[(String, String)]) {
    let lines: Vec<String> = failures.iter().map(|(step, why)| format!("{step}: {why}")).collect();
    assert!(lines.is_empty(), "{} of the kills left something wrong:\n{}", lines.len(), lines.join("\n"));
}

/// Runs again without flags and returns what is wrong then.
fn heals(project: &Project, server: &Server) -> Option<String> {
    let ran = project.at_the_time_of(server).run(&["run"]);
    if ran.code != Some(0) {
        return Some(format!("the next run ended with {:?}:\n{}", ran.code, ran.both()));
    }
    let differences = Oracle::new(project, server).differences();
    (!differences.is_empty()).then(|| differences.join("\n"))
}

#[test]
fn a_kill_at_any_step_of_a_first_load_loses_and_doubles_nothing() {
    let mut failures = Vec::new();
    for step in window_steps() {
        let server = Server::start();
        let project = Project::of(&server);
        let killed = project.at_the_time_of(&server).kill_at(&["run"], step.as_str());
        let wrong = killed.err().or_else(|| heals(&project, &server));
        eprintln!("first load, killed at {step}: {}", wrong.as_deref().unwrap_or("healed"));
        failures.extend(wrong.map(|why| (step.to_string(), why)));
    }
    report(&failures);
}

#[test]
fn a_kill_at_any_step_of_a_later_run_loses_and_doubles_nothing() {
    let mut failures = Vec::new();
    for step in window_steps() {
        let server = Server::start();
        let project = Project::of(&server);
        project.at_the_time_of(&server).run(&["run"]).ends_with(0);
        live_a_day(&server);
        let killed = project.at_the_time_of(&server).kill_at(&["run"], step.as_str());
        let wrong = killed.err().or_else(|| heals(&project, &server));
        eprintln!("later run, killed at {step}: {}", wrong.as_deref().unwrap_or("healed"));
        failures.extend(wrong.map(|why| (step.to_string(), why)));
    }
    report(&failures);
}

#[test]
fn a_kill_at_every_step_in_a_row_heals_in_one_run() {
    let server = Server::start();
    let project = Project::of(&server);
    for step in window_steps() {
        // A later kill may find that an earlier run had got further; then the run ends by itself, which is as good.
        let _reached = project.at_the_time_of(&server).kill_at(&["run"], step.as_str());
    }
    assert_eq!(heals(&project, &server), None);
}

#[test]
fn ten_kills_at_random_moments_lose_and_double_nothing() {
    let server = Server::start();
    let whole = Project::of(&server);
    let begun = Instant::now();
    whole.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let run_millis = u64::try_from(begun.elapsed().as_millis()).unwrap();
    let mut failures = Vec::new();
    // Any ten moments will do; they are spread over a run by the golden ratio.
    for number in 1..=10_u64 {
        let server = Server::start();
        let project = Project::of(&server);
        let moment = Duration::from_millis((number * 618 % 1_000) * run_millis / 1_000);
        let mut child = project.at_the_time_of(&server).spawn(&["run"]);
        std::thread::sleep(moment);
        child.kill().unwrap();
        finish(child);
        let wrong = heals(&project, &server);
        eprintln!("killed after {moment:?}: {}", wrong.as_deref().unwrap_or("healed"));
        failures.extend(wrong.map(|why| (format!("{moment:?}"), why)));
    }
    report(&failures);
}

/// Every row of every curated table, with its surrogate keys, in an order of its own.
fn curated(project: &Project) -> Vec<String> {
    let mut rows = Vec::new();
    for table in
        project.run(&["catalog", "list", "--zone", "curated", "-o", "json"]).ends_with(0).json().as_array().unwrap()
    {
        let name = table["dataset"]["table"].as_str().unwrap_or_else(|| panic!("{table} has no name"));
        for row in project.query(&format!("select * from {name}")) {
            let fields = row.iter().filter(|(column, _)| !column.starts_with('_'));
            let fields: Vec<String> = fields.map(|(column, value)| format!("{column}={value}")).collect();
            rows.push(format!("{name}: {}", fields.join(" ")));
        }
    }
    rows.sort_unstable();
    rows
}

#[test]
fn a_kill_between_the_commits_of_a_star_gives_the_same_rows_and_keys() {
    let server = Server::start();
    let whole = Project::of(&server).with_stars("shop");
    whole.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let expected = curated(&whole);
    assert!(!expected.is_empty());
    let mut failures = Vec::new();
    for step in STAR_STEPS {
        let project = Project::of(&server).with_stars("shop");
        let killed = project.at_the_time_of(&server).kill_at(&["run"], step.as_str());
        let wrong = killed.err().or_else(|| heals(&project, &server)).or_else(|| {
            let found = curated(&project);
            let different = expected.iter().zip(&found).find(|(one, other)| one != other);
            (found != expected).then(|| format!("{} rows, not {}; first: {different:?}", found.len(), expected.len()))
        });
        eprintln!("star, killed at {step}: {}", wrong.as_deref().unwrap_or("healed"));
        failures.extend(wrong.map(|why| (step.to_string(), why)));
    }
    report(&failures);
}
