//! A project that reads one software, and the binary run in it, a new process each time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use crate::software::Software;
use crate::table::Table;

/// The name of the only source, and so of its tables' schema.
const SOURCE: &str = "live";
/// Rows that a query prints at most.
const ROWS_MAX: &str = "10000000";

/// A project beside its software.
#[derive(Debug)]
pub(crate) struct Project<'a> {
    software: &'a Software,
    variables: Vec<(String, String)>,
    source: Value,
}

impl<'a> Project<'a> {
    /// A project with the source that the software's script tells, and the checkout's own manifest of its connector.
    pub(crate) fn of(software: &'a Software) -> Self {
        let mut source = software.ask("source");
        let variables = source.as_object_mut().unwrap().remove("variables").unwrap_or_default();
        let variables = variables.as_object().into_iter().flatten();
        let variables = variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        let project = Self { software, variables, source };
        let folder = software.path("project");
        std::fs::create_dir_all(folder.join("connectors")).unwrap();
        let manifests = top().join("connectors/manifests");
        let manifest = project.manifest();
        std::fs::copy(manifests.join(manifest.file_name().unwrap()), manifest).unwrap();
        let text = json!({
            "headwater": 1,
            "sources": { SOURCE: project.source },
            "schedule": "hourly",
            "access": { "users": { "*": "data_engineer" } },
            "allow_private": [format!("127.0.0.1:{}", software.port)],
        });
        std::fs::write(folder.join("headwater.yaml"), text.to_string()).unwrap();
        project
    }

    /// The connector that is proved.
    pub(crate) fn connector(&self) -> &str {
        self.source["connector"].as_str().unwrap()
    }

    /// The manifest that is read: a copy, which nobody edits meanwhile.
    pub(crate) fn manifest(&self) -> PathBuf {
        self.software.path("project/connectors").join(format!("{}.yaml", self.connector()))
    }

    /// The stream or template of the connector that a stream of the project is.
    pub(crate) fn manifest_stream(&self, stream: &str) -> String {
        self.source["streams"][stream]["template"].as_str().unwrap_or(stream).to_owned()
    }

    /// Runs the binary at the software's time. Returns what it printed; it must end well.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let clock = self.software.now().to_rfc3339_opts(SecondsFormat::Secs, true);
        headwater(&self.software.path("project"), &self.variables, &[&["--clock", &clock], arguments].concat())
    }

    /// What the lake holds of a stream, in the columns that the software tells of.
    #[track_caller]
    pub(crate) fn table(&self, stream: &str, columns: &[String], filter: Option<&str>) -> Table {
        let from = format!("from cleansed.{SOURCE}.{stream}");
        let first = self.rows(&format!("select * {from} limit 1"));
        let is_dated = first.first().is_some_and(|row| row.contains_key("_deleted_at"));
        let mut conditions: Vec<&str> = filter.into_iter().collect();
        if is_dated {
            conditions.push("_deleted_at is null");
        }
        let filter = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
        let names = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
        let rows = self.rows(&format!("select {names} {from}{filter}"));
        let cells = rows.iter().map(|row| columns.iter().map(|column| row[column].clone()).collect());
        let deleted = if is_dated && filter.matches(" and ").count() == 0 {
            self.rows(&format!("select count(*) as n {from} where _deleted_at is not null"))[0]["n"].as_u64().unwrap()
        } else {
            0
        };
        Table::new(&cells.collect::<Vec<Vec<Value>>>(), deleted)
    }

    #[track_caller]
    fn rows(&self, sql: &str) -> Vec<Map<String, Value>> {
        // Queries say nothing but their answer on stdout, and nothing on stderr.
        let answer: Value =
            serde_json::from_str(&self.run(&["query", sql, "--limit", ROWS_MAX, "-o", "json"])).unwrap();
        let rows = answer.as_array().or_else(|| answer["rows"].as_array()).unwrap();
        rows.iter().map(|row| row.as_object().unwrap().clone()).collect()
    }
}

/// Runs the binary in a folder. Returns what it printed; it must end well.
#[track_caller]
pub(crate) fn headwater(folder: &Path, variables: &[(String, String)], arguments: &[&str]) -> String {
    let mut command = Command::new(binary());
    command
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .envs(variables.iter().cloned())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    let ran = command.output().unwrap();
    let (printed, said) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "headwater {}: {}\n{printed}\n{said}", arguments.join(" "), ran.status);
    format!("{printed}{said}")
}

/// The top of the checkout.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The binary: the one that is named, else the release build.
fn binary() -> PathBuf {
    if let Ok(named) = std::env::var("HEADWATER_BINARY") {
        return PathBuf::from(named);
    }
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| top().join("target"), PathBuf::from);
    let binary = target.join("release/headwater");
    assert!(binary.is_file(), "{} is not there: build it, or name another as HEADWATER_BINARY", binary.display());
    binary
}
