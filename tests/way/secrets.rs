//! Secrets in no output of any command, said as much as can be said, while all goes well and while nothing does.
//!
//! The harness looks at everything that is printed and at every file, in all tests; here is what makes a leak likely: every command that
//! opens a source, the most talkative logs, and a source that repeats whatever it is told.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use headwater::sandbox::{Fault, FaultKind};

use crate::harness::{Project, Server};

/// What can be asked of a project with this stream of this connector.
fn commands(connector: &str, name: &str) -> Vec<Vec<String>> {
    let words: [&[&str]; 15] = [
        &["check"],
        &["plan"],
        &["run", "--dry-run"],
        &["run"],
        &["run", "--now"],
        &["status"],
        &["runs", "list"],
        &["runs", "show"],
        &["read", name, "--limit", "2"],
        &["connectors", "list"],
        &["connectors", "show", connector],
        &["auth", "list"],
        &["quarantine", "list"],
        &["catalog", "list"],
        &["maintain"],
    ];
    words.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect()
}

/// Gives every command as talkatively as it can, in these forms. The harness looks at what is printed.
fn say_all(project: &Project, connector: &str, name: &str, forms: &[&str]) -> String {
    let mut said = String::new();
    for command in commands(connector, name) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        for more in forms.iter().map(|form| ["-vv", "-o", *form]) {
            let ran = project.run(&[words.as_slice(), more.as_slice()].concat());
            assert!(ran.code.is_some_and(|code| code != 2), "`{}`: {}", command.join(" "), ran.both());
            said += &ran.both();
        }
    }
    said
}

#[test]
fn no_command_shows_a_secret_whether_all_goes_well_or_nothing_does() {
    let status = |status| FaultKind::Status { status, retry_after: None };
    let both = ["text", "json"];
    for (fault, forms) in [
        (None, &both[..]),
        (Some(status(401)), &both[..]),
        (Some(FaultKind::Html), &both[..1]),
        (Some(FaultKind::WrongPath), &both[..1]),
    ] {
        let server = Server::start();
        let project = Project::of(&server).with_variable("RUST_LOG", "trace");
        if let Some(fault) = fault {
            server.fault(Fault::lasting(None, fault));
        }
        let said = say_all(project.at_the_time_of(&server), "sandbox", "shop.orders", forms);
        assert!(said.len() > 10_000, "so little was said: {said}");
    }
}

/// Answers with all that it was told, in the head and in the body.
async fn parrot(State(status): State<StatusCode>, request: Request) -> Response {
    let heard = format!("{:?} {:?}", request.uri(), request.headers());
    let line: String = heard.chars().filter(|c| !c.is_control()).collect();
    let body = match status {
        StatusCode::OK => format!("<html>{heard}"),
        _ => serde_json::json!({ "error": heard, "message": heard }).to_string(),
    };
    (status, [("x-request-id", line.clone()), ("etag", line)], body).into_response()
}

const VENDOR: &str = r#"manifest: 1
connector: vendor
title: Vendor
docs: https://vendor.example/docs
settings:
  origin: { type: origin, help: "Where it listens" }
  key:    { secret: true, help: "The key" }
  other:  { secret: true, help: "The other key" }
http:
  base_url: "{origin}"
  auth: { all: [{ basic: { user: key, password: other } }, { query: { param: api_key, value: key } }, { header: { name: X-Key, value: other } }] }
  limits: [{ requests: 1000, per: 1 second, source: "https://vendor.example/limits" }]
streams:
  rows:
    title: One row for each row
    docs: https://vendor.example/docs/rows
    path: /rows
    records: /data
    key: [id]
    kind: snapshot
    every: 1 day
    deletes: none
    columns: { id: { type: int64 } }
"#;

#[test]
fn no_command_shows_what_a_source_repeats_of_a_secret() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND] {
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let api = Router::new().fallback(parrot).with_state(status);
        let serving = runtime.spawn(async move { axum::serve(listener, api).await });
        let project = Project::with(&format!(
            "headwater: 1\nallow_private: [\"{address}\"]\nsources:\n  vendor:\n    connector: vendor\n    settings: {{ origin: \
             \"http://{address}\", key: env:VENDOR_KEY, other: env:OTHER_KEY }}\nschedule: daily\n"
        ))
        .with_secret("VENDOR_KEY", "v3ndor/k+ey=of\"all-9f27")
        .with_secret("OTHER_KEY", "0ther/s&ecret%of~all-41c8");
        std::fs::create_dir(project.path("connectors")).unwrap();
        std::fs::write(project.path("connectors/vendor.yaml"), VENDOR).unwrap();
        let said = say_all(&project, "vendor", "vendor.rows", &["text", "json"]);
        assert!(said.contains("****"), "nothing was repeated, so nothing was hidden: {said}");
        serving.abort();
    }
}
