//! The files of the checkout, and how a broken rule is reported.
//!
//! Files are those that git tracks or would track: what a build, a demo or an editor leaves behind is nobody's rule.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

/// One break of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Path from the top of the checkout, with the line where there is one.
    pub(crate) place: String,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do, as an order.
    pub(crate) fix: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    fix  {}", self.place, self.what, self.fix)
    }
}

/// Fails with every finding.
pub(crate) fn hold(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} house rules broken\n\n{}\n", findings.len(), lines.join("\n"));
}

/// The top of the checkout.
pub(crate) fn top() -> PathBuf {
    let house = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    house.parent().and_then(std::path::Path::parent).expect("the crate stands in tests/house").to_owned()
}

/// A file of the checkout that is text.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path from the top of the checkout.
    pub(crate) path: String,
    /// Its whole text.
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        std::path::Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// Every text file that git tracks or would track, by path.
pub(crate) fn sources() -> Vec<Source> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(top())
        .output()
        .expect("git lists the files of a checkout");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let read = |path: &&str| fs_err::read(top().join(path)).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    paths.iter().filter_map(|path| Some(Source { path: (*path).to_owned(), text: read(path)? })).collect()
}
