//! The arrows between crates, from `cargo metadata`: who may know whom, and who may know which library.
//!
//! `a ← b` means b depends on a: `contract ← connectors, quality, catalog` · `quality, catalog ← lake` · the root sees all. One
//! door each: to the network, to zone data, to the terminal.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::repository::{Finding, hold, top};

/// What each crate may know of the workspace. Tests may know more: they are not compiled into anything.
const ARROWS: [(&str, &[&str]); 7] = [
    ("headwater-contract", &[]),
    ("headwater-connectors", &["headwater-contract"]),
    ("headwater-quality", &["headwater-contract"]),
    ("headwater-catalog", &["headwater-contract"]),
    ("headwater-lake", &["headwater-contract", "headwater-quality", "headwater-catalog"]),
    ("headwater-house", &[]),
    ("headwater-live", &[]),
];

/// Crates that see everything: the product's root, and what measures it from outside.
const SEE_ALL: [&str; 2] = ["headwater", "headwater-benches"];

/// Libraries that only some crates may know. The benches stand outside the product and bring their own client.
const DOORS: [(&str, &[&str], &str); 7] = [
    ("clap", &["headwater"], "only the root talks to the terminal"),
    ("axum", &["headwater"], "only the root serves"),
    ("reqwest", &["headwater-connectors", "headwater-benches"], "only `connectors` calls sources"),
    ("object_store", &["headwater-lake"], "only `lake` writes zone data"),
    ("deltalake-core", &["headwater-lake"], "only `lake` writes zone data"),
    ("azure_storage_blob", &["headwater-lake"], "only `lake` writes zone data"),
    ("polars", &["headwater-lake"], "only `lake` reads and writes zone data"),
];

/// Name of each crate, with the names of the crates that it is built from.
type Crates = BTreeMap<String, Vec<String>>;

fn crates(metadata: &Value) -> Crates {
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_built_in = |dependency: &Value| dependency.get("kind").and_then(Value::as_str) != Some("dev");
    list(metadata, "packages")
        .iter()
        .map(|package| {
            let dependencies = list(package, "dependencies");
            let names = dependencies.iter().filter(|one| is_built_in(one)).map(|one| text(one, "name"));
            (text(package, "name"), names.collect())
        })
        .collect()
}

fn wrong_arrows(crates: &Crates) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, dependencies) in crates.iter().filter(|(name, _)| !SEE_ALL.contains(&name.as_str())) {
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == name) else {
            let fix = "give it a place in ARCHITECTURE.md and in tests/house/src/arrows.rs, with the measured reason for a new crate";
            findings.push(Finding::new("Cargo.toml", format!("crate `{name}` has no arrows"), fix));
            continue;
        };
        let ours = dependencies.iter().filter(|dependency| crates.contains_key(*dependency));
        findings.extend(ours.filter(|dependency| !allowed.contains(&dependency.as_str())).map(|dependency| {
            let fix = "turn the arrow round: move what both need to `headwater-contract`, or pass it in from the root";
            Finding::new("Cargo.toml", format!("`{name}` must not know `{dependency}`"), fix)
        }));
    }
    findings
}

fn side_doors(crates: &Crates) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (library, allowed, reason) in DOORS {
        let knowing = crates.iter().filter(|(_, dependencies)| dependencies.iter().any(|one| one == library));
        findings.extend(knowing.filter(|(name, _)| !allowed.contains(&name.as_str())).map(|(name, _)| {
            let fix = format!("go through {}: {reason}", allowed.first().copied().unwrap_or_default());
            Finding::new("Cargo.toml", format!("`{name}` must not depend on `{library}`"), fix)
        }));
    }
    findings
}

#[test]
fn crates_know_only_whom_they_may() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(top())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let crates = crates(&serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON"));
    for (name, _) in ARROWS {
        assert!(crates.contains_key(name), "{name} is not in the workspace");
    }
    hold(&[wrong_arrows(&crates), side_doors(&crates)].concat());
}

#[test]
fn a_wrong_arrow_a_stray_crate_and_a_side_door_are_found() {
    let metadata = serde_json::json!({ "packages": [
        { "name": "headwater", "dependencies": [{ "name": "headwater-lake", "kind": null }, { "name": "clap", "kind": null }] },
        { "name": "headwater-lake", "dependencies": [{ "name": "reqwest", "kind": null }] },
        { "name": "headwater-quality", "dependencies": [
            { "name": "headwater-lake", "kind": null }, { "name": "polars", "kind": "dev" }] },
        { "name": "headwater-more", "dependencies": [] },
    ] });
    let crates = crates(&metadata);
    let found: Vec<String> =
        [wrong_arrows(&crates), side_doors(&crates)].concat().into_iter().map(|one| one.what).collect();
    assert_eq!(
        found,
        [
            "crate `headwater-more` has no arrows",
            "`headwater-quality` must not know `headwater-lake`",
            "`headwater-lake` must not depend on `reqwest`",
        ]
    );
}
