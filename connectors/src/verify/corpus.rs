//! Against the vendors' published descriptions, which are test data outside the project: the committed evidence. Where the descriptions are
//! absent, tests say `skipped: no specs`.

#![expect(clippy::print_stdout, reason = "why a test has nothing to say")]

use std::path::{Path, PathBuf};

use super::*;
use crate::Library;

/// The folder of descriptions: `HEADWATER_SPECS`, else beside the checkout.
pub(crate) fn specs() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs");
    let folder = std::env::var_os("HEADWATER_SPECS").map_or(beside, PathBuf::from);
    if folder.join("slim").is_dir() {
        return Some(folder);
    }
    println!("skipped: no specs");
    None
}

fn evidence_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("evidence.json")
}

/// `UPDATE=1` writes the file; without it, what the file says of unchanged manifests must be what the descriptions say.
#[test]
fn the_generated_evidence_is_what_the_descriptions_say() {
    let text = fs_err::read_to_string(evidence_file()).unwrap();
    let kept: Evidence = serde_json::from_str(&text).unwrap();
    assert_eq!(kept.to_text().unwrap(), text, "the file is not in its order");
    let Some(specs) = specs() else { return };
    let done = verify_all(&Library::embedded(), &specs).unwrap();
    println!("{}", done.summary());
    let VerifiedAll::Done { evidence, .. } = done else { panic!("the folder is there") };
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs_err::write(evidence_file(), evidence.to_text().unwrap()).unwrap();
        return;
    }
    for (name, now) in &evidence.connectors {
        let same = kept.connectors.get(name).filter(|kept| kept.manifest == now.manifest);
        let is_same_description = same.is_some_and(|kept| kept.description == now.description);
        assert!(
            !is_same_description || same == Some(now),
            "evidence of `{name}` differs: run `UPDATE=1 cargo test -p headwater-connectors generated`"
        );
    }
}

#[test]
fn absent_descriptions_are_said() {
    let done = verify_all(&Library::embedded(), Path::new("/nowhere/at/all")).unwrap();
    assert_eq!((done.summary().as_str(), done), ("skipped: no specs\n", VerifiedAll::Skipped));
}
