//! Rules on single files: how they begin, how long they are, what they are called, what they must not say.
//!
//! Words that a rule forbids are put together from pieces here, else this file would break its own rules.

use crate::repository::{Finding, Source, hold, sources};

/// Lines that a Rust file may have with its tests.
const LINES_MAX: usize = 700;

/// Files above [`LINES_MAX`], each with the reason why it is clearer whole.
const LONG_FILES: [(&str, &str); 1] =
    [("src/cli/args.rs", "every command and option in the order in which the help shows them, and nothing else")];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 10] =
    ["utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "core", "shared"];

fn begins_with_docs(file: &Source) -> Option<Finding> {
    let is_good = file.text.starts_with("//! ");
    (!is_good).then(|| {
        Finding::new(
            format!("{}:1", file.path),
            "the file does not begin with `//!`",
            "say first what the file is for, then one fact that the reader would not guess",
        )
    })
}

fn is_short(file: &Source) -> Option<Finding> {
    let lines = file.text.lines().count();
    let is_listed = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    (lines > LINES_MAX && !is_listed).then(|| {
        Finding::new(
            &file.path,
            format!("{lines} lines are more than {LINES_MAX}"),
            "split it by idea, move its tests to `<file>/tests.rs`, or list it with its reason in tests/house/src/files.rs",
        )
    })
}

fn has_telling_name(file: &Source) -> Option<Finding> {
    let empty = file.path.split('/').find_map(|segment| {
        let stem = segment.split('.').next().unwrap_or(segment);
        EMPTY_NAMES.into_iter().find(|name| *name == stem)
    })?;
    Some(Finding::new(
        &file.path,
        format!("`{empty}` says nothing of what is inside"),
        "name the file or folder after the one idea in it",
    ))
}

fn links_what_is_left_to_do(file: &Source) -> Vec<Finding> {
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimple", "mented!(")];
    by_line(file, |line| {
        let marker = markers.into_iter().find(|marker| line.contains(marker))?;
        let has_link = line.contains("https://") && !marker.ends_with('(');
        (!has_link)
            .then(|| (format!("`{marker}` without a link"), "do it, or link the issue on the same line".to_owned()))
    })
}

fn has_no_machine_paths(file: &Source) -> Vec<Finding> {
    let roots = ["work", "root", "farm"].map(|folder| format!("/{folder}/"));
    let homes = [concat!("/ho", "me/"), concat!("/Us", "ers/")];
    by_line(file, |line| {
        let found = roots.iter().map(String::as_str).chain(homes).find(|path| {
            line.match_indices(path).any(|(at, _)| {
                // A path inside a longer one, such as `https://host/work/`, is no place on a machine.
                let before = line.get(..at).and_then(|head| head.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || "._-~}".contains(c))
            })
        })?;
        Some((format!("`{found}` is a path of one machine"), "take the folder from a setting or a variable".to_owned()))
    })
}

fn by_line(file: &Source, judge: impl Fn(&str) -> Option<(String, String)>) -> Vec<Finding> {
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(at, line)| {
            let (what, fix) = judge(line)?;
            Some(Finding::new(format!("{}:{}", file.path, at + 1), what, fix))
        })
        .collect()
}

fn rust_files() -> Vec<Source> {
    let mut files = sources();
    files.retain(|file| file.has_extension("rs"));
    assert!(files.len() > 20, "only {} Rust files found", files.len());
    files
}

#[test]
fn every_rust_file_begins_with_docs() {
    hold(&rust_files().iter().filter_map(begins_with_docs).collect::<Vec<_>>());
}

#[test]
fn every_rust_file_is_short_or_has_a_reason() {
    hold(&rust_files().iter().filter_map(is_short).collect::<Vec<_>>());
    let gone = LONG_FILES.iter().filter(|(path, _)| !rust_files().iter().any(|file| file.path == *path));
    hold(
        &gone
            .map(|(path, _)| Finding::new(*path, "is listed as long but is gone", "take it off the list"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_name_says_what_is_inside() {
    hold(&sources().iter().filter_map(has_telling_name).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_to_do_without_a_link() {
    let files = sources();
    let judged = files
        .iter()
        .filter(|file| ["rs", "yaml", "toml", "sh", "py", "md"].iter().any(|kind| file.has_extension(kind)));
    hold(&judged.flat_map(links_what_is_left_to_do).collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    hold(&sources().iter().flat_map(has_no_machine_paths).collect::<Vec<_>>());
}

fn file(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn a_file_without_docs_or_with_a_long_body_is_found() {
    assert!(begins_with_docs(&file("a.rs", "use std::fmt;\n")).is_some());
    assert!(begins_with_docs(&file("a.rs", "// why\n//! late\n")).is_some());
    assert!(begins_with_docs(&file("a.rs", "//! What it is for.\n")).is_none());
    assert!(is_short(&file("a.rs", &"\n".repeat(LINES_MAX + 1))).is_some());
    assert!(is_short(&file("a.rs", &"\n".repeat(LINES_MAX))).is_none());
}

#[test]
fn an_empty_name_is_found_wherever_it_stands() {
    for path in ["lake/src/utils/a.rs", "lake/src/helpers.rs", "core/lib.rs"] {
        assert!(has_telling_name(&file(path, "")).is_some(), "{path}");
    }
    for path in ["lake/src/store/mod.rs", "score/src/lib.rs"] {
        assert!(has_telling_name(&file(path, "")).is_none(), "{path}");
    }
}

#[test]
fn an_open_end_and_a_machine_path_are_found_with_their_line() {
    let open = file("a.rs", concat!("//! a\n// TO", "DO: later\n// TO", "DO https://example.org/1\n"));
    let places: Vec<String> = links_what_is_left_to_do(&open).into_iter().map(|finding| finding.place).collect();
    assert_eq!(places, ["a.rs:2"]);
    let paths = file("a.md", concat!("see https://host/ro", "ot/x\ncd /ro", "ot/x\n`/ho", "me/ada`\n"));
    let places: Vec<String> = has_no_machine_paths(&paths).into_iter().map(|finding| finding.place).collect();
    assert_eq!(places, ["a.md:2", "a.md:3"]);
}
