//! One software: installed, served in a folder of its own, filled and changed by its script in `software/`.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;

/// Seconds after which a program sees that its clock was moved, and a little more.
const CLOCK_IS_SEEN_AFTER: Duration = Duration::from_millis(1200);
/// A server that tells an old time for longer does not follow the clock.
const CLOCK_IS_TOLD_WITHIN: Duration = Duration::from_mins(2);
/// A server that was told to end gets so long.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
/// What the script says when a software cannot be had here.
const CANNOT_INSTALL: i32 = 69;

/// A software that runs.
#[derive(Debug)]
pub(crate) struct Software {
    name: &'static str,
    /// Its name and version, as the script says them.
    pub(crate) version: String,
    pub(crate) port: u16,
    folder: TempDir,
    server: Option<Child>,
    /// What the moved clock showed when it was moved: a run right after another must find the same hour.
    now: Cell<DateTime<Utc>>,
}

impl Software {
    /// Installs a software and serves it, on a clock so many days behind ours. `None` where it cannot be had; in CI that is a failure.
    pub(crate) fn start(name: &'static str, days_behind: i64) -> Option<Self> {
        // In memory where there is such a place: databases wait for a disk at each commit.
        let place = Path::new("/dev/shm");
        let place = if place.is_dir() { place.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("headwater-live-").tempdir_in(place).unwrap();
        // A database server runs as its own user and must get to its files.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut software = Self { name, version: String::new(), port, folder, server: None, now: Cell::default() };
        let installed = software.drive("install").output().unwrap();
        if installed.status.code() == Some(CANNOT_INSTALL) {
            let why = String::from_utf8_lossy(&installed.stderr).into_owned();
            assert!(std::env::var("CI").is_err(), "{name} cannot be installed: {why}");
            eprintln!("skipped: {name} cannot be installed: {why}");
            return None;
        }
        software.version = text(&installed, name, "install");
        software.clock_at(days_behind);
        let mut serve = software.drive("serve");
        serve.process_group(0).stdout(Stdio::null());
        software.server = Some(serve.spawn().unwrap());
        Some(software)
    }

    fn drive(&self, step: &str) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("software/drive"));
        command.args([self.name, step]).stdin(Stdio::null());
        command.env("LIVE_WORK", self.folder.path()).env("LIVE_PORT", self.port.to_string());
        command
    }

    /// Lets the software and the binary believe that it is so many days ago, at half past the hour: no window ends while a step
    /// is taken, however long that is.
    pub(crate) fn clock_at(&self, days_behind: i64) {
        let hour = Utc::now().duration_trunc(TimeDelta::hours(1)).unwrap();
        let now = hour + TimeDelta::minutes(30) - TimeDelta::days(days_behind);
        self.now.set(now);
        // Whoever reads the clock meanwhile finds it whole.
        std::fs::write(self.path("clock.new"), (now - Utc::now()).num_seconds().to_string()).unwrap();
        std::fs::rename(self.path("clock.new"), self.path("clock")).unwrap();
        std::thread::sleep(CLOCK_IS_SEEN_AFTER);
        if self.server.is_some() {
            self.await_date(now);
        }
    }

    /// Waits until the server tells the moved time. Many keep the text of the `Date` header for a while, and a reading that is dated
    /// a day too early would be owed again.
    fn await_date(&self, now: DateTime<Utc>) {
        let begun = Instant::now();
        // The header has whole seconds, as the shift has.
        while self.date().is_some_and(|date| date < now - TimeDelta::seconds(2)) {
            assert!(begun.elapsed() < CLOCK_IS_TOLD_WITHIN, "{} does not follow the clock", self.version);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the server's `Date` header says, where it sends one.
    fn date(&self) -> Option<DateTime<Utc>> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let host = format!("127.0.0.1:{}", self.port);
        write!(connection, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let headers = answer.lines().take_while(|line| !line.is_empty());
        let mut pairs = headers.filter_map(|line| line.split_once(':'));
        let (_, date) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("date"))?;
        Some(DateTime::parse_from_rfc2822(date.trim()).unwrap().to_utc())
    }

    /// What the clock showed when it was moved last.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now.get()
    }

    /// A path in its folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Lets the script do a step.
    #[track_caller]
    pub(crate) fn step(&self, step: &str) {
        text(&self.drive(step).output().unwrap(), self.name, step);
    }

    /// What the script prints.
    #[track_caller]
    pub(crate) fn ask(&self, step: &str) -> Value {
        serde_json::from_str(&text(&self.drive(step).output().unwrap(), self.name, step)).unwrap()
    }
}

impl Drop for Software {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let id = server.id();
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status();
        let begun = Instant::now();
        while told.is_ok() && begun.elapsed() < ENDS_WITHIN && server.try_wait().is_ok_and(|ended| ended.is_none()) {
            std::thread::sleep(Duration::from_millis(50));
        }
        // What it started and left behind is in its process group.
        let _ended = Command::new("kill").args(["-KILL", "--", &format!("-{id}")]).stderr(Stdio::null()).status();
        let _waited = server.wait();
    }
}

#[track_caller]
fn text(output: &Output, name: &str, step: &str) -> String {
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    write!(said, "\n{printed}").unwrap();
    assert!(output.status.success(), "{name} {step}: {said}");
    printed.trim().to_owned()
}
