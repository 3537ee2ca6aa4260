//! A project in a temporary folder, and the binary run in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::secrets::{Secrets, TOKEN};
use super::server::Server;

/// After so long a process hangs; it is killed and the test fails.
const HANGS_AFTER: Duration = Duration::from_mins(3);

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Fails unless the process ended with `code`.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless stdout or stderr holds `text`.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.both().contains(text), "`{text}` is not in\n{}", self.both());
        self
    }

    /// All that was printed.
    pub(crate) fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

/// A project with a lake of its own.
pub(crate) struct Project {
    folder: TempDir,
    /// The shop's time at each start of a run, in order: what a reading can have seen.
    moments: RefCell<Vec<DateTime<Utc>>>,
    clock: RefCell<Option<DateTime<Utc>>>,
    variables: Vec<(String, String)>,
    secrets: Secrets,
}

impl Drop for Project {
    /// Nothing that its processes left on the disk shows a secret, but the store of tokens.
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let tokens = self.path(".headwater/tokens");
        walk(self.folder.path(), &mut |path| {
            if !path.starts_with(&tokens) {
                self.secrets.are_not_in_file(path);
            }
        });
    }
}

impl Project {
    /// A folder with this project file.
    pub(crate) fn with(text: &str) -> Self {
        // HEADWATER_KEEP=1 leaves the folders behind, to look into a failure.
        let is_kept = std::env::var("HEADWATER_KEEP").is_ok();
        let folder = tempfile::Builder::new().prefix("headwater-way-").disable_cleanup(is_kept).tempdir().unwrap();
        std::fs::write(folder.path().join("headwater.yaml"), text).unwrap();
        let (moments, clock) = (RefCell::default(), RefCell::default());
        Self { folder, moments, clock, variables: Vec::new(), secrets: Secrets::shop() }
    }

    /// A project that reads the shop from its first day on, once a day, and builds the stars of `examples/shop`.
    pub(crate) fn of(server: &Server) -> Self {
        Self::with(&Self::text_of(server, "2025-03-01", ""))
    }

    /// The project file of [`Project::of`] with another first day, and lines below the source.
    pub(crate) fn text_of(server: &Server, start_on: &str, overrides: &str) -> String {
        let (origin, port) = (server.origin(), server.port());
        format!(
            "headwater: 1\nsources:\n  shop:\n    connector: sandbox\n    settings:\n      origin: {origin}\n      \
             token: env:SHOP_TOKEN\n      start_on: {start_on}\n{overrides}schedule: daily\n\
             access:\n  users:\n    \"*\": data_engineer\nallow_private: [\"127.0.0.1:{port}\"]\n"
        )
    }

    /// The same project with the stars of `examples/<example>`.
    pub(crate) fn with_stars(self, example: &str) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example).join("stars");
        let mut copied = 0;
        walk(&from, &mut |path| {
            let to = self.path("stars").join(path.strip_prefix(&from).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(path, to).unwrap();
            copied += 1;
        });
        assert!(copied > 0, "{} has no star", from.display());
        self
    }

    /// The same project, whose processes see an environment variable.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same project, whose processes see a secret in an environment variable.
    pub(crate) fn with_secret(self, name: &str, secret: &str) -> Self {
        self.guarding(&[secret]).with_variable(name, secret)
    }

    /// The same project, of which nothing may show these secrets either.
    pub(crate) fn guarding(mut self, secrets: &[&str]) -> Self {
        for secret in secrets {
            self.secrets.add(secret);
        }
        self
    }

    /// Replaces the project file.
    pub(crate) fn rewrite(&self, text: &str) {
        std::fs::write(self.path("headwater.yaml"), text).unwrap();
    }

    /// A path in the project.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The folder of a zone.
    pub(crate) fn zone(&self, name: &str) -> PathBuf {
        self.path("lake").join(name)
    }

    /// What a reading that began at `read_at` can have seen of the shop: its time at the latest start of a run by then.
    pub(crate) fn saw(&self, read_at: DateTime<Utc>) -> DateTime<Utc> {
        let moments = self.moments.borrow();
        // The binary's clock and the shop's may round the same second differently.
        let by = read_at + TimeDelta::seconds(1);
        moments.iter().rev().find(|moment| **moment <= by).copied().unwrap_or(read_at)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // Another build can be put to the same tests: the one that is installed, say.
        let binary = std::env::var("HEADWATER_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_headwater").to_owned());
        let mut command = Command::new(binary);
        command.arg("-C").arg(self.folder.path()).env("SHOP_TOKEN", TOKEN).env("NO_COLOR", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(clock) = *self.clock.borrow() {
            command.args(["--clock", &clock.to_rfc3339_opts(SecondsFormat::Secs, true)]);
        }
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Lets the binary believe that it is as late as in the shop.
    pub(crate) fn at_the_time_of(&self, server: &Server) -> &Self {
        self.clock.replace(Some(server.now()));
        self.moments.borrow_mut().push(server.now());
        self
    }

    /// Runs the binary to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let ran = finish(self.spawn(arguments));
        self.secrets.are_not_in(&ran.both(), &format!("what `{}` prints", arguments.join(" ")));
        ran
    }

    /// Starts the binary.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs the binary until it waits at `step`, and kills it there. Returns what it said, as an error if it never got there.
    pub(crate) fn kill_at(&self, arguments: &[&str], step: &str) -> Result<String, String> {
        let mut child = self.spawn(&[arguments, &["--pause-at", step]].concat());
        let (line_to, lines) = mpsc::channel();
        let stderr = child.stderr.take().unwrap();
        let reader = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line_to.send(line).is_err() {
                    return;
                }
            }
        });
        let (mut said, wanted) = (String::new(), format!("paused at {step}"));
        let reached = loop {
            match lines.recv_timeout(HANGS_AFTER) {
                Ok(line) if line.trim() == wanted => break true,
                Ok(line) => said = said + &line + "\n",
                Err(_) => break false,
            }
        };
        child.kill().unwrap();
        let status = child.wait().unwrap();
        drop(lines);
        reader.join().unwrap();
        self.secrets.are_not_in(&said, &format!("what `{}` prints until it is killed", arguments.join(" ")));
        if reached { Ok(said) } else { Err(format!("`{step}` was never reached ({status}):\n{said}")) }
    }

    /// Asks the lake in SQL.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> Vec<Map<String, Value>> {
        let ran = self.run(&["query", sql, "--limit", "10000000", "-o", "json"]).ends_with(0);
        let answer = ran.json();
        let rows = answer.as_array().or_else(|| answer["rows"].as_array());
        let rows = rows.unwrap_or_else(|| panic!("no rows in {answer}"));
        rows.iter().map(|row| row.as_object().unwrap_or_else(|| panic!("{row} is no row")).clone()).collect()
    }

    /// The first value of the first row of an answer, as text.
    #[track_caller]
    pub(crate) fn value(&self, sql: &str) -> String {
        let rows = self.query(sql);
        let value = rows.first().and_then(|row| row.values().next()).unwrap_or(&Value::Null);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// Every file below a folder of the project with its bytes' length and a hash, to see that nothing was written.
    pub(crate) fn files(&self, below: &str) -> BTreeMap<PathBuf, (usize, u64)> {
        let mut files = BTreeMap::new();
        walk(&self.path(below), &mut |path| {
            let bytes = std::fs::read(path).unwrap();
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            files.insert(path.to_owned(), (bytes.len(), hasher.finish()));
        });
        files
    }
}

/// Waits for a process and returns what it left; kills it when it hangs.
#[track_caller]
pub(crate) fn finish(mut child: Child) -> Ran {
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |stream: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let id = child.id();
    let (done_to, done) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if done.recv_timeout(HANGS_AFTER) == Err(mpsc::RecvTimeoutError::Timeout) {
            Command::new("kill").args(["-9", &id.to_string()]).status().unwrap();
        }
    });
    let errors = thread::spawn(move || read(&mut stderr));
    let printed = read(&mut stdout);
    let stderr = errors.join().unwrap();
    let status = child.wait().unwrap();
    drop(done_to);
    guard.join().unwrap();
    Ran { code: status.code(), stdout: printed, stderr }
}

/// Calls `see` with every file below a folder.
pub(crate) fn walk(folder: &Path, see: &mut dyn FnMut(&Path)) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, see) } else { see(&path) }
    }
}

/// Where `.ci/install` puts the parts that tests run against.
pub(crate) fn tools() -> PathBuf {
    if let Ok(folder) = std::env::var("HEADWATER_TOOLS") {
        return PathBuf::from(folder);
    }
    let cache = std::env::var("XDG_CACHE_HOME").unwrap_or_else(|_| std::env::var("HOME").unwrap() + "/.cache");
    PathBuf::from(cache).join("headwater/tools")
}
