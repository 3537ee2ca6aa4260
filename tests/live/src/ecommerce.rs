//! The example of a small online shop: five sources by five real manifests, and one star over them.
//!
//! The example's own server answers in the vendors' place, so that this runs without accounts; what it sold is known to the cent.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;

use crate::project::{headwater, top};

/// A server that takes longer hangs.
const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// The example in a folder of its own, with its server.
struct Example {
    folder: TempDir,
    port: u16,
    server: Child,
}

impl Drop for Example {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

impl Example {
    fn start() -> Self {
        let example = top().join("examples/ecommerce");
        let folder = tempfile::Builder::new().prefix("headwater-ecommerce-").tempdir().unwrap();
        copy(&example.join("stars"), &folder.path().join("stars"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = std::fs::read_to_string(example.join("headwater.yaml")).unwrap();
        let text = text.replace("127.0.0.1:8120", &format!("127.0.0.1:{port}"));
        std::fs::write(folder.path().join("headwater.yaml"), text).unwrap();
        // Nothing happens in the last hours, so that every window with rows is due.
        let ends = (Utc::now() - TimeDelta::hours(3)).to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut serve = Command::new(example.join("serve"));
        serve.args(["--port", &port.to_string(), "--ends", &ends, "--project"]).arg(folder.path());
        let server = serve.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < STARTS_WITHIN, "the example's server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { folder, port, server }
    }

    fn run(&self, arguments: &[&str]) -> String {
        headwater(self.folder.path(), &[("DEMO_KEY".to_owned(), "any".to_owned())], arguments)
    }

    /// What the server says there is.
    fn truth(&self) -> Value {
        let fetch = "import sys, urllib.request\nprint(urllib.request.urlopen(sys.argv[1]).read().decode())";
        let url = format!("http://127.0.0.1:{}/truth", self.port);
        let told = Command::new("python3").args(["-c", fetch, &url]).output().unwrap();
        serde_json::from_slice(&told.stdout).unwrap()
    }

    /// A number of the lake, whatever its scale: 34202.75 and 3420275 cents are the same.
    fn number(&self, sql: &str) -> String {
        let answer: Value = serde_json::from_str(&self.run(&["query", sql, "-o", "json"])).unwrap();
        let rows = answer.as_array().or_else(|| answer["rows"].as_array()).unwrap();
        let value = &rows[0]["n"];
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }
}

#[test]
fn five_sources_and_the_star_over_them_hold_what_was_sold_paid_and_asked() {
    let example = Example::start();
    example.run(&["run", "--strict"]);
    let truth = example.truth();
    let mut wrong = Vec::new();
    for (what, table) in [
        ("orders", "cleansed.shop.orders"),
        ("order_items", "cleansed.shop.order_items"),
        ("customers", "cleansed.shop.customers"),
        ("charges", "cleansed.payments.charges"),
        ("refunds", "cleansed.payments.refunds"),
        ("members", "cleansed.marketing.members"),
        ("campaigns", "cleansed.marketing.campaigns"),
        ("tickets", "cleansed.support.tickets"),
        ("users", "cleansed.support.users"),
        ("employees", "cleansed.people.employees"),
        ("time_off_requests", "cleansed.people.time_off_requests"),
        ("order_items", "curated.commerce.fact_order_items"),
        ("charges", "curated.commerce.fact_payments"),
        ("tickets", "curated.commerce.fact_tickets"),
    ] {
        let ours = example.number(&format!("select count(*) as n from {table}"));
        let theirs = truth[what].to_string();
        if ours != theirs {
            wrong.push(format!("{table}: {ours}, and {} {what}", truth[what]));
        }
    }
    for (what, sql) in [
        ("cents", "select cast(sum(revenue) * 100 as bigint) as n from curated.commerce.fact_order_items"),
        ("captured_cents", "select cast(sum(captured) * 100 as bigint) as n from curated.commerce.fact_payments"),
        ("completed", "select count(*) as n from cleansed.shop.orders where status = 'completed'"),
    ] {
        let ours = example.number(sql);
        let theirs = truth[what].to_string();
        if ours != theirs {
            wrong.push(format!("{what}: {ours}, and {}", truth[what]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(example.run(&["run"]).contains("nothing is due"));
}
