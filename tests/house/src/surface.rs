//! The public names of what people build on, held against snapshots so that growth shows in review.
//!
//! That is the library, as far as the root's `src/lib.rs` declares it, and the connectors with all their public modules, which can be
//! embedded alone. `UPDATE=1 cargo test -p headwater-house` rewrites the snapshots; the change is then part of the commit.

use std::path::Path;

use crate::repository::{Finding, hold, top};

const SNAPSHOT: &str = "tests/house/public_names.txt";
const CONNECTORS: &str = "tests/house/connector_names.txt";

/// The names that a file makes public at its top level, in order of the alphabet.
fn public_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    // Items inside braces of a body or a test module are indented; rustfmt sees to that.
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for (at, _) in code.match_indices("pub ") {
        let is_top_level = at == 0 || code.get(..at).is_some_and(|before| before.ends_with('\n'));
        let Some(item) = code.get(at + 4..).filter(|_| is_top_level) else { continue };
        if let Some(tree) = item.strip_prefix("use ") {
            let tree = tree.split(';').next().unwrap_or_default();
            expand("", &tree.split_whitespace().collect::<Vec<_>>().join(" "), &mut names);
        } else {
            let mut words = item.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            let kinds = ["mod", "struct", "enum", "trait", "fn", "const", "type", "static"];
            if words.any(|word| kinds.contains(&word)) {
                names.extend(words.next().map(str::to_owned));
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Writes the names of a `use` tree: `a::{b, c as d}` is `a::b` and `a::c as d`.
fn expand(prefix: &str, tree: &str, names: &mut Vec<String>) {
    let tree = tree.trim();
    match tree.split_once('{') {
        None if tree.is_empty() => {}
        None => names.push(format!("{prefix}{tree}")),
        Some((head, rest)) => {
            let inner = rest.strip_suffix('}').unwrap_or(rest);
            let prefix = format!("{prefix}{}", head.trim());
            let (mut depth, mut start) = (0_usize, 0_usize);
            for (at, c) in inner.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    ',' if depth == 0 => {
                        expand(&prefix, inner.get(start..at).unwrap_or_default(), names);
                        start = at + 1;
                    }
                    _ => {}
                }
            }
            expand(&prefix, inner.get(start..).unwrap_or_default(), names);
        }
    }
}

/// The names of a file, and below each public module those of the file that it lies in.
fn names_below(file: &Path, prefix: &str, names: &mut Vec<String>) {
    let text = fs_err::read_to_string(file).expect("a module has a file");
    let is_module = |name: &str| text.lines().any(|line| line == format!("pub mod {name};"));
    for name in public_names(&text) {
        names.push(format!("{prefix}{name}"));
        if is_module(&name) {
            let folder = file.parent().expect("a file lies in a folder");
            let files = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
            let own = files.iter().find(|file| file.exists()).expect("a module has a file");
            names_below(own, &format!("{prefix}{name}::"), names);
        }
    }
}

#[test]
fn the_public_names_are_those_of_the_snapshot() {
    let root = fs_err::read_to_string(top().join("src/lib.rs")).expect("the library has a root");
    is_as_reviewed("src/lib.rs", &public_names(&root), SNAPSHOT);
}

#[test]
fn the_public_names_of_the_connectors_are_those_of_the_snapshot() {
    let mut names = Vec::new();
    names_below(&top().join("connectors/src/lib.rs"), "", &mut names);
    assert!(names.iter().any(|name| name.ends_with("::PageNumber")), "modules were not looked into");
    is_as_reviewed("connectors/src/lib.rs", &names, CONNECTORS);
}

fn is_as_reviewed(root: &str, names: &[String], snapshot: &str) {
    let path = top().join(snapshot);
    let found = names.join("\n") + "\n";
    if option_env_is_set("UPDATE") {
        fs_err::write(&path, &found).expect("the snapshot can be written");
    }
    let kept = fs_err::read_to_string(&path).unwrap_or_default();
    let fix = format!(
        "if the change of the public surface is meant, run `UPDATE=1 cargo test --release -p headwater-house` and commit {snapshot}"
    );
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (found, kept) = (lines(&found), lines(&kept));
    let new = found
        .iter()
        .filter(|name| !kept.contains(name))
        .map(|name| format!("`{name}` is public and not in {snapshot}"));
    let gone = kept
        .iter()
        .filter(|name| !found.contains(name))
        .map(|name| format!("`{name}` is in {snapshot} and not public any more"));
    hold(&new.chain(gone).map(|what| Finding::new(root, what, fix.as_str())).collect::<Vec<_>>());
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test run, not a setting of the product")]
fn option_env_is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value == "1")
}

#[test]
fn names_are_found_in_every_form() {
    let text = "//! docs\npub mod project;\nmod hidden;\npub use a::{b::{C, D as E},\n    F};\npub use g::H;\npub(crate) use x::Y;\n\
                pub async fn run() {}\npub struct S<T>(T);\nimpl S { \n    pub fn inner() {} }\n// pub mod no;\n";
    assert_eq!(public_names(text), ["S", "a::F", "a::b::C", "a::b::D as E", "g::H", "project", "run"]);
}
