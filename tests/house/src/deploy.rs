//! What `deploy/` promises: a unit that systemd takes, and an image that runs neither as root nor from things that are not there.

use std::process::Command;

use crate::repository::{Finding, hold, top};

const DOCKERFILE: &str = "deploy/Dockerfile";

/// Where an image breaks the promise; `exists` says whether a path of the checkout is there.
fn image(text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let lines: Vec<(usize, &str)> = text.lines().map(str::trim).zip(1..).map(|(line, number)| (number, line)).collect();
    let mut findings = Vec::new();
    let last_stage = lines.iter().rposition(|(_, line)| line.starts_with("FROM ")).unwrap_or_default();
    let user =
        lines.iter().skip(last_stage).rev().find_map(|(number, line)| Some((number, line.strip_prefix("USER ")?)));
    match user {
        Some((_, user)) if user != "root" && !user.starts_with('0') => {}
        Some((number, _)) => {
            findings.push(Finding::new(format!("{DOCKERFILE}:{number}"), "the image runs as root", "name a user"));
        }
        None => findings.push(Finding::new(DOCKERFILE, "the image runs as root", "end with `USER`")),
    }
    for (number, line) in &lines {
        let place = format!("{DOCKERFILE}:{number}");
        if line.strip_prefix("FROM ").is_some_and(|image| !image.contains(':')) {
            findings.push(Finding::new(&place, "the base image has no version", "name a tag"));
        }
        let copied = line.strip_prefix("COPY ").filter(|rest| !rest.starts_with("--from"));
        let from = copied.and_then(|rest| rest.split_whitespace().next());
        if let Some(from) = from.filter(|from| !exists(from)) {
            findings.push(Finding::new(&place, format!("`{from}` is not in the checkout"), "mend the path"));
        }
    }
    findings
}

#[test]
fn the_image_runs_as_nobody_in_particular() {
    let text = fs_err::read_to_string(top().join(DOCKERFILE)).expect("there is a Dockerfile");
    hold(&image(&text, |path| top().join(path).exists()));
}

#[test]
fn an_image_that_breaks_the_promise_is_found() {
    let cases = [
        ("FROM debian:13\nUSER 1:1\nCOPY . .", 0),
        ("FROM debian:13\nCOPY . .", 1),
        ("FROM debian:13\nUSER root", 1),
        ("FROM debian:13\nUSER 0:0", 1),
        ("FROM debian:13 AS build\nUSER 1\nFROM debian:13", 1),
        ("FROM debian\nUSER 1", 1),
        ("FROM debian:13\nUSER 1\nCOPY absent /x", 1),
        ("FROM debian:13\nUSER 1\nCOPY --from=build /out/x /x", 0),
    ];
    for (text, expected) in cases {
        assert_eq!(image(text, |path| path == ".").len(), expected, "{text}");
    }
}

/// What systemd says of a unit: nothing where it takes it. `None` where there is no systemd to ask.
fn systemd(service: &str) -> Option<String> {
    let folder = std::env::temp_dir().join(format!("headwater-units-{}-{}", std::process::id(), service.len()));
    fs_err::create_dir_all(&folder).expect("the temporary folder takes files");
    fs_err::write(folder.join("headwater.service"), service).expect("the temporary folder takes files");
    let timer = fs_err::read_to_string(top().join("deploy/headwater.timer")).expect("there is a timer");
    fs_err::write(folder.join("headwater.timer"), timer).expect("the temporary folder takes files");
    let units = ["headwater.service", "headwater.timer"].map(|unit| folder.join(unit));
    let ran = Command::new("systemd-analyze").arg("verify").args(&units).output();
    fs_err::remove_dir_all(&folder).expect("the temporary folder goes");
    let ran = ran.ok()?;
    let said = String::from_utf8_lossy(&ran.stderr)
        .lines()
        .filter(|line| line.contains("headwater."))
        .collect::<Vec<_>>()
        .join("\n");
    Some(if ran.status.success() { said } else { format!("refused: {said}") })
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn systemd_takes_the_unit_and_the_timer() {
    let service = fs_err::read_to_string(top().join("deploy/headwater.service")).expect("there is a unit");
    // The program is not installed where tests run; any other will do for the check.
    let service = service.replace("/usr/local/bin/headwater", "/bin/true");
    let Some(said) = systemd(&service) else {
        eprintln!("skipped: no systemd-analyze");
        return;
    };
    assert_eq!(said, "");
    let said = systemd(&service.replace("Type=oneshot", "Type=onceshot\nNoSuchKey=1")).unwrap_or_default();
    assert!(said.contains("NoSuchKey"), "{said}");
}
