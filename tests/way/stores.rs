//! The same project on Azure Blob (Azurite) and S3 (moto), and on a store that must be refused (s3rver).
//!
//! `.ci/install` installs them; where one is not there, its test says so and ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use headwater::sandbox::Collection;

use crate::harness::{Project, Server, tools};

const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// Account and key that Azurite documents for everybody.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

struct Service {
    process: Child,
    port: u16,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Starts a service of the tools folder on a free port; `None` when it is not installed.
fn start(program: PathBuf, needs: &Path, arguments: impl Fn(u16) -> Vec<String>) -> Option<Service> {
    if !needs.exists() {
        eprintln!("skipped: {} is not there; .ci/install makes it", needs.display());
        return None;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let process =
        Command::new(program).args(arguments(port)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let service = Service { process, port };
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < STARTS_WITHIN, "{} does not listen", needs.display());
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(service)
}

/// Sends a request without a body and returns the status line.
fn send(port: u16, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// The project of the shop with these zones and options of their stores.
fn project(server: &Server, zone: impl Fn(&str) -> String, options: &str) -> Project {
    let zones =
        ["raw", "cleansed", "curated", "exploration"].map(|name| format!("  {name}: {}\n", zone(name))).concat();
    let text = Project::text_of(server, "2025-03-01", "");
    let head = format!("zones:\n{zones}store:\n  options:\n{options}sources:\n");
    Project::with(&text.replace("sources:\n", &head)).with_variable("STORE_KEY", AZURITE_KEY)
}

/// Loads, is killed, heals, and shows what the shop shows; a second run has nothing to do.
fn goes_the_way(server: &Server, project: &Project) {
    project.at_the_time_of(server).kill_at(&["run"], "receipt-created").unwrap();
    project.at_the_time_of(server).run(&["run"]).ends_with(0);
    let until = server.now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    for collection in [Collection::Events, Collection::Orders, Collection::Payments, Collection::Products] {
        let truth = server.shop().truth(collection, None, Some(until), None).lines().count();
        let shown = project.value(&format!("select count(*) as n from cleansed.shop.{collection}"));
        assert_eq!(shown, truth.to_string(), "{collection}");
    }
    let asked = server.requests();
    project.at_the_time_of(server).run(&["run"]).ends_with(0).says("nothing");
    assert_eq!(server.requests(), asked);
    assert!(!project.path("lake").exists(), "nothing of the lake lies on the local disk");
}

#[test]
fn a_lake_on_azure_blob_goes_the_whole_way() {
    let script = tools().join("node_modules/azurite/dist/src/blob/main.js");
    let service = start(PathBuf::from("node"), &script, |port| {
        let port = port.to_string();
        let flags = [
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            &port,
            "--inMemoryPersistence",
            "--skipApiVersionCheck",
            "--silent",
            "--disableTelemetry",
        ];
        std::iter::once(script.to_str().unwrap()).chain(flags).map(str::to_owned).collect()
    });
    let Some(service) = service else { return };
    let server = Server::start();
    let endpoint = format!("http://127.0.0.1:{}/{AZURITE_ACCOUNT}", service.port);
    let zone = |name: &str| format!("abfss://{name}@{AZURITE_ACCOUNT}.dfs.core.windows.net/lake");
    let options = format!("    endpoint: {endpoint}\n    account_key: env:STORE_KEY\n    allow_http: \"true\"\n");
    let project = project(&server, zone, &options);
    let containers = ["check", "--create-containers"];
    // At our own time: a signed URL is good for minutes of it.
    project.run(&containers).ends_with(0).says("created abfss://raw@");
    let again = project.run(&containers).ends_with(0);
    assert!(!again.stderr.contains("created"), "they are there now");
    goes_the_way(&server, &project);
}

fn s3_options(port: u16, key: &str) -> String {
    format!(
        "    aws_endpoint: http://127.0.0.1:{port}\n    aws_allow_http: \"true\"\n    aws_region: us-east-1\n    \
         aws_access_key_id: {key}\n    aws_secret_access_key: env:S3_KEY\n"
    )
}

#[test]
fn a_lake_on_s3_goes_the_whole_way() {
    let program = tools().join("venv/bin/moto_server");
    let service = start(program.clone(), &program, |port| {
        ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec()
    });
    let Some(service) = service else { return };
    let made = send(service.port, "PUT", "/lake");
    assert!(made.contains("200"), "{made}");
    let server = Server::start();
    let zone = |name: &str| format!("s3://lake/{name}");
    let project = project(&server, zone, &s3_options(service.port, "tester")).with_variable("S3_KEY", "tester");
    goes_the_way(&server, &project);
}

#[test]
fn a_store_that_does_not_honour_create_if_absent_is_refused() {
    let script = tools().join("node_modules/s3rver/bin/s3rver.js");
    let folder = tempfile::tempdir().unwrap();
    let service = start(PathBuf::from("node"), &script, |port| {
        let port = port.to_string();
        let folder = folder.path().to_str().unwrap();
        let flags = ["-d", folder, "-a", "127.0.0.1", "-p", &port, "--silent", "--configure-bucket", "lake"];
        std::iter::once(script.to_str().unwrap()).chain(flags).map(str::to_owned).collect()
    });
    let Some(service) = service else { return };
    let server = Server::start();
    let zone = |name: &str| format!("s3://lake/{name}");
    let project = project(&server, zone, &s3_options(service.port, "S3RVER")).with_variable("S3_KEY", "S3RVER");
    project.at_the_time_of(&server).run(&["run"]).ends_with(78).says("store-unsafe");
    assert_eq!(server.requests(), 0, "the store is proved before the source is asked");
}
