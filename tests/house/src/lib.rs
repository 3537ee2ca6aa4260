//! The house rules that a machine can hold, as tests that run in seconds.
//!
//! CONTRIBUTING.md says what the rules are for. This crate depends on none of the others, so it also runs while they do not
//! compile. Each rule is a pure function from a file's path and text to [`repository::Finding`]s, with its own tests on bad text;
//! then it is run on every file of the checkout. A finding names the file and the fix.

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod files;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod surface;
