//! Reads REST APIs that are described by YAML manifests.
//!
//! A manifest is data: what is particular to one API and nothing else. The engine is everything else, once: transport, pace, pagination,
//! decoding. What a reading yields is bodies as they were sent and records that were split out of them but never parsed.
//!
//! ```text
//! Library ─▶ Connector (a manifest) ─▶ Source (with settings and credentials) ─▶ Reading ─▶ ReadEvent …
//!                                                                            ├▶ RecordStream: records alone, with progress
//!                                                                            └▶ Replayer: the same decoder over stored bodies
//! ```

pub mod auth;
pub mod columns;
pub mod conformance;
mod connector;
pub mod decoding;
pub mod description;
pub mod docs;
pub mod draft;
mod error;
pub mod expression;
pub mod import;
pub mod jobs;
mod library;
pub mod limits;
pub mod lint;
pub mod lookups;
pub mod manifest;
pub mod pagination;
pub mod parents;
pub mod portions;
pub mod refusal;
pub mod shaping;
pub mod slicing;
mod source;
mod stream;
mod transport;
pub mod verify;
pub mod windowing;

pub use connector::{Connector, ConnectorInfo, StreamInfo};
pub use error::{Fault, Place, SourceError};
pub use library::Library;
pub use limits::{FileQuotas, MemoryQuotas, Patience, QuotaStore, QuotaStoreError, RealWaiting, Waiting};
pub use manifest::{ManifestError, SettingInfo, SettingType, SettingValue};
pub use source::{
    CheckReport, HOLD_BYTES, Observed, PAGES_MAX, Progress, ReadRequest, Reading, RecordStream, Replayer, Resume,
    Source, SourceOptions, StreamCheck,
};
pub use transport::{BODY_BYTES_MAX, INFLATION_FREE_BYTES, INFLATION_MAX};
