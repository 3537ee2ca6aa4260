//! Asynchronous jobs: an export is ordered, asked after, downloaded and cleaned up.
//!
//! A job that was ordered is written down before and after, so that a restart goes on asking after it instead of ordering another
//! one. The last answer about a job is to its downloads what a record of a parent is to its children: it gives names for their
//! requests, and a list in it gives one download for each element.

mod manifest;
mod plan;
mod state;
mod store;

pub use manifest::{CreateManifest, JobManifest, PollManifest, StatesManifest, StepManifest};
pub(crate) use plan::JobPlan;
pub(crate) use state::state_of;
pub use state::{JobError, JobState};
pub use store::{FileJobStore, JobKey, JobStore, JobStoreError, MemoryJobStore, StoredJob};
