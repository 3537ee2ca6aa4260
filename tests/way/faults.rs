//! The ways in which a source fails: each is named, nothing wrong lands, and the next run closes exactly the gap.

use headwater::sandbox::{Endpoint, Fault, FaultKind};

use crate::harness::{Oracle, Project, Ran, Server, receipts};

/// A shop whose orders fail while everything else answers, and the run that met it.
fn met(fault: FaultKind) -> (Server, Project, Ran) {
    let server = Server::start();
    let project = Project::of(&server);
    server.fault(Fault::lasting(Endpoint::Orders, fault));
    let ran = project.at_the_time_of(&server).run(&["run"]);
    (server, project, ran)
}

/// What must hold of every fault: the run says it, exits 3 (others committed), `status` shows gap and cause, the next run closes
/// the gap and asks for nothing else.
#[track_caller]
fn is_named_and_heals(fault: FaultKind, code: &str) {
    let (server, project, ran) = met(fault);
    ran.ends_with(3).says(code);
    let landed: Vec<String> = receipts(&project, "orders").into_keys().collect();
    assert!(landed.is_empty(), "{landed:?} landed of a source that is not well");
    project.at_the_time_of(&server).run(&["status"]).says("shop.orders").says(code);
    server.shop().clear_faults();
    let seen = server.shop().recent_requests().len();
    // A failed window waits a while before it is tried again, and the shop lives on.
    server.pass_hours(2);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let requests = server.shop().recent_requests();
    let strays: Vec<_> = requests[seen..]
        .iter()
        .filter(|r| r.endpoint == Endpoint::Payments || r.endpoint == Endpoint::Events)
        .collect();
    assert!(strays.is_empty(), "these were read already: {strays:?}");
    Oracle::new(&project, &server).agrees();
}

#[test]
fn an_answer_500_is_named() {
    is_named_and_heals(FaultKind::Status { status: 500, retry_after: None }, "server-error");
}

#[test]
fn a_truncated_body_is_named() {
    is_named_and_heals(FaultKind::Truncated, "body-truncated");
}

#[test]
fn a_web_page_instead_of_json_is_named() {
    is_named_and_heals(FaultKind::Html, "not-json");
}

#[test]
fn a_missing_record_path_is_named() {
    is_named_and_heals(FaultKind::WrongPath, "records-missing");
}

#[test]
fn a_broken_connection_is_named() {
    is_named_and_heals(FaultKind::Down, "connect");
}

#[test]
fn a_refused_token_is_an_access_error() {
    let (_server, project, ran) = met(FaultKind::Status { status: 401, retry_after: None });
    ran.ends_with(3).says("unauthorized");
    assert!(receipts(&project, "orders").is_empty());
}

#[test]
fn a_source_that_is_stopped_is_unavailable_and_the_gap_is_closed_later() {
    let mut server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    server.stop();
    server.pass_hours(24);
    project.at_the_time_of(&server).run(&["run"]).ends_with(69).says("connect");
    project.at_the_time_of(&server).run(&["status"]).says("t_20250307T000000Z_20250308T000000Z").says("connect");
    server.come_back();
    server.pass_hours(2);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_few_faults_are_ridden_out_within_the_run() {
    for fault in [
        FaultKind::Status { status: 500, retry_after: None },
        FaultKind::Status { status: 429, retry_after: Some(1) },
        FaultKind::Truncated,
        FaultKind::Down,
    ] {
        let server = Server::start();
        let project = Project::of(&server);
        server.fault(Fault { endpoint: Some(Endpoint::Payments), after: 1, times: Some(1), fault: fault.clone() });
        let ran = project.at_the_time_of(&server).run(&["run"]).ends_with(0);
        let differences = Oracle::new(&project, &server).differences();
        assert!(differences.is_empty(), "{fault:?}: {differences:?}\n{}", ran.both());
    }
}

#[test]
fn a_quota_that_is_used_up_parks_the_work_and_is_not_asked_again_before_its_time() {
    let (server, project, ran) = met(FaultKind::Status { status: 429, retry_after: Some(7_200) });
    assert!(matches!(ran.code, Some(75 | 3)), "{:?}: {}", ran.code, ran.both());
    ran.says("parked").says("429");
    let asked = server.shop().request_counts()[&Endpoint::Orders];
    project.at_the_time_of(&server).run(&["run"]);
    assert_eq!(server.shop().request_counts()[&Endpoint::Orders], asked, "`Retry-After` is two hours away");
    server.shop().clear_faults();
    server.pass_hours(3);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

#[test]
fn a_permanent_failure_three_times_stops_the_window_and_not_its_siblings() {
    let (server, project, ran) = met(FaultKind::WrongPath);
    ran.ends_with(3);
    for _ in 0..4 {
        server.pass_hours(24);
        project.at_the_time_of(&server).run(&["run"]);
    }
    let asked = server.shop().request_counts()[&Endpoint::Orders];
    project.at_the_time_of(&server).run(&["status"]).says("stopped");
    server.shop().clear_faults();
    project.at_the_time_of(&server).run(&["run"]);
    let still = server.shop().request_counts()[&Endpoint::Orders];
    assert!(still <= asked + 2, "stopped windows wait for a person: {asked} requests, then {still}");
    project.at_the_time_of(&server).run(&["run", "--now"]).ends_with(0);
    Oracle::new(&project, &server).agrees();
}

/// What a run ends with when everything that was due failed alike: the page of faults promises it for each kind of error.
#[test]
fn the_exit_code_of_a_run_in_which_all_failed_alike_is_that_of_the_error() {
    let status = |status| FaultKind::Status { status, retry_after: None };
    for (fault, word, code) in [
        (status(401), "unauthorized", 77),
        (FaultKind::Html, "not-json", 65),
        (FaultKind::WrongPath, "records-missing", 65),
        (status(500), "server-error", 69),
        (FaultKind::Down, "unreachable", 69),
        (FaultKind::Status { status: 429, retry_after: Some(7_200) }, "throttled", 75),
    ] {
        let server = Server::start();
        let project = Project::of(&server);
        server.fault(Fault::lasting(None, fault.clone()));
        let ran = project.at_the_time_of(&server).run(&["run", "-o", "json"]).ends_with(code);
        assert_eq!(ran.json()["exit_code"], code, "{fault:?}");
        ran.says(word);
        for stream in ["orders", "events", "payments", "customers", "products", "tickets"] {
            assert!(receipts(&project, stream).is_empty(), "{fault:?}: something of {stream} landed");
        }
        server.shop().clear_faults();
        server.pass_hours(3);
        project.at_the_time_of(&server).run(&["run", "--now"]).ends_with(0);
        let differences = Oracle::new(&project, &server).differences();
        assert!(differences.is_empty(), "{fault:?}: {differences:?}");
    }
}
