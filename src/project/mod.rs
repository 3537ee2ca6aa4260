//! The project: one readable file, `headwater.yaml`, and what is resolved from it.

mod error;
mod file;
mod reference;
mod template;

pub use error::ProjectError;
pub use file::{LimitSettings, ProjectFile, Setting, SourceEntry, StoreSettings, StreamOverride, ZoneSettings};
pub use reference::{Environment, Reference, looks_secret};
pub use template::{NEW_PROJECT, new_project};

/// The project file's name.
pub const PROJECT_FILE: &str = "headwater.yaml";

/// The folder beside it that holds ledger, catalog and scratch files.
pub const STATE_FOLDER: &str = ".headwater";
